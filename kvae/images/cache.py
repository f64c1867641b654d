"""The cache of decoded pictures: shards of pixels, and for every collection a table of which of their rows it is.

A table holds the names of the pictures, the shards and the rows in these, and a column for each known factor of
variation (none for pictures from files), under a SHA-256. It is named after the hash of its manifest and settings, is
written once, and is never changed. Without HDF5: no library sees a file that others may have changed.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kvae.files.arrays import Torn, read_arrays, write_arrays
from kvae.images.decoding import DECODER_VERSION
from kvae.images.names import Names
from kvae.images.shards import AGAIN, Rows, ShardWriter, open_shard

FORMAT = 3
SUFFIX = ".pictures"  # of a table
# the files here that may be removed to make room; .h5 as caches were called up to format 2
PRUNED = re.compile(r"[0-9a-f]{40}(\.pictures|\.h5)|[0-9a-f]{16}-[0-9a-f]{24}\.shard")
MAX_CACHE_BYTES = 20 << 30  # in the whole cache folder; the least recently opened go first
CHECKED_BYTES = 256 << 20  # of a cache that are compared with their CRC when it is opened; the rest when first read
# nothing but the cache is written while pictures are opened
_NO_ROOM = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS") if hasattr(errno, name)}
REBUILT = "the cache of decoded pictures was damaged and is made anew"


class Block(NamedTuple):
    """Some decoded pictures on their way into a cache; every field has the same length."""

    pixels: np.ndarray  # uint8 (n, height, width, channels)
    digests: np.ndarray  # uint8 (n, 32)
    names: list[str]
    factors: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Stored:
    """An opened and checked collection in the cache."""

    path: Path  # of its table
    shape: tuple[int, int, int]  # height, width, channels
    names: Names
    digests: np.ndarray  # uint8 (count, 32)
    factors: dict[str, np.ndarray]
    manifest_hash: str
    rows: Rows = field(repr=False)
    places: np.ndarray = field(repr=False)  # uint32 (count,), the row of each picture
    sound: np.ndarray = field(repr=False)  # bool (count,): which pictures were compared with their CRC

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Pictures `indices` (n,), in any order and with repetitions, as uint8 (n, height, width, channels).

        All that is shared is which pictures are sound, so threads may call it freely.

        Raises:
            OSError: a shard was damaged; it is removed.
        """
        rows = self.places[indices].astype(np.int64)
        out = self.rows.read(rows)
        fresh = np.flatnonzero(~self.sound[indices])
        bad = self.rows.damaged(out[fresh], rows[fresh]) if len(fresh) else fresh
        if len(bad):
            path = self.rows.paths[self.rows.shard_of(rows[fresh[bad]])[0]]
            raise OSError(f"{path} is damaged: its picture {indices[fresh[bad[0]]]} is another. {AGAIN}")
        self.sound[indices] = True
        return out


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


def manifest_hash(names: Iterable[str], digests: np.ndarray) -> str:
    """SHA-256 over the sorted (digest, name) of every picture, in hexadecimal: what a training run was trained on.

    `digests` is uint8 (count, 32).
    """
    names, lines = Names.of(names), np.ascontiguousarray(digests).view(">u8")  # (count, 4)
    whole = hashlib.sha256()
    order = np.lexsort(lines.T[::-1])
    for digest, rows in itertools.groupby(order, key=lambda row: digests[row].tobytes()):
        for name in sorted(names[row] for row in rows):
            whole.update(f"{digest.hex()} {name}\n".encode())
    return whole.hexdigest()


def cache_path(manifest: str, *, size: int, crop: str) -> Path:
    """The table of the pictures of `manifest` (a hash) at these settings, whether it exists or not."""
    settings = json.dumps([manifest, size, crop, DECODER_VERSION, FORMAT])
    return cache_folder() / f"{hashlib.sha256(settings.encode()).hexdigest()[:40]}{SUFFIX}"


def group(source: str, *, size: int, crop: str, channels: int) -> str:
    """How the names of all shards of a kind of `source` at these settings begin."""
    settings = json.dumps([source, size, crop, channels, DECODER_VERSION, FORMAT])
    return hashlib.sha256(settings.encode()).hexdigest()[:16]


def write_cache(blocks: Iterable[Block], *, capacity: int, size: int, crop: str, channels: int) -> Path | None:
    """Store all `blocks`, at most `capacity` pictures, and return where their table is; None if there was not one.

    Only one block is in memory at a time.
    """
    shape = (size, size, channels)
    check_space(capacity * size * size * channels)
    names, digests = Names(), []
    factors: dict[str, list[np.ndarray]] = {}
    kind = group("arrays", size=size, crop=crop, channels=channels)
    with ShardWriter(cache_folder(), kind, shape, capacity) as writer:
        for block in blocks:
            for name, row, digest in zip(block.names, block.pixels, block.digests, strict=True):
                names.append(name)
                writer.add(np.ascontiguousarray(row).data, digest.tobytes())
            digests.append(block.digests)
            for name, column in block.factors.items():
                factors.setdefault(name, []).append(column)
        writer.seal()
    if not len(names):
        return None
    columns = {name: np.concatenate(parts) for name, parts in factors.items()}
    manifest = manifest_hash(names, np.concatenate(digests))
    path = cache_path(manifest, size=size, crop=crop)
    places = np.arange(len(names))
    write_table(path, names, writer.finished, places, shape=shape, manifest=manifest, factors=columns)
    return path


def write_table(
    path: Path,
    names: Names,
    paths: Iterable[Path],
    places: np.ndarray,
    *,
    shape: tuple[int, int, int],
    manifest: str,
    factors: Mapping[str, np.ndarray] = {},
) -> None:
    """Note at `path` that the pictures `names` are the rows `places` of the shards `paths`, and make room for them."""
    paths, columns, kinds = list(paths), [*names.columns(), places.astype(np.uint32)], []
    for name, column in factors.items():
        text = column.dtype.kind == "U"
        kinds.append([name, text])
        columns += Names.of(column.tolist()).columns() if text else [column]
    about = {"format": FORMAT, "manifest": manifest, "shape": shape, "shards": [one.name for one in paths]}
    write_arrays(path, json.dumps({**about, "factors": kinds}).encode(), columns, private=True)
    _prune(path.parent, keep={path, *paths})


def open_cache(path: Path, remarks: list[str] | None = None) -> Stored | None:
    """Open and check the collection with the table `path`; None if it is missing or damaged: then build it anew.

    That it is there and damaged is added to `remarks`.
    """
    try:
        stored = _checked(path)
    except FileNotFoundError:
        return None
    except Exception:  # a damaged cache raises nearly anything, and is simply made anew
        if remarks is not None and REBUILT not in remarks:
            remarks.append(REBUILT)
        return None
    for one in (path, *stored.rows.paths):
        with contextlib.suppress(OSError):
            os.utime(one)  # marks it as recently used
    return stored


def _checked(path: Path) -> Stored:
    about, (text, ends, places, *columns) = read_arrays(path)
    if about["format"] != FORMAT:
        raise Torn(f"{path.name} is of another format.")
    height, width, channels = about["shape"]
    shape = (height, width, channels)
    rows = Rows(shape, (open_shard(path.with_name(name)) for name in about["shards"]))
    names = Names.stored(text, ends)
    if len(names) != len(places) or int(places.max()) >= len(rows):
        raise Torn(f"{path.name} is damaged.")
    factors = {}
    for name, is_text in about["factors"]:
        column = columns.pop(0)
        factors[name] = np.array(list(Names.stored(column, columns.pop(0)))) if is_text else column
    stored = Stored(
        path, shape, names, rows.hand_over(places), factors, about["manifest"], rows, places, np.zeros(len(names), bool)
    )
    # all of a small cache, evenly spread pictures (with both ends) of a large one
    some = min(len(names), max(2, CHECKED_BYTES // int(np.prod(shape))))
    chosen = np.linspace(0, len(names) - 1, some).round().astype(np.int64)
    for start in range(0, len(chosen), 256):
        stored.read(chosen[start : start + 256])
    return stored


def check_space(needed: int) -> None:
    """Raise ValueError, one sentence, where the cache folder has no room for `needed` bytes."""
    folder = cache_folder()
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"The decoded pictures take {needed / 1e9:.1f} GB and {folder} has {free / 1e9:.1f} GB free. "
            "Set KVAE_CACHE to a folder on a larger disk, or use a smaller size."
        )


def _prune(folder: Path, keep: set[Path]) -> None:
    """Remove the shards and tables that were not opened for longest, until the rest fits MAX_CACHE_BYTES."""
    ages = []
    for path in folder.iterdir():
        if PRUNED.fullmatch(path.name):
            with contextlib.suppress(OSError):
                about = path.lstat()
                ages.append((about.st_mtime, about.st_size, path))
    total = sum(size for _, size, _ in ages)
    for _, size, path in sorted(ages):
        if total <= MAX_CACHE_BYTES:
            return
        if path not in keep:
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size
