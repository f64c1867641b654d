"""What a sweep is to train: a grid over any settings, and single trials beside it, each with its hash."""

import difflib
import hashlib
import itertools
import json
import math
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kvae.files.archive import open_regular
from kvae.files.refusal import Refused, sentence
from kvae.model.methods import choose, name_of, parted
from kvae.settings import SETTINGS, check, checked
from kvae.sweeps.index import MOST_NAME, MOST_OF_ALL
from kvae.training.effect import refuse_without_effect, without_effect

VERSION = 1  # of what a hash is made of; raise it when the same settings train another model
MOST_TRIALS = 100  # that are trained without being asked for twice
PLACE = ("data", "follow_links", "device", "devices")  # of the settings those that say where, not what
PICTURES = ("data", "size", "crop", "follow_links", "augment", "validation", "seed")  # that a preparation depends on
SCENE = ("data", "size", "crop", "follow_links", "validation")  # on which depends what runs are measured on
AUTOENCODER = "plain autoencoder"
MOST_SLUG, MOST_FILE = 80, 1 << 20  # characters, bytes
_SLUG = re.compile(r"[^A-Za-z0-9.]+")
_WORDS = {  # how an axis is said where its name alone reads badly
    "kl_weight": "KL weight {}",
    "latent_dim": "{} latents",
    "size": "{0} x {0} pixels",
    "data": "pictures {}",
}


@dataclass(frozen=True)
class Trial:
    """One run of a sweep. `settings` is what `train` is given, `where` says in words where it stands on each axis but
    those of the weight and the seed, and `slug` becomes part of the names of its files."""

    name: str
    slug: str
    settings: Mapping[str, Any]
    where: Mapping[str, str]

    @property
    def seed(self) -> int:
        """Its seed."""
        return int(self.settings.get("seed", SETTINGS["seed"].default))

    @property
    def autoencoder(self) -> bool:
        """Whether it is the control without a rate."""
        return bool(self.settings.get("autoencoder"))

    def picked(self, names: Sequence[str]) -> tuple[Any, ...]:
        """What it has for the settings `names`."""
        return tuple(self.settings.get(name, SETTINGS[name].default) for name in names)


@dataclass(frozen=True)
class Study:
    """A sweep before it starts. `data` is what `open_collection` opens where a trial names nothing else."""

    trials: tuple[Trial, ...]
    title: str = ""

    @property
    def lowest(self) -> float:
        """The lowest weight above 0: what is worked out for all trials together is worked out for this one."""
        weights = [
            trial.settings.get("kl_weight", SETTINGS["kl_weight"].default)
            for trial in self.trials
            if not trial.autoencoder
        ]
        return min((weight for weight in weights if weight > 0), default=1.0)

    def hash_of(self, trial: Trial, manifest: str, *, seed: bool = True) -> str:
        """What tells `trial` from all others, on pictures of this manifest: equal hashes, equal models. Without its
        `seed` trials of all seeds have the same."""
        settings = checked(trial.settings, "sweep")
        kept = {name: value for name, value in settings.items() if name not in PLACE and (seed or name != "seed")}
        worked_out = self.lowest if settings["latent_dim"] is None else None
        text = json.dumps([VERSION, manifest, worked_out, kept], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class StudyFile:
    """A sweep as a TOML file says it."""

    title: str = ""
    with_autoencoder: bool = False
    axes: Mapping[str, tuple[Any, ...]] = ()  # type: ignore[assignment]
    settings: Mapping[str, Any] = ()  # type: ignore[assignment]
    trials: Mapping[str, Mapping[str, Any]] = ()  # type: ignore[assignment]


def read_study(path: str | os.PathLike[str]) -> StudyFile:
    """The study in the TOML file at `path`.

    Raises:
        ValueError, OSError: not a file of this kind; one sentence.
    """
    name = Path(path).name
    try:
        with open_regular(path, follow=True) as file:
            content = file.read(MOST_FILE + 1)
        if len(content) > MOST_FILE:
            raise Refused(f"is longer than {MOST_FILE >> 20} MB. Name a TOML file.")
        told = tomllib.loads(content.decode("utf-8"))
    except Refused as error:
        raise ValueError(sentence(path, error, "study:")) from None
    except FileNotFoundError:
        raise FileNotFoundError(f"study: there is no file {path}. Check the spelling.") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"study: {name} is no TOML: {error}. Correct that line.") from None
    except (UnicodeDecodeError, RecursionError):
        raise ValueError(f"study: {name} is no TOML. Name a text file in UTF-8.") from None
    known = {"title": str, "with_autoencoder": bool, "axes": dict, "settings": dict, "trials": dict}
    for key, value in told.items():
        if key not in known:
            raise ValueError(f"study: {name} says `{key}`, which is none of {', '.join(known)}.{_nearest(key, known)}")
        if not isinstance(value, known[key]):
            raise ValueError(f"study: `{key}` in {name} must be {_KINDS[known[key]]}. Received: {value!r}.")
    for axis, values in told.get("axes", {}).items():
        if not isinstance(values, list):
            raise ValueError(f"study: the axis `{axis}` in {name} must be a list. Received: {axis} = {values!r}.")
    for trial, settings in told.get("trials", {}).items():
        if not isinstance(settings, dict):
            raise ValueError(f"study: the trial `{trial}` in {name} must be a table. Received: {settings!r}.")
    axes = {axis: tuple(values) for axis, values in told.get("axes", {}).items()}
    return StudyFile(**{**told, "axes": axes, "settings": told.get("settings", {}), "trials": told.get("trials", {})})


_KINDS = {str: "text", bool: "true or false", dict: "a table"}


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1, 0.5)
    return f" Did you mean `{near[0]}`?" if near else " Leave it out."


def planned(
    given: Mapping[str, Any],
    axes: Mapping[str, Sequence[Any]],
    trials: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    with_autoencoder: bool = False,
    custom: Mapping[str, Any] | None = None,
    most: int = MOST_TRIALS,
    title: str = "",
) -> Study:
    """The trials of the grid over `axes`, and the named `trials`, with the settings `given` beside.

    A setting that has no effect in a trial is left out of it, and trials that are equal then are one. `custom` holds
    networks and methods of the user's own, as `without_effect` takes them.

    Raises:
        ValueError: an axis that is no setting, a value that cannot be, more than `most` trials, a setting without
            effect in all of them; one sentence.
    """
    custom = dict(custom or {})
    read = {axis: _values(axis, values) for axis, values in axes.items()}
    named = {
        name: {one: known(one, value) for one, value in settings.items()} for name, settings in (trials or {}).items()
    }
    if not read and not named and not with_autoencoder:
        raise ValueError("sweep: there is nothing to train. Give at least one axis or trial.")
    count = math.prod(len(values) for values in read.values()) * (2 if with_autoencoder else 1) + len(named)
    if count > min(most, MOST_OF_ALL):
        cure = "Name fewer values" + (", or ask for all of them with --yes" if count <= MOST_OF_ALL else "")
        raise ValueError(
            f"sweep: this is a grid of {count:,} trials, and {min(most, MOST_OF_ALL):,} are allowed. {cure}."
        )
    grid = [dict(zip(read, values, strict=True)) for values in itertools.product(*read.values())]
    grid = grid if read or not (named or with_autoencoder) else []
    points: list[tuple[str, dict[str, Any], dict[str, Any]]] = [("", point, {}) for point in grid]
    if with_autoencoder:
        points += [("", point, {"autoencoder": True}) for point in grid or [{}]]
    points += [(name, settings, {}) for name, settings in named.items()]
    varying = {axis for axis, values in read.items() if len(values) > 1}
    found = [_trial(name, {**given, **point, **more}, varying | set(more), custom) for name, point, more in points]
    _refuse_useless({**given, **{axis: values[0] for axis, values in read.items()}}, found, custom)
    unique: dict[str, Trial] = {}
    for trial in found:
        unique.setdefault(json.dumps(dict(trial.settings), sort_keys=True), trial)
    # what is prepared together is trained together, else in the order of the grid
    kept = list(unique.values())
    order = {key: place for place, key in enumerate(dict.fromkeys(trial.picked(PICTURES) for trial in kept))}
    kept.sort(key=lambda trial: order[trial.picked(PICTURES)])
    return Study(_told_apart(kept), title)


def known(name: str, value: Any) -> Any:
    """`value` of the setting `name`, within its bounds.

    Raises:
        ValueError: no setting of this name, or not such a value; one sentence.
    """
    if name not in SETTINGS:
        raise ValueError(f"sweep: no setting is called `{name}`.{_nearest(name, SETTINGS)}")
    return _value(name, value)


def _values(axis: str, values: Sequence[Any]) -> list[Any]:
    found = [known(axis, value) for value in values]
    unique = list({repr(value): value for value in found}.values())
    if not unique:
        raise ValueError(
            f"sweep: `{axis}` needs at least one {'weight' if axis == 'kl_weight' else 'value'}. Received: none."
        )
    return unique


def _value(axis: str, value: Any) -> Any:
    if axis in ("weighting", "rate", "likelihood") and not isinstance(value, str):
        if axis not in parted({axis: value}, "sweep")[0]:
            raise ValueError(f"sweep: `{axis}` of an axis is given by name. Received: {axis}={name_of(value)}.")
        return value
    return check(axis, value, "sweep", one=True)


def _trial(name: str, options: dict[str, Any], varying: set[str], custom: Mapping[str, Any]) -> Trial:
    settings, _ = parted(options, "sweep")
    for useless, _ in list(without_effect(settings, {**custom, **settings})):
        del settings[useless]
    if name:
        return Trial(name[:MOST_NAME], _as_slug([name]), settings, {"trial": name[:MOST_NAME]})
    parts, where = placed(settings, varying)
    return Trial(
        ", ".join(said for said, _ in parts)[:MOST_NAME], _as_slug([slug for _, slug in parts]), settings, where
    )


def _as_slug(parts: Sequence[str]) -> str:
    return _SLUG.sub("-", "-".join(parts)).strip("-.")[:MOST_SLUG] or "trial"


def placed(settings: Mapping[str, Any], varying: Iterable[str]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """What tells a trial of these settings from others that differ in those `varying`: the parts of its name and of its
    slug, and where it stands on each axis but those of the weight and the seed."""
    parts = [(AUTOENCODER, "autoencoder")] if settings.get("autoencoder") else []
    where = {}
    for axis in SETTINGS:
        if axis not in varying or axis == "autoencoder" or axis not in settings:
            continue
        said = in_words(axis, settings[axis])
        parts.append((said, _slug(axis, settings[axis])))
        if axis not in ("kl_weight", "seed"):
            where[axis] = said
    if not parts:
        weight = settings.get("kl_weight", SETTINGS["kl_weight"].default)
        parts = [(in_words("kl_weight", weight), _slug("kl_weight", weight))]
    return parts, where


def in_words(axis: str, value: Any) -> str:
    """The value that a setting has, as it is said in names and tables: KL weight 0.1, 16 latents, augment off."""
    if isinstance(value, bool):
        shown = "on" if value else "off"
    elif value is None:
        return "auto latents" if axis == "latent_dim" else f"{axis.replace('_', ' ')} auto"
    elif isinstance(value, tuple):
        shown = " ".join(map(str, value))
    else:
        shown = (
            f"{value:g}" if isinstance(value, float) else name_of(value) if not isinstance(value, int) else str(value)
        )
    if axis == "data":
        shown = Path(shown).name or shown
    return _WORDS.get(axis, axis.replace("_", " ") + " {}").format(shown)


def _slug(axis: str, value: Any) -> str:
    if axis == "kl_weight":
        return f"{value:g}"
    if axis in ("weighting", "network", "rate", "likelihood"):
        return name_of(value)
    if axis == "latent_dim":
        return f"{'auto' if value is None else value}-latents"
    return in_words(axis, value)


def _told_apart(trials: list[Trial]) -> tuple[Trial, ...]:
    """The trials with names and slugs of their own: those that would share one are numbered."""
    for part in ("name", "slug"):
        seen: dict[str, int] = {}
        for place, trial in enumerate(trials):
            text = getattr(trial, part)
            seen[text] = seen.get(text, 0) + 1
            if seen[text] > 1:
                text = f"{text} ({seen[text]})" if part == "name" else f"{text}-{seen[text]}"
                told: dict[str, Any] = {part: text}
                trials[place] = replace(trial, **told)
    return tuple(trials)


def _refuse_useless(given: Mapping[str, Any], trials: Sequence[Trial], custom: Mapping[str, Any]) -> None:
    """Refuse a setting that nothing comes of in any trial, and methods that go together in none."""
    weighted = [trial for trial in trials if not trial.autoencoder] or trials
    for name, value in given.items():
        if all(name not in trial.settings for trial in weighted):
            every = {
                **{one: setting.default for one, setting in SETTINGS.items()},
                **parted(given, "sweep")[0],
                **custom,
            }
            refuse_without_effect({name: value}, {**every, **weighted[0].settings}, "sweep")
    errors = []
    methods = {axis: custom[axis] for axis in ("weighting", "rate", "likelihood") if _is_object(custom.get(axis))}
    for trial in weighted:
        try:
            choose(checked(trial.settings, "sweep"), "sweep", methods)
        except ValueError as error:
            errors.append(error)
    if len(errors) == len(weighted):
        raise errors[0]


def _is_object(method: Any) -> bool:
    return method is not None and not isinstance(method, str)
