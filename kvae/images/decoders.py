"""Many picture files decoded by several processes, in order, whatever happens to one of the processes."""

import collections
import concurrent.futures
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

from kvae.images.worker import HEADER, MAX_SECONDS, READY, UNREAD, Outcome, command_of, decode_file

CHUNK = 16  # files handed to a worker at once
WINDOW = 4  # chunks per worker that may be ahead of the one being consumed: bounds memory, hides slow files
_PROGRAM = "from kvae.images.worker import main; main({size}, {crop!r})"


def decode_files(paths: Sequence[str], *, size: int, crop: str, workers: int | None = None) -> Iterator[Outcome]:
    """Yield the Outcome of every path, in the order of `paths`, decoding on all cores.

    Processes, not threads: Pillow opens, parses and allocates under the GIL, and on 227-pixel JPEGs two threads are
    no faster than one. A process that dies takes only the picture it was on with it.
    """
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    count = min(workers or cores(), len(chunks))
    if not count:
        return
    team = _Team(size, crop)
    pool = concurrent.futures.ThreadPoolExecutor(count, thread_name_prefix="kvae-decode")
    try:
        pending: collections.deque[concurrent.futures.Future] = collections.deque()
        for chunk in chunks:
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
        worker = self._worker()
        if worker is None:  # a frozen program, or no more processes to be had: slower and less safe, but it works
            return [decode_file(path, self._size, self._crop) for path in paths]
        outcomes = worker.decode(paths)
        if outcomes is not None or self._closed:
            return outcomes or []
        self._mine.worker = None
        if len(paths) == 1:
            return [Outcome(UNREAD, worker.epitaph(), (), b"")]
        return [outcome for path in paths for outcome in self.decode([path])]  # to learn which of them it was

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
        self._bytes = size * size * 3  # of one picture
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

    def decode(self, paths: Sequence[str]) -> list[Outcome] | None:
        """Return the outcomes of `paths`, or None if the process died on the way."""
        try:
            self._asks.write(json.dumps(paths).encode("ascii") + b"\n")
            self._asks.flush()
            text, pixels = HEADER.unpack(self._exactly(HEADER.size))
            return self._outcomes(json.loads(self._exactly(text)), self._exactly(pixels))
        except (OSError, EOFError, ValueError):
            self.kill()
            return None

    def epitaph(self) -> str:
        """Say what the picture that was being decoded did to the process."""
        import signal

        if self._process.wait() == -getattr(signal, "SIGALRM", 0):
            return f"took more than {MAX_SECONDS} s to decode"
        return "made its decoder crash"

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def release(self) -> None:
        for pipe in (self._asks, self._answers):
            with contextlib.suppress(OSError):  # unsent bytes of a broken pipe
                pipe.close()

    def _outcomes(self, said: list, pixels: bytes) -> list[Outcome]:
        outcomes, start = [], 0
        for digest, reason, notes in said:
            stop = start + self._bytes if reason is None else start
            outcomes.append(Outcome(bytes.fromhex(digest), reason, tuple(notes), pixels[start:stop]))
            start = stop
        return outcomes

    def _exactly(self, count: int) -> bytes:
        data = self._answers.read(count)
        if len(data) < count:
            raise EOFError
        return data


def cores() -> int:
    """How many processes are worth starting."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, 16)
