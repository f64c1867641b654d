"""The curves of all runs with what one can do to them: scale, smoothing, legend, hold, export."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PyQt6.QtCore import QBuffer, QIODevice, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QImage, QPainter
from PyQt6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QMenu, QSlider, QToolButton, QVBoxLayout, QWidget

from explorer.state.comparison import write_new
from explorer.state.runs import ALONG, RunCurves, beside, csv_text
from explorer.train.legend import Legend
from explorer.train.lines import View
from explorer.train.plot import CurvesPlot
from explorer.widgets import theme
from explorer.widgets.fields import Quiet
from explorer.widgets.keyboard import in_turn
from explorer.widgets.preferences import Preferences

_PER_DECADE, _DECADES = 10, 3  # of the smoothing slider: 1 to 1,000 steps


class CurvesPanel(QWidget):
    """`redraw` draws what has come in; whoever owns the panel calls it, at most ten times a second.

    `wanted` asks for it. `shown_changed` says that a run was hidden or shown, `saved` names a file that was written and
    `refused` says why one was not. `folder` tells where exports go.
    """

    wanted = pyqtSignal()
    shown_changed = pyqtSignal()
    saved = pyqtSignal(str)
    refused = pyqtSignal(str)

    def __init__(self, preferences: Preferences, folder: Callable[[], Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences, self._folder = preferences, folder
        self._runs: list[RunCurves] = []
        self.redraws = 0
        span = round(10 ** (self._kept_smoothing() / _PER_DECADE))
        along = preferences.get("train/along", "steps")
        self.view = View(preferences.get("train/log", True), along if along in ALONG else "steps", span)
        self.stage = QWidget(self)  # what an exported picture shows
        self.legend, self.plot = Legend(self.stage), CurvesPlot(self.stage)
        staged = QVBoxLayout(self.stage)
        staged.setContentsMargins(0, 0, 0, 0)
        staged.setSpacing(theme.UNIT // 2)
        staged.addWidget(self.legend)
        staged.addWidget(self.plot, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.UNIT // 2)
        layout.addLayout(self._controls())
        layout.addWidget(self.stage, 1)
        in_turn(self.log, self.along, self.smoothing, self.hold, self.fit, self.export, self.legend)
        self.legend.quantity_toggled.connect(self._quantity)
        self.legend.run_toggled.connect(self.set_run_shown)
        self.plot.moved.connect(self.wanted)
        theme.notifier.changed.connect(self._restyle)
        self._restyle()

    def _controls(self) -> QHBoxLayout:
        self.log = QCheckBox("&Log scale", self)
        self.log.setToolTip("Equal ratios look equally far apart: D, R and L then fit into one picture")
        self.log.setChecked(self.view.log)
        self.log.toggled.connect(self._log)
        self.along: QComboBox = Quiet(self)
        for name in ALONG:
            self.along.addItem(f"over {name}", name)
        self.along.setCurrentIndex(ALONG.index(self.view.along))
        self.along.setToolTip("What the curves are drawn over")
        self.along.setAccessibleName("Horizontal axis")
        self.along.currentIndexChanged.connect(self._along)
        self.smoothing = QSlider(Qt.Orientation.Horizontal, self)
        self.smoothing.setRange(0, _PER_DECADE * _DECADES)
        self.smoothing.setValue(self._kept_smoothing())
        self.smoothing.setMinimumWidth(6 * theme.UNIT)
        self.smoothing.setMaximumWidth(14 * theme.UNIT)
        tip = "How many steps each point is averaged over. The values as they came stay faintly behind."
        self.smoothing.setToolTip(tip)
        self.smoothing.setAccessibleName("Smoothing of the curves, in steps")
        self.smoothing.valueChanged.connect(self._smooth)
        self.smoothed = QLabel(self)
        self.smoothed.setProperty("role", "quiet")
        self.smoothed.setMinimumWidth(self.smoothed.fontMetrics().horizontalAdvance("over 1,000 steps"))
        self.hold = self._tool("Hold the curves still while you read them; training goes on", checkable=True)
        self.hold.toggled.connect(self._held)
        self.fit = self._tool("Show all again (double-click the plot); turn the wheel to zoom, drag to move")
        self.fit.clicked.connect(self.plot.show_all)
        self.export = self._tool("Save the curves as a picture or as numbers")
        menu = QMenu(self.export)
        menu.addAction("Save as &picture (PNG)", self.save_png)
        menu.addAction("Save the &numbers (CSV)", self.save_csv)
        self.export.setMenu(menu)
        self.export.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        row = QHBoxLayout()
        row.setSpacing(theme.UNIT)
        for widget in (self.log, self.along, QLabel("Smooth", self), self.smoothing, self.smoothed):
            row.addWidget(widget)
        row.addStretch(1)
        for button in (self.hold, self.fit, self.export):
            row.addWidget(button)
        self._say_span()
        return row

    def _kept_smoothing(self) -> int:
        return min(max(round(self._preferences.get("train/smoothing", 15)), 0), _PER_DECADE * _DECADES)

    def _tool(self, tip: str, *, checkable: bool = False) -> QToolButton:
        button = QToolButton(self)
        button.setToolTip(tip)
        button.setAccessibleName(tip.split(";")[0].split("(")[0].strip())
        button.setCheckable(checkable)
        return button

    # ------------------------------------------------------------------ what is shown

    @property
    def hidden_runs(self) -> frozenset[int]:
        """The numbers of the runs that are hidden."""
        return self.view.hidden_runs

    def set_runs(self, runs: Sequence[RunCurves], chosen: int = 0) -> None:
        """The runs there are, oldest first, of which the `chosen` one stands in front. Drawn with the next `redraw`."""
        self._runs = list(runs)
        known = frozenset(run.number for run in runs)
        self.view = replace(
            self.view,
            hidden_runs=self.view.hidden_runs & known,
            chosen=chosen,
            faded=known - beside(runs, chosen),
        )
        self._show_legend()

    def redraw(self) -> None:
        """Draw what has come in, unless the curves are held still or cannot be seen."""
        self._show_legend()
        if not self.hold.isChecked():
            self._draw()

    def set_run_shown(self, number: int, shown: bool) -> None:
        """Hide or show the curves of a run."""
        hidden = self.hidden_runs - {number} if shown else self.hidden_runs | {number}
        self._look(replace(self.view, hidden_runs=hidden))
        self._show_legend()
        self.shown_changed.emit()

    def _show_legend(self) -> None:
        self.legend.set_runs(self._runs, self.hidden_runs, self.view.chosen, self.view.faded)

    def _quantity(self, name: str, shown: bool) -> None:
        hidden = self.view.hidden - {name} if shown else self.view.hidden | {name}
        self._look(replace(self.view, hidden=hidden))

    def _log(self, on: bool) -> None:
        self._preferences.set("train/log", on)
        self._look(replace(self.view, log=on))

    def _along(self, place: int) -> None:
        self._preferences.set("train/along", ALONG[place])
        self._look(replace(self.view, along=ALONG[place]))

    def _smooth(self, value: int) -> None:
        self._preferences.set("train/smoothing", value)
        self.view = replace(self.view, span=round(10 ** (value / _PER_DECADE)))
        self._say_span()
        self.wanted.emit()  # a slider moves faster than it is worth drawing

    def _say_span(self) -> None:
        span = self.view.span
        self.smoothed.setText("as they came" if span == 1 else f"over {span:,} steps")

    def _held(self, held: bool) -> None:
        self._restyle()
        if not held:
            self.redraw()

    def _look(self, view: View) -> None:
        """A click is answered at once, also while the curves are held."""
        self.view = view
        self._draw()

    def _draw(self) -> None:
        self.redraws += 1
        self.plot.draw(self._runs, self.view)
        self.legend.set_limit(self.plot.limit_words)

    # ------------------------------------------------------------------ leaving with it

    def save_png(self) -> None:
        """The plot with its legend, at twice its size on the screen."""
        picture = QImage(self.stage.size() * 2, QImage.Format.Format_RGB32)
        picture.fill(self.palette().window().color())
        picture.setDevicePixelRatio(2.0)
        painter = QPainter(picture)
        self.stage.render(painter)
        painter.end()
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        picture.save(buffer, "PNG")
        self._save("curves.png", bytes(buffer.data().data()))

    def save_csv(self) -> None:
        """Every batch of every run that is shown."""
        text = csv_text(run for run in self._runs if run.number not in self.hidden_runs)
        self._save("curves.csv", text.encode())

    def _save(self, name: str, data: bytes) -> None:
        folder = self._folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = write_new(folder / name, data)
        except OSError as problem:
            reason = problem.strerror or problem
            self.refused.emit(f"{name} could not be saved in {folder}: {reason}. Choose another folder for models.")
            return
        self.saved.emit(str(path))

    def _restyle(self) -> None:
        for button, name in ((self.fit, "ph.arrows-out"), (self.export, "ph.download-simple")):
            button.setIcon(theme.icon(name))
        self.hold.setIcon(theme.icon("ph.play" if self.hold.isChecked() else "ph.pause"))
        for button in (self.hold, self.fit, self.export):
            button.setIconSize(QSize(2 * theme.UNIT, 2 * theme.UNIT))
