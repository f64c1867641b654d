"""What one picture of the strip says of its own: how long and in which pace the way from it goes on, and its KL
weight."""

from dataclasses import replace

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QComboBox, QWidget
from superqt.utils import signals_blocked

from explorer.make.form import PACES, line_up, quiet_form
from explorer.make.strip import Keyframe
from explorer.widgets.keyboard import in_turn
from explorer.widgets.numbers import NumberLine
from explorer.widgets.terms import explain

AS_ABOVE = "as above"


class LegForm(QWidget):
    """Shows a keyframe; `changed` carries what becomes of it. What is left empty follows the form of the whole
    morph."""

    changed = pyqtSignal(object)  # Keyframe

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._keyframe: Keyframe | None = None
        self.seconds = NumberLine(0.1, 60.0, digits=3, optional=True, what="The step", parent=self)
        self.seconds.set_words("", " s")
        self.seconds.setPlaceholderText(AS_ABOVE)
        self.seconds.setToolTip("Seconds from this picture to the next one; empty: as above.")
        self.easing = QComboBox(self)
        self.easing.addItem(AS_ABOVE, None)
        for value, text in PACES.items():
            self.easing.addItem(text, value)
        self.easing.setToolTip("The pace from this picture to the next one.")
        self.weight = NumberLine(0.0, 1.0, digits=4, optional=True, what="The KL weight", parent=self)
        self.weight.setPlaceholderText("as in Explore")
        self.weight.setToolTip(f"{explain('kl_weight')} On the way it goes evenly to that of the next picture.")
        for field in (self.seconds, self.weight):
            field.taken.connect(self._tell)
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
        self.weight.set_range(low, high)
        self._form.setRowVisible(self.weight, turns)

    def show_keyframe(self, keyframe: Keyframe | None) -> None:
        """Show what this one says, without a signal."""
        self._keyframe = keyframe
        if keyframe is None:
            return
        self.seconds.set_value(keyframe.seconds)
        self.weight.set_value(keyframe.kl_weight)
        with signals_blocked(self.easing):
            self.easing.setCurrentIndex(max(0, self.easing.findData(keyframe.easing)))

    def _tell(self) -> None:
        if self._keyframe is not None:
            self._keyframe = replace(
                self._keyframe,
                seconds=self.seconds.value(),
                easing=self.easing.currentData(),
                kl_weight=self.weight.value(),
            )
            self.changed.emit(self._keyframe)
