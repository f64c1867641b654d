"""What the window wants of a run, as a trainer knows it."""

import contextlib
import os
import threading
from collections.abc import Callable
from typing import Any

from explorer.messages import Continue, Pause, SetWeight, Start, Stop


class Stopped(Exception):
    """The window wants no model of a run that has not begun."""


DELIVERY_SECONDS = 15.0  # a model that is being saved when the window goes is not given up


class Orders:
    """What the window wants, as of now. Written by the thread that reads the pipe, read by the run between batches."""

    def __init__(self) -> None:
        self.stop = False
        self.delivering = False  # set by the run: from here on the end is near, and worth waiting for
        self.gone = False  # the window: the thread that noticed it ends the process
        self.ended = threading.Event()
        self.cleanup: Callable[[], None] | None = None  # leaves nothing of the run behind
        self.release: Callable[[], None] | None = None  # leaves of the run what can be gone on from
        self._start: Start | None = None
        self._weight: float | None = None
        self._lock = threading.Lock()
        self._begin, self._go = threading.Event(), threading.Event()
        self._go.set()

    def take(self, message: Any) -> None:
        """Note what the window says."""
        if isinstance(message, Start):
            self._start = message
            self._begin.set()
        elif isinstance(message, SetWeight):
            with self._lock:
                self._weight = message.kl_weight
        elif isinstance(message, Pause):
            if not self.stop:
                self._go.clear()
        elif isinstance(message, Continue):
            self._go.set()
        elif isinstance(message, Stop):
            self.stop = True
            self._go.set()

    @property
    def paused(self) -> bool:
        """Whether the run is to wait."""
        return not self._go.is_set()

    def wait(self) -> None:
        """Wait while the run is paused."""
        self._go.wait()

    def weight(self) -> float | None:
        """The KL weight that was asked for since the last call, if any."""
        with self._lock:
            weight, self._weight = self._weight, None
        return weight

    def wait_for_start(self) -> Start:
        """Wait until the window says what to train."""
        self._begin.wait()
        assert self._start is not None
        return self._start

    def window_gone(self) -> None:
        """End the process at once, or as soon as the model that is being saved is safe."""
        self.gone = True
        if self.delivering:
            self.ended.wait(DELIVERY_SECONDS)
        if self.cleanup is not None:
            self.cleanup()
        elif self._start is not None:  # it was told to begin, and has written nothing yet
            with contextlib.suppress(OSError):
                os.rmdir(self._start.folder)
        if self.release is not None:
            self.release()
        os._exit(0)
