"""One batch under any method: its penalty, the weight that is logged, and the state after it."""

from typing import Any

from keras import ops

from kvae.weighting.base import Observed, Tensor, Weighting


def weigh(method: Weighting, seen: Observed, state: Any, kl_weight: Any) -> tuple[Tensor, Tensor]:
    """What `method` adds to D, and its effective weight, both scalars; moves the variables `state` and `kl_weight`.

    `state` is None where the method has none. A batch that overflowed, as happens in float16 while the loss scale is
    sought, leaves both variables as they were.
    """
    now = ops.zeros((0,), "float32") if state is None else ops.convert_to_tensor(state)
    weight = method.weight(now, seen)
    penalty = method.penalty(weight, now, seen)
    effective = ops.stop_gradient(method.effective(weight, now, seen))
    if state is not None:
        then = ops.stop_gradient(method.update(now, seen))
        state.assign(ops.where(ops.all(ops.isfinite(then)), then, now))
    if method.MOVES:
        kl_weight.assign(ops.where(ops.isfinite(effective), effective, seen.given))
    return penalty, effective
