"""When the state of a run is taken, when it is written, and what a run goes back to; driven by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from kvae.model.vae import VAE
from kvae.training import checkpoint
from kvae.training.checkpoint import CheckpointWriter, restore
from kvae.training.folder import RunFolder
from kvae.training.listener import Listener
from kvae.training.optimizer import FusedAdam


class Clock:
    """Taking and writing cost `cost` seconds each."""

    def __init__(self, cost: float) -> None:
        self.now, self.cost = 0.0, cost

    def perf_counter(self) -> float:
        self.now += self.cost
        return self.now


@pytest.fixture(scope="module")
def model() -> VAE:
    model = VAE(image_shape=(16, 16, 3), network="conv", widths=(8,), latent_dim=2, weighting="pi")
    model.compile(FusedAdam(1e-3))
    return model


def state_at(step: int) -> SimpleNamespace:
    state = {"seconds": 1.0, "minutes": 1.0, "every": 1, "origin": 0, "skipped": 0, "count": 9, "sums": [1.0, 2.0, 3.0]}
    state |= {"logs": {"loss": 3.0}, "weight_sum": 0.1, "batches": 1, "balance": {}}
    records = {"history": {}, "steps": {}, "balance": {}}
    return SimpleNamespace(step=step, skipping=False, to_json=lambda: state, **records)


@pytest.fixture
def checkpoints(model, tmp_path):
    folder = RunFolder(tmp_path / ".art.run")
    assert folder.take()
    checkpoints = CheckpointWriter(model, folder, Listener(), {"learning_rate": 1e-3}, "hash")
    checkpoints.begin(state_at(0))
    yield checkpoints
    folder.release()


def written(checkpoints, monkeypatch) -> list[int]:
    steps: list[int] = []
    monkeypatch.setattr(checkpoints.folder, "write", lambda step, about, arrays: steps.append(step))
    return steps


@pytest.mark.parametrize("cost", [0.001, 0.05, 1.0])
def test_checkpoints_take_at_most_a_fiftieth_of_the_time_and_come_every_five_seconds(checkpoints, monkeypatch, cost):
    clock = Clock(cost)
    monkeypatch.setattr(checkpoint, "time", clock)
    steps = written(checkpoints, monkeypatch)
    seconds = 0.0
    for step in range(1, 6_000):
        seconds += 0.1
        checkpoints.after_step(state_at(step), seconds)
    assert 2 * cost * len(steps) <= 0.02 * seconds + 2 * cost
    assert len(steps) >= 0.8 * min(seconds / 5.0, 0.02 * seconds / (2 * cost))
    assert np.diff(steps).min() >= 50


def test_a_state_is_written_once_the_batch_after_it_went_well(checkpoints, monkeypatch):
    monkeypatch.setattr(checkpoint, "SPACING", 0.0)
    monkeypatch.setattr(checkpoint, "BUDGET", 1e9)
    steps = written(checkpoints, monkeypatch)
    checkpoints.after_step(state_at(1), 1.0)
    assert steps == []
    checkpoints.after_step(state_at(2), 2.0)
    assert steps == [1]
    checkpoints.drop_pending()  # the batch after step 2 went wrong: so its weights may have been
    checkpoints.after_step(state_at(4), 4.0, take=False)
    assert steps == [1]


def test_a_state_that_is_no_finite_number_is_never_written(checkpoints, model, monkeypatch):
    monkeypatch.setattr(checkpoint, "SPACING", 0.0)
    monkeypatch.setattr(checkpoint, "BUDGET", 1e9)
    steps = written(checkpoints, monkeypatch)
    kernel = model.mean_head.kernel
    good = kernel.numpy().copy()
    checkpoints.after_step(state_at(1), 1.0)
    broken = good.copy()
    broken[0, 0] = np.nan
    kernel.assign(broken)
    checkpoints.after_step(state_at(2), 2.0)
    checkpoints.after_step(state_at(3), 3.0)
    checkpoints.write_now(state_at(4))
    assert steps == [1]
    ended: list[int] = []
    checkpoints.go_back(SimpleNamespace(go_back=lambda step, about: ended.append(step)))
    assert ended == [1]
    np.testing.assert_array_equal(kernel.numpy(), good)


def test_the_arrays_of_another_model_are_refused(model):
    with pytest.raises(ValueError, match="is not of this model"):
        restore(model, [np.zeros(3, "float32")])
