"""Pictures as numbers in [0, 1], as tensors and as arrays, and the one gate that every array of pictures passes."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

from kvae.images.values import WHITE, check_dtype, check_floats, white

UNCHECKED: ContextVar[bool] = ContextVar("kvae_unchecked", default=False)


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """Inside this block floats are taken as they are: for batches that are known to lie in [0, 1], or for mathematics
    on numbers that are no pictures."""
    token = UNCHECKED.set(True)
    try:
        yield
    finally:
        UNCHECKED.reset(token)


def pixels(images: Any) -> Any:
    """Images as float32 in [0, 1]: whole numbers are divided by the largest of their type, floats taken as they are."""
    name = keras.backend.standardize_dtype(images.dtype)
    check_dtype("VAE: images", name)
    return ops.cast(images, "float32") / WHITE.get(name, 1.0)


def is_array(images: Any) -> bool:
    """Whether `images` is one array or tensor with values, and not batches of such."""
    return hasattr(images, "shape") and hasattr(images, "dtype") and not isinstance(images, keras.KerasTensor)


def as_pictures(images: Any, shape: tuple[int, ...], owner: str = "VAE: images") -> np.ndarray:
    """An array of images of `shape`, (height, width, channels), as bytes in 0..255 or as floats in [0, 1]; a copy only
    where the values are neither.

    Raises:
        ValueError: images of another shape, or values that are no pixel values; one sentence.
    """
    images = ops.convert_to_numpy(images) if keras.ops.is_tensor(images) else np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != tuple(shape):
        raise ValueError(f"{owner} must have shape (count, {', '.join(map(str, shape))}). Received: {images.shape}.")
    check_dtype(owner, images.dtype)
    if images.dtype.name not in WHITE:
        if not UNCHECKED.get():
            check_floats(owner, images)
        return images
    if images.dtype == np.uint16:
        return images.astype("float32") / np.float32(WHITE["uint16"])
    if white(images.dtype, images.max(initial=0)) == 1.0 and images.any():
        return images.astype("uint8") * np.uint8(255)
    return images.astype("uint8", copy=False)


def check_first(batch: Any, shape: tuple[int, ...], owner: str) -> None:
    """Look at the first of many batches: an array of images, or a tuple that begins with one.

    Raises:
        ValueError: as `as_pictures`; also bytes that are all 0 or 1, which the next batch may not be; and targets that
            are other pictures.
    """
    images, *others = batch if isinstance(batch, (tuple, list)) and len(batch) else (batch,)
    if not is_array(images):
        raise ValueError(
            f"{owner} must give arrays of pictures, (count, {', '.join(map(str, shape))}), or tuples that begin with "
            f"one. Received: {type(images).__name__}."
        )
    images = ops.convert_to_numpy(images)
    as_pictures(images, shape, owner)
    if images.dtype == np.uint8 and images.max(initial=0) == 1:
        raise ValueError(
            f"{owner} begins with bytes that are all 0 or 1, and whether those of the next batch are is not known. "
            "Give bool for black and white, or multiply by 255."
        )
    if others and others[0] is not None:
        check_targets(others[0], images, owner)


def check_targets(targets: Any, images: Any, owner: str) -> None:
    """Refuse `targets` that are pictures, and others than `images`: nothing would look at them.

    Raises:
        ValueError: one sentence.
    """
    if targets is images or tuple(getattr(targets, "shape", ())) != tuple(images.shape):
        return
    if not np.array_equal(ops.convert_to_numpy(targets), ops.convert_to_numpy(images)):
        raise ValueError(
            f"{owner} has other pictures as its target, and a VAE gives back what it is given. Leave `y` out."
        )


def as_weights(weights: Any, count: int, owner: str) -> np.ndarray:
    """`sample_weight` of `count` pictures as float32 (count,).

    Raises:
        ValueError: not one number of at least 0 for each picture; one sentence.
    """
    found = np.asarray(ops.convert_to_numpy(weights), "float32")
    if found.shape not in ((count,), (count, 1)) or not np.isfinite(found).all() or found.min(initial=0) < 0:
        raise ValueError(
            f"{owner}: `sample_weight` must be one finite number of at least 0 for each of the {count} pictures. "
            f"Received: shape {found.shape}, {found.min(initial=0):g} to {found.max(initial=0):g}."
        )
    return found.reshape(count)


def as_float(images: Any, shape: tuple[int, ...], owner: str = "VAE: images") -> np.ndarray:
    """`as_pictures` as float32 in [0, 1]."""
    images = as_pictures(images, shape, owner)
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
