"""The sheet and the page of a study of Bayesian networks: what the KL weight does to a line and to a classifier."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from kvae.figures.page import inlined
from kvae.figures.sheet import DARK, LIGHT, Sheet, Theme, families, points
from kvae.figures.wording import fixed, number
from kvae.files.atomic import atomic_write

TITLE = "What the KL weight does to a Bayesian network"
_LEFT, _WIDE, _BETWEEN = 96, 1300, 28  # units
_BANDS, _CHARTS = 210, 250  # heights
_DIFFERENT = 0.02  # nats per example, from which one weight is called better


def draw_bayes(
    path_png: Path | str,
    path_html: Path | str,
    line: Any,
    fitted: Sequence[Any],
    classified: Sequence[Any],
    *,
    noise: float,
    scale: int = 2,
) -> None:
    """Draw the study as one PNG and as one self-contained HTML page.

    `line` has inputs and targets (count,), a grid and the truth on it (points,); `fitted` and `classified` are as
    `kvae.bayes.study` finds them, an entry for each weight and seed; `noise` is the deviation of the line's targets.
    """
    images = {theme: _sheet(line, fitted, classified, noise, scale, theme).png() for theme in (LIGHT, DARK)}
    atomic_write(path_png, images[LIGHT])
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("kvae.figures").joinpath("bayes.html.j2").read_text("utf-8"))
    text = template.render(
        title=TITLE, light=LIGHT, dark=DARK, light_image=inlined(images[LIGHT]), dark_image=inlined(images[DARK]),
        findings=bayes_findings(fitted, classified), tables=_tables(fitted, classified),
    )  # fmt: skip
    atomic_write(path_html, text)


def averages(found: Sequence[Any], name: str) -> dict[float, tuple[float, float, float]]:
    """The mean over seeds of what is called `name` at each weight, the lowest, and the highest; weights rising."""
    table = {}
    for weight in sorted({one.weight for one in found}):
        values = [float(getattr(one, name)) for one in found if one.weight == weight]
        table[weight] = float(np.mean(values)), min(values), max(values)
    return table


def bayes_findings(fitted: Sequence[Any], classified: Sequence[Any]) -> list[str]:
    """What the study shows, a sentence each, true of its numbers."""
    said = [_best(fitted, "the wavy line")]
    for augmented in sorted({one.augmented for one in classified}):
        some = [one for one in classified if one.augmented == augmented]
        said.append(_best(some, f"the manners of painting{', with varied pictures' if augmented else ''}"))
    kls = averages(fitted, "kl")
    low, high = min(kls), max(kls)
    if low < high:
        said.append(
            f"From weight {number(low)} to {number(high)} the KL of the line's network falls from "
            f"{number(kls[low][0])} to {number(kls[high][0])} nats: the higher the weight, the less the weights of the "
            "network say about the data."
        )
    return [sentence for sentence in said if sentence]


def _best(found: Sequence[Any], what: str) -> str:
    """The weight with the highest test log-likelihood, against Bayes's own, 1."""
    table = averages(found, "log_likelihood")
    if not table:
        return ""
    best = max(table, key=lambda weight: table[weight][0])
    sentence = f"On {what} the test log-likelihood is highest at weight {number(best)}, {fixed(table[best][0], 2)} nats"
    if 1.0 not in table or best == 1.0:
        return f"{sentence}{': Bayes, as it stands' if best == 1.0 else ''}."
    gain = table[best][0] - table[1.0][0]
    apart = table[best][1] > table[1.0][2]  # every seed of one above every seed of the other
    if gain < _DIFFERENT or not apart:
        return f"{sentence}, which these seeds cannot tell from weight 1 ({fixed(table[1.0][0], 2)})."
    kind = "a cold posterior" if best < 1.0 else "a warm posterior"
    return f"{sentence}, {fixed(gain, 2)} above weight 1: {kind} is better here."


def _tables(fitted: Sequence[Any], classified: Sequence[Any]) -> list[dict[str, Any]]:
    def cells(found: Sequence[Any], columns: dict[str, tuple[str, int]]) -> list[list[str]]:
        tables = [(averages(found, name), digits) for name, digits in columns.values()]
        return [
            [number(weight), *(_with_spread(table[weight], digits) for table, digits in tables)]
            for weight in sorted({one.weight for one in found})
        ]

    line = {"log-likelihood, nats": ("log_likelihood", 2), "in the 90% interval": ("covered", 2), "KL, nats": ("kl", 0)}
    columns = {
        "accuracy": ("accuracy", 2),
        "log-likelihood, nats": ("log_likelihood", 2),
        "calibration error": ("calibration_error", 3),
        "KL, nats": ("kl", 0),
    }
    spread = "mean over seeds, and from lowest to highest"
    found = [{"caption": f"The wavy line; {spread}", "columns": ["weight", *line], "rows": cells(fitted, line)}]
    for augmented in sorted({one.augmented for one in classified}):
        some = [one for one in classified if one.augmented == augmented]
        caption = f"Manners of painting, {'varied pictures' if augmented else 'pictures as they are'}; {spread}"
        found.append({"caption": caption, "columns": ["weight", *columns], "rows": cells(some, columns)})
    return found


def _with_spread(values: tuple[float, float, float], digits: int) -> str:
    mean, low, high = (fixed(value, digits) for value in values)
    return mean if low == high else f"{mean} ({low} to {high})"


def _sheet(
    line: Any, fitted: Sequence[Any], classified: Sequence[Any], noise: float, scale: int, theme: Theme
) -> Sheet:
    charts = 150 + _BANDS + 120
    sheet = Sheet(_LEFT + _WIDE + 64, charts + 2 * _CHARTS + 150, scale=scale, theme=theme)
    sheet.text(_LEFT, 60, TITLE, 30, weight="bold")
    sheet.heading(
        _LEFT, 128, "A wavy line with a gap", "grey: the truth; band: 90% of what the network expects, with noise"
    )
    weights = sorted({one.weight for one in fitted})
    wide = (_WIDE - _BETWEEN * (len(weights) - 1)) / max(len(weights), 1)
    for place, weight in enumerate(weights):
        x = _LEFT + place * (wide + _BETWEEN)
        one = next(one for one in fitted if one.weight == weight)
        sheet.text(x, 158, f"weight {number(weight)}", 14, weight="bold")
        _draw_band(sheet.axes(x, 168, wide, _BANDS), line, one, noise, theme, labelled=place == 0)
    _draw_row(sheet, charts, "The line", fitted, _LINE_CHARTS, theme)
    _draw_row(sheet, charts + _CHARTS + 90, "Manners of painting", classified, _PICTURE_CHARTS, theme)
    return sheet


def _draw_band(axes: Axes, line: Any, one: Any, noise: float, theme: Theme, *, labelled: bool) -> None:
    half = 1.6449 * np.sqrt(np.square(one.spread) + noise**2)
    axes.fill_between(line.grid, one.mean - half, one.mean + half, color=theme.distortion, alpha=0.22, linewidth=0)
    axes.plot(line.grid, line.truth, color=theme.quiet, linewidth=points(1.2), linestyle=(0, (4, 2)))
    axes.plot(line.grid, one.mean, color=theme.distortion, linewidth=points(2))
    axes.plot(line.inputs, line.targets, ".", color=theme.ink, markersize=points(4))
    axes.set_xlim(line.grid[0], line.grid[-1])
    low, high = line.targets.min(), line.targets.max()
    axes.set_ylim(low - 0.45 * (high - low), high + 0.45 * (high - low))
    axes.tick_params(labelleft=labelled)


_LINE_CHARTS = (
    ("test log-likelihood, nats", "log_likelihood", None),
    ("share in the 90% interval", "covered", 0.9),
    ("deviation of the weights, in units of the prior's", "scales", 1.0),
)
_PICTURE_CHARTS = (
    ("accuracy", "accuracy", None),
    ("test log-likelihood, nats", "log_likelihood", None),
    ("calibration error", "calibration_error", None),
)


def _draw_row(
    sheet: Sheet,
    top: float,
    title: str,
    found: Sequence[Any],
    charts: Sequence[tuple[str, str, float | None]],
    theme: Theme,
) -> None:
    varied = any(getattr(one, "augmented", False) for one in found)
    note = "against the weight; a dot for each seed" + ("; green: with varied pictures" if varied else "")
    sheet.heading(_LEFT, top - 34, title, note)
    between = 84
    wide = (_WIDE - 2 * between) / 3
    for place, (name, what, level) in enumerate(charts):
        x = _LEFT + place * (wide + between)
        sheet.text(x, top - 8, name, 14, color=theme.quiet)
        axes = sheet.axes(x, top, wide, _CHARTS)
        if what == "scales":
            _draw_scales(axes, found, theme)
        else:
            for augmented in (False, True):
                some = [one for one in found if getattr(one, "augmented", False) == augmented]
                _draw_points(axes, some, what, theme.weight if augmented else theme.ink)
        if level is not None:
            axes.axhline(level, color=theme.quiet, linewidth=points(1), linestyle=(0, (1, 2.5)), zorder=1)
        _along_weights(axes, sorted({one.weight for one in found}))


def _draw_points(axes: Axes, found: Sequence[Any], name: str, color: str) -> None:
    if not found:
        return
    table = averages(found, name)
    axes.plot(list(table), [mean for mean, _, _ in table.values()], color=color, linewidth=points(2), zorder=3)
    places = [(one.weight, getattr(one, name)) for one in found]
    axes.plot(*np.array(places).T, "o", color=color, markersize=points(6), alpha=0.7, zorder=4)


def _draw_scales(axes: Axes, found: Sequence[Any], theme: Theme) -> None:
    """Of all weights of the network: the middle half as a bar, the median as a dot."""
    for weight in sorted({one.weight for one in found}):
        scales = np.concatenate([one.scales for one in found if one.weight == weight])
        low, middle, high = np.quantile(scales, [0.25, 0.5, 0.75])
        axes.plot([weight, weight], [low, high], color=theme.rate, linewidth=points(6), solid_capstyle="round")
        axes.plot([weight], [middle], "o", color=theme.ink, markersize=points(6), zorder=4)
    axes.set_ylim(0.0, 1.15)


def _along_weights(axes: Axes, weights: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(list(weights))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    for label in axes.get_xticklabels() + axes.get_yticklabels():
        label.set_fontfamily(families())
