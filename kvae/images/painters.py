"""The built-in paintings, painted by several processes: a newcomer's first 4,096 take half the time on two cores."""

import contextlib
import pickle
import signal
import subprocess
import sys
from collections.abc import Generator

import numpy as np

from kvae.images.decoders import cores
from kvae.images.worker import command_of

WORTH = 512  # paintings for which another process pays: it starts in 0.2 s
_PROGRAM = "from kvae.images.painters import main; main{job!r}"

Painted = tuple[np.ndarray, dict[str, np.ndarray]]  # as `paint_many` returns


def paint_all(
    count: int, *, size: int, seed: int, step: int = 64, workers: int | None = None
) -> Generator[Painted, None, None]:
    """Yield `paint_many` of the paintings 0 to `count`, `step` at a time, in order.

    Worker number i of n paints every n-th part, and waits in its pipe until that is read. The parts of a worker that
    cannot be started, or dies, are painted here.
    """
    starts = range(0, count, step)
    number = min(workers or cores(), max(count // WORTH, 1), len(starts))
    team = [_started((count, size, seed, step, one, number)) if number > 1 else None for one in range(number)]
    try:
        for part, start in enumerate(starts):
            worker = team[part % number]
            painted = _received(worker) if worker else None
            if painted is None:
                team[part % number] = None
                painted = _part(start, count, size, seed, step)
            yield painted
    finally:
        for worker in team:
            if worker:
                _end(worker)


def main(count: int, size: int, seed: int, step: int, first: int, number: int) -> None:
    """The program of worker `first` of `number`: write its parts to standard output, one pickle after the other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    with contextlib.suppress(OSError):  # the parent is gone
        for start in range(first * step, count, number * step):
            pickle.dump(_part(start, count, size, seed, step), sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)
            sys.stdout.buffer.flush()


def _part(start: int, count: int, size: int, seed: int, step: int) -> Painted:
    from kvae.images.paintings import paint_many  # here, because who brings their own pictures needs none of it

    return paint_many(range(start, min(start + step, count)), size=size, seed=seed)


def _started(job: tuple[int, ...]) -> subprocess.Popen | None:
    """A plain interpreter, for the reasons that `worker.py` gives."""
    if getattr(sys, "frozen", False):
        return None
    try:
        return subprocess.Popen(
            command_of(_PROGRAM.format(job=job)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None


def _received(worker: subprocess.Popen) -> Painted | None:
    """The worker's next part, or None if it died; what it sends is of our own making, so it may be unpickled."""
    assert worker.stdout is not None
    try:
        return pickle.load(worker.stdout)
    except (OSError, EOFError, pickle.UnpicklingError):
        _end(worker)
        return None


def _end(worker: subprocess.Popen) -> None:
    if worker.poll() is None:
        worker.kill()
    worker.wait()
    if worker.stdout is not None:
        worker.stdout.close()
