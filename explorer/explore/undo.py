"""Undo and redo of everything that changes the point: a step is the state before and the state after."""

from collections.abc import Callable
from itertools import count

from PyQt6.QtCore import QObject
from PyQt6.QtGui import QUndoCommand, QUndoStack

from explorer.safe_text import caption
from explorer.state.latent import LatentState

LIMIT = 500  # steps kept
_COMMAND = 1  # Qt merges only commands of one number


class UndoStep(QUndoCommand):
    """From one state to the next. Steps of one `gesture`, such as a drag, become one; gesture 0 stands alone."""

    def __init__(
        self, before: LatentState, after: LatentState, text: str, gesture: int, show: Callable[[LatentState], None]
    ) -> None:
        super().__init__(text)
        self._before, self._after, self._gesture, self._show = before, after, gesture, show

    def id(self) -> int:
        return _COMMAND

    def redo(self) -> None:
        self._show(self._after)

    def undo(self) -> None:
        self._show(self._before)

    def mergeWith(self, other: QUndoCommand | None) -> bool:
        """Take in the next step of the same gesture; a drag that came back to its start leaves nothing to undo."""
        if not isinstance(other, UndoStep) or not self._gesture or other._gesture != self._gesture:
            return False
        self._after = other._after
        self.setText(other.text())
        self.setObsolete(self._after == self._before)
        return True

    def amend(self, after: LatentState) -> None:
        """Lead to `after`, which is the same to a person: their picture encoded anew."""
        self._after = after


class History(QObject):
    """The undo stack of one point. `show(state)` is called with every state that becomes the current one."""

    def __init__(self, show: Callable[[LatentState], None], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.stack = QUndoStack(self)
        self.stack.setUndoLimit(LIMIT)
        self._shown = show
        self._gestures = count(1)
        self._gesture = 0
        self._state: LatentState | None = None

    @property
    def state(self) -> LatentState | None:
        """The current state; None without a model."""
        return self._state

    @property
    def in_gesture(self) -> bool:
        """Whether a drag, or another change in many small steps, is under way."""
        return self._gesture != 0

    def begin(self, state: LatentState | None) -> None:
        """Forget all steps and start at `state`."""
        self._gesture = 0
        self._state = state
        self.stack.clear()
        if state is not None:
            self._shown(state)

    def press(self) -> None:
        """A gesture begins: what changes until `release` is one step."""
        self._gesture = next(self._gestures)

    def release(self) -> None:
        """The gesture is over."""
        self._gesture = 0

    def change(self, after: LatentState, text: str) -> None:
        """Go to `after`, called `text` in the menu; nothing happens where that is where we are."""
        if self._state is not None and after != self._state:
            self.stack.push(UndoStep(self._state, after, caption(text), self._gesture, self._show))

    def amend(self, state: LatentState) -> None:
        """Be at `state`, which came of the last change by itself and is no step of its own."""
        self._state = state
        step = self.stack.command(self.stack.index() - 1)
        if isinstance(step, UndoStep):
            step.amend(state)

    def _show(self, state: LatentState) -> None:
        self._state = state
        self._shown(state)
