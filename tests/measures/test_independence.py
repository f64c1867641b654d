"""What independence costs, where it is known."""

import numpy as np
import pytest

from kvae.measures.independence import independence_cost, precisions

RANDOM = np.random.default_rng(3)
MATRIX = RANDOM.standard_normal((5, 48)).astype("float32")
MEANS, DEVIATIONS = RANDOM.standard_normal((3, 5)).astype("float32"), np.full((3, 5), 0.3, "float32")


def linear(latents):
    return (latents @ MATRIX).reshape(-1, 4, 4, 3)


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.85, 0.99])
def test_two_latents_with_a_correlation_lose_what_the_docs_say(correlation):
    precision = np.linalg.inv(np.array([[1.0, correlation], [correlation, 1.0]]))
    assert independence_cost(precision[None])[0] == pytest.approx(-0.5 * np.log(1 - correlation**2), abs=1e-12)


def test_no_diagonal_gaussian_comes_nearer_than_the_one_that_loses_this():
    """KL(q ‖ p) of many diagonal q, by its formula."""
    precision = np.eye(5) + 2.0 / 0.1 * (MATRIX @ MATRIX.T)[:5, :5]
    best = 1.0 / np.diag(precision)
    cost = independence_cost(precision[None])[0]

    def loss(variances):
        trace = np.sum(np.diag(precision) * variances)
        return 0.5 * (trace - 5 - np.sum(np.log(variances)) - np.linalg.slogdet(precision)[1])

    assert loss(best) == pytest.approx(cost)
    assert all(loss(best * np.exp(0.3 * RANDOM.standard_normal(5))) > cost for _ in range(50))


def test_a_linear_decoder_has_its_own_precision_at_every_code_and_weight():
    for weight in (1.0, 0.1):
        found = precisions(linear, MEANS, DEVIATIONS, weight, np.arange(5))
        exact = np.eye(5) + 2.0 / weight * MATRIX.astype("float64") @ MATRIX.T
        np.testing.assert_allclose(found, np.repeat(exact[None], 3, axis=0), rtol=1e-4, atol=1e-2)


def test_some_of_the_latents_lose_no_more_than_all_of_them():
    costs = [
        independence_cost(precisions(linear, MEANS, DEVIATIONS, 0.1, np.arange(count)))[0] for count in range(1, 6)
    ]
    assert costs[0] == pytest.approx(0.0, abs=1e-9) and np.all(np.diff(costs) > 0)


def test_orthogonal_ways_lose_nothing():
    rotated = np.linalg.qr(RANDOM.standard_normal((48, 5)))[0].T.astype("float32") * np.arange(1, 6)[:, None]
    found = precisions(lambda z: z @ rotated, MEANS, DEVIATIONS, 0.01, np.arange(5))
    assert independence_cost(found).max() < 1e-6
