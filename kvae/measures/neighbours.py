"""Whether samples are copies: how far each is from the nearest training picture.

Distances are root mean squares of the differences of pixel values, 0 to 1. A sample counts as a copy where its nearest
training picture is less than a third as far away as the second nearest. Held-out pictures measured in the same way say
what is usual: samples that are much nearer were remembered, or are so blurred that they are near everything.
Reference: Yoon et al., 2023, "Diffusion probabilistic models generalize when they fail to memorize", for the third.
"""

from collections.abc import Iterable

import numpy as np

from kvae.images.pca import as_values

COPY = 1.0 / 3.0


def nearest_two(pictures: np.ndarray, others: Iterable[np.ndarray]) -> np.ndarray:
    """Distances (count, 2) of each of `pictures` to the nearest two of the pictures in the blocks `others`.

    All are uint8 or floats in [0, 1]. Where there is one other picture only, the second is infinitely far.
    """
    rows = as_values(pictures)
    squares = np.einsum("ij,ij->i", rows, rows, dtype="float64")
    found = np.full((len(rows), 2), np.inf)
    for block in others:
        seen = as_values(block)
        lengths = np.einsum("ij,ij->i", seen, seen, dtype="float64")
        rough = squares[:, None] + lengths - 2.0 * (rows @ seen.T)
        near = np.argsort(rough, axis=1)[:, :2]
        exact = np.stack([np.sum(np.square(rows - seen[place], dtype="float64"), axis=1) for place in near.T], axis=1)
        found = np.sort(np.concatenate([found, exact], axis=1), axis=1)[:, :2]
    return np.sqrt(found / rows.shape[1])


def copied(distances: np.ndarray) -> float:
    """The share of pictures that are copies, from their distances (count, 2) to the nearest two others."""
    return float(np.mean(distances[:, 0] < COPY * distances[:, 1]))
