"""The loop of a run: its calls of `fit`, and between two batches the step size, its own measurements, and its end."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from kvae.images.pipeline import training_batches
from kvae.images.pixels import unchecked
from kvae.model.vae import VAE
from kvae.networks import NETWORKS
from kvae.training.backend import attach
from kvae.training.balance import PROBE_PICTURES, BalanceProbe
from kvae.training.build import run_length
from kvae.training.checkpoint import CheckpointWriter, Interrupted
from kvae.training.devices import Devices
from kvae.training.evaluation import Evaluation
from kvae.training.listener import Listener, Step
from kvae.training.optimizer import FusedAdam
from kvae.training.prepared import Prepared
from kvae.training.run_state import RunState
from kvae.weighting.base import Constant

PATIENCE = 20  # steps in a row whose update may be left out


class Diverged(ValueError):
    """Training left the finite numbers; the message says at which step, and which term."""


class RunCallbacks(keras.callbacks.CallbackList):
    """The callbacks of a run: training begins and ends for them once, however many calls of `fit` the run takes."""

    def __init__(self, callbacks: list[keras.callbacks.Callback], model: VAE) -> None:
        super().__init__(callbacks, add_history=True, model=model)
        self._begun = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self._begun:
            self._begun = True
            super().on_train_begin(logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Not yet: see `end`."""

    def end(self) -> None:
        """Training is over."""
        if self._begun:
            super().on_train_end()


class RunCallback(keras.callbacks.Callback):
    """Schedules the step size, records every batch and epoch, and stops when told or when time is up.

    All that changes in a run is in its `state`. With `interrupted` it goes on in the middle of an epoch.
    """

    def __init__(
        self,
        model: VAE,
        state: RunState,
        validation: Iterable[Any],
        listener: Listener,
        *,
        probe: BalanceProbe | None = None,
        checkpoints: CheckpointWriter | None = None,
        interrupted: Interrupted | None = None,
    ) -> None:
        super().__init__()
        self.state = state
        self.evaluation = Evaluation(model)
        self._vae, self._validation, self._listener = model, validation, listener
        self._probe, self._checkpoints, self._restored = probe, checkpoints, interrupted
        self._weight = model.beta
        self._updates = self._counted()
        if interrupted is not None:
            state.take_over(interrupted.loop)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.state.begin()
        if self._checkpoints is not None:
            self._checkpoints.begin(self.state)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.state.begin_epoch()
        if self._restored is not None:
            self._continue_epoch(self._restored)
            self._restored = None

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        before = time.perf_counter()
        attach(self._vae)
        self._listener.on_batch_begin()
        self.state.leave_out(time.perf_counter() - before)
        self._vae.optimizer.learning_rate = self.state.scheduled_rate()
        self._weight = self._vae.beta  # exactly: as a difference of running means, every batch would look like a turn

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        attach(self._vae)
        if self._vae.replicas is not None:  # else Keras logs the mean of what each device has seen, whatever its share
            logs = {} if logs is None else logs
            logs.update({key: float(value) for key, value in self._vae.get_metrics_result().items()})
        state = self.state
        state.step += 1
        terms = state.terms.of(logs or {}, state.shown)
        wrong = self._wrong(*terms)
        if math.isfinite(terms[2]):
            self._record(terms, logs or {})
        if wrong is None:
            self._went_well()
        else:
            self._went_wrong(wrong)
        if self._listener.should_stop():
            state.stopped = True
        if state.ended:
            self._vae.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        state = self.state
        if state.skipping:  # nothing is known that would be worth a row
            return
        speed = state.images_per_second()
        held = self.evaluation(self._validation)
        if not math.isfinite(held.loss):
            raise Diverged(f"the distortion of the held-out pictures was no finite number at step {state.step}.")
        logs = {} if logs is None else logs
        measured = held.record("val_")
        record = {
            "epoch": epoch + 1,
            "step": state.step,
            "distortion": float(logs["distortion"]),
            "rate": None if self._vae.autoencoder else float(logs["rate"]),
            "kl_weight": self._vae.beta,
            "loss": float(logs["loss"]),
            **measured,
            **state.last_balance,
            "learning_rate": float(keras.ops.convert_to_numpy(self._vae.optimizer.learning_rate)),
            "images_per_second": speed,
            "seconds": state.seconds,
        }
        # for the callbacks after this one, by names that are the same in every epoch, as a table wants them
        balance = {} if self._probe is None else state.last_balance
        logs.update({key: value for key, value in measured.items() if value is not None})
        logs.update({key: math.nan if value is None else value for key, value in balance.items()})
        state.record_epoch(record)
        self._listener.on_epoch_end(record)
        if self._checkpoints is not None and not state.ended:
            self._checkpoints.offer(state, state.elapsed)

    def _continue_epoch(self, interrupted: Interrupted) -> None:
        """The running means of the epoch go on from where they were."""
        if not interrupted.within or self.state.ends_epoch:
            return
        self.state.take_over_epoch(interrupted.loop)
        for variable, value in zip(self._vae.metrics_variables, interrupted.metrics, strict=True):
            variable.assign(value)

    def _record(self, terms: tuple[float, float, float], logs: dict[str, Any]) -> None:
        """Tell a batch, and keep it."""
        state, (distortion, rate, loss) = self.state, terms
        state.logs = {key: float(value) for key, value in logs.items()}
        self._weight = self._weight_of(logs)
        step = Step(
            state.step,
            distortion,
            None if self._vae.autoencoder else rate,
            self._weight,
            loss,
            state.progress,
            state.images_per_second(state.shown),
            state.seconds,
        )
        state.record_batch({key: getattr(step, key) for key in state.steps})
        self._listener.on_step(step)

    def _wrong(self, distortion: float, rate: float, loss: float) -> str | None:
        """The term that is no finite number in this batch, if there is one."""
        before, self._updates = self._updates, self._counted()
        for term, value in (("distortion", distortion), ("rate", rate), ("loss", loss)):
            if not math.isfinite(value):
                return term
        return "gradient" if before is not None and self._updates == before else None

    def _counted(self) -> int | None:
        """The updates that the optimizer has made, where it leaves out none on purpose, to seek its loss scale."""
        optimizer = self._vae.optimizer
        return int(keras.ops.convert_to_numpy(optimizer.iterations)) if isinstance(optimizer, FusedAdam) else None

    def _went_well(self) -> None:
        state = self.state
        state.wrong_since = None
        seconds = state.elapsed
        if self._checkpoints is not None:
            self._checkpoints.after_step(state, seconds, take=not state.ends_epoch)
        if self._probe is not None and self._probe.due(state.step, seconds):
            balance = self._probe(state.step, self._weight)
            state.record_balance(balance.step, balance.record())
            self._listener.on_balance(balance)

    def _went_wrong(self, term: str) -> None:
        """The optimizer left this update out. The means go on without the batch, the run not for long."""
        state = self.state
        state.skipped += 1
        if term != "gradient":
            self._rewind()
        if self._checkpoints is not None:
            self._checkpoints.drop_pending()
        if state.wrong_since is None:
            state.wrong_since = state.step, term
            self._listener.on_message(
                f"the {term} was no finite number at step {state.step}; such a step changes nothing"
            )
        first, term = state.wrong_since
        if state.step - first + 1 >= PATIENCE:
            raise Diverged(
                f"the {term} was no finite number at step {first}, nor was a step after it finite up to {state.step}."
            )

    def _rewind(self) -> None:
        """Take the batch out of Keras's running means, which would be no numbers for the rest of the epoch."""
        for metric in self._vae.metrics:
            count = self.state.batches if metric.name == "kl_weight" else self.state.terms.count
            metric.total.assign(self.state.logs.get(metric.name, 0.0) * count)
            metric.count.assign(count)

    def _weight_of(self, logs: dict[str, Any]) -> float:
        """The weight in effect in the batch that ended: as it was given, as the weighting left it,
        or out of the logs."""
        state, weighting = self.state, self._vae.methods.weighting
        state.batches += 1
        total = state.batches * float(logs.get("kl_weight", 0.0))
        weight, state.weight_sum = total - state.weight_sum, total
        if isinstance(weighting, Constant):
            return self._weight
        return self._vae.beta if weighting.MOVES else weight


def run_callback(
    model: VAE,
    settings: Mapping[str, Any],
    prepared: Prepared,
    listener: Listener,
    checkpoints: CheckpointWriter,
    interrupted: Interrupted | None,
) -> RunCallback:
    """What stands beside the batches of a run that begins, or goes on.

    Raises:
        ValueError: the model has had all epochs that are asked for; one sentence.
    """
    earlier = model.card or {}
    # float16 leaves out steps that overflow, so the optimizer may have counted fewer
    first = max(int(keras.ops.convert_to_numpy(model.optimizer.iterations)), earlier.get("step", 0))
    epochs, per_epoch = run_length(settings, len(prepared.training))
    done = first // per_epoch
    if settings["minutes"] is None and first and done >= epochs and interrupted is None:
        raise ValueError(
            f"train: this model has already been trained for {done} epochs. Ask for more, such as --epochs {2 * done}."
        )
    state = RunState(
        pictures=len(prepared.training),
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        total_steps=None if settings["minutes"] is not None else max(epochs, 1) * per_epoch,
        minutes=settings["minutes"],
        first_step=first,
        **{key: earlier.get(key) or {} for key in ("history", "steps", "balance")},
        folder=checkpoints.folder,
    )
    return RunCallback(
        model,
        state,
        prepared.validation_batches(),
        listener,
        probe=None if model.autoencoder else _probe(model, prepared, settings["balance_every"]),
        checkpoints=checkpoints,
        interrupted=interrupted,
    )


def fit(
    model: VAE,
    loop: RunCallback,
    settings: Mapping[str, Any],
    prepared: Prepared,
    listener: Listener,
    callbacks: Sequence[keras.callbacks.Callback],
    devices: Devices,
) -> None:
    """Train until the steps are done or somebody wishes an end, with `callbacks` beside the loop."""
    epochs, per_epoch = run_length(settings, len(prepared.training))
    if settings["minutes"] is not None:
        epochs = 10**6
    elif settings["epochs"] is None and NETWORKS[model.network].closed_form and not model.custom:
        return  # the closed form is all there is to it
    if not model.trainable_variables:
        return  # a linear autoencoder
    state = loop.state
    model.seed_noise(settings["seed"], state.step)
    listener.on_begin(model, state)
    together = RunCallbacks([loop, *callbacks], model)
    try:
        while state.step < epochs * per_epoch and not state.ended:
            done, within = divmod(state.step, per_epoch)  # the rest of an epoch that was begun comes by itself
            batches = training_batches(
                prepared.collection,
                prepared.training,
                batch_size=settings["batch_size"],
                seed=settings["seed"],
                augment=settings["augment"],
                start_step=state.step,
                part=devices.part,
            )
            with unchecked():  # the pipeline makes its batches from bytes
                model.fit(
                    devices.fed(batches, state.step),
                    epochs=done + 1 if within else epochs,
                    initial_epoch=done,
                    steps_per_epoch=per_epoch - within,
                    shuffle=False,  # the pipeline orders the pictures
                    verbose=0,
                    callbacks=together,
                )
            if model.stop_training and not state.ended:  # a callback ended it
                state.stopped = True
    except KeyboardInterrupt:
        state.stopped = True
    finally:
        together.end()


def _probe(model: VAE, prepared: Prepared, every: int | None) -> BalanceProbe:
    pictures = prepared.collection.read(prepared.training[:PROBE_PICTURES])
    return BalanceProbe(model, pictures.astype("float32") / 255.0, every)
