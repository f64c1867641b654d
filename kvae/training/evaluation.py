"""D, R, L and PSNR of a model on held-out pictures, fast enough for every epoch."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from keras import ops

from kvae.model.vae import VAE
from kvae.objectives.likelihoods import psnr, squared_error

MOST_PICTURES = 2048  # held-out pictures that an epoch's measurement looks at


@dataclass(frozen=True)
class Evaluated:
    """Means over pictures. `loss` is D + beta R with the D of the model's likelihood. `psnr` in dB is of the posterior
    mean's reconstruction, which draws nothing at random."""

    distortion: float
    rate: float | None
    loss: float
    psnr: float


class Evaluation:
    """Measures `model` at its present weight; the graph is traced once."""

    def __init__(self, model: VAE) -> None:
        self._model = model
        signature = [tf.TensorSpec((None, *model.image_shape), tf.float32), tf.TensorSpec((), tf.int32)]
        self._measure = tf.function(self._terms, input_signature=signature)

    def _terms(self, images: tf.Tensor, first: tf.Tensor) -> tuple[tf.Tensor, ...]:
        model = self._model
        output = model(images, training=False, first=first)
        distortion = squared_error(images, output)
        rate = ops.zeros_like(distortion) if model.autoencoder else model.rates
        best = ops.clip(model.generate(model.posterior(images)[0]), 0.0, 1.0)
        return distortion, rate, psnr(images, best), model.methods.likelihood.function(images, output)

    def __call__(self, batches: tf.data.Dataset) -> Evaluated:
        """Measure on all of `batches`, float32 (batch, height, width, channels), however they are divided."""
        parts: list[list[np.ndarray]] = []
        first = 0
        for batch in batches:
            parts.append([part.numpy() for part in self._measure(batch, first)])
            first += len(batch)
        distortion, rate, decibels, seen = (
            float(np.mean(np.concatenate(column))) for column in zip(*parts, strict=True)
        )
        loss = seen + self._model.beta * rate
        return Evaluated(distortion, None if self._model.autoencoder else rate, loss, decibels)
