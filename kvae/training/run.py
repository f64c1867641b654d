"""One run, from pictures to a saved model, its curves and a picture of its reconstructions."""

import math
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kvae.figures import Limit
from kvae.files.failure import unwritable
from kvae.images.collection import PAINTINGS
from kvae.images.pipeline import steps_per_epoch, training_batches
from kvae.images.pixels import unchecked
from kvae.model.methods import METHOD_SETTINGS, choose
from kvae.model.vae import VAE
from kvae.settings import checked
from kvae.training.artifacts import Run, complete, cut_off, deliver, undrawn, writable_path
from kvae.training.balance import PROBE_PICTURES, BalanceProbe
from kvae.training.checkpoint import CheckpointWriter, Interrupted, Left, Unbegun, Undelivered
from kvae.training.effect import refuse_without_effect
from kvae.training.folder import RunFolder
from kvae.training.listener import Listener
from kvae.training.loop import Diverged, RunCallback
from kvae.training.optimizer import FusedAdam, carry_on_fused
from kvae.training.preparation import augmented_pca, prepare
from kvae.training.prepared import Prepared
from kvae.training.resume import free_run, noted_settings
from kvae.training.run_state import RunState
from kvae.weighting.registry import WEIGHTINGS

DEFAULT_STEPS = 2000  # of a run whose length nobody states
ARRAY = "array"  # what a run on an array says that it was trained on
DELIVERING = "measuring and saving the model"


def train(
    data: str | os.PathLike[str] | np.ndarray = "paintings",
    *,
    output: str | os.PathLike[str] = "models/art.keras",
    listener: Listener | None = None,
    encoder: keras.Model | None = None,
    decoder: keras.Model | None = None,
    resume: VAE | Left | None = None,
    prepared: Prepared | None = None,
    **settings: Any,
) -> Run:
    """Train a VAE on pictures and save it, with its curves and a picture of its reconstructions beside it.

    Args:
        data: what `kvae.open_collection` opens: a folder, an array or array file, an HDF5 file, or "paintings".
        output: the model's path; where it exists, the next free name is used instead.
        listener: hears of everything that happens.
        encoder, decoder: networks of your own, as `kvae.VAE` takes them; left untouched, copies are trained.
        resume: a model of an earlier run on the same pictures to go on from, or what is left of a run that was cut off.
        prepared: pictures that are ready already, from `prepare`.
        settings: any of `kvae.settings.SETTINGS` by name, such as kl_weight=0.1.

    While it trains, a folder beside `output` holds its last good state: `kvae-train --resume` goes on from there when the
    process is killed.

    Raises:
        ValueError, OSError: before training starts, one sentence about what is missing or wrong; afterwards, that the
            model could not be written, or that training left the finite numbers: the last good model is saved then.
    """
    listener = listener or Listener()
    folder = resume.folder if isinstance(resume, Left) else None
    try:
        chosen = checked({**settings, "data": _named(data)}, "train")
        custom = encoder is not None or decoder is not None or bool(getattr(resume, "foreign", False))
        if resume is None:  # else they are settled, and `resumed` has looked at what is new
            refuse_without_effect(settings, {**chosen, "custom": custom}, "train")
        choose(chosen, "train")  # before the pictures are decoded
        if isinstance(resume, Undelivered):
            return _completed(resume, data, chosen, listener, prepared)
        if chosen["autoencoder"]:
            chosen["kl_weight"] = 0.0
        target = writable_path(output)
        if folder is None:
            target, folder = free_run(target, listener.on_message)
        _begin(folder, chosen, custom=custom)
        return _trained(data, target, folder, listener, encoder, decoder, resume, prepared, chosen)
    finally:
        if folder is not None:
            folder.release()


def _trained(
    data: Any,
    target: Path,
    folder: RunFolder,
    listener: Listener,
    encoder: keras.Model | None,
    decoder: keras.Model | None,
    resume: VAE | Interrupted | Unbegun | None,
    prepared: Prepared | None,
    chosen: dict[str, Any],
) -> Run:
    going_on = resume if isinstance(resume, Interrupted) else None
    earlier = going_on.model if going_on else resume if isinstance(resume, VAE) else None
    if prepared is None:
        prepared = _pictures(data, chosen, listener, encoder, again=resume is not None)
    if earlier is not None and not _same_pictures(earlier, prepared):
        listener.on_message("the pictures are not those that this model was trained on before")
    listener.on_prepared(prepared)
    chosen["size"] = prepared.settings["size"]
    chosen["precision"] = prepared.settings["precision"]
    chosen["batch_size"] = prepared.settings["batch_size"]
    if earlier is not None:
        model = earlier
        carry_on_fused(model)
    else:
        model = build(chosen, prepared, listener, encoder, decoder)
    _check_shape(model, prepared)
    listener.on_message(
        f"device: {prepared.device}, {model.precision}; network {_network_name(model)}, {model.count_params():,} parameters"
    )
    limit = prepared.limit(model.beta)
    listener.on_message(_limit_sentence(limit, model.beta))
    if going_on is not None:
        same = _same_pictures(model, prepared) and _batch_size(model) == chosen["batch_size"]
        going_on = replace(going_on, within=same)
    checkpoints = CheckpointWriter(model, folder, listener, chosen, prepared.collection.manifest_hash)
    loop = _loop(model, chosen, prepared, listener, checkpoints, going_on)
    return _finish(model, loop, chosen, prepared, listener, checkpoints, target)


def _named(data: Any) -> str:
    """What to train on, as a run keeps it: a path that holds in every working directory, or a word."""
    if data is None:
        return PAINTINGS
    if not isinstance(data, (str, os.PathLike)):
        return ARRAY
    return os.path.abspath(os.path.expanduser(data)) if os.fspath(data) not in ("", PAINTINGS) else str(data)


def _begin(folder: RunFolder, chosen: Mapping[str, Any], *, custom: bool) -> None:
    try:
        folder.begin(noted_settings(chosen, custom=custom))
    except OSError as error:
        raise OSError(f"output: {unwritable(folder.path, error)}") from None


def _pictures(data: Any, chosen: Mapping[str, Any], listener: Listener, encoder: Any, *, again: bool) -> Prepared:
    try:
        return prepare(data, chosen, listener, encoder)
    except FileNotFoundError:
        if not again:
            raise
        place = "in the model, which was trained on an array" if data == ARRAY else f"at {data}"
        raise FileNotFoundError(
            f"resume: there are no pictures {place}. Name those that it was trained on with --data."
        ) from None


def _completed(
    left: Undelivered, data: Any, chosen: Mapping[str, Any], listener: Listener, prepared: Prepared | None
) -> Run:
    """Do what is left of a delivery."""
    figure = left.output.with_suffix(".png")
    if os.path.lexists(figure):
        left.folder.remove()  # that was all
    prepared = prepared or _pictures(data, chosen, listener, None, again=True)
    if not _same_pictures(left.model, prepared):
        listener.on_message("the pictures are not those that this model was trained on")
    _check_shape(left.model, prepared)
    listener.on_prepared(prepared)
    listener.on_progress(0, 1, DELIVERING)
    try:
        run = complete(left, prepared)
    except OSError as error:
        raise OSError(undrawn(left.output, left.folder, error)) from error
    left.folder.remove()
    listener.on_progress(1, 1, DELIVERING)
    return run


def _check_shape(model: VAE, prepared: Prepared) -> None:
    if model.image_shape != prepared.collection.shape:
        raise ValueError(
            f"train: the model takes pictures of shape {model.image_shape}, and those of {prepared.collection.name} are "
            f"{prepared.collection.shape}. Bring square networks with as many channels as the pictures have."
        )


def _finish(
    model: VAE,
    loop: RunCallback,
    settings: Mapping[str, Any],
    prepared: Prepared,
    listener: Listener,
    checkpoints: CheckpointWriter,
    target: Path,
) -> Run:
    """Train to the end, and deliver; what goes wrong after training leaves a checkpoint to go on from."""
    state, diverged = loop.state, None
    started = time.perf_counter()
    try:
        _fit(model, loop, settings, prepared, listener)
    except Diverged as error:
        diverged = error
        checkpoints.go_back(state)
    seconds = time.perf_counter() - started
    if state.skipped:
        listener.on_message(f"{state.skipped} of {state.step} steps were left out, as they were no finite numbers")
    try:
        listener.on_progress(0, 1, DELIVERING)
        run = deliver(model, state, loop.evaluation, dict(settings), prepared, target, seconds, checkpoints.folder)
        listener.on_progress(1, 1, DELIVERING)
    except BaseException as error:
        told = cut_off(error, state, checkpoints, target)
        if told is None:
            raise
        raise told from (None if isinstance(error, KeyboardInterrupt) else error)
    checkpoints.finish()
    if diverged is not None:
        raise Diverged(
            f"training: {diverged} Try a smaller --learning-rate; the last good model, that of step {state.step}, "
            f"is {run.path}."
        )
    return run


def _same_pictures(model: VAE, prepared: Prepared) -> bool:
    return (model.card or {}).get("collection", {}).get("manifest_hash") == prepared.collection.manifest_hash


def _batch_size(model: VAE) -> int | None:
    return (model.card or {}).get("settings", {}).get("batch_size")


def build(
    settings: Mapping[str, Any], prepared: Prepared, listener: Listener, encoder: Any = None, decoder: Any = None
) -> VAE:
    """The untrained model of `settings`, set out from the closed-form linear solution where it has a linear part."""
    if encoder is not None or decoder is not None:
        encoder, decoder = (_copy(part) if isinstance(part, keras.Model) else part for part in (encoder, decoder))
    model = VAE(
        encoder,
        decoder,
        image_shape=prepared.collection.shape,
        network=settings["network"],
        latent_dim=settings["latent_dim"],
        widths=settings["widths"],
        depth=settings["depth"],
        kl_weight=settings["kl_weight"],
        autoencoder=settings["autoencoder"],
        **method_settings(settings, len(prepared.training)),
        seed=settings["seed"],
        dtype=None if encoder is not None else prepared.settings["precision"],  # networks of one's own have theirs
    )
    if model.linear_path is not None or (model.network == "linear" and not model.custom):
        pca = prepared.pca
        if model.linear_path is not None and settings["augment"]:
            count, seed = settings["latent_dim"], settings["seed"]
            pca = augmented_pca(prepared.collection, prepared.training, count, seed, listener)
        model.fit_linear(pca)
    model.compile(FusedAdam(settings["learning_rate"]))
    return model


def method_settings(settings: Mapping[str, Any], pictures: int) -> dict[str, Any]:
    """The methods of `settings` and what belongs to them; a schedule whose length nobody states fits into the run."""
    found = {name: settings[name] for name in ("weighting", "rate", "likelihood", *sorted(METHOD_SETTINGS))}
    if found["ramp_steps"] is None and settings["minutes"] is None:
        epochs, per_epoch = run_length(settings, pictures)
        found["ramp_steps"] = WEIGHTINGS[settings["weighting"]].length(epochs * per_epoch)
    return found


def run_length(settings: Mapping[str, Any], pictures: int) -> tuple[int, int]:
    """Epochs, and steps in each, of a run over so many pictures."""
    per_epoch = steps_per_epoch(pictures, settings["batch_size"])
    return settings["epochs"] or max(1, math.ceil(DEFAULT_STEPS / per_epoch)), per_epoch


def _copy(part: keras.Model) -> keras.Model:
    # a clone alone would draw new weights, which no seed repeats
    copy = keras.models.clone_model(part)
    copy.set_weights(part.get_weights())
    return copy


def _loop(
    model: VAE,
    settings: Mapping[str, Any],
    prepared: Prepared,
    listener: Listener,
    checkpoints: CheckpointWriter,
    interrupted: Interrupted | None,
) -> RunCallback:
    earlier = model.card or {}
    # float16 leaves out steps that overflow, so the optimizer may have counted fewer
    first = max(int(keras.ops.convert_to_numpy(model.optimizer.iterations)), earlier.get("step", 0))
    epochs, per_epoch = run_length(settings, len(prepared.training))
    done = first // per_epoch
    if settings["minutes"] is None and first and done >= epochs and interrupted is None:
        raise ValueError(
            f"train: this model has already been trained for {done} epochs. Ask for more, such as --epochs {2 * done}."
        )
    state = RunState(
        pictures=len(prepared.training),
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        total_steps=None if settings["minutes"] is not None else max(epochs, 1) * per_epoch,
        minutes=settings["minutes"],
        first_step=first,
        **{key: earlier.get(key) or {} for key in ("history", "steps", "balance")},
        folder=checkpoints.folder,
    )
    return RunCallback(
        model,
        state,
        prepared.validation_batches(),
        listener,
        probe=None if model.autoencoder else _probe(model, prepared, settings["balance_every"]),
        checkpoints=checkpoints,
        interrupted=interrupted,
    )


def _fit(model: VAE, loop: RunCallback, settings: Mapping[str, Any], prepared: Prepared, listener: Listener) -> None:
    epochs, per_epoch = run_length(settings, len(prepared.training))
    if settings["minutes"] is not None:
        epochs = 10**6
    elif settings["epochs"] is None and model.network == "linear" and not model.custom:
        return  # the closed form is all there is to it
    state = loop.state
    model.seed_noise(settings["seed"], state.step)
    listener.on_begin(model, state)
    try:
        while state.step < epochs * per_epoch and not state.ended:
            done, within = divmod(state.step, per_epoch)  # the rest of an epoch that was begun comes by itself
            with unchecked():  # the pipeline makes its batches from bytes
                model.fit(
                    training_batches(
                        prepared.collection,
                        prepared.training,
                        batch_size=settings["batch_size"],
                        seed=settings["seed"],
                        augment=settings["augment"],
                        start_step=state.step,
                    ),
                    epochs=done + 1 if within else epochs,
                    initial_epoch=done,
                    steps_per_epoch=per_epoch - within,
                    shuffle=False,  # the pipeline orders the pictures
                    verbose=0,
                    callbacks=[loop],
                )
    except KeyboardInterrupt:
        state.stopped = True


def _probe(model: VAE, prepared: Prepared, every: int | None) -> BalanceProbe:
    pictures = prepared.collection.read(prepared.training[:PROBE_PICTURES])
    return BalanceProbe(model, pictures.astype("float32") / 255.0, every)


def _limit_sentence(limit: Limit, kl_weight: float) -> str:
    if kl_weight == 0:
        return f"the best linear autoencoder: D {limit.distortion:.1f}"
    return (
        f"the best linear model at this weight: D {limit.distortion:.1f}, R {limit.rate:.1f}, L {limit.loss:.1f}, "
        f"{limit.active} of {limit.latent_dim} latents active"
    )


def _network_name(model: VAE) -> str:
    return "of your own" if model.custom else model.network
