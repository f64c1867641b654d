"""The distortion: a sum over height, width and channels, never a mean, in float32; and its ratio to the signal."""

import numpy as np
import pytest
from keras import ops

from kvae.objectives.likelihoods import psnr, squared_error


@pytest.mark.parametrize("shape", [(3, 4, 5, 3), (2, 7, 2, 1), (1, 16, 16, 4)])
def test_the_distortion_is_the_squared_error_summed_over_one_image(shape):
    images, others = np.random.default_rng(2).random((2, *shape), dtype="float32")
    found = ops.convert_to_numpy(squared_error(images, others))
    assert found.shape == shape[:1] and found.dtype == np.float32
    np.testing.assert_allclose(found, np.square(images.astype("float64") - others).sum((1, 2, 3)), rtol=1e-5)


def test_a_picture_of_ones_against_zeros_costs_its_number_of_values():
    assert ops.convert_to_numpy(squared_error(np.ones((1, 64, 64, 3)), np.zeros((1, 64, 64, 3)))) == [12288.0]


def test_halves_are_summed_as_float32():
    images = ops.convert_to_tensor(np.full((1, 64, 64, 3), 4.0), "float16")
    found = squared_error(images, ops.zeros((1, 64, 64, 3), "float16"))
    # above 65504, where float16 ends
    assert ops.convert_to_numpy(found) == [16 * 12288.0]


# ---------------------------------------------------------------------- the signal-to-noise ratio


def test_psnr_is_minus_ten_log_ten_of_the_mean_squared_error_of_each_image():
    random = np.random.default_rng(0)
    images, others = random.random((2, 5, 6, 4, 3))
    expected = [-10 * np.log10(np.mean((image - other) ** 2)) for image, other in zip(images, others, strict=True)]
    np.testing.assert_allclose(ops.convert_to_numpy(psnr(images, others)), expected, rtol=1e-5)


@pytest.mark.parametrize(("error", "decibels"), [(1.0, 0.0), (0.1, 20.0), (0.01, 40.0)])
def test_a_tenth_of_the_error_is_twenty_decibels_more(error, decibels):
    images = np.full((2, 4, 4, 1), 0.0)
    np.testing.assert_allclose(ops.convert_to_numpy(psnr(images, images + error)), [decibels] * 2, atol=1e-4)


def test_a_perfect_reconstruction_has_a_hundred_decibels_rather_than_infinitely_many():
    images = np.random.default_rng(1).random((3, 4, 4, 3))
    np.testing.assert_allclose(ops.convert_to_numpy(psnr(images, images)), [100.0] * 3, rtol=1e-6)


def test_half_precision_is_measured_in_single():
    images = np.full((1, 8, 8, 3), 0.5, "float16")
    assert float(psnr(images, images + np.float16(2**-9))[0]) == pytest.approx(-20 * np.log10(2**-9), abs=1e-3)
