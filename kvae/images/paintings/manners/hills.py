"""Sun or moon over rolling hills, after Milton Avery."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief
from kvae.images.paintings.palettes import lighter, mix

_HILLS = 6


def skyline(places: np.ndarray, waves: np.ndarray, phases: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """A rolling line: the sum of sines at `places`, each argument of shape (terms,); positive is up."""
    return np.sin(2 * np.pi * (places[..., None] * waves + phases)) @ heights


def _sky(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    night = brief.arrangement % 4 == 3
    glow = lighter(palette.accent, 0.06, 0.75)
    if night:
        stops = [mix(palette.ink, palette.second, 0.25), mix(palette.ink, palette.second, 0.6), palette.quiet]
        light = mix(palette.paper, palette.pale, 0.4)
    else:
        high = palette.second if brief.arrangement % 2 else palette.quiet
        stops = [mix(high, palette.paper, 0.35), mix(palette.pale, palette.paper, 0.4), mix(glow, palette.paper, 0.35)]
        light = palette.accent
    canvas.fill(canvas.gradient(stops, canvas.y * np.float32(1.5)))
    canvas.lab[0] += 0.010 * canvas.texture("brush")
    radius = 0.095 * brief.scale**1.3
    place = (brief.x, 0.52 * brief.y)
    canvas.lay(canvas.disc(*place, 2.0 * radius, soft=2.6 * radius), light, 0.40)
    canvas.lay(canvas.disc(*place, radius, soft=0.008), light)


def draw(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    _sky(canvas, brief)
    canvas.wobble(0.003)
    order = brief.order(4)
    presence = brief.count(3, _HILLS)
    depths = np.cumsum(presence) / presence.sum()  # 1 for the nearest
    slope = np.float32(np.tan(0.75 * brief.lean))
    brush = canvas.texture("brush")
    for k in range(_HILLS):
        phases, heights = brief.between(0, 1, 3), brief.between(0.5, 1.0, 3) * (0.085, 0.045, 0.018)
        if presence[k] <= 0.0:
            continue
        near = float(depths[k])
        waves = np.array([0.55, 1.25, 2.6]) / brief.scale
        line = skyline(canvas.x[0] - (1.2 - near) * (brief.x - 0.5), waves, phases, heights * brief.scale)
        top = 0.40 + 0.44 * near + 0.16 * (brief.y - 0.5) + 0.4 * (1.0 - presence[k])  # a new hill rises
        below = canvas.y - np.float32(top) + line.astype(np.float32) - slope * (canvas.x - 0.5) * (1.4 - near)
        colour = mix(palette.colours[(0, 3, 1, 2)[order[k % 4]]], palette.ink, 0.30 * near)
        colour = mix(colour, palette.pale, 0.42 * (1.0 - near))  # air between here and there
        field = np.repeat(colour[:, None], below.size, 1).reshape(3, *below.shape)
        field[0] += 0.014 * brush - np.float32(0.35) * np.clip(below, 0.0, 0.3)
        canvas.lay(canvas.side(below * np.float32(0.9)), field)
    canvas.grain("weave", 0.004)
