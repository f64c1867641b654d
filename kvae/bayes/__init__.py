"""Networks whose weights have a distribution: the same loss as a VAE's, with the same weight on its KL term.

The loss of one example is −log p(y given x, w) + λ·KL(q(w) ‖ p(w))/N, with w drawn from q and N the number of examples.
λ = 1 is Bayes, whatever the batch; λ < 1 is a cold posterior.

    >>> import keras
    >>> from kvae import bayes
    >>> network = keras.Sequential([keras.Input((1,)), bayes.MeanFieldDense(8, "tanh"), bayes.MeanFieldDense(1)])
    >>> model = bayes.BayesianModel(network, kl_weight=0.1)
    >>> model.compile("adam", loss=bayes.gaussian_nll(noise=0.1))
    >>> model.kl_weight = 1.0  # between any two batches

Reference: Blundell et al., 2015, "Weight Uncertainty in Neural Networks", arXiv:1505.05424.
"""

from kvae.bayes.exact import LinearPosterior, linear_regression
from kvae.bayes.layers import MeanFieldConv2D, MeanFieldDense
from kvae.bayes.model import BayesianModel, gaussian_nll

__all__ = [
    "BayesianModel",
    "LinearPosterior",
    "MeanFieldConv2D",
    "MeanFieldDense",
    "gaussian_nll",
    "linear_regression",
]
