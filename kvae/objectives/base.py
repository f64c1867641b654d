"""What every rate has in common: the posterior it is measured on, and where it may step in."""

from dataclasses import dataclass
from typing import Any, ClassVar

import keras
from keras import ops

from kvae.objectives.rates import diagonal_kl

Tensor = Any


@dataclass(frozen=True, slots=True)
class Posterior:
    """q(z given x) of a batch: `mean` and `log_var`, each (batch, latent), float32.

    With a `factor`, the strictly lower triangle (batch, latent, latent) of a Cholesky factor T, z = mean + T·ε, and
    `log_var` is 2·log of T's diagonal.
    """

    mean: Tensor
    log_var: Tensor
    factor: Tensor | None = None

    @property
    def marginal_log_var(self) -> Tensor:
        """Log-variance of each dimension by itself, (batch, latent)."""
        if self.factor is None:
            return self.log_var
        return ops.log(ops.exp(self.log_var) + ops.sum(ops.square(self.factor), axis=-1))


@dataclass(frozen=True)
class BatchSample:
    """What a batch drew: its posterior, one latent of each, as many from the prior, and R in nats, a batch mean.

    `latents` and `prior` are (batch, latent); `prior` is None unless the method needs it.
    """

    posterior: Posterior
    latents: Tensor
    prior: Tensor | None
    rate: Tensor


@dataclass(frozen=True)
class Rate:
    """A rate: the posterior's shape, its KL, and what is added to it, L = D + β·(R + extra).

    R itself is logged, whatever is added. A subclass is a frozen dataclass whose fields are settings.
    """

    KEEPS_CONSTANT: ClassVar[str]  # what the method holds constant
    REFERENCE: ClassVar[str]
    NEEDS_PRIOR: ClassVar[bool] = False

    def layers(self, latent_dim: int, features: int, seed: int = 0) -> list[keras.layers.Layer]:
        """The layers that this method brings, built, float32; `features` is the length of what the heads read."""
        return []

    def posterior(
        self, layers: list[keras.layers.Layer], features: Tensor, mean: Tensor, log_var: Tensor, training: bool
    ) -> Posterior:
        """The posterior of the heads' `mean` and `log_var`, each (batch, latent)."""
        return Posterior(mean, log_var)

    def sample(self, posterior: Posterior, noise: Tensor) -> Tensor:
        """A latent of each posterior, (batch, latent), from standard normal `noise` of that shape."""
        latents = posterior.mean + ops.exp(0.5 * posterior.log_var) * noise
        if posterior.factor is None:
            return latents
        return latents + ops.squeeze(ops.matmul(posterior.factor, noise[..., None]), -1)

    def rates(self, posterior: Posterior) -> Tensor:
        """KL against N(0, 1) in nats, (batch, latent); its sum over the dimensions is R."""
        return diagonal_kl(posterior.mean, posterior.log_var)

    def extra_penalty(self, sample: BatchSample) -> Tensor:
        """What is added to R in training, a scalar in nats."""
        return ops.zeros((), "float32")
