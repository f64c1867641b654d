"""Bayesian linear regression at any KL weight: the closed form, and mean-field layers that are trained to it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate

from kvae import bayes

NOISE, COUNT, SCALE = 0.5, 40, 1.5
WEIGHTS = (0.1, 1.0, 10.0)


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    inputs = random.standard_normal((COUNT, 3)) @ np.array([[1.0, 0.4, 0.0], [0.0, 0.8, 0.3], [0.0, 0.0, 0.5]])
    targets = inputs @ np.array([1.0, -0.5, 0.3]) + NOISE * random.standard_normal(COUNT)
    return inputs.astype("float32"), targets.astype("float32")


def solved(data, kl_weight: float) -> bayes.LinearPosterior:
    return bayes.linear_regression(*data, noise=NOISE, prior_scale=SCALE, kl_weight=kl_weight)


def test_the_exact_loss_is_the_tempered_evidence():
    # L*(λ) = −λ log ∫ p(w) p(y given w)^(1/λ) dw / N, here with one weight by quadrature
    random = np.random.default_rng(1)
    inputs, targets = random.standard_normal((5, 1)), random.standard_normal(5)

    def density(w: float, kl_weight: float) -> float:
        log_likelihood = np.sum(-0.5 * np.square((targets - inputs[:, 0] * w) / NOISE)) - 5 * np.log(
            NOISE * np.sqrt(2 * np.pi)
        )
        return np.exp(-0.5 * (w / SCALE) ** 2 + log_likelihood / kl_weight) / (SCALE * np.sqrt(2 * np.pi))

    for kl_weight in (0.3, 1.0, 4.0):
        evidence = integrate.quad(density, -9, 9, args=(kl_weight,), points=[0.0, 0.5])[0]
        found = bayes.linear_regression(inputs, targets, noise=NOISE, prior_scale=SCALE, kl_weight=kl_weight)
        assert found.exact_loss == pytest.approx(-kl_weight * np.log(evidence) / 5, rel=1e-5)
        # with one weight, mean field is exact
        assert (found.loss, found.kl) == pytest.approx((found.exact_loss, found.exact_kl))


@pytest.mark.parametrize("kl_weight", WEIGHTS)
def test_the_derivative_of_the_best_loss_by_the_weight_is_the_kl(data, kl_weight):
    step = 1e-4 * kl_weight
    before, here, after = (solved(data, weight) for weight in (kl_weight - step, kl_weight, kl_weight + step))
    assert (after.loss - before.loss) / (2 * step) == pytest.approx(here.kl / COUNT, rel=1e-4)
    assert (after.exact_loss - before.exact_loss) / (2 * step) == pytest.approx(here.exact_kl / COUNT, rel=1e-4)
    assert here.loss >= here.exact_loss


@pytest.mark.parametrize("temperature", WEIGHTS)
def test_tempering_prior_and_likelihood_is_the_weight_with_a_wider_prior(data, temperature):
    # (p(w) p(y given w))^(1/T): likelihood at λ = T, and the prior N(0, s²)^(1/T), which is N(0, T·s²)
    found = bayes.linear_regression(*data, noise=NOISE, prior_scale=SCALE * np.sqrt(temperature), kl_weight=temperature)
    x, y = (np.asarray(part, "float64") for part in data)
    precision = (x.T @ x / NOISE**2 + np.eye(3) / SCALE**2) / temperature
    np.testing.assert_allclose(found.precision, precision, rtol=1e-9)
    np.testing.assert_allclose(found.mean, np.linalg.solve(precision, x.T @ y / NOISE**2) / temperature, rtol=1e-9)


def test_mean_field_overestimates_the_spread_of_predictions_and_more_so_at_high_weights(data):
    ratios = []
    for kl_weight in WEIGHTS:
        found = solved(data, kl_weight)
        mean_field, exact = found.predictive(data[0])
        ratios.append(mean_field.mean() / exact.mean())
        assert np.all(found.variances <= np.diag(np.linalg.inv(found.precision)) * (1 + 1e-9))
    assert ratios == sorted(ratios) and ratios[0] > 1.0


@pytest.mark.parametrize("kl_weight", WEIGHTS)
def test_a_trained_layer_is_the_closed_form(data, kl_weight):
    keras.utils.set_random_seed(0)
    layer = bayes.MeanFieldDense(1, use_bias=False, prior_scale=SCALE, initial_scale=0.2, seed=1)
    model = bayes.BayesianModel(keras.Sequential([keras.Input((3,)), layer]), kl_weight)
    steps = 3000
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.05, steps)),
        bayes.gaussian_nll(NOISE),
        steps_per_execution=100,
    )
    # each example several times, with noise of its own: a better estimate of the same gradient
    inputs, targets = np.tile(data[0], (150, 1)), np.tile(data[1], 150)[:, None]
    once = tf.data.Dataset.from_tensors((inputs, targets)).repeat()
    model.fit(once, dataset_size=COUNT, steps_per_epoch=steps, verbose=0)
    best = solved(data, kl_weight)
    mean = keras.ops.convert_to_numpy(layer.kernel_mean)[:, 0].astype("float64")
    variances = np.exp(2 * keras.ops.convert_to_numpy(layer.kernel_log_scale)[:, 0].astype("float64"))
    np.testing.assert_allclose(mean, best.mean, rtol=0.01, atol=0.01 * np.sqrt(best.variances.max()))
    np.testing.assert_allclose(variances, best.variances, rtol=0.01)
    assert model.kl() == pytest.approx(best.kl, rel=0.01)
