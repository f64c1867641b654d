"""The parts that a sweep's sheet and its page share: the runs' curves side by side, and the rate-distortion plane."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from kvae.figures.curves import draw_components, draw_weight, label_log, label_steps, series
from kvae.figures.labels import draw_label, place_labels
from kvae.figures.records import LimitCurve, SweepRun
from kvae.figures.sheet import Sheet, Theme, families, points
from kvae.figures.tiles import few
from kvae.figures.wording import clipped, number
from kvae.weighting.conversions import decoder_noise

_PANEL, _ABOVE, _BELOW, _BETWEEN, _LEGEND = 240, 66, 40, 26, 10  # units
MOST_NAMES = 16  # on the plane


def with_history(runs: Sequence[SweepRun]) -> list[SweepRun]:
    """The runs that have curves: those that were trained."""
    return [run for run in runs if len(run.history.get("distortion", ()))]


def multiples_height(count: int) -> int:
    """The height in units of `count` small multiples with their legend, 0 for none."""
    if count == 0:
        return 0
    rows = -(-count // _columns(count))
    return _LEGEND + rows * (_ABOVE + _PANEL) + _BELOW


def _columns(count: int) -> int:
    """Up to four side by side; more in rows of about equal length."""
    return math.ceil(count / math.ceil(count / 4))


def under(run: SweepRun) -> str:
    """The weight and the noise it stands for, in the words that go under a run's name."""
    if run.is_autoencoder:
        return "no KL term, β = 0"
    return f"β {number(run.kl_weight)}   σ {number(decoder_noise(run.kl_weight or 0))}"


def draw_multiples(sheet: Sheet, x: float, y: float, width: float, runs: Sequence[SweepRun]) -> None:
    """One panel for each trained run, all with the same axes, so that heights compare across panels."""
    shown, theme = with_history(runs), sheet.theme
    if not shown:
        return
    columns = _columns(len(shown))
    wide = (width - (columns - 1) * _BETWEEN) / columns
    panels: list[Axes] = []
    legend: dict[str, Line2D] = {}
    for index, run in enumerate(shown):
        left = x + (index % columns) * (wide + _BETWEEN)
        top = y + _LEGEND + _ABOVE + (index // columns) * (_PANEL + _ABOVE)
        axes = sheet.axes(left, top, wide, _PANEL)
        handles = draw_components(axes, run.history, {}, theme, thickness=2)
        legend |= {_short(handle): handle for handle in handles}
        sheet.text(left, top - 28, clipped(run.name, int(wide / 10)), 14, weight="bold")
        sheet.text(left, top - 10, under(run), 13, color=theme.quiet)
        panels.append(axes)
    _share(panels, columns)
    for axes, run in zip(panels, shown, strict=True):
        weight = series(run.history, "kl_weight")
        weight = weight[np.isfinite(weight)]
        if weight.size < 2 or weight.max() <= 1.001 * weight.min():
            continue  # a constant stands in the title
        if (handle := draw_weight(axes, run.history, theme, thickness=1.6)) is not None:
            legend["β  KL weight (own axis)"] = handle
            sheet.figure.axes[-1].tick_params(labelright=False)
    panels[0].legend(
        handles=list(legend.values()), labels=list(legend), ncols=len(legend), loc="lower left", frameon=False,
        bbox_to_anchor=(0, 1 + (_ABOVE - 10) / _PANEL), borderaxespad=0, borderpad=0, fontsize=points(13.5),
        labelcolor=theme.ink, handlelength=2.1, columnspacing=1.8,
    )  # fmt: skip


def _short(handle: Line2D) -> str:
    # "βR weighted rate (is R, as β = 1)" is true of one panel only.
    return str(handle.get_label()).split(" (")[0]


def _share(panels: Sequence[Axes], columns: int) -> None:
    """The same limits for all, and tick labels at the left and lower edges only."""
    low = min(axes.get_ylim()[0] for axes in panels)
    high = max(axes.get_ylim()[1] for axes in panels)
    end = max(axes.get_xlim()[1] for axes in panels)
    for index, axes in enumerate(panels):
        axes.set_xlim(0, end)
        axes.set_ylim(low, high)
        label_log(axes)
        label_steps(axes, ticks=3)
        axes.tick_params(labelleft=index % columns == 0, labelbottom=index + columns >= len(panels))


def draw_plane(
    axes: Axes,
    runs: Sequence[SweepRun],
    limit_curve: LimitCurve | None,
    theme: Theme,
    *,
    joined: bool = False,
    marks: Sequence[tuple[float, float, str]] = (),
) -> None:
    """Each run as a point (R, D), and the Gaussian limit as a curve. `joined` points are of one model.

    The green stroke through a point has slope −β: all points on it share the run's loss at the run's weight. Where a
    run is the best of its kind, the stroke touches its kind's own curve and no point of that curve lies below it.
    A plain autoencoder has no rate, so it is a level and not a point. `marks` are other places (R, D) with a name.
    """
    trained = [run for run in runs if run.is_finite and not run.gaussian_limit]
    placed = [run for run in trained if not run.is_autoencoder and run.rate is not None]
    plain = [run for run in trained if run.is_autoencoder]
    limits = [run for run in runs if run.is_finite and run.gaussian_limit and run.rate is not None]
    _frame(axes, [*placed, *limits], plain, theme)
    if len(plain) > 2:
        plain = [min(plain, key=lambda run: run.distortion)]
    obstacles = [_level(axes, run, theme) for run in plain]
    obstacles += _limits(axes, limit_curve, theme)
    if joined:
        way = np.array(sorted((run.rate or 0.0, run.distortion) for run in placed))
        axes.plot(*way.T, color=theme.ink, linewidth=points(1.8), zorder=3.5)
        obstacles.append(way)
    obstacles += [_stroke(axes, run, theme) for run in placed]
    obstacles += [_twin(axes, run, placed, theme) for run in limits]
    series = _by_settings(placed)
    obstacles += [_way(axes, row, theme) for row in series if len(series) > 1]
    for run in placed:
        axes.errorbar(
            [run.rate or 0.0], [run.distortion], run.spread.get("distortion"), run.spread.get("rate"), fmt="o",
            color=theme.ink, markersize=points(10), elinewidth=points(1.4), capsize=points(3), zorder=5,
        )  # fmt: skip
        obstacles.append(np.array([[run.rate or 0.0, run.distortion]]))
    for rate, distortion, _ in marks:
        axes.plot(
            [rate], [distortion], "D", markerfacecolor=theme.background, markeredgecolor=theme.weight,
            markersize=points(9), markeredgewidth=points(2), zorder=5.5,
        )  # fmt: skip
        obstacles.append(np.array([[rate, distortion]]))
    above = 5.0
    taken = []
    for run in plain:
        text = f"{run.name}: D only, no rate"
        taken.append(draw_label(axes, 0.0, run.distortion, text, theme, offset=(8, above)))
        above = -18.0 if above > 0 else 5.0  # a second level close to the first is named below its line
    named = [(run.rate or 0.0, run.distortion, run.name) for run in placed]
    if len(series) > 1:  # a grid: the weight is seen by the slope
        ends = [row[-1] for row in few(series, MOST_NAMES)]
        named = [(run.rate or 0.0, run.distortion, ", ".join(run.settings.values()) or run.name) for run in ends]
    place_labels(axes, [*few(named, MOST_NAMES), *marks], obstacles, theme, taken)


def _by_settings(placed: Sequence[SweepRun]) -> list[list[SweepRun]]:
    """The runs that differ in the weight alone, each such row by rising rate."""
    found: dict[tuple[str, ...], list[SweepRun]] = {}
    for run in placed:
        found.setdefault(tuple(run.settings.values()), []).append(run)
    return [sorted(row, key=lambda run: run.rate or 0.0) for row in found.values()]


def _way(axes: Axes, row: Sequence[SweepRun], theme: Theme) -> np.ndarray:
    way = np.array([(run.rate or 0.0, run.distortion) for run in row])
    axes.plot(*way.T, color=theme.ink, linewidth=points(1), zorder=3.4)
    return way


def _limits(axes: Axes, limit: LimitCurve | None, theme: Theme) -> list[np.ndarray]:
    """The best linear model as a line, and thin beside it the best with as many latents as the trained models have."""
    drawn: list[np.ndarray] = []
    while limit is not None:
        order = np.argsort(limit.rates)
        curve = np.stack([np.asarray(limit.rates)[order], np.asarray(limit.distortions)[order]], axis=1)
        axes.plot(*curve.T, color=theme.quiet, linewidth=points(0.9 if drawn else 1.6), zorder=2)
        if drawn and limit.latents is not None:
            _name_fewer(axes, curve, f"{limit.latents:,} latents", theme)
        drawn.append(curve)
        limit = limit.fewer
    return drawn


def _name_fewer(axes: Axes, curve: np.ndarray, name: str, theme: Theme) -> None:
    """The name of a curve at its last point in sight, which tends to a level: with few latents D cannot fall on."""
    (_, right), (_, high) = axes.get_xlim(), axes.get_ylim()
    seen = curve[(curve[:, 0] <= 0.98 * right) & (curve[:, 1] <= high)]
    if len(seen):
        after = seen[-1, 0] < 0.75 * right  # there is room behind its end
        axes.annotate(
            name, seen[-1], xytext=(points(6), 0) if after else (0, points(5)), textcoords="offset points",
            ha="left" if after else "right", va="center" if after else "bottom",
            color=theme.quiet, fontsize=points(12), fontfamily=families(),
        )  # fmt: skip


def _level(axes: Axes, run: SweepRun, theme: Theme) -> np.ndarray:
    axes.axhline(run.distortion, color=theme.distortion, linewidth=points(1.2), dashes=(5, 3), zorder=2)
    return np.array([[x, run.distortion] for x in axes.get_xlim()])


def _twin(axes: Axes, limit: SweepRun, placed: Sequence[SweepRun], theme: Theme) -> np.ndarray:
    """The limit at one weight, an open circle, tied to the runs of the same weight."""
    here = (limit.rate or 0.0, limit.distortion)
    for run in placed:
        if run.kl_weight == limit.kl_weight:
            tie = np.array([here, (run.rate or 0.0, run.distortion)])
            axes.plot(*tie.T, color=theme.quiet, linewidth=points(1), linestyle=(0, (1, 2)), zorder=3)
    axes.plot(
        *np.array([here]).T, "o", markerfacecolor=theme.background, markeredgecolor=theme.quiet,
        markersize=points(8), markeredgewidth=points(1.4), zorder=4.5,
    )  # fmt: skip
    return np.array([here])


def _frame(axes: Axes, placed: Sequence[SweepRun], plain: Sequence[SweepRun], theme: Theme) -> None:
    """Limits that hold every point with room for its name; the limit curve may run on out of sight."""
    rates = [run.rate or 0.0 for run in placed] or [1.0]
    distortions = [run.distortion for run in [*placed, *plain]] or [1.0]
    room = 0.18 * (max(distortions) - min(distortions)) or 0.2 * max(distortions) or 1.0
    axes.set_xlim(0, 1.22 * max(rates) or 1.0)
    axes.set_ylim(max(0.0, min(distortions) - room), max(distortions) + room)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    look: dict[str, Any] = {"fontsize": points(14), "color": theme.quiet, "fontfamily": families()}
    axes.set_xlabel("R  rate, nats", labelpad=points(10), **look)
    axes.set_ylabel("D  distortion", labelpad=points(10), **look)


def _stroke(axes: Axes, run: SweepRun, theme: Theme) -> np.ndarray:
    """A short piece of the line D + βR = L, of the same length on paper at every point."""
    box, beta = axes.get_window_extent(), run.kl_weight or 0.0
    across, up = np.ptp(axes.get_xlim()) / box.width, np.ptp(axes.get_ylim()) / box.height  # data units per pixel
    half = 0.05 * min(box.width, 1.5 * box.height) / math.hypot(1.0, beta * across / up)  # pixels along R, to each side
    change = np.array([-half, half]) * across  # nats
    line = np.stack([(run.rate or 0.0) + change, run.distortion - beta * change], axis=1)
    axes.plot(*line.T, color=theme.weight, linewidth=points(2.2), solid_capstyle="round", zorder=4)
    return line
