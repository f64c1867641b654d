"""What the posteriors of many pictures say about each latent dimension."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kvae.model import VAE

ACTIVE_VARIANCE = 0.01  # Var over images of the posterior mean; Burda et al., 2016, arXiv:1509.00519


@dataclass(frozen=True)
class PosteriorStatistics:
    """Per latent dimension, each of shape (latent,): over the pictures,

    `mean` and `variance` of the posterior mean, the mean of the posterior variance `noise`, and the mean `rate` in nats
    (NaN for an autoencoder, whose noise is 0).
    """

    mean: np.ndarray
    variance: np.ndarray
    noise: np.ndarray
    rate: np.ndarray

    @property
    def active(self) -> int:
        """How many dimensions are active: their posterior mean varies by at least 0.01."""
        return int(np.sum(self.variance >= ACTIVE_VARIANCE))


def posterior_statistics(model: VAE, blocks: Iterable[np.ndarray]) -> PosteriorStatistics:
    """Measure `model` on pictures that come in blocks (n, height, width, channels), uint8 or float in [0, 1]."""
    count, mean, square, noise, rate = 0, 0.0, 0.0, 0.0, 0.0
    for block in blocks:
        means, log_vars = (values.astype("float64") for values in model.encode(block))
        count += len(means)
        mean = mean + means.sum(axis=0)
        square = square + np.square(means).sum(axis=0)
        noise = noise + np.exp(log_vars).sum(axis=0)
        with np.errstate(invalid="ignore"):
            rate = rate + (0.5 * (np.square(means) + np.exp(log_vars) - 1.0 - log_vars)).sum(axis=0)
    average = np.asarray(mean) / count
    rates = np.full_like(average, np.nan) if model.autoencoder else np.asarray(rate) / count
    return PosteriorStatistics(average, np.maximum(square / count - average**2, 0.0), np.asarray(noise) / count, rates)
