"""Calibrated noise: the decoder's σ is its actual error, batch by batch or as one more number that is trained."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from kvae.settings import default
from kvae.weighting.base import Observed, Tensor, Weighting
from kvae.weighting.conversions import calibrated_weight

LOWEST = -6.0  # log σ; softly bounded, as a hard bound would have no gradient


@dataclass(frozen=True)
class Calibrated(Weighting):
    """β(t) = 2·MSE(t) = 2σ², MSE the batch mean squared error of one pixel value, its gradient stopped.

    The direction of the gradient is that of (N/2)·log MSE + R, the likelihood at the best constant noise. There is
    nothing to set.
    """

    KEEPS_CONSTANT: ClassVar[str] = "the calibration: the decoder's noise is its actual error"
    REFERENCE: ClassVar[str] = "Rybkin et al. 2021, sigma-VAE, arXiv:2006.13202"

    def weight(self, state: Tensor, seen: Observed) -> Tensor:
        """2·MSE of this batch."""
        # a perfect reconstruction would leave the posterior no noise at all
        return ops.maximum(calibrated_weight(seen.distortion, seen.values), 1e-10)


@dataclass(frozen=True)
class Learned(Weighting):
    """β = 2σ² with log σ trained on the Gaussian likelihood of a pixel value, MSE/(2σ²) + log σ in nats.

    log σ is softly bounded below at -6 and starts from `kl_weight`. The likelihood moves σ alone: the networks see
    D + β·R, and the logged loss is that.
    """

    kl_weight: float = default("kl_weight")

    KEEPS_CONSTANT: ClassVar[str] = "the calibration, at the pace of the optimizer"
    REFERENCE: ClassVar[str] = "Rybkin et al. 2021, sigma-VAE, arXiv:2006.13202"

    def trained(self) -> float:
        """The number whose soft bound is log σ, at the start."""
        above = max(0.5 * math.log(max(self.kl_weight, 1e-10) / 2.0) - LOWEST, 1e-3)
        return LOWEST + math.log(math.expm1(above))  # the inverse of softplus

    def weight(self, state: Tensor, seen: Observed) -> Tensor:
        """2σ², which only `penalty` lets the optimizer move."""
        return ops.stop_gradient(2.0 * ops.exp(2.0 * self._log_sigma(seen)))

    def penalty(self, weight: Tensor, state: Tensor, seen: Observed) -> Tensor:
        """β·R, and a term of value 0 whose gradient is that of the likelihood of σ."""
        log_sigma = self._log_sigma(seen)
        likelihood = 0.5 * seen.distortion / seen.values * ops.exp(-2.0 * log_sigma) + log_sigma
        return super().penalty(weight, state, seen) + likelihood - ops.stop_gradient(likelihood)

    def _log_sigma(self, seen: Observed) -> Tensor:
        assert seen.trained is not None
        return LOWEST + ops.softplus(seen.trained - LOWEST)
