"""What a run tells while it goes on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a display is chosen before TensorFlow is imported
    from kvae.model.vae import VAE
    from kvae.training.balance import Balance
    from kvae.training.prepared import Prepared
    from kvae.training.run_state import RunState


@dataclass(frozen=True, slots=True)
class Step:
    """One batch: its own D, R, β and L, not a running mean. `rate` is None for an autoencoder."""

    step: int
    distortion: float
    rate: float | None
    kl_weight: float
    loss: float
    progress: float  # share of the run that is done, 0 to 1
    images_per_second: float
    seconds: float  # since training started


class Listener:
    """Hears of a run's events; override what matters. Called in the thread that trains, so be quick."""

    def on_message(self, sentence: str) -> None:
        """Something worth reading once: the pictures found, the device, the Gaussian limit."""

    def on_progress(self, done: int, total: int, what: str) -> None:
        """Preparation, and after training delivery: `done` of `total` parts of `what`."""

    def on_prepared(self, prepared: "Prepared") -> None:
        """The pictures are ready and their Gaussian limit is known."""

    def on_begin(self, model: "VAE", state: "RunState") -> None:
        """Training sets out with `model`; assign to its `kl_weight` at any time and the next batch uses it.

        Where it has a linear part, it is the linear VAE in closed form, which is worth showing already. `state` tells
        the steps to go and records what was; it is to be read only.
        """

    def on_batch_begin(self) -> None:
        """The next batch comes once this returns. A paused run waits here; that time is not counted."""

    def on_step(self, step: Step) -> None:
        """A batch was trained."""

    def on_balance(self, balance: "Balance") -> None:
        """The gradient balance was measured after a batch."""

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        """An epoch was measured; `record` has the keys of the history."""

    def on_trial(self, name: str) -> None:
        """A sweep trains this trial from now on, in this process."""

    def on_trials(self, ended: int, total: int, running: Mapping[str, float]) -> None:
        """Of a sweep's trials so many have ended; of those that go on, by their names, the share that is done."""

    def should_stop(self) -> bool:
        """Whether to end the run after this batch; a model is delivered all the same."""
        return False
