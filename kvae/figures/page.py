"""A sweep as one HTML file that needs nothing else: no network, no scripts, light and dark."""

import base64
from collections.abc import Callable, Sequence
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined
from PIL import Image

from kvae.figures.groups import chosen, groups_of, notes_of, pictured
from kvae.figures.panels import draw_multiples, draw_plane, multiples_height, under, with_history
from kvae.figures.records import LimitCurve, SweepRun
from kvae.figures.sheet import DARK, LIGHT, Sheet, Theme
from kvae.figures.tiles import as_rgb, magnify, shrink
from kvae.figures.wording import conclusion, findings, fixed, heading, row
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


def write_page(
    path: Path | str,
    runs: Sequence[SweepRun],
    *,
    originals: np.ndarray,
    collection_summary: str,
    title: str,
    limit_curve: LimitCurve | None,
    scale: int = 2,
) -> None:
    """Write the page; `runs` with the Gaussian limits last, `originals` uint8 (n, h, w, c)."""
    charts = {"plane": themed(lambda theme: _plane(Sheet(_WIDTH, 520, scale=scale, theme=theme), runs, limit_curve))}
    if with_history(runs):
        height = multiples_height(len(with_history(runs)))
        charts["curves"] = themed(lambda theme: _curves(Sheet(_WIDTH, height, scale=scale, theme=theme), runs))
    groups, notes = groups_of(runs), {"reconstructions": "What comes back from each model.", **notes_of(runs)}
    shown = min(len(originals), _SHOWN[len(groups)])
    kinds = [{"title": title, "note": notes[name]} for name, title in groups]
    first = [_pictures(originals, shown), *[[] for _ in groups[1:]]]
    strips = [{"name": "Originals", "note": "", "apart": False, "groups": first}]
    strips += [
        {
            "name": run.name, "note": _note(run), "apart": run.gaussian_limit,
            "groups": [_pictures(chosen(run, group, shown), shown) for group in groups],
        }
        for run in pictured(runs)
    ]  # fmt: skip
    columns = list(row(runs[0])) if runs else []
    text = rendered(
        "sweep.html.j2", title=title, heading=heading(runs), findings=findings(runs),
        conclusion=conclusion(runs), summary=collection_summary, strips=strips, kinds=kinds, shown=shown,
        side=_css_side(originals), columns=columns[1:], glossary=GLOSSARY,
        rows=[{"cells": row(run), "apart": run.gaussian_limit, "model": str(run.model or "")} for run in runs],
        limit=LIMIT, charts=charts, has_limit=any(run.gaussian_limit for run in runs),
        has_curve=limit_curve is not None,
        latents=f"{limit_curve.fewer.latents:,}" if limit_curve is not None and limit_curve.fewer is not None else "",
    )  # fmt: skip
    atomic_write(path, text)


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


def themed(draw: Callable[[Theme], bytes]) -> dict[str, str]:
    """One chart in both appearances, as the addresses of two inlined PNGs."""
    return {"light": inlined(draw(LIGHT)), "dark": inlined(draw(DARK))}


def _plane(sheet: Sheet, runs: Sequence[SweepRun], limit_curve: LimitCurve | None) -> bytes:
    axes = sheet.axes(72, 12, _WIDTH - 90, 440)
    draw_plane(axes, runs, limit_curve, sheet.theme)
    return sheet.png()


def _curves(sheet: Sheet, runs: Sequence[SweepRun]) -> bytes:
    draw_multiples(sheet, 60, 0, _WIDTH - 80, runs)
    return sheet.png()


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


def inlined(png: bytes) -> str:
    """A PNG as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
