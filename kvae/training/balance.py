"""The gradient balance: how the two terms of the loss pull at the weights, seen on a probe batch while training goes
on.

Beta scales the length of one of two arrows, ∇D and ∇R, on the weights of the encoder, which both terms reach. Where
their cosine is negative the terms compete; at a stationary point of L = D + β·R the arrows are equal and opposite.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

from keras import ops

from kvae.model.vae import VAE
from kvae.objectives.base import Tensor
from kvae.saving.card_fields import GRADIENT, GRADIENTS
from kvae.training.backend import gradients

BUDGET = 0.03  # of the time of training
PROBE_PICTURES = 16
FIRST = 0.2  # seconds that the first measurement is expected to take


@dataclass(frozen=True, slots=True)
class Balance:
    """The arrows after the batch `step`: on the encoder's weights the lengths of ∇D and ∇(βR), the cosine of the angle
    between them, and the share of the second length in both; on the decoder's the length of ∇D, the only one there.

    Lengths are in units of the likelihood's D, squared error by default, per unit of weight. `rate` is 0 without a
    weight; then the cosine is that of ∇D and ∇R themselves.
    """

    step: int
    distortion: float
    rate: float
    cosine: float
    share: float
    decoder: float

    def record(self) -> dict[str, float]:
        """Its numbers by their names in a history."""
        return {name: getattr(self, name.removeprefix(GRADIENT)) for name in GRADIENTS}


class BalanceProbe:
    """Measures the balance of `model` on one batch, `images` (count, height, width, channels), and one draw of noise.

    Every measurement takes its time; `due` spaces them to BUDGET of the time of training, or to `every` steps where
    that is stated.
    """

    def __init__(self, model: VAE, images: Any, every: int | None = None) -> None:
        self._model, self._images, self._every = model, ops.convert_to_tensor(images), every
        self._spent, self._last = 0.0, 0.0
        shared, decoder = encoder_weights(model), decoder_weights(model)
        self._shared = len(shared)
        self._gradients = gradients(self._terms, model, [*shared, *decoder])

    def due(self, step: int, seconds: float) -> bool:
        """Whether to measure after batch `step`, `seconds` after training began."""
        if self._every is not None:
            return self._every > 0 and step % self._every == 0
        return self._spent + (self._last or FIRST) <= BUDGET * seconds

    def __call__(self, step: int, kl_weight: float) -> Balance:
        """Measure at `kl_weight`, the weight of the batch."""
        started = time.perf_counter()
        distortion, rate, decoder = self.gradients()
        lengths = [math.sqrt(_product(part, part)) for part in (distortion, rate)]
        pulls = lengths[0], abs(kl_weight) * lengths[1]
        # a weighting that drives the rate up turns the second arrow round
        product = _product(distortion, rate) * (-1.0 if kl_weight < 0 else 1.0)
        found = Balance(
            step,
            pulls[0],
            pulls[1],
            max(-1.0, min(1.0, product / max(lengths[0] * lengths[1], 1e-30))),
            pulls[1] / max(sum(pulls), 1e-30),
            math.sqrt(_product(decoder, decoder)),
        )
        # what only the first one pays, the next one will not
        took = time.perf_counter() - started
        self._spent, self._last = self._spent + took, min(self._last or took, took)
        return found

    def gradients(self) -> tuple[list, list, list]:
        """∇D and ∇R on the encoder's weights and ∇D on the decoder's, D the likelihood's. Many pictures are taken in
        parts."""
        count = len(self._images)
        parts = [self._gradients_of(first) for first in range(0, count, PROBE_PICTURES)]
        if len(parts) == 1:
            return parts[0]
        shares = [min(PROBE_PICTURES, count - first) / count for first in range(0, count, PROBE_PICTURES)]
        return tuple(  # type: ignore[return-value]
            [sum(share * part for share, part in zip(shares, one, strict=True)) for one in zip(*side, strict=True)]
            for side in zip(*parts, strict=True)
        )

    def _gradients_of(self, first: int) -> tuple[list, list, list]:
        """The gradients on the probe's pictures from the place `first` on."""
        distortion, rate = self._gradients(self._images[first : first + PROBE_PICTURES], first)
        return distortion[: self._shared], rate[: self._shared], distortion[self._shared :]

    def _terms(self, images: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """D and R of `images`, the probe's from the place `first` on."""
        output = self._model(images, training=False, first=first)
        return ops.mean(self._model.methods.likelihood.function(images, output)), ops.mean(self._model.rates)


def encoder_weights(model: VAE) -> list[Any]:
    """The trainable weights from pictures to the posterior: what both terms share."""
    parts = [model.encoder, model.mean_head, model.log_var_head, *model.rate_layers]
    shared = [weight for part in parts if part is not None for weight in part.trainable_variables]
    return shared + ([] if model.linear_path is None else model.linear_path.encoding_weights)


def decoder_weights(model: VAE) -> list[Any]:
    """The trainable weights from latents to pictures: the rate does not reach them."""
    path = model.linear_path
    return [*model.decoder.trainable_variables] + ([] if path is None else path.decoding_weights)


def _product(first: list, second: list) -> float:
    """The scalar product of two gradients."""
    return float(sum(ops.sum(one * other) for one, other in zip(first, second, strict=True)))
