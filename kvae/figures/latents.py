"""The plane of a model with two latents under falling KL weights: its decoded pictures, and where posteriors lie on it.

Everything is closed form: a posterior is a Gaussian, so its ellipses are known; what is counted is how much of the
prior lies inside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import NormalDist

import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Circle

from kvae.figures.page import inlined
from kvae.figures.sheet import DARK, LIGHT, Sheet, Theme, families, points
from kvae.figures.tiles import prepared, tile
from kvae.figures.wording import clipped, fixed, number
from kvae.files.atomic import atomic_write

# Okabe and Ito's colours that can be told from light and dark grounds; a second round of them is drawn hollow
GROUP_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
DEVIATIONS = 2.0  # within which a posterior covers the plane
LEAST_REACH, MOST_REACH = 3.0, 8.0  # of the plane that is shown, in deviations of the prior
_SIDE = 96  # places along each axis at which the prior is asked whether a posterior covers it
_LEFT, _PANEL, _BETWEEN, _UNDER, _ACROSS = 64, 440, 36, 92, 3  # units, and panels in a row
_MUTED = 0.5  # share of the ground in the decoded pictures, so that ellipses are seen on them


@dataclass(frozen=True)
class Plane:
    """A model with two latents at one KL weight.

    `means` (n, 2) and `covariances` (n, 2, 2) are posteriors, of the same pictures on every plane. `grid` has what
    `grid_points` decode to, uint8 (side·side, h, w, c).
    """

    kl_weight: float
    means: np.ndarray
    covariances: np.ndarray
    grid: np.ndarray


def reach_of(means: Sequence[np.ndarray]) -> float:
    """How far from 0 a plane is shown that holds nearly all of these means, each (n, 2): 3 to 8."""
    far = max((float(np.quantile(np.abs(part), 0.99)) for part in means if len(part)), default=0.0)
    return float(np.clip(np.ceil(2 * far) / 2, LEAST_REACH, MOST_REACH))


def grid_points(reach: float, side: int) -> np.ndarray:
    """The middles of `side` × `side` equal squares from -reach to reach, (side·side, 2), the uppermost row first."""
    steps = reach * (2 * np.arange(side) + 1 - side) / side
    return np.stack([np.tile(steps, side), np.repeat(steps[::-1], side)], axis=1)


def covered(means: np.ndarray, covariances: np.ndarray, deviations: float = DEVIATIONS) -> float:
    """The share of N(0, 1)² that lies within `deviations` of at least one of the posteriors: 1 − exp(−d²/2) where the
    only one is the prior itself. Counted at 9,216 places of equal weight."""
    steps = np.array([NormalDist().inv_cdf((place + 0.5) / _SIDE) for place in range(_SIDE)])
    places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    inside = np.zeros(len(places), bool)
    for mean, covariance in zip(means, covariances, strict=True):
        if np.linalg.det(covariance) > 0:
            off = places[~inside] - mean
            inside[~inside] = np.einsum("ij,jk,ik->i", off, np.linalg.inv(covariance), off) <= deviations**2
    return float(inside.mean())


def deviation(covariances: np.ndarray) -> float:
    """The mean deviation of posteriors along the two latents."""
    return float(np.sqrt(np.diagonal(covariances, axis1=-2, axis2=-1)).mean())


def plane_sentence(planes: Sequence[Plane]) -> str:
    """What the ellipses show at the largest weight, and at the smallest beside it."""
    ordered = sorted(planes, key=lambda plane: -plane.kl_weight)
    first, last = ordered[0], ordered[-1]
    shares = [covered(plane.means, plane.covariances) for plane in (first, last)]
    widths = [number(deviation(plane.covariances), 2) for plane in (first, last)]
    said = (
        f"At KL weight {number(first.kl_weight)} posteriors have a mean deviation of {widths[0]}, where the prior has "
        f"1, and {len(first.means):,} of them cover {100 * shares[0]:.0f}% of the prior"
    )
    if len(ordered) == 1:
        return f"{said}.{_tilt(ordered)}"
    said += f"; at {number(last.kl_weight)} the deviation is {widths[1]} and they cover {100 * shares[1]:.0f}%"
    if shares[1] < shares[0]:
        said += f", so that {100 * (1 - shares[1]):.0f} of 100 points drawn from the prior lie outside all of them"
    return f"{said}.{_tilt(ordered)}"


def tilt_cost(covariances: np.ndarray) -> float:
    """The nats that Gaussians with `covariances` (n, 2, 2) lose where their latents are taken as independent, on
    average: −½·ln(1 − ρ²) each, by KL(q ‖ p) as by KL(p ‖ q)."""
    variances = np.maximum(np.diagonal(covariances, axis1=1, axis2=2).prod(axis=1), 1e-300)
    return float(np.mean(-0.5 * np.log1p(-np.minimum(covariances[:, 0, 1] ** 2 / variances, 1 - 1e-12))))


def _tilt(ordered: Sequence[Plane]) -> str:
    """What the tilt of posteriors is worth, where there is any: that of models whose rate is `full`."""
    if not any(np.any(plane.covariances[:, 0, 1]) for plane in ordered):
        return ""
    ends = ordered if len(ordered) == 1 else (ordered[0], ordered[-1])
    costs = [f"{number(tilt_cost(plane.covariances), 2)} nats each at {number(plane.kl_weight)}" for plane in ends]
    return f" Without their tilt they would lose {' and '.join(costs)}, on average."


def draw_latents(
    path_png: Path | str,
    path_html: Path | str,
    planes: Sequence[Plane],
    *,
    labels: Sequence[str],
    collection_summary: str,
    title: str = "What happens to latent space as the KL weight falls",
    scale: int = 2,
) -> None:
    """Draw the planes as one PNG and as one self-contained HTML page, the largest weight first.

    Arguments:
        labels: Of each picture, what it is coloured by: its manner, or its folder.
        collection_summary: What the pictures are, in a sentence.
    """
    if not planes:
        raise ValueError("draw_latents: there must be at least one plane. Received: none.")
    for plane in planes:
        if plane.means.shape != (len(labels), 2):
            raise ValueError(
                f"draw_latents: every plane needs means of shape ({len(labels)}, 2), one for each label. Received: "
                f"shape {plane.means.shape}. Give the same pictures to every plane."
            )
    ordered = sorted(planes, key=lambda plane: -plane.kl_weight)
    sentence = plane_sentence(ordered)
    images = {
        theme: _sheet(ordered, labels, title, collection_summary, sentence, scale, theme) for theme in (LIGHT, DARK)
    }
    pngs = {theme: sheet.png() for theme, sheet in images.items()}
    atomic_write(path_png, pngs[LIGHT])
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("kvae.figures").joinpath("latents.html.j2").read_text("utf-8"))
    text = template.render(
        title=title, summary=collection_summary, sentence=sentence, light=LIGHT, dark=DARK,
        light_image=inlined(pngs[LIGHT]), dark_image=inlined(pngs[DARK]), rows=[_row(plane) for plane in ordered],
    )  # fmt: skip
    atomic_write(path_html, text)


def _row(plane: Plane) -> tuple[str, ...]:
    share = 100 * covered(plane.means, plane.covariances)
    spread = float(np.sqrt(plane.means.var(axis=0).mean()))
    return number(plane.kl_weight), fixed(deviation(plane.covariances), 3), fixed(spread, 2), f"{share:.0f}%"


def groups(labels: Sequence[str]) -> list[str]:
    """The labels by name, at most two rounds of colours of them: those of most pictures; none where all are alike."""
    names, counts = np.unique(np.asarray(labels, str), return_counts=True)
    if len(names) < 2:
        return []
    kept = np.argsort(-counts, kind="stable")[: 2 * len(GROUP_COLOURS)]
    return [str(names[place]) for place in np.sort(kept)]


def _sheet(
    planes: Sequence[Plane], labels: Sequence[str], title: str, summary: str, sentence: str, scale: int, theme: Theme
) -> Sheet:
    across = min(_ACROSS, len(planes))
    content = max(across, 2) * (_PANEL + _BETWEEN) - _BETWEEN
    names = groups(labels)
    legend = _lines(names, content)
    top = 190 + 26 * legend + 34
    rows = -(-len(planes) // across)
    said = _wrapped(sentence, content)
    foot = top + rows * (_PANEL + _UNDER)
    sheet = Sheet(_LEFT + content + _LEFT, foot + 26 * len(said) + 20, scale=scale, theme=theme)
    sheet.text(_LEFT, 62, title, 28, weight="bold")
    sheet.text(_LEFT, 94, summary, 15, color=theme.quiet)
    note = "filled: one deviation, thin line: two; dotted circles: the prior at one, two and three"
    sheet.heading(_LEFT, 146, "Posteriors over the decoded plane", note)
    _draw_legend(sheet, names, 176, content)
    reach = reach_of([plane.means for plane in planes])
    for place, plane in enumerate(planes):
        x = _LEFT + (place % across) * (_PANEL + _BETWEEN)
        y = top + (place // across) * (_PANEL + _UNDER)
        sheet.text(x, y - 14, f"KL weight {number(plane.kl_weight)}", 16, weight="bold")
        _draw_plane(sheet.axes(x, y, _PANEL, _PANEL), plane, labels, names, reach, theme)
        outside = int(np.sum(np.any(np.abs(plane.means) > reach, axis=1)))
        width, _, share = _row(plane)[1:]
        told = f"mean deviation {width}; {share} of the prior covered" + (f"; {outside} lie outside" if outside else "")
        sheet.text(x, y + _PANEL + 40, told, 13.5, color=theme.quiet)
    for place, line in enumerate(said):
        sheet.text(_LEFT, foot + 8 + 26 * place, line, 16)
    return sheet


def _wrapped(sentence: str, content: float) -> list[str]:
    letters, lines = int(content / 8.4), [""]
    for word in sentence.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > letters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


_SWATCH = 158  # units from one name of the legend to the next


def _lines(names: Sequence[str], content: float) -> int:
    return -(-len(names) // int(content // _SWATCH))


def _draw_legend(sheet: Sheet, names: Sequence[str], y: float, content: float) -> None:
    a_row = int(content // _SWATCH)
    for place, name in enumerate(names):
        x, line = _LEFT + (place % a_row) * _SWATCH, y + 26 * (place // a_row)
        color, hollow = _style(name, names, sheet.theme)
        sheet.text(x, line, "○" if hollow else "●", 16, color=color)
        sheet.text(x + 20, line, clipped(name, 17), 13.5, color=sheet.theme.quiet)


def _style(label: str, names: Sequence[str], theme: Theme) -> tuple[str, bool]:
    """The colour of a label, and whether its ellipses are hollow."""
    if label not in names:
        return theme.quiet if names else theme.rate, False
    place = list(names).index(label)
    return GROUP_COLOURS[place % len(GROUP_COLOURS)], place >= len(GROUP_COLOURS)


def ellipses(means: np.ndarray, covariances: np.ndarray, deviations: float, corners: int = 48) -> np.ndarray:
    """Outlines (n, corners, 2) of Gaussians with `means` (n, 2) and `covariances` (n, 2, 2), so many deviations out."""
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    values, vectors = np.linalg.eigh(covariances)
    axes = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return means[:, None, :] + deviations * np.stack([np.cos(turn), np.sin(turn)], axis=1) @ np.swapaxes(axes, 1, 2)


def _draw_plane(
    axes: Axes, plane: Plane, labels: Sequence[str], names: Sequence[str], reach: float, theme: Theme
) -> None:
    side = round(len(plane.grid) ** 0.5)
    ground = tile(prepared(plane.grid), side, gap=0).astype(float)
    paper = np.array([int(theme.background[place : place + 2], 16) for place in (1, 3, 5)])
    muted = np.rint(ground + _MUTED * (paper - ground)).astype(np.uint8)
    axes.imshow(muted, extent=(-reach, reach, -reach, reach), interpolation="antialiased", aspect="auto", zorder=0)
    axes.grid(False)
    for deviations in (1, 2, 3):
        circle = Circle((0, 0), deviations, fill=False, color=theme.ink, alpha=0.6, zorder=2)
        circle.set(linewidth=points(1.2), linestyle=(0, (1, 3)))
        axes.add_patch(circle)
    styles = [_style(label, names, theme) for label in labels]
    outer, inner = (ellipses(plane.means, plane.covariances, deviations) for deviations in (2.0, 1.0))
    colors = [color for color, _ in styles]
    axes.add_collection(
        PolyCollection(list(outer), facecolors="none", edgecolors=colors, linewidths=points(0.8), alpha=0.55, zorder=3)
    )
    fills = ["none" if hollow else color + "55" for color, hollow in styles]
    axes.add_collection(
        PolyCollection(list(inner), facecolors=fills, edgecolors=colors, linewidths=points(1.4), zorder=4)
    )
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    for label in axes.get_xticklabels() + axes.get_yticklabels():
        label.set_fontfamily(families())
