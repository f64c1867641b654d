"""Encoders and decoders, built from settings.

A builder makes a `Networks`: a trunk from images to features (the VAE adds the posterior's heads and the sampling), a
decoder from latents to images, and for the hybrid network the linear path that both of them correct.
"""

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
DEFAULT_DEPTH = {"hybrid": 0, "conv": 0, "residual": 1, "linear": 0}  # residual blocks a level
