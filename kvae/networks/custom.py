"""Custom networks, two Keras models whose shapes must fit; and configs of custom parts,
built where they are trusted."""

from typing import Any

import keras
from keras.src.saving.serialization_lib import SafeModeScope, in_safe_mode

from kvae.networks.blocks import Networks


class _Ours(str):
    """A name in a config that this process made: it stays so in memory,
    while what is read from a file is a plain str."""


def described(part: Any) -> dict[str, Any]:
    """The config of a network or a method, which `rebuilt` takes without more trust as long as it stays in memory."""
    config = keras.saving.serialize_keras_object(part)
    return {**config, "class_name": _Ours(config["class_name"])}


def rebuilt(config: Any, custom_objects: Any = None) -> Any:
    """The network or method of a config that was made here, or any where Keras's safe mode is off.

    Raises:
        ValueError: a config from elsewhere, which can run any code.
    """
    ours = isinstance(config, dict) and isinstance(config.get("class_name"), _Ours)
    if not ours and in_safe_mode() is not False:
        raise ValueError(
            "this model holds parts that are not kvae's own, which can run any code. "
            "If you know where it comes from, open it with kvae.load(path, trust=True)."
        )
    with SafeModeScope(False):
        return keras.saving.deserialize_keras_object(config, custom_objects)


def custom_networks(encoder: Any, decoder: Any, latent_dim: int) -> Networks:
    """Two custom models, once their shapes are known to fit."""
    for name, part in (("encoder", encoder), ("decoder", decoder)):
        if not isinstance(part, keras.Model):
            raise ValueError(f"VAE: `{name}` must be a Keras model; bring both networks or none. Received: {part!r}.")
        if not part.built or not hasattr(part, "input_shape"):
            raise ValueError(
                f"VAE: `{name}` has no known input shape yet. Begin it with keras.Input(shape), "
                "so that its shapes can be checked."
            )
        if len(part.inputs) != 1 or len(part.outputs) != 1:
            raise ValueError(
                f"VAE: `{name}` must have one input and one output. "
                f"Received: {len(part.inputs)} inputs and {len(part.outputs)} outputs."
            )
    image_shape = tuple(encoder.input_shape[1:])
    if len(image_shape) != 3 or None in image_shape:
        raise ValueError(
            f"VAE: `encoder` must take images of a fixed shape (height, width, channels). Received: {image_shape}."
        )
    if None in encoder.output_shape[1:]:
        raise ValueError(f"VAE: `encoder` must give features of a fixed shape. Received: {encoder.output_shape[1:]}.")
    if tuple(decoder.input_shape[1:]) != (latent_dim,):
        raise ValueError(
            f"VAE: `decoder` must take latents of shape ({latent_dim},), which is `latent_dim`. "
            f"Received: {tuple(decoder.input_shape[1:])}."
        )
    if tuple(decoder.output_shape[1:]) != image_shape:
        raise ValueError(
            f"VAE: `decoder` must give images of the shape that `encoder` takes, {image_shape}. "
            f"Received: {tuple(decoder.output_shape[1:])}."
        )
    return Networks(encoder, decoder)
