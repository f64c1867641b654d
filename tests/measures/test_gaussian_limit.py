"""The Gaussian limit: reverse water-filling, on the pictures it was fitted to and on others."""

import numpy as np
import pytest

from kvae.images.pca import fit_pca
from kvae.measures.gaussian_limit import held_out, water_filling

EIGENVALUES = np.array([4, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02])
WEIGHTS = [0.01, 0.1, 0.7, 1.0, 3.0, 7.9]


def test_water_filling_gives_the_figures_worked_by_hand():
    point = water_filling(EIGENVALUES, 1.0, 8)
    assert point.distortion == pytest.approx(2.370, abs=1e-9)
    assert point.rate == pytest.approx(2.0794, abs=1e-4)
    assert point.active == 3
    assert point.loss == pytest.approx(2.370 + 2.0794, abs=1e-4)


@pytest.mark.parametrize("kl_weight", [1e-3, *WEIGHTS])
@pytest.mark.parametrize("latent_dim", [1, 3, 8, 20])
def test_water_filling_is_the_sum_over_directions(kl_weight, latent_dim):
    level, distortion, rate = kl_weight / 2, 0.0, 0.0
    for index, eigenvalue in enumerate(EIGENVALUES):
        distortion += min(eigenvalue, level) if index < latent_dim else eigenvalue
        rate += max(0.5 * np.log(eigenvalue / level), 0.0) if index < latent_dim else 0.0
    point = water_filling(EIGENVALUES, kl_weight, latent_dim)
    assert (point.distortion, point.rate) == pytest.approx((distortion, rate))
    assert point.active == np.sum(EIGENVALUES[:latent_dim] > level)


@pytest.mark.parametrize("kl_weight", WEIGHTS)
def test_the_slope_of_the_curve_is_minus_the_weight(kl_weight):
    low, high = (water_filling(EIGENVALUES, kl_weight * factor, 8) for factor in (0.9999, 1.0001))
    slope = (high.distortion - low.distortion) / (high.rate - low.rate)
    assert slope == pytest.approx(-kl_weight, rel=1e-3)


@pytest.mark.parametrize("kl_weight", [8.0, 8.5, 1e5])
def test_from_twice_the_first_eigenvalue_on_all_is_collapsed(kl_weight):
    point = water_filling(EIGENVALUES, kl_weight, 8)
    assert (point.rate, point.active) == (0.0, 0)
    assert point.distortion == pytest.approx(EIGENVALUES.sum())
    assert water_filling(EIGENVALUES, 7.99, 8).active == 1


@pytest.mark.parametrize("kl_weight", [*WEIGHTS, 20.0])
@pytest.mark.parametrize("latent_dim", [1, 3])
def test_the_total_stands_for_the_eigenvalues_that_are_left_out(kl_weight, latent_dim):
    leading = water_filling(EIGENVALUES[:latent_dim], kl_weight, latent_dim, total=EIGENVALUES.sum())
    everything = water_filling(EIGENVALUES, kl_weight, latent_dim)
    assert (leading.distortion, leading.rate) == pytest.approx((everything.distortion, everything.rate))


def test_a_larger_weight_never_lowers_the_distortion_nor_raises_the_rate():
    points = [water_filling(EIGENVALUES, weight, 6) for weight in np.geomspace(1e-3, 20, 60)]
    assert np.all(np.diff([point.distortion for point in points]) >= -1e-12)
    assert np.all(np.diff([point.rate for point in points]) <= 1e-12)
    assert np.all(np.diff([point.active for point in points]) <= 0)


@pytest.mark.parametrize("kl_weight", [0.0, -1.0, np.nan])
def test_a_weight_that_is_not_above_zero_is_refused(kl_weight):
    with pytest.raises(ValueError, match=r"water_filling: `kl_weight` must be above 0\. Received: kl_weight="):
        water_filling(EIGENVALUES, kl_weight, 8)


def test_held_out_without_a_weight_is_the_linear_autoencoder(gaussian):
    pca = fit_pca(lambda: [gaussian.pictures], 8)
    limit = held_out(pca, [gaussian.others])
    point, close = limit.at(0.0, 3), limit.at(1e-6, 3)
    centred = gaussian.others.reshape(-1, 8).astype("float64") - pca.mean
    left_out = np.square(centred @ pca.eigenvectors[:, 3:]).sum(1).mean()
    assert point.distortion == pytest.approx(left_out, rel=1e-5) == pytest.approx(close.distortion, rel=1e-4)
    assert point.rate == np.inf and point.active == 3
    assert point.loss == point.distortion


@pytest.mark.parametrize("kept", [8, 4])
def test_on_the_pictures_of_the_fit_held_out_is_water_filling(gaussian, kept):
    pca = fit_pca(lambda: [gaussian.pictures], kept)
    limit = held_out(pca, [gaussian.pictures[:1000], gaussian.pictures[1000:]])
    for latent_dim in (2, kept):
        weights = [*WEIGHTS, 9.0]
        for one, weight in zip(limit.curve(latent_dim, weights), weights, strict=True):
            other = water_filling(pca.eigenvalues, weight, latent_dim, pca.total)
            assert (one.distortion, one.rate, one.active) == pytest.approx(
                (other.distortion, other.rate, other.active), rel=1e-4
            )


@pytest.mark.parametrize("kl_weight", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("latent_dim", [2, 8])
def test_held_out_is_what_the_linear_vae_does_to_other_pictures(gaussian, kl_weight, latent_dim):
    pca = fit_pca(lambda: [gaussian.pictures], 8)
    point = held_out(pca, [gaussian.others]).at(kl_weight, latent_dim)
    # simulate it: encode, draw, decode (the linear VAE is reverse water-filling)
    random, level = np.random.default_rng(12), kl_weight / 2
    values, vectors = pca.eigenvalues[:latent_dim], pca.eigenvectors[:, :latent_dim].astype("float64")
    gain = np.sqrt(np.maximum(values - level, 0))
    variance = np.where(values > level, level / values, 1.0)
    centred = gaussian.others.reshape(-1, 8).astype("float64") - pca.mean
    mean = centred @ vectors * gain / values
    errors = [
        np.square(centred - (mean + random.standard_normal(mean.shape) * np.sqrt(variance)) * gain @ vectors.T).sum(1)
        for _ in range(100)
    ]
    rates = 0.5 * np.sum(mean**2 + variance - 1 - np.log(variance), axis=1)
    assert point.distortion == pytest.approx(np.mean(errors), rel=0.005)
    assert point.rate == pytest.approx(np.mean(rates), rel=1e-4)


def test_other_pictures_are_never_better_off_than_their_own_limit(gaussian):
    limit = held_out(fit_pca(lambda: [gaussian.pictures], 8), [gaussian.others])
    own = fit_pca(lambda: [gaussian.others], 8)
    for kl_weight in WEIGHTS:
        assert limit.at(kl_weight, 8).loss > 1.01 * water_filling(own.eigenvalues, kl_weight, 8).loss
