"""The rate-distortion curve of one model of many weights, as its card tells it."""

from dataclasses import replace

import numpy as np
import pytest

from explorer.messages import ModelInfo
from explorer.state.weight_curve import WeightCurve

WEIGHTS = (0.01, 0.0316, 0.1, 0.316, 1.0)


def told(weights=WEIGHTS, distortion=lambda w: 300 * w**0.5, rate=lambda w: 20 / w) -> dict[str, float]:
    """What a card says of D and R at `weights`."""
    found = {"distortion": 1.0}
    for weight in weights:
        found |= {f"distortion_at_{weight:g}": distortion(weight), f"rate_at_{weight:g}": rate(weight)}
    return found


def curve_of(info: ModelInfo, **measured) -> WeightCurve:
    curve = WeightCurve.of(replace(info, evaluated=told(**measured)))
    assert curve is not None
    return curve


def test_the_curve_goes_through_its_points_and_stops_at_its_ends(model_info: ModelInfo):
    curve = curve_of(model_info)
    for weight in WEIGHTS:
        assert curve.at(weight) == pytest.approx((300 * weight**0.5, 20 / weight))
    assert curve.at(5.0) == curve.at(1.0) and curve.at(0.0) == curve.at(0.01)


def test_powers_of_the_weight_are_straight_between_the_points(model_info: ModelInfo):
    curve = curve_of(model_info)
    for weight in (0.02, 0.05, 0.7):
        assert curve.at(weight) == pytest.approx((300 * weight**0.5, 20 / weight), rel=1e-6)


def test_the_curve_never_turns_back_where_its_points_do_not(model_info: ModelInfo):
    steps = dict(zip(WEIGHTS, (1.0, 1.01, 50.0, 50.1, 900.0), strict=True))
    weights, rates, distortions = curve_of(model_info, distortion=steps.__getitem__).line()
    assert np.all(np.diff(distortions) > 0) and np.all(np.diff(rates) < 0) and np.all(np.diff(weights) > 0)


def test_the_calibrated_weight_is_where_it_equals_twice_the_error_of_a_pixel_value(model_info: ModelInfo):
    curve = curve_of(model_info, distortion=lambda w: 16 * 16 * 3 * 0.05 * (w / 0.1) ** 0.5)
    star = curve.calibrated()
    assert star == pytest.approx(0.1, rel=1e-6)
    assert 2 * curve.at(star)[0] / (16 * 16 * 3) == pytest.approx(star, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_a_calibrated_weight_beyond_the_curve_is_none(model_info: ModelInfo, scale):
    assert curve_of(model_info, distortion=lambda w: scale * 16 * 16 * 3 * 0.05 * (w / 0.1) ** 0.5).calibrated() is None


def test_in_the_middle_of_a_training_the_last_epoch_tells_the_curve(model_info: ModelInfo):
    history = {"epoch": [1, 2]} | {f"val_{name}": [9.0, value] for name, value in told().items()}
    curve = WeightCurve.of(replace(model_info, evaluated={}, history=history))
    assert curve is not None and curve.at(0.1) == pytest.approx((300 * 0.1**0.5, 200.0))


@pytest.mark.parametrize(
    "evaluated",
    [
        {},
        told(weights=(0.1,)),
        told(rate=lambda w: None),
        {"distortion_at_x": 1.0, "rate_at_x": 1.0},
    ],
)
def test_a_model_of_one_weight_or_with_a_strange_card_has_no_curve(model_info: ModelInfo, evaluated):
    assert WeightCurve.of(replace(model_info, evaluated=evaluated)) is None
