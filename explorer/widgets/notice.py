"""One line above the page that stays until it is read: what went wrong, or something worth knowing."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from explorer.safe_text import line
from explorer.widgets import theme

_MOST = 20  # unread lines kept
_READ = 3.0  # seconds in which a line that is no error is read


@dataclass(frozen=True)
class _Line:
    sentence: str
    is_error: bool
    action_label: str = ""
    action: Callable[[], None] | None = None
    since: float = 0.0


class Notice(QWidget):
    """Shows the newest unread line; dismissing it shows the one before. Hidden while there is none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: list[_Line] = []
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setObjectName("notice")
        self._icon = QLabel(self)
        self._text = QLabel(self)
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)  # a file name is not to be read as markup
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._action = QPushButton(self)
        self._action.clicked.connect(self._act)
        self._dismiss = QToolButton(self)
        self._dismiss.setToolTip("Read it: hide this line (Esc)")
        self._dismiss.setAccessibleName("Dismiss")
        self._dismiss.setShortcut("Esc")
        self._dismiss.clicked.connect(self.dismiss)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * theme.UNIT, theme.UNIT // 2, theme.UNIT, theme.UNIT // 2)
        layout.setSpacing(theme.UNIT)
        for widget in (self._icon, self._text, self._action, self._dismiss):
            layout.addWidget(widget, 1 if widget is self._text else 0)
        theme.notifier.changed.connect(self._show)
        self.hide()

    @property
    def text(self) -> str:
        """The line shown, "" while there is none."""
        return self._lines[-1].sentence if self._lines else ""

    def show_error(self, sentence: str) -> None:
        """Say what went wrong; stays until dismissed."""
        self._add(_Line(line(sentence), True, since=time.monotonic()))

    def show_info(self, sentence: str, action_label: str = "", action: Callable[[], None] | None = None) -> None:
        """Say something worth knowing, with a button that does `action` where one is given."""
        self._add(_Line(line(sentence), False, action_label, action, time.monotonic()))

    def dismiss(self) -> None:
        """The line was read."""
        if self._lines:
            self._lines.pop()
        self._show()

    def move_on(self) -> None:
        """Somebody turned to something else: what was worth knowing and has been there for a while goes.
        Errors stay."""
        now = time.monotonic()
        self._lines = [one for one in self._lines if one.is_error or now - one.since < _READ]
        self._show()

    def _add(self, newest: _Line) -> None:
        # the same sentence twice is one thing to read
        kept = [other for other in self._lines if other.sentence != newest.sentence]
        self._lines = [*kept, newest][-_MOST:]
        self._show()

    def _act(self) -> None:
        action = self._lines[-1].action if self._lines else None
        self.dismiss()
        if action is not None:
            action()

    def _show(self) -> None:
        if not self._lines:
            self.hide()
            return
        newest = self._lines[-1]
        colours = theme.palette()
        tone = colours.error if newest.is_error else colours.accent
        ground = theme.mixed(colours.background, tone, 0.12)
        self.setStyleSheet(f"#notice {{ background: {ground}; border-left: 3px solid {tone}; }}")
        name = "ph.warning-circle" if newest.is_error else "ph.info"
        self._icon.setPixmap(theme.icon(name, tone).pixmap(theme.ICON))
        self._text.setText(newest.sentence)
        self._action.setText(newest.action_label)
        self._action.setVisible(newest.action is not None)
        self._dismiss.setIcon(theme.icon("ph.x"))
        self.setVisible(True)
