"""Where a run sets out from: a free name, a model that was delivered, or a run that was interrupted."""

import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kvae.blueprint import Blueprint, read_settings
from kvae.files.refusal import Refused, sentence
from kvae.layout import laid_out
from kvae.model import VAE
from kvae.saving import load
from kvae.settings import check
from kvae.training.checkpoint import FORMAT, Interrupted, restore
from kvae.training.folder import RunFolder
from kvae.training.optimizer import FusedAdam


def opened(path: str | Path, said: Callable[[str], None]) -> VAE | Interrupted:
    """The delivered model at `path`, or the run that was to leave it, or whose folder it is.

    Raises:
        FileNotFoundError, ValueError: nothing of both, one that is damaged, or a run that goes on; one sentence.
    """
    folder = run_of(path)
    return load(path) if folder is None else interrupted(folder, said)


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
        found = folder.newest(said)
        if found is None:
            raise ValueError(f"resume: no checkpoint in {folder.path} is whole. Remove the folder and train anew.")
        step, about, arrays = found
        try:
            run = _taken_over(folder, step, about, arrays)
        except (KeyError, TypeError, IndexError, AttributeError, OverflowError):
            raise ValueError(
                f"resume: the checkpoint in {folder.path} is not one this kvae reads. Train anew."
            ) from None
    except BaseException:
        folder.release()
        raise
    said(f"going on from step {step} of the run that was interrupted")
    return run


def _taken_over(folder: RunFolder, step: int, about: dict[str, Any], arrays: list[np.ndarray]) -> Interrupted:
    if about["format"] != FORMAT:
        raise ValueError("resume: this run was begun by a newer kvae. Update kvae to go on with it.")
    config = about["model"]
    if config is None:
        raise ValueError("resume: this run has networks of your own, which its folder does not hold. Train anew.")
    # a run folder may come from a stranger, as a model may
    try:
        settings = read_settings(config)
        laid_out(VAE, Blueprint(settings, weights_size=sum(array.nbytes for array in arrays)))
    except Refused as error:
        raise ValueError(f"resume: {sentence(folder.path, error)}") from None
    model = VAE(**settings)
    model.compile(FusedAdam(check("learning_rate", about["settings"]["learning_rate"], "resume")))
    restore(model, arrays)
    model.card = {
        "settings": about["settings"],
        "collection": {"manifest_hash": about["pictures"]},
        "step": step,
        **{key: about[key] for key in ("history", "steps", "balance")},
    }
    return Interrupted(folder, step, model, about["loop"], arrays[-len(model.metrics_variables) :])
