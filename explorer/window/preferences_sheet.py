"""What a person sets once: where models go, and where pictures and films go."""

from functools import partial

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QDialog, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from explorer.widgets import theme
from explorer.widgets.folder_row import FolderRow
from explorer.widgets.preferences import Preferences
from explorer.widgets.save_sheet import FOLDER, picture_folder

MODELS = "New models, and what you keep beside them. Those that are there already stay where they are."
PICTURES = "Pictures, films and numbers that you save."


class PreferencesSheet(QDialog):
    """Every choice counts at once."""

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Preferences")
        self.models = FolderRow("", lambda: str(preferences.models_folder), self)
        self.models.chosen.connect(partial(preferences.set, "models_folder"))
        self.pictures = FolderRow("", lambda: picture_folder(preferences), self)
        self.pictures.chosen.connect(partial(preferences.set, FOLDER))
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * theme.UNIT)
        grid.setVerticalSpacing(theme.UNIT // 2)
        grid.setColumnStretch(1, 1)
        rows = (("Models go to", self.models, MODELS), ("Pictures go to", self.pictures, PICTURES))
        for place, (words, row, why) in enumerate(rows):
            explanation = QLabel(why, self)
            explanation.setProperty("role", "caption")
            row.label.setProperty("role", "")
            grid.addWidget(QLabel(words, self), 3 * place, 0)
            grid.addWidget(row, 3 * place, 1)
            grid.addWidget(explanation, 3 * place + 1, 1)
            grid.setRowMinimumHeight(3 * place + 2, theme.UNIT)
        close = QPushButton("Close", self)
        close.clicked.connect(self.accept)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * theme.UNIT, 3 * theme.UNIT, 3 * theme.UNIT, 2 * theme.UNIT)
        layout.setSpacing(theme.UNIT)
        layout.addLayout(grid)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)
        self.setMinimumWidth(72 * theme.UNIT)
