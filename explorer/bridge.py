"""The only file that knows both the pipes and Qt: questions to the engine, runs of trainers, and what happens when one
dies.

The engine is one long-lived process that owns TensorFlow; each run has a trainer process of its own, and a spare one
may wait with TensorFlow imported already. Threads read and write the pipes; everything else happens in the window's
thread.

The model on screen goes through these phases; each arrow is a method of `explorer.state.open_model.OpenModel`:

            open             Glimpsed              Opened
    IDLE ──────────► OPENING ────────► GLIMPSED ──────────► LOADED ◄──► Refresh: newer weights
                        ▲  │              │                 │ ▲  │
                        │  │ Failed       │ Failed          │ │  │ open the same model from a newer file
          open another  │  ▼              ▼                 │ │  ▼
         (in any phase) │  back to the model before, or     │ └─ ASIDE   Opened or Failed: LOADED again
                        │  to IDLE where there was none     │    │
                        └───────────────────────────────────┘    │
                                                                 ▼
    the engine died, with a model on screen: ────────────────► LOST ────► LOADED, opened again unasked

A file whose card tells too little goes from OPENING straight to LOADED. Questions about a model wait in the window
while it is OPENING: nobody knows yet whether they fit the new one.
"""

import contextlib
import itertools
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from PyQt6.QtCore import QObject, Qt, pyqtSignal

from explorer import log
from explorer.engine.exporting import remove_left_by
from explorer.messages import (
    Answer,
    Cancel,
    Delivered,
    Failed,
    Glimpsed,
    Hello,
    Logged,
    ModelInfo,
    Open,
    Opened,
    Question,
    Ready,
    Refresh,
    Reply,
    RunFailed,
    RunMessage,
    RunOrder,
    SettingInfo,
    Start,
    Stop,
)
from explorer.questions import Questions
from explorer.run_folders import RunFolders
from explorer.safe_text import line
from explorer.state.open_model import OpenModel, Phase
from explorer.worker_process import RestartLimit, WorkerProcess

ENGINE = ("explorer.engine.process", "engine_main")
TRAINER = ("explorer.engine.training", "trainer_main")
RUN_LOST = "The training process ended unexpectedly ({}). The other runs and the explorer are not affected."
KILLED = "The run was ended at once, so it left no model."

logger = logging.getLogger(__name__)


@dataclass
class _Run:
    """A run whose trainer lives."""

    worker: WorkerProcess
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
        self.settings: tuple[SettingInfo, ...] = ()
        self._engine: WorkerProcess | None = None
        self._spare: WorkerProcess | None = None
        self._runs: dict[int, _Run] = {}
        self._run_folders = RunFolders()
        self._run_numbers = itertools.count(1)
        self._questions = Questions()
        self._current = OpenModel()
        self._deaths = RestartLimit()  # of the engine
        self._closed = False
        self._arrived.connect(self._take, Qt.ConnectionType.QueuedConnection)  # type: ignore[call-arg]

    @property
    def model(self) -> ModelInfo | None:
        """The model on screen."""
        return self._current.shown

    # ------------------------------------------------------------------ the engine

    def start(self) -> None:
        """Start the engine's process."""
        if self._engine is None and not self._closed:
            self._engine = WorkerProcess(ENGINE, "kvae-engine", self._from_thread)
            self.engine_changed.emit("starting", "")

    def ask(
        self,
        content: Question,
        then: Callable[[Answer], None],
        *,
        lane: str | None = None,
        failed: Callable[[str], None] | None = None,
    ) -> int:
        """Ask the engine. `then` gets every answer, `failed` one sentence;
        a newer question in `lane` replaces this one."""
        request = self._questions.add(content, then, failed, lane or "")
        if self._current.phase is Phase.OPENING and content.ends_with_model:
            self._questions.hold(request)
        elif self._engine is not None:
            self._engine.send(request)
        else:  # the answer never comes inside the question
            self._arrived.emit(None, Reply(request.ticket, Failed("The engine is not running. Restart the program.")))
        return request.ticket

    def cancel(self, ticket: int) -> None:
        """Want the answer no more."""
        if self._questions.cancel(ticket) and self._engine is not None:
            self._engine.send(Cancel(ticket))

    def open(self, path: str, *, same: bool = False) -> None:
        """Open the model file at `path`.

        Where that is the `same` model to the person who plays with it, or the file that is on screen already, its
        latents stay if they fit, and the model on screen answers until it is loaded. Otherwise what was asked about the
        present model is dropped.
        """
        path = os.fspath(path)
        overtaken = self._current.opening
        if overtaken is not None:
            self.cancel(overtaken.ticket)
        opening = self._current.begin(path, same)
        aside = opening.phase is Phase.ASIDE
        if not aside:
            self._drop_model_bound()
            self._questions.forget(lambda old: isinstance(old.content, Refresh))
        logger.info("opening %s%s", line(path), " aside" if aside else "")
        opening.ticket = self.ask(
            Open(path, aside=aside), self._on_opening, failed=lambda why: self._on_open_failed(path, why)
        )

    def refresh(self, path: str) -> None:
        """Take newer weights of the same model from `path`."""
        path = os.fspath(path)

        def fresh(content: Answer) -> None:
            if isinstance(content, Opened):
                self._current.take_weights(path, content.model)
                self.model_changed.emit(content.model, True)

        # a refresh that fails is overtaken by the next snapshot, or its run has ended: nothing a person could do
        self.ask(Refresh(path), fresh, lane="refresh")

    def _on_opening(self, content: Answer) -> None:
        aside = self._current.phase is Phase.ASIDE
        if isinstance(content, Glimpsed) and not aside:
            self._drop_model_bound()
            same = self._current.glimpse(content.model)
            self.model_changed.emit(content.model, same)
        elif isinstance(content, Opened):
            same = self._current.complete(content.model)
            if aside and not same:
                self._drop_model_bound()
            logger.info("opened %s", line(content.model.path))
            self._send_held(drop=not same)
            self.model_changed.emit(content.model, same)

    def _on_open_failed(self, path: str, sentence: str) -> None:
        logger.warning("could not open %s: %s", line(path), line(sentence))
        if self._current.give_up():
            self._drop_model_bound()
            self.model_changed.emit(self.model, False)
        if self._current.phase is Phase.LOST:
            self._reopen()
        self._send_held(drop=False)
        # a snapshot of a run that ended meanwhile is no loss: its model is delivered
        if not self._run_folders.holds(path, self._ended()):
            self.open_failed.emit(sentence)

    def _send_held(self, drop: bool) -> None:
        for request in self._questions.release(drop):
            if self._engine is not None:
                self._engine.send(request)

    def _drop_model_bound(self) -> None:
        for ticket in self._questions.forget(lambda old: old.content.ends_with_model):
            if self._engine is not None:
                self._engine.send(Cancel(ticket))

    # ------------------------------------------------------------------ what arrives

    def _from_thread(self, worker: WorkerProcess, message: object) -> None:
        with contextlib.suppress(RuntimeError):  # the window is gone already
            self._arrived.emit(worker, message)

    def _take(self, worker: WorkerProcess | None, message: object) -> None:
        if isinstance(message, Logged):
            log.take(message)
            return
        if self._closed:
            return
        if worker is self._engine or worker is None:
            if message is None:
                self._on_engine_lost()
            elif isinstance(message, Reply):
                self._questions.take(message)
            elif isinstance(message, Hello):
                first, self.settings = not self.settings, message.settings
                if first:
                    self.hello.emit(message)
            elif isinstance(message, Ready):
                self.engine_changed.emit("ready", "")
            elif isinstance(message, RunFailed):
                self._tell_of_run(message)
            return
        if worker is self._spare and message is None:
            self._spare = None
            worker.end()
        for run, one in list(self._runs.items()):
            if one.worker is worker:
                self._on_run(run, one, message)

    def _on_engine_lost(self) -> None:
        engine, self._engine = self._engine, None
        assert engine is not None
        engine.end(1.0)
        sentence = self._deaths.sentence(engine.how_it_ended(), " with the same model" if self.model else "")
        logger.warning("the engine was lost: %s", sentence)
        aside = self._current.lose()
        self.engine_changed.emit("lost", sentence)
        # an opening that fails goes back to the model before it, so what is reopened is never what killed the engine
        for pending in self._questions.clear():
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
        model, newer = self.model, self._current.newest
        if model is None or self._current.opening is not None or self._engine is None:
            return

        def reopened(content: Answer) -> None:
            if isinstance(content, Opened):
                self._current.reopen(content.model)
                self.model_changed.emit(content.model, True)
                if newer:
                    self.refresh(newer)

        self.ask(Open(model.path), reopened, failed=self.open_failed.emit)

    # ------------------------------------------------------------------ runs

    def start_run(self, settings: dict, output: str, resume: str = "", agreed: tuple[str, ...] = ()) -> int:
        """Start training in a process of its own; the result is the run's number, from 1.

        A run that goes on reads the pictures that its file names only in one of the places `agreed`.
        """
        run = next(self._run_numbers)
        worker, self._spare = self._spare, None
        if worker is None or not worker.process.is_alive():
            worker = WorkerProcess(TRAINER, "kvae-trainer", self._from_thread)
        try:
            folder = self._run_folders.make(run)
        except OSError as error:  # told once the caller knows the number
            self._spare = worker
            self._arrived.emit(None, RunFailed(run, str(error)))
            return run
        self._runs[run] = _Run(worker)
        worker.send(Start(run, dict(settings), os.fspath(output), folder, os.fspath(resume), agreed))
        logger.info("run %d: started in process %s, to leave %s", run, worker.process.pid, line(os.fspath(output)))
        return run

    def tell_run(self, run: int, content: RunOrder) -> None:
        """SetWeight, Pause, Continue or Stop; a run that has ended hears nothing."""
        if run in self._runs:
            self._runs[run].worker.send(content)

    def kill_run(self, run: int) -> None:
        """End a run at once, without a model."""
        one = self._runs.get(run)
        if one is not None and not one.ended:
            one.ended = True
            one.worker.process.kill()
            self._tell_of_run(RunFailed(run, KILLED, stopped=True))

    def warm_trainer(self) -> None:
        """Have a process ready that has imported TensorFlow, for the next run."""
        if self._spare is None and not self._closed:
            self._spare = WorkerProcess(TRAINER, "kvae-trainer", self._from_thread)

    def running(self) -> tuple[int, ...]:
        """The numbers of the runs that have not ended."""
        return tuple(run for run, one in self._runs.items() if not one.ended)

    def _on_run(self, run: int, one: _Run, message: object) -> None:
        if message is not None:
            if one.ended:
                return
            one.ended = isinstance(message, Delivered | RunFailed)
            self._tell_of_run(message)  # type: ignore[arg-type]  # what trainers send
            return
        del self._runs[run]
        one.worker.end(1.0)
        if not one.ended:
            self._tell_of_run(RunFailed(run, RUN_LOST.format(one.worker.how_it_ended())))
        self._sweep()

    def _tell_of_run(self, message: RunMessage) -> None:
        if isinstance(message, Delivered):
            logger.info("run %d: delivered %s", message.run, line(message.path))
        elif isinstance(message, RunFailed):
            logger.warning("run %d: failed: %s", message.run, line(message.sentence))
        self.run_message.emit(message)

    def _ended(self) -> list[int]:
        return [run for run in self._run_folders.folders if run not in self.running()]

    def _sweep(self) -> None:
        """Remove what ended runs left, but for the folder of a model that is on screen or about to be."""
        before = self._current.opening.before if self._current.opening is not None else None
        shown = [one.path for one in (self.model, before) if one is not None]
        shown += [one.path for one in self._questions.contents() if isinstance(one, Open)]
        self._run_folders.remove(self._ended(), shown)

    # ------------------------------------------------------------------ the end

    def shutdown(self, patience: float = 15.0) -> None:
        """End every process: runs are stopped softly and get `patience` seconds to deliver what they have."""
        if self._closed:
            return
        self._closed = True
        self._questions.clear()
        workers = [worker for worker in (self._engine, self._spare) if worker is not None]
        self._engine = self._spare = None
        for one in self._runs.values():
            one.worker.send(Stop())
        for worker in workers:
            worker.end(1.0)
        until = time.monotonic() + patience
        for one in self._runs.values():
            one.worker.process.join(max(0.0, until - time.monotonic()))
            one.worker.end()
        self._runs.clear()
        self._run_folders.remove(self._run_folders.folders)
