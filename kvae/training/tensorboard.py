"""What a run writes for TensorBoard: its scalars, its pictures, and where it stands in the rate-distortion plane.

TensorBoard's own package is enough to write with, so it is the same on every backend; TensorFlow is not asked.
"""

import contextlib
import importlib.util
import io
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from kvae.figures import tile
from kvae.figures.plane import plane_png
from kvae.files.failure import unwritable
from kvae.model.vae import VAE
from kvae.training.artifacts import as_bytes, limit_curve
from kvae.training.prepared import Prepared
from kvae.training.run_state import RunState

SPACING = 5.0  # seconds between two writings of the batches
BUDGET = 0.02  # of the time of training, for pictures
SHOWN = 8  # pictures above their reconstructions


class EventFile:
    """A new file of events in FOLDER/NAME, where TensorBoard finds it beside the runs before.

    Raises:
        ValueError: the package is missing. OSError: the folder cannot be written to. One sentence.
    """

    def __init__(self, folder: str | os.PathLike[str], name: str) -> None:
        check_tensorboard()
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.path = Path(os.path.abspath(Path(folder).expanduser()), name)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            ends = f"{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}"
            self._file = open(self.path / f"events.out.tfevents.{ends}", "xb")  # noqa: SIM115
        except OSError as error:
            raise OSError(
                f"tensorboard: {self.path} cannot be written to ({error.strerror}). Choose another folder."
            ) from None
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")

    def scalars(self, step: int, values: Mapping[str, Any]) -> None:
        """Numbers by their tags; None and what is not finite is left out."""
        told = {tag: float(one) for tag, one in values.items() if one is not None and np.isfinite(one)}
        if told:
            self._write(step, [{"tag": tag, "simple_value": one} for tag, one in told.items()])

    def image(self, step: int, tag: str, png: bytes, shape: tuple[int, int]) -> None:
        """A picture, `png`, of `shape` (height, width)."""
        told = {"height": shape[0], "width": shape[1], "colorspace": 3, "encoded_image_string": png}
        self._write(step, [{"tag": tag, "image": told}])

    def flush(self) -> None:
        """All that was written can be read."""
        self._file.flush()

    def close(self) -> None:
        """Nothing more is written."""
        with contextlib.suppress(OSError):  # a full disk was told when it was written to
            self._file.close()

    def _write(self, step: int = 0, values: list[dict[str, Any]] | None = None, **fields: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        if values is not None:
            fields["summary"] = Summary(value=[Summary.Value(**one) for one in values])
        self._records.write(Event(wall_time=time.time(), step=step, **fields).SerializeToString())


def check_tensorboard() -> None:
    """Raise ValueError where TensorBoard is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        raise ValueError("tensorboard: TensorBoard is not installed. Install it with: pip install tensorboard.")


class TensorBoardLog(keras.callbacks.Callback):
    """Writes a run to `events`: each recorded batch as `batch/NAME`, the logs of each epoch as `epoch/NAME`, originals
    above reconstructions as `pictures`, and the rate-distortion plane as `plane`, all by the optimizer's step.

    Writing that fails is told once, and the run goes on without it.
    """

    def __init__(
        self, events: EventFile, model: VAE, state: RunState, prepared: Prepared, tell: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._events: EventFile | None = events
        self._vae, self._state, self._prepared, self._tell = model, state, prepared, tell
        self._originals = prepared.examples(SHOWN)
        self._last, self._spent = 0.0, 0.0
        self._told = self._drawn = state.step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if time.perf_counter() - self._last > SPACING:
            self._safely(self._batches)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._safely(self._batches)
        told = {f"epoch/{name}": value for name, value in (logs or {}).items()}
        self._safely(lambda events: events.scalars(self._state.step, told))
        if self._spent <= BUDGET * self._state.elapsed:
            self._safely(self._pictures)

    def end(self) -> None:
        """Training is over, if there was any: the last pictures are written."""
        if self._state.step > self._drawn or not self._spent:
            self._safely(self._pictures)
        self._safely(lambda events: events.flush())

    def _batches(self, events: EventFile) -> None:
        """The batches recorded since the last time, each with its own terms and not a running mean."""
        steps = self._state.steps
        for place in np.flatnonzero(np.asarray(steps["step"], int) > self._told):
            row = {name: column[place] for name, column in steps.items()}
            self._told = row.pop("step")
            events.scalars(self._told, {f"batch/{name}": one for name, one in row.items()})
        events.flush()
        self._last = time.perf_counter()

    def _pictures(self, events: EventFile) -> None:
        before = time.perf_counter()
        model, step, sheet = self._vae, self._state.step, io.BytesIO()
        both = np.concatenate([self._originals, as_bytes(model.reconstruct(self._originals))])
        tiles = tile(both, len(self._originals))
        Image.fromarray(tiles).save(sheet, "PNG")
        events.image(step, "pictures", sheet.getvalue(), tiles.shape[:2])
        span, weight = model.weight_range, model.beta
        low, high = (weight, weight) if span is None else (span.low, span.high)
        if low > 0 and not model.autoencoder:
            chart = plane_png(self._state.history, limit_curve(self._prepared.held, model.latent_dim, low, high))
            if chart is not None:
                height, width = (int.from_bytes(chart[at : at + 4], "big") for at in (20, 16))  # of its header
                events.image(step, "plane", chart, (height, width))
        events.flush()
        self._drawn, self._spent = step, self._spent + time.perf_counter() - before

    def _safely(self, write: Callable[[EventFile], None]) -> None:
        if self._events is None:
            return
        try:
            write(self._events)
        except OSError as error:
            self._tell(f"tensorboard: {unwritable(self._events.path, error)} The run goes on without it.")
            self._events = None
