"""The table of a comparison: originals over each model's reconstructions, in exact pixels, on screen and in a file.

Lengths of a `Layout` are device pixels, so that a picture's pixel is a whole number of the screen's; `ratio` of them
make one of Qt's. The file is the same drawing at another ratio.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
)
from PyQt6.QtWidgets import QToolButton, QToolTip, QWidget

from explorer.safe_text import line, plain
from explorer.state import comparison as state
from explorer.state.comparison import Comparison, Layout
from explorer.widgets import terms, theme
from explorer.widgets.picture import to_qimage

_LABEL = 17 * theme.UNIT
_CAPTION = 22
_LEAST = 84  # a row's label: three lines and its buttons
_LINE = 17
_BUTTON = 22
WAITING = "waits for your answer above"
_PATIENCE = 250  # milliseconds of pointing before a column is enlarged
_WRAP = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True)
class _Text:
    """Words in a place, `tone` the name of a colour of the palette, and their explanation."""

    where: QRectF
    words: str
    tone: str = "ink"
    tip: str = ""
    bold: bool = False
    wrap: bool = False


class Drawing:
    """A comparison laid out for one room, ready to be painted."""

    def __init__(self, comparison: Comparison, room: tuple[int, int], ratio: float, font: QFont):
        self.comparison, self.ratio, self.font = comparison, ratio, font
        self.names = {path: line(name, 120) for path, name in comparison.names().items()}
        self.rows = [comparison.rows.get(path) for path in comparison.models]
        originals = comparison.originals
        arrays = [originals, *(row.images if row is not None and not row.failure else None for row in self.rows)]
        self.images = [[] if array is None else [to_qimage(image) for image in array] for array in arrays]
        like = (64, 64) if originals is None else originals.shape[1:3]
        sizes = [like if array is None else array.shape[1:3] for array in arrays]
        for number, row in enumerate(self.rows, start=1):
            if row is not None and row.failure:
                sizes[number] = (0, 0)  # a sentence needs no more than the label does
        columns = len(originals) if originals is not None else len(comparison.pictures) or comparison.count
        units = {"label": _LABEL, "gap": theme.UNIT, "caption": _CAPTION, "least": _LEAST, "comfortable": 128}
        whole = {name: round(length * ratio) for name, length in units.items()}
        self.layout: Layout = state.lay_out(sizes, columns, (int(room[0] * ratio), int(room[1] * ratio)), **whole)

    @property
    def size(self) -> QSize:
        """The whole table, in Qt's pixels."""
        return QSize(int(np.ceil(self.layout.width / self.ratio)), int(np.ceil(self.layout.height / self.ratio)))

    def top(self, row: int) -> float:
        """The upper edge of a row's pictures; row 0 is the originals."""
        return self.layout.tops[row] / self.ratio

    def picture_rect(self, row: int, column: int) -> QRectF:
        """Where a picture is drawn, centred in its column."""
        image, zoom = self.images[row][column], self.layout.zooms[row]
        width, height = image.width() * zoom, image.height() * zoom
        left = self.layout.left(column) + (self.layout.cell - width) // 2
        edges = (left, self.layout.tops[row], width, height)
        return QRectF(*(edge / self.ratio for edge in edges))

    def texts(self) -> list[_Text]:
        """All words: labels at the left, numbers under the rows, sentences where there are no pictures."""
        metrics = QFontMetricsF(self.font)
        texts = [_Text(QRectF(theme.UNIT, self.top(0), _LABEL - 2 * theme.UNIT, _LINE), "Originals", bold=True)]
        for number, (path, row) in enumerate(zip(self.comparison.models, self.rows, strict=True), start=1):
            texts += self._label(number, path, metrics)
            left, top = self.layout.label / self.ratio, self.top(number)
            height = self.layout.heights[number] / self.ratio
            room = QRectF(left, top, self.size.width() - left - theme.UNIT, height)
            if row is None:
                texts.append(_Text(room, WAITING if self.comparison.unread else "reconstructing …", "quiet", wrap=True))
            elif row.failure:
                texts.append(_Text(room, line(row.failure), "error", wrap=True))
            else:
                texts += self._numbers(number, left, top + height, metrics)
        return texts

    def _label(self, number: int, path: str, metrics: QFontMetricsF) -> list[_Text]:
        row, width = self.rows[number - 1], _LABEL - 2 * theme.UNIT
        name = self.names[path]
        lines = [(metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, width * 0.9), path, "ink")]
        if row is not None and not row.failure:
            tips = (
                (terms.TERMS["autoencoder"],) if row.autoencoder else (terms.TERMS["kl_weight"], terms.TERMS["sigma"])
            )
            words = state.weight_words(row).split(" · ")  # a plain autoencoder has no weight
            lines += [(word, tip, "quiet") for word, tip in zip(words, tips, strict=True)]
        return [
            _Text(QRectF(theme.UNIT, self.top(number) + i * _LINE, width, _LINE), words, tone, tip, bold=i == 0)
            for i, (words, tip, tone) in enumerate(lines)
        ]

    def _numbers(self, number: int, left: float, top: float, metrics: QFontMetricsF) -> list[_Text]:
        texts: list[_Text] = []
        row = self.rows[number - 1]
        for words, term in state.measures(row, self.comparison.originals) if row is not None else ():
            words = words if not texts else " · " + words
            width = metrics.horizontalAdvance(words)
            texts.append(_Text(QRectF(left, top + 2, width + 1, _LINE), words, "quiet", terms.TERMS[term]))
            left += width
        return texts

    def paint(self, painter: QPainter) -> None:
        """Draw it all."""
        colours = theme.palette()
        for row, images in enumerate(self.images):
            for column in range(min(len(images), self.layout.columns)):
                painter.drawImage(self.picture_rect(row, column), images[column])
        for text in self.texts():
            font = QFont(self.font)
            font.setBold(text.bold)
            painter.setFont(font)
            painter.setPen(QColor(getattr(colours, text.tone)))
            plain = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(text.where, int(_WRAP if text.wrap else plain), text.words)

    def to_image(self) -> QImage:
        """The table as a picture of its own."""
        size = self.size
        image = QImage(int(size.width() * self.ratio), int(size.height() * self.ratio), QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(self.ratio)
        image.fill(QColor(theme.palette().surface))
        painter = QPainter(image)
        self.paint(painter)
        painter.end()
        return image


class CompareTable(QWidget):
    """Shows a comparison. Emits what a row's buttons ask for, and `column_pointed`: a column to enlarge,
    -1 for none."""

    moved = pyqtSignal(str, int)
    removed = pyqtSignal(str)
    column_pointed = pyqtSignal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Originals and reconstructions")
        self.setToolTip("")
        self._comparison = Comparison()
        self._room = (640, 480)
        self._buttons: list[tuple[QToolButton, ...]] = []
        self._column = -1
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PATIENCE)
        self._timer.timeout.connect(lambda: self.column_pointed.emit(self._column))
        self.message = ""
        self._refresh()
        theme.notifier.changed.connect(self._restyle)

    def show_comparison(self, comparison: Comparison) -> None:
        """Draw this one."""
        again = comparison.models != self._comparison.models
        self._comparison = comparison
        if again:
            self._make_buttons()
        self._refresh()

    def set_room(self, width: int, height: int) -> None:
        """The room in which pictures are as large as possible."""
        self._room = (width, height)
        self._refresh()

    def picture_rect(self, row: int, column: int) -> QRectF:
        """Where a picture is drawn; row 0 is the originals."""
        return self.drawing.picture_rect(row, column)

    def to_image(self, ratio: float) -> QImage:
        """The table as it is on the screen, with `ratio` pixels for each of Qt's."""
        return Drawing(self._comparison, self._room, ratio, self.font()).to_image()

    def texts(self) -> list[str]:
        """All words that are drawn."""
        return [text.words for text in self.drawing.texts()] if self._comparison.models else [self.message]

    def _refresh(self) -> None:
        self.drawing = Drawing(self._comparison, self._room, self.devicePixelRatioF(), self.font())
        size = self.drawing.size if self._comparison.models else QSize(0, 0)
        self.setMinimumSize(size)
        for number, buttons in enumerate(self._buttons, start=1):
            for place, button in enumerate(buttons):
                left = theme.UNIT // 2 + place * (_BUTTON + 4)
                button.move(left, int(self.drawing.top(number)) + _LEAST - _BUTTON - 4)
        self.update()

    # ------------------------------------------------------------------ a row's buttons

    def _make_buttons(self) -> None:
        for buttons in self._buttons:
            for button in buttons:
                button.deleteLater()
        self._buttons = [self._row_buttons(path) for path in self._comparison.models]
        self._restyle()

    def _row_buttons(self, path: str) -> tuple[QToolButton, ...]:
        name, models = plain(line(self._comparison.names()[path], 120)), self._comparison.models
        actions: tuple[tuple[str, Callable[[], None], bool], ...] = (
            ("Move up", lambda: self.moved.emit(path, -1), path != models[0]),
            ("Move down", lambda: self.moved.emit(path, 1), path != models[-1]),
            ("Take out", lambda: self.removed.emit(path), True),
        )
        made = []
        for words, act, enabled in actions:
            button = QToolButton(self)
            button.setFixedSize(_BUTTON, _BUTTON)
            button.setToolTip(f"{words}: {name}")
            button.setAccessibleName(f"{words}: {name}")
            button.setEnabled(enabled)
            button.clicked.connect(act)
            button.show()
            made.append(button)
        return tuple(made)

    def _restyle(self) -> None:
        for buttons in self._buttons:
            for button, name in zip(buttons, ("ph.arrow-up", "ph.arrow-down", "ph.x"), strict=True):
                button.setIcon(theme.icon(name, theme.palette().quiet))
                button.setIconSize(QSize(14, 14))
        self.update()

    # ------------------------------------------------------------------ events

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        if self.drawing.ratio != self.devicePixelRatioF():  # moved to another screen
            QTimer.singleShot(0, self._refresh)
        if self._comparison.models:
            self.drawing.paint(painter)
        else:
            painter.setPen(QColor(theme.palette().quiet))
            room = QRectF(self.rect()).adjusted(48, 48, -48, -48)
            painter.drawText(room, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self.message)
        painter.end()

    def event(self, event: QEvent | None) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), plain(self.tip_at(QPointF(event.pos()))), self)
            return True
        return super().event(event)

    def tip_at(self, place: QPointF) -> str:
        """What explains the words at a place."""
        texts = self.drawing.texts() if self._comparison.models else []
        return next((text.tip for text in texts if text.tip and text.where.contains(place)), "")

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and self.drawing.images[0]:
            place = event.position() * self.drawing.ratio
            column = self.drawing.layout.column_at(place.x(), place.y())
            self._point_at(-1 if column is None else column)

    def leaveEvent(self, event: QEvent | None) -> None:
        self._point_at(-1)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Left and right enlarge one column after the other."""
        count = len(self.drawing.images[0])
        keys = (Qt.Key.Key_Left, Qt.Key.Key_Right)
        if event is not None and event.key() in keys and count:
            step = 1 if event.key() == Qt.Key.Key_Right else -1
            self._column = (self._column + step) % count if self._column >= 0 else (0 if step > 0 else count - 1)
            self.column_pointed.emit(self._column)
        elif event is not None and event.key() == Qt.Key.Key_Escape and self._column >= 0:
            self._point_at(-1)
        else:
            super().keyPressEvent(event)

    def _point_at(self, column: int) -> None:
        if column == self._column:
            return
        self._column = column
        self._timer.stop()
        if column >= 0:
            self._timer.start()
        else:
            self.column_pointed.emit(-1)


class ColumnStrip(QWidget):
    """One picture under each model, side by side and larger, over the table. The mouse goes through it."""

    def __init__(self, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.items: list[tuple[str, QImage]] = []
        self._zoom = 1
        self.hide()

    def show_column(self, drawing: Drawing, column: int, room: QRectF, low: bool) -> None:
        """Enlarge a column within `room`, at its lower or upper edge; hidden where that would enlarge nothing."""
        names = ["Original", *(drawing.names[path] for path in drawing.comparison.models)]
        self.items = [
            (name, images[column]) for name, images in zip(names, drawing.images, strict=True) if column < len(images)
        ]
        widest = max(image.width() for _, image in self.items)
        tallest = max(image.height() for _, image in self.items)
        gap, ratio = theme.UNIT, drawing.ratio
        across = ((room.width() - gap) / len(self.items) - gap) * ratio / widest
        down = (0.5 * room.height() - 2 * gap - _CAPTION) * ratio / tallest
        self._zoom = int(min(across, down))
        if self._zoom <= drawing.layout.zooms[0]:
            self.hide()
            return
        self._cell = widest * self._zoom / ratio
        width = int(len(self.items) * (self._cell + gap) + gap)
        height = int(tallest * self._zoom / ratio + 2 * gap + _CAPTION)
        top = room.bottom() - height if low else room.top()
        self.setGeometry(int(room.left() + (room.width() - width) / 2), int(top), width, height)
        self.show()
        self.raise_()
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter, colours, ratio = QPainter(self), theme.palette(), self.devicePixelRatioF()
        painter.setPen(QColor(colours.rule))
        painter.setBrush(QColor(colours.surface))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.setPen(QColor(colours.ink))
        metrics = QFontMetricsF(self.font())
        for number, (name, image) in enumerate(self.items):
            left = theme.UNIT + number * (self._cell + theme.UNIT)
            zoom = max(int(self._cell * ratio + 0.5) // image.width(), 1) / ratio
            painter.drawImage(QRectF(left, theme.UNIT, image.width() * zoom, image.height() * zoom), image)
            words = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, self._cell)
            below = QRectF(left, self.height() - _CAPTION - theme.UNIT / 2, self._cell, _CAPTION)
            painter.drawText(below, int(Qt.AlignmentFlag.AlignCenter), words)
        painter.end()
