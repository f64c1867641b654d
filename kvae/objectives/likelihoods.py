"""Distortions: how far a reconstruction is from its picture."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops

Tensor = Any

EDGE = 1e-4  # of a probability; logarithms go no nearer to 0


def squared_error(images: Tensor, reconstructions: Tensor) -> Tensor:
    """D, the squared error summed over height, width and channel of each image. No unit; pixels lie in [0, 1].

    Arguments have shape (batch, height, width, channels), the result (batch,). It is 2 sigma squared times the
    negative log-likelihood of a Gaussian decoder with noise sigma, less a constant; this is why beta = 2 sigma squared.
    """
    error = ops.cast(images, "float32") - ops.cast(reconstructions, "float32")
    return ops.sum(ops.square(error), axis=(1, 2, 3))


def absolute_error(images: Tensor, reconstructions: Tensor) -> Tensor:
    """The absolute error summed over height, width and channel of each image. No unit; pixels lie in [0, 1].

    Arguments have shape (batch, height, width, channels), the result (batch,). It is b times the negative
    log-likelihood of a Laplace decoder with scale b, less a constant; so here beta = b.
    """
    error = ops.cast(images, "float32") - ops.cast(reconstructions, "float32")
    return ops.sum(ops.abs(error), axis=(1, 2, 3))


def cross_entropy(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Binary cross-entropy in nats, summed over height, width and channel of each image; pixels lie in [0, 1].

    Arguments have shape (batch, height, width, channels), the result (batch,). It is the negative log-likelihood of a
    Bernoulli decoder, so beta = 1 is the evidence bound; for pixels between 0 and 1 its least value is not 0. Where a
    reconstruction leaves (EDGE, 1 - EDGE), as those of a linear decoder may, the tangent there goes on: finite, convex,
    and with a gradient that leads back.
    """
    images = ops.cast(images, "float32")
    reconstructions = ops.cast(reconstructions, "float32")
    inside = ops.clip(reconstructions, EDGE, 1.0 - EDGE)
    entropy = -(images * ops.log(inside) + (1.0 - images) * ops.log1p(-inside))
    slope = ops.stop_gradient((inside - images) / (inside * (1.0 - inside)))
    return ops.sum(entropy + slope * (reconstructions - inside), axis=(1, 2, 3))


@dataclass(frozen=True)
class Likelihood:
    """What the optimizer sees as distortion: its `function` of images and reconstructions, and what it `states`."""

    function: Callable[[Tensor, Tensor], Tensor]
    states: str
    reference: str
