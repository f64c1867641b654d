"""kvae: what happens when the KL term of a variational autoencoder is scaled against the reconstruction term.

The public names are imported on first use, so that `import kvae` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import wrapt

if TYPE_CHECKING:
    from kvae.images.collection import Collection, open_collection
    from kvae.measures.gaussian_limit import water_filling
    from kvae.model import VAE
    from kvae.saving import load, save
    from kvae.training.run import train
    from kvae.training.sweep import sweep
    from kvae.weighting.conversions import calibrated_weight, decoder_noise, kl_weight_from

__version__ = "0.1.0"

_HOMES = {
    "VAE": "model",
    "Collection": "images.collection",
    "calibrated_weight": "weighting.conversions",
    "decoder_noise": "weighting.conversions",
    "kl_weight_from": "weighting.conversions",
    "load": "saving",
    "open_collection": "images.collection",
    "save": "saving",
    "sweep": "training.sweep",
    "train": "training.run",
    "water_filling": "measures.gaussian_limit",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kvae' has no attribute {name!r}")
    value = getattr(import_module(f"kvae.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


@wrapt.when_imported("keras")
def _register(_: Any) -> None:
    # keras.models.load_model finds the class by its registered name, so it must know it once both are imported
    import_module("kvae.model")
