"""The model of a running training on disk: first a complete file, then newer weights for it."""

import contextlib
import json
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np

from kvae.files.atomic import remove_leftovers, temporary_file
from kvae.model.vae import VAE
from kvae.saving.reader import save
from kvae.saving.writer import SUFFIX

WEIGHTS = ".weights"  # the ending of files of weights
_TRIES = 100
KEPT = 2  # files of weights: the newest, and the one that the engine may still be reading


class Snapshots:
    """What a run writes into its folder. Every file appears complete or not at all; `remove` leaves nothing."""

    def __init__(self, folder: str | os.PathLike[str], output: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        # where TensorFlow puts files that only a process which ends slowly would remove again
        self._scratch = self._folder / "scratch"
        self._name = Path(output).stem or "art"
        self._weights: list[Path] = []
        self._count = 0
        self._lock = threading.Lock()  # the window may go while a file is being written

    def make_scratch(self) -> None:
        """From here on temporary files of this process are made in that folder, and go with it."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        tempfile.tempdir = str(self._scratch)

    def write_model(self, model: VAE, card: dict[str, Any]) -> Path:
        """Write all of `model`, with `card` in place of its own."""
        path = self._folder / f"{self._name}{SUFFIX}"
        own, model.card = model.card, card
        try:
            with self._lock:
                self._folder.mkdir(parents=True, exist_ok=True)
                return save(model, path)
        finally:
            model.card = own

    def write_weights(self, model: VAE, card: dict[str, Any]) -> Path:
        """Write this part of a card, as JSON, and the weights in the order of `model.weights`: .npy after .npy in one
        file.

        Not as .npz, whose checksums take half of the time, and not flushed to the disk: nobody wants it after a power
        cut.
        """
        with self._lock:
            self._count += 1
            path = self._folder / f"{self._name}-{self._count}{WEIGHTS}"
            with temporary_file(self._folder, path.name) as temporary:
                with open(temporary, "wb") as file:
                    for part in (np.array(json.dumps(card, allow_nan=False)), *model.weights):
                        np.save(file, part if isinstance(part, np.ndarray) else part.numpy(), allow_pickle=False)
                os.replace(temporary, path)
            self._weights.append(path)
            while len(self._weights) > KEPT:
                _unlink(self._weights.pop(0))
        return path

    def remove(self) -> None:
        """Remove what was written here, also what a writer in another thread has begun, and the folder where that is
        all.

        Nothing is written after that.
        """
        if not self._lock.acquire(timeout=10.0):
            return
        # the lock is kept: a run that is still going on must not write again
        for path in (*self._weights, self._folder / f"{self._name}{SUFFIX}"):
            _unlink(path)
        remove_leftovers(self._folder)
        for _ in range(_TRIES):  # TensorFlow may be writing there until it is gone
            shutil.rmtree(self._scratch, ignore_errors=True)
            if not self._scratch.exists():
                break
        with contextlib.suppress(OSError):  # somebody else's file is in it
            self._folder.rmdir()


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
