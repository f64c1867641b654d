"""What one picture of the strip says of its own: how long and in which pace the way from it goes on, and its KL
weight."""

from dataclasses import replace

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QComboBox, QDoubleSpinBox, QWidget
from superqt.utils import signals_blocked

from explorer.make.form import PACES, line_up, quiet_form
from explorer.make.strip import Keyframe
from explorer.widgets.keyboard import in_turn
from explorer.widgets.terms import explain

AS_ABOVE = "as above"


class _Weight(QDoubleSpinBox):
    """A KL weight without zeros behind it: 0.1, 0.025."""

    def textFromValue(self, value: float) -> str:
        return self.locale().toString(value, "g", 4)


class LegForm(QWidget):
    """Shows a keyframe; `changed` carries what becomes of it. What is "as above" follows the form of the whole
    morph."""

    changed = pyqtSignal(object)  # Keyframe

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keyframe: Keyframe | None = None
        self.seconds = QDoubleSpinBox(self)
        self.seconds.setRange(0.0, 60.0)
        self.seconds.setDecimals(1)
        self.seconds.setSingleStep(0.5)
        self.seconds.setSuffix(" s")
        self.seconds.setSpecialValueText(AS_ABOVE)
        self.seconds.setToolTip("Seconds from this picture to the next one; 0: as above.")
        self.easing = QComboBox(self)
        self.easing.addItem(AS_ABOVE, None)
        for value, text in PACES.items():
            self.easing.addItem(text, value)
        self.easing.setToolTip("The pace from this picture to the next one.")
        self.weight = _Weight(self)
        self.weight.setDecimals(4)
        self.weight.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.weight.setSpecialValueText("as in Explore")
        self.weight.setToolTip(f"{explain('kl_weight')} On the way it goes evenly to that of the next picture.")
        for field in (self.seconds, self.weight):
            field.setKeyboardTracking(False)
            field.valueChanged.connect(self._tell)
        self.easing.currentIndexChanged.connect(self._tell)
        form = quiet_form(self)
        form.addRow("Each s&tep", self.seconds)
        form.addRow("Pa&ce", self.easing)
        form.addRow("KL &weight", self.weight)
        self._form = form
        in_turn(self.seconds, self.easing, self.weight)
        line_up(form)

    def set_range(self, low: float, high: float, turns: bool) -> None:
        """The weights there are; `turns` says whether the pictures follow them at all."""
        with signals_blocked(self.weight):
            self.weight.setRange(0.0, max(high, low))
        self._form.setRowVisible(self.weight, turns)

    def show_keyframe(self, keyframe: Keyframe | None) -> None:
        """Show what this one says, without a signal."""
        self._keyframe = keyframe
        if keyframe is None:
            return
        with signals_blocked(self.seconds), signals_blocked(self.easing), signals_blocked(self.weight):
            self.seconds.setValue(keyframe.seconds or 0.0)
            self.easing.setCurrentIndex(max(0, self.easing.findData(keyframe.easing)))
            self.weight.setValue(keyframe.kl_weight or 0.0)

    def _tell(self) -> None:
        if self._keyframe is not None:
            self._keyframe = replace(
                self._keyframe,
                seconds=self.seconds.value() or None,
                easing=self.easing.currentData(),
                kl_weight=self.weight.value() or None,
            )
            self.changed.emit(self._keyframe)
