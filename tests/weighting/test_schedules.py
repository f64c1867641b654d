"""Schedules against their formula at chosen steps, and penalties against theirs."""

import math

import numpy as np
import pytest
from keras import ops

from kvae.model.methods import WEIGHTINGS
from kvae.weighting.base import Constant, Observed
from kvae.weighting.calibrated import Calibrated, Learned
from kvae.weighting.capacity import Capacity
from kvae.weighting.cyclical import Cyclical
from kvae.weighting.free_bits import FreeBits
from kvae.weighting.geco import Geco
from kvae.weighting.pi import ProportionalIntegral
from kvae.weighting.warm_up import WarmUp


def seen(distortion=30.0, rates=(1.0, 0.1, 0.4), given=0.3, extra=0.0, trained=None, values=100) -> Observed:
    tensor = lambda value: ops.convert_to_tensor(value, "float32")  # noqa: E731
    return Observed(
        tensor(given),
        tensor(distortion),
        tensor(rates),
        tensor(extra),
        trained if trained is None else tensor(trained),
        values,
    )


def state(*numbers: float):
    return ops.convert_to_tensor(numbers, "float32")


def weight_at(method, step: float) -> float:
    return float(method.weight(state(step), seen()))


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_the_first_number_of_a_state_is_the_step(name):
    method = WEIGHTINGS[name]()
    now = method.start()
    for step in range(3):
        assert not now or now[0] == step
        now = tuple(map(float, method.update(state(*now), seen()))) if now else now


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (1, 1e-3), (250, 0.25), (999, 0.999), (1000, 1.0), (9999, 1.0)])
def test_linear_warm_up_is_its_formula(step, share):
    assert weight_at(WarmUp(kl_weight=3.0, ramp_steps=1000), step) == pytest.approx(3.0 * share, rel=1e-6)


@pytest.mark.parametrize("step", [0, 1000, 2500, 4000, 5000, 9000])
def test_logistic_warm_up_has_the_published_middle_and_slope(step):
    expected = 0.1 / (1.0 + math.exp(-0.0025 * (step - 2500)))
    assert weight_at(WarmUp(ramp="logistic"), step) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("step", [0, 1, 12, 124, 125, 130, 249, 250, 251, 500, 874, 999, 1000, 2**20 + 60])
def test_cyclical_is_its_formula(step):
    within = (step * 4 / 1000) % 1.0
    expected = 2.0 * min(1.0, within / 0.5)
    assert weight_at(Cyclical(kl_weight=2.0, ramp_steps=1000), step) == pytest.approx(expected, abs=1e-5)


def test_a_cycle_begins_on_its_step_whatever_the_numbers():
    for steps, cycles in ((1000, 3), (777, 7), (20000, 4)):
        method = Cyclical(ramp_steps=steps, cycles=cycles)
        assert weight_at(method, steps) == 0.0


@pytest.mark.parametrize("step", [0, 40, 100, 500])
def test_capacity_is_its_formula_of_the_batch_mean(step):
    method = Capacity(capacity=5.0, capacity_weight=7.0, ramp_steps=100)
    now, batch = state(step), seen(rates=(1.0, 0.5), extra=0.25)
    allowed = 5.0 * min(1.0, step / 100)
    weight = method.weight(now, batch)
    assert float(method.penalty(weight, now, batch)) == pytest.approx(7.0 * abs(1.75 - allowed))
    assert float(method.effective(weight, now, batch)) == 7.0 * np.sign(1.75 - allowed)


def test_free_bits_are_the_greater_of_the_bits_and_the_batch_mean_of_each_dimension():
    method, batch = FreeBits(free_bits=0.4), seen(rates=(1.0, 0.1, 0.4, 0.0), given=0.3)
    assert float(method.penalty(batch.given, state(), batch)) == pytest.approx(0.3 * (1.0 + 0.4 + 0.4 + 0.4))
    assert float(method.effective(batch.given, state(), batch)) == pytest.approx(0.3 * 1.0 / 1.5)


def test_a_constant_weight_is_the_one_that_is_given():
    assert float(Constant().weight(state(), seen(given=0.625))) == 0.625
    assert float(Constant().penalty(ops.convert_to_tensor(2.0), state(), seen(extra=0.5))) == pytest.approx(4.0)


def test_calibrated_is_twice_the_mean_squared_error():
    assert float(Calibrated().weight(state(0), seen(distortion=30.0, values=100))) == pytest.approx(0.6)


@pytest.mark.parametrize("kl_weight", [1e-4, 0.1, 2.0, 50.0])
def test_the_learned_noise_starts_at_the_weight_that_is_set(kl_weight):
    method = Learned(kl_weight=kl_weight)
    assert float(method.weight(state(0), seen(trained=method.trained()))) == pytest.approx(kl_weight, rel=1e-3)


def test_the_learned_noise_is_bounded_below_and_stays_finite_where_no_weight_is_set():
    method = Learned(kl_weight=0.0)
    assert math.isfinite(method.trained())
    for trained in (-1e4, -50.0, method.trained()):
        assert float(method.weight(state(0), seen(trained=trained))) >= 2 * math.exp(-12.0) * 0.999


def test_pi_is_its_formula_while_it_is_within_its_range():
    method = ProportionalIntegral(
        target_rate=2.0, proportional_gain=0.5, integral_gain=0.01, lowest_weight=0.1, highest_weight=9.0
    )
    now, total = state(*method.start()), 0.0
    for rate in (3.0, 5.0, 4.0, 1.5, 2.5):
        now = method.update(now, seen(rates=(rate,)))
        error = 2.0 - rate
        total += error
        expected = 0.5 / (1 + math.exp(error)) - 0.01 * total + 0.1
        assert float(method.weight(now, seen())) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("far", "back", "bound"), [(0.0, 210.0, 0.0), (5000.0, 190.0, 1.0)])
def test_pi_does_not_wind_up(far, back, bound):
    method = ProportionalIntegral(target_rate=200.0, integral_gain=0.01)
    now = state(*method.start())
    for _ in range(50):
        now = method.update(now, seen(rates=(far,)))
    assert float(method.weight(now, seen())) == pytest.approx(bound, abs=1e-5)
    # the error turns, and so does the weight, at once
    now = method.update(now, seen(rates=(back,)))
    assert abs(float(method.weight(now, seen())) - bound) == pytest.approx(0.1, rel=0.2)


def test_geco_is_its_formula():
    method = Geco(kl_weight=0.5, target_distortion=20.0, constraint_rate=0.1, averaging=0.9)
    now, weight, average = state(*method.start()), 0.5, None
    for distortion in (30.0, 25.0, 18.0, 10.0):
        assert float(method.weight(now, seen())) == pytest.approx(weight, rel=1e-5)
        now = method.update(now, seen(distortion=distortion))
        error = (distortion - 20.0) / 20.0
        average = error if average is None else 0.9 * average + 0.1 * error
        weight *= math.exp(-0.1 * average)


def test_geco_stays_within_its_published_bounds():
    method = Geco(constraint_rate=10.0)
    for distortion, bound in ((1e9, 1e-10), (0.0, 1e10)):
        now = state(*method.start())
        for _ in range(40):
            now = method.update(now, seen(distortion=distortion))
        assert float(method.weight(now, seen())) == pytest.approx(bound, rel=1e-3)
