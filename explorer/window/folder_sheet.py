"""What is in a folder, before it is trained on: how many pictures, and a few of them."""

from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from explorer.bridge import Bridge
from explorer.messages import Answer, LookInto, Seen
from explorer.safe_text import line, plain
from explorer.widgets import theme
from explorer.widgets.picture_row import PictureRow, seen_in_words

_SIDE = 64  # pixels
LOOKING = "Looking at the pictures …"


class FolderSheet(QDialog):
    """`train_wanted` carries the folder, `other_wanted` asks for another one."""

    train_wanted = pyqtSignal(str)
    other_wanted = pyqtSignal()

    def __init__(self, bridge: Bridge, data: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Train on these pictures?")
        self.data = data
        name = QLabel(line(Path(data).name or data, 60), self)
        name.setTextFormat(Qt.TextFormat.PlainText)
        name.setProperty("role", "heading")
        name.setToolTip(plain(data))
        self.row = PictureRow(_SIDE, self)
        self.row.show_pictures(LOOKING, None)
        self.row.setMinimumSize(8 * (_SIDE + theme.UNIT // 2), _SIDE + 4 * theme.UNIT)
        self.train = QPushButton("&Train on these", self)
        self.train.setProperty("primary", True)
        self.train.setDefault(True)
        self.train.setEnabled(False)
        self.other = QPushButton("Choose &another folder…", self)
        cancel = QPushButton("Cancel", self)
        self.train.clicked.connect(self._train)
        self.other.clicked.connect(self._choose_other)
        cancel.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.UNIT)
        buttons.addWidget(self.other)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.train)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3 * theme.UNIT, 3 * theme.UNIT, 3 * theme.UNIT, 2 * theme.UNIT)
        layout.setSpacing(theme.UNIT)
        layout.addWidget(name)
        layout.addWidget(self.row, 1)
        layout.addSpacing(theme.UNIT)
        layout.addLayout(buttons)
        ticket = bridge.ask(LookInto(data), self._take, lane="look", failed=self._fail)
        self.finished.connect(lambda _: bridge.cancel(ticket))

    def _take(self, answer: Answer) -> None:
        if isinstance(answer, Seen):
            self.row.show_pictures(seen_in_words(answer), answer.images)
            self.train.setEnabled(True)
            self.train.setFocus()

    def _fail(self, sentence: str) -> None:
        self.row.show_pictures(sentence, None)
        self.other.setFocus()

    def _train(self) -> None:
        self.accept()
        self.train_wanted.emit(self.data)

    def _choose_other(self) -> None:
        self.reject()
        self.other_wanted.emit()
