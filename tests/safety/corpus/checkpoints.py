"""Checkpoints of a run that lie about their arrays. Each case changes what is known, or an array,
and writes both whole."""

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kvae.files.arrays import MAGIC, read_arrays

State = tuple[dict[str, Any], list[np.ndarray]]
NAME = "checkpoint-000000004"


def written(folder: Path, about: bytes, arrays: list[np.ndarray], declared: Any = None, name: str = NAME) -> Path:
    """A run folder with one checkpoint, whose checksum is right whatever it says;
    `declared` replaces what it says of arrays."""
    run = folder / ".art.run"
    run.mkdir()
    said = [[one.dtype.name, list(one.shape)] for one in arrays] if declared is None else declared
    header = b'{"arrays":' + json.dumps(said).encode() + b',"about":' + about + b"}"
    content = MAGIC + struct.pack("<Q", len(header)) + header + b"".join(one.tobytes() for one in arrays)
    (run / name).write_bytes(content + hashlib.sha256(content).digest())
    return run


def read(path: Path) -> State:
    """What a good checkpoint holds."""
    return read_arrays(path)


def _steps(arrays: list[np.ndarray]) -> int:
    """Where the optimizer's count is."""
    return next(number for number, one in enumerate(arrays) if one.dtype == np.int64 and one.ndim == 0)


def _with(change: Callable[[dict[str, Any], list[np.ndarray]], Any]) -> Callable[[State, Path], Path]:
    def make(good: State, folder: Path) -> Path:
        about, arrays = json.loads(json.dumps(good[0])), list(good[1])
        change(about, arrays)
        return written(folder, json.dumps(about).encode(), arrays)

    return make


def _array(value: Callable[[np.ndarray], np.ndarray], find: Callable[[list[np.ndarray]], int]) -> Any:
    def change(about: dict[str, Any], arrays: list[np.ndarray]) -> None:
        place = find(arrays)
        arrays[place] = value(arrays[place])

    return _with(change)


def _kernel(arrays: list[np.ndarray]) -> int:
    return next(number for number, one in enumerate(arrays) if one.ndim == 4)


def _weight(arrays: list[np.ndarray]) -> int:
    return next(
        number
        for number, one in enumerate(arrays)
        if one.ndim == 0 and one.dtype == np.float32 and one == np.float32(0.1)
    )


def _header(text: Callable[[dict[str, Any]], bytes]) -> Callable[[State, Path], Path]:
    return lambda good, folder: written(folder, text(good[0]), good[1])


def _model(**settings: Any) -> Callable[[State, Path], Path]:
    return _with(lambda about, arrays: about["model"].update(settings))


def _named(name: str) -> Callable[[State, Path], Path]:
    return lambda good, folder: written(folder, json.dumps(good[0]).encode(), good[1], name=name)


CASES: dict[str, Callable[[State, Path], Path]] = {
    "as it was": _with(lambda about, arrays: None),
    "a count of 2^62": _array(lambda one: np.full_like(one, 2**62), _steps),
    "a count below zero": _array(lambda one: np.full_like(one, -1), _steps),
    "a count above its step": _array(lambda one: np.full_like(one, 5), _steps),
    "a count as float32": _array(lambda one: one.astype("float32"), _steps),
    "a count as a list": _array(lambda one: one.reshape(1), _steps),
    "NaN weights": _array(lambda one: np.full_like(one, np.nan), _kernel),
    "infinite weights": _array(lambda one: np.full_like(one, -np.inf), _kernel),
    "weights of float64": _array(lambda one: one.astype("float64"), _kernel),
    "weights of another shape": _array(lambda one: one.reshape(-1), _kernel),
    "a negative KL weight": _array(lambda one: np.full_like(one, -1.0), _weight),
    "one array less": _with(lambda about, arrays: arrays.pop()),
    "one array more": _with(lambda about, arrays: arrays.append(np.zeros(3, "float32"))),
    "no arrays": _with(lambda about, arrays: arrays.clear()),
    "100 MB more than its model": _with(lambda about, arrays: arrays.append(np.zeros(100 << 20, "uint8"))),
    "arrays in another order": _with(lambda about, arrays: arrays.reverse()),
    "a model of other widths": _model(widths=[16]),
    "a model of 14 GB": _model(latent_dim=4096, widths=[2048, 2048]),
    "a model of no latents": _model(latent_dim=-1),
    "a model with a module": _model(module="os"),
    "a model with a Lambda": _model(encoder={"class_name": "Lambda", "config": {}}),
    "a KL weight of NaN in words": _model(kl_weight="nan"),
    "a newer format": _with(lambda about, arrays: about.update(format=9)),
    "networks of its owner": _with(lambda about, arrays: about.update(model=None)),
    "a header of 60 MB": _header(lambda about: b'{"format": 1, "a": "' + b"x" * (60 << 20) + b'"}'),
    "a header of many tables": _header(lambda about: b'{"format": 1, "a": [' + b"{}," * 20_000_000 + b"1]}"),
    "a header of 11 MB": _header(lambda about: b'{"format": 1, "a": "' + b"x" * (11 << 20) + b'"}'),
    "a header of tables": _header(lambda about: b'{"format": 1, "a": [' + b'{"a":1},' * 190_000 + b"1]}"),
    "a header of numbers": _header(lambda about: b'{"format": 1, "a": [' + b"1.25," * 700_000 + b"1]}"),
    "sides of 2^62": lambda good, folder: written(folder, b"{}", [], [["float32", [2**62, 2**62]]]),
    "a million arrays of nothing": lambda good, folder: written(folder, b"{}", [], [["float32", [0]]] * 1_000_000),
    "a step of 250 digits": _named("checkpoint-" + "9" * 240),
    "a step of 2^31": _named(f"checkpoint-{2**31:010d}"),
    "step 0": _named("checkpoint-000000000"),
}  # fmt: skip
LOADS = {"as it was"}
