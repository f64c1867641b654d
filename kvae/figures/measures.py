"""What was measured of models as one HTML page: the sentences, the weights on one scale, and every number."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter

from kvae.figures.labels import place_labels
from kvae.figures.page import rendered, themed
from kvae.figures.sheet import Sheet, Theme, points
from kvae.figures.wording import number
from kvae.files.atomic import atomic_write

TITLE = "What kvae-measure found"
_WIDTH, _HEIGHT = 1376, 380  # units


def write_measures(
    path: Path | str,
    *,
    columns: Sequence[tuple[str, str]],
    groups: Sequence[Mapping[str, Any]],
    findings: Sequence[str],
    notes: Sequence[str],
    summary: str,
    bits: Sequence[tuple[str, float, float]],
) -> None:
    """Write the page.

    Arguments:
        columns: the name and the weight of each model at each weight, as text.
        groups: `title` and `lines` of each question; a line has `label`, `unit`, `says` and `cells`, one for a column.
        findings, notes: sentences: what the numbers say, and what has no meaning.
        summary: what was measured on what.
        bits: name, weight and bits per dimension of each column that has a bound; two or more weights are drawn.
    """
    heading, *rest = findings or ["Nothing could be measured"]
    chart = None
    if len({weight for _, weight, _ in bits}) > 1:
        chart = themed(lambda theme: _drawn(Sheet(_WIDTH, _HEIGHT, scale=2, theme=theme), bits))
    text = rendered(
        "measures.html.j2", title=TITLE, heading=heading, findings=rest, summary=summary, notes=notes, groups=groups,
        columns=columns, chart=chart,
    )  # fmt: skip
    atomic_write(path, text)


def _drawn(sheet: Sheet, bits: Sequence[tuple[str, float, float]]) -> bytes:
    """Bits per dimension over the weight, a line for each model."""
    theme: Theme = sheet.theme
    axes = sheet.axes(72, 16, _WIDTH - 90, _HEIGHT - 70)
    axes.set_xscale("log")
    names = list(dict.fromkeys(name for name, _, _ in bits))
    colors = (theme.weight, theme.distortion, theme.rate, theme.loss, theme.quiet)
    lines, ends = [], []
    for place, name in enumerate(names):
        own = sorted((weight, value) for one, weight, value in bits if one == name)
        xs, ys = zip(*own, strict=True)
        (line,) = axes.plot(
            xs, ys, marker="o", color=colors[place % len(colors)], linewidth=points(2), markersize=points(8)
        )
        lines.append(np.asarray(line.get_xydata()))
        ends.append((xs[-1], ys[-1], name))
    axes.margins(0.08, 0.15)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"β {number(value)}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    if len(names) > 1:
        place_labels(axes, ends, lines, theme)
    return sheet.png()
