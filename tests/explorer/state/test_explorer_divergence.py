"""KL in both directions by integration, against what is known in closed form."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from explorer.state import divergence as kl
from explorer.state.divergence import Gaussian, Humps


def closed(a: Gaussian, b: Gaussian) -> float:
    ratio = a.deviation / b.deviation
    return 0.5 * (ratio**2 + ((a.mean - b.mean) / b.deviation) ** 2 - 1) - math.log(ratio)


@pytest.mark.parametrize(("a", "b"), [((0, 1), (1, 2)), ((1, 2), (0, 1)), ((-2, 0.3), (-1.5, 0.5)), ((0, 1), (0, 1))])
def test_between_gaussians_it_is_the_closed_form_and_not_symmetric(a, b):
    a, b = Gaussian(*a), Gaussian(*b)
    assert kl.divergence(a, b) == pytest.approx(closed(a, b), abs=1e-6)
    assert a == b or kl.divergence(a, b) != pytest.approx(kl.divergence(b, a), rel=0.1)


@pytest.mark.parametrize("distance", [0.0, 2.0, 6.0])
def test_the_covering_gaussian_has_the_moments_of_the_humps(distance):
    found = kl.covering(Humps(distance))
    middle = (0.5 - kl.LEFT_SHARE) * distance
    assert found.mean == pytest.approx(middle, abs=1e-9)
    variance = kl.HUMP**2 + distance**2 * kl.LEFT_SHARE * (1 - kl.LEFT_SHARE)
    assert found.deviation == pytest.approx(variance**0.5, rel=1e-6)


@pytest.mark.parametrize("start", [-2.0, 2.0])
def test_the_seeking_gaussian_takes_the_hump_that_it_starts_from_and_pays_its_share(start):
    found = kl.seeking(Humps(6.0), Gaussian(start, 1.0))
    assert found.mean == pytest.approx(math.copysign(3.0, start), abs=0.01)
    assert found.deviation == pytest.approx(kl.HUMP, rel=0.01)
    share = kl.LEFT_SHARE if start < 0 else 1 - kl.LEFT_SHARE
    assert kl.divergence(found, Humps(6.0)) == pytest.approx(-math.log(share), abs=0.01)


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.0, 4.0, 6.0])
def test_no_neighbour_of_a_fit_is_better_in_its_own_direction(distance):
    p = Humps(distance)
    seeking, covering = kl.seeking(p, Gaussian(-1.0, 1.0)), kl.covering(p)
    for dx, factor in ((0.05, 1.0), (-0.05, 1.0), (0.0, 1.05), (0.0, 0.95)):
        beside = Gaussian(seeking.mean + dx, seeking.deviation * factor)
        assert kl.divergence(beside, p) > kl.divergence(seeking, p)
        beside = Gaussian(covering.mean + dx, covering.deviation * factor)
        assert kl.divergence(p, beside) > kl.divergence(p, covering)


def test_one_hump_is_a_gaussian_and_both_directions_find_it():
    for found in (kl.seeking(Humps(0.0), Gaussian(2.0, 3.0)), kl.covering(Humps(0.0))):
        assert (found.mean, found.deviation) == pytest.approx((0.0, kl.HUMP), abs=1e-4)


@pytest.mark.parametrize("correlation", [-0.9, 0.0, 0.5, 0.95])
def test_independence_costs_as_many_nats_in_either_direction_and_none_with_a_full_covariance(correlation):
    p, cost = kl.tilted(correlation), -0.5 * math.log(1 - correlation**2)
    assert kl.plane_divergence(kl.narrow(p), p) == pytest.approx(cost, abs=1e-5)
    assert kl.plane_divergence(p, kl.wide(p)) == pytest.approx(cost, abs=1e-5)
    assert kl.plane_divergence(p, p) == pytest.approx(0.0, abs=1e-9)
    assert kl.independence_cost(np.stack([p, 3 * p])) == pytest.approx(cost)
    np.testing.assert_allclose(np.diag(kl.narrow(p)), 1 - correlation**2)


def test_no_other_diagonal_is_better_than_the_narrow_one():
    p = kl.tilted(0.8)
    best = kl.plane_divergence(kl.narrow(p), p)
    for factor in ([1.1, 1.0], [0.9, 1.0], [1.05, 1.05], [0.95, 0.95]):
        assert kl.plane_divergence(kl.narrow(p) * np.diag(factor), p) > best


def test_a_hand_on_the_top_of_a_gaussian_moves_its_mean_and_its_width():
    held = Gaussian(0.0, 1.0).held(1.5, 0.8)
    assert held.mean == 1.5 and held.peak() == pytest.approx(0.8)
    assert Gaussian(0.0, 1.0).held(99.0, -1.0) == Gaussian(8.0, kl.WIDEST)
    assert Gaussian(0.0, 1.0).held(0.0, 1e9).deviation == kl.NARROWEST


def test_the_numbers_of_the_documentation_are_these():
    text = (Path(__file__).parents[3] / "docs" / "what-is-kl.md").read_text("utf-8")
    p = Humps(4.0)
    for name, q in (("q ‖ p", kl.seeking(p, Gaussian(-1.0, 1.0))), ("p ‖ q", kl.covering(p))):
        (row,) = re.findall(rf"\| fitted by KL\({re.escape(name)}\) \|(.*)\|", text)
        values = [f"{value:.2f}" for value in (kl.divergence(q, p), kl.divergence(p, q))]
        assert re.findall(r"[\d.]+", row) == values
    (costs,) = re.findall(r"in either direction: (.*?)\. By", text)
    pairs = re.findall(r"([\d.]+) at (?:ρ = )?([\d.]+)", costs)
    assert len(pairs) == 4
    for cost, correlation in pairs:
        assert f"{kl.independence_cost(kl.tilted(float(correlation))[None]):.2f}" == cost
