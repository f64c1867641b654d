"""Arrays and what is known about them in one file that shows whether it is whole.

A line that names the format, the length of a header, the header as JSON, the arrays' bytes one after the other, and the
SHA-256 of all that. Nothing in it is ever run, and its size is known from its header before anything is made of it.
"""

import hashlib
import json
import os
import stat
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kvae.files.atomic import atomic_path

MAGIC = b"kvae arrays 1\n"
DIGEST = hashlib.sha256().digest_size
MOST_HEADER = 64 << 20  # bytes
DTYPES = ("float16", "float32", "float64", "int32", "int64", "uint8", "uint32", "uint64", "bool")


class Torn(ValueError):
    """A file that is not whole, or none of these; the message is one sentence."""


def write_arrays(
    path: str | os.PathLike[str], about: bytes, arrays: Sequence[np.ndarray], *, private: bool = False
) -> None:
    """Write `arrays` and `about`, a JSON object in UTF-8, to `path`: the complete new file, or the untouched old one.

    A `private` file is its owner's alone.

    Raises:
        OSError: the disk is full or cannot be written to.
    """
    shapes = json.dumps([[array.dtype.name, list(array.shape)] for array in arrays])
    header = b'{"arrays":' + shapes.encode() + b',"about":' + about + b"}"
    digest = hashlib.sha256()
    with atomic_path(path, private=private) as temporary, open(temporary, "wb", buffering=0) as file:
        parts = [MAGIC, struct.pack("<Q", len(header)), header, *(_bytes(array) for array in arrays)]
        for part in parts:
            digest.update(part)
            _write(file, part)
        _write(file, digest.digest())


def read_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What is known about the arrays in `path`, and the arrays; they are read-only.

    Raises:
        Torn: not a whole file of this kind. OSError: it cannot be opened.
    """
    path = Path(path)
    # no link is followed, and a FIFO of that name does not hang
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise Torn(f"{path.name} is not a regular file.")
        try:
            if file.read(len(MAGIC)) != MAGIC:
                raise Torn(f"{path.name} is of no kind kvae knows.")
            raw = file.read(8)
            (length,) = struct.unpack("<Q", raw)
            if length > MOST_HEADER:
                raise Torn(f"{path.name} is damaged.")
            text = file.read(length)
            header = json.loads(text, parse_constant=_refused)
            shapes = [_checked(entry) for entry in header["arrays"]]
            about = header["about"]
            begin = len(MAGIC) + 8 + length
            sizes = [dtype.itemsize * int(np.prod(shape, dtype=object)) for dtype, shape in shapes]
            if begin + sum(sizes) + DIGEST != state.st_size or not isinstance(about, dict):
                raise Torn(f"{path.name} is torn: its end is missing.")
            data = file.read(sum(sizes))
            known = file.read(DIGEST)
        except (struct.error, KeyError, TypeError, RecursionError, ValueError) as error:
            raise error if isinstance(error, Torn) else Torn(f"{path.name} is damaged.") from None
    digest = hashlib.sha256(MAGIC + raw + text)
    digest.update(data)
    if digest.digest() != known:
        raise Torn(f"{path.name} is damaged: its checksum is another.")
    arrays, place = [], 0
    for (dtype, shape), size in zip(shapes, sizes, strict=True):
        arrays.append(np.frombuffer(data, dtype, size // dtype.itemsize, place).reshape(shape))
        place += size
    return about, arrays


def _checked(entry: Any) -> tuple[np.dtype, tuple[int, ...]]:
    name, shape = entry
    if name not in DTYPES or len(shape) > 16 or any(type(side) is not int or side < 0 for side in shape):
        raise ValueError
    return np.dtype(name), tuple(shape)


def _refused(word: str) -> Any:
    raise ValueError(word)


def _bytes(array: np.ndarray) -> Any:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _write(file: Any, part: Any) -> None:
    """All of `part`; a disk that fills up takes less, and says so only when it is asked again."""
    rest = memoryview(part)
    while len(rest):
        rest = rest[file.write(rest) :]
