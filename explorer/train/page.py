"""The Train page: choose, start, watch, turn the weight, and train again with another."""

import os
import time
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from PyQt6 import sip
from PyQt6.QtCore import QFile, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QDragEnterEvent, QDropEvent, QShortcut, QShowEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSplitter, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from explorer.bridge import Bridge
from explorer.messages import (
    Answer,
    Continue,
    Delivered,
    FindInterrupted,
    Hello,
    InterruptedRuns,
    LookInto,
    Pause,
    Preview,
    RunFailed,
    RunMessage,
    Seen,
    SettingInfo,
    SetWeight,
    Stop,
)
from explorer.safe_text import line
from explorer.state.kept_runs import from_plain, to_plain
from explorer.state.naming import model_name
from explorer.state.runs import RunCurves, calibrated_weight
from explorer.train.balance import BalanceArrows
from explorer.train.bar import RunBar
from explorer.train.curves import CurvesPanel
from explorer.train.data import SAMPLES, DataField, dropped_data
from explorer.train.form import SettingsForm
from explorer.train.preview import PreviewGrid
from explorer.train.rate_distortion import RateDistortionChart
from explorer.train.runs import RunsPanel
from explorer.widgets import keys, theme
from explorer.widgets.deferred import turns
from explorer.widgets.keyboard import in_turn
from explorer.widgets.preferences import Preferences

_REDRAW = 100  # ms: ten times a second is as much as an eye wants of a curve
_ROOMY = 140 * theme.UNIT  # pixels: in a narrower page the arrows would take the room from the curves
_BUSY = "One run at a time: this one starts when the other has ended or is stopped"
_WELCOME = "Choose pictures on the left and start. Then train again with another weight and see both runs here."


class TrainPage(QWidget):
    """Everything about runs. `bridge` starts them and carries their messages; nothing here computes a model.

    Its parts are made one by one, each in a turn of the event loop of its own, or with the first look at the page.
    """

    model_wanted = pyqtSignal(str)
    interrupted = pyqtSignal(str, object)  # the model that a run was to leave when it was cut off, and its step
    run_delivered = pyqtSignal(str)

    def __init__(self, bridge: Bridge, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._preferences = bridge, preferences
        self.runs: dict[int, RunCurves] = from_plain(preferences.get("train/runs"))  # those of earlier sessions
        self._previews: dict[int, Preview] = {}
        self._followed: set[int] = set()
        self._resumed: dict[int, str] = {}  # models that runs go on with
        self._offered: set[str] = set()  # models of runs that were cut off: each is offered once a session
        self._current = 0  # the run in the bar
        self._below: QSplitter | None = None
        self._divided = False  # whether somebody has moved what divides the lower parts
        self._shared = 0, 0  # their width, and the table's
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REDRAW)
        self._timer.timeout.connect(self._redraw)
        self._stale = True
        self._make_widgets()
        self._connect()
        turns.give(self, lambda: self.curves, lambda: self.chart, self._lay_out)
        if bridge.settings:  # the engine has said already that it is there
            self._make_form(bridge.settings)

    def _make_widgets(self) -> None:
        self.form = SettingsForm(self._preferences, self)
        self.bar = RunBar(self)
        self.welcome = QLabel(_WELCOME, self)
        self.welcome.setProperty("role", "quiet")
        self.welcome.setWordWrap(True)
        self.news = QLabel(self)
        self.news.setTextFormat(Qt.TextFormat.PlainText)
        self.news.setProperty("role", "quiet")
        self.news.setWordWrap(True)
        self.news.hide()
        self.preview = PreviewGrid(self)
        self.arrows = BalanceArrows(self)
        self.arrows.hide()
        self.table = RunsPanel(self)

    @cached_property
    def curves(self) -> CurvesPanel:
        """The plot of D, R, βR, L and β."""
        made = CurvesPanel(self._preferences, lambda: self._preferences.models_folder, self)
        made.wanted.connect(self._touch)
        made.shown_changed.connect(self._redraw)
        made.saved.connect(lambda path: self._tell(f"Saved {path}"))
        made.refused.connect(self._tell)
        self.table.shown.connect(made.set_run_shown)
        return made

    @cached_property
    def chart(self) -> RateDistortionChart:
        """Where the runs stand between rate and distortion."""
        made = RateDistortionChart(self)
        made.run_clicked.connect(self.table.select)
        return made

    def _lay_out(self) -> None:
        below = QSplitter(Qt.Orientation.Horizontal, self)
        for widget, share in ((self.preview, 28), (self.chart, 32), (self.table, 42)):
            below.addWidget(widget)
            below.setStretchFactor(below.count() - 1, share)
            below.setCollapsible(below.count() - 1, False)
        below.splitterMoved.connect(lambda *_: setattr(self, "_divided", True))
        self._below = below
        self.chart.setMinimumSize(160, 150)
        self.curves.setMinimumHeight(200)
        below.setMinimumHeight(150)
        both = QSplitter(Qt.Orientation.Vertical, self)
        above_all = QWidget(self)
        beside = QHBoxLayout(above_all)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(theme.UNIT)
        beside.addWidget(self.curves, 1)
        beside.addWidget(self.arrows)
        both.addWidget(above_all)
        both.addWidget(below)
        both.setStretchFactor(0, 3)
        both.setStretchFactor(1, 2)
        both.setChildrenCollapsible(False)
        both.setSizes([380, 230])
        for splitter in (below, both):
            splitter.setHandleWidth(theme.UNIT)
        right = QVBoxLayout()
        right.setSpacing(theme.UNIT)
        for above in (self.welcome, self.bar, self.news):
            right.addWidget(above)
        right.addWidget(both, 1)
        self.form.setFixedWidth(40 * theme.UNIT)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(2 * theme.UNIT, theme.UNIT, 2 * theme.UNIT, theme.UNIT)
        layout.setSpacing(2 * theme.UNIT)
        layout.addWidget(self.form)
        layout.addLayout(right, 1)
        self.setAcceptDrops(True)
        self._order()

    def _order(self) -> None:
        in_turn(self.form.button, self.bar, self.curves, self.table)

    def _connect(self) -> None:
        self._bridge.hello.connect(self._on_hello)
        self._bridge.run_message.connect(self._hear)
        self.form.started.connect(self._start_run)
        self.form.complete.connect(self._order)
        self.bar.paused.connect(self._pause)
        self.bar.stopped.connect(self._stop)
        self.bar.turned.connect(self._turn)
        self.bar.follow_changed.connect(self._follow)
        self.table.opened.connect(lambda run: self.model_wanted.emit(self.runs[run].path))
        self.table.again.connect(self._again)
        self.table.to_form.connect(self._to_form)
        self.table.chosen.connect(self._choose)
        self.table.removed.connect(self._remove)
        self.table.renamed.connect(self._rename)
        self.table.trashed.connect(self._trash)
        self.table.killed.connect(self._bridge.kill_run)
        theme.notifier.changed.connect(self._touch)
        (start,) = keys.sequences("start")
        submit = QShortcut(start, self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
        submit.activated.connect(self.form.submit)

    # ------------------------------------------------------------------ for the window

    def start(self, settings: dict[str, Any]) -> None:
        """Start a run with these settings over the defaults; what stands against it is said in the form."""
        turns.finish(self)
        if self._alive() is not None:
            self.form.complain(_BUSY + ".")
        elif not self.form.fields:
            self._start_run(dict(settings))  # the engine has not said yet what can be set; the trainer checks
        elif self.form.fill(settings):
            self.form.submit()

    def go_on(self, path: str) -> None:
        """Train on from where the run was cut off that was to leave the model at `path`, with its own settings."""
        if self._alive() is not None:
            self._tell(_BUSY + ".")
        else:
            self._begin({}, path, path)

    def resumed_from(self, run: int) -> str:
        """The model that `run` was begun to go on with, "" where it was begun anew."""
        return self._resumed.get(run, "")

    def look_for_interrupted(self) -> None:
        """Say by `interrupted` which run was cut off, the newest one, unless one goes on or that was said already."""
        if self._alive() is None:
            self._bridge.ask(FindInterrupted(str(self._preferences.models_folder)), self._found, lane="interrupted")

    def is_following(self, run: int) -> bool:
        """Whether Explore is to show this run while it trains."""
        return run in self._followed

    # ------------------------------------------------------------------ starting and steering

    def _found(self, content: Answer) -> None:
        if not isinstance(content, InterruptedRuns) or not content.paths or self._alive() is not None:
            return
        if (newest := content.paths[0]) not in self._offered:
            self._offered.add(newest)
            self.interrupted.emit(newest, content.steps[0])

    def _on_hello(self, hello: Hello) -> None:
        self._make_form(hello.settings)

    def _make_form(self, settings: Sequence[SettingInfo]) -> None:
        turns.give(self, lambda: self.form.build(settings), self._follow_data, self._order, self.look_for_interrupted)

    def _follow_data(self) -> None:
        """Show what is in a folder as soon as it is chosen."""
        field = self.form.data
        if field is not None:
            field.edited.connect(lambda: self._look_into(field))
            self._look_into(field)

    def _look_into(self, field: DataField) -> None:
        data = field.chosen
        if data != SAMPLES and data != field.looked_at:
            field.show_seen(None)
            field.looked_at = data
            self._bridge.ask(
                LookInto(data), partial(self._take_seen, field), lane="look", failed=lambda why: field.say(why)
            )
        elif data == SAMPLES:
            field.looked_at = ""
            field.show_seen(None)

    def _take_seen(self, field: DataField, content: Answer) -> None:
        if isinstance(content, Seen) and not sip.isdeleted(field) and field.chosen == field.looked_at:
            field.show_seen(content)

    def _start_run(self, settings: dict[str, Any]) -> None:
        if self._alive() is None:
            self._begin(settings, str(self._preferences.models_folder / f"{model_name(settings)}.keras"))

    def _begin(self, settings: dict[str, Any], output: str, resume: str = "") -> None:
        self._preferences.agree(settings.get("data", ""))  # chosen in this program
        run = self._bridge.start_run(settings, output, resume, self._preferences.agreed)
        self._resumed[run] = resume
        self._offered.discard(resume)  # should it be cut off once more, that is news
        self.runs[run] = RunCurves(run, dict(settings))
        self._current = run
        # unasked it never takes the place of a model that somebody is looking at
        follows = self._preferences.get("train/follow", self._bridge.model is None)
        with signals_blocked(self.bar.follow):
            self.bar.follow.setChecked(follows)
        if follows:
            self._followed.add(run)
        self._tell("")
        self._redraw()

    def _again(self, run: int, weight: float) -> None:
        """The same once more with another weight: pictures, network, length and seed stay."""
        if run in self.runs:
            settings = {**self.runs[run].settings, "kl_weight": weight, "autoencoder": False}
            self.form.fill(settings)
            self._start_run(settings)

    def _to_form(self, run: int) -> None:
        self.form.fill({**self.runs[run].settings, "autoencoder": False})
        self.form.focus_weight()

    def _alive(self) -> RunCurves | None:
        return next((run for run in self.runs.values() if run.is_alive), None)

    def _pause(self, waits: bool) -> None:
        run = self.runs[self._current]
        self._bridge.tell_run(run.number, Pause() if waits else Continue())
        if not waits:
            run.go_on()
        self._redraw()

    def _stop(self) -> None:
        self.runs[self._current].stop()
        self._bridge.tell_run(self._current, Stop())
        self._redraw()

    def _turn(self, weight: float) -> None:
        if self._current in self.runs and self.runs[self._current].is_alive:
            self._bridge.tell_run(self._current, SetWeight(weight))

    def _follow(self, follows: bool) -> None:
        self._preferences.set("train/follow", follows)
        (self._followed.add if follows else self._followed.discard)(self._current)

    def _remove(self, run: int) -> None:
        if run in self.runs and not self.runs[run].is_alive:
            del self.runs[run]
            self._previews.pop(run, None)
            if self._current == run:
                self._current = max((number for number in self.runs if number > 0), default=0)
            self._keep()
            self._redraw()

    def _rename(self, run: int, name: str) -> None:
        if run in self.runs:
            self.runs[run].name = name
            self._keep()
            self._redraw()

    def _trash(self, run: int) -> None:
        """Take a run off the list, and its model to the system's trash."""
        path = self.runs[run].path
        if not QFile.moveToTrash(path)[0] and os.path.exists(path):
            self._tell(f"{path} could not be moved to the trash. Delete it in your file manager.")
            return
        self._tell(f"{Path(path).name} is in the trash.")
        self._remove(run)

    def _keep(self) -> None:
        """Remember the runs for the next session."""
        self._preferences.set("train/runs", to_plain(self.runs[number] for number in sorted(self.runs)))

    def _choose(self, run: int) -> None:
        self.preview.show_preview(self._previews.get(run))
        self._touch()

    # ------------------------------------------------------------------ hearing and showing

    def _hear(self, message: RunMessage) -> None:
        run = self.runs.get(message.run)
        if run is None:
            return
        run.take(message)
        if isinstance(message, Preview):
            self._previews[run.number] = message
            if self.table.current is None or self.table.current.number == run.number:
                self.preview.show_preview(message)
        if isinstance(message, Delivered):
            self._keep()
            self.run_delivered.emit(message.path)
        elif isinstance(message, RunFailed) and not message.unread and not message.stopped:
            # of one that is unread the window asks itself
            self.look_for_interrupted()
        if isinstance(message, Delivered | RunFailed):
            self._redraw()  # the end is not to wait for a timer
        else:
            self._touch()

    def _tell(self, sentence: str) -> None:
        self.news.setText(line(sentence))
        self.news.setVisible(bool(sentence))

    def _touch(self) -> None:
        """Something is to be drawn: with the next tick, or when the page comes into view."""
        self._stale = True
        if self.isVisible() and not self._timer.isActive():
            self._timer.start()

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        turns.finish(self)
        if self._stale:  # the page first, as it was
            turns.give(self, self._redraw)

    def _redraw(self) -> None:
        self._stale = False
        began = time.perf_counter()
        runs = [self.runs[number] for number in sorted(self.runs)]
        busy = _BUSY if self._alive() is not None else ""
        self.form.set_busy(busy)
        self.table.set_busy(busy)
        run = self.runs.get(self._current)
        self.welcome.setVisible(not runs)
        self.bar.draw(run, self._calibrated(run))
        chosen = self._in_front()
        self.curves.set_runs(runs, chosen)
        self.curves.redraw()
        balance = None if run is None else run.balance
        self.arrows.setVisible(balance is not None and self.width() >= _ROOMY)
        self.arrows.show_balance(balance)
        self.chart.draw(runs, self.curves.hidden_runs, chosen)
        self.table.draw(runs, self.curves.hidden_runs)
        self._divide()
        # on a slow machine curves come less often, so that most of the time is left to the hand
        spent = time.perf_counter() - began + self.curves.plot.paint_seconds
        self._timer.setInterval(max(_REDRAW, min(round(3000 * spent), 1000)))

    def _divide(self) -> None:
        """Give the table what it needs, up to a half, so that nothing in it is cut; unless somebody has divided."""
        if self._below is None or self._divided:
            return
        room = sum(self._below.sizes())
        table = min(max(self.table.needed(), 20 * theme.UNIT), room // 2)
        if room and (room, table) != self._shared:
            self._shared = room, table
            chart = round(0.48 * (room - table))
            self._below.setSizes([room - table - chart, chart, table])

    def _in_front(self) -> int:
        """The run that is chosen in the table; a new one is as soon as it is there."""
        chosen = self.table.current
        newest = max(self.runs, default=0)
        return newest if chosen is None or not self.table.knows(newest) else chosen.number

    def _calibrated(self, run: RunCurves | None) -> float | None:
        """β* = 2·MSE of the held-out pictures, as soon as a preview tells how many values one has."""
        preview = None if run is None else self._previews.get(run.number)
        distortion = None if run is None else run.measured("distortion")
        if preview is None or distortion is None or len(preview.originals) == 0:
            return None
        return calibrated_weight(distortion, preview.originals.shape[1:])

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        if event is not None and "data" in self.form.fields and dropped_data(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        field = self.form.fields.get("data")
        if field is not None:
            field.dropEvent(event)
