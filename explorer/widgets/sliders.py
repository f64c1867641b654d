"""A slider with its filmstrip, number and lock in one light widget that paints itself:
128 of them are quickly built."""

import math

from PyQt6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QWheelEvent,
)
from PyQt6.QtWidgets import QAbstractSlider, QApplication, QSizePolicy, QWidget
from superqt.utils import signals_blocked

from explorer.state.sliders import REACH, WIDEST, SliderAxis
from explorer.widgets import keys, terms, theme

FRAMES = 7  # pictures of a filmstrip, at -3, -2 ... +3 standard deviations: above the places of the slider they show
HEIGHT = 60
_NAME, _NUMBER, _LOCK = 58, 52, 24  # widths of the columns beside the filmstrip
_STRIP, _RADIUS = 32, 6
_STEP = {Qt.KeyboardModifier.ShiftModifier: 0.5, Qt.KeyboardModifier.ControlModifier: 0.01}  # standard deviations
_LIVES, _DEAD = 16, 0.3  # shades of a dimension on its way out, and how opaque a dead one is
_UNIT = " nats"
_NOTCHES = 100  # of a standard deviation, for screen readers, which know whole numbers only


class SliderRow(QAbstractSlider):
    """One axis. `wanted` asks for a value; what is shown is only ever what `set_value` says.

    `pressed` and `released` enclose what is one step of undo. The wheel is left to the list, which scrolls.
    """

    wanted = pyqtSignal(float)
    pressed = pyqtSignal()
    released = pyqtSignal()
    reset_wanted = pyqtSignal()
    lock_wanted = pyqtSignal()
    entry_wanted = pyqtSignal(str)  # what was typed already
    step_wanted = pyqtSignal(int)  # to the row above (-1) or below (+1)
    focused = pyqtSignal()
    frame_dragged = pyqtSignal(int)  # out of the filmstrip

    def __init__(self, axis: SliderAxis, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.axis = axis
        self.strip_key: object = None  # of the filmstrip shown: what it was decoded from
        self._value = 0.0
        self._other: float | None = None
        self._locked = False
        self._life = 1.0
        self._strip: QImage | None = None
        self._pressed_frame: tuple[int, QPointF] | None = None
        self._grip: float | None = None  # while dragging: how far the hand is from the handle's middle
        self._on_handle = self._keyed = False
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # the list lets Tab in at one row, and arrows do the rest
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(HEIGHT)
        self.valueChanged.connect(self._from_screen_reader)
        self.set_axis(axis)

    def sizeHint(self) -> QSize:
        return QSize(50 * theme.UNIT, HEIGHT)

    # ------------------------------------------------------------------ what is shown

    @property
    def number(self) -> float:
        """The value shown."""
        return self._value

    def set_axis(self, axis: SliderAxis) -> None:
        """Stand for `axis` from now on; the filmstrip stays until another comes, unless it was of another axis."""
        if (axis.index, axis.direction is None) != (self.axis.index, self.axis.direction is None):
            self.set_strip(None, None)
        self.axis = axis
        ends = [round((axis.centre + side * REACH * axis.unit) * _NOTCHES) for side in (-1, 1)]
        with signals_blocked(self):
            self.setRange(*ends)
        self.setAccessibleName(f"{self.title()}, {self.worth()}" if self.worth() else self.title())
        self.setAccessibleDescription("In hundredths. Arrow keys move, Home resets, L locks, Enter types a number.")
        self.update()

    def set_shown(self, value: float, other: float | None, locked: bool, life: float = 1.0) -> None:
        """Show a value, the one of the point held against it, the lock, and how much the model uses it, from 1 to 0."""
        life = math.ceil(_LIVES * life) / _LIVES  # painted anew only where it can be seen
        if (value, other, locked, life) == (self._value, self._other, self._locked, self._life):
            return
        self._value, self._other, self._locked, self._life = value, other, locked, life
        with signals_blocked(self):
            self.setValue(round(value * _NOTCHES))
        self.update()

    def set_strip(self, strip: QImage | None, key: object) -> None:
        """Show FRAMES pictures side by side in one image; `key` says what they were decoded from."""
        self._strip, self.strip_key = strip, key
        self.update()

    @property
    def life(self) -> float:
        """How much of the dimension the model uses, from 1 to 0, where it is dead."""
        return self._life

    @property
    def strip(self) -> QImage | None:
        """The filmstrip shown."""
        return self._strip

    def title(self) -> str:
        """What the slider moves, in words."""
        kind = "Latent dimension" if self.axis.direction is None else "Principal direction"
        return f"{kind} {self.axis.index + 1}"

    def worth(self) -> str:
        """How much it says about a picture."""
        rate = self.axis.rate
        return "" if rate is None or math.isnan(rate) else f"{rate:.2f}{_UNIT}"

    def short_worth(self) -> str:
        """The same without its unit, which the list says once for all."""
        return self.worth().removesuffix(_UNIT)

    # ------------------------------------------------------------------ geometry

    def strip_rect(self) -> QRect:
        """Where the filmstrip is; the slider lies under it, on the same scale."""
        width = self.width() - _NAME - _NUMBER - _LOCK
        return QRect(_NAME, 5, width, _STRIP)

    def number_rect(self) -> QRect:
        """Where the number is, and its entry while typing."""
        return QRect(self.width() - _LOCK - _NUMBER + 4, self._line() - 12, _NUMBER - 4, 24)

    def lock_rect(self) -> QRect:
        """Where the lock is."""
        return QRect(self.width() - _LOCK, self._line() - 12, _LOCK, 24)

    def frame_size(self) -> QSize:
        """The room of one frame, in logical pixels."""
        return QSize(int(self._pitch()) - 1, _STRIP)

    def handle_x(self) -> float:
        """The middle of the handle; at an end where the value lies beyond it."""
        return self._x(self._value)

    def _line(self) -> int:
        return 5 + _STRIP + 3 + _RADIUS + 1

    def _pitch(self) -> float:
        return (self.strip_rect().width() / 2 - _RADIUS) / REACH

    def _x(self, value: float) -> float:
        sigmas = min(max((value - self.axis.centre) / self.axis.unit, -REACH), REACH)
        room = self.strip_rect()
        return room.x() + room.width() / 2 + sigmas * self._pitch()

    def _value_at(self, x: float) -> float:
        room = self.strip_rect()
        sigmas = (x - room.x() - room.width() / 2) / self._pitch()
        return self.axis.centre + min(max(sigmas, -REACH), REACH) * self.axis.unit

    def frame_rect(self, frame: int) -> QRectF:
        """Where frame 0 ... FRAMES - 1 is: centred above the value it shows."""
        size, room = self.frame_size(), self.strip_rect()
        middle = room.x() + room.width() / 2 + WIDEST * (2 * frame / (FRAMES - 1) - 1) * self._pitch()
        return QRectF(round(middle - size.width() / 2), self.strip_rect().y(), size.width(), size.height())

    # ------------------------------------------------------------------ painting

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = theme.palette()
        if self.hasFocus():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.mixed(colours.background, colours.accent, 0.1)))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0, 1, 0, -1), 4, 4)
        painter.setOpacity(_DEAD + (1.0 - _DEAD) * self._life)
        self._paint_words(painter, colours)
        self._paint_strip(painter, colours)
        self._paint_slider(painter, colours)
        self._paint_lock(painter, colours)
        painter.end()

    def _paint_words(self, painter: QPainter, colours: theme.Palette) -> None:
        room = self.strip_rect()
        painter.setPen(QColor(colours.ink))
        right, left = Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignLeft
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(self.number_rect(), right | middle, f"{self._value:+.2f}".replace("-", "\N{MINUS SIGN}"))
        kind = "" if self.axis.direction is None else "dir. "
        painter.drawText(QRect(6, room.y(), _NAME - 8, 18), left | middle, f"{kind}{self.axis.index + 1}")
        font = painter.font()
        small = painter.font()
        small.setPointSizeF(max(font.pointSizeF() - 2, 6))
        painter.setFont(small)
        painter.setPen(QColor(colours.quiet))
        painter.drawText(QRect(6, room.y() + 17, _NAME - 8, 16), left | middle, self.short_worth())
        painter.setFont(font)

    def _paint_strip(self, painter: QPainter, colours: theme.Palette) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setOpacity(painter.opacity() * (0.45 if self._locked else 1.0))
        for frame in range(FRAMES):
            where = self.frame_rect(frame)
            if self._strip is None:
                painter.fillRect(where, QColor(theme.mixed(colours.background, colours.ink, 0.06)))
                continue
            width = self._strip.width() // FRAMES
            part = QRectF(frame * width, 0, width, self._strip.height())
            painter.drawImage(_fitted(part, where), self._strip, part)
        painter.restore()

    def _paint_slider(self, painter: QPainter, colours: theme.Palette) -> None:
        line, ends = self._line(), (self._x(-1e9), self._x(1e9))
        groove = theme.mixed(colours.background, colours.ink, 0.18)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(groove))
        painter.drawRoundedRect(QRectF(ends[0], line - 1.5, ends[1] - ends[0], 3), 1.5, 1.5)
        painter.drawRect(QRectF(self._x(self.axis.centre) - 0.75, line - 5, 1.5, 10))
        if self._other is not None:  # where the other point is
            painter.setBrush(QColor(colours.background))
            painter.setPen(QColor(colours.quiet))
            painter.drawEllipse(QPointF(self._x(self._other), line), _RADIUS - 2.5, _RADIUS - 2.5)
        painter.setPen(QColor(colours.ink) if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(groove if self._locked or not self.isEnabled() else colours.accent))
        painter.drawEllipse(QPointF(self.handle_x(), line), _RADIUS, _RADIUS)

    def _paint_lock(self, painter: QPainter, colours: theme.Palette) -> None:
        """Open ones are faint; a direction has none of its own, but shows when its dimensions are locked."""
        if self._locked:
            icon = theme.icon("ph.lock-simple-fill", colours.ink)
        elif self.axis.direction is None:
            icon = theme.icon("ph.lock-simple-open", theme.mixed(colours.rule, colours.quiet, 0.4))
        else:
            return
        icon.paint(painter, self.lock_rect().adjusted(4, 4, -4, -4))

    # ------------------------------------------------------------------ mouse

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        if event is None or event.button() != Qt.MouseButton.LeftButton:
            return
        where = event.position()
        if self.lock_rect().contains(where.toPoint()):
            self.lock_wanted.emit()
        elif self.number_rect().contains(where.toPoint()):
            self.entry_wanted.emit("")
        elif where.y() < self.strip_rect().bottom() + 2:
            self._press_frame(where)
        elif _NAME - _RADIUS <= where.x() <= self.strip_rect().right() + _RADIUS:
            off = where.x() - self.handle_x()
            self._on_handle = abs(off) <= _RADIUS + 2
            self._grip = off if self._on_handle else 0.0
            self.pressed.emit()
            if not self._on_handle:
                self.wanted.emit(self._value_at(where.x()))

    def _press_frame(self, where: QPointF) -> None:
        """A click on a frame goes to the value it shows; dragged away, the frame is the picture of a drag."""
        self._on_handle = False
        frame = self.frame_at(where)
        self._pressed_frame = None if frame is None else (frame, where)

    def frame_at(self, where: QPointF) -> int | None:
        """The frame of the filmstrip at a place."""
        return next((frame for frame in range(FRAMES) if self.frame_rect(frame).contains(where)), None)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and self._grip is not None:
            self.wanted.emit(self._value_at(event.position().x() - self._grip))
        elif event is not None and self._pressed_frame is not None:
            frame, began = self._pressed_frame
            if (event.position() - began).manhattanLength() >= QApplication.startDragDistance():
                self._pressed_frame = None
                self.frame_dragged.emit(frame)

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            self._let_go()
            pressed, self._pressed_frame = self._pressed_frame, None
            if pressed is not None:
                self.wanted.emit(float(self.axis.stops(FRAMES)[pressed[0]]))

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """On the handle: reset. Elsewhere, as two clicks."""
        if event is None:
            return
        on_line = event.position().y() >= self.strip_rect().bottom() + 2
        if self._on_handle and on_line and abs(event.position().x() - self.handle_x()) <= _RADIUS + 2:
            self.reset_wanted.emit()
        else:
            self.mousePressEvent(event)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None:
            event.ignore()

    def _let_go(self) -> None:
        if self._grip is not None or self._keyed:
            self._grip, self._keyed = None, False
            self.released.emit()

    # ------------------------------------------------------------------ keys

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is None:
            return
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, _KEYPAD)
        if (more := keys.pressed("more", event)) or keys.pressed("less", event):
            sigmas = _STEP.get(event.modifiers() & ~_KEYPAD, 0.1) * (1 if more else -1)
            self._step(sigmas, event.isAutoRepeat())
        elif keys.pressed("above", event) or keys.pressed("below", event):
            self.step_wanted.emit(1 if keys.pressed("below", event) else -1)
        elif keys.pressed("middle", event):
            self.reset_wanted.emit()
        elif keys.pressed("lock", event):
            self.lock_wanted.emit()
        elif keys.pressed("type_number", event):
            self.entry_wanted.emit("")
        elif plain and event.text() and event.text() in "0123456789.,-+":
            self.entry_wanted.emit(event.text())
        else:
            event.ignore()

    def _step(self, sigmas: float, repeated: bool) -> None:
        """A key held down is one step of undo."""
        if not repeated or not self._keyed:
            self._let_go()
            self._keyed = True
            self.pressed.emit()
        low, high = self.reach()
        here = min(max(self._value + sigmas * self.axis.unit, low), high)
        self.wanted.emit(round(here, 6))

    def reach(self) -> tuple[float, float]:
        """From where to where it goes: to its ends, and to where it is now if that lies beyond them."""
        low, high = (self.axis.centre + side * REACH * self.axis.unit for side in (-1, 1))
        return min(low, self._value), max(high, self._value)

    def keyReleaseEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and not event.isAutoRepeat():
            self._let_go()
            event.ignore()  # whoever waits for the end of a key that is not ours

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        super().focusInEvent(event)
        self.focused.emit()
        self.update()

    def focusOutEvent(self, event: QFocusEvent | None) -> None:
        self._let_go()
        super().focusOutEvent(event)
        self.update()

    def _from_screen_reader(self, notches: int) -> None:
        self.wanted.emit(notches / _NOTCHES)

    # ------------------------------------------------------------------ explanations

    def explanation(self, where: QPoint) -> str:
        """What stands at this place, in a sentence."""
        if self.lock_rect().contains(where):
            if self.axis.direction is not None:
                return "Locks belong to latent dimensions: lock them there." if self._locked else ""
            return f"{'Unlock' if self._locked else 'Lock'} (L). {terms.explain('lock')}"
        if self.number_rect().contains(where):
            return "Click, or press Enter, to type a number."
        if where.x() < _NAME:
            term = "rate_per_dimension" if self.axis.direction is None else "principal"
            dead = "" if self._life else f" {terms.explain('dead')}"
            return f"{self.title()}{': ' + self.worth() if self.worth() else ''}. {terms.explain(term)}{dead}"
        if where.y() <= self.strip_rect().bottom():
            return f"{terms.explain('filmstrip')} Click a picture to go there, or drag it out to keep it."
        return "Drag, or ← and → (Shift: coarse, Ctrl: fine). Double-click the handle, or Home, to reset."


_KEYPAD = Qt.KeyboardModifier.KeypadModifier


def _fitted(part: QRectF, room: QRectF) -> QRectF:
    """The largest rectangle of the shape of `part` in the middle of `room`."""
    scale = min(room.width() / part.width(), room.height() / part.height())
    width, height = part.width() * scale, part.height() * scale
    return QRectF(room.x() + (room.width() - width) / 2, room.y() + (room.height() - height) / 2, width, height)
