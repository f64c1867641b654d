"""The diagonal Gaussian posterior: the VAE as it was published."""

from dataclasses import dataclass
from typing import ClassVar

from kvae.objectives.base import Rate


@dataclass(frozen=True)
class Diagonal(Rate):
    """R = ½Σ(μ² + σ² - 1 - log σ²) in nats."""

    KEEPS_CONSTANT: ClassVar[str] = "the evidence bound, with independent latents"
    REFERENCE: ClassVar[str] = "Kingma & Welling 2014, arXiv:1312.6114"
