"""The left side of the Explore page: the picture, what is held beside it, and one line under it."""

from collections.abc import Callable

import numpy as np
from PyQt6.QtCore import QEvent, QObject, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from explorer.explore.controls import IconButton
from explorer.safe_text import line
from explorer.widgets import theme
from explorer.widgets.picture import Origin, PictureView

PAINTING, OWN = "the painting", "your picture"  # what stands beside what the model kept of it
ITSELF = "The picture itself."
_LEAST, _MOST = 9 * theme.UNIT, 20 * theme.UNIT  # side of a picture held beside the large one
HOLD = "The picture itself, as the model saw it. Hold the mouse on it, or the Space bar, to see it in the large."
EMPTY = "No model is open.\n\nOpen one (Ctrl+O), or train one on your own pictures:\nthen its sliders stand here."


class Inset(QWidget):
    """A small picture with a name, which can be clicked and sent away."""

    clicked = pyqtSignal()
    closed = pyqtSignal()

    shown = pyqtSignal()

    def __init__(self, name: str, tip: str, close_tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setObjectName("inset")
        self.view = PictureView(self, smooth=True)  # whole pixels would leave it too small
        self.view.setAcceptDrops(False)
        self.view.setToolTip(tip)
        self.view.setAccessibleName(name)
        self.view.clicked.connect(self.clicked)
        self.caption = QLabel(name, self)
        self.caption.setProperty("role", "caption")
        self.below = QHBoxLayout()
        self.below.setSpacing(0)
        self.below.addWidget(self.caption, 1)
        self.below.addWidget(self.small_button("ph.x", close_tip, self.closed.emit))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.view)
        layout.addLayout(self.below)
        self.set_side(_LEAST)
        self.hide()

    def small_button(self, icon: str, tip: str, act: object, *, checkable: bool = False) -> IconButton:
        """A small button for the row under the picture."""
        action = QAction(tip, self)
        action.setCheckable(checkable)
        (action.toggled if checkable else action.triggered).connect(lambda on: act(on) if checkable else act())  # type: ignore[operator]
        button = IconButton(icon, action, colour="quiet")
        button.setIconSize(QSize(12, 12))
        button.setStyleSheet("padding: 1px;")  # the name beside it needs the room
        return button

    def set_side(self, side: int) -> None:
        """Show the picture in a square of this side."""
        self.view.setFixedSize(side, side)
        self.setFixedWidth(max(side, self.below.sizeHint().width()))  # so that its name is never cut
        self.adjustSize()

    def show_picture(self, image: np.ndarray) -> None:
        """Show this picture, uint8 (h, w, c)."""
        self.view.set_image(image)
        self.show()
        self.raise_()
        self.shown.emit()


class Stage(QWidget):
    """The large picture, the pictures beside it, and a line that says what is shown.

    What is held stands in the free room left of the picture, or over its corner where there is none: the large picture
    neither moves nor shrinks for it.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picture = PictureView(self, placeholder=EMPTY)
        self.picture.setAccessibleName("The picture at this point")
        self.line = QLabel(self)
        self.line.setProperty("role", "quiet")
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.line.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.line.setWordWrap(True)
        self.line.setMinimumHeight(self.line.fontMetrics().height())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.UNIT, theme.UNIT, theme.UNIT, theme.UNIT // 2)
        layout.setSpacing(theme.UNIT // 2)
        layout.addWidget(self.picture, 1)
        layout.addWidget(self.line)
        self.other = Inset("B", "The other point: click to change places (Space).", "Let go of the other point", self)
        self.original = Inset(PAINTING, HOLD, "Put the picture away", self)
        self._decoded: np.ndarray | None = None  # what the model painted last
        self._itself: np.ndarray | None = None  # the picture itself, while somebody holds it
        self._said = self._remark = ""
        self.origin: Callable[[], Origin] = lambda: ("", None)  # of what the model painted
        self.picture.origin = lambda: self.origin() if self._itself is None else (self.origin()[0], None)
        self.original.view.origin = lambda: (self.origin()[0], None)
        self.original.view.pressed.connect(lambda: self.look_at(self.original.view.image))
        self.original.view.released.connect(lambda: self.look_at(None))
        tip = "Lay it over the picture, with a line between the two to drag"
        self.divide = self.other.small_button("ph.square-half", tip, self._divide, checkable=True)
        self.other.below.insertWidget(1, self.divide)
        self._placed = QRectF()  # where the picture was when the insets were placed
        self.picture.changed.connect(self._follow_picture)
        self.picture.installEventFilter(self)
        self.other.installEventFilter(self)
        for inset in (self.other, self.original):
            inset.shown.connect(self._place)

    def say(self, sentence: str) -> None:
        """One line under the picture; "" is silence, or the remark."""
        self._said = line(sentence)
        self.line.setText((self._said or self._remark) if self._itself is None else ITSELF)

    def remark(self, sentence: str) -> None:
        """What the line says of the picture while there is nothing else to say."""
        if sentence != self._remark:
            self._remark = sentence
            self.say(self._said)

    def show_decoded(self, image: np.ndarray | None) -> None:
        """What the model paints, uint8 (h, w, c); behind the picture itself while that is held."""
        self._decoded = image
        if self._itself is None:
            self.picture.set_image(image)

    def look_at(self, original: np.ndarray | None) -> None:
        """Show the picture itself, uint8 (h, w, c), in the place of what the model made of it; None: no longer."""
        if original is not self._itself:
            self._itself = original
            self.picture.set_image(self._decoded if original is None else original)
            self.say(self._said)
            self._divide()

    def set_smooth(self, smooth: bool) -> None:
        """Show the picture softly, or in its pixels."""
        self.picture.set_smooth(smooth)
        self._place()

    def clear(self) -> None:
        """Without a model."""
        self.look_at(None)
        self.show_decoded(None)
        self.other.hide()
        self.original.hide()
        self.say("")

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if event is not None and event.type() == QEvent.Type.Resize and watched is self.picture:
            self._place()
        elif event is not None and event.type() == QEvent.Type.Hide and watched is self.other:
            self._divide()
        return super().eventFilter(watched, event)

    def _divide(self, _: bool = False) -> None:
        """Show the other point to the right of a line in the large picture, or no longer."""
        held = self.divide.isChecked() and not self.other.isHidden() and self._itself is None
        other = self.other.caption.text()
        names = ("B", "A") if other == "A" else ("A", "B")
        self.picture.set_beside(self.other.view.image if held else None, names)

    def _follow_picture(self) -> None:
        if self.picture.picture_rect() != self._placed:
            self._place()

    def _place(self) -> None:
        """The insets, one above the other from the lower edge of the picture."""
        self._placed = self.picture.picture_rect()
        where = self.picture.picture_rect().translated(self.picture.pos().x(), self.picture.pos().y())
        side = int(min(max(where.left() - 1.5 * theme.UNIT, _LEAST), _MOST))
        bottom = int(where.bottom())
        for inset in (self.other, self.original):
            inset.set_side(side)
            left = max(int(where.left() - theme.UNIT // 2 - inset.width()), theme.UNIT // 2)
            inset.move(left, bottom - inset.height())
            bottom -= 0 if inset.isHidden() else inset.height() + theme.UNIT
        self._divide()
