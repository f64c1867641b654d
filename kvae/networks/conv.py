"""`conv`, the plain convolutional network of the question, and `residual`, the same with residual blocks."""

import keras
from keras import layers

from kvae.networks.blocks import Network, Networks, Plan, dense, double, halve, residual_block


def build_conv(plan: Plan) -> Networks:
    """Stride-2 convolutions down, transposed ones up, ReLU between them, a sigmoid at the end."""
    return _build(plan, activation="relu", depth=0)


def build_residual(plan: Plan) -> Networks:
    """As `conv`, with SiLU and `depth` residual blocks at every level."""
    return _build(plan, activation="silu", depth=plan.depth)


def _build(plan: Plan, *, activation: str, depth: int) -> Networks:
    images = x = keras.Input(plan.image_shape, name="images")
    for width in plan.widths:
        x = halve(plan, x, width, activation)
        for _ in range(depth):
            x = residual_block(plan, x)
    encoder = keras.Model(images, x, name="encoder")

    latents = keras.Input((plan.latent_dim,), name="latents")
    height, width, channels = plan.bottom
    x = dense(plan, height * width * channels, activation=activation)(latents)
    x = layers.Reshape(plan.bottom, dtype=plan.dtype)(x)
    for channels in plan.widths[-2::-1]:
        x = double(plan, x, channels, activation)
        for _ in range(depth):
            x = residual_block(plan, x)
    x = double(plan, x, plan.image_shape[-1], None)
    # float32 from here on: the distortion is a sum over thousands of values
    x = layers.Activation("sigmoid", dtype="float32")(x)
    return Networks(encoder, keras.Model(latents, x, name="decoder"))


CONV = Network(build_conv)
RESIDUAL = Network(build_residual, heeds=("widths", "depth"), depth=1, blocks=True)
