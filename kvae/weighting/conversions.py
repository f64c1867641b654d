"""The KL weight as decoder noise, and the weights of tools with other reductions as ours (L = D + beta R, D summed).

Reference: Lucas et al., 2019, "Don't Blame the ELBO!", arXiv:1911.02469; Rybkin et al., 2021, arXiv:2006.13202.
"""

import math

from kvae.weighting.tools import TOOLS


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


def bits_per_dimension(distortion: float, rate: float, values: int) -> float:
    """What a value of a picture, 0 to 255, costs in bits by the evidence bound at the noise that the errors call for.

    ½·log₂(2πe·MSE) + log₂ 255 + R/(N·ln 2): the same scale for every KL weight, and less is better.
    """
    variance = max(distortion / values, 1e-12)
    return 0.5 * math.log2(2.0 * math.pi * math.e * variance) + math.log2(255.0) + rate / (values * math.log(2.0))


def kl_weight_from(weight: float, *, reduction: str, image_shape: tuple[int, int, int], latent_dim: int) -> float:
    """Our KL weight for `weight` of a tool that reduces its terms as `reduction` says: a name in
    `kvae.weighting.tools.TOOLS`, as docs/weights.md lists them.

    `sum`: squared error summed, KL summed (ours). `half-sum`: half the summed squared error (`pythae`). `mean`: squared
    error averaged over all values, KL summed (`pytorch-vae`, its kld_weight). `mean-mean`: both averaged (`disent`).
    `mean-channels`: Keras's mean over the last axis, summed over height and width. `sigma`: the decoder's noise.

    Raises:
        ValueError: an unknown reduction; cross-entropy, which no factor turns into squared error; or a weight that is
            not a number above 0 where it is divided by.

    Example:
        >>> import kvae
        >>> round(kvae.kl_weight_from(0.00025, reduction="pytorch-vae", image_shape=(64, 64, 3), latent_dim=128), 3)
        3.072
    """
    tool = TOOLS.get(reduction)
    if tool is None:
        raise ValueError(
            f"kl_weight_from: `reduction` must be one of {', '.join(TOOLS)}. Received: reduction={reduction!r}."
        )
    if tool.likelihood != "squared-error" or tool.convert is None:
        cure = "Train with likelihood='bernoulli' instead" if tool.convert else "Say kvae-weight --data PICTURES"
        why = "cross-entropy is no multiple of squared error" if tool.convert else "a rate depends on the pictures"
        raise ValueError(f"kl_weight_from: {why}, so no factor exists. {cure}. Received: reduction={reduction!r}.")
    sizes = {"values": math.prod(image_shape), "channels": image_shape[-1], "latents": latent_dim}
    if not (math.isfinite(weight) and weight >= 0):
        raise ValueError(f"kl_weight_from: `weight` must be a number from 0. Received: weight={weight!r}.")
    try:
        return tool.convert(weight, sizes)
    except ZeroDivisionError:
        raise ValueError(f"kl_weight_from: `weight` must be above 0 here. Received: weight={weight!r}.") from None
