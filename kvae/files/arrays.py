"""Arrays and what is known about them in one file that shows whether it is whole.

A line that names the format, the length of a header, the header as JSON, the arrays' bytes one after the other, and the
SHA-256 of all that. Nothing in it is ever run, and its size is known from its header before anything is made of it.
"""

import hashlib
import json
import math
import os
import stat
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kvae.files.atomic import atomic_path
from kvae.files.strict_json import parse

MAGIC = b"kvae arrays 1\n"
DIGEST = hashlib.sha256().digest_size
MOST_HEADER, MOST_NODES = 12 << 20, 800_000  # bytes, and values in them
DTYPES = ("float16", "float32", "float64", "int32", "int64", "uint8", "uint32", "uint64", "bool")

ArrayKind = tuple[np.dtype, tuple[int, ...]]  # type and shape
Look = Callable[[dict[str, Any], list[ArrayKind]], None]


class Torn(ValueError):
    """A file that is not whole, or none of these; the message is one sentence."""


def write_arrays(
    path: str | os.PathLike[str], about: bytes, arrays: Sequence[np.ndarray], *, private: bool = False
) -> None:
    """Write `arrays` and `about`, a JSON object in UTF-8, to `path`: the complete new file, or the untouched old one.

    A `private` file is its owner's alone.

    Raises:
        OSError: the disk is full or cannot be written to.
        ValueError: what would not be read again.
    """
    shapes = json.dumps([[array.dtype.name, list(array.shape)] for array in arrays])
    header = b'{"arrays":' + shapes.encode() + b',"about":' + about + b"}"
    if len(header) > MOST_HEADER:
        raise ValueError(f"arrays: what is said about them must be at most {MOST_HEADER >> 20} MB. Say less.")
    digest = hashlib.sha256()
    with atomic_path(path, private=private) as temporary, open(temporary, "wb", buffering=0) as file:
        parts = [MAGIC, struct.pack("<Q", len(header)), header, *(_bytes(array) for array in arrays)]
        for part in parts:
            digest.update(part)
            _write(file, part)
        _write(file, digest.digest())


def read_arrays(path: str | os.PathLike[str], look: Look | None = None) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What is known about the arrays in `path`, and the arrays; they are read-only.

    `look` is given what is known, and the type and shape of each array, before any is read, and may refuse them.

    Raises:
        Torn: not a whole file of this kind. OSError: it cannot be opened. What `look` raises.
    """
    path = Path(path)
    # no link is followed, and a FIFO of that name does not hang
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as file:
        size = os.fstat(file.fileno())
        if not stat.S_ISREG(size.st_mode):
            raise Torn(f"{path.name} is not a regular file.")
        try:
            head, about, kinds = _header(file, size.st_size)
        except (struct.error, KeyError, TypeError, ValueError) as error:
            raise Torn(f"{path.name} {error if isinstance(error, Torn) else 'is damaged.'}") from None
        if look is not None:
            look(about, kinds)
        sizes = [_size(*kind) for kind in kinds]
        data = file.read(sum(sizes))
        known = file.read(DIGEST)
    digest = hashlib.sha256(head)
    digest.update(data)
    if digest.digest() != known:
        raise Torn(f"{path.name} is damaged: its checksum is another.")
    arrays, place = [], 0
    for (dtype, shape), size_of in zip(kinds, sizes, strict=True):
        arrays.append(np.frombuffer(data, dtype, size_of // dtype.itemsize, place).reshape(shape))
        place += size_of
    return about, arrays


def _header(file: BinaryIO, size: int) -> tuple[bytes, dict[str, Any], list[ArrayKind]]:
    """All before the first array in a file of `size` bytes, what it says, and the arrays it declares, which fit."""
    head = file.read(len(MAGIC) + 8)
    if head[: len(MAGIC)] != MAGIC:
        raise Torn("is of no kind kvae knows.")
    (length,) = struct.unpack("<Q", head[len(MAGIC) :])
    if length > MOST_HEADER:
        raise Torn("is damaged.")
    text = file.read(length)
    header = parse(text, most_nodes=MOST_NODES)
    kinds = [_checked(entry) for entry in header["arrays"]]
    if set(header) != {"arrays", "about"} or not isinstance(header["about"], dict):
        raise Torn("is damaged.")
    if len(head) + length + sum(_size(*kind) for kind in kinds) + DIGEST != size:
        raise Torn("is torn: its end is missing.")
    return head + text, header["about"], kinds


def _size(dtype: np.dtype, shape: tuple[int, ...]) -> int:
    return dtype.itemsize * math.prod(shape)


def _checked(entry: Any) -> ArrayKind:
    name, shape = entry
    sides = isinstance(shape, list) and all(type(side) is int and 0 <= side < 1 << 40 for side in shape)
    if name not in DTYPES or not sides or len(shape) > 16:
        raise ValueError
    return np.dtype(name), tuple(shape)


def _bytes(array: np.ndarray) -> Any:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _write(file: Any, part: Any) -> None:
    """All of `part`; a disk that fills up takes less, and says so only when it is asked again."""
    rest = memoryview(part)
    while len(rest):
        rest = rest[file.write(rest) :]
