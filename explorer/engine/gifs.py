"""Frames into a GIF that is as small as it can be without a loss that is seen.

Pillow images (mode RGB or L, all of one size) come one after another; a few of them are held at a time.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import GifImagePlugin, Image

PALETTE_SIDE = 64  # pixels: colours are chosen on small copies, up to ten times as fast and nearly as good
FASTEST_GIF = 20.0  # frames per second: 10 s at 256 pixels are 3 MB at most
STRETCH = 10  # frames with one palette: half a second
MOST_HELD = 64 << 20  # bytes of frames that wait for it
LEAST_UNSEEN, MOST_UNSEEN = 4, 12  # levels of 255 by which a moving pixel may be off; the more the larger it becomes:
BYTES_PER_PIXEL, BYTES = 0.19, 1500  # of a frame, and its palette: 2.8 MB for 10 s at 256 pixels
_CLEAR = 255  # the place in a palette that shows what was there before


def write_gif(path: Path, frames: Iterator[Any], count: int, frames_per_second: float, loop: bool) -> None:
    """Palettes that go with the film, a new one for each `STRETCH` of frames, and no dithering, which would flicker in
    plain areas. Of a frame only what has changed to the eye is written: the rest shows through.

    A GIF counts time in 1/100 s: frames take turns between two lengths so that the film as a whole lasts as long as it
    should. Above `FASTEST_GIF` some frames are left out for the same reason. `loop`: for ever, otherwise once.
    """
    shown = _shown(count, frames_per_second)
    ends = [round(100 * (index + 1) * count / (len(shown) * frames_per_second)) for index in range(len(shown))]
    wanted, place, screen, unseen = set(shown), 0, None, LEAST_UNSEEN
    with path.open("wb") as file:
        for stretch in _stretches(image for index, image in enumerate(frames) if index in wanted):
            if place == 0:
                file.write(_gif_head(stretch[0].size, loop))
            palette = _palette(stretch)
            for image in stretch:
                length = ends[place] - (ends[place - 1] if place else 0)  # 1/100 s
                paletted, corner, screen, seen_through = _changed(image, palette, screen, unseen)
                options: dict[str, Any] = {"duration": 10 * min(length, 65535), "include_color_table": True}
                if seen_through:
                    options |= {"transparency": _CLEAR, "disposal": 1}
                file.writelines(GifImagePlugin.getdata(paletted, corner, **options))
                place += 1
                much = file.tell() > place * (BYTES_PER_PIXEL * image.width * image.height + BYTES)
                unseen = min(max(unseen + (1 if much else -1), LEAST_UNSEEN), MOST_UNSEEN)
        file.write(b";")


def _stretches(frames: Iterator[Any]) -> Iterator[list[Any]]:
    """A few frames at a time, fewer where they are large."""
    held: list[Any] = []
    for image in frames:
        held.append(image)
        if len(held) >= min(STRETCH, MOST_HELD // (image.width * image.height * 3) + 1):
            yield held
            held = []
    if held:
        yield held


def _palette(stretch: list[Any]) -> Any:
    """A Pillow image whose palette, of up to 255 colours, suits all frames of this stretch."""
    sides = [max(1, round(side * min(1.0, PALETTE_SIDE / max(stretch[0].size)))) for side in stretch[0].size]
    few = stretch[:: max(1, len(stretch) // 4)]
    small = [np.asarray(image.convert("RGB").resize(sides, Image.Resampling.BOX)) for image in few]
    together = Image.fromarray(np.concatenate(small, axis=1))
    return together.quantize(_CLEAR, method=Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE)


def _changed(
    image: Any, palette: Any, screen: np.ndarray | None, unseen: int
) -> tuple[Any, tuple[int, int], np.ndarray | None, bool]:
    """The part of `image` to be written over what the `screen` shows, int16 (h, w, 3): in a palette, with its corner;
    what the screen shows then; and whether parts of it are clear.

    A pixel stays as it is where it is nearly as near to its colour as the best of the palette, or so near, within
    `unseen` levels of 255, that nobody sees it move. Greys, and frames of few colours, are exactly themselves.
    """
    if image.mode == "L":
        grey = Image.frombytes("P", image.size, image.tobytes())
        grey.putpalette([level for level in range(256) for _ in range(3)])
        return grey, (0, 0), None, False
    found = image.getcolors(256)
    colours = np.asarray(image).astype(np.int16)
    if found is not None:
        paletted = _exact(image, np.array([colour for _, colour in found], np.uint8))
        return paletted, (0, 0), colours, False
    paletted = image.quantize(palette=palette, dither=Image.Dither.NONE)
    table = _table(palette)
    indices = np.asarray(paletted)
    drawn = table[indices]
    if screen is None:
        return _indexed(indices, table), (0, 0), drawn, False
    off, best = np.abs(colours - screen).max(axis=2), np.abs(colours - drawn).max(axis=2)
    stays = off <= np.maximum(unseen, best + unseen // 2)
    rows, columns = np.flatnonzero(~stays.all(axis=1)), np.flatnonzero(~stays.all(axis=0))
    top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 1)
    left, right = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)
    part = np.where(stays, np.uint8(_CLEAR), indices)[top:bottom, left:right]
    return _indexed(part, table), (left, top), np.where(stays[..., None], screen, drawn), True


def _table(palette: Any) -> np.ndarray:
    """The colours of a palette, int16 (256, 3); those that it has not are black, the clear one among them."""
    found = np.array(palette.getpalette(), np.int16).reshape(-1, 3)[:_CLEAR]
    return np.concatenate([found, np.zeros((256 - len(found), 3), np.int16)])


def _indexed(indices: np.ndarray, table: np.ndarray) -> Any:
    image = Image.frombytes("P", indices.shape[::-1], np.ascontiguousarray(indices, np.uint8).tobytes())
    image.putpalette(table.astype(np.uint8).tobytes())
    return image


def _shown(count: int, frames_per_second: float) -> list[int]:
    """The frames that a GIF shows: all, or as many as fit at `FASTEST_GIF`."""
    step = max(1.0, frames_per_second / FASTEST_GIF)
    return [int(index * step) for index in range(max(1, round(count / step))) if int(index * step) < count]


def _gif_head(size: tuple[int, int], loop: bool) -> bytes:
    """GIF89a without a palette for all frames, and the "for ever" that Netscape added."""
    screen = size[0].to_bytes(2, "little") + size[1].to_bytes(2, "little") + bytes((0x70, 0, 0))  # 8 bits per colour
    forever = b"!\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00" if loop else b""
    return b"GIF89a" + screen + forever


def _exact(image: Any, colours: np.ndarray) -> Any:
    """`image`, all of whose pixels are among `colours` (n, 3), with exactly these as its palette."""
    keys = colours.astype(np.int32) @ (65536, 256, 1)
    order = np.argsort(keys)
    indices = np.searchsorted(keys[order], np.asarray(image).astype(np.int32) @ (65536, 256, 1))
    exact = Image.frombytes("P", image.size, indices.astype(np.uint8).tobytes())
    exact.putpalette(colours[order].tobytes())
    return exact
