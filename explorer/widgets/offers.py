"""What a widget has to take away: any picture it draws, to save, to copy, to show alone, and to drag out of it.

A widget says so by `offer(widget, find)`; what is done with the picture is the affair of the window's `Takeaway`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import QEvent, QMimeData, QObject, QPointF, Qt, QTemporaryDir, QUrl, pyqtSignal
from PyQt6.QtGui import QContextMenuEvent, QCursor, QDrag, QMouseEvent, QPixmap
from PyQt6.QtWidgets import QApplication, QWidget

from explorer.messages import PicturePoint
from explorer.png import to_png
from explorer.safe_text import file_name

DRAG_SIDE = 1024  # pixels of what is dragged out or copied, where the model's own are fewer
_SHOWN = 96  # pixels of what hangs on the pointer meanwhile
_folders: list[QTemporaryDir] = []  # of what was dragged out: whoever takes it may read it later


@dataclass(frozen=True, eq=False)
class Offered:
    """One picture, `image` uint8 (h, w, c), what its file is called, and its point where it has one."""

    image: np.ndarray
    name: str = ""
    point: PicturePoint | None = None
    smooth: bool = True

    def png(self, side: int = 0) -> bytes:
        """As a file of `side` pixels, 0: its own, or `DRAG_SIDE` where it has fewer."""
        return to_png(self.image, side or max(DRAG_SIDE, *self.image.shape[:2]), self.smooth, point=self.point)


Find = Callable[[QPointF | None], Offered | None]  # at a place in the widget; None: the one that stands for all


class Hub(QObject):
    """Says that somebody wants the menu of a picture; the window in which that is answers."""

    menu_wanted = pyqtSignal(object, object, object)  # QWidget, Offered, QPoint on the screen


hub = Hub()


class Offer(QObject):
    """Hears what a hand does with the pictures of one widget; a child of it."""

    def __init__(self, widget: QWidget, find: Find, drag: Qt.KeyboardModifier | None) -> None:
        super().__init__(widget)
        self.widget, self.find = widget, find
        self._drag = drag
        self._press: QPointF | None = None
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if isinstance(event, QContextMenuEvent):
            keyboard = event.reason() == QContextMenuEvent.Reason.Keyboard
            found = self.find(None if keyboard else QPointF(event.pos()))
            if found is not None:
                hub.menu_wanted.emit(self.widget, found, event.globalPos())
            return found is not None
        if isinstance(event, QMouseEvent) and self._drag is not None:
            return self._hand(event)
        return False

    def _hand(self, event: QMouseEvent) -> bool:
        """A drag that begins with the keys it wants; with keys, the widget hears nothing of it."""
        kind, held = event.type(), self._drag != Qt.KeyboardModifier.NoModifier
        if kind == QEvent.Type.MouseButtonPress:
            wanted = event.button() == Qt.MouseButton.LeftButton and event.modifiers() == self._drag
            self._press = event.position() if wanted and self.find(event.position()) is not None else None
            return held and self._press is not None
        if kind == QEvent.Type.MouseButtonRelease:
            taken, self._press = self._press is not None, None
            return held and taken
        if kind != QEvent.Type.MouseMove or self._press is None:
            return False
        if (event.position() - self._press).manhattanLength() >= QApplication.startDragDistance():
            found, self._press = self.find(self._press), None
            if found is not None:
                drag_out(self.widget, found)
        return held


def offer(widget: QWidget, find: Find, drag: Qt.KeyboardModifier | None = Qt.KeyboardModifier.NoModifier) -> None:
    """From now on the pictures of `widget` can be taken away. `drag`: the keys held while one is dragged out; None:
    the widget begins that itself."""
    Offer(widget, find, drag)


def drag_out(widget: QWidget, offered: Offered) -> None:
    """Let a hand carry the picture to another program, as a file and as pixels, until it lets go."""
    if not _folders:
        _folders.append(QTemporaryDir())
    path = f"{_folders[0].path()}/{file_name(offered.name)}.png"
    content = offered.png()
    with open(path, "wb") as file:
        file.write(content)
    drag = QDrag(widget)
    drag.setMimeData(as_mime(content, path))
    small = QPixmap()
    small.loadFromData(to_png(offered.image, _SHOWN, offered.smooth))
    drag.setPixmap(small)
    drag.exec(Qt.DropAction.CopyAction)


def as_mime(png: bytes, path: str = "") -> QMimeData:
    """A PNG as other programs take it: pixels, the bytes with its point in them, and where there is one its file."""
    data, pixels = QMimeData(), QPixmap()
    pixels.loadFromData(png)
    data.setImageData(pixels.toImage())
    data.setData("image/png", png)
    if path:
        data.setUrls([QUrl.fromLocalFile(path)])
    return data


def offered_in(root: QWidget) -> Offered | None:
    """The picture that is meant within `root`: under the pointer, of what has the keyboard, else of the largest widget
    that has one."""
    offers = {one.widget: one for one in root.findChildren(Offer) if one.widget.isVisible()}
    at: QWidget | None = QApplication.widgetAt(QCursor.pos())
    while at is not None:
        if at in offers:
            found = offers[at].find(QPointF(at.mapFromGlobal(QCursor.pos())))
            if found is not None:
                return found
        at = at.parentWidget()
    by_size = sorted(offers.values(), key=lambda one: -one.widget.width() * one.widget.height())
    focused = [one for one in by_size if one.widget.hasFocus()]
    return next((found for one in (*focused, *by_size) if (found := one.find(None)) is not None), None)
