"""Textures of canvas, paper and brush.

Noise is what a VAE cannot compress, so there are only `OFFSETS` different sheets of each texture, drawn once from a
fixed seed and shared by all pictures. Every size is the box average of the same 512-pixel sheet: the grain lies at
the same place at 64 and at 256 pixels.
"""

from functools import cache, lru_cache

import numpy as np
from PIL import Image

SHEET = 512  # pixels
OFFSETS = 4
_SEEDS = {"cloud": 11, "drift": 12, "brush": 13, "weave": 14}


def _response(name: str) -> np.ndarray:
    """Amplitude of each spatial frequency of the texture, shape (SHEET, SHEET // 2 + 1)."""
    down = np.abs(np.fft.fftfreq(SHEET, 1 / SHEET))[:, None]  # cycles per canvas height
    across = np.fft.rfftfreq(SHEET, 1 / SHEET)[None, :]  # cycles per canvas width
    radius = np.hypot(down, across)
    if name in ("cloud", "drift"):  # soft patches, a fifth of the canvas and larger
        return np.exp(-((radius / 5.0) ** 2)) + 0.01 * np.exp(-((radius / 20.0) ** 2))
    if name == "brush":  # long horizontal streaks of bristle
        return np.exp(-((across / 3.0) ** 2)) * np.exp(-((down / 26.0) ** 2))
    threads = np.exp(-(((down - 90) / 22) ** 2) - (across / 12) ** 2) + np.exp(
        -(((across - 90) / 22) ** 2) - (down / 12) ** 2
    )
    return threads + 0.35 * np.exp(-((radius / 30.0) ** 2))


@cache
def _sheet(name: str) -> np.ndarray:
    """The 512-pixel sheet, periodic, mean 0, standard deviation 1; shape (SHEET, SHEET)."""
    noise = np.random.default_rng(_SEEDS[name]).random((SHEET, SHEET)) - 0.5
    spectrum = np.fft.rfft2(noise) * _response(name)
    spectrum[0, 0] = 0.0
    sheet = np.fft.irfft2(spectrum, s=(SHEET, SHEET))
    return (sheet / sheet.std()).astype(np.float32)


@lru_cache(maxsize=48)
def texture(name: str, size: int, offset: int) -> np.ndarray:
    """Texture `name` at `size` pixels, mean 0, standard deviation at most 1; shape (size, size), read-only.

    `offset` counts from 0 to OFFSETS - 1 and chooses the part of the sheet that comes first.
    """
    rolled = np.roll(_sheet(name), (offset * 128, offset * 256 + offset * 64), axis=(0, 1))
    scaled = np.asarray(Image.fromarray(rolled).resize((size, size), Image.Resampling.BOX)).copy()
    scaled.flags.writeable = False
    return scaled
