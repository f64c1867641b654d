"""Distortions: how far a reconstruction is from its picture."""

from typing import Any

from keras import ops

Tensor = Any


def squared_error(images: Tensor, reconstructions: Tensor) -> Tensor:
    """D, the squared error summed over height, width and channel of each image. No unit; pixels lie in [0, 1].

    Arguments have shape (batch, height, width, channels), the result (batch,). It is 2 sigma squared times the
    negative log-likelihood of a Gaussian decoder with noise sigma, less a constant; this is why beta = 2 sigma squared.
    """
    error = ops.cast(images, "float32") - ops.cast(reconstructions, "float32")
    return ops.sum(ops.square(error), axis=(1, 2, 3))
