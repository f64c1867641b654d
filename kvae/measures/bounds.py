"""Bounds of log p(x): how likely the pictures are under a model, so that runs with different weights stand on one
scale.

With β = 2σ², a VAE's loss is a bound in disguise: for N values a picture,

    log p(x) ≥ −D/β − (N/2)·log(π·β) − R          (nats; the evidence bound, at the σ that β implies)

The weight may be replaced by the one that the errors call for, β* = 2·MSE, without training anything: the bound at the
best constant noise. With K draws z from q(z given x), the mean of the weights w = p(x, z)/q(z given x) gives a tighter
bound, log (1/K)Σw, whose mean grows with K towards log p(x).

Bits per dimension are of a value that runs from 0 to 255: −log₂ of the density there, divided by N. Less is better. It
is a density, with no noise added to the bytes: below σ = 1/255 it says nothing of a lossless code.

References: Kingma & Welling, 2014, arXiv:1312.6114; Burda et al., 2016, arXiv:1509.00519; Rybkin et al., 2021,
arXiv:2006.13202.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from kvae.measures.coder import Coder
from kvae.weighting.conversions import calibrated_weight

DRAWS = (1, 10, 100)  # draws of each posterior in the importance-weighted bounds
DRAWN_VALUES = 15_000_000  # pixel values that are decoded for them, about
FEWEST, MOST = 4, 32  # pictures: so many for a standard error, and no more than tell the gain


@dataclass(frozen=True)
class Noise:
    """What a likelihood says of a picture.

    `density` gives log p(x given z) in nats from the error of a picture with N values at a weight; `best` gives the
    weight under which pictures with a mean error are most likely. `binary`: it is a probability of values 0 and 1, and
    of no others.
    """

    density: Callable[[Any, int, float], Any]
    best: Callable[[float, int], float]
    binary: bool = False


NOISES: dict[str, Noise] = {
    "squared-error": Noise(
        lambda error, values, weight: -error / weight - 0.5 * values * math.log(math.pi * weight), calibrated_weight
    ),
    "laplace": Noise(
        lambda error, values, weight: -error / weight - values * math.log(2.0 * weight),
        lambda error, values: error / values,
    ),
    "bernoulli": Noise(lambda error, values, weight: -error, lambda error, values: 1.0, binary=True),
}


@dataclass(frozen=True)
class Bound:
    """A lower bound of the mean log p(x) over pictures in nats, its standard error, and in bits per dimension."""

    nats: float
    error: float
    bits: float


def noise_of(likelihood: str, images: np.ndarray) -> tuple[Noise | None, str]:
    """The noise of a likelihood by its name, or None with the reason why `images` have no likelihood under it."""
    noise = NOISES.get(likelihood)
    if noise is None:
        return None, f"a likelihood of your own ({likelihood}) has no known density, so there are no bounds"
    if noise.binary and not np.all((images == 0) | (images == 1)):
        return None, "cross-entropy is a likelihood of black and white alone; these pictures have greys, so no bounds"
    return noise, ""


def evidence_bound(noise: Noise, errors: np.ndarray, rates: np.ndarray, values: int, weight: float) -> Bound:
    """The evidence bound of pictures with the likelihood's `errors` and `rates`, each (count,), at `weight`."""
    return _bound(noise.density(errors, values, weight) - rates, values, noise.binary)


def importance_bounds(
    coder: Coder, noise: Noise, images: np.ndarray, weights: Sequence[float], seed: int = 0
) -> list[dict[int, np.ndarray]]:
    """log (1/K)Σw of each picture, (count,), by K in DRAWS, for each of the decoder's `weights`.

    `images` are float32 (count, height, width, channels). All are of the same draws, 100 a picture; with fewer in a
    bound, it is the mean over as many bounds as the draws make.
    """
    model, most = coder.model, max(DRAWS)
    random = np.random.default_rng(seed)
    ratios = np.empty((len(images), most))
    errors = np.empty((len(images), most))
    rows = max(1, min(most, coder.rows))
    for place, image in enumerate(images):
        found = model.posterior_of(ops.convert_to_tensor(image[None]))
        scale = float(np.sum(ops.convert_to_numpy(found.log_var), dtype="float64"))
        for start in range(0, most, rows):
            count = min(rows, most - start)
            given = random.standard_normal((count, model.latent_dim), "float32")
            drawn = model.methods.rate.sample(found, ops.convert_to_tensor(given))
            latents = ops.convert_to_numpy(drawn)
            part = slice(start, start + count)
            errors[place, part] = coder.errors(np.broadcast_to(image, (count, *image.shape)), latents)[1]
            # log p(z) − log q(z given x): q's density at z = μ + T·ε is that of ε, over |T|
            squares = np.square(given, dtype="float64") - np.square(latents, dtype="float64")
            ratios[place, part] = 0.5 * (np.sum(squares, axis=1) + scale)
    return [_by_draws(noise.density(errors, coder.values, weight) + ratios) for weight in weights]


def with_gain(whole: Bound, parts: Mapping[int, np.ndarray], draws: int, values: int, binary: bool = False) -> Bound:
    """The bound with `draws` draws on the pictures of `whole`, whose gain over one draw was measured on some of them.

    Pictures differ in log p(x) much more than in that gain, so a few tell it well.
    """
    gains = parts[draws] - parts[1]
    error = math.hypot(whole.error, _standard_error(gains))
    nats = whole.nats + float(np.mean(gains))
    return Bound(nats, error, bits_per_dimension(nats, values, binary))


def drawn_pictures(count: int, values: int) -> np.ndarray:
    """Which of `count` pictures of so many values the importance-weighted bounds are drawn for, evenly spread."""
    most = min(MOST, max(FEWEST, DRAWN_VALUES // (max(DRAWS) * values)))
    return np.linspace(0, count - 1, min(count, most)).astype(int)


def bits_per_dimension(nats: float, values: int, binary: bool = False) -> float:
    """−log₂ p(x)/N of a value from 0 to 255, or of one that is 0 or 1, where log p(x) = `nats` for values in [0, 1]."""
    return -nats / (values * math.log(2.0)) + (0.0 if binary else math.log2(255.0))


def _by_draws(logs: np.ndarray) -> dict[int, np.ndarray]:
    """Bounds (count,) by K from the log-weights (count, draws)."""
    found = {}
    for draws in DRAWS:
        groups = logs.reshape(len(logs), -1, draws)
        found[draws] = np.mean(np.logaddexp.reduce(groups, axis=2) - math.log(draws), axis=1)
    return found


def _bound(logs: np.ndarray, values: int, binary: bool) -> Bound:
    nats = float(np.mean(logs))
    return Bound(nats, _standard_error(logs), bits_per_dimension(nats, values, binary))


def _standard_error(numbers: np.ndarray) -> float:
    """Of the mean; unknown (NaN) of one number."""
    return float(np.std(numbers, ddof=1) / math.sqrt(len(numbers))) if len(numbers) > 1 else math.nan
