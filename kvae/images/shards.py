"""Decoded pictures on disk, in files of many rows of pixels each.

A shard holds the pixels of its rows, one after the other, so that row i lies at i * row bytes; then their digests,
uint8 (rows, 32), the SHA-256 of what each picture was made from; the CRC-32 of each row, uint32 (rows,); and a seal:
MARK, how many rows there are and their shape, and the SHA-256 of all that but the pixels. So `checks` can be trusted,
and through them the pixels, without reading all of these.

A shard is named after its settings and its content, appears complete or not at all, and is never changed.
"""

import contextlib
import functools
import hashlib
import itertools
import os
import stat
import struct
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from kvae.files.atomic import move_into_place, remove_leftovers, temporary_file

MARK = b"kvae shard 1"
SEAL = struct.Struct("<12sQIII32s")
DIGEST, CHECK = 32, 4  # bytes
SUFFIX = ".shard"
SHARD_BYTES = 16 << 20  # of pixels; a killed run loses less than one shard
MOST_SHARDS = 64  # of one collection, about: of very many pictures a shard holds more, as each is an open file
LEFTOVER_SECONDS = 24 * 3600  # a temporary file older than this has no writer any more
AT_ONCE = 1 << 16  # digests that are looked for together
AGAIN = "Start again: it will be made anew."
_SEEK_LOCK = threading.Lock()  # used only where the platform cannot read at an offset


class Shard(NamedTuple):
    """An opened shard, whose seal is whole."""

    path: Path
    file: int  # a descriptor: it outlives the removal of the file by another process
    shape: tuple[int, int, int]  # height, width, channels
    digests: np.ndarray  # uint8 (rows, 32)
    checks: np.ndarray  # uint32 (rows,)


def open_shard(path: Path) -> Shard:
    """Open the regular file `path`, through no link, and look at its seal.

    Raises:
        ValueError: it is damaged or no shard. OSError: it cannot be opened.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, flags)
    try:
        return Shard(path, handle, *_sealed(path, handle))
    except BaseException:
        os.close(handle)
        raise


def _sealed(path: Path, handle: int) -> tuple[tuple[int, int, int], np.ndarray, np.ndarray]:
    about = os.fstat(handle)
    if stat.S_ISREG(about.st_mode) and about.st_size >= SEAL.size:
        with os.fdopen(os.dup(handle), "rb") as file:
            file.seek(about.st_size - SEAL.size)
            mark, rows, *shape, seal = SEAL.unpack(file.read(SEAL.size))
            pixels, told = rows * shape[0] * shape[1] * shape[2], rows * (DIGEST + CHECK)
            if mark == MARK and pixels + told + SEAL.size == about.st_size:
                file.seek(pixels)
                tail = file.read(told)
                if seal == _seal(tail, rows, *shape):
                    digests = np.frombuffer(tail, np.uint8, rows * DIGEST).reshape(rows, DIGEST)
                    height, width, channels = shape
                    return (height, width, channels), digests, np.frombuffer(tail, "<u4", rows, rows * DIGEST)
    raise ValueError(f"{path.name} is damaged.")


def _seal(tail: bytes, rows: int, *shape: int) -> bytes:
    return hashlib.sha256(tail + struct.pack("<QIII", rows, *shape)).digest()


class Rows:
    """The rows of several shards of one `shape`, numbered one after the other."""

    def __init__(self, shape: tuple[int, int, int], shards: Iterable[Shard] = ()) -> None:
        self.shape = shape
        self.paths: list[Path] = []
        self.digests, self.checks = np.empty((0, DIGEST), np.uint8), np.empty(0, np.uint32)
        self._files: list[int] = []
        self._starts = np.zeros(1, np.int64)  # of each shard, and the end of all
        self.add(shards)

    def add(self, shards: Iterable[Shard]) -> None:
        """Further rows behind the others; the files are closed with this object.

        Raises:
            ValueError: their shape is another. What `shards` raises.
        """
        digests, checks, counts = [self.digests], [self.checks], []
        for shard in shards:
            self.paths.append(shard.path)
            self._files.append(shard.file)
            if shard.shape != self.shape:
                raise ValueError(f"{shard.path.name} has rows of another shape.")
            digests.append(shard.digests)
            checks.append(shard.checks)
            counts.append(len(shard.checks))
        self.digests, self.checks = np.concatenate(digests), np.concatenate(checks)
        self._starts = np.append(self._starts, len(self) + np.cumsum(counts, dtype=np.int64))
        self.__dict__.pop("_sorted", None)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __del__(self) -> None:
        for file in self._files:
            with contextlib.suppress(OSError):
                os.close(file)

    @functools.cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        keys = _keys(self.digests)
        return keys, np.argsort(keys, kind="stable")

    def hand_over(self, rows: np.ndarray) -> np.ndarray:
        """The digests of `rows`, which are then no longer kept here."""
        found = self.digests if np.array_equal(rows, np.arange(len(self))) else self.digests[rows]
        self.digests = self.digests[:0]
        return found

    def find(self, digests: np.ndarray) -> np.ndarray:
        """Where the rows with these `digests`, uint8 (n, 32), are, int64 (n,); -1 for those that are missing."""
        found = np.full(len(digests), -1, np.int64)
        for start in range(0, len(digests) if len(self) else 0, AT_ONCE):
            found[start : start + AT_ONCE] = self._find(digests[start : start + AT_ONCE])
        return found

    def _find(self, digests: np.ndarray) -> np.ndarray:
        keys, order = self._sorted
        wanted = _keys(digests)
        rows = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(self) - 1)]
        missing = (self.digests[rows] != digests).any(axis=1)
        # first bytes that agree where the others do not are no accident, and such digests are few
        for place in np.flatnonzero(missing & (keys[rows] == wanted)):
            same = np.flatnonzero((self.digests == digests[place]).all(axis=1))
            rows[place], missing[place] = (same[0], False) if len(same) else (-1, True)
        return np.where(missing, -1, rows)

    def shard_of(self, rows: np.ndarray) -> np.ndarray:
        """The place in `paths` of the shard of each row."""
        return np.searchsorted(self._starts, rows, side="right") - 1

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Rows in any order and with repetitions, as uint8 (n, height, width, channels).

        Runs of neighbours are read at once. No page stays mapped and nothing is shared, so threads may call it freely
        and memory does not grow with the shards.

        Raises:
            OSError: a shard was cut off.
        """
        out = np.empty((len(rows), *self.shape), np.uint8)
        flat = out.reshape(len(rows), int(np.prod(self.shape)))
        shards = self.shard_of(rows)
        edges = np.flatnonzero((np.diff(rows) != 1) | (np.diff(shards) != 0)) + 1
        bounds = [0, *edges.tolist(), len(rows)] if len(rows) else []
        for start, stop in itertools.pairwise(bounds):
            shard = shards[start]
            offset = int(rows[start] - self._starts[shard]) * flat.shape[1]
            _fill(self._files[shard], self.paths[shard], flat[start:stop], offset)
        return out

    def damaged(self, pixels: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The places in `rows` whose `pixels`, read from there, are not those that were written; their shards are
        removed."""
        checks = np.fromiter((zlib.crc32(one.data) for one in pixels.reshape(len(rows), -1)), np.uint32, len(rows))
        bad = np.flatnonzero(checks != self.checks[rows])
        for shard in np.unique(self.shard_of(rows[bad])):
            with contextlib.suppress(OSError):
                self.paths[shard].unlink()
        return bad


def holding(paths: Iterable[Path], shape: tuple[int, int, int], digests: np.ndarray) -> Iterator[Shard]:
    """Those of the shards `paths` that are whole and hold a row with one of `digests`, uint8 (n, 32)."""
    wanted = np.sort(_keys(digests))
    for path in paths:
        try:
            shard = open_shard(path)
        except (OSError, ValueError):
            continue
        keys = _keys(shard.digests)
        there = np.searchsorted(wanted, keys, side="left") < np.searchsorted(wanted, keys, side="right")
        if shard.shape == shape and there.any():
            yield shard
        else:
            os.close(shard.file)


def _keys(digests: np.ndarray) -> np.ndarray:
    """The first 64 bits of each digest, as numbers."""
    return np.ascontiguousarray(digests[:, :8]).view(np.uint64)[:, 0]


class ShardWriter:
    """Writes rows into shards, each of which is sealed and moved into place once it is full; to be used in a `with`."""

    def __init__(self, folder: Path, group: str, shape: tuple[int, int, int], count: int) -> None:
        """`count` is how many rows there may be in all; the names of the shards begin with `group`."""
        self.finished: list[Path] = []
        self.rows = rows_of_a_shard(shape, count)
        self._folder, self._group, self._shape = folder, group, shape
        self._digests, self._checks = bytearray(), bytearray()
        self._open = contextlib.ExitStack()
        self._temporary = Path()
        self._file: BinaryIO | None = None

    def __enter__(self) -> "ShardWriter":
        remove_leftovers(self._folder, older_than=time.time() - LEFTOVER_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, pixels: bytes | memoryview, digest: bytes) -> bool:
        """One more row; whether it filled its shard."""
        if self._file is None:
            self._temporary = self._open.enter_context(temporary_file(self._folder, "shard"))
            self._file = self._open.enter_context(self._temporary.open("wb", buffering=1 << 20))
        self._file.write(pixels)
        self._digests += digest
        self._checks += struct.pack("<I", zlib.crc32(pixels))
        if len(self._checks) < self.rows * CHECK:
            return False
        self.seal()
        return True

    def seal(self) -> None:
        """Finish the shard that is being written, if any."""
        if self._file is None:
            return
        tail, rows = bytes(self._digests + self._checks), len(self._checks) // CHECK
        seal = _seal(tail, rows, *self._shape)
        with self._open:  # which removes the temporary file where its end cannot be written
            self._file.write(tail)
            self._file.write(SEAL.pack(MARK, rows, *self._shape, seal))
            self._file.close()
            path = self._folder / f"{self._group}-{seal.hex()[:24]}{SUFFIX}"
            move_into_place(self._temporary, path, private=True)
        self._digests, self._checks, self._file = bytearray(), bytearray(), None
        self.finished.append(path)


def rows_of_a_shard(shape: tuple[int, int, int], count: int) -> int:
    """How many of `count` pictures one shard holds."""
    return max(1, SHARD_BYTES // int(np.prod(shape)), -(-count // MOST_SHARDS))


def _fill(file: int, path: Path, rows: np.ndarray, offset: int) -> None:
    view = memoryview(rows.data).cast("B")
    while view:
        done = _read_at(file, view, offset)
        if not done:
            raise OSError(f"{path} was cut off while in use. {AGAIN}")
        view, offset = view[done:], offset + done


def _read_at(file: int, view: memoryview, offset: int) -> int:
    """Read into `view` from `offset` without moving a shared file position; return the bytes read."""
    if hasattr(os, "preadv"):
        return os.preadv(file, [view], offset)
    with _SEEK_LOCK, os.fdopen(os.dup(file), "rb") as copy:  # Windows; a duplicate shares the position
        copy.seek(offset)
        return copy.readinto(view)
