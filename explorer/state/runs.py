"""What is known of the training runs of this session, and their curves as numbers. No Qt."""

import csv
import io
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from explorer.messages import (
    Balanced,
    Began,
    Delivered,
    EpochEnded,
    Paused,
    PicturesReady,
    Resumed,
    RunFailed,
    RunMessage,
    Said,
    Steps,
    Working,
)
from explorer.state.preparation import Preparation
from explorer.state.smoothing import ROUGHLY, fresh_starts, smoothed, turned

QUANTITIES = ("loss", "distortion", "weighted_rate", "rate", "kl_weight")  # in the order of reading
ALONG = ("steps", "epochs", "time")  # what x can be

_TERMS = ("step", "distortion", "rate", "kl_weight", "loss", "seconds")
_LOSS_AT = "loss_at_"  # and a weight: what is measured of a model of a range


def calibrated_weight(distortion: float, shape: Sequence[int]) -> float:
    """β* = 2·MSE: the weight that fits pictures of this `shape` which are missed by `distortion` each."""
    return 2.0 * distortion / math.prod(shape)


class Columns:
    """A table of numbers that grows by blocks at the cost of a copy each time it doubles."""

    def __init__(self, names: Sequence[str], room: int = 1024) -> None:
        self._places = {name: place for place, name in enumerate(names)}
        self._numbers = np.empty((len(self._places), room))
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, name: str) -> np.ndarray:
        """One column, shape (len,): a view that is not to be written to."""
        return self._numbers[self._places[name], : self._size]

    def append(self, block: Sequence[np.ndarray]) -> None:
        """Add rows: one array of shape (n,) for each column."""
        end = self._size + len(block[0])
        if end > self._numbers.shape[1]:
            larger = np.empty((len(self._places), max(end, 2 * self._numbers.shape[1])))
            larger[:, : self._size] = self._numbers[:, : self._size]
            self._numbers = larger
        for place, column in enumerate(block):
            self._numbers[place, self._size : end] = column
        self._size = end


@dataclass(frozen=True, slots=True)
class Turn:
    """At `step` the KL weight became `kl_weight`."""

    step: float
    kl_weight: float


@dataclass(frozen=True, slots=True)
class LimitCurve:
    """The Gaussian limit of a collection: `distortions` and `rates` (points,) of the best linear model at `weights`."""

    weights: np.ndarray
    distortions: np.ndarray
    rates: np.ndarray

    @classmethod
    def of(cls, message: PicturesReady) -> "LimitCurve | None":
        """The curve that a trainer sent, in rising order of its weights; None where it sent none."""
        parts = [np.asarray(part, np.float64) for part in (message.weights, message.distortions, message.rates)]
        usable = np.all(np.isfinite(parts), axis=0) & (parts[0] > 0)
        if not np.any(usable):
            return None
        order = np.argsort(parts[0][usable])
        return cls(*(part[usable][order] for part in parts))

    def at(self, kl_weight: float) -> tuple[float, float] | None:
        """D and L at `kl_weight`, between two points along the logarithm of the weight;
        None beyond the curve's ends."""
        low, high = self.weights[0] * (1 - ROUGHLY), self.weights[-1] * (1 + ROUGHLY)
        if not low <= kl_weight <= high:
            return None
        along = np.log(self.weights)
        distortion = float(np.interp(math.log(kl_weight), along, self.distortions))
        return distortion, distortion + kl_weight * float(np.interp(math.log(kl_weight), along, self.rates))


@dataclass
class RunCurves:
    """One run: how far it is and everything it has told. `take` is given each of its messages in order.

    `phase` is one of preparing, training, paused, stopping, done, failed.
    """

    number: int
    settings: dict[str, Any]
    name: str = ""  # that a person gave it
    phase: str = "preparing"
    sentence: str = ""  # the last thing it said, or why it failed
    preparation: Preparation = field(default_factory=Preparation)
    saving: bool = False  # it trains no more: its model is measured and saved
    device: str = ""
    pictures: int = 0
    limit: LimitCurve | None = None
    total_steps: int | None = None
    steps_per_epoch: int = 0
    progress: float = 0.0
    images_per_second: float = 0.0
    path: str = ""
    stopped: bool = False
    evaluated: dict[str, Any] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    terms: Columns = field(default_factory=lambda: Columns(_TERMS))
    began_with: float | None = None
    before: tuple[int, float] = (0, 0.0)  # steps and seconds of a run of an earlier session, whose curves are not kept
    balance: Balanced | None = None  # the last one measured

    # ------------------------------------------------------------------ what happens to it

    def take(self, message: RunMessage) -> None:
        """Learn from one message of this run; other kinds of message change nothing."""
        self.preparation.take(message, time.monotonic())
        match message:
            case Steps():
                self._append(message)
            case Balanced():
                self.balance = message
            case EpochEnded():
                self.epochs.append(dict(message.record))
            case Working():
                self.saving = self.phase != "preparing"
            case Resumed():
                self.settings = dict(message.settings)
            case Said():
                self.sentence = message.sentence
            case PicturesReady():
                self.limit, self.device = LimitCurve.of(message), message.device
                self.pictures = message.training
            case Began():
                self.total_steps, self.steps_per_epoch = message.total_steps, message.steps_per_epoch
                self.began_with = message.kl_weight
                self._goes_on()
            case Paused():
                self.phase = "paused" if self.is_alive and self.phase != "stopping" else self.phase
            case Delivered():
                self.phase, self.path, self.stopped = "done", message.path, message.stopped
                self.evaluated, self.progress = dict(message.evaluated), 1.0
            case RunFailed():
                self.phase, self.sentence, self.stopped = "failed", message.sentence, message.stopped

    def go_on(self) -> None:
        """It was told to continue."""
        if self.phase == "paused":
            self.phase = "training"

    def stop(self) -> None:
        """It was told to stop, and will deliver a model."""
        if self.is_alive:
            self.phase = "stopping"

    def _goes_on(self) -> None:
        if self.phase == "preparing":
            self.phase = "training"

    def _append(self, message: Steps) -> None:
        if len(message.step) == 0:
            return
        self._goes_on()
        before = self.kl_weight if len(self.terms) else self.began_with
        weights = np.asarray(message.kl_weight, np.float64)
        for place in np.flatnonzero(turned(weights, before)):
            self.turns.append(Turn(float(message.step[place]), float(f"{weights[place]:.6g}")))
        self.terms.append([getattr(message, name) for name in _TERMS])
        self.progress, self.images_per_second = message.progress, message.images_per_second

    # ------------------------------------------------------------------ how it stands

    @property
    def is_alive(self) -> bool:
        """Whether its trainer still works on it."""
        return self.phase not in ("done", "failed")

    @property
    def autoencoder(self) -> bool:
        """Whether it is the control without a KL term."""
        return bool(self.settings.get("autoencoder"))

    @property
    def weight_range(self) -> tuple[float, float] | None:
        """The weights of a model that is trained for a range of them."""
        weight = self.settings.get("kl_weight")
        ends = weight.split("..") if isinstance(weight, str) else weight
        if self.autoencoder or not isinstance(ends, (tuple, list)) or len(ends) != 2:
            return None
        return float(ends[0]), float(ends[1])

    @property
    def pictures_of(self) -> tuple[str, int | None]:
        """What it learns from and at which size: D and R of runs are comparable where these are the same."""
        size = self.settings.get("size")
        return str(self.settings.get("data") or "paintings"), int(size) if isinstance(size, int | float) else None

    @property
    def kl_weight(self) -> float:
        """The weight now: of the last batch, or the one it sets out with. 0 for an autoencoder."""
        if self.autoencoder:
            return 0.0
        if len(self.terms):
            return float(f"{self.terms['kl_weight'][-1]:.6g}")
        if self.began_with is not None:
            return self.turns[-1].kl_weight if self.turns else self.began_with
        span = self.weight_range
        return float(self.settings.get("kl_weight") or 0.0) if span is None else math.sqrt(span[0] * span[1])

    @property
    def step(self) -> int:
        """The last batch that was reported, 0 before the first."""
        return int(self.terms["step"][-1]) if len(self.terms) else self.before[0]

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return float(self.terms["seconds"][-1]) if len(self.terms) else self.before[1]

    @property
    def seconds_left(self) -> float | None:
        """What the minutes asked for leave, or a guess from the pace of the newer half of the batches: the first ones
        take long. None where there is nothing to guess from."""
        if self.phase != "training" or len(self.terms) == 0:
            return None
        if self.total_steps is None and (minutes := self.settings.get("minutes")):
            return max(60.0 * float(minutes) - self.seconds, 0.0)
        steps, seconds = self.terms["step"], self.terms["seconds"]
        half = len(steps) // 2
        if self.total_steps is not None and steps[-1] > steps[half]:
            pace = (seconds[-1] - seconds[half]) / (steps[-1] - steps[half])
            return max(float(pace * (self.total_steps - steps[-1])), 0.0)
        return self.seconds * (1.0 - self.progress) / self.progress if self.progress > 0.0 else None

    @property
    def epoch(self) -> tuple[int, int | None]:
        """The epoch it is in, from 1, and how many there will be (None where minutes count)."""
        each = max(self.steps_per_epoch, 1)
        total = None if self.total_steps is None else -(-self.total_steps // each)
        return max(self.step - 1, 0) // each + 1, total

    def measured(self, name: str) -> float | None:
        """`distortion`, `rate`, `loss` or `psnr` on held-out pictures: of the end, or of the last epoch."""
        value = self.evaluated.get(name)
        if value is None and self.epochs:
            value = self.epochs[-1].get("val_" + name)
        if name == "rate" and self.autoencoder:
            return None
        return None if value is None else float(value)

    def trajectory(self) -> tuple[np.ndarray, np.ndarray]:
        """R and D on held-out pictures after each epoch and at the end, each (points,); empty for an autoencoder."""
        records = [(record.get("val_rate"), record.get("val_distortion")) for record in self.epochs]
        records.append((self.evaluated.get("rate"), self.evaluated.get("distortion")))
        points = [(rate, distortion) for rate, distortion in records if rate is not None and distortion is not None]
        if self.autoencoder or not points:
            return np.empty(0), np.empty(0)
        table = np.array(points, np.float64)
        return table[:, 0], table[:, 1]

    def curve(self) -> tuple[np.ndarray, np.ndarray]:
        """R and D of a model of a range at its weights, held out, as measured last: each (weights,), R rising."""
        told = {key.removeprefix("val_"): one for key, one in (self.epochs[-1] if self.epochs else {}).items()}
        told.update(self.evaluated)
        weights = [key.removeprefix(_LOSS_AT) for key in told if key.startswith(_LOSS_AT)]
        points = sorted((told[f"rate_at_{weight}"], told[f"distortion_at_{weight}"]) for weight in weights)
        table = np.array(points, np.float64).reshape(len(points), 2)
        return table[:, 0], table[:, 1]

    def held_out_losses(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The steps and held-out losses of the epochs, each (epochs,), of a model of a range, by the weight."""
        start, last = f"val_{_LOSS_AT}", self.epochs[-1] if self.epochs else {}
        weights = sorted((key.removeprefix(start) for key in last if key.startswith(start)), key=float)
        steps = np.array([epoch["step"] for epoch in self.epochs], np.float64)
        told = {weight: [epoch.get(start + weight) for epoch in self.epochs] for weight in weights}
        return {weight: (steps, np.array(losses, np.float64)) for weight, losses in told.items()}  # None becomes NaN

    # ------------------------------------------------------------------ its curves

    def values(self, quantity: str) -> np.ndarray:
        """One of QUANTITIES for each batch, shape (batches,); the weighted rate is β·R in squared error.

        The pictures of a batch have many weights where the model has a range: their means are D, R and L of none.
        """
        if self.weight_range is not None:
            return np.full(len(self.terms), math.nan)
        if quantity == "weighted_rate":
            return self.terms["kl_weight"] * self.terms["rate"]
        return self.terms[quantity]

    def smoothed(self, quantity: str, span: int, *, log: bool = False) -> np.ndarray:
        """`values` averaged over about `span` batches, shape (batches,).

        The weight is set, not measured: it is not averaged. Where it is turned every average begins anew, as what came
        before belongs to another weight.
        """
        if self.weight_range is not None:
            return self.values(quantity)
        weight, rate = self.terms["kl_weight"], self.terms["rate"]
        if quantity == "kl_weight":
            return weight
        starts = fresh_starts(weight)
        if quantity == "weighted_rate":
            return weight * smoothed(rate, span, log=log, starts=starts)
        whole = self.terms["distortion"] + weight * rate
        if quantity == "loss" and np.all(rate > 0) and np.allclose(self.terms["loss"], whole, rtol=1e-3):
            return self.smoothed("distortion", span, log=log) + self.smoothed("weighted_rate", span, log=log)
        return smoothed(self.terms[quantity], span, log=log, starts=starts)

    def x(self, along: str) -> np.ndarray:
        """The batches in steps, in epochs or in seconds, shape (batches,)."""
        if along == "time":
            return self.terms["seconds"]
        return self.terms["step"] / max(self.steps_per_epoch, 1) if along == "epochs" else self.terms["step"]

    def x_of(self, step: float, along: str) -> float:
        """Where a step lies on the x axis."""
        steps = self.terms["step"]
        if along == "time":
            return float(np.interp(step, steps, self.terms["seconds"])) if len(steps) else 0.0
        return step / max(self.steps_per_epoch, 1) if along == "epochs" else step

    def nearest(self, x: float, along: str) -> int | None:
        """The batch (from 0) nearest to a place on the x axis;
        None where the run has nothing within its own stretch."""
        places = self.x(along)
        if len(places) == 0:
            return None
        right = int(np.clip(np.searchsorted(places, x), 1, max(len(places) - 1, 1)))
        if right >= len(places):
            return 0
        return right if places[right] - x < x - places[right - 1] else right - 1


def beside(runs: Iterable[RunCurves], number: int) -> frozenset[int]:
    """The numbers of the runs that learn from the same pictures as run `number`, or where there is none of that number,
    as the newest."""
    runs = list(runs)
    if not runs:
        return frozenset()
    chosen = next((run for run in runs if run.number == number), runs[-1])
    return frozenset(run.number for run in runs if run.pictures_of == chosen.pictures_of)


def csv_text(runs: Iterable[RunCurves]) -> str:
    """Every batch of every run as CSV with a header; numbers as exact as they came, nothing where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("run", "step", "epoch", "seconds", "loss", "distortion", "weighted_rate", "rate", "kl_weight"))
    for run in runs:
        table = (run.terms["step"], run.x("epochs"), run.terms["seconds"], *(run.values(name) for name in QUANTITIES))
        for numbers in zip(*(column.tolist() for column in table), strict=True):
            writer.writerow([run.number, int(numbers[0]), *("" if math.isnan(n) else repr(n) for n in numbers[1:])])
    return text.getvalue()
