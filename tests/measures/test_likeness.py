"""PSNR and SSIM are scikit-image's."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from kvae.measures.likeness import structural_similarity as ours
from kvae.objectives.likelihoods import psnr


@pytest.mark.parametrize("channels", [1, 3])
def test_psnr_and_ssim_are_those_of_scikit_image(channels):
    random = np.random.default_rng(0)
    images = random.random((4, 16, 24, channels), dtype="float32")
    outputs = np.clip(images + random.normal(0, 0.1, images.shape), 0, 1).astype("float32")
    expected = [peak_signal_noise_ratio(one, other, data_range=1) for one, other in zip(images, outputs, strict=True)]
    np.testing.assert_allclose(np.asarray(psnr(images, outputs)), expected, rtol=1e-5)
    options = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    grey = [
        np.mean([structural_similarity(one[..., c], other[..., c], **options) for c in range(channels)])
        for one, other in zip(images.astype("float64"), outputs.astype("float64"), strict=True)
    ]
    np.testing.assert_allclose(ours(images, outputs), grey)
    np.testing.assert_allclose(ours(images, images), 1.0)


def test_pictures_smaller_than_the_window_have_no_ssim():
    assert ours(np.zeros((2, 8, 16, 1)), np.zeros((2, 8, 16, 1))) is None
