"""The rate-distortion chart: where each run stands between saying much and being faithful, and the Gaussian limit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QPointF, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QMouseEvent
from PyQt6.QtWidgets import QLabel, QWidget

from explorer.state.runs import LimitCurve, RunCurves
from explorer.train.axes import NumberAxis
from explorer.train.words import number, weight_of
from explorer.widgets import terms, theme

pg.setConfigOptions(imageAxisOrder="row-major")

_NEAR = 14  # pixels within which the mouse means a point


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
        self.said = QLabel(self)
        self.said.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.said.hide()
        self.empty = QLabel(
            "After its first epoch each run is a point here. The weight chooses the place on the curve.", self
        )
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.empty.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._drawn: tuple[Sequence[RunCurves], frozenset[int]] = ((), frozenset())
        self._key: object = None  # what tells one drawing from another
        self.restyle()
        theme.notifier.changed.connect(self.restyle)

    def draw(self, runs: Sequence[RunCurves], hidden: frozenset[int] = frozenset()) -> None:
        """Show these runs, oldest first, without the hidden ones; nothing is painted anew that stands there already."""
        told = [(id(run), run.phase, run.kl_weight, len(run.epochs), len(run.evaluated), id(run.limit)) for run in runs]
        before, self._key = self._key, (told, hidden)
        self._drawn = (list(runs), hidden)
        if self._key == before:
            return
        shown = [run for run in runs if run.number not in hidden]
        self.places = [place for run in shown if (place := place_of(run)) is not None]
        self._draw_limits(shown)
        for gone in set(self.items_of) - {place.run.number for place in self.places}:
            self.items_of.pop(gone).remove(self.plot)
        newest = self.places[-1].run.number if self.places else 0
        for place in self.places:
            if place.run.number not in self.items_of:
                self.items_of[place.run.number] = RunItems(self.plot)
            self._draw_run(self.items_of[place.run.number], place, place.run.number == newest)
        self.empty.setVisible(not self.places)
        for axis in (self.x_axis, self.y_axis):
            axis.show_values(bool(self.places or self.limits))
        self._range()

    def _draw_run(self, items: RunItems, place: Place, newest: bool) -> None:
        colours = theme.palette()
        run, has_rate = place.run, place.rate is not None
        ink = QColor(colours.ink)
        way = QColor(ink)
        way.setAlphaF(0.3)
        for item in (items.way, items.point):
            item.setVisible(has_rate)
        items.level.setVisible(not has_rate)
        items.name.setColor(ink)
        if not has_rate:
            items.level.setPos(place.distortion)
            items.level.setPen(pg.mkPen(colours.distortion, width=theme.stroke(1), style=Qt.PenStyle.DashLine))
            items.name.setText(f"autoencoder ({run.number}), D only")
            return
        rates, distortions = way_of(run)
        items.way.setData(rates, distortions)
        items.way.setPen(pg.mkPen(way if run.weight_range is None else ink, width=theme.stroke(1)))
        # filled where the run has ended, a ring while it is on its way
        fill = ink if run.phase == "done" else QColor(colours.surface)
        points = ([place.rate], [place.distortion]) if run.weight_range is None else (rates, distortions)
        items.point.setData(*points, brush=fill, pen=pg.mkPen(ink, width=2))
        items.name.setText(f"β {weight_of(run)}")
        items.name.setPos(*((points[0][-1], points[1][-1]) if len(points[0]) else (place.rate, place.distortion)))
        items.point.setZValue(11 if newest else 10)

    def _draw_limits(self, runs: Sequence[RunCurves]) -> None:
        """One curve for each collection: runs on the same pictures with as many latents share theirs."""
        self.limits = []
        for run in runs:
            if run.limit is not None and not any(_same(run.limit, other) for other in self.limits):
                self.limits.append(run.limit)
        while len(self.limit_lines) < len(self.limits):
            line = pg.PlotCurveItem(antialias=True)
            line.setZValue(-1)
            self.plot.addItem(line, ignoreBounds=True)
            self.limit_lines.append(line)
        for line in self.limit_lines[len(self.limits) :]:
            self.plot.removeItem(line)
        del self.limit_lines[len(self.limits) :]
        for line, limit in zip(self.limit_lines, self.limits, strict=True):
            line.setPen(pg.mkPen(theme.palette().quiet, width=theme.stroke(1), style=Qt.PenStyle.DotLine))
            line.setData(limit.rates, limit.distortions)

    def _range(self) -> None:
        """All points and the ways to them; of the limit the part near them,
        or all of it where there is no point yet."""
        ways = [way_of(place.run) for place in self.places]
        # of a model of a range the whole curve counts, of others where they stand
        ends = [
            place.distortion if place.run.weight_range is None else float(max(way[1], default=place.distortion))
            for place, way in zip(self.places, ways, strict=True)
        ]
        rates = np.concatenate([way[0] for way in ways] + [np.empty(0)])
        distortions = np.concatenate([way[1] for way in ways] + [np.array([p.distortion for p in self.places])])
        if rates.size == 0:
            rates = np.concatenate([limit.rates for limit in self.limits] or [np.array([0.0, 1.0])])
        if distortions.size == 0:
            distortions = np.concatenate([limit.distortions for limit in self.limits] or [np.array([0.0, 1.0])])
        right, top = float(rates.max()), float(distortions.max())
        # the limit above each point is what the point is to be read against
        limits = [p.run.limit.at(p.run.kl_weight) for p in self.places if p.run.limit is not None]
        above = [limit[0] for limit in limits if limit is not None]
        if self.places:  # a first epoch far above all present points is not worth half the chart
            top = max(min(top, 1.5 * max(ends)), *above, 0.0)
        low = float(distortions.min())
        room = max(top - low, 0.1 * top, 1e-9)
        self.plot.setXRange(0.0, right * 1.3 or 1.0, padding=0)
        self.plot.setYRange(max(low - 0.35 * room, -0.08 * top), top + 0.25 * room, padding=0)
        for place in self.places:
            if place.rate is None:
                self.items_of[place.run.number].name.setPos(0.0, place.distortion)

    # ------------------------------------------------------------------ reading

    def readout(self, place: Place) -> str:
        """The numbers of a point."""
        run = place.run
        lines = [f"Run {run.number}, " + ("autoencoder" if run.autoencoder else f"weight {number(run.kl_weight)}")]
        if run.weight_range is not None:
            lines[0] += f" of {weight_of(run)}"
        lines.append(
            f"D {number(place.distortion, 4)}" + (f"  R {number(place.rate, 4)}" if place.rate is not None else "")
        )
        if run.measured("loss") is not None and not run.autoencoder:
            lines.append(f"L {number(run.measured('loss'), 4)}")
        if run.limit is not None and (limit := run.limit.at(run.kl_weight)) is not None:
            lines.append(f"Gaussian limit: D {number(limit[0], 4)}  L {number(limit[1], 4)}")
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
