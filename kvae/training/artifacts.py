"""What a run leaves behind: the measured model, its card, its file and its figure."""

import base64
import datetime
import io
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from PIL import Image

import kvae
from kvae.figures import Limit, LimitCurve, SweepRun, draw_range, draw_run, tile
from kvae.files.atomic import free_path
from kvae.files.failure import unwritable
from kvae.files.strict_json import finite
from kvae.measures.coder import Coder
from kvae.measures.gaussian_limit import HeldOut
from kvae.measures.posterior import PosteriorStatistics, posterior_statistics
from kvae.measures.smoothness import path_ratios
from kvae.model.vae import VAE
from kvae.saving.card_fields import packed
from kvae.saving.reader import save
from kvae.saving.writer import SUFFIX
from kvae.training.checkpoint import CheckpointWriter, Undelivered
from kvae.training.evaluation import FEW_FOR_CURVE, MOST_FOR_CURVE, MOST_PICTURES, Evaluated, Evaluation
from kvae.training.folder import RunFolder
from kvae.training.latents import draw_planes
from kvae.training.prepared import Prepared
from kvae.training.resume import delivered, noted_delivery
from kvae.training.run_state import RunState
from kvae.weighting.conversions import calibrated_weight, decoder_noise

SAMPLES = 22  # pictures drawn from the prior for the figure
BETWEEN = 21  # pictures on the way from one held-out picture to another, of which a figure shows a few
FROM, TO = 0, 3  # which of the pictures that are shown these two are
LIMIT_POINTS = 160  # of the Gaussian limit's curve
LIMIT_REACH = 30.0  # which goes this far below the smallest and above the largest weight
CARD_LATENTS = 64  # pictures whose latents and thumbnails a model keeps
THUMBNAIL = 64  # pixels, at most


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


def deliver(
    model: VAE,
    state: RunState,
    evaluation: Evaluation,
    settings: dict[str, Any],
    prepared: Prepared,
    target: Path,
    seconds: float,
    folder: RunFolder,
) -> Run:
    """Measure the trained model, write its card, save it and draw its figure.

    Each step can be done again: `folder` notes the model before it is written, and `complete` does the rest when the
    run is cut off after that.
    """
    evaluated = evaluation(prepared.validation_batches(), MOST_FOR_CURVE)
    posterior = posterior_statistics(model, prepared.collection.blocks(prepared.training[:MOST_PICTURES]))
    model.card = model_card(model, settings, prepared, posterior, state=state, evaluated=evaluated)
    target.parent.mkdir(parents=True, exist_ok=True)
    path = free_path(target, ".png")
    folder.deliver(noted_delivery(folder, path, model.card))
    save(model, path)
    return _with_figure(
        model, path, state.history, state.steps, prepared, posterior, evaluated, stopped=state.stopped, seconds=seconds
    )


def complete(left: Undelivered, prepared: Prepared) -> Run:
    """What `deliver` had not come to when its run was cut off, from the model that was saved."""
    model, card = left.model, left.model.card or {}
    # lists of a model's card are Keras's own
    history, steps = (
        {key: list(values) for key, values in card.get(part, {}).items()} for part in ("history", "steps")
    )
    evaluated = Evaluation(model)(prepared.validation_batches(), MOST_FOR_CURVE)
    posterior = posterior_statistics(model, prepared.collection.blocks(prepared.training[:MOST_PICTURES]))
    seconds = (history.get("seconds") or [0.0])[-1] or 0.0
    return _with_figure(
        model, left.output, history, steps, prepared, posterior, evaluated, stopped=False, seconds=seconds
    )


def _with_figure(
    model: VAE,
    path: Path,
    history: dict[str, list],
    steps: dict[str, list],
    prepared: Prepared,
    posterior: PosteriorStatistics,
    evaluated: Evaluated,
    *,
    stopped: bool,
    seconds: float,
) -> Run:
    """The run with its figure, which is drawn where it is missing."""
    limit, figure = prepared.limit(model.beta), path.with_suffix(".png")
    if not os.path.lexists(figure):
        if model.weight_range is not None:
            draw_planes(path, [(model, sorted(evaluated.curve, reverse=True))], prepared)
        draw(model, figure, history, steps, limit, prepared, posterior, evaluated)
    return Run(model, path, figure, history, steps, limit, evaluated, posterior, prepared, stopped, seconds)


def cut_off(error: BaseException, state: RunState, checkpoints: CheckpointWriter, target: Path) -> BaseException | None:
    """See to it that a delivery which ended in `error` can be made up for; the error that says how, or None."""
    folder = checkpoints.folder
    written = delivered(folder)
    if written is not None:
        if isinstance(error, OSError):
            return OSError(undrawn(written, folder, error))
        if isinstance(error, KeyboardInterrupt):
            return KeyboardInterrupt(
                f"The model {written} is there; kvae-train --resume {folder.model} draws its figure."
            )
        return None
    folder.deliver(None)
    checkpoints.write_now(state)
    if isinstance(error, OSError):
        kept = "Then train anew"
        if checkpoints.kept is not None:
            kept = f"The run is kept up to step {checkpoints.kept}: kvae-train --resume {folder.model} goes on"
        return OSError(f"output: {unwritable(target, error)} {kept}.")
    if isinstance(error, KeyboardInterrupt) and checkpoints.kept is not None:
        return KeyboardInterrupt(f"kvae-train --resume {folder.model} goes on from step {checkpoints.kept}.")
    return None


def undrawn(model: Path, folder: RunFolder, error: OSError) -> str:
    """What there is, and how to go on, where the figure of `model` could not be written."""
    return (
        f"output: the model {model} is there, but its figure {unwritable(model.with_suffix('.png'), error)} "
        f"Then kvae-train --resume {folder.model} draws it."
    )


class Gallery(TypedDict):
    """What the figures show of a model, pictures each uint8 (n, height, width, channels).

    `samples` are from the same points of N(0, 1) whatever the model and its weight, given as many latents; `between` is
    the way from one original to another, or None where there is one original only. `decoded_path` is the mean length of
    the ways from each original to the next over the straight line, or None where nothing has a length.
    """

    reconstructions: np.ndarray
    samples: np.ndarray
    between: np.ndarray | None
    decoded_path: float | None


def gallery(model: VAE, originals: np.ndarray) -> Gallery:
    """The pictures of a model at its present weight."""
    end = min(TO, len(originals) - 1)
    way = None if end == FROM else as_bytes(model.interpolate(originals[FROM], originals[end], BETWEEN))
    return {
        "reconstructions": as_bytes(model.reconstruct(originals)),
        "samples": as_bytes(model.sample(SAMPLES, seed=1)),
        "between": way,
        "decoded_path": decoded_path(model, originals),
    }


def decoded_path(model: VAE, originals: np.ndarray) -> float | None:
    """How long the decoded ways from each of `originals` to the next are, over the straight line between their ends."""
    means = model.encode(originals)[0]
    ratios = path_ratios(Coder(model).generate, means[:-1], means[1:])
    return float(np.nanmean(ratios)) if np.any(np.isfinite(ratios)) else None


def draw(
    model: VAE,
    path: Path,
    history: dict[str, list],
    steps: dict[str, list],
    limit: Limit,
    prepared: Prepared,
    posterior: PosteriorStatistics,
    evaluated: Evaluated,
) -> None:
    """Draw the run's sheet: loss components over time, originals over reconstructions, samples from the prior and
    in-betweens; for a model of a range of weights, these and the held-out losses at several of them."""
    if model.weight_range is not None:
        _draw_range(model, path, history, prepared, evaluated)
        return
    weighting = model.methods.names["weighting"]
    name = "plain autoencoder" if model.autoencoder else f"KL weight {model.beta:g}"
    if weighting != "constant":
        name = f"weighting {weighting}, {name} at the end"
    originals = prepared.shown
    draw_run(
        path,
        title=f"{prepared.collection.name}, {name}",
        history=numbers(history),
        steps=numbers(steps),
        limit=limit,
        originals=originals,
        **gallery(model, originals),
        latent_dim=model.latent_dim,
        active=posterior.active,
    )


def _draw_range(model: VAE, path: Path, history: dict[str, list], prepared: Prepared, evaluated: Evaluated) -> None:
    span = model.weight_range
    assert span is not None
    name = f"{prepared.collection.name}, one model for the KL weights {span.low:g} to {span.high:g}"
    held, few = prepared.held_on(MOST_FOR_CURVE), prepared.held_on(FEW_FOR_CURVE)
    values = int(np.prod(prepared.collection.shape))
    draw_range(
        path,
        at_weights(model, prepared, evaluated) + [limit_at(held, weight, values) for weight in evaluated.curve],
        title=name,
        history=numbers(history),
        history_limits={weight: few.at(weight, few.directions).loss for weight in evaluated.curve},
        originals=prepared.shown,
        limit_curve=limit_curve(held, model.latent_dim, span.low, span.high),
    )


def limit_curve(held: HeldOut, latent_dim: int, low: float, high: float) -> LimitCurve:
    """The Gaussian limit around the weights from `low` to `high`, and beside it the best with `latent_dim` latents
    where these are too few at the lowest of them."""
    reach = np.geomspace(low / LIMIT_REACH, high * LIMIT_REACH, LIMIT_POINTS)

    def curve(latents: int, fewer: LimitCurve | None = None) -> LimitCurve:
        found = held.curve(latents, reach)
        distortions, rates = (np.array([getattr(point, name) for point in found]) for name in ("distortion", "rate"))
        return LimitCurve(distortions, rates, latents, fewer)

    enough = held.at(low, held.directions).active <= latent_dim
    return curve(held.directions, None if enough else curve(latent_dim))


def limit_at(held: HeldOut, weight: float, values: int) -> SweepRun:
    """The best linear model at `weight` on the pictures of `held`, of so many `values` each, by its closed form."""
    point = held.at(weight, held.directions)
    return SweepRun(
        f"Gaussian limit, β={weight:g}",
        weight,
        point.distortion,
        point.rate if weight > 0 else None,  # without noise it is infinite
        point.loss,
        np.nan,
        point.active,
        held.directions,
        decoder_noise(weight),
        calibrated_weight(point.distortion, values),
        gaussian_limit=True,
    )


def at_weights(model: VAE, prepared: Prepared, evaluated: Evaluated) -> list[SweepRun]:
    """A model of a range at each weight it was measured at, the largest first; it stands afterwards where it did."""
    span, stood = model.weight_range, model.beta
    assert span is not None
    rows = []
    try:
        for weight, (distortion, rate, loss) in sorted(evaluated.curve.items(), reverse=True):
            model.kl_weight = span.clamped(weight)
            rows.append(
                SweepRun(
                    f"KL weight {weight:g}",
                    weight,
                    distortion,
                    rate,
                    loss,
                    evaluated.psnr if weight == stood else np.nan,
                    None,
                    model.latent_dim,
                    decoder_noise(weight),
                    calibrated_weight(distortion, int(np.prod(model.image_shape))),
                    **gallery(model, prepared.shown),
                )
            )
    finally:
        model.kl_weight = stood
    return rows


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
    path = Path(os.path.abspath(Path(output).expanduser()))  # it holds when the working directory changes
    if path.suffix not in ("", SUFFIX):
        raise ValueError(f"output: a model's name ends in {SUFFIX}. Received: --output {output}.")
    try:
        if path.is_dir():
            raise ValueError(f"output: {path} is a folder. Name the file, such as --output {path / 'art.keras'}.")
        if path.exists() and not path.is_file():
            raise ValueError(f"output: {path} is nothing that a model can be kept in. Choose another --output.")
        path = path.with_suffix(SUFFIX)
        nearest = next(folder for folder in path.parents if folder.exists())
        with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", suffix=".part", dir=nearest):
            pass
    except OSError as error:
        raise OSError(
            f"output: {path.parent} cannot be written to ({error.strerror}). Choose another --output."
        ) from None
    return path


def model_card(
    model: VAE,
    settings: Mapping[str, Any],
    prepared: Prepared,
    posterior: PosteriorStatistics,
    *,
    state: RunState | None = None,
    evaluated: Evaluated | None = None,
) -> dict[str, Any]:
    """What a saved model tells about itself, as JSON: everything but the training pictures.

    A model that is shown before or during its training has no `evaluated` yet, and before it no `state`.
    """
    pictures = prepared.collection.read(prepared.training[:CARD_LATENTS])
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
        "step": state.step if state else 0,
        "history": state.history if state else {},
        "steps": state.steps if state else {},
        "balance": state.balance if state else {},
        "evaluated": evaluated.record() if evaluated else {},
        "gaussian_limit": vars(prepared.limit(model.beta)),
        "thumbnails": base64.b64encode(sheet.getvalue()).decode("ascii"),
        **latent_card(model, prepared, posterior),
    }
    return finite(card)


def latent_card(model: VAE, prepared: Prepared, posterior: PosteriorStatistics) -> dict[str, Any]:
    """The part of a card that moves with the weights: the posterior per dimension, and where a few pictures lie."""
    means = model.encode(prepared.collection.read(prepared.training[:CARD_LATENTS]))[0]
    part = {
        "posterior": {
            name: [float(f"{one:.6g}") for one in getattr(posterior, name)]
            for name in ("mean", "variance", "noise", "rate")
        },
        **packed("directions", posterior.directions),
        "direction_spreads": posterior.direction_spreads.round(5).tolist(),
        **packed("latents", means),
    }
    return finite(part)
