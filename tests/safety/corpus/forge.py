"""Zip and HDF5 files with exactly the faults that are asked for: every field of the container can be set to a lie."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

CONFIG, METADATA, WEIGHTS, CARD = "config.json", "metadata.json", "model.weights.h5", "assets/card.json"


@dataclass(frozen=True)
class Good:
    """A good model file and its members."""

    path: Path
    members: dict[str, bytes]

    def file(self, folder: Path, content: bytes) -> Path:
        """A model file of other bytes."""
        target = folder / "art.keras"
        target.write_bytes(content)
        return target

    def zipped(self, folder: Path, **changes: Any) -> Path:
        """The good file with members exchanged: `config`, `weights`, `card` or `metadata`; None leaves one out."""
        names = {"config": CONFIG, "metadata": METADATA, "weights": WEIGHTS, "card": CARD}
        members = {**self.members, **{names[key]: value for key, value in changes.items()}}
        return self.file(folder, archive([Member(name, data) for name, data in members.items() if data is not None]))

    def config(self, folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
        """The good file with its config changed in place, or exchanged for what `change` returns."""
        config = json.loads(self.members[CONFIG])
        changed = change(config)
        text = changed if isinstance(changed, bytes) else json.dumps(config if changed is None else changed).encode()
        return self.zipped(folder, config=text)

    def setting(self, folder: Path, name: str, text: str) -> Path:
        """The good file with one setting's value exchanged for this text."""

        def change(config: dict[str, Any]) -> bytes:
            config["config"][name] = "HERE"
            return json.dumps(config).replace('"HERE"', text).encode()

        return self.config(folder, change)

    def weights(self, folder: Path, change: Callable[[h5py.File], Any]) -> Path:
        """The good file with its weights changed."""
        return self.zipped(folder, weights=hdf5(self.members[WEIGHTS], change))


def read(path: Path) -> Good:
    """The good file at `path`."""
    with zipfile.ZipFile(path) as opened:
        return Good(path, {name: opened.read(name) for name in opened.namelist()})


def hdf5(content: bytes, change: Callable[[h5py.File], Any]) -> bytes:
    """An HDF5 file changed in memory."""
    memory = io.BytesIO(content)
    with h5py.File(memory, "r+" if content else "w") as file:
        change(file)
    return memory.getvalue()


@dataclass(frozen=True)
class Member:
    """A member with the fields of its headers; `declared` is its size as said, `data` what is there."""

    name: str
    data: bytes
    method: int = 0
    packed: bytes | None = None  # as stored, where it is not to follow from `data`
    declared: int | None = None
    crc: int | None = None
    flags: int = 0
    mode: int = 0o100600

    def stored(self) -> bytes:
        """The bytes in the file."""
        if self.packed is not None:
            return self.packed
        return deflated(self.data) if self.method == 8 else self.data

    def fields(self) -> bytes:
        """What the local header and the directory say alike."""
        crc = zlib.crc32(self.data) if self.crc is None else self.crc
        size = len(self.data) if self.declared is None else self.declared
        said = min(size, 0xFFFFFFFF)
        return struct.pack("<HHHHHLLL", 20, self.flags, self.method, 0, 33, crc, len(self.stored()), said)


def archive(members: list[Member]) -> bytes:
    """A zip file of these members."""
    body, directory = bytearray(), bytearray()
    for member in members:
        name, large = member.name.encode(), b""
        if (member.declared or 0) >= 0xFFFFFFFF:
            large = struct.pack("<HHQ", 1, 8, member.declared)
        at = len(body)
        body += b"PK\x03\x04" + member.fields() + struct.pack("<HH", len(name), 0) + name + member.stored()
        lengths = struct.pack("<HHHHHLL", len(name), len(large), 0, 0, 0, member.mode << 16, at)
        directory += b"PK\x01\x02" + struct.pack("<H", 0x314) + member.fields() + lengths + name + large
    count = min(len(members), 0xFFFF)
    end = struct.pack("<4H2LH", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory) + b"PK\x05\x06" + end


def deflated(data: bytes) -> bytes:
    """`data` as a zip file deflates it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def many(byte: bytes, times: int) -> bytes:
    """What `times` repetitions of `byte` deflate to, without compressing them all;
    `times` is a multiple of 16 million."""
    piece = 1 << 24
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(byte * piece) + packer.flush(zlib.Z_FULL_FLUSH)
    return first * (times // piece) + packer.flush()
