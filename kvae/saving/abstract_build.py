"""Where Keras keeps each variable of a model in its weights file, and what a model would keep there before it is made.

Keras walks the attributes of a model in a fixed order and names what it finds by where it found it: the layout of its
file format. The same walk here gives the paths of the variables without a file, and without their values. It also says
which parts of a model are frozen, by the same paths.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np

from kvae.files.archive import Archive
from kvae.files.hdf5 import Tensors
from kvae.files.refusal import Refused
from kvae.model.compiling import optimizer_maker
from kvae.networks import NETWORKS, fewest_weights, widths_of
from kvae.saving.card import MOST_STEPS, WEIGHTS, Description
from kvae.settings import SETTINGS

MOST_VALUES = 1 << 27  # numbers in all layers for one picture: half a gigabyte
AROUND, AROUND_EACH = 64 << 10, 8 << 10  # bytes of a weights file beside its weights, and for each of its arrays
UNEQUAL = "does not hold the weights that its settings ask for. Copy it again, or open another file."


@dataclass(frozen=True)
class Kept:
    """A variable that a weights file keeps: its name, shape and type."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Its bytes."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    @property
    def least(self) -> int:
        """The fewest bytes that a file keeps it in: real numbers may be float16."""
        return self.size * 2 // self.dtype.itemsize if self.dtype.kind == "f" else self.size


def variables(model: keras.Model) -> dict[str, keras.Variable]:
    """The variables of `model` by their paths in its weights file, those of its optimizer among them."""
    found: dict[str, keras.Variable] = {}
    for path, part in _parts(model, "", set()):
        found.update({_join(path, f"vars/{key}"): one for key, one in _own(part).items()})
    return found


def kept_by(model: keras.Model) -> dict[str, Kept]:
    """What the weights file of `model` keeps."""
    return {path: _kept(one) for path, one in variables(model).items()}


def frozen(model: keras.Model) -> dict[str, bool]:
    """Which layers of `model` are trained, by their paths: those alone that differ from the layer around them.

    Empty for a model of which nothing is frozen; {"encoder": False} for one whose encoder is, with all its layers.
    """
    found: dict[str, bool] = {}
    states: dict[str, bool] = {}
    for path, layer in layers(model):
        around = next((states[one] for one in _above(path) if one in states), True)
        if layer.trainable != around:
            found[path] = layer.trainable
        states[path] = layer.trainable
    return found


def freeze(model: keras.Model, trainable: bool | Mapping[str, bool]) -> None:
    """Freeze and free layers of `model` as `frozen` tells it, or all of them.

    Raises:
        ValueError: a path at which the model has no layer.
    """
    given = trainable if isinstance(trainable, Mapping) else {"": trainable}
    found = dict(layers(model))
    for path, state in given.items():
        if path not in found or not isinstance(state, bool):
            raise ValueError(
                "VAE: `trainable` must be True or False, or that by the path of a layer, such as {'encoder': False}. "
                f"Received: {path!r}: {state!r}."
            )
    # from the outside in, since a layer takes what is inside it along
    for path, layer in found.items():
        if path in given:
            layer.trainable = given[path]


def layers(model: keras.Model) -> Iterator[tuple[str, keras.layers.Layer]]:
    """`model` and all layers in it with their paths, the outer ones first."""
    return ((path, part) for path, part in _parts(model, "", set()) if isinstance(part, keras.layers.Layer))


def _above(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path


def trained(model: keras.Model) -> set[str]:
    """The paths of the variables of `model` that training moves."""
    moved = {id(one) for one in model.trainable_variables}
    return {path for path, one in variables(model).items() if id(one) in moved}


def abstract_build(build: Callable[[], Any], optimizer: Callable[[], Any] | None) -> tuple[Any, dict[str, Kept]]:
    """The model that `build` makes, without values in its variables, and what its weights file keeps.

    `optimizer` makes its optimizer. In a thread of its own, because Keras gives variables that were made without values
    their values as soon as it can, and remembers them by thread.
    """
    outcome: list[Any] = []

    def run() -> None:
        try:
            made = None if optimizer is None else optimizer()
            with keras.StatelessScope(initialize_variables=False):
                model = build()
                kept = kept_by(model)
                shapes = [_kept(one).shape for one in model.trainable_variables]
            if made is not None:
                kept.update(_of_optimizer(made, shapes))
            outcome.append((model, kept))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, name="plan of a model")
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def laid_out(build: Callable[..., Any], description: Description) -> tuple[Any, dict[str, Kept]]:
    """The model that `build` makes of the settings of `description`, and what it keeps, before anything of its size is
    made.

    Raises:
        Refused: settings that make no model, a model of more bytes than are stored, or one too large to be used.
    """
    settings, size = description.config, description.weights_size
    try:
        if 2 * _fewest(settings) > size:  # float16
            raise Refused(UNEQUAL)
        plan, kept = abstract_build(lambda: build(**settings), optimizer_maker(description.optimizer))
    except Refused:
        raise
    except (ValueError, TypeError, OverflowError):
        raise Refused("has settings that do not go together. Open a file that kvae saved.") from None
    if sum(one.least for one in kept.values()) > size:
        raise Refused(UNEQUAL)
    if _values(plan) > MOST_VALUES:
        raise Refused("needs over half a gigabyte to show one picture. Open a smaller model.")
    return plan, kept


def stored(kept: dict[str, Kept], description: Description, archive: Archive) -> Iterator[tuple[str, np.ndarray]]:
    """The stored numbers of each variable by its path, known to be all of them, of their shapes, and finite.

    Raises:
        Refused: weights that are not those of the model.
    """
    if description.weights_size > sum(one.size for one in kept.values()) + AROUND + AROUND_EACH * len(kept):
        raise Refused(UNEQUAL)
    tensors = Tensors(archive.read(WEIGHTS), most=len(kept))
    if tensors.shapes != {path: one.shape for path, one in kept.items()}:
        raise Refused(UNEQUAL)
    for path, one in kept.items():
        values = tensors.read(path, one.dtype)
        bounded = one.name in description.config and one.name in SETTINGS
        low = SETTINGS[one.name].low if bounded else None
        if one.name == "iteration" and values > MOST_STEPS:
            raise Refused("counts more steps of its optimizer than any run has. Open a file that kvae saved.")
        if low is not None and values.min() < low:
            raise Refused(f"holds a value of {one.name} below its bound, {low:g}. Open a file that kvae saved.")
        yield path, values


def _fewest(settings: Mapping[str, Any]) -> int:
    network = str(settings.get("network", SETTINGS["network"].default))
    depth = settings.get("depth")
    widths = widths_of(network, settings["image_shape"], settings.get("widths"))
    depth = NETWORKS[network].depth if depth is None else depth
    return fewest_weights(network, settings["image_shape"], settings["latent_dim"], widths, depth)


def _values(plan: Any) -> int:
    """The numbers that all layers of the networks give for one picture."""
    inner = [*plan.encoder.layers, *plan.decoder.layers]
    return sum(int(np.prod(layer.output.shape[1:], dtype=object)) for layer in inner)


def _of_optimizer(optimizer: Any, shapes: list[tuple[int, ...]]) -> dict[str, Kept]:
    """What `optimizer` keeps for variables of these shapes: found out on empty ones that stand for them."""
    optimizer.build([keras.Variable(np.zeros((0, number), "float32")) for number in range(len(shapes))])
    kept = {}
    for path, part in _parts(optimizer, "optimizer", set()):
        for key, one in _own(part).items():
            about = _kept(one)
            if len(about.shape) == 2 and about.shape[0] == 0:
                about = Kept(about.name, shapes[about.shape[1]], about.dtype)
            kept[_join(path, f"vars/{key}")] = about
    return kept


def _kept(variable: keras.Variable) -> Kept:
    return Kept(variable.name, tuple(variable.shape), np.dtype(keras.backend.standardize_dtype(variable.dtype)))


def _own(part: Any) -> dict[str, keras.Variable]:
    """The variables that Keras saves for `part` itself, by their keys."""
    if isinstance(part, keras.optimizers.Optimizer):
        return {str(number): one for number, one in enumerate(part.variables)}
    own: dict[str, keras.Variable] = {}
    part.save_own_variables(own)
    return own


def _parts(part: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """`part` and all parts of it that have variables of their own, in Keras's order, with their paths."""
    if id(part) in seen:
        return
    if hasattr(part, "save_own_variables"):
        yield path, part
    seen.add(id(part))
    for name, child in _children(part):
        if _is_part(child):
            yield from _parts(child, _join(path, name), seen)
        elif isinstance(child, (list, dict, tuple)):
            yield from _members(child, _join(path, name), seen, set())


def _members(container: Any, path: str, seen: set[int], containers: set[int]) -> Iterator[tuple[str, Any]]:
    if id(container) in containers:
        return
    containers.add(id(container))
    counts: dict[str, int] = {}
    for child in list(container.values()) if isinstance(container, dict) else container:
        if _is_part(child):
            name = _counted(_snake_case(type(child).__name__), counts)
            yield from _parts(child, _join(path, name), seen)
        elif isinstance(child, (list, dict, tuple)):
            yield from _members(child, _join(path, _counted("container", counts)), seen, containers)


def _children(part: Any) -> Iterator[tuple[str, Any]]:
    """The attributes of `part` that Keras looks at: public ones first, none that every part of its kind has."""
    kind = part._obj_type()
    if kind in ("Sequential", "Functional"):
        yield "layers", part.layers
    skipped = _skipped(kind)
    for name in sorted(dir(part), key=lambda name: f"~{name}" if name.startswith("_") else name):
        if name.startswith("__") or name in skipped:
            continue
        try:
            child = getattr(part, name)
        except Exception:  # a property that cannot be read; Keras's own walk leaves it out too
            continue
        yield name, child


@cache
def _skipped(kind: str) -> set[str]:
    """Attributes that are Keras's own in all parts of this kind."""
    bare: Mapping[str, Callable[[], Any]] = {
        "Metric": keras.metrics.Metric,
        "Optimizer": lambda: keras.optimizers.Optimizer(1.0),
        "Loss": keras.losses.Loss,
    }
    own = set(dir(bare.get(kind, keras.layers.Layer)())) | {"_self_unconditional_dependency_names"}
    extra = {"Functional": {"operations", "_operations"}, "Sequential": {"_functional"}}.get(kind, set())
    return (own | extra) - ({"variables"} if kind == "Optimizer" else set())


def _is_part(one: Any) -> bool:
    return hasattr(one, "_obj_type") and not isinstance(one, type)


def _counted(name: str, counts: dict[str, int]) -> str:
    counts[name] = counts.get(name, -1) + 1
    return f"{name}_{counts[name]}" if counts[name] else name


def _snake_case(name: str) -> str:
    """As Keras writes class names in paths: Conv2DTranspose is conv2d_transpose."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
