"""Smoothness of decoders whose paths and expansions are known."""

import numpy as np
import pytest

from kvae.measures.smoothness import expansions, path_ratios

RANDOM = np.random.default_rng(5)
MATRIX = RANDOM.standard_normal((6, 48)).astype("float32")


def linear(latents):
    return (latents @ MATRIX + 0.3).reshape(-1, 4, 4, 3)


def circle(latents):
    """A latent of one number as a point on the unit circle."""
    return np.stack([np.cos(latents[:, 0]), np.sin(latents[:, 0])], axis=1).reshape(-1, 1, 1, 2)


def test_a_linear_decoder_goes_straight_and_expands_everywhere_by_its_matrix():
    codes = RANDOM.standard_normal((10, 6)).astype("float32")
    np.testing.assert_allclose(path_ratios(linear, codes[:5], codes[5:]), 1.0, rtol=1e-5)
    np.testing.assert_allclose(expansions(linear, codes, directions=6), np.linalg.norm(MATRIX), rtol=1e-4)


def test_fewer_directions_than_latents_estimate_the_expansion_alike_at_every_point():
    wide = RANDOM.standard_normal((400, 48)).astype("float32")
    found = expansions(lambda z: z @ wide, RANDOM.standard_normal((5, 400)).astype("float32"), directions=64)
    np.testing.assert_allclose(found, found[0], rtol=1e-3)
    assert found[0] == pytest.approx(np.linalg.norm(wide), rel=0.1)


def test_half_a_circle_is_longer_than_its_diameter_by_half_of_pi():
    ratios = path_ratios(circle, np.zeros((1, 1), "float32"), np.full((1, 1), np.pi, "float32"), steps=200)
    assert ratios[0] == pytest.approx(np.pi / 2, rel=1e-4)
    # on a circle one unit of latent is one unit of arc
    assert expansions(circle, np.zeros((3, 1), "float32")) == pytest.approx([1.0] * 3, rel=1e-3)


def test_a_decoder_that_ignores_its_latents_has_no_path_and_no_expansion():
    found = path_ratios(lambda z: np.ones((len(z), 2, 2, 1)), np.zeros((2, 6)), np.ones((2, 6)))
    assert np.all(np.isnan(found))
    assert np.all(expansions(lambda z: np.ones((len(z), 2, 2, 1)), np.zeros((2, 6), "float32")) == 0.0)
