"""Posterior statistics per latent dimension, next to NumPy over all pictures at once."""

from types import SimpleNamespace

import numpy as np
import pytest

from kvae.measures.posterior import posterior_statistics
from kvae.model.vae import VAE


class Told:
    """A model whose posteriors are told to it: `pictures` are row numbers."""

    autoencoder = False

    def __init__(self, means, log_vars) -> None:
        self.means, self.log_vars = np.asarray(means, "float32"), np.asarray(log_vars, "float32")

    def encode(self, rows):
        return self.means[rows], self.log_vars[rows]


@pytest.fixture
def told():
    random = np.random.default_rng(7)
    spread = np.array([2.0, 0.5, 0.11, 0.09, 0.0])
    return Told(3.0 + random.standard_normal((500, 5)) * spread, random.uniform(-6, 0, (500, 5)))


def in_blocks(count: int, *sizes: int):
    edges = np.cumsum([0, *sizes])
    assert edges[-1] == count
    return [np.arange(start, end) for start, end in zip(edges, edges[1:], strict=False)]


@pytest.mark.parametrize("sizes", [(500,), (256, 244), (1, 498, 1)])
def test_the_statistics_are_those_of_all_pictures_whatever_the_blocks(told, sizes):
    found = posterior_statistics(told, in_blocks(500, *sizes))
    means, log_vars = told.means.astype("float64"), told.log_vars.astype("float64")
    np.testing.assert_allclose(found.mean, means.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.variance, means.var(0), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.noise, np.exp(log_vars).mean(0), rtol=1e-6)
    rates = 0.5 * (means**2 + np.exp(log_vars) - 1 - log_vars)
    np.testing.assert_allclose(found.rate, rates.mean(0), rtol=1e-6)


@pytest.mark.parametrize("sizes", [(500,), (1, 498, 1)])
def test_the_directions_are_the_principal_components_of_the_means(told, sizes):
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((5, 5)))[0]
    turned = Told(told.means @ turn, told.log_vars)
    found = posterior_statistics(turned, in_blocks(500, *sizes))
    centred = turned.means.astype("float64") - turned.means.astype("float64").mean(0)
    spreads = np.linalg.svd(centred, compute_uv=False) / np.sqrt(500)
    np.testing.assert_allclose(found.direction_spreads, spreads, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(5), atol=1e-9)
    np.testing.assert_allclose((centred @ found.directions.T).std(0), spreads, rtol=1e-4, atol=1e-5)
    assert (found.directions[np.arange(5), np.abs(found.directions).argmax(1)] > 0).all()


def test_there_are_at_most_32_directions_in_the_dimensions_that_vary_most():
    random = np.random.default_rng(11)
    spread = np.full(600, 1e-3)
    spread[::20] = np.linspace(3.0, 1.0, 30)
    found = posterior_statistics(
        Told(random.standard_normal((900, 600)) * spread, np.zeros((900, 600))), [np.arange(900)]
    )
    assert found.directions.shape == (32, 600) and (np.diff(found.direction_spreads) <= 0).all()
    assert found.direction_spreads[29] > 0.5 > 0.01 > found.direction_spreads[30]
    shares = np.square(found.directions[:30]).sum(0)
    np.testing.assert_allclose(shares[::20], 1.0, atol=1e-4)


def test_a_dimension_is_active_from_a_variance_of_a_hundredth_on():
    signs = np.array([[1.0], [-1.0]] * 10)
    # a dyadic mean keeps the arithmetic exact enough: the variances are 0.0099..., 0.0101... and 0
    means = signs * np.array([[0.0995, 0.1005, 0.0, 3.0]]) + 2.0
    told = Told(means, np.zeros_like(means))
    found = posterior_statistics(told, [np.arange(20)])
    assert found.active == 2
    assert (found.variance >= 0).all()


def test_a_latent_that_is_the_prior_costs_nothing_and_is_not_active():
    found = posterior_statistics(Told(np.zeros((30, 3)), np.zeros((30, 3))), [np.arange(30)])
    np.testing.assert_array_equal(found.rate, 0.0)
    np.testing.assert_array_equal(found.noise, 1.0)
    assert found.active == 0


def test_an_autoencoder_has_no_rate_and_no_noise():
    told = Told(np.random.default_rng(0).standard_normal((40, 3)), np.full((40, 3), -np.inf))
    model = SimpleNamespace(autoencoder=True, encode=told.encode)
    with np.errstate(all="raise"):
        found = posterior_statistics(model, [np.arange(40)])
    assert np.isnan(found.rate).all() and found.active == 3
    np.testing.assert_array_equal(found.noise, 0.0)


def test_the_rates_of_a_models_dimensions_add_up_to_its_rate():
    pictures = np.random.default_rng(5).integers(0, 256, (30, 16, 16, 3), np.uint8)
    model = VAE(image_shape=(16, 16, 3), network="hybrid", widths=(8,), latent_dim=4, kl_weight=0.1)
    model.adapt(pictures / np.float32(255))
    found = posterior_statistics(model, [pictures[:20], pictures[20:]])
    model(pictures / np.float32(255))
    assert found.rate.sum() == pytest.approx(float(np.mean(model.rates)), rel=1e-4)
    assert found.rate.shape == (4,) and found.active == 4
