"""GECO: the least rate at which the pictures are as good as they are asked to be."""

import math
from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from kvae.settings import default
from kvae.weighting.base import Observed, Tensor, Weighting

LOG_BOUNDS = (math.log(1e-10), math.log(1e10))


@dataclass(frozen=True)
class Geco(Weighting):
    """Minimise R subject to D = κ: β ← clip(β·exp(-η·c), 1e-10, 1e10), c the moving average of (D - κ)/κ.

    κ = `target_distortion`, a squared error summed over a picture; η = `constraint_rate`, published 0.01; the average
    is c ← α·c + (1 - α)·(D - κ)/κ with α = `averaging`, published 0.99. The error is divided by κ, as the step would
    else depend on the size of the picture, and raw errors make it oscillate. β starts at `kl_weight`.
    """

    kl_weight: float = default("kl_weight")
    target_distortion: float = default("target_distortion")
    constraint_rate: float = default("constraint_rate")
    averaging: float = default("averaging")

    KEEPS_CONSTANT: ClassVar[str] = "the distortion D, at target_distortion"
    REFERENCE: ClassVar[str] = "Rezende & Viola 2018, arXiv:1810.00597"

    def start(self) -> tuple[float, ...]:
        """Step, the moving average of the error, and log β."""
        return (0.0, 0.0, math.log(min(max(self.kl_weight, 1e-10), 1e10)))

    def weight(self, state: Tensor, seen: Observed) -> Tensor:
        """β of the state."""
        return ops.exp(state[2])

    def update(self, state: Tensor, seen: Observed) -> Tensor:
        """Average the error, and turn log β against it."""
        error = (seen.distortion - self.target_distortion) / self.target_distortion
        # the first error is its own average: from 0, the average would lag for a hundred steps
        keep = ops.where(state[0] == 0.0, 0.0, self.averaging)
        average = keep * state[1] + (1.0 - keep) * error
        log_weight = ops.clip(state[2] - self.constraint_rate * average, *LOG_BOUNDS)
        return ops.stack([state[0] + 1.0, average, log_weight])
