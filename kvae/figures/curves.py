"""The loss and its parts over time on one logarithmic axis, and the KL weight on its own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from kvae.figures.records import History, Limit
from kvae.figures.sheet import Theme, families, plain, points
from kvae.figures.wording import number
from kvae.weighting.conversions import decoder_noise

_FAINT, _MEAN, _FRONT = 1, 2, 3  # raw batches, epoch means, held-out pictures
_RANGE = 1e5  # a collapsed rate may fall to 1e-9; the axis follows it down only so far


def series(record: Mapping[str, Sequence[float]], key: str) -> np.ndarray:
    """One column as float64, NaN where it holds None or an infinity; empty where it is absent."""
    values = np.array([math.nan if value is None else value for value in record.get(key, ())], np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def has_weight(history: History) -> bool:
    """Whether the KL term counted at any time. Without a record of the weight, a positive rate says so.

    A weight that is no number counts: the run had a KL term and diverged.
    """
    weight = series(history, "kl_weight")
    return bool(np.any(weight != 0)) if weight.size else bool(np.any(series(history, "rate") > 0))


def peaks(x: np.ndarray, y: np.ndarray, buckets: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    """At most 2·`buckets` points of a curve: the lowest and the highest of each bucket, so that no spike is lost."""
    if x.size <= 2 * buckets:
        return x, y
    chosen = []
    for part in np.array_split(np.arange(x.size), buckets):
        values = y[part]
        if np.all(np.isnan(values)):
            continue
        chosen.append(np.unique(part[[np.nanargmin(values), np.nanargmax(values)]]))
    keep = np.concatenate(chosen) if chosen else np.arange(0)
    return x[keep], y[keep]


@dataclass(frozen=True)
class Quantity:
    """How a quantity is found in a record and drawn: its columns multiplied, its colour, its dash."""

    label: str
    columns: tuple[str, ...]
    color: str
    dashed: bool = False

    def values(self, record: Mapping[str, Sequence[float]], prefix: str = "") -> np.ndarray:
        """Product of the columns; NaN where it cannot stand on a log axis. The weight has no held-out version."""
        parts = [series(record, name if name == "kl_weight" else prefix + name) for name in self.columns]
        length = min(part.size for part in parts)
        product = np.prod([part[:length] for part in parts], axis=0)
        return np.where(np.isfinite(product) & (product > 0), product, np.nan)


def quantities(history: History, theme: Theme) -> list[Quantity]:
    """L, D, βR and R; an autoencoder has no rate to show, and at β = 1 the two rates are one."""
    distortion = Quantity("D  distortion", ("distortion",), theme.distortion)
    if not has_weight(history):
        return [distortion]  # β = 0: L is D
    loss = Quantity("L  loss, D + βR", ("loss",), theme.loss)
    weight = series(history, "kl_weight")
    if weight.size and np.all(weight == 1):
        return [loss, distortion, Quantity("βR  weighted rate (is R, as β = 1)", ("rate", "kl_weight"), theme.rate)]
    rate = Quantity("R  rate, nats", ("rate",), theme.rate, dashed=True)
    weighted = [Quantity("βR  weighted rate", ("rate", "kl_weight"), theme.rate)] if weight.size else []
    return [loss, distortion, *weighted, rate]


def times(record: Mapping[str, Sequence[float]], length: int) -> np.ndarray:
    """The x of every entry: its optimizer step, or where none was recorded its epoch, or its place."""
    for key in ("step", "epoch"):
        if len(record.get(key, ())) >= length:
            return series(record, key)[:length]
    return np.arange(1, length + 1, dtype=np.float64)


def draw_components(
    axes: Axes,
    history: History,
    steps: Mapping[str, Sequence[float]],
    theme: Theme,
    *,
    limit: Limit | None = None,
    thickness: float = 2.4,
) -> list[Line2D]:
    """Draw the parts of the loss; give back the handles of the legend, in the order of reading.

    Faint behind: each recorded batch. Thin: the epoch's mean on the training pictures. In front, thick: the held-out
    pictures, where there are any; where there are none the epoch's mean is drawn thick in their place.
    """
    axes.set_yscale("log", nonpositive="mask")
    # Steps that share no axis with the epochs would draw at the wrong place.
    shared = "step" in steps and ("step" in history or not history.get("epoch"))
    behind = steps if shared else {}
    drawn, raw, handles = [], [], []
    for order, quantity in enumerate(quantities(history, theme)):
        # L lies on top of D where βR is small: it comes first and a little wider, so that D stays visible within it.
        width = points(thickness * (1.35 if quantity.columns == ("loss",) else 1))
        handle, curves = _draw_quantity(axes, quantity, history, behind, width, _FRONT + order / 10)
        handles.append(handle)
        drawn += curves
        raw.append(quantity.values(behind))
    if limit is not None and limit.loss > 0:
        look: dict[str, Any] = {"color": theme.loss, "linewidth": points(1), "linestyle": (0, (1, 2.5))}
        axes.axhline(limit.loss, zorder=_FRONT, **look)
        label = f"Gaussian limit (best linear model): L {number(limit.loss)}"
        handles.append(Line2D([], [], label=label, **look))
        drawn.append(np.array([limit.loss]))
    _bound(axes, drawn, raw)
    axes.set_xlim(0, _end(history, behind))
    return handles


def _draw_quantity(
    axes: Axes,
    quantity: Quantity,
    history: History,
    steps: Mapping[str, Sequence[float]],
    width: float,
    zorder: float,
) -> tuple[Line2D, list[np.ndarray]]:
    """Draw one quantity's three layers; give back its legend handle and the values of the two in front."""
    dash: Any = (0, (3.2, 2.2)) if quantity.dashed else "-"
    behind, mean, front = quantity.values(steps), quantity.values(history), quantity.values(history, "val_")
    xs, ys = peaks(times(steps, behind.size), behind)
    axes.plot(xs, ys, color=quantity.color, alpha=0.2, linewidth=points(0.9), zorder=_FAINT)
    if front.size and not np.all(np.isnan(front)):
        at = times(history, mean.size)
        axes.plot(at, mean, color=quantity.color, alpha=0.55, linewidth=points(1.1), zorder=_MEAN)
    else:
        front = mean
    marker = "o" if front.size < 3 else ""  # one epoch is a point, and a line of one point is nothing
    axes.plot(
        times(history, front.size), front, color=quantity.color, linewidth=width, linestyle=dash, marker=marker,
        markersize=points(8), clip_on=front.size >= 3, zorder=zorder, solid_capstyle="round", dash_capstyle="butt",
    )  # fmt: skip
    handle = Line2D([], [], color=quantity.color, linewidth=width, linestyle=dash, label=quantity.label)
    return handle, [front, mean]


def _end(history: History, steps: Mapping[str, Sequence[float]]) -> float:
    """The last x of anything drawn."""
    ends = [times(record, max(map(len, record.values()), default=0)) for record in (history, steps)]
    return max((float(np.nanmax(xs)) for xs in ends if xs.size and np.any(np.isfinite(xs))), default=1.0) or 1.0


def _bound(axes: Axes, drawn: Sequence[np.ndarray], raw: Sequence[np.ndarray]) -> None:
    """Limits from the curves in front; of the raw batches only the bulk counts, as the first few tower over all."""
    values = np.concatenate([*drawn, np.empty(0)])
    values = values[np.isfinite(values)]
    bulk = [np.nanquantile(part, (0.02, 0.995)) for part in raw if np.any(np.isfinite(part))]
    values = np.concatenate([values, *bulk]) if bulk else values
    if values.size:
        high = float(values.max()) * 1.25
        axes.set_ylim(max(float(values.min()) / 1.25, high / _RANGE), high)
    else:
        axes.set_ylim(0.1, 10)
    label_log(axes)
    label_steps(axes)


def label_log(axes: Axes) -> None:
    """Plain numbers on a log axis: the decades, and 2 and 5 between them where there are few."""
    low, high = axes.get_ylim()
    decades = math.log10(high / low)
    subs: tuple[float, ...] = (1, 2, 5) if decades < 3.2 else (1,)
    if decades < 0.5:
        subs = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def label_steps(axes: Axes, ticks: int = 6) -> None:
    """Whole numbers with thousands apart on the time axis."""
    axes.xaxis.set_major_locator(MaxNLocator(ticks, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def draw_weight(axes: Axes, history: History, theme: Theme, *, thickness: float = 2) -> Line2D | None:
    """Draw β on a right axis of its own, each tick with its σ = √(β/2); None where there is no weight to draw."""
    weight = series(history, "kl_weight")
    if not np.any(weight > 0):
        return None
    span = axes.get_xlim()
    twin = axes.twinx()
    plain(twin, theme)
    twin.grid(False)
    for spine in twin.spines.values():
        spine.set_visible(False)
    look: dict[str, Any] = {"color": theme.weight, "linewidth": points(thickness), "solid_capstyle": "round"}
    twin.plot(
        times(history, weight.size), weight, marker="o" if weight.size < 3 else "", clip_on=weight.size >= 3, **look
    )
    axes.set_xlim(span)
    finite = weight[np.isfinite(weight) & (weight > 0)]
    if np.all(weight > 0) and finite.max() > 30 * finite.min():
        twin.set_yscale("log")
        twin.set_ylim(finite.min() / 1.5, finite.max() * 1.5)
        twin.yaxis.set_major_locator(LogLocator(numticks=6))
        twin.yaxis.set_minor_locator(NullLocator())
    else:
        twin.set_ylim(0, finite.max() / 0.94)  # near the top, where falling curves leave room
        steady = finite.max() - finite.min() < 1e-3 * finite.max() and weight.size == finite.size
        if steady:
            twin.set_yticks([0, float(finite.max())])
        else:
            twin.yaxis.set_major_locator(MaxNLocator(4))
    twin.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"β {number(v)}\nσ {number(decoder_noise(max(v, 0.0)))}"))
    twin.tick_params(labelcolor=theme.weight, labelfontfamily=families())
    return Line2D([], [], label="β  KL weight (right axis)", **look)
