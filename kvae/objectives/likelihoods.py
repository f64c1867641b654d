"""Distortions: how far a reconstruction is from its picture."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from kvae.objectives.base import Tensor

EDGE = 1e-4  # of a probability; logarithms go no nearer to 0


def squared_error(images: Tensor, reconstructions: Tensor) -> Tensor:
    """D, the squared error summed over height, width and channel of each image. No unit; pixels lie in [0, 1].

    Arguments have shape (batch, height, width, channels), the result (batch,). It is 2 sigma squared times the
    negative log-likelihood of a Gaussian decoder with noise sigma, less a constant; this is why beta = 2 sigma squared.
    """
    error = ops.cast(images, "float32") - ops.cast(reconstructions, "float32")
    return ops.sum(ops.square(error), axis=(1, 2, 3))


def psnr(images: Tensor, reconstructions: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, shape (batch,): -10·log10(MSE), pixel values in [0, 1].

    Arguments have shape (batch, height, width, channels). 100 dB stands for a perfect reconstruction.
    """
    error = ops.cast(images, "float32") - ops.cast(reconstructions, "float32")
    mse = ops.mean(ops.square(error), axis=(1, 2, 3))
    return -10.0 * ops.log10(ops.maximum(mse, 1e-10))


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


@keras.saving.register_keras_serializable("kvae")
@dataclass(frozen=True)
class Likelihood:
    """What the optimizer sees as distortion: its `function` of images and reconstructions, and what it `states`.

    The function takes two tensors of shape (batch, height, width, channels) and gives one number for each picture,
    (batch,). One of your own is saved by its name, under which Keras must find it: see
    `keras.saving.register_keras_serializable`.
    """

    function: Callable[[Tensor, Tensor], Tensor]
    states: str = ""
    reference: str = ""

    def get_config(self) -> dict[str, Any]:
        """The fields by their names, for Keras to save."""
        function = keras.saving.serialize_keras_object(self.function)
        return {"function": function, "states": self.states, "reference": self.reference}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Likelihood":
        """The likelihood that `get_config` told of."""
        return cls(**{**config, "function": keras.saving.deserialize_keras_object(config["function"])})


LIKELIHOODS: dict[str, Likelihood] = {
    "squared-error": Likelihood(
        squared_error, "D = Σ(x - x̂)²; β = 2σ² of a Gaussian decoder", "Kingma & Welling 2014, arXiv:1312.6114"
    ),
    "laplace": Likelihood(
        absolute_error, "D = Σ|x - x̂|; β = b, the scale of a Laplace decoder", "Laplace 1774; the least absolute error"
    ),
    "bernoulli": Likelihood(
        cross_entropy,
        "D = -Σ(x·log x̂ + (1 - x)·log(1 - x̂)) in nats; β = 1 is the evidence bound",
        "Kingma & Welling 2014, arXiv:1312.6114, appendix C.1",
    ),
}
