"""BN-VAE: the posterior means are normalised over the batch, so that they cannot all become zero."""

from dataclasses import dataclass
from typing import ClassVar

import keras

from kvae.objectives.base import Posterior, Rate, Tensor
from kvae.settings import default

EPSILON = 1e-6  # of a variance; with Keras's 1e-3, small means are a way around the least rate, and training finds it


@dataclass(frozen=True)
class BatchNormalised(Rate):
    """μ = γ·(m - mean)/deviation + shift of the batch, γ = `bn_scale` frozen: E[R] ≥ k·γ²/2 nats for k latents.

    Published γ from 0.5 to 0.7. The shift is trained.
    """

    bn_scale: float = default("bn_scale")

    KEEPS_CONSTANT: ClassVar[str] = "the spread of the posterior means, and so a least rate"
    REFERENCE: ClassVar[str] = "Zhu et al. 2020, BN-VAE, arXiv:2004.12585"

    def layers(self, latent_dim: int, features: int, seed: int = 0) -> list[keras.layers.Layer]:
        """The normalisation, without a scale of its own."""
        layer = keras.layers.BatchNormalization(scale=False, epsilon=EPSILON, dtype="float32", name="normalised_mean")
        layer.build((None, latent_dim))
        return [layer]

    def posterior(
        self, layers: list[keras.layers.Layer], features: Tensor, mean: Tensor, log_var: Tensor, training: bool
    ) -> Posterior:
        """With the means normalised: by the batch in training, by all batches' running statistics elsewhere."""
        return Posterior(self.bn_scale * layers[0](mean, training=training), log_var)
