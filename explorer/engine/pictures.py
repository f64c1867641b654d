"""Pictures on their way into a model: decoded and resized as kvae does it, at the model's own size."""

from pathlib import Path
from typing import Any

import numpy as np

from explorer.messages import ModelInfo, place_of


def picture_for(info: ModelInfo, picture: str | np.ndarray) -> tuple[np.ndarray, str]:
    """One picture as uint8 (height, width, channels) of the model `info`, and what its owner should know.

    `picture` is a file, or uint8 (height, width, 3), or of the model's own shape.

    Raises:
        ValueError: it cannot be used; one sentence.
    """
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.shape == info.image_shape:
        return picture, ""  # as the model saw it before
    height, width, _ = info.image_shape
    crop = crop_of(info)
    side = max(height, width)
    note = ""
    if isinstance(picture, np.ndarray):
        pixels = _resized(picture, side, crop)
    else:
        pixels, note = _read(picture, side, crop)
    if height != width:  # kvae decodes squares; a model of another shape was built by hand
        from PIL import Image

        pixels = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))
    return with_channels(pixels[None], info)[0], note


def with_channels(images: np.ndarray, info: ModelInfo) -> np.ndarray:
    """uint8 (n, height, width, 1 or 3) with as many channels as the model has: colour becomes luminance,
    grey is repeated."""
    channels = info.image_shape[2]
    if images.shape[-1] == channels:
        return images
    if channels == 1:
        luminance = images @ np.array([0.299, 0.587, 0.114], np.float32)
        return np.rint(luminance)[..., None].astype(np.uint8)
    return np.repeat(images[..., :1], channels, axis=-1)


def crop_of(info: ModelInfo) -> str:
    """How the model's training pictures became square."""
    crop = info.settings.get("crop")
    return crop if crop in ("square", "pad", "stretch") else "square"


class NotAgreed(ValueError):
    """Nobody has agreed that the pictures at `place` may be read."""

    def __init__(self, name: str, place: str) -> None:
        super().__init__(f"{name} names pictures in {place}, and nobody has agreed that they may be read.")
        self.name, self.place = name, place


def open_pictures(info: ModelInfo, size: int, progress: Any, agreed: tuple[str, ...]) -> Any:
    """The collection that the model was trained on, at `size` pixels; `progress(done, total, what)` while it is
    decoded.

    Raises:
        NotAgreed: its place is none of those `agreed`; nothing was looked at.
        OSError, ValueError: it is not on this machine.
    """
    from kvae.images.collection import open_collection

    data = info.settings.get("data")
    if not isinstance(data, str) or not data:
        raise ValueError(f"{info.name} does not say which pictures it was trained on.")
    place = place_of(data)
    if place and place not in agreed:
        raise NotAgreed(info.name, place)
    follow = info.settings.get("follow_links") is True
    return open_collection(place or data, size=size, crop=crop_of(info), follow_links=follow, seed=0, progress=progress)


def thumbnails_of(images: np.ndarray, most: int = 64) -> np.ndarray:
    """`images` (n, h, w, c) made smaller by a whole factor, the mean of each block,
    until no side is above `most` pixels."""
    from kvae.figures.tiles import shrink

    return shrink(images, -(-max(images.shape[1:3]) // most))


def _read(path: str, side: int, crop: str) -> tuple[np.ndarray, str]:
    from kvae.images.decoders import decode_files

    (outcome,) = decode_files([str(path)], size=side, crop=crop, workers=1)
    if outcome.reason is not None:
        raise ValueError(f"{Path(path).name} {outcome.reason}.")
    note = f"{Path(path).name} {'; '.join(outcome.notes)}." if outcome.notes else ""
    return np.frombuffer(outcome.pixels, np.uint8).reshape(side, side, 3), note


def _resized(picture: np.ndarray, side: int, crop: str) -> np.ndarray:
    from PIL import Image

    from kvae.images.decoding import fit, letterbox

    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"A picture is uint8 of shape (height, width, 3). Received: {picture.dtype}, {picture.shape}.")
    return np.asarray(letterbox(fit(Image.fromarray(picture), side, crop), side))
