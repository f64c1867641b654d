"""Thousands of pictures at their places: dots far away, thumbnails nearer, smooth under the hand.

All points are dots, written into one image with NumPy; at most `MOST` of them get a thumbnail (`mapping.Detail`), whose
scaled pixmap is kept. Both cost a few milliseconds a frame at 10,000 pictures.
"""

from collections import OrderedDict
from dataclasses import replace

import numpy as np
from PyQt6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QApplication, QSizePolicy, QWidget

from explorer.state import mapping
from explorer.widgets import keys, theme
from explorer.widgets.picture import to_qimage

MOST = 1500  # thumbnails in one frame
_KEPT = 4 * MOST  # scaled pixmaps
_MARGIN = 48  # pixels around all pictures at fit
_DOT = 3
_BULK = (
    0.96  # of the pictures, along each axis: what the first view shows, so that a few far ones do not make all small
)
_NEAREST = 12  # how much larger than in the view of all pictures the ones that were found are shown at most
_PAN = 64  # pixels for an arrow key


class ScatterView(QWidget):
    """Shows pictures at places; pan by dragging, zoom by wheel. Pictures are numbered in the order they were added.

    `hovered` and `clicked` carry a picture's number, -1 for none; `activated` a double-clicked one or that of the Enter
    key; `dragged` says that a picture was dragged on another (Shift or Alt, or `morphing` on).
    """

    hovered = pyqtSignal(int)
    clicked = pyqtSignal(int)
    activated = pyqtSignal(int)
    dragged = pyqtSignal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 120)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAccessibleName("Map of the pictures")
        self.morphing = False
        self.view = mapping.View()
        self._message = ""
        self._ground = b""
        self.clear()
        theme.notifier.changed.connect(self.update)

    # ------------------------------------------------------------------ what is shown

    def clear(self) -> None:
        """No pictures."""
        self._thumbnails: list[np.ndarray] = []
        self._pixmaps: OrderedDict[tuple[int, int], QPixmap] = OrderedDict()
        self._detail = mapping.Detail(np.empty((0, 2)))
        self._colours = np.empty(0, np.uint32)  # 0xffrrggbb per picture
        self._framed = np.empty(0, bool)  # which have a frame of their colour
        self._shown: np.ndarray | None = None
        self._neighbours: tuple[int, ...] = ()
        self._cross: tuple[float, float] | None = None
        self.selected: int | None = None
        self._hover = -1
        self._press: QPointF | None = None
        self._moved = False
        self._morph_from: int | None = None
        self._cursor = QPointF()
        self._touched = False  # whether a hand has moved the view since it was fitted
        self._share = _BULK  # of the pictures to which it was fitted
        self.update()

    @property
    def places(self) -> np.ndarray:
        """World places (n, 2) of all pictures."""
        return self._detail.places

    @property
    def touched(self) -> bool:
        """Whether a hand has moved the view since it was fitted."""
        return self._touched

    def add_thumbnails(self, thumbnails: np.ndarray) -> None:
        """More pictures, uint8 (n, side, side, channels). They are drawn once `set_places` knows where."""
        self._thumbnails.extend(thumbnails)

    def set_places(self, places: np.ndarray, colours: list[str], numbers: np.ndarray, refit: bool = False) -> None:
        """Where the pictures are, (n, 2); picture i has the colour `colours[numbers[i]]`,
        a quiet one where that is -1."""
        self._detail = mapping.Detail(places, self._shown_of(len(places)))
        table = np.array([QColor(colour).rgb() for colour in [*colours, theme.palette().quiet]], np.uint32)
        self._colours, self._framed = table[numbers], np.asarray(numbers) >= 0
        if refit or not self._touched:
            self.fit(_BULK)
        self.update()

    def set_shown(self, shown: np.ndarray | None) -> None:
        """Which pictures (n,) were looked for; the others become faint dots. None: all."""
        self._shown = shown
        self._detail = mapping.Detail(self.places, self._shown_of(len(self.places)))
        self.update()

    def set_selected(self, index: int | None, neighbours: tuple[int, ...] = ()) -> None:
        """The chosen picture and those tied to it by lines; they are drawn on top."""
        self.selected, self._neighbours = index, neighbours
        self.update()

    def set_cross(self, place: tuple[float, float] | None) -> None:
        """A crosshair at a world place."""
        self._cross = place
        self.update()

    def set_message(self, message: str) -> None:
        """What to say while there are no pictures."""
        self._message = message
        self.update()

    def _shown_of(self, count: int) -> np.ndarray | None:
        return self._shown if self._shown is not None and len(self._shown) == count else None

    # ------------------------------------------------------------------ the view

    def fit(self, share: float = 1.0) -> None:
        """Show all pictures, or the middle `share` of them."""
        self._touched, self._share = False, share
        self.view = self.view.fitting(self.places, _MARGIN, share)
        self.update()

    def fit_shown(self) -> None:
        """Show those that were looked for, no larger than a few in the middle of the view."""
        shown = self._shown_of(len(self.places))
        if shown is None or not shown.any():
            self.fit(_BULK)
            return
        near, whole = self.view.fitting(self.places[shown], 2 * _MARGIN), self.view.fitting(self.places, _MARGIN, _BULK)
        near = replace(near, scale=min(near.scale, _NEAREST * whole.scale))
        self._touched, self.view = False, near
        self._share = _BULK
        self.update()

    def zoom(self, factor: float, about: QPointF | None = None) -> None:
        """Enlarge about a pixel, or the centre."""
        centre = QPointF(self.rect().center()) if about is None else about
        self._go(self.view.zoomed(factor, centre.x(), centre.y()))

    def show_picture(self, index: int) -> None:
        """Move the view so that this picture is inside."""
        pixel = self.view.to_screen(self.places[index : index + 1])
        if not mapping.on_screen(pixel, self.view, -_MARGIN)[0]:
            self._go(self.view.moved(self.width() / 2 - pixel[0, 0], self.height() / 2 - pixel[0, 1]))

    def _go(self, view: mapping.View) -> None:
        self._touched = True
        self.view = view
        self.update()

    def drawn(self) -> tuple[np.ndarray, int]:
        """The pictures that get a thumbnail, topmost last, and its side in pixels."""
        side = self._detail.side(self.view.scale)
        visible = self._detail.visible(self.view, side, MOST)
        on_top = [i for i in (*self._neighbours[::-1], self.selected) if i is not None and i < len(self.places)]
        if on_top:
            visible = np.concatenate([visible[~np.isin(visible, on_top)], on_top]).astype(int)
        return visible, side

    def picture_at(self, x: float, y: float) -> int:
        """The number of the picture under a pixel, -1 for none."""
        pixels = self.view.to_screen(self.places)
        shown = self._shown_of(len(pixels))
        if shown is not None:
            pixels[~shown] = np.inf  # faint dots are out of reach
        drawn, side = self.drawn()
        hit = mapping.picked(pixels, drawn, side, x, y)
        return -1 if hit is None else hit

    # ------------------------------------------------------------------ drawing

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        colours = theme.palette()
        if not len(self.places):
            painter.fillRect(self.rect(), QColor(colours.surface))
            painter.setPen(QColor(colours.quiet))
            room = QRectF(self.rect()).adjusted(48, 48, -48, -48)
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._message)
            painter.end()
            return
        pixels = self.view.to_screen(self.places)
        painter.drawImage(0, 0, self._dots(pixels, colours))
        drawn, side = self.drawn()
        if 0 <= self._hover < len(pixels):
            drawn = np.append(drawn[drawn != self._hover], self._hover)  # a hovered dot shows its picture
        self._draw_ties(painter, pixels, colours)
        self._draw_thumbnails(painter, pixels, drawn, side)
        self._draw_marks(painter, pixels, colours)
        painter.end()

    def _dots(self, pixels: np.ndarray, colours: theme.Palette) -> QImage:
        """All pictures as dots: one uint32 image of the whole widget, in device pixels."""
        ratio = self.devicePixelRatioF()
        width, height = int(np.ceil(self.width() * ratio)), int(np.ceil(self.height() * ratio))
        buffer = np.full((height, width), QColor(colours.surface).rgb(), np.uint32)
        size = max(round(_DOT * ratio), 2)
        with np.errstate(invalid="ignore"):
            inside = np.all((pixels >= 0) & (pixels * ratio < np.array([width - size, height - size])), axis=1)
        shown = self._shown_of(len(pixels))
        tones = self._colours
        if shown is not None:
            faint = QColor(theme.mixed(colours.surface, colours.quiet, 0.25)).rgb()
            tones = np.where(shown, tones, np.uint32(faint))
            inside_order = np.argsort(shown[inside], kind="stable")  # the faint ones first, below the others
        else:
            inside_order = np.arange(int(inside.sum()))
        corner = (pixels[inside][inside_order] * ratio).astype(int)
        tones = tones[inside][inside_order]
        for down in range(size):
            for across in range(size):
                buffer[corner[:, 1] + down, corner[:, 0] + across] = tones
        self._ground = buffer.tobytes()  # the image only borrows it
        image = QImage(self._ground, width, height, 4 * width, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(ratio)
        return image

    def _draw_thumbnails(self, painter: QPainter, pixels: np.ndarray, drawn: np.ndarray, side: int) -> None:
        ratio = self.devicePixelRatioF()
        corners = np.round((pixels[drawn] - side / 2) * ratio) / ratio  # on whole device pixels: no resampling
        thin = 2 if side >= 28 else 1
        marks = self._frames()
        for index, (x, y) in zip(drawn.tolist(), corners.tolist(), strict=True):
            if index in marks or self._framed[index]:
                colour, frame = marks.get(index) or (QColor.fromRgb(int(self._colours[index])), thin)
                painter.fillRect(QRectF(x - frame, y - frame, side + 2 * frame, side + 2 * frame), colour)
            painter.drawPixmap(QPointF(x, y), self._pixmap(index, side, ratio))

    def _frames(self) -> dict[int, tuple[QColor, int]]:
        """Frames that say something of a picture: near the chosen one, chosen, under the cursor."""
        colours = theme.palette()
        frames = {index: (QColor(colours.accent), 2) for index in self._neighbours}
        if self._hover >= 0:
            frames[self._hover] = (QColor(colours.ink), 2)
        if self.selected is not None:
            frames[self.selected] = (QColor(colours.accent), 4)
        return frames

    def _pixmap(self, index: int, side: int, ratio: float) -> QPixmap:
        """The thumbnail at `side` pixels, made once while it stays in use."""
        size = round(side * ratio)
        kept = self._pixmaps.get((index, size))
        if kept is not None:
            self._pixmaps.move_to_end((index, size))
            return kept
        picture = to_qimage(self._thumbnails[index])
        enlarged = size >= picture.width()
        mode = Qt.TransformationMode.FastTransformation if enlarged else Qt.TransformationMode.SmoothTransformation
        scaled = picture.scaled(size, size, Qt.AspectRatioMode.IgnoreAspectRatio, mode)
        pixmap = QPixmap.fromImage(scaled)
        pixmap.setDevicePixelRatio(ratio)
        self._pixmaps[index, size] = pixmap
        if len(self._pixmaps) > _KEPT:
            self._pixmaps.popitem(last=False)
        return pixmap

    def _draw_ties(self, painter: QPainter, pixels: np.ndarray, colours: theme.Palette) -> None:
        if self.selected is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(colours.accent), 1.5))
        centre = QPointF(*pixels[self.selected])
        for index in self._neighbours:
            painter.drawLine(centre, QPointF(*pixels[index]))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _draw_marks(self, painter: QPainter, pixels: np.ndarray, colours: theme.Palette) -> None:
        """The crosshair, and the line of a morph."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._cross is not None:
            self._draw_cross(painter, colours)
        if self._morph_from is not None:
            painter.setPen(QPen(QColor(colours.accent), 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.drawLine(QPointF(*pixels[self._morph_from]), self._cursor)
            painter.setBrush(QColor(colours.accent))
            painter.drawEllipse(self._cursor, 5, 5)

    def _draw_cross(self, painter: QPainter, colours: theme.Palette) -> None:
        x, y = self.view.to_screen(np.array([self._cross]))[0]
        for colour, width in ((colours.surface, 5.0), (colours.ink, 2.0)):  # a light edge, to be seen on any picture
            painter.setPen(QPen(QColor(colour), width))
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                painter.drawLine(QPointF(x + 4 * dx, y + 4 * dy), QPointF(x + 16 * dx, y + 16 * dy))

    # ------------------------------------------------------------------ the hand

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is None or event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            return
        self._press, self._moved = event.position(), False
        held = event.modifiers() & (Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.AltModifier)
        if (held or self.morphing) and event.button() == Qt.MouseButton.LeftButton:
            hit = self.picture_at(event.position().x(), event.position().y())
            self._morph_from, self._cursor = (hit if hit >= 0 else None), event.position()

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is None:
            return
        now = event.position()
        if self._press is None or self._morph_from is not None:
            self._cursor = now
            self._set_hover(self.picture_at(now.x(), now.y()))
            if self._morph_from is not None:
                self.update()
            return
        step = now - self._press
        if self._moved or step.manhattanLength() >= QApplication.startDragDistance():
            self._moved = True
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self._press = now
            self._go(self.view.moved(step.x(), step.y()))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        if event is None or self._press is None:
            return
        hit = self.picture_at(event.position().x(), event.position().y())
        start, moved = self._morph_from, self._moved
        self._press, self._morph_from, self._moved = None, None, False
        self.unsetCursor()
        self.update()
        if start is not None and hit != start:
            if hit >= 0:
                self.dragged.emit(start, hit)
        elif not moved and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(hit)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        hit = -1 if event is None else self.picture_at(event.position().x(), event.position().y())
        if hit >= 0:
            self.activated.emit(hit)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None and event.angleDelta().y():
            self.zoom(1.0015 ** event.angleDelta().y(), event.position())
            event.accept()

    def event(self, event: QEvent | None) -> bool:
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self.zoom(1.0 + event.value(), event.position())  # two fingers on a touchpad
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        ways = {"west": (1, 0), "east": (-1, 0), "north": (0, 1), "south": (0, -1)}
        way = next((way for name, way in ways.items() if keys.pressed(name, event)), None)
        if way is not None:
            self._go(self.view.moved(*(_PAN * part for part in way)))
        elif keys.pressed("closer", event):
            self.zoom(1.25)
        elif keys.pressed("farther", event):
            self.zoom(0.8)
        elif keys.pressed("show_all", event):
            self.fit()
        elif keys.pressed("enter", event) and self.selected is not None:
            self.activated.emit(self.selected)
        else:
            super().keyPressEvent(event)

    def leaveEvent(self, event: QEvent | None) -> None:
        self._set_hover(-1)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        self.view = self.view.resized(self.width(), self.height())
        if not self._touched:
            self.fit(self._share) if self._shown is None else self.fit_shown()

    def sizeHint(self) -> QSize:
        return QSize(900, 600)

    def _set_hover(self, index: int) -> None:
        if index != self._hover:
            self._hover = index
            self.setCursor(Qt.CursorShape.PointingHandCursor if index >= 0 else Qt.CursorShape.ArrowCursor)
            self.hovered.emit(index)
            self.update()
