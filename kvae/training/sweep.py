"""The question, answered: several weights, or any grid of settings, on the same pictures, side by side."""

import hashlib
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import keras
import numpy as np

from kvae.figures import SweepRun
from kvae.images.collection import open_collection
from kvae.model.methods import parted
from kvae.model.vae import VAE
from kvae.objectives.base import Rate
from kvae.objectives.likelihoods import Likelihood
from kvae.saving.reader import load
from kvae.saving.writer import SUFFIX
from kvae.settings import SweepSettings, checked
from kvae.training.artifacts import Run, writable_path
from kvae.training.latents import draw_planes
from kvae.training.listener import Listener
from kvae.training.preparation import prepare
from kvae.training.prepared import Prepared
from kvae.training.study import MOST_TRIALS, PICTURES, Study, Trial, known, planned
from kvae.training.sweep_board import SweepBoard, open_board
from kvae.training.sweep_index import ENDED, Scene, SweepTable, TrialRecord
from kvae.training.trial import run_trial
from kvae.weighting.base import Weighting

KEPT_RUNS = 16  # of a sweep, in memory; beyond them there are the files
MOST_PLANES = 8  # models with two latents whose planes are drawn
PREPARED = (
    "network",
    "batch_size",
    "learning_rate",
    "latent_dim",
    "precision",
    "device",
)  # what else a preparation has
COLLECTION = ("data", "size", "crop", "follow_links")


@dataclass(frozen=True)
class Sweep:
    """What a sweep delivers: its trials as its index has them, a row for each mean over seeds and for the Gaussian
    limit at each weight, and two figures. `runs` are those that were trained just now, the last 16 of them."""

    runs: list[Run]
    rows: list[SweepRun]
    page: Path
    figure: Path
    table: SweepTable
    latents: Path | None = None  # the page of posteriors over the decoded plane, of models with two latents

    @property
    def stopped(self) -> bool:
        """Whether it was ended before all trials were trained."""
        return any(trial.state in ("planned", "running", "stopped") for trial in self.table.trials)


def sweep(
    data: str | os.PathLike[str] | np.ndarray = "paintings",
    kl_weights: Sequence[float] | None = (1.0, 0.1, 0.01),
    *,
    axes: Mapping[str, Sequence[Any]] | None = None,
    trials: Mapping[str, Mapping[str, Any]] | None = None,
    with_autoencoder: bool = False,
    output: str | os.PathLike[str] = "models/sweep.html",
    title: str = "",
    most_trials: int = MOST_TRIALS,
    listener: Listener | None = None,
    encoder: keras.Model | None = None,
    decoder: keras.Model | None = None,
    weighting: str | Weighting | None = None,
    rate: str | Rate | None = None,
    likelihood: str | Likelihood | None = None,
    **settings: Unpack[SweepSettings],
) -> Sweep:
    """Train once with each of `kl_weights`, and once as a plain autoencoder, on the same pictures and seed.

    Writes one HTML page at `output`, one PNG beside it, and each run's model and figure; of models with two latents
    also a page of their posteriors, `-latents.html`. The index, `.json` and `.csv`, is written after every trial.
    Called again with the same trials, or more of them, it goes on: what is done is not trained again. A trial that
    fails is a row that says why. The other arguments are those of `kvae.train`.

    Args:
        kl_weights: the weights; None where `axes`, `trials` or the settings say them.
        axes: more axes of the grid: a list of values for any setting, such as {"latent_dim": [16, 128], "seed": [0,
            1]}. Runs that differ in their seed alone are one row, their mean.
        trials: single trials beside the grid: the settings of each, by its name.
        title: of the page.
        most_trials: more trials than these are refused.

    Raises:
        ValueError, OSError: before training starts, one sentence about what is missing or wrong; afterwards, that the
            page could not be written, or that no trial ended in numbers.

    Example:
        >>> import kvae
        >>> pictures = kvae.open_collection(count=64, size=16).read(range(64))  # uint8 (64, 16, 16, 3)
        >>> swept = kvae.sweep(pictures, [1, 0.1], output="sweep.html", size=16, network="linear", latent_dim=4)
        >>> [run.path.name for run in swept.runs], swept.page.name
        (['sweep-1.keras', 'sweep-0.1.keras'], 'sweep.html')
    """
    listener = listener or Listener()
    weights = {} if kl_weights is None else {"kl_weight": kl_weights}
    page = _page_path(output)
    methods = {"weighting": weighting, "rate": rate, "likelihood": likelihood}
    methods = {axis: method for axis, method in methods.items() if method is not None}
    given, objects = parted({**settings, **methods}, "sweep")
    given = {name: known(name, value) for name, value in given.items()}
    custom = {**objects, "custom": encoder is not None or decoder is not None}
    study = planned(
        given,
        {**weights, **(axes or {})},
        trials,
        with_autoencoder=with_autoencoder,
        custom={**custom, "data": data if isinstance(data, (str, os.PathLike)) else "array"},
        most=most_trials,
        title=title,
    )
    own = {"encoder": encoder, "decoder": decoder, "methods": objects}
    pictures = Pictures(data, study.lowest, listener, encoder)
    once = uuid.uuid4().hex if objects or custom["custom"] else ""  # no hash tells these from others
    records, scenes = _records(study, pictures, once)
    board = open_board(page, list(zip(study.trials, records, strict=True)), scenes, title, listener.on_message)
    try:
        runs = _trained(study, records, board, pictures, listener, own)
        return _delivered(board, runs, pictures, study)
    except BaseException:
        board.forget_if_empty()
        raise
    finally:
        board.folder.release()


class _Once(Listener):
    """Passes on what is said of the pictures, and nothing twice: for every seed it is the same."""

    def __init__(self, listener: Listener) -> None:
        self._listener, self._said = listener, set[str]()

    def on_message(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._listener.on_message(sentence)

    def on_progress(self, done: int, total: int, what: str) -> None:
        self._listener.on_progress(done, total, what)


class Pictures:
    """The pictures of a sweep's trials, ready; those of one trial are kept for the next."""

    def __init__(self, data: Any, lowest: float, listener: Listener, encoder: keras.Model | None = None) -> None:
        self._data, self._lowest, self._encoder = data, lowest, encoder
        self._listener = _Once(listener)
        self._ready: dict[tuple[Any, ...], dict[tuple[Any, ...], Prepared]] = {}
        self._manifests: dict[tuple[Any, ...], str] = {}

    def source(self, trial: Trial | TrialRecord) -> Any:
        """What the trial is trained on."""
        return trial.settings.get("data", self._data)

    def of(self, trial: Trial | TrialRecord) -> Prepared:
        """The pictures of `trial`, with the settings that were worked out."""
        chosen = checked(trial.settings, "sweep")
        first, second = (tuple(chosen[name] for name in names) for names in (PICTURES, PREPARED))
        if first not in self._ready:
            self._ready = {first: {}}  # the statistics of one collection may take much memory
        found = self._ready[first]
        if second not in found:
            settings = {**chosen, "kl_weight": self._lowest, "autoencoder": False}
            like = next(iter(found.values()), None)
            found[second] = prepare(self.source(trial), settings, self._listener, self._encoder, like)
        return found[second]

    def manifest(self, trial: Trial) -> str:
        """The hash of the trial's pictures, before they are prepared where others come first."""
        key = trial.picked(COLLECTION)
        if key not in self._manifests:
            if not self._manifests:
                self._manifests[key] = self.of(trial).collection.manifest_hash
            else:
                options = dict(zip(COLLECTION, key, strict=True)) | {"data": self.source(trial)}
                collection = open_collection(**options, progress=self._listener.on_progress)
                self._manifests[key] = collection.manifest_hash
        return self._manifests[key]


def _records(study: Study, pictures: Pictures, once: str) -> tuple[list[TrialRecord], dict[str, Scene]]:
    """The record of each trial, and the scenes they are measured on."""
    found, weights = [], dict[str, list[float]]()
    for trial in study.trials:
        manifest = pictures.manifest(trial)
        scene = _digest([manifest, *trial.picked(("size", "crop", "validation"))])[:16]
        weights.setdefault(scene, [])
        if not trial.autoencoder and "kl_weight" in trial.settings:
            weights[scene].append(trial.settings["kl_weight"])
        key, group = (study.hash_of(trial, manifest + once, seed=seed) for seed in (True, False))
        found.append(
            TrialRecord(trial.name, key, group, scene, trial.seed, dict(trial.settings), where=dict(trial.where))
        )
    return found, {key: Scene("", tuple(dict.fromkeys(row))) for key, row in weights.items()}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _trained(
    study: Study,
    records: Sequence[TrialRecord],
    board: SweepBoard,
    pictures: Pictures,
    listener: Listener,
    own: Mapping[str, Any],
) -> list[Run]:
    """Run every trial that is not done, one after the other, until somebody wishes an end."""
    runs: list[Run] = []
    for place, (trial, record) in enumerate(zip(study.trials, records, strict=True)):
        listener.on_trials(board.ended, len(board.table.trials), {})
        if board.trial(record.hash).state in ENDED:
            continue
        listener.on_message(f"[{place + 1} of {len(records)}] {trial.name}")
        prepared = pictures.of(trial)
        board.put_scene(record.scene, prepared)
        begun = board.begin(record.hash, trial.slug)
        ended, run = run_trial(begun, pictures.source(trial), prepared, board.folder, listener, **own)
        board.put(ended)
        if ended.reason:
            listener.on_message(f"{trial.name}: {ended.state}: {ended.reason}")
        runs += [] if run is None else [run]
        del runs[:-KEPT_RUNS]
        if run is not None and run.stopped:
            break
        if place + 1 < len(records):
            board.draw()
    listener.on_trials(board.ended, len(board.table.trials), {})
    return runs


def _delivered(board: SweepBoard, runs: list[Run], pictures: Pictures, study: Study) -> Sweep:
    failed = [trial.reason for trial in board.table.trials if trial.state in ("failed", "diverged")]
    if failed and len(failed) == len(board.table.trials):
        raise ValueError(failed[0] if len(failed) == 1 else f"sweep: no trial ended in numbers. The first: {failed[0]}")
    drawn = board.draw(last=True)
    assert drawn is not None
    latents = _planes(board, runs, pictures)
    return Sweep(runs, drawn.rows, board.page, board.page.with_suffix(".png"), board.table, latents)


def _planes(board: SweepBoard, runs: Sequence[Run], pictures: Pictures) -> Path | None:
    """The page of the planes of models with two latents, of the pictures of the first."""
    trained = {run.path: run for run in runs}
    flat = [trial for trial in board.table.trials if trial.latent_dim == 2 and not trial.autoencoder]
    flat = [trial for trial in flat if trial.scene == flat[0].scene and trial.model is not None]
    flat = list({trial.group: trial for trial in reversed(flat)}.values())[::-1][:MOST_PLANES]  # the first seed of each
    now = [trained[trial.model] for trial in flat if trial.model in trained]
    if not flat or (board.table.latents is not None and not now):
        return board.table.latents
    models: list[VAE] = [
        trained[trial.model].model if trial.model in trained else load(trial.model)
        for trial in flat
        if trial.model is not None and (trial.model in trained or trial.model.is_file())
    ]
    prepared = now[0].prepared if now else pictures.of(flat[0])
    page = draw_planes(board.page, [(model, [model.beta]) for model in models], prepared, board.table.latents)
    board.put_latents(page)
    return page


def _page_path(output: str | os.PathLike[str]) -> Path:
    path = Path(os.path.abspath(Path(output).expanduser()))
    if path.suffix not in ("", ".html"):
        raise ValueError(f"output: a sweep's page ends in .html. Received: --output {output}.")
    if path.is_dir():
        raise ValueError(f"output: {path} is a folder. Name the file, such as --output {path / 'sweep.html'}.")
    writable_path(path if path.suffix == "" else path.with_suffix(SUFFIX))
    return path.with_suffix(".html")
