"""The rate of a diagonal Gaussian posterior, and the soft bound of its log-variance."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kvae.objectives.base import LOG_VAR_BOUNDS, diagonal_kl, soft_bound


def rate(mean, log_var) -> np.ndarray:
    return ops.convert_to_numpy(
        diagonal_kl(ops.convert_to_tensor(mean, "float32"), ops.convert_to_tensor(log_var, "float32"))
    )


def bound(values) -> np.ndarray:
    return ops.convert_to_numpy(soft_bound(ops.convert_to_tensor(values, "float32")))


@pytest.mark.parametrize(("mean", "log_var"), [(0.0, -3.0), (1.5, 0.0), (-2.0, 1.0), (0.3, -6.0), (3.0, 0.7)])
def test_the_rate_is_the_integral_of_q_times_log_q_over_p(mean, log_var):
    deviation = np.exp(0.5 * log_var)
    z = mean + deviation * np.linspace(-12, 12, 20001)
    log_q = -0.5 * (((z - mean) / deviation) ** 2 + log_var + np.log(2 * np.pi))
    log_p = -0.5 * (z**2 + np.log(2 * np.pi))
    exact = np.sum(np.exp(log_q) * (log_q - log_p)) * (z[1] - z[0])
    assert rate([[mean]], [[log_var]])[0, 0] == pytest.approx(exact, rel=1e-5)


def test_the_rate_is_zero_at_the_prior_and_above_it_elsewhere():
    np.testing.assert_array_equal(rate(np.zeros((2, 3)), np.zeros((2, 3))), 0.0)
    means, log_vars = np.meshgrid(np.linspace(-3, 3, 31), np.linspace(-8, 3, 45))
    rates = rate(means, log_vars)
    away = np.abs(means) + np.abs(log_vars) > 1e-6
    assert rates[away].min() > 0


def test_each_dimension_has_its_own_rate_in_nats():
    # halving the standard deviation costs ln 2 nats, less what the narrower posterior saves
    rates = rate([[0.0, 2.0, 0.0]], [[2 * np.log(0.5), 0.0, 0.0]])
    np.testing.assert_allclose(rates, [[np.log(2) + 0.5 * (0.25 - 1), 2.0, 0.0]], rtol=1e-6)


def test_the_soft_bound_is_the_identity_in_its_range():
    values = np.linspace(-10, 0, 1001)
    np.testing.assert_allclose(bound(values), values, atol=5e-5)


def test_the_soft_bound_is_monotone_and_keeps_to_its_bounds():
    bent = bound(np.linspace(-200, 200, 4001))
    assert np.all(np.diff(bent) >= 0)
    assert LOG_VAR_BOUNDS[0] <= bent.min() < LOG_VAR_BOUNDS[0] + 1e-3
    assert LOG_VAR_BOUNDS[1] >= bent.max() > LOG_VAR_BOUNDS[1] - 1e-3
    assert np.all(np.isfinite(bound([-1e30, 1e30])))


def test_the_soft_bound_never_loses_its_gradient():
    values = tf.constant(np.linspace(-30, 30, 121), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(values)
        bent = soft_bound(values)
    gradient = tape.gradient(bent, values).numpy()
    assert gradient.dtype == np.float32 and gradient.min() > 0 and gradient.max() <= 1
    # where the bounds are far away it passes the gradient on as it is
    np.testing.assert_allclose(gradient[40:61], 1, atol=1e-4)
