"""The Gaussian limit: the distortion and rate of the best *linear* VAE on the same pictures, in closed form.

The optimal linear VAE is reverse water-filling over the eigenvalues of the pictures' covariance, Shannon's
rate-distortion function of a Gaussian source. With s = β/2, directions with eigenvalue λ > s are active (at most
latent_dim), each costs ½ ln(λ/s) nats and leaves a distortion of s; the others leave λ.
Reference: Lucas et al., 2019, "Don't Blame the ELBO!", arXiv:1911.02469; Shannon, 1959.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kvae.images.pca import PCA, as_values


@dataclass(frozen=True)
class RatePoint:
    """Distortion D (summed squared error), rate R (nats) and loss L = D + β·R, of which `active` latents are in use."""

    distortion: float
    rate: float
    kl_weight: float
    active: int

    @property
    def loss(self) -> float:
        """L = D + β·R; without a weight even an infinite rate costs nothing."""
        return self.distortion + (self.kl_weight * self.rate if self.kl_weight else 0.0)


def water_filling(eigenvalues: np.ndarray, kl_weight: float, latent_dim: int, total: float | None = None) -> RatePoint:
    """D and R of the optimal linear VAE of a Gaussian with these `eigenvalues`, shape (count,), descending.

    `total` is the sum of all eigenvalues where `eigenvalues` holds the leading ones only; those must be as many as
    `latent_dim`. Check: [4, 2, 1, .5, .2, .1, .05, .02] at β = 1 gives D = 2.370, R = 2.0794.

    Raises:
        ValueError: a weight that is not above 0: without noise the rate of a Gaussian is infinite.

    Example:
        >>> import kvae
        >>> limit = kvae.water_filling([4, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02], kl_weight=1.0, latent_dim=8)
        >>> round(limit.distortion, 3), round(limit.rate, 4), limit.active
        (2.37, 2.0794, 3)
    """
    if not kl_weight > 0:
        raise ValueError(f"water_filling: `kl_weight` must be above 0. Received: kl_weight={kl_weight!r}.")
    eigenvalues = np.asarray(eigenvalues, "float64")
    level = kl_weight / 2.0
    usable = eigenvalues[:latent_dim]
    active = usable[usable > level]
    rest = (float(np.sum(eigenvalues)) if total is None else total) - float(np.sum(active))
    rate = float(np.sum(0.5 * np.log(active / level)))
    return RatePoint(max(rest, 0.0) + level * len(active), rate, kl_weight, len(active))


@dataclass(frozen=True)
class HeldOut:
    """What D and R of the linear VAE on pictures it was not fitted to depend on.

    `second_moments` (count,) are the mean squares of the pictures' coefficients along the eigenvectors, `total` is the
    mean squared distance of a picture from the mean picture of the fit.
    """

    eigenvalues: np.ndarray
    second_moments: np.ndarray
    total: float

    @property
    def directions(self) -> int:
        """How many the best linear model may use."""
        return len(self.eigenvalues)

    def at(self, kl_weight: float, latent_dim: int) -> RatePoint:
        """Exact mean D and R at `kl_weight`: both are quadratic in the coefficients, so their moments suffice.

        At weight 0 this is the linear autoencoder; without noise the rate of its code is infinite.
        """
        level = kl_weight / 2.0
        usable = self.eigenvalues[:latent_dim]
        is_active = usable > level
        variance, moment = usable[is_active], self.second_moments[:latent_dim][is_active]
        # a coefficient c comes back as (1 − s/λ)c plus noise of variance (λ − s)s/λ
        shrinkage = level / variance
        kept = moment * shrinkage**2 + (variance - level) * shrinkage
        distortion = self.total - float(np.sum(moment)) + float(np.sum(kept))
        if kl_weight == 0:
            return RatePoint(max(distortion, 0.0), np.inf, 0.0, int(np.sum(is_active)))
        rate = 0.5 * float(np.sum(moment * (variance - level) / variance**2 + shrinkage - 1.0 - np.log(shrinkage)))
        return RatePoint(max(distortion, 0.0), rate, kl_weight, int(np.sum(is_active)))

    def curve(self, latent_dim: int, weights: Iterable[float]) -> list[RatePoint]:
        """A point for each of `weights`."""
        return [self.at(weight, latent_dim) for weight in weights]


def held_out(pca: PCA, blocks: Iterable[np.ndarray]) -> HeldOut:
    """How the linear VAE fitted to `pca` does on other pictures, which come in blocks (n, height, width, channels)."""
    moments, total, pictures = np.zeros(len(pca.eigenvalues)), 0.0, 0
    for block in blocks:
        centred = as_values(block) - pca.mean
        moments += np.sum(np.square(centred @ pca.eigenvectors, dtype="float64"), axis=0)
        total += float(np.einsum("ij,ij->", centred, centred, dtype="float64"))
        pictures += len(centred)
    if pictures == 0:
        raise ValueError("held_out: there are no pictures to measure on. Bring at least one.")
    return HeldOut(np.asarray(pca.eigenvalues, "float64"), moments / pictures, total / pictures)
