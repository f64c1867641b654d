"""Decoded pictures on disk: an HDF5 file whose rows can be read in any order without HDF5.

    images    uint8 (count, height, width, channels), contiguous, so that row i lies at offset + i * row bytes
    digests   uint8 (count, 32), the SHA-256 of what each picture was made from
    names     UTF-8, one per picture
    checks    uint32 (count,), the CRC-32 of each row
    factors/  a column for each known factor of variation; none for pictures from files

A file is named after the hash of its manifest and settings, is written once, and is never changed.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import stat
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from kvae.files.atomic import move_into_place, remove_leftovers, temporary_file
from kvae.images.decoding import DECODER_VERSION

FORMAT = 1
MAX_CACHE_BYTES = 20 << 30  # in the whole cache folder; the least recently opened go first
CHECKED_BYTES = 64 << 20  # of a cache that are read and compared with their CRC when it is opened
_SEEK_LOCK = threading.Lock()  # used only where the platform cannot read at an offset
# nothing but the cache is written while pictures are opened
_NO_ROOM = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS") if hasattr(errno, name)}
LEFTOVER_SECONDS = 24 * 3600  # a temporary file older than this has no writer any more


class Block(NamedTuple):
    """Some decoded pictures on their way into a cache; every field has the same length."""

    pixels: np.ndarray  # uint8 (n, height, width, channels)
    digests: np.ndarray  # uint8 (n, 32)
    names: list[str]
    factors: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Stored:
    """An opened and checked cache file."""

    path: Path
    offset: int  # bytes from the start of the file to row 0
    shape: tuple[int, int, int]  # height, width, channels
    names: tuple[str, ...]
    digests: np.ndarray  # uint8 (count, 32)
    factors: dict[str, np.ndarray]
    manifest_hash: str
    file: int = field(repr=False)  # a descriptor: it outlives the removal of the file by another process

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.file)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Rows `indices` (n,), in any order and with repetitions, as uint8 (n, height, width, channels).

        Runs of neighbours are read at once. No state is shared and no page stays mapped, so threads may call it
        freely and memory does not grow with the cache.
        """
        out = np.empty((len(indices), *self.shape), np.uint8)
        flat = out.reshape(len(indices), int(np.prod(self.shape)))
        edges = np.flatnonzero(np.diff(indices) != 1) + 1
        bounds = [0, *edges.tolist(), len(indices)] if len(indices) else [0]
        for start, stop in itertools.pairwise(bounds):
            self._fill(flat[start:stop], self.offset + int(indices[start]) * flat.shape[1])
        return out

    def _fill(self, rows: np.ndarray, offset: int) -> None:
        view = memoryview(rows.data).cast("B")
        while view:
            done = _read_at(self.file, view, offset)
            if not done:
                raise OSError(f"{self.path} was cut off while in use. Start again: it will be rebuilt.")
            view, offset = view[done:], offset + done


def cache_folder() -> Path:
    """Where caches are kept: $KVAE_CACHE, or kvae/ under $XDG_CACHE_HOME or ~/.cache. Created if missing."""
    chosen = os.environ.get("KVAE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(chosen) if chosen else Path(base) / "kvae"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermissionError(
            f"The cache folder {folder} cannot be made ({error.strerror}). Set KVAE_CACHE to a folder you may write to."
        ) from None
    return folder


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """What cannot be written meanwhile is said of the cache folder, with the cure.

    Raises:
        OSError: the cache folder cannot be written to, or its disk is full; one sentence.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        told = re.search(r"errno = (\d+)", str(error)) if isinstance(error, RuntimeError) else None  # as h5py says it
        number = int(told[1]) if told else getattr(error, "errno", None)
        name = getattr(error, "filename", None)
        folder = cache_folder() if number is not None else Path()
        inside = isinstance(name, str) and folder in Path(name).parents
        if number is None or not (inside or number in _NO_ROOM):
            raise
        raise OSError(
            f"The cache folder {folder} could not be written to ({os.strerror(number)}). "
            "Set KVAE_CACHE to another folder, which you may write to and which has room."
        ) from error


def manifest_hash(names: Iterable[str], digests: Iterable[bytes]) -> str:
    """SHA-256 over the sorted (digest, name) of every picture, in hexadecimal: what a training run was trained on."""
    lines = sorted(f"{digest.hex()} {name}\n" for name, digest in zip(names, digests, strict=True))
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


def cache_path(manifest: str, *, size: int, crop: str) -> Path:
    """The file that holds the pictures of `manifest` (a hash) at these settings, whether it exists or not."""
    settings = json.dumps([manifest, size, crop, DECODER_VERSION, FORMAT])
    return cache_folder() / f"{hashlib.sha256(settings.encode()).hexdigest()[:40]}.h5"


def write_cache(blocks: Iterable[Block], *, capacity: int, size: int, crop: str, channels: int) -> Path | None:
    """Store all `blocks`, at most `capacity` pictures, and return where; None if there was not one.

    Only one block is in memory at a time. The file takes its name from its content and appears complete or not at all.
    """
    folder = cache_folder()
    shape = (size, size, channels)
    _check_space(folder, capacity * size * size * channels)
    remove_leftovers(folder, older_than=time.time() - LEFTOVER_SECONDS)
    with temporary_file(folder, "cache") as wide, temporary_file(folder, "cache") as exact:
        columns = _Columns()
        finished = wide
        with h5py.File(wide, "w") as file:
            rows = _write_rows(file, capacity, shape, blocks, columns)
            if not rows:
                return None
            if rows < capacity:  # contiguous data cannot shrink, so skipped pictures cost one copy, the first time
                finished = exact
                with h5py.File(exact, "w") as smaller:
                    target = _contiguous(smaller, rows, shape)
                    for start in range(0, rows, 256):
                        target[start : start + 256] = file["images"][start : min(start + 256, rows)]
                    columns.write(smaller)
            else:
                columns.write(file)
        target_path = cache_path(columns.manifest(), size=size, crop=crop)
        move_into_place(finished, target_path)
    _prune(folder, keep=target_path)
    return target_path


def open_cache(path: Path) -> Stored | None:
    """Open and check a cache file; None if it is missing, damaged, torn or of another format: then build it anew."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    stored = None
    try:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            stored = _checked(path, handle)
    except Exception:  # a damaged cache raises nearly anything, and is simply made anew
        stored = None
    finally:
        os.close(handle)
    if stored is None:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # marks it as recently used
    return stored


class _Columns:
    """Everything but the pixels, gathered while the blocks pass; about 150 bytes for each picture."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.digests: list[np.ndarray] = []
        self.checks: list[int] = []
        self.factors: dict[str, list[np.ndarray]] = {}

    def add(self, block: Block) -> None:
        self.names += block.names
        self.digests.append(block.digests)
        self.checks += [zlib.crc32(row) for row in np.ascontiguousarray(block.pixels)]
        for name, column in block.factors.items():
            self.factors.setdefault(name, []).append(column)

    def manifest(self) -> str:
        return manifest_hash(self.names, (row.tobytes() for row in np.concatenate(self.digests)))

    def write(self, file: h5py.File) -> None:
        file["digests"] = np.concatenate(self.digests)
        file["checks"] = np.array(self.checks, np.uint32)
        file.create_dataset("names", data=self.names, dtype=h5py.string_dtype())
        file.create_group("factors", track_order=True)  # columns come back in the order they were given
        for name, parts in self.factors.items():
            column = np.concatenate(parts)
            text = column.dtype.kind == "U"
            file.create_dataset(
                f"factors/{name}",
                data=column.astype(object) if text else column,
                dtype=h5py.string_dtype() if text else None,
            )
        file.attrs["format"] = FORMAT
        file.attrs["manifest"] = self.manifest()


def _write_rows(file: h5py.File, capacity: int, shape: tuple[int, ...], blocks: Iterable[Block], columns: _Columns):
    images = _contiguous(file, capacity, shape)
    rows = 0
    for block in blocks:
        images[rows : rows + len(block.pixels)] = block.pixels
        columns.add(block)
        rows += len(block.pixels)
    return rows


def _contiguous(file: h5py.File, rows: int, shape: tuple[int, ...]) -> h5py.Dataset:
    return file.create_dataset("images", (rows, *shape), np.uint8)


def _checked(path: Path, handle: int) -> Stored | None:
    with h5py.File(path, "r") as file:
        images, digests, checks = file["images"], file["digests"][()], file["checks"][()]
        names = tuple(file["names"].asstr()[()])
        factors = {name: _column(data) for name, data in file["factors"].items()} if "factors" in file else {}
        offset, count = images.id.get_offset(), len(images)
        whole = offset is not None and offset + images.size <= os.fstat(handle).st_size
        columns = {count, len(digests), len(checks), len(names), *(len(column) for column in factors.values())}
        if not whole or len(columns) != 1 or images.dtype != np.uint8 or file.attrs["format"] != FORMAT:
            return None
        shape, manifest = images.shape[1:], str(file.attrs["manifest"])
    if manifest != manifest_hash(names, (row.tobytes() for row in digests)):
        return None
    stored = Stored(path, offset, shape, names, digests, factors, manifest, os.dup(handle))
    return stored if _rows_agree(stored, checks) else None


def _rows_agree(stored: Stored, checks: np.ndarray) -> bool:
    """Compare rows with their CRC: all of a small cache, evenly spread ones (with both ends) of a large one."""
    count = len(checks)
    some = min(count, max(2, CHECKED_BYTES // int(np.prod(stored.shape))))
    rows = np.linspace(0, count - 1, some).round().astype(np.int64)
    for start in range(0, len(rows), 256):
        part = rows[start : start + 256]
        if [zlib.crc32(row) for row in stored.read(part)] != checks[part].tolist():
            return False
    return True


def _column(data: h5py.Dataset) -> np.ndarray:
    return data.asstr()[()].astype(str) if h5py.check_string_dtype(data.dtype) else data[()]


def _read_at(file: int, view: memoryview, offset: int) -> int:
    """Read into `view` from `offset` without moving a shared file position; return the bytes read."""
    if hasattr(os, "preadv"):
        return os.preadv(file, [view], offset)
    with _SEEK_LOCK, os.fdopen(os.dup(file), "rb") as copy:  # Windows; a duplicate shares the position
        copy.seek(offset)
        return copy.readinto(view)


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"The decoded pictures take {needed / 1e9:.1f} GB and {folder} has {free / 1e9:.1f} GB free. "
            "Set KVAE_CACHE to a folder on a larger disk, or use a smaller size."
        )


def _prune(folder: Path, keep: Path) -> None:
    """Remove the caches that were not opened for longest, until the rest fits MAX_CACHE_BYTES."""
    ages = []
    for path in folder.glob("*.h5"):
        with contextlib.suppress(OSError):
            about = path.stat()
            ages.append((about.st_mtime, about.st_size, path))
    total = sum(size for _, size, _ in ages)
    for _, size, path in sorted(ages):
        if total <= MAX_CACHE_BYTES:
            return
        if path != keep:
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size
