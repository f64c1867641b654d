"""Every rate and every likelihood, by name."""

from kvae.objectives.base import Rate
from kvae.objectives.batch_norm import BatchNormalised
from kvae.objectives.delta import CommittedRate
from kvae.objectives.diagonal import Diagonal
from kvae.objectives.dip import DipOne, DipTwo
from kvae.objectives.full import FullCovariance
from kvae.objectives.likelihoods import Likelihood, absolute_error, cross_entropy, squared_error
from kvae.objectives.mmd import InfoVae
from kvae.objectives.total_correlation import TotalCorrelation

RATES: dict[str, type[Rate]] = {
    "diagonal": Diagonal,
    "full": FullCovariance,
    "tc": TotalCorrelation,
    "mmd": InfoVae,
    "dip-i": DipOne,
    "dip-ii": DipTwo,
    "bn": BatchNormalised,
    "delta": CommittedRate,
}
LIKELIHOODS: dict[str, Likelihood] = {
    "squared-error": Likelihood(
        squared_error, "D = Σ(x - x̂)²; β = 2σ² of a Gaussian decoder", "Kingma & Welling 2014, arXiv:1312.6114"
    ),
    "laplace": Likelihood(
        absolute_error, "D = Σ|x - x̂|; β = b, the scale of a Laplace decoder", "Laplace 1774; the least absolute error"
    ),
    "bernoulli": Likelihood(
        cross_entropy,
        "D = -Σ(x·log x̂ + (1 - x)·log(1 - x̂)) in nats; β = 1 is the evidence bound",
        "Kingma & Welling 2014, arXiv:1312.6114, appendix C.1",
    ),
}
