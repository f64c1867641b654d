"""What happens between two batches of `fit`: the step size, the run's own measurements, and its end."""

import math
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kvae.images.pipeline import steps_per_epoch
from kvae.model.vae import VAE
from kvae.saving.card_fields import CURVES, GRADIENTS
from kvae.training.balance import Balance, BalanceProbe
from kvae.training.checkpoint import CheckpointWriter, Interrupted
from kvae.training.evaluation import Evaluation
from kvae.training.listener import Listener, Step
from kvae.weighting.base import Weighting
from kvae.weighting.constant import Constant

WARM_UP_STEPS = 100
WARM_UP_SHARE = 0.05  # of a short run
PATIENCE = 20  # steps in a row whose update may be left out
KEPT_STEPS, KEPT_EPOCHS = 2000, 10_000  # points of the curves that are kept
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
    *GRADIENTS,
    "learning_rate",
    "images_per_second",
    "seconds",
)


class Diverged(ValueError):
    """Training left the finite numbers; the message says at which step, and which term."""


class BatchTerms:
    """The terms of single batches, out of Keras's logs, which are running means since the epoch began."""

    def __init__(self) -> None:
        self.count, self.sums = 0, np.zeros(3)

    def of(self, logs: dict[str, Any], pictures: int) -> tuple[float, float, float]:
        """D, R, L of the batch of `pictures` images after which Keras logs `logs`.

        One that left the finite numbers does not count among those the means are of.
        """
        count = self.count + pictures
        sums = count * np.array([float(logs.get(key, 0.0)) for key in ("distortion", "rate", "loss")])
        distortion, rate, loss = (sums - self.sums) / pictures
        if np.isfinite(sums).all():
            self.count, self.sums = count, sums
        return distortion, rate, loss

    def reset(self) -> None:
        """Begin an epoch."""
        self.count, self.sums = 0, np.zeros(3)


class RunCallback(keras.callbacks.Callback):
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
        checkpoints: CheckpointWriter | None = None,
        interrupted: Interrupted | None = None,
    ) -> None:
        super().__init__()
        epochs = len(history["epoch"]) if history else 0  # of a run that knew fewer columns, too
        self.history: dict[str, list] = {key: (history or {}).get(key, [None] * epochs) for key in HISTORY}
        self.balance: dict[str, list] = balance or {key: [] for key in ("step", *GRADIENTS)}
        self._probe, self._balance = probe, dict[str, float | None].fromkeys(GRADIENTS)
        self.steps: dict[str, list] = steps or {key: [] for key in ("step", *CURVES)}
        self.step = first_step
        self.stopped = False
        self._vae, self._validation, self._listener = model, validation, listener
        self.evaluation = Evaluation(model)
        self._pictures, self._batch_size = pictures, batch_size
        self.total_steps, self.first_step = total_steps, first_step
        self._peak, self._minutes = learning_rate, minutes
        self._every = 1
        self._earlier = float(self.history["seconds"][-1] or 0.0) if self.history["seconds"] else 0.0
        self._terms = BatchTerms()
        self._weight, self._weighting = model.beta, weighting or Constant()
        self._weight_sum, self._batches = 0.0, 0  # of this epoch
        self._started = self._epoch_started = time.perf_counter()
        self._epoch_step, self._begun = first_step, False
        self._checkpoints, self._restored = checkpoints, interrupted
        self._logs: dict[str, float] = {}  # the running means of this epoch
        self._wrong_since: tuple[int, str] | None = None
        self._optimizer_skipped = self._skipped()
        self.skipped = 0  # steps whose update was left out
        self._origin, self._earlier_minutes = first_step, 0.0
        if interrupted is not None:
            self._take_over(interrupted.loop)

    @property
    def seconds(self) -> float:
        """Seconds of training so far, measurements included."""
        return self._earlier + time.perf_counter() - self._started

    @property
    def progress(self) -> float:
        """Share of the run that is done."""
        if self._minutes is not None:
            seconds = self._earlier_minutes + time.perf_counter() - self._started
            return min(seconds / (60.0 * self._minutes), 1.0)
        assert self.total_steps is not None
        return min(self.step / self.total_steps, 1.0)

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to train."""
        return self.stopped or self.progress >= 1.0

    @property
    def skipping(self) -> bool:
        """Whether the last step's update was left out."""
        return self._wrong_since is not None

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
        if self._begun:  # a run that goes on within an epoch calls `fit` twice
            return
        self._begun, self._started = True, time.perf_counter()
        if self._checkpoints is not None:
            self._checkpoints.begin(self)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._terms.reset()
        self._weight_sum, self._batches, self._logs = 0.0, 0, {}
        self._epoch_started, self._epoch_step = time.perf_counter(), self.step
        if self._restored is not None:
            self._continue_epoch(self._restored)
            self._restored = None

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        before = time.perf_counter()
        self._listener.on_batch_begin()
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
        terms = self._terms.of(logs or {}, shown)
        wrong = self._wrong(*terms)
        if math.isfinite(terms[2]):
            self._record(terms, shown, logs or {})
        if wrong is None:
            self._went_well(last=position == per_epoch - 1)
        else:
            self._went_wrong(wrong)
        if self._listener.should_stop():
            self.stopped = True
        if self.ended:
            self._vae.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.skipping:  # nothing is known that would be worth a row
            return
        shown = min((self.step - self._epoch_step) * self._batch_size, self._pictures)
        speed = shown / max(time.perf_counter() - self._epoch_started, 1e-9)
        held = self.evaluation(self._validation)
        if not math.isfinite(held.loss):
            raise Diverged(f"the distortion of the held-out pictures was no finite number at step {self.step}.")
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
            "learning_rate": float(keras.ops.convert_to_tensor(self._vae.optimizer.learning_rate)),
            "images_per_second": speed,
            "seconds": self.seconds,
        }
        for key, value in record.items():
            self.history[key].append(value)
        self.history = thinned(self.history, KEPT_EPOCHS)
        self._listener.on_epoch_end(record)
        if self._checkpoints is not None and not self.ended:
            self._checkpoints.offer(self, time.perf_counter() - self._started)

    def state(self) -> dict[str, Any]:
        """What another loop needs to go on in the middle of an epoch, as JSON."""
        return {
            "seconds": self.seconds,
            "minutes": self._earlier_minutes + time.perf_counter() - self._started,
            "every": self._every,
            "origin": self._origin,
            "skipped": self.skipped,
            "count": self._terms.count,
            "sums": self._terms.sums.tolist(),
            "logs": self._logs,
            "weight_sum": self._weight_sum,
            "batches": self._batches,
            "balance": self._balance,
        }

    def release(self) -> None:
        """The process ends here: the folder of the run stays if there is a checkpoint to go on from, and else goes."""
        if self._checkpoints is not None:
            self._checkpoints.folder.release()

    def go_back(self, step: int, about: dict[str, Any]) -> None:
        """The run is to end as it was after `step`."""
        self.step, self.stopped = step, True
        self.history, self.steps, self.balance = (about[key] for key in ("history", "steps", "balance"))

    def _take_over(self, state: dict[str, Any]) -> None:
        self._earlier, self._earlier_minutes = float(state["seconds"]), float(state["minutes"])
        self._every, self._origin, self.skipped = int(state["every"]), int(state["origin"]), int(state["skipped"])
        self._balance.update(state["balance"])

    def _continue_epoch(self, interrupted: Interrupted) -> None:
        """The running means of the epoch go on from where they were."""
        state = interrupted.loop
        if not interrupted.within or self.step % self.steps_per_epoch == 0:
            return
        self._terms.count, self._terms.sums = int(state["count"]), np.array(state["sums"], float)
        self._logs, self._batches = (
            {key: one for key, one in state["logs"].items() if one is not None},
            int(state["batches"]),
        )
        self._weight_sum = float(state["weight_sum"])
        for variable, value in zip(self._vae.metrics_variables, interrupted.metrics, strict=True):
            variable.assign(value)

    def _record(self, terms: tuple[float, float, float], shown: int, logs: dict[str, Any]) -> None:
        """Tell a batch of `shown` pictures, and keep it."""
        distortion, rate, loss = terms
        self._logs = {key: float(value) for key, value in logs.items()}
        self._weight = self._weight_of(logs)
        elapsed = max(time.perf_counter() - self._epoch_started, 1e-9)
        speed = ((self.step - self._epoch_step - 1) * self._batch_size + shown) / elapsed
        told = None if self._vae.autoencoder else rate
        step = Step(self.step, distortion, told, self._weight, loss, self.progress, speed, self.seconds)
        self._keep(step)
        self._listener.on_step(step)

    def _wrong(self, distortion: float, rate: float, loss: float) -> str | None:
        """The term that is no finite number in this batch, if there is one."""
        before, self._optimizer_skipped = self._optimizer_skipped, self._skipped()
        for term, value in (("distortion", distortion), ("rate", rate), ("loss", loss)):
            if not math.isfinite(value):
                return term
        return "gradient" if self._optimizer_skipped > before else None

    def _skipped(self) -> int:
        """The updates that the optimizer has left out. One that seeks its loss scale does so on purpose."""
        skipped = getattr(self._vae.optimizer, "skipped", None)
        return 0 if skipped is None else int(skipped)

    def _went_well(self, *, last: bool) -> None:
        self._wrong_since = None
        seconds = time.perf_counter() - self._started
        if self._checkpoints is not None:
            self._checkpoints.after_step(self, seconds, take=not last)
        if self._probe is not None and self._probe.due(self.step, seconds):
            self._keep_balance(self._probe(self.step, self._weight))

    def _went_wrong(self, term: str) -> None:
        """The optimizer left this update out. The means go on without the batch, the run not for long."""
        self.skipped += 1
        if term != "gradient":
            self._rewind()
        if self._checkpoints is not None:
            self._checkpoints.drop_pending()
        if self._wrong_since is None:
            self._wrong_since = self.step, term
            self._listener.on_message(
                f"the {term} was no finite number at step {self.step}; such a step changes nothing"
            )
        first, term = self._wrong_since
        if self.step - first + 1 >= PATIENCE:
            raise Diverged(
                f"the {term} was no finite number at step {first}, nor was a step after it finite up to {self.step}."
            )

    def _rewind(self) -> None:
        """Take the batch out of Keras's running means, which would be no numbers for the rest of the epoch."""
        for metric in self._vae.metrics:
            count = self._batches if metric.name == "kl_weight" else self._terms.count
            metric.total.assign(self._logs.get(metric.name, 0.0) * count)
            metric.count.assign(count)

    def _weight_of(self, logs: dict[str, Any]) -> float:
        """The weight in effect in the batch that ended: as it was given, as the weighting left it,
        or out of the logs."""
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
        self.balance = thinned(self.balance, KEPT_STEPS)
        self._listener.on_balance(balance)

    def _keep(self, step: Step) -> None:
        """Record every batch, and thin the record out by two whenever it grows too long."""
        if (step.step - self._origin) % self._every:
            return
        for key, values in self.steps.items():
            values.append(getattr(step, key))
        if len(self.steps["step"]) > KEPT_STEPS:
            self.steps = {key: values[1::2] for key, values in self.steps.items()}
            self._every *= 2


def thinned(table: dict[str, list], most: int) -> dict[str, list]:
    """`table` of columns, with every other row where it has more than `most`; its last row stays."""
    rows = len(table["step"])
    return table if rows <= most else {key: values[(rows - 1) % 2 :: 2] for key, values in table.items()}
