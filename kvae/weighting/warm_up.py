"""Warm-up: the KL term comes in slowly, once and for all."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from kvae.settings import default
from kvae.weighting.base import Observed, Tensor, Weighting, settled


@dataclass(frozen=True)
class WarmUp(Weighting):
    """β(t) = kl_weight·ramp(t), in squared error per nat, over T = `ramp_steps`.

    `linear`: min(1, t/T). `logistic`: 1/(1 + e^(-κ(t - t₀))) with t₀ = T/2 and κ = 12.5/T, so that the default of
    T = 5000 is the published t₀ = 2500 and κ = 0.0025.
    """

    kl_weight: float = default("kl_weight")
    ramp: str = default("ramp")
    ramp_steps: int | None = None

    KEEPS_CONSTANT: ClassVar[str] = "nothing while it rises, then the weight"
    REFERENCE: ClassVar[str] = "Bowman et al. 2016, arXiv:1511.06349; Sønderby et al. 2016, arXiv:1602.02282"
    STEPS: ClassVar[int | None] = 5000

    def weight(self, state: Tensor, seen: Observed) -> Tensor:
        """β at the state's step, in closed form."""
        share = state[0] / settled(self.ramp_steps, self.STEPS)
        ramp = ops.sigmoid(12.5 * (share - 0.5)) if self.ramp == "logistic" else ops.minimum(1.0, share)
        return self.kl_weight * ramp
