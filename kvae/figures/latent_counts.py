"""D and R against the number of latents at each weight, with what the Gaussian limit says beside them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from kvae.figures.grid_wording import enough_latents, latent_series
from kvae.figures.labels import place_labels
from kvae.figures.records import LatentLimit, SweepRun
from kvae.figures.sheet import Sheet, Theme, families, points
from kvae.figures.wording import number

HEIGHT = 420  # units
_BETWEEN, _LEFT, _BELOW = 90, 72, 64
_QUANTITIES = (("distortion", "distortions", "D  distortion"), ("rate", "rates", "R  rate, nats"))


def draw_latent_counts(
    sheet: Sheet, x: float, y: float, width: float, runs: Sequence[SweepRun], limits: Sequence[LatentLimit]
) -> None:
    """Two panels, `HEIGHT` units high: a line for each weight, the limit's thin and dashed; an open ring marks the
    number of latents from which more lower L by 1% at most."""
    rows = latent_series(runs)
    wide = (width - _BETWEEN) / 2
    counts = sorted({run.latent_dim for row in rows.values() for run in row})
    for place, (field, prediction, label) in enumerate(_QUANTITIES):
        axes = sheet.axes(x + place * (wide + _BETWEEN), y, wide, HEIGHT - _BELOW)
        color = getattr(sheet.theme, field)
        _frame(axes, counts, label, sheet.theme)
        obstacles, named = [], []
        for limit in limits:
            line = np.stack([limit.latents, getattr(limit, prediction)], axis=1)
            axes.plot(*line.T, color=sheet.theme.quiet, linewidth=points(1.2), dashes=(4, 3), zorder=2)
            obstacles.append(line)
        for (weight, rest), row in rows.items():
            line = np.array([[run.latent_dim, getattr(run, field)] for run in row], float)
            _draw(axes, line, row, field, color, sheet.theme)
            obstacles.append(line)
            name = f"β {number(weight)}{f', {rest}' if rest else ''}"
            named.append((line[-1, 0], line[-1, 1], name))
        place_labels(axes, named, obstacles, sheet.theme)


def _draw(axes: Axes, line: np.ndarray, row: Sequence[SweepRun], field: str, color: str, theme: Theme) -> None:
    spreads = [run.spread.get(field, 0.0) for run in row]
    axes.errorbar(
        line[:, 0], line[:, 1], spreads if any(spreads) else None, color=color, linewidth=points(2), marker="o",
        markersize=points(7), capsize=points(4), elinewidth=points(1.4), zorder=4,
    )  # fmt: skip
    enough = line[enough_latents(row)]
    axes.plot(
        *enough[:, None], "o", markersize=points(14), markerfacecolor="none", markeredgecolor=theme.ink,
        markeredgewidth=points(1.6), zorder=5,
    )  # fmt: skip


def _frame(axes: Axes, counts: Sequence[int], label: str, theme: Theme) -> None:
    axes.set_xscale("log", base=2)
    low, high = counts[0], counts[-1]
    room = (high / low) ** 0.12
    axes.set_xlim(low / room, high * room**1.6)
    axes.xaxis.set_major_locator(FixedLocator(_apart(counts)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.margins(y=0.14)
    look: dict[str, Any] = {"fontsize": points(14), "color": theme.quiet, "fontfamily": families()}
    axes.set_xlabel("latents", labelpad=points(8), **look)
    axes.set_ylabel(label, labelpad=points(8), **look)


def _apart(counts: Sequence[int]) -> list[float]:
    """The counts that have room for their number on a logarithmic axis."""
    kept = [counts[-1]]
    for count in reversed(counts[:-1]):
        if kept[-1] / count >= (counts[-1] / counts[0]) ** 0.06:
            kept.append(count)
    return [float(count) for count in kept]
