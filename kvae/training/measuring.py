"""Everything that is measured of a model on pictures, at each of its weights: `kvae.measure`."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kvae.images.pca import fit_pca
from kvae.images.pixels import as_float, as_pictures, in_batches
from kvae.images.spectrum import fit_spectrum
from kvae.measures.bounds import (
    DRAWS,
    bits_per_dimension,
    drawn_pictures,
    evidence_bound,
    importance_bounds,
    noise_of,
    with_gain,
)
from kvae.measures.coder import Coder, Codes
from kvae.measures.factors import disentanglement
from kvae.measures.gaussian_limit import water_filling
from kvae.measures.independence import measured
from kvae.measures.information import information
from kvae.measures.likeness import structural_similarity
from kvae.measures.neighbours import copied, nearest_two
from kvae.measures.posterior import ACTIVE_VARIANCE
from kvae.measures.results import Measured, Measures, envelope_between
from kvae.measures.smoothness import PAIRS, POINTS, expansions, path_ratios
from kvae.model.vae import VAE
from kvae.networks.principal import LinearPath
from kvae.networks.spectral import SpectralPath
from kvae.objectives.likelihoods import psnr
from kvae.settings import check
from kvae.training.backend import BACKEND, TRAINS, compiled
from kvae.training.balance import BalanceProbe
from kvae.weighting.conversions import calibrated_weight, decoder_noise

MOST_PICTURES = 512  # that a measurement looks at; of more, evenly spread ones
FEWEST = 2
BALANCED = 32  # pictures that the gradient balance is measured on
SAMPLES = 64  # pictures drawn from the prior and looked for among the training pictures
NO_FACTOR = ("arrangement",)  # of the built-in paintings: which layout it stands for depends on the manner

Progress = Callable[[int, int, str], None]
Blocks = Callable[[], Iterable[np.ndarray]]


def measure(
    model: VAE,
    pictures: np.ndarray,
    *,
    kl_weights: Sequence[float] | None = None,
    training: np.ndarray | Blocks | None = None,
    factors: Mapping[str, np.ndarray] | None = None,
    name: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Measures:
    """Measure `model` on `pictures`, best on ones that it was not trained on; docs/measures.md explains every number.

    Args:
        pictures: (count, height, width, channels), bytes or floats in [0, 1]; of more than 512, evenly spread ones.
        kl_weights: the weights to measure a model of a range at; None for five of its range. Other models are measured
            at their own weight.
        training: the training pictures, an array or a function that gives them in blocks: whether samples are copies.
        factors: a column for each factor that `pictures` were made from, numbers or names: MIG, DCI and SAP.
        name: what to call the model in sentences; its own name by default.
        seed: of the draws.
        progress: called as progress(done, total, what).

    Raises:
        ValueError: fewer than 2 pictures, pictures of another shape or other values, weights outside of the model's
            range, or factors of another length; one sentence.

    Example:
        >>> import kvae
        >>> pictures = kvae.open_collection(count=64, size=16).read(range(64))
        >>> vae = kvae.VAE(image_shape=(16, 16, 3), network="linear", latent_dim=4, kl_weight=0.1)
        >>> vae.adapt(pictures)
        >>> found = kvae.measure(vae, pictures)
        >>> at = found.at[0]
        >>> at.kl_weight, at.active, at.active_predicted, round(at.path_ratio, 3)
        (0.1, 4, 4, 1.0)
    """
    if not isinstance(model, VAE):
        raise ValueError(
            f"measure: `model` must be a kvae.VAE; kvae.load(path) opens one. Received: {type(model).__name__}."
        )
    images = as_float(pictures, model.image_shape, "measure: `pictures`")
    if len(images) < FEWEST:
        raise ValueError(f"measure: there must be at least {FEWEST} pictures. Received: {len(images)}. Bring more.")
    for factor, column in (factors or {}).items():
        if len(column) != len(images):
            raise ValueError(
                f"measure: the factor {factor!r} must have one value for each of the {len(images)} pictures. "
                f"Received: {len(column)}."
            )
    places = np.linspace(0, len(images) - 1, min(len(images), MOST_PICTURES)).astype(int)
    images = images[places]
    columns = {one: np.asarray(column)[places] for one, column in (factors or {}).items() if one not in NO_FACTOR}
    weights = _weights(model, kl_weights)
    blocks = None if training is None else training if callable(training) else _blocks_of(training, model)
    work = _Measuring(model, images, columns, blocks, name or model.name, seed, progress, len(weights))
    rows = []
    for weight in weights:
        with _standing_at(model, weight):
            rows.append(work.measured())
    test = envelope_between(rows)
    if test is not None:
        short = dict(zip(test.weights, test.short, strict=True))
        rows = [dataclasses.replace(row, short=short.get(row.kl_weight or 0.0)) for row in rows]
    likelihood = model.methods.names["likelihood"]
    return Measures(
        work.name, "custom" if model.custom else model.network, likelihood, tuple(model.image_shape), len(images),
        tuple(rows), test, tuple(dict.fromkeys(work.notes)),
    )  # fmt: skip


def _weights(model: VAE, given: Sequence[float] | None) -> list[float]:
    span = model.weight_range
    if span is None:
        if given is not None and [float(one) for one in given] != [model.beta]:
            raise ValueError(
                f"measure: this model has one weight, {model.beta:g}, and was not trained for another. Leave "
                f"`kl_weights` out. Received: kl_weights={list(given)!r}."
            )
        return [model.beta]
    weights = [check("kl_weight", one, "measure", one=True) for one in (given or span.reported)]
    # the ends of the range are float32 in the model, and were rounded to be reported
    weights = [span.clamped(one) if math.isclose(one, span.clamped(one), rel_tol=5e-3) else one for one in weights]
    if outside := [one for one in weights if span.clamped(one) != one]:
        raise ValueError(
            f"measure: this model knows weights from {span.low:g} to {span.high:g}. Received: {outside[0]:g}. "
            "Choose others."
        )
    return sorted(dict.fromkeys(weights), reverse=True)


@contextlib.contextmanager
def _standing_at(model: VAE, weight: float) -> Iterator[None]:
    """Inside this block a model of a range stands at `weight`."""
    if model.weight_range is None:
        yield
        return
    before = model.beta
    try:
        model.kl_weight = weight
        yield
    finally:
        model.kl_weight = before


def _blocks_of(pictures: np.ndarray, model: VAE) -> Blocks:
    seen = as_pictures(pictures, model.image_shape, "measure: `training`")
    return lambda: in_batches(seen, 256)


class _Measuring:
    """One model and the pictures it is measured on; `measured` is what it is at the weight where it stands."""

    PARTS = ("reconstructions", "bounds", "gradients", "latents", "independence", "smoothness", "samples", "factors")

    def __init__(
        self,
        model: VAE,
        images: np.ndarray,
        factors: Mapping[str, np.ndarray],
        training: Blocks | None,
        name: str,
        seed: int,
        progress: Progress | None,
        weights: int,
    ) -> None:
        self.model, self.images, self.factors, self.training = model, images, factors, training
        self.name, self.seed, self.progress = name, seed, progress
        latents = (None, model.latent_dim), "float32"
        self.coder = Coder(model, compiled(model.generate, model, latents))
        self.values = self.coder.values
        self.notes: list[str] = []
        self._total, self._done = weights * len(self.PARTS), 0
        self._usual: float | None = None
        self._eigenvalues: np.ndarray | None = None
        self._codes: Codes | None = None

    def measured(self) -> Measured:
        """Everything at the present weight."""
        found: dict[str, Any] = {}
        self._codes = None
        for what in self.PARTS:
            found |= getattr(self, f"_{what}")(found)
            self._done += 1
            if self.progress is not None:
                self.progress(self._done, self._total, f"measuring {self.name}")
        return Measured(self.name, None if self.model.autoencoder else self.model.beta, **found)

    @property
    def codes(self) -> Codes:
        """The posteriors of the pictures at the present weight."""
        if self._codes is None:
            self._codes = self.coder.codes(self.images)
        return self._codes

    def _reconstructions(self, found: dict[str, Any]) -> dict[str, Any]:
        distortion, seen = self.coder.errors(self.images, self.codes.latents)
        best = np.clip(self.coder.generate(self.codes.mean), 0.0, 1.0)
        decibels = np.asarray(psnr(self.images, best))
        likeness = structural_similarity(self.images, best)
        if likeness is None:
            self.notes.append("pictures below 11 pixels have no SSIM")
        told = {
            "distortion": float(np.mean(distortion)),
            "psnr": float(np.mean(decibels)),
            "ssim": None if likeness is None else float(np.mean(likeness)),
            "calibrated": calibrated_weight(float(np.mean(distortion)), self.values),
            "loss": float(np.mean(seen)),
            "distortions": seen,
        }
        if self.model.autoencoder:
            self.notes.append("a plain autoencoder has no rate, so no bounds, no balance and no prior to draw from")
            return told
        weight, rate = self.model.beta, np.sum(self.codes.rates, axis=1, dtype="float64")
        told |= {"rate": float(np.mean(rate)), "loss": float(np.mean(seen + weight * rate)), "rates": rate}
        gaussian = self.model.methods.names["likelihood"] == "squared-error"
        if gaussian and weight >= 0:
            told["sigma"] = decoder_noise(weight)
        elif not gaussian:
            told["calibrated"] = None
            self.notes.append("σ and β* belong to a Gaussian decoder, so to the likelihood squared-error alone")
        return told

    def _bounds(self, found: dict[str, Any]) -> dict[str, Any]:
        model = self.model
        if model.autoencoder:
            return {}
        noise, why = noise_of(model.methods.names["likelihood"], self.images)
        if noise is None:
            self.notes.append(why)
            return {}
        errors, rates, values, weight = found["distortions"], found["rates"], self.values, model.beta
        best = max(noise.best(float(np.mean(errors)), values), 1e-12)
        seen = self.images[drawn_pictures(len(self.images), values)]
        weights = [best] if weight <= 0 else [best, weight]
        drawn = importance_bounds(self.coder, noise, seen, weights, self.seed)
        bound = evidence_bound(noise, errors, rates, values, best)
        tighter = with_gain(bound, drawn[0], max(DRAWS), values, noise.binary)
        told = {
            "best_bound": bound.nats, "best_bound_bits": bound.bits, "best_bound_error": bound.error,
            "best_bound_100": tighter.nats, "best_bound_100_bits": tighter.bits, "best_bound_100_error": tighter.error,
        }  # fmt: skip
        if weight <= 0:
            self.notes.append("a weight that is not above 0 implies no noise, so there is no bound at it")
            return told
        bound = evidence_bound(noise, errors, rates, values, weight)
        told |= {"bound": bound.nats, "bound_error": bound.error}
        told["bound_bits"] = bits_per_dimension(bound.nats, values, noise.binary)
        for draws in DRAWS[1:]:
            tighter = with_gain(bound, drawn[1], draws, values, noise.binary)
            told |= {f"bound_{draws}": tighter.nats, f"bound_{draws}_error": tighter.error}
        return told

    def _gradients(self, found: dict[str, Any]) -> dict[str, Any]:
        if self.model.autoencoder:
            return {}
        if BACKEND not in TRAINS:
            self.notes.append(f"the gradient balance is measured on Keras's backends {' and '.join(TRAINS)} alone")
            return {}
        balance = BalanceProbe(self.model, self.images[:BALANCED])(0, self.model.beta)
        return balance.record()

    def _latents(self, found: dict[str, Any]) -> dict[str, Any]:
        codes, weight = self.codes, self.model.beta
        active = int(np.sum(codes.mean.var(axis=0, dtype="float64") >= ACTIVE_VARIANCE))
        if self.model.autoencoder:
            return {"active": active}
        by_dimension = codes.rates.mean(axis=0, dtype="float64")
        parts = information(codes)
        told: dict[str, Any] = {
            "active": active,
            "rate_by_dimension": by_dimension,
            "rate_per_active": float(np.sum(by_dimension)) / active if active else None,
            "mutual": parts.mutual,
            "marginal": parts.marginal,
            "marginal_least": parts.marginal_least,
            "mutual_ceiling": parts.ceiling,
        }
        if weight > 0 and self.model.methods.names["likelihood"] == "squared-error":
            eigenvalues = self._spectrum()
            told["active_predicted"] = water_filling(eigenvalues, weight, self.model.latent_dim).active
        return told

    def _independence(self, found: dict[str, Any]) -> dict[str, Any]:
        """By the decoder's slopes at a few codes along the most telling latents; and of the posteriors as they are."""
        if self.model.autoencoder:
            return {}
        weight, gaussian = self.model.beta, self.model.methods.names["likelihood"] == "squared-error"
        cost, saved = measured(self.coder.generate, self.codes, weight if gaussian and weight > 0 else None)
        return {"independence": cost, "tilt": saved}

    def _spectrum(self) -> np.ndarray:
        """Variances along the directions of the best linear model: of the model's own path, which was fitted to its
        training pictures, or of the spectrum of these pictures; where they have odd sides, of their components."""
        if self._eigenvalues is None:
            path = self.model.linear_path
            if isinstance(path, (LinearPath, SpectralPath)):
                found = keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(path.eigenvalues))
                self._eigenvalues = np.sort(found.astype("float64"))[::-1]
            elif self.images.shape[1] % 2 or self.images.shape[2] % 2:
                self._eigenvalues = fit_pca(lambda: in_batches(self.images, 256), self.model.latent_dim).eigenvalues
            else:
                self._eigenvalues = fit_spectrum(lambda: in_batches(self.images, 256)).eigenvalues
        return self._eigenvalues

    def _smoothness(self, found: dict[str, Any]) -> dict[str, Any]:
        means = self.codes.mean
        pairs = min(PAIRS, len(means) // 2)
        order = np.random.default_rng(self.seed).permutation(len(means))
        starts, ends = means[order[:pairs]], means[order[pairs : 2 * pairs]]
        ratios = path_ratios(self.coder.generate, starts, ends)
        points = means[np.linspace(0, len(means) - 1, min(POINTS, len(means))).astype(int)]
        grown = expansions(self.coder.generate, points, seed=self.seed)
        mean = float(np.mean(grown))
        if np.all(np.isnan(ratios)):
            self.notes.append("the decoder makes one picture of all codes, so a path has no length")
        return {
            "path_ratio": None if np.all(np.isnan(ratios)) else float(np.nanmean(ratios)),
            "expansion": mean,
            "expansion_spread": float(np.std(grown)) / mean if mean > 0 else None,
        }

    def _samples(self, found: dict[str, Any]) -> dict[str, Any]:
        if self.model.autoencoder:
            return {}
        if self.training is None:
            self.notes.append("without the training pictures nobody knows whether samples are copies of them")
            return {}
        if self._usual is None:
            self._usual = float(np.median(nearest_two(self.images, self.training())[:, 0]))
        noise = np.random.default_rng(self.seed).standard_normal((SAMPLES, self.model.latent_dim), "float32")
        samples = np.clip(self.coder.generate(noise), 0.0, 1.0)
        distances = nearest_two(samples, self.training())
        return {
            "nearest": float(np.median(distances[:, 0])),
            "nearest_held_out": self._usual,
            "copied": copied(distances),
        }

    def _factors(self, found: dict[str, Any]) -> dict[str, Any]:
        if not self.factors:
            return {}
        codes = self.codes.mean
        worth = found.get("rate_by_dimension", codes.var(axis=0, dtype="float64"))
        parts = disentanglement(codes, worth, self.factors, self.seed)
        if parts is None:
            self.notes.append("too few pictures to tell factors apart: 40 are needed")
            return {}
        return {
            "mig": parts.mig,
            "dci_disentanglement": parts.disentanglement,
            "dci_completeness": parts.completeness,
            "dci_informativeness": parts.informativeness,
            "sap": parts.sap,
        }
