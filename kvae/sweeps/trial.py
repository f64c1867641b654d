"""One trial of a sweep: trained, or gone on with where it was cut off, and measured; what went wrong is part of it."""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kvae.figures import SweepRun
from kvae.files.failure import in_words
from kvae.files.refusal import line
from kvae.model.vae import VAE
from kvae.networks import NETWORKS
from kvae.sweeps.index import MEASURES, TrialRecord
from kvae.sweeps.pictures import Pictures
from kvae.sweeps.store import SweepFolder
from kvae.training.artifacts import Run, gallery, numbers
from kvae.training.build import run_length
from kvae.training.checkpoint import Left, Undelivered
from kvae.training.folder import RunFolder
from kvae.training.listener import Listener
from kvae.training.loop import Diverged
from kvae.training.prepared import Prepared
from kvae.training.resume import open_run, resumed
from kvae.training.run import train
from kvae.weighting.conversions import calibrated_weight, decoder_noise

ENOUGH = 0.98  # of its minutes, after which a run is not gone on with

logger = logging.getLogger(__name__)


def run_trial(
    record: TrialRecord,
    pictures: Pictures,
    folder: SweepFolder,
    listener: Listener,
    *,
    encoder: keras.Model | None = None,
    decoder: keras.Model | None = None,
    methods: Mapping[str, Any] | None = None,
) -> tuple[TrialRecord, Run | None]:
    """Train the trial `record`, whose model is to be `record.model`, and keep in `folder` what the page shows of it.

    One that is running or stopped by its record goes on from what it left. Whatever goes wrong in it becomes its state
    and its reason; the run is None then. KeyboardInterrupt alone comes through.
    """
    assert record.model is not None
    try:
        prepared = pictures.of(record)
        earlier = _left(record, prepared, listener) if record.state in ("running", "stopped") else None
        settings = dict(record.settings) if earlier is None else dict(resumed(earlier, {}))
        settings.pop("data", None)
        own = {} if earlier is not None else {"encoder": encoder, "decoder": decoder, **(methods or {})}
        # it warns of graphs that are built again and again, which is what trials after each other do
        with quiet_below(logging.ERROR, "tensorflow"):
            run = train(
                pictures.source(record),
                output=record.model,
                listener=listener,
                prepared=prepared,
                resume=earlier,
                **own,
                **settings,
            )
        if isinstance(earlier, VAE):
            run = _in_place_of(record.model, run)
        row = shown(run)
        folder.put_run(record.hash, row)
        state = "done" if not run.stopped or is_whole(run.model, len(prepared.training)) else "stopped"
        measured = {name: getattr(row, name) for name in MEASURES}
        return replace(record, state=state, reason="", model=run.path, **measured), run
    except Diverged as error:
        return replace(record, state="diverged", reason=line(error)), None
    except Exception as error:
        logger.debug("trial %s", record.name, exc_info=True)
        said = in_words(error) if isinstance(error, (ValueError, OSError, MemoryError)) else repr(error)
        return replace(record, state="failed", reason=line(said or type(error).__name__)), None


@contextlib.contextmanager
def quiet_below(level: int, name: str) -> Iterator[None]:
    """Inside this block the logger called `name` tells nothing below `level`."""
    told = logging.getLogger(name)
    before = told.level
    told.setLevel(level)
    try:
        yield
    finally:
        told.setLevel(before)


def _left(record: TrialRecord, prepared: Prepared, listener: Listener) -> VAE | Left | None:
    """What a trial left that was cut off or stopped; None where it begins anew."""
    assert record.model is not None
    try:
        found = open_run(record.model, listener.on_message)
    except FileNotFoundError:
        return None
    except ValueError as error:  # damaged, or of a process that still trains it
        listener.on_message(f"{record.name} begins anew: {error}")
        return None
    if isinstance(found, VAE) and is_whole(found, len(prepared.training)):
        folder = RunFolder.beside(record.model)
        return Undelivered(folder, record.model, found) if folder.take() else None
    return found


def is_whole(model: VAE, pictures: int) -> bool:
    """Whether `model`, of so many training pictures, was trained for as long as its settings say."""
    card = model.card or {}
    settings = card.get("settings") or {}
    if settings.get("minutes") is not None:
        seconds = ((card.get("history") or {}).get("seconds") or [0.0])[-1] or 0.0
        return seconds >= ENOUGH * 60 * settings["minutes"]
    if settings.get("epochs") is None and not model.custom and NETWORKS[model.network].closed_form:
        return True
    epochs, per_epoch = run_length(settings, pictures)
    return not model.trainable_variables or card.get("step", 0) >= epochs * per_epoch


def _in_place_of(model: Path, run: Run) -> Run:
    """The run that went on with the stopped one at `model`, under the name of that."""
    figure = model.with_suffix(".png")
    os.replace(run.path, model)
    with contextlib.suppress(FileNotFoundError):  # none was drawn
        os.replace(run.figure, figure)
    return replace(run, path=model, figure=figure)


def shown(run: Run) -> SweepRun:
    """A run as a row of the page."""
    weight = run.model.beta
    held, autoencoder = run.evaluated, run.model.autoencoder
    return SweepRun(
        "plain autoencoder" if autoencoder else f"KL weight {weight:g}",
        None if autoencoder else weight,
        held.distortion,
        held.rate,
        held.loss,
        held.psnr,
        int(run.posterior.active),
        run.model.latent_dim,
        None if autoencoder else decoder_noise(weight),
        calibrated_weight(held.distortion, int(np.prod(run.model.image_shape))),
        seconds=run.seconds,
        history=numbers(run.history),
        **gallery(run.model, run.prepared.shown),
        model=run.path,
    )
