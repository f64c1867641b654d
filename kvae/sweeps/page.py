"""The page of a sweep, drawn from its index and its folder alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kvae.figures import LatentLimit, Part, SweepRun, draw_sweep, few, mean_of
from kvae.sweeps.index import Scene, SweepTable, TrialRecord
from kvae.sweeps.store import SceneStore, SweepFolder, limit_key, shown_run
from kvae.training.artifacts import limit_at, limit_curve

TITLE = "What scaling the KL term does"
SEED = "seed "  # begins the part of a trial's name that its mean over seeds has not
MOST_PICTURED = 16  # rows with pictures and curves
MOST_PLACES = 40  # counts of latents at which the Gaussian limit is worked out


@dataclass(frozen=True)
class Drawn:
    """What a page shows: its parts, one for the pictures that trials share."""

    parts: list[Part]

    @property
    def rows(self) -> list[SweepRun]:
        """Every row of it: a mean over seeds, or a run, and then the Gaussian limit at each weight."""
        return [run for part in self.parts for run in part.runs]


def draw_table(table: SweepTable, folder: SweepFolder, page: Path, *, figure: bool = True) -> Drawn:
    """Draw the sweep at `page`, and with `figure` as a PNG beside it.

    Raises:
        OSError: it could not be written.
    """
    drawn = Drawn([_part(table, folder, key, scene) for key, scene in table.scenes.items()])
    draw_sweep(page.with_suffix(".png") if figure else None, page, drawn.parts, title=table.title or TITLE)
    return drawn


def _part(table: SweepTable, folder: SweepFolder, key: str, scene: Scene) -> Part:
    trials = [trial for trial in table.trials if trial.scene == key]
    store = folder.scene(key)
    cells = _cells(trials, folder)
    limits = [] if store is None else [_limit(folder, key, store, weight) for weight in scene.weights]
    counts = {run.latent_dim for run in cells if run.is_finite}
    curve = None
    positive = [weight for weight in scene.weights if weight > 0] or [1.0]
    if store is not None:
        latents = counts.pop() if len(counts) == 1 else store.held.directions
        curve = limit_curve(store.held, latents, min(positive), max(positive))
    runs = [shown_run(trial, None) for trial in trials]
    alone = all(trial.state == "done" for trial in trials) and len(cells) == len(trials)
    return Part(
        summary=scene.summary,
        runs=[*cells, *limits],
        originals=None if store is None else store.originals,
        limit_curve=curve,
        latents=_latent_limits(cells, store),
        trials=[] if alone else [(run, trial.state) for run, trial in zip(runs, trials, strict=True)],
    )


def _cells(trials: Sequence[TrialRecord], folder: SweepFolder) -> list[SweepRun]:
    """A row for the trials that differ in their seed alone: their mean, or why there is none."""
    groups: dict[str, list[TrialRecord]] = {}
    for trial in trials:
        groups.setdefault(trial.group, []).append(trial)
    ended = {key: [trial for trial in group if trial.distortion is not None] for key, group in groups.items()}
    pictured = few([key for key, found in ended.items() if found], MOST_PICTURED)  # all of many would fill the memory
    cells = []
    for key, group in groups.items():
        lost = [trial for trial in group if trial.state in ("diverged", "failed")]
        if ended[key]:
            first, *others = ended[key]
            kept = folder.run(first.hash) if key in pictured else None
            cells.append(mean_of([shown_run(first, kept), *(shown_run(one, None) for one in others)], _name(group)))
        elif lost:
            cells.append(shown_run(lost[0], None))
    return cells


def _name(group: Sequence[TrialRecord]) -> str:
    """The name of trials that differ in their seed alone."""
    if len(group) == 1:
        return group[0].name
    parts = [part for part in group[0].name.split(", ") if not part.startswith(SEED)]
    weight = group[0].kl_weight
    return ", ".join(parts) if parts or weight is None else f"KL weight {weight:g}"


def _limit(folder: SweepFolder, key: str, store: SceneStore, weight: float) -> SweepRun:
    """The Gaussian limit at `weight`, with its pictures where they were kept."""
    kept = folder.run(limit_key(key, weight))
    return limit_at(store.held, weight, store.values) if kept is None else replace(kept, gaussian_limit=True)


def _latent_limits(cells: Sequence[SweepRun], store: SceneStore | None) -> list[LatentLimit]:
    """What the limit says of the number of latents, at each weight with runs that differ in it."""
    runs = [run for run in cells if run.is_finite and not run.is_autoencoder]
    weights = dict.fromkeys(run.kl_weight for run in runs)
    found = []
    for weight in weights:
        counts = {run.latent_dim for run in runs if run.kl_weight == weight}
        if store is None or weight is None or not weight > 0 or len(counts) < 2:
            continue
        held = store.held
        between = np.geomspace(min(counts), max(counts), MOST_PLACES).round().astype(int).tolist()
        latents = np.array(sorted({min(count, held.directions) for count in [*counts, *between]}))
        points = [held.at(weight, int(count)) for count in latents]
        found.append(
            LatentLimit(
                weight,
                latents,
                np.array([point.distortion for point in points]),
                np.array([point.rate for point in points]),
                int(np.sum(held.eigenvalues > weight / 2.0)),
                2.0 * np.asarray(held.eigenvalues)[latents - 1],
            )
        )
    return found
