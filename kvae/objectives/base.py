"""What every rate has in common, the posterior it is measured on and where it may step in; and the plain rate."""

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import keras
from keras import ops

Tensor = Any  # of whatever backend Keras computes with; shapes are in the docstrings

# log-variances are bent towards these, never cut: outside them a hard clip would have no gradient
LOG_VAR_BOUNDS = (-20.0, 10.0)


def diagonal_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, exp(log_var)) ‖ N(0, 1)) of each latent dimension, in nats.

    Arguments and result have shape (batch, latent).
    Reference: Kingma & Welling, 2014, arXiv:1312.6114, appendix B.
    """
    return 0.5 * (ops.square(mean) + ops.exp(log_var) - 1.0 - log_var)


def soft_bound(log_var: Tensor) -> Tensor:
    """`log_var` bent smoothly into LOG_VAR_BOUNDS; the identity to 5e-5 from -10 to 0, monotone everywhere.

    Arguments and result have any one shape.
    """
    low, high = LOG_VAR_BOUNDS
    log_var = high - ops.softplus(high - log_var)
    return low + ops.softplus(log_var - low)


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
class Method:
    """A way of training, as a frozen dataclass: its fields are settings, which are saved with a model."""

    KEEPS_CONSTANT: ClassVar[str]  # what the method holds constant
    REFERENCE: ClassVar[str]

    def get_config(self) -> dict[str, Any]:
        """The fields by their names, for Keras to save."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The method that `get_config` told of."""
        return cls(**config)


@dataclass(frozen=True)
class Rate(Method):
    """A rate: the posterior's shape, its KL, and what is added to it, L = D + β·(R + extra).

    R itself is logged, whatever is added. A subclass is a frozen dataclass whose fields are its settings.
    """

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


@dataclass(frozen=True)
class Diagonal(Rate):
    """R = ½Σ(μ² + σ² - 1 - log σ²) in nats."""

    KEEPS_CONSTANT: ClassVar[str] = "the evidence bound, with independent latents"
    REFERENCE: ClassVar[str] = "Kingma & Welling 2014, arXiv:1312.6114"
