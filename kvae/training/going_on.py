"""Where a run sets out from: a free name, a model that was delivered, or a run that was interrupted."""

import contextlib
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kvae.blueprint import Optimizer, read_settings
from kvae.card import held
from kvae.files.arrays import ArrayKind
from kvae.files.refusal import Refused, sentence
from kvae.model import VAE
from kvae.saving import laid_out, load
from kvae.training.checkpoint import ABOUT, ANEW, FORMAT, Interrupted, check_numbers, restore
from kvae.training.folder import RunFolder
from kvae.training.optimizer import FusedAdam

BESIDE = 64 << 10  # bytes of a checkpoint beside the weights of its model and optimizer: the running means


def opened(path: str | Path, said: Callable[[str], None]) -> VAE | Interrupted:
    """The delivered model at `path`, or the run that was to leave it, or whose folder it is.

    Raises:
        FileNotFoundError, ValueError: nothing of both, one that is damaged, or a run that goes on; one sentence.
    """
    folder = run_of(path)
    if folder is not None:
        return interrupted(folder, said)
    model = load(path)
    try:
        model.card = held(model.card)
    except Refused as error:
        raise ValueError(sentence(path, error, "resume:")) from None
    return model


def run_of(path: str | Path) -> RunFolder | None:
    """The folder of the run that `path` names: itself, or that of a model which the run was to leave."""
    path = Path(path).expanduser()
    if path.is_file():
        return None
    for folder in (RunFolder(path), RunFolder.beside(path)):
        if folder.path.is_dir() and folder.steps():
            return folder
    return None


def interrupted_runs(folder: str | Path) -> list[tuple[Path, int]]:
    """The models that runs in `folder` were to leave when they were cut off, and the last step of each; the newest first."""
    found = []
    for path in Path(folder).glob(".*.run"):
        run = RunFolder(path)
        with contextlib.suppress(OSError):  # a folder that cannot be written to has no run that could go on
            if (steps := run.steps()) and run.take():
                run.release()
                found.append((run.file(steps[0]).stat().st_mtime, run.model, steps[0]))
    return [(model, step) for _, model, step in sorted(found, reverse=True)]


def free_run(target: Path, said: Callable[[str], None]) -> tuple[Path, RunFolder]:
    """The first free name from `target` on, art.keras, art-2.keras ..., and the folder of its run, taken.

    A run that another process trains, or that was interrupted, has its name.
    """
    for number in itertools.count(1):
        candidate = target if number == 1 else target.with_name(f"{target.stem}-{number}{target.suffix}")
        if candidate.exists() or candidate.with_suffix(".png").exists():
            continue
        folder = RunFolder.beside(candidate)
        if not folder.take():
            said(f"{candidate} is being trained by {folder.owner()}; this run takes the next name")
        elif steps := folder.steps():
            folder.release()
            said(
                f"{candidate} was interrupted at step {steps[0]}; kvae-train --resume {candidate} goes on with it. "
                "This run takes the next name"
            )
        else:
            return candidate, folder
    raise AssertionError


def interrupted(folder: RunFolder, said: Callable[[str], None]) -> Interrupted:
    """Take over the run in `folder`.

    Raises:
        ValueError: another process trains it, or no checkpoint is whole; one sentence.
    """
    if not folder.take():
        raise ValueError(f"resume: {folder.owner()} is training {folder.model}. Wait until it ends, or end it first.")
    try:
        found = folder.newest(said, _look)
        if found is None:
            raise Refused("holds no checkpoint that is whole. Remove that folder and train anew.")
        run = _taken_over(folder, *found)
    except Refused as error:
        folder.release()
        raise ValueError(sentence(folder.path, error, "resume:")) from None
    except BaseException:
        folder.release()
        raise
    said(f"going on from step {run.step} of the run that was interrupted")
    return run


def _look(about: dict[str, Any], kinds: list[ArrayKind]) -> None:
    """Refuse a checkpoint that no run of this kvae wrote, from what it says, before its arrays are read.

    A run folder may come from a stranger, as a model may.
    """
    newer = about.get("format")
    if type(newer) is int and newer > FORMAT:
        raise Refused("was begun by a newer kvae. Update kvae to go on with it.")
    if about.get("model") is None:
        raise Refused(f"has networks of its owner's own, which its folder does not hold. {ANEW}")
    ABOUT.hold(about, "its state")
    settings = read_settings(about["model"])
    stored = sum(dtype.itemsize * math.prod(shape) for dtype, shape in kinds)
    kept = laid_out(settings, stored, Optimizer({"learning_rate": about["settings"]["learning_rate"]}))
    if stored > sum(one.size for one in kept.values()) + BESIDE:
        raise Refused(f"holds more weights than its model has. {ANEW}")


def _taken_over(folder: RunFolder, step: int, about: dict[str, Any], arrays: list[np.ndarray]) -> Interrupted:
    model = VAE(**read_settings(about["model"]))
    model.compile(FusedAdam(about["settings"]["learning_rate"]))
    try:
        restore(model, arrays)
    except ValueError:
        raise Refused(f"holds the weights of another model than its settings say. {ANEW}") from None
    check_numbers(model, step, arrays)
    model.card = {
        "settings": about["settings"],
        "collection": {"manifest_hash": about["pictures"]},
        "step": step,
        **{key: about[key] for key in ("history", "steps", "balance")},
    }
    return Interrupted(folder, step, model, about["loop"], arrays[-len(model.metrics_variables) :])
