"""Every rate against its closed form or a value that is known."""

import numpy as np
import pytest
from keras import ops

from kvae.objectives.base import BatchSample, Diagonal, Posterior
from kvae.objectives.batch_norm import BatchNormalised
from kvae.objectives.delta import CommittedRate, highest_log_var
from kvae.objectives.dip import DipOne, DipTwo
from kvae.objectives.full import FullCovariance, strictly_lower
from kvae.objectives.likelihoods import EDGE, absolute_error, cross_entropy
from kvae.objectives.mmd import InfoVae, mmd
from kvae.objectives.total_correlation import TotalCorrelation, decompose


def tensor(values):
    return ops.convert_to_tensor(np.asarray(values, "float32"))


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


# ---------------------------------------------------------------------- full covariance


def test_full_covariance_of_a_diagonal_factor_is_the_diagonal_rate():
    mean, log_var = tensor(normal(0, 5, 4)), tensor(normal(1, 5, 4))
    full = FullCovariance().rates(Posterior(mean, log_var, ops.zeros((5, 4, 4))))
    np.testing.assert_array_equal(full, Diagonal().rates(Posterior(mean, log_var)))


def test_full_covariance_is_the_kl_of_two_gaussians():
    mean, diagonal, entries = normal(0, 6, 3), 0.5 * normal(1, 6, 3), normal(2, 6, 3)
    factor = np.asarray(strictly_lower(tensor(entries), 3))
    found = FullCovariance().rates(Posterior(tensor(mean), tensor(2 * diagonal), tensor(factor)))
    triangle = factor + np.exp(diagonal)[:, :, None] * np.eye(3)
    covariance = triangle @ triangle.transpose(0, 2, 1)
    expected = 0.5 * (np.trace(covariance, axis1=1, axis2=2) + (mean**2).sum(1) - 3 - np.linalg.slogdet(covariance)[1])
    np.testing.assert_allclose(np.sum(found, axis=1), expected, rtol=1e-5)


@pytest.mark.parametrize("size", [2, 3, 4, 9])
def test_every_entry_stands_once_below_the_diagonal_and_nothing_elsewhere(size):
    count = size * (size - 1) // 2
    found = np.asarray(strictly_lower(tensor([np.arange(1, count + 1)] * 2), size))
    below = found[:, *np.tril_indices(size, -1)]
    np.testing.assert_array_equal(np.sort(below), [np.arange(1, count + 1)] * 2)
    np.testing.assert_array_equal(np.triu(found), 0)


def test_draws_have_the_covariance_of_the_factor_and_the_marginals_that_are_told():
    factor = strictly_lower(tensor([[0.7, -0.4, 0.9]]), 3)
    one = Posterior(tensor([[1.0, 2.0, 3.0]]), tensor([[0.0, -1.0, 0.5]]), factor)
    many = Posterior(*(ops.repeat(part, 40000, axis=0) for part in (one.mean, one.log_var, one.factor)))
    draws = np.asarray(FullCovariance().sample(many, tensor(normal(3, 40000, 3))))
    triangle = np.asarray(factor)[0] + np.diag(np.exp([0.0, -0.5, 0.25]))
    np.testing.assert_allclose(np.cov(draws.T), triangle @ triangle.T, atol=0.05)
    np.testing.assert_allclose(np.exp(one.marginal_log_var)[0], np.diag(triangle @ triangle.T), rtol=1e-5)


def test_one_latent_has_no_covariance_to_learn():
    assert FullCovariance().layers(1, 10) == []


def test_full_covariance_beats_the_diagonal_where_the_true_posterior_is_correlated():
    # x = W z + noise: the posterior precision I + WᵀW/s is far from diagonal
    decoder, level = np.array([[2.0, 1.8], [0.1, 0.2]]), 0.5
    precision = np.eye(2) + decoder.T @ decoder / level
    covariance = np.linalg.inv(precision)
    triangle = np.linalg.cholesky(covariance)
    full = Posterior(
        tensor([[0.0, 0.0]]), tensor([2 * np.log(np.diag(triangle))]), tensor([[[0, 0], [triangle[1, 0], 0]]])
    )
    # the best diagonal posterior has the inverse of the precision's diagonal (reverse KL)
    diagonal = Posterior(tensor([[0.0, 0.0]]), tensor([-np.log(np.diag(precision))]))

    def bound(rate, spread) -> float:
        return float(np.sum(rate)) + 0.5 * np.trace(decoder @ spread @ decoder.T) / level

    tight = bound(FullCovariance().rates(full), covariance)
    loose = bound(Diagonal().rates(diagonal), np.diag(1 / np.diag(precision)))
    assert tight < loose - 0.5
    # and the difference is KL(diagonal ‖ true posterior)
    gap = 0.5 * (np.sum(np.log(np.diag(precision))) - np.linalg.slogdet(precision)[1])
    assert loose - tight == pytest.approx(gap, rel=1e-4)


# ---------------------------------------------------------------------- the rate taken apart


def test_the_three_parts_add_up_to_the_rate():
    deviation, count = np.array([1.2, 0.8, 0.1]), 1024
    mean, log_var = normal(0, count, 3) * deviation, np.log([0.2, 0.5, 0.9]) * np.ones((count, 3))
    latents = mean + np.exp(0.5 * log_var) * normal(1, count, 3)
    rate = float(np.mean(np.sum(Diagonal().rates(Posterior(tensor(mean), tensor(log_var))), axis=1)))
    parts = decompose(tensor(latents), tensor(mean), tensor(log_var))
    # one draw of each posterior: an error of a few hundredths of a nat
    assert sum(map(float, parts)) == pytest.approx(rate, abs=0.1)
    # the known Gaussians: q(z) is N(0, deviation² + variance) with independent dimensions
    variance = deviation**2 + np.array([0.2, 0.5, 0.9])
    assert float(parts.mutual_information) == pytest.approx(0.5 * np.sum(np.log(variance / [0.2, 0.5, 0.9])), abs=0.1)
    assert abs(float(parts.total_correlation)) < 0.1
    assert float(parts.dimension_wise_kl) == pytest.approx(0.5 * np.sum(variance - 1 - np.log(variance)), abs=0.1)


def test_dependent_latents_have_the_total_correlation_of_their_gaussian():
    count, noise, correlation = 1024, 0.1, 0.9
    triangle = np.linalg.cholesky([[1.0, correlation], [correlation, 1.0]])
    mean, log_var = normal(0, count, 2) @ triangle.T, np.log(noise) * np.ones((count, 2))
    latents = mean + np.sqrt(noise) * normal(1, count, 2)
    overall = correlation / (1 + noise)
    found = float(decompose(tensor(latents), tensor(mean), tensor(log_var)).total_correlation)
    assert found == pytest.approx(-0.5 * np.log(1 - overall**2), abs=0.1)


def test_the_published_weights_shift_the_parts_by_constants_and_leave_their_sum():
    arguments = [tensor(normal(seed, 16, 3)) for seed in range(3)]
    plain, published = decompose(*arguments), decompose(*arguments, pictures=1000)
    assert sum(map(float, published)) == pytest.approx(sum(map(float, plain)), abs=1e-3)
    shift = np.log(1000)
    for one, other, by in zip(plain, published, (1, 2, -3), strict=True):
        assert float(other) - float(one) == pytest.approx(by * shift, abs=1e-3)


def test_total_correlation_adds_its_own_part_alone():
    mean, log_var, latents = (tensor(normal(seed, 8, 3)) for seed in range(3))
    sample = BatchSample(Posterior(mean, log_var), latents, None, tensor(0.0))
    total = decompose(latents, mean, log_var).total_correlation
    assert float(TotalCorrelation(tc_weight=6.0).extra_penalty(sample)) == pytest.approx(5.0 * float(total), rel=1e-5)
    assert float(TotalCorrelation(tc_weight=1.0).extra_penalty(sample)) == 0.0


# ---------------------------------------------------------------------- MMD


def test_mmd_is_unbiased_on_equal_distributions():
    found = [float(mmd(tensor(normal(2 * n, 64, 3)), tensor(normal(2 * n + 1, 64, 3)))) for n in range(200)]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 3 * error and error < 1e-3
    assert 0.2 < np.mean(np.array(found) < 0) < 0.8


def test_mmd_is_its_sum_over_pairs_and_sees_a_shift():
    first, second = normal(0, 6, 2), normal(1, 6, 2) + 2.0

    def kernel(a, b):
        return 4.0 / (4.0 + np.square(a - b).sum())

    within = sum(
        kernel(sample[i], sample[j]) for sample in (first, second) for i in range(6) for j in range(6) if i != j
    )
    across = sum(kernel(a, b) for a in first for b in second)
    expected = within / 30 - 2 * across / 36
    assert float(mmd(tensor(first), tensor(second))) == pytest.approx(expected, abs=1e-5) and expected > 0.1


def test_of_one_pair_mmd_says_nothing():
    assert float(mmd(tensor(normal(0, 1, 3)), tensor(normal(1, 1, 3)))) == 0.0


def test_info_vae_weighs_the_discrepancy_and_takes_back_a_share_of_the_rate():
    latents, prior = tensor(normal(0, 8, 3) + 1), tensor(normal(1, 8, 3))
    sample = BatchSample(Posterior(latents, latents), latents, prior, tensor(4.0))
    found = float(InfoVae(information=0.25, mmd_weight=10.0).extra_penalty(sample))
    assert found == pytest.approx(9.25 * float(mmd(latents, prior)) - 1.0, rel=1e-5)


# ---------------------------------------------------------------------- DIP


def test_dip_is_its_formula():
    mean, log_var = normal(0, 50, 3) @ normal(5, 3, 3), normal(1, 50, 3)
    sample = BatchSample(Posterior(tensor(mean), tensor(log_var)), tensor(mean), None, tensor(0.0))
    one = np.cov(mean.T, bias=True)
    two = one + np.diag(np.exp(log_var).mean(0))
    for method, matrix, diagonal in ((DipOne(dip_weight=2.0), one, 20.0), (DipTwo(dip_weight=2.0), two, 2.0)):
        off = matrix - np.diag(np.diag(matrix))
        expected = 2.0 * np.sum(off**2) + diagonal * np.sum((np.diag(matrix) - 1) ** 2)
        assert float(method.extra_penalty(sample)) == pytest.approx(expected, rel=1e-4)


# ---------------------------------------------------------------------- against collapse


@pytest.mark.parametrize("rate", [1e-4, 0.05, 1.0, 8.0])
def test_the_highest_log_variance_costs_the_committed_rate(rate):
    bound = highest_log_var(rate)
    assert bound < 0 and 0.5 * (np.exp(bound) - 1 - bound) == pytest.approx(rate, rel=1e-6)


def test_delta_keeps_every_rate_above_the_committed_one():
    method, mean = CommittedRate(committed_rate=2.0), tensor(np.zeros((3, 4)))
    for log_var in (-9.0, 0.0, 10.0, 100.0):
        posterior = method.posterior([], None, mean, tensor(np.full((3, 4), log_var)), False)
        assert np.all(np.sum(method.rates(posterior), axis=1) >= 2.0 - 1e-4)
    assert float(np.sum(method.rates(posterior), axis=1)[0]) == pytest.approx(2.0, rel=1e-3)


def test_batch_normalised_means_have_their_spread_and_its_rate():
    method = BatchNormalised(bn_scale=0.5)
    layers = method.layers(4, 10)
    mean, log_var = tensor(1e-2 * normal(0, 64, 4) + 3), tensor(np.zeros((64, 4)))
    posterior = method.posterior(layers, None, 1000 * mean, log_var, True)
    np.testing.assert_allclose(np.std(posterior.mean, axis=0), 0.5, rtol=1e-3)
    assert float(np.mean(np.sum(method.rates(posterior), axis=1))) == pytest.approx(4 * 0.25 / 2, rel=1e-3)


# ---------------------------------------------------------------------- likelihoods


def test_absolute_error_and_cross_entropy_are_their_sums():
    images, guesses = np.random.default_rng(0).uniform(0.05, 0.95, (2, 3, 4, 4, 2))
    np.testing.assert_allclose(
        absolute_error(tensor(images), tensor(guesses)), np.abs(images - guesses).sum((1, 2, 3)), rtol=1e-5
    )
    expected = -(images * np.log(guesses) + (1 - images) * np.log(1 - guesses)).sum((1, 2, 3))
    np.testing.assert_allclose(cross_entropy(tensor(images), tensor(guesses)), expected, rtol=1e-5)


def test_cross_entropy_of_a_guess_outside_the_unit_interval_is_finite_and_leads_back():
    image = tensor(np.full((1, 1, 1, 1), 0.3))
    values = [float(cross_entropy(image, tensor(np.full((1, 1, 1, 1), guess)))[0]) for guess in (-3, -1, 0, EDGE, 0.3)]
    assert np.all(np.isfinite(values)) and np.all(np.diff(values) < 0)
    values = [float(cross_entropy(image, tensor(np.full((1, 1, 1, 1), guess)))[0]) for guess in (0.3, 1 - EDGE, 1, 2)]
    assert np.all(np.isfinite(values)) and np.all(np.diff(values) > 0)
