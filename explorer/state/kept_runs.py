"""The runs that are remembered from one start of the program to the next, as plain values. No Qt."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from explorer.state.runs import RunCurves, Turn

MOST = 24  # runs
_POINTS = 40  # epochs of a run's way, and turns of its weight
_MEASURES = ("val_distortion", "val_rate", "val_loss", "val_psnr")
_PLAIN = (str, int, float, bool)


def to_plain(runs: Iterable[RunCurves]) -> list[dict[str, Any]]:
    """What is kept of those that left a model, the newest last: no curves, which the model's own file has."""
    kept = [run for run in runs if run.phase == "done" and run.path]
    return [
        {
            "path": run.path,
            "name": run.name,
            "settings": {key: _plain(value) for key, value in run.settings.items()},
            "evaluated": _numbers(run.evaluated),
            "epochs": [
                _numbers({key: record.get(key) for key in (*_MEASURES, *_at_weights(record))})
                for record in run.epochs[:: len(run.epochs) // _POINTS + 1]
            ],
            "began_with": run.began_with,
            "turns": [[turn.step, turn.kl_weight] for turn in run.turns[-_POINTS:]],
            "steps": run.step,
            "seconds": run.seconds,
            "stopped": run.stopped,
        }
        for run in kept[-MOST:]
    ]


def from_plain(kept: Any) -> dict[int, RunCurves]:
    """The runs that were kept and whose models are still there, by number: below 0, so that this session's own follow.
    What is damaged is left out."""
    found = []
    for one in kept if isinstance(kept, list) else []:
        try:
            run = _run(one)
        except (KeyError, TypeError, ValueError, AttributeError, OSError):
            continue
        if Path(run.path).is_file():
            found.append(run)
    for run, number in zip(found, range(-len(found), 0), strict=True):
        run.number = number
    return {run.number: run for run in found}


def _run(one: dict[str, Any]) -> RunCurves:
    began = one["began_with"]
    run = RunCurves(
        0,
        {str(key): value for key, value in one["settings"].items()},
        str(one["name"]) or Path(str(one["path"])).stem,
        phase="done",
        path=str(one["path"]),
        stopped=bool(one["stopped"]),
        evaluated=_numbers(one["evaluated"]),
        epochs=[_numbers(record) for record in one["epochs"]],
        turns=[Turn(float(step), float(weight)) for step, weight in one["turns"]],
        began_with=None if began is None else float(began),
        progress=1.0,
        before=(int(one["steps"]), float(one["seconds"])),
    )
    run.weight_range, run.kl_weight, run.pictures_of  # noqa: B018  # raise here, not where a row is drawn
    return run


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, _PLAIN) else list(value)


def _at_weights(record: dict[str, Any]) -> list[str]:
    """The measures of a model of a range at each of its weights."""
    return [key for key in record if key.startswith("val_") and "_at_" in key]


def _numbers(table: dict[str, Any]) -> dict[str, float]:
    return {
        str(key): float(value)
        for key, value in table.items()
        if isinstance(value, int | float) and math.isfinite(float(value))
    }
