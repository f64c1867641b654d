"""A model as the measures use it: pictures to posteriors, latents to pictures, in parts of bounded memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from kvae.images.pixels import in_batches
from kvae.model.fit import evaluation_table
from kvae.objectives.likelihoods import squared_error

if TYPE_CHECKING:
    from kvae.model.vae import VAE

AT_ONCE = 64 * 64 * 64 * 3  # pixel values that go through a network together


@dataclass(frozen=True)
class Codes:
    """Posteriors of pictures, and one latent drawn from each.

    `mean`, `log_var` and `latents` are float32 (count, latent). `factor` is None, or the strictly lower triangles
    (count, latent, latent) of Cholesky factors T with z = mean + T·ε, and `log_var` then 2·log of T's diagonal.
    `rates` (count, latent) are nats; their sum over the dimensions is R of a picture.
    """

    mean: np.ndarray
    log_var: np.ndarray
    latents: np.ndarray
    rates: np.ndarray
    factor: np.ndarray | None = None


class Coder:
    """`model` at its present weight, with NumPy arrays of pictures in [0, 1], float32 (count, height, width,
    channels).

    `generate` is a faster one than the model's own, which is called thousands of times.
    """

    def __init__(self, model: "VAE", generate: Callable | None = None) -> None:
        self.model = model
        self.values = math.prod(model.image_shape)
        self.rows = max(1, min(64, AT_ONCE // self.values))
        self._generate = generate or model.generate

    def codes(self, images: np.ndarray) -> Codes:
        """The posteriors of `images`, with the draws that `evaluate` takes of them; of an autoencoder, which has none,
        the codes themselves with no noise."""
        columns: list[tuple] = []
        table = evaluation_table(self.model.latent_dim)
        for first in range(0, len(images), self.rows):
            found = self.model.posterior_of(ops.convert_to_tensor(images[first : first + self.rows]))
            mean = ops.convert_to_numpy(found.mean)
            if found.log_var is None:
                columns.append((mean, np.full_like(mean, -np.inf), mean, np.full_like(mean, np.nan), None))
                continue
            noise = ops.convert_to_tensor(table[np.arange(first, first + len(mean)) % len(table)])
            method = self.model.methods.rate
            drawn, rates = method.sample(found, noise), method.rates(found)
            told = (ops.convert_to_numpy(part) for part in (found.log_var, drawn, rates))
            columns.append((mean, *told, None if found.factor is None else ops.convert_to_numpy(found.factor)))
        *parts, factors = zip(*columns, strict=True)
        factor = None if factors[0] is None else np.concatenate(factors)
        mean, log_var, latents, rates = (np.concatenate(part) for part in parts)
        return Codes(mean, log_var, latents, rates, factor)

    def generate(self, latents: np.ndarray) -> np.ndarray:
        """The decoder's mean images of `latents` (count, latent), float32; not clipped to [0, 1]."""
        images = [self._generate(ops.convert_to_tensor(batch)) for batch in in_batches(latents, self.rows)]
        return np.concatenate([ops.convert_to_numpy(one) for one in images])

    def errors(self, images: np.ndarray, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """D and the likelihood's D of each picture and what its latent decodes to, each float64 (count,)."""
        parts = []
        for batch, drawn in zip(in_batches(images, self.rows), in_batches(latents, self.rows), strict=True):
            output = self._generate(ops.convert_to_tensor(drawn))
            found = squared_error(batch, output), self.model.methods.likelihood.function(batch, output)
            parts.append([ops.convert_to_numpy(one).astype("float64") for one in found])
        distortion, seen = (np.concatenate(part) for part in zip(*parts, strict=True))
        return distortion, seen
