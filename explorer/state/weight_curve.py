"""What a model of many weights reaches at each of them: its rate-distortion curve, read off its card. No Qt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.messages import ModelInfo
from explorer.state.runs import calibrated_weight

_AT = "distortion_at_"  # begins the names of what was measured at one weight of several
_FINE = 65  # points of the line


@dataclass(frozen=True, eq=False)
class WeightCurve:
    """D in squared error and R in nats on held-out pictures, each (points,), at rising `weights` (points,).

    Between the points both go smoothly, on logarithmic scales, and rise or fall only where the points do.
    """

    weights: np.ndarray
    distortions: np.ndarray
    rates: np.ndarray
    shape: tuple[int, int, int]  # of a picture

    @classmethod
    def of(cls, info: ModelInfo) -> WeightCurve | None:
        """The curve that the model's card tells, of the end or of the last epoch; None where it tells none."""
        last = {name[4:]: column[-1] for name, column in info.history.items() if name.startswith("val_") and column}
        points = sorted(_points(info.evaluated) or _points(last))
        if len(points) < 2:
            return None
        weights, distortions, rates = np.array(points).T
        return cls(weights, distortions, rates, info.image_shape)

    def at(self, kl_weight: float) -> tuple[float, float]:
        """D and R at this weight; beyond the ends, those of the end."""
        where = np.log([min(max(kl_weight, self.weights[0]), self.weights[-1])])
        distortion, rate = (self._along(part, where)[0] for part in (self.distortions, self.rates))
        return float(distortion), float(rate)

    def line(self) -> np.ndarray:
        """Weight, R and D of the whole curve in small steps, from the lowest weight to the highest, (3, points)."""
        where = np.linspace(math.log(self.weights[0]), math.log(self.weights[-1]), _FINE)
        return np.stack([np.exp(where), self._along(self.rates, where), self._along(self.distortions, where)])

    def calibrated(self) -> float | None:
        """β*, the weight that is twice the squared error of a pixel value there; None where it is beyond the curve."""
        where = np.linspace(math.log(self.weights[0]), math.log(self.weights[-1]), _FINE)
        errors = self._along(self.distortions, where)
        # β is below what is missed at small weights, and above it from β* on
        over = where - np.log([calibrated_weight(float(error), self.shape) for error in errors])
        crossed = np.flatnonzero((over[:-1] < 0) & (over[1:] >= 0))
        if not len(crossed):
            return None
        k = int(crossed[0])
        return math.exp(where[k] - over[k] * (where[k + 1] - where[k]) / (over[k + 1] - over[k]))

    def _along(self, part: np.ndarray, where: np.ndarray) -> np.ndarray:
        return np.exp(_monotone(np.log(self.weights), np.log(part), where))


def _points(measured: Mapping[str, Any]) -> list[tuple[float, float, float]]:
    """Weight, D and R of every weight at which both are numbers above 0."""
    found = []
    for name in measured:
        at = name.removeprefix(_AT)
        try:
            point = float(at), float(measured[name]), float(measured[f"rate_at_{at}"])
        except (KeyError, TypeError, ValueError):
            continue
        if name != at and all(math.isfinite(value) and value > 0 for value in point):
            found.append(point)
    return found


def _monotone(x: np.ndarray, y: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The smooth curve through the points (x, y), x rising, at `where`, which overshoots nowhere.

    Reference: Fritsch & Butland, 1984, SIAM J. Sci. Stat. Comput. 5(2).
    """
    step, slope = np.diff(x), np.diff(y) / np.diff(x)
    tangent = np.empty_like(y)
    tangent[0], tangent[-1] = slope[0], slope[-1]
    left, right = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (left + right) / (left / slope[:-1] + right / slope[1:])
    tangent[1:-1] = np.where(slope[:-1] * slope[1:] > 0, mean, 0.0)
    k = np.clip(np.searchsorted(x, where, side="right") - 1, 0, len(step) - 1)
    t = (where - x[k]) / step[k]
    return (
        (1 + 2 * t) * (1 - t) ** 2 * y[k]
        + t**2 * (3 - 2 * t) * y[k + 1]
        + step[k] * t * (1 - t) * ((1 - t) * tangent[k] - t * tangent[k + 1])
    )
