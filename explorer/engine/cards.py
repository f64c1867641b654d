"""What a model's file tells about it before TensorFlow is there: its config and its card, as `ModelInfo`."""

import base64
import binascii
import io
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from explorer.messages import ModelInfo, breadth

MOST_PIXELS = 4 << 20  # of the sheet of thumbnails; ours has a quarter of a million
COLUMNS = 8  # thumbnails in a row of the sheet
MOST_DIRECTIONS = 32
CARRIES_WEIGHT = ("spectral", "linear", "hybrid")  # networks that read the KL weight


def glimpse(path: str) -> ModelInfo | None:
    """What the file at `path` says of its model, in some milliseconds;
    None where only `kvae.load` can tell what is wrong."""
    from kvae.files.refusal import Refused
    from kvae.saving.card import opened

    try:
        with opened(path) as (description, _):
            return None if description.custom else model_info(path, description.config, description.card)
    except (Refused, OSError, ValueError, MemoryError):
        return None


def portrait(path: str) -> np.ndarray | None:
    """A picture by which a person knows the model again, uint8 (h, w, c); None where its file keeps none."""
    info = glimpse(path)
    if info is None or not len(info.thumbnails):
        return None
    return info.thumbnails[int(breadth(info.thumbnails).argmax())]  # the one that Explore begins with


def model_info(path: str, config: Mapping[str, Any], card: Mapping[str, Any] | None) -> ModelInfo:
    """The model of `config` with what `card` tells. A part of the card that is absent or malformed is left out.

    Where nothing is known of the posteriors, `rates` are NaN, `means` 0 and `spreads` 1, those of the prior. An
    autoencoder's `rates` are NaN.
    """
    from kvae.measures.posterior import ACTIVE_VARIANCE
    from kvae.saving.card_fields import shown, unpacked

    card = shown(card)
    height, width, channels = (int(side) for side in config["image_shape"])
    latent = int(config["latent_dim"])
    autoencoder = bool(config.get("autoencoder", False))
    network = str(config.get("network", "custom"))
    weight = config["kl_weight"]  # of a file with a range, that range; where the model stands, its weights tell
    span = weight if isinstance(weight, (list, tuple)) else config.get("weight_range")
    posterior = _table(card, "posterior")
    latents, thumbnails = _samples(card, unpacked("latents", card, latent), (height, width, channels))
    directions, spreads = _directions(card, unpacked("directions", card, latent), latents)
    return ModelInfo(
        path=os.fspath(path),
        name=Path(path).stem,
        image_shape=(height, width, channels),
        latent_dim=latent,
        network=network,
        autoencoder=autoencoder,
        kl_weight=math.sqrt(weight[0] * weight[1]) if isinstance(weight, (list, tuple)) else float(weight),
        weight_range=None if span is None else (float(span[0]), float(span[1])),
        carries_weight=network in CARRIES_WEIGHT and not autoencoder,
        active_variance=ACTIVE_VARIANCE,
        rates=_row(posterior.get("rate"), latent, math.nan),
        means=_row(posterior.get("mean"), latent, 0.0),
        spreads=np.sqrt(np.maximum(_row(posterior.get("variance"), latent, 1.0), 0.0)),
        directions=directions,
        direction_spreads=spreads,
        latents=latents,
        thumbnails=thumbnails,
        settings=_table(card, "settings"),
        collection=_table(card, "collection"),
        evaluated=_table(card, "evaluated"),
        limit=_table(card, "gaussian_limit"),
        history=_table(card, "history"),
        steps=_table(card, "steps"),
    )


def _table(card: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = card.get(name)
    return dict(table) if isinstance(table, dict) else {}


def _row(values: Any, latent: int, otherwise: float) -> np.ndarray:
    """`values`, float32 (latent,), with `otherwise` for all that is no number."""
    row = _array(values)
    if row.shape != (latent,):
        return np.full(latent, otherwise, np.float32)
    return np.where(np.isfinite(row), row, otherwise).astype(np.float32)


def _array(values: Any) -> np.ndarray:
    try:
        return np.array(values, np.float32)  # None becomes NaN
    except (TypeError, ValueError, OverflowError):
        return np.empty(0, np.float32)


def _samples(
    card: Mapping[str, Any], latents: np.ndarray, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Latents (n, latent) and thumbnails uint8 (n, h, w, c) of the same pictures; none of either if they do not fit."""
    nothing = latents[:0], np.empty((0, 1, 1, shape[2]), np.uint8)
    if not len(latents):
        return nothing
    try:
        with Image.open(io.BytesIO(base64.b64decode(card["thumbnails"])), formats=["PNG"]) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                return nothing
            sheet = np.asarray(picture.convert("RGB"))
    except (KeyError, TypeError, ValueError, OSError, SyntaxError, binascii.Error, Image.DecompressionBombError):
        return nothing
    count = len(latents)
    across, down = min(COLUMNS, count), math.ceil(count / COLUMNS)
    height, width = sheet.shape[0] // down, sheet.shape[1] // across
    if (height * down, width * across) != sheet.shape[:2]:
        return nothing
    tiles = sheet.reshape(down, height, across, width, 3).swapaxes(1, 2).reshape(down * across, height, width, 3)
    return latents, np.ascontiguousarray(tiles[:count, :, :, : shape[2]])


def _directions(card: Mapping[str, Any], directions: np.ndarray, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit directions (count, latent) with their spreads (count,): the card's,
    or for older cards those of its latents."""
    spreads = _array(card.get("direction_spreads"))
    if len(directions) and spreads.shape == directions.shape[:1] and np.isfinite(spreads).all():
        return directions, spreads
    if len(latents) < 2:
        return latents[:0], np.empty(0, np.float32)
    values, vectors = np.linalg.svd(latents - latents.mean(axis=0), full_matrices=False)[1:]
    count = min(MOST_DIRECTIONS, len(latents) - 1, latents.shape[1])
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    signed = vectors * np.where(largest < 0, -1.0, 1.0)
    return signed[:count].astype(np.float32), (values[:count] / math.sqrt(len(latents))).astype(np.float32)
