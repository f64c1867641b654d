"""Bayesian linear regression at any KL weight, in closed form: what mean-field layers are held against."""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LinearPosterior:
    """q(w) of a linear regression at one KL weight, exact and as the best mean field.

    mean: (features,), of both. precision: (features, features) of the exact one. variances: (features,) of the mean
    field. Of the mean field: `kl` in nats; `loss` per example, E[−log p(y given x, w)] + λ·KL/N; of the exact one:
    `exact_kl`, `exact_loss`.
    """

    mean: np.ndarray
    precision: np.ndarray
    variances: np.ndarray
    kl: float
    loss: float
    exact_kl: float
    exact_loss: float

    def predictive(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Variances (count,) of the noiseless prediction at `inputs` (count, features): of mean field and exact."""
        inputs = np.asarray(inputs, "float64")
        exact = np.einsum("ni,ij,nj->n", inputs, np.linalg.inv(self.precision), inputs)
        return np.square(inputs) @ self.variances, exact


def linear_regression(
    inputs: np.ndarray, targets: np.ndarray, *, noise: float, prior_scale: float = 1.0, kl_weight: float = 1.0
) -> LinearPosterior:
    """The minimum over Gaussians q of E_q[−log p(y given X, w)]/N + λ·KL(q ‖ p)/N.

    With prior N(0, s²I) and noise σ² the exact q_λ has the precision Λ = XᵀX/(λσ²) + I/s² and the mean Λ⁻¹Xᵀy/(λσ²);
    the best mean field has the same mean, and the variances 1/diag(Λ). Both obey dL*/dλ = KL/N.

    Args:
        inputs, targets: (count, features), (count,).
        noise: σ, the deviation of the targets.
        prior_scale: s. kl_weight: λ, above 0.

    Reference: Aitchison, 2021, arXiv:2008.05912, for λ as a tempered likelihood.
    """
    if not (kl_weight > 0 and noise > 0 and prior_scale > 0):
        raise ValueError(
            "linear_regression: `kl_weight`, `noise` and `prior_scale` must be above 0. "
            f"Received: {kl_weight!r}, {noise!r}, {prior_scale!r}."
        )
    x, y = np.asarray(inputs, "float64"), np.asarray(targets, "float64").reshape(-1)
    count, features = x.shape
    precision = x.T @ x / (kl_weight * noise**2) + np.eye(features) / prior_scale**2
    mean = np.linalg.solve(precision, x.T @ y) / (kl_weight * noise**2)
    variances = 1.0 / np.diag(precision)

    def measured(covariance: np.ndarray) -> tuple[float, float]:
        misfit = np.sum(np.square(y - x @ mean)) + np.trace(x.T @ x @ covariance)
        nll = misfit / (2 * noise**2) + count * math.log(noise * math.sqrt(2 * math.pi))
        spread = (np.trace(covariance) + mean @ mean) / prior_scale**2
        kl = 0.5 * (spread - features + 2 * features * math.log(prior_scale) - np.linalg.slogdet(covariance)[1])
        return float(kl), float((nll + kl_weight * kl) / count)

    kl, loss = measured(np.diag(variances))
    exact_kl, exact_loss = measured(np.linalg.inv(precision))
    return LinearPosterior(mean, precision, variances, kl, loss, exact_kl, exact_loss)
