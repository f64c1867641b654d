"""Floating planes, after Kazimir Malevich: a quadrilateral, a disc and bars along one leaning axis."""

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import Brief
from kvae.images.paintings.palettes import mix

_BARS = 11


def _bars(canvas: Canvas, brief: Brief, axis: float) -> None:
    """Bars beside and across the axis, thick ones first."""
    palette = brief.palette
    choice = np.stack([palette.ink, *palette.colours[:4], palette.lead])
    along = brief.between(-0.40, 0.40, _BARS)
    aside = brief.between(0.05, 0.30, _BARS) * np.where(brief.between(0, 1, _BARS) < 0.5, -1.0, 1.0)
    lengths = brief.between(0.05, 0.24, _BARS)
    thickness = np.sort(brief.between(0.06, 1.0, _BARS) ** 2 * 0.042)[::-1] + 0.004
    crossing = brief.between(0, 1, _BARS) < 0.3
    picks = brief.between(0, len(choice), _BARS).astype(int)
    cosine, sine = np.cos(axis), np.sin(axis)
    for k, presence in enumerate(brief.count(4, _BARS)):
        x = brief.x + brief.scale * (cosine * along[k] - sine * aside[k])
        y = brief.y + brief.scale * (sine * along[k] + cosine * aside[k])
        half, thin = presence * brief.scale * lengths[k], presence * brief.scale * thickness[k]
        reach = half + thin
        part = canvas.window(x - reach, y - reach, x + reach, y + reach)
        cover = part.box(x, y, half, thin, axis + (np.pi / 2 if crossing[k] else 0.0))
        part.lay(cover, choice[picks[k]])


def draw(canvas: Canvas, brief: Brief) -> None:
    palette = brief.palette
    canvas.fill(mix(palette.paper, palette.pale, 0.25))
    canvas.lab[0] += 0.005 * canvas.texture("cloud")
    canvas.wobble(0.0015)
    sign = 1.0 if brief.arrangement % 2 else -1.0
    axis = sign * float(brief.between(0.35, 0.9)) + brief.lean
    cosine, sine = np.cos(axis), np.sin(axis)
    lead, other = brief.order(3)[:2]
    # The great quadrilateral: a rectangle whose one side leans a little more.
    across, down = canvas.turned(brief.x - 0.10 * cosine, brief.y - 0.10 * sine, axis)
    half_width, half_height = brief.scale * brief.between(0.15, 0.24), brief.scale * brief.between(0.09, 0.15)
    taper = float(brief.between(-0.35, 0.35))
    cover = canvas.band(across, half_width) * canvas.band(
        down + taper * across * 0.5, half_height * (1 - taper * across)
    )
    canvas.lay(cover, (palette.ink, palette.lead, palette.second)[lead])
    radius = brief.scale * float(brief.between(0.07, 0.13))
    far, off = float(brief.between(0.26, 0.36)), float(brief.between(-0.22, 0.22))
    x, y = brief.x + brief.scale * (cosine * far - sine * off), brief.y + brief.scale * (sine * far + cosine * off)
    canvas.spot(x, y, radius, (palette.second, palette.accent, palette.lead)[other])
    _bars(canvas, brief, axis)
    canvas.grain("weave", 0.006)
