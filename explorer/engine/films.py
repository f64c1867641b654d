"""Frames into a film that ordinary players play: MP4.

It takes Pillow images (mode RGB or L, all of one size) one after another, so that a film of any length needs the memory
of a few frames.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

QUALITY = "16"  # x264's constant rate factor: 0 is lossless, 18 is said to look so, 23 is its default


def write_mp4(path: Path, frames: Iterator[Any], count: int, frames_per_second: float, loop: bool) -> None:
    """H.264 in yuv420p, BT.709, with the index in front, so that it plays while it loads.

    yuv420p stores colour for blocks of 2×2, so an odd width or height gets its last column or row twice. `count` and
    `loop` are not written: whether a film repeats is up to the player.
    """
    import av

    rate = Fraction(frames_per_second).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream: Any = None
        for index, image in enumerate(frames):
            pixels = _even(np.asarray(image.convert("RGB")))
            if stream is None:
                stream = _h264(container, rate, pixels.shape[1], pixels.shape[0])
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709"
            )
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _h264(container: Any, rate: Fraction, width: int, height: int) -> Any:
    """The stream, marked with what its colours mean: players otherwise guess it from the size."""
    stream = container.add_stream("libx264", rate=rate, options={"crf": QUALITY, "preset": "medium"})
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    context = stream.codec_context
    context.time_base = 1 / rate
    context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
    context.color_range = 1  # 16 to 235
    context.thread_count = 2  # leave the machine to whoever trains on it
    return stream


def _even(pixels: np.ndarray) -> np.ndarray:
    """(h, w, 3), with the last row or column twice where their number is odd."""
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
