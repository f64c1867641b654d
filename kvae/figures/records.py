"""What the figures are told: the Gaussian limit of a run, and one run of a sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np

from kvae.weighting.conversions import bits_per_dimension

History: TypeAlias = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Limit:
    """The best linear VAE at the run's KL weight, on the same held-out pictures, with all latents it can use.

    `distortion` and `loss` are summed squared errors per image, `rate` is in nats.
    """

    distortion: float
    rate: float
    loss: float
    active: int
    latent_dim: int


@dataclass(frozen=True)
class LimitCurve:
    """The Gaussian limit at many weights: `distortions` and `rates` (points,), in nats, of the best linear model.

    `fewer` is the same with `latents` only, those of the trained models, where these are fewer than it would use.
    """

    distortions: np.ndarray
    rates: np.ndarray
    latents: int | None = None
    fewer: "LimitCurve | None" = None


@dataclass(frozen=True)
class SweepRun:
    """One row of a sweep: a trained run, a plain autoencoder, or the Gaussian limit at one weight.

    `kl_weight` is None (or 0) for a plain autoencoder, whose `rate`, `active` and `sigma` then do not count.
    Pictures are uint8 (n, h, w, c), or None. `reconstructions` are picture for picture those of the sweep's originals,
    `samples` are decoded from the same points of the prior in every run, and `between` leads from the reconstruction of
    one original to that of another, both included.
    `decoded_path` is the length of the decoded way between pictures over the straight line.
    `history` is empty for a Gaussian limit: nothing was trained. `seconds` is the time that training took.
    """

    name: str
    kl_weight: float | None
    distortion: float
    rate: float | None
    loss: float
    psnr: float
    active: int | None
    latent_dim: int
    sigma: float | None
    calibrated: float
    seconds: float | None = None
    history: History = field(default_factory=dict)
    reconstructions: np.ndarray | None = None
    samples: np.ndarray | None = None
    between: np.ndarray | None = None
    decoded_path: float | None = None
    model: Path | str | None = None
    gaussian_limit: bool = False

    @property
    def is_autoencoder(self) -> bool:
        """Whether the KL term is absent: such a run has no rate, no decoder noise and no prior."""
        return not self.kl_weight

    @property
    def bits(self) -> float | None:
        """Bits per dimension at the noise that the run's errors call for; None without a rate."""
        if self.is_autoencoder or self.rate is None or not self.is_finite or not self.calibrated > 0:
            return None
        return bits_per_dimension(self.distortion, self.rate, round(2.0 * self.distortion / self.calibrated))

    @property
    def is_finite(self) -> bool:
        """Whether the run ended in numbers; a run that diverged did not."""
        return bool(np.isfinite(self.distortion) and np.isfinite(self.loss))
