"""D, R, L and PSNR of a model on held-out pictures, fast enough for every epoch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops

from kvae.measures.posterior import ACTIVE_VARIANCE
from kvae.model.vae import VAE
from kvae.objectives.base import Tensor
from kvae.objectives.likelihoods import psnr, squared_error
from kvae.training.backend import compiled

TERMS = ("distortion", "rate", "loss")
FEW_FOR_CURVE, MOST_FOR_CURVE = 96, 512  # held-out pictures measured at several weights: in an epoch, at the end
MOST_PICTURES = 2048  # held-out pictures that an epoch's measurement looks at


@dataclass(frozen=True)
class Evaluated:
    """Means over pictures. `loss` is D + beta R with the D of the model's likelihood. `psnr` in dB is of the posterior
    mean's reconstruction, which draws nothing at random. `active` latents differ from picture to picture: the variance
    of their posterior mean is at least 0.01. `curve` has D, R and L of a model with a range of weights, by
    the weight."""

    distortion: float
    rate: float | None
    loss: float
    psnr: float
    active: int
    curve: Mapping[float, tuple[float, float, float]] = field(default_factory=dict)

    def record(self, prefix: str = "") -> dict[str, float | None]:
        """Its numbers by their names, as a history and a card have them: those of the curve as `loss_at_0.1`."""
        found = {name: getattr(self, name) for name in ("distortion", "rate", "loss", "psnr", "active")}
        for weight, terms in self.curve.items():
            found.update({f"{name}_at_{weight:g}": one for name, one in zip(TERMS, terms, strict=True)})
        return {prefix + name: value for name, value in found.items()}


class Evaluation:
    """Measures `model` at its present weight; the graph is traced once."""

    def __init__(self, model: VAE) -> None:
        self._model = model
        inputs = ((None, *model.image_shape), "float32"), ((), "int32")
        self._measure = compiled(self._terms, model, *inputs)
        self._measure_at = compiled(self._terms_at, model, ((), "float32"), *inputs)

    def _terms(self, images: Tensor, first: Tensor) -> tuple[Tensor, ...]:
        model = self._model
        output = model(images, training=False, first=first)
        distortion = squared_error(images, output)
        rate = ops.zeros_like(distortion) if model.autoencoder else model.rates
        mean = model.posterior(images)[0]
        decibels = psnr(images, ops.clip(model.generate(mean), 0.0, 1.0))
        return distortion, rate, decibels, model.methods.likelihood.function(images, output), mean

    def _terms_at(self, weight: Tensor, images: Tensor, first: Tensor) -> tuple[Tensor, ...]:
        return self._model.terms_at(images, weight, first=first)

    def _curve(self, batches: Iterable[Any], most: int) -> dict[float, tuple[float, float, float]]:
        span = self._model.weight_range
        if span is None:
            return {}
        parts: list[np.ndarray] = []  # (weights, terms, batch)
        first = 0
        for batch in batches:
            found = [self._measure_at(np.float32(weight), np.asarray(batch), first) for weight in span.reported]
            parts.append(np.array([[ops.convert_to_numpy(one) for one in terms] for terms in found]))
            first += len(batch)
            if first >= most:
                break
        means = np.concatenate(parts, axis=2).mean(axis=2).tolist()
        return dict(zip(span.reported, map(tuple, means), strict=True))

    def __call__(self, batches: Iterable[Any], curve_of: int = FEW_FOR_CURVE) -> Evaluated:
        """Measure on all of `batches`, float32 (batch, height, width, channels), however they are divided; a range of
        weights on whole batches of the first `curve_of` pictures."""
        parts: list[list[np.ndarray]] = []
        first, sums = 0, np.zeros((2, self._model.latent_dim))
        for batch in batches:
            *terms, mean = (ops.convert_to_numpy(part) for part in self._measure(np.asarray(batch), first))
            parts.append(terms)
            first += len(batch)
            sums += mean.sum(0, dtype="float64"), np.square(mean).sum(0, dtype="float64")
        means, squares = sums / first
        active = int(np.sum(squares - means**2 >= ACTIVE_VARIANCE))
        distortion, rate, decibels, seen = (
            float(np.mean(np.concatenate(column))) for column in zip(*parts, strict=True)
        )
        loss = seen + self._model.beta * rate
        shown = None if self._model.autoencoder else rate
        return Evaluated(distortion, shown, loss, decibels, active, self._curve(batches, curve_of))
