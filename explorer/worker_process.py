"""A process at the other end of a pipe: started, read and written by threads, and seen to the end. It knows no Qt."""

import logging
import multiprocessing
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

MOST_DEATHS, DEATHS_WITHIN = 3, 30.0  # of the engine before it is given up; seconds
LOST = "The engine ended unexpectedly ({}). It is starting again{}."
GAVE_UP = "The engine ended {} times within half a minute ({}). Restart the program; if it goes on, open another model."

logger = logging.getLogger(__name__)


class RestartLimit:
    """Counts how often the engine ended, and says so."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def sentence(self, why: str, again: str) -> str:
        """Count one more and say it; `again` is what it starts again with."""
        now = time.monotonic()
        self._times = [when for when in self._times if now - when < DEATHS_WITHIN] + [now]
        return GAVE_UP.format(len(self._times), why) if self.too_many else LOST.format(why, again)

    @property
    def too_many(self) -> bool:
        """Whether starting it again is of no use."""
        return len(self._times) >= MOST_DEATHS


def _leave_working_directory_out() -> None:
    """Have processes begun from here on find no modules in the working directory, which may be a stranger's folder.

    `multiprocessing` starts them, and a process that cleans up after them, by `python -c`, which looks there first.
    What they are handed is our own path, in which "" stands for it. `PYTHONPATH` counts as ever.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    sys.path[:] = [entry for entry in sys.path if entry]


class WorkerProcess:
    """A process at the other end of a pipe. `arrived` is called in another thread, with None when the pipe closes."""

    def __init__(self, target: tuple[str, str], name: str, arrived: Callable[["WorkerProcess", Any], None]) -> None:
        _leave_working_directory_out()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        entry = getattr(import_module(target[0]), target[1])
        self.process = context.Process(target=entry, args=(theirs,), name=name, daemon=True)
        self.process.start()
        logger.info("%s %s: started", name, self.process.pid)
        theirs.close()  # ours alone stays open, so that the death of the process closes the pipe
        self._arrived = arrived
        # sending from a thread of its own: a full pipe must not stop the window
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=work, daemon=True, name=name) for work in (self._read, self._write)]
        for thread in self._threads:
            thread.start()

    def send(self, message: Any) -> None:
        self._outbox.put(message)

    def end(self, patience: float = 0.0) -> None:
        """Close the pipe, at which the process ends by itself; kill it if it does not within `patience` seconds."""
        self._outbox.put(None)
        self._threads[1].join(0.2)
        if patience:
            self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
        self.process.join(5.0)
        logger.info("%s %s: ended (%s)", self.process.name, self.process.pid, self.how_it_ended())
        for thread in self._threads:
            thread.join(1.0)
        self._pipe.close()

    def how_it_ended(self) -> str:
        """In words, once the pipe is closed."""
        self.process.join(2.0)
        code = self.process.exitcode
        if code is None:
            return "it closed its connection"
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def _read(self) -> None:
        try:
            while True:
                self._arrived(self, self._pipe.recv())
        except Exception:  # closed, reset, or a message cut off by the death of its sender
            self._arrived(self, None)

    def _write(self) -> None:
        try:
            while (message := self._outbox.get()) is not None:
                self._pipe.send(message)
        except (OSError, ValueError):
            return  # the reader tells of the death
        self._hang_up()

    def _hang_up(self) -> None:
        """Our reader waits in the same connection, so closing it is not enough for the other side to see the end."""
        try:
            with socket.socket(fileno=os.dup(self._pipe.fileno())) as pipe:
                pipe.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError):  # Windows pipes are no sockets; there `end` kills
            self.process.kill()
