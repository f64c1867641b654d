"""β-TCVAE: the rate taken apart, and its total correlation weighted by itself."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from keras import ops

from kvae.objectives.base import BatchSample, Rate, Tensor
from kvae.settings import default


class Decomposition(NamedTuple):
    """The three parts of R, each a scalar in nats; they add up to R in expectation."""

    mutual_information: Tensor
    total_correlation: Tensor
    dimension_wise_kl: Tensor


def decompose(latents: Tensor, mean: Tensor, log_var: Tensor, pictures: int | None = None) -> Decomposition:
    """I(x; z), KL(q(z) ‖ Π q(z_j)) and Σ KL(q(z_j) ‖ p(z_j)), estimated on a batch.

    All arguments have shape (batch, latent): one draw of each posterior, and the posteriors' parameters. q(z) is
    estimated as the mixture of the batch's posteriors. With `pictures`, the size of the collection, the mixture is
    weighted by 1/(batch·pictures) as published, which shifts the parts by constants and leaves gradients as they are.
    Reference: Chen et al., 2018, arXiv:1802.04942, appendix C.1 (minibatch-weighted sampling).
    """
    spread = log_density(latents[:, None], mean[None], log_var[None])  # (draw, posterior, latent)
    count = ops.cast(ops.shape(mean)[0], "float32")
    log_count = ops.log(count * float(pictures or 1))
    conditional = ops.sum(log_density(latents, mean, log_var), axis=-1)
    joint = ops.logsumexp(ops.sum(spread, axis=-1), axis=1) - log_count
    product = ops.sum(ops.logsumexp(spread, axis=1) - log_count, axis=-1)
    prior = ops.sum(log_density(latents, 0.0, ops.zeros_like(log_var)), axis=-1)
    return Decomposition(ops.mean(conditional - joint), ops.mean(joint - product), ops.mean(product - prior))


def log_density(latents: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """log N(latents; mean, exp(log_var)) of each dimension, in nats, of the arguments' common shape."""
    return -0.5 * (ops.square(latents - mean) * ops.exp(-log_var) + log_var + math.log(2.0 * math.pi))


@dataclass(frozen=True)
class TotalCorrelation(Rate):
    """L = D + β·(MI + w·TC + dimension-wise KL), which is D + β·(R + (w - 1)·TC).

    w = `tc_weight`, published 6 (there named beta, with the other two weights at 1). TC in nats, minibatch-weighted.
    """

    tc_weight: float = default("tc_weight")

    KEEPS_CONSTANT: ClassVar[str] = "the weight, and a heavier one on how the latents depend on each other"
    REFERENCE: ClassVar[str] = "Chen et al. 2018, beta-TCVAE, arXiv:1802.04942"

    def extra_penalty(self, sample: BatchSample) -> Tensor:
        """(w - 1)·TC."""
        posterior = sample.posterior
        parts = decompose(sample.latents, posterior.mean, posterior.log_var)
        return (self.tc_weight - 1.0) * parts.total_correlation
