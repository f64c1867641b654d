"""Several sweeps as one: one page, one index, and nothing trained."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kvae.files.atomic import is_free, numbered
from kvae.settings import SETTINGS
from kvae.sweeps.board import BESIDE, SweepBoard
from kvae.sweeps.index import MOST_OF_ALL, Scene, SweepTable, TrialRecord, open_sweep
from kvae.sweeps.page import Drawn
from kvae.sweeps.store import SweepFolder, limit_key
from kvae.sweeps.study import PLACE, placed

OF_METHODS = ("weighting", "objective")  # groups of settings that count only where they are given


def merge(sweeps: Sequence[str | os.PathLike[str]], page: Path) -> tuple[SweepTable, Drawn]:
    """The trials of all `sweeps`, named by their pages or indexes, on one page at `page` or the next free name.

    A trial that is in several of them is there once. Models stay where they are.

    Raises:
        ValueError, OSError: a sweep that cannot be read, or a page that cannot be written; one sentence.
    """
    tables = [open_sweep(path) for path in dict.fromkeys(map(os.path.abspath, sweeps))]
    if len(tables) < 2:
        raise ValueError(f"merge: there must be at least two sweeps. Received: {len(tables)}.")
    trials: dict[str, TrialRecord] = {}
    scenes: dict[str, Scene] = {}
    for table in tables:
        for trial in table.trials:
            known = trials.get(trial.hash)
            if known is None or known.distortion is None:
                trials[trial.hash] = trial
        for key, scene in table.scenes.items():
            earlier = scenes.get(key, scene)
            weights = tuple(dict.fromkeys((*earlier.weights, *scene.weights)))
            scenes[key] = Scene(earlier.summary or scene.summary, weights)
    if len(trials) > MOST_OF_ALL:
        raise ValueError(f"merge: these are {len(trials):,} trials, and a page holds {MOST_OF_ALL:,}. Merge fewer.")
    title = next((table.title for table in tables if table.title), "")
    page.parent.mkdir(parents=True, exist_ok=True)
    for free in numbered(page):
        folder = SweepFolder(free)
        if is_free(free, *BESIDE) and folder.take():
            break
    try:
        merged = SweepTable(free.with_suffix(".json"), title, tuple(_renamed(list(trials.values()))), scenes)
        for table in tables:
            limits = [limit_key(key, weight) for key, scene in table.scenes.items() for weight in scene.weights]
            folder.copy_from(
                SweepFolder(table.path), [trial.hash for trial in table.trials] + limits, list(table.scenes)
            )
        board = SweepBoard(free, folder, merged, fresh=True)
        board.put_all()
        drawn = board.draw(last=True)
        assert drawn is not None
        return merged, drawn
    finally:
        folder.release()


def _renamed(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials with names that tell apart what differs between all of them; those that were named keep theirs."""
    every = [_whole(trial) for trial in trials]
    varying = {
        name
        for name in SETTINGS
        if name not in PLACE and len({repr(settings[name]) for settings in every if name in settings}) > 1
    }
    renamed = []
    for trial, settings in zip(trials, every, strict=True):
        parts, where = placed(settings, varying)
        name = ", ".join(said for said, _ in parts)[:200]
        renamed.append(trial if "trial" in trial.where else replace(trial, name=name, where=where))
    return renamed


def _whole(trial: TrialRecord) -> dict[str, Any]:
    """The settings of a trial with the defaults of those that it leaves out, where they count."""
    defaults = {name: one.default for name, one in SETTINGS.items() if one.group not in OF_METHODS}
    if trial.autoencoder or ("weighting" in trial.settings and "kl_weight" not in trial.settings):
        del defaults["kl_weight"]  # it has none, or finds it by itself
    return {**defaults, **trial.settings}
