"""What a run tells the window, as it happens and never more often than is of use."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from explorer.engine.latent_probe import LatentProbe
from explorer.engine.orders import Orders, Stopped
from explorer.engine.snapshots import Snapshots
from explorer.engine.wording import in_form_words
from explorer.messages import (
    Balanced,
    Began,
    EpochEnded,
    Paused,
    PicturesReady,
    Preview,
    Said,
    Snapshot,
    Steps,
    Working,
)
from kvae.measures.posterior import posterior_statistics
from kvae.model.vae import VAE
from kvae.settings import check
from kvae.training.artifacts import as_bytes, latent_card, model_card
from kvae.training.balance import Balance
from kvae.training.listener import Listener, Step
from kvae.training.prepared import Prepared as Pictures
from kvae.training.run import DELIVERING
from kvae.training.run_state import RunState

EVERY = 0.1  # seconds between two messages of steps, and of preparation
PREVIEW_EVERY = 2.0  # seconds
PREVIEWED = 8  # pictures
SNAPSHOT_EVERY = 5.0  # seconds
SNAPSHOT_SHARE = 0.02  # of the time may go into snapshots
SNAPSHOT_AGAIN = 60.0  # seconds until one that could not be written is tried again
UNWRITABLE = (
    "The picture cannot follow the training, as the folder for temporary files cannot be written to ({}). It goes on."
)
MEASURED = 128  # pictures that the posterior of a snapshot is measured on; the first of them are those of the card
CURVE = np.geomspace(0.003, 30.0, 60)  # the weights at which the Gaussian limit is shown


class RunReporter(Listener):
    """Sends the messages of one run, obeys `orders` between two batches, and writes snapshots now and then."""

    def __init__(self, run: int, send: Callable[[Any], None], orders: Orders, snapshots: Snapshots) -> None:
        self._run, self._send, self._orders, self._snapshots = run, send, orders, snapshots
        self._prepared: Pictures | None = None
        self._model: VAE | None = None
        self._knowing: LatentProbe | None = None
        self._state: RunState | None = None
        self._steps: list[Step] = []
        self._opened = False  # the first snapshot was sent
        self._unwritable = False  # it was said that there is no room for snapshots
        self._worked = ("", 0.0)  # what was last said of the preparation, and when
        self._flushed = self._previewed = 0.0
        self._next_snapshot = math.inf  # the first one comes with the beginning

    # ------------------------------------------------------------------ before training

    def on_message(self, sentence: str) -> None:
        self._check_stop()
        self._send(Said(self._run, in_form_words(sentence)))

    def on_progress(self, done: int, total: int, what: str) -> None:
        if what == DELIVERING:
            self._orders.delivering = True
            self.flush()
        else:
            self._check_stop()
        now = time.monotonic()
        if what != self._worked[0] or done >= total or now - self._worked[1] >= EVERY:
            self._worked = (what, now)
            self._send(Working(self._run, done, total, what))

    def on_prepared(self, prepared: Pictures) -> None:
        self._check_stop()
        self._prepared = prepared
        points = prepared.held.curve(prepared.held.directions, CURVE)
        distortions, rates = (np.array([getattr(one, key) for one in points]) for key in ("distortion", "rate"))
        counts = len(prepared.training), len(prepared.validation)
        name = prepared.collection.name
        self._send(PicturesReady(self._run, name, *counts, prepared.device, CURVE, distortions, rates))

    def on_begin(self, model: VAE, state: RunState) -> None:
        self._check_stop()
        self._model, self._state = model, state
        self._orders.release = state.folder.release if state.folder else None
        self._take_weight()
        weight = state.steps["kl_weight"][0] if state.steps["step"] else model.beta
        self._send(Began(self._run, weight, state.total_steps, state.steps_per_epoch, state.first_step))
        self._tell_earlier(state)
        self._snapshot()
        self._preview()

    def _tell_earlier(self, state: RunState) -> None:
        """The curves up to here, of a run that goes on."""
        recorded, epochs = state.steps, state.history
        if recorded["step"]:
            known = {key: np.array([_number(value) for value in column]) for key, column in recorded.items()}
            clock = [0.0, *map(_number, epochs["seconds"])]  # of the steps within an epoch nobody took the time
            seconds = np.interp(known["step"], [0.0, *map(_number, epochs["step"])], clock)
            self._send(Steps(self._run, **known, seconds=seconds, progress=state.progress, images_per_second=0.0))
        for place in range(len(epochs["epoch"])):
            self._send(EpochEnded(self._run, {key: column[place] for key, column in epochs.items()}))

    def _check_stop(self) -> None:
        if self._orders.stop and self._state is None and not self._orders.delivering:
            raise Stopped

    # ------------------------------------------------------------------ while training

    def on_batch_begin(self) -> None:
        if self._orders.paused:
            self.flush()
            self._send(Paused(self._run))
            self._orders.wait()
        self._take_weight()

    def on_step(self, step: Step) -> None:
        self._steps.append(step)
        now = time.monotonic()
        if now - self._flushed >= EVERY:
            self.flush()
        # within an epoch too: one may last minutes
        if now >= self._next_snapshot and step.progress < 1.0 and not self._orders.stop:
            self._snapshot()

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        self._send(EpochEnded(self._run, dict(record)))
        if self._orders.stop:  # the model itself comes next
            return
        if time.monotonic() - self._previewed >= PREVIEW_EVERY:
            self._preview()

    def on_balance(self, balance: Balance) -> None:
        found = balance.distortion, balance.rate, balance.cosine, balance.share
        self._send(Balanced(self._run, balance.step, *found))

    def should_stop(self) -> bool:
        return self._orders.stop

    def flush(self) -> None:
        """Send the batches that were not told yet."""
        if not self._steps:
            return
        steps, self._steps, self._flushed = self._steps, [], time.monotonic()
        columns: dict[str, Any] = {
            key: np.array([_number(getattr(step, key)) for step in steps])
            for key in ("step", "distortion", "rate", "kl_weight", "loss", "seconds")
        }
        last = steps[-1]
        self._send(Steps(self._run, **columns, progress=last.progress, images_per_second=last.images_per_second))

    # ------------------------------------------------------------------ parts

    def _take_weight(self) -> None:
        weight, model = self._orders.weight(), self._model
        if weight is None or model is None or model.autoencoder:
            return
        try:
            model.kl_weight.assign(check("kl_weight", weight, "SetWeight"))
        except ValueError as error:
            self._send(Said(self._run, in_form_words(str(error))))

    def _preview(self) -> None:
        assert self._model is not None and self._prepared is not None and self._state is not None
        originals = self._prepared.examples(PREVIEWED)
        reconstructions = as_bytes(self._model.reconstruct(originals))
        self._send(Preview(self._run, self._state.step, originals, reconstructions))
        self._previewed = time.monotonic()

    def _snapshot(self) -> None:
        """Write the model as it is. The next one waits until this one's share of the time is small."""
        before, every = time.monotonic(), SNAPSHOT_EVERY
        first = not self._opened
        try:
            path = self._written(first)
            self._opened = True
            self._send(Snapshot(self._run, str(path), first))
        except OSError as error:  # the run itself wants no more than room for its model at the end
            every = SNAPSHOT_AGAIN
            if not self._unwritable:
                self._unwritable = True
                self._send(Said(self._run, UNWRITABLE.format(error.strerror or error)))
        now = time.monotonic()
        self._next_snapshot = now + max(every, (now - before) / SNAPSHOT_SHARE)

    def _written(self, first: bool) -> Path:
        model, prepared = self._model, self._prepared
        assert model is not None and prepared is not None
        known = self._known(model, prepared)
        posterior = posterior_statistics(known, [known.pictures])
        if not first:
            return self._snapshots.write_weights(model, latent_card(known, prepared, posterior))
        card = model_card(known, prepared.settings, prepared, posterior, state=self._state)
        return self._snapshots.write_model(model, card)

    def _known(self, model: VAE, prepared: Pictures) -> Any:
        """What stands in for the model where it only has to encode the first training pictures."""
        if self._knowing is None or self._knowing.model is not model:
            self._knowing = LatentProbe(model, prepared.collection.read(prepared.training[:MEASURED]))
        self._knowing.look()
        return self._knowing


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
