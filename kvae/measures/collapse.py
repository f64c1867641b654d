"""What a weight means on pictures, before anything is trained: which latents survive it, and where none does.

By reverse water-filling, a direction of variance λ is in use while λ > β/2, so every latent dies at β ≥ 2·λ₁, λ₁ the
largest variance. Reference: Lucas et al., 2019, "Don't Blame the ELBO!", arXiv:1911.02469.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from kvae.images.pca import fit_pca
from kvae.images.spectrum import fit_spectrum
from kvae.measures.gaussian_limit import RatePoint, water_filling

STEPS = 200  # of halving the interval in which a weight is looked for


@dataclass(frozen=True)
class Pictures:
    """How pictures vary: `eigenvalues` (values,) along the directions of their spectrum, and the largest variance of
    all directions, `largest`."""

    eigenvalues: np.ndarray
    largest: float

    @property
    def values(self) -> int:
        """Numbers of a picture."""
        return len(self.eigenvalues)

    @property
    def collapse(self) -> float:
        """The weight from which on every latent dies."""
        return 2.0 * self.largest

    def at(self, kl_weight: float) -> RatePoint:
        """The best linear model, of as many latents as it likes, at `kl_weight`."""
        return water_filling(self.eigenvalues, kl_weight, self.values)

    def weight_of_rate(self, bits: float) -> float:
        """The weight at which the best linear model's rate is so many bits for each value of a picture.

        Raises:
            ValueError: a rate that is not a number above 0.
        """
        if not (math.isfinite(bits) and bits > 0):
            raise ValueError(f"bits-per-dim: the rate must be a number above 0. Received: {bits!r}.")
        wanted = bits * self.values * math.log(2.0)
        low, high = math.log(1e-12), math.log(2.0 * float(self.eigenvalues[0]))
        for _ in range(STEPS):  # the rate falls as the weight rises
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self.at(math.exp(middle)).rate > wanted else (low, middle)
        return math.exp(low)


def pictures_of(blocks: Callable[[], Iterable[np.ndarray]]) -> Pictures:
    """Measure pictures that come in blocks, (n, height, width, channels), even height and width."""
    return Pictures(fit_spectrum(blocks).eigenvalues, float(fit_pca(blocks, 1).eigenvalues[0]))
