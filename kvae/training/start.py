"""How a run starts: the Gaussian limit of its pictures, and the linear solution it sets out from."""

import hashlib
import json
import zipfile

import numpy as np

from kvae.files.atomic import atomic_path
from kvae.images.cache import cache_folder
from kvae.images.collection import Collection
from kvae.images.pca import PCA, fit_pca
from kvae.images.pipeline import AUGMENTATION, training_batches
from kvae.training.listener import Listener

VERSION = 1  # of what is kept in the cache; raise it when the same inputs give another PCA
MOST_PICTURES = 8192  # a PCA looks at no more; a random sample of this size has the same leading components
MOST_BYTES = 384 << 20  # of varied pictures in memory
COPIES = 12  # varied copies of each picture in a small collection


def collection_pca(collection: Collection, indices: np.ndarray, count: int, seed: int, listener: Listener) -> PCA:
    """The PCA of the pictures at `indices` as they are: what the Gaussian limit is computed from."""
    sample = indices
    if len(indices) > MOST_PICTURES:
        sample = np.sort(np.random.default_rng(seed).choice(indices, MOST_PICTURES, replace=False))
    return _cached(
        collection, sample, count, "plain", lambda: fit_pca(lambda: collection.blocks(sample), count), listener
    )


def augmented_pca(collection: Collection, indices: np.ndarray, count: int, seed: int, listener: Listener) -> PCA:
    """The PCA of varied copies of the pictures: the covariance of few pictures is mostly noise, and theirs is less so.

    Measured on 1,193 paintings at 64x64 with 128 latents: the linear VAE's held-out loss falls from 234.6 to 214.5 at
    weight 0.1, and from 343.8 to 327.7 at weight 1, before any training.
    """
    total = int(min(max(len(indices) * COPIES, 1), 2 * MOST_PICTURES, MOST_BYTES // int(np.prod(collection.shape))))
    total = max(total, min(len(indices), MOST_PICTURES))

    def measure() -> PCA:
        batch = min(64, len(indices))
        batches = training_batches(collection, indices, batch_size=batch, seed=seed, augment=True).as_numpy_iterator()
        pictures = np.empty((total, *collection.shape), np.uint8)
        filled = 0
        while filled < total:
            varied = next(batches)[: total - filled]
            pictures[filled : filled + len(varied)] = np.rint(varied * 255.0)
            filled += len(varied)
            listener.working(filled, total, "varying")
        return fit_pca(lambda: (pictures[start : start + 256] for start in range(0, total, 256)), count)

    return _cached(collection, indices, count, f"varied {total} {seed} {AUGMENTATION}", measure, listener)


def _cached(collection: Collection, indices: np.ndarray, count: int, kind: str, measure, listener: Listener) -> PCA:
    chosen = hashlib.sha256(collection.digests[indices].tobytes()).hexdigest()
    key = json.dumps([VERSION, collection.path.stem, collection.shape, chosen, count, kind])
    path = cache_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.pca.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            mean, eigenvalues, eigenvectors = (stored[name] for name in ("mean", "eigenvalues", "eigenvectors"))
            return PCA(mean, eigenvalues, eigenvectors, float(stored["total"]), int(stored["pictures"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # absent or damaged: measured anew
    listener.working(0, 1, "measuring the Gaussian limit")
    pca = measure()
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            mean=pca.mean,
            eigenvalues=pca.eigenvalues,
            eigenvectors=pca.eigenvectors,
            total=pca.total,
            pictures=pca.pictures,
        )
    return pca
