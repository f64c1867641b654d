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
    count, noise, rate = 0, 0.0, 0.0
    center = total = products = np.zeros(0)
    for block in blocks:
        means, log_vars = (values.astype("float64") for values in model.encode(block))
        if not count:  # about the first block's mean, so that a variance far below the squared mean keeps its digits
            center = means.mean(axis=0)
            total, products = np.zeros_like(center), np.zeros((len(center), len(center)))
        count += len(means)
        total += (means - center).sum(axis=0)
        products += (means - center).T @ (means - center)
        noise = noise + np.exp(log_vars).sum(axis=0)
        with np.errstate(invalid="ignore"):
            rate = rate + (0.5 * (np.square(means) + np.exp(log_vars) - 1.0 - log_vars)).sum(axis=0)
    shift = total / count
    covariance = products / count - np.outer(shift, shift)
    rates = np.full_like(center, np.nan) if model.autoencoder else np.asarray(rate) / count
    variance = np.maximum(np.diagonal(covariance), 0.0)
    return PosteriorStatistics(
        center + shift, variance, np.asarray(noise) / count, rates, *principal_directions(covariance)
    )


def principal_directions(covariance: np.ndarray, most: int = MOST_DIRECTIONS) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvectors (count, latent) of `covariance` (latent, latent) and the spreads (count,) along them, largest first.

    A direction's sign is that of its largest entry, made positive, so that the same pictures give the same directions.
    """
    latent = len(covariance)
    varying = np.sort(np.argsort(np.diagonal(covariance), kind="stable")[-MOST_DIMENSIONS:])
    values, vectors = np.linalg.eigh(covariance[np.ix_(varying, varying)])
    count = min(most, len(varying))
    directions = np.zeros((count, latent))
    directions[:, varying] = vectors[:, ::-1][:, :count].T
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    return directions * np.where(largest < 0, -1.0, 1.0), np.sqrt(np.maximum(values[::-1][:count], 0.0))
