"""What every way of setting the KL weight over time has in common, the plain one, and one batch under any of them."""

from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops

from kvae.objectives.base import BatchSample, Method, Posterior, Rate, Tensor


@dataclass(frozen=True, slots=True)
class Observed:
    """What a method sees of one batch; every tensor is float32.

    `given` is the model's KL weight as it stands. `distortion` is the batch mean of D, its gradient stopped. `rates`,
    shape (latent,), is the batch mean of each dimension's KL in nats; their sum is R. `extra` is what the rate method
    adds to R, in nats. `trained` is the number that the optimizer trains for this method, or None. `values` is height
    times width times channels of a picture. Where pictures have weights, the means are weighted by them, so that
    targets keep their meaning, and `share` is the mean weight, which the penalty is multiplied by; else it is None.
    """

    given: Tensor
    distortion: Tensor
    rates: Tensor
    extra: Tensor
    trained: Tensor | None
    values: int
    share: Tensor | None = None

    @property
    def rate(self) -> Tensor:
        """R, the batch mean in nats, a scalar."""
        return ops.sum(self.rates)


@dataclass(frozen=True)
class Weighting(Method):
    """A way of setting the KL weight: settings, and pure functions of a state that the model keeps and saves.

    `start` gives the state before the first step, `update` the next one; where there is a state, its first number is
    the step. A subclass is a frozen dataclass whose fields are its settings.
    """

    MOVES: ClassVar[bool] = True  # whether the model's kl_weight follows; else it stays what the user sets
    STEPS: ClassVar[int | None] = None  # published length of the schedule, where it has one

    @classmethod
    def length(cls, run: int) -> int | None:
        """How long a schedule of unstated length is in a run of so many steps: as published, and half of it at most."""
        return None if cls.STEPS is None else min(cls.STEPS, max(1, run // 2))

    def start(self) -> tuple[float, ...]:
        """The state before the first step; empty where none is needed."""
        return (0.0,)

    def trained(self) -> float | None:
        """Where the number starts that the optimizer trains along with the networks, if there is one."""
        return None

    def weight(self, state: Tensor, seen: Observed) -> Tensor:
        """Beta of the present batch, a scalar."""
        raise NotImplementedError

    def penalty(self, weight: Tensor, state: Tensor, seen: Observed) -> Tensor:
        """What is added to D, a scalar: the weight times R and what the rate method adds to it."""
        return weight * (seen.rate + seen.extra)

    def effective(self, weight: Tensor, state: Tensor, seen: Observed) -> Tensor:
        """The weight that R really has: how fast the penalty grows when every dimension's rate grows in proportion,
        by how fast R does. This is what is logged as `kl_weight`."""
        return weight

    def update(self, state: Tensor, seen: Observed) -> Tensor:
        """The state after this batch: here, one step more."""
        return state + 1.0


@dataclass(frozen=True)
class Constant(Weighting):
    """L = D + β·R with β as it is given, in squared error per nat. β = 1 is Kingma & Welling's own up to the noise."""

    KEEPS_CONSTANT: ClassVar[str] = "the weight"
    REFERENCE: ClassVar[str] = "Higgins et al. 2017, beta-VAE; Kingma & Welling 2014, arXiv:1312.6114"
    MOVES: ClassVar[bool] = False

    def start(self) -> tuple[float, ...]:
        """No state."""
        return ()

    def weight(self, state: Tensor, seen: Observed) -> Tensor:
        """The model's `kl_weight`, so that turning it reaches the next batch and dL/dβ is R."""
        return seen.given


def settled(steps: int | None, published: int | None) -> float:
    """The length of a schedule: the one that was chosen, or else the published one."""
    return float(steps if steps is not None else published or 1)


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
