"""Trials of a sweep in several processes of this machine.

Each is a plain interpreter without the working directory on its path, as those that decode pictures are, with its share
of the cores. One that ends by itself costs its trial a new start, from its checkpoint, once.
"""

import contextlib
import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kvae.files.refusal import line
from kvae.images.worker import command_of
from kvae.sweeps.board import SweepBoard
from kvae.sweeps.index import TrialRecord, trial_from_json, trial_to_json
from kvae.sweeps.store import ARRAY
from kvae.sweeps.study import Trial
from kvae.training.listener import Listener

MOST_WORKERS = 64
THREADS = tuple(f"{name}_NUM_THREADS" for name in ("OMP", "OPENBLAS", "MKL"))
THREADS += ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
PATIENCE = 0.25  # seconds between two looks at whether somebody wishes an end
GRACE = 10.0  # seconds that a process has to end by itself
MOST_DEATHS = 2  # of processes, over one trial
MOST_SAID = 300  # characters of a process's last words


class Worker:
    """One process, and the trial it runs. What it says arrives in `events` as (worker, message), None at its end."""

    def __init__(self, setup: Mapping[str, Any], threads: int, events: "queue.SimpleQueue[Any]") -> None:
        surroundings = {**os.environ, **dict.fromkeys(THREADS, str(threads)), "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        # a session of its own: Ctrl-C at the terminal is for the parent, which asks its processes to stop
        self._process = subprocess.Popen(
            command_of("from kvae.sweeps.worker import main; main()"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=surroundings,
            start_new_session=True,
        )  # fmt: skip
        self.trial: Trial | None = None
        self.record: TrialRecord | None = None
        self.share = 0.0
        self._events = events
        threading.Thread(target=self._read, daemon=True).start()
        self._send(setup)

    def run(self, trial: Trial, record: TrialRecord) -> None:
        """Begin a trial."""
        self.trial, self.record, self.share = trial, record, 0.0
        self._send({"job": trial_to_json(record)})

    def stop(self) -> None:
        """Ask for a soft end of its trial."""
        self._send({"stop": True})

    def end(self) -> None:
        """There is nothing more to do."""
        self._send({"job": None})

    def close(self) -> None:
        """See to it that the process is over."""
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def how_it_ended(self) -> str:
        """In words, once it has ended."""
        code = self._process.wait()
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return how + (f" ({line(said[-1])[:MOST_SAID]})" if said else "")

    def _send(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError, ValueError):  # its end is told by the reader
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            for text in self._process.stdout:
                self._events.put((self, json.loads(text)))
        self._events.put((self, None))


class Crew:
    """Runs `trials` in at most `count` processes, and keeps the board."""

    def __init__(
        self, board: SweepBoard, trials: Sequence[tuple[Trial, TrialRecord]], listener: Listener, count: int
    ) -> None:
        self._board, self._listener = board, listener
        self._waiting = list(trials)
        self._count = min(count, len(self._waiting))
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._workers: list[Worker] = []
        self._deaths: dict[str, int] = {}
        self._stopping = False

    def work(self, data: Any, lowest: float) -> None:
        """Run all trials, or those until somebody wishes an end."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = max(1, cores // max(self._count, 1))
        with _handed_over(data, self._board.folder.path) as (named, array):
            setup = {"data": named, "array": array, "lowest": lowest, "page": str(self._board.page)}
            try:
                while self._waiting or self._workers:
                    while self._waiting and len(self._workers) < self._count and not self._stopping:
                        self._workers.append(Worker(setup, threads, self._events))
                        self._next(self._workers[-1])
                    if not self._workers:
                        return
                    self._hear()
            finally:
                for worker in self._workers:
                    worker.close()

    def _hear(self) -> None:
        try:
            worker, message = self._events.get(timeout=PATIENCE)
        except queue.Empty:
            pass
        else:
            if worker in self._workers:
                self._take(worker, message)
            self._tell()
        if not self._stopping and self._listener.should_stop():
            self._stopping = True
            for one in self._workers:
                one.stop()

    def _take(self, worker: Worker, message: Mapping[str, Any] | None) -> None:
        assert worker.trial is not None
        name = worker.trial.name
        if message is None:
            self._died(worker)
        elif "say" in message:
            self._listener.on_message(f"{name}: {message['say']}")
        elif "share" in message:
            worker.share = message["share"]
        elif "epoch" in message:
            self._listener.on_epoch_end({**message["epoch"], "trial": name})
        else:
            self._board.end(trial_from_json(self._board.page, message["ended"]), self._listener.on_message)
            self._next(worker)
            self._board.draw()

    def _next(self, worker: Worker) -> None:
        """Give the worker a trial, or let it go."""
        if self._stopping or not self._waiting:
            worker.end()
            self._workers.remove(worker)
            worker.close()
            return
        trial, record = self._waiting.pop(0)
        self._listener.on_message(f"{trial.name} begins")
        worker.run(trial, self._board.begin(record.hash, trial.slug))

    def _died(self, worker: Worker) -> None:
        assert worker.trial is not None and worker.record is not None
        trial, key = worker.trial, worker.record.hash
        self._workers.remove(worker)
        how = worker.how_it_ended()
        worker.close()
        self._deaths[key] = self._deaths.get(key, 0) + 1
        if self._deaths[key] >= MOST_DEATHS:
            reason = f"its process ended {how}, {MOST_DEATHS} times"
            self._board.end(replace(self._board.trial(key), state="failed", reason=reason), self._listener.on_message)
        elif not self._stopping:
            self._listener.on_message(f"{trial.name}: its process ended {how}; it goes on from its checkpoint")
            self._waiting.insert(0, (trial, self._board.trial(key)))

    def _tell(self) -> None:
        shares = {worker.trial.name: worker.share for worker in self._workers if worker.trial is not None}
        self._listener.on_trials(self._board.ended, len(self._board.table.trials), shares)


@contextlib.contextmanager
def _handed_over(data: Any, folder: Path) -> Any:
    """What a process opens: a source by name, or the file that an array is kept in as long as it is needed."""
    if not isinstance(data, np.ndarray):
        yield os.fspath(data), None
        return
    with tempfile.NamedTemporaryFile(dir=folder, prefix=ARRAY, suffix=".npy", delete=False) as file:
        np.save(file, data, allow_pickle=False)
    try:
        yield None, file.name
    finally:
        os.unlink(file.name)
