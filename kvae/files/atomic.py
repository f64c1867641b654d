"""Write a file so that it is either the complete new one or the untouched old one, and find it a free name."""

import contextlib
import itertools
import math
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kvae.files.private import NotOurs, open_folder, remove

TEMPORARY_SUFFIX = ".part"  # what a killed writer leaves behind ends so; see `remove_leftovers`


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str], *, private: bool = False) -> Iterator[Path]:
    """Yield a temporary name beside `path`; move it to `path` when the block ends without an error.

    If the block raises, the temporary file is removed and `path` is as it was. A `private` file is its owner's alone.
    """
    target = Path(path)
    with temporary_file(target.parent, target.name) as temporary:
        yield temporary
        move_into_place(temporary, target, private=private)


@contextlib.contextmanager
def temporary_file(folder: str | os.PathLike[str], hint: str = "file") -> Iterator[Path]:
    """Yield an empty file in `folder` that is gone after the block, unless it was moved into place there.

    For a file whose name follows from its content; otherwise use `atomic_path`.
    """
    handle, name = tempfile.mkstemp(prefix=f".{hint}.", suffix=TEMPORARY_SUFFIX, dir=folder)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def move_into_place(temporary: Path, target: Path, *, private: bool = False) -> None:
    """Move a finished file to `target`, in the same folder, replacing what is there.

    The same folder, because `os.replace` is atomic within one file system only. The file is fsync'd before the move
    and the folder after it, so that a power cut leaves the old file or the new one and never half of either. A
    `private` file is its owner's alone.
    """
    if private:
        temporary.chmod(0o600)
    else:
        _take_usual_mode(temporary)
    _flush_to_disk(temporary)
    os.replace(temporary, target)
    _flush_to_disk(target.parent)


def atomic_write(path: str | os.PathLike[str], data: bytes | str, *, private: bool = False) -> None:
    """Replace the content of `path` with `data` (text is stored as UTF-8), completely or not at all."""
    with atomic_path(path, private=private) as temporary:
        temporary.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


def remove_leftovers(folder: str | os.PathLike[str], hint: str = "", older_than: float = math.inf) -> None:
    """Remove what killed writers of files whose names begin with `hint` left in `folder`.

    Only what is from before `older_than`, in seconds since the epoch: others may be writing now. Only names as our
    writers make them; of a folder only the files right in it, and no link is followed.
    """
    ours = re.compile(rf"\.{re.escape(hint)}.*\.[a-z0-9_]{{8}}{re.escape(TEMPORARY_SUFFIX)}", re.DOTALL)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in [one for one in entries if ours.fullmatch(one.name)]:
            with contextlib.suppress(OSError, NotOurs):
                if entry.stat(follow_symlinks=False).st_mtime >= older_than:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    _remove_folder(Path(entry.path))
                else:
                    os.unlink(entry.path)


def _remove_folder(path: Path) -> None:
    """Remove a folder and the files in it; one that holds folders stays."""
    place = open_folder(path)
    try:
        for name in os.listdir(path if place is None else place):
            with contextlib.suppress(OSError):
                remove(path / name, place)
    finally:
        if place is not None:
            os.close(place)
    path.rmdir()


def _take_usual_mode(path: Path) -> None:
    """Give `path` the mode a plain `open` would have given it; `mkstemp` makes files private."""
    if os.name == "posix":
        mask = os.umask(0)
        os.umask(mask)
        path.chmod(0o666 & ~mask)


def _flush_to_disk(path: Path) -> None:
    """fsync a file, or a folder where the platform can (Windows cannot, and orders renames itself)."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def numbered(path: str | os.PathLike[str]) -> Iterator[Path]:
    """`path` and the names after it: art.keras, art-2.keras, art-3.keras ..."""
    path = Path(path)
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def is_free(path: Path, *beside: str) -> bool:
    """Whether nothing has the name `path`, nor that name with one of the endings `beside`."""
    return not any(os.path.lexists(one) for one in (path, *map(path.with_suffix, beside)))


def free_path(path: str | os.PathLike[str], *beside: str) -> Path:
    """`path`, or where it exists the next free name; free with the endings `beside` too."""
    return next(one for one in numbered(path) if is_free(one, *beside))
