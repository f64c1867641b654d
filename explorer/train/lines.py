"""What one run draws into the plot of the curves: raw and smoothed lines, marks of its turns, its number at the end."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QPen

from explorer.safe_text import line
from explorer.state.runs import QUANTITIES, RunCurves, Turn
from explorer.state.smoothing import thinned
from explorer.train.words import number
from explorer.widgets import theme

LEFT = ("loss", "distortion", "weighted_rate", "rate")  # the weight has an axis of its own
POINTS = 2000
_FEW = 600  # points: enough for a smoothed line or one of an older run; smooth edges cost ten times as much to paint
_DASHES: tuple[list[float], ...] = (
    [],
    [1, 2.5],
    [7, 2.5, 1, 2.5],
    [7, 2.5, 1, 2.5, 1, 2.5],
)  # newest run first; beyond these the last again
_RATE = [5.0, 3.5]
_FADED = 0.3  # how opaque a run on other pictures is


@dataclass(frozen=True)
class View:
    """How curves are shown. `span` is in steps; `hidden` are quantities, "limit" among them;
    `room` is the x in view."""

    log: bool = True
    along: str = "steps"
    span: int = 30
    hidden: frozenset[str] = frozenset()
    hidden_runs: frozenset[int] = frozenset()
    room: tuple[float, float] | None = None
    chosen: int = 0  # the run that stands in front; 0 for the newest
    faded: frozenset[int] = frozenset()  # runs on other pictures than that one
    age: int = 0  # 0 is the run in front, then the newest
    alone: bool = True  # no other run is in view

    def on_axis(self, values: np.ndarray) -> np.ndarray:
        """Values as positions on the y axis; NaN where they cannot stand there."""
        if not self.log:
            return values
        return np.log10(np.where(values > 0, values, np.nan))


@dataclass
class BatchSample:
    """One quantity of one run as it is on the screen now: x, the raw and the smoothed values (n,), not thinned."""

    x: np.ndarray = field(default_factory=lambda: np.empty(0))
    raw: np.ndarray = field(default_factory=lambda: np.empty(0))
    front: np.ndarray = field(default_factory=lambda: np.empty(0))
    bounds: np.ndarray = field(default_factory=lambda: np.empty(0))  # values that the y axis should reach
    key: tuple = ()


def colour_of(quantity: str) -> str:
    """The one colour of a quantity."""
    colours = theme.palette()
    return {
        "loss": colours.loss,
        "distortion": colours.distortion,
        "weighted_rate": colours.rate,
        "rate": colours.rate,
        "kl_weight": colours.weight,
    }.get(quantity, colours.quiet)


def pen_of(quantity: str, age: int = 0, faded: bool = False) -> QPen:
    """The stroke of a quantity: its colour, R dashed; the run in front is solid and wide, older ones thinner and
    broken, and one on other pictures `faded`."""
    if quantity == "limit":
        return pg.mkPen(theme.palette().quiet, width=theme.stroke(1), style=Qt.PenStyle.DotLine)
    pattern = _DASHES[min(age, len(_DASHES) - 1)]
    if quantity == "rate":
        pattern = _RATE + ([] if age == 0 else [1.0, 3.5] * age)
    colour = QColor(colour_of(quantity))
    colour.setAlphaF(_FADED if faded else 1.0)
    pen = pg.mkPen(colour, width=theme.stroke(2.0 if age == 0 else 1.3))
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    if pattern:
        pen.setDashPattern([float(part) for part in pattern])
    return pen


class RunLines:
    """The items of one run. `left` holds D, L and the rates, `right` the weight."""

    def __init__(self, left: pg.ViewBox, right: pg.ViewBox) -> None:
        self._left, self._right = left, right
        self.shown: dict[str, BatchSample] = {name: BatchSample() for name in QUANTITIES}
        self.raw = {name: pg.PlotCurveItem(connect="finite") for name in LEFT}
        self.front = {name: pg.PlotCurveItem(connect="finite") for name in LEFT}
        self.weight = pg.PlotCurveItem(connect="finite")
        self.numbers = {name: pg.TextItem(anchor=(0, 0.5)) for name in LEFT}
        self.held_out = HeldOutLines(left)
        self.marks: list[pg.InfiniteLine] = []
        self._set_to: dict[str, tuple] = {}  # what each line was last set from
        self._styled: tuple = ()
        for place, name in enumerate(reversed(LEFT)):
            self.raw[name].setZValue(0)
            self.front[name].setZValue(10 + place)
            left.addItem(self.raw[name], ignoreBounds=True)
            left.addItem(self.front[name], ignoreBounds=True)
            left.addItem(self.numbers[name], ignoreBounds=True)
        right.addItem(self.weight, ignoreBounds=True)

    def remove(self) -> None:
        """Take everything off the plot."""
        for item in (*self.raw.values(), *self.front.values(), *self.numbers.values(), *self.marks):
            self._left.removeItem(item)
        self._right.removeItem(self.weight)
        self.held_out.remove()
        self.marks = []

    def restyle(self, age: int, faded: bool = False) -> None:
        """Colours of the present appearance, and the stroke of a run of this age."""
        if self._styled == (age, faded, theme.palette()):
            return
        self._styled = (age, faded, theme.palette())
        for name in LEFT:
            faint = QColor(colour_of(name))
            faint.setAlphaF(0.0 if faded else 0.28 if age == 0 else 0.16)
            pen = pen_of(name, age, faded)
            self.raw[name].setPen(pg.mkPen(faint, width=1))
            self.front[name].setPen(pen)
            self.numbers[name].setColor(pen.color())
        self.weight.setPen(pen_of("kl_weight", age, faded))
        for mark in self.marks:
            _style_mark(mark, age)

    def draw(self, run: RunCurves, view: View) -> None:
        """Bring every line up to date; what has not changed since the last time is not worked out anew."""
        visible = run.number not in view.hidden_runs
        for name in QUANTITIES:
            shown = visible and name not in view.hidden and not (run.autoencoder and name == "kl_weight")
            if shown:
                self._work_out(run, name, view)
            if name == "kl_weight":
                self.weight.setVisible(shown)
            else:
                self.raw[name].setVisible(shown and view.span > 1)
                self.front[name].setVisible(shown)
                self._number(run, name, view, shown)
            if shown and name != "kl_weight":  # whose axis depends on all runs
                self._set(name, view)
        self.held_out.draw(run, view, visible and "loss" not in view.hidden)
        self._mark(run, view, visible and "kl_weight" not in view.hidden)

    def names(self) -> list[pg.TextItem]:
        """What is written at the ends of its lines, as `draw` left it; what matters most stands first."""
        return [*(one for one in self.numbers.values() if one.isVisible()), *self.held_out.names()]

    def draw_weight(self, view: View, log: bool) -> None:
        """The weight against its own axis."""
        part = self.in_view("kl_weight", view)
        x, y = _stairs(part.x, part.front)
        self.weight.setData(x, np.log10(y) if log else y)

    def in_view(self, name: str, view: View) -> BatchSample:
        """The part of a quantity that lies in the x range in view, and a point on either side."""
        drawn = self.shown[name]
        if view.room is None or drawn.x.size == 0:
            return drawn
        start = max(int(np.searchsorted(drawn.x, view.room[0])) - 1, 0)
        end = int(np.searchsorted(drawn.x, view.room[1], side="right")) + 1
        return replace(drawn, x=drawn.x[start:end], raw=drawn.raw[start:end], front=drawn.front[start:end])

    def _work_out(self, run: RunCurves, name: str, view: View) -> None:
        key = (len(run.terms), view.along, view.log, view.span, run.steps_per_epoch)
        if self.shown[name].key == key:
            return
        raw = run.values(name)
        front = run.smoothed(name, view.span, log=view.log)
        bounds = np.concatenate(
            [bulk(front, 0.0, 1.0 if view.log else 0.98), bulk(raw[:: len(raw) // POINTS + 1], 0.02, 0.99)]
        )
        self.shown[name] = BatchSample(run.x(view.along), raw, front, bounds, key)

    def _set(self, name: str, view: View) -> None:
        key = (self.shown[name].key, view.room, view.age > 0)
        if self._set_to.get(name) == key:
            return
        self._set_to[name] = key
        part = self.in_view(name, view)
        few = view.span >= 10 or view.age > 0
        x, y = thinned(part.x, view.on_axis(part.front), _FEW if few else POINTS)
        self.front[name].setData(x, y, antialias=view.age == 0 and len(x) <= _FEW)
        if view.span > 1:
            self.raw[name].setData(*thinned(part.x, view.on_axis(part.raw), _FEW if view.age > 0 else POINTS))

    def _number(self, run: RunCurves, name: str, view: View, shown: bool) -> None:
        """Which run it is, at the end of its line: where several runs are in view. L speaks for D,
        which runs close to it."""
        drawn, label = self.shown[name], self.numbers[name]
        speaks = name != ("loss" if run.autoencoder else "distortion")
        speaks = speaks and shown and not view.alone
        known = np.flatnonzero(np.isfinite(view.on_axis(drawn.front))) if speaks else np.empty(0, np.intp)
        label.setVisible(len(known) > 0)
        if len(known):
            label.setText(line(run.name or str(run.number), 16))
            label.setPos(float(drawn.x[known[-1]]), float(view.on_axis(drawn.front[known[-1:]])[0]))

    def _mark(self, run: RunCurves, view: View, shown: bool) -> None:
        """A line where the weight was turned, with the new value;
        turns too close to read apart show the last of them."""
        turns = merged_turns(run, view) if shown else []
        while len(self.marks) < len(turns):
            label = {"position": 0.97, "anchors": [(0, 0), (0, 0)], "fill": None}
            mark = pg.InfiniteLine(angle=90, movable=False, label="", labelOpts=label)
            mark.setZValue(20)  # its words lie over the curves
            _style_mark(mark, view.age)
            self._left.addItem(mark, ignoreBounds=True)
            self.marks.append(mark)
        for mark in self.marks[len(turns) :]:
            self._left.removeItem(mark)
        del self.marks[len(turns) :]
        places = [run.x_of(turn.step, view.along) for turn in turns]
        near = _room_of(run, view) / 9
        for place, (mark, turn) in enumerate(zip(self.marks, turns, strict=True)):
            follows = places[place + 1] - places[place] if place + 1 < len(places) else math.inf
            mark.setPos(places[place])
            mark.label.setPosition(0.97 - 0.08 * view.age)  # runs turned at the same time speak below each other
            mark.label.setVisible(follows >= near)  # the words of one would lie on those of the next
            mark.label.setFormat(f"β {number(turn.kl_weight)}" + ("" if view.alone else f" ({run.number})"))


class HeldOutLines:
    """The held-out loss of a model of a range after each epoch: a line for each of its weights, named at its end."""

    def __init__(self, box: pg.ViewBox) -> None:
        self._box = box
        self._items: dict[str, tuple[pg.PlotDataItem, pg.TextItem]] = {}
        self._losses: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.shown: list[BatchSample] = []

    def remove(self) -> None:
        """Take everything off the plot."""
        for item in (part for pair in self._items.values() for part in pair):
            self._box.removeItem(item)
        self._items = {}

    def draw(self, run: RunCurves, view: View, shown: bool) -> None:
        """Bring every line up to date."""
        self._losses = run.held_out_losses() if shown and run.weight_range is not None else {}
        self.shown = []
        for weight in self._losses.keys() - self._items.keys():
            self._items[weight] = pg.PlotDataItem(connect="finite"), pg.TextItem(anchor=(1, 1))
            for item in self._items[weight]:
                self._box.addItem(item, ignoreBounds=True)
        for weight, (curve, name) in self._items.items():
            for item in (curve, name):
                item.setVisible(weight in self._losses)
            if weight not in self._losses:
                continue
            steps, losses = self._losses[weight]
            x = np.array([run.x_of(step, view.along) for step in steps])
            few = len(x) < 3
            curve.setData(x, view.on_axis(losses), symbol="o" if few else None)
            curve.setPen(pen_of("loss", view.age))
            curve.setSymbolSize(6)
            curve.setSymbolBrush(QColor(colour_of("loss")))
            curve.setSymbolPen(None)
            name.setText(f"β {weight}" + ("" if view.alone else f" ({run.number})"))
            name.setColor(QColor(colour_of("loss")))
            name.setPos(float(x[-1]), float(view.on_axis(losses[-1:])[0]))
            self.shown.append(BatchSample(x, losses, losses, losses))

    def names(self) -> list[pg.TextItem]:
        """The weights at the ends of the lines that are shown."""
        return [name for _, name in self._items.values() if name.isVisible()]

    def told(self, step: float) -> list[str]:
        """The losses of the last epoch that had ended by `step`, in words."""
        words = []
        for weight, (steps, losses) in self._losses.items():
            known = losses[steps <= step]
            words += [f"L {number(known[-1])} at {weight}"] if known.size and np.isfinite(known[-1]) else []
        return words


def _room_of(run: RunCurves, view: View) -> float:
    """How much of the x axis is in view."""
    places = run.x(view.along)
    low, high = view.room or ((0.0, float(places[-1])) if len(places) else (0.0, 1.0))
    return high - low


def merged_turns(run: RunCurves, view: View) -> list[Turn]:
    """The turns that can be told apart: of those that follow each other within a fortieth of the view, the last."""
    near = _room_of(run, view) / 40
    kept: list[tuple[float, Turn]] = []
    for turn in run.turns:
        x = run.x_of(turn.step, view.along)
        if kept and x - kept[-1][0] < near:
            kept.pop()
        kept.append((x, turn))
    return [turn for _, turn in kept]


def _style_mark(mark: pg.InfiniteLine, age: int) -> None:
    colour, ground = QColor(colour_of("kl_weight")), QColor(theme.palette().surface)
    ground.setAlphaF(0.75)
    mark.label.fill = pg.mkBrush(ground)
    mark.label.setColor(colour)
    colour.setAlphaF(0.8 if age == 0 else 0.45)
    mark.setPen(pg.mkPen(colour, width=theme.stroke(1), style=Qt.PenStyle.DashLine))


def bulk(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """The quantiles of the finite values, shape (2,): a few first batches must not press all others flat."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return finite
    return np.array([finite.min(), finite.max()]) if (low, high) == (0.0, 1.0) else np.quantile(finite, (low, high))


def _stairs(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners of a weight that holds until it is turned: a handful of points instead of one for each batch."""
    if x.size < 2:
        return x, y
    turned = np.flatnonzero(~np.isclose(y[1:], y[:-1], rtol=1e-6, atol=0.0)) + 1
    corners = np.unique(np.concatenate([[0], turned - 1, turned, [x.size - 1]]))
    return thinned(x[corners], y[corners], POINTS)


def span_of(parts: list[np.ndarray], log: bool, decades: float = 5.0) -> tuple[float, float] | None:
    """The y range (positions) that shows these values: all on a log axis down to some decades,
    from 0 on a plain one."""
    finite = [part[np.isfinite(part) & ((part > 0) if log else True)] for part in parts]
    values = np.concatenate([part for part in finite if part.size] or [np.empty(0)])
    if values.size == 0:
        return None
    low, high = float(values.min()), float(values.max())
    if log:
        low = max(low, high / 10**decades)
        room = 0.06 * max(math.log10(high / low), 0.1)
        return math.log10(low) - room, math.log10(high) + room
    low = min(low, 0.0)
    return low - 0.02 * (high - low), high + 0.06 * ((high - low) or 1.0)
