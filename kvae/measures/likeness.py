"""How like its picture a reconstruction is: PSNR as it is logged everywhere, and SSIM.

PSNR: -10·log10(MSE) in dB (`kvae.objectives.likelihoods.psnr`, the same numbers as scikit-image's).
SSIM: 1 for two equal pictures, from scikit-image with the settings of the paper: a Gaussian window of 11 pixels with a
deviation of 1.5, K1 = .01, K2 = .03, channels averaged.
Reference: Wang et al., 2004, "Image quality assessment: from error visibility to structural similarity".
"""

import numpy as np

WINDOW = 11  # pixels; smaller pictures have no SSIM


def structural_similarity(images: np.ndarray, outputs: np.ndarray) -> np.ndarray | None:
    """SSIM of each pair, (count,), of pictures (count, height, width, channels) in [0, 1]; None for those smaller than
    the window."""
    if min(images.shape[1:3]) < WINDOW:
        return None
    from skimage.metrics import structural_similarity as measured  # takes a while to import

    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    pairs = zip(images.astype("float64"), outputs.astype("float64"), strict=True)
    return np.array([measured(one, other, data_range=1.0, channel_axis=-1, **options) for one, other in pairs])
