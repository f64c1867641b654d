"""Model files whose container is at fault. Each case makes its file in a folder of its own."""

import io
import json
import lzma
import os
import struct
import zipfile
from pathlib import Path

from corpus.forge import CARD, CONFIG, METADATA, WEIGHTS, Good, Member, archive, many

GB = 1 << 30


def _with(good: Good, folder: Path, *more: Member, instead: str = "") -> Path:
    kept = [Member(name, data) for name, data in good.members.items() if name != instead]
    return good.file(folder, archive([*kept, *more]))


def _flipped(good: Good, folder: Path) -> Path:
    content = bytearray(good.path.read_bytes())
    content[len(content) // 2] ^= 1
    return good.file(folder, bytes(content))


def _sparse(good: Good, folder: Path) -> Path:
    """10 GB of zeros that take no room on the disk, as stored weights."""
    whole = archive([Member(WEIGHTS, b""), *(Member(n, d) for n, d in good.members.items() if n != WEIGHTS)])
    at = 30 + len(WEIGHTS)
    path = folder / "art.keras"
    with open(path, "wb") as file:
        file.write(whole[:at])
        file.seek(at + 10 * GB)
        file.write(whole[at:])
    return path


def _at_start_of(good: Good, folder: Path, field: int, size: int) -> Path:
    """The size in the first member's local header exchanged, the directory as it was."""
    content = bytearray(good.path.read_bytes())
    content[field : field + 4] = struct.pack("<L", size)
    return good.file(folder, bytes(content))


def _in_directory(good: Good, folder: Path, size: int) -> Path:
    content = bytearray(good.path.read_bytes())
    at = content.rindex(b"PK\x01\x02", 0, content.rindex(WEIGHTS.encode()))
    content[at + 24 : at + 28] = struct.pack("<L", size)
    return good.file(folder, bytes(content))


def _lying(good: Good, folder: Path, less: int) -> Path:
    data = good.members[WEIGHTS]
    return _with(good, folder, Member(WEIGHTS, data, method=8, declared=len(data) - less), instead=WEIGHTS)


def _special(good: Good, folder: Path, kind: str) -> Path:
    path = folder / "art.keras"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(good.path)
    elif kind == "loop":
        path.symlink_to(path)
    return Path("/dev/zero") if kind == "device" else path


def _named(good: Good, folder: Path) -> Path:
    path = folder / ("a\nb\x1b[31m" * 20 + ".keras")
    path.write_bytes(b"text")
    return path


def _deflated(good: Good, folder: Path) -> Path:
    path = folder / "art.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in good.members.items():
            target.writestr(name, data)
    return path


def _assets(good: Good, folder: Path) -> Path:
    names = [Member(f"assets/{number}.bin", b"x" * 100_000) for number in range(200)]
    return _with(good, folder, *names)


def _ended(content: bytes, before: bytes = b"", **fields: int) -> bytes:
    """A zip file with `before` between its directory and its end record, and fields of that record exchanged."""
    names = ("disk", "first", "here", "members", "length", "start", "comment")
    said = dict(zip(names, struct.unpack("<4H2LH", content[-18:]), strict=True)) | fields
    return content[:-22] + before + b"PK\x05\x06" + struct.pack("<4H2LH", *said.values())


def _two_directories(good: Good, folder: Path, count: int, modest: bool) -> Path:
    """Before the end record, which tells of the good members or of the record itself,
    a zip64 record of `count` others."""
    content = good.path.read_bytes()
    entry = b"PK\x01\x02" + bytes(24) + b"\1" + bytes(17) + b"a"
    body, end = content[:-22], content[-22:]
    place = len(body) + len(entry) * count
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(entry) * count, len(body))
    record += struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
    start, length = (place, len(record)) if modest else struct.unpack("<LL", end[12:20])[::-1]
    return good.file(folder, _ended(body + entry * count + record + end, start=start, length=length))


def _extra(good: Good, folder: Path, extra: bytes, *, local: bool) -> Path:
    """The good file with this field after the name of one member, in the directory or before the member."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as target:
        for name, data in good.members.items():
            info = zipfile.ZipInfo(name)
            info.extra = extra if name == CARD else b""
            target.writestr(info, data)
    return good.file(folder, memory.getvalue() if local else _without_local(memory.getvalue(), extra))


def _without_local(content: bytes, extra: bytes) -> bytes:
    at = content.index(CARD.encode()) + len(CARD)
    changed = bytearray(content[:at] + content[at + len(extra) :])
    changed[at - len(CARD) - 2 : at - len(CARD)] = bytes(2)
    start, moved = len(content) - 22 - struct.unpack("<L", content[-10:-6])[0] - len(extra), bytes(changed)
    return _moved(_ended(moved, start=start), start, at, -len(extra))


def _moved(content: bytes, directory: int, behind: int, by: int) -> bytes:
    """The places of members behind a byte, in a directory that begins at `directory`, moved."""
    changed, at = bytearray(content), directory
    while changed[at : at + 4] == b"PK\x01\x02":
        (place,) = struct.unpack_from("<L", changed, at + 42)
        struct.pack_into("<L", changed, at + 42, place + by * (place > behind))
        at += 46 + sum(struct.unpack_from("<3H", changed, at + 28))
    return bytes(changed)


def _gap(good: Good, folder: Path) -> Path:
    """Bytes between the last member and the directory, which no entry tells of."""
    content = good.path.read_bytes()
    (start,) = struct.unpack("<L", content[-6:-2])
    return good.file(folder, _ended(content[:start] + b"more" + content[start:], start=start + 4))


def _overlapping(good: Good, folder: Path) -> Path:
    """Two names for one member, which then has no name of its own before it."""
    whole = bytearray(archive([*(Member(name, data) for name, data in good.members.items() if name != METADATA)]))
    (start,) = struct.unpack("<L", whole[-6:-2])
    at = whole.index(b"PK\x01\x02", start + 1)
    whole[at + 42 : at + 46] = whole[start + 42 : start + 46]
    return good.file(folder, bytes(whole))


_SIZES = struct.pack("<HHQQ", 1, 16, 5, 5)
CASES = {
    "two directories": lambda good, folder: _two_directories(good, folder, 4, True),
    "two directories, one of 200,000 members": lambda good, folder: _two_directories(good, folder, 200_000, True),
    "two directories, one of 2 million members": lambda good, folder: _two_directories(good, folder, 2_000_000, True),
    "a zip64 record behind the directory": lambda good, folder: _two_directories(good, folder, 0, False),
    "a zip64 field in the directory": lambda good, folder: _extra(good, folder, _SIZES, local=False),
    "a zip64 field before a member": lambda good, folder: _extra(good, folder, _SIZES, local=True),
    "another name in a field": lambda good, folder: _extra(
        good, folder, struct.pack("<HHBL", 0x7075, 8, 1, 0) + b"a/b", local=True
    ),
    "two disks": lambda good, folder: good.file(folder, _ended(good.path.read_bytes(), disk=1)),
    "a directory on another disk": lambda good, folder: good.file(folder, _ended(good.path.read_bytes(), first=1)),
    "a count of one less": lambda good, folder: good.file(folder, _ended(good.path.read_bytes(), here=3, members=3)),
    "a count of one more": lambda good, folder: good.file(folder, _ended(good.path.read_bytes(), here=5, members=5)),
    "two counts": lambda good, folder: good.file(folder, _ended(good.path.read_bytes(), here=3)),
    "a count of 65,535": lambda good, folder: good.file(
        folder, _ended(good.path.read_bytes(), here=65535, members=65535)
    ),
    "a directory that begins in another place": lambda good, folder: good.file(
        folder, _ended(good.path.read_bytes(), start=30)
    ),
    "bytes that no entry tells of": _gap,
    "two entries for one place": _overlapping,
    "zero bytes": lambda good, folder: good.file(folder, b""),
    "text": lambda good, folder: good.file(folder, b"a letter to my aunt\n" * 100),
    "only a directory's end": lambda good, folder: good.file(folder, archive([])),
    "one bit flipped": _flipped,
    "a shell script in front": lambda good, folder: good.file(
        folder, b"#!/bin/sh\necho hello\nexit\n" + good.path.read_bytes()
    ),
    "trailing data": lambda good, folder: good.file(folder, good.path.read_bytes() + b"more"),
    "a comment": lambda good, folder: good.file(folder, good.path.read_bytes()[:-2] + b"\x04\x00more"),
    "a name above": lambda good, folder: _with(good, folder, Member("../evil", b"x")),
    "an absolute name": lambda good, folder: _with(good, folder, Member("/tmp/evil", b"x")),
    "a name with a zero byte": lambda good, folder: _with(
        good, folder, Member("config.json\0.txt", b"x"), instead=CONFIG
    ),
    "a backslash name": lambda good, folder: _with(good, folder, Member("..\\evil", b"x")),
    "a symlink member": lambda good, folder: _with(
        good, folder, Member(CARD, b"/etc/passwd", mode=0o120777), instead=CARD
    ),
    "a device member": lambda good, folder: _with(good, folder, Member(CARD, b"", mode=0o020666), instead=CARD),
    "a folder member": lambda good, folder: _with(good, folder, Member("assets/", b"", mode=0o040755)),
    "a duplicate config": lambda good, folder: _with(good, folder, Member(CONFIG, b"{}")),
    "an encrypted member": lambda good, folder: _with(good, folder, Member(CARD, b"x" * 40, flags=1), instead=CARD),
    "lzma": lambda good, folder: _with(
        good, folder, Member(CARD, b"{}", method=14, packed=lzma.compress(b"{}")), instead=CARD
    ),
    "60,000 members": lambda good, folder: _with(good, folder, *(Member(f"{n}", b"") for n in range(60_000))),
    "10 GB of zeros": lambda good, folder: _with(
        good, folder, Member(WEIGHTS, b"", 8, many(b"\0", 10 * GB), 10 * GB, 1), instead=WEIGHTS
    ),
    "2 GB of zeros": lambda good, folder: _with(
        good, folder, Member(WEIGHTS, b"", 8, many(b"\0", 2 * GB), 2 * GB, 1), instead=WEIGHTS
    ),
    "10 GB of stored zeros": _sparse,
    "1 GB config": lambda good, folder: _with(
        good, folder, Member(CONFIG, b"", 8, many(b" ", GB), GB, 1), instead=CONFIG
    ),
    "1 GB metadata": lambda good, folder: _with(
        good, folder, Member(METADATA, b"", 8, many(b"[", GB), GB, 1), instead=METADATA
    ),
    "a config that is longer than said": lambda good, folder: _with(
        good, folder, Member(CONFIG, b"", 8, many(b" ", GB), 100, 1), instead=CONFIG
    ),
    "many large assets": _assets,
    "a folder": lambda good, folder: _special(good, folder, "folder"),
    "a pipe": lambda good, folder: _special(good, folder, "pipe"),
    "a device": lambda good, folder: _special(good, folder, "device"),
    "a link": lambda good, folder: _special(good, folder, "link"),
    "a link to itself": lambda good, folder: _special(good, folder, "loop"),
    "a local size of 4 GB": lambda good, folder: _at_start_of(good, folder, 22, 0xFFFFFFFE),
    "a directory size of 4 GB": lambda good, folder: _in_directory(good, folder, 0xFFFFFFFE),
    "a directory size of 1": lambda good, folder: _in_directory(good, folder, 1),
    "weights longer than said": lambda good, folder: _lying(good, folder, 64),
    "weights shorter than said": lambda good, folder: _lying(good, folder, -64),
    "no weights": lambda good, folder: good.zipped(folder, weights=None),
    "no config": lambda good, folder: good.zipped(folder, config=None),
    "an older HDF5 model": lambda good, folder: good.file(folder, good.members[WEIGHTS]),
    "weights as npz": lambda good, folder: _with(
        good, folder, Member("model.weights.npz", b"PK\x03\x04"), instead=WEIGHTS
    ),
    "an address": lambda good, folder: "https://127.0.0.1/art.keras",
    "a hub address": lambda good, folder: "hf://someone/art.keras",
    "a name with line breaks": _named,
    "card is a list": lambda good, folder: good.zipped(folder, card=b"[]"),
    "card holds NaN": lambda good, folder: good.zipped(folder, card=b'{"a": NaN}'),
    "card nests": lambda good, folder: good.zipped(folder, card=b'{"a":' + b"[" * 900_000 + b"]" * 900_000 + b"}"),
    "card of 17 MB": lambda good, folder: good.zipped(folder, card=b'{"a":"' + b"x" * (17 << 20) + b'"}'),
    "card of millions": lambda good, folder: good.zipped(folder, card=b'{"a":[' + b"1," * 5_000_000 + b"1]}"),
    "no card": lambda good, folder: good.zipped(folder, card=None),
    "recompressed": _deflated,
    "a picture in the card that unpacks": lambda good, folder: good.zipped(
        folder, card=json.dumps({"latents": [[0.0, 0.0, 0.0]], "thumbnails": "iVBORw0KGgo" + "A" * 10_000}).encode()
    ),
} | {
    f"cut at {tenth} tenths": lambda good, folder, tenth=tenth: good.file(
        folder, good.path.read_bytes()[: max(30, good.path.stat().st_size * tenth // 10)]
    )
    for tenth in range(10)
}  # fmt: skip
LOADS = {"recompressed", "no card", "a picture in the card that unpacks"}
