"""NumPy in, NumPy out: what a VAE makes of arrays of pictures and of latents."""

from typing import Any

import numpy as np
from keras import ops

from kvae.images.pixels import as_float, in_batches
from kvae.objectives.base import Tensor

NEARLY_PARALLEL = 1e-6  # sine of the angle below which two directions span no great circle


class NumpyMixin:
    """What a VAE does for whoever knows arrays and no tensors; in parts, so that memory does not grow with them."""

    image_shape: tuple[Any, ...]
    latent_dim: int

    def posterior(self, images: Tensor, training: bool = False) -> tuple[Tensor, Tensor | None]:
        """Mean and log-variance of q(z given x), each (batch, latent); None where there is no variance."""
        raise NotImplementedError

    def generate(self, latents: Tensor, training: bool = False) -> Tensor:
        """The decoder's mean image of `latents`, shape (batch, latent)."""
        raise NotImplementedError

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean and log-variance, each float32 (count, latent), of images (count, height, width, channels).

        Whole numbers are divided by the largest of their type, floats must lie in [0, 1]. The log-variance of an
        autoencoder is -inf.
        """
        means, log_vars = [np.empty((0, self.latent_dim), "float32")], [np.empty((0, self.latent_dim), "float32")]
        for batch in in_batches(as_float(images, self.image_shape)):
            mean, log_var = self.posterior(batch)
            means.append(ops.convert_to_numpy(mean))
            log_vars.append(np.full_like(means[-1], -np.inf) if log_var is None else ops.convert_to_numpy(log_var))
        return np.concatenate(means), np.concatenate(log_vars)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """The images, float32 (count, height, width, channels) in [0, 1], of `latents`, shape (count, latent)."""
        latents = np.asarray(latents, "float32")
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise ValueError(
                f"VAE.decode: `latents` must have shape (count, {self.latent_dim}). Received: shape {latents.shape}."
            )
        images = [np.empty((0, *self.image_shape), "float32")]
        images += [ops.convert_to_numpy(self.generate(ops.convert_to_tensor(batch))) for batch in in_batches(latents)]
        return np.clip(np.concatenate(images), 0.0, 1.0)

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """The images, float32 in [0, 1], that the posterior means of `images` decode to. Nothing is drawn at random."""
        return self.decode(self.encode(images)[0])

    def sample(self, count: int = 1, *, temperature: float = 1.0, seed: int = 0) -> np.ndarray:
        """`count` images, float32 (count, height, width, channels), decoded from N(0, temperature²)."""
        noise = np.random.default_rng(seed).standard_normal((count, self.latent_dim))
        return self.decode(temperature * noise.astype("float32"))

    def interpolate(self, start: np.ndarray, end: np.ndarray, steps: int = 8, *, spherical: bool = False) -> np.ndarray:
        """The images, float32 (steps, height, width, channels), on the way from one image to another, both included.

        `start` and `end` have shape (height, width, channels). The way leads through the posterior means, in a straight
        line or along the great circle, whose points keep the length that a high-dimensional Gaussian has: the direction
        turns evenly, and the length goes evenly from one to the other.
        """
        means = [self.encode(np.asarray(image)[None])[0][0] for image in (start, end)]
        share = np.linspace(0.0, 1.0, steps, dtype="float32")[:, None]
        return self.decode(_between(means[0], means[1], share, spherical))


def _between(start: np.ndarray, end: np.ndarray, share: np.ndarray, spherical: bool) -> np.ndarray:
    """The points at `share` (steps, 1) of the way from `start` to `end`, each (latent,): (steps, latent).

    On a great circle the direction turns evenly and the length goes evenly from one to the other. Where no great circle
    is given (a point at 0, the same or the opposite direction), the way is straight.
    """
    straight = start + (end - start) * share
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if not spherical or min(lengths) < 1e-12:
        return straight
    directions = start / lengths[0], end / lengths[1]
    angle = float(np.arccos(np.clip(np.dot(*directions), -1.0, 1.0)))
    if np.sin(angle) < NEARLY_PARALLEL:
        return straight
    direction = (np.sin((1.0 - share) * angle) * directions[0] + np.sin(share * angle) * directions[1]) / np.sin(angle)
    return direction * (lengths[0] + (lengths[1] - lengths[0]) * share)
