"""D, R, L and PSNR of a model on held-out pictures, fast enough for every epoch."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf
from keras import ops

from kvae.model.vae import VAE
from kvae.objectives.likelihoods import psnr, squared_error

TERMS = ("distortion", "rate", "loss")
FEW_FOR_CURVE, MOST_FOR_CURVE = 96, 512  # held-out pictures measured at several weights: in an epoch, at the end
MOST_PICTURES = 2048  # held-out pictures that an epoch's measurement looks at


@dataclass(frozen=True)
class Evaluated:
    """Means over pictures. `loss` is D + beta R with the D of the model's likelihood. `psnr` in dB is of the posterior
    mean's reconstruction, which draws nothing at random. `curve` has D, R and L of a model with a range of weights, by
    the weight."""

    distortion: float
    rate: float | None
    loss: float
    psnr: float
    curve: Mapping[float, tuple[float, float, float]] = field(default_factory=dict)

    def record(self, prefix: str = "") -> dict[str, float | None]:
        """Its numbers by their names, as a history and a card have them: those of the curve as `loss_at_0.1`."""
        found = {name: getattr(self, name) for name in ("distortion", "rate", "loss", "psnr")}
        for weight, terms in self.curve.items():
            found.update({f"{name}_at_{weight:g}": one for name, one in zip(TERMS, terms, strict=True)})
        return {prefix + name: value for name, value in found.items()}


class Evaluation:
    """Measures `model` at its present weight; the graph is traced once."""

    def __init__(self, model: VAE) -> None:
        self._model = model
        signature = [tf.TensorSpec((None, *model.image_shape), tf.float32), tf.TensorSpec((), tf.int32)]
        self._measure = tf.function(self._terms, input_signature=signature)
        self._measure_curve = tf.function(self._curve_terms, input_signature=signature)

    def _terms(self, images: tf.Tensor, first: tf.Tensor) -> tuple[tf.Tensor, ...]:
        model = self._model
        output = model(images, training=False, first=first)
        distortion = squared_error(images, output)
        rate = ops.zeros_like(distortion) if model.autoencoder else model.rates
        best = ops.clip(model.generate(model.posterior(images)[0]), 0.0, 1.0)
        return distortion, rate, psnr(images, best), model.methods.likelihood.function(images, output)

    def _curve_terms(self, images: tf.Tensor, first: tf.Tensor) -> list[tuple[tf.Tensor, ...]]:
        span = self._model.weight_range
        assert span is not None
        return [self._model.terms_at(images, weight, first=first) for weight in span.reported]

    def _curve(self, batches: tf.data.Dataset, most: int) -> dict[float, tuple[float, float, float]]:
        span = self._model.weight_range
        if span is None:
            return {}
        parts: list[np.ndarray] = []
        first = 0
        for batch in batches:
            parts.append(np.array(self._measure_curve(batch, first)))  # (weights, terms, batch)
            first += len(batch)
            if first >= most:
                break
        means = np.concatenate(parts, axis=2).mean(axis=2).tolist()
        return dict(zip(span.reported, map(tuple, means), strict=True))

    def __call__(self, batches: tf.data.Dataset, curve_of: int = FEW_FOR_CURVE) -> Evaluated:
        """Measure on all of `batches`, float32 (batch, height, width, channels), however they are divided; a range of
        weights on whole batches of the first `curve_of` pictures."""
        parts: list[list[np.ndarray]] = []
        first = 0
        for batch in batches:
            parts.append([part.numpy() for part in self._measure(batch, first)])
            first += len(batch)
        distortion, rate, decibels, seen = (
            float(np.mean(np.concatenate(column))) for column in zip(*parts, strict=True)
        )
        loss = seen + self._model.beta * rate
        shown = None if self._model.autoencoder else rate
        return Evaluated(distortion, shown, loss, decibels, self._curve(batches, curve_of))
