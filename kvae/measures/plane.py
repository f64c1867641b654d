"""A model with two latents at its present weight: the posteriors of pictures, and the plane as it is decoded."""

from typing import TYPE_CHECKING

import numpy as np
from keras import ops

from kvae.images.pixels import as_float, in_batches

if TYPE_CHECKING:
    from kvae.model.vae import VAE

MOST_POSTERIORS = 500  # ellipses on one plane


def posteriors(model: "VAE", images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means (n, latent) and covariances (n, latent, latent), float64, of q(z given x) of `images` (n, h, w, c), as
    `VAE.encode` takes them.

    Diagonal, unless the model's rate is `full`: T·Tᵀ of its Cholesky factors then. 0 for an autoencoder.
    """
    latent = model.latent_dim
    means, covariances = [np.empty((0, latent))], [np.empty((0, latent, latent))]
    for batch in in_batches(as_float(images, model.image_shape)):
        found = model.posterior_of(ops.convert_to_tensor(batch))
        means.append(ops.convert_to_numpy(found.mean).astype("float64"))
        factor = np.zeros((len(batch), latent, latent))
        if found.log_var is not None:
            log_var = ops.convert_to_numpy(found.log_var).astype("float64")
            factor += np.exp(0.5 * log_var)[:, :, None] * np.eye(latent)
        if found.factor is not None:
            factor += ops.convert_to_numpy(found.factor)
        covariances.append(factor @ np.swapaxes(factor, 1, 2))
    return np.concatenate(means), np.concatenate(covariances)
