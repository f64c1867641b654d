"""Model files measured on the pictures of a source: what `kvae-measure` calls."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kvae.images.collection import Collection, open_collection
from kvae.measures.results import Measures
from kvae.model.vae import VAE
from kvae.saving.reader import load
from kvae.settings import check
from kvae.training.listener import Listener
from kvae.training.measuring import FEWEST, measure


def measure_files(
    models: Sequence[str | os.PathLike[str]],
    data: str | os.PathLike[str],
    *,
    kl_weights: Sequence[float] | None = None,
    count: int = 200,
    seed: int = 0,
    listener: Listener | None = None,
) -> list[Measures]:
    """Measure the models in the files `models` on at most `count` pictures of `data`, the same for all: those held out
    from the training of every model that was trained on these. `kl_weights` are for models of a range.

    Raises:
        ValueError, OSError: a model that cannot be opened, or pictures that cannot; one sentence.
    """
    listener = listener or Listener()
    opened = [(Path(path).stem, load(path)) for path in models]
    if kl_weights is not None and all(model.weight_range is None for _, model in opened):
        raise ValueError("measure: no model here has a range of weights. Leave --kl-weight out.")
    views = []
    for name, model in opened:
        collection = open_collection(
            data, size=_side(name, model), crop=_setting(model, "crop", "square"), progress=listener.on_progress
        )
        if collection.shape != tuple(model.image_shape):
            raise ValueError(
                f"{name}: its pictures are {_size(model.image_shape)}, and those of --data are "
                f"{_size(collection.shape)}. Choose pictures like those it was trained on."
            )
        views.append((name, model, collection, *_sides(model, collection)))
    found = []
    shared = _shared([(collection, held) for _, _, collection, _, held in views])
    for name, model, collection, training, held in views:
        held = held if shared is None else shared
        if len(training) and len(held) < FEWEST:
            raise ValueError(
                f"{name}: only {len(held)} of these {len(collection)} pictures was held out from its training, and "
                f"{FEWEST} are needed. Measure it on pictures that it never saw."
            )
        places = held[np.linspace(0, len(held) - 1, min(count, len(held))).astype(int)]
        listener.on_message(f"{name}: {len(places)} pictures{_origin(model, len(training))}")
        found.append(
            measure(
                model,
                collection.read(places),
                kl_weights=kl_weights if model.weight_range is not None else None,
                training=functools.partial(collection.blocks, training) if len(training) else None,
                factors={factor: column[places] for factor, column in collection.factors.items()},
                name=name,
                seed=seed,
                progress=listener.on_progress,
            )
        )
    return found


def _shared(views: Sequence[tuple[Collection, np.ndarray]]) -> np.ndarray | None:
    """The pictures held out from all models, so that all are measured on the same; None where there are none."""
    if len({collection.manifest_hash for collection, _ in views}) > 1:
        return None
    common = functools.reduce(np.intersect1d, [held for _, held in views])
    return common if len(common) > 1 else None


def _origin(model: VAE, training: int) -> str:
    """What is known of the pictures that a model is measured on."""
    if training:
        return " held out from its training"
    known = bool((model.card or {}).get("collection"))
    return " of another collection than it was trained on" if known else "; what it was trained on is not known"


def _sides(model: VAE, collection: Collection) -> tuple[np.ndarray, np.ndarray]:
    """The training pictures of `model` in `collection`, none where these are other pictures, and those to measure
    on."""
    card = model.card or {}
    if (card.get("collection") or {}).get("manifest_hash") != collection.manifest_hash:
        return np.empty(0, int), np.arange(len(collection))
    return collection.split(_setting(model, "validation", 0.1))


def _setting(model: VAE, name: str, usual: Any) -> Any:
    """A setting of the run that made `model`, by its card."""
    value = ((model.card or {}).get("settings") or {}).get(name)
    return usual if value is None else check(name, value, "measure")


def _side(name: str, model: VAE) -> int:
    height, width, _ = model.image_shape
    if height != width:
        raise ValueError(f"{name}: its pictures are {_size(model.image_shape)}. Measure it with kvae.measure instead.")
    return int(height)


def _size(shape: Sequence[int]) -> str:
    height, width, channels = shape
    return f"{width}x{height} in {'grey' if channels == 1 else 'colour'}"
