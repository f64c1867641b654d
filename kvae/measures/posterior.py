"""What the posteriors of many pictures say about each latent dimension,
and about the directions they vary in together."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # whoever needs no more than the numbers here waits for no Keras
    from kvae.model.vae import VAE

ACTIVE_VARIANCE = 0.01  # Var over images of the posterior mean; Burda et al., 2016, arXiv:1509.00519
MOST_DIRECTIONS = 32
MOST_DIMENSIONS = 512  # the most varying ones, in which directions are looked for: 0.1 s instead of 15 s for 4096


@dataclass(frozen=True)
class PosteriorStatistics:
    """Per latent dimension, each of shape (latent,): over the pictures,

    `mean` and `variance` of the posterior mean, the mean of the posterior variance `noise`, and the mean `rate` in nats
    (NaN for an autoencoder, whose noise is 0). `directions` (count, latent) are the principal directions of the
    posterior means, unit vectors, at most 32; `direction_spreads` (count,) the standard deviations along them, largest
    first.
    """

    mean: np.ndarray
    variance: np.ndarray
    noise: np.ndarray
    rate: np.ndarray
    directions: np.ndarray
    direction_spreads: np.ndarray

    @property
    def active(self) -> int:
        """How many dimensions are active: their posterior mean varies by at least 0.01."""
        return int(np.sum(self.variance >= ACTIVE_VARIANCE))


def posterior_statistics(model: "VAE", blocks: Iterable[np.ndarray]) -> PosteriorStatistics:
    """Measure `model` on pictures that come in blocks (n, height, width, channels), uint8 or float in [0, 1]."""
    parts: list[np.ndarray] = []
    noise, rate = 0.0, 0.0
    for block in blocks:
        means, log_vars = model.encode(block)
        parts.append(means)
        noise = noise + np.exp(log_vars, dtype="float64").sum(axis=0)
        with np.errstate(invalid="ignore"):
            rates = 0.5 * (np.square(means) + np.exp(log_vars) - 1.0 - log_vars)
            rate = rate + rates.sum(axis=0, dtype="float64")
    codes = np.concatenate(parts)
    count, mean = len(codes), codes.mean(axis=0, dtype="float64")
    codes -= mean.astype("float32")  # so that a variance far below the squared mean keeps its digits
    variance = np.maximum(codes.var(axis=0, dtype="float64"), 0.0)
    shown = np.full_like(mean, np.nan) if model.autoencoder else np.asarray(rate) / count
    return PosteriorStatistics(mean, variance, np.asarray(noise) / count, shown, *principal_directions(codes))


def principal_directions(codes: np.ndarray, most: int = MOST_DIRECTIONS) -> tuple[np.ndarray, np.ndarray]:
    """Principal directions (count, latent) of centred `codes` (pictures, latent) and the spreads (count,) along them,
    largest first.

    A direction's sign is that of its largest entry, made positive, so that the same pictures give the same directions.
    """
    latent = codes.shape[1]
    variance = codes.var(axis=0, dtype="float64")
    varying = np.sort(np.argsort(variance, kind="stable")[-MOST_DIMENSIONS:])
    found = codes[:, varying].astype("float64")
    values, vectors = np.linalg.eigh(found.T @ found / len(found))
    count = min(most, len(varying))
    directions = np.zeros((count, latent))
    directions[:, varying] = vectors[:, ::-1][:, :count].T
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    return directions * np.where(largest < 0, -1.0, 1.0), np.sqrt(np.maximum(values[::-1][:count], 0.0))
