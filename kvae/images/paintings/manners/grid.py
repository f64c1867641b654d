"""Grid: black lines and a few filled cells, after Piet Mondrian (and Theo van Doesburg, who let it lean)."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief

_LINES = 5  # each way
_FAR = 2.0  # canvas sides; beyond any corner


def _lines(brief: Brief) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets from the main crossing, half widths and lengths of the lines one way; each of shape (_LINES,)."""
    jitter = brief.between(-0.05, 0.05, _LINES)
    offsets = brief.scale * (np.array([0.0, 0.34, -0.30, 0.17, -0.47]) + jitter)
    offsets[0] = 0.0
    halves = brief.between(0.009, 0.017, _LINES) * np.sqrt(brief.count(2, _LINES))
    return offsets, halves, brief.between(0.0, 1.0, _LINES)


def draw(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    canvas.fill(palette.paper)
    canvas.lab[0] += 0.006 * canvas.texture("cloud")
    canvas.wobble(0.0015)
    upright, upright_half, upright_cut = _lines(brief)
    level, level_half, level_cut = _lines(brief)
    across, down = canvas.turned(brief.x, brief.y, brief.lean)
    columns, rows = np.sort(upright[:3]), np.sort(level[:3])
    columns = np.concatenate([[-_FAR], columns, [_FAR]])
    rows = np.concatenate([[-_FAR], rows, [_FAR]])
    cells = brief.order(16)[:6]
    late = np.array([0.0, 0.0, 0.0, 0.5, 0.5, 0.5])  # the strong colours tend to come first
    colours = palette.colours[[0, 1, 2, 4, 3, 0]][np.argsort(brief.between(0, 1, 6) + late)]
    for cell, colour, presence in zip(cells, colours, brief.count(3, 6), strict=True):
        i, j = divmod(int(cell), 4)
        cover_x = canvas.side(across - columns[i]) - canvas.side(across - columns[i + 1])
        cover_y = canvas.side(down - rows[j]) - canvas.side(down - rows[j + 1])
        canvas.lay(cover_x * cover_y, colour, presence)
    canvas.grain("brush", 0.007)
    for k in range(_LINES):
        # Later lines may stop at the main crossing, as they do in the paintings.
        vertical = canvas.band(across - upright[k], upright_half[k])
        horizontal = canvas.band(down - level[k], level_half[k])
        if k > 1:
            vertical *= 1.0 if upright_cut[k] < 0.4 else canvas.side(down if upright_cut[k] < 0.7 else -down)
            horizontal *= 1.0 if level_cut[k] < 0.4 else canvas.side(across if level_cut[k] < 0.7 else -across)
        canvas.lay(np.maximum(vertical, horizontal), palette.ink)
