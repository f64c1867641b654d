"""Frames into a film: MP4 that ordinary players play, and GIF.

Both writers take Pillow images (mode RGB or L, all of one size) one after another, so that a film of any length needs
the memory of a few frames.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

QUALITY = "16"  # x264's constant rate factor: 0 is lossless, 18 is said to look so, 23 is its default
PALETTE_SIDE = 96  # pixels: a frame's colours are chosen on a small copy, up to ten times as fast and nearly as good
FASTEST_GIF = 50.0  # frames per second: browsers slow down frames shorter than 2/100 s


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


def write_gif(path: Path, frames: Iterator[Any], count: int, frames_per_second: float, loop: bool) -> None:
    """Each frame with the 256 colours that suit it best and no dithering, which would flicker in plain areas.

    A GIF counts time in 1/100 s: frames take turns between two lengths so that the film as a whole lasts as long as it
    should. Above `FASTEST_GIF` some frames are left out for the same reason. `loop`: for ever, otherwise once.
    """
    from PIL import GifImagePlugin

    shown = _shown(count, frames_per_second)
    ends = [round(100 * (index + 1) * count / (len(shown) * frames_per_second)) for index in range(len(shown))]
    place = 0
    with path.open("wb") as file:
        for index, image in enumerate(frames):
            if index == 0:
                file.write(_gif_head(image.size, loop))
            if place == len(shown) or index != shown[place]:
                continue
            length = ends[place] - (ends[place - 1] if place else 0)  # 1/100 s
            options = {"duration": 10 * min(length, 65535), "include_color_table": True}
            file.writelines(GifImagePlugin.getdata(_with_palette(image), (0, 0), **options))
            place += 1
        file.write(b";")


def _shown(count: int, frames_per_second: float) -> list[int]:
    """The frames that a GIF shows: all, or as many as fit at `FASTEST_GIF`."""
    step = max(1.0, frames_per_second / FASTEST_GIF)
    return [int(index * step) for index in range(max(1, round(count / step))) if int(index * step) < count]


def _gif_head(size: tuple[int, int], loop: bool) -> bytes:
    """GIF89a without a palette for all frames, and the "for ever" that Netscape added."""
    screen = size[0].to_bytes(2, "little") + size[1].to_bytes(2, "little") + bytes((0x70, 0, 0))  # 8 bits per colour
    forever = b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00" if loop else b""
    return b"GIF89a" + screen + forever


def _with_palette(image: Any) -> Any:
    """`image` in at most 256 colours: exactly itself where it has no more, and always so in grey."""
    from PIL import Image

    if image.mode == "L":
        grey = Image.frombytes("P", image.size, image.tobytes())
        grey.putpalette([level for level in range(256) for _ in range(3)])
        return grey
    found = image.getcolors(256)
    if found is not None:
        return _exact(image, np.array([colour for _, colour in found], np.uint8))
    small = image.copy()
    small.thumbnail((PALETTE_SIDE, PALETTE_SIDE), Image.Resampling.BOX)
    palette = small.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE)
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def _exact(image: Any, colours: np.ndarray) -> Any:
    """`image`, all of whose pixels are among `colours` (n, 3), with exactly these as its palette."""
    from PIL import Image

    keys = colours.astype(np.int32) @ (65536, 256, 1)
    order = np.argsort(keys)
    indices = np.searchsorted(keys[order], np.asarray(image).astype(np.int32) @ (65536, 256, 1))
    exact = Image.frombytes("P", image.size, indices.astype(np.uint8).tobytes())
    exact.putpalette(colours[order].tobytes())
    return exact
