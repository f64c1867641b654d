"""One line over the page that stays until it is read: what went wrong, or something worth knowing."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from PyQt6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from explorer.safe_text import line
from explorer.widgets import keys, theme

_MOST = 20  # unread lines kept
_READ = 3.0  # seconds in which a line that is no error is read


@dataclass(frozen=True)
class _Line:
    sentence: str
    is_error: bool
    subject: str
    action_label: str = ""
    action: Callable[[], None] | None = None
    since: float = 0.0


class Notice(QWidget):
    """Lies over the lower edge of the widget `over`, where a window has its status line, and moves nothing there.
    Hidden while there is nothing to read.

    Errors come before everything else, and the newest first; dismissing one shows the next. What is said of a subject
    takes the place of what was said of it before, and goes when the subject is over (`end`).
    """

    def __init__(self, over: QWidget | None = None) -> None:
        super().__init__(over)
        self._lines: list[_Line] = []
        self._speaker: Notice | None = None
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
        self._dismiss.setToolTip(f"Read it: hide this line ({keys.words('dismiss')})")
        self._dismiss.setAccessibleName("Dismiss")
        self._dismiss.clicked.connect(self.dismiss)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * theme.UNIT, 2, theme.UNIT, 2)
        layout.setSpacing(theme.UNIT)
        for widget in (self._icon, self._text, self._action, self._dismiss):
            layout.addWidget(widget, 1 if widget is self._text else 0)
        if over is not None:
            over.installEventFilter(self)
        theme.notifier.changed.connect(self._show)
        self.hide()

    def speak_through(self, speaker: "Notice") -> None:
        """From now on `speaker` says everything that is said here: a window has one such line, however many pages."""
        self._speaker = speaker

    @property
    def text(self) -> str:
        """The line shown, "" while there is none."""
        if self._speaker is not None:
            return self._speaker.text
        return self._shown.sentence if self._lines else ""

    def show_error(self, sentence: str, subject: str = "") -> None:
        """Say what went wrong with a subject; stays until dismissed, or until the subject is over."""
        self._add(_Line(line(sentence), True, subject, since=time.monotonic()))

    def show_info(
        self, sentence: str, action_label: str = "", action: Callable[[], None] | None = None, subject: str = ""
    ) -> None:
        """Say something worth knowing, with a button that does `action` where one is given."""
        self._add(_Line(line(sentence), False, subject, action_label, action, time.monotonic()))

    def end(self, *subjects: str) -> None:
        """These are over: what was said of them goes."""
        if self._speaker is not None:
            self._speaker.end(*subjects)
        self._keep([one for one in self._lines if not one.subject or one.subject not in subjects])

    def dismiss(self) -> None:
        """The line was read."""
        if self._speaker is not None:
            self._speaker.dismiss()
        elif self._lines:
            self._lines.remove(self._shown)
            self._show()

    def move_on(self) -> None:
        """Somebody turned to something else: what was worth knowing and has been there for a while goes.
        Errors stay."""
        now = time.monotonic()
        self._keep([one for one in self._lines if one.is_error or now - one.since < _READ])

    @property
    def _shown(self) -> _Line:
        """The newest error, or without one the newest line."""
        errors = [one for one in self._lines if one.is_error]
        return (errors or self._lines)[-1]

    def _add(self, newest: _Line) -> None:
        if self._speaker is not None:
            self._speaker._add(newest)
            return
        # the same sentence twice is one thing to read, and so is what is said of one subject
        kept = [
            other
            for other in self._lines
            if other.sentence != newest.sentence and (not newest.subject or other.subject != newest.subject)
        ]
        self._keep([*kept, newest][-_MOST:])

    def _keep(self, lines: list[_Line]) -> None:
        if lines != self._lines:
            self._lines = lines
            self._show()

    def _act(self) -> None:
        action = self._shown.action if self._lines else None
        self.dismiss()
        if action is not None:
            action()

    def _show(self) -> None:
        if not self._lines:
            self.hide()
            return
        shown = self._shown
        colours = theme.palette()
        tone = colours.error if shown.is_error else colours.accent
        ground = theme.mixed(colours.background, tone, 0.12)
        edge = theme.mixed(ground, tone, 0.35)
        self.setStyleSheet(
            f"#notice {{ background: {ground}; border: 1px solid {edge}; border-left: 3px solid {tone}; "
            "border-radius: 4px; } QPushButton { padding: 2px 10px; } QToolButton { padding: 1px; }"
        )
        name = "ph.warning-circle" if shown.is_error else "ph.info"
        self._icon.setPixmap(theme.icon(name, tone).pixmap(theme.ICON))
        self._text.setText(shown.sentence)
        self._action.setText(shown.action_label)
        self._action.setVisible(shown.action is not None)
        self._dismiss.setIcon(theme.icon("ph.x"))
        self.setVisible(True)
        self._place()

    def _place(self) -> None:
        """At the lower right, as wide as the sentence needs; on top of whatever came there meanwhile."""
        over, layout = self.parentWidget(), self.layout()
        if over is None or layout is None:
            return
        margin = 2
        layout.activate()
        beside = layout.sizeHint().width() - self._text.sizeHint().width()
        sentence = self._text.fontMetrics().horizontalAdvance(self._text.text()) + theme.UNIT
        width = max(min(over.width() - 2 * margin, beside + sentence), layout.minimumSize().width())
        size = QSize(width, max(layout.totalHeightForWidth(width), layout.minimumSize().height()))
        self.setGeometry(QRect(QPoint(over.width() - margin - width, over.height() - margin - size.height()), size))
        self.raise_()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and watched is self.parent() and not self.isHidden():
            if event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
                self._place()
            elif event.type() in (QEvent.Type.ChildAdded, QEvent.Type.ChildPolished):
                self.raise_()
        return False
