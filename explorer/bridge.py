"""The only file that knows both the pipes and Qt: questions to the engine, runs of trainers, and what happens when one dies.

The engine is one long-lived process that owns TensorFlow; each run has a trainer process of its own, and a spare one may
wait with TensorFlow imported already. Threads read and write the pipes; everything else happens in the window's thread.
"""

import contextlib
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PyQt6.QtCore import QObject, Qt, pyqtSignal

from explorer.child import Child
from explorer.messages import (
    Cancel,
    Decode,
    Delivered,
    Encode,
    Failed,
    Glimpsed,
    Hello,
    ModelInfo,
    Open,
    Opened,
    ReadMap,
    Ready,
    Refresh,
    Reply,
    Request,
    RunFailed,
    SettingInfo,
    Start,
    Stop,
)

ENGINE = ("explorer.engine.process", "engine_main")
TRAINER = ("explorer.engine.training", "trainer_main")
MODEL_BOUND = (Decode, Encode, ReadMap)  # questions about the open model: they end with it
# In these lanes an answer is also shown when a newer question waits, as long as no newer answer came: otherwise a slider
# that moves faster than the machine decodes would show nothing until the hand rests.
FLOWING = ("picture", "other")
MOST_DEATHS, DEATHS_WITHIN = 3, 30.0  # restarts of the engine; seconds
LOST = "The engine ended unexpectedly ({}). It is starting again with the same model."
GAVE_UP = "The engine ended {} times within half a minute ({}). Restart the program; if it goes on, open another model."
RUN_LOST = "The training process ended unexpectedly ({}). The other runs and the explorer are not affected."
KILLED = "The run was ended at once, so it left no model."


@dataclass
class _Pending:
    """A question that waits for its answer."""

    content: Any
    then: Callable[[Any], None]
    failed: Callable[[str], None] | None
    lane: str


@dataclass
class _Run:
    """A run whose trainer lives."""

    child: Child
    workspace: str
    ended: bool = False  # it said Delivered or RunFailed


class Bridge(QObject):
    """What the window talks to. Callbacks and signals come in the window's thread."""

    engine_changed = pyqtSignal(str, str)  # "starting" | "ready" | "lost", and a sentence or ""
    hello = pyqtSignal(object)  # messages.Hello
    model_changed = pyqtSignal(
        object, bool
    )  # ModelInfo | None; whether it is the same model, only newer or more complete
    open_failed = pyqtSignal(str)  # a sentence; the model on screen stays
    run_message = pyqtSignal(object)
    _arrived = pyqtSignal(object, object)  # Child, message or None: from the reading threads

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model: ModelInfo | None = None
        self.settings: tuple[SettingInfo, ...] = ()
        self._engine: Child | None = None
        self._spare: Child | None = None
        self._runs: dict[int, _Run] = {}
        self._workspaces: list[str] = []
        self._run_numbers = itertools.count(1)
        self._tickets = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._held: list[Request] = []  # asked of the old model while the file of a new one is being glimpsed
        self._opening: int | None = None  # ticket
        self._before: ModelInfo | None = None  # the model to go back to when the opening fails after its glimpse
        self._glimpsed = False
        self._overtaken = False  # an opening was replaced by another: the engine may have completed it all the same
        self._refreshed = ""
        self._deaths: list[float] = []
        self._closed = False
        self._arrived.connect(self._take, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]

    # ------------------------------------------------------------------ the engine

    def start(self) -> None:
        """Start the engine's process."""
        if self._engine is None and not self._closed:
            self._engine = Child(ENGINE, "kvae-engine", self._from_thread)
            self.engine_changed.emit("starting", "")

    def ask(
        self,
        content: Any,
        then: Callable[[Any], None],
        *,
        lane: str | None = None,
        failed: Callable[[str], None] | None = None,
    ) -> int:
        """Ask the engine. `then` gets every answer, `failed` one sentence; a newer question in `lane` replaces this one."""
        ticket = next(self._tickets)
        name = lane or ""
        if name and name not in FLOWING:
            self._forget(lambda old: old.lane == name)
        self._pending[ticket] = _Pending(content, then, failed, name)
        request = Request(ticket, name, content)
        if self._opening is not None and not self._glimpsed and isinstance(content, MODEL_BOUND):
            self._held.append(request)
        elif self._engine is not None:
            self._engine.send(request)
        else:  # the answer never comes inside the question
            self._arrived.emit(None, Reply(ticket, Failed("The engine is not running. Restart the program.")))
        return ticket

    def cancel(self, ticket: int) -> None:
        """Want the answer no more."""
        self._held = [request for request in self._held if request.ticket != ticket]
        if self._pending.pop(ticket, None) is not None and self._engine is not None:
            self._engine.send(Cancel(ticket))

    def open(self, path: str) -> None:
        """Open the model file at `path`; what was asked about the present model is dropped."""
        if self._opening is not None:
            self.cancel(self._opening)
            self._overtaken = True
        else:
            self._before, self._overtaken = self.model, False
        self._drop_model_bound()
        self._glimpsed, self._opening = False, None
        path = os.fspath(path)
        self._opening = self.ask(Open(path), self._on_opening, failed=lambda why: self._on_open_failed(path, why))

    def refresh(self, path: str) -> None:
        """Take newer weights of the same model from `path`."""
        path = os.fspath(path)

        def fresh(content: Any) -> None:
            if isinstance(content, Opened):
                self._refreshed = path
                self._show(content.model, True)

        # a refresh that fails is overtaken by the next snapshot, or its run has ended: nothing a person could do
        self.ask(Refresh(path), fresh, lane="refresh")

    def _on_opening(self, content: Any) -> None:
        if isinstance(content, Glimpsed):
            self._drop_model_bound()
            self._glimpsed = True
            self._show(content.model, False)
        elif isinstance(content, Opened):
            same, self._opening, self._before, self._refreshed = self._glimpsed, None, None, ""
            self._release(drop=not same)
            self._show(content.model, same)

    def _on_open_failed(self, path: str, sentence: str) -> None:
        before, self._opening, self._before = self._before, None, None
        if self.model is not before:
            self._drop_model_bound()
            self._show(before, False)
        if self._overtaken:
            self._reopen()
        self._release(drop=False)
        gone = any(path.startswith(folder + os.sep) for folder in self._ended_workspaces())
        if not gone:  # a snapshot of a run that ended meanwhile is no loss: its model is delivered
            self.open_failed.emit(sentence)

    def _show(self, model: ModelInfo | None, same: bool) -> None:
        self.model = model
        self.model_changed.emit(model, same)

    def _release(self, drop: bool) -> None:
        held, self._held = self._held, []
        for request in held:
            if drop:
                self._pending.pop(request.ticket, None)
            elif request.ticket in self._pending and self._engine is not None:
                self._engine.send(request)

    def _drop_model_bound(self) -> None:
        self._forget(lambda old: isinstance(old.content, MODEL_BOUND), tell=True)
        self._held = []

    def _forget(self, which: Callable[[_Pending], bool], tell: bool = False) -> None:
        for ticket in [ticket for ticket, old in self._pending.items() if which(old)]:
            if tell:
                self.cancel(ticket)
            else:
                del self._pending[ticket]

    # ------------------------------------------------------------------ what arrives

    def _from_thread(self, child: Child, message: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the window is gone already
            self._arrived.emit(child, message)

    def _take(self, child: Child | None, message: Any) -> None:
        if self._closed:
            return
        if child is self._engine or child is None:
            if message is None:
                self._on_engine_lost()
            elif isinstance(message, Reply):
                self._on_reply(message)
            elif isinstance(message, Hello):
                first, self.settings = not self.settings, message.settings
                if first:
                    self.hello.emit(message)
            elif isinstance(message, Ready):
                self.engine_changed.emit("ready", "")
            return
        if child is self._spare and message is None:
            self._spare = None
            child.end()
        for run, one in list(self._runs.items()):
            if one.child is child:
                self._on_run(run, one, message)

    def _on_reply(self, reply: Reply) -> None:
        pending = self._pending.get(reply.ticket)
        if pending is None:
            return
        if pending.lane in FLOWING:
            self._pending = {
                ticket: old
                for ticket, old in self._pending.items()
                if old.lane != pending.lane or ticket >= reply.ticket
            }
        if reply.last:
            self._pending.pop(reply.ticket, None)
        if isinstance(reply.content, Failed):
            if pending.failed is not None:
                pending.failed(reply.content.sentence)
        else:
            pending.then(reply.content)

    def _on_engine_lost(self) -> None:
        engine, self._engine = self._engine, None
        assert engine is not None
        engine.end(1.0)
        why = engine.how_it_ended()
        now = time.monotonic()
        self._deaths = [when for when in self._deaths if now - when < DEATHS_WITHIN] + [now]
        given_up = len(self._deaths) >= MOST_DEATHS
        sentence = GAVE_UP.format(len(self._deaths), why) if given_up else LOST.format(why)
        self.engine_changed.emit("lost", sentence)
        lost, self._pending, self._held = list(self._pending.values()), {}, []
        # an opening that fails goes back to the model before it, so what is reopened is never what killed the engine
        for pending in lost:
            if pending.failed is not None:
                pending.failed(sentence)
        if not given_up:
            self.start()
            self._reopen()

    def _reopen(self) -> None:
        model, newer = self.model, self._refreshed
        if model is None or self._opening is not None:
            return

        def reopened(content: Any) -> None:
            if isinstance(content, Opened):
                self._show(content.model, True)
                if newer:
                    self.refresh(newer)

        self.ask(Open(model.path), reopened, failed=self.open_failed.emit)

    # ------------------------------------------------------------------ runs

    def start_run(self, settings: dict, output: str, resume: str = "") -> int:
        """Start training in a process of its own; the result is the run's number, from 1."""
        run = next(self._run_numbers)
        child, self._spare = self._spare, None
        if child is None or not child.process.is_alive():
            child = Child(TRAINER, "kvae-trainer", self._from_thread)
        workspace = tempfile.mkdtemp(prefix=f"kvae-run-{run}-")
        self._workspaces.append(workspace)
        self._runs[run] = _Run(child, workspace)
        child.send(Start(run, dict(settings), os.fspath(output), workspace, os.fspath(resume)))
        return run

    def tell_run(self, run: int, content: Any) -> None:
        """SetWeight, Pause, Continue or Stop; a run that has ended hears nothing."""
        if run in self._runs:
            self._runs[run].child.send(content)

    def kill_run(self, run: int) -> None:
        """End a run at once, without a model."""
        one = self._runs.get(run)
        if one is not None and not one.ended:
            one.ended = True
            one.child.process.kill()
            self.run_message.emit(RunFailed(run, KILLED))

    def warm_trainer(self) -> None:
        """Have a process ready that has imported TensorFlow, for the next run."""
        if self._spare is None and not self._closed:
            self._spare = Child(TRAINER, "kvae-trainer", self._from_thread)

    def running(self) -> tuple[int, ...]:
        """The numbers of the runs that have not ended."""
        return tuple(run for run, one in self._runs.items() if not one.ended)

    def _on_run(self, run: int, one: _Run, message: Any) -> None:
        if message is not None:
            if one.ended:
                return
            one.ended = isinstance(message, Delivered | RunFailed)
            self.run_message.emit(message)
            return
        del self._runs[run]
        one.child.end(1.0)
        if not one.ended:
            self.run_message.emit(RunFailed(run, RUN_LOST.format(one.child.how_it_ended())))
        self._sweep()

    def _ended_workspaces(self) -> list[str]:
        alive = {one.workspace for one in self._runs.values() if not one.ended}
        return [folder for folder in self._workspaces if folder not in alive]

    def _sweep(self) -> None:
        """Remove what ended runs left, but for the folder of a model that is on screen or about to be."""
        shown = [one.path for one in (self.model, self._before) if one is not None]
        shown += [one.content.path for one in self._pending.values() if isinstance(one.content, Open)]
        for folder in self._ended_workspaces():
            if not any(path.startswith(folder + os.sep) for path in shown):
                shutil.rmtree(folder, ignore_errors=True)

    # ------------------------------------------------------------------ the end

    def shutdown(self, patience: float = 15.0) -> None:
        """End every process: runs are stopped softly and get `patience` seconds to deliver what they have."""
        if self._closed:
            return
        self._closed = True
        self._pending, self._held = {}, []
        children = [child for child in (self._engine, self._spare) if child is not None]
        self._engine = self._spare = None
        for one in self._runs.values():
            one.child.send(Stop())
        for child in children:
            child.end(1.0)
        until = time.monotonic() + patience
        for one in self._runs.values():
            one.child.process.join(max(0.0, until - time.monotonic()))
            one.child.end()
        self._runs.clear()
        for folder in self._workspaces:
            shutil.rmtree(folder, ignore_errors=True)
