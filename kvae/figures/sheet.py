"""A figure laid out in units from its top left corner, and its two themes.

One unit is one pixel at scale 1. Pictures are copied to device pixels as they are, never resampled.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D
from matplotlib.text import Text

from kvae.files.atomic import atomic_write

_DPI = 100
# DejaVu Sans comes with Matplotlib and has β, σ and √; the others are asked only for letters that it lacks.
_FALLBACKS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Hiragino Sans", "Microsoft YaHei", "Malgun Gothic")


@dataclass(frozen=True)
class Theme:
    """Colours of one appearance. One colour per quantity, from Okabe and Ito's colour-blind-safe set."""

    background: str
    ink: str
    quiet: str
    rule: str
    loss: str
    distortion: str
    rate: str
    weight: str


LIGHT = Theme("#ffffff", "#1b1b1b", "#666666", "#dddddd", "#000000", "#0072B2", "#E69F00", "#009E73")
# On a dark ground the set's own light blue stands for its blue, which would be too dim there.
DARK = Theme("#15171a", "#ececec", "#a0a4a8", "#33373c", "#ffffff", "#56B4E9", "#E69F00", "#00B585")


@cache
def families() -> list[str]:
    """The font families to ask, in order; those that this machine lacks are left out, as asking would warn."""
    present = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _FALLBACKS if name in present)]


def points(units: float) -> float:
    """A length in units as typographic points, the measure of Matplotlib's fonts and lines."""
    return units * 72 / _DPI


def drawable(text: str) -> str:
    """`text` with a sign for each code in it: no font has those, and matplotlib warns with the code itself."""
    return "".join("\ufffd" if one != "\n" and unicodedata.category(one)[0] == "C" else one for one in text)


class Sheet:
    """A blank figure, `width` × `height` units, `scale` device pixels to the unit."""

    def __init__(self, width: int, height: int, *, scale: int = 2, theme: Theme = LIGHT) -> None:
        self.width, self.height, self.scale, self.theme = width, height, scale, theme
        # The tenth of a pixel guards against a product like 15.6 × 200 that falls short of its whole number.
        size = ((width + 0.1 / scale) / _DPI, (height + 0.1 / scale) / _DPI)
        self.figure = Figure(figsize=size, dpi=_DPI * scale, facecolor=theme.background)
        self.canvas = FigureCanvasAgg(self.figure)

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes whose frame has its top left corner at (x, y)."""
        box = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(box)
        plain(axes, self.theme)
        return axes

    def text(self, x: float, y: float, text: str, size: float = 14, **options: Any) -> Text:
        """Text with its baseline at (x, y); `size` in units. Names may hold a $ or codes, which are drawn."""
        options = {"color": self.theme.ink, "ha": "left", "va": "baseline", **options}
        return self.figure.text(
            x / self.width,
            1 - y / self.height,
            drawable(text),
            fontsize=points(size),
            fontfamily=families(),
            parse_math=False,
            **options,
        )

    def heading(self, x: float, y: float, title: str, note: str = "") -> None:
        """A section's title, and after it, quietly, what the reader should know; `y` is the baseline."""
        drawn = self.text(x, y, title, 17, weight="bold")
        self.text(x + self.length(drawn) + 14, y, note, 14, color=self.theme.quiet)

    def length(self, text: Text) -> float:
        """How wide a text is as it is drawn, in units."""
        return text.get_window_extent(self.canvas.get_renderer()).width / self.scale

    def picture(self, x: float, y: float, pixels: np.ndarray) -> None:
        """Copy uint8 pixels (H, W, 3), already in device pixels, with their top left corner at (x, y)."""
        # figimage counts from the bottom of the canvas.
        bottom = self.height * self.scale - round(y * self.scale) - pixels.shape[0]
        self.figure.figimage(pixels, xo=round(x * self.scale), yo=bottom, origin="upper")

    def line(self, x0: float, y0: float, x1: float, y1: float, *, color: str | None = None, width: float = 1) -> None:
        """A straight rule from (x0, y0) to (x1, y1)."""
        xs, ys = [x0 / self.width, x1 / self.width], [1 - y0 / self.height, 1 - y1 / self.height]
        rule = Line2D(
            xs, ys, color=color or self.theme.rule, linewidth=points(width), transform=self.figure.transFigure
        )
        self.figure.add_artist(rule)

    def png(self) -> bytes:
        """The sheet as PNG."""
        buffer = BytesIO()
        self.figure.savefig(buffer, format="png", facecolor=self.theme.background, dpi=_DPI * self.scale)
        return buffer.getvalue()

    def svg(self) -> bytes:
        """The sheet as SVG, its letters as outlines, so that it needs no font."""
        buffer = BytesIO()
        self.figure.savefig(buffer, format="svg", facecolor=self.theme.background, metadata={"Date": None})
        return buffer.getvalue()

    def save(self, path: Path | str) -> None:
        """Write the sheet as PNG."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, self.png())


def plain(axes: Axes, theme: Theme) -> None:
    """No boxes: a rule below and on the left, a quiet grid, quiet tick labels."""
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.rule)
        spine.set_linewidth(points(1))
    axes.tick_params(
        which="both", length=0, pad=points(7), labelsize=points(13), labelcolor=theme.quiet, color=theme.rule
    )
    axes.grid(True, which="major", color=theme.rule, linewidth=points(0.7), alpha=0.7)
    axes.set_axisbelow(True)
