"""One model for a range of KL weights: each picture of a batch draws its own, and its loss counts in proportion.

L = D + β·R is some ten times as large at weight 1 as at 0.01, so a plain mean over weights would train the largest
alone. A picture's loss is divided by what is expected at its weight: a moving average that is kept at a few weights,
equally far apart in log β, and read off between them on straight lines.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from kvae.networks import NETWORKS
from kvae.objectives.base import Tensor

AddedUp = Callable[[Tensor], Tensor]
EACH_ALONE = ("diagonal", "full")  # rates of one picture by itself
KNOTS = 17  # weights at which the expected loss is kept
REPORTED = 5  # weights at which a model is measured
MEMORY = 0.98  # of the expected loss, for one picture more
MOST = 3.0  # times the expected loss, that one picture counts as
AT_LOWEST = 1 / 8  # of the draws: no lower weight teaches the lowest one, which has most to learn


@dataclass(frozen=True)
class WeightRange:
    """The weights from `low` to `high`, in squared error per nat."""

    low: float
    high: float

    @property
    def knots(self) -> np.ndarray:
        """The weights (KNOTS,) at which the expected loss is kept, float64."""
        return np.geomspace(self.low, self.high, KNOTS)

    @property
    def reported(self) -> tuple[float, ...]:
        """The weights at which a model is measured, as a person would write them."""
        return tuple(float(f"{weight:.3g}") for weight in np.geomspace(self.low, self.high, REPORTED))

    @property
    def middle(self) -> float:
        """Where a new model stands."""
        return float(f"{math.sqrt(self.low * self.high):.6g}")

    def clamped(self, weight: float) -> float:
        """The weight nearest to `weight` in the range."""
        return min(max(weight, self.low), self.high)

    def draw(self, count: int | Tensor, seed: keras.random.SeedGenerator) -> Tensor:
        """A weight for each of `count` pictures, (count,): an eighth of them at the lowest weight, and log β of the
        others uniform, one picture in each equal part of the range."""
        ones = ops.ones((count,), "float32")
        places = (ops.cumsum(ones) - 1.0 + keras.random.uniform((count,), seed=seed)) / ops.sum(ones)
        low, high = math.log(self.low), math.log(self.high)
        return ops.exp(low + ops.relu((places - AT_LOWEST) / (1.0 - AT_LOWEST)) * (high - low))

    def expected(self, weights: Tensor, kept: Tensor) -> Tensor:
        """The expected loss (batch,) at `weights`, of the losses `kept` (KNOTS,) at the knots."""
        return ops.matmul(self._shares(weights), ops.convert_to_tensor(kept)[:, None])[:, 0]

    def scales(self, weights: Tensor, losses: Tensor, kept: Tensor) -> Tensor:
        """What each picture's loss is multiplied by, (batch,): a picture that is far off its expected loss counts
        `MOST` times it, and no more."""
        return 1.0 / ops.maximum(ops.maximum(self.expected(weights, kept), losses / MOST), 1e-6)

    def updated(self, weights: Tensor, losses: Tensor, kept: Tensor, added_up: AddedUp = lambda sums: sums) -> Tensor:
        """The losses (KNOTS,) that are expected after a batch; each picture tells the knot that it is nearest to.

        Where several devices have a share of the batch each, `added_up` gives the sum of what each of them passes.
        """
        kept = ops.convert_to_tensor(kept)
        expected = self.expected(weights, kept)
        known = ops.all(kept > 0.0)  # a model that was set out from no pictures expects nothing yet
        losses = ops.where(known, ops.minimum(losses, MOST * expected), losses)
        nearest = ops.one_hot(ops.cast(ops.round(self._place(weights)), "int32"), KNOTS)
        sums = ops.matmul(ops.stack([ops.ones_like(losses), losses]), nearest)  # (2, KNOTS)
        counts, totals = ops.unstack(added_up(sums), num=2)
        means = ops.divide_no_nan(totals, counts)
        share = ops.where(kept > 0.0, 1.0 - ops.power(MEMORY, counts), ops.cast(counts > 0.0, "float32"))
        found = kept + share * (means - kept)
        return ops.where(ops.all(ops.isfinite(found)), found, kept)

    def _place(self, weights: Tensor) -> Tensor:
        """Where `weights` stand among the knots, (batch,), 0 to KNOTS - 1."""
        low, high = math.log(self.low), math.log(self.high)
        return ops.clip((ops.log(weights) - low) / (high - low), 0.0, 1.0) * (KNOTS - 1)

    def _shares(self, weights: Tensor) -> Tensor:
        """How much each knot says about each of `weights`, (batch, KNOTS)."""
        distance = ops.abs(self._place(weights)[:, None] - np.arange(KNOTS, dtype="float32"))
        return ops.relu(1.0 - distance)


def check_range(network: str | None, names: Mapping[str, str], owner: str) -> None:
    """Refuse a range of weights where it would mean nothing; `names` are those of the methods, by their axis, and
    `network` is None for networks of the user's own.

    Raises:
        ValueError: a network that does not know the weight, or a method that sets it, or that looks at several pictures
            together, which have several weights.
    """
    if network is None or not NETWORKS[network].knows_weight:
        told = " or ".join(name for name, kind in NETWORKS.items() if kind.knows_weight)
        why, cure = f"network {network or 'of your own'} learns for one weight", f"Choose network {told}"
    elif names["weighting"] != "constant":
        why, cure = f"weighting {names['weighting']} sets the weight by itself", "Choose weighting constant"
    elif names["rate"] not in EACH_ALONE:
        why, cure = f"rate {names['rate']} looks at pictures of one weight together", "Choose rate diagonal or full"
    else:
        return
    raise ValueError(f"{owner}: `kl_weight` cannot be a range: {why}. {cure}, or give one weight.")
