"""How a VAE is compiled: its optimizer, XLA, and what of both is saved."""

from typing import Any

import keras


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
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        config["config"]["inner_optimizer"] = optimizer_config(optimizer.inner_optimizer)
    return config
