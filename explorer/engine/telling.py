"""What a run tells the window, as it happens and never more often than is of use."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from explorer.engine.snapshots import Snapshots
from explorer.engine.training import Orders, Stopped
from explorer.messages import Began, EpochEnded, Paused, Prepared, Preview, Said, Snapshot, Steps, Working
from kvae.measures.posterior import posterior_statistics
from kvae.model import VAE
from kvae.settings import check
from kvae.training import preparation
from kvae.training.delivery import as_bytes, latent_card, model_card
from kvae.training.listener import Listener, Step
from kvae.training.loop import Loop
from kvae.training.run import DELIVERING

EVERY = 0.1  # seconds between two messages of steps, and of preparation
PREVIEW_EVERY = 2.0  # seconds
PREVIEWED = 8  # pictures
SNAPSHOT_EVERY = 5.0  # seconds
SNAPSHOT_SHARE = 0.02  # of the time may go into snapshots
MEASURED = 256  # pictures that the posterior of a snapshot is measured on
CURVE = np.geomspace(0.003, 30.0, 60)  # the weights at which the Gaussian limit is shown


class Teller(Listener):
    """Sends the messages of one run, obeys `orders` between two batches, and writes snapshots after epochs."""

    def __init__(self, run: int, send: Callable[[Any], None], orders: Orders, snapshots: Snapshots) -> None:
        self._run, self._send, self._orders, self._snapshots = run, send, orders, snapshots
        self._prepared: preparation.Prepared | None = None
        self._model: VAE | None = None
        self._loop: Loop | None = None
        self._steps: list[Step] = []
        self._opened = False  # the first snapshot was sent
        self._worked = ("", 0.0)  # what was last said of the preparation, and when
        self._flushed = self._previewed = self._next_snapshot = 0.0

    # ------------------------------------------------------------------ before training

    def said(self, sentence: str) -> None:
        self._check_stop()
        self._send(Said(self._run, sentence))

    def working(self, done: int, total: int, what: str) -> None:
        if what == DELIVERING:
            self._orders.delivering = True
            self.flush()
        else:
            self._check_stop()
        now = time.monotonic()
        if what != self._worked[0] or done >= total or now - self._worked[1] >= EVERY:
            self._worked = (what, now)
            self._send(Working(self._run, done, total, what))

    def prepared(self, prepared: preparation.Prepared) -> None:
        self._check_stop()
        self._prepared = prepared
        points = prepared.held.curve(prepared.settings["latent_dim"], CURVE)
        distortions, rates = (np.array([getattr(one, key) for one in points]) for key in ("distortion", "rate"))
        counts = len(prepared.training), len(prepared.validation)
        name = prepared.collection.name
        self._send(Prepared(self._run, name, *counts, prepared.device, CURVE, distortions, rates))

    def drafted(self, model: VAE) -> None:
        self._check_stop()
        self._model = model
        self._snapshot()

    def began(self, model: VAE, loop: Loop) -> None:
        self._check_stop()
        self._model, self._loop = model, loop
        self._orders.let_go = loop.let_go
        self._take_weight()
        self._send(Began(self._run, model.beta, loop.total_steps, loop.steps_per_epoch, loop.first_step))
        self._preview()
        self._snapshot()

    def _check_stop(self) -> None:
        if self._orders.stop and self._loop is None and not self._orders.delivering:
            raise Stopped

    # ------------------------------------------------------------------ while training

    def before_batch(self) -> None:
        if self._orders.paused:
            self.flush()
            self._send(Paused(self._run))
            self._orders.wait()
        self._take_weight()

    def stepped(self, step: Step) -> None:
        self._steps.append(step)
        if time.monotonic() - self._flushed >= EVERY:
            self.flush()

    def epoch_ended(self, record: dict[str, Any]) -> None:
        self._send(EpochEnded(self._run, dict(record)))
        if self._orders.stop:  # the model itself comes next
            return
        now = time.monotonic()
        if now - self._previewed >= PREVIEW_EVERY:
            self._preview()
        if now >= self._next_snapshot and self._loop is not None and self._loop.progress < 1.0:
            self._snapshot()

    def wants_stop(self) -> bool:
        return self._orders.stop

    def flush(self) -> None:
        """Send the batches that were not told yet."""
        if not self._steps:
            return
        steps, self._steps, self._flushed = self._steps, [], time.monotonic()
        columns: dict[str, Any] = {
            key: np.array([math.nan if (value := getattr(step, key)) is None else value for step in steps], "float64")
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
            self._send(Said(self._run, str(error)))

    def _preview(self) -> None:
        assert self._model is not None and self._prepared is not None and self._loop is not None
        originals = self._prepared.examples(PREVIEWED)
        reconstructions = as_bytes(self._model.reconstruct(originals))
        self._send(Preview(self._run, self._loop.step, originals, reconstructions))
        self._previewed = time.monotonic()

    def _snapshot(self) -> None:
        """Write the model as it is. The next one waits until this one's share of the time is small."""
        model, prepared, before = self._model, self._prepared, time.monotonic()
        assert model is not None and prepared is not None
        pictures = prepared.collection.blocks(prepared.training[:MEASURED], 64)
        posterior = posterior_statistics(model, pictures)
        first, self._opened = not self._opened, True
        if first:
            card = model_card(model, prepared.settings, prepared, posterior, loop=self._loop)
            path = self._snapshots.write_model(model, card)
        else:
            path = self._snapshots.write_weights(model, latent_card(model, prepared, posterior))
        self._send(Snapshot(self._run, str(path), first))
        now = time.monotonic()
        self._next_snapshot = now + max(SNAPSHOT_EVERY, (now - before) / SNAPSHOT_SHARE)
