"""What a model with two latents, or several, leave beside their figures: posteriors over the decoded plane."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kvae.figures.latents import Plane, draw_latents, grid_points, reach_of
from kvae.files.atomic import free_path
from kvae.files.refusal import line
from kvae.measures.plane import MOST_POSTERIORS, posteriors
from kvae.model.vae import VAE
from kvae.training.prepared import Prepared

GRID = 14  # decoded pictures along each axis


def draw_planes(
    beside: Path, models: Sequence[tuple[VAE, Sequence[float]]], prepared: Prepared, earlier: Path | None = None
) -> Path | None:
    """Draw each of `models` at its weights as one page, and its PNG, named after the file `beside`; the page's path.

    A page that was drawn `earlier` is replaced, and nothing else.

    None where there is no plane to draw. Left out are autoencoders, which have no posteriors, models with other than
    two latents, and those whose posteriors are not finite. A model stands afterwards where it did.
    """
    places = [
        (model, weight)
        for model, weights in models
        for weight in weights
        if model.latent_dim == 2 and not model.autoencoder
    ]
    if not places:
        return None
    rows = prepared.training
    rows = rows[np.linspace(0, len(rows) - 1, min(MOST_POSTERIORS, len(rows))).round().astype(int)]
    collection = prepared.collection
    pictures = collection.read(rows)
    found = [(model, weight, *_seen(model, weight, pictures)) for model, weight in places]
    found = [one for one in found if np.isfinite(one[2]).all() and np.isfinite(one[3]).all()]
    if not found:
        return None
    reach = reach_of([means for _, _, means, _ in found])
    planes = [
        Plane(weight, means, covariances, _decoded(model, weight, reach)) for model, weight, means, covariances in found
    ]
    manners = collection.factors.get("manner")
    page = earlier or free_path(beside.with_name(f"{beside.stem}-latents.html"), ".png")
    draw_latents(
        page.with_suffix(".png"),
        page,
        planes,
        labels=[line(collection.folders[row]) if manners is None else str(manners[row]) for row in rows],
        collection_summary=f"{collection.name}: {len(rows):,} of the {len(prepared.training):,} training pictures, "
        f"coloured by {'folder' if manners is None else 'manner'}.",
    )
    return page


@contextmanager
def _standing(model: VAE, weight: float) -> Iterator[None]:
    """A model of a range at `weight`; any other stays where it was trained."""
    stood, span = model.beta, model.weight_range
    try:
        if span is not None:
            model.kl_weight = span.clamped(weight)
        yield
    finally:
        if span is not None:
            model.kl_weight = stood


def _seen(model: VAE, weight: float, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with _standing(model, weight):
        return posteriors(model, pictures)


def _decoded(model: VAE, weight: float, reach: float) -> np.ndarray:
    with _standing(model, weight):
        decoded = model.decode(grid_points(reach, GRID).astype("float32"))
    return np.rint(255.0 * decoded).astype(np.uint8)
