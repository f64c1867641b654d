"""What a model is called before it is there: after its pictures and its weight. No Qt."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from explorer.safe_text import file_name


def model_name(settings: Mapping[str, Any]) -> str:
    """The name of the file that a run with these `settings` is to leave, without an ending: "paintings 0.1"."""
    data = str(settings.get("data") or "paintings")
    path = PurePath(data)
    pictures = file_name(path.stem if path.suffix.lower() in (".h5", ".hdf5", ".npy", ".npz") else path.name, 60)
    weight = settings.get("kl_weight", 0.1)
    if settings.get("autoencoder"):
        return f"{pictures} autoencoder"
    if isinstance(weight, list | tuple):
        return f"{pictures} {weight[0]:g} to {weight[1]:g}"
    return f"{pictures} {float(weight):g}" if isinstance(weight, int | float) else pictures
