"""`principal`, the linear VAE over principal components, and its path: that VAE at every KL weight at once.

Models that were made with it, or with `hybrid`, open, decode and train on; new ones are `linear` and `spectral`.

Reference: Lucas et al., 2019, "Don't Blame the ELBO!", arXiv:1911.02469, for the linear solution. That it is reverse
water-filling, Shannon's rate-distortion function of a Gaussian source, makes one path serve every weight.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kvae.images.pca import PCA
from kvae.networks.blocks import Network, Networks, Plan, dense
from kvae.objectives.base import Tensor


def build_principal(plan: Plan) -> Networks:
    """One linear map each way. `VAE.fit_linear` sets it to the closed form; gradient descent reaches the same."""
    images = keras.Input(plan.image_shape, name="images")
    encoder = keras.Model(images, layers.Flatten(dtype="float32")(images), name="encoder")
    latents = keras.Input((plan.latent_dim,), name="latents")
    x = dense(plan, math.prod(plan.image_shape), dtype="float32")(latents)
    x = layers.Reshape(plan.image_shape, dtype="float32")(x)
    return Networks(encoder, keras.Model(latents, x, name="decoder"))


PRINCIPAL = Network(
    build_principal,
    heeds=(),
    fewest_beside=lambda image_shape, latent_dim: math.prod(image_shape) * latent_dim,
    closed_form=True,
)


@keras.saving.register_keras_serializable("kvae")
class LinearPath(layers.Layer):
    """The linear VAE in closed form, as a function of the KL weight.

    With eigenvalues λ and eigenvectors V of the pictures' covariance, mean picture m and s = β/2, a direction is
    active while λ > s, and

        posterior mean of x = Vᵀ(x − m)·√relu(λ − s)/λ     log-variance = min(0, log(s/λ))     picture of z = m +
        V(√relu(λ − s)·z)

    So when the weight is turned, the path follows at once. `assign_pca` brings the eigenvectors; they are the start of
    training, which moves them. They are stored times √(height·width·channels), so that their entries are of order one
    and Adam moves them in proportion.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, **options: Any) -> None:
        options["dtype"] = "float32"
        super().__init__(**options)
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        values = math.prod(self.image_shape)
        self._scale = math.sqrt(values)
        self.analysis = self.add_weight(name="analysis", shape=(values, latent_dim), initializer="zeros")
        self.synthesis = self.add_weight(name="synthesis", shape=(latent_dim, values), initializer="zeros")
        self.mean_image = self.add_weight(name="mean_image", shape=(values,), initializer="zeros", trainable=False)
        self.eigenvalues = self.add_weight(
            name="eigenvalues", shape=(latent_dim,), initializer="zeros", trainable=False
        )
        self.built = True

    @property
    def encoding_weights(self) -> list[keras.Variable]:
        """The map from pictures to latents."""
        return [self.analysis]

    @property
    def decoding_weights(self) -> list[keras.Variable]:
        """The map from latents to pictures."""
        return [self.synthesis]

    @property
    def measured(self) -> keras.Variable:
        """Not all 0 once it was set out from pictures."""
        return self.eigenvalues

    def assign_pca(self, mean: np.ndarray, eigenvalues: np.ndarray, eigenvectors: np.ndarray) -> None:
        """Start from a PCA: `mean` (values,), `eigenvalues` (count,), `eigenvectors` (values, count).

        Directions beyond `latent_dim` are left out; where there are fewer, the remaining latents stay unused.
        """
        count = min(self.latent_dim, len(eigenvalues))
        basis = np.zeros(self.analysis.shape, "float32")
        basis[:, :count] = eigenvectors[:, :count] * self._scale
        padded = np.zeros(self.latent_dim, "float32")
        padded[:count] = np.maximum(eigenvalues[:count], 0.0)
        self.analysis.assign(basis)
        self.synthesis.assign(basis.T)
        self.mean_image.assign(np.asarray(mean, "float32").reshape(-1))
        self.eigenvalues.assign(padded)

    def encode(self, images: Tensor, kl_weight: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and log-variance, each (batch, latent), of images (batch, height, width, channels)."""
        flat = ops.reshape(ops.cast(images, "float32"), (-1, self.mean_image.shape[0])) - self.mean_image
        variance = ops.maximum(self.eigenvalues, 1e-12)
        # an autoencoder has no noise floor; the smallest weight keeps the logarithm finite
        level = ops.maximum(kl_weight / 2.0, 1e-12)
        mean = ops.matmul(flat, self.analysis) * (self._amplitude(kl_weight) / (variance * self._scale))
        log_var = ops.minimum(0.0, ops.log(level / variance))
        return mean, ops.broadcast_to(log_var, ops.shape(mean))

    def decode(self, latents: Tensor, kl_weight: Tensor) -> Tensor:
        """The images (batch, height, width, channels) of `latents`, shape (batch, latent)."""
        latents = ops.cast(latents, "float32") * (self._amplitude(kl_weight) / self._scale)
        return ops.reshape(ops.matmul(latents, self.synthesis) + self.mean_image, (-1, *self.image_shape))

    def _amplitude(self, kl_weight: Tensor) -> Tensor:
        return ops.sqrt(ops.relu(self.eigenvalues - kl_weight / 2.0))


def affine_form(
    pca: PCA, image_shape: tuple[int, int, int], latent_dim: int, kl_weight: Tensor
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray], np.ndarray]:
    """The path of `pca` at one weight as plain affine maps: kernel and bias from latents to values, the same from
    values to posterior means, and the log-variances (latent,)."""
    path = LinearPath(image_shape, latent_dim)
    path.assign_pca(pca.mean, pca.eigenvalues, pca.eigenvectors)
    # an affine map is known from what it does to nothing and to the axes
    axes = np.eye(latent_dim, dtype="float32")
    origin = ops.convert_to_numpy(path.decode(0.0 * axes[:1], kl_weight)).reshape(-1)
    kernel = ops.convert_to_numpy(path.decode(axes, kl_weight)).reshape(latent_dim, -1) - origin
    offset, log_var = map(ops.convert_to_numpy, path.encode(np.zeros((1, *image_shape), "float32"), kl_weight))
    variance = np.maximum(ops.convert_to_numpy(ops.convert_to_tensor(path.eigenvalues)), 1e-12)
    return (kernel, origin), (kernel.T / variance, offset[0]), log_var[0]
