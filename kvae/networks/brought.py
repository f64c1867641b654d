"""Networks that somebody brings: two Keras models whose shapes must fit."""

from typing import Any

import keras

from kvae.networks.blocks import Networks


def brought(encoder: Any, decoder: Any, latent_dim: int) -> Networks:
    """Two models that someone brings, once their shapes are known to fit."""
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
