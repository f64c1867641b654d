"""The question, answered: several weights on the same pictures and seed, side by side."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import keras
import numpy as np

from kvae.figures import SweepRun, draw_sweep
from kvae.files.atomic import free_path
from kvae.files.failure import unwritable
from kvae.model.methods import parted
from kvae.model.vae import VAE
from kvae.networks.spectral import fitting_directions
from kvae.objectives.base import Rate
from kvae.objectives.likelihoods import Likelihood, psnr
from kvae.saving.writer import SUFFIX
from kvae.settings import SweepSettings, check, checked
from kvae.training.artifacts import Run, gallery, limit_at, limit_curve, numbers, writable_path
from kvae.training.effect import refuse_without_effect, without_effect
from kvae.training.evaluation import MOST_PICTURES
from kvae.training.latents import draw_planes
from kvae.training.listener import Listener
from kvae.training.preparation import Prepared, prepare
from kvae.training.run import train
from kvae.weighting.base import Weighting
from kvae.weighting.conversions import calibrated_weight, decoder_noise


@dataclass(frozen=True)
class Sweep:
    """What a sweep delivers: the runs, a row for each and for the Gaussian limit at each weight, and two figures."""

    runs: list[Run]
    rows: list[SweepRun]
    page: Path
    figure: Path
    latents: Path | None = None  # the page of posteriors over the decoded plane, of models with two latents

    @property
    def stopped(self) -> bool:
        """Whether it was ended before all weights were trained."""
        return any(run.stopped for run in self.runs)


def sweep(
    data: str | os.PathLike[str] | np.ndarray = "paintings",
    kl_weights: Sequence[float] = (1.0, 0.1, 0.01),
    *,
    with_autoencoder: bool = False,
    output: str | os.PathLike[str] = "models/sweep.html",
    listener: Listener | None = None,
    encoder: keras.Model | None = None,
    decoder: keras.Model | None = None,
    weighting: str | Weighting | None = None,
    rate: str | Rate | None = None,
    likelihood: str | Likelihood | None = None,
    **settings: Unpack[SweepSettings],
) -> Sweep:
    """Train once with each of `kl_weights`, and once as a plain autoencoder, on the same pictures and seed.

    Writes one HTML page at `output`, one PNG beside it, and each run's model and figure; of models with two latents
    also a page of their posteriors, `-latents.html`. The other arguments are those of `kvae.train`.

    Raises:
        ValueError, OSError: before training starts, one sentence about what is missing or wrong.

    Example:
        >>> import kvae
        >>> pictures = kvae.open_collection(count=64, size=16).read(range(64))  # uint8 (64, 16, 16, 3)
        >>> swept = kvae.sweep(pictures, [1, 0.1], output="sweep.html", size=16, network="linear", latent_dim=4)
        >>> [run.path.name for run in swept.runs], swept.page.name
        (['sweep-1.keras', 'sweep-0.1.keras'], 'sweep.html')
    """
    listener = listener or Listener()
    weights = [check("kl_weight", weight, "sweep", one=True) for weight in dict.fromkeys(kl_weights)]
    if not weights:
        raise ValueError("sweep: `kl_weights` needs at least one weight. Received: none.")
    page = _page_path(output)
    named = data if isinstance(data, (str, os.PathLike)) else "array"
    methods = {"weighting": weighting, "rate": rate, "likelihood": likelihood}
    methods = {axis: method for axis, method in methods.items() if method is not None}
    given, objects = parted({**settings, **methods}, "sweep")
    chosen = checked({**given, "data": str(named)}, "sweep")
    given.update(objects)
    custom = {**chosen, **objects, "custom": encoder is not None or decoder is not None}
    refuse_without_effect({**given, "kl_weight": weights[0]}, custom, "sweep")
    positive = [weight for weight in weights if weight > 0] or [1.0]
    prepared = prepare(data, {**chosen, "kl_weight": min(positive)}, listener, encoder)
    runs: list[Run] = []
    jobs: list[tuple[str, dict[str, Any]]] = [(f"{weight:g}", {"kl_weight": weight}) for weight in weights]
    jobs += [("autoencoder", {"autoencoder": True})] if with_autoencoder else []
    for number, (name, change) in enumerate(jobs):
        if runs and runs[-1].stopped:
            break
        what = "plain autoencoder" if name == "autoencoder" else f"KL weight {name}"
        listener.on_message(f"[{number + 1} of {len(jobs)}] {what}")
        path = page.with_name(f"{page.stem}-{name}{SUFFIX}")
        options = {**given, **change}
        for setting, _ in list(without_effect(options, {**custom, **change})):  # in the autoencoder's run
            del options[setting]
        runs.append(
            train(data, output=path, listener=listener, encoder=encoder, decoder=decoder, prepared=prepared, **options)
        )
    rows = [_row(run) for run in runs] + [_limit_row(prepared, weight) for weight in weights]
    figure = page.with_suffix(".png")
    curve = limit_curve(prepared.held, prepared.settings["latent_dim"], min(positive), max(positive))
    try:
        draw_sweep(
            figure,
            page,
            rows,
            originals=prepared.shown,
            collection_summary=_summary(prepared),
            limit_curve=curve,
        )
        latents = draw_planes(page, [(run.model, [run.model.beta]) for run in runs], prepared)
    except OSError as error:
        there = ", ".join(str(run.path) for run in runs)
        raise OSError(f"output: {unwritable(page, error)} The models of this sweep are there: {there}.") from error
    return Sweep(runs, rows, page, figure, latents)


def _page_path(output: str | os.PathLike[str]) -> Path:
    path = Path(os.path.abspath(Path(output).expanduser()))
    if path.suffix not in ("", ".html"):
        raise ValueError(f"output: a sweep's page ends in .html. Received: --output {output}.")
    if path.is_dir():
        raise ValueError(f"output: {path} is a folder. Name the file, such as --output {path / 'sweep.html'}.")
    writable_path(path if path.suffix == "" else path.with_suffix(SUFFIX))
    return free_path(path.with_suffix(".html"), ".png")


def _summary(prepared: Prepared) -> str:
    size = "x".join(map(str, prepared.collection.shape[:2]))
    return (
        f"{prepared.collection.name}: {prepared.collection.count:,} pictures at {size}; "
        f"{len(prepared.training):,} for training, {len(prepared.validation):,} held out."
    )


def _row(run: Run) -> SweepRun:
    weight = run.model.beta
    held, autoencoder = run.evaluated, run.model.autoencoder
    return SweepRun(
        "plain autoencoder" if autoencoder else f"KL weight {weight:g}",
        None if autoencoder else weight,
        held.distortion,
        held.rate,
        held.loss,
        held.psnr,
        run.posterior.active,
        run.model.latent_dim,
        None if autoencoder else decoder_noise(weight),
        calibrated_weight(held.distortion, int(np.prod(run.model.image_shape))),
        seconds=run.seconds,
        history=numbers(run.history),
        **gallery(run.model, run.prepared.shown),
        model=run.path,
    )


def _limit_row(prepared: Prepared, weight: float) -> SweepRun:
    """The closed-form linear VAE at `weight`, measured on the held-out pictures like any run."""
    spectrum = prepared.statistics.spectrum
    latent_dim = fitting_directions(spectrum.eigenvalues, weight)
    model = VAE(image_shape=prepared.collection.shape, network="linear", latent_dim=latent_dim, kl_weight=weight)
    model.fit_spectrum(spectrum)
    blocks = prepared.collection.blocks(prepared.validation[:MOST_PICTURES])
    decibels = float(np.mean(np.concatenate([psnr(block / 255.0, model.reconstruct(block)) for block in blocks])))
    return replace(limit_at(prepared, weight, prepared.held), psnr=decibels, **gallery(model, prepared.shown))
