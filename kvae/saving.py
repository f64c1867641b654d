"""A VAE to and from a `.keras` file.

Keras's own loader builds whatever a file asks for, so a file is never given to it: the settings are read and held to
their bounds, the model they describe is laid out without memory, the file's weights are compared with it, and only then
is the model made and given them.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kvae.blueprint import MOST_STEPS, NEEDS_TRUST, WEIGHTS, Blueprint, Optimizer, opened
from kvae.files.archive import Archive
from kvae.files.atomic import TEMPORARY_SUFFIX, move_into_place
from kvae.files.hdf5 import Tensors
from kvae.files.refusal import Refused, sentence, shown
from kvae.layout import Kept, planned, variables
from kvae.model import TRUSTED, VAE
from kvae.networks import DEFAULT_DEPTH, fewest_weights
from kvae.networks.blocks import fitting_widths
from kvae.settings import SETTINGS

SUFFIX = ".keras"
MOST_VALUES = 1 << 27  # numbers in all layers for one picture: half a gigabyte
AROUND, AROUND_EACH = 64 << 10, 8 << 10  # bytes of a weights file beside its weights, and for each of its arrays
UNEQUAL = "does not hold the weights that its settings ask for. Copy it again, or open another file."


class BadModelFile(ValueError):
    """A file that is not a model kvae can open; the message is one line that says why and what to do."""


def save(model: VAE, path: str | os.PathLike[str]) -> Path:
    """Write `model` to `path`, which ends in `.keras`: the complete new file, or the untouched old one.

    Raises:
        ValueError: another ending, or a model or card that `load` would refuse.
        OSError: the folder cannot be written to.
    """
    target = Path(path)
    if target.suffix != SUFFIX:
        raise ValueError(f"save: `path` must end in {SUFFIX}. Received: path={str(path)!r}.")
    with tempfile.TemporaryDirectory(TEMPORARY_SUFFIX, f".{target.name}.", target.parent) as folder:
        temporary = Path(folder, target.name)
        model.save(temporary)
        if type(model) is VAE:  # a class of somebody's own is opened by its owner
            _check_opens(temporary)
        move_into_place(temporary, target)
    return target


def _check_opens(path: Path) -> None:
    """Raise ValueError where `load` would refuse the settings or the card in a file that was just written."""
    try:
        with opened(path):
            pass
    except Refused as error:
        raise ValueError(f"save: not saved, since the file {error}") from None


def load(path: str | os.PathLike[str], *, trust: bool = False, custom_objects: dict[str, Any] | None = None) -> VAE:
    """Open a model that kvae saved, with its optimizer's state and its card.

    Args:
        path: a `.keras` file.
        trust: also open a model that holds layers or an optimizer which are not kvae's. Such a file can run any code:
            only do so when you know where it comes from.
        custom_objects: classes of such parts by name, as `keras.models.load_model` takes them.

    Raises:
        FileNotFoundError, BadModelFile: no such file, or one that is not a kvae model; one line.
    """
    try:
        if Path(path).is_dir():
            raise FileNotFoundError
        with opened(path) as (blueprint, archive):
            if not blueprint.foreign:
                return _made(blueprint, archive)
        if not trust:
            raise Refused(NEEDS_TRUST)
        return _made_by_keras(Path(path), custom_objects)
    except FileNotFoundError:
        named = str(path) if len(str(path)) <= 72 and str(path).isprintable() else shown(path)
        raise FileNotFoundError(
            f"There is no model file {named}. Check the spelling, or train one with kvae-train."
        ) from None
    except Refused as error:
        raise BadModelFile(sentence(path, error)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name cannot be"
        raise BadModelFile(sentence(path, f"cannot be opened: {reason}. Check its name and its rights.")) from error
    except MemoryError as error:
        raise BadModelFile(sentence(path, "needs more memory than is free. Close programs and try again.")) from error


def _made(blueprint: Blueprint, archive: Archive) -> VAE:
    """The model of a blueprint with the weights in its archive; nothing of its size is made before they are known to fit."""
    settings, size = blueprint.config, blueprint.weights_size
    kept = laid_out(settings, size, blueprint.optimizer)
    if size > sum(one.size for one in kept.values()) + AROUND + AROUND_EACH * len(kept):
        raise Refused(UNEQUAL)
    values = _values_of(kept, archive.read(WEIGHTS), settings)
    model = VAE(**settings)
    maker = _maker(blueprint.optimizer)
    if maker is not None:
        model.compile(maker())
    made = variables(model)
    if made.keys() != values.keys():
        raise Refused(UNEQUAL)
    for path, variable in made.items():
        variable.assign(values.pop(path))
    model.card = blueprint.card
    return model


def laid_out(settings: dict[str, Any], size: int, optimizer: Optimizer | None = None) -> dict[str, Kept]:
    """What the model of `settings` keeps, found out before anything of its size is made; `size` bytes are stored of it.

    Raises:
        Refused: settings that make no model, a model of more bytes, or one too large to be used.
    """
    try:
        if 2 * _fewest(settings) > size:  # float16
            raise Refused(UNEQUAL)
        plan, kept = planned(lambda: VAE(**settings), _maker(optimizer))
    except Refused:
        raise
    except (ValueError, TypeError, OverflowError):
        raise Refused("has settings that do not go together. Open a file that kvae saved.") from None
    if sum(one.least for one in kept.values()) > size:
        raise Refused(UNEQUAL)
    if _values(plan) > MOST_VALUES:
        raise Refused("needs over half a gigabyte to show one picture. Open a smaller model.")
    return kept


def _fewest(settings: dict[str, Any]) -> int:
    network = str(settings.get("network", SETTINGS["network"].default))
    depth = settings.get("depth")
    widths = () if network == "linear" else fitting_widths(settings["image_shape"], settings.get("widths"))
    depth = DEFAULT_DEPTH[network] if depth is None else depth
    return fewest_weights(network, settings["image_shape"], settings["latent_dim"], widths, depth)


def _values(plan: VAE) -> int:
    """The numbers that all layers of the networks give for one picture."""
    layers = [*plan.encoder.layers, *plan.decoder.layers]
    return sum(int(np.prod(layer.output.shape[1:], dtype=object)) for layer in layers)


def _values_of(kept: dict[str, Kept], content: bytes, settings: dict[str, Any]) -> dict[str, np.ndarray]:
    """The stored numbers of each variable, known to be all of them, of their shapes, and finite."""
    stored = Tensors(content, most=len(kept))
    if stored.shapes != {path: one.shape for path, one in kept.items()}:
        raise Refused(UNEQUAL)
    values = {path: stored.read(path, one.dtype) for path, one in kept.items()}
    for path, one in kept.items():
        low = SETTINGS[one.name].low if one.name in settings and one.name in SETTINGS else None
        if one.name == "iteration" and values[path] > MOST_STEPS:
            raise Refused("counts more steps of its optimizer than any run has. Open a file that kvae saved.")
        if low is not None and values[path].min() < low:
            raise Refused(f"holds a value of {one.name} below its bound, {low:g}. Open a file that kvae saved.")
    return values


def _maker(optimizer: Optimizer | None) -> Any:
    """A function that makes the optimizer, or None where there is none."""
    if optimizer is None:
        return None
    if optimizer.scaling is None:
        return lambda: keras.optimizers.Adam(**optimizer.adam)
    scaling = optimizer.scaling
    return lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(**optimizer.adam), **scaling)


def _made_by_keras(path: Path, custom_objects: dict[str, Any] | None) -> VAE:
    """What Keras's own loader makes of a file that is trusted."""
    token = TRUSTED.set(True)
    try:
        return keras.models.load_model(path, custom_objects=custom_objects, safe_mode=False)
    except (ValueError, TypeError, KeyError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise Refused(f"cannot be opened: {reason}") from error
    finally:
        TRUSTED.reset(token)


def free_path(path: str | os.PathLike[str], *beside: str) -> Path:
    """`path`, or where it exists the next free name: art.keras, art-2.keras, art-3.keras ...

    A name is free when nothing has it with one of the endings `beside` either.
    """
    path = Path(path)
    candidate, number = path, 2
    while candidate.exists() or any(candidate.with_suffix(ending).exists() for ending in beside):
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return candidate
