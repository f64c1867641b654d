"""Decoded pictures on disk: an HDF5 file whose rows can be read in any order without HDF5.

    images    uint8 (count, height, width, channels), contiguous, so that row i lies at offset + i * row bytes
    digests   uint8 (count, 32), the SHA-256 of what each picture was made from
    names     UTF-8, one per picture
    checks    uint32 (count,), the CRC-32 of each row
    factors/  a column for each known factor of variation; none for pictures from files

Behind the HDF5 file lies a seal: MARK, where `images` begins and how many bytes it has, and the SHA-256 of everything
but those bytes, of the seal too. So the HDF5 library sees no file that was changed, and `checks` can be trusted with
the rest.

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
import struct
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

import h5py
import numpy as np

from kvae.files.atomic import move_into_place, remove_leftovers, temporary_file
from kvae.images.decoding import DECODER_VERSION

FORMAT = 2
MARK = b"kvae seal 1\n"
SEAL = struct.Struct("<12sQQ32s")
MAX_CACHE_BYTES = 20 << 30  # in the whole cache folder; the least recently opened go first
CHECKED_BYTES = 256 << 20  # of a cache that are compared with their CRC when it is opened; the rest when first read
_SEEK_LOCK = threading.Lock()  # used only where the platform cannot read at an offset
# nothing but the cache is written while pictures are opened
_NO_ROOM = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS") if hasattr(errno, name)}
_AGAIN = "Start again: it will be made anew."
REBUILT = "the cache of decoded pictures was damaged and is made anew"
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
    checks: np.ndarray = field(repr=False)  # uint32 (count,), the CRC-32 of each row
    sound: np.ndarray = field(repr=False)  # bool (count,): which rows were compared with it

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.file)

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Rows `indices` (n,), in any order and with repetitions, as uint8 (n, height, width, channels).

        Runs of neighbours are read at once. No page stays mapped and all that is shared is which rows are sound, so
        threads may call it freely and memory does not grow with the cache.

        Raises:
            OSError: the file was damaged; it is removed.
        """
        out = np.empty((len(indices), *self.shape), np.uint8)
        flat = out.reshape(len(indices), int(np.prod(self.shape)))
        edges = np.flatnonzero(np.diff(indices) != 1) + 1
        bounds = [0, *edges.tolist(), len(indices)] if len(indices) else [0]
        for start, stop in itertools.pairwise(bounds):
            self._fill(flat[start:stop], self.offset + int(indices[start]) * flat.shape[1])
        for place in np.flatnonzero(~self.sound[indices]):
            if zlib.crc32(flat[place]) != self.checks[indices[place]]:
                with contextlib.suppress(OSError):
                    self.path.unlink()
                raise OSError(f"{self.path} is damaged: its picture {indices[place]} is another. {_AGAIN}")
        self.sound[indices] = True
        return out

    def _fill(self, rows: np.ndarray, offset: int) -> None:
        view = memoryview(rows.data).cast("B")
        while view:
            done = _read_at(self.file, view, offset)
            if not done:
                raise OSError(f"{self.path} was cut off while in use. {_AGAIN}")
            view, offset = view[done:], offset + done


def cache_folder() -> Path:
    """Where caches are kept: $KVAE_CACHE, or kvae/ under $XDG_CACHE_HOME or ~/.cache.

    Made if missing, for its owner alone, as which pictures a person has is nobody else's business. A folder that
    KVAE_CACHE names keeps the mode it has.
    """
    chosen = os.environ.get("KVAE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(chosen) if chosen else Path(base) / "kvae"
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        if not chosen and os.name == "posix" and folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
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
        _seal(finished)
        target_path = cache_path(columns.manifest(), size=size, crop=crop)
        move_into_place(finished, target_path, private=True)
    _prune(folder, keep=target_path)
    return target_path


def open_cache(path: Path, remarks: list[str] | None = None) -> Stored | None:
    """Open and check a cache file; None if it is missing or damaged: then build it anew.

    That it is there and damaged is added to `remarks`.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    stored = None
    try:
        handle = os.open(path, flags)
        try:
            stored = _checked(path, handle)
        finally:
            os.close(handle)
    except FileNotFoundError:
        return None
    except Exception:  # a damaged cache raises nearly anything, and is simply made anew
        stored = None
    if stored is None:
        if remarks is not None and REBUILT not in remarks:
            remarks.append(REBUILT)
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


def _seal(path: Path) -> None:
    """Add the seal to a finished HDF5 file."""
    with h5py.File(path, "r") as file:
        images = file["images"]
        place = images.id.get_offset() or 0, images.size
    with open(path, "r+b") as file:
        digest = _digest(file, file.seek(0, os.SEEK_END), *place)
        file.seek(0, os.SEEK_END)
        file.write(SEAL.pack(MARK, *place, digest))


def _unsealed(handle: int) -> tuple[int, int] | None:
    """Where `images` begins and how many bytes it has, if all but those are as they were sealed."""
    about = os.fstat(handle)
    end = about.st_size - SEAL.size
    if not stat.S_ISREG(about.st_mode) or end < 0:
        return None
    with os.fdopen(os.dup(handle), "rb") as file:
        file.seek(end)
        mark, offset, size, digest = SEAL.unpack(file.read(SEAL.size))
        if mark != MARK or offset + size > end or digest != _digest(file, end, offset, size):
            return None
    return offset, size


def _digest(file: BinaryIO, end: int, offset: int, size: int) -> bytes:
    """SHA-256 of `file` up to `end` without its `size` bytes from `offset`, and of these two numbers."""
    digest = hashlib.sha256(struct.pack("<QQ", offset, size))
    for start, stop in ((0, offset), (offset + size, end)):
        file.seek(start)
        digest.update(file.read(stop - start))
    return digest.digest()


def _checked(path: Path, handle: int) -> Stored | None:
    place = _unsealed(handle)
    if place is None:
        return None
    with h5py.File(path, "r") as file:
        images, digests, checks = file["images"], file["digests"][()], file["checks"][()]
        names = tuple(file["names"].asstr()[()])
        factors = {name: _column(data) for name, data in file["factors"].items()}
        shape, manifest = images.shape[1:], str(file.attrs["manifest"])
        if images.id.get_offset() != place[0] or file.attrs["format"] != FORMAT:
            return None
    sound = np.zeros(len(names), bool)
    stored = Stored(path, place[0], shape, names, digests, factors, manifest, os.dup(handle), checks, sound)
    # all of a small cache, evenly spread rows (with both ends) of a large one
    some = min(len(names), max(2, CHECKED_BYTES // int(np.prod(shape))))
    rows = np.linspace(0, len(names) - 1, some).round().astype(np.int64)
    for start in range(0, len(rows), 256):
        stored.read(rows[start : start + 256])
    return stored


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
