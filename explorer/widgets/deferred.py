"""What is to happen a little later, and not at all once its owner is gone: a timer that fires once,
and work in steps."""

from collections import deque
from collections.abc import Callable

from PyQt6 import sip
from PyQt6.QtCore import QObject, QTimer

_REST = 4  # ms between two steps, for what the hand and the engine bring


def later(owner: QObject, milliseconds: int, done: Callable[[], object]) -> QTimer:
    """A timer that calls `done` once, `milliseconds` after each `start()`; not started yet."""
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(done)
    return timer


class Turns(QObject):
    """Work of the window that nobody waits for, cut into steps of 10 to 20 ms.

    Each step has a turn of the event loop for itself, whoever gave it: two of them in one turn would be felt.
    """

    def __init__(self) -> None:
        super().__init__()
        self._steps: deque[tuple[QObject, Callable[[], object]]] = deque()
        self._timer: QTimer | None = None  # made with the first step, when there is an event loop

    def give(self, owner: QObject, *steps: Callable[[], object]) -> None:
        """Take these steps one after another, behind what waits already; one that waits is not taken twice."""
        self._steps.extend(one for step in steps if (one := (owner, step)) not in self._steps)
        if self._timer is None:
            self._timer = later(self, _REST, self._next)
        if self._steps and not self._timer.isActive():
            self._timer.start()

    def finish(self, owner: QObject) -> None:
        """Take at once what is left of the owner's steps, and what they give in turn."""
        while (found := next((one for one in self._steps if one[0] is owner), None)) is not None:
            self._steps.remove(found)
            found[1]()

    def _next(self) -> None:
        while self._steps:
            owner, step = self._steps.popleft()
            if not sip.isdeleted(owner):
                try:
                    step()
                finally:
                    self.give(owner)
                return


turns = Turns()
