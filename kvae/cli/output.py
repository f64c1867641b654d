"""Standard output and error as a command uses them: whatever becomes of them, the run goes on.

An output can be gone (`| head`), closed (`>&-`), full, or of an encoding that has no Greek. None of this is a reason to
lose a model that was trained for hours.
"""

import codecs
import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TextIO

SPELLED = "kvae-spelled"  # the name of our answer to characters that an encoding does not hold
SPELLINGS = {
    "β": "beta", "σ": "sigma", "Σ": "sum ", "∇": "grad ", "√": "sqrt ", "²": "^2", "\u0302": "^", "·": "*", "×": "x",
    "−": "-", "–": "-", "…": "...", "≥": ">=", "→": "->", "ø": "o",
    "±": "+-", "λ": "lambda", "½": "1/2", "‖": "||", "\u200c": "", "\u200d": "", "\ufffd": "?", "\u2421": "^?",
}  # fmt: skip
SPELLINGS |= {chr(0x2400 + code): f"^{chr(64 + code)}" for code in range(32)}  # signs that stand for control characters


def spelled(error: UnicodeError) -> tuple[str, int]:
    """What to print for the characters that an encoding does not hold: their names, or else their numbers."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(SPELLINGS[one] if one in SPELLINGS else _number(one) for one in missing), error.end


def laid_out(text: str) -> str:
    """`text` as standard output will show it: what is set in columns has to be measured so."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, SPELLED).decode(encoding)


def _number(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode("ascii")


codecs.register_error(SPELLED, spelled)


class Lasting:
    """A stream that is written to as long as it takes anything, and then no more.
    Everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write `text`, or let it go."""
        self._attempt(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Bring what was written to its end, or let it go."""
        self._attempt(self._stream.flush)

    def _attempt(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except (OSError, ValueError):  # the second: closed by somebody in this process
            # what waits in the stream would be tried again at the end of the process, and fail there
            with contextlib.suppress(OSError, ValueError):
                _lead_nowhere(self._stream.fileno())
            with contextlib.suppress(OSError, ValueError):
                self._stream.flush()


@contextlib.contextmanager
def lasting_output() -> Iterator[None]:
    """Inside this block, and at the end of the process, standard output and error never fail."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: else the next file that is opened has its number, and is printed into
            _lead_nowhere(number)
    before = sys.stdout, sys.stderr
    with contextlib.ExitStack() as undo:
        sys.stdout, sys.stderr = (_lasting(stream, undo) for stream in before)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = before


@contextlib.contextmanager
def without_warnings(quiet: bool) -> Iterator[None]:
    """Inside this block of a `quiet` command nobody warns: neither Python's own way nor by a logger,
    as TensorFlow does."""
    level = logging.root.manager.disable
    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore")
            logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(level)


def _lasting(stream: TextIO | None, undo: contextlib.ExitStack) -> Lasting:
    if stream is None:  # closed from the start
        return Lasting(undo.enter_context(open(os.devnull, "w", encoding="utf-8")))
    if hasattr(stream, "reconfigure"):
        undo.callback(stream.reconfigure, errors=stream.errors)
        stream.reconfigure(errors=SPELLED)
    return Lasting(stream)


def _lead_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
