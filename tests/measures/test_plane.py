"""Posteriors as means and covariances."""

import numpy as np
import pytest

import kvae
from kvae.images.paintings import paint_many
from kvae.measures.plane import posteriors


@pytest.mark.parametrize("rate", ["diagonal", "full"])
def test_covariances_are_those_of_the_posterior_that_is_drawn_from(rate):
    model = kvae.VAE(image_shape=(16, 16, 3), network="conv", widths=(8,), latent_dim=2, rate=rate, seed=1)
    images = paint_many(range(3), size=16)[0]
    if rate == "full":
        head = next(layer for layer in model.rate_layers if layer.name == "factor")
        head.bias.assign([0.7])
    means, covariances = posteriors(model, images)
    mean, log_var = model.encode(images)
    np.testing.assert_allclose(means, mean, rtol=1e-5)
    np.testing.assert_allclose(np.diagonal(covariances, axis1=1, axis2=2), np.exp(log_var), rtol=1e-5)
    tilted = np.abs(covariances[:, 0, 1]) > 0.1
    assert tilted.all() if rate == "full" else not covariances[:, 0, 1].any()


def test_an_autoencoder_has_codes_without_any_width():
    model = kvae.VAE(image_shape=(16, 16, 3), network="conv", widths=(8,), latent_dim=2, autoencoder=True)
    means, covariances = posteriors(model, paint_many(range(3), size=16)[0])
    assert means.shape == (3, 2) and not covariances.any()
