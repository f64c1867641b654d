"""A posterior with full covariance: latents that know of each other."""

from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import ops

from kvae.objectives.base import Posterior, Rate, Tensor, diagonal_kl

# numbers that the head reads; all features at 128 latents would be 33 million weights and 2.6 times the time
COMBINED = 32


@dataclass(frozen=True)
class FullCovariance(Rate):
    """z = μ + T·ε with T lower triangular, R = ½(tr TTᵀ + μᵀμ - k) - Σ log T_jj in nats.

    One more head gives the k(k - 1)/2 entries below T's diagonal, which start at zero: there R is the diagonal one.
    """

    KEEPS_CONSTANT: ClassVar[str] = "the evidence bound, tighter where the true posterior is correlated"
    REFERENCE: ClassVar[str] = "Kingma & Welling 2019, arXiv:1906.02691, section 2.5.1"

    def layers(self, latent_dim: int, features: int, seed: int = 0) -> list[keras.layers.Layer]:
        """The head of the entries below the diagonal, which reads a few linear combinations of the features."""
        entries = latent_dim * (latent_dim - 1) // 2
        if entries == 0:
            return []
        initial = keras.initializers.GlorotUniform(seed=seed)
        combine = keras.layers.Dense(
            COMBINED, use_bias=False, kernel_initializer=initial, dtype="float32", name="combined"
        )
        head = keras.layers.Dense(entries, kernel_initializer="zeros", dtype="float32", name="factor")
        combine.build((None, features))
        head.build((None, COMBINED))
        return [combine, head]

    def posterior(
        self, layers: list[keras.layers.Layer], features: Tensor, mean: Tensor, log_var: Tensor, training: bool
    ) -> Posterior:
        """With the factor of each picture."""
        if not layers:
            return Posterior(mean, log_var)
        combine, head = layers
        return Posterior(mean, log_var, strictly_lower(head(combine(features)), mean.shape[-1]))

    def rates(self, posterior: Posterior) -> Tensor:
        """Row by row of T, (batch, latent): their sum is R."""
        rates = diagonal_kl(posterior.mean, posterior.log_var)
        return rates if posterior.factor is None else rates + 0.5 * ops.sum(ops.square(posterior.factor), axis=-1)


def strictly_lower(entries: Tensor, size: int) -> Tensor:
    """`entries` (batch, size·(size - 1)/2) below the diagonals of matrices (batch, size, size), each of them once.

    The square that `entries` make with themselves reversed has every one of them on or below its diagonal: slices and a
    mask, whose gradient costs little. Gathering them row by row took 7% of a training step.
    """
    side = size - 1
    square = ops.reshape(ops.concatenate([entries[:, side:], ops.flip(entries, axis=1)], axis=1), (-1, side, side))
    return ops.pad(ops.tril(square), ((0, 0), (1, 0), (0, 1)))
