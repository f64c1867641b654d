"""Muon: steps of equal length in every direction for the kernels of convolutions.

The momentum of a kernel, seen as a matrix from its inputs to its outputs, is replaced by the nearest orthogonal one, so
that directions with small gradients are learned as fast as those with large ones. As steps do not get shorter, kernels
would grow, and each step mean less: they decay. All other weights, and the kernels of dense layers, which condition the
network on the KL weight and are small, take steps of Adam.
References: Jordan et al., 2024, "Muon: an optimizer for hidden layers"; Liu et al., 2025, arXiv:2502.16982, for the
scale and the decay.
"""

import math
from typing import Any

import keras
from keras import ops

from kvae.model.vae import VAE
from kvae.training.optimizer import FusedAdam

COEFFICIENTS = (3.4445, -4.775, 2.0315)  # of a quintic whose iteration brings singular values near 1
ITERATIONS = 5
FACTOR = 4.0  # Muon's rate to Adam's; measured with 2e-3 as Adam's peak, and twice as much diverges
ROOT_MEAN_SQUARE = 0.2  # of a step, before the rate: about that of Adam's
MOMENTUM = 0.95
DECAY = 3.0  # of a kernel in a step, times Adam's rate: at its peak a kernel forgets in 170 steps
LONGEST = 1.0  # gradient of a relative loss


class Muon(FusedAdam):
    """Muon for kernels of convolutions, Adam for everything else.

    `learning_rate` is Adam's; a convolution's is `FACTOR` times that. The variables are Adam's, so that it is saved as
    plain Adam, which every kvae opens; a kernel's second moments stay zero.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update `variable` in place."""
        if len(variable.shape) != 4:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self._momentums[self._get_variable_index(variable)]
        gradient = ops.cast(gradient, "float32")
        self.assign(momentum, MOMENTUM * momentum + gradient)
        step = orthogonal(gradient + MOMENTUM * momentum)  # a step ahead, as Nesterov's
        rate = ops.cast(learning_rate, "float32")
        kept = ops.maximum(1.0 - DECAY * rate, 0.0) * ops.cast(variable, "float32")
        self.assign(variable, ops.cast(kept - FACTOR * ROOT_MEAN_SQUARE * rate * step, variable.dtype))


def fitting_optimizer(model: VAE, learning_rate: float) -> FusedAdam:
    """The optimizer of a run of `model`: `Muon` for the spectral network, whose weights are nearly all convolutions.

    The losses of a range of weights are relative, so that a gradient longer than `LONGEST` comes of a picture that is
    far off, and is shortened to that.
    """
    if model.custom or model.network != "spectral":
        return FusedAdam(learning_rate)
    return Muon(learning_rate, global_clipnorm=None if model.weight_range is None else LONGEST)


def carry_on(model: VAE, learning_rate: float) -> None:
    """Let a model that was loaded with plain Adam go on with the optimizer of its runs, which takes over its state; one
    that was saved without any begins with a new one."""
    plain = getattr(model, "optimizer", None)
    if plain is None:
        model.compile(fitting_optimizer(model, learning_rate))
        return
    if type(plain) is not keras.optimizers.Adam:
        return
    fused = type(fitting_optimizer(model, learning_rate)).from_config(plain.get_config())
    model.compile(fused)
    for mine, its in zip(fused.variables, plain.variables, strict=True):
        mine.assign(its)


def orthogonal(kernel: Any) -> Any:
    """The nearest matrix with equal singular values to `kernel`, (height, width, one, other), of mean square 1."""
    *_, last = kernel.shape
    matrix = ops.reshape(kernel, (-1, last))
    tall = matrix.shape[0] > last
    matrix = ops.transpose(matrix) if tall else matrix
    small, large = matrix.shape
    matrix = matrix / (ops.norm(matrix) + 1e-7)
    first, third, fifth = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = ops.matmul(matrix, ops.transpose(matrix))
        matrix = first * matrix + ops.matmul(third * gram + fifth * ops.matmul(gram, gram), matrix)
    matrix = ops.transpose(matrix) if tall else matrix
    return ops.reshape(matrix, kernel.shape) * math.sqrt(large)
