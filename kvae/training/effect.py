"""Settings without effect beside others: what somebody asks for is done or refused, never dropped without a word."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from kvae.images.collection import PAINTINGS
from kvae.methods import AXES, METHOD_SETTINGS, SHARED, belongs_elsewhere
from kvae.networks import CLOSED_FORM, HEEDED
from kvae.settings import SETTINGS

Rule = Callable[[str, Mapping[str, Any]], str | None]  # of a name and all settings: why it has no effect, and the cure

NETWORK_SETTINGS = {name for heeded in HEEDED.values() for name in heeded}


def _own_networks(name: str, settings: Mapping[str, Any]) -> str | None:
    return f"the networks are your own. Leave `{name}` out." if settings.get("custom") else None


def _network(name: str, settings: Mapping[str, Any]) -> str | None:
    if name in HEEDED[settings["network"]]:
        return None
    others = " or ".join(network for network, heeded in HEEDED.items() if name in heeded)
    return f"network {settings['network']} is built without it. Leave `{name}` out, or choose network {others}."


def _autoencoder(name: str, settings: Mapping[str, Any]) -> str | None:
    return f"a plain autoencoder has no rate. Leave out `{name}` or `autoencoder`." if settings["autoencoder"] else None


def _method(name: str, settings: Mapping[str, Any]) -> str | None:
    return belongs_elsewhere(name, {axis: settings[axis] for axis in AXES})


def _weighting(name: str, settings: Mapping[str, Any]) -> str | None:
    weighting = AXES["weighting"][settings["weighting"]]
    if not weighting.MOVES or name in {field.name for field in fields(weighting)}:
        return None
    found = f"weighting {settings['weighting']} finds the weight by itself"
    return f"{found}. Leave `{name}` out, or choose another weighting."


def _length(name: str, settings: Mapping[str, Any]) -> str | None:
    both = settings["epochs"] is not None and settings["minutes"] is not None
    return "the length of a run is given in minutes, too. Leave one of the two out." if both else None


def _formula(name: str, settings: Mapping[str, Any]) -> str | None:
    stated = settings["epochs"] is not None or settings["minutes"] is not None
    if stated or settings.get("custom") or settings["network"] not in CLOSED_FORM:
        return None
    why = f"network {settings['network']} is a formula, which is trained only where `epochs` or `minutes` are given"
    return f"{why}. Give one, or leave `{name}` out."


def _painted(name: str, settings: Mapping[str, Any]) -> str | None:
    if settings["data"] != PAINTINGS:
        return None
    return f"the built-in paintings are square. Leave `{name}` out, or name your pictures with --data."


RULES: tuple[tuple[set[str], Rule], ...] = (
    ({"network", "precision"} | NETWORK_SETTINGS, _own_networks),
    (NETWORK_SETTINGS, _network),
    ({"weighting", "rate", "balance_every"} | METHOD_SETTINGS | SHARED, _autoencoder),
    (METHOD_SETTINGS, _method),
    (SHARED, _weighting),
    ({"epochs"}, _length),
    ({"learning_rate", "balance_every"}, _formula),
    ({"crop"}, _painted),
)


def without_effect(given: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of each setting in `given` that has no effect among all `settings`, the name, and a sentence with the cure.

    A setting that is left to be worked out is not given. `settings["custom"]` says that the networks are the user's own.
    """
    every = {**{name: setting.default for name, setting in SETTINGS.items()}, **settings}
    for name, value in given.items():
        if value is None or (value == SETTINGS[name].default == "auto"):
            continue
        why = (rule(name, every) for names, rule in RULES if name in names)
        if sentence := next(filter(None, why), None):
            yield name, f"`{name}` has no effect: {sentence}"


def refuse_without_effect(given: Mapping[str, Any], settings: Mapping[str, Any], owner: str) -> None:
    """Refuse what `without_effect` finds.

    Raises:
        ValueError: a setting that somebody gave and that would change nothing; one sentence.
    """
    for _, sentence in without_effect(given, settings):
        raise ValueError(f"{owner}: {sentence}")
