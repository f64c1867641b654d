"""One run, from pictures to a saved model, its curves and a picture of its reconstructions."""

import base64
import datetime
import io
import math
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

import kvae
from kvae.figures import Limit, draw_run, tile
from kvae.images.collection import Collection, open_collection
from kvae.images.pca import PCA
from kvae.images.pipeline import evaluation_batches, steps_per_epoch, training_batches
from kvae.measures.gaussian_limit import HeldOut, held_out
from kvae.measures.posterior import PosteriorStatistics, posterior_statistics
from kvae.model import VAE
from kvae.saving import SUFFIX, free_path, save
from kvae.settings import SETTINGS, check, checked
from kvae.training.device import choose_device
from kvae.training.evaluation import MOST_PICTURES, Evaluated
from kvae.training.listener import Listener
from kvae.training.loop import Loop
from kvae.training.optimizer import FusedAdam
from kvae.training.start import augmented_pca, collection_pca

DEFAULT_STEPS = 2000  # of a run whose length nobody states
SHOWN = 11  # pictures in a row of the figure
SAMPLES = 22
CARD_LATENTS = 64  # pictures whose latents and thumbnails a model keeps
THUMBNAIL = 64  # pixels, at most


@dataclass(frozen=True)
class Prepared:
    """What a run works on; a sweep prepares once and trains several times."""

    collection: Collection
    training: np.ndarray  # indices into the collection
    validation: np.ndarray
    pca: PCA  # of the training pictures as they are
    held: HeldOut  # how the linear VAE does on the validation pictures
    device: str
    settings: dict[str, Any]

    @property
    def shown(self) -> np.ndarray:
        """The held-out pictures of the figures, uint8 (n, height, width, channels)."""
        places = np.linspace(0, len(self.validation) - 1, min(SHOWN, len(self.validation))).astype(int)
        return self.collection.read(self.validation[places])

    def validation_batches(self) -> Any:
        """The held-out pictures, at most 2048 of them."""
        return evaluation_batches(
            self.collection, self.validation[:MOST_PICTURES], batch_size=self.settings["batch_size"]
        )

    def limit(self, kl_weight: float) -> Limit:
        """The best linear model at `kl_weight` on the held-out pictures; at 0 the linear autoencoder."""
        point = self.held.at(kl_weight, self.settings["latent_dim"])
        rate, loss = (0.0, point.distortion) if kl_weight == 0 else (point.rate, point.loss)
        return Limit(point.distortion, rate, loss, point.active, self.settings["latent_dim"])


@dataclass(frozen=True)
class Run:
    """What a run delivers. `history` has a list per key with an entry per epoch, `steps` the same per kept batch."""

    model: VAE
    path: Path
    figure: Path
    history: dict[str, list]
    steps: dict[str, list]
    limit: Limit
    evaluated: Evaluated
    posterior: PosteriorStatistics
    prepared: Prepared
    stopped: bool
    seconds: float


def prepare(data: Any, settings: Mapping[str, Any], listener: Listener, encoder: Any = None) -> Prepared:
    """Choose the device, find and decode the pictures, split them, and measure their Gaussian limit.

    Raises:
        ValueError, OSError: one sentence about what is missing or wrong.
    """
    settings = dict(settings)
    device = choose_device(settings["device"])
    sides: tuple = tuple(getattr(encoder, "input_shape", None) or ())
    if len(sides) == 4 and sides[1]:  # otherwise the VAE says what it needs
        settings["size"] = sides[1]
    collection = open_collection(
        data,
        size=settings["size"],
        crop=settings["crop"],
        seed=0,
        progress=lambda done, total, what: listener.working(done, total, what),
    )
    listener.said(f"{collection.name}: {collection.summary}")
    training, validation = collection.split(settings["validation"])
    if len(training) < settings["batch_size"]:
        raise ValueError(
            f"{collection.name}: a batch of {settings['batch_size']} needs as many training pictures, and there are "
            f"{len(training)}. Add pictures or use --batch-size {max(1, len(training) // 2)}."
        )
    pca = collection_pca(collection, training, settings["latent_dim"], settings["seed"], listener)
    held = held_out(pca, collection.blocks(validation[:MOST_PICTURES]))
    return Prepared(collection, training, validation, pca, held, device, settings)


def train(
    data: str | os.PathLike[str] | np.ndarray = "paintings",
    *,
    output: str | os.PathLike[str] = "models/art.keras",
    listener: Listener | None = None,
    encoder: keras.Model | None = None,
    decoder: keras.Model | None = None,
    resume: VAE | None = None,
    prepared: Prepared | None = None,
    **settings: Any,
) -> Run:
    """Train a VAE on pictures and save it, with its curves and a picture of its reconstructions beside it.

    Args:
        data: what `kvae.open_collection` opens: a folder, an array or array file, an HDF5 file, or "paintings".
        output: the model's path; where it exists, the next free name is used instead.
        listener: hears of everything that happens.
        encoder, decoder: networks of your own, as `kvae.VAE` takes them; left untouched, copies are trained.
        resume: a model of an earlier run on the same pictures to go on from.
        prepared: pictures that are ready already, from `prepare`.
        settings: any of `kvae.settings.SETTINGS` by name, such as kl_weight=0.1.

    Raises:
        ValueError, OSError: before training starts, one sentence about what is missing or wrong.
    """
    listener = listener or Listener()
    named = data if isinstance(data, (str, os.PathLike)) else "array"
    chosen = checked({**settings, "data": str(named)}, "train")
    if chosen["autoencoder"]:
        chosen["kl_weight"] = 0.0
    target = writable_path(output)
    if prepared is None:
        prepared = prepare(data, chosen, listener, encoder)
    if resume is not None and (resume.card or {}).get("collection", {}).get("manifest_hash") != (
        prepared.collection.manifest_hash
    ):
        listener.said("the pictures are not those that this model was trained on before")
    chosen["size"] = prepared.settings["size"]
    model = resume if resume is not None else build(chosen, prepared, listener, encoder, decoder)
    if model.image_shape != prepared.collection.shape:
        raise ValueError(
            f"train: the model takes pictures of shape {model.image_shape}, and those of {prepared.collection.name} are "
            f"{prepared.collection.shape}. Bring square networks with as many channels as the pictures have."
        )
    listener.said(f"device: {prepared.device}; {model.count_params():,} parameters in network {_network_name(model)}")
    limit = prepared.limit(model.beta)
    listener.said(_limit_sentence(limit, model.beta))

    started = time.perf_counter()
    loop = _fit(model, chosen, prepared, listener)
    seconds = time.perf_counter() - started
    return _deliver(model, loop, chosen, prepared, target, seconds)


def resumed(model: VAE, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings to go on with: those the model was trained with, and over them those that are given now.

    Raises:
        ValueError: a model that does not know its settings, or a given setting that cannot change any more.
    """
    earlier = dict((model.card or {}).get("settings", {}))
    if not earlier:
        raise ValueError("resume: this model does not say how it was trained. Train a new one.")
    for name in given:
        part = SETTINGS[name].group == "model" or name in ("size", "precision")
        if part and name != "kl_weight" and check(name, given[name]) != check(name, earlier.get(name)):
            raise ValueError(f"resume: `{name}` is part of the model and cannot change. Train a new one for that.")
    if "kl_weight" in given and not model.autoencoder:
        model.kl_weight.assign(given["kl_weight"])
    if "epochs" in given or "minutes" in given:
        earlier.update(epochs=None, minutes=None)
    return {**earlier, **given}


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
        seed=settings["seed"],
        dtype=settings["precision"],
    )
    if model.linear_path is not None and settings["augment"]:
        latent_dim, seed = settings["latent_dim"], settings["seed"]
        model.fit_linear(augmented_pca(prepared.collection, prepared.training, latent_dim, seed, listener))
    elif model.linear_path is not None or (model.network == "linear" and not model.foreign):
        model.fit_linear(prepared.pca)
    model.compile(FusedAdam(settings["learning_rate"]))
    return model


def _copy(part: keras.Model) -> keras.Model:
    # a clone alone would draw new weights, which no seed repeats
    copy = keras.models.clone_model(part)
    copy.set_weights(part.get_weights())
    return copy


def _fit(model: VAE, settings: Mapping[str, Any], prepared: Prepared, listener: Listener) -> Loop:
    earlier = model.card or {}
    # float16 leaves out steps that overflow, so the optimizer may have counted fewer
    first = max(int(keras.ops.convert_to_numpy(model.optimizer.iterations)), earlier.get("step", 0))
    per_epoch = steps_per_epoch(len(prepared.training), settings["batch_size"])
    epochs = settings["epochs"] or max(1, math.ceil(DEFAULT_STEPS / per_epoch))
    closed_form = model.network == "linear" and not model.foreign
    if closed_form and settings["epochs"] is None and settings["minutes"] is None:
        epochs = 0
    done = first // per_epoch
    if settings["minutes"] is not None:
        epochs = 10**6
    elif first and done >= epochs:
        raise ValueError(
            f"train: this model has already been trained for {done} epochs. Ask for more, such as --epochs {2 * done}."
        )
    loop = Loop(
        model,
        prepared.validation_batches(),
        listener,
        pictures=len(prepared.training),
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        total_steps=None if settings["minutes"] is not None else max(epochs, 1) * per_epoch,
        minutes=settings["minutes"],
        first_step=first,
        history=earlier.get("history"),
        steps=earlier.get("steps"),
    )
    if epochs == 0:
        return loop
    batches = training_batches(
        prepared.collection,
        prepared.training,
        batch_size=settings["batch_size"],
        seed=settings["seed"],
        augment=settings["augment"],
        start_step=first,
    )
    model.seed_noise(settings["seed"], first)
    listener.began(model)
    try:
        model.fit(
            batches,
            epochs=epochs,
            initial_epoch=done,
            steps_per_epoch=per_epoch,
            shuffle=False,  # the pipeline orders the pictures
            verbose=0,
            callbacks=[loop],
        )
    except KeyboardInterrupt:
        loop.stopped = True
    return loop


def _deliver(model: VAE, loop: Loop, settings: dict[str, Any], prepared: Prepared, target: Path, seconds: float) -> Run:
    """Measure the trained model, write its card, save it and draw its figure."""
    evaluated = loop.evaluation(prepared.validation_batches())
    posterior = posterior_statistics(model, prepared.collection.blocks(prepared.training[:MOST_PICTURES]))
    limit = prepared.limit(model.beta)
    model.card = _card(model, loop, settings, prepared, evaluated, posterior, limit)
    target.parent.mkdir(parents=True, exist_ok=True)
    path = free_path(target, ".png")
    save(model, path)
    figure = path.with_suffix(".png")
    draw(model, figure, loop.history, loop.steps, limit, prepared, posterior)
    return Run(
        model, path, figure, loop.history, loop.steps, limit, evaluated, posterior, prepared, loop.stopped, seconds
    )


def draw(
    model: VAE,
    path: Path,
    history: dict[str, list],
    steps: dict[str, list],
    limit: Limit,
    prepared: Prepared,
    posterior: PosteriorStatistics,
) -> None:
    """Draw the run's sheet: loss components over time, originals over reconstructions, samples from the prior."""
    name = "plain autoencoder" if model.autoencoder else f"KL weight {model.beta:g}"
    originals = prepared.shown
    draw_run(
        path,
        title=f"{prepared.collection.name}, {name}",
        history=numbers(history),
        steps=numbers(steps),
        limit=limit,
        originals=originals,
        reconstructions=as_bytes(model.reconstruct(originals)),
        samples=None if model.autoencoder else as_bytes(model.sample(SAMPLES, seed=1)),
        latent_dim=model.latent_dim,
        active=posterior.active,
    )


def numbers(table: Mapping[str, list]) -> dict[str, list[float]]:
    """`table` with 0 where an autoencoder has no rate, as the figures take it."""
    return {key: [0.0 if value is None else float(value) for value in values] for key, values in table.items()}


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Images in [0, 1] as uint8."""
    return np.rint(np.clip(images, 0.0, 1.0) * 255.0).astype(np.uint8)


def writable_path(output: str | os.PathLike[str]) -> Path:
    """`output` with its ending, once it is known that a file can be written there; its folder is made later.

    Raises:
        ValueError: another ending. OSError: a folder that cannot be made or written to, or a name that cannot be had.
    """
    path = Path(output).expanduser()
    if path.suffix not in ("", SUFFIX):
        raise ValueError(f"output: a model's name ends in {SUFFIX}. Received: --output {output}.")
    try:
        if path.is_dir():
            raise ValueError(f"output: {path} is a folder. Name the file, such as --output {path / 'art.keras'}.")
        path = path.with_suffix(SUFFIX)
        nearest = next(folder for folder in path.parents if folder.exists())
        with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", suffix=".part", dir=nearest):
            pass
    except OSError as error:
        raise OSError(
            f"output: {path.parent} cannot be written to ({error.strerror}). Choose another --output."
        ) from None
    return path


def _limit_sentence(limit: Limit, kl_weight: float) -> str:
    if kl_weight == 0:
        return f"the best linear autoencoder: D {limit.distortion:.1f}"
    return (
        f"the best linear model at this weight: D {limit.distortion:.1f}, R {limit.rate:.1f}, L {limit.loss:.1f}, "
        f"{limit.active} of {limit.latent_dim} latents active"
    )


def _network_name(model: VAE) -> str:
    return "of your own" if model.foreign else model.network


def _card(
    model: VAE,
    loop: Loop,
    settings: dict[str, Any],
    prepared: Prepared,
    evaluated: Evaluated,
    posterior: PosteriorStatistics,
    limit: Limit,
) -> dict[str, Any]:
    """What a saved model tells about itself, as JSON: everything but the training pictures."""
    pictures = prepared.collection.read(prepared.training[:CARD_LATENTS])
    means = model.encode(pictures)[0]
    sheet = io.BytesIO()
    step = math.ceil(pictures.shape[1] / THUMBNAIL)
    Image.fromarray(tile(pictures[:, ::step, ::step], 8, gap=0)).save(sheet, "PNG")
    card = {
        "kvae": kvae.__version__,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "settings": {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()},
        "collection": {
            "name": prepared.collection.name,
            "pictures": prepared.collection.count,
            "training": len(prepared.training),
            "validation": len(prepared.validation),
            "manifest_hash": prepared.collection.manifest_hash,
        },
        "step": loop.step,
        "history": loop.history,
        "steps": loop.steps,
        "evaluated": vars(evaluated),
        "gaussian_limit": vars(limit),
        "posterior": {name: values.tolist() for name, values in vars(posterior).items()},
        "latents": means.astype(float).round(5).tolist(),
        "thumbnails": base64.b64encode(sheet.getvalue()).decode("ascii"),
    }
    return _finite(card)


def _finite(value: Any) -> Any:
    """`value` with None for every number that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
