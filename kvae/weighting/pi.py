"""A proportional-integral controller that holds the rate."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from kvae.settings import default
from kvae.weighting.base import Observed, Tensor, Weighting


@dataclass(frozen=True)
class ProportionalIntegral(Weighting):
    """β(t) = K_p/(1 + e^e) - K_i·Σe + β_min, clipped to [β_min, β_max], with e = C - R in nats.

    C = `target_rate`; K_p = `proportional_gain`, published 0.01; K_i = `integral_gain`, published 0.0001, both in
    squared error per nat (and nat). The sum goes no further than to where the unclipped β leaves its range: else it
    winds up while the target is far, and overshoots when it is reached.
    """

    target_rate: float = default("target_rate")
    proportional_gain: float = default("proportional_gain")
    integral_gain: float = default("integral_gain")
    lowest_weight: float = default("lowest_weight")
    highest_weight: float = default("highest_weight")

    KEEPS_CONSTANT: ClassVar[str] = "the rate R, at target_rate"
    REFERENCE: ClassVar[str] = "Shao et al. 2020, ControlVAE, arXiv:2004.05988"

    def __post_init__(self) -> None:
        if self.lowest_weight >= self.highest_weight:
            raise ValueError(
                "ProportionalIntegral: `lowest_weight` must be below `highest_weight`. "
                f"Received: {self.lowest_weight!r} and {self.highest_weight!r}."
            )

    def start(self) -> tuple[float, ...]:
        """Step, the sum of errors, and the last error."""
        return (0.0, 0.0, 0.0)

    def weight(self, state: Tensor, seen: Observed) -> Tensor:
        """β of the last batch's error."""
        return ops.clip(self._unclipped(state[1], state[2]), self.lowest_weight, self.highest_weight)

    def update(self, state: Tensor, seen: Observed) -> Tensor:
        """Sum the error, no further than to where the weight leaves its range."""
        error = self.target_rate - seen.rate
        proportional = self._proportional(error)
        gain = max(self.integral_gain, 1e-12)
        lowest = (proportional - (self.highest_weight - self.lowest_weight)) / gain
        total = ops.clip(state[1] + error, lowest, proportional / gain)
        return ops.stack([state[0] + 1.0, total, error])

    def _unclipped(self, total: Tensor, error: Tensor) -> Tensor:
        return self._proportional(error) - self.integral_gain * total + self.lowest_weight

    def _proportional(self, error: Tensor) -> Tensor:
        # the exponent is bounded, so that an error of thousands of nats stays a number
        return self.proportional_gain / (1.0 + ops.exp(ops.clip(error, -30.0, 30.0)))
