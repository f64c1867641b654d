"""The rail at the left: the five tools of the program, one of which is on the table."""

from dataclasses import dataclass

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QToolButton, QVBoxLayout, QWidget

from explorer.widgets import theme


@dataclass(frozen=True)
class Tool:
    """One page of the program as the rail shows it."""

    name: str
    caption: str
    icon: str
    sentence: str


TOOLS = (
    Tool("explore", "Explore", "ph.aperture", "Move sliders and watch the picture change"),
    Tool("map", "Map", "ph.map-trifold", "See all pictures laid out by likeness, and pick one"),
    Tool("compare", "Compare", "ph.rows", "Originals over what several models make of them"),
    Tool("train", "Train", "ph.chart-line", "Teach a model your pictures and turn the weight while it learns"),
    Tool("make", "Make", "ph.film-strip", "Morphs, loops and pictures to keep"),
)


class Rail(QWidget):
    """`chosen` carries the name of the tool that a person picked."""

    chosen = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.UNIT // 2, theme.UNIT, theme.UNIT // 2, theme.UNIT)
        layout.setSpacing(theme.UNIT // 2)
        self.buttons: dict[str, QToolButton] = {}
        for number, tool in enumerate(TOOLS, start=1):
            button = QToolButton(self)
            button.setText(tool.caption)
            button.setIconSize(QSize(3 * theme.UNIT, 3 * theme.UNIT))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setCheckable(True)
            button.setFixedSize(9 * theme.UNIT, 7 * theme.UNIT)
            button.setToolTip(f"{tool.sentence} (Ctrl+{number})")
            button.setAccessibleName(tool.caption)
            button.setAccessibleDescription(tool.sentence)
            button.clicked.connect(lambda _, name=tool.name: self.chosen.emit(name))
            self._group.addButton(button)
            self.buttons[tool.name] = button
            layout.addWidget(button)
        layout.addStretch(1)
        theme.notifier.changed.connect(self._colour)
        self._colour()

    def set_current(self, name: str) -> None:
        """Mark this tool as the one on the table, without a signal."""
        self.buttons[name].setChecked(True)
        self._colour()

    def current(self) -> str:
        """The tool that is marked, "" before the first."""
        return next((name for name, button in self.buttons.items() if button.isChecked()), "")

    def _colour(self) -> None:
        colours = theme.palette()
        for tool in TOOLS:
            button = self.buttons[tool.name]
            button.setIcon(theme.icon(tool.icon, colours.accent if button.isChecked() else colours.quiet))
