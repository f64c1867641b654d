"""The pad of a model of two latents: a square that moves both at once, over what the model paints there."""

import numpy as np
from PyQt6.QtCore import QObject, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import QSizePolicy, QWidget

from explorer.bridge import Bridge
from explorer.messages import Answer, Decode, Decoded
from explorer.state.latent import LatentState
from explorer.state.sliders import REACH, SliderAxis
from explorer.widgets import terms, theme
from explorer.widgets.picture import to_qimage

CELLS = 9  # pictures in a row, and in a column


class XYPad(QWidget):
    """`wanted` asks for the values of both axes; what is shown is only ever what `show_point` says. `pressed` and
    `released` enclose what is one step of undo."""

    wanted = pyqtSignal(float, float)
    pressed = pyqtSignal()
    released = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._axes: tuple[SliderAxis, SliderAxis] | None = None
        self._at = self._other = None  # type: tuple[float, float] | None
        self._ground = QImage()
        self._down = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(14 * theme.UNIT)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName("Both latent dimensions")
        self.setAccessibleDescription("The two sliders below move the same point.")
        self.setToolTip(f"{terms.explain('pad')} Drag to go anywhere.")
        theme.notifier.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        return QSize(40 * theme.UNIT, 40 * theme.UNIT)

    def square(self) -> QRectF:
        """Where the pad is."""
        side = min(self.width(), self.height()) - 2.0
        return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)

    def set_axes(self, across: SliderAxis, up: SliderAxis) -> None:
        """What is moved from left to right, and from bottom to top."""
        self._axes = across, up
        self.update()

    def set_ground(self, image: QImage) -> None:
        """What the model paints, CELLS × CELLS pictures in one image."""
        self._ground = image
        self.update()

    def show_point(self, at: tuple[float, float], other: tuple[float, float] | None) -> None:
        """Where the point is, and the one held against it."""
        if (at, other) != (self._at, self._other):
            self._at, self._other = at, other
            self.update()

    def place_of(self, values: tuple[float, float]) -> QPointF:
        """Where two values are on the pad; at its edge where they lie beyond."""
        assert self._axes is not None
        shares = [
            min(max((value - axis.centre) / (2 * REACH * axis.unit) + 0.5, 0.0), 1.0)
            for axis, value in zip(self._axes, values, strict=True)
        ]
        room = self.square()
        return QPointF(room.left() + shares[0] * room.width(), room.bottom() - shares[1] * room.height())

    def values_at(self, place: QPointF) -> tuple[float, float]:
        """The values of both axes at a place."""
        assert self._axes is not None
        room = self.square()
        shares = (place.x() - room.left()) / room.width(), (room.bottom() - place.y()) / room.height()
        across, up = (
            axis.centre + (min(max(share, 0.0), 1.0) - 0.5) * 2 * REACH * axis.unit
            for axis, share in zip(self._axes, shares, strict=True)
        )
        return across, up

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter, colours, room = QPainter(self), theme.palette(), self.square()
        painter.fillRect(room, QColor(theme.mixed(colours.background, colours.ink, 0.06)))
        if not self._ground.isNull():
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(room, self._ground)
        painter.setPen(QPen(QColor(colours.rule), 1))
        painter.drawRect(room)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for values, fill in ((self._other, "#00000000"), (self._at, colours.accent)):
            if values is not None and self._axes is not None:
                for pen, width in (("#ffffff", 4.0), ("#1b1b1b", 1.5)):  # to be seen on any picture
                    painter.setPen(QPen(QColor(pen), width))
                    painter.setBrush(QColor(fill) if width < 2 else Qt.BrushStyle.NoBrush)
                    painter.drawEllipse(self.place_of(values), 6, 6)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() == Qt.MouseButton.LeftButton and self._axes is not None:
            self._down = True
            self.pressed.emit()
            self.wanted.emit(*self.values_at(event.position()))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and self._down:
            self.wanted.emit(*self.values_at(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() == Qt.MouseButton.LeftButton and self._down:
            self._down = False
            self.released.emit()


class PadPictures(QObject):
    """Shows the pad where the model has two latents, and asks for what lies under it once for each moment."""

    def __init__(self, bridge: Bridge, pad: XYPad, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._pad = bridge, pad
        self._asked: object = None  # of what the pictures were asked for

    def follow(self, state: LatentState, axes: tuple[SliderAxis, ...], moment: object, kl_weight: float | None) -> None:
        """The point is here; another `moment` is another model, or another weight."""
        self._pad.setVisible(len(state.values) == 2 and state.mode == "dimensions" and len(axes) == 2)
        if self._pad.isHidden():
            self._asked = None
            return
        across, up = sorted(axes, key=lambda axis: axis.index)
        self._pad.set_axes(across, up)
        x, y = state.values.tolist()
        other = None if state.other is None else tuple(state.other.values.tolist())
        self._pad.show_point((x, y), other)
        key = (moment, across.centre, across.unit, up.centre, up.unit)
        if key != self._asked:
            self._asked = key
            stops = (np.arange(CELLS) + 0.5) / CELLS * 2 - 1
            columns, rows = (axis.centre + REACH * axis.unit * stops for axis in (across, up))
            grid = np.stack(np.meshgrid(columns, rows[::-1]), axis=-1).reshape(-1, 2)  # from the upper left
            self._bridge.ask(Decode(grid.astype(np.float32), kl_weight), lambda one: self._take(key, one), lane="pad")

    def _take(self, key: object, content: Answer) -> None:
        if isinstance(content, Decoded) and key == self._asked:
            height, width, channels = content.images.shape[1:]
            sheet = content.images.reshape(CELLS, CELLS, height, width, channels).swapaxes(1, 2)
            self._pad.set_ground(
                to_qimage(np.ascontiguousarray(sheet).reshape(CELLS * height, CELLS * width, channels))
            )
