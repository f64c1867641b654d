"""kvae: what happens when the KL term of a variational autoencoder is scaled against the reconstruction term.

The public names are imported on first use, so that `import kvae` costs nothing.
"""

import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kvae.images.collection import Collection, open_collection
    from kvae.measures.gaussian_limit import water_filling
    from kvae.model.exporting import export
    from kvae.model.vae import VAE
    from kvae.saving.reader import load, save
    from kvae.sweeps.index import open_sweep
    from kvae.sweeps.sweep import sweep
    from kvae.training.audit import Audit, audit
    from kvae.training.measuring import measure
    from kvae.training.run import train
    from kvae.weighting.conversions import calibrated_weight, decoder_noise, kl_weight_from

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())  # nothing is printed unless a program asks for it

_HOMES = {
    "VAE": "model.vae",
    "Audit": "training.audit",
    "audit": "training.audit",
    "Collection": "images.collection",
    "calibrated_weight": "weighting.conversions",
    "decoder_noise": "weighting.conversions",
    "export": "model.exporting",
    "kl_weight_from": "weighting.conversions",
    "load": "saving.reader",
    "measure": "training.measuring",
    "open_collection": "images.collection",
    "open_sweep": "sweeps.index",
    "save": "saving.reader",
    "sweep": "sweeps.sweep",
    "train": "training.run",
    "water_filling": "measures.gaussian_limit",
}
__all__ = [
    "VAE",
    "Audit",
    "Collection",
    "__version__",
    "audit",
    "calibrated_weight",
    "decoder_noise",
    "export",
    "kl_weight_from",
    "load",
    "measure",
    "open_collection",
    "open_sweep",
    "save",
    "sweep",
    "train",
    "water_filling",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kvae' has no attribute {name!r}")
    value = getattr(import_module(f"kvae.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _RegisterWithKeras:
    """An import hook: `keras.models.load_model` finds classes by registered name, so once both kvae and keras are
    imported, in either order, keras must know `kvae.VAE`; and importing kvae must not import keras."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: Any) -> None:
                execute(module)
                # a part of kvae that is itself being imported asks for keras: what needs that part cannot come first
                parts = [part for name, part in sys.modules.items() if name.startswith(f"{__name__}.")]
                if not any(getattr(part.__spec__, "_initializing", False) for part in parts):
                    import_module("kvae.model.vae")

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


if "keras" in sys.modules:
    import_module("kvae.model.vae")
else:
    sys.meta_path.insert(0, _RegisterWithKeras())
