"""The engine: the process that decodes, encodes and lays out maps for the window.

It says `Hello` at once, imports TensorFlow while the first file's card is read already, and then serves requests in
four threads: pictures, which wait for nothing; opening; quick questions such as filmstrips; and long ones. It ends when
its pipe closes, so that nothing is left when the window is killed.

Importing this file is cheap and brings in neither kvae nor TensorFlow: the window names `engine_main` to start it.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import numpy as np

from explorer import log
from explorer.engine.jobs import LOADS, LONG, PICTURES, QUICK, Job, Mailbox, NotWanted, Turns
from explorer.engine.models import Loaded, Models, Weights
from explorer.engine.training import FROM_STARTER
from explorer.engine.wording import sentence_of
from explorer.messages import (
    Cancel,
    Compare,
    Decode,
    Decoded,
    Encode,
    Encoded,
    ExportLatents,
    ExportMorph,
    ExportPicture,
    Failed,
    FindInterrupted,
    Glimpsed,
    Hello,
    InterruptedRuns,
    LookInto,
    Open,
    Opened,
    PicturePoint,
    Portraits,
    Progress,
    ReadBookmarks,
    ReadIndependence,
    ReadMap,
    ReadPortraits,
    ReadPosteriors,
    Ready,
    Recalled,
    Refresh,
    Reply,
    Request,
    SavePicture,
    SettingInfo,
    WriteBookmarks,
)
from explorer.safe_text import line

# Threads of TensorFlow: within an operation, where one picture of 64 pixels took 7 ms with one and 10 to 13 with two,
# beside a busy machine; and for operations side by side, so that a picture does not wait for a filmstrip's.
WITHIN, BESIDE = 1, 2
_STARTED = time.monotonic()
_WITHOUT_TENSORFLOW = Open | ExportLatents | SavePicture | ReadBookmarks | WriteBookmarks | ReadPortraits | LookInto
OTHER_MODEL = "{} painted this picture, another model than this one, in which it was found anew."

logger = logging.getLogger(__name__)


def engine_main(connection: Connection) -> None:
    """Serve the window at the other end of `connection` until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the window's to handle
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the GPU is the trainer's
    os.environ["KERAS_BACKEND"] = "tensorflow"
    engine = Engine(connection)
    with log.to_window(engine.send):
        engine.run()


class Engine:
    """What the threads share."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._mailbox = Mailbox()
        self._turns = Turns()
        self._models = Models()
        self._imported = threading.Event()
        self._broken = ""  # why TensorFlow cannot be used, if so

    def run(self) -> None:
        """Serve pictures in this thread, everything else in others; never returns."""
        threading.Thread(target=self._read, daemon=True, name="pipe").start()
        self.send(Hello(*_settings()))
        for worker in (LOADS, QUICK, LONG):
            threading.Thread(target=self._serve, args=(worker,), daemon=True, name=worker).start()
        try:
            _import_tensorflow()
        except Exception as error:
            logger.exception("TensorFlow cannot be started")
            self._broken = f"TensorFlow cannot be started: {sentence_of(error)} Install kvae again."
        self._imported.set()
        if not self._broken:
            self.send(Ready(time.monotonic() - _STARTED))
        self._serve(PICTURES)

    def _read(self) -> None:
        try:
            while True:
                message = self._connection.recv()
                if isinstance(message, Request):
                    self._mailbox.put(message)
                elif isinstance(message, Cancel):
                    self._mailbox.cancel(message.ticket)
        except (EOFError, OSError):
            _leave()

    def send(self, message: Any) -> None:
        """From any thread; the process ends where the window is gone."""
        try:
            with self._sending:
                self._connection.send(message)
        except OSError:
            _leave()

    # ------------------------------------------------------------------ serving

    def _serve(self, worker: str) -> None:
        while True:
            request = self._mailbox.take(worker)
            job = Job(request, self.send, self._mailbox, self._turns)
            try:
                self._answer(job)
            except NotWanted:
                pass
            except Exception as error:
                logger.warning("%s failed", type(request.content).__name__, exc_info=error)
                if not job.closed and job.wanted:
                    self.send(Reply(request.ticket, Failed(sentence_of(error))))
            finally:
                self._mailbox.done(request.ticket)

    def _answer(self, job: Job) -> None:
        answers: dict[type, Callable[[Job], None]] = {
            Open: self._open,
            Refresh: self._refresh,
            Decode: self._decode,
            Encode: self._encode,
            ReadMap: self._map,
            ReadPosteriors: self._posteriors,
            ReadIndependence: self._independence,
            Compare: self._compare,
            SavePicture: self._export,
            ExportPicture: self._export,
            ExportMorph: self._export,
            ExportLatents: self._export,
            ReadBookmarks: self._bookmarks,
            WriteBookmarks: self._bookmarks,
            ReadPortraits: self._portraits,
            LookInto: self._look_into,
            FindInterrupted: self._find_interrupted,
        }
        if type(job.content) not in answers:
            raise ValueError(f"The engine does not know the question {type(job.content).__name__}.")
        if not isinstance(job.content, _WITHOUT_TENSORFLOW):
            self._wait_for_tensorflow()
        answers[type(job.content)](job)

    def _wait_for_tensorflow(self) -> None:
        self._imported.wait()
        if self._broken:
            raise RuntimeError(self._broken)

    # ------------------------------------------------------------------ the questions

    def _find_interrupted(self, job: Job) -> None:
        from kvae.training.resume import interrupted_runs

        found = interrupted_runs(job.content.folder)
        job.reply(InterruptedRuns(tuple(str(path) for path, _ in found), tuple(step for _, step in found)), last=True)

    def _open(self, job: Job) -> None:
        from explorer.engine.cards import glimpse

        path = job.content.path
        glimpsed = glimpse(path)
        if glimpsed is not None:
            job.reply(Glimpsed(glimpsed))
        self._wait_for_tensorflow()
        loaded = self._models.get(path)
        loaded.decode(np.zeros((1, loaded.info.latent_dim), np.float32))  # traced and warm before anyone waits for it
        job.check()
        self._models.show(loaded)
        job.reply(Opened(loaded.info), last=True)
        threading.Thread(target=self._warm, args=(loaded,), daemon=True, name="warm").start()

    def _warm(self, loaded: Loaded) -> None:
        """Trace the encoder before the first turn of the weight waits for it; pictures come first."""
        try:
            with self._turns.piece():
                loaded.see(np.zeros((1, *loaded.info.image_shape), np.uint8))
        except Exception:
            logger.warning("the encoder of %s fails", line(loaded.path), exc_info=True)  # told to whoever asks for it

    def _refresh(self, job: Job) -> None:
        job.reply(Opened(self._models.refresh(job.content.path)), last=True)

    def _decode(self, job: Job) -> None:
        request: Decode = job.content
        images = self._models.current.decode(request.latents, request.kl_weight, job.piece)
        job.reply(Decoded(images), last=True)

    def _encode(self, job: Job) -> None:
        from explorer.engine.pictures import picture_for
        from explorer.engine.points import point_in

        request: Encode = job.content
        loaded = self._models.current
        point = point_in(request.picture if isinstance(request.picture, str) else request.png)
        if point is not None and point.digest == loaded.info.digest and len(point.latents) == loaded.info.latent_dim:
            job.reply(Recalled(point.latents, point.kl_weight), last=True)
            return
        image, note = picture_for(loaded.info, request.picture)
        if point is not None:
            note = f"{OTHER_MODEL.format(line(point.name, 60))} {note}".strip()
        latents, reconstructions = loaded.see(image[None], request.kl_weight, job.piece)
        job.reply(Encoded(latents[0], image, reconstructions[0], note), last=True)

    def _map(self, job: Job) -> None:
        from explorer.engine.mapping import read_map

        read_map(job, self._models.current)

    def _posteriors(self, job: Job) -> None:
        from explorer.engine.mapping import read_posteriors

        read_posteriors(job, self._models.current)

    def _independence(self, job: Job) -> None:
        from explorer.engine.mapping import read_independence

        read_independence(job, self._models.current)

    def _compare(self, job: Job) -> None:
        from explorer.engine.comparing import compare

        compare(job, self._models)

    def _look_into(self, job: Job) -> None:
        from explorer.engine.looking import look_into

        look_into(job)

    def _portraits(self, job: Job) -> None:
        from explorer.engine.cards import portrait

        job.reply(Portraits(tuple(portrait(path) for path in job.content.paths)), last=True)

    def _bookmarks(self, job: Job) -> None:
        from explorer.engine.bookmarks import read_bookmarks, write_bookmarks

        request = job.content
        reading = isinstance(request, ReadBookmarks)
        job.reply(read_bookmarks(request.path, request.optional) if reading else write_bookmarks(request), last=True)

    def _export(self, job: Job) -> None:
        from explorer.engine import exporting

        def progress(done: int, total: int, what: str) -> bool:
            if job.wanted:
                job.reply(Progress(done, total, what))
            return job.wanted

        request = job.content
        try:
            if isinstance(request, ExportLatents):
                exported = exporting.export_latents(request)
            elif isinstance(request, SavePicture):
                exported = exporting.save_picture(request)
            else:
                # the model that was on screen when it was asked for, whatever is opened meanwhile
                loaded = self._models.opened(request.model)
                write = exporting.export_picture if isinstance(request, ExportPicture) else exporting.export_morph

                def decode(latents: np.ndarray, weight: Weights) -> np.ndarray:
                    return loaded.decode(latents, weight, job.piece)

                exported = write(request, decode, progress, _point_of(loaded))
        except exporting.Cancelled as error:
            raise NotWanted from error
        job.reply(exported, last=True)


def _point_of(loaded: Loaded) -> Callable[[np.ndarray, float | None], PicturePoint]:
    """Says where the model paints a picture."""
    info = loaded.info
    return lambda latents, weight: PicturePoint(info.digest, info.name, latents, loaded.weight(weight))


def _settings() -> tuple[str, tuple[SettingInfo, ...]]:
    """kvae's version and its settings as plain data; neither needs Keras."""
    import kvae
    from kvae.saving.card import STARTER
    from kvae.settings import SETTINGS

    settings = tuple(
        SettingInfo(
            name,
            one.default,
            one.help,
            one.kind.__name__,
            one.group,
            one.low,
            one.high,
            one.unit,
            one.choices,
            one.many,
        )
        for name, one in SETTINGS.items()
    )
    return kvae.__version__, (*settings, FROM_STARTER) if STARTER.is_file() else settings


def _leave() -> NoReturn:
    """The window is gone: end at once, whatever the other threads are in the middle of, but leave no half a file."""
    exporting = sys.modules.get("explorer.engine.exporting")
    if exporting is not None:
        exporting.remove_unfinished()
    os._exit(0)


def _import_tensorflow() -> None:
    from kvae.quiet_imports import quiet_imports, silence_stderr

    with silence_stderr(), quiet_imports():
        import tensorflow as tf

        import kvae.saving.reader  # noqa: F401
    tf.config.threading.set_intra_op_parallelism_threads(WITHIN)
    tf.config.threading.set_inter_op_parallelism_threads(BESIDE)
