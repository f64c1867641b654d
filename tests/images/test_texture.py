"""How busy a picture is, told by a few numbers."""

import numpy as np
import pytest

from kvae.images.spectrum import cosine_matrix, fit_spectrum
from kvae.images.texture import fit_texture, frequency_groups, group_count, log_energies


def pictures_with(busy: np.ndarray, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """A picture for each of `busy`, (n,), whose coefficients are that many times as strong, the first few apart."""
    height, width, channels = shape
    frequency = np.hypot(*np.meshgrid(np.arange(height), np.arange(width), indexing="ij"))
    strength = np.where(frequency > 2, busy[:, None, None, None], 1.0) * (1 + frequency) ** -1.5
    planes = np.random.default_rng(seed).standard_normal((len(busy), channels, height, width)) * strength * 0.3
    return (0.5 + np.moveaxis(cosine_matrix(height).T @ planes @ cosine_matrix(width), 1, -1)).astype("float32")


@pytest.mark.parametrize("shape", [(16, 16, 3), (8, 20, 1), (12, 8, 4)])
def test_every_direction_is_in_a_group_and_no_group_is_empty(shape):
    spectrum = fit_spectrum(lambda: [pictures_with(np.ones(40), shape)], lead=20)
    groups = frequency_groups(spectrum)
    assert groups.shape == (np.prod(shape),)
    assert set(groups) == set(range(group_count(shape[2])))
    # the strongest directions are the first group, which never varies
    assert list(groups[:2]) == [0, 0] and np.sum(groups == 0) == 2


def test_the_scales_of_the_pictures_of_the_fit_are_standard_numbers_apart_from_one_another():
    busy = np.exp(np.random.default_rng(1).standard_normal(300))
    pictures = pictures_with(busy, (16, 16, 3))
    spectrum = fit_spectrum(lambda: [pictures], lead=20)
    texture = fit_texture(spectrum, lambda: [pictures[:100], pictures[100:]], 2)
    logs = log_energies(spectrum, texture.groups, spectrum.analysis(pictures))
    scales = (logs - texture.energies) @ texture.readout
    np.testing.assert_allclose(scales.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(scales.T, bias=True), np.eye(2), atol=0.01)
    assert abs(np.corrcoef(scales[:, 0], np.log(busy))[0, 1]) > 0.95


def test_variances_with_scales_are_those_of_the_single_picture():
    busy = np.exp(np.random.default_rng(1).standard_normal(300))
    pictures = pictures_with(busy, (16, 16, 3))
    spectrum = fit_spectrum(lambda: [pictures], lead=20)
    texture = fit_texture(spectrum, lambda: [pictures], 1)
    coefficients = spectrum.analysis(pictures)
    scales = (log_energies(spectrum, texture.groups, coefficients) - texture.energies) @ texture.readout
    gains = np.exp(texture.levels + scales @ texture.loadings.T)[:, texture.groups]
    fine = texture.groups >= 3
    relative = np.mean((coefficients**2 / spectrum.eigenvalues)[:, fine] / gains[:, fine], axis=1)
    assert np.std(np.log(relative)) < 0.2 < np.std(np.log(busy))


def test_the_strongest_group_never_varies():
    pictures = pictures_with(np.exp(np.random.default_rng(1).standard_normal(60)), (16, 16, 3))
    texture = fit_texture(fit_spectrum(lambda: [pictures], lead=20), lambda: [pictures], 3)
    assert texture.levels[0] == 0 and not texture.loadings[0].any() and not texture.readout[0].any()


@pytest.mark.parametrize("count", [1, 2])
def test_flat_pictures_and_single_ones_have_a_finite_texture(count):
    pictures = np.full((count, 4, 4, 1), 0.5, "float32")
    texture = fit_texture(fit_spectrum(lambda: [pictures]), lambda: [pictures], 4)
    assert all(np.all(np.isfinite(part)) for part in (texture.energies, texture.readout, texture.loadings))
    assert texture.loadings.shape == (group_count(1), 4)
