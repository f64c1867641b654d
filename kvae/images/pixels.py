"""Pictures as numbers in [0, 1], as tensors and as arrays."""

from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any


def pixels(images: Tensor) -> Tensor:
    """Images as float32 in [0, 1]; bytes are divided by 255."""
    scale = 255.0 if keras.backend.standardize_dtype(images.dtype) == "uint8" else 1.0
    return ops.cast(images, "float32") / scale


def as_float(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The same for an array of images of `shape`, (height, width, channels).

    Raises:
        ValueError: images of another shape.
    """
    images = np.asarray(images)
    if images.shape[1:] != tuple(shape):
        raise ValueError(
            f"VAE: images must have shape (count, {', '.join(map(str, shape))}). Received: {images.shape}."
        )
    return images.astype("float32") / (255.0 if images.dtype == np.uint8 else 1.0)


def in_batches(values: np.ndarray, rows: int = 64) -> list[np.ndarray]:
    """`values` in parts of at most `rows` rows."""
    return [values[start : start + rows] for start in range(0, len(values), rows)]


def gathered(images: Any, most: int, shape: tuple[int, ...]) -> np.ndarray:
    """At most `most` pictures of an array (count, height, width, channels), or of batches of such, as one array."""
    if len(getattr(images, "shape", ())) == 4:
        return ops.convert_to_numpy(images)[:most]
    batches = (batch[0] if isinstance(batch, (tuple, list)) else batch for batch in images)
    rows: list[np.ndarray] = []
    while sum(map(len, rows)) < most and (batch := next(batches, None)) is not None:
        rows.append(ops.convert_to_numpy(batch))
    return np.concatenate(rows)[:most] if rows else np.empty((0, *shape), "float32")
