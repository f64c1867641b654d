"""A picture as a PNG of any size that carries its point: what painted it, with which latents, at which KL weight.

The point is one text of the PNG, JSON with the latents as zipped float32 in base64: some kilobytes, and at most
`MOST_TEXT` bytes. What reads it back is `explorer.engine.points`, which trusts nothing of it.
"""

import base64
import io
import json
import zlib
from typing import Any

import numpy as np

from explorer.messages import PicturePoint

KEYWORD = "kvae:point"
FORMAT = 1
MOST_LATENTS = 16384
MOST_PACKED = 4 * MOST_LATENTS * 4 // 3 + 1024  # characters of so many latents that cannot be zipped
MOST_NAME = 200
MOST_TEXT = MOST_PACKED + 2048
LARGEST = 8000  # pixels of a side: what kvae itself opens again
_INCH = 2.54  # centimetres


def packed(latents: Any) -> str:
    """float32 (latent,) as text: thousands of latents, most of them 0, in some kilobytes."""
    return base64.b64encode(zlib.compress(np.asarray(latents, "<f4").tobytes(), 9)).decode("ascii")


def unpacked(text: str, count: int) -> np.ndarray | None:
    """What `packed` made of `count` finite numbers; None where it is none of that. Never unpacks more than wanted."""
    try:
        taken = zlib.decompressobj()
        content = taken.decompress(base64.b64decode(text, validate=True), 4 * count + 1)
        if not taken.eof or taken.unused_data or len(content) != 4 * count:
            return None
    except (ValueError, zlib.error):
        return None
    found = np.frombuffer(content, "<f4").astype(np.float32)
    return found if np.isfinite(found).all() else None


def text_of(point: PicturePoint) -> str:
    """The point as the text that a PNG carries."""
    return json.dumps(
        {
            "format": FORMAT,
            "model": point.digest,
            "name": point.name[:MOST_NAME],
            "kl_weight": point.kl_weight,
            "latent_dim": len(point.latents),
            "latents": packed(point.latents),
        }
    )


def to_png(
    pixels: np.ndarray, side: int = 0, smooth: bool = True, dpi: float = 0.0, point: PicturePoint | None = None
) -> bytes:
    """`pixels`, uint8 (h, w, 1|3), as a PNG whose longer side has `side` pixels, 0: untouched, and which says its
    `dpi`, unless that is 0."""
    from PIL.PngImagePlugin import PngInfo

    image = enlarged(pixels, side or max(pixels.shape[:2]), smooth)
    info, options = PngInfo(), {"dpi": (dpi, dpi)} if dpi else {}
    if point is not None and point.digest and len(point.latents) <= MOST_LATENTS:
        info.add_text(KEYWORD, text_of(point))
    memory = io.BytesIO()
    image.save(memory, format="PNG", pnginfo=info, **options)
    return memory.getvalue()


def enlarged(pixels: np.ndarray, side: int, smooth: bool) -> Any:
    """The Pillow image of `pixels`, uint8 (h, w, 1|3), whose longer side has `side` pixels; untouched at its own size.

    Smooth is Lanczos; otherwise each pixel becomes a block, and where `side` is no multiple some blocks are one wider.
    """
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    size = size_at(image.width, image.height, side)
    if size == image.size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST)


def size_at(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height whose longer side is `side`, in the same proportion."""
    if side < 1:
        raise ValueError(f"size_at: `side` must be at least 1 pixel. Received: side={side!r}.")
    longer = max(width, height)
    return max(1, round(width * side / longer)), max(1, round(height * side / longer))


def pixels_of(centimetres: float, dpi: float) -> int:
    """Pixels of a side so long in print, at least 1 and at most `LARGEST`."""
    return min(max(round(centimetres / _INCH * dpi), 1), LARGEST)
