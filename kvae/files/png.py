"""A text in a PNG from strangers: found by the chunks before the picture, in bounds, and not one pixel is decoded."""

import os
import struct
import zlib
from typing import BinaryIO

from kvae.files.archive import open_regular
from kvae.files.refusal import Refused

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS = 1000  # before the picture; ours has five
CURE = "Save the picture anew in kvae, or as JPEG for its pixels alone."


def read_text(path: str | os.PathLike[str], keyword: str, *, most: int) -> bytes | None:
    """The text `keyword` of the PNG at `path`, as `text_in` finds it.

    Raises:
        Refused: as `text_in`; a folder, a pipe or a device.
        OSError: no such file, or it may not be read.
    """
    with open_regular(path, follow=True) as file:
        return text_in(file, os.fstat(file.fileno()).st_size, keyword, most=most)


def text_in(file: BinaryIO, size: int, keyword: str, *, most: int) -> bytes | None:
    """The uncompressed text (tEXt) `keyword`, which stands before the picture in a PNG of `size` bytes.

    None where there is none, also in what is no PNG: whether that is a picture is for its decoder to say.

    Raises:
        Refused: a text of that name that is longer than `most` bytes, damaged, cut off, or there twice.
    """
    name, found, place = keyword.encode("latin-1") + b"\0", None, len(SIGNATURE)
    if file.read(place) != SIGNATURE:
        return None
    for _ in range(MOST_CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or head[4:] in (b"IDAT", b"IEND"):
            return found
        length = int.from_bytes(head[:4], "big")
        if head[4:] == b"tEXt" and file.read(len(name)) == name:
            if found is not None:
                raise Refused(f"says twice where it was painted. {CURE}")
            found = _checked(file, place, length, size, len(name), most)
        place += 12 + length
        if place > size:
            return found
    return found


def _checked(file: BinaryIO, place: int, length: int, size: int, name: int, most: int) -> bytes:
    if length - name > most:
        raise Refused(f"says at too great a length where it was painted. {CURE}")
    if place + 12 + length > size:
        raise Refused(f"is cut off. {CURE}")
    file.seek(place + 4)
    content, end = file.read(4 + length), file.read(4)
    if len(content) != 4 + length or end != struct.pack(">I", zlib.crc32(content)):
        raise Refused(f"is damaged where it says how it was painted. {CURE}")
    return content[4 + name :]
