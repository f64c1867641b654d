"""Encoders and decoders, built from settings.

Each network is a `Network` in its own file: what builds it, and what is known of it before it is built. A builder makes
a `Networks`: a trunk from images to features (the VAE adds the posterior's heads and the sampling), a decoder from
latents to images, and for the networks spectral and hybrid the linear path that both of them correct.
"""

from importlib import import_module

from kvae.networks.blocks import Network, fitting_widths
from kvae.settings import NETWORK_HOMES

NETWORKS: dict[str, Network] = {}
for _name, _home in NETWORK_HOMES.items():
    _module, _, _constant = _home.rpartition(".")
    NETWORKS[_name] = getattr(import_module(f"kvae.{_module}"), _constant)


def widths_of(network: str, image_shape: tuple[int, int, int], widths: tuple[int, ...] | None) -> tuple[int, ...]:
    """The channels of each level of `network`: `widths`, or by default what fits pictures of `image_shape`.

    Raises:
        ValueError: the pictures cannot be halved so often.
    """
    kind = NETWORKS[network]
    return fitting_widths(image_shape, widths, kind.levels) if "widths" in kind.heeds else ()


def fewest_weights(
    network: str, image_shape: tuple[int, int, int], latent_dim: int, widths: tuple[int, ...], depth: int
) -> int:
    """A number of weights that a model with these settings is sure to exceed, known without building it."""
    before = (image_shape[2], *widths)
    convolutions = sum(16 * one * next_one for one, next_one in zip(before, widths, strict=False))
    kind = NETWORKS[network]
    blocks = sum(2 * 9 * depth * width**2 for width in widths) if kind.blocks else 0
    return convolutions + blocks + kind.fewest_beside(image_shape, latent_dim)
