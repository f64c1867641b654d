"""The methods of a model by name: how the weight is set over time, what the rate is, what the optimizer sees as D."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from kvae.objectives.base import Rate
from kvae.objectives.likelihoods import Likelihood
from kvae.objectives.registry import LIKELIHOODS, RATES
from kvae.settings import SETTINGS, check
from kvae.weighting.base import Weighting
from kvae.weighting.registry import WEIGHTINGS

AXES: dict[str, Mapping[str, Any]] = {"weighting": WEIGHTINGS, "rate": RATES}
SHARED = {"kl_weight"}  # a setting of the model, which some methods start from
# the methods that take the squared error for what the decoder's noise explains
GAUSSIAN = ("calibrated", "learned")


@dataclass(frozen=True)
class Methods:
    """One method of each axis, and their names."""

    names: dict[str, str]
    weighting: Weighting
    rate: Rate
    likelihood: Likelihood

    def config(self) -> dict[str, Any]:
        """What differs from the plain VAE, as JSON."""
        config: dict[str, Any] = {axis: name for axis, name in self.names.items() if name != SETTINGS[axis].default}
        for axis, method in (("weighting", self.weighting), ("rate", self.rate)):
            if axis in config:
                config.update({name: getattr(method, name) for name in own_settings(type(method))})
        return config


def own_settings(method: type) -> list[str]:
    """The settings that belong to this method alone."""
    return [field.name for field in fields(method) if field.name not in SHARED]


# every setting that belongs to some method
METHOD_SETTINGS = {name for registry in AXES.values() for method in registry.values() for name in own_settings(method)}


def choose(given: Mapping[str, Any], owner: str) -> Methods:
    """The methods of `given`, a mapping from settings to values; what is not given has its default.

    Raises:
        ValueError: a method that is not known, a setting out of its bounds, one that belongs to another method, or
            methods that do not go together; one sentence.
    """
    names = {axis: check(axis, given.get(axis, SETTINGS[axis].default), owner) for axis in (*AXES, "likelihood")}
    options = {name: check(name, given[name], owner) for name in given if name in METHOD_SETTINGS | SHARED}
    for name in sorted(METHOD_SETTINGS & set(options)):
        if options[name] != SETTINGS[name].default and (why := belongs_elsewhere(name, names)):
            raise ValueError(f"{owner}: `{name}` has no effect: {why[0]}. Leave `{name}` out, or {why[1]}.")
    if names["weighting"] in GAUSSIAN and names["likelihood"] != "squared-error":
        raise ValueError(
            f"{owner}: weighting {names['weighting']} sets the noise of a Gaussian decoder, so it goes with the "
            f"likelihood squared-error alone. Received: likelihood={names['likelihood']!r}."
        )
    made = []
    for axis, registry in AXES.items():
        method = registry[names[axis]]
        made.append(method(**{field.name: options[field.name] for field in fields(method) if field.name in options}))
    return Methods(names, made[0], made[1], LIKELIHOODS[names["likelihood"]])


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
        f"choose that {axis}",
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
