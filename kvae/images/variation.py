"""Variants of pictures for training: mirrored, cropped and gently recoloured, each picture on its own.

What is done to a picture is drawn and worked out here, by NumPy, a pure function of (seed, step): the same on every
backend. Whoever carries it out, `varied` here or TensorFlow in the pipeline, multiplies by the same few matrices.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LARGEST_RATIO = 4 / 3  # width to height of a crop, at most, before it is stretched back to a square: mild
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # weights of R, G, B in grey (ITU-R BT.601)
STREAM = 1  # of random numbers, beside that of the order, which is drawn from (seed, epoch)


@dataclass(frozen=True)
class Augmentation:
    """How strongly pictures are varied. All strengths at their least (False, 1, 0) leave pictures as they are.

    flip: whether half of them are mirrored left to right.
    min_area: the smallest part of a picture that a crop shows, as a fraction of its area, up to 1.
    whole: the share of pictures that are not cropped: a crop is enlarged, and has less detail than a picture.
    colour: the largest change of brightness (in pixel values), contrast and saturation (as factors); hue stays.
    """

    flip: bool = True
    min_area: float = 0.5
    whole: float = 1 / 3
    colour: float = 0.06

    def __post_init__(self) -> None:
        # Crops are not antialiased, which is right down to about half the width, and no further.
        if not 0.25 <= self.min_area <= 1:
            raise ValueError(f"Augmentation: `min_area` must be from 0.25 to 1. Received: min_area={self.min_area!r}.")
        if not 0 <= self.whole <= 1:
            raise ValueError(f"Augmentation: `whole` must be from 0 to 1. Received: whole={self.whole!r}.")
        if not 0 <= self.colour <= 0.5:
            raise ValueError(f"Augmentation: `colour` must be from 0 to 0.5. Received: colour={self.colour!r}.")


AUGMENTATION = Augmentation()  # what `augment=True` means


class Variants(NamedTuple):
    """What is done to each picture of a batch, float32.

    `rows` (batch, height, height) and `columns` (batch, width, width) enlarge a part of it, and mirror it where it is
    to be: Y·x·Xᵀ. Its pixels are then multiplied by `colours` (batch, channels, channels), which brings 0..255 to 0..1,
    and shifted by `brightness` (batch,) less `contrast` (batch,) times their mean.
    """

    rows: np.ndarray
    columns: np.ndarray
    colours: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray


def drawn(strengths: Augmentation, count: int, shape: tuple[int, int, int], *, seed: int, step: int) -> Variants:
    """What step `step` does to its `count` pictures of `shape`, (height, width, channels)."""
    draws = np.random.default_rng([seed, step, STREAM]).random((count, 9), np.float32)
    area = strengths.min_area + np.float32(1.0 - strengths.min_area) * draws[:, 0]
    area = np.where(draws[:, 5] < strengths.whole, np.float32(1.0), area)
    # The ratio is bounded by what fits: neither side of a crop may exceed the picture's.
    largest = np.minimum(np.float32(np.log(LARGEST_RATIO)), -np.log(area))
    half_ratio = np.exp(0.5 * (2.0 * draws[:, 1] - 1.0) * largest)  # square root of width / height
    height, width = np.sqrt(area) / half_ratio, np.sqrt(area) * half_ratio
    rows = _resampling((1.0 - height) * draws[:, 2], height, shape[0])
    columns = _resampling((1.0 - width) * draws[:, 3], width, shape[1])
    if strengths.flip:
        mirrored = draws[:, 4] < 0.5
        columns[mirrored] = columns[mirrored, ::-1]
    brightness, contrast, saturation = ((2.0 * draws[:, 6:] - 1.0) * np.float32(strengths.colour)).T
    return Variants(rows, columns, _colours(contrast, saturation, shape[2]), brightness, contrast)


def _resampling(start: np.ndarray, share: np.ndarray, size: int) -> np.ndarray:
    """Matrices (batch, size, size) that enlarge the part of `size` pixels that begins at `start` and is `share` of
    them, both (batch,), with the kernel of Keys, 1981, "Cubic convolution interpolation", which keeps detail that
    straight lines between pixels would blur away, and with it what small KL weights are about."""
    places = np.arange(size, dtype=np.float32)
    wanted = start[:, None] * size + (places + 0.5) * share[:, None] - 0.5
    far = np.abs(wanted[:, :, None] - places)
    near, beyond = (1.5 * far - 2.5) * far * far + 1.0, ((2.5 - 0.5 * far) * far - 4.0) * far + 2.0
    weights = np.where(far < 1.0, near, np.where(far < 2.0, beyond, np.float32(0.0)))
    return weights / weights.sum(axis=2, keepdims=True)


def _colours(contrast: np.ndarray, saturation: np.ndarray, channels: int) -> np.ndarray:
    """Matrices (batch, channels, channels) for contrast and saturation, both (batch,).

    Saturation is x + s (x - grey), which keeps grey and hue; contrast is taken around the picture's own mean. One
    matrix and one shift per picture are twice as fast as the steps.
    """
    matrix = np.eye(channels, dtype=np.float32)
    if channels == 3:
        matrix = matrix + saturation[:, None, None] * (matrix - LUMA[:, None])
    return matrix * (1.0 + contrast[:, None, None]) / np.float32(255.0)


def varied(pictures: np.ndarray, variants: Variants) -> np.ndarray:
    """`pictures`, uint8 (batch, height, width, channels), as float32 in [0, 1], each changed as `variants` say."""
    rows, columns, colours, brightness, contrast = variants
    shape = pictures.shape
    values = rows @ pictures.reshape(*shape[:2], -1).astype(np.float32)  # (batch, height, width * channels)
    values = columns[:, None] @ values.reshape(shape)
    pixels = np.clip(values, 0.0, 255.0, out=values).reshape(len(pictures), -1, shape[-1])
    shift = brightness - contrast * pixels.mean(axis=(1, 2)) / 255.0
    found = pixels @ colours + shift[:, None, None]
    return np.clip(found, 0.0, 1.0, out=found).reshape(shape)
