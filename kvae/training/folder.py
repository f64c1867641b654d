"""The folder of a run that goes on: its settings, its checkpoints, the two newest, and a lock that ends with its
process.

It lies where others may write, so nothing in it is opened through a link, and only names that are ours are removed.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kvae.files.arrays import Look, Torn, read_arrays, write_arrays
from kvae.files.atomic import atomic_write, remove_leftovers
from kvae.files.private import NotOurs, make_private, open_folder, open_private, read_private, remove
from kvae.saving.card import MOST_STEPS

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

KEPT = 2
PREFIX = "checkpoint-"
LOCK = "lock"
SETTINGS_NOTE = "settings"  # of the run, there before its first checkpoint
DELIVERY = "delivery"  # which model was written, until everything else is delivered, too
MOST_NOTE = 1 << 16  # bytes of one of these two
TRIES, PAUSE = 4, 0.02  # seconds: who only looks whether a run goes on has its lock for less
SUFFIX = ".keras"  # of the model that the run will leave


class RunFolder:
    """`.art.run` beside `art.keras`, while that model is trained. A kernel's lock:
    a killed process leaves none behind."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._handle: int | None = None
        self._made: list[Path] = []  # folders that were not there before
        self._begun = False  # its settings are of this process

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
        """Make the folder where it is missing, and lock it; False where another process has it.

        Raises:
            NotOurs: the folder or its lock is a link, or nothing that kvae made; it is left as it is.
            OSError: the folder cannot be made or written to.
        """
        tries = 0
        while True:
            missing = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
            make_private(self.path)
            self._made = self._made or missing
            with contextlib.suppress(FileNotFoundError):  # its owner is just removing it
                handle = open_private(self.path / LOCK, write=True)
                if not _lock(handle):
                    os.close(handle)
                    tries += 1
                    if tries == TRIES:
                        return False
                    time.sleep(PAUSE)
                elif _same(handle, self.path / LOCK):
                    self._handle = handle
                    os.ftruncate(handle, 0)
                    os.pwrite(handle, str(os.getpid()).encode(), 0) if hasattr(os, "pwrite") else None
                    self._sweep()
                    return True
                else:
                    os.close(handle)

    def taken(self) -> bool:
        """Whether a process has the lock, found out without a change to anything.

        Raises:
            NotOurs: as `take`.
        """
        try:
            handle = open_private(self.path / LOCK)
        except OSError:  # there is none, or that of somebody else
            return False
        try:
            return not _lock(handle, shared=True)
        finally:
            os.close(handle)

    def owner(self) -> str:
        """The process that has the lock, in words."""
        try:
            return f"process {int(read_private(self.path / LOCK, 20) or b'')}"
        except (OSError, ValueError):
            return "another process"

    def begin(self, settings: bytes) -> None:
        """Note the settings of the run that begins here, so that it can be begun anew before there is a checkpoint."""
        self._begun = self._begun or not self.begun
        atomic_write(self.path / SETTINGS_NOTE, settings, private=True)

    def forget(self) -> None:
        """Another run begins here: what one noted that came to nothing goes."""
        self._unlink([SETTINGS_NOTE, DELIVERY])

    @property
    def begun(self) -> bool:
        """Whether the settings of a run are noted."""
        return self._has(SETTINGS_NOTE)

    @property
    def empty(self) -> bool:
        """Whether the folder is there and holds nothing that a run could go on with."""
        return self.path.is_dir() and not (self.steps() or self.begun or self._has(DELIVERY))

    def note(self, name: str) -> bytes | None:
        """What is noted as SETTINGS_NOTE or DELIVERY; None where nothing is."""
        return read_private(self.path / name, MOST_NOTE)

    def deliver(self, note: bytes | None) -> None:
        """Note which model is about to be written, and the folder stays until `remove`; None when it was not."""
        if note is None:
            self._unlink([DELIVERY])
        else:
            atomic_write(self.path / DELIVERY, note, private=True)

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
        write_arrays(self.file(step), about, arrays, private=True)
        self._unlink(self.file(old).name for old in self.steps()[KEPT:])

    def newest(
        self, tell: Callable[[str], None], look: Look | None = None
    ) -> tuple[int, dict[str, Any], list[np.ndarray]] | None:
        """The newest checkpoint that is whole: its step, what is known about it, and its arrays; others are named.

        `look` may refuse what is known before the arrays are read, as in `read_arrays`.
        """
        for step in self.steps():
            try:
                return step, *read_arrays(self.file(step), look)
            except Torn as error:
                tell(f"{self.path / self.file(step).name} is left out: {error}")
        return None

    def packed(self) -> dict[str, bytes]:
        """The files that the run goes on from: its settings, and its newest checkpoint; none where it has none."""
        names = [self.file(step).name for step in self.steps()[:1]]
        files = {name: self.path / name for name in [*names, SETTINGS_NOTE] if names}
        return {name: path.read_bytes() for name, path in files.items() if path.is_file()}

    def unpack(self, files: Mapping[str, bytes]) -> None:
        """Take over `files`, packed elsewhere, unless another process trains this run.

        Raises:
            OSError: they could not be written; those that were there still are.
        """
        if not self.take():
            return
        try:
            for name, content in files.items():
                if name == SETTINGS_NOTE or _is_checkpoint(name):
                    atomic_write(self.path / name, content, private=True)
            self._unlink(self.file(old).name for old in self.steps()[KEPT:])
        finally:
            self.release()

    def release(self) -> None:
        """Unlock the folder; one that holds nothing to go on with goes."""
        if self._handle is None:
            return
        if not self.steps() and not self._has(DELIVERY) and (self._begun or not self.begun):
            self._clear()
        os.close(self._handle)
        self._handle = None

    def remove(self) -> None:
        """The run is over and everything delivered: its files go, the note of the delivery last, and the folder."""
        if self._handle is None:
            return
        self._unlink(self.file(step).name for step in self.steps())
        self._clear()
        os.close(self._handle)
        self._handle = None

    def _clear(self) -> None:
        self._sweep()
        self._unlink([SETTINGS_NOTE, LOCK, DELIVERY])
        with contextlib.suppress(OSError):
            for folder in self._made or [self.path]:
                folder.rmdir()

    def _unlink(self, names: Iterable[str]) -> None:
        with contextlib.suppress(OSError, NotOurs):
            place = open_folder(self.path)
            try:
                for name in names:
                    with contextlib.suppress(OSError):
                        remove(self.path / name, place)
            finally:
                if place is not None:
                    os.close(place)

    def _has(self, name: str) -> bool:
        return os.path.lexists(self.path / name)

    def file(self, step: int) -> Path:
        """Where the checkpoint after `step` is."""
        return self.path / f"{PREFIX}{step:09d}"

    def _sweep(self) -> None:
        """Remove what killed writers left here and beside the model;
        nobody else writes either while the lock is held."""
        remove_leftovers(self.path)
        remove_leftovers(self.path.parent, f"{self.model.stem}.")


def _is_checkpoint(name: str) -> bool:
    number = name.removeprefix(PREFIX)
    return number != name and number.isascii() and number.isdigit() and len(number) <= 10 and int(number) <= MOST_STEPS


def _lock(handle: int, *, shared: bool = False) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
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
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except OSError:
        return False
