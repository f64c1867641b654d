"""Pictures side by side, pixel for pixel: nothing here interpolates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def as_rgb(images: np.ndarray) -> np.ndarray:
    """uint8 pictures (n, h, w), (n, h, w, 1) or (n, h, w, 3) as (n, h, w, 3)."""
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise TypeError(f"as_rgb: `images` must be uint8; scale to 0..255 and cast first. Received: {images.dtype}.")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            "as_rgb: `images` must have shape (n, h, w), (n, h, w, 1) or (n, h, w, 3). "
            f"Received: shape {np.shape(images)}; drop the alpha channel or add the batch axis."
        )
    return np.broadcast_to(images, (*images.shape[:3], 3)) if images.shape[-1] == 1 else images


def magnify(images: np.ndarray, factor: int) -> np.ndarray:
    """Every pixel of (n, h, w, c) as a `factor` × `factor` block."""
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


def shrink(images: np.ndarray, factor: int) -> np.ndarray:
    """Every `factor` × `factor` block of (n, h, w, c) as its mean; a last incomplete block is dropped."""
    if factor <= 1:
        return images
    n, h, w, c = images.shape
    h, w = h // factor, w // factor
    blocks = images[:, : h * factor, : w * factor].reshape(n, h, factor, w, factor, c)
    return np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8)


def prepared(images: np.ndarray, longest: int = 512) -> np.ndarray:
    """Pictures as they are drawn, (n, h, w, c): averaged by a whole factor where a side is over `longest` pixels."""
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    return shrink(images, -(-max(images.shape[1:3]) // longest))


def evenly(images: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of a sequence, as evenly as its steps allow; the first and the last are among them."""
    if len(images) <= count:
        return images
    return images[np.rint(np.linspace(0, len(images) - 1, count)).astype(int)]


def few(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of `items`, chosen as `evenly` does."""
    places = np.rint(np.linspace(0, len(items) - 1, count)).astype(int) if len(items) > count else range(len(items))
    return [items[int(place)] for place in places]


def tile(
    images: np.ndarray, columns: int, gap: int = 2, background: int | Sequence[int] = 255, *, rows: int | None = None
) -> np.ndarray:
    """Pictures (n, h, w, c), c 1 or 3, as one uint8 picture (H, W, 3), row by row.

    `gap` is in pixels, between pictures only (no outer border). `background` is a grey level or an RGB triple.
    Where there are fewer pictures than columns the result is narrower, not padded. `rows` cuts off what follows.
    """
    if columns < 1 or gap < 0:
        raise ValueError(f"tile: `columns` must be ≥ 1 and `gap` ≥ 0. Received: columns={columns!r}, gap={gap!r}.")
    pictures = as_rgb(images)
    if rows is not None:
        pictures = pictures[: rows * columns]
    n, h, w, _ = pictures.shape
    if n == 0:
        raise ValueError("tile: there must be at least one picture. Received: shape " + str(np.shape(images)) + ".")
    columns = min(columns, n)
    lines = -(-n // columns)
    sheet = np.empty((lines * (h + gap) - gap, columns * (w + gap) - gap, 3), np.uint8)
    sheet[:] = np.asarray(background, np.uint8)
    for index, picture in enumerate(pictures):
        y, x = (index // columns) * (h + gap), (index % columns) * (w + gap)
        sheet[y : y + h, x : x + w] = picture
    return sheet


def thumbnail(image: np.ndarray, longest: int = 128) -> np.ndarray:
    """One picture (h, w) or (h, w, c) as RGB, whole-number averaged so that no side is over `longest` pixels."""
    picture = as_rgb(np.asarray(image)[None])
    return shrink(picture, -(-max(picture.shape[1:3]) // longest))[0]


@dataclass(frozen=True)
class Fit:
    """A row of pictures: how many, their whole magnification, the gap and the width of it all, in device pixels."""

    columns: int
    factor: int
    gap: int
    width: int


def fit(count: int, picture_width: int, width: int, gap: int, *, columns: int | None = None) -> Fit:
    """Between 8 and 12 columns (fewer if there are fewer pictures), so that a row comes closest to `width`.

    Where there are fewer than 8 pictures, `Fit.width` is still that of 8: a lone picture must not fill the sheet.
    """

    def at(number: int) -> Fit:
        factor = max(1, (width - (number - 1) * gap) // (number * picture_width))
        return Fit(min(number, count), factor, gap, number * (picture_width * factor + gap) - gap)

    if columns is not None:
        return at(max(1, columns))
    return min((at(number) for number in range(8, max(8, min(12, count)) + 1)), key=lambda choice: -choice.width)
