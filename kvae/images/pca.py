"""Principal components of pictures, in memory that does not grow with their number.

Reference: Halko, Martinsson & Tropp, 2011, "Finding structure with randomness", arXiv:0909.4061 (subspace iteration).
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

OVERSAMPLING = 16  # directions beyond those asked for, so that the last ones asked for are right too


@dataclass(frozen=True)
class PCA:
    """Mean (values,), eigenvalues (count,) descending, eigenvectors (values, count) of pictures flattened to values.

    `total` is the sum of all eigenvalues, also of those not in `eigenvalues`: the mean squared distance of a picture
    from the mean picture. `pictures` is how many were seen. Pixels lie in [0, 1].
    """

    mean: np.ndarray
    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    total: float
    pictures: int


def fit_pca(blocks: Callable[[], Iterable[np.ndarray]], count: int, *, passes: int = 3) -> PCA:
    """The `count` leading principal components of pictures that come in blocks.

    `blocks()` starts another pass over the same blocks, arrays (n, height, width, channels), uint8 or float in [0, 1].
    One pass finds the mean, `passes` more turn a random subspace towards the leading one, the last measures it: memory
    is that of count + 16 pictures and one block.

    Raises:
        ValueError: no pictures, or pictures that hold NaN or infinity.
    """
    mean, power, pictures = _moments(blocks)
    values = mean.size
    count = min(count, values, max(pictures - 1, 1))
    width = min(count + OVERSAMPLING, values, pictures)
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((values, width), dtype="float32"))[0]
    for _ in range(passes):
        image = np.zeros_like(basis)
        for centred in _centred(blocks, mean):
            image += centred.T @ (centred @ basis)
        basis = np.linalg.qr(image)[0]
    gram = np.zeros((width, width))
    for centred in _centred(blocks, mean):
        scores = centred @ basis
        gram += scores.T @ scores
    eigenvalues, rotation = np.linalg.eigh(gram / pictures)
    order = np.argsort(eigenvalues)[::-1][:count]
    return PCA(
        mean.reshape(-1),
        np.maximum(eigenvalues[order], 0.0),
        (basis @ rotation[:, order].astype("float32")),
        max(power / pictures - float(np.sum(np.square(mean, dtype="float64"))), 0.0),
        pictures,
    )


def _moments(blocks: Callable[[], Iterable[np.ndarray]]) -> tuple:
    total, power, pictures = np.zeros(()), 0.0, 0
    for block in blocks():
        flat = as_values(block)
        total = total + flat.sum(axis=0, dtype="float64")
        power += float(np.einsum("ij,ij->", flat, flat, dtype="float64"))
        pictures += len(flat)
    if pictures == 0:
        raise ValueError("fit_pca: there are no pictures to measure. Bring at least one.")
    if not math.isfinite(power):
        raise ValueError("fit_pca: the pictures hold NaN or infinity. Bring finite pixel values in [0, 1].")
    return (total / pictures).astype("float32"), power, pictures


def _centred(blocks: Callable[[], Iterable[np.ndarray]], mean: np.ndarray) -> Iterable[np.ndarray]:
    for block in blocks():
        yield as_values(block) - mean


def as_values(images: np.ndarray) -> np.ndarray:
    """Images (n, height, width, channels), uint8 or float in [0, 1], as float32 rows (n, values) in [0, 1]."""
    flat = np.asarray(images).reshape(len(images), -1)
    return flat.astype("float32") / np.float32(255.0) if flat.dtype == np.uint8 else flat.astype("float32", copy=False)
