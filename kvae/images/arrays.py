"""Pictures that come as one array: in memory, in an .npy or .npz file, or in an HDF5 file.

Files are read from front to back in blocks, so that memory does not grow with them, and nothing in them is run.
"""

import contextlib
import hashlib
import json
import math
import os
import stat
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from PIL import Image

from kvae.files.archive import Archive, open_regular
from kvae.files.npy import read_header
from kvae.files.refusal import Refused, sentence, shown
from kvae.images.cache import Block
from kvae.images.decoding import MAX_PIXELS, fit, flatten, letterbox
from kvae.images.values import check_dtype, check_floats, white
from kvae.images.worker import command_of

NAMES = ("images", "imgs", "x_train")  # of the array in an .npz or HDF5 file: ours, dSprites, MNIST
ENDINGS = (".npy", ".npz", ".h5", ".hdf5")
MOST_ANSWER = 1 << 16  # bytes of a line that the process which reads HDF5 sends
BLOCK_BYTES = 8 << 20  # of source pixels read at once
MAX_CHUNK_BYTES = 256 << 20  # of one HDF5 chunk, which is in memory as a whole
MAX_FILE_BYTES = 1 << 44
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
        "The array", array.shape, array.dtype, lambda: slices(array, rows_at_once(array.shape, array.dtype))
    )
    return _checked(pictures)


def from_file(path: Path) -> Pictures:
    """The pictures in an .npy, .npz or HDF5 file. Raises ValueError with one sentence if it holds none."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(
            f"{shown(path)} is not a regular file. Give a folder of pictures, or an .npy, .npz or .h5 file."
        )
    openers = {".npy": _npy, ".npz": _npz}
    with as_damage(shown(path)):
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


def slices(array, step: int) -> Iterator[np.ndarray]:
    for start in range(0, len(array), step):
        yield np.asarray(array[start : start + step])


def rows_at_once(shape: tuple[int, ...], dtype: np.dtype) -> int:
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
        chosen = members[choose(name, list(members))]
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
    with as_damage(owner), opener() as file:
        shape, dtype = read_header(file)
        step = rows_at_once(shape, dtype)
        for start in range(0, shape[0], step):
            rows = min(step, shape[0] - start)
            wanted = rows * math.prod(shape[1:]) * dtype.itemsize
            data = file.read(wanted)
            if len(data) != wanted:
                raise EOFError
            yield np.frombuffer(data, dtype).reshape(rows, *shape[1:])
        if file.read(1):  # reaching the end also makes zipfile compare the checksum
            raise EOFError


def choose(owner: str, names: list[str]) -> str:
    """The array to use: one of NAMES, or the only one there is."""
    for name in NAMES:
        if name in names:
            return name
    if len(names) == 1:
        return names[0]
    held = ", ".join(name if name.isprintable() else "?" for name in sorted(names)[:6]) or "nothing"
    raise ValueError(f"{owner} must hold an array called {' or '.join(NAMES)}. It holds: {held[:60]}.")


def _hdf5(path: Path) -> Pictures:
    """A file for the HDF5 library, which never sees it in this process: crafted ones make it crash."""
    with _reader(path) as answers:
        sides, kind = _told(path, answers)
    shape, dtype = tuple(sides), np.dtype(kind)

    def blocks() -> Iterator[np.ndarray]:
        left = shape[0]
        with _reader(path) as answers:
            changed = _told(path, answers) != [sides, kind]
            while not changed and (rows := _told(path, answers)) is not None:
                if not 0 < rows <= left:  # a library that a crafted file has in its hands says anything
                    break
                left -= rows
                length = rows * math.prod(shape[1:]) * dtype.itemsize
                data = answers.read(length)
                yield np.frombuffer(data if len(data) == length else _told(path, answers), dtype).reshape(
                    rows, *shape[1:]
                )
        if left:
            raise ValueError(f"{shown(path)} changed while it was read, or is damaged. Try again, or copy it again.")

    return Pictures(shown(path), shape, dtype, blocks)


@contextlib.contextmanager
def _reader(path: Path) -> Iterator[IO[bytes]]:
    """The answers of a process of `hdf5_reader.py` that reads `path`."""
    program = f"from kvae.images.hdf5_reader import main; main({os.fspath(path)!a}, {BLOCK_BYTES})"
    if getattr(sys, "frozen", False):
        raise ValueError(f"{shown(path)} is an HDF5 file, which this build does not read. Store it as .npy.")
    process = subprocess.Popen(
        command_of(program), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


def _told(path: Path, answers: IO[bytes]) -> Any:
    """The next line. Raises ValueError with what the process says of the file, or of its own end."""
    line = answers.readline(MOST_ANSWER)
    if not line.endswith(b"\n"):
        raise ValueError(f"{shown(path)} makes the HDF5 library crash or hang. Copy it again, or store it as .npy.")
    kind, told = json.loads(line)
    if kind == "refused":
        raise ValueError(told)
    return told


@contextlib.contextmanager
def as_damage(owner: str) -> Iterator[None]:
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
