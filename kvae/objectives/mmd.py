"""InfoVAE: the latents of all pictures together are held to the prior, by their maximum mean discrepancy."""

from dataclasses import dataclass
from typing import ClassVar

from keras import ops

from kvae.objectives.base import BatchSample, Rate, Tensor
from kvae.settings import default


def mmd(first: Tensor, second: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of two samples (count, latent) of one size, a scalar; unbiased.

    The kernel is the inverse multiquadric c/(c + ‖a - b‖²) with c = 2·latent, twice the expected squared length of a
    draw from the prior. Being unbiased, it is below 0 half of the time on equal distributions. Of a single pair nothing
    can be said, and the result is 0.
    Reference: Gretton et al., 2012, JMLR 13; Tolstikhin et al., 2018, arXiv:1711.01558 (the kernel).
    """
    count = ops.cast(ops.shape(first)[0], "float32")
    within = sum(ops.sum(_kernel(sample, sample)) - count for sample in (first, second))  # k(a, a) = 1 is left out
    across = 2.0 * ops.sum(_kernel(first, second)) / ops.square(count)
    unbiased = within / ops.maximum(count * (count - 1.0), 1.0) - across
    return ops.where(count > 1.0, unbiased, 0.0)


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    """(count, count) values of the kernel between the rows of two samples."""
    scale = 2.0 * first.shape[-1]
    squares = ops.sum(ops.square(first), -1)[:, None] + ops.sum(ops.square(second), -1)[None]
    distance = ops.maximum(squares - 2.0 * ops.matmul(first, ops.transpose(second)), 0.0)
    return scale / (scale + distance)


@dataclass(frozen=True)
class InfoVae(Rate):
    """L = D + β·((1 - α)·R + (α + λ - 1)·MMD) with α = `information` and λ = `mmd_weight`.

    Published α = 0 and λ = 1000 on MNIST; α = 1 leaves the MMD alone, with no pressure on single posteriors.
    """

    information: float = default("information")
    mmd_weight: float = default("mmd_weight")

    KEEPS_CONSTANT: ClassVar[str] = "the weight, and the latents of all pictures together near the prior"
    REFERENCE: ClassVar[str] = "Zhao et al. 2019, InfoVAE, arXiv:1706.02262"
    NEEDS_PRIOR: ClassVar[bool] = True

    def extra_penalty(self, sample: BatchSample) -> Tensor:
        """-α·R + (α + λ - 1)·MMD."""
        weight = self.information + self.mmd_weight - 1.0
        return weight * mmd(sample.latents, sample.prior) - self.information * sample.rate
