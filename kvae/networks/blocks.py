"""What the convolutional networks are made of."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import keras
import numpy as np
from keras import layers

from kvae.objectives.base import Tensor

DENSE_LATENTS = 128  # by default, in a network with dense layers that pay for each of them
SMALLEST = 4  # pixels; halving stops here
STILL_SMALL = 8  # pixels; a picture that cannot be halved to this would make the dense layers huge


class ClosedForm(Protocol):
    """A linear VAE beside the networks, as a function of the KL weight: `kvae.networks.spectral.SpectralPath`, whose
    pictures they correct, or `kvae.networks.principal.LinearPath`, whose parts they are added to."""

    @property
    def encoding_weights(self) -> list[keras.Variable]:
        """Those of its trainable weights that both D and R reach."""

    @property
    def decoding_weights(self) -> list[keras.Variable]:
        """And those that D alone does."""

    @property
    def measured(self) -> keras.Variable:
        """Not all 0 once it was set out from pictures."""

    def encode(self, images: Tensor, kl_weight: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and log-variance, each (batch, latent), of images (batch, height, width, channels)."""

    def decode(self, latents: Tensor, kl_weight: Tensor) -> Tensor:
        """The images (batch, height, width, channels) of `latents`, shape (batch, latent)."""


@dataclass(frozen=True)
class Networks:
    """The parts of a VAE that differ from network to network.

    `encoder` maps images to features of any shape. `decoder` maps latents (batch, latent) to images, or, where there
    is a linear `path`, latents and the path's image to a correction of that image. Beside a spectral path both map a
    picture and the KL weight to a correction of the picture.
    """

    encoder: keras.Model
    decoder: keras.Model
    path: ClosedForm | None = None


@dataclass(frozen=True)
class Network:
    """A kind of network: what builds it, and what is known of it before.

    heeds: the settings of its own that it is built from.
    depth: residual blocks a level, where nobody states a number; `blocks` says whether its encoder has them.
    levels: how often it halves a picture at most, by default; None where a dense layer wants the picture small.
    latents: of (height, width, channels), how many a model has, where nobody states a number.
    fitting: of the eigenvalues (count,) of pictures and the lowest weight, how many a model of them has, or None.
    fewest_beside: of (height, width, channels) and the latents, weights that it has beside its convolutions at least.
    closed_form: whether it is whole without training.
    knows_weight: whether it reads the KL weight of each picture, so that one model serves a range of weights.
    """

    build: Callable[["Plan"], Networks]
    heeds: tuple[str, ...] = ("widths",)
    depth: int = 0
    blocks: bool = False
    levels: int | None = None
    latents: Callable[[tuple[int, int, int]], int] = lambda image_shape: DENSE_LATENTS
    fitting: Callable[[np.ndarray, float], int] | None = None
    fewest_beside: Callable[[tuple[int, int, int], int], int] = lambda image_shape, latent_dim: 0
    closed_form: bool = False
    knows_weight: bool = False


@dataclass
class Plan:
    """What a network is built from. `image_shape` is (height, width, channels); `widths` the channels of each level."""

    image_shape: tuple[int, int, int]
    latent_dim: int
    widths: tuple[int, ...]
    depth: int
    dtype: str
    seed: int
    _made: int = field(default=0, init=False)

    def initializer(self) -> keras.initializers.Initializer:
        """A Glorot initializer with a seed of its own: the weights are a pure function of `seed`."""
        self._made += 1
        return keras.initializers.GlorotUniform(seed=layer_seed(self.seed, self._made))

    @property
    def bottom(self) -> tuple[int, int, int]:
        """Shape of the smallest feature map: (height, width, channels)."""
        halvings = 2 ** len(self.widths)
        height, width, _ = self.image_shape
        return height // halvings, width // halvings, self.widths[-1]


def layer_seed(seed: int, number: int) -> int:
    """The seed of the weight `number` of a model: no two of a model share one.

    JAX takes no seed below 0 or above 32 bits, and TensorFlow folds all onto the remainder that is taken here.
    """
    return (seed * 1009 + number) % (2**31 - 2)


def default_widths(image_shape: tuple[int, int, int], levels: int | None = None) -> tuple[int, ...]:
    """32, 64, 128, 256, 256 ... channels: one level for each halving until the picture is 4 pixels small.

    At most `levels` of them, where a network has no dense layer that would grow with what is left.

    Raises:
        ValueError: a picture that cannot be halved down to 8 pixels, or, with `levels`, at all.
    """
    height, width = image_shape[:2]
    widths: list[int] = []
    while height % 2 == 0 and width % 2 == 0 and min(height, width) > SMALLEST and len(widths) != levels:
        height, width = height // 2, width // 2
        widths.append(min(32 * 2 ** len(widths), 256))
    if levels and not widths:
        raise ValueError(
            f"VAE: a picture of {image_shape[0]}x{image_shape[1]} cannot be halved. Choose an even height and width."
        )
    if not widths or (max(height, width) > STILL_SMALL and not levels):
        side = max(16, *image_shape[:2])
        step = 2 ** math.ceil(math.log2(side / STILL_SMALL))
        good = round(side / step) * step
        raise ValueError(
            f"VAE: a picture of {image_shape[0]}x{image_shape[1]} cannot be halved down to {STILL_SMALL} pixels or "
            f"less. Choose a size that is a multiple of a power of two, such as {good}."
        )
    return tuple(widths)


def check_image_shape(shape: Any) -> tuple[int, int, int]:
    """`shape` as (height, width, channels).

    Raises:
        ValueError: it is no such shape.
    """
    sides = tuple(shape) if isinstance(shape, (tuple, list)) else ()
    if len(sides) != 3 or any(not isinstance(side, int) or side < 1 for side in sides) or sides[2] not in (1, 3, 4):
        raise ValueError(
            f"VAE: `image_shape` must be (height, width, channels) with 1, 3 or 4 channels. Received: {shape!r}."
        )
    return sides


def check_widths(widths: tuple[int, ...], image_shape: tuple[int, int, int]) -> None:
    """Refuse a picture that `widths` cannot halve.

    Raises:
        ValueError: height or width is no multiple of 2 to the number of levels.
    """
    step = 2 ** len(widths)
    height, width = image_shape[:2]
    if height % step or width % step:
        raise ValueError(
            f"VAE: {len(widths)} levels halve the picture {len(widths)} times, so height and width must be multiples "
            f"of {step}. Received: {height}x{width}. Choose such a size, or fewer `widths`."
        )


def fitting_widths(
    image_shape: tuple[int, int, int], widths: tuple[int, ...] | None, levels: int | None = None
) -> tuple[int, ...]:
    """`widths`, or the default ones of at most `levels`, once it is known that they can halve the picture.

    Raises:
        ValueError: they cannot.
    """
    chosen = default_widths(image_shape, levels) if widths is None else widths
    check_widths(chosen, image_shape)
    return chosen


def dense(plan: Plan, units: int, **options: Any) -> layers.Dense:
    """A dense layer with the plan's next seed and dtype."""
    options.setdefault("kernel_initializer", plan.initializer())
    options.setdefault("dtype", plan.dtype)
    return layers.Dense(units, **options)


def halve(plan: Plan, x: Tensor, width: int, activation: str | None) -> Tensor:
    """(batch, h, w, c) → (batch, h/2, w/2, width) by a convolution of stride 2."""
    return layers.Conv2D(
        width, 4, 2, "same", activation=activation, kernel_initializer=plan.initializer(), dtype=plan.dtype
    )(x)


def double(plan: Plan, x: Tensor, width: int, activation: str | None, **options: Any) -> Tensor:
    """(batch, h, w, c) → (batch, 2h, 2w, width) by a transposed convolution of stride 2."""
    options.setdefault("kernel_initializer", plan.initializer())
    options.setdefault("dtype", plan.dtype)
    return layers.Conv2DTranspose(width, 4, 2, "same", activation=activation, **options)(x)


def residual_block(plan: Plan, x: Tensor) -> Tensor:
    """x plus two 3x3 convolutions of it; the second starts at zero, so that a deep network starts as a plain one."""
    width = x.shape[-1]
    y = layers.Conv2D(
        width, 3, padding="same", activation="silu", kernel_initializer=plan.initializer(), dtype=plan.dtype
    )(x)
    y = layers.Conv2D(width, 3, padding="same", kernel_initializer="zeros", dtype=plan.dtype)(y)
    return layers.Add(dtype=plan.dtype)([x, y])
