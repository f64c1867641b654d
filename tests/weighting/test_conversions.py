"""The KL weight as noise, and other tools' weights as ours: the published factors."""

import math

import numpy as np
import pytest

from kvae.weighting.conversions import REDUCTIONS, calibrated_weight, decoder_noise, kl_weight_from

SHAPE, LATENT = (64, 64, 3), 128


@pytest.mark.parametrize(
    ("weight", "reduction", "ours"),
    [
        (0.4, "sum", 0.4),
        (1.0, "half-sum", 2.0),
        (0.00025, "mean", 3.072),
        (1.0, "mean-mean", 96.0),
        (0.5, "mean-channels", 1.5),
    ],
)
def test_a_weight_of_another_tool_is_the_published_factor_times_it(weight, reduction, ours):
    assert kl_weight_from(weight, reduction=reduction, image_shape=SHAPE, latent_dim=LATENT) == pytest.approx(ours)


# each tool's own loss of one image from squared errors (h, w, c) and per-dimension KL (latent,), and what it is times
# ours
LOSSES = {
    "sum": (lambda error, kl, weight: error.sum() + weight * kl.sum(), 1),
    "half-sum": (lambda error, kl, weight: 0.5 * error.sum() + weight * kl.sum(), 1 / 2),
    "mean": (lambda error, kl, weight: error.mean() + weight * kl.sum(), 1 / (6 * 5 * 3)),
    "mean-mean": (lambda error, kl, weight: error.mean() + weight * kl.mean(), 1 / (6 * 5 * 3)),
    "mean-channels": (lambda error, kl, weight: error.mean(-1).sum() + weight * kl.sum(), 1 / 3),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_our_loss_at_the_converted_weight_is_a_multiple_of_the_other_tool_s(reduction):
    random = np.random.default_rng(6)
    their_loss, factor = LOSSES[reduction]
    ours = kl_weight_from(0.7, reduction=reduction, image_shape=(6, 5, 3), latent_dim=10)
    for _ in range(3):
        error, kl = random.random((6, 5, 3)), random.random(10)
        assert factor * (error.sum() + ours * kl.sum()) == pytest.approx(their_loss(error, kl, 0.7))


def test_an_unknown_reduction_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"one of sum, half-sum, mean.*Received: reduction='bce'"):
        kl_weight_from(1.0, reduction="bce", image_shape=SHAPE, latent_dim=LATENT)


def test_the_weight_is_twice_the_squared_noise():
    assert decoder_noise(1.0) == pytest.approx(0.7071, abs=1e-4)
    assert decoder_noise(0.1) == pytest.approx(0.2236, abs=1e-4)
    assert decoder_noise(0.0) == 0.0
    for weight in (1e-4, 0.3, 7.0):
        assert 2 * decoder_noise(weight) ** 2 == pytest.approx(weight)


def test_the_calibrated_weight_is_twice_the_error_per_value():
    assert calibrated_weight(0.015 * 12288, 12288) == pytest.approx(0.03)
    # its noise is the root mean squared error
    assert decoder_noise(calibrated_weight(300.0, 12288)) == pytest.approx(math.sqrt(300.0 / 12288))


def test_the_calibrated_noise_makes_the_reconstructions_most_likely():
    distortion, values = 40.0, 768

    def nll(weight: float) -> float:
        variance = decoder_noise(weight) ** 2
        return distortion / (2 * variance) + values / 2 * math.log(2 * math.pi * variance)

    best = calibrated_weight(distortion, values)
    assert all(nll(best) < nll(best * factor) for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0))
