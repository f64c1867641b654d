"""Numbers as text, and sentences that are true of their numbers."""

import math

import numpy as np
import pytest

from kvae.figures.records import SweepRun
from kvae.figures.wording import (
    calibration,
    conclusion,
    duration,
    findings,
    heading,
    number,
    row,
    share,
    turning_point,
)
from kvae.measures.bounds import NOISES, evidence_bound
from kvae.weighting.conversions import bits_per_dimension, calibrated_weight


def made(kl_weight, distortion, rate, *, calibrated=0.02, limit=False, name=None, path=None):
    return SweepRun(
        name=name or f"KL weight {kl_weight}", kl_weight=kl_weight, distortion=distortion, rate=rate,
        loss=distortion + (kl_weight or 0) * (rate or 0), psnr=20.0, active=3, latent_dim=8,
        sigma=math.sqrt((kl_weight or 0) / 2), calibrated=calibrated, gaussian_limit=limit,
        decoded_path=path,
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


# ---------------------------------------------------------------------- the paragraph at the end


def of_768(kl_weight, distortion, rate, **more):
    """A run on pictures of 768 values."""
    return made(kl_weight, distortion, rate, calibrated=calibrated_weight(distortion, 768), **more)


def test_bits_are_those_of_the_evidence_bound_at_the_noise_of_the_errors():
    bound = evidence_bound(
        NOISES["squared-error"], np.full(3, 20.0), np.full(3, 45.0), 768, calibrated_weight(20.0, 768)
    )
    assert bits_per_dimension(20.0, 45.0, 768) == pytest.approx(bound.bits)
    assert of_768(0.1, 20.0, 45.0).bits == pytest.approx(bound.bits)
    assert of_768(None, 20.0, None).bits is None and made(0.1, math.nan, 1.0).bits is None


def test_the_conclusion_says_what_the_lowest_weight_bought_and_what_it_cost():
    runs = [of_768(1.0, 40.0, 10.0, path=1.05), of_768(0.1, 20.0, 50.0, path=1.2), of_768(0.01, 10.0, 250.0, path=1.6)]
    exchange, scale, smooth = conclusion([*runs, made(None, 5.0, None), made(1.0, 39.0, 12.0, limit=True)])
    assert exchange == (
        "Turning the weight from 1 down to 0.01 lowered the distortion by 75%, for 240 nats more per picture."
    )
    bits = {run.kl_weight: run.bits for run in runs}
    best, worst = min(bits, key=bits.get), max(bits, key=bits.get)
    assert f"best described at weight {best:g}, {bits[best]:.2f} bits per dimension" in scale
    assert f"worst at weight {worst:g}, {bits[worst]:.2f}." in scale
    assert (
        "got longer, and so less smooth, as the weight fell: 1.05 times the straight line at weight 1, 1.60" in smooth
    )


def test_the_conclusion_is_as_true_where_a_low_weight_bought_nothing():
    exchange, scale, smooth = conclusion([of_768(1.0, 20.0, 10.0, path=1.5), of_768(0.1, 25.0, 10.0, path=1.1)])
    assert "did not lower the distortion of these models: 20, then 25" in exchange
    assert "best described at weight 1," in scale and "got shorter, and so smoother, as the weight fell" in smooth
    same = conclusion([of_768(1.0, 20.0, 10.0, path=1.301), of_768(0.1, 20.0, 10.0, path=1.304)])
    assert "all these weights are alike" in same[1] and "as smooth at both ends" in same[2]


def test_the_conclusion_leaves_out_what_was_not_measured():
    assert conclusion([]) == [] and conclusion([made(None, 5.0, None)]) == []
    (alone,) = conclusion([of_768(0.1, 20.0, 45.0)])
    assert alone.startswith("The evidence bound at the noise that its errors call for is, at weight 0.1, ")
    assert [text[:20] for text in conclusion([of_768(1.0, 20.0, 10.0), of_768(0.1, 15.0, 30.0)])] == [
        "Turning the weight f", "On the one scale of ",
    ]  # fmt: skip
