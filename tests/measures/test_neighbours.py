"""Distances to the nearest pictures, and which samples are copies."""

import numpy as np
import pytest

from kvae.measures.neighbours import copied, nearest_two


@pytest.fixture
def pictures():
    return np.random.default_rng(3).integers(0, 256, (70, 8, 8, 3)).astype("uint8")


def test_the_nearest_two_are_found_in_whatever_block_they_are(pictures):
    seen, others = pictures[:5], pictures[5:]
    found = nearest_two(seen, [others[:20], others[20:21], others[21:]])
    differences = (seen[:, None].astype("float64") - others[None]) / 255
    expected = np.sort(np.sqrt(np.mean(differences**2, axis=(2, 3, 4))), axis=1)[:, :2]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_training_picture_with_a_little_noise_is_a_copy_and_another_picture_is_none(pictures):
    noisy = np.clip(pictures[:10] / 255.0 + np.random.default_rng(1).normal(0, 0.01, (10, 8, 8, 3)), 0, 1)
    assert copied(nearest_two(noisy, [pictures])) == 1.0
    assert nearest_two(pictures[:3], [pictures])[:, 0] == pytest.approx([0.0] * 3)
    assert copied(nearest_two(pictures[:35], [pictures[35:]])) == 0.0
    mixed = np.concatenate([noisy[:5].astype("float32"), np.full((15, 8, 8, 3), 0.5, "float32")])
    assert copied(nearest_two(mixed, [pictures])) == 0.25
