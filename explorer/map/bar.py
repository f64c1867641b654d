"""The bar over the map: how the pictures are laid out, which are looked for, and what can be done with all of them."""

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QPushButton, QSizePolicy, QWidget

from explorer.widgets import terms, theme
from explorer.widgets.preferences import Preferences


class MapBar(QWidget):
    """Holds the widgets; `places_changed` says that another layout, or another axis, was chosen."""

    places_changed = pyqtSignal()

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences = preferences
        self.layout_choice = QComboBox()
        self.layout_choice.addItem("Similar ones together", "likeness")
        self.layout_choice.addItem("Along two axes", "axes")
        self.layout_choice.setToolTip(terms.explain("map_layout"))
        self.layout_choice.setAccessibleName("Layout of the map")
        kept = self.layout_choice.findData(preferences.get("map/layout", "likeness"))
        self.layout_choice.setCurrentIndex(max(0, kept))
        self.layout_choice.currentIndexChanged.connect(self._choose_layout)
        self.across, self.up = QComboBox(), QComboBox()
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find by file name")
        self.search.setToolTip("Shows only pictures with this in their name (Ctrl+F); Enter goes from one to the next.")
        self.search.setClearButtonEnabled(True)
        self.search.setMinimumWidth(100)
        self.search.setMaximumWidth(200)
        self.found = QLabel()
        self.found.setProperty("role", "quiet")
        self.morph = QPushButton("&Morph")
        self.morph.setCheckable(True)
        self.morph.setToolTip(
            "While this is down, drag from one picture to another to morph between them (or Shift-drag at any time).\n"
            "M on the map: from the picture chosen before to this one."
        )
        self.fit = QPushButton("Show &all")
        self.fit.setToolTip("All pictures, the outermost too (F)")
        self.again = QPushButton("&Lay out the pictures")
        self.posteriors = QPushButton("&Posteriors")
        self.posteriors.setCheckable(True)
        self.posteriors.setToolTip(terms.explain("posteriors"))
        self._lay_out()
        self._show_axes()

    def _lay_out(self) -> None:
        bar = QHBoxLayout(self)
        bar.setContentsMargins(0, 0, 0, 0)
        bar.setSpacing(theme.UNIT)
        bar.addWidget(self.layout_choice)
        self._of_axes: list[QWidget] = []
        for combo, words, tip in ((self.across, "A&cross", "left to right"), (self.up, "&Up", "bottom to top")):
            label = QLabel(words)
            label.setBuddy(combo)
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(10)
            combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            combo.setMaximumWidth(230)
            combo.setToolTip(f"What the map shows from {tip}. {terms.TERMS['principal']}")
            combo.currentIndexChanged.connect(lambda _: self.places_changed.emit())
            bar.addWidget(label)
            bar.addWidget(combo, 1)
            self._of_axes += [label, combo]
        for widget in (self.search, self.found):
            bar.addWidget(widget)
        bar.addStretch(1)
        for button in (self.posteriors, self.morph, self.fit, self.again):
            bar.addWidget(button)

    @property
    def by_likeness(self) -> bool:
        """Whether similar pictures lie together; otherwise along the two axes."""
        return self.layout_choice.currentData() == "likeness"

    def _choose_layout(self) -> None:
        self._preferences.set("map/layout", self.layout_choice.currentData())
        self._show_axes()
        self.places_changed.emit()

    def _show_axes(self) -> None:
        for widget in self._of_axes:
            widget.setVisible(not self.by_likeness)
