"""A folder that is shown and can be chosen."""

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QResizeEvent
from PyQt6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from explorer.safe_text import line, plain
from explorer.widgets import theme


class FolderRow(QWidget):
    """Says where something goes, `words` before the folder, with a button to choose another; `chosen` carries it."""

    chosen = pyqtSignal(str)

    def __init__(self, words: str, place: Callable[[], str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._words, self._place = words, place
        self.label = QLabel(self)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setProperty("role", "quiet")
        self.label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.button = QToolButton(self)
        self.button.setToolTip("Choose another folder")
        self.button.setAccessibleName(f"{words}: choose another folder".lstrip(": "))
        self.button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.button.clicked.connect(self._browse)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.UNIT // 2)
        row.addWidget(self.label, 1)
        row.addWidget(self.button)
        theme.notifier.changed.connect(self._draw)
        self._draw()
        self.refresh()

    def refresh(self) -> None:
        """Show the folder as it is now."""
        place = line(self._place().replace(str(Path.home()), "~", 1))
        words = f"{self._words} {place}".strip()
        room = max(self.label.width(), 8 * theme.UNIT)
        self.label.setText(self.label.fontMetrics().elidedText(words, Qt.TextElideMode.ElideMiddle, room))
        self.label.setToolTip(plain(self._place()))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self.refresh()

    def _draw(self) -> None:
        self.button.setIcon(theme.icon("ph.folder-open"))

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder", self._place())
        if folder:
            self.chosen.emit(folder)
            self.refresh()
