"""Any source of pictures as one `Collection`: decoded once, on disk, readable in any order."""

import contextlib
import functools
import hashlib
import importlib.resources
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kvae.images import arrays, cache
from kvae.images.cache import Block, Stored
from kvae.images.decoders import decode_files
from kvae.images.decoding import CROPS, BadPicture
from kvae.images.folder import CHECK, Progress, open_folder, skipped_in_words
from kvae.images.kinds import READ
from kvae.images.names import Names
from kvae.images.painters import paint_all
from kvae.images.remembered import recall, remember
from kvae.images.scanning import Skipped

PAINTINGS = "paintings"  # the name of the built-in source
PAINTING_COUNT = 4096
MIN_SIZE, MAX_SIZE = 8, 1024  # pixels


@dataclass(frozen=True, eq=False)
class Collection:
    """`count` pictures of one `shape`, decoded and on disk.

    Rows are in the order of `names`, which reads like a tuple of strings: sorted for a folder, by number otherwise.
    `digests` is uint8 (count, 32), the SHA-256 of each picture's file, array row or painting. Of copies in a folder
    only the first is a row; `duplicates` lists (left out, used). `factors` has a column of length `count` per factor of
    variation, for the built-in paintings only. `manifest_hash` says which pictures these are, whatever the size and
    crop.

    Example:
        >>> import kvae
        >>> collection = kvae.open_collection(count=64, size=16)
        >>> training, validation = collection.split(0.1)
        >>> len(training) + len(validation) == len(collection) == 64
        True
        >>> [block.shape for block in collection.blocks(range(40), rows=32)]
        [(32, 16, 16, 3), (8, 16, 16, 3)]
    """

    path: Path
    name: str
    shape: tuple[int, int, int]  # height, width, channels (1 or 3)
    count: int
    digests: np.ndarray
    names: Names
    factors: dict[str, np.ndarray]
    manifest_hash: str
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[Skipped, ...] = ()
    duplicates: tuple[tuple[str, str], ...] = ()
    others: int = 0  # files in a folder that are no pictures and do not claim to be
    remarks: tuple[str, ...] = ()  # about the cache: what was damaged and made anew
    report: Path | None = None  # a text file with a line per skipped or noted picture; folders only
    _stored: Stored = field(repr=False, default=None)  # type: ignore[assignment]

    def __len__(self) -> int:
        return self.count

    @functools.cached_property
    def summary(self) -> str:
        """One line for the command line: how many are usable and where the rest is explained."""
        text = f"{self.count:,} usable"
        if self.skipped or self.duplicates or self.notes:
            text += f", {skipped_in_words(self.skipped)}"
            text += f", {len(self.duplicates)} left out as duplicates" if self.duplicates else ""
            text += f" (reasons: {self.report})"
        return "; ".join((text, *self.remarks))

    @functools.cached_property
    def folders(self) -> Names:
        """Of each picture, below the root; "" at the top."""
        return Names.of(one.rpartition("/")[0] for one in self.names)

    def read(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """The pictures at `indices`, uint8 (n, height, width, channels). Safe to call from several threads."""
        wanted = np.asarray(indices, np.int64).reshape(-1)
        if len(wanted) and not (wanted.min() >= 0 and wanted.max() < self.count):
            raise IndexError(
                f"Collection {self.name}: indices must be from 0 to {self.count - 1}. "
                f"Received: {wanted.min()} to {wanted.max()}."
            )
        return self._stored.read(wanted)

    def blocks(self, indices: Sequence[int] | np.ndarray, rows: int = 256) -> Iterator[np.ndarray]:
        """The pictures at `indices`, in order, `rows` at a time."""
        wanted = np.asarray(indices, np.int64).reshape(-1)
        for start in range(0, len(wanted), rows):
            yield self.read(wanted[start : start + rows])

    def split(self, validation: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
        """Indices (training, validation), sorted; about `validation` of the pictures are in the second.

        The first 64 bits of a picture's digest, as a fraction of 2^64, put it in validation if they lie below
        `validation`. So a picture keeps its side whatever else is added or removed, and copies share theirs. Only
        if one side would be empty does the nearest picture change over, which needs two different pictures.
        """
        if not 0 <= validation < 1:
            raise ValueError(f"split: `validation` must be at least 0 and below 1. Received: {validation!r}.")
        draws = np.ascontiguousarray(self.digests[:, :8]).view(">u8")[:, 0].astype(np.float64) / 2.0**64
        held = draws < validation
        if validation > 0:
            if draws.min() == draws.max():
                raise ValueError(f"split: {self.name} needs at least 2 different pictures. Add pictures that differ.")
            if not held.any():
                held = draws == draws.min()
            elif held.all():
                held = draws != draws.max()
        return np.flatnonzero(~held), np.flatnonzero(held)


@cache.writing()
def open_collection(
    data: str | os.PathLike[str] | np.ndarray | None = None,
    *,
    size: int = 64,
    crop: str = "square",
    follow_links: bool = False,
    count: int = PAINTING_COUNT,
    seed: int = 0,
    progress: Progress = None,
) -> Collection:
    """Open a folder of pictures, an .npy, .npz or HDF5 file, an array, or the built-in paintings.

    Args:
        data: the path or array; None or "paintings" for the built-in paintings. A folder of that name is "./paintings".
        size: height and width of the result, in pixels.
        crop: "square" (the centre), "pad" (all of it, on its mean colour) or "stretch".
        follow_links: follow links in a folder to what lies outside it, too. `data` itself may be a link.
        count, seed: how many built-in paintings, and which.
        progress: called as progress(done, total, what) while pictures are decoded; not at all when they are cached.

    Example:
        >>> import kvae
        >>> collection = kvae.open_collection(count=64, size=16)  # of the built-in paintings
        >>> collection.summary
        '64 usable'
        >>> collection.read([0, 5]).shape
        (2, 16, 16, 3)
    """
    if not isinstance(size, int | np.integer) or not MIN_SIZE <= size <= MAX_SIZE:
        raise ValueError(
            f"open_collection: `size` must be a whole number of pixels from {MIN_SIZE} to {MAX_SIZE}. "
            f"Received: size={size!r}."
        )
    if crop not in CROPS:
        raise ValueError(f"open_collection: `crop` must be one of {', '.join(CROPS)}. Received: {crop!r}.")
    if data is None or (isinstance(data, str) and data == PAINTINGS):
        return _open_paintings(count, int(size), seed, progress)
    if isinstance(data, np.ndarray):
        return _open_array(data, int(size), crop, progress)
    if not os.fspath(data):
        raise ValueError("open_collection: `data` is empty. Name a folder or a file of pictures, or `paintings`.")
    path = Path(data).expanduser()
    try:
        folder = path.is_dir()
        os.listdir(path) if folder else path.stat()  # a folder may be seen but not read
    except FileNotFoundError:
        raise FileNotFoundError(
            f"There is no file or folder {path}. Check the spelling, or give another one."
        ) from None
    except PermissionError:
        raise PermissionError(f"{path} may not be read (no permission). Change its permissions.") from None
    if folder:
        return _open_folder(path, int(size), crop, follow_links, progress)
    if path.suffix.lower() not in arrays.ENDINGS:
        raise ValueError(f"{path} is of no kind kvae reads: give a folder of {READ} files, or an .npy, .npz or .h5.")
    return _open_file(path, int(size), crop, progress)


def load_picture(path: str | os.PathLike[str], *, size: int, crop: str = "square") -> np.ndarray:
    """One picture file as uint8 (size, size, 3), decoded in a process of its own. Raises BadPicture with the reason."""
    (outcome,) = decode_files([os.fspath(path)], size=size, crop=crop)
    if outcome.reason is not None:
        raise BadPicture(f"{Path(path).name} {outcome.reason}.")
    return np.frombuffer(outcome.pixels, np.uint8).reshape(size, size, 3)


def _open_folder(root: Path, size: int, crop: str, follow_links: bool, progress: Progress) -> Collection:
    stored, listing, report = open_folder(root, size=size, crop=crop, follow_links=follow_links, progress=progress)
    return collection_of(
        root.resolve().name or str(root),
        stored,
        skipped=listing.skipped,
        notes=listing.notes,
        duplicates=listing.duplicates,
        others=listing.others,
        remarks=listing.remarks,
        report=report,
    )


def _open_file(path: Path, size: int, crop: str, progress: Progress) -> Collection:
    """An array file; its manifest is remembered under path, length and time of change, as a folder's files are."""
    about = path.stat()
    place = [os.fspath(path.resolve()), about.st_size, about.st_mtime_ns]
    remarks: list[str] = []
    known = _remembered(place, remarks)
    stored = cache.open_cache(cache.cache_path(known, size=size, crop=crop), remarks) if known else None
    if stored is None:
        stored = _store(arrays.from_file(path), size, crop, progress)
        _remember(place, stored.manifest_hash)
    return collection_of(path.stem, stored, remarks=tuple(remarks))


def _open_array(array: np.ndarray, size: int, crop: str, progress: Progress) -> Collection:
    pictures = arrays.from_array(array)
    content = hashlib.sha256(str((array.shape, array.dtype.str)).encode())
    for block in pictures.blocks():
        content.update(block.tobytes())
    place = ["array", content.hexdigest()]
    remarks: list[str] = []
    known = _remembered(place, remarks)
    stored = cache.open_cache(cache.cache_path(known, size=size, crop=crop), remarks) if known else None
    if stored is None:
        stored = _store(pictures, size, crop, progress)
        _remember(place, stored.manifest_hash)
    return collection_of("array", stored, remarks=tuple(remarks))


def _open_paintings(count: int, size: int, seed: int, progress: Progress) -> Collection:
    """The built-in paintings; painted anew when the code that paints them has changed."""
    if not isinstance(count, int | np.integer) or count < 1:
        raise ValueError(f"open_collection: `count` must be a whole number above 0. Received: {count!r}.")
    place = [PAINTINGS, _painter_hash(), int(count), size, int(seed)]
    remarks: list[str] = []
    known = _remembered(place, remarks)
    stored = cache.open_cache(cache.cache_path(known, size=size, crop=PAINTINGS), remarks) if known else None
    if stored is None:
        blocks = _painted(int(count), size, int(seed), progress)
        stored = _written(cache.write_cache(blocks, capacity=int(count), size=size, crop=PAINTINGS, channels=3))
        _remember(place, stored.manifest_hash)
    return collection_of(PAINTINGS, stored, remarks=tuple(remarks))


def _painted(count: int, size: int, seed: int, progress: Progress) -> Iterator[Block]:
    done = 0
    with contextlib.closing(paint_all(count, size=size, seed=seed)) as parts:
        for pixels, factors in parts:
            digests = b"".join(hashlib.sha256(picture.tobytes()).digest() for picture in pixels)
            names = [f"painting-{number:06d}" for number in range(done, done + len(pixels))]
            yield Block(pixels, np.frombuffer(digests, np.uint8).reshape(-1, 32), names, factors)
            done += len(pixels)
            if progress:
                progress(done, count, "painting")


def _painter_hash() -> str:
    """SHA-256 of the painting code itself: a version number that nobody can forget to raise."""
    digest = hashlib.sha256()
    folders = [importlib.resources.files("kvae.images") / PAINTINGS]
    while folders:
        for entry in sorted(folders.pop().iterdir(), key=lambda one: one.name):
            if entry.is_dir():
                folders.append(entry)
            elif entry.name.endswith(".py"):
                digest.update(entry.read_bytes())
    return digest.hexdigest()


def _store(pictures: arrays.Pictures, size: int, crop: str, progress: Progress) -> Stored:
    blocks = arrays.decoded(pictures, size=size, crop=crop, progress=progress)
    path = cache.write_cache(blocks, capacity=pictures.shape[0], size=size, crop=crop, channels=pictures.channels)
    return _written(path)


def _written(path: Path | None) -> Stored:
    stored = path and cache.open_cache(path)
    if not stored:
        raise OSError(f"The cache {path} could not be read back. {CHECK}")
    return stored


def collection_of(name: str, stored: Stored, **listing) -> Collection:
    """The Collection of an opened cache file; `listing` is what a folder adds."""
    return Collection(
        path=stored.path,
        name=name,
        shape=stored.shape,
        count=len(stored.names),
        digests=stored.digests,
        names=stored.names,
        factors=stored.factors,
        manifest_hash=stored.manifest_hash,
        _stored=stored,
        **listing,
    )


def _memory(place: list) -> Path:
    return cache.cache_folder() / f"{hashlib.sha256(json.dumps(place).encode()).hexdigest()[:40]}.manifest"


def _remembered(place: list, remarks: list[str]) -> str | None:
    """The manifest hash noted for `place`, if any."""
    try:
        content = recall(_memory(place), most_bytes=64)
    except (OSError, ValueError):
        remarks.append(cache.REBUILT)
        return None
    return content.decode("ascii") if content else None


def _remember(place: list, manifest: str) -> None:
    remember(_memory(place), manifest.encode("ascii"))
