"""Calibrated noise: the weight at which the decoder's noise is its actual error, batch by batch."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from kvae.weighting.base import Observed, Tensor, Weighting


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
        return ops.maximum(2.0 * seen.distortion / seen.values, 1e-10)
