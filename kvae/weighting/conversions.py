"""The KL weight as decoder noise, and the weights of tools with other reductions as ours (L = D + beta R, D summed).

Reference: Lucas et al., 2019, "Don't Blame the ELBO!", arXiv:1911.02469; Rybkin et al., 2021, arXiv:2006.13202.
"""

import math
from collections.abc import Callable

# how a tool reduces its two terms → our beta from its weight, N = height·width·channels and k latent dimensions
REDUCTIONS: dict[str, Callable[[float, int, int, int], float]] = {
    "sum": lambda weight, values, channels, latent_dim: weight,
    "half-sum": lambda weight, values, channels, latent_dim: 2.0 * weight,
    "mean": lambda weight, values, channels, latent_dim: weight * values,
    "mean-mean": lambda weight, values, channels, latent_dim: weight * values / latent_dim,
    "mean-channels": lambda weight, values, channels, latent_dim: weight * channels,
}


def decoder_noise(kl_weight: float) -> float:
    """sigma, the standard deviation in pixel values of the Gaussian decoder that `kl_weight` = 2 sigma² stands for.

    Example:
        >>> import kvae
        >>> round(kvae.decoder_noise(0.1), 4)
        0.2236
    """
    return math.sqrt(kl_weight / 2.0)


def calibrated_weight(distortion: float, values: int) -> float:
    """beta* = 2·MSE: the weight at which sigma equals the actual error of `distortion` summed over `values` values.

    Example:
        >>> import kvae
        >>> round(kvae.calibrated_weight(123.0, values=64 * 64 * 3), 3)
        0.02
    """
    return 2.0 * distortion / values


def kl_weight_from(weight: float, *, reduction: str, image_shape: tuple[int, int, int], latent_dim: int) -> float:
    """Our KL weight for `weight` of a tool that reduces its terms as `reduction` says.

    `sum`: squared error summed, KL summed (ours). `half-sum`: half the summed squared error (Pythae). `mean`: squared
    error averaged over all values, KL summed (PyTorch-VAE's kld_weight). `mean-mean`: both averaged (disent).
    `mean-channels`: Keras's mean over the last axis, summed over height and width.

    Raises:
        ValueError: an unknown reduction.

    Example:
        >>> import kvae
        >>> round(kvae.kl_weight_from(0.00025, reduction="mean", image_shape=(64, 64, 3), latent_dim=128), 3)
        3.072
    """
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"kl_weight_from: `reduction` must be one of {', '.join(REDUCTIONS)}. Received: reduction={reduction!r}."
        )
    values = math.prod(image_shape)
    return REDUCTIONS[reduction](weight, values, image_shape[-1], latent_dim)
