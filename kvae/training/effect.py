"""Settings without effect beside others: what somebody asks for is done or refused, never dropped without a word."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from kvae.images.collection import PAINTINGS
from kvae.model.methods import AXES, METHOD_SETTINGS, SHARED, belongs_elsewhere, name_of
from kvae.networks import NETWORKS
from kvae.settings import SETTINGS

# of a name and all settings: why it has no effect, and what would change that
Rule = Callable[[str, Mapping[str, Any]], tuple[str, str] | None]

NETWORK_SETTINGS = {name for network in NETWORKS.values() for name in network.heeds}


def _own_networks(name: str, settings: Mapping[str, Any]) -> tuple[str, str] | None:
    return ("the networks are your own", "bring none") if settings.get("custom") else None


def _network(name: str, settings: Mapping[str, Any]) -> tuple[str, str] | None:
    if name in NETWORKS[settings["network"]].heeds:
        return None
    offered = SETTINGS["network"].choices
    others = " or ".join(network for network in offered if name in NETWORKS[network].heeds)
    return f"network {settings['network']} is built without it", f"choose network {others}"


def _autoencoder(name: str, settings: Mapping[str, Any]) -> tuple[str, str] | None:
    return ("a plain autoencoder has no rate", "leave out `autoencoder`") if settings["autoencoder"] else None


def _method(name: str, settings: Mapping[str, Any]) -> tuple[str, str] | None:
    return belongs_elsewhere(name, {axis: name_of(settings[axis]) for axis in AXES})


def _weighting(name: str, settings: Mapping[str, Any]) -> tuple[str, str] | None:
    given = settings["weighting"]
    weighting = AXES["weighting"][given] if isinstance(given, str) else type(given)
    if not weighting.MOVES or name in {field.name for field in fields(weighting)}:
        return None
    return f"weighting {name_of(given)} finds the weight by itself", "choose another weighting"


def _length(name: str, settings: Mapping[str, Any]) -> tuple[str, str] | None:
    both = settings["epochs"] is not None and settings["minutes"] is not None
    return ("the length of the run is given in minutes", "leave out `minutes`") if both else None


def _formula(name: str, settings: Mapping[str, Any]) -> tuple[str, str] | None:
    stated = settings["epochs"] is not None or settings["minutes"] is not None
    if stated or settings.get("custom") or not NETWORKS[settings["network"]].closed_form:
        return None
    return f"network {settings['network']} is a formula, trained only for a given length", "give `epochs` or `minutes`"


def _painted(name: str, settings: Mapping[str, Any]) -> tuple[str, str] | None:
    if settings["data"] != PAINTINGS:
        return None
    return "the built-in paintings are square", "name your own pictures with --data"


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


def without_effect(
    given: Mapping[str, Any], settings: Mapping[str, Any], *, settled: bool = False
) -> Iterator[tuple[str, str]]:
    """Of each setting in `given` that has no effect among all `settings`, the name, and a sentence with the cure.

    A setting that is left to be worked out is not given. `settings["custom"]` says that the networks are the user's
    own, and `settled` that the model is there already, so that nothing but leaving the setting out is of use.
    """
    every = {**{name: setting.default for name, setting in SETTINGS.items()}, **settings}
    for name, value in given.items():
        if value is None or (value == SETTINGS[name].default == "auto"):
            continue
        found = (rule(name, every) for names, rule in RULES if name in names)
        if why := next(filter(None, found), None):
            cure = f"Leave `{name}` out." if settled else f"Leave `{name}` out, or {why[1]}."
            yield name, f"`{name}` has no effect: {why[0]}. {cure}"


def refuse_without_effect(
    given: Mapping[str, Any], settings: Mapping[str, Any], owner: str, *, settled: bool = False
) -> None:
    """Refuse what `without_effect` finds.

    Raises:
        ValueError: a setting that somebody gave and that would change nothing; one sentence.
    """
    for _, sentence in without_effect(given, settings, settled=settled):
        raise ValueError(f"{owner}: {sentence}")
