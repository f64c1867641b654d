"""The model of a running training on disk: first a complete file, then newer weights for it."""

import contextlib
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np

from kvae.files.atomic import TEMPORARY_SUFFIX, atomic_path
from kvae.model import VAE
from kvae.saving import SUFFIX, save

KEPT = 2  # files of weights: the newest, and the one that the engine may still be reading


class Snapshots:
    """What a run writes into its workspace. Every file appears complete or not at all; `remove` leaves none."""

    def __init__(self, folder: str | os.PathLike[str], output: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        self._name = Path(output).stem or "art"
        self._weights: list[Path] = []
        self._count = 0
        self._lock = threading.Lock()  # the window may go while a file is being written

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
        """Write the weights under "0", "1" ... in the order of `model.weights`, and under "card" this part of a card."""
        arrays: dict[str, Any] = {
            str(number): np.asarray(weight.numpy()) for number, weight in enumerate(model.weights)
        }
        with self._lock:
            self._count += 1
            path = self._folder / f"{self._name}-{self._count}.npz"
            with atomic_path(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, card=np.array(json.dumps(card, allow_nan=False)), **arrays)
            self._weights.append(path)
            while len(self._weights) > KEPT:
                _unlink(self._weights.pop(0))
        return path

    def remove(self) -> None:
        """Remove what was written here, also what a writer in another thread has begun; nothing is written after that."""
        if not self._lock.acquire(timeout=10.0):
            return
        # the lock is kept: a run that is still going on must not write again
        for path in (
            *self._weights,
            self._folder / f"{self._name}{SUFFIX}",
            *self._folder.glob(f".*{TEMPORARY_SUFFIX}"),
        ):
            _unlink(path)
        for path in self._folder.glob(".kvae-*"):
            shutil.rmtree(path, ignore_errors=True)


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
