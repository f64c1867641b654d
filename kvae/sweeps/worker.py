"""The program of one process that runs trials of a sweep: jobs come in on stdin, what happens goes out on stdout.

Both are lines of JSON. The first line says what to train on; then comes a job at a time, a record of the index. When
stdin closes, whoever asked is gone, and the process ends at once: the run's checkpoint is what remains.
"""

import contextlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kvae.files.strict_json import finite
from kvae.images.worker import private_stdout
from kvae.quiet_imports import quiet_imports, silence_stderr
from kvae.sweeps.index import trial_from_json, trial_to_json
from kvae.training.listener import Listener, Step

EVERY = 0.25  # seconds between two reports of how far a trial is


class Reporter(Listener):
    """Sends what happens in a trial, and hears of the wish to stop."""

    def __init__(self, answers: BinaryIO) -> None:
        self._answers = answers
        self._last = 0.0
        self.stop = False

    def send(self, **message: Any) -> None:
        """Send one line; without a reader there is nothing left to do."""
        try:
            self._answers.write(json.dumps(message, allow_nan=False).encode() + b"\n")
            self._answers.flush()
        except OSError:
            os._exit(1)

    def on_message(self, sentence: str) -> None:
        self.send(say=sentence)

    def on_step(self, step: Step) -> None:
        now = time.monotonic()
        if now - self._last > EVERY:
            self._last = now
            self.send(share=step.progress)

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        self.send(epoch=finite(record))

    def should_stop(self) -> bool:
        return self.stop


def main() -> None:
    """Run the jobs until there are no more."""
    reporter = Reporter(private_stdout())
    jobs: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
    asked = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_read, args=(jobs, reporter), daemon=True).start()
    with silence_stderr(), quiet_imports():
        from kvae.sweeps.pictures import Pictures
        from kvae.sweeps.store import SweepFolder
        from kvae.sweeps.trial import run_trial

    data = asked["data"] if asked["array"] is None else np.load(asked["array"], allow_pickle=False)
    pictures = Pictures(data, asked["lowest"], Listener())
    folder = SweepFolder(Path(asked["page"]))
    while (job := jobs.get()) is not None:
        record = trial_from_json(Path(asked["page"]), job)
        ended, _ = run_trial(record, pictures, folder, reporter)
        reporter.send(ended=trial_to_json(ended))


def _read(jobs: "queue.SimpleQueue[Mapping[str, Any] | None]", reporter: Reporter) -> None:
    with contextlib.suppress(OSError, ValueError):
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if message.get("stop"):
                reporter.stop = True
            else:
                jobs.put(message.get("job"))
                if message.get("job") is None:
                    return
    os._exit(1)
