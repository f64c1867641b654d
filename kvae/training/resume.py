"""Where a run sets out from: a free name, a model that was delivered, or a run that was interrupted."""

import contextlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kvae.files.arrays import ArrayKind
from kvae.files.atomic import is_free, numbered
from kvae.files.private import NotOurs
from kvae.files.refusal import Refused, sentence
from kvae.files.strict_json import parse
from kvae.model.vae import VAE
from kvae.saving.abstract_build import laid_out
from kvae.saving.card import Description, Optimizer, opened, read_settings
from kvae.saving.card_fields import held
from kvae.saving.reader import load
from kvae.saving.writer import SUFFIX
from kvae.settings import SETTINGS, check, checked
from kvae.training.checkpoint import (
    ABOUT,
    ANEW,
    FORMAT,
    Interrupted,
    Left,
    Unbegun,
    Undelivered,
    check_numbers,
    restore,
)
from kvae.training.effect import refuse_without_effect
from kvae.training.folder import DELIVERY, SETTINGS_NOTE, RunFolder
from kvae.training.muon import fitting_optimizer

_KNOWN_BY = ("created", "step")  # in its card, a model that a run wrote
MODEL_GROUPS = ("model", "weighting", "objective")  # of settings that a model keeps
MOST_PATH = 4096  # characters
BESIDE = 64 << 10  # bytes of a checkpoint beside the weights of its model and optimizer: the running means


def open_run(path: str | Path, tell: Callable[[str], None]) -> VAE | Left:
    """The delivered model at `path`, or what is left of the run that was to leave it, or whose folder it is.

    Raises:
        FileNotFoundError, ValueError: nothing of both, one that is damaged, or a run that goes on; one sentence.
    """
    folder = run_of(path)
    if folder is None:
        return _loaded(Path(path))
    if (written := delivered(folder)) or folder.empty:
        return _undelivered(folder, written or folder.model, tell)
    return interrupted(folder, tell) if folder.steps() else _unbegun(folder, tell)


def _loaded(path: Path) -> VAE:
    """The model at `path`, whose card holds to its bounds: what a run reads of it may come from a stranger."""
    model = load(path)
    try:
        model.card = held(model.card)
    except Refused as error:
        raise ValueError(sentence(path, error, "resume:")) from None
    return model


def run_of(path: str | Path) -> RunFolder | None:
    """The folder of the run that `path` names: itself, or that of a model which the run was to leave and has not
    finished."""
    path = Path(os.path.abspath(Path(path).expanduser()))  # so that what is said of it holds everywhere
    beside = RunFolder.beside(path)
    if path.is_file():
        unfinished = not beside.path.is_symlink() and (beside.empty or delivered(beside) is not None)
        return beside if unfinished else None
    for folder in (RunFolder(path), beside):
        if folder.path.is_dir() and (not folder.empty or folder.model.is_file()):
            return folder
    return None


def interrupted_runs(folder: str | Path) -> list[tuple[Path, int | None]]:
    """The models of runs in `folder` that were cut off, and the last step of each; the newest first.

    The step is 0 before the first checkpoint, and None where the model was written and only its figure is missing.
    Nothing is written, and no link followed.
    """
    found: list[tuple[float, Path, int | None]] = []
    for path in Path(folder).glob(".*.run"):
        run = RunFolder(path)
        with contextlib.suppress(OSError, NotOurs):
            steps = run.steps()
            # a folder that cannot be written to has no run that could go on
            if path.is_symlink() or not path.is_dir() or run.empty or not os.access(path, os.W_OK) or run.taken():
                continue
            newest = run.file(steps[0]) if steps else path
            written = _noted_model(run)
            if written is not None and written.is_file():
                found.append((newest.lstat().st_mtime, written, None))
            elif steps or (run.begun and not run.model.exists()):
                found.append((newest.lstat().st_mtime, run.model, steps[0] if steps else 0))
    return [(model, step) for _, model, step in sorted(found, key=lambda one: one[:2], reverse=True)]


def free_run(target: Path, tell: Callable[[str], None]) -> tuple[Path, RunFolder]:
    """The first free name from `target` on, art.keras, art-2.keras ..., and the folder of its run, taken.

    A run that another process trains, or that was interrupted, has its name; one without a checkpoint gives it away.
    """
    for candidate in numbered(target):
        if not is_free(candidate, ".png"):
            continue
        folder = RunFolder.beside(candidate)
        if not folder.take():
            tell(f"{candidate} is being trained by {folder.owner()}; this run takes the next name")
        elif steps := folder.steps():
            folder.release()
            tell(
                f"{candidate} was interrupted at step {steps[0]}; kvae-train --resume {candidate} goes on with it. "
                "This run takes the next name"
            )
        else:
            folder.forget()
            return candidate, folder
    raise AssertionError


def noted_settings(settings: Mapping[str, Any], *, custom: bool, start: str = "") -> bytes:
    """The settings of a run as its folder keeps them; `custom` where it has custom networks or methods, and the model
    that its networks `start` from."""
    noted = {"format": FORMAT, "settings": settings, "custom": custom} | ({"start": start} if start else {})
    return json.dumps(noted, allow_nan=False).encode()


def noted_delivery(folder: RunFolder, model: Path, card: Mapping[str, Any]) -> bytes:
    """That the model with this card is about to be written, as the folder keeps it."""
    try:
        place = os.path.relpath(model, folder.path.parent)
    except ValueError:  # another drive
        place = os.path.abspath(model)
    return json.dumps({"format": FORMAT, "model": place, **{key: card[key] for key in _KNOWN_BY}}).encode()


def delivered(folder: RunFolder) -> Path | None:
    """The model that the run in `folder` wrote before it was cut off; None where it had not come so far."""
    path = _noted_model(folder)
    if path is None:
        return None
    with contextlib.suppress(OSError, Refused), opened(path) as (description, _):
        card, told = description.card or {}, _noted(folder, DELIVERY)
        return path if all(card.get(key) == told[key] for key in _KNOWN_BY) else None
    return None


def _noted_model(folder: RunFolder) -> Path | None:
    with contextlib.suppress(OSError, Refused, NotOurs):
        told = _noted(folder, DELIVERY)
        place = told.get("model")
        if set(told) == {"format", "model", *_KNOWN_BY} and isinstance(place, str) and "\0" not in place:
            path = Path(os.path.normpath(folder.path.parent / place))
            return path if path.suffix == SUFFIX else None
    return None


def _noted(folder: RunFolder, name: str) -> dict[str, Any]:
    """A note of the run, read as a stranger's. Raises Refused where there is none,
    or one that this kvae did not write."""
    content = folder.note(name)
    if content is None:
        raise Refused("does not hold what a run keeps. Train anew.")
    try:
        told = parse(content, most_nodes=1000, most_depth=4)
    except Refused:
        raise Refused("holds a note that cannot be read. Train anew.") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise Refused("holds a note of another kvae. Update kvae, or train anew.")
    return told


def _undelivered(folder: RunFolder, path: Path, tell: Callable[[str], None]) -> Undelivered:
    _take(folder)
    try:
        model = _loaded(path)
    except BaseException:
        folder.release()
        raise
    tell(f"{path} was written, and its run cut off before all else was; that is made up for")
    return Undelivered(folder, path, model)


def _unbegun(folder: RunFolder, tell: Callable[[str], None]) -> Unbegun:
    _take(folder)
    try:
        settings, start = _settings_of(folder)
    except BaseException:
        folder.release()
        raise
    tell(f"{folder.model} was cut off before its first checkpoint; it begins anew with its settings")
    return Unbegun(folder, settings, start)


def _settings_of(folder: RunFolder) -> tuple[dict[str, Any], str]:
    """The settings of a run, and the model that its networks start from, or ""."""
    try:
        told = _noted(folder, SETTINGS_NOTE)
        settings = told.get("settings")
        start = told.pop("start", "")
        if set(told) != {"format", "settings", "custom"} or not isinstance(settings, dict):
            raise Refused("does not hold the settings of a run. Train anew.")
        if not isinstance(start, str) or len(start) > MOST_PATH or "\0" in start:
            raise Refused("does not say what it starts from. Train anew.")
        data = settings.get("data")
        if not isinstance(data, str) or not 0 < len(data) <= MOST_PATH or "\0" in data:
            raise Refused("does not say what to train on. Train anew.")
        if told["custom"] is not False:
            raise Refused("is of a run with networks or methods of your own, which it does not hold. Train anew.")
        return checked(settings, "gives a run settings that cannot be:"), start
    except (Refused, ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"resume: {sentence(folder.path, error)}") from None


def _take(folder: RunFolder) -> None:
    """Raises ValueError where another process has the run."""
    if not folder.take():
        raise ValueError(f"resume: {folder.owner()} is training {folder.model}. Wait until it ends, or end it first.")


def interrupted(folder: RunFolder, tell: Callable[[str], None]) -> Interrupted:
    """Take over the run in `folder`.

    Raises:
        ValueError: another process trains it, or no checkpoint is whole; one sentence.
    """
    _take(folder)
    try:
        found = folder.newest(tell, _look)
        if found is None:
            raise Refused("holds no checkpoint that is whole. Remove that folder and train anew.")
        run = _taken_over(folder, *found)
    except Refused as error:
        folder.release()
        raise ValueError(sentence(folder.path, error, "resume:")) from None
    except BaseException:
        folder.release()
        raise
    tell(f"going on from step {run.step} of the run that was interrupted")
    return run


def _look(about: dict[str, Any], kinds: list[ArrayKind]) -> None:
    """Refuse a checkpoint that no run of this kvae wrote, from what it says, before its arrays are read.

    A run folder may come from a stranger, as a model may.
    """
    newer = about.get("format")
    if type(newer) is int and newer > FORMAT:
        raise Refused("was begun by a newer kvae. Update kvae to go on with it.")
    if about.get("model") is None:
        raise Refused(f"has networks or methods of its owner's own, which its folder does not hold. {ANEW}")
    ABOUT.hold(about, "its state")
    settings = read_settings(about["model"])
    stored = sum(dtype.itemsize * math.prod(shape) for dtype, shape in kinds)
    optimizer = Optimizer({"learning_rate": about["settings"]["learning_rate"]})
    _, kept = laid_out(VAE, Description(settings, optimizer=optimizer, weights_size=stored))
    if stored > sum(one.size for one in kept.values()) + BESIDE:
        raise Refused(f"holds more weights than its model has. {ANEW}")


def _taken_over(folder: RunFolder, step: int, about: dict[str, Any], arrays: list[np.ndarray]) -> Interrupted:
    model = VAE(**read_settings(about["model"]))
    model.compile(fitting_optimizer(model, about["settings"]["learning_rate"]))
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


def resumed(earlier_run: VAE | Left, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings to go on with: those the model was trained with, and over them those that are given now.

    Raises:
        ValueError: a model that does not know its settings, or a given setting that cannot change any more.
    """
    if isinstance(earlier_run, Left):
        try:
            return _resumed(earlier_run, given)
        except ValueError:
            earlier_run.folder.release()  # nothing comes of it
            raise
    model = earlier_run
    earlier = dict((model.card or {}).get("settings", {}))
    if not earlier:
        raise ValueError("resume: this model does not say how it was trained. Train a new one.")
    for name in given:
        part = SETTINGS[name].group in MODEL_GROUPS or name in ("size", "precision")
        if (
            part
            and name != "kl_weight"
            and given[name] != "auto"
            and check(name, given[name]) != check(name, earlier.get(name, SETTINGS[name].default))
        ):
            raise ValueError(f"resume: `{name}` is part of the model and cannot change. Train a new one for that.")
    settings = _over(earlier, given)
    if "kl_weight" in given and not model.autoencoder and model.methods.weighting.MOVES:
        name = model.methods.names["weighting"]
        raise ValueError(f"resume: this model's weight is set by its weighting, {name}. Leave `kl_weight` out.")
    refuse_without_effect(given, {**settings, "custom": model.custom}, "resume", settled=True)
    if "kl_weight" in given:
        model.kl_weight = given["kl_weight"]
    return settings


def _resumed(left: Left, given: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(left, Unbegun):  # nothing is trained yet that would be lost
        settings = _over(left.settings, given)
        refuse_without_effect(given, settings, "resume")
        return settings
    if isinstance(left, Undelivered):
        for name in given:
            if SETTINGS[name].group != "pictures" and name != "device":
                raise ValueError(
                    f"resume: {left.output} was trained to its end, and only its figure is missing. "
                    f"Leave `{name}` out to draw it, and go on with training after that."
                )
    return resumed(left.model, given)


def _over(earlier: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    length = {"epochs": None, "minutes": None} if "epochs" in given or "minutes" in given else {}
    return {**earlier, **length, **given}
