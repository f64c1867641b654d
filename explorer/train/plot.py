"""The plot of the curves: two axes, the lines of every run, the Gaussian limit, and what stands under the mouse."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtWidgets import QLabel, QWidget

from explorer.state.runs import QUANTITIES, RunCurves
from explorer.train.axes import NumberAxis, clock
from explorer.train.lines import LEFT, RunLines, View, colour_of, span_of
from explorer.train.words import SYMBOLS, measured, number, title
from explorer.widgets import theme

pg.setConfigOptions(imageAxisOrder="row-major")

_EMPTY = "The curves of D, R, βR and L appear here as soon as a run trains."
_LABELS = {"steps": "steps", "epochs": "epochs", "time": "training time"}


class CurvesPlot(pg.PlotWidget):
    """Draws what `draw` is given. Until somebody zooms it shows all; `moved` says that another part came into view."""

    moved = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        self.x_axis, self.y_axis = NumberAxis("bottom"), NumberAxis("left", "log")
        self.weight_axis = NumberAxis("right")
        axes = {"bottom": self.x_axis, "left": self.y_axis, "right": self.weight_axis}
        super().__init__(parent, axisItems=axes, enableMenu=False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # nothing here is done by keys
        self.setAccessibleName("Curves of the training runs")
        self.paint_seconds = 0.0  # of the last painting: whoever redraws can leave time for everything else
        self.follows = True  # whether all is shown, as it grows
        self.view = View()
        self.lines: dict[int, RunLines] = {}
        self.runs: list[RunCurves] = []
        self._make_boxes()
        self._make_lines()
        self.restyle()
        theme.notifier.changed.connect(self.restyle)

    def _make_boxes(self) -> None:
        """Two boxes over each other that share x: one for D, L and the rates, one for the weight."""
        item = self.getPlotItem()
        item.hideButtons()
        self.left = item.getViewBox()
        self.right = pg.ViewBox(enableMenu=False)
        self.right.setMouseEnabled(False, False)
        item.showAxis("right")
        item.scene().addItem(self.right)
        self.weight_axis.linkToView(self.right)
        self.right.setXLink(self.left)
        for box in (self.left, self.right):
            box.disableAutoRange()
            box.setDefaultPadding(0.0)
        self.left.sigResized.connect(lambda: self.right.setGeometry(self.left.sceneBoundingRect()))
        self.left.sigRangeChangedManually.connect(self._zoomed)
        self.y_axis.setWidth(7 * theme.UNIT)
        self.weight_axis.setWidth(6 * theme.UNIT)

    def _make_lines(self) -> None:
        self.limits = {name: pg.InfiniteLine(angle=0, movable=False) for name in ("loss", "distortion")}
        self.limit_words = ""  # their values
        self.cursor_line = pg.InfiniteLine(angle=90, movable=False)
        for line in (*self.limits.values(), self.cursor_line):
            line.hide()
            line.setZValue(20)
            self.left.addItem(line, ignoreBounds=True)
        self.said = QLabel(self)
        self.said.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.said.hide()
        self.empty = QLabel(_EMPTY, self)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.empty.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    # ------------------------------------------------------------------ drawing

    def draw(self, runs: Sequence[RunCurves], view: View) -> None:
        """Show these runs, oldest first."""
        if view.along != self.view.along or view.log != self.view.log:
            self.follows = True  # another scale: what was zoomed to lies elsewhere
        self.runs = list(runs)
        for gone in set(self.lines) - {run.number for run in runs}:
            self.lines.pop(gone).remove()
        in_view = [run.number for run in runs if run.number not in view.hidden_runs and len(run.terms)]
        room = None if self.follows else tuple(self.left.viewRange()[0])
        self.view = replace(view, room=room, alone=len(in_view) < 2)
        self.y_axis.set_kind("log" if view.log else "linear")
        self.x_axis.set_kind("time" if view.along == "time" else "linear")
        self.x_axis.say(_LABELS[view.along])
        for age, run in enumerate(self._in_order()):
            if run.number not in self.lines:
                self.lines[run.number] = RunLines(self.left, self.right)
            self.lines[run.number].restyle(age, run.number in view.faded)
            self.lines[run.number].draw(run, self._view_of(age))
        self._draw_limit(in_view)
        known = any(len(run.terms) for run in runs)
        self.empty.setVisible(not known)
        for axis in (self.x_axis, self.y_axis):
            axis.show_values(known)
        if self.follows:  # what is faded may lie outside
            self._show_all([number for number in in_view if number not in view.faded] or in_view)
        self._range_weight(in_view)
        self._thin_names()

    def _thin_names(self) -> None:
        """Of names at the ends of lines that would lie on each other, leave that of the run in front, or the newer."""
        taken: list[QRectF] = []
        for run in self._in_order():
            for name in self.lines[run.number].names():
                where = name.mapRectToScene(name.boundingRect())
                room = where.adjusted(0, 3, 0, -3)  # around the letters is some air
                name.setVisible(not any(room.intersects(other) for other in taken))
                if name.isVisible():
                    taken.append(room)

    def show_all(self) -> None:
        """Forget the zoom."""
        self.follows = True
        self.draw(self.runs, self.view)

    def _in_order(self) -> list[RunCurves]:
        """The run in front, then the newest."""
        return sorted(reversed(self.runs), key=lambda run: run.number != self.view.chosen)

    def _view_of(self, age: int) -> View:
        return replace(self.view, age=age)

    def _draw_limit(self, in_view: list[int]) -> None:
        """What the best linear model would reach at the weight of the run in front."""
        newest = next((run for run in self._in_order() if run.number in in_view), None)
        curve = newest.limit if newest is not None and newest.weight_range is None else None  # a range has many
        point = curve.at(newest.kl_weight) if newest is not None and curve is not None else None
        self.limit_words = "" if point is None else f"L {number(point[1])}  ·  D {number(point[0])}"
        for name, line in self.limits.items():
            shown = point is not None and "limit" not in self.view.hidden and name not in self.view.hidden
            line.setVisible(shown)
            if shown and point is not None:
                value = point[0] if name == "distortion" else point[1]
                line.setPos(float(self.view.on_axis(np.array([value]))[0]))

    def _show_all(self, in_view: list[int]) -> None:
        drawn = [
            lines.shown[name]
            for run, lines in self.lines.items()
            for name in LEFT
            if run in in_view and lines.front[name].isVisible() and lines.shown[name].x.size
        ]
        drawn += [part for run, lines in self.lines.items() if run in in_view for part in lines.held_out.shown]
        if not drawn:
            return
        end = max(float(part.x[-1]) for part in drawn)
        self.left.setXRange(0.0, end * (1.0 if self.view.alone else 1.025) or 1.0, padding=0)
        values = [part.bounds for part in drawn]
        values += [np.array([self._limit_value(line)]) for line in self.limits.values() if line.isVisible()]
        if (span := span_of(values, self.view.log)) is not None:
            marked = any(self.lines[run].marks for run in in_view)
            above = 0.12 * (span[1] - span[0]) if marked else 0.0  # room for the words at the marks
            self.left.setYRange(span[0], span[1] + above, padding=0)

    def _limit_value(self, line: pg.InfiniteLine) -> float:
        return 10.0 ** line.value() if self.view.log else float(line.value())

    def _range_weight(self, in_view: list[int]) -> None:
        """β from 0 to a little above its largest, or where weights lie far apart, in equal ratios."""
        shown = [self.lines[run] for run in in_view if self.lines[run].weight.isVisible()]
        parts = [lines.shown["kl_weight"].front for lines in shown]
        weights = np.concatenate([part[np.isfinite(part)] for part in parts] or [np.empty(0)])
        self.weight_axis.show_values(bool(weights.size))
        self.weight_axis.say("weight β" if weights.size else "")
        low, high = (float(weights.min()), float(weights.max())) if weights.size else (0.0, 0.0)
        log = low > 0 and high > 20 * low
        self.weight_axis.set_kind("log" if log else "linear")
        for lines in shown:
            lines.draw_weight(self.view, log)
        span = (math.log10(low) - 0.15, math.log10(high) + 0.15) if log else (0.0, high / 0.9 or 1.0)
        self.right.setYRange(*span, padding=0)

    # ------------------------------------------------------------------ reading

    def readout(self, x: float) -> str:
        """One line for each run in view: the values of its visible curves at the step nearest to `x`."""
        said = []
        for run in self.runs:
            place = run.nearest(x, self.view.along)
            if place is None or run.number in self.view.hidden_runs:
                continue
            words = [title(run), f"step {int(run.terms['step'][place]):,}", clock(run.terms["seconds"][place])]
            for name in QUANTITIES:
                front = self.lines[run.number].shown[name].front
                if name not in self.view.hidden and place < len(front) and np.isfinite(front[place]):
                    digits = number(front[place], 4) if name == "kl_weight" else measured(front[place])
                    words.append(f"{SYMBOLS[name]} {digits}")
            words += self.lines[run.number].held_out.told(run.terms["step"][place])
            said.append("  ·  ".join(words))
        if said and self.limit_words and "limit" not in self.view.hidden:
            said.append(f"Gaussian limit  ·  {self.limit_words}")
        return "\n".join(said)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        super().mouseMoveEvent(event)
        if event is not None:
            self._hover(event.position())

    def paintEvent(self, event: object) -> None:
        began = time.perf_counter()
        super().paintEvent(event)
        self.paint_seconds = time.perf_counter() - began

    def leaveEvent(self, event: object) -> None:
        super().leaveEvent(event)
        self.said.hide()
        self.cursor_line.hide()

    def _hover(self, where: QPointF) -> None:
        inside = self.left.sceneBoundingRect().contains(self.mapToScene(where.toPoint()))
        x = float(self.left.mapSceneToView(QPointF(self.mapToScene(where.toPoint()))).x())
        text = self.readout(x) if inside else ""
        self.said.setVisible(bool(text))
        self.cursor_line.setVisible(bool(text))
        if text:
            self.cursor_line.setPos(x)
            self.said.setText(text)
            self.said.adjustSize()
            frame = self.left.sceneBoundingRect()
            below = where.y() < frame.center().y()  # on the other side of the mouse
            top = frame.bottom() - self.said.height() - theme.UNIT if below else frame.top() + theme.UNIT
            self.said.move(int(frame.center().x() - self.said.width() / 2), int(top))

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        self.show_all()

    def resizeEvent(self, event: object) -> None:
        super().resizeEvent(event)
        if hasattr(self, "empty"):  # pyqtgraph resizes once while it is being made
            self.empty.setGeometry(self.rect().adjusted(80, 40, -80, -40))

    def _zoomed(self, *_: object) -> None:
        self.follows = False
        self.moved.emit()

    def restyle(self) -> None:
        """The colours of the present appearance."""
        colours = theme.palette()
        self.setBackground(colours.surface)
        for axis in (self.x_axis, self.y_axis, self.weight_axis):
            axis.setPen(pg.mkPen(colours.rule))
            axis.setTextPen(pg.mkPen(colours.quiet))
        self.weight_axis.setTextPen(pg.mkPen(colours.weight))
        for name, line in self.limits.items():
            line.setPen(pg.mkPen(colour_of(name), width=theme.stroke(1), style=Qt.PenStyle.DotLine))
        self.cursor_line.setPen(pg.mkPen(colours.quiet, width=theme.stroke(1)))
        self.said.setStyleSheet(
            f"background: {colours.background}; color: {colours.ink}; border: 1px solid {colours.rule}; padding: 4px "
            "8px;"
        )
        self.empty.setStyleSheet(f"color: {colours.quiet}; background: transparent;")
        for age, run in enumerate(self._in_order()):
            self.lines[run.number].restyle(age, run.number in self.view.faded)
