"""The question, answered: several weights, or any grid of settings, on the same pictures, side by side."""

import contextlib
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import keras
import numpy as np

from kvae.figures import SweepRun
from kvae.model.methods import parted
from kvae.model.vae import VAE
from kvae.objectives.base import Rate
from kvae.objectives.likelihoods import Likelihood
from kvae.saving.reader import load
from kvae.saving.writer import SUFFIX
from kvae.settings import SweepSettings
from kvae.sweeps.board import SweepBoard, open_board
from kvae.sweeps.cluster import find_cluster
from kvae.sweeps.crew import MOST_WORKERS, Crew
from kvae.sweeps.index import ENDED, Scene, SweepTable, TrialRecord
from kvae.sweeps.on_ray import train_on_ray
from kvae.sweeps.pictures import Pictures, scene_of
from kvae.sweeps.study import MOST_TRIALS, Study, known, planned
from kvae.sweeps.trial import run_trial
from kvae.training.artifacts import Run, writable_path
from kvae.training.latents import draw_planes
from kvae.training.listener import Listener
from kvae.weighting.base import Weighting

KEPT_RUNS = 16  # of a sweep, in memory; beyond them there are the files
MOST_PLANES = 8  # models with two latents whose planes are drawn


@dataclass(frozen=True)
class Sweep:
    """What a sweep delivers: its trials as its index has them, a row for each mean over seeds and for the Gaussian
    limit at each weight, and two figures. `runs` are those that were trained just now in this process, the last 16."""

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
    workers: int | None = None,
    ray: str | None = None,
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
        workers: processes of this machine that train at once, each with its share of the cores; by default 1.
        ray: the address of a Ray cluster to train on instead, "auto", or "local"; `workers` is then how many at a time.

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
    page = page_path(output)
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
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise ValueError(f"sweep: `workers` must be from 1 to {MOST_WORKERS}. Received: workers={workers!r}.")
    alone = ray is None and workers in (None, 1)
    if not alone and (objects or custom["custom"]):
        raise ValueError("sweep: networks and methods of your own are trained in one process. Leave `workers` out.")
    own = {"encoder": encoder, "decoder": decoder, "methods": objects}
    ray = None if ray is None else find_cluster(ray)  # before the pictures, which may take hours
    pictures = Pictures(data, study.lowest, listener, encoder)
    once = uuid.uuid4().hex if objects or custom["custom"] else ""  # no hash tells these from others
    records, scenes = _records(study, pictures, once)
    board = open_board(page, list(zip(study.trials, records, strict=True)), scenes, title, listener.on_message)
    try:
        board.put_all()
        if alone:
            runs = _trained(study, records, board, pictures, listener, own)
        else:
            runs = []
            _elsewhere(study, records, board, pictures, listener, workers, ray)
        return _delivered(board, runs, pictures, study)
    except BaseException:
        board.forget_if_empty()
        raise
    finally:
        board.folder.release()


def _records(study: Study, pictures: Pictures, once: str) -> tuple[list[TrialRecord], dict[str, Scene]]:
    """The record of each trial, and the scenes they are measured on."""
    found, weights = [], dict[str, list[float]]()
    for trial in study.trials:
        manifest = pictures.manifest(trial)
        scene = scene_of(trial, manifest)
        weights.setdefault(scene, [])
        if not trial.autoencoder and "kl_weight" in trial.settings:
            weights[scene].append(trial.settings["kl_weight"])
        key, group = (study.hash_of(trial, manifest + once, seed=seed) for seed in (True, False))
        found.append(
            TrialRecord(trial.name, key, group, scene, trial.seed, dict(trial.settings), where=dict(trial.where))
        )
    return found, {key: Scene("", tuple(dict.fromkeys(row))) for key, row in weights.items()}


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
        listener.on_trial(trial.name)
        begun = board.begin(record.hash, trial.slug)
        ended, run = run_trial(begun, pictures, board.folder, listener, **own)
        if run is not None:
            board.put_scene(record.scene, run.prepared)
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


def _elsewhere(
    study: Study,
    records: Sequence[TrialRecord],
    board: SweepBoard,
    pictures: Pictures,
    listener: Listener,
    workers: int | None,
    ray: str | None,
) -> None:
    """Run every trial that is not done in other processes, of this machine or of a cluster."""
    pairs = zip(study.trials, records, strict=True)
    waiting = [(trial, record) for trial, record in pairs if board.trial(record.hash).state not in ENDED]
    for trial, record in {record.scene: (trial, record) for trial, record in reversed(waiting)}.values():
        with contextlib.suppress(ValueError, OSError):  # its trials will say why
            board.put_scene(record.scene, pictures.of(trial))
    if ray is None:
        Crew(board, waiting, listener, workers or 1).work(pictures.data, study.lowest)
    elif waiting:
        train_on_ray(board, waiting, listener, pictures.data, study.lowest, address=ray, workers=workers)


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


def page_path(output: str | os.PathLike[str]) -> Path:
    """Where a page is to be, once it is known that it can be written there.

    Raises:
        ValueError, OSError: it cannot; one sentence.
    """
    path = Path(os.path.abspath(Path(output).expanduser()))
    if path.suffix not in ("", ".html"):
        raise ValueError(f"output: a sweep's page ends in .html. Received: --output {output}.")
    if path.is_dir():
        raise ValueError(f"output: {path} is a folder. Name the file, such as --output {path / 'sweep.html'}.")
    writable_path(path if path.suffix == "" else path.with_suffix(SUFFIX))
    return path.with_suffix(".html")
