"""The export box: its form, what will come of it, the button, and how far the engine is with it."""

from collections import deque
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from explorer.bridge import Bridge
from explorer.make.form import FILMS, TABLES, ExportForm
from explorer.messages import Answer, Exported, Progress, Question
from explorer.safe_text import line
from explorer.widgets import keys, theme
from explorer.widgets.notice import Notice
from explorer.widgets.preferences import Preferences
from explorer.widgets.takeaway import show_folder


class ExportBox(QWidget):
    """Asks the engine to write the file that the form describes; `question(path)` makes the message.

    What is asked for while it writes waits its turn. Whatever comes of it is told in `notice`.
    """

    changed = pyqtSignal()  # another format, size or look

    def __init__(
        self,
        bridge: Bridge,
        preferences: Preferences,
        question: Callable[[str], Question],
        notice: Notice,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._question = question
        self._notice = notice
        self._ticket: int | None = None
        self._writing = ""  # the name of the file
        self._waiting: deque[tuple[str, Question]] = deque()
        self._possible = False
        self.form = ExportForm(preferences, self)
        self.summary = QLabel(self)
        self.summary.setWordWrap(True)
        self.summary.setProperty("role", "quiet")
        self.button = QPushButton("E&xport", self)
        self.button.setProperty("primary", True)
        self.button.setToolTip(f"Write the file ({keys.words('export')})")
        self.button.setShortcut(keys.sequences("export")[0])
        self.doing = QLabel(self)
        self.doing.setProperty("role", "quiet")
        self.doing.setTextFormat(Qt.TextFormat.PlainText)
        self.doing.setWordWrap(True)
        self.progress = QProgressBar(self)
        self.progress.setTextVisible(False)
        self.cancel_button = QPushButton("&Cancel", self)
        self.cancel_button.setToolTip("Stop writing this file; those that wait come next")
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(theme.UNIT)
        for widget in (self.form, self.summary, self.button):
            rows.addWidget(widget)
        at_it = QHBoxLayout()
        at_it.setSpacing(theme.UNIT)
        at_it.addWidget(self.doing, 1)
        at_it.addWidget(self.cancel_button)
        rows.addLayout(at_it)
        rows.addWidget(self.progress)
        self.form.changed.connect(self.changed)
        self.button.clicked.connect(self.start)
        self.cancel_button.clicked.connect(self.cancel)
        self._refresh()

    @property
    def writing(self) -> bool:
        """Whether the engine is at it."""
        return self._ticket is not None

    def describe(self, keyframes: int, frames: int, frames_per_second: float) -> None:
        """Say what would be written of so many keyframes and frames; where that is nothing,
        there is no button to press."""
        needed = 2 if self.form.ending in FILMS else 1
        self._possible = keyframes >= needed
        if not self._possible:
            said = "A film needs two pictures in the strip." if needed == 2 else "The strip is empty."
        elif self.form.ending in TABLES:
            said = f"The place of {keyframes} picture{'s' if keyframes > 1 else ''} in latent space"
        else:
            width, height = self.form.size()
            said = f"{width} × {height} pixels"
            if self.form.ending in FILMS:
                said = f"{frames} frames · {frames / frames_per_second:.1f} s · {said}"
            said = f"{said}\n{self.form.hints(frames_per_second)}".strip()
        self.summary.setText(said)
        self._refresh()

    def start(self) -> None:
        """Have the file written: at once, or when those before it are done."""
        if not self._possible:
            return
        try:
            path = self.form.path()
            self._waiting.append((Path(path).name, self._question(path)))
        except ValueError as error:
            self._notice.show_error(str(error), "export")
            return
        self._notice.end("export")
        self._next()

    def _next(self) -> None:
        if self._ticket is None and self._waiting:
            self._writing, question = self._waiting.popleft()
            self.progress.setRange(0, 0)  # busy, until the engine tells how far it is
            self._ticket = self._bridge.ask(question, self._take, lane=None, failed=self._fail)
        self._refresh()

    def cancel(self) -> None:
        """Stop writing; the engine removes what it has written of the file. Those that wait come next."""
        if self._ticket is not None:
            self._bridge.cancel(self._ticket)
            self._notice.show_info(f"The export of {self._writing} was cancelled.", subject="export")
            self._end()

    def _take(self, answer: Answer) -> None:
        if isinstance(answer, Progress):
            self.progress.setRange(0, answer.total)
            self.progress.setValue(answer.done)
        elif isinstance(answer, Exported):
            self._end()
            folder = Path(answer.path).parent
            self._notice.show_info(
                f"Saved to {answer.path}", "Show in folder", lambda: show_folder(folder), subject="export"
            )

    def _fail(self, sentence: str) -> None:
        self._end()
        self._notice.show_error(sentence, "export")

    def _end(self) -> None:
        self._ticket = None
        had_focus = self.cancel_button.hasFocus()
        self._next()
        if had_focus and not self.writing:
            self.button.setFocus()

    def _refresh(self) -> None:
        self.button.setEnabled(self._possible)
        more = f" · {len(self._waiting)} more waiting" if self._waiting else ""
        self.doing.setText(line(f"Writing {self._writing}{more}"))
        for widget in (self.doing, self.progress, self.cancel_button):
            widget.setVisible(self.writing)
