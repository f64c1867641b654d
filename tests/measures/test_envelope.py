"""The envelope test on curves that are optimal, and on one that is not."""

import numpy as np
import pytest

from kvae.measures.envelope import envelope
from kvae.measures.gaussian_limit import water_filling
from kvae.measures.results import Measured, envelope_between

EIGENVALUES = np.array([4, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02])
WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0)


def curve(weights=WEIGHTS, pictures=50, noise=0.0):
    """D and R (weights, pictures) of the linear VAE; pictures differ by `noise`, the same at every weight."""
    points = [water_filling(EIGENVALUES, weight, 8) for weight in weights]
    spread = 1.0 + noise * np.random.default_rng(0).standard_normal(pictures)
    return tuple(np.outer([getattr(one, name) for one in points], spread) for name in ("distortion", "rate"))


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_an_optimal_curve_is_consistent_at_all_its_weights(noise):
    found = envelope(WEIGHTS, *curve(noise=noise))
    assert found.consistent and found.short == (0.0,) * 5
    assert found.verdict == "consistent from 0.01 to 1"


def test_a_loss_above_what_another_coder_pays_is_told_in_percent_and_named():
    distortions, rates = curve()
    reached = distortions[1] + 0.01 * rates[1]  # what the coder of 0.03 pays at 0.01
    distortions[0] = 1.04 * reached - 0.01 * rates[0]
    found = envelope(WEIGHTS, distortions, rates)
    assert found.short[0] == pytest.approx(0.04) and found.short[1:] == (0.0,) * 4
    assert found.better == (0.03, None, None, None, None)
    assert found.verdict == (
        "consistent from 0.03 to 1; at 0.01, 4% short of its own curve, which the coder of 0.03 reaches"
    )


def test_the_test_is_the_law_that_slopes_lie_between_the_rates():
    random, seen = np.random.default_rng(2), set()
    for _ in range(200):
        distortions, rates = (part * random.uniform(0.8, 1.25, (2, 1)) for part in curve((0.1, 0.3), pictures=2))
        low, high = (distortions + np.array([[0.1], [0.3]]) * rates).mean(1)
        slope = (high - low) / (0.3 - 0.1)
        outside = max(rates[1].mean() - slope, slope - rates[0].mean()) * (0.3 - 0.1)  # in units of the loss
        lawful = bool(outside <= 0)
        seen.add(lawful)
        if lawful or outside > 2e-3 * high:
            assert envelope((0.1, 0.3), distortions, rates).consistent == lawful
    assert seen == {True, False}


def test_what_the_scatter_of_pictures_explains_is_no_finding():
    distortions, rates = curve(pictures=30)
    reached = distortions[1] + 0.01 * rates[1]
    distortions[0] = reached - 0.01 * rates[0] + np.random.default_rng(4).normal(0.0, 0.5 * reached)
    found = envelope(WEIGHTS, distortions, rates)
    assert np.mean(distortions[0] + 0.01 * rates[0]) != pytest.approx(np.mean(reached))
    assert found.short[0] == 0.0


def test_one_weight_is_nothing_to_test_between():
    with pytest.raises(ValueError, match="needs at least two different ones"):
        envelope([0.1], np.ones((1, 3)), np.ones((1, 3)))
    alone = Measured("a", 0.1, distortions=np.ones(3), rates=np.ones(3))
    assert envelope_between([alone]) is None
    assert envelope_between([alone, Measured("b", None, distortions=np.ones(3))]) is None


def test_the_verdict_names_single_weights_where_the_good_ones_are_not_neighbours():
    distortions, rates = curve()
    distortions[2] *= 4.0
    assert envelope(WEIGHTS, distortions, rates).verdict.startswith("consistent at 0.01, 0.03, 0.3, 1; at 0.1, ")
