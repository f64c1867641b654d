"""What the numbers of pictures mean: one rule for arrays in files, in memory and in batches, without Keras."""

from typing import Any

import numpy as np

WHITE = {"uint8": 255.0, "uint16": 65535.0, "bool": 1.0}  # the value of white in whole numbers
ROUNDING = 1e-3  # floats may leave [0, 1] by so much


def check_dtype(owner: str, dtype: Any) -> None:
    """Refuse numbers that have no white: signed and wide whole numbers, complex ones, text.

    Raises:
        ValueError: one sentence that begins with `owner`.
    """
    name = str(getattr(dtype, "name", dtype))
    if name not in WHITE and not name.startswith(("float", "bfloat")):
        raise ValueError(
            f"{owner} must be uint8, uint16, bool, or floats in [0, 1]; use .astype('uint8'). Received: {name}."
        )


def white(dtype: np.dtype, largest: float) -> float:
    """The value of white in an array of this type whose largest value is `largest`; of floats it is 1.

    Bytes that are all 0 or 1, as those of dSprites, are black and white.
    """
    if dtype == np.uint8 and largest <= 1:
        return 1.0
    return WHITE.get(dtype.name, 1.0)


def check_floats(owner: str, values: np.ndarray) -> None:
    """Refuse floats that are no pixel values.

    Raises:
        ValueError: NaN, infinity, or values outside [0, 1] by more than rounding; one sentence that begins with
            `owner`.
    """
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if not np.isfinite([low, high]).all():  # the extremes of what holds NaN are NaN
        raise ValueError(f"{owner} holds NaN or infinite values. Remove those pictures, or use numpy.nan_to_num.")
    if low < -ROUNDING or high > 1.0 + ROUNDING:
        raise ValueError(
            f"{owner} must hold floats in [0, 1]; rescale it, as with {_cure(low, high)}. "
            f"Received: {low:.4g} to {high:.4g}."
        )


def _cure(low: float, high: float) -> str:
    if low >= -ROUNDING:
        return (
            "x.clip(0, 1)"
            if high <= 1.5
            else "x / 255"
            if high <= 256
            else "x / 65535"
            if high <= 65536
            else "x / x.max()"
        )
    return "(x + 1) / 2" if low >= -1.0 - ROUNDING and high <= 1.0 + ROUNDING else "(x - x.min()) / (x.max() - x.min())"
