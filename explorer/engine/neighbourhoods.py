"""A map on which similar pictures lie side by side: t-SNE of the latents by likeness, with a fixed seed, kept in a
file.

By openTSNE, whose neighbours are exact and whose field is interpolated (FIt-SNE, Linderman et al., 2019,
arXiv:1712.09005): 10,000 pictures take seconds, and the layout can be looked at while it settles.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

SEED = 20
VERSION = 1  # raise it when the same latents would be laid out in another way
PERPLEXITY = 30.0  # neighbours of a picture that count
DIMENSIONS = 50  # of the principal components that are compared
EARLY, LATER = 100, 250  # steps, first with everything drawn together
EACH = 25  # steps between two looks
_EXAGGERATION = 12.0
_MANY = 2500  # pictures, from which on a field is quicker than a tree
_MOST = 1_000_000
SUFFIX = ".map"


def laid_out(latents: np.ndarray, go_on: Callable[[], None]) -> Iterator[tuple[int, int, np.ndarray]]:
    """Steps done, steps in all and places (n, 2) of `latents` (n, latent), again and again until they have settled.

    Likeness is the cosine of the angle at the mean of all, as the map's neighbours have it. `go_on` may raise.
    """
    points = _directions(latents)
    total = EARLY + LATER
    if len(points) < 5 or not np.any(points):
        yield total, total, _flat(points)
        return
    from openTSNE import TSNEEmbedding, affinity

    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    near = affinity.PerplexityBasedNN(points, perplexity=perplexity, method="exact", n_jobs=1, random_state=SEED)
    go_on()
    method = "fft" if len(points) > _MANY else "bh"
    found = TSNEEmbedding(_start(points), near, negative_gradient_method=method, n_jobs=1, random_state=SEED)
    for done in range(EACH, total + 1, EACH):
        early = done <= EARLY
        exaggeration, momentum = (_EXAGGERATION, 0.5) if early else (1.0, 0.8)
        found = found.optimize(EACH, exaggeration=exaggeration, momentum=momentum)
        go_on()
        yield done, total, np.asarray(found, np.float32)


def _directions(latents: np.ndarray) -> np.ndarray:
    """The principal components of the latents, each picture at length 1, float64 (n, at most `DIMENSIONS`)."""
    centred = latents.astype(np.float64) - latents.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    points = centred @ vectors[:, np.argsort(-values)[:DIMENSIONS]]
    lengths = np.sqrt(np.einsum("ij,ij->i", points, points))
    return points / np.maximum(lengths, 1e-12)[:, None]


def _start(points: np.ndarray) -> np.ndarray:
    """The first two components, so small that the neighbours pull freely, and no two pictures at one place."""
    flat = _flat(points).astype(np.float64)
    flat *= 1e-4 / max(float(flat[:, 0].std()), 1e-12)
    return flat + np.random.default_rng(SEED).normal(scale=1e-6, size=flat.shape)


def _flat(points: np.ndarray) -> np.ndarray:
    flat = np.zeros((len(points), 2), np.float32)
    flat[:, : min(2, points.shape[1])] = points[:, :2]
    return flat


# ---------------------------------------------------------------------- kept beside the model


def kept(places: list[Path], key: str, count: int) -> np.ndarray | None:
    """The layout of `count` pictures that was kept under `key` in the first of these files; None without one that
    can be."""
    from kvae.files.npy import read_sequence
    from kvae.files.refusal import Refused

    for path in places:
        try:
            said, found = read_sequence(path, most_bytes=16 * _MOST)
            fits = found.shape == (count, 2) and found.dtype == np.float32 and np.isfinite(found).all()
            if fits and str(said) == _said(key, found):
                return found
        except (OSError, ValueError, Refused):
            continue
    return None


def keep(places: list[Path], key: str, layout: np.ndarray) -> None:
    """Keep a layout, with a checksum and for its owner alone, in the first of these files that can be written; in none
    where the disk says no."""
    from kvae.files.atomic import atomic_path
    from kvae.files.refusal import Refused

    layout = np.asarray(layout, np.float32)
    for path in places:
        with contextlib.suppress(OSError, Refused):
            if os.path.lexists(path) and not _is_ours(path):
                continue
            with atomic_path(path, private=True) as temporary, open(temporary, "wb") as file:
                for part in (np.array(_said(key, layout)), layout):
                    np.save(file, part, allow_pickle=False)
            return


def _said(key: str, layout: np.ndarray) -> str:
    digest = hashlib.sha256(layout.tobytes()).hexdigest()
    return json.dumps({"kvae_map": VERSION, "of": key, "sha256": digest})


def _is_ours(path: Path) -> bool:
    from kvae.files.archive import open_regular

    with open_regular(path) as file:
        return b"k\0\0\0v\0\0\0a\0\0\0e\0\0\0_\0\0\0m\0\0\0a\0\0\0p" in file.read(4096)  # as NumPy writes text
