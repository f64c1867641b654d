"""What a morph is and what is written of it, as forms: values in, values out, kept in the preferences."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QToolButton,
    QWidget,
)

from explorer.widgets import theme
from explorer.widgets.keyboard import in_turn
from explorer.widgets.numbers import NumberField
from explorer.widgets.save_sheet import FOLDER, picture_folder
from explorer.widgets.terms import explain

SEQUENCE = "folder"  # of .png, one for each frame
FORMATS = {  # ending: how it is called
    ".mp4": "Film (MP4)",
    ".gif": "Film (GIF)",
    ".png": "Picture shown (PNG)",
    SEQUENCE: "Picture of each frame (PNG)",
    ".csv": "Latents of the strip (CSV)",
    ".h5": "Latents of the strip (HDF5)",
}
FILMS = (".mp4", ".gif", SEQUENCE)
TABLES = (".csv", ".h5")
LARGEST = 4096  # pixels: what ordinary players and x264's usual levels take
FASTEST_GIF = 20  # frames per second
USUAL = 512  # pixels
PACES = {"smooth": "Rest at each picture", "even": "Keep moving"}


class NumberChoice(QWidget):
    """A few numbers to choose from, and "Custom" with a field for any other."""

    changed = pyqtSignal()

    def __init__(self, low: float, high: float, decimals: int, suffix: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = QComboBox(self)
        self.number = NumberField(low, high, digits=6, suffix=suffix, whole=decimals == 0, parent=self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.UNIT)
        row.addWidget(self.combo, 1)
        row.addWidget(self.number, 1)
        self.combo.currentIndexChanged.connect(self._chosen)
        self.number.valueChanged.connect(lambda _: self.changed.emit())

    def set_choices(self, choices: Iterable[tuple[str, Any]]) -> None:
        """Offer (text, value) pairs and "Custom"; what was chosen stays chosen, by its place."""
        place = self.combo.currentIndex()
        blocked = self.combo.blockSignals(True)
        self.combo.clear()
        for text, value in choices:
            self.combo.addItem(text, value)
        self.combo.addItem("Custom", None)
        self.combo.setCurrentIndex(max(0, min(place, self.combo.count() - 1)))
        self.combo.blockSignals(blocked)
        self.number.setVisible(self.custom)

    @property
    def custom(self) -> bool:
        """Whether the number is typed."""
        return self.combo.currentData() is None

    def value(self) -> float:
        """The number chosen or typed."""
        chosen = self.combo.currentData()
        return self.number.value() if chosen is None else float(chosen)

    def set_place(self, place: int, number: float) -> None:
        """Choose the entry at `place` and put `number` into the field."""
        self.number.setValue(number)
        self.combo.setCurrentIndex(max(0, min(place, self.combo.count() - 1)))

    def _chosen(self) -> None:
        if self.custom and not self.number.isVisible() and self.sender() is self.combo:
            self.number.setFocus()
        self.number.setVisible(self.custom)
        self.changed.emit()


class MorphForm(QWidget):
    """How the morph leads from picture to picture. `changed`: another way or rate."""

    changed = pyqtSignal()

    def __init__(self, preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences = preferences
        self.style_choice = QComboBox(self)
        self.style_choice.addItem("Along the sphere", "spherical")
        self.style_choice.addItem("Straight line", "linear")
        for row, name in enumerate(("spherical", "linear")):
            self.style_choice.setItemData(row, explain(name), 3)  # Qt.ItemDataRole.ToolTipRole
        self.style_choice.setToolTip(f"{explain('spherical')}\n{explain('linear')}")
        self.easing_choice = QComboBox(self)
        for value, text in PACES.items():
            self.easing_choice.addItem(text, value)
        self.easing_choice.setToolTip(
            "Slow down and speed up around each picture of the strip, or move on at one speed."
        )
        self.loop_box = QCheckBox("Back to the start (&loop)", self)
        self.loop_box.setToolTip(explain("loop"))
        self.seconds = NumberField(0.1, 60.0, step=0.5, decimals=1, suffix=" s", what="A step", parent=self)
        self.seconds.setToolTip("Seconds from one picture of the strip to the next.")
        self.rate = NumberChoice(1.0, 120.0, 3, " per s", self)
        self.rate.set_choices((f"{rate} per s", rate) for rate in (24, 30, 60))
        self.rate.combo.setToolTip("Frames in each second of the film: 24 as in the cinema, 60 for very smooth motion.")
        self._lay_out()
        self._restore()
        for signal in (
            self.style_choice.currentIndexChanged,
            self.easing_choice.currentIndexChanged,
            self.loop_box.toggled,
            self.seconds.valueChanged,
            self.rate.changed,
        ):
            signal.connect(self._keep)

    def _lay_out(self) -> None:
        form = quiet_form(self)
        form.addRow("&Way", self.style_choice)
        form.addRow("&Pace", self.easing_choice)
        form.addRow("Each s&tep", self.seconds)
        form.addRow("F&rames", self.rate)
        form.labelForField(self.rate).setBuddy(self.rate.combo)  # type: ignore[union-attr]
        form.addRow("", self.loop_box)
        in_turn(self.style_choice, self.easing_choice, self.seconds, self.rate, self.loop_box)
        line_up(form)

    @property
    def style_name(self) -> str:
        """ "linear" or "spherical"."""
        return self.style_choice.currentData()

    @property
    def easing(self) -> str:
        """ "smooth" or "even"."""
        return self.easing_choice.currentData()

    @property
    def loop(self) -> bool:
        """Whether the morph goes back to its first picture."""
        return self.loop_box.isChecked()

    @property
    def frames_per_second(self) -> float:
        return self.rate.value()

    @property
    def frames_per_leg(self) -> int:
        """Frames from one keyframe to the next, at least one."""
        return self.frames_of(None)

    def frames_of(self, seconds: float | None) -> int:
        """Frames of a leg that takes so long, None: as long as all; at least one."""
        return max(1, round((seconds or self.seconds.value()) * self.frames_per_second))

    def _restore(self) -> None:
        kept = self._preferences
        self.style_choice.setCurrentIndex(max(0, self.style_choice.findData(kept.get("make/style", "spherical"))))
        self.easing_choice.setCurrentIndex(max(0, self.easing_choice.findData(kept.get("make/easing", "smooth"))))
        self.loop_box.setChecked(kept.get("make/loop", True))
        self.seconds.setValue(kept.get("make/seconds", 2.0))
        self.rate.set_place(int(kept.get("make/rate_place", 1)), float(kept.get("make/rate", 25.0)))

    def _keep(self) -> None:
        self._preferences.set("make/style", self.style_name)
        self._preferences.set("make/easing", self.easing)
        self._preferences.set("make/loop", self.loop)
        self._preferences.set("make/seconds", self.seconds.value())
        self._preferences.set("make/rate_place", self.rate.combo.currentIndex())
        self._preferences.set("make/rate", self.rate.number.value())
        self.changed.emit()


class ExportForm(QWidget):
    """What is written, how large, where and under which name. `changed`: something that the summary tells."""

    changed = pyqtSignal()

    def __init__(self, preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences = preferences
        self._shape = (64, 64)  # height, width of the model's pictures
        self.format_choice = QComboBox(self)
        for ending, text in FORMATS.items():
            self.format_choice.addItem(text, ending)
        self.format_choice.setToolTip(
            "A film for any player (MP4), one for web pages (GIF), the frame shown, or the numbers."
        )
        self.size_choice = NumberChoice(8, LARGEST, 0, " px", self)
        self.size_choice.number.setValue(512)
        self.size_choice.combo.setToolTip("Pixels of the longer side. 1× is exactly what the model paints.")
        self.smooth_choice = QComboBox(self)
        self.smooth_choice.addItem("Smooth", True)
        self.smooth_choice.addItem("Pixels", False)
        self.smooth_choice.setToolTip(explain("smooth"))
        self.folder = QLineEdit(self)
        self.folder.setToolTip("The folder to save in; it is made where it is missing.")
        self.browse = QToolButton(self)
        self.browse.setToolTip("Choose the folder")
        self.browse.setAccessibleName("Choose the folder")
        self.browse.clicked.connect(self._browse)
        theme.notifier.changed.connect(self._draw_icons)
        self._draw_icons()
        self.name = QLineEdit(self)
        self.name.setToolTip("Nothing is ever overwritten: where the name is taken, a number is added.")
        self._lay_out()
        self._offer_sizes()
        self._restore()
        for signal in (self.format_choice.currentIndexChanged, self.smooth_choice.currentIndexChanged):
            signal.connect(self._keep)
        self.size_choice.changed.connect(self._keep)
        self.folder.editingFinished.connect(self._keep)

    def _lay_out(self) -> None:
        form = quiet_form(self)
        folder = QWidget(self)
        row = QHBoxLayout(folder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.UNIT // 2)
        row.addWidget(self.folder, 1)
        row.addWidget(self.browse)
        form.addRow("F&ormat", self.format_choice)
        form.addRow("Si&ze", self.size_choice)
        form.labelForField(self.size_choice).setBuddy(self.size_choice.combo)  # type: ignore[union-attr]
        form.addRow("Enlar&ge", self.smooth_choice)
        form.addRow("Fol&der", folder)
        form.labelForField(folder).setBuddy(self.folder)  # type: ignore[union-attr]
        form.addRow("Na&me", self.name)
        line_up(form)

    @property
    def ending(self) -> str:
        """ ".mp4", ".gif", ".png", SEQUENCE, ".csv" or ".h5"."""
        return self.format_choice.currentData()

    @property
    def side(self) -> int:
        """Pixels of the longer side."""
        return round(self.size_choice.value())

    @property
    def smooth(self) -> bool:
        """Whether enlarging is soft."""
        return bool(self.smooth_choice.currentData())

    def size(self) -> tuple[int, int]:  # type: ignore[override]
        """Width and height of what is written."""
        height, width = self._shape
        scale = self.side / max(height, width)
        even = 2 if self.ending == ".mp4" else 1
        return tuple(-(-max(1, round(length * scale)) // even) * even for length in (width, height))  # type: ignore[return-value]

    def set_model(self, name: str, shape: tuple[int, int]) -> None:
        """Sizes for pictures of this `shape` (height, width), and the model's name as the file's."""
        self._shape = shape
        self._offer_sizes()
        self.name.setPlaceholderText(name)

    def path(self) -> str:
        """The file to write.

        Raises:
            ValueError: a name that is none; one sentence.
        """
        name = self.name.text().strip() or self.name.placeholderText() or "morph"
        if any(sign in name for sign in '/\\:*?"<>|') or name.strip(". ") == "":
            raise ValueError(f'The name {name} cannot be used: leave out / \\ : * ? " < > | and try again.')
        folder = self.folder.text().strip() or picture_folder(self._preferences)
        for ending in FORMATS:
            name = name.removesuffix(ending) if ending != SEQUENCE else name
        ending = ".png" if self.ending == SEQUENCE else self.ending
        return str(Path(folder).expanduser().absolute() / f"{name}{ending}")

    def hints(self, frames_per_second: float) -> str:
        """What this format does to the size or rate asked for, "" where nothing."""
        if self.ending in TABLES:
            return ""
        said = []
        longer = max(self._shape)
        if not self.smooth and self.side % longer:
            said.append(f"{self.side} is no multiple of {longer}: some pixels come out one wider.")
        if self.ending == ".mp4" and max(self.size()) != self.side:
            said.append("Films have even sizes: one pixel is added.")
        if self.ending == ".gif" and frames_per_second > FASTEST_GIF:
            said.append(f"GIFs show at most {FASTEST_GIF} frames per second: some are left out.")
        return " ".join(said)

    def _offer_sizes(self) -> None:
        longer = max(self._shape)
        times = (1, 2, 4, 8)
        self.size_choice.set_choices((f"{one}× · {one * longer} px", one * longer) for one in times)
        if self._preferences.get("make/size_place") is None:  # nobody has chosen yet
            blocked = self.size_choice.blockSignals(True)
            place = times.index(USUAL // longer) if USUAL % longer == 0 and USUAL // longer in times else len(times)
            self.size_choice.set_place(place, USUAL)
            self.size_choice.blockSignals(blocked)

    def _draw_icons(self) -> None:
        self.browse.setIcon(theme.icon("ph.folder-open"))

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder to save in", self.folder.text())
        if folder:
            self.folder.setText(folder)
            self._keep()

    def _restore(self) -> None:
        kept = self._preferences
        self.format_choice.setCurrentIndex(max(0, self.format_choice.findData(kept.get("make/format", ".mp4"))))
        if (place := kept.get("make/size_place")) is not None:
            self.size_choice.set_place(int(place), float(kept.get("make/size", USUAL)))
        self.smooth_choice.setCurrentIndex(0 if kept.get("make/smooth", True) else 1)
        self.folder.setText(picture_folder(kept))
        self.folder.setCursorPosition(0)
        self._follow_format()

    def _keep(self) -> None:
        self._preferences.set("make/format", self.ending)
        self._preferences.set("make/size_place", self.size_choice.combo.currentIndex())
        self._preferences.set("make/size", self.size_choice.number.value())
        self._preferences.set("make/smooth", self.smooth)
        self._preferences.set(FOLDER, self.folder.text().strip() or None)
        self._follow_format()
        self.changed.emit()

    def _follow_format(self) -> None:
        self.size_choice.setEnabled(self.ending not in TABLES)


def quiet_form(parent: QWidget) -> QFormLayout:
    """A form without margins of its own, its labels quiet."""
    form = QFormLayout(parent)
    form.setContentsMargins(0, 0, 0, 0)
    form.setHorizontalSpacing(theme.UNIT)
    form.setVerticalSpacing(theme.UNIT)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def line_up(form: QFormLayout) -> None:
    """Make the labels of `form` as wide as those of the other form, and as high as what stands beside them."""
    for row in range(form.rowCount()):
        item, beside = (
            form.itemAt(row, role) for role in (QFormLayout.ItemRole.LabelRole, QFormLayout.ItemRole.FieldRole)
        )
        label = item.widget() if item is not None else None
        if label is not None and beside is not None:
            label.setMinimumWidth(label.fontMetrics().horizontalAdvance("Each step "))
            label.setMinimumHeight(beside.sizeHint().height())


def heading(text: str, parent: QWidget) -> QLabel:
    """A heading within a page."""
    label = QLabel(text, parent)
    label.setProperty("role", "heading")
    return label
