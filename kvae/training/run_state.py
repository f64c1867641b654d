"""The state of a run: how long it is to be, where it stands, what it has recorded, and its clock."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kvae.images.pipeline import steps_per_epoch
from kvae.saving.card_fields import CURVES, GRADIENTS
from kvae.training.folder import RunFolder

WARM_UP_STEPS = 100
WARM_UP_SHARE = 0.05  # of a short run
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
    "val_active",
    *GRADIENTS,
    "learning_rate",
    "images_per_second",
    "seconds",
)


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


@dataclass
class RunState:
    """How long a run is to be, and all that changes while it goes on, apart from the variables of the model.

    A run has `total_steps`, or lasts `minutes`. `history` has an entry per epoch, `steps` one per recorded batch, and
    `balance` one per measurement of the gradient balance; they and `first_step` continue an earlier run. Whoever hears
    of a run reads its state and does not change it.
    """

    pictures: int
    batch_size: int
    learning_rate: float  # at its peak
    total_steps: int | None
    minutes: float | None
    first_step: int = 0
    history: dict[str, list] = field(default_factory=dict)
    steps: dict[str, list] = field(default_factory=dict)
    balance: dict[str, list] = field(default_factory=dict)
    folder: RunFolder | None = None  # of its checkpoints; a process that must end at once releases it

    stopped: bool = field(default=False, init=False)  # on somebody's wish
    skipped: int = field(default=0, init=False)  # steps whose update was left out
    wrong_since: tuple[int, str] | None = field(default=None, init=False)  # the first of these in a row, and its term
    logs: dict[str, float] = field(default_factory=dict, init=False)  # the running means of this epoch
    weight_sum: float = field(default=0.0, init=False)  # of the batches of this epoch
    batches: int = field(default=0, init=False)  # of this epoch that logged a weight
    terms: BatchTerms = field(default_factory=BatchTerms, init=False)

    def __post_init__(self) -> None:
        epochs = len(self.history["epoch"]) if self.history else 0  # of a run that knew fewer columns, too
        self.history = {key: [None] * epochs for key in HISTORY} | self.history
        self.steps = self.steps or {key: [] for key in ("step", *CURVES)}
        self.balance = self.balance or {key: [] for key in ("step", *GRADIENTS)}
        self.step = self.first_step
        self.last_balance = dict[str, float | None].fromkeys(GRADIENTS)
        self._every, self._origin = 1, self.first_step  # of the batches that are recorded
        self._epoch_step = self.first_step
        self._earlier = float(self.history["seconds"][-1] or 0.0) if self.history["seconds"] else 0.0
        self._earlier_minutes = 0.0  # seconds of these minutes, before this process
        self._started = self._epoch_started = time.perf_counter()

    # ------------------------------------------------------------------ the clock

    def begin(self) -> None:
        """Training begins now."""
        self._started = time.perf_counter()

    def begin_epoch(self) -> None:
        """The running means begin anew."""
        self.terms.reset()
        self.weight_sum, self.batches, self.logs = 0.0, 0, {}
        self._epoch_started, self._epoch_step = time.perf_counter(), self.step

    def leave_out(self, seconds: float) -> None:
        """No clock counts these seconds, in which the run was paused."""
        self._started, self._epoch_started = self._started + seconds, self._epoch_started + seconds

    @property
    def elapsed(self) -> float:
        """Seconds of training in this process, measurements included."""
        return time.perf_counter() - self._started

    @property
    def seconds(self) -> float:
        """Seconds of training in all processes, measurements included."""
        return self._earlier + self.elapsed

    def images_per_second(self, last: int | None = None) -> float:
        """The speed of this epoch up to here; `last` is the size of its latest batch, where it goes on after that."""
        done = self.step - self._epoch_step
        shown = min(done * self.batch_size, self.pictures) if last is None else (done - 1) * self.batch_size + last
        return shown / max(time.perf_counter() - self._epoch_started, 1e-9)

    # ------------------------------------------------------------------ the length

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        if self.minutes is not None:
            return min((self._earlier_minutes + self.elapsed) / (60.0 * self.minutes), 1.0)
        assert self.total_steps is not None
        return min(self.step / self.total_steps, 1.0)

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to train."""
        return self.stopped or self.progress >= 1.0

    @property
    def skipping(self) -> bool:
        """Whether the last step's update was left out."""
        return self.wrong_since is not None

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch, the last, smaller one included."""
        return steps_per_epoch(self.pictures, self.batch_size)

    @property
    def ends_epoch(self) -> bool:
        """Whether the latest batch was the last of its epoch."""
        return self.step % self.steps_per_epoch == 0

    @property
    def shown(self) -> int:
        """Pictures in the latest batch."""
        return self.pictures - (self.steps_per_epoch - 1) * self.batch_size if self.ends_epoch else self.batch_size

    def scheduled_rate(self) -> float:
        """Linear warm-up to the peak, then a cosine to zero at the end of the run."""
        total = self.total_steps
        warm_up = WARM_UP_STEPS if total is None else max(1, min(WARM_UP_STEPS, total * WARM_UP_SHARE))
        rise = min(1.0, (self.step + 1) / warm_up)
        return self.learning_rate * rise * 0.5 * (1.0 + math.cos(math.pi * self.progress))

    # ------------------------------------------------------------------ the records

    def record_batch(self, terms: dict[str, Any]) -> None:
        """Record every batch, and thin the record out by two whenever it grows too long."""
        if (self.step - self._origin) % self._every:
            return
        for key, values in self.steps.items():
            values.append(terms[key])
        if len(self.steps["step"]) > KEPT_STEPS:
            self.steps = {key: values[1::2] for key, values in self.steps.items()}
            self._every *= 2

    def record_balance(self, step: int, found: dict[str, float]) -> None:
        """Record the gradient balance after the batch `step`."""
        self.last_balance.update(found)
        for key, value in {"step": step, **self.last_balance}.items():
            self.balance[key].append(value)
        self.balance = thinned(self.balance, KEPT_STEPS)

    def record_epoch(self, record: dict[str, Any]) -> None:
        """Record an epoch; `record` has the keys of the history."""
        before = len(self.history["epoch"])
        for key, value in record.items():  # a range of weights brings columns of its own
            self.history.setdefault(key, [None] * before).append(value)
        self.history = thinned(self.history, KEPT_EPOCHS)

    # ------------------------------------------------------------------ from process to process

    def to_json(self) -> dict[str, Any]:
        """What another process needs, beside the records, to go on in the middle of an epoch."""
        return {
            "seconds": self.seconds,
            "minutes": self._earlier_minutes + self.elapsed,
            "every": self._every,
            "origin": self._origin,
            "skipped": self.skipped,
            "count": self.terms.count,
            "sums": self.terms.sums.tolist(),
            "logs": self.logs,
            "weight_sum": self.weight_sum,
            "batches": self.batches,
            "balance": self.last_balance,
        }

    def take_over(self, told: dict[str, Any]) -> None:
        """Go on from what `to_json` told; the running means do with `take_over_epoch`, once their epoch has begun."""
        self._earlier, self._earlier_minutes = float(told["seconds"]), float(told["minutes"])
        self._every, self._origin, self.skipped = int(told["every"]), int(told["origin"]), int(told["skipped"])
        self.last_balance.update(told["balance"])

    def take_over_epoch(self, told: dict[str, Any]) -> None:
        """The running means of the epoch go on from where they were."""
        self.terms.count, self.terms.sums = int(told["count"]), np.array(told["sums"], float)
        self.logs = {key: one for key, one in told["logs"].items() if one is not None}
        self.batches, self.weight_sum = int(told["batches"]), float(told["weight_sum"])

    def go_back(self, step: int, records: dict[str, Any]) -> None:
        """The run ends as it was after `step`, with `records`: its history, steps and balance."""
        self.step, self.stopped = step, True
        self.history, self.steps, self.balance = (records[key] for key in ("history", "steps", "balance"))


def thinned(table: dict[str, list], most: int) -> dict[str, list]:
    """`table` of columns, with every other row where it has more than `most`; its last row stays."""
    rows = len(table["step"])
    return table if rows <= most else {key: values[(rows - 1) % 2 :: 2] for key, values in table.items()}
