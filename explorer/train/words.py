"""Numbers and states of a run in words."""

import math
from pathlib import Path

from explorer.safe_text import line
from explorer.state.preparation import time_left
from explorer.state.runs import RunCurves

NONE = "–"
_A_WHILE = 0.01  # of all steps so far: a weight that stood for less was on its way to another
SYMBOLS = {"loss": "L", "distortion": "D", "weighted_rate": "βR", "rate": "R", "kl_weight": "β"}
STATES = {
    "preparing": "preparing",
    "training": "training",
    "paused": "paused",
    "stopping": "stopping",
    "done": "done",
    "failed": "failed",
}


def minus(text: str) -> str:
    """A number with a minus as long as a plus."""
    return text.replace("-", "\N{MINUS SIGN}")


def number(value: float | None, digits: int = 3) -> str:
    """A number to `digits` significant digits without idle zeros: 0.00471, 28.9, 12,345. A dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if magnitude < -6:
        return minus(f"{value:.{digits - 1}e}")
    text = minus(f"{value:,.{max(0, digits - 1 - magnitude)}f}")
    return text.rstrip("0").rstrip(".") if "." in text else text


def measured(value: float | None, digits: int = 5) -> str:
    """A measured number to `digits` significant digits, zeros kept: 31.400 is known better than 31.4."""
    if value is None or not math.isfinite(value):
        return NONE
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    return minus(f"{value:.{digits - 1}e}" if magnitude < -6 else f"{value:,.{max(0, digits - 1 - magnitude)}f}")


def fixed(value: float | None, digits: int) -> str:
    """A number with `digits` decimals, so that a column of them lines up."""
    return NONE if value is None or not math.isfinite(value) else minus(f"{value:,.{digits}f}")


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


def weights_of(run: RunCurves) -> list[float]:
    """The weights that a run was turned through: those that it stood at for a while, and the present one."""
    came = [(0.0, run.began_with), *((turn.step, turn.kl_weight) for turn in run.turns)]
    ends = [step for step, _ in came[1:]] + [math.inf]
    least = _A_WHILE * max(run.step, 1)
    held = [weight for (step, weight), end in zip(came, ends, strict=True) if weight is not None and end - step > least]
    return [weight for place, weight in enumerate(held) if place == 0 or weight != held[place - 1]]


def turned_through(run: RunCurves, most: int = 3) -> str:
    """The weights of a run in a row: "0.1 → 0.5", or of many "0.1 → … → 2"."""
    if run.autoencoder or run.weight_range is not None:
        return weight_of(run)
    held = [number(weight) for weight in weights_of(run)] or [number(run.kl_weight)]
    return " → ".join(held if len(held) <= most else (held[0], "…", held[-1]))


def title(run: RunCurves) -> str:
    """What a run is called."""
    return line(run.name, 40) or f"Run {run.number}"


def pictures_of(run: RunCurves) -> str:
    """What it learns from: "sample paintings, 64 pixels"."""
    data, size = run.pictures_of
    name = "sample paintings" if data == "paintings" else line(Path(data).name or data, 60)
    return name if size is None else f"{name}, {size} pixels"


def status(run: RunCurves) -> str:
    """One line on how a run stands: "Run 2 · weight 0.1 · epoch 12 of 40 · 3 min left"."""
    parts = [title(run), "autoencoder" if run.autoencoder else f"weight {weight_of(run)}"]
    if run.phase == "preparing":
        parts += [run.preparation.words, *([left] if (left := time_left(run.preparation.seconds_left)) else [])]
    elif run.phase == "failed":
        return f"{title(run)}{'.' if run.stopped else ' failed.'} {run.sentence}"
    elif run.phase == "done":
        parts += ["stopped early" if run.stopped else "done", duration(run.seconds)]
        if run.path:
            parts.append(Path(run.path).name)
    else:
        now, total_epochs = run.epoch
        parts.append(f"epoch {now} of {total_epochs}" if total_epochs else f"epoch {now}")
        if run.saving:
            parts.append(run.preparation.words)
        elif run.phase == "training" and run.seconds_left is not None:
            parts.append(time_left(run.seconds_left))
        elif run.phase == "paused":
            parts.append("paused")
        elif run.phase == "stopping":
            parts.append("stopping, the model is being saved")
    return " · ".join(parts)
