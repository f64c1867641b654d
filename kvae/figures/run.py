"""The sheet of one run: how the loss and its parts went, what comes back, what can be drawn from the prior."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kvae.figures.curves import draw_components, draw_weight, has_weight, series
from kvae.figures.groups import strip
from kvae.figures.records import History, Limit
from kvae.figures.sheet import LIGHT, Sheet, Theme, points
from kvae.figures.tiles import evenly, fit, prepared
from kvae.figures.wording import BETWEEN, duration, fixed, number, size
from kvae.weighting.conversions import bits_per_dimension, calibrated_weight, decoder_noise

LEFT, WIDEST, NARROWEST, RIGHT = 96, 1440, 1200, 110  # units; all parts start at LEFT and end where the pictures end
_CURVES = 400


def draw_run(
    path: Path | str,
    *,
    title: str,
    history: History,
    steps: Mapping[str, Sequence[float]],
    limit: Limit | None,
    originals: np.ndarray,
    reconstructions: np.ndarray,
    samples: np.ndarray | None,
    between: np.ndarray | None = None,
    latent_dim: int,
    subtitle: str = "",
    active: int | None = None,
    decoded_path: float | None = None,
    scale: int = 2,
    theme: Theme = LIGHT,
) -> None:
    """Draw one training run as one PNG.

    Arguments:
        title, subtitle: Free text; without a subtitle the pictures' size and the length of training are stated.
        history: One entry per epoch; keys as the training loop writes them, any may be missing.
        steps: One entry per recorded batch, raw; may be empty.
        limit: The Gaussian limit at the run's weight, or None.
        originals, reconstructions: uint8 (n, h, w, c), c 1 or 3, in the same order.
        samples: uint8 (n, h, w, c) decoded from points of N(0, 1), or None.
        between: uint8 (n, h, w, c), the way from one original to another, both included, or None.
        latent_dim: Number of latent dimensions.
        active: How many of them are active, if it was measured.
        decoded_path: Length of the decoded way between pictures over the straight line, if it was measured.
        scale: Device pixels to the unit; at 2 the sheet is about 3,200 pixels wide.
    """
    originals, reconstructions = prepared(originals), prepared(reconstructions)
    count = min(len(originals), len(reconstructions))
    if count == 0 or originals.shape[1:] != reconstructions.shape[1:]:
        raise ValueError(
            "draw_run: `originals` and `reconstructions` must hold the same pictures, at least one. "
            f"Received: shapes {originals.shape} and {reconstructions.shape}."
        )
    samples, between = (
        None if images is None or len(images) == 0 else prepared(images) for images in (samples, between)
    )
    scale = max(scale, -(-8 * originals.shape[2] // (WIDEST - 64)))  # room for eight columns at their own size
    layout = _Layout(originals[:count], samples, scale, between=between)
    sheet = Sheet(LEFT + layout.content + RIGHT, layout.height, scale=scale, theme=theme)
    sheet.text(LEFT, 64, title, 30, weight="bold")
    sheet.text(LEFT, 94, subtitle or length(history, originals, latent_dim), 15, color=theme.quiet)
    _curves(sheet, layout, history, steps, limit)
    _pictures(sheet, layout, originals[:count], reconstructions[:count])
    _samples(sheet, layout, samples, autoencoder=not has_weight(history))
    if between is not None:
        sheet.heading(LEFT, layout.between - 16, "In-betweens", BETWEEN[0].lower() + BETWEEN[1:])
        row = evenly(between, layout.fit.columns)
        sheet.picture(LEFT, layout.between, strip(row, len(row), layout.fit.factor, layout.fit.gap, sheet.theme))
    _caption(sheet, layout, history, int(np.prod(originals.shape[1:])), active, latent_dim, decoded_path)
    sheet.save(path)


class _Layout:
    """Where the parts go, in units from the top, once the pictures' size is known."""

    def __init__(
        self, originals: np.ndarray, samples: np.ndarray | None, scale: int, *, between: np.ndarray | None = None
    ) -> None:
        count, height, width, _ = originals.shape
        self.fit = fit(count, width, WIDEST * scale, 3 * scale)
        self.content = max(NARROWEST, self.fit.width // scale)
        self.row = height * self.fit.factor / scale
        self.gap = self.fit.gap / scale
        self.curves = 172
        self.pictures = self.curves + _CURVES + 122
        self.samples = round(self.pictures + 2 * self.row + self.gap + 74)
        self.sample_rows = 0 if samples is None else max(1, min(2, len(samples) // self.fit.columns))
        below = self.sample_rows * (self.row + self.gap) if self.sample_rows else 10
        self.between = round(self.samples + below + (0 if between is None else 62))
        self.caption = round(self.between + (0 if between is None else self.row) + 48)
        self.height = self.caption + 84


def length(history: History, originals: np.ndarray, latent_dim: int) -> str:
    """The pictures' size, and how much was trained."""
    epochs = max((len(values) for values in history.values()), default=0)
    seconds = series(history, "seconds")
    parts = [
        size(originals.shape),
        f"{latent_dim} latent dimensions",
        f"{epochs} {'epoch' if epochs == 1 else 'epochs'}",
    ]
    if seconds.size and math.isfinite(seconds[-1]):
        # The training loop counts from the start of the run, so the last entry is the whole.
        parts.append(duration(float(seconds[-1])))
    return "   ·   ".join(parts)


def _curves(
    sheet: Sheet, layout: _Layout, history: History, steps: Mapping[str, Sequence[float]], limit: Limit | None
) -> None:
    top, content = layout.curves, layout.content
    axes = sheet.axes(LEFT, top, content, _CURVES)
    handles = draw_components(axes, history, steps, sheet.theme, limit=limit)
    weight = draw_weight(axes, steps if _moves(steps) else history, sheet.theme)
    handles += [weight] if weight is not None else []
    legend = axes.legend(
        handles=handles, ncols=len(handles), loc="lower left", bbox_to_anchor=(0, 1.015), frameon=False,
        fontsize=points(14), labelcolor=sheet.theme.ink, handlelength=2.1, columnspacing=1.6, borderpad=0,
        borderaxespad=0, handletextpad=0.6,
    )  # fmt: skip
    legend.set_zorder(10)
    layers = ["per image"]
    if any(np.any(np.isfinite(series(history, key))) for key in ("val_loss", "val_distortion")):
        layers.append("thick: held-out pictures, thin: training pictures")
    if steps.get("distortion"):
        layers.append("faint: single batches")
    if not has_weight(history):
        layers.append("β = 0, so L is D and there is no rate")
    what = "optimizer steps" if "step" in history else "epochs"
    sheet.text(LEFT, top + _CURVES + 50, f"{what}   ·   " + "; ".join(layers), 14, color=sheet.theme.quiet)
    if weight is not None:
        note = "decoder noise σ = √(β/2)"
        sheet.text(LEFT + content, top + _CURVES + 50, note, 14, ha="right", color=sheet.theme.weight)


def _moves(steps: Mapping[str, Sequence[float]]) -> bool:
    """Whether the weight of single batches tells more than that of epochs: it was moved, and stood for a noise."""
    weight = series(steps, "kl_weight")
    return bool(weight.size > 1 and np.all(weight >= 0) and np.ptp(weight) > 1e-3 * weight.max() and "step" in steps)


def _pictures(sheet: Sheet, layout: _Layout, originals: np.ndarray, reconstructions: np.ndarray) -> None:
    sheet.heading(LEFT, layout.pictures - 16, "Originals", "and below each, its reconstruction")
    for index, images in enumerate((originals, reconstructions)):
        y = layout.pictures + index * (layout.row + layout.gap)
        sheet.picture(LEFT, y, strip(images, layout.fit.columns, layout.fit.factor, layout.fit.gap, sheet.theme))


def _samples(sheet: Sheet, layout: _Layout, samples: np.ndarray | None, *, autoencoder: bool) -> None:
    if samples is None:
        sheet.heading(LEFT, layout.samples - 16, "Samples", "None were drawn for this run.")
        return
    origin = "of N(0, 1), to which nothing ties the codes of a plain autoencoder"
    origin = origin if autoencoder else "drawn from the prior, N(0, 1)"
    sheet.heading(LEFT, layout.samples - 16, "Samples", f"decoded from points {origin}")
    choice = layout.fit
    rows = strip(samples, choice.columns, choice.factor, choice.gap, sheet.theme, rows=layout.sample_rows)
    sheet.picture(LEFT, layout.samples, rows)


def last(history: History, key: str) -> tuple[float, bool]:
    """The last value on the held-out pictures, or else on the training pictures; and whether it is the former."""
    for name, held_out in (("val_" + key, True), (key, False)):
        values = series(history, name)
        if values.size and math.isfinite(values[-1]):
            return float(values[-1]), held_out
    return math.nan, False


def _caption(
    sheet: Sheet,
    layout: _Layout,
    history: History,
    values: int,
    active: int | None,
    latent_dim: int,
    decoded_path: float | None = None,
) -> None:
    """The run in numbers: a rule, then each number under its name. `values` is height × width × channels."""
    distortion, held_out = last(history, "distortion")
    psnr, _ = last(history, "psnr")
    if not math.isfinite(psnr) and distortion > 0:
        psnr = -10 * math.log10(distortion / values)
    cells = [("D", fixed(distortion, 1))]
    if has_weight(history):
        weight = series(history, "kl_weight")
        beta = float(weight[-1]) if weight.size else math.nan
        rate, _ = last(history, "rate")
        cells += [("R, nats", fixed(rate, 1)), ("L", fixed(last(history, "loss")[0], 1))]
        bits = bits_per_dimension(distortion, rate, values) if math.isfinite(distortion + rate) else math.nan
        cells += [("bits/dim at σ*", fixed(bits, 2))]
        cells += [("β  KL weight", number(beta)), ("σ  noise", number(decoder_noise(beta)))]
    else:
        cells += [("β  KL weight", "0")]
    cells += [("β*", number(calibrated_weight(distortion, values))), ("PSNR, dB", fixed(psnr, 1))]
    if decoded_path is not None:
        cells.append(("path", fixed(decoded_path, 2)))
    share, cosine = (series(history, f"gradient_{part}") for part in ("share", "cosine"))
    if share.size and share[-1] > 0:  # measured, and with a weight
        cells.append(("∇βR share, cos", f"{100 * share[-1]:.0f}%, {cosine[-1]:+.2f}"))
    if active is not None and has_weight(history):
        cells.append(("active", f"{active} of {latent_dim}"))
    theme, y, content = sheet.theme, layout.caption, layout.content
    sheet.line(LEFT, y - 26, LEFT + content, y - 26)
    where = "at the end, on\nheld-out pictures" if held_out else "at the end, on\ntraining pictures"
    sheet.text(LEFT, y + 27, where, 13, color=theme.quiet, linespacing=1.5)
    # each as wide as its words, and the room that is left in equal parts between them
    texts = [
        (sheet.text(0, y + 7, name, 13, color=theme.quiet), sheet.text(0, y + 36, value, 23)) for name, value in cells
    ]
    widths = [max(map(sheet.length, pair)) for pair in texts]
    x, gap = LEFT + 190.0, (content - 190 - sum(widths)) / max(len(cells) - 1, 1)
    for pair, width in zip(texts, widths, strict=True):
        for text in pair:
            text.set_x(x / sheet.width)
        x += width + gap
