"""The one field for a number that is typed: it reads comma and point, and refuses what is beyond its range."""

import math
import re

from PyQt6.QtCore import QPoint, QRect, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QAbstractSpinBox, QLineEdit, QToolTip, QWidget

from explorer.safe_text import line, plain
from explorer.widgets import keys
from explorer.widgets.deferred import later

_SHOWN = 6000  # ms that a refusal stays
_AFTER = 250  # ms until it is said: the click and the change of focus that led to it would take it away at once
_ARROWS = 40  # pixels for the arrows of a field and what is around the number
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:([.,])\d{3})(?:\1\d{3})+")


def number_of(text: str) -> float:
    """The number that a person means: 2,5 and 2.5, 1.234,5 and 1,234.5, with a hyphen or a true minus. NaN for none."""
    text = re.sub(r"[\s']", "", text.replace("\N{MINUS SIGN}", "-"))
    if _GROUPED.fullmatch(text):  # 1,234,567: one separator again and again
        text = re.sub("[.,]", "", text)
    elif (last := max(text.rfind(","), text.rfind("."))) >= 0:
        text = re.sub("[.,]", "", text[:last]) + "." + text[last + 1 :] if _both(text) else text.replace(",", ".")
    try:
        return float(text) if "_" not in text else math.nan
    except ValueError:
        return math.nan


def _both(text: str) -> bool:
    return "," in text and "." in text


class NumberLine(QLineEdit):
    """A number between `low` and `high`, or None for an empty field where it is `optional`.

    A click or a double-click selects all of it. Return, or leaving, takes what was typed: `taken` brings a number other
    than before; what is none, or beyond the range, is `refused` with a sentence beside the field, and the number stays
    as it was. Esc gives up what was typed. `decimals` are written, or without them `digits` significant digits; instead
    of the lowest number the word `least`, where there is one.
    """

    taken = pyqtSignal(object)  # float or None
    refused = pyqtSignal(str)

    def __init__(
        self,
        low: float = -math.inf,
        high: float = math.inf,
        *,
        what: str = "The number",
        whole: bool = False,
        decimals: int | None = None,
        digits: int = 3,
        optional: bool = False,
        least: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._least = least
        self.what, self.whole, self.optional = what, whole, optional
        self._low, self._high = low, high
        self._decimals, self._digits = decimals, digits
        self._prefix = self._suffix = ""
        self._value: float | None = None
        self._shown = ""  # the text of the value
        self._sentence, self._where = "", QPoint()  # of the last refusal
        self._saying = later(self, _AFTER, self._say)
        self._entered = False  # the keyboard came here with the mouse button that is still down
        self.editingFinished.connect(self.finish)

    def value(self) -> float | None:
        """The number taken last, or set."""
        return self._value

    def set_value(self, value: float | None) -> None:
        """Show this number, without a signal; what somebody is typing stays."""
        typing = self.hasFocus() and self.text() != self._shown
        self._value = value
        if value is None or (self._least and value == self._low):
            self._shown = self._least
        else:
            self._shown = self.around(self.written(value))
        if not typing and self.text() != self._shown:
            self.setText(self._shown)
            self.setCursorPosition(0)

    def set_range(self, low: float, high: float, whole: bool | None = None) -> None:
        """Take numbers from `low` to `high`."""
        self._low, self._high = low, high
        self.whole = self.whole if whole is None else whole

    def set_words(self, prefix: str, suffix: str) -> None:
        """What stands before and after the number."""
        self._prefix, self._suffix = prefix, suffix
        self.set_value(self._value)

    def around(self, number: str) -> str:
        """A number that is written, between its words."""
        return f"{self._prefix}{number}{self._suffix}"

    def written(self, value: float | None) -> str:
        """A number as it is shown."""
        if value is None:
            return ""
        if self.whole:
            return str(round(value))
        return f"{value:.{self._digits}g}" if self._decimals is None else f"{value:.{self._decimals}f}"

    def rule(self, typed: str) -> str:
        """What is allowed, and that `typed` is not."""
        kind = "a whole number" if self.whole else "a number"
        ends = [(" from ", self._low), (" to ", self._high)]
        ends = [(word, end) for word, end in ends if math.isfinite(end)]
        span = "".join(word + self._plainly(end) for word, end in ends)
        return line(f"{self.what} must be {kind}{span}{self._suffix if span else ''}; {typed or 'nothing'} is not.")

    def allowed(self, number: float) -> bool:
        """Whether this number is within the range."""
        slack = 0.0 if self._decimals is None else 0.5 * 10.0**-self._decimals  # what is not written does not count
        return self._low - slack <= number <= self._high + slack and (not self.whole or number == int(number))

    def finish(self) -> None:
        """Take what was typed, or refuse it."""
        text = self.text()
        if text == self._shown:
            return
        typed = text.removeprefix(self._prefix).removesuffix(self._suffix).strip()
        if not typed and (self.optional or self._least):
            self._take(None if self.optional else self._low)
            return
        number = number_of(typed.removesuffix(self._suffix.strip()))
        if self.allowed(number):  # NaN is not
            self._take(number if self._decimals is None else round(number, self._decimals))
            return
        self.give_up()
        self._sentence = self.rule(typed)
        if self.isVisible():
            self._where = self.mapToGlobal(QPoint(0, self.height()))
            self._saying.start()
        self.refused.emit(self._sentence)

    def _say(self) -> None:
        QToolTip.showText(self._where, plain(self._sentence), self.window(), QRect(), _SHOWN)

    def _plainly(self, end: float) -> str:
        end = end if self._decimals is None else round(end, self._decimals)
        return f"{end:,.10g}".replace("-", "\N{MINUS SIGN}")

    def give_up(self) -> None:
        """Show the number again that was there before somebody typed."""
        self.setText(self._shown)
        if self.hasFocus():
            self.select_number()

    def select_number(self) -> None:
        """Select all but the words around it."""
        self.setSelection(len(self._prefix), max(len(self.text()) - len(self._prefix) - len(self._suffix), 0))

    def _take(self, value: float | None) -> None:
        before, self._value = self._value, value
        self._shown = ""
        self.setText("")
        self.set_value(value)
        if self.hasFocus():
            self.select_number()
        if value != before:
            self.taken.emit(value)

    # ------------------------------------------------------------------ the hand

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        super().focusInEvent(event)
        self._entered = event is not None and event.reason() == Qt.FocusReason.MouseFocusReason
        self.select_number()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        super().mousePressEvent(event)
        if self._entered:  # the press itself put the cursor somewhere
            self.select_number()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        super().mouseReleaseEvent(event)
        self._entered = False

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        if not self._entered:
            super().mouseMoveEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        self.select_number()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if keys.pressed("give_up", event) and self.text() != self._shown:
            self.give_up()
        else:
            super().keyPressEvent(event)


class NumberField(QAbstractSpinBox):
    """A `NumberLine` with arrows that step, as the arrow keys do, and the wheel where the keyboard is."""

    valueChanged = pyqtSignal(float)  # typed or stepped to

    def __init__(
        self,
        low: float,
        high: float,
        *,
        step: float = 1.0,
        prefix: str = "",
        suffix: str = "",
        what: str = "The number",
        whole: bool = False,
        decimals: int | None = None,
        digits: int = 3,
        least: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._low, self._high, self._step = low, high, step
        self._least = least
        self.line = NumberLine(low, high, what=what, whole=whole, decimals=decimals, digits=digits, least=least)
        self.line.set_words(prefix, suffix)
        self.line.set_value(low)
        self.setLineEdit(self.line)
        self.editingFinished.connect(self.line.finish)
        self.line.taken.connect(self._tell)

    def value(self) -> float:
        """The number."""
        value = self.line.value()
        assert value is not None
        return value

    def setValue(self, value: float) -> None:
        """Go to the number nearest to `value` that is allowed; what somebody is typing stays."""
        before, value = self.value(), min(max(float(value), self._low), self._high)
        self.line.set_value(value)
        if value != before:
            self._tell(value)

    def set_range(self, low: float, high: float) -> None:
        """Go from `low` to `high`; a number beyond them is moved to the nearer one, without a signal."""
        self._low, self._high = low, high
        self.line.set_range(low, high)
        self.line.set_value(min(max(self.value(), low), high))

    def _tell(self, value: float | None) -> None:
        if value is not None:
            self.update()  # an arrow may have come to its end
            self.valueChanged.emit(value)

    def sizeHint(self) -> QSize:
        """Room for the longest number with the words around it, and for the arrows."""
        texts = [self._least, *(self.line.around(self.line.written(end)) for end in (self._low, self._high))]
        width = max(self.fontMetrics().horizontalAdvance(text) for text in texts)
        return QSize(width + _ARROWS, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def stepBy(self, steps: int) -> None:
        self.line.finish()
        self.setValue(round(self.value() + steps * self._step, 9))
        self.line.select_number()

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:
        flags = QAbstractSpinBox.StepEnabledFlag
        up = flags.StepUpEnabled if self.value() < self._high else flags.StepNone
        return up | (flags.StepDownEnabled if self.value() > self._low else flags.StepNone)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None and not self.hasFocus():
            event.ignore()  # it is the page that is scrolled
        else:
            super().wheelEvent(event)

    def selectAll(self) -> None:
        self.line.select_number()
