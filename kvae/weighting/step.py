"""One batch under any method: its penalty, the weight that is logged, and the state after it."""

from dataclasses import dataclass
from typing import Any

from keras import ops

from kvae.objectives.base import BatchSample, Posterior, Rate
from kvae.weighting.base import Observed, Tensor, Weighting


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch drew, and what it found: the KL weight `given` and the weighting's `state`, None where there is
    none.

    `latents`, `prior` and `rates`, the KL of each dimension in nats, are (batch, latent); `prior` is None unless the
    rate method needs it.
    """

    posterior: Posterior
    latents: Tensor
    prior: Tensor | None
    rates: Tensor
    given: Tensor
    state: Tensor | None

    def observed(
        self, rate: Rate, distortions: Tensor, weights: Tensor | None, trained: Tensor | None, values: int
    ) -> Observed:
        """What a weighting sees of it, where D of each picture is `distortions`, (batch,), and its weight `weights`.

        What a rate method adds about all latents together, it adds about all of them, whatever their weights.
        """
        means = averaged(self.rates, weights)  # (latent,)
        return Observed(
            given=self.given,
            distortion=ops.stop_gradient(averaged(distortions, weights)),
            rates=means,
            extra=rate.extra_penalty(BatchSample(self.posterior, self.latents, self.prior, ops.sum(means))),
            trained=trained,
            values=values,
            share=None if weights is None else ops.mean(weights),
        )


def per_picture(sample_weight: Tensor) -> Tensor:
    """A batch's sample weights as float32 (batch,).

    Raises:
        ValueError: weights of parts of pictures.
    """
    shape = tuple(sample_weight.shape)
    if len(shape) != 1 and any(side != 1 for side in shape[1:]):
        raise ValueError(f"VAE: `sample_weight` must hold one number for each picture. Received: shape {shape}.")
    return ops.reshape(ops.cast(sample_weight, "float32"), (-1,))


def averaged(values: Tensor, weights: Tensor | None) -> Tensor:
    """The mean over the first axis, weighted; 0 where nothing has a weight."""
    if weights is None:
        return ops.mean(values, axis=0)
    weights = ops.reshape(weights, (-1,) + (1,) * (len(values.shape) - 1))
    return ops.divide_no_nan(ops.sum(weights * values, axis=0), ops.sum(weights))


def apply_weighting(
    method: Weighting, seen: Observed, now: Tensor | None, state: Any, kl_weight: Any
) -> tuple[Tensor, Tensor]:
    """What `method` adds to D, and its effective weight, both scalars; moves the variables `state` and `kl_weight`.

    `now` is the state that the batch found; it and `state` are None where the method has none. A batch that overflowed,
    as happens in float16 while the loss scale is sought, and one whose pictures have no weight, leave both variables as
    they were.
    """
    found = ops.zeros((0,), "float32") if now is None else now
    weight = method.weight(found, seen)
    penalty = method.penalty(weight, found, seen)
    effective = ops.stop_gradient(method.effective(weight, found, seen))
    counts = True if seen.share is None else seen.share > 0.0
    if state is not None:
        then = ops.stop_gradient(method.update(found, seen))
        state.assign(ops.where(ops.logical_and(counts, ops.all(ops.isfinite(then))), then, found))
    if method.MOVES:
        kl_weight.assign(ops.where(ops.logical_and(counts, ops.isfinite(effective)), effective, seen.given))
    return penalty if seen.share is None else seen.share * penalty, effective
