"""Numbers as text, and sentences that are true of their numbers."""

import math

import pytest

from kvae.figures.records import SweepRun
from kvae.figures.wording import calibration, duration, findings, heading, number, row, share, turning_point


def made(kl_weight, distortion, rate, *, calibrated=0.02, limit=False, name=None):
    return SweepRun(
        name=name or f"KL weight {kl_weight}", kl_weight=kl_weight, distortion=distortion, rate=rate,
        loss=distortion + (kl_weight or 0) * (rate or 0), psnr=20.0, active=3, latent_dim=8,
        sigma=math.sqrt((kl_weight or 0) / 2), calibrated=calibrated, gaussian_limit=limit,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (1, "1"), (0.2236, "0.224"), (0.004714, "0.00471"), (12345.6, "12,346"), (100.0, "100"),
     (0, "0"), (math.nan, "–"), (None, "–"), (9.999, "10"), (1e-9, "1.00e-09")],
)  # fmt: skip
def test_number_is_short_and_true(value, text):
    assert number(value) == text


def test_duration_names_two_units():
    assert [duration(s) for s in (3.5, 48, 725, 10_920, None)] == ["3.5 s", "48 s", "12 min 5 s", "3 h 2 min", "–"]


def test_heading_names_the_weight_of_least_distortion_and_its_price():
    text = heading([made(1, 200, 10), made(0.1, 100, 60), made(1e9, 1, 1, limit=True), made(None, 5, None)])
    assert (
        text
        == "KL weight 0.1 rebuilds the pictures best: 50% less distortion than weight 1, for 50 nats more per picture"
    )


def test_heading_says_so_when_a_larger_weight_won():
    text = heading([made(1, 100, 60), made(0.1, 200, 90)])
    assert text.startswith("KL weight 1 rebuilds") and "30 nats less" in text


def test_a_run_without_numbers_is_named_and_left_out():
    runs = [made(1, 200, 10), made(0.1, math.nan, math.nan, name="burst"), made(0.01, 150, 80)]
    assert "weight 0.01 rebuilds" in heading(runs)
    assert any("left out" in text and "burst" in text for text in findings(runs))
    assert heading(runs[1:2]) == "No run with a KL weight ended in numbers"
    assert heading([]) and findings([]) == []


def test_findings_call_a_weight_too_large_only_where_it_is():
    told = " ".join(findings([made(1, 200, 10), made(0.02, 100, 60), made(0.001, 90, 90)]))
    assert "weight 1 assumed more noise" in told and "weight 0.001 assumed less noise" in told
    assert "σ = 0.707" in told and "β* of 0.02" in told


def test_findings_say_whether_the_trade_was_orderly():
    assert "buys less error" in findings([made(1, 200, 10), made(0.1, 100, 60)])[0]
    assert "stopped short" in findings([made(1, 100, 10), made(0.1, 120, 60)])[0]


def test_findings_compare_with_the_gaussian_limit_of_the_same_weight_only():
    told = " ".join(findings([made(1, 90, 10), made(1, 190, 10, limit=True), made(0.5, 1, 1, limit=True)]))
    assert "50% below it at β = 1" in told and "0.5" not in told.split("linear model")[1]


def test_an_autoencoder_has_no_rate_noise_or_active_dimensions():
    cells = row(made(None, 62.8, 0.0))
    assert cells["D"] == "62.8" and {cells[key] for key in ("R", "βR", "active", "σ")} == {"–"}


VALUES = 1000  # of a picture


def curve(distortion, weights=(0.01, 0.1, 1.0)):
    """A model whose D at the weight β is `distortion(β)`, measured at `weights`."""
    return [made(w, distortion(w), 10 / w, calibrated=2 * distortion(w) / VALUES) for w in weights]


@pytest.mark.parametrize("order", [1, -1])
def test_the_turning_point_is_where_the_weight_is_that_of_its_own_errors(order):
    runs = curve(lambda weight: 50.0 + 0 * weight)[::order]  # β* is 0.1 everywhere
    found = turning_point([*runs, made(0.03, 1, 1, limit=True)])
    assert found.kl_weight == pytest.approx(0.1) and found.rate == pytest.approx(100) and found.distortion == 50
    assert calibration(runs) == "◇ β* 0.1: there σ is the error that is made"


def test_the_turning_point_lies_on_the_way_between_two_measured_weights():
    runs = curve(lambda weight: 100 * weight**0.25)
    found = turning_point(runs)
    assert found.kl_weight == pytest.approx(2 * found.distortion / VALUES)
    low, high = runs[1], runs[2]
    place = (found.distortion - low.distortion) / (high.distortion - low.distortion)
    assert 0 < place < 1 and found.rate == pytest.approx(low.rate + place * (high.rate - low.rate))
    assert found.kl_weight == pytest.approx(0.1 * 10**place, rel=1e-3)


@pytest.mark.parametrize(
    ("distortion", "words"), [(1.0, "below 0.01: at each of these weights the error is less than σ"),
                              (5000.0, "above 1: at each of these weights the error is more than σ")],
)  # fmt: skip
def test_a_calibrated_weight_outside_of_the_range_is_said_to_be_there(distortion, words):
    runs = curve(lambda _: distortion)
    assert turning_point(runs) is None and calibration(runs) == f"β* lies {words}"


def test_the_share_of_a_loss_is_that_below_or_above_the_best_linear_model():
    assert [share(*pair) for pair in ((90, 100), (110, 100), (100.2, 100), (math.nan, 1))] == [
        "−10%",
        "+10%",
        "level",
        "–",
    ]
