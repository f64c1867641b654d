"""The real model class, with linear networks, lands on the closed form of the linear VAE (reverse water-filling)."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from kvae.images.pca import fit_pca
from kvae.measures.gaussian_limit import held_out, water_filling
from kvae.model.vae import VAE

SHAPE, LATENT = (2, 4, 1), 8
EVERY_WEIGHT = [0.001, 0.05, 0.1, 0.3, 1.0, 2.0, 4.0, 7.9, 8.0, 30.0]


def expected(model: VAE, pictures: np.ndarray) -> tuple[float, float]:
    """Mean D and R of a VAE with a linear decoder, exact over the posterior's noise."""
    mean, log_var = (ops.convert_to_numpy(part).astype("float64") for part in model.posterior(pictures))
    error = generated(model, mean) - pictures
    columns = generated(model, np.eye(model.latent_dim)) - generated(model, np.zeros((1, model.latent_dim)))
    noise = np.exp(log_var) @ np.square(columns.reshape(model.latent_dim, -1)).sum(1)
    rate = 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=1)
    return float(np.mean(np.square(error).sum((1, 2, 3)) + noise)), float(rate.mean())


def generated(model: VAE, latents: np.ndarray) -> np.ndarray:
    """What `decode` gives, before it is clipped to [0, 1]."""
    return ops.convert_to_numpy(model.generate(ops.convert_to_tensor(latents, "float32"))).astype("float64")


def trained(model: VAE, pictures: np.ndarray, steps: int) -> VAE:
    """After `steps` of Adam, whose step size falls to zero, on the whole collection at once."""
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.03, steps)), steps_per_execution=100)
    model.fit(tf.data.Dataset.from_tensors(pictures).repeat(), steps_per_epoch=steps, shuffle=False, verbose=0)
    return model


def custom_linear(**settings) -> VAE:
    """The linear VAE made of networks that someone brings."""
    encoder = keras.Sequential([keras.Input(SHAPE), layers.Flatten()])
    init = keras.initializers.GlorotUniform(seed=5)
    decoder = keras.Sequential(
        [keras.Input((LATENT,)), layers.Dense(8, kernel_initializer=init), layers.Reshape(SHAPE)]
    )
    return VAE(encoder, decoder, latent_dim=LATENT, **settings)


def named_linear(network: str = "principal", **settings) -> VAE:
    # the convolutions of `hybrid` correct nothing before they are trained
    return VAE(image_shape=SHAPE, network=network, latent_dim=LATENT, widths=(4,), **settings)


def test_the_fixture_has_the_covariance_it_says(gaussian):
    flat = gaussian.pictures.reshape(-1, 8).astype("float64")
    found = np.sort(np.linalg.eigvalsh(np.cov(flat.T, bias=True)))[::-1]
    np.testing.assert_allclose(found, gaussian.eigenvalues, rtol=1e-4)


@pytest.mark.parametrize(("kl_weight", "steps"), [(4.0, 1000), (1.0, 1500), (0.1, 2500)])
def test_gradient_descent_of_a_linear_vae_reaches_the_closed_form(gaussian, kl_weight, steps):
    model = trained(named_linear(kl_weight=kl_weight), gaussian.pictures, steps)
    best = water_filling(gaussian.eigenvalues, kl_weight, LATENT)
    distortion, rate = expected(model, gaussian.pictures)
    assert distortion == pytest.approx(best.distortion, rel=0.02)
    assert rate == pytest.approx(best.rate, rel=0.02)
    # nothing is better than the closed form
    assert distortion + kl_weight * rate >= best.loss * (1 - 1e-4)


def test_gradient_descent_of_custom_networks_reaches_the_closed_form(gaussian):
    model = trained(custom_linear(kl_weight=1.0), gaussian.pictures, 1500)
    distortion, rate = expected(model, gaussian.pictures)
    assert distortion == pytest.approx(2.370, rel=0.02)
    assert rate == pytest.approx(2.0794, rel=0.02)
    measured = model.evaluate(gaussian.pictures, batch_size=4096, return_dict=True, verbose=0)
    assert measured["distortion"] == pytest.approx(distortion, rel=0.03)
    assert measured["rate"] == pytest.approx(rate, rel=1e-4)


@pytest.mark.parametrize("build", [named_linear, custom_linear])
def test_a_linear_vae_collapses_from_twice_the_first_eigenvalue_on(gaussian, build):
    model = trained(build(kl_weight=2 * gaussian.eigenvalues[0] + 0.5), gaussian.pictures, 800)
    distortion, rate = expected(model, gaussian.pictures)
    assert rate < 0.01
    assert distortion == pytest.approx(gaussian.total, rel=0.02)


@pytest.mark.parametrize("start", ["adapt", "fit_linear", "adapt in batches"])
def test_the_hybrid_network_starts_at_the_closed_form_of_every_weight_it_is_given(gaussian, start):
    model = named_linear("hybrid", kl_weight=0.7)
    if start == "adapt":
        model.adapt(gaussian.pictures)
    elif start == "adapt in batches":
        model.adapt(tf.data.Dataset.from_tensor_slices((gaussian.pictures,)).batch(500))
    else:
        model.fit_linear(fit_pca(lambda: [gaussian.pictures], LATENT))
    for kl_weight in EVERY_WEIGHT:
        model.kl_weight.assign(kl_weight)
        best = water_filling(gaussian.eigenvalues, kl_weight, LATENT)
        assert expected(model, gaussian.pictures) == pytest.approx((best.distortion, best.rate), rel=2e-3, abs=1e-6)


@pytest.mark.parametrize("kl_weight", EVERY_WEIGHT)
@pytest.mark.parametrize("latent_dim", [8, 3])
def test_fit_linear_sets_the_linear_network_to_the_closed_form(gaussian, kl_weight, latent_dim):
    model = VAE(image_shape=SHAPE, network="principal", latent_dim=latent_dim, kl_weight=kl_weight)
    model.adapt(gaussian.pictures)
    best = water_filling(gaussian.eigenvalues, kl_weight, latent_dim)
    assert expected(model, gaussian.pictures) == pytest.approx((best.distortion, best.rate), rel=2e-3, abs=1e-6)


@pytest.mark.parametrize("network", ["hybrid", "principal"])
def test_other_pictures_meet_the_distortion_and_rate_that_the_held_out_limit_says(gaussian, network):
    pca = fit_pca(lambda: [gaussian.pictures], LATENT)
    limit = held_out(pca, [gaussian.others])
    for kl_weight in (0.1, 1.0, 5.0):
        model = named_linear(network, kl_weight=kl_weight)
        model.fit_linear(pca)
        point = limit.at(kl_weight, LATENT)
        assert expected(model, gaussian.others) == pytest.approx((point.distortion, point.rate), rel=2e-3)


def test_fit_starts_a_linear_path_that_nobody_started(gaussian):
    model = named_linear("hybrid", kl_weight=1.0)
    model.compile(keras.optimizers.SGD(0.0))
    model.fit(gaussian.pictures, batch_size=4096, verbose=0)
    best = water_filling(gaussian.eigenvalues, 1.0, LATENT)
    assert expected(model, gaussian.pictures) == pytest.approx((best.distortion, best.rate), rel=2e-3)


def test_fit_keeps_a_linear_path_that_somebody_started(gaussian):
    model = named_linear("hybrid", kl_weight=1.0)
    model.adapt(gaussian.others)
    before = expected(model, gaussian.pictures)
    model.compile(keras.optimizers.SGD(0.0))
    model.fit(gaussian.pictures, batch_size=4096, verbose=0)
    assert expected(model, gaussian.pictures) == pytest.approx(before, rel=1e-6)


def test_adapt_looks_at_no_more_pictures_than_it_is_told(gaussian):
    seen = named_linear("hybrid")
    seen.adapt(np.concatenate([gaussian.pictures[:500], 100 * gaussian.others]), most=500)
    alone = named_linear("hybrid")
    alone.adapt(gaussian.pictures[:500])
    np.testing.assert_allclose(seen.linear_path.eigenvalues, alone.linear_path.eigenvalues, rtol=1e-6)


def test_fit_linear_refuses_a_network_without_a_linear_part(gaussian):
    pca = fit_pca(lambda: [gaussian.pictures], LATENT)
    with pytest.raises(ValueError, match="'conv' has no linear part"):
        named_linear("conv").fit_linear(pca)
    with pytest.raises(ValueError, match="has no linear part"):
        custom_linear().fit_linear(pca)


def test_more_latents_than_there_are_components_stay_unused(gaussian):
    model = VAE(image_shape=SHAPE, network="hybrid", widths=(4,), latent_dim=20, kl_weight=0.01)
    model.adapt(gaussian.pictures)
    mean, log_var = (ops.convert_to_numpy(part) for part in model.posterior(gaussian.pictures))
    assert np.all(mean[:, 8:] == 0) and np.all(mean[:, :8].std(0) > 0.5)
    np.testing.assert_allclose(log_var[:, 8:], 0, atol=1e-4)
