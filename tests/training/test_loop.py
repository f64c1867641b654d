"""The loop around single batches, driven by hand: their own terms, the step size, the record, and the end."""

from types import SimpleNamespace

import numpy as np
import pytest

from kvae.training import loop as loop_module
from kvae.training import run_state
from kvae.training.listener import Listener
from kvae.training.loop import Diverged, RunCallback
from kvae.training.run_state import HISTORY, BatchTerms, RunState
from kvae.weighting.base import Constant

TERMS = ("distortion", "rate", "kl_weight", "loss")


class Recorder(Listener):
    """Keeps what it hears; wants to stop at `last`."""

    def __init__(self, last: int | None = None) -> None:
        self.steps, self.records, self.sentences, self.last = [], [], [], last

    def on_message(self, sentence):
        self.sentences.append(sentence)

    def on_step(self, step):
        self.steps.append(step)

    def on_epoch_end(self, record):
        self.records.append(record)

    def should_stop(self):
        return self.last is not None and len(self.steps) >= self.last


class Number:
    """A variable that is only ever assigned to."""

    def assign(self, value):
        self.value = value


class Clock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (loop_module, run_state):
        monkeypatch.setattr(module, "time", clock)
    return clock


def made(listener=None, *, autoencoder=False, **options) -> RunCallback:
    """A loop over 22 pictures in batches of 8, 8 and 6, around a model of which only the bookkeeping is real."""
    model = SimpleNamespace(
        image_shape=(16, 16, 3),
        autoencoder=autoencoder,
        stop_training=False,
        beta=0.1,
        replicas=None,
        optimizer=SimpleNamespace(learning_rate=None),
        metrics=[],
        methods=SimpleNamespace(weighting=Constant()),
    )
    settings = {"pictures": 22, "batch_size": 8, "learning_rate": 0.01, "total_steps": 30, "minutes": None, **options}
    made = RunCallback(model, RunState(**settings), None, listener or Listener())
    made.vae = model
    return made


def running_means(values: np.ndarray, sizes: list[int]) -> list[dict[str, float]]:
    """What Keras logs after each batch of an epoch: means over images, and for the weight over batches."""
    weights = np.array(sizes, float)[:, None] * np.ones(4)
    weights[:, 2] = 1.0
    means = np.cumsum(values * weights, 0) / np.cumsum(weights, 0)
    return [dict(zip(TERMS, row, strict=True)) for row in means.astype("float32")]


def batches(count: int, seed: int = 0) -> np.ndarray:
    """D, R, β and L of `count` batches, (count, 4); the weight is another in the second half."""
    random = np.random.default_rng(seed)
    distortion, rate = random.uniform(20, 60, count), random.uniform(1, 9, count)
    weight = np.where(np.arange(count) < count // 2, 0.1, 7.0)
    return np.stack([distortion, rate, weight, distortion + weight * rate], 1)


# ---------------------------------------------------------------------- the terms of single batches


@pytest.mark.parametrize("sizes", [[8, 8, 8, 8, 8, 8], [8, 8, 8, 8, 8, 3], [1, 1]])
def test_batch_terms_recover_each_batch_from_the_running_means_in_every_epoch(sizes):
    terms = BatchTerms()
    for epoch in range(3):
        values = batches(len(sizes), seed=epoch)
        terms.reset()
        found = [terms.of(logs, size) for logs, size in zip(running_means(values, sizes), sizes, strict=True)]
        np.testing.assert_allclose(found, values[:, [0, 1, 3]], rtol=1e-4)


def test_an_autoencoder_logs_neither_rate_nor_weight_yet_has_the_terms_of_each_batch():
    values, sizes, terms = batches(4), [8, 8, 8, 6], BatchTerms()
    values[:, 1:3] = 0.0
    for row, logs, size in zip(values, running_means(values, sizes), sizes, strict=True):
        found = terms.of({key: logs[key] for key in ("distortion", "loss")}, size)
        np.testing.assert_allclose(found, row[[0, 1, 3]], rtol=1e-4)


def test_the_listener_hears_each_batchs_own_terms_also_of_a_smaller_last_batch():
    heard = Recorder()
    loop = made(heard)
    expected = []
    for epoch in range(2):
        values = batches(3, seed=epoch)
        loop.on_epoch_begin(epoch)
        for batch, logs in enumerate(running_means(values, [8, 8, 6])):
            loop.vae.beta = float(values[batch, 2])
            loop.on_train_batch_begin(batch)
            loop.on_train_batch_end(batch, logs)
        expected.extend(values)
    found = [(step.distortion, step.rate, step.kl_weight, step.loss) for step in heard.steps]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert [step.kl_weight for step in heard.steps] == [row[2] for row in expected]  # exactly
    assert [step.step for step in heard.steps] == loop.state.steps["step"] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(loop.state.steps["loss"], np.array(expected)[:, 3], rtol=1e-4)


def test_a_long_record_is_thinned_out_evenly(monkeypatch):
    monkeypatch.setattr(run_state, "KEPT_STEPS", 10)
    loop = made(total_steps=75)
    for epoch in range(25):
        loop.on_epoch_begin(epoch)
        for batch, logs in enumerate(running_means(batches(3, seed=epoch), [8, 8, 6])):
            loop.on_train_batch_end(batch, logs)
    assert loop.state.steps["step"] == list(range(8, 73, 8))
    assert {len(values) for values in loop.state.steps.values()} == {9}


# ---------------------------------------------------------------------- the step size


def schedule(loop: RunCallback, total: int) -> np.ndarray:
    rates = []
    for step in range(total):
        loop.state.step = step
        loop.on_train_batch_begin(step)
        rates.append(loop.vae.optimizer.learning_rate)
    return np.array(rates)


@pytest.mark.parametrize(("total", "warm_up"), [(4000, 100), (200, 10), (10, 1), (1, 1)])
def test_the_step_size_rises_in_a_line_and_falls_along_a_cosine_to_zero(total, warm_up):
    rates = schedule(made(total_steps=total), total)
    steps = np.arange(total)
    expected = 0.01 * np.minimum(1, (steps + 1) / warm_up) * 0.5 * (1 + np.cos(np.pi * steps / total))
    np.testing.assert_allclose(rates, expected, rtol=1e-9)
    if total > 100:
        assert rates.argmax() <= warm_up and 0.0099 < rates.max() <= 0.01
        assert np.all(np.diff(rates[:warm_up]) > 0) and np.all(np.diff(rates[warm_up:]) < 0)
        assert rates[-1] < 1e-3 * rates.max()


def test_a_run_of_some_minutes_warms_up_by_steps_and_falls_with_the_clock(clock):
    loop = made(total_steps=None, minutes=2.0)
    loop.on_train_begin()
    loop.state.step = 49
    assert loop.state.scheduled_rate() == pytest.approx(0.005)
    loop.state.step = 5000
    for seconds, share in ((0, 1.0), (60, 0.5), (90, 0.5 * (1 + np.cos(0.75 * np.pi))), (120, 0.0), (500, 0.0)):
        clock.now = 1000.0 + seconds
        assert loop.state.progress == min(seconds / 120, 1.0)
        assert loop.state.scheduled_rate() == pytest.approx(0.01 * share, abs=1e-12)


# ---------------------------------------------------------------------- between two batches


def test_a_listener_that_waits_between_two_batches_is_not_counted_by_any_clock(clock):
    class Waiting(Recorder):
        def on_batch_begin(self):
            clock.now += 100.0 * (len(self.steps) == 1)  # a pause before the second batch

    heard = Waiting()
    loop = made(heard, total_steps=None, minutes=1.0)
    loop.on_train_begin()
    loop.on_epoch_begin(0)
    for batch, logs in enumerate(running_means(batches(3), [8, 8, 6])):
        loop.on_train_batch_begin(batch)
        clock.now += 2.0
        loop.on_train_batch_end(batch, logs)
    assert [step.seconds for step in heard.steps] == [2.0, 4.0, 6.0]
    assert [step.images_per_second for step in heard.steps] == pytest.approx([4.0, 4.0, 22 / 6])
    assert [step.progress for step in heard.steps] == pytest.approx([2 / 60, 4 / 60, 6 / 60])


# ---------------------------------------------------------------------- the end


def test_a_run_of_some_minutes_ends_with_the_batch_in_which_its_time_is_up(clock):
    loop = made(total_steps=None, minutes=1.0)
    loop.on_train_begin()
    loop.on_epoch_begin(0)
    ended = []
    for batch, logs in enumerate(running_means(batches(3), [8, 8, 6])):
        clock.now += 25.0
        loop.on_train_batch_end(batch, logs)
        ended.append(loop.vae.stop_training)
    assert ended == [False, False, True] and not loop.state.stopped


def test_a_listener_that_wants_to_stop_ends_the_run_after_that_batch():
    loop = made(Recorder(last=2))
    loop.on_epoch_begin(0)
    ended = []
    for batch, logs in enumerate(running_means(batches(3), [8, 8, 6])):
        loop.on_train_batch_end(batch, logs)
        ended.append(loop.vae.stop_training)
    assert ended == [False, True, True] and loop.state.stopped


def test_the_last_step_ends_the_run_without_calling_it_stopped():
    loop = made(total_steps=3)
    loop.on_epoch_begin(0)
    for batch, logs in enumerate(running_means(batches(3), [8, 8, 6])):
        loop.on_train_batch_end(batch, logs)
    assert loop.vae.stop_training and not loop.state.stopped and loop.state.progress == 1.0


@pytest.mark.parametrize(
    ("logs", "term"),
    [
        ({"distortion": np.nan, "rate": 1.0, "loss": np.nan}, "distortion"),
        ({"distortion": np.inf, "rate": 1.0, "loss": np.inf}, "distortion"),
        ({"distortion": 5.0, "rate": np.inf, "loss": np.inf}, "rate"),
    ],
)
def test_a_term_that_is_no_number_is_left_out_and_twenty_in_a_row_end_the_run(logs, term):
    heard = Recorder()
    loop = made(heard, first_step=41)
    loop.on_epoch_begin(0)
    for batch in range(19):
        loop.on_train_batch_end(batch, {**logs, "kl_weight": 0.1})
    assert heard.sentences == [f"the {term} was no finite number at step 42; such a step changes nothing"]
    sentence = rf"^the {term} was no finite number at step 42, nor was a step after it finite up to 61\.$"
    with pytest.raises(Diverged, match=sentence):
        loop.on_train_batch_end(0, {**logs, "kl_weight": 0.1})
    assert loop.state.steps["step"] == [] and heard.steps == [] and loop.state.skipped == 20


def test_a_batch_that_is_left_out_leaves_the_means_of_the_epoch_as_they_were():
    heard, values, nothing = Recorder(), batches(3), {"distortion": np.nan, "rate": 1.0, "loss": np.nan}
    loop = made(heard)
    metrics = [SimpleNamespace(name=name, total=Number(), count=Number()) for name in TERMS]
    loop.vae.metrics = metrics
    loop.on_epoch_begin(0)
    first, second = running_means(values[:2], [8, 8])
    loop.on_train_batch_end(0, first)
    loop.on_train_batch_end(1, nothing)
    for metric, count in zip(metrics, (8, 8, 1, 8), strict=True):
        assert metric.count.value == count and metric.total.value == pytest.approx(count * first[metric.name])
    assert loop.state.skipping
    loop.state.step -= 1  # the means are of two full batches
    loop.on_train_batch_end(2, second)
    assert not loop.state.skipping and loop.state.skipped == 1
    found = [(step.distortion, step.rate, step.loss) for step in heard.steps]
    np.testing.assert_allclose(found, values[:2][:, [0, 1, 3]], rtol=1e-4)


def test_held_out_terms_that_are_no_numbers_end_the_run_before_they_are_told():
    heard = Recorder()
    loop = made(heard)
    loop.evaluation = lambda batches: SimpleNamespace(distortion=np.nan, rate=1.0, loss=np.nan, psnr=np.nan)
    loop.on_epoch_begin(0)
    loop.on_train_batch_end(0, {"distortion": 5.0, "rate": 1.0, "kl_weight": 0.1, "loss": 5.1})
    with pytest.raises(Diverged, match="^the distortion of the held-out pictures was no finite number at step 1\\.$"):
        loop.on_epoch_end(0, {"distortion": 5.0, "rate": 1.0, "loss": 5.1})
    assert heard.records == [] and loop.state.history["epoch"] == []


def test_a_loop_continues_the_step_the_records_and_the_time_of_an_earlier_run(clock):
    heard = Recorder()
    history = {key: [1.0] for key in HISTORY} | {"seconds": [50.0]}
    steps = {key: [9.0] for key in ("step", *TERMS)}
    loop = made(heard, first_step=9, history=history, steps=steps)
    loop.on_train_begin()
    loop.on_epoch_begin(3)
    clock.now += 4.0
    loop.on_train_batch_end(0, running_means(batches(1), [8])[0])
    assert heard.steps[0].step == 10 and heard.steps[0].seconds == 54.0
    assert heard.steps[0].images_per_second == 2.0
    assert loop.state.steps["step"] == [9.0, 10]
