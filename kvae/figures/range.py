"""The sheet of one model for a range of KL weights: its pictures at several of them, its losses and its whole curve."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import FuncFormatter, MaxNLocator

from kvae.figures.curves import label_steps, series, times
from kvae.figures.groups import NAMES, arrange, check_pictures, draw_rows, groups_of, height_of
from kvae.figures.panels import draw_plane
from kvae.figures.records import History, LimitCurve, SweepRun
from kvae.figures.run import NARROWEST, length
from kvae.figures.sheet import LIGHT, Sheet, Theme, families, points
from kvae.figures.tiles import prepared
from kvae.figures.wording import calibration, fixed, heading, number, share, trained, turning_point

_LEFT, _RIGHT = 96, 64  # units
_CHARTS, _BETWEEN, _NAMED = 400, 96, 74  # their height, what is between them, and room for names at the ends of lines
_ROW, _LEAST = 30, 17  # units: a row of the table, and the least distance of two names


def draw_range(
    path: Path | str,
    runs: Sequence[SweepRun],
    *,
    title: str,
    history: History,
    history_limits: Mapping[float, float],
    originals: np.ndarray,
    limit_curve: LimitCurve,
    scale: int = 2,
    theme: Theme = LIGHT,
) -> None:
    """Draw a model of a range of weights as one PNG.

    Arguments:
        runs: The model at each weight, as if it were a run, and the Gaussian limit at these weights, without pictures.
        history: One entry per epoch; the held-out losses are in the columns `val_loss_at_0.1` and so on.
        history_limits: By the weight, the Gaussian limit's loss on the pictures that an epoch is measured on, which
            may be fewer than those of `runs`.
        originals: uint8 (n, h, w, c); the reconstructions at each weight are of these, in the same order.
        limit_curve: The Gaussian limit as a curve.
    """
    originals = prepared(originals)
    check_pictures(originals, runs, "draw_range")
    shown, limits = trained(runs), {run.kl_weight: run for run in runs if run.gaussian_limit}
    rows = arrange(originals, groups_of(shown), scale)
    content = max(NARROWEST, round(NAMES + rows.width))
    pictures = 184
    charts = round(pictures + height_of(rows, shown) + 78)
    table = charts + _CHARTS + 116
    sheet = Sheet(_LEFT + content + _RIGHT, table + _ROW * (len(shown) + 1) + 56, scale=rows.scale, theme=theme)
    sheet.text(_LEFT, 64, title, 30, weight="bold")
    sheet.text(_LEFT, 96, heading(runs) + ".", 17)
    sheet.text(_LEFT, 122, length(history, originals, shown[0].latent_dim), 15, color=theme.quiet)
    draw_rows(sheet, _LEFT, pictures, rows, prepared(originals, rows.largest), shown)
    wide = (content - _BETWEEN) / 2
    left = "held-out L in units of the best linear model's; optimizer steps"
    sheet.heading(_LEFT, charts - 18, "How training went", left)
    draw_losses(sheet, sheet.axes(_LEFT, charts, wide - _NAMED, _CHARTS), history, history_limits)
    x, right = _LEFT + wide + _BETWEEN, "green: slope −β; grey line and circles: best linear model"
    sheet.heading(x, charts - 18, "What each weight pays", right)
    plane = sheet.axes(x, charts, wide, _CHARTS)
    draw_curve(plane, runs, limit_curve, theme)
    sheet.text(x + wide, charts + 24, calibration(runs), 14, ha="right", color=theme.weight)  # no curve runs there
    _draw_table(sheet, _LEFT, table, content, shown, limits)
    sheet.save(path)


def draw_losses(sheet: Sheet, axes: Axes, history: History, limits: Mapping[float, float]) -> list[np.ndarray]:
    """Draw the held-out loss at each of the weights of `limits` over that of the Gaussian limit there, a line each;
    give back what was drawn, the largest weight first."""
    drawn, ends = [], []
    for place, (weight, limit) in enumerate(sorted(limits.items(), reverse=True)):
        losses = series(history, f"val_loss_at_{weight:g}") / limit
        at = times(history, losses.size)
        color = _ramp(sheet.theme, place / max(len(limits) - 1, 1))
        marker = "o" if np.isfinite(losses).sum() < 3 else ""
        axes.plot(at, losses, color=color, linewidth=points(2.2), marker=marker, markersize=points(7), clip_on=False)
        drawn.append(losses)
        known = losses[np.isfinite(losses)]
        if known.size:
            ends.append((float(known[-1]), f"β {number(weight)}", color))
    values = np.concatenate([*drawn, np.empty(0)])
    values = np.append(values[np.isfinite(values)], 1.0)
    room = 0.06 * np.ptp(values) or 0.1
    axes.set_ylim(values.min() - room, values.max() + room)
    last = times(history, max((losses.size for losses in drawn), default=0))
    axes.set_xlim(0, float(last[-1]) if last.size else 1.0)
    axes.axhline(1.0, color=sheet.theme.quiet, linewidth=points(1), linestyle=(0, (1, 2.5)), zorder=1)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    label_steps(axes)
    _name_ends(axes, ends)
    return drawn


def _name_ends(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """A name at the end of each line, apart from the others where lines end close together."""
    box = axes.get_window_extent()
    unit = np.ptp(axes.get_ylim()) / box.height * axes.figure.dpi / 100  # of the axis, for one of the sheet
    ordered = sorted(ends)
    wanted = np.array([end for end, _, _ in ordered])
    for (_, text, color), y in zip(ordered, _spread(wanted, _LEAST * unit), strict=True):
        axes.annotate(
            text, (1, y), xycoords=("axes fraction", "data"), xytext=(points(10), 0), textcoords="offset points",
            va="center", color=color, fontsize=points(13.5), fontfamily=families(), annotation_clip=False,
        )  # fmt: skip


def _spread(wanted: np.ndarray, least: float) -> np.ndarray:
    """Places in the order of `wanted` (rising) and close to them, at least `least` apart."""
    steps = least * np.arange(len(wanted))
    # what is too close together is pushed up, and what is pushed up and what is pushed down are averaged
    up = np.maximum.accumulate(wanted - steps) + steps
    down = np.minimum.accumulate((wanted - steps)[::-1])[::-1] + steps
    return (up + down) / 2


def _ramp(theme: Theme, share: float) -> str:
    """From the ink of the largest weight to the colour of weights, that of the smallest."""
    ink, weight = np.array(to_rgb(theme.ink)), np.array(to_rgb(theme.weight))
    return to_hex(ink + share * (weight - ink))


def draw_curve(
    axes: Axes,
    runs: Sequence[SweepRun],
    limit_curve: LimitCurve,
    theme: Theme,
) -> None:
    """The model's own curve, D against R, through its points at each weight, with the place where β is β*."""
    named = [replace(run, name=f"β {number(run.kl_weight)}") for run in runs]
    found = turning_point(runs)
    marks = [] if found is None else [(found.rate, found.distortion, f"β* {number(found.kl_weight)}")]
    draw_plane(axes, named, limit_curve, theme, joined=True, marks=marks)


def _draw_table(
    sheet: Sheet, x: float, top: float, width: float, runs: Sequence[SweepRun], limits: Mapping[float | None, SweepRun]
) -> None:
    names = (
        "KL weight β", "σ", "D", "R, nats", "L", "best linear L", "L against it", "bits/dim at σ*", "path",
        "β* at this error",
    )  # fmt: skip
    ends = x + 110 + (width - 110) * np.arange(len(names)) / (len(names) - 1)
    for name, end in zip(names, ends, strict=True):
        sheet.text(end, top, name, 14, ha="right", color=sheet.theme.quiet)
    sheet.line(x, top + 12, x + width, top + 12)
    for place, run in enumerate(runs, start=1):
        limit = limits[run.kl_weight].loss
        cells = (
            number(run.kl_weight), number(run.sigma), fixed(run.distortion, 1), fixed(run.rate, 1), fixed(run.loss, 1),
            fixed(limit, 1), share(run.loss, limit), fixed(run.bits, 2), fixed(run.decoded_path, 2),
            number(run.calibrated),
        )  # fmt: skip
        for cell, end in zip(cells, ends, strict=True):
            sheet.text(end, top + 6 + _ROW * place, cell, 14, ha="right")
