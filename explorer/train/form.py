"""The form that starts a run. What an artist decides stands open;
every other setting that kvae declares appears folded."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QFormLayout, QFrame, QLabel, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget
from superqt import QCollapsible

from explorer.messages import SettingInfo
from explorer.safe_text import line
from explorer.train.data import DataField
from explorer.widgets import terms, theme
from explorer.widgets.deferred import turns
from explorer.widgets.fields import Field, LengthField, SwitchField, Unfit, WeightField, hint, make_field
from explorer.widgets.folder_row import FolderRow
from explorer.widgets.keyboard import follow
from explorer.widgets.preferences import Preferences

OPEN = ("data", "size", "latent_dim", "network", "kl_weight", "autoencoder")  # in this order, above the fold
LENGTH = ("epochs", "minutes")
_KEPT = ("data", *LENGTH)  # what the form begins with the next time
MORE, METHODS = "More settings", "Other ways to balance, for experimenters"
METHOD_GROUPS = ("weighting", "objective")  # of kvae's settings: what the second fold holds
_ABOVE = {"data", "kl_weight"}  # wide fields: their label stands above them
_AT_ONCE = 8  # fields that are folded away and made in one turn


class SettingsForm(QWidget):
    """Made from the settings the engine tells of. `started` carries the chosen ones; a bound that is broken starts
    nothing.

    `complete` is emitted when the last field is made, folded ones among them.
    """

    started = pyqtSignal(dict)
    complete = pyqtSignal()

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences = preferences
        self._fields: dict[str, Field] = {}
        self._unbuilt: list[tuple[QFormLayout, Sequence[SettingInfo]]] = []  # what is folded away and not made yet
        self.length: LengthField | None = None
        self.folds: dict[str, QCollapsible] = {}
        self._scroll = QScrollArea(self)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.complaint = QLabel(self)
        self.complaint.setProperty("role", "error")
        self.complaint.setTextFormat(Qt.TextFormat.PlainText)
        self.complaint.setWordWrap(True)
        self.complaint.hide()
        self.button = QPushButton("&Start training", self)
        self.button.setProperty("primary", True)
        self.button.clicked.connect(self.submit)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.UNIT)
        layout.addWidget(self._scroll, 1)
        below = QVBoxLayout()
        below.setContentsMargins(0, 0, theme.UNIT, 0)  # beside the fields is room for the scroll bar
        below.setSpacing(theme.UNIT)
        below.addWidget(self.complaint)
        below.addWidget(self.button)
        self.place = FolderRow("Models go to", lambda: str(preferences.models_folder), self)
        self.place.chosen.connect(partial(preferences.set, "models_folder"))
        below.addWidget(self.place)
        layout.addLayout(below)
        self._busy = ""
        self._refused = False  # what was typed last, and nothing was changed since
        self.build(())
        theme.notifier.changed.connect(self._draw_folds)

    # ------------------------------------------------------------------ making it

    def build(self, settings: Sequence[SettingInfo]) -> None:
        """Make the fields; nothing yet shows one sentence instead. What was chosen before stays chosen."""
        before = self._raw()
        infos = {info.name: info for info in settings}
        self._fields, self._unbuilt, self.length = {}, [], None
        inside = QWidget()
        rows = self._rows(inside)
        if not infos:
            waiting = QLabel("The engine is starting. The settings appear in a moment.", inside)
            waiting.setWordWrap(True)
            waiting.setProperty("role", "quiet")
            rows.addRow(waiting)
        for name in OPEN:
            if name in infos:
                self._add(rows, infos[name])
        lengths = {name: infos[name] for name in LENGTH if name in infos}
        if lengths:
            self.length = LengthField(lengths, inside)
            self._label(rows, "Length", self.length, self.length.toolTip())
            self.length.edited.connect(self._hush)
            self.length.refused.connect(self._refuse)
        self.folds = {}
        others = [info for info in settings if info.name not in (*OPEN, *LENGTH)]
        for title, methods in ((MORE, False), (METHODS, True)):
            if folded := [info for info in others if (info.group in METHOD_GROUPS) is methods]:
                self.folds[title] = self._folded(title, folded)
                rows.addRow(self.folds[title])
        self._draw_folds()
        self._scroll.setWidget(inside)
        follow(self._scroll, self.button)
        self._follow_autoencoder()
        turns.give(self, self._build_fold)
        self._allow()
        if before:
            self.fill({name: value for name, value in before.items() if name in infos})
        elif infos:
            self._restore()

    def _restore(self) -> None:
        """The pictures and the length of the last time, where they still fit."""
        kept = self._preferences.get("train/begun_with", {})
        if (data := self._fields.get("data")) is not None and isinstance(kept.get("data"), str):
            data.set_value(kept["data"])
            try:
                data.value()
            except Unfit:  # the folder is gone
                data.set_value(None)
        if self.length is not None:
            lengths = {name: kept[name] for name in LENGTH if isinstance(kept.get(name), int | float)}
            self.length.set_values(lengths)

    @property
    def data(self) -> DataField | None:
        """The field that says what to train on, once it is made."""
        field = self._fields.get("data")
        return field if isinstance(field, DataField) else None

    @property
    def fields(self) -> dict[str, Field]:
        """By name. Those that are folded away are made a few at a time, so that the window never stalls."""
        turns.finish(self)
        return self._fields

    def _build_fold(self) -> None:
        if self._unbuilt:
            rows, infos = self._unbuilt.pop(0)
            for info in infos[:_AT_ONCE]:
                self._add(rows, info)
            if more := infos[_AT_ONCE:]:
                self._unbuilt.insert(0, (rows, more))
            if self._unbuilt:
                turns.give(self, self._build_fold)
            else:
                follow(self._scroll, self.button)
                self.complete.emit()

    def _rows(self, parent: QWidget) -> QFormLayout:
        rows = QFormLayout(parent)
        rows.setContentsMargins(0, 0, theme.UNIT, 0)
        rows.setHorizontalSpacing(theme.UNIT)
        rows.setVerticalSpacing(theme.UNIT)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        rows.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
        return rows

    def _folded(self, title: str, infos: Sequence[SettingInfo]) -> QCollapsible:
        folded = QCollapsible(title)
        folded.setDuration(0)
        if (margins := folded.layout()) is not None:
            margins.setContentsMargins(0, 0, 0, 0)
        folded.toggleButton().setProperty("flat", True)
        content = QWidget()
        rows = self._rows(content)
        rows.setContentsMargins(0, 0, 0, 0)
        self._unbuilt.append((rows, infos))
        folded.setContent(content)
        folded.collapse(animate=False)
        content.hide()  # else Tab would go through what is folded away
        folded.toggled.connect(content.setVisible)
        return folded

    def _draw_folds(self) -> None:
        for folded in self.folds.values():
            folded.setCollapsedIcon(theme.icon("ph.caret-right"))
            folded.setExpandedIcon(theme.icon("ph.caret-down"))

    def _add(self, rows: QFormLayout, info: SettingInfo) -> None:
        field: Field
        if info.name == "data":
            field = DataField(info, self._preferences)
        elif info.name == "kl_weight":
            field = WeightField(info)
        else:
            field = make_field(info)
        self._fields[info.name] = field
        field.edited.connect(self._hush)
        field.refused.connect(self._refuse)
        if isinstance(field, SwitchField):
            rows.addRow(field)
            if info.name == "autoencoder":
                field.edited.connect(self._follow_autoencoder)
        elif info.name in _ABOVE:
            above = QLabel(terms.label(info.name))
            above.setToolTip(hint(info))
            rows.addRow(above)
            rows.addRow(field)
        else:
            self._label(rows, terms.label(info.name), field, hint(info))

    def _label(self, rows: QFormLayout, text: str, field: QWidget, tip: str) -> None:
        label = QLabel(text)
        label.setWordWrap(True)
        label.setFixedWidth(17 * theme.UNIT)
        label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Minimum)
        label.setToolTip(tip)
        label.setBuddy(field)
        rows.addRow(label, field)

    # ------------------------------------------------------------------ using it

    def values(self) -> dict[str, Any]:
        """Every setting as chosen; one that is left to kvae, or that cannot be set now, is not among them.
        Raises `Unfit`."""
        chosen = {name: field.value() for name, field in self.fields.items() if field.isEnabledTo(self)}
        if self.length is not None:
            chosen |= self.length.values()
        return {name: value for name, value in chosen.items() if value is not None}

    def fill(self, settings: dict[str, Any]) -> bool:
        """Show these settings over the defaults. False, and said, where one does not fit."""
        try:
            for name, field in self.fields.items():
                field.set_value(settings.get(name))
        except (Unfit, TypeError, ValueError) as problem:
            self.complain(str(problem))
            return False
        if self.length is not None:
            self.length.set_values(settings)
        self._hush()
        return True

    def submit(self) -> None:
        """Start what is chosen, or say what stands against it and go there."""
        if self._busy or not self.fields:
            return
        if self._refused:  # by this very press, as like as not: what would start is not what was typed
            self._refused = False
            return
        for field in (*self.fields.values(), self.length):
            try:
                _ = field.value() if isinstance(field, Field) else field.values() if field is not None else None
            except Unfit as problem:
                self._show_field(field)
                self.complain(str(problem))
                return
        self._hush()
        chosen = self.values()
        self._preferences.set("train/begun_with", {name: chosen[name] for name in _KEPT if name in chosen})
        self.started.emit(chosen)

    def complain(self, sentence: str) -> None:
        """Say what stands against starting; the line stays until something is changed."""
        self.complaint.setText(line(sentence))
        self.complaint.show()

    def set_busy(self, why: str) -> None:
        """No start while there is a reason against it, which the button's tooltip gives; "" lifts it."""
        self._busy = why
        self._allow()

    def focus_weight(self) -> None:
        """Put the hand on the weight."""
        if (field := self._fields.get("kl_weight")) is not None:
            field.setFocus()
            self._scroll.ensureWidgetVisible(field)

    def _show_field(self, field: QWidget | None) -> None:
        if field is None:
            return
        for fold in self.folds.values():
            if fold.isAncestorOf(field):
                fold.expand(animate=False)
        field.setFocus()
        self._scroll.ensureWidgetVisible(field)

    def _follow_autoencoder(self) -> None:
        plain, weight = self._fields.get("autoencoder"), self._fields.get("kl_weight")
        if plain is not None and weight is not None:
            weight.setEnabled(not plain.value())

    def _allow(self) -> None:
        self.button.setEnabled(bool(self._fields) and not self._busy)
        self.button.setToolTip(self._busy or "Train with these settings (Ctrl+Return)")

    def _refuse(self, sentence: str) -> None:
        self.complain(f"{sentence} It stays as it was; start once more to train with that.")
        self._refused = True

    def _hush(self) -> None:
        self._refused = False
        self.complaint.clear()
        self.complaint.hide()

    def _raw(self) -> dict[str, Any]:
        try:
            return self.values()
        except Unfit:
            return {}
