"""The sheet and the page of a sweep: the same pictures under several KL weights, and what each weight cost."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kvae.figures.grid_wording import grid_heading
from kvae.figures.groups import NAMES, arrange, check_pictures, draw_rows, groups_of, height_of, pictured
from kvae.figures.latent_counts import HEIGHT, draw_latent_counts
from kvae.figures.page import write_page
from kvae.figures.panels import draw_multiples, draw_plane, multiples_height, with_history
from kvae.figures.records import LimitCurve, Part, SweepRun
from kvae.figures.run import NARROWEST
from kvae.figures.sheet import Sheet
from kvae.figures.tiles import few, prepared
from kvae.figures.wording import clipped, row

_LEFT, _RIGHT = 96, 64  # units
MOST_ROWS, MOST_LIMITS = 12, 5  # of trained runs and of Gaussian limits on the sheet
_NOTES = (
    "L compares runs of one weight only; bits per dimension, with the noise that a run's errors call for, compare all.",
    "path: the decoded way between pictures, 1 is straight. β* = 2·MSE is the weight that a run's errors call for.",
)
_PLANE, _TABLE_COLUMNS = 460, ("D", "R", "L", "bits", "PSNR", "path", "active", "σ", "β*")


def draw_sweep(
    path_png: Path | str | None,
    path_html: Path | str,
    parts: Sequence[Part],
    *,
    title: str = "What scaling the KL term does",
    scale: int = 2,
) -> None:
    """Draw a sweep as one self-contained HTML page, and the first of its parts as one PNG unless its path is None.

    Of many rows the PNG shows some, evenly chosen; the page's tables hold all.
    """
    for part in parts:
        if part.originals is not None:
            check_pictures(prepared(part.originals), part.runs, "draw_sweep")
    if path_png is not None:
        _draw_sheet(path_png, parts[0], title, scale)
    write_page(path_html, parts, title=title, scale=min(scale, 2))


def _draw_sheet(path: Path | str, part: Part, title: str, scale: int) -> None:
    every = part.ordered
    limits = [run for run in every if run.gaussian_limit]
    trained = every[: len(every) - len(limits)]
    if len(trained) > MOST_ROWS:
        trained = few(pictured(trained) or trained, MOST_ROWS)
    ordered = [*trained, *few(limits, MOST_LIMITS)]
    rows = None
    if part.originals is not None:
        rows = arrange(prepared(part.originals), groups_of(ordered), scale)
        scale = rows.scale
    content = max(NARROWEST, round(NAMES + rows.width) if rows else 0)
    pictures = 184
    curves = round(pictures + height_of(rows, ordered) + 68) if rows else pictures
    counts = curves + multiples_height(len(with_history(ordered))) + 78
    plane = counts + (HEIGHT + 60 if part.latents else 0)
    sheet = Sheet(_LEFT + content + _RIGHT, plane + _PLANE + 110, scale=scale)
    sheet.text(_LEFT, 64, title, 30, weight="bold")
    sheet.text(_LEFT, 96, clipped(grid_heading(every), 150) + ".", 17)
    left_out = len(every) - len(ordered)
    note = f" {left_out} of {len(every)} rows are on the page only." if left_out else ""
    sheet.text(_LEFT, 122, part.summary + note, 15, color=sheet.theme.quiet)
    if rows is not None and part.originals is not None:
        draw_rows(sheet, _LEFT, pictures, rows, prepared(part.originals, rows.largest), ordered)
    if with_history(ordered):
        sheet.heading(
            _LEFT, curves - 14, "How training went", "per image; the axes are shared; time in optimizer steps"
        )
        draw_multiples(sheet, _LEFT, curves, content, ordered)
    if part.latents:
        sheet.heading(
            _LEFT, counts - 18, "How many latents help", "dashed: Gaussian limit; ring: enough for L within 1%"
        )
        draw_latent_counts(sheet, _LEFT, counts, content, every, part.latents)
    _draw_end(sheet, plane, content, every, ordered, part.limit_curve)
    sheet.save(path)


def _draw_end(
    sheet: Sheet,
    top: float,
    content: float,
    runs: Sequence[SweepRun],
    listed: Sequence[SweepRun],
    limit_curve: LimitCurve | None,
) -> None:
    """The rate–distortion plane of all `runs` on the left, the numbers of those `listed` on the right."""
    wide = 0.4 * content
    marks = ["grey line"] if limit_curve is not None else []
    marks += ["circles"] if any(run.gaussian_limit for run in runs) else []
    curve = f"; {' and '.join(marks)}: Gaussian limit (best linear model)" if marks else ""
    if limit_curve is not None and limit_curve.fewer is not None:
        curve += f", thin with {limit_curve.fewer.latents:,} latents"
    sheet.heading(_LEFT, top - 18, "What each weight paid", f"green: slope −β{curve}")
    draw_plane(sheet.axes(_LEFT, top, wide, _PLANE), runs, limit_curve, sheet.theme)
    _draw_table(sheet, _LEFT + wide + 56, top, content - wide - 56, listed)


def _draw_table(sheet: Sheet, x: float, top: float, width: float, runs: Sequence[SweepRun]) -> None:
    theme, step = sheet.theme, min(34.0, (_PLANE - 60) / max(len(runs), 1))
    weights = np.array([1.0, 1.0, 1.0, 0.8, 0.8, 0.8, 1.9, 0.9, 1.0])
    ends = x + 176 + (width - 176) * np.cumsum(weights) / weights.sum()  # right edges of the columns
    for name, end in zip(_TABLE_COLUMNS, ends, strict=True):
        sheet.text(end, top + 14, name, 13.5, ha="right", color=theme.quiet)
    sheet.line(x, top + 26, x + width, top + 26)
    y, apart = top + 28 + 0.7 * step, True
    for run in runs:
        if run.gaussian_limit and apart:
            sheet.line(x, y - 0.7 * step + 8, x + width, y - 0.7 * step + 8)
            y, apart = y + 14, False
        color = theme.quiet if run.gaussian_limit else theme.ink
        cells = row(replace(run, spread={}))  # the page has room for it
        sheet.text(x, y, clipped(run.name, 24), 13.5, color=color)
        for name, end in zip(_TABLE_COLUMNS, ends, strict=True):
            sheet.text(end, y, cells[name], 13.5, ha="right", color=color)
        y += step
    for place, note in enumerate(_NOTES):
        sheet.text(x, y + 10 + 18 * place, note, 12.5, color=theme.quiet)
