"""Adam in one pass: a gradient that is no finite number moves nothing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvae.model.vae import VAE
from kvae.training.optimizer import FusedAdam


def state(optimizer, weights) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(one)) for one in [*weights, *optimizer.variables[2:]]]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 3e19])
@pytest.mark.parametrize("traced", [True, False])
def test_one_gradient_without_a_finite_square_leaves_all_weights_as_they_were(wrong, traced):
    weights = [keras.Variable(np.ones((3, 2), "float32")), keras.Variable(np.ones(4, "float32"))]
    optimizer = FusedAdam(0.1)
    optimizer.build(weights)
    apply = tf.function(optimizer.apply) if traced else optimizer.apply
    apply([tf.ones((3, 2)), tf.ones(4)])
    before = state(optimizer, weights)
    assert int(optimizer.iterations) == 1 and not np.array_equal(before[0], np.ones((3, 2)))
    broken = np.ones(4, "float32")
    broken[2] = wrong
    apply([tf.ones((3, 2)), tf.constant(broken)])
    assert int(optimizer.iterations) == 1
    for one, other in zip(before, state(optimizer, weights), strict=True):
        np.testing.assert_array_equal(one, other)
    apply([tf.ones((3, 2)), tf.ones(4)])
    assert int(optimizer.iterations) == 2 and not np.array_equal(before[0], state(optimizer, weights)[0])


def noise(model) -> np.ndarray:
    return keras.ops.convert_to_numpy(model._noise.state).copy()


@pytest.mark.parametrize("options", [{}, {"rate": "tc"}, {"rate": "mmd"}, {"autoencoder": True}])
def test_the_noise_of_a_step_is_a_function_of_the_seed_and_the_step(options):
    model = VAE(image_shape=(16, 16, 3), network="conv", widths=(8,), latent_dim=2, **options)
    model.compile(FusedAdam(1e-3))
    model.seed_noise(7, 5)
    start = noise(model)
    model.fit(np.zeros((12, 16, 16, 3), "float32"), batch_size=4, epochs=1, verbose=0)
    after = noise(model)
    model.seed_noise(7, 8)
    np.testing.assert_array_equal(after, noise(model))
    assert np.array_equal(start, after) == bool(options.get("autoencoder"))
    model.seed_noise(8, 8)
    assert options.get("autoencoder") or not np.array_equal(after, noise(model))
