"""Encoders and decoders, built from settings.

A builder makes a `Networks`: a trunk from images to features (the VAE adds the posterior's heads and the sampling), a
decoder from latents to images, and for the networks spectral and hybrid the linear path that both of them correct.
"""

import math
from collections.abc import Callable

import numpy as np

from kvae.networks.blocks import Networks, Plan, fitting_widths
from kvae.networks.conv import build_conv, build_residual
from kvae.networks.hybrid import build_hybrid
from kvae.networks.linear import build_linear
from kvae.networks.spectral import FEW_LATENTS, LEVELS, SCALES, build_spectral, most_turned

NETWORKS: dict[str, Callable[[Plan], Networks]] = {
    "spectral": build_spectral,
    "hybrid": build_hybrid,
    "conv": build_conv,
    "residual": build_residual,
    "linear": build_linear,
}
HEEDED = {  # settings of its own that each network is built from
    "spectral": ("widths", "depth"),
    "hybrid": ("widths", "depth"),
    "conv": ("widths",),
    "residual": ("widths", "depth"),
    "linear": (),
}
DENSE_LATENTS = 128
FEWEST_DIRECTIONS, MOST_DIRECTIONS = 16, 64 * 64 * 3  # of a spectral network: complete at 64x64
CLOSED_FORM = ("linear",)  # whole without training
DEFAULT_DEPTH = {"spectral": 1, "hybrid": 0, "conv": 0, "residual": 1, "linear": 0}  # residual blocks a level


def default_latents(network: str | None = None, image_shape: tuple[int, int, int] = (64, 64, 3)) -> int:
    """The latents of a model whose number nobody states: with dense layers each of them costs, in the spectral network
    none does."""
    if network != "spectral":
        return DENSE_LATENTS
    directions = min(math.prod(image_shape), MOST_DIRECTIONS)
    return directions + (SCALES if directions + SCALES >= FEW_LATENTS else 0)


def fitting_latents(eigenvalues: np.ndarray, kl_weight: float) -> int:
    """The latents of a spectral network that serves pictures with these `eigenvalues` (count,) down to `kl_weight`.

    A busy picture has more in a direction than the mean one, by a factor of e or two: those are kept that reach β/2
    with it. So the weight of a training that goes on may be lowered to a seventh before one is missed.
    """
    kept = int(np.sum(eigenvalues * math.exp(2.0) > kl_weight / 2.0))
    directions = min(max(kept, FEWEST_DIRECTIONS), MOST_DIRECTIONS, len(eigenvalues))
    return directions + (SCALES if directions + SCALES >= FEW_LATENTS else 0)


def widths_of(network: str, image_shape: tuple[int, int, int], widths: tuple[int, ...] | None) -> tuple[int, ...]:
    """The channels of each level of `network`: `widths`, or by default what fits pictures of `image_shape`.

    Raises:
        ValueError: the pictures cannot be halved so often.
    """
    if network == "linear":
        return ()
    return fitting_widths(image_shape, widths, LEVELS if network == "spectral" else None)


def fewest_weights(
    network: str, image_shape: tuple[int, int, int], latent_dim: int, widths: tuple[int, ...], depth: int
) -> int:
    """A number of weights that a model with these settings is sure to exceed, known without building it."""
    if network == "linear":
        return math.prod(image_shape) * latent_dim
    before = (image_shape[2], *widths)
    convolutions = sum(16 * one * next_one for one, next_one in zip(before, widths, strict=False))
    blocks = sum(2 * 9 * depth * width**2 for width in widths) if network in ("residual", "spectral") else 0
    values = math.prod(image_shape)
    paths = {"hybrid": 2 * values * latent_dim, "spectral": 3 * latent_dim + most_turned(values) ** 2}
    return convolutions + blocks + paths.get(network, 0)
