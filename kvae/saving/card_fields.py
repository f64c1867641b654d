"""What the card of a model may say, as data: the same table for whoever resumes from it, shows it, or keeps it in a
run.

A model with a card of somebody's own opens; what does not hold to the table is not resumed from, and not shown.
"""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from kvae.files.refusal import Refused
from kvae.files.schema import Anything, Checked, Columns, Kind, Number, Row, Table, Text
from kvae.saving.card import MOST_STEPS, hold_setting
from kvae.settings import SETTINGS

MOST_ROWS = 100_000  # of a history; what kvae writes is thinned out long before
MOST_LATENTS, MOST_SAMPLES = 16384, 1024
MOST_LISTED = 512  # latents, above which a matrix of them is kept in its bytes: as text it would fill a card
MOST_PACKED = 4 << 20  # characters
MOST_THUMBNAILS = 8 << 20  # characters

COUNT = Number(0, MOST_STEPS, whole=True)
MEASURED = Number(optional=True)  # null where it was no finite number, or is none, as an autoencoder's rate
SECONDS = Number(0, 1e10)
HASH = Text(128, r"[0-9a-z:]*")
PATH = Text(4096)
GRADIENT = "gradient_"  # begins the names of the balance
GRADIENTS = tuple(GRADIENT + part for part in ("distortion", "rate", "cosine", "share", "decoder"))
CURVES = ("distortion", "rate", "kl_weight", "loss")

PACKED = Text(MOST_PACKED, r"[A-Za-z0-9+/=]*")
_SETTING: dict[str, Kind] = {name: PATH if name == "data" else Checked(hold_setting) for name in SETTINGS}
SETTINGS_TABLE = Table(_SETTING)
HISTORY = Columns({"epoch": COUNT, "step": COUNT}, MOST_ROWS, ("epoch",), others=MEASURED)
STEPS = Columns({"step": COUNT} | dict.fromkeys(CURVES, MEASURED), MOST_ROWS, ("step", *CURVES))
BALANCE = Columns({"step": COUNT} | dict.fromkeys(GRADIENTS, MEASURED), MOST_ROWS, ("step", *GRADIENTS))
CARD = Table(
    {
        "kvae": Text(40),
        "created": Text(40),
        "settings": SETTINGS_TABLE,
        "collection": Table(
            {
                "name": Text(300),
                "pictures": COUNT,
                "training": COUNT,
                "validation": COUNT,
                "manifest_hash": HASH,
            },
            others=Anything(),
        ),
        "step": COUNT,
        "history": HISTORY,
        "steps": STEPS,
        "balance": BALANCE,
        "evaluated": Table({}, others=MEASURED),
        "gaussian_limit": Table({}, others=MEASURED),
        "thumbnails": Text(MOST_THUMBNAILS, r"[A-Za-z0-9+/=]*"),
        "posterior": Table({}, others=Row(MEASURED, MOST_LATENTS)),
        "directions": Row(Row(MEASURED, MOST_LATENTS), MOST_SAMPLES),
        "packed_directions": PACKED,
        "packed_latents": PACKED,
        "direction_spreads": Row(MEASURED, MOST_SAMPLES),
        "latents": Row(Row(MEASURED, MOST_LATENTS), MOST_SAMPLES),
    },
    others=Anything(),
)


def packed(name: str, rows: np.ndarray) -> dict[str, Any]:
    """The part `name` of a card that is a matrix `rows` (count, latent): lists of numbers, or above `MOST_LISTED`
    latents base64 of float16."""
    if rows.shape[1] <= MOST_LISTED:
        return {name: rows.astype(float).round(5).tolist()}
    return {f"packed_{name}": base64.b64encode(rows.astype("<f2").tobytes()).decode("ascii")}


def unpacked(name: str, card: Mapping[str, Any], latent_dim: int) -> np.ndarray:
    """The matrix `name` of a card, float32 (count, latent); (0, latent) where it has none that fits."""
    rows: Any = np.empty(0, np.float32)
    try:
        if f"packed_{name}" in card:
            content = base64.b64decode(card[f"packed_{name}"], validate=True)
            rows = np.asarray(np.frombuffer(content, "<f2").reshape(-1, latent_dim), np.float32)
        else:
            rows = np.asarray(card.get(name), np.float32)  # None becomes NaN
    except (TypeError, ValueError, OverflowError):
        pass
    fits = rows.ndim == 2 and rows.shape[1] == latent_dim and np.isfinite(rows).all()
    return rows if fits else np.empty((0, latent_dim), np.float32)


def held(card: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """`card`, every known part of it within its bounds.

    Raises:
        Refused: a part that cannot be.
    """
    return None if card is None else CARD.hold(dict(card), "its card")


def shown(card: Mapping[str, Any] | None) -> dict[str, Any]:
    """The known parts of `card` that can be; those that cannot are left out."""
    parts = {}
    for name, kind in CARD.fields.items():
        try:
            if isinstance(card, Mapping) and name in card:
                parts[name] = kind.hold(card[name], name)
        except Refused:
            continue
    return parts
