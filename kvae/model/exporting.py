"""A VAE for programs without kvae: its encoder and its decoder as two functions, in a SavedModel or in ONNX."""

import os
import tempfile
from pathlib import Path
from typing import Any

import keras
from keras import ops

from kvae.files.atomic import TEMPORARY_SUFFIX

FORMATS = ("tf_saved_model", "onnx")
ONNX_PACKAGES = {"tensorflow": "tf2onnx", "jax": "jax2onnx", "torch": "onnx onnxscript"}  # that Keras needs, by backend


def export(model: Any, folder: str | os.PathLike[str], format: str = "tf_saved_model") -> Path:
    """Write `model` as it now is, with its present weight, to `folder`, for programs that know neither kvae nor Keras.

    Two functions are written, of float32 arrays with any number of rows:

        encode: images (count, height, width, channels) in [0, 1] → posterior mean and log-variance, each (count,
            latent)
        decode: latents (count, latent) → images (count, height, width, channels) in [0, 1]

    Args:
        folder: a new folder, or an empty one.
        format: "tf_saved_model", both as endpoints of a SavedModel; "onnx", as encode.onnx and decode.onnx, which
            compute in float32 whatever the model's `dtype`.

    Raises:
        ValueError: no VAE, another format, or one that Keras's present backend has no way to.
        FileExistsError: a folder that holds something already.
        ImportError: a package that the format needs and that is not installed.

    Example:
        >>> import kvae, numpy, tensorflow
        >>> vae = kvae.VAE(image_shape=(16, 16, 3), network="conv", widths=(8, 8), latent_dim=4)
        >>> folder = kvae.export(vae, "art")
        >>> served = tensorflow.saved_model.load(str(folder))
        >>> tuple(served.decode(numpy.zeros((2, 4), "float32")).shape)
        (2, 16, 16, 3)
    """
    if format not in FORMATS:
        raise ValueError(f"export: `format` must be one of {', '.join(FORMATS)}. Received: format={format!r}.")
    if not hasattr(model, "posterior_of"):
        raise ValueError(
            f"export: `model` must be a kvae.VAE; others have model.export(path). Received: {type(model).__name__}."
        )
    target = Path(folder)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise FileExistsError(f"export: {target} holds something already. Name a new folder, or empty this one.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(TEMPORARY_SUFFIX, f".{target.name}.", target.parent) as temporary:
        written = Path(temporary, target.name)
        (_saved_model if format == "tf_saved_model" else _onnx)(model, written)
        if target.exists():
            target.rmdir()
        os.replace(written, target)
    return target


class Endpoint(keras.Model):
    """One function of a VAE as a model of its own, which shares the VAE's weights."""

    def __init__(self, vae: Any, name: str, shape: tuple[int, ...], of: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.vae = vae
        self.signature = [keras.InputSpec(shape=(None, *shape), dtype="float32", name=of)]
        self.built = True

    def export(self, filepath: Any, *args: Any, input_signature: Any = None, **options: Any) -> None:
        """As `keras.Model.export`, for any number of rows unless an `input_signature` says otherwise."""
        super().export(filepath, *args, input_signature=input_signature or self.signature, **options)


class Encode(Endpoint):
    """Images → posterior mean and log-variance; the log-variance of an autoencoder is -inf."""

    def __init__(self, vae: Any) -> None:
        super().__init__(vae, "encode", vae.image_shape, "images")

    def call(self, images: Any) -> tuple[Any, Any]:
        """Mean and log-variance, each (batch, latent)."""
        mean, log_var = self.vae.posterior(images)
        return mean, ops.full_like(mean, -float("inf")) if log_var is None else log_var


class Decode(Endpoint):
    """Latents → images in [0, 1]."""

    def __init__(self, vae: Any) -> None:
        super().__init__(vae, "decode", (vae.latent_dim,), "latents")

    def call(self, latents: Any) -> Any:
        """Images (batch, height, width, channels)."""
        return ops.clip(self.vae.generate(latents), 0.0, 1.0)


class Reconstruct(Endpoint):
    """Images → what the means of their posteriors decode to, in [0, 1]."""

    def __init__(self, vae: Any) -> None:
        super().__init__(vae, "reconstruct", vae.image_shape, "images")

    def call(self, images: Any) -> Any:
        """Images (batch, height, width, channels)."""
        return ops.clip(self.vae.generate(self.vae.posterior(images)[0]), 0.0, 1.0)


def _saved_model(model: Any, folder: Path) -> None:
    if keras.backend.backend() not in ("tensorflow", "jax"):
        raise ValueError(
            "export: a SavedModel is written on Keras's backends tensorflow and jax. Save the model, open it with "
            f"KERAS_BACKEND=tensorflow and export it there. Received: {keras.backend.backend()}."
        )
    archive = keras.export.ExportArchive()
    archive.track(model)
    for endpoint in (Encode(model), Decode(model)):
        archive.add_endpoint(endpoint.name, endpoint.call, endpoint.signature)
    archive.write_out(str(folder), verbose=False)


def _onnx(model: Any, folder: Path) -> None:
    if model.precision != "float32":  # what reads ONNX knows no bfloat16 convolutions
        twin = type(model).from_config({**model.get_config(), "dtype": "float32"})
        twin.set_weights(model.get_weights())
        model = twin
    folder.mkdir()
    try:
        for endpoint in (Encode(model), Decode(model)):
            endpoint.export(str(folder / f"{endpoint.name}.onnx"), "onnx", verbose=False)
    except ImportError as error:
        packages = ONNX_PACKAGES[keras.backend.backend()]
        raise ImportError(f"export: ONNX needs more packages. Install them: pip install {packages}") from error
