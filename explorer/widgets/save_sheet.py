"""How large a saved picture is and where it goes: in pixels, or in centimetres for a printer; asked once and kept."""

from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtCore import QStandardPaths, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from explorer.png import LARGEST, pixels_of, size_at
from explorer.safe_text import file_name
from explorer.widgets import theme
from explorer.widgets.numbers import NumberField
from explorer.widgets.offers import Offered
from explorer.widgets.preferences import Preferences
from explorer.widgets.terms import explain

FOLDER = "export_folder"  # the preference, shared by all that is taken away
PRINT = 300.0  # dots per inch


@dataclass(frozen=True)
class Shape:
    """The longer side in `pixels`, or in `centimetres` at `dpi` where `printed`; enlarged softly where `smooth`."""

    printed: bool = False
    pixels: int = 1024
    centimetres: float = 20.0
    dpi: float = PRINT
    smooth: bool = True

    @property
    def side(self) -> int:
        """Pixels of the longer side."""
        return pixels_of(self.centimetres, self.dpi) if self.printed else self.pixels

    @property
    def written_dpi(self) -> float:
        """What the file says of it; 0: nothing."""
        return self.dpi if self.printed else 0.0

    @classmethod
    def kept(cls, preferences: Preferences) -> "Shape":
        """As it was chosen the last time, within bounds."""
        said = preferences.get("picture", {})
        found = cls()
        kinds = {name: type(getattr(found, name)) for name in vars(found)}
        return cls(**{name: said[name] for name, kind in kinds.items() if type(said.get(name)) is kind})

    def keep(self, preferences: Preferences) -> None:
        """For the next time."""
        preferences.set("picture", vars(self))


def picture_folder(preferences: Preferences) -> str:
    """Where pictures and films go: as chosen, else `kvae` wherever the system keeps pictures."""
    chosen = preferences.get(FOLDER, "")
    if chosen:
        return chosen
    pictures = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
    return str(Path(pictures or Path.home()) / "kvae")


class SaveSheet(QDialog):
    """Asks once; `chosen` carries the file's path and the `Shape`, which Ctrl+S takes from then on."""

    chosen = pyqtSignal(object, object)  # Path, Shape

    def __init__(self, preferences: Preferences, offered: Offered, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Save the picture")
        self._preferences, self._shape = preferences, offered.image.shape[:2]
        kept = Shape.kept(preferences)
        self.name = QLineEdit(file_name(offered.name), self)
        self.name.setToolTip("Nothing is ever overwritten: where the name is taken, a number is added.")
        self.folder = QLineEdit(picture_folder(preferences), self)
        self.folder.setToolTip("The folder to save in; it is made where it is missing.")
        self.browse = QPushButton("Choose…", self)
        self.browse.clicked.connect(self._browse)
        self.unit = QComboBox(self)
        self.unit.addItem("Pixels", False)
        self.unit.addItem("Centimetres", True)
        self.unit.setCurrentIndex(int(kept.printed))
        self.pixels = NumberField(8, LARGEST, suffix=" px", what="The longer side", whole=True, step=64)
        self.centimetres = NumberField(0.5, 500, suffix=" cm", what="The longer side", decimals=1)
        self.dpi = NumberField(30, 1200, suffix=" dpi", what="The number of dots", whole=True, step=50)
        for field, value in ((self.pixels, kept.pixels), (self.centimetres, kept.centimetres), (self.dpi, kept.dpi)):
            field.setValue(value)
        self.smooth = QComboBox(self)
        self.smooth.addItem("Smooth", True)
        self.smooth.addItem("Pixels", False)
        self.smooth.setCurrentIndex(0 if kept.smooth else 1)
        self.smooth.setToolTip(explain("smooth"))
        self.summary = QLabel(self)
        self.summary.setProperty("role", "quiet")
        self._lay_out()
        self.unit.currentIndexChanged.connect(self._show)
        for field in (self.pixels, self.centimetres, self.dpi):
            field.valueChanged.connect(self._show)
        self._show()

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setHorizontalSpacing(theme.UNIT)
        form.setVerticalSpacing(theme.UNIT)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        folder, size = QHBoxLayout(), QHBoxLayout()
        for row, widgets in (
            (folder, (self.folder, self.browse)),
            (size, (self.pixels, self.centimetres, self.dpi, self.unit)),
        ):
            row.setSpacing(theme.UNIT)
            for widget in widgets:
                row.addWidget(widget, 1 if widget is not self.browse else 0)
        form.addRow(_label("Na&me", self.name), self.name)
        form.addRow(_label("Fol&der", self.folder), folder)
        form.addRow(_label("Longer s&ide", self.unit), size)
        form.addRow(_label("Enlar&ge", self.smooth), self.smooth)
        form.addRow("", self.summary)
        cancel, self.button = QPushButton("Cancel", self), QPushButton("&Save", self)
        self.button.setProperty("primary", True)
        self.button.setDefault(True)
        self.button.clicked.connect(self._save)
        cancel.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.UNIT)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * theme.UNIT, 3 * theme.UNIT, 3 * theme.UNIT, 2 * theme.UNIT)
        layout.setSpacing(2 * theme.UNIT)
        layout.addLayout(form)
        layout.addLayout(buttons)
        self.setMinimumWidth(64 * theme.UNIT)

    def shape(self) -> Shape:
        """As the form says."""
        return Shape(
            bool(self.unit.currentData()),
            round(self.pixels.value()),
            self.centimetres.value(),
            self.dpi.value(),
            bool(self.smooth.currentData()),
        )

    def _show(self) -> None:
        shape = self.shape()
        self.pixels.setVisible(not shape.printed)
        self.centimetres.setVisible(shape.printed)
        self.dpi.setVisible(shape.printed)
        height, width = self._shape
        across, down = size_at(width, height, shape.side)
        least = "" if shape.side < LARGEST else ", the largest that can be"
        self.summary.setText(f"{across:,} × {down:,} pixels{least} · Ctrl+S saves the next one the same way")

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder to save in", self.folder.text())
        if folder:
            self.folder.setText(folder)

    def _save(self) -> None:
        shape, folder = self.shape(), self.folder.text().strip()
        shape.keep(self._preferences)
        self._preferences.set(FOLDER, folder or None)
        path = Path(picture_folder(self._preferences)).expanduser().absolute()
        name = file_name(self.name.text().removesuffix(".png"))
        self.accept()
        self.chosen.emit(path / f"{name}.png", shape)


def _label(text: str, buddy: QWidget) -> QLabel:
    label = QLabel(text)
    label.setBuddy(buddy)
    label.setMinimumHeight(buddy.sizeHint().height())
    return label
