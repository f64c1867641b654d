"""Squares within squares, after Josef Albers's Homage to the Square."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief
from kvae.images.paintings.palettes import lighter, mix

_SQUARES = 5


def _blend(outer: np.ndarray, middle: np.ndarray, inner: np.ndarray, share: float) -> np.ndarray:
    """From `outer` (share 0) through `middle` to `inner` (1), on a smooth curve."""
    return mix(mix(outer, middle, share), mix(middle, inner, share), share)


def draw(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    order = brief.order(5)
    outer = palette.colours[order[0]]
    inner = max(palette.colours[order[1:4]], key=lambda colour: float(np.abs(colour - outer).sum()))
    # Halfway stands a third colour: a straight blend of opposites would pass through grey.
    middle = mix(mix(outer, inner, 0.5), palette.colours[order[4]], 0.6)
    curve = float(brief.between(0.7, 1.5))
    swing = float(brief.between(-0.07, 0.07))
    canvas.fill(outer)
    canvas.wobble(0.001)
    innermost = 0.16 * brief.scale**1.5  # half side
    presence = brief.count(2, _SQUARES)
    steps = np.cumsum(presence) / presence.sum()  # 1 for the innermost
    for step in steps[presence > 0.0]:  # a new square grows out of the innermost one
        share = float(step) ** curve
        half = 0.5 + (innermost - 0.5) * float(step) ** 0.8
        # Nested squares slide towards the position, as far as the frame of the one around allows.
        x = 0.5 + 1.7 * (brief.x - 0.5) * (0.5 - half)
        y = 0.5 + 1.7 * (brief.y - 0.5 + 0.08) * (0.5 - half)
        colour = lighter(_blend(outer, middle, inner, share), swing * float(np.sin(np.pi * share)), 1.0 + 0.15 * share)
        canvas.lay(canvas.box(x, y, half, half, 0.8 * brief.lean * float(step)), colour)
    canvas.grain("brush", 0.006)
    canvas.grain("weave", 0.007)
