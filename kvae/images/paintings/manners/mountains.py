"""Ridges that sink into mist, after Nicholas Roerich and ink painting."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief
from kvae.images.paintings.palettes import mix

_RIDGES = 5
_OCTAVES = 5


def _ridge(places: np.ndarray, phases: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A jagged line in about [-1, 1] at `places`: triangle waves, each octave twice as fine; positive is up."""
    waves = 0.8 * 1.93 ** np.arange(_OCTAVES)
    turns = places[..., None] * waves + phases
    teeth = 4.0 * np.abs(turns - np.round(turns)) - 1.0
    return teeth @ (weights * 0.5 ** np.arange(_OCTAVES))


def _sky(canvas: Canvas, brief: Brief, mist: np.ndarray) -> None:
    palette = brief.palette
    odd = brief.arrangement % 2
    high = mix(palette.second if odd else palette.lead, palette.paper, 0.25 if brief.arrangement % 3 else 0.55)
    warm = mix(palette.accent, palette.paper, 0.45)
    canvas.fill(canvas.gradient([high, warm, mist], canvas.y * np.float32(1.45)))
    canvas.lab[0] += 0.010 * canvas.texture("brush")
    canvas.wobble(0.002)
    sun = (1.0 - brief.x, 0.12 + 0.16 * float(brief.between(0, 1)))
    canvas.lay(canvas.disc(*sun, 0.05 + 0.01 * brief.scale, soft=0.008), mix(palette.accent, palette.paper, 0.6 * odd))


def draw(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    mist = mix(palette.paper, palette.pale, 0.5)
    _sky(canvas, brief, mist)
    presence = brief.count(2, _RIDGES)
    depths = np.cumsum(presence) / presence.sum()  # 1 for the nearest
    slope = np.tan(0.5 * brief.lean)
    body = palette.second if brief.arrangement % 4 < 2 else palette.lead
    lit = np.float32(0.05 if brief.arrangement % 2 else -0.05)
    for k in range(_RIDGES):
        phases, weights = brief.between(0, 1, _OCTAVES), brief.between(0.5, 1.0, _OCTAVES)
        peak = float(brief.between(-0.30, 0.30)) * (k > 0)
        if presence[k] <= 0.0:
            continue
        near = float(depths[k])
        across = (canvas.x[0].astype(np.float64) - brief.x - peak) / brief.scale
        # A tent around the position makes one summit stand above the rest of the ridge.
        summit = 0.30 * np.maximum(0.0, 1.0 - 1.9 * np.abs(across)) - 0.10
        line = brief.scale * (0.105 * _ridge(across, phases, weights) + summit * (1.1 - 0.5 * near))
        line -= slope * (canvas.x[0] - 0.5) * 1.2
        foot = np.float32(0.26 + 0.44 * near + 0.5 * (brief.y - 0.5) + 0.6 * (1.0 - presence[k]))  # a new ridge rises
        below = canvas.y - foot + line.astype(np.float32)
        # One flank lies in the light; its facets run down aslant.
        facet = np.tanh(np.gradient(line, canvas.x[0].astype(np.float64)) * 2.5)
        face = np.interp(canvas.x + 0.55 * below, canvas.x[0], facet).astype(np.float32) * lit
        colour = mix(mix(body, palette.ink, 0.62 * near), mist, 0.50 * (1.0 - near))
        field = np.repeat(colour[:, None], below.size, 1).reshape(3, *below.shape)
        field[0] += face * np.exp(np.minimum(0.0, -below) * 7.0)
        fade = np.clip((canvas.y - foot + 0.10) * np.float32(2.6 - 0.8 * near), 0.0, 0.92 - 0.35 * near)
        field += fade * (mist[:, None, None] - field)
        canvas.lay(canvas.side(below * np.float32(0.7)), field)
    canvas.grain("weave", 0.004)
