"""Bands that bend together, after Bridget Riley."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief

_PERIOD = 9  # stripes until the colours return


def _colours(brief: Brief) -> np.ndarray:
    """The sequence of colours, shape (_PERIOD, 3): neighbours always differ."""
    palette = brief.palette
    order = brief.order(5)
    rows = [palette.colours[k] for k in order]
    sequence = [rows[0], palette.paper, rows[1], rows[2], palette.paper, rows[3], palette.ink, rows[4], rows[1]]
    return np.stack(sequence if brief.arrangement % 2 else sequence[::-1])


def draw(canvas: Canvas, brief: Brief) -> None:
    across, down = canvas.turned(brief.x, brief.y, brief.lean + (0.0 if brief.arrangement % 4 else np.pi / 2))
    number = 9.0 + 13.0 * brief.density  # stripes in a canvas side
    waves = float(brief.between(0.6, 1.4))
    swing = 0.055 * brief.scale**2 * float(brief.between(0.6, 1.3))
    skew = float(brief.between(-1.0, 1.0))
    phase = np.float32(2 * np.pi * waves) * (down + np.float32(0.35 * skew) * across)
    # Widths that swell around the position give the flat bands a body.
    swell = np.float32(2 * np.pi) * across
    place = across + np.float32(swing) * np.sin(phase) + np.float32(0.035) * np.sin(swell)
    bend = np.float32(swing * 2 * np.pi * waves) * np.cos(phase)
    step = 1.0 + np.float32(0.07 * np.pi) * np.cos(swell) + np.float32(0.35 * skew) * bend
    pixel = np.float32(number / canvas.size) * np.sqrt(step * step + bend * bend)  # in stripes
    stripe = np.float32(number) * place + np.float32(0.5) * pixel + np.float32(10 * _PERIOD)
    index = np.floor(stripe)
    # Around its edge a stripe still holds some of the one before: the share is the anti-aliasing.
    share = np.clip((stripe - index) / pixel, 0.0, 1.0)
    colours = _colours(brief)
    here = index.astype(np.int32) % _PERIOD
    first, second = colours.T[:, here - 1], colours.T[:, here]
    canvas.fill(first + share * (second - first))
    canvas.grain("weave", 0.005)
