"""A few vessels on a table, after Giorgio Morandi."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief
from kvae.images.paintings.palettes import lighter, mix

_VESSELS = 6
# Half width (of the widest) at heights 0 (foot) to 1 (lip), evenly spaced.
_PROFILES = np.array(
    [
        [0.92, 1.00, 1.00, 1.00, 0.98, 0.80, 0.42, 0.30, 0.28, 0.28, 0.36],  # wine bottle
        [0.80, 0.96, 1.00, 0.92, 0.70, 0.42, 0.28, 0.24, 0.22, 0.24, 0.34],  # carafe
        [1.00, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00],  # box
        [0.55, 0.78, 0.94, 1.00, 0.98, 0.90, 0.80, 0.74, 0.74, 0.80, 0.90],  # vase
        [0.40, 0.34, 0.62, 0.84, 0.95, 1.00, 1.00, 0.98, 0.96, 0.96, 0.98],  # cup
        [0.88, 0.92, 0.95, 0.97, 0.98, 0.98, 0.96, 0.70, 0.44, 0.42, 0.42],  # jar with a stopper
    ]
)
_TALL = np.array([0.46, 0.42, 0.24, 0.30, 0.19, 0.33])
_WIDE = np.array([0.075, 0.105, 0.085, 0.095, 0.095, 0.075])


def _vessel(canvas: Canvas, kind: int, x: float, foot: float, size: float, colour: np.ndarray, light: float) -> None:
    """Paint one vessel: lit from the side `light` (-1 left, 1 right), with a lip and a cast shadow."""
    tall, wide = size * float(_TALL[kind]), size * float(_WIDE[kind])
    part = canvas.window(x - 1.5 * wide, foot - tall - 0.03, x + 1.5 * wide, foot + 0.05)
    if part.x.size == 0:
        return
    height = (np.float32(foot) - part.y) / np.float32(tall)
    places = np.linspace(0.0, 1.0, _PROFILES.shape[1])
    half = (wide * np.interp(height, places, _PROFILES[kind])).astype(np.float32)
    slope = np.interp(height, places, np.gradient(_PROFILES[kind], places)) * wide / tall
    across = part.x - np.float32(x)
    sag = np.float32(0.10) * np.sqrt(np.maximum(0.0, wide * wide - across * across))  # a round foot, seen from above
    cover = part.side((half - np.abs(across)) / np.sqrt(1.0 + slope * slope).astype(np.float32))
    cover *= part.side(np.float32(foot) - part.y + sag) * part.side(part.y - np.float32(foot - tall) + 0.3 * sag)
    round_ = across / np.maximum(half, np.float32(0.01))
    flat = kind == 2
    field = np.repeat(colour[:, None], across.size, 1).reshape(3, *across.shape)
    tilt = np.float32(0.04 if flat else 0.10) * np.float32(light) * round_
    field[0] += tilt - np.float32(0.0 if flat else 0.07) * round_ * round_
    field[0] += np.float32(0.10) * np.exp(-np.square((round_ - np.float32(0.45 * light)) * 5)) * (not flat)
    part.lay(cover, field)
    lip = part.band(part.y - np.float32(foot - tall) + 0.3 * sag - 0.012 * size, 0.007 * size)
    part.lay(lip * cover, lighter(colour, -0.10), 0.6)


def _shadow(canvas: Canvas, x: float, foot: float, wide: float, light: float, colour: np.ndarray) -> None:
    """The shadow a vessel throws across the table, away from the light."""
    across = (canvas.x - np.float32(x + 1.5 * light * -wide)) / np.float32(2.4 * wide)
    down = (canvas.y - np.float32(foot + 0.004)) / np.float32(0.30 * wide)
    cover = np.clip(1.25 - (across * across + down * down), 0.0, 1.0)
    canvas.lay(cover, colour, 0.42)


def draw(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    light = -1.0 if brief.arrangement % 2 else 1.0
    wall = mix(palette.pale, palette.colours[(0, 1, 3, 4)[brief.arrangement % 4]], 0.22)
    table = mix(palette.paper, palette.colours[(3, 2, 0, 1)[(brief.arrangement // 2) % 4]], 0.30)
    edge = 0.30 + 0.56 * brief.y
    canvas.wobble(0.003)
    canvas.fill(wall)
    canvas.lab[0] += np.float32(0.05 * light) * (canvas.x - 0.5) + 0.009 * canvas.texture("brush")
    slant = canvas.y - np.float32(edge) - np.float32(np.tan(0.3 * brief.lean)) * (canvas.x - 0.5)
    canvas.lay(canvas.side(slant, soft=0.01), table)
    canvas.lay(canvas.side(slant - 0.33, soft=0.012), mix(table, palette.ink, 0.30))  # the front of the table
    # The group leans: a mild shear keeps every foot on the table.
    canvas.x = canvas.x + np.float32(np.tan(0.35 * brief.lean)) * (canvas.y - np.float32(edge))
    kinds = np.concatenate([brief.order(6), brief.order(6)])[:_VESSELS]
    spots = np.array([0.0, -0.17, 0.17, -0.32, 0.33, 0.07]) + brief.between(-0.025, 0.025, _VESSELS)
    feet = np.array([0.06, 0.12, 0.10, 0.07, 0.13, 0.19]) + brief.between(-0.02, 0.02, _VESSELS)
    choice = palette.colours[np.concatenate([brief.order(5), brief.order(5)])[:_VESSELS]]
    presence = brief.count(3, _VESSELS)
    for k in np.argsort(feet):
        if presence[k] <= 0.0:
            continue
        size = brief.scale * 1.05 * float(presence[k]) ** 0.5  # a new vessel grows
        x, foot = brief.x + brief.scale * spots[k], edge + feet[k]
        _shadow(canvas, x, foot, size * float(_WIDE[kinds[k]]), light, mix(table, palette.ink, 0.55))
        _vessel(canvas, int(kinds[k]), x, foot, size, mix(choice[k], palette.pale, 0.22), light)
    canvas.grain("brush", 0.007)
    canvas.grain("weave", 0.006)
