"""What a posterior without covariances costs, in nats.

Near its code a picture's true posterior is about Gaussian, of precision Λ = I + (2/β)·JᵀJ, where J is how the decoded
picture moves with each latent (Laplace's approximation; the noise of a Gaussian decoder is σ² = β/2). The diagonal q of
least KL(q ‖ p) has variances 1/Λ_jj, and loses

    ½·(Σ log Λ_jj − log det Λ) nats,

which is 0 where latents move the picture along orthogonal ways, as in the linear VAE. Of some of the latents alone it
is never more than of all of them (Fischer's inequality), so what is measured on the most telling ones is a lower bound.
Reference: Rolinek et al., 2019, "Variational autoencoders pursue PCA directions (by accident)", arXiv:1812.06775.
"""

from collections.abc import Callable

import numpy as np

from kvae.measures.coder import Codes

POINTS, LATENTS = 4, 64  # pictures, and latents of each, that are looked at


def measured(
    decode: Callable[[np.ndarray], np.ndarray], codes: Codes, kl_weight: float | None
) -> tuple[float | None, float]:
    """Nats a picture: what independence costs by the slopes of `decode` (None without a weight), and what the
    covariances of these posteriors save. Both are means over a few evenly spread pictures."""
    places = np.linspace(0, len(codes.mean) - 1, min(POINTS, len(codes.mean))).astype(int)
    deviations, saved = np.exp(0.5 * codes.log_var[places]), 0.0
    if codes.factor is not None:
        factors = codes.factor[places] + deviations[:, :, None] * np.eye(deviations.shape[1])
        inverse = np.linalg.inv(factors.astype("float64"))
        saved = float(np.mean(independence_cost(np.swapaxes(inverse, 1, 2) @ inverse)))
        deviations = np.sqrt(np.sum(np.square(factors), axis=2)).astype("float32")
    if kl_weight is None:
        return None, saved
    telling = np.argsort(-codes.rates.mean(axis=0), kind="stable")[:LATENTS]
    found = precisions(decode, codes.mean[places], deviations, kl_weight, telling)
    return float(np.mean(independence_cost(found))), saved


def independence_cost(precisions: np.ndarray) -> np.ndarray:
    """Nats that the best diagonal q loses on Gaussians of these `precisions` (n, latent, latent), (n,)."""
    diagonal = np.diagonal(precisions, axis1=1, axis2=2)
    return np.maximum(0.5 * (np.sum(np.log(diagonal), axis=1) - np.linalg.slogdet(precisions)[1]), 0.0)


def precisions(
    decode: Callable[[np.ndarray], np.ndarray],
    means: np.ndarray,
    deviations: np.ndarray,
    kl_weight: float,
    latents: np.ndarray,
) -> np.ndarray:
    """Λ of the posteriors with `means` and `deviations` (n, latent), along the places `latents` (k,), (n, k, k).

    The slope along each latent is that over one deviation to either side: over what q covers.
    """
    found = np.empty((len(means), len(latents), len(latents)))
    for place, (mean, deviation) in enumerate(zip(means, deviations, strict=True)):
        steps = np.zeros((len(latents), len(mean)), "float32")
        steps[np.arange(len(latents)), latents] = deviation[latents]
        ahead, behind = (decode(mean + sign * steps).reshape(len(latents), -1).astype("float64") for sign in (1, -1))
        slopes = (ahead - behind) / (2.0 * deviation[latents, None].astype("float64"))
        found[place] = np.eye(len(latents)) + 2.0 / kl_weight * slopes @ slopes.T
    return found
