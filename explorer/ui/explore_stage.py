"""The left side of the Explore page: the picture, what is held beside it, and one line under it."""

import numpy as np
from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from explorer.ui import theme
from explorer.ui.explore_controls import IconButton
from explorer.ui.picture import PictureView

_SIDE = 16 * theme.UNIT  # of a picture held beside the large one
EMPTY = "No model is open.\n\nOpen one (Ctrl+O), or train one on your own pictures:\nthen its sliders stand here."


class Inset(QWidget):
    """A small picture with a name, which can be clicked and sent away."""

    clicked = pyqtSignal()
    closed = pyqtSignal()

    def __init__(self, name: str, tip: str, close_tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = PictureView(self)
        self.view.setFixedSize(_SIDE, _SIDE)
        self.view.setAcceptDrops(False)
        self.view.setToolTip(tip)
        self.view.setAccessibleName(name)
        self.view.clicked.connect(self.clicked)
        self.caption = QLabel(name, self)
        self.caption.setProperty("role", "quiet")
        away = QAction(close_tip, self)
        away.triggered.connect(lambda: self.closed.emit())
        close = IconButton("ph.x", away, colour="quiet")
        close.setIconSize(QSize(12, 12))
        below = QHBoxLayout()
        below.addWidget(self.caption, 1)
        below.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.view)
        layout.addLayout(below)
        self.hide()

    def show_picture(self, image: np.ndarray) -> None:
        """Show this picture, uint8 (h, w, c)."""
        self.view.set_image(image)
        self.show()


class Stage(QWidget):
    """The large picture, the pictures beside it, and a line that says what is shown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picture = PictureView(self, placeholder=EMPTY)
        self.picture.setAccessibleName("The picture at this point")
        self.other = Inset("B", "The other point: click to change places (Space).", "Let go of the other point", self)
        self.original = Inset("Your picture", "Your picture, as the model saw it.", "Put your picture away", self)
        self.line = QLabel(self)
        self.line.setProperty("role", "quiet")
        self.line.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.line.setWordWrap(True)
        self.line.setMinimumHeight(self.line.fontMetrics().height())
        beside = QVBoxLayout()
        beside.setSpacing(theme.UNIT)
        beside.addStretch(1)
        beside.addWidget(self.original)
        beside.addWidget(self.other)
        middle = QVBoxLayout()
        middle.setSpacing(theme.UNIT // 2)
        middle.addWidget(self.picture, 1)
        middle.addWidget(self.line)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.UNIT, theme.UNIT, theme.UNIT, theme.UNIT // 2)
        layout.setSpacing(theme.UNIT)
        layout.addLayout(beside)
        layout.addLayout(middle, 1)

    def say(self, sentence: str) -> None:
        """One line under the picture; "" is silence."""
        self.line.setText(sentence)

    def set_smooth(self, smooth: bool) -> None:
        """Show all pictures softly, or in their pixels."""
        for view in (self.picture, self.other.view, self.original.view):
            view.set_smooth(smooth)

    def clear(self) -> None:
        """Without a model."""
        self.picture.set_image(None)
        self.other.hide()
        self.original.hide()
        self.say("")
