"""Colour-field: soft rectangles stacked on a ground, after Mark Rothko."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief
from kvae.images.paintings.palettes import lighter, mix

_SLABS = 4


def _heights(brief: Brief) -> tuple[np.ndarray, np.ndarray]:
    """Top and bottom of each slab, shape (_SLABS,): absent slabs have no height, so the others take their room."""
    weights = brief.between(0.45, 1.6, _SLABS) * brief.count(2, _SLABS)
    tilt = np.float64(brief.y - 0.5) * 4.0  # the first slab takes more room as the weight sinks
    weights[0] *= np.exp(tilt)
    edges = 0.06 + 0.88 * np.concatenate([[0.0], np.cumsum(weights)]) / weights.sum()
    return edges[:-1], edges[1:]


def draw(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    tops, bottoms = _heights(brief)
    order = brief.order(5)
    deep = brief.arrangement % 3 != 0
    ground = mix(palette.ink, palette.colours[order[4]], 0.35) if deep else mix(palette.paper, palette.pale, 0.6)
    if deep and ground[0] > 0.5:
        ground = lighter(ground, 0.42 - ground[0])
    canvas.fill(ground)
    canvas.wobble(0.004)
    cloud, brush = canvas.texture("cloud"), canvas.texture("brush")
    canvas.lab[0] += 0.010 * cloud
    half_width = 0.41 * (0.45 + 0.55 * brief.scale)
    x = 0.5 + 0.35 * (brief.x - 0.5)
    for k in range(_SLABS):
        half = 0.5 * (bottoms[k] - tops[k]) - 0.014
        if half <= 0.0:
            continue
        colour = palette.colours[order[k]]
        middle = 0.5 * (tops[k] + bottoms[k])
        # A wide, thin veil under the slab makes its edge breathe.
        lean = 0.3 * brief.lean
        canvas.lay(canvas.box(x, middle, half_width + 0.012, half + 0.012, lean, soft=0.09), colour, 0.35)
        cover = canvas.box(x, middle, half_width - 0.008, half - 0.008, lean, soft=0.045)
        canvas.lay(cover, colour, np.clip(0.88 + 0.05 * cloud + 0.025 * brush, 0.0, 1.0))
    canvas.grain("weave", 0.006)
