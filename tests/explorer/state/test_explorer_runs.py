"""Laws of a run's curves as numbers."""

import csv
import io
import json
import math

import numpy as np
import pytest

import kvae
from explorer.messages import Began, Delivered, EpochEnded, Paused, PicturesReady, RunFailed, Steps, Working
from explorer.state.kept_runs import MOST, from_plain, to_plain
from explorer.state.runs import QUANTITIES, RunCurves, beside, calibrated_weight, csv_text
from explorer.state.smoothing import fresh_starts, smoothed, thinned


def steps(first: int, weights, run: int = 1, distortion=None, rate=None, progress: float = 0.1) -> Steps:
    step = np.arange(first, first + len(weights), dtype=np.float64)
    weights = np.asarray(weights, np.float64)
    distortion = 100.0 / step if distortion is None else np.asarray(distortion, np.float64)
    rate = 10.0 + step if rate is None else np.asarray(rate, np.float64)
    return Steps(run, step, distortion, rate, weights, distortion + weights * rate, step * 0.5, progress, 100.0)


def began(run: int = 1, weight: float = 0.1, total: int | None = 100) -> Began:
    return Began(run, weight, total, 10, 0)


def grown(*messages, settings=None) -> RunCurves:
    run = RunCurves(1, {"kl_weight": 0.1} if settings is None else settings)
    for message in messages:
        run.take(message)
    return run


def test_a_run_keeps_every_batch_in_order_however_they_come_in():
    run = grown(began(), *(steps(first, [0.1] * 700) for first in range(1, 7001, 700)))
    assert len(run.terms) == 7000
    np.testing.assert_array_equal(run.values("distortion"), 100.0 / np.arange(1, 7001))
    np.testing.assert_array_equal(run.x("steps"), np.arange(1, 7001))
    np.testing.assert_allclose(run.values("loss"), run.values("distortion") + run.values("weighted_rate"))


def test_a_turn_is_the_step_at_which_the_weight_became_another():
    run = grown(began(), steps(1, [0.1, 0.1, 0.5, 0.5]), steps(5, [0.5, 2.0]))
    assert [(turn.step, turn.kl_weight) for turn in run.turns] == [(3.0, 0.5), (6.0, 2.0)]


def test_a_weight_in_single_precision_is_no_turn():
    assert grown(began(), steps(1, [float(np.float32(0.1))] * 3)).turns == []


def test_a_weight_turned_before_the_first_batch_is_a_turn_at_it():
    assert [turn.step for turn in grown(began(), steps(1, [0.7, 0.7])).turns] == [1.0]


def test_phases_follow_the_messages():
    run = RunCurves(1, {})
    seen = []
    for message in (Working(1, 3, 10, "pictures"), began(), steps(1, [0.1]), Paused(1)):
        run.take(message)
        seen.append(run.phase)
    run.go_on()
    seen.append(run.phase)
    run.stop()
    run.take(steps(2, [0.1]))
    run.take(Paused(1))
    seen.append(run.phase)
    run.take(Delivered(1, "/m/art.keras", "", True, {"distortion": 5.0}))
    run.stop()
    assert seen == ["preparing", "training", "training", "paused", "training", "stopping"]
    assert (run.phase, run.path, run.stopped, run.progress) == ("done", "/m/art.keras", True, 1.0)


def test_a_failed_run_keeps_its_sentence():
    run = grown(began(), RunFailed(1, "The loss is no number."))
    assert (run.phase, run.sentence, run.is_alive) == ("failed", "The loss is no number.", False)


def test_time_left_is_what_the_share_done_leaves():
    run = grown(began(), steps(1, [0.1] * 20, progress=0.2))
    assert run.seconds_left == pytest.approx(40.0)  # 10 s for a fifth
    assert run.epoch == (2, 10)


def test_x_can_be_steps_epochs_or_seconds():
    run = grown(began(), steps(1, [0.1] * 30))
    assert (run.x("steps")[-1], run.x("epochs")[-1], run.x("time")[-1]) == (30.0, 3.0, 15.0)
    assert (run.x_of(20, "steps"), run.x_of(20, "epochs"), run.x_of(20, "time")) == (20, 2.0, 10.0)


def test_the_nearest_batch_is_found_along_every_x():
    run = grown(began(), steps(1, [0.1] * 30))
    assert [run.nearest(x, "steps") for x in (-5.0, 1.4, 7.6, 99.0)] == [0, 0, 7, 29]
    assert run.nearest(1.94, "epochs") == 18
    assert RunCurves(1, {}).nearest(3.0, "steps") is None
    assert grown(began(), steps(1, [0.1])).nearest(3.0, "steps") == 0


def test_the_limit_is_read_between_its_points_along_the_logarithm_of_the_weight():
    weights = np.array([1.0, 0.01, 0.1])  # in no order
    run = grown(
        PicturesReady(1, "p", 90, 10, "cpu", weights, np.array([30.0, 10.0, 20.0]), np.array([5.0, 50.0, 20.0]))
    )
    assert run.limit is not None
    assert run.limit.at(0.1) == pytest.approx((20.0, 22.0))
    middle = math.sqrt(0.1)
    assert run.limit.at(middle) == pytest.approx((25.0, 25.0 + middle * 12.5))
    assert run.limit.at(5.0) is None and run.limit.at(0.0) is None


def test_a_trainer_without_a_limit_is_no_error():
    empty = np.empty(0)
    assert grown(PicturesReady(1, "p", 90, 10, "cpu", empty, empty, empty)).limit is None


def test_measures_are_of_the_last_epoch_until_the_end_gives_its_own():
    record = {"epoch": 1, "step": 10, "val_distortion": 9.0, "val_rate": 4.0, "val_loss": 9.4, "val_psnr": 20.0}
    run = grown(began(), EpochEnded(1, record))
    assert run.measured("distortion") == 9.0
    run.take(Delivered(1, "/m/art.keras", "", False, {"distortion": 8.0, "rate": 3.0}))
    assert (run.measured("distortion"), run.measured("psnr")) == (8.0, 20.0)
    np.testing.assert_array_equal(run.trajectory(), [[4.0, 3.0], [9.0, 8.0]])


def test_an_autoencoder_has_neither_weight_nor_rate():
    run = grown(
        began(weight=0.0), steps(1, [0.0] * 3, rate=[np.nan] * 3), settings={"autoencoder": True, "kl_weight": 0.1}
    )
    run.take(EpochEnded(1, {"val_distortion": 9.0, "val_rate": None}))
    assert (run.kl_weight, run.measured("rate"), run.turns) == (0.0, None, [])
    assert np.all(np.isnan(run.values("weighted_rate"))) and run.trajectory()[0].size == 0


@pytest.mark.parametrize("span", [2, 10, 300])
def test_smoothing_is_the_debiased_exponential_average(span):
    x = np.random.default_rng(0).normal(50.0, 20.0, 1200)
    decay = 1 - 1 / span
    expected = []
    for k in range(len(x)):
        weights = decay ** np.arange(k, -1, -1.0)
        expected.append(np.sum(weights * x[: k + 1]) / np.sum(weights))
    np.testing.assert_allclose(smoothed(x, span), expected, rtol=1e-9)


def test_smoothing_a_constant_leaves_it_and_a_span_of_one_changes_nothing():
    np.testing.assert_allclose(smoothed(np.full(5000, 3.7), 50), 3.7)
    x = np.array([1.0, 5.0, 2.0])
    np.testing.assert_array_equal(smoothed(x, 1), x)


def test_on_a_log_axis_the_logarithms_are_averaged():
    x = np.array([1.0, 100.0, 10.0, 1e4])
    np.testing.assert_allclose(smoothed(x, 7, log=True), np.exp(smoothed(np.log(x), 7)))
    # two values, decay 1/2: (½·0 + 1·2)/(1½) decades
    assert smoothed(np.array([1.0, 100.0]), 2, log=True)[1] == pytest.approx(10 ** (2 / 1.5))


@pytest.mark.parametrize("log", [False, True])
def test_where_the_weight_is_turned_smoothed_terms_follow_at_once_and_still_add_up(log):
    random = np.random.default_rng(2)
    weights = np.repeat([1.0, 0.02], 30)
    run = grown(began(weight=1.0), steps(1, weights, rate=random.uniform(150, 250, 60)))
    terms = {name: run.smoothed(name, 32, log=log) for name in QUANTITIES}
    np.testing.assert_allclose(terms["weighted_rate"], weights * terms["rate"])
    np.testing.assert_allclose(terms["loss"], terms["distortion"] + terms["weighted_rate"])
    assert terms["rate"][30] == pytest.approx(run.values("rate")[30]), "what came before belongs to another weight"


def test_a_loss_that_is_not_the_sum_of_the_two_terms_is_smoothed_as_it_is():
    run = grown(began(), steps(1, [0.1] * 40))
    run.terms["loss"][:] += np.linspace(0, 50, 40)  # as where the rate is held at a capacity
    np.testing.assert_allclose(run.smoothed("loss", 10), smoothed(run.values("loss"), 10))


def test_what_cannot_stand_on_a_log_axis_is_left_out_and_harms_nothing():
    result = smoothed(np.array([10.0, 0.0, 10.0, np.nan, 10.0]), 4, log=True)
    np.testing.assert_array_equal(np.isnan(result), [False, True, False, True, False])
    np.testing.assert_allclose(result[[0, 2, 4]], 10.0)


def test_thinning_keeps_every_peak_and_the_ends():
    x = np.arange(20_000.0)
    y = np.sin(x / 700)
    y[12_345], y[777] = 9.0, -9.0
    few_x, few_y = thinned(x, y, 2000)
    assert len(few_x) <= 2000
    assert (few_x[0], few_x[-1], few_y.max(), few_y.min()) == (0.0, 19_999.0, 9.0, -9.0)
    assert np.all(np.diff(few_x) > 0)
    np.testing.assert_array_equal(few_y, y[few_x.astype(int)])


@pytest.mark.parametrize("length", [1999, 2000, 2001, 3999, 4001, 5003])
def test_thinning_never_exceeds_what_is_asked_for(length):
    assert len(thinned(np.arange(length), np.random.default_rng(1).random(length), 2000)[0]) <= 2000


def test_thinning_keeps_a_gap_a_gap():
    y = np.ones(10_000)
    y[4000:6000] = np.nan
    x, kept = thinned(np.arange(10_000), y, 200)
    assert np.all(np.isnan(kept[(x > 4100) & (x < 5900)])) and np.any((x > 4100) & (x < 5900))


def test_the_csv_holds_exactly_what_was_appended():
    first, second = grown(began(), steps(1, [0.1] * 3)), RunCurves(2, {"autoencoder": True})
    second.take(began(2, 0.0))
    second.take(steps(1, [0.0] * 2, run=2, rate=[np.nan] * 2))
    rows = list(csv.DictReader(io.StringIO(csv_text([first, second]))))
    assert [(row["run"], row["step"]) for row in rows] == [("1", "1"), ("1", "2"), ("1", "3"), ("2", "1"), ("2", "2")]
    for name in QUANTITIES:
        assert [float(row[name]) for row in rows[:3]] == first.values(name).tolist()
    assert rows[3]["rate"] == "" and float(rows[3]["distortion"]) == 100.0
    assert [float(row["epoch"]) for row in rows[:3]] == [0.1, 0.2, 0.3]


def test_the_calibrated_weight_is_that_of_kvae():
    assert calibrated_weight(9.5, (16, 8, 3)) == kvae.calibrated_weight(9.5, 16 * 8 * 3)


# ---------------------------------------------------------------------- a model for a range of weights


def epoch(number: int, scale: float) -> EpochEnded:
    """An epoch of a model of a range; D, R and L at three weights."""
    record = {"epoch": number, "step": 10 * number, "val_distortion": 20.0, "val_rate": 90.0, "val_loss": 29.0}
    for weight, distortion, rate in (("1", 60.0, 10.0), ("0.1", 20.0, 90.0), ("0.01", 6.0, 600.0)):
        told = {"distortion": distortion, "rate": rate, "loss": scale * (distortion + float(weight) * rate)}
        record |= {f"val_{name}_at_{weight}": value for name, value in told.items()}
    return EpochEnded(1, record)


@pytest.mark.parametrize("setting", [(0.01, 1.0), [0.01, 1.0], "0.01..1"])
def test_a_run_of_a_range_knows_its_weights_and_where_it_stands(setting):
    run = RunCurves(1, {"kl_weight": setting})
    assert run.weight_range == (0.01, 1.0) and run.kl_weight == pytest.approx(0.1)
    run.take(began(weight=0.05))
    assert run.kl_weight == 0.05
    assert RunCurves(1, {"kl_weight": setting, "autoencoder": True}).weight_range is None


def test_batches_of_a_range_have_no_terms_of_one_weight():
    run = grown(began(), steps(1, [0.1] * 9), settings={"kl_weight": (0.01, 1.0)})
    for quantity in QUANTITIES:
        assert np.isnan(run.values(quantity)).all() and np.isnan(run.smoothed(quantity, 3)).all()
    assert [row["loss"] for row in csv.DictReader(io.StringIO(csv_text([run])))] == [""] * 9


def test_the_curve_of_a_range_is_what_was_measured_last():
    run = grown(began(), epoch(1, 1.0), settings={"kl_weight": (0.01, 1.0)})
    np.testing.assert_array_equal(run.curve(), [[10, 90, 600], [60, 20, 6]])
    told = {"distortion_at_1": 55.0, "rate_at_1": 11.0, "loss_at_1": 66.0}
    run.take(Delivered(1, "a.keras", "a.png", False, told))
    np.testing.assert_array_equal(run.curve(), [[11, 90, 600], [55, 20, 6]])


def test_held_out_losses_of_a_range_are_those_of_the_epochs_by_their_weight():
    run = grown(began(), epoch(1, 1.5), epoch(2, 1.0), settings={"kl_weight": (0.01, 1.0)})
    assert list(run.held_out_losses()) == ["0.01", "0.1", "1"]
    for at, losses in run.held_out_losses().values():
        np.testing.assert_array_equal(at, [10, 20])
        assert losses[0] == 1.5 * losses[1]
    assert grown(began()).held_out_losses() == {} and grown(began()).curve()[0].size == 0


# ---------------------------------------------------------------------- where an average begins anew


def test_a_turn_by_hand_begins_every_average_anew_and_draws_no_decay():
    weights = np.repeat([0.1, 1.0], 100)
    run = RunCurves(1, {"kl_weight": 0.1})
    run.take(Began(1, 0.1, 200, 10, 0))
    step, rate = np.arange(1.0, 201), np.where(weights < 1, 200.0, 20.0)
    distortion = np.where(weights < 1, 5.0, 80.0)
    run.take(Steps(1, step, distortion, rate, weights, distortion + weights * rate, step, 0.5, 1.0))
    for log in (False, True):
        for name in ("distortion", "rate", "loss", "weighted_rate"):
            np.testing.assert_allclose(run.smoothed(name, 50, log=log), run.values(name), err_msg=name)


@pytest.mark.parametrize(
    ("weights", "starts"),
    [
        ([], []),
        ([0.1], []),
        ([0.1, 0.1, 0.2, 0.2, 0.2, 0.1, 0.1], [2, 5]),
        ([0.1] * 5 + [0.11] * 5, [5]),
        ([0.1] * 5 + [0.1000001] * 5, []),
        ([0.0] * 3 + [0.1] * 3, [3]),
        (list(0.1 * 1.01 ** np.arange(9)), [1]),  # a schedule that has just begun
        ([0.1] * 3 + list(0.1 * 1.02 ** np.arange(1, 6)) + [0.12] * 3, [3, 8]),  # dragged by hand: its ends
        (list(np.tile(np.linspace(0.5, 1.0, 20), 3)), [1, 20, 40]),  # in cycles: where it leaps back
    ],
)
def test_an_average_begins_anew_at_turns_and_not_all_along_a_schedule(weights, starts):
    assert fresh_starts(np.array(weights, float)).tolist() == starts


# ---------------------------------------------------------------------- on which pictures, and from earlier sessions


def test_runs_are_beside_those_that_learn_from_the_same_pictures_at_the_same_size():
    runs = [RunCurves(1, {"data": "/a", "size": 64}), RunCurves(2, {"data": "/b", "size": 64})]
    runs += [RunCurves(3, {"data": "/a", "size": 32}), RunCurves(4, {"data": "/a", "size": 64})]
    assert beside(runs, 1) == beside(runs, 4) == beside(runs, 0) == {1, 4}
    assert beside(runs, 2) == {2} and beside(runs, 3) == {3} and beside([], 1) == frozenset()


def _delivered(path, **settings) -> RunCurves:
    run = RunCurves(3, {"data": "/a", "size": 64, "kl_weight": 0.1, **settings}, "blue ones")
    run.take(Began(3, 0.1, 200, 10, 0))
    weights = np.repeat([0.1, 1.0], 100)
    step = np.arange(1.0, 201)
    run.take(Steps(3, step, 0 * step, 0 * step, weights, 0 * step, 0.5 * step, 0.5, 1.0))
    run.take(EpochEnded(3, {"epoch": 1, "val_distortion": 12.0, "val_rate": 30.0, "val_loss": 15.0, "val_psnr": None}))
    run.take(Delivered(3, str(path), "", True, {"distortion": 11.0, "rate": 31.0, "loss": 14.1, "psnr": 20.0}))
    return run


def test_a_run_is_remembered_with_all_that_its_row_and_its_point_show(tmp_path):
    path = tmp_path / "art.keras"
    path.touch()
    before = _delivered(path)
    kept = json.loads(json.dumps(to_plain([before, RunCurves(4, {})])))
    (run,) = from_plain(kept).values()
    assert run.number == -1, "this session's own runs come after it"
    assert (run.name, run.path, run.settings, run.phase) == (before.name, before.path, before.settings, "done")
    assert (run.step, run.seconds, run.kl_weight, run.stopped) == (200, 100.0, 1.0, True)
    assert run.turns == before.turns and run.pictures_of == before.pictures_of
    assert [run.measured(name) for name in ("distortion", "rate", "loss", "psnr")] == [11.0, 31.0, 14.1, 20.0]
    np.testing.assert_array_equal(run.trajectory(), before.trajectory())
    assert to_plain([run]) == kept, "and so the next time"
    path.unlink()
    assert from_plain(kept) == {}, "its model is gone"


@pytest.mark.parametrize("damage", [None, "x", [1], [{}], [{"path": 3}], "settings", "evaluated", "epochs", "turns"])
def test_damaged_memories_are_left_out(tmp_path, damage):
    path = tmp_path / "art.keras"
    path.touch()
    kept = to_plain([_delivered(path)])
    if isinstance(damage, str) and damage in kept[0]:
        kept[0][damage] = 7
        damage = kept
    assert from_plain(damage) == {}


def test_no_more_runs_are_remembered_than_a_list_can_hold(tmp_path):
    assert len(to_plain([_delivered(tmp_path / "a.keras")] * 99)) == MOST


def test_the_time_left_goes_by_the_pace_of_late_and_not_by_the_slow_first_batches():
    run = RunCurves(1, {})
    run.take(Began(1, 0.1, 400, 10, 0))
    step = np.arange(1.0, 101)
    seconds = 60.0 + 0.5 * step  # a minute until the first batch
    run.take(Steps(1, step, step, step, 0.1 + 0 * step, step, seconds, 0.25, 1.0))
    assert run.seconds_left == pytest.approx(150.0)
    timed = RunCurves(2, {"minutes": 5.0})
    timed.take(Began(2, 0.1, None, 10, 0))
    timed.take(Steps(2, step, step, step, 0.1 + 0 * step, step, seconds, 0.2, 1.0))
    assert timed.seconds_left == pytest.approx(300.0 - 110.0)
