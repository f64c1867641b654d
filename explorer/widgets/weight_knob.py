"""The knob of the question: the KL weight on a logarithmic slider, with the decoder noise that it stands for."""

import math

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSlider, QToolButton, QVBoxLayout, QWidget
from superqt.utils import QSignalDebouncer, QSignalThrottler, signals_blocked

from explorer.widgets import terms, theme
from explorer.widgets.numbers import NumberLine

LOW, HIGH = 1e-3, 1e2  # of the slider, unless told; the entry then takes what kvae takes
HIGHEST = 1e6
_NOTCHES = 200  # per decade: a notch is 1.2 %
_THROTTLE = 8  # ms: as often as a mouse speaks


class WeightKnob(QWidget):
    """A KL weight: slider from 0.001 to 100 in equal ratios, and an entry for any other, 0 included; or of a range.

    `changed` follows the hand, at most every 8 ms, and the last value always arrives; `released` says that the hand
    let go. `wide` puts the title above the slider, `flat` everything in one row.
    """

    changed = pyqtSignal(float)
    released = pyqtSignal(float)
    refused = pyqtSignal(str)  # what was typed, in a sentence

    def __init__(
        self,
        parent: QWidget | None = None,
        *,
        title: str = "KL weight",
        value: float = 0.1,
        wide: bool = False,
        flat: bool = False,
    ) -> None:
        super().__init__(parent)
        self._value = value
        self._calibrated: float | None = None
        self._low, self._high = LOW, HIGH  # of the slider
        self._title = QLabel(title, self)
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._slider.setRange(0, round(_NOTCHES * math.log10(HIGH / LOW)))
        self._slider.setSingleStep(_NOTCHES // 20)
        self._slider.setPageStep(_NOTCHES // 4)
        self._slider.setAccessibleName(title)
        self._entry = NumberLine(0.0, HIGHEST, what="The weight", parent=self)
        self._entry.setAccessibleName(f"{title}, as a number")
        self._entry.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._entry.setFixedWidth(9 * theme.UNIT)
        self._sigma = QLabel(self)
        self._sigma.setProperty("role", "quiet")
        self._sigma.setToolTip(terms.TERMS["sigma"])
        self._star = QToolButton(self)
        self._star.setToolTip(terms.TERMS["calibrated"] + " Click to take it.")
        self._star.hide()
        for widget in (self._title, self._slider, self._entry):
            widget.setToolTip(terms.TERMS["kl_weight"])
        self._lay_out(wide, flat)
        self._throttle = QSignalThrottler(parent=self)
        self._throttle.setTimeout(_THROTTLE)
        self._throttle.triggered.connect(lambda: self.changed.emit(self._value))
        # keys and the wheel never let go: the hand is taken as gone after a pause
        self._settle = QSignalDebouncer(parent=self)
        self._settle.setTimeout(300)
        self._settle.triggered.connect(self._let_go)
        self._slider.valueChanged.connect(self._slid)
        self._slider.sliderReleased.connect(self._let_go)
        self._entry.taken.connect(self._typed)
        self._entry.refused.connect(self.refused)
        self._star.clicked.connect(self._take_calibrated)
        self._show()

    def _lay_out(self, wide: bool, flat: bool) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.UNIT // 2)
        first, second = QHBoxLayout(), QHBoxLayout()
        first.setSpacing(theme.UNIT)
        (layout if wide else first).addWidget(self._title)
        first.addWidget(self._slider, 1)
        first.addWidget(self._entry)
        second.setSpacing(theme.UNIT // 2)
        second.addWidget(self._sigma)
        second.addWidget(self._star)
        layout.addLayout(first)
        if flat:
            first.addLayout(second)
        else:
            second.addStretch(1)
            layout.addLayout(second)

    def value(self) -> float:
        """The weight, 0 or above."""
        return self._value

    def set_value(self, value: float) -> None:
        """Show this weight without a signal; ignored while the hand is on the slider."""
        if self._slider.isSliderDown() or not math.isfinite(value) or value < 0:
            return
        self._value = min(value, HIGHEST)
        self._show()

    def set_range(self, low: float, high: float) -> None:
        """Go from `low`, above 0, to `high`, and nowhere else."""
        self._low, self._high = low, high
        self._entry.set_range(low, high)
        with signals_blocked(self._slider):
            self._slider.setRange(0, round(_NOTCHES * math.log10(high / low)))
        self._show()

    def set_calibrated(self, kl_weight: float | None) -> None:
        """Offer the calibrated weight beside σ; None takes the offer away, and so does one beyond the range."""
        known = kl_weight is not None and kl_weight > 0 and self._entry.allowed(kl_weight)
        self._calibrated = kl_weight if known else None
        self._star.setVisible(known)
        self._star.setText(f"{terms.LABELS['calibrated']}: {kl_weight:.2g}" if known else "")

    def _show(self) -> None:
        with signals_blocked(self._slider):
            self._slider.setValue(round(_NOTCHES * math.log10(max(self._value, self._low) / self._low)))
        self._write()

    def _write(self) -> None:
        self._entry.set_value(self._value)
        self._sigma.setText(f"{terms.LABELS['sigma']} {math.sqrt(self._value / 2):.2g}")

    def _slid(self, notch: int) -> None:
        value = self._low * 10 ** (notch / _NOTCHES)
        self._value = min(max(float(f"{value:.3g}"), self._low), self._high)
        self._write()
        self._throttle.throttle()
        if not self._slider.isSliderDown():
            self._settle.throttle()

    def _typed(self, weight: float) -> None:
        if f"{weight:.3g}" == f"{self._value:.3g}":
            self._show()
        else:
            self._take(weight)

    def _take_calibrated(self) -> None:
        if self._calibrated is not None:
            self._take(float(f"{self._calibrated:.3g}"))

    def _take(self, value: float) -> None:
        self._value = value
        self._show()
        self._throttle.throttle()
        self._let_go()

    def _let_go(self) -> None:
        self._settle.cancel()
        self._throttle.flush()
        self.released.emit(self._value)
