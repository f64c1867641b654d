"""δ-VAE: a posterior that cannot reach the prior."""

import math
from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import ops

from kvae.objectives.base import Posterior, Rate, Tensor
from kvae.settings import default


def highest_log_var(rate: float) -> float:
    """The log-variance b < 0 at which N(0, e^b) costs `rate` nats: ½(e^b - 1 - b) = rate."""
    low, high = -2.0 * rate - 1.0, 0.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if 0.5 * (math.expm1(middle) - middle) > rate else (low, middle)
    return low


@dataclass(frozen=True)
class CommittedRate(Rate):
    """R ≥ δ = `committed_rate` nats: each log-variance is softly bounded above, where its KL is δ/k for k latents.

    The published committed rates for independent latents follow from the family of posteriors, as here.
    """

    committed_rate: float = default("committed_rate")

    KEEPS_CONSTANT: ClassVar[str] = "a least rate, of every picture"
    REFERENCE: ClassVar[str] = "Razavi et al. 2019, delta-VAE, arXiv:1901.03416"

    def posterior(
        self, layers: list[keras.layers.Layer], features: Tensor, mean: Tensor, log_var: Tensor, training: bool
    ) -> Posterior:
        """With the log-variances bent below their bound."""
        bound = highest_log_var(self.committed_rate / mean.shape[-1])
        return Posterior(mean, bound - ops.softplus(bound - log_var))
