"""`hybrid`: the linear VAE in closed form, corrected by convolutional networks that start at zero.

A plain convolutional VAE is worse than the closed-form linear one on a small collection of pictures. This network is
that linear one at its first step, at every KL weight, and only gets better. The decoder's correction sees the linear
path's picture, at every scale, next to the latents: sharpening a blurred picture is a local task, and generalises.
"""

import math

import keras
from keras import layers

from kvae.networks.blocks import Network, Networks, Plan, dense, double, halve, residual_block
from kvae.networks.principal import LinearPath


def build_hybrid(plan: Plan) -> Networks:
    """The linear path, a residual trunk beside it, and a U-shaped correction of its picture."""
    images = x = keras.Input(plan.image_shape, name="images")
    for width in plan.widths:
        x = halve(plan, x, width, "silu")
    encoder = keras.Model(images, x, name="encoder")
    return Networks(encoder, _correction(plan), LinearPath(plan.image_shape, plan.latent_dim, name="path"))


def _correction(plan: Plan) -> keras.Model:
    latents = keras.Input((plan.latent_dim,), name="latents")
    base = x = keras.Input(plan.image_shape, name="base")
    skips = []
    for width in plan.widths:
        x = halve(plan, x, width, "silu")
        skips.append(x)
    height, width, channels = plan.bottom
    seed = layers.Reshape(plan.bottom, dtype=plan.dtype)(dense(plan, height * width * channels)(latents))
    x = _merge(plan, x, seed)
    for channels, skip in zip(plan.widths[-2::-1], skips[-2::-1], strict=True):
        across = layers.Conv2D(channels, 1, kernel_initializer=plan.initializer(), dtype=plan.dtype)(skip)
        x = _merge(plan, double(plan, x, channels, None), across)
        for _ in range(plan.depth):
            x = residual_block(plan, x)
    x = double(plan, x, plan.image_shape[-1], None, kernel_initializer="zeros", dtype="float32")
    return keras.Model([latents, base], x, name="decoder")


def _merge(plan: Plan, x: object, y: object) -> object:
    return layers.Activation("silu", dtype=plan.dtype)(layers.Add(dtype=plan.dtype)([x, y]))


HYBRID = Network(
    build_hybrid,
    heeds=("widths", "depth"),
    fewest_beside=lambda image_shape, latent_dim: 2 * math.prod(image_shape) * latent_dim,
)
