"""The rail at the left: the pages of the program, one of which is on the table."""

from collections.abc import Mapping

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtWidgets import QButtonGroup, QToolButton, QVBoxLayout, QWidget

from explorer.widgets import keys, theme
from explorer.window.pages import Page


class Rail(QWidget):
    """`chosen` carries the name of the page that a person picked."""

    chosen = pyqtSignal(str)

    def __init__(self, pages: Mapping[str, Page], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pages = pages
        self.setObjectName("rail")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.UNIT // 2, theme.UNIT, theme.UNIT // 2, theme.UNIT)
        layout.setSpacing(theme.UNIT // 2)
        self.buttons: dict[str, QToolButton] = {}
        for key, (name, page) in zip(keys.sequences("pages"), pages.items(), strict=False):
            button = QToolButton(self)
            button.setText(page.caption)
            button.setIconSize(QSize(3 * theme.UNIT, 3 * theme.UNIT))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setCheckable(True)
            button.setFixedSize(9 * theme.UNIT, 7 * theme.UNIT)
            button.setToolTip(f"{page.sentence} ({key.toString()})")
            button.setAccessibleName(page.caption)
            button.setAccessibleDescription(page.sentence)
            button.clicked.connect(lambda _, name=name: self.chosen.emit(name))
            self._group.addButton(button)
            self.buttons[name] = button
            layout.addWidget(button)
        layout.addStretch(1)
        theme.notifier.changed.connect(self._colour)
        self._colour()

    def set_current(self, name: str) -> None:
        """Mark this page as the one on the table, without a signal."""
        self.buttons[name].setChecked(True)
        self._colour()

    def current(self) -> str:
        """The page that is marked, "" before the first."""
        return next((name for name, button in self.buttons.items() if button.isChecked()), "")

    def _colour(self) -> None:
        colours = theme.palette()
        for name, page in self._pages.items():
            button = self.buttons[name]
            button.setIcon(theme.icon(page.icon, colours.accent if button.isChecked() else colours.quiet))
