"""The pictures of a run, split and ready, and their Gaussian limit."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from kvae.figures import Limit
from kvae.images.collection import Collection
from kvae.images.pipeline import evaluation_batches
from kvae.images.texture import Statistics
from kvae.measures.gaussian_limit import HeldOut
from kvae.training.evaluation import MOST_PICTURES

SHOWN = 11  # pictures in a row of the figures


@dataclass(frozen=True)
class Prepared:
    """What a run works on; a sweep prepares once and trains several times."""

    collection: Collection
    training: np.ndarray  # indices into the collection
    validation: np.ndarray
    statistics: Statistics  # of the training pictures
    held: HeldOut  # how the linear VAE does on the validation pictures
    device: str
    settings: dict[str, Any]

    @property
    def shown(self) -> np.ndarray:
        """The held-out pictures of the figures, uint8 (n, height, width, channels)."""
        return self.examples(SHOWN)

    def examples(self, count: int) -> np.ndarray:
        """At most `count` held-out pictures, always the same ones, uint8 (n, height, width, channels)."""
        places = np.linspace(0, len(self.validation) - 1, min(count, len(self.validation))).astype(int)
        return self.collection.read(self.validation[places])

    def validation_batches(self) -> Any:
        """The held-out pictures, at most 2048 of them."""
        return evaluation_batches(
            self.collection, self.validation[:MOST_PICTURES], batch_size=self.settings["batch_size"]
        )

    def held_on(self, count: int) -> HeldOut:
        """How the linear VAE does on the pictures that a range of weights is measured on: of the first `count`
        held-out ones whole batches."""
        batch = self.settings["batch_size"]
        seen = self.validation[:MOST_PICTURES][: -(-count // batch) * batch]
        if len(seen) == len(self.validation[:MOST_PICTURES]):
            return self.held
        spectrum = self.statistics.spectrum
        return HeldOut(spectrum.eigenvalues, *spectrum.moments(self.collection.blocks(seen)))

    def limit(self, kl_weight: float) -> Limit:
        """The best linear model at `kl_weight` on the held-out pictures, with as many latents as it can use; at 0 the
        linear autoencoder."""
        point = self.held.at(kl_weight, self.held.directions)
        rate, loss = (0.0, point.distortion) if kl_weight == 0 else (point.rate, point.loss)
        return Limit(point.distortion, rate, loss, point.active, self.held.directions)
