"""DIP-VAE: the covariance of the latents over all pictures is sample towards the identity."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from kvae.objectives.base import BatchSample, Rate, Tensor
from kvae.settings import default


def covariance(values: Tensor) -> Tensor:
    """Covariance (latent, latent) of the rows of `values`, (batch, latent), divided by the batch size."""
    centred = values - ops.mean(values, axis=0, keepdims=True)
    return ops.matmul(ops.transpose(centred), centred) / ops.cast(ops.shape(values)[0], "float32")


def from_identity(matrix: Tensor, off_diagonal: float, diagonal: float) -> Tensor:
    """λ_od·Σ_{i≠j} C_ij² + λ_d·Σ_i (C_ii - 1)² of a covariance C (latent, latent), a scalar."""
    variances = ops.diagonal(matrix)
    others = ops.sum(ops.square(matrix)) - ops.sum(ops.square(variances))
    return off_diagonal * others + diagonal * ops.sum(ops.square(variances - 1.0))


@dataclass(frozen=True)
class DipOne(Rate):
    """DIP-VAE-I: L = D + β·(R + λ·Σ_{i≠j} C_ij² + 10λ·Σ_i (C_ii - 1)²), C the covariance of the posterior means.

    λ = `dip_weight`, published 10, and ten times that on the diagonal.
    """

    dip_weight: float = default("dip_weight")

    KEEPS_CONSTANT: ClassVar[str] = "the weight, and the covariance of the posterior means near the identity"
    REFERENCE: ClassVar[str] = "Kumar et al. 2018, DIP-VAE, arXiv:1711.00848"

    def extra_penalty(self, sample: BatchSample) -> Tensor:
        """The distance of Cov[μ] from the identity."""
        return from_identity(covariance(sample.posterior.mean), self.dip_weight, 10.0 * self.dip_weight)


@dataclass(frozen=True)
class DipTwo(Rate):
    """DIP-VAE-II: as DIP-VAE-I with C = Cov[μ] + E[diag σ²], the covariance of the latents, and λ on the diagonal too.

    λ = `dip_weight`, published 10.
    """

    dip_weight: float = default("dip_weight")

    KEEPS_CONSTANT: ClassVar[str] = "the weight, and the covariance of the latents near the identity"
    REFERENCE: ClassVar[str] = "Kumar et al. 2018, DIP-VAE, arXiv:1711.00848"

    def extra_penalty(self, sample: BatchSample) -> Tensor:
        """The distance of Cov[z] from the identity."""
        noise = ops.diag(ops.mean(ops.exp(sample.posterior.log_var), axis=0))
        return from_identity(covariance(sample.posterior.mean) + noise, self.dip_weight, self.dip_weight)
