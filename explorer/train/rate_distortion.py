"""The rate-distortion chart: where each run stands between saying much and being faithful, and the Gaussian limit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent
from PyQt6.QtWidgets import QLabel, QWidget

from explorer.safe_text import line
from explorer.state.runs import LimitCurve, RunCurves, beside
from explorer.train.axes import NumberAxis
from explorer.train.words import number, pictures_of, title, weight_of
from explorer.widgets import terms, theme

pg.setConfigOptions(imageAxisOrder="row-major")

_NEAR = 14  # pixels within which the mouse means a point
_DOT = 5.0  # pixels from the middle of a point to where a name may begin
_FADED = 0.3  # how opaque a run on other pictures is
# of a name on which its point lies, as shares of its width and height; what is tried first stands first
_SIDES = ((0.0, 1.0), (0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.5, 1.3), (0.5, -0.3), (-0.1, 0.5), (1.1, 0.5))


@dataclass
class Place:
    """Where a run stands: R in nats and D on held-out pictures. An autoencoder has no R: it is a level."""

    run: RunCurves
    rate: float | None
    distortion: float


class RunItems:
    """The way of one run, its present point, and its weight written beside it."""

    def __init__(self, plot: pg.PlotItem) -> None:
        self.way = pg.PlotCurveItem(antialias=True)
        self.level = pg.InfiniteLine(angle=0, movable=False)
        self.point = pg.ScatterPlotItem(size=9)
        self.name = pg.TextItem(anchor=(0, 1))
        for item in (self.way, self.level, self.point, self.name):
            plot.addItem(item, ignoreBounds=True)

    def remove(self, plot: pg.PlotItem) -> None:
        for item in (self.way, self.level, self.point, self.name):
            plot.removeItem(item)


class RateDistortionChart(pg.PlotWidget):
    """`draw` shows runs; a click on a point emits `run_clicked` with the run's number."""

    run_clicked = pyqtSignal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        self.x_axis, self.y_axis = NumberAxis("bottom"), NumberAxis("left")
        super().__init__(parent, axisItems={"bottom": self.x_axis, "left": self.y_axis}, enableMenu=False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # nothing here is done by keys
        self.setAccessibleName("Rate-distortion chart")
        self.setToolTip(terms.TERMS["rate_distortion"])
        self.plot = self.getPlotItem()
        self.plot.hideButtons()
        self.plot.getViewBox().setMouseEnabled(False, False)
        self.plot.getViewBox().disableAutoRange()
        self.x_axis.setLabel("rate R, nats")
        self.y_axis.setLabel("distortion D")
        self.y_axis.setWidth(7 * theme.UNIT)
        self.items_of: dict[int, RunItems] = {}
        self.places: list[Place] = []
        self.limit_lines: list[pg.PlotCurveItem] = []
        self.limits: list[LimitCurve] = []
        self._front: frozenset[int] = frozenset()  # runs on the same pictures as the chosen one
        self.said = QLabel(self)
        self.said.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.said.hide()
        self.empty = QLabel(
            "After its first epoch each run is a point here. The weight chooses the place on the curve.", self
        )
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.empty.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._drawn: tuple[Sequence[RunCurves], frozenset[int], int] = ((), frozenset(), 0)
        self._key: object = None  # what tells one drawing from another
        self.restyle()
        theme.notifier.changed.connect(self.restyle)
        self.plot.getViewBox().sigResized.connect(self._place_names)

    def draw(self, runs: Sequence[RunCurves], hidden: frozenset[int] = frozenset(), chosen: int = 0) -> None:
        """Show these runs, oldest first, without the hidden ones; those on other pictures than the `chosen` one (0: the
        newest) are faded. Nothing is painted anew that stands there already."""
        told = [
            (id(run), run.phase, run.name, run.kl_weight, len(run.epochs), len(run.evaluated), id(run.limit))
            for run in runs
        ]
        before, self._key = self._key, (told, hidden, chosen)
        self._drawn = (list(runs), hidden, chosen)
        if self._key == before:
            return
        shown = [run for run in runs if run.number not in hidden]
        self._front = beside(shown, chosen)
        self.places = [place for run in shown if (place := place_of(run)) is not None]
        self._draw_limits(shown)
        for gone in set(self.items_of) - {place.run.number for place in self.places}:
            self.items_of.pop(gone).remove(self.plot)
        for place in self.places:
            if place.run.number not in self.items_of:
                self.items_of[place.run.number] = RunItems(self.plot)
            self._draw_run(self.items_of[place.run.number], place, place.run.number == chosen)
        self.empty.setVisible(not self.places)
        for axis in (self.x_axis, self.y_axis):
            axis.show_values(bool(self.places or self.limits))
        self._range()
        self._place_names()

    def _draw_run(self, items: RunItems, place: Place, chosen: bool) -> None:
        colours = theme.palette()
        run, has_rate = place.run, place.rate is not None
        share = 1.0 if run.number in self._front else _FADED
        ink, level = QColor(colours.ink), QColor(colours.distortion)
        ink.setAlphaF(share)
        level.setAlphaF(share)
        way = QColor(ink)
        way.setAlphaF(0.3 * share)
        for item in (items.way, items.point):
            item.setVisible(has_rate)
        items.level.setVisible(not has_rate)
        items.name.setColor(ink)
        if not has_rate:
            items.level.setPos(place.distortion)
            items.level.setPen(pg.mkPen(level, width=theme.stroke(1), style=Qt.PenStyle.DashLine))
            items.name.setText(line(run.name, 16) or f"autoencoder ({run.number}), D only")
            return
        rates, distortions = way_of(run)
        items.way.setData(rates, distortions)
        items.way.setPen(pg.mkPen(way if run.weight_range is None else ink, width=theme.stroke(1)))
        # filled where the run has ended, a ring while it is on its way
        fill = ink if run.phase == "done" else QColor(colours.surface)
        points = ([place.rate], [place.distortion]) if run.weight_range is None else (rates, distortions)
        items.point.setData(*points, brush=fill, pen=pg.mkPen(ink, width=2))
        items.name.setText(line(run.name, 16) or f"β {weight_of(run)}")
        items.point.setZValue(11 if chosen else 10)

    def _draw_limits(self, runs: Sequence[RunCurves]) -> None:
        """One curve for each collection: runs on the same pictures with as many latents share theirs."""
        self.limits = []
        for run in runs:
            if run.limit is not None and not any(_same(run.limit, other) for other in self.limits):
                self.limits.append(run.limit)
        while len(self.limit_lines) < len(self.limits):
            curve = pg.PlotCurveItem(antialias=True)
            curve.setZValue(-1)
            self.plot.addItem(curve, ignoreBounds=True)
            self.limit_lines.append(curve)
        for curve in self.limit_lines[len(self.limits) :]:
            self.plot.removeItem(curve)
        del self.limit_lines[len(self.limits) :]
        for curve, limit in zip(self.limit_lines, self.limits, strict=True):
            colour = QColor(theme.palette().quiet)
            mine = any(run.number in self._front for run in runs if run.limit is not None and _same(run.limit, limit))
            colour.setAlphaF(1.0 if mine else _FADED)
            curve.setPen(pg.mkPen(colour, width=theme.stroke(1), style=Qt.PenStyle.DotLine))
            curve.setData(limit.rates, limit.distortions)

    def _range(self) -> None:
        """All points and the ways to them; of the limit the part near them,
        or all of it where there is no point yet."""
        places = [place for place in self.places if place.run.number in self._front] or self.places
        ways = [way_of(place.run) for place in places]
        # of a model of a range the whole curve counts, of others where they stand
        ends = [
            place.distortion if place.run.weight_range is None else float(max(way[1], default=place.distortion))
            for place, way in zip(places, ways, strict=True)
        ]
        rates = np.concatenate([way[0] for way in ways] + [np.empty(0)])
        distortions = np.concatenate([way[1] for way in ways] + [np.array([p.distortion for p in places])])
        if rates.size == 0:
            rates = np.concatenate([limit.rates for limit in self.limits] or [np.array([0.0, 1.0])])
        if distortions.size == 0:
            distortions = np.concatenate([limit.distortions for limit in self.limits] or [np.array([0.0, 1.0])])
        right, top = float(rates.max()), float(distortions.max())
        # the limit above each point is what the point is to be read against
        limits = [p.run.limit.at(p.run.kl_weight) for p in places if p.run.limit is not None]
        above = [limit[0] for limit in limits if limit is not None]
        if places:  # a first epoch far above all present points is not worth half the chart
            top = max(min(top, 1.5 * max(ends)), *above, 0.0)
        low = float(distortions.min())
        room = max(top - low, 0.1 * top, 1e-9)
        self.plot.setXRange(0.0, right * 1.3 or 1.0, padding=0)
        self.plot.setYRange(max(low - 0.35 * room, -0.08 * top), top + 0.25 * room, padding=0)

    def _place_names(self) -> None:
        """Each name beside its point, on the first side where it is whole and lies on no other; on none it is left out,
        and the pointer tells it."""
        view = self.plot.getViewBox()
        wide, high = view.width(), view.height()
        if not self.places or wide <= 0 or high <= 0:
            return
        (left, right), (low, top) = view.viewRange()
        across, down = wide / max(right - left, 1e-12), high / max(top - low, 1e-12)
        points = {place.run.number: self._named_at(place) for place in self.places}
        pixels = {number: ((x - left) * across, (top - y) * down) for number, (x, y) in points.items()}
        taken = [QRectF(x - _DOT, y - _DOT, 2 * _DOT, 2 * _DOT) for x, y in pixels.values()]
        room = QRectF(0.0, 0.0, wide, high)
        first = sorted(reversed(self.places), key=lambda place: place.run.number not in self._front)
        for place in first:
            number = place.run.number
            name, (x, y) = self.items_of[number].name, pixels[number]
            size = name.boundingRect().size()
            for anchor in _SIDES if place.rate is not None else _SIDES[:2]:
                where = QRectF(x - anchor[0] * size.width(), y - anchor[1] * size.height(), size.width(), size.height())
                if room.contains(where) and not any(where.intersects(other) for other in taken):
                    name.setAnchor(anchor)
                    name.setPos(*points[number])
                    taken.append(where)
                    name.setVisible(True)
                    break
            else:
                name.setVisible(False)

    def _named_at(self, place: Place) -> tuple[float, float]:
        """Where a run is named: at its point, at the end of a range's curve, at the left of a level."""
        if place.rate is None:
            return 0.0, place.distortion
        rates, distortions = way_of(place.run)
        at_end = place.run.weight_range is not None and len(rates)
        return (float(rates[-1]), float(distortions[-1])) if at_end else (place.rate, place.distortion)

    # ------------------------------------------------------------------ reading

    def readout(self, place: Place) -> str:
        """The numbers of a point."""
        run = place.run
        lines = [f"{title(run)}, " + ("autoencoder" if run.autoencoder else f"weight {number(run.kl_weight)}")]
        if run.weight_range is not None:
            lines[0] += f" of {weight_of(run)}"
        lines.append(
            f"D {number(place.distortion, 4)}" + (f"  R {number(place.rate, 4)}" if place.rate is not None else "")
        )
        if run.measured("loss") is not None and not run.autoencoder:
            lines.append(f"L {number(run.measured('loss'), 4)}")
        if run.limit is not None and (limit := run.limit.at(run.kl_weight)) is not None:
            lines.append(f"Gaussian limit: D {number(limit[0], 4)}  L {number(limit[1], 4)}")
        if run.number not in self._front:
            lines.append(f"on other pictures: {pictures_of(run)}")
        return "\n".join(lines)

    def nearest(self, where: QPointF) -> Place | None:
        """The point under (or close to) a place on the widget."""
        view, best, distance = self.plot.getViewBox(), None, float(_NEAR)
        for place in self.places:
            at = self.mapFromScene(view.mapViewToScene(QPointF(place.rate or 0.0, place.distortion)))
            across = 0.0 if place.rate is None else at.x() - where.x()
            if (away := math.hypot(across, at.y() - where.y())) < distance:
                best, distance = place, away
        return best

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        super().mouseMoveEvent(event)
        place = None if event is None else self.nearest(event.position())
        self.said.setVisible(place is not None)
        if place is not None and event is not None:
            self.said.setText(self.readout(place))
            self.said.adjustSize()
            left = min(int(event.position().x()) + 12, self.width() - self.said.width() - 4)
            self.said.move(max(left, 4), max(int(event.position().y()) - self.said.height() - 8, 4))

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        place = None if event is None else self.nearest(event.position())
        if place is not None:
            self.run_clicked.emit(place.run.number)
        super().mousePressEvent(event)

    def leaveEvent(self, event: object) -> None:
        super().leaveEvent(event)
        self.said.hide()

    def resizeEvent(self, event: object) -> None:
        super().resizeEvent(event)
        if hasattr(self, "empty"):  # pyqtgraph resizes once while it is being made
            self.empty.setGeometry(self.rect().adjusted(72, 16, -16, -48))

    def restyle(self) -> None:
        """The colours of the present appearance."""
        colours = theme.palette()
        self.setBackground(colours.surface)
        for axis in (self.x_axis, self.y_axis):
            axis.setPen(pg.mkPen(colours.rule))
            axis.setTextPen(pg.mkPen(colours.quiet))
        self.said.setStyleSheet(
            f"background: {colours.background}; color: {colours.ink}; border: 1px solid {colours.rule}; padding: 4px "
            "8px;"
        )
        self.empty.setStyleSheet(f"color: {colours.quiet}; background: transparent;")
        self._key = None
        self.draw(*self._drawn)


def place_of(run: RunCurves) -> Place | None:
    """Where the run stands on held-out pictures; None before its first epoch ended, or where that is no number."""
    distortion, rate = run.measured("distortion"), run.measured("rate")
    if distortion is None or not math.isfinite(distortion):
        return None
    if run.autoencoder:
        return Place(run, None, distortion)
    return None if rate is None or not math.isfinite(rate) else Place(run, rate, distortion)


def way_of(run: RunCurves) -> tuple[np.ndarray, np.ndarray]:
    """R and D, each (points,): the whole curve of a model of a range, and of others the way of their training."""
    return run.trajectory() if run.weight_range is None else run.curve()


def _same(one: LimitCurve, other: LimitCurve) -> bool:
    return np.array_equal(one.rates, other.rates) and np.array_equal(one.distortions, other.distortions)
