"""A VAE into its `.keras` file: looked at before it is moved into place, so that what is there opens again."""

import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras.src.saving.serialization_lib import SafeModeScope

from kvae.files.archive import Archive
from kvae.files.atomic import TEMPORARY_SUFFIX, move_into_place
from kvae.files.refusal import Refused
from kvae.saving.abstract_build import Kept, abstract_build, frozen, kept_by, laid_out, layers, stored, trained
from kvae.saving.card import CONFIG, WEIGHTS, Description, opened

SUFFIX = ".keras"
STALE = "save: not saved, since layers were frozen or freed after compile(). Call compile() again, then save."


def write(model: Any, path: str | os.PathLike[str], put: Callable[[Path], Any], *, compact: bool = False) -> None:
    """Have `put` write `model` to `path`, which ends in `.keras`: the complete new file, or the untouched old one.

    A `compact` file has weights of float16 and no optimizer.

    Raises:
        ValueError: another ending, or a model or card that `kvae.load` would refuse.
        OSError: the folder cannot be written to.
    """
    target = Path(path)
    if target.suffix != SUFFIX:
        raise ValueError(f"save: `path` must end in {SUFFIX}. Received: path={str(path)!r}.")
    _check_optimizer(model)
    with tempfile.TemporaryDirectory(TEMPORARY_SUFFIX, f".{target.name}.", target.parent) as folder:
        temporary = Path(folder, target.name)
        put(temporary)
        if compact:
            _make_compact(temporary)
        try:
            with opened(temporary, trust=True) as (description, archive):
                _check_opens(model, description, archive)
        except Refused as error:
            raise ValueError(f"save: not saved, since the file {error}") from None
        move_into_place(temporary, target)


def _make_compact(path: Path) -> None:
    """Rewrite the file at `path`: its weights in half their bytes, without the state of its optimizer."""
    parts = {}
    with zipfile.ZipFile(path) as archive:
        parts.update({name: archive.read(name) for name in archive.namelist()})
    config = json.loads(parts[CONFIG])
    config["compile_config"] = None
    parts[CONFIG] = json.dumps(config).encode()
    weights = path.with_name(WEIGHTS)
    weights.write_bytes(parts[WEIGHTS])
    small = path.with_name(f"small.{WEIGHTS}")
    with h5py.File(weights, "r") as old, h5py.File(small, "w") as new:
        _copy_halved(old, new)
    parts[WEIGHTS] = small.read_bytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def _copy_halved(old: h5py.Group, new: h5py.Group) -> None:
    for name, part in old.items():
        if isinstance(part, h5py.Group):
            if name != "optimizer":
                _copy_halved(part, new.create_group(name))
            continue
        values = part[()]
        if values.dtype == np.float32 and values.ndim:  # a weight that somebody set stays what it is
            largest = float(np.finfo(np.float16).max)
            values = np.clip(values, -largest, largest).astype(np.float16)
        new.create_dataset(name, data=values)
    for name, value in old.attrs.items():
        new.attrs[name] = value


def _check_optimizer(model: Any) -> None:
    """Raise ValueError where the optimizer keeps a state for other variables than those that training now moves."""
    if not model.compiled or model.optimizer is None:
        return
    tracked = [id(one) for one in model.optimizer._trainable_variables]
    if tracked != [id(one) for one in model.trainable_variables]:
        raise ValueError(STALE)


def _check_opens(model: Any, description: Description, archive: Archive) -> None:
    """Raise Refused where `kvae.load` would refuse the file that was just written of `model`, or give another model."""
    if description.custom:
        plan = _rebuilt(model, description.config)
        if plan is None:
            return
    else:
        plan, kept = laid_out(type(model), description)
        for _ in stored(kept, description, archive):
            pass
    if frozen(plan) != frozen(model) or trained(plan) != trained(model):
        raise Refused("would open with other weights frozen. Freeze whole layers, by layer.trainable = False.")


def _rebuilt(model: Any, config: dict[str, Any]) -> Any:
    """The model that Keras would make of `config`, without values in its variables.

    None where that needs functions or classes which only its owner can name, as custom_objects.
    """
    known = {
        type(part).__name__: type(part) for part in [*model.methods.custom.values(), *dict(layers(model)).values()]
    }

    def build() -> Any:
        # in a thread of its own, which knows of no scope
        with keras.saving.custom_object_scope(known), SafeModeScope(False):
            return type(model).from_config(config)

    try:
        plan, kept = abstract_build(build, None)
        if (compiled := model.get_compile_config()) is not None:
            kind = type(model.optimizer)
            keras.optimizers.deserialize(compiled["optimizer"], {kind.__name__: kind})
    except Exception as error:
        if "Could not locate" in str(error):
            return None
        reason = str(error).strip().split("\n")[0]
        raise Refused(f"could not be opened: {reason}") from None
    if _shapes(kept) != _shapes(kept_by(model)):
        raise Refused("would open as another model: its get_config does not tell of all its layers. Mend get_config.")
    return plan


def _shapes(kept: dict[str, Kept]) -> dict[str, Any]:
    return {path: (one.shape, one.dtype) for path, one in kept.items() if not path.startswith("optimizer/")}
