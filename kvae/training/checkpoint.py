"""What a run must not lose: its last good state, in memory and in its folder, from which it goes on bit for bit."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kvae.files.arrays import DTYPES, MOST_HEADER, MOST_NODES
from kvae.files.failure import unwritable
from kvae.files.refusal import Refused
from kvae.files.schema import Anything, Kind, Number, Row, Table
from kvae.files.strict_json import finite, parse
from kvae.model.vae import VAE
from kvae.saving.card import MOST_BYTES, MOST_STEPS
from kvae.saving.card_fields import BALANCE, COUNT, GRADIENTS, HASH, HISTORY, MEASURED, SECONDS, SETTINGS_TABLE, STEPS
from kvae.settings import SETTINGS
from kvae.training.folder import RunFolder
from kvae.training.listener import Listener
from kvae.training.run_state import RunState

FORMAT = 1
BUDGET = 0.02  # of the time of training
SPACING = 5.0  # seconds between two checkpoints, at least: small models need none more often
FIRST = 0.2  # seconds that the first is expected to take
ANEW = "Train anew."
_SUM = Number(-1e60, 1e60)  # of terms of many pictures
_LOOP: dict[str, Kind] = {
    "seconds": SECONDS,
    "minutes": SECONDS,
    "every": Number(1, MOST_STEPS, whole=True),
    "origin": COUNT,
    "skipped": COUNT,
    "count": COUNT,
    "sums": Row(_SUM, 3, 3),
    "logs": Table({}, others=MEASURED),
    "weight_sum": _SUM,
    "batches": COUNT,
    "balance": Table(dict.fromkeys(GRADIENTS, MEASURED)),
}
_ABOUT: dict[str, Kind] = {
    "format": COUNT,
    "model": Anything(),  # which `read_settings` reads
    "settings": Table(SETTINGS_TABLE.fields, needed=("learning_rate",)),
    "pictures": HASH,
    "loop": Table(_LOOP, needed=tuple(_LOOP)),
    "history": HISTORY,
    "steps": STEPS,
    "balance": BALANCE,
}
ABOUT = Table(_ABOUT, needed=tuple(_ABOUT))  # what a checkpoint says of itself beside its arrays


@dataclass(frozen=True)
class Checkpoint:
    """A run between two steps: all variables of the model, of its optimizer and of the running means,
    and the records."""

    step: int
    about: bytes  # JSON
    arrays: list[np.ndarray]

    @property
    def finite(self) -> bool:
        """Whether every number of it is one."""
        return all(np.isfinite(one).all() for one in self.arrays if one.dtype.kind == "f")


@dataclass(frozen=True)
class Interrupted:
    """A run that ended without its model: the model as it was at `step`, and all that the run needs to go on."""

    folder: RunFolder
    step: int
    model: VAE
    loop: dict[str, Any]  # the loop's state
    metrics: list[np.ndarray]  # of the running means of the epoch
    within: bool = True  # whether the epoch is the same, so that they may go on

    @property
    def output(self) -> Path:
        """The model that the run is to leave."""
        return self.folder.model


@dataclass(frozen=True)
class Unbegun:
    """A run that was cut off before its first checkpoint: its settings are known, with which it begins anew."""

    folder: RunFolder
    settings: dict[str, Any]
    start: str = ""  # the model that its networks set out from, where there is one

    @property
    def output(self) -> Path:
        """The model that the run is to leave."""
        return self.folder.model


@dataclass(frozen=True)
class Undelivered:
    """A run that was cut off once its model was written: what else it is to leave is still to be made."""

    folder: RunFolder
    output: Path  # the model
    model: VAE


Left = Interrupted | Unbegun | Undelivered  # what a run leaves in its folder when it is cut off


class CheckpointWriter:
    """Keeps the last good state of a run: in memory, and in `folder` whenever that fits into BUDGET.

    A state is good once the batch after it had finite terms and gradients: its weights, too, were sound. So it is taken
    after one batch and written after the next.
    """

    def __init__(
        self, model: VAE, folder: RunFolder, listener: Listener, settings: Mapping[str, Any], pictures: str
    ) -> None:
        size = sum(_array_size(one) for one in _variables(model))
        if size > MOST_BYTES - 2 * MOST_HEADER:  # before hours of training
            raise ValueError(
                f"train: a model's file holds at most {(MOST_BYTES >> 30) + 1} GB, and with its optimizer this one "
                f"needs {size / (1 << 30):.1f}. Choose fewer --widths, a smaller --size or fewer --latent-dim."
            )
        self.folder, self._model, self._listener = folder, model, listener
        self._settings, self._pictures = dict(settings), pictures
        self._pending: Checkpoint | None = None
        self._good: Checkpoint | None = None
        self._spent, self._cost, self._last = 0.0, FIRST, 0.0
        self._before = 0.0  # what was spent before the pending one
        self._complained = False
        self._kept: int | None = max(folder.steps(), default=None)

    @property
    def kept(self) -> int | None:
        """The step of the newest checkpoint in the folder."""
        return self._kept

    def begin(self, state: RunState) -> None:
        """The state that training sets out from is good."""
        self._good = self._taken(state)

    def after_step(self, state: RunState, seconds: float, *, take: bool = True) -> None:
        """A good batch ended, `seconds` after training began; `take` is False where its epoch is yet to be recorded."""
        before = time.perf_counter()
        if self._pending is not None:
            checkpoint, self._pending = self._pending, None
            if checkpoint.finite:
                self._good = checkpoint
                self._write(checkpoint)
            self._spent += time.perf_counter() - before
            self._cost, self._last = self._spent - self._before, seconds
        if take:
            self.offer(state, seconds)

    def offer(self, state: RunState, seconds: float) -> None:
        """Take the state as it is now, if it is time."""
        if seconds - self._last < SPACING or self._spent + self._cost > BUDGET * seconds:
            return
        before = time.perf_counter()
        self._before = self._spent
        self._pending = self._taken(state)
        self._spent += time.perf_counter() - before

    def drop_pending(self) -> None:
        """A batch went wrong: the state before it may be why."""
        self._pending = None

    def write_now(self, state: RunState) -> None:
        """Write the state as it is, whatever it costs: the run ends before its model could be delivered."""
        if state.skipping or self._kept == state.step:
            return
        checkpoint = self._taken(state)
        if checkpoint.finite:
            self._write(checkpoint)

    def finish(self) -> None:
        """The model is the place to go on from now."""
        self.folder.remove()

    def go_back(self, state: RunState) -> None:
        """Give the model the last good state, and the run its records."""
        assert self._good is not None
        restore(self._model, self._good.arrays)
        state.go_back(self._good.step, json.loads(self._good.about))

    def _taken(self, state: RunState) -> Checkpoint:
        model = self._model
        about = {
            "format": FORMAT,
            "model": None if model.custom or model.methods.custom else model.get_config(),
            "settings": self._settings,
            "pictures": self._pictures,
            "loop": state.to_json(),
            "history": state.history,
            "steps": state.steps,
            "balance": state.balance,
        }
        return Checkpoint(state.step, json.dumps(finite(about), allow_nan=False).encode(), state_arrays(model))

    def _write(self, checkpoint: Checkpoint) -> None:
        try:
            ABOUT.hold(parse(checkpoint.about, most_nodes=MOST_NODES), "its state")  # else it could not be read again
            self.folder.write(checkpoint.step, checkpoint.about, checkpoint.arrays)
            self._kept, self._complained = checkpoint.step, False
        except (OSError, ValueError) as error:
            if not self._complained:
                kept = "There is none yet" if self._kept is None else f"That of step {self._kept} is still there"
                self._listener.on_message(
                    f"{unwritable(self.folder.file(checkpoint.step), error)} {kept}, and the run goes on."
                )
            self._complained = True


def restore(model: VAE, arrays: list[np.ndarray]) -> None:
    """Give every variable of `model` and its optimizer its number back.

    Raises:
        ValueError: they are of another model.
    """
    variables = _variables(model)
    if [(tuple(one.shape), _dtype(one)) for one in variables] != [(one.shape, one.dtype) for one in arrays]:
        raise ValueError("resume: the checkpoint is not of this model. Train anew.")
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def state_arrays(model: VAE) -> list[np.ndarray]:
    """The numbers of all of its variables, as `restore` takes them."""
    return [_array(one) for one in _variables(model)]


def _variables(model: VAE) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


def check_numbers(model: VAE, step: int, arrays: list[np.ndarray]) -> None:
    """Hold what `restore` gave `model` to what its variables can be after `step` steps.

    Raises:
        Refused: numbers that are not finite, a weight below its bound, an optimizer that counted more steps than there
            were.
    """
    for variable, array in zip(_variables(model), arrays, strict=True):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise Refused(f"holds weights that are NaN or infinite. {ANEW}")
        setting = SETTINGS.get(variable.name)
        if setting is not None and setting.low is not None and array.size and array.min() < setting.low:
            raise Refused(f"holds a value of {variable.name} below its bound, {setting.low:g}. {ANEW}")
    if not 0 <= int(model.optimizer.iterations) <= step:
        raise Refused(f"counts other steps of its optimizer than the {step} it was written after. {ANEW}")


def _array(variable: keras.Variable) -> np.ndarray:
    array = np.asarray(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(variable)))
    return array.astype(_dtype(variable), copy=not array.flags.writeable)  # JAX gives a view of what it will reuse


def _dtype(variable: keras.Variable) -> np.dtype:
    """The type in which a checkpoint keeps `variable`: its own, or float32, which holds all of bfloat16."""
    name = keras.backend.standardize_dtype(variable.dtype)
    return np.dtype(name if name in DTYPES else "float32")


def _array_size(variable: keras.Variable) -> int:
    return int(np.prod(variable.shape, dtype=object)) * _dtype(variable).itemsize
