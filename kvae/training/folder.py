"""The folder of a run that goes on: its checkpoints, the two newest, and a lock that ends with its process."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kvae.blueprint import MOST_STEPS
from kvae.files.arrays import Look, Torn, read_arrays, write_arrays
from kvae.files.atomic import remove_leftovers

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

KEPT = 2
PREFIX = "checkpoint-"
LOCK = "lock"
SUFFIX = ".keras"  # of the model that the run will leave


class RunFolder:
    """`.art.run` beside `art.keras`, while that model is trained. A kernel's lock: a killed process leaves none behind."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._handle: int | None = None
        self._made: list[Path] = []  # folders that were not there before

    @classmethod
    def beside(cls, model: str | os.PathLike[str]) -> "RunFolder":
        """That of the run that is to leave `model`."""
        model = Path(model)
        return cls(model.with_name(f".{model.stem}.run"))

    @property
    def model(self) -> Path:
        """The model that the run is to leave."""
        return self.path.with_name(self.path.name.removeprefix(".").removesuffix(".run") + SUFFIX)

    def take(self) -> bool:
        """Make the folder where it is missing, and lock it; False where another process has it."""
        while True:
            missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
            self._made = self._made or missing
            with contextlib.suppress(FileNotFoundError):  # its owner is just removing it
                handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
                if not _lock(handle):
                    os.close(handle)
                    return False
                if _same(handle, self.path / LOCK):
                    self._handle = handle
                    os.ftruncate(handle, 0)
                    os.pwrite(handle, str(os.getpid()).encode(), 0) if hasattr(os, "pwrite") else None
                    self._sweep()
                    return True
                os.close(handle)

    def owner(self) -> str:
        """The process that has the lock, in words."""
        try:
            return f"process {int((self.path / LOCK).read_text()[:20])}"
        except (OSError, ValueError):
            return "another process"

    def steps(self) -> list[int]:
        """The steps that there are checkpoints of, the newest first."""
        try:
            names = os.listdir(self.path)
        except OSError:
            return []
        return sorted((int(name[len(PREFIX) :]) for name in names if _is_checkpoint(name)), reverse=True)

    def write(self, step: int, about: bytes, arrays: Sequence[np.ndarray]) -> None:
        """Add the checkpoint after `step`, and let go of all but the newest.

        Raises:
            OSError: it could not be written; those that were there still are.
        """
        write_arrays(self.file(step), about, arrays)
        for old in self.steps()[KEPT:]:
            with contextlib.suppress(OSError):
                self.file(old).unlink()

    def newest(
        self, said: Callable[[str], None], look: Look | None = None
    ) -> tuple[int, dict[str, Any], list[np.ndarray]] | None:
        """The newest checkpoint that is whole: its step, what is known about it, and its arrays; others are named.

        `look` may refuse what is known before the arrays are read, as in `read_arrays`.
        """
        for step in self.steps():
            try:
                return step, *read_arrays(self.file(step), look)
            except Torn as error:
                said(f"{self.path / self.file(step).name} is left out: {error}")
        return None

    def release(self) -> None:
        """Unlock the folder; one that holds no checkpoint goes."""
        if self._handle is None:
            return
        if not self.steps():
            self._sweep()
            with contextlib.suppress(OSError):
                (self.path / LOCK).unlink()
                for folder in self._made or [self.path]:
                    folder.rmdir()
        os.close(self._handle)
        self._handle = None

    def remove(self) -> None:
        """The run is over: its checkpoints go, and with them the folder."""
        for step in self.steps():
            with contextlib.suppress(OSError):
                self.file(step).unlink()
        self.release()

    def file(self, step: int) -> Path:
        """Where the checkpoint after `step` is."""
        return self.path / f"{PREFIX}{step:09d}"

    def _sweep(self) -> None:
        """Remove what killed writers left here and beside the model; nobody else writes either while the lock is held."""
        remove_leftovers(self.path)
        remove_leftovers(self.path.parent, f"{self.model.stem}.")


def _is_checkpoint(name: str) -> bool:
    number = name.removeprefix(PREFIX)
    return number != name and number.isascii() and number.isdigit() and len(number) <= 10 and int(number) <= MOST_STEPS


def _lock(handle: int) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            os.lseek(handle, 1 << 20, os.SEEK_SET)  # beyond the number, which others may read
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True


def _same(handle: int, path: Path) -> bool:
    """Whether the file that is locked still has its name: its earlier owner may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False
