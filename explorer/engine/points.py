"""The point that a PNG carries, read as strictly as a model: a picture may come from anybody."""

import io
import os
from typing import Any

from explorer.messages import PicturePoint
from explorer.png import FORMAT, KEYWORD, MOST_LATENTS, MOST_NAME, MOST_PACKED, MOST_TEXT, unpacked
from kvae.files.png import CURE, read_text, text_in
from kvae.files.refusal import Refused, sentence
from kvae.files.schema import Number, Table, Text
from kvae.files.strict_json import parse

_POINT = Table(
    {
        "format": Number(1, 10**6, whole=True),
        "model": Text(64, r"[0-9a-f]{64}"),
        "name": Text(MOST_NAME),
        "kl_weight": Number(0.0, 1e6),
        "latent_dim": Number(1, MOST_LATENTS, whole=True),
        "latents": Text(MOST_PACKED, r"[A-Za-z0-9+/=]*"),
    },
    ("format", "model", "name", "kl_weight", "latent_dim", "latents"),
)
_NODES = 100


def point_in(picture: str | os.PathLike[str] | bytes) -> PicturePoint | None:
    """The point that a PNG carries, a file or the bytes of one; None for a picture without.

    Raises:
        ValueError: a point that cannot be, in one sentence.
    """
    try:
        if isinstance(picture, bytes):
            text = text_in(io.BytesIO(picture), len(picture), KEYWORD, most=MOST_TEXT)
        else:
            text = read_text(picture, KEYWORD, most=MOST_TEXT)
        return None if text is None else _point(parse(text, most_nodes=_NODES))
    except OSError:
        return None  # whoever decodes the picture says what is wrong with it
    except Refused as error:
        raise ValueError(sentence("The picture" if isinstance(picture, bytes) else picture, error)) from error


def _point(said: Any) -> PicturePoint:
    if isinstance(said, dict) and type(said.get("format")) is int and said["format"] > FORMAT:
        raise Refused("was saved by a newer kvae. Update kvae, or save the picture as JPEG for its pixels alone.")
    try:
        _POINT.hold(said, "its point")
    except Refused:
        raise Refused(f"says of itself what cannot be. {CURE}") from None
    latents = unpacked(said["latents"], said["latent_dim"])
    if latents is None:
        raise Refused(f"carries latents that are damaged. {CURE}")
    return PicturePoint(said["model"], said["name"], latents, float(said["kl_weight"]))
