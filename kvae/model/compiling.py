"""How a VAE is compiled: its optimizer, XLA, and what of both is saved."""

from collections.abc import Callable
from typing import Any

import keras

from kvae.saving.card import Optimizer, Schedule
from kvae.settings import SETTINGS

PRECISIONS = tuple(name for name in SETTINGS["precision"].choices if name != "auto")


def fitting_precision(dtype: Any) -> str:
    """The name of the policy `dtype`, or of Keras's present one where it is None.

    Raises:
        ValueError: a policy that a VAE does not learn with.
    """
    given = keras.config.dtype_policy() if dtype is None else dtype
    try:
        name = keras.dtype_policies.get(given).name
    except (ValueError, TypeError, AttributeError):
        name = ""
    if name not in PRECISIONS:
        raise ValueError(
            f"VAE: `dtype` must be one of {', '.join(PRECISIONS)}; weights, heads and losses are float32 in each of "
            f"them. Received: dtype={getattr(given, 'name', given)!r}."
        )
    return name


def fitting_optimizer(optimizer: Any, precision: str) -> Any:
    """`optimizer`, or Adam; with a loss scale where the networks compute in float16."""
    optimizer = keras.optimizers.get(keras.optimizers.Adam(1e-3) if optimizer is None else optimizer)
    if precision == "mixed_float16" and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def fitting_jit(jit_compile: bool | str) -> bool | str:
    """Whether to compile with XLA: on TensorFlow without a GPU it halves the speed of the convolutions."""
    if jit_compile == "auto" and keras.backend.backend() == "tensorflow":
        return bool(keras.distribution.list_devices("gpu"))
    return jit_compile


def optimizer_config(optimizer: Any) -> dict[str, Any]:
    """What is saved of `optimizer`. The faster Adam of the training room is saved as plain Adam: its state is the same,
    and every kvae opens the file."""
    if isinstance(optimizer, keras.optimizers.Adam) and type(optimizer).__module__.startswith("kvae."):
        optimizer = keras.optimizers.Adam.from_config(optimizer.get_config())
    config = keras.optimizers.serialize(optimizer)
    if config["module"].startswith("keras.src.backend."):
        # PyTorch has optimizers of its own that stand for those of Keras; a file is for every backend
        config.update(module="keras.optimizers", registered_name=None)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        config["config"]["inner_optimizer"] = optimizer_config(optimizer.inner_optimizer)
    return config


def optimizer_maker(optimizer: Optimizer | None) -> Callable[[], Any] | None:
    """A function that makes the optimizer that a file describes, or None where there is none."""
    if optimizer is None:
        return None

    def made() -> Any:
        settings = dict(optimizer.adam)
        rate = settings["learning_rate"]
        if isinstance(rate, Schedule):
            settings["learning_rate"] = getattr(keras.optimizers.schedules, rate.kind)(**rate.settings)
        adam = keras.optimizers.Adam(**settings)
        return adam if optimizer.scaling is None else keras.optimizers.LossScaleOptimizer(adam, **optimizer.scaling)

    return made
