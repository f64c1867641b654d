"""The distortion: a sum over height, width and channels, never a mean, in float32."""

import numpy as np
import pytest
from keras import ops

from kvae.objectives.likelihoods import squared_error


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
