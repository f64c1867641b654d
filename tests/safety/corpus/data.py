"""Files of pictures, and of a run's weights, that are at fault in the same ways."""

import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from corpus.forge import Member, archive, hdf5, many

GB = 1 << 30
PICTURES = np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3), np.uint8)


def _npy(value: Any, **options: Any) -> bytes:
    memory = io.BytesIO()
    np.save(memory, value, **options)
    return memory.getvalue()


def _said(shape: str, data: bytes = PICTURES.tobytes(), kind: str = "|u1", extra: str = "") -> bytes:
    """An .npy file whose header says this."""
    header = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}{extra}}}".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def _npz(*members: Member) -> bytes:
    return archive(
        [Member(f"{one.name}.npy", one.data, one.method, one.packed, one.declared, one.crc) for one in members]
    )


def _h5(change: Callable[[h5py.File], Any]) -> bytes:
    return hdf5(b"", change)


def _other(folder: Path) -> str:
    with h5py.File(folder / "other.h5", "w") as file:
        file["images"] = PICTURES
    return str(folder / "other.h5")


def _link(folder: Path) -> bytes:
    link = h5py.ExternalLink(_other(folder), "/images")
    return _h5(lambda file: file.__setitem__("images", link))


def _virtual(folder: Path) -> bytes:
    layout = h5py.VirtualLayout(PICTURES.shape, np.uint8)
    layout[:] = h5py.VirtualSource(_other(folder), "images", PICTURES.shape)
    return _h5(lambda file: file.create_virtual_dataset("images", layout))


def _external(folder: Path) -> bytes:
    (folder / "other.raw").write_bytes(PICTURES.tobytes())
    place = [(folder / "other.raw", 0, PICTURES.nbytes)]
    return _h5(lambda file: file.create_dataset("images", PICTURES.shape, np.uint8, external=place))


def _unknown_filter(file: h5py.File) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk(PICTURES.shape)
    plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
    h5py.h5d.create(file.id, b"images", h5py.h5t.STD_U8LE, h5py.h5s.create_simple(PICTURES.shape), plan)


def _set(value: Any, **options: Any) -> bytes:
    return _h5(lambda file: file.create_dataset("images", data=value, **options))


def _declared(shape: tuple[int, ...], **options: Any) -> bytes:
    return _h5(lambda file: file.create_dataset("images", shape, np.uint8, **options))


HUGE = 10 * GB
IMAGES: dict[str, bytes | Callable[[Path], bytes]] = {
    "good.npy": _npy(PICTURES),
    "good.npz": _npz(Member("images", _npy(PICTURES)), Member("labels", b"not looked at")),
    "deflated.npz": _npz(Member("images", _npy(PICTURES), method=8)),
    "good.h5": _set(PICTURES, compression="gzip", shuffle=True),
    "empty.npy": b"",
    "empty.npz": b"",
    "empty.h5": b"",
    "pickle.npy": _npy(np.full((2, 16, 16), None), allow_pickle=True),
    "plain pickle.npy": pickle.dumps(PICTURES),
    "pickle.npz": _npz(Member("images", _npy(np.full((2, 16, 16), None), allow_pickle=True))),
    "64 GB shape.npy": _said("(1048576, 256, 256, 1)"),
    "negative sides.npy": _said("(-7, 16, -16, 3)"),
    "endless sides.npy": _said(f"({'9' * 4000}, 16, 16)"),
    "true sides.npy": _said("(True, 16, 16)", bytes(256)),
    "a long header.npy": b"\x93NUMPY\x02\x00" + (1 << 28).to_bytes(4, "little") + b"(" * 5_000_000,
    "half a header.npy": _said("(7,", b"", "|u1").replace(b"}", b"("),
    "nested header.npy": _said("(" * 9000 + ")" * 9000),
    "nothing wide.npy": _said("(7, 16, 16)", b"", "|V0"),
    "structured.npy": _npy(np.zeros((2, 16, 16), [("a", "u1")])),
    "of strings.npy": _npy(np.full((2, 16, 16), "x")),
    "64 GB shape.npz": _npz(Member("images", _said("(1048576, 256, 256, 1)"))),
    "10 GB of zeros.npz": _npz(Member("images", b"", 8, many(b"\0", HUGE), HUGE, 1)),
    "lying size.npz": _npz(Member("images", _npy(PICTURES), method=8, declared=PICTURES.nbytes + 64)),
    "wrong checksum.npz": _npz(Member("images", _npy(PICTURES), crc=1)),
    "60,000 members.npz": _npz(*(Member(f"{number}", b"") for number in range(60_000))),
    "twice.npz": _npz(Member("images", _npy(PICTURES)), Member("images", _npy(PICTURES))),
    "encrypted.npz": archive([Member("images.npy", b"x" * 40, flags=1)]),
    "a script in front.npz": b"#!/bin/sh\n" + _npz(Member("images", _npy(PICTURES))),
    "lzma.npz": archive([Member("images.npy", b"x", method=14, packed=b"x" * 30)]),
    "external link.h5": _link,
    "soft link.h5": _h5(
        lambda file: (file.__setitem__("a/b", PICTURES), file.__setitem__("images", h5py.SoftLink("/a/b")))
    ),
    "virtual dataset.h5": _virtual,
    "external storage.h5": _external,
    "unknown filter.h5": _h5(_unknown_filter),
    "group cycle.h5": _h5(lambda file: file.__setitem__("images", file["/"])),
    "64 GB shape.h5": _declared((2**24, 64, 64), chunks=(1, 64, 64), compression="gzip"),
    "2 GB shape.h5": _declared((2**19, 64, 64)),
    "huge chunk.h5": _declared((2**10, 1024, 1024), chunks=(2**10, 1024, 1024), compression="gzip"),
    "huge pictures.h5": _declared((2, 2**20, 2**20), chunks=(1, 1024, 1024)),
    "20,000 names.h5": _h5(lambda file: [file.create_group(str(number)) for number in range(20_000)]),
    "of strings.h5": _set(np.full((2, 16, 16), b"x", "S1")),
    "of references.h5": _h5(lambda file: file.create_dataset("images", (2, 16, 16), h5py.ref_dtype)),
    "of any length.h5": _set(["x" * 100] * 7),
    "no data.h5": _set(h5py.Empty("u1")),
    "random.h5": b"\x89HDF\r\n\x1a\n" + np.random.default_rng(0).bytes(5000),
}  # fmt: skip
IMAGES_LOAD = {"good.npy", "good.npz", "deflated.npz", "good.h5"}

CARD = _npy(np.array("{}"))
RUNS: dict[str, tuple[str, bytes]] = {
    "good weights": ("weights", CARD + _npy(np.zeros((3, 3), "f4"))),
    "weights of a pickle": ("weights", CARD + _npy(np.full(3, None), allow_pickle=True)),
    "weights of a 64 GB shape": ("weights", CARD + _said("(17179869184,)", bytes(64), "<f4")),
    "weights of negative sides": ("weights", CARD + _said("(-2, -8)", bytes(64), "<f4")),
    "weights of nothing wide": ("weights", CARD + _said("(7,)", b"", "|V0")),
    "cut weights": ("weights", (CARD + _npy(np.zeros(300)))[:700]),
    "weights and more": ("weights", CARD + b"more"),
    "text for weights": ("weights", b"text"),
    "2 MB of weights": ("weights", CARD + _npy(np.zeros(1 << 18))),
}
RUNS_LOAD = {"good weights"}


def special(folder: Path, ending: str, kind: str) -> Path:
    """A folder, pipe or device in the place of a file."""
    path = folder / f"pictures{ending}"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    return path
