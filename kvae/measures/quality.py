"""How good a picture looks next to its original."""

from typing import Any

from keras import ops

Tensor = Any


def psnr(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, shape (batch,): -10·log10(MSE), pixel values in [0, 1].

    Arguments have shape (batch, height, width, channels). 100 dB stands for a perfect reconstruction.
    """
    error = ops.cast(images, "float32") - ops.cast(reconstructions, "float32")
    mse = ops.mean(ops.square(error), axis=(1, 2, 3))
    return -10.0 * ops.log10(ops.maximum(mse, 1e-10))
