"""Numbers and states of a run in words."""

import math
from pathlib import Path

from explorer.state.runs import RunCurves

NONE = "–"
SYMBOLS = {"loss": "L", "distortion": "D", "weighted_rate": "βR", "rate": "R", "kl_weight": "β"}
STATES = {
    "preparing": "preparing",
    "training": "training",
    "paused": "paused",
    "stopping": "stopping",
    "done": "done",
    "failed": "failed",
}


def number(value: float | None, digits: int = 3) -> str:
    """A number to `digits` significant digits without idle zeros: 0.00471, 28.9, 12,345. A dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if magnitude < -6:
        return f"{value:.{digits - 1}e}"
    text = f"{value:,.{max(0, digits - 1 - magnitude)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def measured(value: float | None, digits: int = 5) -> str:
    """A measured number to `digits` significant digits, zeros kept: 31.400 is known better than 31.4."""
    if value is None or not math.isfinite(value):
        return NONE
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{digits - 1}e}" if magnitude < -6 else f"{value:,.{max(0, digits - 1 - magnitude)}f}"


def fixed(value: float | None, digits: int) -> str:
    """A number with `digits` decimals, so that a column of them lines up."""
    return NONE if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def duration(seconds: float) -> str:
    """A time as a person would say it: 48 s, 12 min, 3 h 2 min."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def weight_of(run: RunCurves) -> str:
    """The run's weight in a word: a number, a range, or that it is the control without one."""
    if run.weight_range is not None:
        return "–".join(map(number, run.weight_range))
    return "autoencoder" if run.autoencoder else number(run.kl_weight)


def status(run: RunCurves) -> str:
    """One line on how a run stands: "Run 2 · weight 0.1 · epoch 12 of 40 · 3 min left"."""
    parts = [f"Run {run.number}", "autoencoder" if run.autoencoder else f"weight {weight_of(run)}"]
    if run.phase == "preparing":
        done, total, what = run.working or (0, 0, "")
        parts.append(f"preparing: {what} {done:,} of {total:,}" if what else run.sentence or "preparing the pictures")
    elif run.phase == "failed":
        return f"Run {run.number}{'.' if run.stopped else ' failed.'} {run.sentence}"
    elif run.phase == "done":
        parts += ["stopped early" if run.stopped else "done", duration(run.seconds)]
        if run.path:
            parts.append(Path(run.path).name)
    else:
        now, total_epochs = run.epoch
        parts.append(f"epoch {now} of {total_epochs}" if total_epochs else f"epoch {now}")
        if run.phase == "training" and run.seconds_left is not None:
            parts.append(f"{duration(run.seconds_left)} left")
        elif run.phase == "paused":
            parts.append("paused")
        elif run.phase == "stopping":
            parts.append("stopping, the model is being saved")
    return " · ".join(parts)
