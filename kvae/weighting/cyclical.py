"""Cyclical annealing: warm-up, several times over."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from kvae.settings import default
from kvae.weighting.base import Observed, Tensor, Weighting, settled


@dataclass(frozen=True)
class Cyclical(Weighting):
    """β(t) = kl_weight·min(1, τ/ρ), τ = frac(t·M/T), in squared error per nat.

    M = `cycles`, 4 as published, in T = `ramp_steps`, as published the length of the run (20000 steps outside of one);
    ρ = `cycle_ramp`, 0.5 as published, is the share of a cycle in which the weight rises. From step T on it goes round
    in the same way.
    """

    kl_weight: float = default("kl_weight")
    cycles: int = default("cycles")
    cycle_ramp: float = default("cycle_ramp")
    ramp_steps: int | None = None

    KEEPS_CONSTANT: ClassVar[str] = "the rhythm of the weight: it rises, rests, and begins again at 0"
    REFERENCE: ClassVar[str] = "Fu et al. 2019, arXiv:1903.10145"
    STEPS: ClassVar[int | None] = 20000

    @classmethod
    def length(cls, run: int) -> int:
        """The whole run, as published."""
        return run

    def weight(self, state: Tensor, seen: Observed) -> Tensor:
        """β at the state's step, in closed form: no sum of small numbers drifts."""
        length = settled(self.ramp_steps, self.STEPS)
        # the remainder before the division: whole numbers are exact, so that a cycle ends on its step
        within = ops.mod(state[0] * self.cycles, length) / length
        return self.kl_weight * ops.minimum(1.0, within / self.cycle_ramp)
