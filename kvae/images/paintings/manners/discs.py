"""Rings cut into quarters, after Sonia and Robert Delaunay."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief
from kvae.images.paintings.palettes import mix

_RINGS = 7


def _quarters(canvas: Canvas, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Coverage of the four quarters around a centre, shape (4, h * w)."""
    right, below = canvas.side(across), canvas.side(down)
    left, above = 1.0 - right, 1.0 - below
    return np.stack([left * above, right * above, right * below, left * below]).reshape(4, -1)


def _disc(canvas: Canvas, brief: Brief, place: tuple[float, float, float], turn: float, presence: np.ndarray) -> None:
    """A disc of rings at `place` (x, y, radius); the rings share the radius in proportion to `presence`."""
    x, y, radius = place
    part = canvas.window(x - radius, y - radius, x + radius, y + radius)
    across, down = part.turned(x, y, turn)
    quarters = _quarters(part, across, down)
    distance = np.sqrt(across * across + down * down)
    palette = brief.palette
    choice = np.concatenate([palette.colours, palette.colours[:3], palette.ink[None], palette.paper[None]])
    widths = brief.between(0.6, 1.4, len(presence)) * presence
    edges = radius * (1.0 - np.concatenate([[0.0], np.cumsum(widths)[:-1]]) / widths.sum())
    for edge, opacity in zip(edges, presence, strict=True):
        colours = choice[brief.order(len(choice))[:4]]
        if opacity > 0.0:  # a new ring grows from the middle
            field = (colours.T @ quarters).reshape(part.lab.shape)
            part.lay(part.side(np.float32(edge) - distance), field)


def draw(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    canvas.wobble(0.002)
    across, down = canvas.turned(brief.x, brief.y, brief.lean)
    muted = np.stack([mix(palette.paper, palette.colours[k], 0.42) for k in brief.order(5)[:4]])
    canvas.fill((muted.T @ _quarters(canvas, across, down)).reshape(canvas.lab.shape))
    side = float(brief.between(0, 2 * np.pi))
    reach = 0.47 + 0.05 * float(brief.between(-1, 1))
    rings = brief.count(3, _RINGS)
    small = (brief.x + reach * np.cos(side), brief.y + reach * np.sin(side), 0.19 * brief.scale)
    other = (brief.x - 1.1 * reach * np.cos(side + 0.5), brief.y - 1.1 * reach * np.sin(side + 0.5), 0.14 * brief.scale)
    _disc(canvas, brief, small, brief.lean + 0.6, rings[1:4])
    _disc(canvas, brief, other, brief.lean - 0.4, rings[1:4])
    _disc(canvas, brief, (brief.x, brief.y, 0.37 * brief.scale), brief.lean, rings)
    canvas.grain("brush", 0.010)
