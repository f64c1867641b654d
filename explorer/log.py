"""The log: what the processes of the program did, in one file that the window alone writes. Nothing is printed.

The other processes send what they log to the window as messages. Names of files and errors that quote them may come
from strangers: each entry is one line, what a traceback has more is indented, and all of it passes
`explorer.safe_text`.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

from explorer.messages import Logged
from explorer.safe_text import line

MOST_BYTES = 512 * 1024  # of one file
OLDER = 2  # files kept beside the newest
_MOST = 2000  # characters of an entry
_MOST_LINES = 200  # of a traceback: its end, which says most
_PACKAGES = ("explorer", "kvae")

logging.getLogger("explorer").addHandler(logging.NullHandler())  # silent, as long as nobody asked for a log
_handler: "_PrivateFile | None" = None


class _PrivateFile(RotatingFileHandler):
    """Files that nobody but their owner reads."""

    def _open(self):
        return open(self.baseFilename, "a", encoding="utf-8", errors="replace", opener=_private)

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk is no reason to say anything: the log is not what a person works at."""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


class _Lines(logging.Formatter):
    """One line an entry, and indented lines for its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        trace = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else "")
        entry = f"{self.formatTime(record)} {record.levelname} {record.name}: {line(record.getMessage(), _MOST)}"
        return "\n".join([entry, *(f"    {line(part, _MOST)}" for part in trace.splitlines()[-_MOST_LINES:])])


def begin(path: Path) -> None:
    """Write to the file at `path` from here on; its folder is made where it is missing.

    Raises:
        OSError: the file cannot be written.
    """
    global _handler
    path = path.absolute()
    if not path.parent.is_dir():
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
    handler = _PrivateFile(path, maxBytes=MOST_BYTES, backupCount=OLDER, encoding="utf-8")
    handler.setFormatter(_Lines())
    end()
    _handler = handler
    for name in _PACKAGES:
        logging.getLogger(name).setLevel(logging.INFO)
        logging.getLogger(name).addHandler(handler)


def end() -> None:
    """Write no more, and close the file."""
    global _handler
    handler, _handler = _handler, None
    if handler is not None:
        for name in _PACKAGES:
            logging.getLogger(name).removeHandler(handler)
        with contextlib.suppress(OSError):  # what it holds back finds no room
            handler.close()


def place() -> Path | None:
    """The file that is written to; None without one."""
    return None if _handler is None else Path(_handler.baseFilename)


def newest(most: int = 100_000) -> str:
    """The end of the log, at most so many bytes; "" where there is none."""
    path = place()
    try:
        data = b"" if path is None else path.read_bytes()
    except OSError:
        return ""
    return data[-most:].decode("utf-8", "replace")


# ---------------------------------------------------------------------- from the other processes


def take(message: Logged) -> None:
    """Log in the window's process what another process sent."""
    record = logging.LogRecord(message.name, message.level, "", 0, message.text, (), None)
    record.exc_text = message.trace
    logger = logging.getLogger(message.name)
    if logger.isEnabledFor(message.level):
        logger.handle(record)


class _ToWindow(logging.Handler):
    def __init__(self, send: Callable[[Logged], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        trace = _Lines().formatException(record.exc_info) if record.exc_info else ""
        self._send(Logged(record.name, record.levelno, record.getMessage()[:_MOST], trace[-100 * _MOST :]))


@contextlib.contextmanager
def to_window(send: Callable[[Logged], None]) -> Iterator[None]:
    """In a process of the window's: `send` what is logged inside, and every exception that nobody catches,
    in any thread."""
    handler = _ToWindow(send)
    for name in _PACKAGES:
        logging.getLogger(name).setLevel(logging.INFO)
        logging.getLogger(name).addHandler(handler)
    printed = threading.excepthook

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            logging.getLogger(__name__).error("A thread ended by a mistake of ours", exc_info=args.exc_value)
        printed(args)

    threading.excepthook = in_thread
    try:
        yield
    except Exception:  # of any kind: it is noted while the window still listens, and ends the process all the same
        logging.getLogger(__name__).exception("The process ends by a mistake of ours")
        raise
    finally:
        threading.excepthook = printed
        for name in _PACKAGES:
            logging.getLogger(name).removeHandler(handler)
