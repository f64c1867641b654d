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
from kvae.training.measuring import measure


def measure_files(
    models: Sequence[str | os.PathLike[str]],
    data: str | os.PathLike[str],
    *,
    kl_weights: Sequence[float] | None = None,
    count: int = 200,
    seed: int = 0,
    listener: Listener | None = None,
) -> list[Measures]:
    """Measure the models in the files `models` on at most `count` pictures of `data`: those held out from a model's
    training where it was trained on these, and any where it was not. `kl_weights` are for models of a range.

    Raises:
        ValueError, OSError: a model that cannot be opened, or pictures that cannot; one sentence.
    """
    listener = listener or Listener()
    opened = [(Path(path).stem, load(path)) for path in models]
    if kl_weights is not None and all(model.weight_range is None for _, model in opened):
        raise ValueError("measure: no model here has a range of weights. Leave --kl-weight out.")
    found = []
    for name, model in opened:
        collection = open_collection(
            data, size=_side(name, model), crop=_setting(model, "crop", "square"), progress=listener.on_progress
        )
        if collection.shape != tuple(model.image_shape):
            raise ValueError(
                f"{name}: its pictures are {_size(model.image_shape)}, and those of --data are "
                f"{_size(collection.shape)}. Choose pictures like those it was trained on."
            )
        training, held = _sides(model, collection)
        places = held[np.linspace(0, len(held) - 1, min(count, len(held))).astype(int)]
        where = "held out from its training" if len(training) else "that it was not trained on"
        listener.on_message(f"{name}: {len(places)} pictures {where}")
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
