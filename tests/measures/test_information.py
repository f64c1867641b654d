"""The parts of the rate, for channels whose mutual information is known."""

import math

import numpy as np
import pytest

from kvae.measures.coder import Codes
from kvae.measures.information import AT_ONCE, fitted_prior, information, log_densities


def channel(gains, noises, pictures=1500, shift=0.0, factor=None, seed=0):
    """Posteriors N(gain·x + shift, noise²) of standard normal x, one latent for each gain."""
    random = np.random.default_rng(seed)
    gains, noises = np.asarray(gains, "float64"), np.asarray(noises, "float64")
    mean = gains * random.standard_normal((pictures, len(gains))) + shift
    log_var = np.broadcast_to(2 * np.log(noises), mean.shape)
    drawn = mean + noises * random.standard_normal(mean.shape)
    rates = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var)
    return Codes(*(part.astype("float32") for part in (mean, log_var, drawn, rates)), factor)


@pytest.mark.parametrize(("gain", "noise"), [(1.0, 1.0), (0.5, 1.0), (2.0, 0.5)])
def test_a_gaussian_channel_carries_half_the_log_of_one_plus_its_signal_to_noise(gain, noise):
    found = information(channel([gain], [noise]))
    assert found.mutual == pytest.approx(0.5 * math.log(1 + gain**2 / noise**2), abs=0.05)
    total = gain**2 + noise**2  # q(z) is a Gaussian of this variance
    marginal = 0.5 * (total - 1 - math.log(total))
    assert found.marginal == pytest.approx(marginal, abs=0.12)
    assert found.marginal_least == pytest.approx(marginal, abs=0.1)


def test_two_channels_carry_the_sum_and_a_dead_latent_nothing():
    one = information(channel([1.0], [1.0])).mutual
    assert information(channel([1.0, 1.0, 0.0], [1.0, 1.0, 1.0])).mutual == pytest.approx(2 * one, abs=0.1)
    assert information(channel([0.0], [1.0])).mutual == pytest.approx(0.0, abs=1e-6)


def test_the_parts_add_up_to_the_rate_and_the_first_stays_below_the_log_of_the_pictures():
    codes = channel([1.0] * 40, [0.1] * 40, pictures=100, shift=0.5)
    found = information(codes)
    assert found.mutual + found.marginal == pytest.approx(codes.rates.sum(1).mean(), rel=1e-5)
    assert found.mutual == pytest.approx(math.log(100), abs=1e-6) and found.ceiling == math.log(100)


def test_a_fitted_prior_brackets_a_large_rate_that_few_pictures_cannot_part():
    variances = np.full(300, 0.3**2 + 0.1**2)  # q(z) is a Gaussian of these
    marginal = float(np.sum(0.5 * (0.5**2 + variances - 1 - np.log(variances))))
    found = information(channel([0.3] * 300, [0.1] * 300, pictures=200, shift=0.5))
    assert found.marginal_least == pytest.approx(marginal, rel=0.05)
    assert found.marginal_least < marginal < found.marginal


def test_a_prior_fitted_where_there_is_nothing_to_fit_saves_nothing():
    aggregate = channel([0.8] * 2000, [0.6] * 2000, pictures=100)  # 0.8² + 0.6² = 1: q(z) is the prior
    assert 0.0 <= fitted_prior(aggregate) < 0.002 * aggregate.rates.sum(1).mean()


def test_densities_of_more_latents_than_are_taken_at_once_are_those_of_each_pair():
    codes = channel([1.0] * (AT_ONCE + 300), [0.05] * (AT_ONCE + 300), pictures=5, shift=3.0)
    found = log_densities(codes)
    for draw, posterior in ((0, 0), (1, 3), (4, 2)):
        spread, mean = np.exp(0.5 * codes.log_var[posterior].astype("float64")), codes.mean[posterior].astype("float64")
        away = (codes.latents[draw].astype("float64") - mean) / spread
        expected = np.sum(-0.5 * away**2 - np.log(spread) - 0.5 * math.log(2 * math.pi))
        assert found[draw, posterior] == pytest.approx(expected, rel=1e-6)


def test_a_full_covariance_is_measured_whole():
    diagonal = channel([1.0, 0.7], [0.5, 0.8], pictures=60)
    nothing = Codes(*list(vars(diagonal).values())[:4], np.zeros((60, 2, 2), "float32"))
    np.testing.assert_allclose(log_densities(nothing), log_densities(diagonal), rtol=1e-5, atol=1e-5)
    lower = np.zeros((60, 2, 2), "float32")
    lower[:, 1, 0] = 0.6
    tilted = log_densities(Codes(*list(vars(diagonal).values())[:4], lower))
    whole = np.array([[0.5, 0.0], [0.6, 0.8]])
    away = np.linalg.solve(whole, (diagonal.latents[7] - diagonal.mean[9]).astype("float64"))
    expected = -0.5 * away @ away - math.log(0.5 * 0.8) - math.log(2 * math.pi)
    assert tilted[7, 9] == pytest.approx(expected, rel=1e-5)
