"""Many picture files decoded by several processes, in order, whatever happens to one of the processes."""

import collections
import concurrent.futures
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence

from kvae.images.worker import HEADER, MAX_SECONDS, READY, UNREAD, Outcome, command_of, decode_file

CHUNK = 16  # files handed to a worker at once
WINDOW = 4  # chunks per worker that may be ahead of the one being consumed: bounds memory, hides slow files
_PROGRAM = "from kvae.images.worker import main; main({size}, {crop!r})"


def decode_files(paths: Iterable[str], *, size: int, crop: str, workers: int | None = None) -> Iterator[Outcome]:
    """Yield the Outcome of every path, in the order of `paths`, decoding on all cores.

    Processes, not threads: Pillow opens, parses and allocates under the GIL, and on 227-pixel JPEGs two threads are
    no faster than one. A process that dies takes only the picture it was on with it.
    """
    count = workers or cores()
    left = iter(paths)  # of a million, a few at a time
    team = _Team(size, crop)
    pool = concurrent.futures.ThreadPoolExecutor(count, thread_name_prefix="kvae-decode")
    try:
        pending: collections.deque[concurrent.futures.Future] = collections.deque()
        while chunk := list(itertools.islice(left, CHUNK)):
            pending.append(pool.submit(team.decode, chunk))
            if len(pending) >= count * WINDOW:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        team.stop()
        pool.shutdown(wait=True, cancel_futures=True)
        team.release()


class _Team:
    """One worker process for each thread that asks, replaced when it dies."""

    def __init__(self, size: int, crop: str) -> None:
        self._size, self._crop = size, crop
        self._mine = threading.local()
        self._all: list[_Worker] = []
        self._lock = threading.Lock()
        self._closed = False

    def decode(self, paths: Sequence[str]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        while len(outcomes) < len(paths):
            rest = paths[len(outcomes) :]
            worker = self._worker()
            if worker is None:  # a frozen program, or no more processes to be had: slower and less safe, but it works
                return outcomes + [decode_file(path, self._size, self._crop) for path in rest]
            outcomes += worker.decode(rest)
            if self._closed:
                return outcomes
            if len(outcomes) < len(paths):
                outcomes.append(self._guilty(paths[len(outcomes)], worker))
        return outcomes

    def _guilty(self, path: str, dead: "_Worker") -> Outcome:
        """The outcome of `path`, on which the process `dead` ended."""
        self._mine.worker = None
        if dead.timed_out():
            return dead.epitaph()
        again = self._worker()  # with nothing before it, as an earlier picture may have done the harm
        outcomes = again.decode([path]) if again else []
        if outcomes or again is None:
            return outcomes[0] if outcomes else dead.epitaph()
        self._mine.worker = None
        return again.epitaph()

    def stop(self) -> None:
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.kill()

    def release(self) -> None:
        """Close the pipes; only after every thread has left them."""
        for worker in self._all:
            worker.release()

    def _worker(self) -> "_Worker | None":
        worker = getattr(self._mine, "worker", None)
        if worker is None and not getattr(sys, "frozen", False):
            try:
                worker = _Worker(self._size, self._crop)
            except OSError:
                return None
            with self._lock:
                self._all.append(worker)
                if self._closed:
                    worker.kill()
            self._mine.worker = worker
        return worker


class _Worker:
    """One process of `worker.py` and its two pipes."""

    def __init__(self, size: int, crop: str) -> None:
        self._digest = UNREAD  # of the file it is on
        self._process = subprocess.Popen(
            command_of(_PROGRAM.format(size=size, crop=crop)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._asks, self._answers = self._process.stdin, self._process.stdout
        if self._answers.read(len(READY)) != READY:
            self.kill()
            self.release()
            raise OSError("the decoding process did not start")

    def decode(self, paths: Sequence[str]) -> list[Outcome]:
        """Return the outcomes of `paths`; they end where the process died."""
        outcomes: list[Outcome] = []
        try:
            self._asks.write(json.dumps(paths).encode("ascii") + b"\n")
            self._asks.flush()
            for _ in paths:
                outcomes.append(self._outcome())
        except (OSError, EOFError, ValueError):
            self.kill()
        return outcomes

    def timed_out(self) -> bool:
        """Whether it took too long over a picture."""
        return self._process.wait() == -getattr(signal, "SIGALRM", 0)

    def epitaph(self) -> Outcome:
        """What the picture that was being decoded did to the process; it stands for as long as its bytes do."""
        if self.timed_out():
            return Outcome(self._digest, f"took more than {MAX_SECONDS} s to decode", (), b"")
        killed = self._process.wait() == -getattr(signal, "SIGKILL", 0)  # by the system, when memory is short
        return Outcome(UNREAD if killed else self._digest, "made its decoder crash", (), b"")

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def release(self) -> None:
        for pipe in (self._asks, self._answers):
            with contextlib.suppress(OSError):  # unsent bytes of a broken pipe
                pipe.close()

    def _outcome(self) -> Outcome:
        self._digest = UNREAD
        self._digest = self._exactly(len(UNREAD))
        text, pixels = HEADER.unpack(self._exactly(HEADER.size))
        reason, notes, stands = json.loads(self._exactly(text))
        return Outcome(self._digest if stands else UNREAD, reason, tuple(notes), self._exactly(pixels))

    def _exactly(self, count: int) -> bytes:
        data = self._answers.read(count)
        if len(data) < count:
            raise EOFError
        return data


def cores() -> int:
    """How many processes are worth starting."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, 16)
