"""The plane of a model with two latents, without a window: where posteriors lie at each KL weight, and what they
cover."""

from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from explorer.messages import ModelInfo, PosteriorsAt
from explorer.state.divergence import independence_cost

SIDE = 14  # decoded pictures along each axis
STEPS = 9  # weights of a range at which posteriors are measured; between them they are interpolated
DEVIATIONS = 2.0  # within which a posterior covers the plane
LEAST_REACH, MOST_REACH = 3.0, 8.0  # of the plane that is shown, in deviations of the prior
_QUANTILES = 48  # places along each axis, of equal weight, at which the prior is asked whether it is covered


def has_plane(model: ModelInfo | None) -> bool:
    """Whether posteriors of this model can be shown: it has two latents, and is no autoencoder."""
    return model is not None and model.latent_dim == 2 and not model.autoencoder


def weights_of(model: ModelInfo) -> tuple[float, ...]:
    """The weights to ask about: that of the model first, then those of its range from the largest down."""
    if model.weight_range is None:
        return (model.kl_weight,)
    low, high = model.weight_range
    spread = [min(max(float(f"{one:.6g}"), low), high) for one in np.geomspace(high, low, STEPS)]
    return (model.kl_weight, *(one for one in spread if one != model.kl_weight))


def grid_points(reach: float) -> np.ndarray:
    """The middles of `SIDE` × `SIDE` equal squares from -reach to reach, float32 (SIDE², 2), the uppermost row
    first."""
    steps = reach * (2 * np.arange(SIDE) + 1 - SIDE) / SIDE
    return np.stack([np.tile(steps, SIDE), np.repeat(steps[::-1], SIDE)], axis=1).astype(np.float32)


@dataclass
class Posteriors:
    """The posteriors of the same pictures at the weights that have been measured so far."""

    labels: tuple[str, ...] = ()  # of each picture: what it is coloured by
    note: str = ""
    weights: list[float] = field(default_factory=list)  # rising
    means: list[np.ndarray] = field(default_factory=list)  # (n, 2)
    covariances: list[np.ndarray] = field(default_factory=list)  # (n, 2, 2)

    def add(self, part: PosteriorsAt) -> None:
        """Those at one more weight."""
        place = int(np.searchsorted(self.weights, part.kl_weight))
        self.weights.insert(place, part.kl_weight)
        self.means.insert(place, np.asarray(part.means, float))
        self.covariances.insert(place, np.asarray(part.covariances, float))
        self.labels, self.note = part.labels, part.note

    def __len__(self) -> int:
        return len(self.labels) if self.weights else 0

    def at(self, kl_weight: float) -> tuple[np.ndarray, np.ndarray]:
        """Means (n, 2) and covariances (n, 2, 2) at `kl_weight`: as measured there, or between the two measured
        weights around it, straight in log β for the means, the logarithms of the variances and the correlations."""
        if len(self.weights) == 1:
            return self.means[0], self.covariances[0]
        place = float(np.interp(np.log(kl_weight), np.log(self.weights), np.arange(len(self.weights))))
        low = min(int(place), max(len(self.weights) - 2, 0))
        high, share = min(low + 1, len(self.weights) - 1), place - low
        if share in (0.0, 1.0) or low == high:
            exact = high if share == 1.0 else low
            return self.means[exact], self.covariances[exact]
        means = (1 - share) * self.means[low] + share * self.means[high]
        return means, _between(self.covariances[low], self.covariances[high], share)

    def reach(self) -> float:
        """How far from 0 the plane is shown, so that it holds nearly all pictures at every weight: 3 to 8."""
        far = max((float(np.quantile(np.abs(part), 0.99)) for part in self.means if len(part)), default=0.0)
        return float(np.clip(np.ceil(2 * far) / 2, LEAST_REACH, MOST_REACH))

    def sentence(self, kl_weight: float) -> str:
        """What is true of these posteriors at `kl_weight`."""
        means, covariances = self.at(kl_weight)
        share = 100 * covered(means, covariances)
        wide = float(np.sqrt(np.diagonal(covariances, axis1=1, axis2=2)).mean())
        said = (
            f"At KL weight {kl_weight:.3g} posteriors have a mean deviation of {wide:.2g}, where the prior has 1. "
            f"These {len(self):,} cover {share:.0f} % of the prior: {100 - share:.0f} of 100 points drawn from it lie "
            "outside all of them."
        )
        if np.any(covariances[:, 0, 1]):  # of a model whose rate is `full`
            said += f" Without their tilt they would lose {independence_cost(covariances):.2g} nats each, on average."
        return said


def _between(low: np.ndarray, high: np.ndarray, share: float) -> np.ndarray:
    spreads = [np.sqrt(np.maximum(np.diagonal(one, axis1=1, axis2=2), 1e-20)) for one in (low, high)]
    spread = spreads[0] ** (1 - share) * spreads[1] ** share
    tilts = [one[:, 0, 1] / two.prod(axis=1) for one, two in zip((low, high), spreads, strict=True)]
    found = np.zeros_like(low)
    found[:, 0, 0], found[:, 1, 1] = np.square(spread).T
    found[:, 0, 1] = found[:, 1, 0] = ((1 - share) * tilts[0] + share * tilts[1]) * spread.prod(axis=1)
    return found


def covered(means: np.ndarray, covariances: np.ndarray, deviations: float = DEVIATIONS) -> float:
    """The share of N(0, 1)² that lies within `deviations` of at least one of the posteriors: 1 − exp(−d²/2) where the
    only one is the prior itself. Counted at 2,304 places of equal weight: some milliseconds for 500 posteriors."""
    steps = np.array([NormalDist().inv_cdf((place + 0.5) / _QUANTILES) for place in range(_QUANTILES)])
    determinant = covariances[:, 0, 0] * covariances[:, 1, 1] - covariances[:, 0, 1] ** 2
    means, covariances, determinant = (part[determinant > 0] for part in (means, covariances, determinant))
    if not len(means):
        return 0.0
    across = (steps[None] - means[:, :1]).astype(np.float32)[:, :, None]  # (n, places, 1)
    up = (steps[None] - means[:, 1:]).astype(np.float32)[:, None, :]
    a, b, c = (
        (part / determinant).astype(np.float32)[:, None, None]
        for part in (covariances[:, 1, 1], -covariances[:, 0, 1], covariances[:, 0, 0])
    )
    inside = a * across**2 + c * up**2 + 2 * b * across * up <= deviations**2
    return float(inside.any(axis=0).mean())


def axes_of(covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of ellipses at one deviation: half axes (n, 2), and the angle (n,) of the first in degrees, against the clock."""
    values, vectors = np.linalg.eigh(covariances)
    return np.sqrt(np.maximum(values, 0.0)), np.degrees(np.arctan2(vectors[:, 1, 0], vectors[:, 0, 0]))
