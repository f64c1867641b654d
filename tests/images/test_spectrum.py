"""The spectrum of a collection: an orthonormal basis in which pictures are close to independent numbers."""

import numpy as np
import pytest

from kvae.images import spectrum as module
from kvae.images.spectrum import Spectrum, cosine_matrix, default_lead, fit_spectrum, refine_spectrum
from kvae.measures.gaussian_limit import HeldOut, water_filling

SHAPES = [(8, 8, 3), (6, 10, 1), (12, 4, 4), (2, 2, 3)]
WEIGHTS = [0.001, 0.01, 0.1, 1.0, 5.0]


def smooth(shape: tuple[int, int, int], count: int, seed: int = 0) -> np.ndarray:
    """Pictures with much variance at low frequencies, correlated colours, and a mean that is not flat."""
    height, width, channels = shape
    random = np.random.default_rng(seed)
    fall = 1 / (1 + np.hypot(*np.meshgrid(np.arange(height), np.arange(width), indexing="ij")))
    planes = random.standard_normal((count, channels, height, width)) * fall * 0.3
    pictures = np.moveaxis(cosine_matrix(height).T @ planes @ cosine_matrix(width), 1, -1)
    mix = np.random.default_rng(99).standard_normal((channels, channels))
    return (0.5 + pictures @ mix + np.linspace(0, 0.2, height)[:, None, None]).astype("float32")


def fitted(shape: tuple[int, int, int], count: int = 60, **options) -> tuple[Spectrum, np.ndarray]:
    pictures = smooth(shape, count)
    return fit_spectrum(lambda: [pictures[:25], pictures[25:]], **options), pictures


@pytest.mark.parametrize("shape", SHAPES)
def test_large_planes_are_transformed_as_small_ones_are(shape, monkeypatch):
    spectrum, pictures = fitted(shape)
    small = spectrum.analysis(pictures)
    monkeypatch.setattr(module, "STACKED", 0)
    np.testing.assert_allclose(spectrum.analysis(pictures), small, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_the_cosine_transform_is_orthonormal_and_starts_with_the_mean(size):
    matrix = cosine_matrix(size)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(size), atol=1e-5)
    np.testing.assert_allclose(matrix[0], 1 / np.sqrt(size), rtol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("lead", [1, 5, None])
def test_distances_between_coefficients_are_distances_between_pictures(shape, lead):
    spectrum, pictures = fitted(shape, lead=lead)
    coefficients = spectrum.analysis(pictures)
    np.testing.assert_allclose(spectrum.synthesis(coefficients), pictures, atol=1e-5)
    other = coefficients + np.random.default_rng(3).standard_normal(coefficients.shape).astype("float32")
    in_pixels = np.sum((spectrum.synthesis(other) - pictures) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(in_pixels, np.sum((other - coefficients) ** 2, axis=1), rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_eigenvalues_fall_and_add_up_to_the_variance_of_the_pictures(shape):
    spectrum, pictures = fitted(shape)
    assert np.all(np.diff(spectrum.eigenvalues) <= 0) and len(spectrum.eigenvalues) == np.prod(shape)
    total = np.mean(np.sum((pictures - pictures.mean(0)) ** 2, axis=(1, 2, 3)))
    assert spectrum.total == pytest.approx(total, rel=1e-4)
    np.testing.assert_allclose(spectrum.mean, pictures.mean(0), atol=1e-6)
    assert spectrum.pictures == 60


@pytest.mark.parametrize("lead", [1, 4])
def test_eigenvalues_are_the_variances_of_the_coefficients(lead):
    spectrum, pictures = fitted((8, 8, 3), lead=lead)
    variances = np.var(spectrum.analysis(pictures), axis=0, dtype="float64")
    # correlations are drawn to zero by a tenth, which moves the eigenvalues of those few a little
    np.testing.assert_allclose(spectrum.eigenvalues, variances, rtol=1e-3 if lead == 1 else 0.1, atol=1e-7)


def test_a_gaussian_with_known_variances_in_this_basis_is_found_again():
    random, known = np.random.default_rng(5), np.geomspace(4, 1e-3, 8 * 8 * 3)
    colours = np.linalg.qr(random.standard_normal((3, 3)))[0]
    places = np.argsort(np.add.outer(np.arange(3) * 9, np.add.outer(np.arange(8), np.arange(8))).reshape(-1))
    flat = np.zeros((6000, 192))
    flat[:, places] = random.standard_normal((6000, 192)) * np.sqrt(known)
    planes = flat.reshape(-1, 3, 8, 8)
    pictures = np.moveaxis(cosine_matrix(8).T @ planes @ cosine_matrix(8), 1, -1) @ colours.T
    spectrum = fit_spectrum(lambda: [pictures], lead=1)
    np.testing.assert_allclose(spectrum.eigenvalues, known, rtol=0.12)
    for weight in WEIGHTS:
        found, expected = (water_filling(values, weight, 192) for values in (spectrum.eigenvalues, known))
        assert found.loss == pytest.approx(expected.loss, rel=0.01)
    # each colour plane is one of the axes the pictures were mixed by
    np.testing.assert_allclose(np.abs(spectrum.colours.T @ colours).max(axis=1), 1, atol=1e-2)


@pytest.mark.parametrize("latent_dim", [3, 40, 192])
def test_on_the_pictures_of_the_fit_the_closed_form_is_water_filling(latent_dim):
    spectrum, pictures = fitted((8, 8, 3), lead=1)
    moments, total = spectrum.moments([pictures[:10], pictures[10:]])
    held = HeldOut(spectrum.eigenvalues, moments, total)
    for weight in WEIGHTS:
        one, other = held.at(weight, latent_dim), water_filling(spectrum.eigenvalues, weight, latent_dim)
        assert (one.distortion, one.rate, one.active) == pytest.approx(
            (other.distortion, other.rate, other.active), rel=1e-3
        )


@pytest.mark.parametrize("kl_weight", WEIGHTS)
def test_on_other_pictures_the_closed_form_is_what_the_linear_vae_does(kl_weight):
    spectrum, _ = fitted((8, 8, 3))
    others, random, level = smooth((8, 8, 3), 40, seed=1), np.random.default_rng(2), kl_weight / 2
    held = HeldOut(spectrum.eigenvalues, *spectrum.moments([others])).at(kl_weight, 100)
    variances = spectrum.eigenvalues.copy()
    variances[100:] = 0
    gain, active = np.sqrt(np.maximum(variances - level, 0)), variances > level
    shrink = np.where(active, gain / np.maximum(variances, level), 0)
    noise = np.where(active, level / np.maximum(variances, level), 1)
    mean = spectrum.analysis(others) * shrink
    rate = 0.5 * np.sum(mean**2 + noise - 1 - np.log(noise), axis=1).mean()
    drawn = [mean + random.standard_normal(mean.shape) * np.sqrt(noise) for _ in range(100)]
    errors = [np.sum((spectrum.synthesis((z * gain).astype("float32")) - others) ** 2) / 40 for z in drawn]
    assert held.rate == pytest.approx(rate, rel=1e-4)
    assert held.distortion == pytest.approx(np.mean(errors), rel=0.01)


def test_more_of_the_leading_coefficients_turned_brings_the_linear_vae_closer():
    # sky above, ground below: the cosine basis alone cannot know
    pictures = smooth((8, 8, 1), 400)
    pictures += np.random.default_rng(7).standard_normal((400, 1, 1, 1)) * np.linspace(-1, 1, 8)[:, None, None] ** 3
    losses = [water_filling(fit_spectrum(lambda: [pictures], lead=lead).eigenvalues, 0.1, 64).loss for lead in (1, 20)]
    assert losses[1] < 0.97 * losses[0]


@pytest.mark.parametrize("width", [4, 6])
def test_mirrored_counts_the_mirror_image_of_every_picture(width):
    pictures = smooth((4, width, 3), 50)
    both = np.concatenate([pictures, pictures[:, :, ::-1]])
    one = fit_spectrum(lambda: [pictures], mirrored=True, lead=12)
    other = fit_spectrum(lambda: [both], lead=12)
    np.testing.assert_allclose(one.eigenvalues, other.eigenvalues, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-5)
    np.testing.assert_allclose(one.mean, one.mean[:, ::-1], atol=1e-6)


def test_varied_copies_tell_correlations_and_leave_the_variances():
    pictures, others = smooth((8, 8, 3), 60), smooth((8, 8, 3), 300, seed=8)
    stronger = others.mean(0) + 2.0 * (others - others.mean(0))
    plain = fit_spectrum(lambda: [pictures], lead=30)
    varied = fit_spectrum(lambda: [pictures], varied=lambda: [stronger], lead=30)
    assert varied.total == pytest.approx(plain.total)
    np.testing.assert_array_equal(varied.order, plain.order)
    held = [HeldOut(one.eigenvalues, *one.moments([smooth((8, 8, 3), 300, seed=9)])) for one in (plain, varied)]
    assert held[1].at(0.1, 192).loss < held[0].at(0.1, 192).loss


def test_blocks_of_bytes_and_of_fractions_give_the_same_spectrum():
    pictures = (np.clip(smooth((4, 6, 3), 30), 0, 1) * 255).astype("uint8")
    one, other = fit_spectrum(lambda: [pictures]), fit_spectrum(lambda: [pictures[:7] / 255.0, pictures[7:] / 255.0])
    np.testing.assert_allclose(one.eigenvalues, other.eigenvalues, rtol=1e-4, atol=1e-7)


def test_a_single_picture_and_equal_ones_have_no_variance():
    for count in (1, 5):
        spectrum = fit_spectrum(lambda count=count: [np.full((count, 4, 4, 3), 200, np.uint8)])
        np.testing.assert_allclose(spectrum.eigenvalues, 0, atol=1e-5)
        assert np.all(np.isfinite(spectrum.rotation))


def test_as_many_coefficients_are_turned_as_the_pictures_tell_of():
    assert (default_lead(1, 12), default_lead(300, 12288), default_lead(1445, 12288)) == (1, 150, 722)
    assert default_lead(10**6, 12288) == 1024 and default_lead(10**6, 48) == 48


def test_progress_is_told_of_every_block_of_both_passes():
    seen = []
    fit_spectrum(lambda: [smooth((4, 4, 1), 5)] * 3, progress=lambda: seen.append(1))
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ([], "fit_spectrum: there are no pictures to measure. Bring at least one."),
        ([np.full((2, 4, 4, 3), np.nan)], "fit_spectrum: the pictures hold NaN or infinity"),
    ],
)
def test_pictures_that_cannot_be_measured_are_refused(pictures, message):
    with pytest.raises(ValueError, match=message):
        fit_spectrum(lambda: pictures)


def test_pictures_of_odd_size_have_a_spectrum_too():
    pictures = smooth((5, 7, 3), 40)
    spectrum = fit_spectrum(lambda: [pictures], mirrored=True, lead=1)
    np.testing.assert_allclose(spectrum.synthesis(spectrum.analysis(pictures)), pictures, atol=1e-5)
    both = np.concatenate([pictures, pictures[:, :, ::-1]])
    np.testing.assert_allclose(spectrum.moments([both])[0], spectrum.eigenvalues, rtol=1e-3, atol=1e-6)


def test_moments_of_pictures_of_another_shape_are_refused():
    spectrum, _ = fitted((4, 4, 1), lead=2)
    with pytest.raises(ValueError, match=r"Spectrum: pictures must have the shape of those of the fit"):
        spectrum.moments([np.zeros((2, 4, 6, 1))])


# ---------------------------------------------------------------------- very many pictures, in one pass


def parts(pictures, rows=40, order=None):
    """Blocks of `rows` of the pictures, in `order`."""
    order = np.arange(len(pictures)) if order is None else order
    return (pictures[order[start : start + rows]] for start in range(0, len(order), rows))


@pytest.mark.parametrize("mirrored", [False, True])
def test_one_pass_over_the_pictures_of_a_spectrum_finds_it_again(mirrored):
    pictures = smooth((8, 10, 3), 300)
    whole = fit_spectrum(lambda: [pictures], mirrored=mirrored, lead=40)
    again = refine_spectrum(whole, parts(pictures), mirrored=mirrored)
    np.testing.assert_allclose(again.eigenvalues, whole.eigenvalues, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(again.mean, whole.mean, atol=1e-6)
    assert again.pictures == 300


@pytest.mark.parametrize("mirrored", [False, True])
def test_one_pass_tells_all_pictures_from_some_of_them(mirrored):
    pictures, others = smooth((8, 8, 3), 3000), smooth((8, 8, 3), 600, seed=1)
    some = fit_spectrum(lambda: [pictures[:200]], mirrored=mirrored, lead=100)
    every = fit_spectrum(lambda: [pictures], mirrored=mirrored, lead=100)
    found = refine_spectrum(some, parts(pictures), mirrored=mirrored)
    np.testing.assert_allclose(found.mean, every.mean, atol=1e-6)
    assert found.total == pytest.approx(every.total, rel=1e-5)
    for weight in (0.01, 0.1, 1.0):
        losses = [HeldOut(one.eigenvalues, *one.moments([others])).at(weight, 192).loss for one in (some, found, every)]
        assert losses[1] < losses[0] and losses[1] == pytest.approx(losses[2], rel=2e-3)


def test_one_pass_depends_on_no_order_and_no_size_of_its_blocks():
    pictures = (255 * np.clip(smooth((8, 8, 3), 1000), 0, 1)).astype(np.uint8)
    some = fit_spectrum(lambda: [pictures[:200]], mirrored=True, lead=50)
    first = refine_spectrum(some, parts(pictures), mirrored=True)
    for rows, order in ((7, None), (1000, None), (64, np.random.default_rng(0).permutation(1000))):
        other = refine_spectrum(some, parts(pictures, rows, order), mirrored=True)
        np.testing.assert_allclose(other.eigenvalues, first.eigenvalues, rtol=1e-5)
        np.testing.assert_allclose(other.mean, first.mean, atol=1e-7)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ([], "refine_spectrum: there are no pictures to measure. Bring at least one."),
        ([np.full((2, 8, 8, 3), np.nan)], "refine_spectrum: the pictures hold NaN or infinity"),
    ],
)
def test_one_pass_over_what_cannot_be_measured_is_refused(pictures, message):
    found, _ = fitted((8, 8, 3))
    with pytest.raises(ValueError, match=message):
        refine_spectrum(found, pictures)
