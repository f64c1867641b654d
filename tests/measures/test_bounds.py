"""Bounds of log p(x), next to models whose log p(x) is known exactly."""

import math

import numpy as np
import pytest

from kvae.measures.bounds import (
    NOISES,
    bits_per_dimension,
    drawn_pictures,
    evidence_bound,
    importance_bounds,
    noise_of,
    with_gain,
)
from kvae.measures.coder import Coder
from kvae.model.vae import VAE

GAUSSIAN = NOISES["squared-error"]


def linear(pictures, kl_weight=1.0, wider=0.0, **settings):
    """The optimal linear VAE, whose posterior is exact; log-variances are `wider` than they should be."""
    model = VAE(image_shape=(2, 4, 1), network="principal", latent_dim=8, kl_weight=kl_weight, **settings)
    model.adapt(pictures)
    if wider:
        kernel, offset = model.log_var_head.get_weights()
        model.log_var_head.set_weights([kernel, offset + wider])
    return model


def log_density(gaussian, pictures, noise):
    """Mean of log p(x) under the linear model in nats: a Gaussian whose eigenvalues are at least the noise's
    variance."""
    values, vectors = np.linalg.eigh(np.cov(gaussian.pictures.reshape(-1, 8).astype("float64").T, bias=True))
    values = np.maximum(values, noise)
    centred = (pictures.reshape(len(pictures), -1) - gaussian.pictures.reshape(-1, 8).mean(0)) @ vectors
    return float(np.mean(-0.5 * np.sum(centred**2 / values + np.log(2 * math.pi * values), axis=1)))


def bounds_of(model, pictures, weight):
    coder = Coder(model)
    codes = coder.codes(pictures)
    errors, rates = coder.errors(pictures, codes.latents)[1], codes.rates.sum(axis=1)
    whole = evidence_bound(GAUSSIAN, errors, rates, coder.values, weight)
    (drawn,) = importance_bounds(coder, GAUSSIAN, pictures, [weight], seed=3)
    return whole, drawn


def test_of_an_exact_posterior_every_bound_is_the_density_itself(gaussian):
    pictures = gaussian.pictures[:400]
    whole, drawn = bounds_of(linear(gaussian.pictures), pictures, 1.0)
    exact = log_density(gaussian, pictures, 0.5)
    assert whole.nats == pytest.approx(exact, abs=3 * whole.error) and whole.error < 0.02 * abs(exact)
    for draws in (1, 10, 100):
        assert np.mean(drawn[draws]) == pytest.approx(exact, rel=0.005)


def test_a_posterior_that_is_too_wide_costs_its_divergence_and_a_hundred_draws_win_it_back(gaussian):
    pictures = gaussian.pictures[:200]
    _, drawn = bounds_of(linear(gaussian.pictures, wider=0.4), pictures, 1.0)
    exact = log_density(gaussian, pictures, 0.5)
    lost = 8 * 0.5 * (math.exp(0.4) - 1 - 0.4)  # KL of q from the posterior, in 8 dimensions
    assert np.mean(drawn[1]) == pytest.approx(exact - lost, abs=0.02)
    assert np.mean(drawn[1]) < np.mean(drawn[10]) < np.mean(drawn[100])
    assert np.mean(drawn[100]) == pytest.approx(exact, rel=0.005)


def test_a_full_covariance_has_the_density_of_its_whole_factor(gaussian):
    model = linear(gaussian.pictures, rate="full")
    head = model.rate_layers[1]
    random = np.random.default_rng(1)
    head.set_weights([head.get_weights()[0], random.normal(0, 0.2, 28).astype("float32")])
    _, drawn = bounds_of(model, gaussian.pictures[:200], 1.0)
    exact = log_density(gaussian, gaussian.pictures[:200], 0.5)
    assert np.mean(drawn[1]) < exact - 0.1 and np.mean(drawn[100]) == pytest.approx(exact, rel=0.006)


def test_the_gain_of_a_few_pictures_is_added_to_the_bound_of_all(gaussian):
    model, pictures = linear(gaussian.pictures, wider=0.4), gaussian.pictures[:400]
    whole, drawn = bounds_of(model, pictures, 1.0)
    few = {draws: parts[:40] for draws, parts in drawn.items()}
    found = with_gain(whole, few, 100, 8)
    assert found.nats - whole.nats == pytest.approx(np.mean(few[100] - few[1]))
    assert found.nats == pytest.approx(log_density(gaussian, pictures, 0.5), abs=3 * found.error)
    assert found.error > whole.error and found.bits == pytest.approx(bits_per_dimension(found.nats, 8))


@pytest.mark.parametrize(("name", "power"), [("squared-error", 2), ("laplace", 1)])
def test_a_density_integrates_to_one_and_its_best_weight_is_the_best(name, power):
    noise, grid = NOISES[name], np.linspace(-30, 30, 600_001)
    for weight in (0.3, 1.7):
        densities = np.exp(noise.density(np.abs(grid) ** power, 1, weight))
        assert np.sum(densities) * (grid[1] - grid[0]) == pytest.approx(1.0)
    best = noise.best(5.0, 12)
    assert all(
        noise.density(5.0, 12, best) > noise.density(5.0, 12, best * factor) for factor in (0.8, 0.95, 1.05, 1.3)
    )


def test_bits_are_those_of_a_byte_or_of_a_black_or_white_value():
    # a uniform density on 0 to 255 costs log2 255 bits a value, and is 0 nats on 0 to 1
    assert bits_per_dimension(0.0, 100) == pytest.approx(math.log2(255))
    assert bits_per_dimension(-100 * math.log(2), 100, binary=True) == pytest.approx(1.0)


def test_cross_entropy_bounds_black_and_white_alone_and_one_s_own_likelihood_nothing():
    binary = np.array([0.0, 1.0, 1.0], "float32")
    assert noise_of("bernoulli", binary) == (NOISES["bernoulli"], "")
    assert noise_of("bernoulli", binary * 0.5)[0] is None and "greys" in noise_of("bernoulli", binary * 0.5)[1]
    assert noise_of("mine", binary)[0] is None and "(mine) has no known density" in noise_of("mine", binary)[1]


@pytest.mark.parametrize(("values", "most"), [(8, 32), (12288, 12), (512 * 512 * 3, 4)])
def test_large_pictures_are_drawn_for_in_smaller_number(values, most):
    places = drawn_pictures(300, values)
    assert len(places) == most and places[0] == 0 and places[-1] == 299 and len(set(places)) == most
