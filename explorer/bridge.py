"""The only file that knows both the pipes and Qt: questions to the engine, runs of trainers, and what happens when one
dies.

The engine is one long-lived process that owns TensorFlow; each run has a trainer process of its own, and a spare one
may wait with TensorFlow imported already. Threads read and write the pipes; everything else happens in the window's
thread.
"""

import contextlib
import itertools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PyQt6.QtCore import QObject, Qt, pyqtSignal

from explorer.engine.exporting import remove_left_by
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
from explorer.run_folders import RunFolders
from explorer.worker_process import RestartLimit, WorkerProcess

ENGINE = ("explorer.engine.process", "engine_main")
TRAINER = ("explorer.engine.training", "trainer_main")
MODEL_BOUND = (Decode, Encode, ReadMap)  # questions about the open model: they end with it
# In these lanes an answer is also shown when a newer question waits, as long as no newer answer came: otherwise a
# slider that moves faster than the machine decodes would show nothing until the hand rests.
FLOWING = ("picture", "other")
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

    child: WorkerProcess
    ended: bool = False  # it said Delivered or RunFailed


class Bridge(QObject):
    """What the window talks to. Callbacks and signals come in the window's thread."""

    engine_changed = pyqtSignal(str, str)  # "starting" | "ready" | "lost", and a sentence or ""
    hello = pyqtSignal(object)  # messages.Hello
    # ModelInfo | None; whether it is the same model to a hand on its sliders: newer, more complete, or in another file
    model_changed = pyqtSignal(object, bool)
    open_failed = pyqtSignal(str)  # a sentence; the model on screen stays
    run_message = pyqtSignal(object)
    _arrived = pyqtSignal(object, object)  # WorkerProcess, message or None: from the reading threads

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model: ModelInfo | None = None
        self.settings: tuple[SettingInfo, ...] = ()
        self._engine: WorkerProcess | None = None
        self._spare: WorkerProcess | None = None
        self._runs: dict[int, _Run] = {}
        self._run_folders = RunFolders()
        self._run_numbers = itertools.count(1)
        self._tickets = itertools.count(1)
        self._pending: dict[int, _Pending] = {}
        self._held: list[Request] = []  # asked of the old model while the file of a new one is being glimpsed
        self._opening: int | None = None  # ticket
        self._before: ModelInfo | None = None  # the model to go back to when the opening fails after its glimpse
        self._glimpsed = False
        self._same = False  # the file being opened is wanted as the same model, if it fits
        self._aside = ""  # the path that is being opened while the engine goes on with the model on screen
        self._loaded: ModelInfo | None = None  # what the engine holds, where that is certain
        self._refreshed = ""
        self._deaths = RestartLimit()  # of the engine
        self._closed = False
        self._arrived.connect(self._take, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]

    # ------------------------------------------------------------------ the engine

    def start(self) -> None:
        """Start the engine's process."""
        if self._engine is None and not self._closed:
            self._engine = WorkerProcess(ENGINE, "kvae-engine", self._from_thread)
            self.engine_changed.emit("starting", "")

    def ask(
        self,
        content: Any,
        then: Callable[[Any], None],
        *,
        lane: str | None = None,
        failed: Callable[[str], None] | None = None,
    ) -> int:
        """Ask the engine. `then` gets every answer, `failed` one sentence;
        a newer question in `lane` replaces this one."""
        ticket = next(self._tickets)
        name = lane or ""
        if name and name not in FLOWING:
            self._forget(lambda old: old.lane == name)
        self._pending[ticket] = _Pending(content, then, failed, name)
        request = Request(ticket, name, content)
        held = self._opening is not None and not self._glimpsed and not self._aside
        if held and isinstance(content, MODEL_BOUND):
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

    def open(self, path: str, *, same: bool = False) -> None:
        """Open the model file at `path`.

        Where that is the `same` model to the person who plays with it, or the file that is on screen already, its
        latents stay if they fit, and the model on screen answers until it is loaded. Otherwise what was asked about the
        present model is dropped.
        """
        path = os.fspath(path)
        self._same = self.model is not None and (same or path == self.model.path)
        if self._opening is not None:
            self.cancel(self._opening)
            self._loaded = None  # the engine may have completed it all the same
        else:
            self._before = self.model
        self._aside = path if self._same and self._loaded is self.model else ""
        if not self._aside:
            self._drop_model_bound()
            self._forget(lambda old: isinstance(old.content, Refresh))
        self._glimpsed, self._opening = False, None
        content = Open(path, aside=bool(self._aside))
        self._opening = self.ask(content, self._on_opening, failed=lambda why: self._on_open_failed(path, why))

    def refresh(self, path: str) -> None:
        """Take newer weights of the same model from `path`."""
        path = os.fspath(path)

        def fresh(content: Any) -> None:
            if isinstance(content, Opened):
                self._refreshed = path
                if self._before is self.model:  # another file is being opened meanwhile
                    self._before = content.model
                self._show_loaded(content.model, True)

        # a refresh that fails is overtaken by the next snapshot, or its run has ended: nothing a person could do
        self.ask(Refresh(path), fresh, lane="refresh")

    def _on_opening(self, content: Any) -> None:
        if isinstance(content, Glimpsed) and not self._aside:
            self._drop_model_bound()
            self._glimpsed = True
            self._show(content.model, self._fits(content.model))
        elif isinstance(content, Opened):
            same = self._glimpsed or self._fits(content.model)
            if self._aside and not same:
                self._drop_model_bound()
            self._opening, self._before, self._aside, self._refreshed = None, None, "", ""
            self._release(drop=not same)
            self._show_loaded(content.model, same)

    def _fits(self, model: ModelInfo) -> bool:
        """Whether `model` can take the place of the one on screen under the hand."""
        old = self.model if self._same else None
        return old is not None and (old.latent_dim, old.image_shape) == (model.latent_dim, model.image_shape)

    def _on_open_failed(self, path: str, sentence: str) -> None:
        before, self._opening, self._before, self._aside = self._before, None, None, ""
        if self.model is not before:
            self._drop_model_bound()
            self._show(before, False)
        if self._loaded is not before:
            self._reopen()
        self._release(drop=False)
        # a snapshot of a run that ended meanwhile is no loss: its model is delivered
        if not self._run_folders.holds(path, self._ended()):
            self.open_failed.emit(sentence)

    def _show(self, model: ModelInfo | None, same: bool) -> None:
        self.model = model
        self.model_changed.emit(model, same)

    def _show_loaded(self, model: ModelInfo, same: bool) -> None:
        self._loaded = model
        self._show(model, same)

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

    def _from_thread(self, child: WorkerProcess, message: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the window is gone already
            self._arrived.emit(child, message)

    def _take(self, child: WorkerProcess | None, message: Any) -> None:
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
            elif isinstance(message, RunFailed):
                self.run_message.emit(message)
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
        sentence = self._deaths.sentence(engine.how_it_ended(), " with the same model" if self.model else "")
        # what nobody asked for by hand, such as the model of a run that has ended, is tried once more
        aside, self._loaded = self._aside, None
        self.engine_changed.emit("lost", sentence)
        lost, self._pending, self._held = list(self._pending.values()), {}, []
        # an opening that fails goes back to the model before it, so what is reopened is never what killed the engine
        for pending in lost:
            remove_left_by(engine.process.pid, pending.content)
            if pending.failed is not None:
                pending.failed(sentence)
        if self._deaths.too_many:
            return
        self.start()
        if aside:
            self.open(aside, same=True)
        else:
            self._reopen()

    def _reopen(self) -> None:
        model, newer = self.model, self._refreshed
        if model is None or self._opening is not None or self._engine is None:
            return

        def reopened(content: Any) -> None:
            if isinstance(content, Opened):
                self._show_loaded(content.model, True)
                if newer:
                    self.refresh(newer)

        self.ask(Open(model.path), reopened, failed=self.open_failed.emit)

    # ------------------------------------------------------------------ runs

    def start_run(self, settings: dict, output: str, resume: str = "", agreed: tuple[str, ...] = ()) -> int:
        """Start training in a process of its own; the result is the run's number, from 1.

        A run that goes on reads the pictures that its file names only in one of the places `agreed`.
        """
        run = next(self._run_numbers)
        child, self._spare = self._spare, None
        if child is None or not child.process.is_alive():
            child = WorkerProcess(TRAINER, "kvae-trainer", self._from_thread)
        try:
            workspace = self._run_folders.make(run)
        except OSError as error:  # told once the caller knows the number
            self._spare = child
            self._arrived.emit(None, RunFailed(run, str(error)))
            return run
        self._runs[run] = _Run(child)
        child.send(Start(run, dict(settings), os.fspath(output), workspace, os.fspath(resume), agreed))
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
            self._spare = WorkerProcess(TRAINER, "kvae-trainer", self._from_thread)

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

    def _ended(self) -> list[int]:
        return [run for run in self._run_folders.folders if run not in self.running()]

    def _sweep(self) -> None:
        """Remove what ended runs left, but for the folder of a model that is on screen or about to be."""
        shown = [one.path for one in (self.model, self._before) if one is not None]
        shown += [one.content.path for one in self._pending.values() if isinstance(one.content, Open)]
        self._run_folders.remove(self._ended(), shown)

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
        self._run_folders.remove(self._run_folders.folders)
