"""Lit windows at night above water, after Georgia O'Keeffe's New York nights."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief
from kvae.images.paintings.palettes import lighter, mix

_TOWERS = 13
_FLOORS, _BAYS = 16, 5


def _windows(part: Canvas, left: float, top: float, pitch: float, lit: np.ndarray) -> np.ndarray:
    """How much of each pixel is lit window; `lit` of shape (_FLOORS, _BAYS) is the light of each, in [0, 1]."""
    column, row = (part.x - np.float32(left)) / np.float32(pitch), (part.y - np.float32(top)) / np.float32(1.3 * pitch)
    bay, floor = np.floor(column), np.floor(row)
    cover = part.band((column - bay - 0.5) * np.float32(pitch), 0.27 * pitch)
    cover *= part.band((row - floor - 0.5) * np.float32(1.3 * pitch), 0.36 * pitch)
    known = (floor >= 0) & (bay >= 0) & (floor < _FLOORS) & (bay < _BAYS)
    light = lit[np.clip(floor, 0, _FLOORS - 1).astype(int), np.clip(bay, 0, _BAYS - 1).astype(int)]
    return cover * light * known


def _tower(canvas: Canvas, brief: Brief, place: tuple[float, float, float], water: float, presence: float) -> None:
    """One tower at `place` (x, half width, top), with its windows."""
    x, half, top = place
    palette = brief.palette
    shade, glow = float(brief.between(0.0, 0.40)), float(brief.between(0, 1))
    lit = brief.between(0, 1, _FLOORS, _BAYS)
    body = lighter(mix(palette.ink, palette.lead if shade > 0.2 else palette.second, 0.15 + shade), -0.03)
    part = canvas.window(x - half, top, x + half, water)
    if part.x.size == 0 or presence <= 0.0:
        return
    cover = part.band(part.x - np.float32(x), half) * part.side(part.y - np.float32(top))
    part.lay(cover * part.side(np.float32(water) - part.y), body, presence)
    pitch = 2.0 * half / (_BAYS + 0.6) * 1.0
    light = np.clip((brief.density * 0.75 + 0.15 - lit) * 5.0, 0.0, 1.0)
    cover = _windows(part, x - half + 0.3 * pitch, top + pitch, pitch, light) * part.side(water - 0.01 - part.y)
    part.lay(cover, mix(lighter(palette.accent, 0.05), palette.paper, 0.5 * glow), 0.92 * presence)


def draw(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    water = 0.56 + 0.45 * brief.y  # where the town meets the river
    cool = palette.second if brief.arrangement % 2 else palette.lead
    stops = [lighter(mix(palette.ink, cool, 0.2), -0.04), mix(palette.ink, cool, 0.55), mix(cool, palette.accent, 0.45)]
    canvas.fill(canvas.gradient(stops, canvas.y / np.float32(water)))
    canvas.lab[0] += 0.010 * canvas.texture("cloud")
    moon = (1.08 - brief.x * 1.1, float(brief.between(0.13, 0.24)))
    pale = mix(palette.paper, palette.accent, 0.2)
    canvas.lay(canvas.disc(*moon, 0.10, soft=0.17), pale, 0.25)
    canvas.lay(canvas.disc(*moon, 0.055, soft=0.006), pale)
    canvas.x = canvas.x - np.float32(np.tan(0.5 * brief.lean)) * (water - canvas.y)  # the towers lean together
    places = (np.arange(_TOWERS) - (_TOWERS - 1) / 2) * 0.115 + brief.between(-0.03, 0.03, _TOWERS)
    halves, heights = brief.between(0.045, 0.085, _TOWERS), brief.between(0.12, 0.40, _TOWERS)
    for k in brief.order(_TOWERS):
        x = brief.x + brief.scale * places[k]
        height = brief.scale * (heights[k] + 0.17 * np.exp(-((places[k] / 0.16) ** 2)))
        _tower(canvas, brief, (x, brief.scale * halves[k], water - height), water, 1.0)
    _reflect(canvas, water, mix(palette.ink, cool, 0.45))
    canvas.grain("weave", 0.004)


def _reflect(canvas: Canvas, water: float, colour: np.ndarray) -> None:
    """Mirror the town in the river below `water`, darker, and streaked by ripples."""
    start = int(np.ceil(water * canvas.size))
    if start >= canvas.size:
        return
    depth = canvas.y[start:] - np.float32(water)
    source = np.clip(((water - 1.5 * depth[:, 0]) * canvas.size).astype(int), 0, canvas.size - 1)
    canvas.lab[:, start:] = canvas.lab[:, source]
    ripple = 0.5 + 0.12 * canvas.texture("brush")[start:] + 0.9 * depth
    canvas.lab[:, start:] += np.clip(ripple, 0.0, 0.95) * (colour[:, None, None] - canvas.lab[:, start:])
