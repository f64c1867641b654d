"""Muon: orthogonal steps for kernels of convolutions, Adam for the rest."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvae.model.compiling import optimizer_config
from kvae.training.muon import DECAY, Muon, orthogonal
from kvae.training.optimizer import FusedAdam


def weights() -> list[keras.Variable]:
    random = np.random.default_rng(0)
    return [keras.Variable(random.standard_normal(shape).astype("float32")) for shape in ((3, 3, 8, 4), (6, 5), (5,))]


def gradients(seed: int = 1) -> list[tf.Tensor]:
    random = np.random.default_rng(seed)
    return [tf.constant(random.standard_normal(one.shape), tf.float32) for one in weights()]


@pytest.mark.parametrize("shape", [(3, 3, 16, 8), (1, 1, 8, 32), (4, 4, 3, 16)])
def test_the_singular_values_of_a_step_are_nearly_equal_and_its_mean_square_near_one(shape):
    gradient = np.random.default_rng(2).standard_normal(shape) * np.geomspace(1, 10, shape[-1])
    step = keras.ops.convert_to_numpy(orthogonal(tf.constant(gradient, tf.float32)))
    values = np.linalg.svd(step.reshape(-1, shape[-1]), compute_uv=False)
    assert values.max() / values.min() < 2.5
    assert np.mean(step**2) == pytest.approx(1, abs=0.35)


def test_no_gradient_is_no_step():
    assert not np.any(orthogonal(tf.zeros((3, 3, 4, 4))))


def test_kernels_of_convolutions_take_orthogonal_steps_and_all_else_takes_adams():
    one, other = weights(), weights()
    for optimizer, chosen in ((Muon(1e-3), one), (FusedAdam(1e-3), other)):
        optimizer.build(chosen)
        for step in range(3):
            optimizer.apply(gradients(step))
    for mine, its in zip(one[1:], other[1:], strict=True):
        np.testing.assert_array_equal(mine.numpy(), its.numpy())
    moved = (one[0].numpy() - weights()[0].numpy()).reshape(-1, 4)
    assert np.abs(moved - (other[0].numpy() - weights()[0].numpy()).reshape(-1, 4)).max() > 1e-4
    assert np.linalg.svd(moved, compute_uv=False).min() > 1e-3


def test_a_kernel_without_a_gradient_decays_and_nothing_else_does():
    chosen = weights()
    optimizer = Muon(1e-3)
    optimizer.build(chosen)
    for _ in range(20):
        optimizer.apply([tf.zeros(one.shape) for one in chosen])
    np.testing.assert_allclose(chosen[0].numpy(), (1 - 1e-3 * DECAY) ** 20 * weights()[0].numpy(), rtol=1e-5)
    for mine, its in zip(chosen[1:], weights()[1:], strict=True):
        np.testing.assert_array_equal(mine.numpy(), its.numpy())


def test_the_length_of_a_step_does_not_depend_on_that_of_the_gradient():
    moved = []
    for factor in (1e-4, 1e4):
        chosen = weights()
        optimizer = Muon(1e-3)
        optimizer.build(chosen)
        optimizer.apply([factor * one for one in gradients()])
        moved.append(chosen[0].numpy() - weights()[0].numpy())
    np.testing.assert_allclose(*moved, rtol=0.05, atol=1e-4)


def test_a_gradient_that_is_no_finite_number_moves_nothing():
    chosen = weights()
    optimizer = Muon(1e-3)
    optimizer.build(chosen)
    optimizer.apply([gradients()[0] * np.nan, *gradients()[1:]])
    assert int(optimizer.iterations) == 0
    for mine, its in zip(chosen, weights(), strict=True):
        np.testing.assert_array_equal(mine.numpy(), its.numpy())


def test_a_quadratic_is_minimised_where_the_decay_leaves_room():
    # steps of length .8 against a decay of 3 hold the singular values of the kernel, 72 by 4, below .8/3 of √72
    chosen, target = weights(), [one.numpy() + 0.05 for one in weights()]
    target[0] *= 0.1
    optimizer = Muon(keras.optimizers.schedules.CosineDecay(5e-3, 300))
    optimizer.build(chosen)
    apply = tf.function(optimizer.apply)
    for _ in range(300):
        apply([one.value - goal for one, goal in zip(chosen, target, strict=True)])
    for one, goal in zip(chosen, target, strict=True):
        np.testing.assert_allclose(one.numpy(), goal, atol=0.01)


def test_it_is_saved_as_plain_adam_with_the_same_state():
    optimizer = Muon(2e-3)
    assert optimizer_config(optimizer)["class_name"] == "Adam"
    optimizer.build(weights())
    plain = keras.optimizers.Adam(2e-3)
    plain.build(weights())
    assert [one.shape for one in optimizer.variables] == [one.shape for one in plain.variables]
