"""What happens between two batches of `fit`: the step size, the run's own measurements, and its end."""

import math
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kvae.images.pipeline import steps_per_epoch
from kvae.model import VAE
from kvae.training.balance import BALANCE, Balance, BalanceProbe
from kvae.training.evaluation import Evaluation
from kvae.training.listener import Listener, Step
from kvae.weighting.base import Weighting
from kvae.weighting.constant import Constant

WARM_UP_STEPS = 100
WARM_UP_SHARE = 0.05  # of a short run
KEPT_STEPS = 2000  # points of the curves that are kept
HISTORY = (
    "epoch",
    "step",
    "distortion",
    "rate",
    "kl_weight",
    "loss",
    "val_distortion",
    "val_rate",
    "val_loss",
    "val_psnr",
    *BALANCE,
    "learning_rate",
    "images_per_second",
    "seconds",
)


class Diverged(ValueError):
    """Training left the finite numbers; the message says at which step."""


class BatchTerms:
    """The terms of single batches, out of Keras's logs, which are running means since the epoch began."""

    def __init__(self) -> None:
        self._count, self._sums = 0, np.zeros(3)

    def of(self, logs: dict[str, Any], pictures: int) -> tuple[float, float, float]:
        """D, R, L of the batch of `pictures` images after which Keras logs `logs`; an epoch's first batch resets."""
        count = self._count + pictures
        sums = count * np.array([float(logs.get(key, 0.0)) for key in ("distortion", "rate", "loss")])
        distortion, rate, loss = (sums - self._sums) / pictures
        self._count, self._sums = count, sums
        return distortion, rate, loss

    def reset(self) -> None:
        """Begin an epoch."""
        self._count, self._sums = 0, np.zeros(3)


class Loop(keras.callbacks.Callback):
    """Schedules the step size, records every batch and epoch, and stops when told or when time is up.

    `history` has an entry per epoch and `steps` one per recorded batch; `first_step` and both continue an earlier run.
    """

    def __init__(
        self,
        model: VAE,
        validation: tf.data.Dataset,
        listener: Listener,
        *,
        pictures: int,
        batch_size: int,
        learning_rate: float,
        total_steps: int | None,
        minutes: float | None,
        first_step: int = 0,
        history: dict[str, list] | None = None,
        steps: dict[str, list] | None = None,
        probe: BalanceProbe | None = None,
        balance: dict[str, list] | None = None,
        weighting: Weighting | None = None,
    ) -> None:
        super().__init__()
        epochs = len(history["epoch"]) if history else 0  # of a run that knew fewer columns, too
        self.history: dict[str, list] = {key: (history or {}).get(key, [None] * epochs) for key in HISTORY}
        self.balance: dict[str, list] = balance or {key: [] for key in ("step", *BALANCE)}
        self._probe, self._balance = probe, dict[str, float | None].fromkeys(BALANCE)
        self.steps: dict[str, list] = steps or {key: [] for key in ("step", "distortion", "rate", "kl_weight", "loss")}
        self.step = first_step
        self.stopped = False
        self._vae, self._validation, self._listener = model, validation, listener
        self.evaluation = Evaluation(model)
        self._pictures, self._batch_size = pictures, batch_size
        self.total_steps, self.first_step = total_steps, first_step
        self._peak, self._minutes = learning_rate, minutes
        self._every = 1
        self._earlier = float(self.history["seconds"][-1]) if self.history["seconds"] else 0.0
        self._terms = BatchTerms()
        self._weight, self._weighting = model.beta, weighting or Constant()
        self._weight_sum, self._batches = 0.0, 0  # of this epoch
        self._started = self._epoch_started = time.perf_counter()
        self._measuring = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of training so far, measurements included."""
        return self._earlier + time.perf_counter() - self._started

    @property
    def progress(self) -> float:
        """Share of the run that is done."""
        if self._minutes is not None:
            return min((time.perf_counter() - self._started) / (60.0 * self._minutes), 1.0)
        assert self.total_steps is not None
        return min(self.step / self.total_steps, 1.0)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch, the last, smaller one included."""
        return steps_per_epoch(self._pictures, self._batch_size)

    def scheduled_rate(self) -> float:
        """Linear warm-up to the peak, then a cosine to zero at the end of the run."""
        total = self.total_steps
        warm_up = WARM_UP_STEPS if total is None else max(1, min(WARM_UP_STEPS, total * WARM_UP_SHARE))
        rise = min(1.0, (self.step + 1) / warm_up)
        return self._peak * rise * 0.5 * (1.0 + math.cos(math.pi * self.progress))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._started = time.perf_counter()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._terms.reset()
        self._weight_sum, self._batches = 0.0, 0
        self._epoch_started, self._epoch_step = time.perf_counter(), self.step

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        before = time.perf_counter()
        self._listener.before_batch()
        waited = time.perf_counter() - before
        self._started, self._epoch_started = self._started + waited, self._epoch_started + waited
        self._vae.optimizer.learning_rate = self.scheduled_rate()
        self._weight = self._vae.beta  # exactly: as a difference of running means, every batch would look like a turn

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.step += 1
        per_epoch = self.steps_per_epoch
        last = self._pictures - (per_epoch - 1) * self._batch_size
        position = (self.step - 1) % per_epoch
        shown = last if position == per_epoch - 1 else self._batch_size
        distortion, rate, loss = self._terms.of(logs or {}, shown)
        if not math.isfinite(loss):
            term = "distortion" if not math.isfinite(distortion) else "rate"
            raise Diverged(_diverged(term, self.step))
        self._weight = self._weight_of(logs or {})
        autoencoder = self._vae.autoencoder
        elapsed = max(time.perf_counter() - self._epoch_started, 1e-9)
        speed = ((self.step - self._epoch_step - 1) * self._batch_size + shown) / elapsed
        step = Step(
            self.step, distortion, None if autoencoder else rate, self._weight, loss, self.progress, speed, self.seconds
        )
        self._keep(step)
        self._listener.stepped(step)
        if self._probe is not None and self._probe.due(self.step, time.perf_counter() - self._started):
            self._keep_balance(self._probe(self.step, self._weight))
        if self._listener.wants_stop():
            self.stopped = True
        if self.stopped or self.progress >= 1.0:
            self._vae.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        shown = min((self.step - self._epoch_step) * self._batch_size, self._pictures)
        speed = shown / max(time.perf_counter() - self._epoch_started, 1e-9)
        held = self.evaluation(self._validation)
        if not math.isfinite(held.loss):
            raise Diverged(_diverged("distortion of the held-out pictures", self.step))
        autoencoder = self._vae.autoencoder
        logs = logs or {}
        record = {
            "epoch": epoch + 1,
            "step": self.step,
            "distortion": float(logs["distortion"]),
            "rate": None if autoencoder else float(logs["rate"]),
            "kl_weight": self._vae.beta,
            "loss": float(logs["loss"]),
            "val_distortion": held.distortion,
            "val_rate": held.rate,
            "val_loss": held.loss,
            "val_psnr": held.psnr,
            **self._balance,
            "learning_rate": float(keras.ops.convert_to_numpy(self._vae.optimizer.learning_rate)),
            "images_per_second": speed,
            "seconds": self.seconds,
        }
        for key, value in record.items():
            self.history[key].append(value)
        self._listener.epoch_ended(record)

    def _weight_of(self, logs: dict[str, Any]) -> float:
        """The weight in effect in the batch that ended: as it was given, as the weighting left it, or out of the logs."""
        self._batches += 1
        total = self._batches * float(logs.get("kl_weight", 0.0))
        weight, self._weight_sum = total - self._weight_sum, total
        if isinstance(self._weighting, Constant):
            return self._weight
        return self._vae.beta if self._weighting.MOVES else weight

    def _keep_balance(self, balance: Balance) -> None:
        self._balance.update(balance.record())
        for key, value in {"step": balance.step, **self._balance}.items():
            self.balance[key].append(value)
        self._listener.balanced(balance)

    def _keep(self, step: Step) -> None:
        """Record every batch, and thin the record out by two whenever it grows too long."""
        if (step.step - self.first_step) % self._every:
            return
        for key, values in self.steps.items():
            values.append(getattr(step, key))
        if len(self.steps["step"]) > KEPT_STEPS:
            self.steps = {key: values[1::2] for key, values in self.steps.items()}
            self._every *= 2


def _diverged(term: str, step: int) -> str:
    return (
        f"training: the {term} was no finite number at step {step}. "
        "Try a smaller --learning-rate; nothing was saved over an earlier model."
    )
