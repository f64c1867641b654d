"""What differs between Keras's backends around `fit`: gradients, compiled functions, conditional updates.

Runs train on TensorFlow and on JAX; all else in kvae speaks `keras.ops`. JAX knows no variables that change: a function
is given their values through a `StatelessScope`, and inside an epoch the model's own are away until `attach` is called.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

BACKEND = keras.backend.backend()
TRAINS = ("tensorflow", "jax")  # the backends that runs are for

if BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "jax":
    import jax


def check_backend(owner: str) -> None:
    """Raise ValueError on a backend that runs are not for."""
    if BACKEND not in TRAINS:
        raise ValueError(
            f"{owner}: runs are for Keras's backends {' and '.join(TRAINS)}. Received: {BACKEND}. Set KERAS_BACKEND to "
            "one of these, or call `fit` of a kvae.VAE, which learns on every backend."
        )


def gradients(
    function: Callable[..., tuple[Any, ...]], model: keras.Model, variables: Sequence[keras.Variable]
) -> Callable[..., tuple[list[Any], ...]]:
    """A function of the same tensors as `function`, which makes scalars of them and of the variables of `model`: the
    gradients of each of these by each of `variables`; zeros where one is not reached."""
    check_backend("gradients")
    if BACKEND == "tensorflow":
        # without a graph: tracing one would cost more than all that a short run asks of it

        def by_tape(*given: Any) -> tuple[list[Any], ...]:
            values = [one.value for one in variables]
            with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
                tape.watch(values)
                results = function(*given)
            return tuple(tape.gradient(one, values, unconnected_gradients="zero") for one in results)

        return by_tape

    def by_vjp(chosen: Sequence[Any], others: Sequence[Any], *given: Any) -> tuple[list[Any], ...]:
        results, pull = jax.vjp(lambda now: _with_values(model, others, function, given, variables, now), chosen)
        zeros = [ops.zeros_like(one) for one in results]
        return tuple(
            pull((*zeros[:place], ops.ones_like(one), *zeros[place + 1 :]))[0] for place, one in enumerate(results)
        )

    traced = jax.jit(by_vjp)
    return lambda *given: traced(_values(variables), _values(model.variables), *given)


def compiled(function: Callable, model: keras.Model, *inputs: tuple[tuple[int | None, ...], str]) -> Callable:
    """`function` of tensors, traced for `inputs`, a shape and a type of each; it reads the variables of `model` as they
    are at each call, and changes none."""
    if BACKEND == "tensorflow":
        return tf.function(function, input_signature=[tf.TensorSpec(*one) for one in inputs])
    if BACKEND != "jax":
        return function
    traced = jax.jit(lambda values, *given: _with_values(model, values, function, given))
    return lambda *given: traced(_values(model.variables), *given)


def _values(variables: Sequence[keras.Variable]) -> list[Any]:
    """On JAX, of variables that are everywhere in a cluster what is here: the others take no part."""
    values = [one.value for one in variables]
    return [one if one.is_fully_addressable else one.addressable_data(0) for one in values]


def _with_values(
    model: keras.Model,
    values: Sequence[Any],
    function: Callable,
    given: Sequence[Any],
    variables: Sequence[keras.Variable] = (),
    now: Sequence[Any] = (),
) -> Any:
    """`function(*given)` with `values` in the variables of `model`, and over them `now` in `variables`."""
    pairs = [*zip(model.variables, values, strict=True), *zip(variables, now, strict=True)]
    with keras.StatelessScope(pairs, collect_losses=True):
        return function(*given)


def all_finite(tensors: Sequence[Any]) -> Any:
    """Whether every number of `tensors` is finite, and its square too: a boolean scalar."""
    if BACKEND == "tensorflow":
        return tf.math.is_finite(tf.add_n([tf.nn.l2_loss(tf.cast(one, tf.float32)) for one in tensors]))
    return ops.isfinite(sum(ops.sum(ops.square(ops.cast(one, "float32"))) for one in tensors))


def update_if(wanted: Any, update: Callable[[], None], variables: Sequence[Any]) -> None:
    """Call `update`, which changes `variables`, where the boolean `wanted` is true; else they stay as they are."""
    if BACKEND == "tensorflow":

        def updated() -> Any:
            update()
            return wanted

        tf.cond(wanted, updated, lambda: wanted)
        return
    before = [ops.convert_to_tensor(one) for one in variables]
    update()
    for variable, value in zip(variables, before, strict=True):
        variable.assign(ops.where(wanted, ops.convert_to_tensor(variable), value))


def repeated(batch: tuple[np.ndarray, ...], times: int) -> Any:
    """`batch`, (x,) or (x, y), so many times, as `fit` takes it: steps of one epoch, each of which costs Python little,
    and x alone reaches a `train_step` of somebody's own as `fit(x)` would bring it."""
    if BACKEND == "tensorflow":
        return tf.data.Dataset.from_tensors(batch if len(batch) > 1 else batch[0]).repeat(times)
    return (one for one in itertools.repeat(batch, times))  # of iterators, Keras takes generators alone


def attach(model: keras.Model) -> None:
    """Give `model` its variables back in the middle of an epoch, to be read and assigned to."""
    if BACKEND == "jax":
        model.jax_state_sync()
