"""What every way of setting the KL weight over time has in common."""

from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

Tensor = Any


@dataclass(frozen=True, slots=True)
class Observed:
    """What a method sees of one batch; every tensor is float32.

    `given` is the model's KL weight as it stands. `distortion` is the batch mean of D, its gradient stopped. `rates`,
    shape (latent,), is the batch mean of each dimension's KL in nats; their sum is R. `extra` is what the rate method
    adds to R, in nats. `trained` is the number that the optimizer trains for this method, or None. `values` is height
    times width times channels of a picture. Where pictures have weights, the means are weighted by them, so that
    targets keep their meaning, and `share` is the mean weight, which the penalty is multiplied by; else it is None.
    """

    given: Tensor
    distortion: Tensor
    rates: Tensor
    extra: Tensor
    trained: Tensor | None
    values: int
    share: Tensor | None = None

    @property
    def rate(self) -> Tensor:
        """R, the batch mean in nats, a scalar."""
        return ops.sum(self.rates)


@dataclass(frozen=True)
class Weighting:
    """A way of setting the KL weight: settings, and pure functions of a state that the model keeps and saves.

    `start` gives the state before the first step, `update` the next one; where there is a state, its first number is
    the step. A subclass is a frozen dataclass whose fields are settings of `kvae.settings.SETTINGS`.
    """

    KEEPS_CONSTANT: ClassVar[str]  # what the method holds constant
    REFERENCE: ClassVar[str]
    MOVES: ClassVar[bool] = True  # whether the model's kl_weight follows; else it stays what the user sets
    STEPS: ClassVar[int | None] = None  # published length of the schedule, where it has one

    @classmethod
    def length(cls, run: int) -> int | None:
        """How long a schedule of unstated length is in a run of so many steps: as published, and half of it at most."""
        return None if cls.STEPS is None else min(cls.STEPS, max(1, run // 2))

    def start(self) -> tuple[float, ...]:
        """The state before the first step; empty where none is needed."""
        return (0.0,)

    def trained(self) -> float | None:
        """Where the number starts that the optimizer trains along with the networks, if there is one."""
        return None

    def weight(self, state: Tensor, seen: Observed) -> Tensor:
        """Beta of the present batch, a scalar."""
        raise NotImplementedError

    def penalty(self, weight: Tensor, state: Tensor, seen: Observed) -> Tensor:
        """What is added to D, a scalar: the weight times R and what the rate method adds to it."""
        return weight * (seen.rate + seen.extra)

    def effective(self, weight: Tensor, state: Tensor, seen: Observed) -> Tensor:
        """The weight that R really has: how fast the penalty grows when every dimension's rate grows in proportion,
        by how fast R does. This is what is logged as `kl_weight`."""
        return weight

    def update(self, state: Tensor, seen: Observed) -> Tensor:
        """The state after this batch: here, one step more."""
        return state + 1.0


def settled(steps: int | None, published: int | None) -> float:
    """The length of a schedule: the one that was chosen, or else the published one."""
    return float(steps if steps is not None else published or 1)
