"""The index of a sweep: what every trial was given and what came of it, as JSON and CSV beside the page."""

import csv
import io
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import kvae
from kvae.files.archive import open_regular
from kvae.files.atomic import atomic_write
from kvae.files.refusal import Refused, cell, sentence
from kvae.files.schema import Kind, Number, Row, Table, Text
from kvae.files.strict_json import finite, parse
from kvae.saving.card_fields import COUNT, HASH, MEASURED, PATH, SECONDS, SETTINGS_TABLE
from kvae.settings import SETTINGS

FORMAT = 1
MOST_OF_ALL, MOST_NAME = 10_000, 200  # trials of a sweep, and characters of the name of one
MOST_BYTES, MOST_NODES = 64 << 20, 4_000_000
STATES = ("planned", "running", "stopped", "done", "diverged", "failed")  # of a trial
ENDED = ("done", "diverged")  # which come out the same when they are run again
MEASURES = (
    "distortion", "rate", "loss", "bits", "psnr", "decoded_path", "active", "latent_dim", "kl_weight", "sigma",
    "calibrated", "seconds",
)  # fmt: skip
_NAME, _REASON = Text(MOST_NAME + 20), Text(1000)


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a sweep.

    `state` is planned, running, stopped (ended early on somebody's wish), done, diverged or failed, the last two with a
    `reason`. `settings` are those it was given, `hash` stands for all of them and the pictures, and `group` for all but
    the seed. The numbers are of the held-out pictures: `distortion` D, `rate` R in nats (None for an autoencoder),
    `loss` L = D + βR, `bits` per dimension at the noise that the errors call for. `kl_weight` is the weight at the end,
    None for an autoencoder. `scene` stands for the pictures it was measured on.
    """

    name: str
    hash: str
    group: str
    scene: str
    seed: int
    settings: Mapping[str, Any]
    where: Mapping[str, str] = field(default_factory=dict)
    state: str = "planned"
    reason: str = ""
    model: Path | None = None
    distortion: float | None = None
    rate: float | None = None
    loss: float | None = None
    bits: float | None = None
    psnr: float | None = None
    decoded_path: float | None = None
    active: int | None = None
    latent_dim: int | None = None
    kl_weight: float | None = None
    sigma: float | None = None
    calibrated: float | None = None
    seconds: float | None = None

    @property
    def autoencoder(self) -> bool:
        """Whether it is the control without a rate."""
        return bool(self.settings.get("autoencoder"))


@dataclass(frozen=True)
class Scene:
    """Pictures that trials were measured on, in words, and the weights at which the Gaussian limit is shown."""

    summary: str
    weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class SweepTable:
    """A sweep as its index has it. `scenes` are the pictures that trials were measured on, by their `scene`."""

    path: Path
    title: str
    trials: tuple[TrialRecord, ...]
    scenes: Mapping[str, Scene]
    latents: Path | None = None  # the page of the planes of models with two latents

    def columns(self) -> dict[str, list[Any]]:
        """A list for each column, all of one length: what a trial is, the settings that are not everywhere their
        default, and what it measured."""
        about = ("name", "state", "seed")
        found: dict[str, list[Any]] = {name: [getattr(trial, name) for trial in self.trials] for name in about}
        for name, setting in SETTINGS.items():
            values = [trial.settings.get(name, setting.default) for trial in self.trials]
            if name not in (*MEASURES, *about) and any(value != setting.default for value in values):
                found[name] = values
        found |= {name: [getattr(trial, name) for trial in self.trials] for name in MEASURES}
        models = [None if trial.model is None else str(trial.model) for trial in self.trials]
        rest = {name: [getattr(trial, name) for trial in self.trials] for name in ("hash", "group", "reason")}
        return found | {"model": models} | rest


def open_sweep(path: str | os.PathLike[str]) -> SweepTable:
    """The trials of the sweep whose page or index is at `path`, also while it goes on. No model is opened.

    Raises:
        FileNotFoundError, ValueError: there is none, or one that is damaged; one sentence.

    Example:
        >>> import kvae
        >>> pictures = kvae.open_collection(count=64, size=16).read(range(64))  # uint8 (64, 16, 16, 3)
        >>> swept = kvae.sweep(pictures, [1, 0.1], output="sweep.html", size=16, network="linear", latent_dim=4)
        >>> table = kvae.open_sweep("sweep.html")
        >>> [(trial.name, trial.state) for trial in table.trials]
        [('KL weight 1', 'done'), ('KL weight 0.1', 'done')]
        >>> columns = table.columns()  # which pandas.DataFrame takes as they are
        >>> columns["kl_weight"], len(columns["distortion"])
        ([1.0, 0.1], 2)
    """
    path = Path(os.path.abspath(Path(path).expanduser()))
    if path.suffix != ".json":
        path = path.with_suffix(".json")
    try:
        with open_regular(path) as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise Refused(f"is longer than {MOST_BYTES >> 20} MB. Name the index of a sweep.")
        return _table(path, parse(content, most_nodes=MOST_NODES, most_depth=8))
    except FileNotFoundError:
        raise FileNotFoundError(f"open_sweep: there is no index {path}. Name the page of a sweep.") from None
    except Refused as error:
        raise ValueError(sentence(path, error, "open_sweep:")) from None


def write_index(table: SweepTable) -> None:
    """Write `table` at its path, and as CSV beside it.

    Raises:
        OSError: the disk is full or cannot be written to; what was there still is.
    """
    told = {
        "format": FORMAT,
        "kvae": kvae.__version__,
        "title": table.title,
        "scenes": {key: asdict(scene) for key, scene in table.scenes.items()},
        "trials": [trial_to_json(trial, table.path) for trial in table.trials],
        **({} if table.latents is None else {"latents": table.latents.name}),
    }
    atomic_write(table.path, json.dumps(finite(_lists(told)), allow_nan=False, indent=1, ensure_ascii=False) + "\n")
    atomic_write(table.path.with_suffix(".csv"), _csv(table))


def trial_to_json(trial: TrialRecord, index: Path | None = None) -> dict[str, Any]:
    """A record as JSON, with the path of its model as seen from `index`."""
    told = {name: value for name, value in vars(trial).items() if value is not None}
    if trial.model is not None:
        told["model"] = str(trial.model) if index is None else _near(trial.model, index)
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in told.items()}


def _near(model: Path, index: Path) -> str:
    try:
        return os.path.relpath(model, index.parent)
    except ValueError:  # another drive
        return str(model)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(one) for key, one in value.items()}
    return [_lists(one) for one in value] if isinstance(value, (list, tuple)) else value


def _csv(table: SweepTable) -> str:
    columns = table.columns()
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(columns)
    for values in zip(*columns.values(), strict=True):
        rows.writerow([_cell(value) for value in values])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return "" if value is None else value
    return cell(" ".join(map(str, value)) if isinstance(value, tuple) else value)


_KINDS: dict[str, Kind] = {
    "name": _NAME,
    "hash": HASH,
    "group": HASH,
    "scene": HASH,
    "seed": Number(0, 2**31 - 1, whole=True),
    "settings": SETTINGS_TABLE,
    "where": Table({}, others=_NAME),
    "state": Text(10, "|".join(STATES)),
    "reason": _REASON,
    "model": PATH,
    **dict.fromkeys(MEASURES, MEASURED),
    "active": COUNT,
    "latent_dim": COUNT,
    "seconds": SECONDS,
}
_TRIAL = Table(_KINDS, needed=("name", "hash", "group", "scene", "seed", "settings", "state"))
_SCENE = Table({"summary": _REASON, "weights": Row(Number(0, 1e6), MOST_OF_ALL)}, needed=("summary", "weights"))
_INDEX = Table(
    {
        "format": COUNT,
        "kvae": Text(40),
        "title": _REASON,
        "scenes": Table({}, others=_SCENE),
        "trials": Row(_TRIAL, MOST_OF_ALL),
        "latents": Text(255, r"[^\0/\\]+"),
    },
    needed=("format", "title", "scenes", "trials"),
)


def _table(path: Path, told: Any) -> SweepTable:
    newer = told.get("format") if isinstance(told, dict) else None
    if type(newer) is int and newer > FORMAT:
        raise Refused("is the index of a newer kvae. Update kvae to read it.")
    _INDEX.hold(told, "the index")
    trials = tuple(trial_from_json(path, one) for one in told["trials"])
    scenes = {key: Scene(scene["summary"], tuple(scene["weights"])) for key, scene in told["scenes"].items()}
    if len({trial.hash for trial in trials}) < len(trials) or not {trial.scene for trial in trials} <= set(scenes):
        raise Refused("has trials that do not belong together. Name the index of a sweep.")
    return SweepTable(
        path, told["title"], trials, scenes, path.with_name(told["latents"]) if "latents" in told else None
    )


def trial_from_json(path: Path, told: Mapping[str, Any]) -> TrialRecord:
    """The record that `trial_to_json` wrote for the index at `path`, or beside it."""
    made = TrialRecord(**{**told, "model": None})
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in told["settings"].items()}
    model = Path(os.path.normpath(path.parent / told["model"])) if told.get("model") else None
    return replace(made, settings=settings, model=model)
