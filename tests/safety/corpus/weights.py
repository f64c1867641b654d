"""Model files whose weights are at fault."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from corpus.forge import WEIGHTS, Good, hdf5

KERNEL = "encoder/layers/conv2d/vars/0"  # (4, 4, 3, 8)
STEPS = "optimizer/vars/0"
BETA = "vars/0"


def _instead(path: str, value: Any, **options: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[path]
        file.create_dataset(path, data=value, **options)

    return change


def _filled(path: str, value: float) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[path][...] = value

    return change


def _bomb(shape: tuple[int, ...], **options: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, shape, np.float32, **options)

    return change


def _linked(link: Any) -> Callable[[Good, Path], Path]:
    """The kernel, or a group, exchanged for a link to a file that has what is wanted."""

    def make(good: Good, folder: Path) -> Path:
        (folder / "other.h5").write_bytes(good.members[WEIGHTS])

        def change(file: h5py.File) -> None:
            name = "encoder" if link == "group" else KERNEL
            if link == "soft":
                file["other"] = file[KERNEL][()]
            del file[name]
            target = str(folder / "other.h5")
            file[name] = h5py.SoftLink("/other") if link == "soft" else h5py.ExternalLink(target, f"/{name}")

        return good.weights(folder, change)

    return make


def _elsewhere(kind: str) -> Callable[[Good, Path], Path]:
    def make(good: Good, folder: Path) -> Path:
        (folder / "other.raw").write_bytes(os.urandom(1536))
        (folder / "other.h5").write_bytes(good.members[WEIGHTS])

        def change(file: h5py.File) -> None:
            del file[KERNEL]
            if kind == "raw":
                file.create_dataset(KERNEL, (4, 4, 3, 8), np.float32, external=[(folder / "other.raw", 0, 1536)])
                return
            layout = h5py.VirtualLayout((4, 4, 3, 8), np.float32)
            layout[:] = h5py.VirtualSource(folder / "other.h5", KERNEL, (4, 4, 3, 8))
            file.create_virtual_dataset(KERNEL, layout)

        return good.weights(folder, change)

    return make


def _unknown_filter(file: h5py.File) -> None:
    del file[KERNEL]
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((4, 4, 3, 8))
    plan.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((4, 4, 3, 8))
    h5py.h5d.create(file.id, KERNEL.encode(), h5py.h5t.IEEE_F32LE, space, plan)


def _cycle(file: h5py.File) -> None:
    file["encoder/again"] = file["encoder"]


def _twice(file: h5py.File) -> None:
    del file["encoder/layers/conv2d/vars/1"]
    file["encoder/layers/conv2d/vars/1"] = file["decoder/layers/conv2d_transpose/vars/1"]


def _deep(file: h5py.File) -> None:
    file.create_group("/".join(["a"] * 500))


def _wide(file: h5py.File) -> None:
    for number in range(5000):
        file.create_group(f"more/{number}")


def _attribute(file: h5py.File) -> None:
    file.attrs["evil"] = np.zeros(1000, np.uint8)


def _latest(good: Good, folder: Path) -> Path:
    """The same weights in the newest layout of HDF5."""
    import io

    memory = io.BytesIO()
    with h5py.File(io.BytesIO(good.members[WEIGHTS])) as old, h5py.File(memory, "w", libver="latest") as new:
        for name in old:
            old.copy(name, new)
    return good.zipped(folder, weights=memory.getvalue())


def _half(file: h5py.File) -> None:
    """All real numbers as float16."""
    for path in _arrays(file):
        values = file[path][()]
        if values.dtype.kind == "f":
            del file[path]
            file[path] = values.astype(np.float16)


def _arrays(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(lambda path, one: found.append(path) if isinstance(one, h5py.Dataset) else None)
    return found


def _doubled(good: Good, folder: Path) -> Path:
    """Two arrays of one name in one group: the second's name is written over by the first's."""

    def change(file: h5py.File) -> None:
        file["vars/firstname"] = np.float32(1)
        file["vars/other_name"] = np.float32(1)

    content = hdf5(good.members[WEIGHTS], change)
    assert content.count(b"other_name") == 1
    return good.zipped(folder, weights=content.replace(b"other_name\0", b"firstname\0\0"))


CHANGES: dict[str, Callable[[h5py.File], None]] = {
    "a wrong shape": _instead(KERNEL, np.zeros((4, 4, 8, 3), np.float32)),
    "a flat shape": _instead(KERNEL, np.zeros(384, np.float32)),
    "a scalar": _instead(KERNEL, np.float32(1)),
    "one missing": lambda file: file.__delitem__(KERNEL),
    "a group missing": lambda file: file.__delitem__("encoder"),
    "the optimizer missing": lambda file: file.__delitem__("optimizer"),
    "one more": lambda file: file.create_dataset("vars/1", data=np.float32(1)),
    "NaN": _filled(KERNEL, np.nan),
    "infinite": _filled(KERNEL, -np.inf),
    "NaN in the optimizer": _filled("optimizer/vars/3", np.nan),
    "steps below zero": _filled(STEPS, -5),
    "endless steps": _filled(STEPS, 2**63 - 1),
    "a negative KL weight": _filled(BETA, -1.0),
    "float64 that overflows": _instead(KERNEL, np.full((4, 4, 3, 8), 1e300)),
    "float32 of the other order": _instead(KERNEL, np.zeros((4, 4, 3, 8), ">f4")),
    "int8": _instead(KERNEL, np.zeros((4, 4, 3, 8), np.int8)),
    "counts for weights": _instead(KERNEL, np.zeros((4, 4, 3, 8), np.int64)),
    "weights for counts": _instead(STEPS, np.float32(2)),
    "strings": _instead(KERNEL, np.full((4, 4, 3, 8), b"x", dtype="S1")),
    "strings of any length": _instead(KERNEL, "x" * 384),
    "compound": _instead(KERNEL, np.zeros((4, 4, 3, 8), [("a", "f4")])),
    "no data": _instead(KERNEL, h5py.Empty("f4")),
    "compressed": _instead(KERNEL, np.zeros((4, 4, 3, 8), np.float32), compression="gzip"),
    "a group cycle": _cycle,
    "linked twice": _twice,
    "500 levels": _deep,
    "5,000 groups": _wide,
    "a 64 GB shape": _bomb((2**34,), chunks=(2**20,), compression="gzip"),
    "a 2 GB shape": _bomb((2**29,)),
    "an endless shape": _bomb((2**62,), chunks=(1,)),
    "an unwritten kernel": _bomb((4, 4, 3, 8)),
    "an unknown filter": _unknown_filter,
    "an attribute": _attribute,
    "float16": _instead(KERNEL, np.zeros((4, 4, 3, 8), np.float16)),
    "all float16": _half,
    "steps of years": _filled(STEPS, 2**31),
}
CASES = {
    **{name: lambda good, folder, change=change: good.weights(folder, change) for name, change in CHANGES.items()},
    "random bytes": lambda good, folder: good.zipped(
        folder, weights=np.random.default_rng(1).bytes(len(good.members[WEIGHTS]))
    ),
    "zeros": lambda good, folder: good.zipped(folder, weights=bytes(len(good.members[WEIGHTS]))),
    "a signature alone": lambda good, folder: good.zipped(
        folder, weights=good.members[WEIGHTS][:8].ljust(len(good.members[WEIGHTS]), b"\xff")
    ),
    "half of them": lambda good, folder: good.zipped(
        folder, weights=good.members[WEIGHTS][: len(good.members[WEIGHTS]) // 2]
    ),
    "a pickle": lambda good, folder: good.zipped(folder, weights=pickle.dumps({"a": [1] * 5000})),
    "a pickle as the file": lambda good, folder: good.file(folder, pickle.dumps({"a": [1] * 5000})),
    "nothing": lambda good, folder: good.zipped(folder, weights=hdf5(b"", lambda file: None)),
    "an external link": _linked("external"),
    "a soft link": _linked("soft"),
    "an external group": _linked("group"),
    "external storage": _elsewhere("raw"),
    "a virtual dataset": _elsewhere("virtual"),
    "the newest layout": _latest,
    "two of one name": _doubled,
}
LOADS = {"an attribute", "float16", "all float16", "the newest layout"}
