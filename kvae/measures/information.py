"""The rate, taken apart: R = I(x; z) + KL(q(z) ‖ p(z)), both in nats.

The first part is what the latents tell of which picture it was. The second is how far all posteriors together, q(z),
are from the prior: good reconstructions with bad samples are a large second part, and a better prior would take it
away.

Few pictures part a large rate in bounds only. With q(z) as the mean of the posteriors of the n pictures at hand, I(x;
z) comes out no larger than log n, so it is a lower bound, and what it leaves of R an upper bound of the second part. A
prior that is fitted to the latents of one half of the pictures (a Gaussian for each dimension that is worth its two
numbers) and judged on the other half, E log p̂(z) − log p(z), is a lower bound of the second part.

References: Hoffman & Johnson, 2016, "ELBO surgery"; Chen et al., 2018, arXiv:1802.04942, for the mean of posteriors;
Schwarz, 1978, for what two numbers are worth.
"""

import math
from dataclasses import dataclass

import numpy as np

from kvae.measures.coder import Codes

AT_ONCE = 2048  # dimensions at once, so that float64 copies stay small
LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True)
class Information:
    """The two parts of the rate in nats: `mutual`, I(x; z), at least; `marginal`, KL(q(z) ‖ p(z)), at most, and
    `marginal_least`, at least. `ceiling` is the log of the number of pictures, which `mutual` cannot exceed."""

    mutual: float
    marginal: float
    marginal_least: float
    ceiling: float


def information(codes: Codes) -> Information:
    """I(x; z) from one draw of each posterior, and KL(q(z) ‖ p(z)) as what it leaves of the rate's closed form.

    Memory: pictures² numbers, and pictures times 2048 of the dimensions.
    """
    logs = log_densities(codes)  # (draws, posteriors)
    count = len(logs)
    mixed = np.logaddexp.reduce(logs, axis=1) - math.log(count)
    mutual = float(np.mean(np.diag(logs) - mixed))
    rate = float(np.mean(np.sum(codes.rates, axis=1, dtype="float64")))
    return Information(mutual, rate - mutual, fitted_prior(codes), math.log(count))


def fitted_prior(codes: Codes) -> float:
    """What a diagonal Gaussian prior saves in nats, fitted to the posteriors of one half of the pictures and judged on
    those of the other, and the other way round; at least 0."""
    variance = np.exp(codes.log_var)
    if codes.factor is not None:
        variance = variance + np.sum(np.square(codes.factor), axis=-1)
    half = np.arange(len(variance)) % 2 == 0
    saved = [_saved(codes.mean[one], variance[one], codes.mean[~one], variance[~one]) for one in (half, ~half)]
    return max(0.0, float(np.mean(saved)))


def _saved(mean: np.ndarray, variance: np.ndarray, others: np.ndarray, their_variance: np.ndarray) -> float:
    """Nats a picture that the prior of the first pictures saves on the others."""
    count = len(mean)
    centre = mean.mean(axis=0, dtype="float64")
    spread = np.maximum(mean.var(axis=0, dtype="float64") + variance.mean(axis=0, dtype="float64"), 1e-12)
    # at the fit itself, the Gaussian of mean m and variance v saves its divergence from the prior
    worth = 0.5 * (np.square(centre) + spread - 1.0 - np.log(spread)) * count > math.log(count)
    centre, spread = centre[worth], spread[worth]
    squares = np.mean(np.square(others[:, worth] - centre) + their_variance[:, worth], axis=0, dtype="float64")
    plain = np.mean(np.square(others[:, worth]) + their_variance[:, worth], axis=0, dtype="float64")
    return float(np.sum(0.5 * (plain - squares / spread - np.log(spread))))


def log_densities(codes: Codes) -> np.ndarray:
    """log q(z_i given x_j), float64 (draws i, posteriors j), nats."""
    if codes.factor is not None:
        return _log_densities_full(codes)
    count, latent = codes.mean.shape
    found = np.full((count, count), -0.5 * latent * LOG_2PI)
    for start in range(0, latent, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        mean, log_var, drawn = (one[:, part].astype("float64") for one in (codes.mean, codes.log_var, codes.latents))
        mean, drawn = mean - mean.mean(axis=0), drawn - mean.mean(axis=0)  # fewer digits are lost in the squares
        precision = np.exp(-log_var)
        squares = np.square(drawn) @ precision.T - 2.0 * drawn @ (precision * mean).T
        found -= 0.5 * (squares + np.sum(precision * np.square(mean) + log_var, axis=1))
    return found


def _log_densities_full(codes: Codes) -> np.ndarray:
    """The same for posteriors with full covariance: one triangular system for each."""
    from scipy.linalg import solve_triangular

    count, latent = codes.mean.shape
    assert codes.factor is not None
    found = np.empty((count, count))
    for place in range(count):
        lower = codes.factor[place].astype("float64")
        np.fill_diagonal(lower, np.exp(0.5 * codes.log_var[place].astype("float64")))
        noise = solve_triangular(lower, (codes.latents - codes.mean[place]).T.astype("float64"), lower=True)
        scale = float(np.sum(codes.log_var[place], dtype="float64"))
        found[:, place] = -0.5 * (np.sum(np.square(noise), axis=0) + scale + latent * LOG_2PI)
    return found
