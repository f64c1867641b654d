"""Encoders and decoders, built from settings.

A builder makes a `Networks`: a trunk from images to features (the VAE adds the posterior's heads and the sampling), a
decoder from latents to images, and for the hybrid network the linear path that both of them correct.
"""

import math
from collections.abc import Callable

from kvae.networks.blocks import Networks, Plan
from kvae.networks.conv import build_conv, build_residual
from kvae.networks.hybrid import build_hybrid
from kvae.networks.linear import build_linear

NETWORKS: dict[str, Callable[[Plan], Networks]] = {
    "hybrid": build_hybrid,
    "conv": build_conv,
    "residual": build_residual,
    "linear": build_linear,
}
HEEDED = {  # settings of its own that each network is built from
    "hybrid": ("widths", "depth"),
    "conv": ("widths",),
    "residual": ("widths", "depth"),
    "linear": (),
}
CLOSED_FORM = ("linear",)  # whole without training
DEFAULT_DEPTH = {"hybrid": 0, "conv": 0, "residual": 1, "linear": 0}  # residual blocks a level


def fewest_weights(
    network: str, image_shape: tuple[int, int, int], latent_dim: int, widths: tuple[int, ...], depth: int
) -> int:
    """A number of weights that a model with these settings is sure to exceed, known without building it."""
    if network == "linear":
        return math.prod(image_shape) * latent_dim
    before = (image_shape[2], *widths)
    convolutions = sum(16 * one * next_one for one, next_one in zip(before, widths, strict=False))
    blocks = sum(2 * 9 * depth * width**2 for width in widths) if network == "residual" else 0
    path = 2 * math.prod(image_shape) * latent_dim if network == "hybrid" else 0
    return convolutions + blocks + path
