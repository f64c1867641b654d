"""One run, from pictures to a saved model, its curves and a picture of its reconstructions."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import keras
import numpy as np

from kvae.files.failure import unwritable
from kvae.images.collection import PAINTINGS
from kvae.model.methods import choose, parted
from kvae.model.vae import VAE
from kvae.objectives.base import Rate
from kvae.objectives.likelihoods import Likelihood
from kvae.saving.card import STARTER
from kvae.saving.reader import load
from kvae.settings import OLDER_NETWORKS, RunSettings, checked
from kvae.training.artifacts import Run, complete, cut_off, deliver, undrawn, writable_path
from kvae.training.build import Custom, build
from kvae.training.checkpoint import CheckpointWriter, Interrupted, Left, Unbegun, Undelivered
from kvae.training.cluster import WorkerLost
from kvae.training.devices import Devices, choose_devices
from kvae.training.effect import refuse_without_effect
from kvae.training.evaluation import FEW_FOR_CURVE, Evaluation
from kvae.training.folder import RunFolder
from kvae.training.helping import Orders, share_out
from kvae.training.listener import Listener
from kvae.training.loop import Diverged, RunCallback, fit, run_callback
from kvae.training.muon import carry_on
from kvae.training.preparation import prepare
from kvae.training.prepared import Prepared
from kvae.training.resume import free_run, noted_settings
from kvae.training.tensorboard import EventFile, TensorBoardLog, check_tensorboard
from kvae.weighting.base import Weighting

STARTER_WORD = "starter"
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
    weighting: str | Weighting | None = None,
    rate: str | Rate | None = None,
    likelihood: str | Likelihood | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tensorboard: str | os.PathLike[str] | None = None,
    start: str | os.PathLike[str] | None = None,
    **settings: Unpack[RunSettings],
) -> Run:
    """Train a VAE on pictures and save it, with its curves and a picture of its reconstructions beside it.

    Args:
        data: what `kvae.open_collection` opens: a folder, an array or array file, an HDF5 file, or "paintings".
        output: the model's path; where it exists, the next free name is used instead.
        listener: hears of everything that happens.
        encoder, decoder: networks of your own, as `kvae.VAE` takes them; left untouched, copies are trained.
        resume: a model of an earlier run on the same pictures to go on from, or what is left of a run that was cut off.
        prepared: pictures that are ready already, from `prepare`.
        weighting, rate, likelihood: as `kvae.VAE` takes them, by name or as objects of your own.
        callbacks: Keras callbacks. The logs of a batch and of an epoch have `loss`, `distortion`, `rate` and
            `kl_weight`, those of an epoch also `val_loss`, `val_distortion`, `val_rate`, `val_psnr`, `val_active`, the
            active dimensions, and the gradient balance as it was last measured, `gradient_distortion`, `_rate`,
            `_cosine`, `_share` and `_decoder`, NaN before. One that sets `model.stop_training` ends the run, and the
            model is delivered. The run sets the learning rate itself.
        tensorboard: a folder that TensorBoard looks into; the run writes its curves, pictures and rate-distortion plane
            there, under the model's name.
        start: a model of the spectral network whose networks this run sets out from, on other pictures or at other
            weights: a path, or "starter", the model that comes with kvae. Few pictures are enough then.
        settings: any other of `kvae.settings.SETTINGS` by name, such as kl_weight=0.1.

    While it trains, a folder beside `output` holds its last good state: `kvae-train --resume` goes on from there when
    the process is killed. That folder does not hold networks and methods of your own, so a run with these begins anew.

    Raises:
        ValueError, OSError: before training starts, one sentence about what is missing or wrong; afterwards, that the
            model could not be written, or that training left the finite numbers: the last good model is saved then.

    Example:
        >>> import kvae
        >>> pictures = kvae.open_collection(count=64, size=16).read(range(64))  # uint8 (64, 16, 16, 3)
        >>> run = kvae.train(pictures, output="art.keras", kl_weight=0.1, size=16, network="linear", latent_dim=4)
        >>> run.path.name, run.figure.name
        ('art.keras', 'art.png')
        >>> kvae.load(run.path).card["settings"]["kl_weight"]
        0.1
    """
    listener = listener or Listener()
    folder, events = resume.folder if isinstance(resume, Left) else None, None
    try:
        methods = {"weighting": weighting, "rate": rate, "likelihood": likelihood}
        named = {axis: method for axis, method in methods.items() if method is not None}
        given, objects = parted({**settings, **named}, "train")
        custom = Custom(encoder, decoder, objects, callbacks)
        if tensorboard is not None:
            check_tensorboard()
        chosen = checked({**given, "data": named_source(data)}, "train")
        _refuse(given, chosen, custom, resume)
        if isinstance(resume, Undelivered):
            return _completed(resume, data, chosen, listener, prepared)
        if chosen["autoencoder"]:
            chosen["kl_weight"] = 0.0
        earlier = _model_of(resume)
        if earlier is not None and not earlier.custom:
            chosen["network"] = earlier.network  # which has another name now than in its settings, if it is older
        elif chosen["network"] in OLDER_NETWORKS:
            raise ValueError(
                f"train: the network {chosen['network']} is that of older models, which go on with --resume. "
                "Choose spectral or linear, which are as good."
            )
        kept = earlier.methods.custom if earlier is not None else {}
        for axis in objects.keys() | kept.keys():  # no name would be true of these
            chosen.pop(axis, None)
        if start and resume is not None:
            raise ValueError("train: `from` has no effect: a run that goes on has its networks. Leave `from` out.")
        source = os.fspath(start or "") if resume is None else getattr(resume, "start", "")
        if source:
            _refuse_start(chosen, custom)
            in_box = source == STARTER_WORD
            custom = replace(custom, start=load(STARTER if in_box else source), may_not_fit=in_box)
            source = source if in_box else os.path.abspath(source)
        target = writable_path(output)
        if folder is None:
            target, folder = free_run(target, listener.on_message)
        if tensorboard is not None:
            events = EventFile(tensorboard, target.stem)
            custom = replace(custom, events=events)
        has_custom = custom.beside_settings or bool(kept) or (earlier is not None and earlier.custom)
        _begin(folder, chosen, custom=has_custom, start=source)
        return _trained(data, target, folder, listener, custom, resume, prepared, chosen)
    finally:
        if folder is not None:
            folder.release()
        if events is not None:
            events.close()


def _model_of(resume: VAE | Left | None) -> VAE | None:
    """The model to go on with."""
    return resume if isinstance(resume, VAE) else getattr(resume, "model", None)


def _refuse(given: Mapping[str, Any], chosen: Mapping[str, Any], custom: Custom, resume: VAE | Left | None) -> None:
    """Raise ValueError for what has no effect or does not go together, before the pictures are decoded."""
    if resume is None:
        every = {**chosen, **custom.methods, "custom": custom.networks}
        refuse_without_effect({**given, **custom.methods}, every, "train")
    elif custom.methods:  # else all is settled, and `resumed` has looked at what is new
        name = next(iter(custom.methods))
        raise ValueError(f"resume: `{name}` is part of the model and cannot change. Train a new one for that.")
    choose(chosen, "train", custom.methods)


def _trained(
    data: Any,
    target: Path,
    folder: RunFolder,
    listener: Listener,
    custom: Custom,
    resume: VAE | Interrupted | Unbegun | None,
    prepared: Prepared | None,
    chosen: dict[str, Any],
) -> Run:
    interrupted, earlier = resume if isinstance(resume, Interrupted) else None, _model_of(resume)
    if prepared is None:
        prepared = _pictures(data, chosen, listener, custom.encoder, again=resume is not None)
    if earlier is not None and not _same_pictures(earlier, prepared):
        listener.on_message("the pictures are not those that this model was trained on before")
    listener.on_prepared(prepared)
    devices = choose_devices(
        {**chosen, **custom.methods, "batch_size": prepared.settings["batch_size"]},
        prepared.device,
        len(prepared.training),
        custom=custom.beside_settings or (earlier is not None and (earlier.custom or bool(earlier.methods.custom))),
    )
    worked_out = ("size", "precision", "batch_size", "latent_dim", "learning_rate")
    chosen.update({name: prepared.settings[name] for name in worked_out})
    if earlier is not None:
        model = earlier
        carry_on(model, chosen["learning_rate"])
    else:
        with devices.scope():
            model = build(chosen, prepared, listener, custom)
    if devices.cluster is not None:
        share_out(devices.cluster, model, chosen, prepared)
    model = devices.taken(model)
    _check_shape(model, prepared)
    listener.on_message(
        f"device: {prepared.device}{devices.told}, {model.precision}; network {_network_name(model)}, "
        f"{model.count_params():,} "
        "parameters"
    )
    listener.on_message(_limit_sentence(prepared, model))
    if interrupted is not None:
        same = _same_pictures(model, prepared) and _batch_size(model) == chosen["batch_size"]
        interrupted = replace(interrupted, within=same)
    checkpoints = CheckpointWriter(model, folder, listener, chosen, prepared.collection.manifest_hash)
    loop = run_callback(model, chosen, prepared, listener, checkpoints, interrupted)
    return _finish(model, loop, chosen, prepared, listener, checkpoints, target, custom, devices)


def named_source(data: Any) -> str:
    """What to train on, as a run keeps it: a path that holds in every working directory, or a word."""
    if data is None:
        return PAINTINGS
    if not isinstance(data, (str, os.PathLike)):
        return ARRAY
    return os.path.abspath(os.path.expanduser(data)) if os.fspath(data) not in ("", PAINTINGS) else str(data)


def _refuse_start(chosen: Mapping[str, Any], custom: Custom) -> None:
    if custom.networks or chosen["network"] != "spectral":
        network = "of your own" if custom.networks else chosen["network"]
        raise ValueError(
            f"train: only the network spectral starts from another model, and this one is {network}. Leave `from` out."
        )


def _begin(folder: RunFolder, chosen: Mapping[str, Any], *, custom: bool, start: str) -> None:
    try:
        folder.begin(noted_settings(chosen, custom=custom, start=start))
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
            f"train: the model takes pictures of shape {model.image_shape}, and those of {prepared.collection.name} "
            f"are {prepared.collection.shape}. Bring square networks with as many channels as the pictures have."
        )


def _finish(
    model: VAE,
    loop: RunCallback,
    settings: Mapping[str, Any],
    prepared: Prepared,
    listener: Listener,
    checkpoints: CheckpointWriter,
    target: Path,
    custom: Custom,
    devices: Devices,
) -> Run:
    """Train to the end, and deliver; what goes wrong after training leaves a checkpoint to go on from."""
    state, diverged, log, orders = loop.state, None, None, None
    if devices.cluster is not None:
        orders = Orders(devices.cluster, model, state)
    if custom.events is not None:
        log = TensorBoardLog(custom.events, model, state, prepared, listener.on_message)
    started = time.perf_counter()
    try:
        fit(model, loop, settings, prepared, listener, [*custom.callbacks, *filter(None, [log, orders])], devices)
    except Diverged as error:
        diverged = error
        checkpoints.go_back(state)
    except Exception as error:
        if devices.cluster is None or orders is None or not devices.cluster.lost(error):
            raise
        raise WorkerLost(orders.without_one(checkpoints.kept, checkpoints.folder.model)) from error
    if log is not None:
        log.end()
    model = devices.left(model)
    if orders is not None:
        orders.end()
    evaluation = loop.evaluation if devices.count == 1 else Evaluation(model)
    seconds = time.perf_counter() - started
    if state.skipped:
        listener.on_message(f"{state.skipped} of {state.step} steps were left out, as they were no finite numbers")
    try:
        listener.on_progress(0, 1, DELIVERING)
        run = deliver(model, state, evaluation, dict(settings), prepared, target, seconds, checkpoints.folder)
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


def _limit_sentence(prepared: Prepared, model: VAE) -> str:
    if model.weight_range is not None:
        held = prepared.held_on(FEW_FOR_CURVE)
        losses = [f"{held.at(w, held.directions).loss:.1f} at {w:g}" for w in model.weight_range.reported]
        return f"the best linear model on the pictures that an epoch is measured on: L {', '.join(losses)}"
    limit = prepared.limit(model.beta)
    gaussian = model.methods.names["likelihood"] == "squared-error" and not model.methods.weighting.MOVES
    if gaussian and limit.active == 0 < model.beta:
        died = 2.0 * float(prepared.held.eigenvalues[0])
        return f"this weight means collapse: every latent dies at β ≥ {died:.3g} on these. Choose a smaller one"
    if model.beta == 0:
        return f"the best linear autoencoder: D {limit.distortion:.1f}"
    return (
        f"the best linear model at this weight: D {limit.distortion:.1f}, R {limit.rate:.1f}, L {limit.loss:.1f}, "
        f"{limit.active:,} directions in use"
    )


def _network_name(model: VAE) -> str:
    return "of your own" if model.custom else model.network
