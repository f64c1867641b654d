"""Principal components in blocks: those of NumPy's eigh on everything at once."""

import numpy as np
import pytest

from kvae.images.pca import as_values, fit_pca


def pictures(count: int, shape: tuple[int, int, int], decay: float = 1.0, seed: int = 0) -> np.ndarray:
    """Pictures in [0, 1] whose eigenvalues fall like 1 / rank^(2·decay)."""
    random = np.random.default_rng(seed)
    values = int(np.prod(shape))
    axes = np.linalg.qr(random.standard_normal((values, values)))[0]
    rows = random.standard_normal((count, values)) / np.arange(1, values + 1) ** decay @ axes.T
    return np.clip(0.3 + rows / (6 * np.abs(rows).max(1).mean()), 0, 1).reshape(count, *shape).astype("float32")


def in_blocks(images: np.ndarray, rows: int):
    return lambda: (images[start : start + rows] for start in range(0, len(images), rows))


def exact(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, all eigenvalues descending, and eigenvectors of the covariance, in float64."""
    flat = images.reshape(len(images), -1).astype("float64") / (255 if images.dtype == np.uint8 else 1)
    values, vectors = np.linalg.eigh(np.cov(flat.T, bias=True))
    return flat.mean(0), values[::-1], vectors[:, ::-1]


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
@pytest.mark.parametrize("kind", ["float32", "float64", "uint8"])
def test_all_components_are_those_of_eigh_in_blocks_of_any_size(rows, kind):
    images = pictures(150, (4, 3, 3))
    images = np.round(255 * images).astype("uint8") if kind == "uint8" else images.astype(kind)
    mean, values, vectors = exact(images)
    pca = fit_pca(in_blocks(images, rows), 36)
    assert pca.pictures == 150 and pca.eigenvectors.shape == (36, 36)
    np.testing.assert_allclose(pca.mean, mean, atol=1e-6)
    np.testing.assert_allclose(pca.eigenvalues, values, rtol=1e-3, atol=1e-6 * values[0])
    assert pca.total == pytest.approx(values.sum(), rel=1e-4)
    cosines = np.abs(np.sum(pca.eigenvectors * vectors, axis=0))
    np.testing.assert_allclose(cosines[:6], 1, atol=1e-4)


def test_the_leading_components_of_many_are_those_of_eigh():
    images = pictures(400, (12, 12, 1), decay=0.8)
    _, values, vectors = exact(images)
    pca = fit_pca(in_blocks(images, 90), 10)
    np.testing.assert_allclose(pca.eigenvalues, values[:10], rtol=1e-3)
    assert pca.total == pytest.approx(values.sum(), rel=1e-4)  # of all of them, not of the ten
    # the subspaces agree: every exact direction lies within the one found
    inside = np.linalg.norm(pca.eigenvectors.T @ vectors[:, :10], axis=0)
    np.testing.assert_allclose(inside, 1, atol=1e-2)


def test_fewer_pictures_than_values_give_all_components_there_are():
    images = pictures(12, (8, 8, 3), decay=0.3)
    flat = images.reshape(12, -1).astype("float64")
    singular = np.linalg.svd(flat - flat.mean(0), compute_uv=False)
    pca = fit_pca(in_blocks(images, 5), 50)
    assert pca.eigenvectors.shape == (192, 11)
    np.testing.assert_allclose(pca.eigenvalues, singular[:11] ** 2 / 12, rtol=1e-3)
    assert pca.eigenvalues.sum() == pytest.approx(pca.total, rel=1e-4)


def test_eigenvectors_are_orthonormal_and_eigenvalues_descend():
    pca = fit_pca(in_blocks(pictures(200, (8, 8, 3)), 50), 20)
    np.testing.assert_allclose(pca.eigenvectors.T @ pca.eigenvectors, np.eye(20), atol=1e-5)
    assert np.all(np.diff(pca.eigenvalues) <= 0) and pca.eigenvalues[-1] >= 0


def test_more_passes_come_closer_to_a_slowly_falling_spectrum():
    images = pictures(500, (16, 16, 1), decay=0.15)
    values = exact(images)[1][:12]
    errors = [np.abs(fit_pca(in_blocks(images, 100), 12, passes=p).eigenvalues / values - 1).max() for p in (0, 3, 12)]
    assert errors[0] > 4 * errors[1] > 4 * errors[2] and errors[2] < 0.02


def test_it_is_repeatable():
    images = pictures(60, (6, 6, 3))
    first, second = (fit_pca(in_blocks(images, 25), 5) for _ in range(2))
    np.testing.assert_array_equal(first.eigenvectors, second.eigenvectors)
    np.testing.assert_array_equal(first.eigenvalues, second.eigenvalues)


@pytest.mark.parametrize("count", [1, 5])
def test_equal_pictures_have_no_variance(count):
    images = np.full((count, 4, 4, 3), 200, np.uint8)
    pca = fit_pca(lambda: [images], 4)
    np.testing.assert_allclose(pca.mean, 200 / 255, rtol=1e-6)
    np.testing.assert_allclose(pca.eigenvalues, 0, atol=1e-9)
    assert pca.total == pytest.approx(0, abs=1e-4)


def test_no_pictures_are_refused():
    with pytest.raises(ValueError, match="fit_pca: there are no pictures to measure. Bring at least one."):
        fit_pca(lambda: [], 3)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pictures_that_hold_no_numbers_are_refused(value):
    images = pictures(5, (4, 4, 1))
    images[3, 0, 0, 0] = value
    with pytest.raises(ValueError, match="fit_pca: the pictures hold NaN or infinity"):
        fit_pca(lambda: [images[:2], images[2:]], 3)


def test_values_are_float32_rows_between_0_and_1():
    bytes_ = np.arange(0, 240, dtype=np.uint8).reshape(5, 4, 4, 3)
    rows = as_values(bytes_)
    assert rows.shape == (5, 48) and rows.dtype == np.float32
    np.testing.assert_allclose(rows.ravel(), np.arange(240) / 255, rtol=1e-6)
    np.testing.assert_array_equal(as_values(bytes_ / 255.0), rows)
