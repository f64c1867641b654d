"""The measurement after each epoch, next to the same numbers worked out otherwise."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvae.model.vae import VAE
from kvae.training.evaluation import Evaluation


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(2).random((22, 16, 16, 3), dtype="float32")


def made(images, **settings) -> VAE:
    model = VAE(image_shape=(16, 16, 3), network="hybrid", widths=(8,), latent_dim=4, kl_weight=0.7, **settings)
    model.adapt(images)
    model.compile(keras.optimizers.Adam())
    return model


def batches(images) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(images).batch(8)


def test_an_evaluation_is_what_keras_evaluates_and_follows_the_weight(images):
    model = made(images)
    evaluation = Evaluation(model)
    for weight in (0.7, 2.5):
        model.kl_weight.assign(weight)
        found, expected = evaluation(batches(images)), model.evaluate(batches(images), verbose=0, return_dict=True)
        assert found.rate > 0.1
        assert (found.distortion, found.rate, found.loss) == pytest.approx(
            (expected["distortion"], expected["rate"], expected["loss"]), rel=1e-5
        )


def test_the_means_are_over_pictures_whatever_the_batches(images):
    model = made(images)
    evaluation = Evaluation(model)
    whole, single = evaluation(batches(images)), evaluation(batches(images).unbatch().batch(3))
    assert (whole.distortion, whole.loss) == pytest.approx((single.distortion, single.loss), rel=1e-5)
    assert (whole.rate, whole.psnr) == pytest.approx((single.rate, single.psnr), rel=1e-5)
    mean, log_var = model.encode(images)
    rate = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(1).mean()
    assert whole.rate == pytest.approx(rate, rel=1e-5)
    mse = np.square(images - model.reconstruct(images)).mean((1, 2, 3))
    assert whole.psnr == pytest.approx(np.mean(-10 * np.log10(mse)), abs=1e-4)


@pytest.mark.parametrize("settings", [{}, {"autoencoder": True}])
def test_the_latents_that_differ_between_pictures_are_counted(images, settings):
    model = made(images, **settings)
    means = model.encode(images)[0]
    assert Evaluation(model)(batches(images)).active == np.sum(means.var(0, dtype="float64") >= 0.01)


def test_an_autoencoder_has_no_rate_and_its_loss_is_its_distortion(images):
    model = made(images, autoencoder=True)
    found = Evaluation(model)(batches(images))
    distortion = np.square(images - np.asarray(model.generate(model.posterior(images)[0]))).sum((1, 2, 3)).mean()
    assert found.rate is None and found.loss == found.distortion == pytest.approx(distortion, rel=1e-5)
