"""Beside the map: the picture under the cursor, the nearest ones to the chosen one, and the folders by colour."""

from collections.abc import Sequence

import numpy as np
from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QIcon, QPixmap
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from explorer.safe_text import caption, line, plain
from explorer.state import mapping
from explorer.widgets import terms, theme
from explorer.widgets.picture import PictureView, to_qimage

# Okabe and Ito's colours that can be told from light and dark grounds; black is left out
FOLDER_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
NEIGHBOURS = 8
_WIDTH = 26 * theme.UNIT
_SMALL = 40


class MapPanel(QWidget):
    """Emits `neighbour_clicked` (the picture's number), `measure_changed`, `folders_changed` and `coloured_changed`."""

    neighbour_clicked = pyqtSignal(int)
    measure_changed = pyqtSignal()
    folders_changed = pyqtSignal()
    coloured_changed = pyqtSignal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(_WIDTH)
        self.picture = PictureView(smooth=True, placeholder="Point at a picture to see it larger")
        self.picture.setAcceptDrops(False)
        self.picture.setFixedSize(_WIDTH, _WIDTH)
        self.name, self.folder = QLabel(), QLabel()
        for label in (self.name, self.folder):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.folder.setProperty("role", "quiet")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.UNIT // 2)
        for widget in (self.picture, self.name, self.folder):
            layout.addWidget(widget)
        layout.addSpacing(theme.UNIT)
        layout.addWidget(self._make_neighbours())
        layout.addSpacing(theme.UNIT)
        layout.addWidget(self._make_folders(), 1)
        layout.addStretch(0)  # takes the room while the folders are hidden
        self.show_neighbours((), [])
        self.show_folders([], 0)
        theme.notifier.changed.connect(self._restyle)

    # ------------------------------------------------------------------ the picture

    def show_picture(self, thumbnail: np.ndarray | None, name: str = "", folder: str = "") -> None:
        """The picture under the cursor, or the chosen one."""
        self.picture.set_image(thumbnail)
        self.name.setText(line(name, 120))
        self.name.setToolTip(plain(name))
        self.folder.setText("" if thumbnail is None or not folder else line(mapping.short_folder(folder), 120))
        self.folder.setToolTip(plain(folder))

    # ------------------------------------------------------------------ neighbours

    def _make_neighbours(self) -> QWidget:
        self._neighbours = QWidget()
        self._neighbours.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        grid = QGridLayout(self._neighbours)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(theme.UNIT // 2)
        heading = QLabel("Nearest by")
        heading.setToolTip(terms.TERMS["neighbours"])
        self.measure = QComboBox()
        for place, name in enumerate(mapping.MEASURES):
            self.measure.addItem("scaled distance" if name == "scaled" else name, name)
            self.measure.setItemData(place, terms.TERMS[f"near_{name}"], Qt.ItemDataRole.ToolTipRole)
        self.measure.setToolTip("\n".join(terms.TERMS[f"near_{name}"] for name in mapping.MEASURES))
        self.measure.setAccessibleName("What counts as near")
        self.measure.currentIndexChanged.connect(lambda _: self.measure_changed.emit())
        row = QHBoxLayout()
        row.setSpacing(theme.UNIT)
        row.addWidget(heading)
        row.addWidget(self.measure, 1)
        grid.addLayout(row, 0, 0, 1, 4)
        self.buttons: list[QToolButton] = []
        for number in range(NEIGHBOURS):
            button = QToolButton()
            button.setIconSize(QSize(_SMALL, _SMALL))
            button.setAutoRaise(True)
            button.clicked.connect(lambda _, number=number: self.neighbour_clicked.emit(self._indices[number]))
            grid.addWidget(button, 1 + number // 4, number % 4)
            self.buttons.append(button)
        self._indices: tuple[int, ...] = ()
        return self._neighbours

    def show_neighbours(self, indices: Sequence[int], pictures: Sequence[tuple[np.ndarray, str]]) -> None:
        """The pictures with these numbers, each a thumbnail and a name, nearest first; none hides them."""
        self._indices = tuple(indices)
        self._neighbours.setVisible(bool(indices))
        for number, button in enumerate(self.buttons):
            button.setVisible(number < len(indices))
            if number < len(indices):
                thumbnail, name = pictures[number]
                button.setIcon(QIcon(QPixmap.fromImage(to_qimage(thumbnail))))
                button.setToolTip(plain(name))
                button.setAccessibleName(line(name))

    def neighbour(self, number: int) -> int | None:
        """The picture of a button."""
        return self._indices[number] if number < len(self._indices) else None

    # ------------------------------------------------------------------ folders

    def _make_folders(self) -> QWidget:
        self._folders = QWidget()
        outer = QVBoxLayout(self._folders)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        self.coloured = QCheckBox("Colour by folder")
        self.coloured.setChecked(True)
        self.coloured.toggled.connect(self.coloured_changed)
        outer.addWidget(self.coloured)
        inner = QWidget()
        self._list = QVBoxLayout(inner)
        self._list.setContentsMargins(0, 0, 0, 0)
        self._list.setSpacing(0)
        self._list.setAlignment(Qt.AlignmentFlag.AlignTop)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inner)
        outer.addWidget(area, 1)
        self.folder_buttons: list[QPushButton] = []
        self._names: list[str] = []
        return self._folders

    def show_folders(self, names: list[str], others: int) -> None:
        """The legend of the folders `names` in the order of their colours; `others` pictures lie in none of them."""
        self._folders.setVisible(len(names) > 1)
        if names == self._names and bool(others) == (len(self.folder_buttons) > len(names)):
            return
        chosen = set(self.chosen())
        self._names = names
        while (item := self._list.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        self.folder_buttons = []
        for name in names:
            button = self._row(
                mapping.short_folder(name), f"{plain(line(name or 'no folder'))}\nClick: only these pictures"
            )
            button.setCheckable(True)
            button.setChecked(name in chosen)
            button.toggled.connect(lambda _: self.folders_changed.emit())
        if others:
            self._row("other folders", "Folders with fewer pictures").setEnabled(False)
        self._restyle()

    def _row(self, text: str, tip: str) -> QPushButton:
        short = self.fontMetrics().elidedText(line(text), Qt.TextElideMode.ElideMiddle, _WIDTH - 6 * theme.UNIT)
        button = QPushButton(" " + caption(short))
        button.setProperty("flat", True)
        button.setToolTip(tip)
        self._list.addWidget(button, 0, Qt.AlignmentFlag.AlignLeft)
        self.folder_buttons.append(button)
        return button

    def chosen(self) -> list[str]:
        """The folders picked in the legend."""
        pairs = zip(self._names, self.folder_buttons, strict=False)
        return [name for name, button in pairs if button.isChecked()]

    def _restyle(self) -> None:
        colours = [*FOLDER_COLOURS[: len(self._names)], theme.palette().quiet]
        for button, colour in zip(self.folder_buttons, colours, strict=False):
            swatch = QPixmap(12, 12)
            swatch.fill(QColor(colour))
            button.setIcon(QIcon(swatch))
