"""The rate-distortion plane of one run while it goes on: where each epoch stands, against the Gaussian limit."""

import math

import numpy as np

from kvae.figures.curves import series
from kvae.figures.panels import draw_plane
from kvae.figures.records import History, LimitCurve, SweepRun
from kvae.figures.sheet import LIGHT, Sheet, Theme, points
from kvae.figures.wording import number
from kvae.weighting.conversions import decoder_noise

_WIDTH, _HEIGHT, _LEFT, _TOP = 760, 560, 96, 70  # units
AT = "val_rate_at_"  # begins the columns of the held-out rates of a range of weights


def plane_png(history: History, limit_curve: LimitCurve | None, *, theme: Theme = LIGHT) -> bytes | None:
    """D against R of the held-out pictures as PNG: the way of a run's epochs to the latest, or the latest curve of a
    range of weights, both with the best linear model as a grey line. None where the history has no rate.

    Arguments:
        history: One entry per epoch, with the columns `epoch`, `kl_weight`, `val_distortion` and `val_rate`, or of a
            range of weights `val_distortion_at_0.1`, `val_rate_at_0.1` and so on.
    """
    weights = sorted(float(name.removeprefix(AT)) for name in history if name.startswith(AT))
    if weights:
        runs = [_point(history, f"β {number(one)}", one, f"_at_{one:g}") for one in weights]
    else:
        runs = [_point(history, "", float(one), "") for one in series(history, "kl_weight")[-1:]]
    shown = [run for run in runs if run is not None]
    if not shown:
        return None
    sheet = Sheet(_WIDTH, _HEIGHT, theme=theme)
    note = "held-out pictures; green: slope −β; grey: best linear model"
    sheet.heading(_LEFT, _TOP - 26, "D against R", note)
    axes = sheet.axes(_LEFT, _TOP, _WIDTH - _LEFT - 40, _HEIGHT - _TOP - 74)
    draw_plane(axes, shown, limit_curve, theme, joined=bool(weights))
    if not weights:
        rates, distortions = series(history, "val_rate"), series(history, "val_distortion")
        axes.plot(rates, distortions, color=theme.ink, alpha=0.5, linewidth=points(1.2), marker=".", zorder=3)
    return sheet.png()


def _point(history: History, name: str, weight: float, end: str) -> SweepRun | None:
    """Where the latest epoch stands; None where that is no place."""
    distortion, rate = (series(history, f"val_{column}{end}")[-1:] for column in ("distortion", "rate"))
    if not (distortion.size and rate.size and np.isfinite([distortion[0], rate[0]]).all() and weight > 0):
        return None
    name = name or f"epoch {series(history, 'epoch')[-1]:.0f}, β {number(weight)}"
    loss = float(distortion[0] + weight * rate[0])
    return SweepRun(
        name, weight, float(distortion[0]), float(rate[0]), loss, math.nan, None, 0, decoder_noise(weight), math.nan
    )
