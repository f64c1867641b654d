"""A timer that fires once: what is to happen a little later, and not at all once its owner is gone."""

from collections.abc import Callable

from PyQt6.QtCore import QObject, QTimer


def later(owner: QObject, milliseconds: int, done: Callable[[], object]) -> QTimer:
    """A timer that calls `done` once, `milliseconds` after each `start()`; not started yet."""
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.setInterval(milliseconds)
    timer.timeout.connect(done)
    return timer
