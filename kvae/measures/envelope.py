"""The envelope test: whether a model, or several, are at their best at every weight. Exact, and needs no other model.

At the optimum dL*/dβ = R, so L*(β) is concave, and between neighbours β₁ < β₂ the slope (L₂ − L₁)/(β₂ − β₁) lies
between R(β₂) and R(β₁). The first half fails exactly where L₁ > D₂ + β₁·R₂: at weight β₁, the coder of weight β₂ would
do better than the one of β₁ does; the second the other way round. So it is asked of all pairs of weights: how far is
each loss above what the coder of another weight would pay? A model that passes may still be short of the optimum, but
not of its own curve.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-3  # of a loss; less is not worth a word
STANDARD_ERRORS = 2.0  # that a difference must be away from 0


@dataclass(frozen=True)
class Envelope:
    """By weight, from the smallest: `short` is by which share the loss lies above the one that the coder of the weight
    `better` would pay there; 0 and None where none of them pays less."""

    weights: tuple[float, ...]
    short: tuple[float, ...]
    better: tuple[float | None, ...]

    @property
    def consistent(self) -> bool:
        """Whether no weight is short of the curve."""
        return not any(self.short)

    @property
    def verdict(self) -> str:
        """In words: "consistent from 0.03 to 1; at 0.01, 4% short of its own curve, which the coder of 0.03
        reaches"."""
        good = [weight for weight, short in zip(self.weights, self.short, strict=True) if not short]
        failed = [
            f"at {weight:g}, {percent(short)} short of its own curve, which the coder of {better:g} reaches"
            for weight, short, better in zip(self.weights, self.short, self.better, strict=True)
            if short
        ]
        first = "consistent at no weight"
        if good:
            adjacent = self.weights.index(good[-1]) - self.weights.index(good[0]) == len(good) - 1
            span = f"from {good[0]:g} to {good[-1]:g}" if adjacent else "at " + ", ".join(f"{one:g}" for one in good)
            first = f"consistent {span if len(good) > 1 else f'at {good[0]:g}'}"
        return "; ".join([first, *failed])


def percent(share: float) -> str:
    """A share in percent, with a digit after the point below 1%."""
    return f"{100 * share:.0f}%" if share >= 0.0095 else f"{100 * share:.1f}%"


def envelope(weights: Sequence[float], distortions: np.ndarray, rates: np.ndarray) -> Envelope:
    """The test between at least two different `weights`, on the same pictures.

    `distortions` and `rates` have shape (weights, pictures), of the same pictures and, for an even comparison, the same
    noise; the distortions are those of the likelihood that was trained. A difference counts where it is twice its
    standard error over the pictures and a thousandth of the loss.

    Raises:
        ValueError: fewer than two different weights.
    """
    if len(set(weights)) < 2:
        raise ValueError(f"envelope: `weights` needs at least two different ones. Received: {list(weights)}.")
    order = sorted(range(len(weights)), key=lambda place: weights[place])
    short: list[float] = []
    better: list[float | None] = []
    for place in order:
        own = distortions[place] + weights[place] * rates[place]
        found: tuple[float, float | None] = 0.0, None
        for other in order:
            gained = own - (distortions[other] + weights[place] * rates[other])
            mean, error = float(np.mean(gained)), float(np.std(gained, ddof=1)) / len(gained) ** 0.5
            share = mean / max(float(np.mean(own)) - mean, 1e-12)
            if weights[other] != weights[place] and mean > STANDARD_ERRORS * error and share > max(TOLERANCE, found[0]):
                found = share, float(weights[other])
        short.append(found[0])
        better.append(found[1])
    return Envelope(tuple(float(weights[place]) for place in order), tuple(short), tuple(better))
