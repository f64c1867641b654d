"""Small files in the cache folder: whole and of our own making, or as good as not there."""

import hashlib
from pathlib import Path

from kvae.files.archive import open_regular
from kvae.files.atomic import atomic_write

_MARK = b"kvae remembers "  # and the SHA-256 of the rest in hexadecimal, and a line end
_HEAD = len(_MARK) + 65


def remember(path: Path, content: bytes) -> None:
    """Keep `content` at `path`, readable by this user alone, under its SHA-256."""
    atomic_write(path, _head(content) + content, private=True)


def recall(path: Path, *, most_bytes: int) -> bytes | None:
    """What was kept at `path`; None if there is nothing.

    Raises:
        ValueError: it is no longer what was kept, or a link, a pipe or a device.
        OSError: it may not be read.
    """
    content = read_plain(path, most_bytes=most_bytes + _HEAD)
    if content is None:
        return None
    if content[:_HEAD] != _head(content[_HEAD:]):
        raise ValueError(f"{path.name} is damaged.")
    return content[_HEAD:]


def read_plain(path: Path, *, most_bytes: int) -> bytes | None:
    """The bytes of the regular file `path`, opened without following a link or waiting; None if there is none.

    Raises:
        ValueError: larger than `most_bytes`, or no regular file. OSError: it may not be read.
    """
    try:
        with open_regular(path) as file:
            content = file.read(most_bytes + 1)
    except FileNotFoundError:
        return None
    if len(content) > most_bytes:
        raise ValueError(f"{path.name} is larger than its kind can be.")
    return content


def _head(content: bytes) -> bytes:
    return _MARK + hashlib.sha256(content).hexdigest().encode() + b"\n"
