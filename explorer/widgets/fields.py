"""One field of the form for each kind of setting. A field knows its setting's bounds and says in a sentence what breaks
them."""

import math
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from explorer.messages import SettingInfo
from explorer.widgets import terms, theme
from explorer.widgets.numbers import NumberLine, number_of
from explorer.widgets.weight_knob import WeightKnob

AUTOMATIC = "automatic"
EVERY_WEIGHT = (0.01, 1.0)  # what a model for every weight is trained for
_SUGGESTED = {"size": (32, 64, 96, 128, 256), "latent_dim": (8, 16, 32, 64, 128, 256)}
_NETWORKS = {  # what an artist would call them; others are shown by their own name
    "spectral": "Spectral (default)",
    "hybrid": "Hybrid",
    "conv": "Convolutional",
    "residual": "Residual, slower",
    "linear": "Linear, exact",
}


class Unfit(ValueError):
    """A field holds what its setting does not allow; the sentence says what would do."""


def hint(info: SettingInfo) -> str:
    """The tooltip of a setting: kvae's own sentence, after the explanation of the term where there is one."""
    sentence = info.help[:1].upper() + info.help[1:]
    sentence += "" if sentence.endswith(".") else "."
    explained = terms.explain(info.name)
    return f"{explained}\n\n{sentence}" if explained else sentence


class Quiet(QComboBox):
    """A box that the wheel does not change while the form is scrolled past it."""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        if event is not None and not self.hasFocus():
            event.ignore()
            return
        super().wheelEvent(event)


class Field(QWidget):
    """One setting. `value` raises `Unfit`; `set_value(None)` goes back to the default."""

    edited = pyqtSignal()
    refused = pyqtSignal(str)  # what was typed, in a sentence; the setting stays as it was

    def __init__(self, info: SettingInfo, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.info = info
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)
        self.row.setSpacing(theme.UNIT // 2)
        self.setToolTip(hint(info))

    def hold(self, widget: QWidget) -> None:
        """Take the widget that is typed into or clicked."""
        widget.setAccessibleName(terms.label(self.info.name))
        self.row.addWidget(widget, 1)
        self.setFocusProxy(widget)

    def value(self) -> Any:
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        raise NotImplementedError


class SwitchField(Field):
    """A yes or no, with its own label."""

    def __init__(self, info: SettingInfo, parent: QWidget | None = None) -> None:
        super().__init__(info, parent)
        self.box = QCheckBox(terms.label(info.name), self)
        self.hold(self.box)
        self.box.toggled.connect(lambda _: self.edited.emit())
        self.set_value(None)

    def value(self) -> bool:
        return self.box.isChecked()

    def set_value(self, value: Any) -> None:
        self.box.setChecked(bool(self.info.default if value is None else value))


class ChoiceField(Field):
    """One of a few words."""

    def __init__(self, info: SettingInfo, parent: QWidget | None = None) -> None:
        super().__init__(info, parent)
        self.box = Quiet(self)
        for choice in info.choices:
            words = _NETWORKS.get(choice, choice) if info.name == "network" else choice
            self.box.addItem(words, choice)
        # a long word may be cut in the box, never in the list that drops from it
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.setMinimumContentsLength(6)
        self.hold(self.box)
        self.box.currentIndexChanged.connect(lambda _: self.edited.emit())
        self.set_value(None)

    def value(self) -> str:
        return str(self.box.currentData())

    def set_value(self, value: Any) -> None:
        place = self.box.findData(self.info.default if value is None else value)
        if place < 0:
            raise Unfit(f"{terms.label(self.info.name)} must be one of {', '.join(self.info.choices)}; {value} is not.")
        self.box.setCurrentIndex(place)


class EntryField(Field):
    """A number, several numbers or a word, typed; empty means the default. Some numbers are also offered in a list."""

    def __init__(self, info: SettingInfo, parent: QWidget | None = None) -> None:
        super().__init__(info, parent)
        self.entry = self._make_entry(info)
        suggested = [n for n in _SUGGESTED.get(info.name, ()) if _within(info, n)] if info.kind == "int" else []
        if suggested:
            box = Quiet(self)
            box.setEditable(True)
            box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            box.addItems([str(number) for number in suggested])
            box.setLineEdit(self.entry)
            box.setCompleter(None)
            self.hold(box)
        else:
            self.hold(self.entry)
        if info.unit and len(info.unit) < 10:
            unit = QLabel(info.unit, self)
            unit.setProperty("role", "quiet")
            self.row.addWidget(unit)
        self.entry.setPlaceholderText(AUTOMATIC if info.default is None else _written(info.default))
        self.entry.textChanged.connect(lambda _: self.edited.emit())
        self.set_value(None)

    def _make_entry(self, info: SettingInfo) -> QLineEdit:
        if info.many or info.kind == "str":
            return QLineEdit(self)
        whole, what = info.kind == "int", terms.label(info.name)
        entry = NumberLine(*_ends(info), what=what, whole=whole, digits=10, optional=True, parent=self)
        entry.refused.connect(self.refused)
        return entry

    def value(self) -> Any:
        text = self.entry.text().strip()
        if not text or (self.info.default is None and text.lower() in ("auto", AUTOMATIC)):
            return self.info.default
        if self.info.kind == "str":
            return text
        if self.info.many:
            return tuple(self._number(word) for word in text.replace(",", " ").split())
        return self._number(text)

    def set_value(self, value: Any) -> None:
        value = self.info.default if value is None else value
        if isinstance(self.entry, NumberLine):
            self.entry.set_value(value)
        else:
            self.entry.setText("" if value is None else _written(value))

    def _number(self, text: str) -> int | float:
        return _number(self.info, text)


class WeightField(Field):
    """The KL weight, on the knob, or a range of weights for one model."""

    def __init__(self, info: SettingInfo, parent: QWidget | None = None) -> None:
        super().__init__(info, parent)
        self.knob = WeightKnob(self, title="Weight", value=float(info.default or 0.0))
        self._range = EVERY_WEIGHT
        self.every = QCheckBox(self)
        self.every.setToolTip(terms.explain("weight_range"))
        together = QWidget(self)
        column = QVBoxLayout(together)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.UNIT // 2)
        column.addWidget(self.knob)
        column.addWidget(self.every)
        self.hold(together)
        self.setFocusProxy(None)
        self._name_range()
        self.every.toggled.connect(lambda on: self.knob.setEnabled(not on))
        self.every.toggled.connect(lambda _: self.edited.emit())
        self.knob.changed.connect(lambda _: self.edited.emit())
        self.knob.refused.connect(self.refused)

    def _name_range(self) -> None:
        low, high = self._range
        self.every.setText(f"One model for every &weight from {low:g} to {high:g}")

    def value(self) -> float | tuple[float, float]:
        if self.every.isChecked():
            return self._range
        value = float(self.knob.value())
        if not _within(self.info, value):
            raise Unfit(_rule(self.info, f"{value:g}"))
        return value

    def set_value(self, value: Any) -> None:
        value = self.info.default if value is None else value
        if isinstance(value, (tuple, list)):
            self._range = float(value[0]), float(value[1])
            self._name_range()
            self.every.setChecked(True)
            return
        self.every.setChecked(False)
        wanted = float(value)
        if not _within(self.info, wanted):
            raise Unfit(_rule(self.info, f"{wanted:g}"))
        self.knob.set_value(wanted)


class LengthField(QWidget):
    """How long to train: in passes over the pictures or in minutes, of which one counts."""

    edited = pyqtSignal()
    refused = pyqtSignal(str)

    def __init__(self, infos: dict[str, SettingInfo], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.infos = infos
        self.entry = NumberLine(what="Length", digits=10, optional=True, parent=self)
        self.entry.refused.connect(self.refused)
        self.entry.setPlaceholderText("auto")
        self.entry.setAccessibleName("Length")
        self.unit = Quiet(self)
        for name, info in infos.items():
            self.unit.addItem({"epochs": "passes", "minutes": "minutes"}.get(name, name), name)
            self.unit.setItemData(self.unit.count() - 1, hint(info), Qt.ItemDataRole.ToolTipRole)
        self.unit.setAccessibleName("Unit of the length")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.UNIT // 2)
        row.addWidget(self.entry, 1)
        row.addWidget(self.unit)
        self.setFocusProxy(self.entry)
        self.setToolTip("\n\n".join(hint(info) for info in infos.values()))
        self.entry.textChanged.connect(lambda _: self.edited.emit())
        self.unit.currentIndexChanged.connect(self._take_unit)
        self._take_unit()

    def _take_unit(self) -> None:
        info = self.infos[self.unit.currentData()]
        self.entry.set_range(*_ends(info), whole=info.kind == "int")
        self.entry.what = terms.label(info.name)
        self.edited.emit()

    def values(self) -> dict[str, Any]:
        """The setting that counts, and nothing where the length is left to kvae."""
        text = self.entry.text().strip()
        if not text:
            return {}
        info = self.infos[self.unit.currentData()]
        return {info.name: _number(info, text)}

    def set_values(self, values: dict[str, Any]) -> None:
        """Show the one of these settings that is given; minutes count where both are."""
        given = [name for name in self.infos if values.get(name) is not None]
        if given:
            self.unit.setCurrentIndex(self.unit.findData(given[-1]))
        self.entry.set_value(values[given[-1]] if given else None)


def make_field(info: SettingInfo, parent: QWidget | None = None) -> Field:
    """The field for a setting that the form does not know by name."""
    if info.kind == "bool":
        return SwitchField(info, parent)
    return ChoiceField(info, parent) if info.choices and not info.many else EntryField(info, parent)


def _written(value: Any) -> str:
    if isinstance(value, tuple | list):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _ends(info: SettingInfo) -> tuple[float, float]:
    return -math.inf if info.low is None else info.low, math.inf if info.high is None else info.high


def _within(info: SettingInfo, number: float) -> bool:
    low, high = _ends(info)
    return math.isfinite(number) and low <= number <= high


def _number(info: SettingInfo, text: str) -> int | float:
    """The number typed for a setting. Raises `Unfit`."""
    number, whole = number_of(text), info.kind == "int"
    if not _within(info, number) or (whole and number != int(number)):
        raise Unfit(_rule(info, text))
    return int(number) if whole else number


def _rule(info: SettingInfo, received: str) -> str:
    """What the setting allows, and that `received` is not it."""
    what = "a whole number" if info.kind == "int" else "a number"
    what = "whole numbers" if info.many and info.kind == "int" else what
    low = "" if info.low is None else f" from {info.low:,.10g}"
    high = "" if info.high is None else f" to {info.high:,.10g}"
    unit = f" {info.unit}" if info.unit and len(info.unit) < 10 else ""
    return f"{terms.label(info.name)} must be {what}{low}{high}{unit}; {received} is not."
