"""Flung lines and drops, after Jackson Pollock."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief
from kvae.images.paintings.palettes import mix

_COATS = 6
_LINES = 5  # of a coat
_PIECES = 5  # of a line: the width changes between them
_POINTS = 14  # of a piece
_DROPS = 8  # of a coat
_HARMONICS = np.arange(1, 5)


def _curves(brief: Brief) -> np.ndarray:
    """The paths of one coat as seen from the middle, shape (_LINES, _PIECES * _POINTS + 1, 2), about 1 across."""
    time = np.linspace(0.0, 1.0, _PIECES * _POINTS + 1)
    phases = brief.between(0, 1, _LINES, 2, len(_HARMONICS), 1)
    swings = brief.between(0.4, 1.0, _LINES, 2, len(_HARMONICS), 1) * np.array([0.30, 0.17, 0.085, 0.05])[:, None]
    waves = np.sin(2 * np.pi * (0.85 * _HARMONICS[:, None] * time + phases))  # (lines, 2, harmonics, time)
    centres = brief.between(-0.30, 0.30, _LINES, 1, 2)
    return (waves * swings).sum(2).transpose(0, 2, 1) + centres


def _coat(canvas: Canvas, brief: Brief, colour: np.ndarray, presence: float) -> None:
    """One coat of paint: lines that thin out and swell, and drops."""
    cosine, sine = np.cos(brief.lean), np.sin(brief.lean)
    turn = np.array([[cosine, sine], [-sine, cosine]]) * brief.scale
    middle = np.array([brief.x, brief.y])
    paths = _curves(brief) @ turn + middle
    widths = brief.between(0.15, 1.0, _LINES, _PIECES) ** 2 * 0.016 * brief.between(0.3, 1.5) + 0.0045
    widths[:, [0, -1]] *= 0.5  # flung paint starts and ends thin
    drops = (brief.between(0, 1, _DROPS, 2) + brief.between(0, 1, _DROPS, 2) - 1.0) * 0.62 @ turn + middle
    sizes = brief.scale * (brief.between(0.3, 1.0, _DROPS) ** 3 * 0.022 + 0.005)
    if presence <= 0.0:
        return
    lines = [path[k * _POINTS : (k + 1) * _POINTS + 1] for path in paths for k in range(_PIECES)]
    canvas.lay(canvas.strokes(lines, (presence * brief.scale * widths).ravel().tolist()), colour)
    for (x, y), size in zip(drops.tolist(), sizes.tolist(), strict=True):
        canvas.spot(x, y, presence * size, colour)


def draw(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    dark = brief.arrangement % 4 == 0
    ground = mix(palette.ink, palette.lead, 0.25) if dark else mix(palette.paper, palette.quiet, 0.22)
    canvas.fill(ground)
    canvas.lab[0] += 0.005 * canvas.texture("cloud") + 0.006 * canvas.texture("weave")
    inks = np.stack([palette.paper if dark else palette.ink, *palette.colours])
    for colour, presence in zip(inks[brief.order(_COATS)], brief.count(3, _COATS), strict=True):
        _coat(canvas, brief, colour, float(presence))
