"""The two directions of KL, and what independence costs, in numbers: the *What is KL?* page without a window.

KL(a ‖ b) is the mean over a of log a − log b, in nats. All of it is integrated on a grid, which the tests hold against
closed forms.
"""

import math
from dataclasses import dataclass

import numpy as np

LINE = np.linspace(-24.0, 24.0, 2401)  # where densities of one dimension are looked at
_STEP = float(LINE[1] - LINE[0])
_PLANE = 121  # points along each axis, for two
HUMP, LEFT_SHARE = 0.6, 0.6  # deviation of each hump, and how much of the density is in the left one
NARROWEST, WIDEST = 0.15, 3.0  # deviation of a Gaussian under the hand
_ROUNDS, _RATE = 400, 0.5  # of natural gradient steps


@dataclass(frozen=True)
class Gaussian:
    """N(mean, deviation²)."""

    mean: float
    deviation: float

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """In nats at each of `x`."""
        return -0.5 * ((x - self.mean) / self.deviation) ** 2 - math.log(self.deviation * math.sqrt(2 * math.pi))

    def peak(self) -> float:
        """The density at its mean."""
        return 1.0 / (self.deviation * math.sqrt(2 * math.pi))

    def held(self, mean: float, peak: float) -> "Gaussian":
        """The Gaussian whose top a hand has pulled to this place: sideways is its mean, upwards makes it narrow."""
        deviation = 1.0 / (max(peak, 1e-6) * math.sqrt(2 * math.pi))
        return Gaussian(min(max(mean, -8.0), 8.0), min(max(deviation, NARROWEST), WIDEST))


@dataclass(frozen=True)
class Humps:
    """A density of two humps, `distance` apart around 0, the left one a little larger."""

    distance: float

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """In nats at each of `x`."""
        left, right = self._parts()
        return np.logaddexp(math.log(LEFT_SHARE) + left.log_density(x), math.log(1 - LEFT_SHARE) + right.log_density(x))

    def slope(self, x: np.ndarray) -> np.ndarray:
        """The derivative of the log density."""
        left, right = self._parts()
        share = np.exp(math.log(LEFT_SHARE) + left.log_density(x) - self.log_density(x))
        return -(share * (x - left.mean) + (1 - share) * (x - right.mean)) / HUMP**2

    def _parts(self) -> tuple[Gaussian, Gaussian]:
        return Gaussian(-self.distance / 2, HUMP), Gaussian(self.distance / 2, HUMP)


Density = Gaussian | Humps


def divergence(a: Density, b: Density) -> float:
    """KL(a ‖ b) in nats."""
    log_a = a.log_density(LINE)
    return float(np.sum(np.exp(log_a) * (log_a - b.log_density(LINE))) * _STEP)


def covering(p: Humps) -> Gaussian:
    """The Gaussian q with the least KL(p ‖ q): that of p's own mean and deviation."""
    density = np.exp(p.log_density(LINE)) * _STEP
    mean = float(np.sum(density * LINE))
    return Gaussian(mean, math.sqrt(float(np.sum(density * (LINE - mean) ** 2))))


def seeking(p: Humps, start: Gaussian) -> Gaussian:
    """The Gaussian q with the least KL(q ‖ p) of those that lead downhill from `start`: the nearest hump's, where the
    humps are far apart.

    Natural gradient: the precision goes to the mean curvature of −log p, the mean uphill on log p in units of it.
    Reference: Khan et al., 2018, arXiv:1806.04854.
    """
    mean, precision = start.mean, start.deviation**-2
    for _ in range(_ROUNDS):
        q = Gaussian(mean, precision**-0.5)
        density, slope = np.exp(q.log_density(LINE)) * _STEP, p.slope(LINE)
        up = float(np.sum(density * slope))
        curvature = -precision * float(np.sum(density * (LINE - mean) * slope))  # the mean of −(log p)″ over q
        if abs(up) < 1e-9 and abs(curvature - precision) < 1e-9:
            break
        precision += _RATE * (max(curvature, 0.1 * precision) - precision)
        mean += _RATE * up / precision
    return Gaussian(mean, precision**-0.5)


# ---------------------------------------------------------------------- two dimensions


def tilted(correlation: float) -> np.ndarray:
    """The covariance (2, 2) of a Gaussian of unit variances."""
    return np.array([[1.0, correlation], [correlation, 1.0]])


def narrow(covariance: np.ndarray) -> np.ndarray:
    """The diagonal covariance of the q with the least KL(q ‖ p): one over the diagonal of p's precision."""
    return np.diag(1.0 / np.diag(np.linalg.inv(covariance)))


def wide(covariance: np.ndarray) -> np.ndarray:
    """The diagonal covariance of the q with the least KL(p ‖ q): p's own variances."""
    return np.diag(np.diag(covariance))


def plane_divergence(a: np.ndarray, b: np.ndarray) -> float:
    """KL(N(0, a) ‖ N(0, b)) in nats, covariances (2, 2), integrated on a grid that turns with `a`."""
    steps = np.linspace(-7.0, 7.0, _PLANE)
    unit = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    factor = np.linalg.cholesky(a)
    log_unit = -0.5 * np.sum(unit**2, axis=1) - math.log(2 * math.pi)
    log_a = log_unit - math.log(np.prod(np.diag(factor)))
    places = unit @ factor.T
    log_b = -0.5 * np.einsum("ij,jk,ik->i", places, np.linalg.inv(b), places)
    log_b -= math.log(2 * math.pi) + 0.5 * math.log(np.linalg.det(b))
    return float(np.sum(np.exp(log_unit) * (log_a - log_b)) * (steps[1] - steps[0]) ** 2)


def independence_cost(covariances: np.ndarray) -> float:
    """The nats that a diagonal q loses on Gaussians with `covariances` (n, 2, 2), on average: −½·ln(1 − ρ²) each."""
    variances = np.diagonal(covariances, axis1=1, axis2=2).prod(axis=1)
    correlation = np.square(covariances[:, 0, 1]) / np.maximum(variances, 1e-300)
    return float(np.mean(-0.5 * np.log1p(-np.minimum(correlation, 1 - 1e-12))))


def outline(covariance: np.ndarray, deviations: float, corners: int = 96) -> np.ndarray:
    """A closed ellipse (corners + 1, 2), so many deviations out."""
    turn = np.linspace(0, 2 * math.pi, corners + 1)
    return deviations * np.stack([np.cos(turn), np.sin(turn)], axis=1) @ np.linalg.cholesky(covariance).T
