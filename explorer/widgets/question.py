"""A line in a page: this model was trained on pictures over there; show them? Nothing is read before the answer."""

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from explorer.messages import Unread
from explorer.safe_text import line
from explorer.widgets import theme
from explorer.widgets.preferences import Preferences

WORDS = "{} was trained on the pictures in {}. Show them?"
WHY = "A model from somebody else can name any folder or file of yours, so nothing there is read before you agree."


class Question(QWidget):
    """Hidden until it is asked something. `agreed` comes once the answer is kept among the preferences."""

    agreed = pyqtSignal()

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences = preferences
        self._unread: Unread | None = None
        self.words = QLabel(self)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.words.setWordWrap(True)
        self.words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.words.setToolTip(WHY)
        self.button = QPushButton("Show &them", self)
        self.button.setToolTip("Remembered for this place; File, Pictures that may be shown, takes it back")
        self.button.clicked.connect(self._agree)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * theme.UNIT, theme.UNIT // 2, theme.UNIT, theme.UNIT // 2)
        layout.setSpacing(theme.UNIT)
        layout.addWidget(self.words, 1)
        layout.addWidget(self.button)
        self.setObjectName("question")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        theme.notifier.changed.connect(self._colour)
        self._colour()
        self.hide()

    def ask(self, unread: Unread | None) -> None:
        """Ask about these pictures; None has nothing to ask."""
        self._unread = unread
        if unread is not None:
            self.words.setText(WORDS.format(line(unread.name, 60), line(unread.place, 200)))
            self.button.setAccessibleDescription(self.words.text())
        self.setVisible(unread is not None)

    def _agree(self) -> None:
        if self._unread is not None:
            self._preferences.agree(self._unread.place)
        self.ask(None)
        self.agreed.emit()

    def _colour(self) -> None:
        colours = theme.palette()
        ground = theme.mixed(colours.background, colours.accent, 0.12)
        self.setStyleSheet(f"#question {{ background: {ground}; border-left: 3px solid {colours.accent}; }}")
