"""Controlled capacity: the rate is told, nat by nat, how large it may be."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from kvae.settings import default
from kvae.weighting.base import Observed, Tensor, Weighting, settled


@dataclass(frozen=True)
class Capacity(Weighting):
    """L = D + γ·|R̄ - C(t)|: R̄ is the batch mean in nats, taken before the absolute value; C rises from 0 linearly.

    γ = `capacity_weight`, published 1000, in squared error per nat: large enough that |R - C| stays below 1 nat. C goes
    to `capacity` nats, published 25 on dSprites and 5 to 100 elsewhere, within `ramp_steps`, published 100000. A good
    C is the rate of a model with a low weight whose pictures are good. `kl_weight` is not used in training, and stays
    the weight that validation states L with.
    """

    capacity: float = default("capacity")
    capacity_weight: float = default("capacity_weight")
    ramp_steps: int | None = None

    KEEPS_CONSTANT: ClassVar[str] = "the rate R, at a capacity that grows"
    REFERENCE: ClassVar[str] = "Burgess et al. 2018, arXiv:1804.03599"
    MOVES: ClassVar[bool] = False
    STEPS: ClassVar[int | None] = 100000

    def weight(self, state: Tensor, seen: Observed) -> Tensor:
        """γ."""
        return ops.convert_to_tensor(self.capacity_weight, "float32")

    def penalty(self, weight: Tensor, state: Tensor, seen: Observed) -> Tensor:
        """γ·|R̄ - C(t)|, of R with what the rate method adds to it."""
        return weight * ops.abs(seen.rate + seen.extra - self.allowed(state))

    def effective(self, weight: Tensor, state: Tensor, seen: Observed) -> Tensor:
        """γ while the rate is too large, -γ while it is too small; on average, the -dD/dR at this rate."""
        return weight * ops.sign(seen.rate + seen.extra - self.allowed(state))

    def allowed(self, state: Tensor) -> Tensor:
        """C(t) in nats."""
        return self.capacity * ops.minimum(1.0, state[0] / settled(self.ramp_steps, self.STEPS))
