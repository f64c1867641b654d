"""Ranks of leaning waves under a low sun, after Katsushika Hokusai."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief
from kvae.images.paintings.palettes import lighter, mix

_RANKS = 6
_TURN = np.float32(2 * np.pi)


def _depth(canvas: Canvas, base: float, height: float, length: float, phase: float, lean: float) -> np.ndarray:
    """Signed distance below the crest of one rank of waves, roughly; shape (h, w).

    The places are sheared more the higher they lie, so that crests lean over their own feet.
    """
    above = np.float32(base) - canvas.y
    sheared = canvas.x - np.float32(lean) * above * (1.0 + np.float32(2.2 / max(height, 0.02)) * np.abs(above))
    wave = _TURN * (sheared / np.float32(length) + np.float32(phase))
    bump = 0.5 + 0.5 * np.sin(wave)
    crest = bump * bump * (3 - 2 * bump) * 0.55 + bump * 0.45
    slope = np.float32(height * np.pi / length) * np.cos(wave)
    return (np.float32(height) * (crest - 0.5) - above) / np.sqrt(1.0 + slope * slope)


def _sky(canvas: Canvas, brief: Brief, horizon: float) -> None:
    palette = brief.palette
    dusk = mix(palette.paper, palette.accent if brief.arrangement % 2 else palette.quiet, 0.45)
    canvas.fill(canvas.gradient([dusk, palette.paper, mix(palette.paper, palette.pale, 0.8)], canvas.y / horizon))
    x = 0.5 + 1.2 * (brief.x - 0.5) + float(brief.between(-0.12, 0.12))
    y = horizon - float(brief.between(0.10, 0.30))
    canvas.lay(canvas.disc(x, y, 0.075 + 0.02 * brief.scale, soft=0.006), palette.accent, 0.92)


def draw(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    horizon = brief.y
    _sky(canvas, brief, horizon)
    canvas.wobble(0.004)
    phases = brief.between(0, 1, _RANKS) + 0.9 * (brief.x - 0.5)
    lengths = brief.between(0.85, 1.2, _RANKS)
    swells = brief.between(0.75, 1.25, _RANKS)
    deep = min((palette.lead, palette.second, palette.ink), key=lambda colour: abs(colour[0] - 0.42) + 0.5 * colour[2])
    presence = brief.count(3, _RANKS)
    ranks = np.cumsum(presence) / presence.sum()  # 1 for the nearest
    lean = 1.6 * brief.lean
    for k in range(_RANKS):
        if presence[k] <= 0.0:
            continue
        near = float(ranks[k])
        height = (0.04 + 0.17 * near) * brief.scale * swells[k]
        base = horizon + (near - 0.22) * (1.0 - horizon) * 0.80 + 0.5 * (1.0 - presence[k])  # a new rank rises
        depth = _depth(canvas, base, height, (0.20 + 0.42 * near) * lengths[k], phases[k], lean)
        body = mix(mix(palette.quiet, palette.pale, 0.4), deep, 0.25 + 0.75 * near)
        shade = np.clip(depth * np.float32(3.0), 0.0, 1.0) * np.float32(-0.10)
        field = np.repeat(body[:, None], depth.size, 1).reshape(3, *depth.shape)
        field[0] += shade
        canvas.lay(canvas.side(depth), field)
        foam = mix(palette.paper, lighter(body, 0.35), 0.15)
        canvas.lay(canvas.band(depth - 0.012, 0.009 + 0.006 * near), foam)
        for line, strength in ((0.050, 0.42), (0.082, 0.20)):
            canvas.lay(canvas.band(depth - line * (0.6 + 0.5 * near), 0.0055), foam, strength)
    canvas.grain("brush", 0.006)
