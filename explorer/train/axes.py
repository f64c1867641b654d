"""An axis of a plot that writes numbers as a person would: plain, also on a logarithmic or a time axis."""

import math

import pyqtgraph as pg

from explorer.train.words import minus, number

_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


class NumberAxis(pg.AxisItem):
    """`scale_kind` is "linear", "log" (positions are log10 of the value) or "time" (positions are seconds).

    It may be told ten times a second what it is to say: it is painted anew only where that is something else.
    """

    def __init__(self, orientation: str, scale_kind: str = "linear") -> None:
        super().__init__(orientation)
        self.scale_kind = scale_kind
        self.enableAutoSIPrefix(False)
        self.setStyle(tickLength=-4, autoExpandTextSpace=False, hideOverlappingLabels=True)

    def set_kind(self, kind: str) -> None:
        """Change what positions mean."""
        if kind != self.scale_kind:
            self.scale_kind = kind
            self.picture = None
            self.update()

    def say(self, label: str) -> None:
        """Change what stands beside it."""
        if label != self.labelText:
            self.setLabel(label)

    def show_values(self, shown: bool) -> None:
        """Write numbers at the ticks, or none."""
        if shown != self.style["showValues"]:
            self.setStyle(showValues=shown)

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list:
        low, high = min(minVal, maxVal), max(minVal, maxVal)
        if self.scale_kind == "log":
            return [(1.0, log_ticks(low, high))]
        if self.scale_kind == "time":
            spacing = next((step for step in _TIMES if (high - low) / step <= max(size / 70, 2)), _TIMES[-1])
            first = math.ceil(low / spacing)
            return [(float(spacing), [spacing * n for n in range(first, math.floor(high / spacing) + 1)][:200])]
        return super().tickValues(minVal, maxVal, size)[:1]

    def tickStrings(self, values: list, scale: float, spacing: float) -> list[str]:
        if self.scale_kind == "log":
            return [number(10.0**value) for value in values]
        if self.scale_kind == "time":
            return [clock(value) for value in values]
        decimals = max(0, math.ceil(-math.log10(spacing) - 1e-9)) if spacing > 0 else 0
        return [minus(f"{value * scale:,.{decimals}f}") for value in values]


def log_ticks(low: float, high: float) -> list[float]:
    """Positions (log10) of the decades within, and of 2 and 5 or more between them where there are few."""
    decades = high - low
    within: tuple[float, ...] = (1, 2, 5) if decades < 3.2 else (1,)
    if decades < 0.7:
        within = (1, 1.5, 2, 3, 4, 5, 6, 8)
    if decades < 0.15:  # a plain scale is clearer than a tick or none
        step = 10 ** math.floor(math.log10(max(10**high - 10**low, 1e-30) / 2))
        first = math.ceil(10**low / step)
        return [math.log10(step * n) for n in range(first, math.floor(10**high / step) + 1) if n > 0][:40]
    every = max(1, math.ceil(decades / 10))
    exponents = range(math.floor(low), math.ceil(high) + 1, every)
    ticks = [exponent + math.log10(part) for exponent in exponents for part in within]
    return [tick for tick in ticks if low - 1e-9 <= tick <= high + 1e-9]


def clock(seconds: float) -> str:
    """Seconds as 0:45, 12:00 or 1:02:00."""
    whole = round(seconds)
    sign, whole = (minus("-") if whole < 0 else ""), abs(whole)
    minutes, rest = divmod(whole, 60)
    return sign + (f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}")
