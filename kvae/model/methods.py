"""The methods of a model by name: how the weight is set over time, what the rate is, what the optimizer sees as D."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any

from kvae.objectives.base import Rate
from kvae.objectives.likelihoods import LIKELIHOODS, Likelihood
from kvae.settings import METHODS, SETTINGS, check
from kvae.weighting.base import Weighting


def _classes(axis: str) -> dict[str, Any]:
    found = {}
    for name, home in METHODS[axis].items():
        module, _, kind = home.rpartition(".")
        found[name] = getattr(import_module(f"kvae.{module}"), kind)
    return found


WEIGHTINGS: dict[str, type[Weighting]] = _classes("weighting")
RATES: dict[str, type[Rate]] = _classes("rate")
AXES: dict[str, Mapping[str, Any]] = {"weighting": WEIGHTINGS, "rate": RATES}
SHARED = {"kl_weight"}  # a setting of the model, which some methods start from
# what may be given in place of a name, and the methods that have one
OBJECTS: dict[str, Any] = {"weighting": Weighting, "rate": Rate, "likelihood": Likelihood}
# the methods that take the squared error for what the decoder's noise explains
GAUSSIAN = ("calibrated", "learned")


@dataclass(frozen=True)
class Methods:
    """One method of each axis, and their names; `custom` holds those of them that are the user's own, by their axis."""

    names: dict[str, str]
    weighting: Weighting
    rate: Rate
    likelihood: Likelihood
    custom: dict[str, Any] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """What differs from the plain VAE, as JSON; without custom methods."""
        known = {axis: name for axis, name in self.names.items() if axis not in self.custom}
        config: dict[str, Any] = {axis: name for axis, name in known.items() if name != SETTINGS[axis].default}
        for axis, method in (("weighting", self.weighting), ("rate", self.rate)):
            if axis in config:
                config.update({name: getattr(method, name) for name in own_settings(type(method))})
        return config


def own_settings(method: type) -> list[str]:
    """The settings that belong to this method alone."""
    return [field.name for field in fields(method) if field.name not in SHARED]


# every setting that belongs to some method
METHOD_SETTINGS = {name for registry in AXES.values() for method in registry.values() for name in own_settings(method)}


def parted(given: Mapping[str, Any], owner: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """`given`, a mapping from settings to values, without the methods of the user's own in it, and these by their axis.

    An object of a class that kvae has a name for becomes that name and its settings.

    Raises:
        ValueError: a setting that is given twice, in such an object and beside it.
    """
    settings, custom = dict(given), {}
    for axis, kind in OBJECTS.items():
        method = settings.get(axis)
        if not isinstance(method, kind):
            continue
        del settings[axis]
        name = next((name for name, known in AXES.get(axis, {}).items() if type(method) is known), None)
        if name is None:
            custom[axis] = method
            continue
        settings[axis] = name
        for one, value in method.get_config().items():
            if one in given and given[one] != value:
                raise ValueError(
                    f"{owner}: `{one}` is given twice: {given[one]!r}, and {value!r} in {method!r}. Leave one out."
                )
            settings[one] = value
    return settings, custom


def name_of(method: Any) -> str:
    """The name of a method: itself, or for an object that of its class or function."""
    if isinstance(method, Likelihood):
        return getattr(method.function, "__name__", "likelihood")
    return method if isinstance(method, str) else type(method).__name__


def choose(given: Mapping[str, Any], owner: str, custom: Mapping[str, Any] | None = None) -> Methods:
    """The methods of `given`, a mapping from settings to values; what is not given has its default.

    `custom` holds objects of the user's own by their axis, as `parted` finds them.

    Raises:
        ValueError: a method that is not known, a setting out of its bounds, one that belongs to another method, or
            methods that do not go together; one sentence.
    """
    custom = dict(custom or {})
    names = {
        axis: name_of(custom[axis]) if axis in custom else check(axis, given.get(axis, SETTINGS[axis].default), owner)
        for axis in OBJECTS
    }
    options = {name: check(name, given[name], owner) for name in given if name in METHOD_SETTINGS | SHARED}
    for name in sorted(METHOD_SETTINGS & set(options)):
        if options[name] != SETTINGS[name].default and (why := belongs_elsewhere(name, names)):
            raise ValueError(f"{owner}: `{name}` has no effect: {why[0]}. Leave `{name}` out, or {why[1]}.")
    if names["weighting"] in GAUSSIAN and names["likelihood"] != "squared-error":
        raise ValueError(
            f"{owner}: weighting {names['weighting']} sets the noise of a Gaussian decoder, so it goes with the "
            f"likelihood squared-error alone. Received: likelihood={names['likelihood']!r}."
        )
    made = dict(custom)
    for axis, registry in AXES.items():
        if axis not in custom:
            kind = registry[names[axis]]
            made[axis] = kind(**{one.name: options[one.name] for one in fields(kind) if one.name in options})
    made.setdefault("likelihood", LIKELIHOODS.get(names["likelihood"]))
    return Methods(names, **made, custom=custom)


def belongs_elsewhere(name: str, names: Mapping[str, str]) -> tuple[str, str] | None:
    """Why the setting `name` has no effect with the methods `names`, one of each axis, and what would change that."""
    owners = {
        axis: [method for method, kind in registry.items() if name in own_settings(kind)]
        for axis, registry in AXES.items()
    }
    if any(names[axis] in methods for axis, methods in owners.items()):
        return None
    axis = next(axis for axis, methods in owners.items() if methods)
    return (
        f"it belongs to {axis} {' or '.join(owners[axis])}, and the {axis} here is {names[axis]}",
        "choose it",
    )


@dataclass(frozen=True)
class Described:
    """A method in words: a row of `kvae-train --list-methods`."""

    axis: str
    name: str
    holds: str
    settings: tuple[tuple[str, str], ...]  # name and default
    reference: str


def described() -> list[Described]:
    """Every registered method, in words that come from its own file."""
    rows = []
    for axis, registry in AXES.items():
        for name, method in registry.items():
            settings = tuple((one, _number(SETTINGS[one].default, method)) for one in own_settings(method))
            rows.append(Described(axis, name, method.KEEPS_CONSTANT, settings, method.REFERENCE))
    for name, likelihood in LIKELIHOODS.items():
        rows.append(Described("likelihood", name, likelihood.states, (), likelihood.reference))
    return rows


def _number(value: Any, method: type) -> str:
    value = getattr(method, "STEPS", None) if value is None else value
    return value if isinstance(value, str) else f"{value:g}"
