"""Free bits: a little information in each dimension costs nothing."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from kvae.settings import default
from kvae.weighting.base import Observed, Tensor, Weighting


@dataclass(frozen=True)
class FreeBits(Weighting):
    """L = D + β·Σ_j max(λ, mean KL_j): the batch mean first, then the maximum.

    λ = `free_bits` in nats per dimension, published 0.25; β is `kl_weight`, which can be turned by hand.
    """

    free_bits: float = default("free_bits")

    KEEPS_CONSTANT: ClassVar[str] = "the weight, and a rate in each dimension that is free"
    REFERENCE: ClassVar[str] = "Kingma et al. 2016, arXiv:1606.04934, appendix C.8"
    MOVES: ClassVar[bool] = False

    def start(self) -> tuple[float, ...]:
        """No state."""
        return ()

    def weight(self, state: Tensor, seen: Observed) -> Tensor:
        """The model's `kl_weight`."""
        return seen.given

    def penalty(self, weight: Tensor, state: Tensor, seen: Observed) -> Tensor:
        """β·Σ_j max(λ, mean KL_j), and β times what the rate method adds."""
        return weight * (ops.sum(ops.maximum(self.free_bits, seen.rates)) + seen.extra)

    def effective(self, weight: Tensor, state: Tensor, seen: Observed) -> Tensor:
        """β times the share of R that lies in dimensions above λ, the only ones with a gradient."""
        above = ops.sum(ops.where(seen.rates > self.free_bits, seen.rates, 0.0))
        return weight * above / ops.maximum(seen.rate, 1e-12)
