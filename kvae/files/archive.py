"""Zip files from strangers: looked at before anything is unpacked, and unpacked into memory only, never further than
said.

Python's `zipfile` reads whatever directory a file declares, and of two directories the one that a zip64 record before
the end names. Here there is one directory: that of the classic end record, walked in bounds before `zipfile` sees it.
What it says of each member is compared with the member before that is touched, and the members lie one after the other.
"""

import contextlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from kvae.files.refusal import Refused

DAMAGED = "is damaged or cut off. Copy it again, or open another file."
MOST_BYTES = (1 << 32) - 2  # of a zip file without zip64 records, and of each member
MOST_DIRECTORY = 1 << 20  # bytes of a central directory
RATIO, SLACK = 20, 64 << 10  # unpacked to packed bytes; text and fresh weights below the slack may do better
_START, _ENTRY, _END, _LOCATOR = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x07"
_LARGE = "is a zip file for over 4 GB (zip64), which kvae does not read. Save it again, or split it."
_ZIP64 = 1  # of the fields that may follow a name; those below say when and by whom, the rest could give another name
_HARMLESS = {0x5455, 0x7875, 0x000A}
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_LATER = 0x8  # sizes and checksum follow the member
_PATCHED = 0x20


def open_regular(path: str | os.PathLike[str], *, follow: bool = False) -> BinaryIO:
    """Open the regular file at `path`: no folder, pipe or device, and without `follow` no link either.

    Raises:
        Refused: it is something else.
        OSError: there is none, or it may not be read.
    """
    about = os.stat(path) if follow else os.lstat(path)
    if stat.S_ISLNK(about.st_mode):
        raise Refused("is a link, which is not followed. Open the file that it points to.")
    if not stat.S_ISREG(about.st_mode):
        raise Refused("is a folder, a pipe or a device. Open a file.")
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    # between the look and the opening the name may have been given to a link, or to a pipe that would wait for ever
    flags |= getattr(os, "O_NONBLOCK", 0) | (0 if follow else getattr(os, "O_NOFOLLOW", 0))
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise Refused("is a folder, a pipe or a device. Open a file.")
    return file


class Archive:
    """The members of a zip file, whose declared sizes are known to be possible.

    `allowed` maps the names that may be there to the most bytes each may unpack to; without it any plain name may.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        allowed: Mapping[str, int] | None = None,
        most_bytes: int,
        most_members: int = 1000,
        ratio: int | None = RATIO,
    ) -> None:
        _check_frame(file, most_bytes, most_members)
        with _as_damage():
            self._zip = zipfile.ZipFile(file)
        self.sizes: dict[str, int] = {}
        for info in self._zip.infolist():
            if info.filename in self.sizes:
                raise Refused("holds two members of one name. Save it again with the program that made it.")
            if allowed is not None and info.filename not in allowed:
                raise Refused("holds members that kvae does not write. Open a file that kvae saved.")
            _check_member(info, ratio)
            most = most_bytes if allowed is None else allowed[info.filename]
            if info.file_size > most:
                raise Refused("holds a member that is too large for what it is. Open a file that kvae saved.")
            self.sizes[info.filename] = info.file_size
        _check_places(file, self._zip.infolist(), self._zip.start_dir)

    def read(self, name: str) -> bytes:
        """All bytes of a member, compared with its checksum.

        Raises:
            Refused: there is none, or it is not what the directory says.
        """
        with self.stream(name) as member:
            size = self.sizes[name]
            content = member.read(size)
            # reaching the end also compares the checksum
            if len(content) != size or member.read(1):
                raise Refused(DAMAGED)
            return content

    @contextlib.contextmanager
    def stream(self, name: str) -> Iterator[BinaryIO]:
        """A member to be read from front to back."""
        if name not in self.sizes:
            raise Refused("lacks a member that every such file has. Copy it again, or open another file.")
        with _as_damage():
            member = self._zip.open(name)
        try:
            with member:
                yield member  # type: ignore[misc]
        except (zipfile.BadZipFile, zlib.error, EOFError):
            raise Refused(DAMAGED) from None


def _check_frame(file: BinaryIO, most_bytes: int, most_members: int) -> None:
    """A zip file from its first byte to its last: nothing in front, nothing behind, and one directory,
    as large as it says."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size > min(most_bytes, MOST_BYTES):
        most = min(most_bytes, MOST_BYTES) + 2
        raise Refused(f"is larger than {most >> 30} GB, the most that kvae reads of this kind. Open a smaller one.")
    if file.read(4) != _START:
        raise Refused("is damaged or not of this kind. Copy it again, or open another file.")
    file.seek(max(0, size - 22 - 20))
    tail = file.read()
    if len(tail) < 22 or tail[-22:-18] != _END:
        raise Refused(DAMAGED)
    disk, first, here, members, length, start, comment = struct.unpack("<4H2LH", tail[-18:])
    if tail[:4] == _LOCATOR or 0xFFFF in (here, members) or 0xFFFFFFFF in (length, start):
        raise Refused(_LARGE)
    if disk or first or comment or here != members or start + length != size - 22:
        raise Refused(DAMAGED)
    if members > most_members or length > MOST_DIRECTORY:
        raise Refused("holds far more members than such a file has. Open a file that kvae saved.")
    file.seek(start)
    _check_directory(file.read(length), members)
    file.seek(0)


def _check_directory(directory: bytes, members: int) -> None:
    """As many entries as the end says, up to the last byte, all of this file and none for zip64."""
    place = 0
    for _ in range(members):
        head = directory[place : place + 46]
        if len(head) != 46 or head[:4] != _ENTRY:
            raise Refused(DAMAGED)
        packed, size, name, extra, comment, disk = struct.unpack("<2L4H", head[20:36])
        if comment or disk:
            raise Refused(DAMAGED)
        place += 46 + name + extra
        offset = struct.unpack("<L", head[42:])[0]
        if 0xFFFFFFFF in (packed, size, offset) or _ZIP64 in _fields(directory[place - extra : place]):
            raise Refused(_LARGE)
    if place != len(directory):
        raise Refused(DAMAGED)


def _fields(extra: bytes) -> dict[int, bytes]:
    """What follows a name in the directory or before a member, by number."""
    found: dict[int, bytes] = {}
    while extra:
        if len(extra) < 4:
            raise Refused(DAMAGED)
        number, length = struct.unpack("<2H", extra[:4])
        if number in found or len(extra) < 4 + length or number not in {_ZIP64, *_HARMLESS}:
            raise Refused("says more of its members than kvae reads. Save it again with the program that made it.")
        found[number], extra = extra[4 : 4 + length], extra[4 + length :]
    return found


def _check_member(info: zipfile.ZipInfo, ratio: int | None) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    name = info.filename
    if info.flag_bits & _ENCRYPTED:
        raise Refused("is encrypted, which kvae does not read. Unpack it and save it plainly.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & _PATCHED:
        raise Refused("is compressed in a way that kvae does not read. Save it again, stored or deflated.")
    if kind not in (0, stat.S_IFREG) or name != info.orig_filename or name.endswith("/"):
        raise Refused("holds links, folders or devices. Open a file that kvae saved.")
    if Path(name).is_absolute() or ".." in name.replace("\\", "/").split("/"):
        raise Refused("holds members that point outside of it. Open a file that kvae saved.")
    packed = info.compress_size
    if info.compress_type == zipfile.ZIP_STORED and packed != info.file_size:
        raise Refused(DAMAGED)
    if ratio is not None and info.file_size > ratio * packed + SLACK:
        raise Refused(f"unpacks to over {ratio} times its size. Save it again without compression.")


def _check_places(file: BinaryIO, members: Iterable[zipfile.ZipInfo], end: int) -> None:
    """One member after the other, from the first byte to `end`, where the directory begins."""
    place, later = 0, False
    for info in sorted(members, key=lambda info: info.header_offset):
        if not _follows(info.header_offset - place, later):
            raise Refused(DAMAGED)
        place = info.header_offset + _check_local(file, info) + info.compress_size
        later = bool(info.flag_bits & _LATER)
    if not _follows(end - place, later):
        raise Refused(DAMAGED)


def _follows(gap: int, later: bool) -> bool:
    # sizes and checksum that follow a member, with a signature or without
    return gap in (12, 16) if later else gap == 0


def _check_local(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Bytes of what stands before a member, which says the same as the directory: two programs see one file."""
    file.seek(info.header_offset)
    head = file.read(30)
    if len(head) != 30 or head[:4] != _START:
        raise Refused(DAMAGED)
    flags, method, crc, packed, size, name, extra = struct.unpack("<HH4xLLLHH", head[6:])
    if method != info.compress_type or flags != info.flag_bits or name > 1000:
        raise Refused(DAMAGED)
    fields = _fields(file.read(name + extra)[name:])
    said, known = (crc, packed, size), (info.CRC, info.compress_size, info.file_size)
    if _ZIP64 in fields:  # which NumPy writes before arrays of any size
        if not info.filename.endswith(".npy"):
            raise Refused(_LARGE)
        if fields[_ZIP64] != struct.pack("<2Q", info.file_size, info.compress_size):
            raise Refused(DAMAGED)
        said = (crc, *(its if one == 0xFFFFFFFF else one for one, its in zip(said[1:], known[1:], strict=True)))
    if said != known and not (flags & _LATER and said == (0, 0, 0)):
        raise Refused(DAMAGED)
    return 30 + name + extra


@contextlib.contextmanager
def _as_damage() -> Iterator[None]:
    try:
        yield
    except Refused:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, UnicodeError, RuntimeError, ValueError):
        raise Refused(DAMAGED) from None
    except NotImplementedError:
        raise Refused("is packed in a way that kvae does not read. Save it again, stored or deflated.") from None


def as_path(path: str | os.PathLike[str]) -> Path:
    """`path` where it can be one.

    Raises:
        Refused: it holds a zero byte, or is an address.
    """
    text = os.fspath(path)
    if "\0" in text or "://" in text:
        raise Refused("is no path of a file on this machine. Copy the file here and open that.")
    return Path(text)
