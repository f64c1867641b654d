"""Where Keras keeps each variable of a model in its weights file, and what a model would keep there before it is made.

Keras walks the attributes of a model in a fixed order and names what it finds by where it found it: the layout of its
file format. The same walk here gives the paths of the variables without a file, and without their values.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np


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


def planned(build: Callable[[], Any], optimizer: Callable[[], Any] | None) -> tuple[Any, dict[str, Kept]]:
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
                kept = {path: _kept(one) for path, one in variables(model).items()}
                trained = [_kept(one).shape for one in model.trainable_variables]
            if made is not None:
                kept.update(_of_optimizer(made, trained))
            outcome.append((model, kept))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, name="plan of a model")
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _of_optimizer(optimizer: Any, trained: list[tuple[int, ...]]) -> dict[str, Kept]:
    """What `optimizer` keeps for variables of these shapes: found out on empty ones that stand for them."""
    optimizer.build([keras.Variable(np.zeros((0, number), "float32")) for number in range(len(trained))])
    kept = {}
    for path, part in _parts(optimizer, "optimizer", set()):
        for key, one in _own(part).items():
            about = _kept(one)
            if len(about.shape) == 2 and about.shape[0] == 0:
                about = Kept(about.name, trained[about.shape[1]], about.dtype)
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
