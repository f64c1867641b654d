"""The sheet and the page of a sweep: the same pictures under several KL weights, and what each weight cost."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kvae.figures.groups import NAMES, arrange, check_pictures, draw_rows, groups_of, height_of
from kvae.figures.page import write_page
from kvae.figures.panels import draw_multiples, draw_plane, multiples_height, with_history
from kvae.figures.records import LimitCurve, SweepRun
from kvae.figures.run import NARROWEST
from kvae.figures.sheet import Sheet
from kvae.figures.tiles import prepared
from kvae.figures.wording import clipped, heading, row

_LEFT, _RIGHT = 96, 64  # units
_NOTES = (
    "L compares runs of one weight only; bits per dimension, with the noise that a run's errors call for, compare all.",
    "path: the decoded way between pictures, 1 is straight. β* = 2·MSE is the weight that a run's errors call for.",
)
_PLANE, _TABLE_COLUMNS = 460, ("D", "R", "L", "bits", "PSNR", "path", "active", "σ", "β*")


def draw_sweep(
    path_png: Path | str,
    path_html: Path | str,
    runs: Sequence[SweepRun],
    *,
    originals: np.ndarray,
    collection_summary: str,
    title: str = "What scaling the KL term does",
    limit_curve: LimitCurve | None = None,
    scale: int = 2,
) -> None:
    """Draw a sweep as one PNG and as one self-contained HTML page.

    Arguments:
        runs: In the order in which they are shown; Gaussian limits are set apart whatever their place.
        originals: uint8 (n, h, w, c); every run's reconstructions are of these, in the same order, and its samples and
            in-betweens of their size.
        collection_summary: What the pictures are, in a sentence.
        limit_curve: The Gaussian limit as a curve; or None.
    """
    originals = prepared(originals)
    check_pictures(originals, runs, "draw_sweep")
    ordered = [run for run in runs if not run.gaussian_limit] + [run for run in runs if run.gaussian_limit]
    rows = arrange(originals, groups_of(ordered), scale)
    scale, content = rows.scale, max(NARROWEST, round(NAMES + rows.width))
    pictures = 184
    curves = round(pictures + height_of(rows, ordered) + 68)
    plane = curves + multiples_height(len(with_history(ordered))) + 78
    sheet = Sheet(_LEFT + content + _RIGHT, plane + _PLANE + 110, scale=scale)
    sheet.text(_LEFT, 64, title, 30, weight="bold")
    sheet.text(_LEFT, 96, heading(ordered) + ".", 17)
    sheet.text(_LEFT, 122, collection_summary, 15, color=sheet.theme.quiet)
    draw_rows(sheet, _LEFT, pictures, rows, prepared(originals, rows.largest), ordered)
    if with_history(ordered):
        sheet.heading(
            _LEFT, curves - 14, "How training went", "per image; the axes are shared; time in optimizer steps"
        )
        draw_multiples(sheet, _LEFT, curves, content, ordered)
    _draw_end(sheet, plane, content, ordered, limit_curve)
    sheet.save(path_png)
    write_page(
        path_html, ordered, originals=originals, collection_summary=collection_summary, title=title,
        limit_curve=limit_curve, scale=min(scale, 2),
    )  # fmt: skip


def _draw_end(
    sheet: Sheet,
    top: float,
    content: float,
    runs: Sequence[SweepRun],
    limit_curve: LimitCurve | None,
) -> None:
    """The rate–distortion plane on the left, the numbers on the right."""
    wide = 0.4 * content
    marks = ["grey line"] if limit_curve is not None else []
    marks += ["circles"] if any(run.gaussian_limit for run in runs) else []
    curve = f"; {' and '.join(marks)}: Gaussian limit (best linear model)" if marks else ""
    if limit_curve is not None and limit_curve.fewer is not None:
        curve += f", thin with {limit_curve.fewer.latents:,} latents"
    sheet.heading(_LEFT, top - 18, "What each weight paid", f"green: slope −β{curve}")
    draw_plane(sheet.axes(_LEFT, top, wide, _PLANE), runs, limit_curve, sheet.theme)
    _draw_table(sheet, _LEFT + wide + 56, top, content - wide - 56, runs)


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
        cells = row(run)
        sheet.text(x, y, clipped(run.name, 24), 13.5, color=color)
        for name, end in zip(_TABLE_COLUMNS, ends, strict=True):
            sheet.text(end, y, cells[name], 13.5, ha="right", color=color)
        y += step
    for place, note in enumerate(_NOTES):
        sheet.text(x, y + 10 + 18 * place, note, 12.5, color=theme.quiet)
