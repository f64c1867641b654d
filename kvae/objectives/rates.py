"""Rates: what the posterior of an image costs against the prior, in nats."""

from typing import Any

from keras import ops

Tensor = Any

# log-variances are bent towards these, never cut: outside them a hard clip would have no gradient
LOG_VAR_BOUNDS = (-20.0, 10.0)


def diagonal_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, exp(log_var)) ‖ N(0, 1)) of each latent dimension, in nats.

    Arguments and result have shape (batch, latent).
    Reference: Kingma & Welling, 2014, arXiv:1312.6114, appendix B.
    """
    return 0.5 * (ops.square(mean) + ops.exp(log_var) - 1.0 - log_var)


def soft_bound(log_var: Tensor) -> Tensor:
    """`log_var` bent smoothly into LOG_VAR_BOUNDS; the identity to 5e-5 from -10 to 0, monotone everywhere.

    Arguments and result have any one shape.
    """
    low, high = LOG_VAR_BOUNDS
    log_var = high - ops.softplus(high - log_var)
    return low + ops.softplus(log_var - low)
