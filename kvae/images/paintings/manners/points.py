"""Dots of light over a harbour, after Paul Signac."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief
from kvae.images.paintings.palettes import lighter, mix

_LATTICE = 64  # most dots a side, with the margin that turning needs


def _scene(brief: Brief, coast: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The harbour behind the dots: its OKLab colour at places `x`, `y` of shape (dots,); shape (3, dots)."""
    palette = brief.palette
    horizon = 0.22 + 0.76 * brief.y + np.tan(0.3 * brief.lean) * (x - 0.5)
    evening = brief.arrangement % 3
    high = (palette.second, palette.lead, palette.quiet)[evening]
    gold = lighter(palette.accent, 0.05)
    sky_stops = [mix(high, palette.paper, 0.15), mix(high, palette.pale, 0.65), gold]
    sea_stops = [mix(gold, high, 0.35), mix(high, palette.lead, 0.5), mix(palette.ink, palette.lead, 0.55)]
    sun_y = horizon - 0.17
    far = np.hypot(x - brief.x, y - sun_y)
    places = [0.0, 0.5, 1.0]
    sky = np.stack([np.interp(y / horizon, places, [s[c] for s in sky_stops]) for c in range(3)])
    depth = (y - horizon) / np.maximum(1.02 - horizon, 0.1)
    sea = np.stack([np.interp(depth, places, [s[c] for s in sea_stops]) for c in range(3)])
    scene = np.where(y < horizon, sky, sea)
    radius = 0.095 * brief.scale
    glow = np.clip(1.0 - (far - radius) / (0.30 * brief.scale), 0.0, 1.0) ** 2 * (y < horizon)
    path = (
        np.clip(1.0 - np.abs(x - brief.x) / (brief.scale * (0.07 + 0.20 * np.abs(depth))), 0.0, 1.0)
        * (y >= horizon)
        * 0.8
    )
    light = np.maximum(np.maximum(glow * 0.75, path), far < radius)
    scene += light * (mix(palette.paper, palette.accent, 0.45)[:, None] - scene)
    # Two headlands, left and right, leave the light between them.
    reach = np.clip((np.abs(x - brief.x) - 0.12 * brief.scale) / 0.42, 0.0, 1.0)
    height = np.where(x < brief.x, coast[0], coast[1]) * reach * (1.0 + 0.35 * np.sin(11.0 * x + coast[2] * 6.3))
    land = lighter(mix(palette.ink, palette.lead, 0.7), 0.05)[:, None]
    scene += ((y < horizon + 0.008) & (y > horizon - height)) * 0.85 * (land - scene)
    mirrored = (y >= horizon) & (y < horizon + 0.9 * height)
    return scene + mirrored * 0.40 * (land - scene)


def draw(canvas: Canvas, brief: Brief) -> None:
    number = 20.0 + 18.0 * brief.density  # dots in a canvas side
    turn = brief.lean + 0.35
    coast = brief.between(0.03, 0.17, 3) * (brief.scale, brief.scale, 6.0)
    across, down = canvas.turned(0.5, 0.5, turn)
    half = _LATTICE // 2
    column, row = across * np.float32(number) + half, down * np.float32(number) + half
    rows, columns = np.mgrid[0:_LATTICE, 0:_LATTICE]
    jitter = brief.between(-0.26, 0.26, 2, _LATTICE, _LATTICE)
    sizes = brief.between(0.40, 0.62, _LATTICE, _LATTICE).astype(np.float32)
    centre_u, centre_v = columns + 0.5 + jitter[0], rows + 0.5 + jitter[1]
    u, v = (centre_u - half) / number, (centre_v - half) / number
    cosine, sine = np.cos(turn), np.sin(turn)
    x, y = 0.5 + cosine * u - sine * v, 0.5 + sine * u + cosine * v
    colours = _scene(brief, coast, x.ravel(), y.ravel())
    # Broken colour: each dot steps aside from the scene in lightness and hue; the eye mixes them again.
    colours += brief.between(-1, 1, 3, colours.shape[1]) * np.array([0.045, 0.030, 0.035])[:, None]
    colours = np.ascontiguousarray(colours.astype(np.float32))
    ground = _scene(brief, coast, canvas.x.ravel(), canvas.y.ravel()).reshape(canvas.lab.shape).astype(np.float32)
    canvas.fill(mix(ground, brief.palette.paper[:, None, None], 0.25))
    centre_u, centre_v = centre_u.astype(np.float32), centre_v.astype(np.float32)
    cell_u, cell_v = np.floor(column).astype(np.int32), np.floor(row).astype(np.int32)
    for step_v in (-1, 0, 1):
        for step_u in (-1, 0, 1):
            dot = np.clip(cell_v + step_v, 0, _LATTICE - 1) * _LATTICE + np.clip(cell_u + step_u, 0, _LATTICE - 1)
            off_u, off_v = column - centre_u.ravel()[dot], row - centre_v.ravel()[dot]
            gap = (sizes.ravel()[dot] - np.sqrt(off_u * off_u + off_v * off_v)) / np.float32(number)
            canvas.lay(canvas.side(gap), colours[:, dot], 0.9)
