"""Pictures that come as one array: in memory, in an .npy or .npz file, or in an HDF5 file.

Files are read from front to back in blocks, so that memory does not grow with them, and nothing in them is run.
"""

import contextlib
import hashlib
import itertools
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np
from PIL import Image

from kvae.files.archive import Archive, open_regular
from kvae.files.npy import read_header
from kvae.files.refusal import Refused, sentence, shown
from kvae.images.cache import Block
from kvae.images.decoding import MAX_PIXELS, fit, flatten, letterbox
from kvae.images.values import check_dtype, check_floats, white

NAMES = ("images", "imgs", "x_train")  # of the array in an .npz or HDF5 file: ours, dSprites, MNIST
ENDINGS = (".npy", ".npz", ".h5", ".hdf5")
BLOCK_BYTES = 8 << 20  # of source pixels read at once
MAX_CHUNK_BYTES = 256 << 20  # of one HDF5 chunk, which is in memory as a whole
MAX_FILE_BYTES = 1 << 44
MAX_NAMES = 100  # of an HDF5 file that are looked through
MAX_RATIO = 1100  # declared bytes to stored bytes; deflate cannot do better than 1032
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, LookupError, ValueError, TypeError)
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Pictures:
    """An array of pictures, not yet read. `blocks` starts anew each time it is called."""

    owner: str  # what to call it in messages
    shape: tuple[int, ...]  # (count, height, width) or (count, height, width, channels)
    dtype: np.dtype
    blocks: Callable[[], Iterator[np.ndarray]]

    @property
    def channels(self) -> int:
        """Channels of the result: 1 for grey arrays, else 3."""
        return 1 if len(self.shape) == 3 or self.shape[3] == 1 else 3


def from_array(array: np.ndarray) -> Pictures:
    """An array in memory, shape (n, h, w) or (n, h, w, c)."""
    pictures = Pictures(
        "The array", array.shape, array.dtype, lambda: _slices(array, _rows_at_once(array.shape, array.dtype))
    )
    return _checked(pictures)


def from_file(path: Path) -> Pictures:
    """The pictures in an .npy, .npz or HDF5 file. Raises ValueError with one sentence if it holds none."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(
            f"{shown(path)} is not a regular file. Give a folder of pictures, or an .npy, .npz or .h5 file."
        )
    openers = {".npy": _npy, ".npz": _npz}
    with _as_damage(shown(path)):
        return _checked(openers.get(path.suffix.lower(), _hdf5)(path))


def decoded(pictures: Pictures, *, size: int, crop: str, progress=None) -> Iterator[Block]:
    """Yield all pictures as uint8 (n, size, size, channels), named by their number.

    The digest of a picture is that of its own values as stored, so it does not depend on `size` or `crop`.
    """
    scale = _scale(pictures)
    total, done = pictures.shape[0], 0
    step = max(1, BLOCK_BYTES // (size * size * pictures.channels))
    for block in pictures.blocks():
        for start in range(0, len(block), step):
            raw = block[start : start + step]
            digests = b"".join(hashlib.sha256(row.tobytes()).digest() for row in raw)
            plain = _to_bytes(pictures.owner, raw, scale).reshape(*raw.shape[:3], -1)  # (n, h, w, c)
            names = [str(number) for number in range(done, done + len(raw))]
            yield Block(_resized(plain, size, crop), np.frombuffer(digests, np.uint8).reshape(-1, 32), names, {})
            done += len(raw)
            if progress:
                progress(done, total, "reading pictures")


def _checked(pictures: Pictures) -> Pictures:
    owner, shape, dtype = pictures.owner, pictures.shape, pictures.dtype
    if len(shape) > 8 or any(type(side) is not int or not 0 <= side < 1 << 40 for side in shape):
        raise ValueError(f"{owner} declares sides that cannot be. Copy it again.")
    if len(shape) == 3 and shape[2] in _MODES:
        raise ValueError(f"{owner} has the shape of one picture. Give several, or x[None]. Received: shape={shape}.")
    if len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in _MODES:
        raise ValueError(f"{owner} has its channels first. Use numpy.moveaxis(x, 1, -1). Received: shape={shape}.")
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in _MODES) or not all(shape):
        raise ValueError(
            f"{owner} must have shape (n, height, width) or (n, height, width, 1, 3 or 4). Received: shape={shape}."
        )
    if shape[1] * shape[2] > MAX_PIXELS:
        raise ValueError(f"{owner} has pictures of over {MAX_PIXELS // 10**6} megapixels. Received: shape={shape}.")
    if math.prod(shape[1:]) * dtype.itemsize > MAX_CHUNK_BYTES:
        raise ValueError(f"{owner} has pictures of over {MAX_CHUNK_BYTES >> 20} MB each. Store them as uint8.")
    check_dtype(owner, dtype)
    return pictures


def _scale(pictures: Pictures) -> float:
    """What a value is multiplied by to reach 0..255, by the same rule as arrays in memory."""
    grey = pictures.dtype == np.uint8 and any(block.max(initial=0) > 1 for block in pictures.blocks())
    return 255.0 / white(pictures.dtype, 255.0 if grey else 1.0)


def _to_bytes(owner: str, values: np.ndarray, scale: float) -> np.ndarray:
    if values.dtype.kind == "f":
        check_floats(owner, values)
    if scale == 1.0:
        return values
    return np.clip(np.rint(values.astype(np.float32) * scale), 0, 255).astype(np.uint8)


def _resized(pictures: np.ndarray, size: int, crop: str) -> np.ndarray:
    """uint8 (n, h, w, c) to (n, size, size, 1 or 3), by the same rule as picture files."""
    count, height, width, channels = pictures.shape
    if (height, width) == (size, size) and channels != 4:
        return pictures
    out = np.empty((count, size, size, 1 if channels == 1 else 3), np.uint8)
    for row, picture in zip(out, pictures, strict=True):
        small = fit(Image.fromarray(picture[..., 0] if channels == 1 else picture, _MODES[channels]), size, crop)
        small = letterbox(flatten(small) if channels == 4 else small, size)
        row[...] = np.asarray(small).reshape(size, size, -1)
    return out


def _slices(array, step: int) -> Iterator[np.ndarray]:
    for start in range(0, len(array), step):
        yield np.asarray(array[start : start + step])


def _rows_at_once(shape: tuple[int, ...], dtype: np.dtype) -> int:
    return max(1, BLOCK_BYTES // max(1, math.prod(shape[1:]) * dtype.itemsize))


def _npy(path: Path) -> Pictures:
    name = shown(path)
    with open_regular(path, follow=True) as file:
        shape, dtype = read_header(file)
        stored = os.fstat(file.fileno()).st_size - file.tell()
    _same_bytes(name, shape, dtype, stored)
    return Pictures(name, shape, dtype, lambda: _streamed(name, lambda: open_regular(path, follow=True)))


def _npz(path: Path) -> Pictures:
    name = shown(path)
    with _archive(path) as archive:
        members = {member.removesuffix(".npy"): member for member in archive.sizes}
        chosen = members[_choose(name, list(members))]
        with archive.stream(chosen) as file:
            shape, dtype = read_header(file)
            _same_bytes(name, shape, dtype, archive.sizes[chosen] - file.tell())

    @contextlib.contextmanager
    def member():
        with _archive(path) as archive, archive.stream(chosen) as file:
            yield file

    return Pictures(name, shape, dtype, lambda: _streamed(name, member))


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[Archive]:
    with open_regular(path, follow=True) as file:
        # black pictures pack a thousand times smaller; they are read in blocks, so no ratio is too high
        yield Archive(file, most_bytes=MAX_FILE_BYTES, ratio=None)


def _same_bytes(owner: str, shape: tuple[int, ...], dtype: np.dtype, stored: int) -> None:
    if math.prod(shape) * dtype.itemsize != stored:
        raise ValueError(f"{owner} is damaged or cut off: its shape {shape} does not match its length. Copy it again.")


def _streamed(owner: str, opener: Callable[[], contextlib.AbstractContextManager[BinaryIO]]) -> Iterator[np.ndarray]:
    with _as_damage(owner), opener() as file:
        shape, dtype = read_header(file)
        step = _rows_at_once(shape, dtype)
        for start in range(0, shape[0], step):
            rows = min(step, shape[0] - start)
            wanted = rows * math.prod(shape[1:]) * dtype.itemsize
            data = file.read(wanted)
            if len(data) != wanted:
                raise EOFError
            yield np.frombuffer(data, dtype).reshape(rows, *shape[1:])
        if file.read(1):  # reaching the end also makes zipfile compare the checksum
            raise EOFError


def _choose(owner: str, names: list[str]) -> str:
    """The array to use: one of NAMES, or the only one there is."""
    for name in NAMES:
        if name in names:
            return name
    if len(names) == 1:
        return names[0]
    held = ", ".join(name if name.isprintable() else "?" for name in sorted(names)[:6]) or "nothing"
    raise ValueError(f"{owner} must hold an array called {' or '.join(NAMES)}. It holds: {held[:60]}.")


def _hdf5(path: Path) -> Pictures:
    owner = shown(path)
    with h5py.File(path, "r") as file:
        name = _choose(owner, _plain_names(file))
        data = file.get(name)
        _check_dataset(owner, data)
        shape, dtype = data.shape, data.dtype
        row = max(1, math.prod(shape[1:]) * dtype.itemsize)
        # Whole chunks where memory allows: reading part of one decompresses all of it.
        step = max(_rows_at_once(shape, dtype), min(data.chunks[0] if data.chunks else 1, MAX_CHUNK_BYTES // row))

    def blocks() -> Iterator[np.ndarray]:
        with _as_damage(owner), h5py.File(path, "r") as file:
            yield from _slices(file[name], step)

    return Pictures(owner, shape, dtype, blocks)


def _plain_names(file: h5py.File) -> list[str]:
    """What lies in the file itself under NAMES, or else a few of all names; links are not followed."""
    known = [name for name in NAMES if name in file]
    return [
        name
        for name in known or itertools.islice(file, MAX_NAMES)
        if type(file.get(name, getlink=True)) is h5py.HardLink
    ]


def _check_dataset(owner: str, data) -> None:
    """Refuse what reaches outside the file, needs foreign code, or declares more than the file can hold."""
    if not isinstance(data, h5py.Dataset):
        raise ValueError(f"{owner} must hold its pictures as a dataset. Call it {' or '.join(NAMES)}.")
    if data.shape is None or len(data.shape) not in (3, 4) or data.dtype.kind not in "buif":
        raise ValueError(f"{owner} must hold numbers of shape (n, height, width[, channels]). Store pictures so.")
    if data.is_virtual or data.external:
        raise ValueError(f"{owner} keeps its pictures in other files. Copy them into it (h5repack) and try again.")
    plist = data.id.get_create_plist()
    filters = {plist.get_filter(number)[0] for number in range(plist.get_nfilters())}
    usual = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
    if filters - usual:
        raise ValueError(f"{owner} is compressed by a filter kvae does not load. Use gzip or lzf.")
    if data.chunks and math.prod(data.chunks) * data.dtype.itemsize > MAX_CHUNK_BYTES:
        raise ValueError(f"{owner} has chunks of over {MAX_CHUNK_BYTES >> 20} MB. Store it with smaller chunks.")
    if data.nbytes > MAX_RATIO * data.id.get_storage_size():
        raise ValueError(f"{owner} declares {data.nbytes / 1e9:.0f} GB but stores far less. Fill it, or copy it again.")


@contextlib.contextmanager
def _as_damage(owner: str) -> Iterator[None]:
    """Turn what zipfile, zlib and HDF5 raise into one sentence."""
    try:
        yield
    except PermissionError:
        raise
    except Refused as error:
        raise ValueError(sentence(owner, error)) from None
    except _DAMAGE as error:
        if type(error) is ValueError and str(error).startswith(f"{owner} "):  # said by us
            raise
        said = " ".join(str(error).split())[:40] or type(error).__name__
        raise ValueError(f"{owner} is damaged, cut off or of another kind ({said}). Copy it again.") from None
