"""A sweep as one HTML file that needs nothing else: no network, light and dark, and without its script whole, too."""

import base64
from collections.abc import Callable, Sequence
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from PIL import Image

from kvae.figures.grid_wording import grid_conclusion, grid_findings, grid_heading
from kvae.figures.groups import chosen, groups_of, notes_of, pictured
from kvae.figures.latent_counts import HEIGHT, draw_latent_counts
from kvae.figures.panels import draw_multiples, draw_plane, multiples_height, under, with_history
from kvae.figures.records import LimitCurve, Part, SweepRun
from kvae.figures.sheet import DARK, LIGHT, Sheet, Theme
from kvae.figures.tiles import as_rgb, few, magnify, shrink
from kvae.figures.wording import fixed, row
from kvae.files.atomic import atomic_write

# One sentence for each word, for a reader who has met none of them. The keys are the table's columns.
GLOSSARY: dict[str, tuple[str, str]] = {
    "D": ("distortion", "How wrong the copy is: the squared differences of all pixels, added up; less is better."),
    "R": ("rate", "How much the model notes down about a picture before it paints it again, in nats (1.44 bits each)."),
    "βR": ("weighted rate", "The rate times the KL weight: what the rate counts for in the loss."),
    "L": ("loss", "What training makes small: D + β·R. It compares runs of one weight only, as β is part of it."),
    "β": ("KL weight", "How dear a nat is in units of D: a large weight makes the model note down little."),
    "bits": ("bits per dimension", "What a value of a picture costs, σ as the errors call for: compares all weights."),
    "PSNR": ("peak signal-to-noise ratio", "The copy's error on a logarithmic scale, in decibels; more is better."),
    "path": ("decoded path", "How long the way between two pictures is, through the latents; 1 is straight."),
    "active": ("active dimensions", "How many of the latent dimensions (the model's sliders) carry anything at all."),
    "σ": ("decoder noise", "The error per pixel value that a weight takes for granted: σ = √(β/2)."),
    "β*": ("calibrated weight", "The weight whose σ is the error really made: twice the mean squared error."),
    "time": ("time", "How long training took on the machine that made this page."),
}  # fmt: skip
LIMIT = (
    "Gaussian limit",
    "The best that a model without any curved layers can reach on the same pictures, computed and not trained.",
)
_SIDE, _WIDTH = 96, 1376  # a picture's width at most in CSS pixels; the width of the charts in units
_SHOWN = {1: 10, 2: 6, 3: 4}  # pictures of each kind in a row, by the number of kinds
MOST_STRIPS, MOST_LIMITS, MOST_CURVES = 16, 5, 12  # rows of pictures, those of Gaussian limits, and panels of curves
COLUMNS = ("D", "R", "βR", "L", "bits", "PSNR", "path", "active", "σ", "β*", "time")


def write_page(path: Path | str, parts: Sequence[Part], *, title: str, scale: int = 2) -> None:
    """Write the page: a heading, pictures, numbers, charts and words for each part, and one glossary."""
    models = [(run.name, str(run.model)) for part in parts for run in _models(part)]
    text = rendered(
        "sweep.html.j2", title=title, parts=[_told(part) for part in parts], glossary=GLOSSARY, limit=LIMIT,
        models=models, spreads=any(run.spread for part in parts for run in part.runs),
    )  # fmt: skip
    atomic_write(path, text)


def _models(part: Part) -> list[SweepRun]:
    listed = [run for run, _ in part.trials] or list(part.runs)
    return [run for run in listed if run.model]


def _told(part: Part) -> dict[str, object]:
    """What the template shows of a part."""
    runs, columns = part.ordered, list(COLUMNS)
    charts = {"plane": drawn(lambda theme: _plane(Sheet(_WIDTH, 520, theme=theme), runs, part.limit_curve))}
    if part.latents:
        charts["latents"] = drawn(lambda theme: _latents(Sheet(_WIDTH, HEIGHT + 20, theme=theme), part))
    curves = few(with_history(runs), MOST_CURVES)
    if curves:
        height = multiples_height(len(curves))
        charts["curves"] = drawn(lambda theme: _curves(Sheet(_WIDTH, height, theme=theme), curves))
    trials = [{**_line(run, columns), "state": state, "reason": run.failure} for run, state in part.trials]
    return {
        "heading": grid_heading(runs), "findings": grid_findings(runs), "summary": part.summary,
        "conclusion": grid_conclusion(runs, part.latents), "columns": columns, "charts": charts, "trials": trials,
        "rows": [_line(run, columns) for run in runs], "has_limit": any(run.gaussian_limit for run in runs),
        "has_curve": part.limit_curve is not None, "fewer": _fewer(part.limit_curve),
        "ended": _ended(part), "curves_left_out": _finite(part) - len(curves), **_strips(part),
    }  # fmt: skip


def _finite(part: Part) -> int:
    """How many trained rows ended in numbers."""
    return sum(run.is_finite and not run.gaussian_limit for run in part.runs)


def _ended(part: Part) -> str:
    """How far a sweep is that goes on."""
    ended = sum(state not in ("planned", "running") for _, state in part.trials)
    return f"{ended} of {len(part.trials)} trials have ended." if ended < len(part.trials) else ""


def _fewer(curve: LimitCurve | None) -> str:
    return f"{curve.fewer.latents:,}" if curve is not None and curve.fewer is not None else ""


def _line(run: SweepRun, columns: Sequence[str]) -> dict[str, object]:
    """A row of a table: its text, and the numbers that it is sorted by."""
    cells = row(run)
    keys = {"time": run.seconds, "σ": run.sigma, "β*": run.calibrated}
    values = {column: keys.get(column) for column in columns}
    return {
        "cells": cells,
        "numbers": values,
        "apart": run.gaussian_limit,
        "model": str(run.model or ""),
        "reason": run.failure,
    }


def _strips(part: Part) -> dict[str, object]:
    """The pictures of some rows, the originals first."""
    runs = part.ordered
    if part.originals is None:
        return {"strips": [], "kinds": [], "shown": 1, "side": _SIDE, "strips_left_out": 0}
    groups, notes = groups_of(runs), {"reconstructions": "What comes back from each model.", **notes_of(runs)}
    shown = min(len(part.originals), _SHOWN[len(groups)])
    first = [_pictures(part.originals, shown), *[[] for _ in groups[1:]]]
    strips = [{"name": "Originals", "note": "", "apart": False, "groups": first}]
    every = pictured(runs)
    limits = [run for run in every if run.gaussian_limit]
    chosen_runs = [*few(every[: len(every) - len(limits)], MOST_STRIPS), *few(limits, MOST_LIMITS)]
    strips += [
        {
            "name": run.name, "note": _note(run), "apart": run.gaussian_limit,
            "groups": [_pictures(chosen(run, group, shown), shown) for group in groups],
        }
        for run in chosen_runs
    ]  # fmt: skip
    left_out = _finite(part) - sum(not run.gaussian_limit for run in chosen_runs)
    return {
        "strips": strips, "kinds": [{"title": title, "note": notes[name]} for name, title in groups], "shown": shown,
        "side": _css_side(part.originals), "strips_left_out": max(0, left_out),
    }  # fmt: skip


def rendered(template: str, **values: object) -> str:
    """The page that `template`, a file beside this one, makes of `values`; their text is never taken for markup."""

    def read(name: str) -> str:
        return files("kvae.figures").joinpath(name).read_text("utf-8")

    environment = Environment(
        loader=FunctionLoader(read), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(light=LIGHT, dark=DARK, **values)


def _note(run: SweepRun) -> str:
    rate = "" if run.is_autoencoder else f" · R {fixed(run.rate, 1)}"
    return f"D {fixed(run.distortion, 1)}{rate}\n{under(run)}"


def drawn(draw: Callable[[Theme], bytes]) -> dict[str, str]:
    """One chart in both appearances, as the addresses of two inlined SVGs."""
    return {"light": inlined(draw(LIGHT), "svg+xml"), "dark": inlined(draw(DARK), "svg+xml")}


def themed(draw: Callable[[Theme], bytes]) -> dict[str, str]:
    """One chart in both appearances, as the addresses of two inlined PNGs."""
    return {"light": inlined(draw(LIGHT)), "dark": inlined(draw(DARK))}


def _plane(sheet: Sheet, runs: Sequence[SweepRun], limit_curve: LimitCurve | None) -> bytes:
    axes = sheet.axes(72, 12, _WIDTH - 90, 440)
    draw_plane(axes, runs, limit_curve, sheet.theme)
    return sheet.svg()


def _latents(sheet: Sheet, part: Part) -> bytes:
    draw_latent_counts(sheet, 72, 12, _WIDTH - 90, part.ordered, part.latents)
    return sheet.svg()


def _curves(sheet: Sheet, runs: Sequence[SweepRun]) -> bytes:
    draw_multiples(sheet, 60, 0, _WIDTH - 80, runs)
    return sheet.svg()


def _css_side(images: np.ndarray) -> int:
    """Width of a picture in CSS pixels: on a dense screen, with two pixels to each, it is a whole multiple of its own;
    or it is the largest that the page has room for."""
    width = images.shape[2]
    return width * (2 * _SIDE // width) // 2 if width <= _SIDE else _SIDE


def _pictures(images: np.ndarray | None, shown: int) -> list[str]:
    """The first few pictures as inlined PNGs; those smaller than the screen's pixels enlarged without blur."""
    if images is None:
        return []
    pictures = as_rgb(images)[:shown]
    width = pictures.shape[2]
    # Twice the CSS size, so that a dense screen needs no smoothing; a large picture is averaged down to about that.
    small = width <= _SIDE
    pictures = magnify(pictures, 2 * _SIDE // width) if small else shrink(pictures, width // (2 * _SIDE))
    return [inlined(_png(picture)) for picture in pictures]


def _png(pixels: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def inlined(picture: bytes, kind: str = "png") -> str:
    """A picture as an address that holds it."""
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode("ascii")
