"""The keyframes of a morph as a strip of pictures: drag to reorder, remove, duplicate."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from PyQt6.QtCore import QModelIndex, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QDropEvent, QIcon, QKeyEvent, QPainter, QPen, QPixmap
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from explorer.safe_text import line, plain
from explorer.widgets import keys, theme
from explorer.widgets.offers import Offered, offer
from explorer.widgets.picture import Origin, to_qimage

SIDE = 72  # pixels of a keyframe's picture
ITEM = QSize(SIDE + 2 * theme.UNIT, SIDE + 4 * theme.UNIT)  # with room for the name below
_KEYFRAME = Qt.ItemDataRole.UserRole


@dataclass(frozen=True, eq=False)
class Keyframe:
    """One picture the morph passes through: `latents` float32 (latent,). Two of the same latents are still two.

    What is its own: the KL weight, and the seconds and the easing of the way to the next one; None: as of all. Its
    `number` stays while its picture does, whatever it is called.
    """

    name: str
    latents: np.ndarray
    kl_weight: float | None = None
    seconds: float | None = None
    easing: str | None = None
    number: int = field(default_factory=itertools.count().__next__)


class _PictureOverName(QStyledItemDelegate):
    """Draws the picture as it is, also when it is chosen, which Qt would tint."""

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        assert painter is not None
        colours, room = theme.palette(), QRectF(option.rect)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen:
            painter.fillRect(room, QColor(theme.mixed(colours.background, colours.accent, 0.25)))
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(QColor(colours.accent), 2))
            painter.drawRect(room.adjusted(1, 1, -1, -1))
        square = QRectF(room.center().x() - SIDE / 2, room.top() + theme.UNIT, SIDE, SIDE)
        picture = index.data(Qt.ItemDataRole.DecorationRole)
        if isinstance(picture, QIcon) and not picture.isNull():
            picture.paint(painter, square.toRect())
        else:
            painter.fillRect(square, QColor(colours.rule))
        below = QRectF(room.left() + 4, square.bottom(), room.width() - 8, room.bottom() - square.bottom())
        text = option.fontMetrics.elidedText(index.data() or "", Qt.TextElideMode.ElideRight, int(below.width()))
        painter.setPen(QColor(colours.ink if chosen else colours.quiet))
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, text)


class KeyframeStrip(QListWidget):
    """Shows keyframes in order. `changed` tells of every change a person made here, `chosen` which one is looked at."""

    changed = pyqtSignal()
    chosen = pyqtSignal(int)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self.setFlow(QListWidget.Flow.LeftToRight)
        self.setWrapping(False)
        self.setIconSize(QSize(SIDE, SIDE))
        self.setUniformItemSizes(True)
        self.setItemDelegate(_PictureOverName(self))
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedHeight(ITEM.height() + 2 * theme.UNIT)
        self.setStyleSheet("QListView { background: transparent; }")
        self.setAccessibleName("Pictures of the morph")
        self.setToolTip("Drag to reorder (Alt+← and Alt+→) · Delete removes · Ctrl+D duplicates · Ctrl-drag takes out")
        self._images: dict[int, np.ndarray] = {}  # as they were decoded, by the keyframe's number
        self.origin: Callable[[Keyframe], Origin] = lambda keyframe: (keyframe.name, None)
        offer(self.viewport() or self, self._offered, Qt.KeyboardModifier.ControlModifier)
        self.currentRowChanged.connect(lambda row: self.chosen.emit(row) if row >= 0 else None)

    def keyframes(self) -> tuple[Keyframe, ...]:
        """In the order of the strip."""
        return tuple(self.item(row).data(_KEYFRAME) for row in range(self.count()))  # type: ignore[union-attr]

    def set_keyframes(self, keyframes: Iterable[Keyframe]) -> None:
        """Show these; no signal."""
        pictures = {self._held(row).number: self._item(row).icon() for row in range(self.count())}
        blocked = self.blockSignals(True)
        self.clear()
        for keyframe in keyframes:
            self._insert(self.count(), keyframe, pictures.get(keyframe.number, QIcon()))
        self.blockSignals(blocked)

    def add(self, keyframe: Keyframe) -> None:
        """Put one at the end and look at it."""
        self._insert(self.count(), keyframe, QIcon())
        self.setCurrentRow(self.count() - 1)
        self.changed.emit()

    def remove(self) -> None:
        """Take the current one out."""
        row = self.currentRow()
        if row >= 0:
            self.takeItem(row)
            self.changed.emit()

    def duplicate(self) -> None:
        """Put the current one in once more, behind itself."""
        row = self.currentRow()
        if row >= 0:
            held = self._held(row)
            again = replace(held, number=Keyframe(held.name, held.latents).number)
            self._insert(row + 1, again, self._item(row).icon())
            self.setCurrentRow(row + 1)
            self.changed.emit()

    def shift(self, places: int) -> None:
        """Move the current one to the right by so many places (negative: to the left)."""
        row = self.currentRow()
        target = row + places
        if row >= 0 and 0 <= target < self.count():
            blocked = self.blockSignals(True)
            self.insertItem(target, self.takeItem(row))
            self.blockSignals(blocked)
            self.setCurrentRow(target)
            self.changed.emit()

    def has_picture(self, keyframe: Keyframe) -> bool:
        """Whether its picture is there."""
        row = self._row_of(keyframe)
        return row >= 0 and not self._item(row).icon().isNull()

    def set_picture(self, keyframe: Keyframe, image: np.ndarray | None) -> None:
        """Show `image`, uint8 (height, width, channels), for this keyframe, where it is still in the strip."""
        row = self._row_of(keyframe)
        if row >= 0:
            self._item(row).setIcon(QIcon() if image is None else _thumbnail(image, self.devicePixelRatioF()))
            there = {held.number for held in self.keyframes()}
            self._images = {number: kept for number, kept in self._images.items() if number in there}
            if image is not None:
                self._images[keyframe.number] = image

    def _offered(self, where: QPointF | None) -> Offered | None:
        item = self.currentItem() if where is None else self.itemAt(where.toPoint())
        held = None if item is None else item.data(_KEYFRAME)
        image = self._images.get(held.number) if isinstance(held, Keyframe) else None
        return None if image is None or held is None else Offered(image, *self.origin(held))

    def rename(self, keyframe: Keyframe, name: str) -> None:
        """Another name for the same picture; no signal."""
        row = self._row_of(keyframe)
        self._item(row).setData(_KEYFRAME, replace(keyframe, name=name))
        self._item(row).setText(line(name, 120))

    def current(self) -> Keyframe | None:
        """The one that is chosen."""
        return self._held(self.currentRow()) if self.currentRow() >= 0 else None

    def exchange(self, keyframe: Keyframe) -> None:
        """Take `keyframe` in the place of the current one; at another weight its picture is another."""
        row = self.currentRow()
        if row >= 0:
            if self._held(row).kl_weight != keyframe.kl_weight:
                keyframe = replace(keyframe, number=Keyframe(keyframe.name, keyframe.latents).number)
                self._item(row).setIcon(QIcon())
            self._item(row).setData(_KEYFRAME, keyframe)
            self.changed.emit()

    def dropEvent(self, event: QDropEvent | None) -> None:
        before = [id(keyframe) for keyframe in self.keyframes()]
        super().dropEvent(event)
        if [id(keyframe) for keyframe in self.keyframes()] != before:
            self.changed.emit()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        assert event is not None
        does = {
            "play": event.ignore,  # the page plays and pauses
            "remove": self.remove,
            "duplicate": self.duplicate,
            "earlier": lambda: self.shift(-1),
            "later": lambda: self.shift(1),
        }
        name = next((name for name in does if keys.pressed(name, event)), None)
        if name is None:
            super().keyPressEvent(event)
        else:
            does[name]()

    def _insert(self, row: int, keyframe: Keyframe, icon: QIcon) -> None:
        item = QListWidgetItem(icon, line(keyframe.name, 120))
        item.setData(_KEYFRAME, keyframe)
        item.setSizeHint(ITEM)
        item.setToolTip(plain(keyframe.name))
        item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsDropEnabled)  # dropped between two, never onto one
        self.insertItem(row, item)

    def _item(self, row: int) -> QListWidgetItem:
        item = self.item(row)
        assert item is not None
        return item

    def _held(self, row: int) -> Keyframe:
        return self._item(row).data(_KEYFRAME)

    def _row_of(self, keyframe: Keyframe) -> int:
        return next((row for row in range(self.count()) if self._held(row).number == keyframe.number), -1)


def _thumbnail(image: np.ndarray, ratio: float) -> QIcon:
    """`image` in `SIDE` logical pixels; small pictures are enlarged in whole pixels."""
    side = round(SIDE * ratio)
    picture = to_qimage(image)
    enlarged = max(picture.width(), picture.height()) < side
    mode = Qt.TransformationMode.FastTransformation if enlarged else Qt.TransformationMode.SmoothTransformation
    pixmap = QPixmap.fromImage(picture.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, mode))
    pixmap.setDevicePixelRatio(ratio)
    return QIcon(pixmap)
