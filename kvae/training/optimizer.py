"""Adam in one pass over the weights, which a gradient that is no number does not reach."""

from typing import Any

import keras
from keras import ops

from kvae.training.backend import BACKEND, all_finite, update_if

if BACKEND == "tensorflow":
    import tensorflow as tf


class FusedAdam(keras.optimizers.Adam):
    """Adam whose update of a variable is, on TensorFlow, one fused kernel rather than ten operations.

    The same formula and the same variables as `keras.optimizers.Adam`, as which it is saved; on 2 CPU cores the update
    of 3 million weights takes a fifth of the time. JAX fuses Keras's own operations. Reference: Kingma & Ba, 2015,
    arXiv:1412.6980.

    A gradient that is no finite number, or whose square is none, moves nothing at all: the update is left out, and
    `iterations`, the number of updates, stays as it was.
    """

    replicas: Any = None  # whose gradients are added up, where a run trains on several devices

    def _clip_gradients(self, gradients: Any) -> Any:
        """Those of all devices together, no longer than they are to be."""
        together = gradients if self.replicas is None else self.replicas.added_up(list(gradients))
        return super()._clip_gradients(together)

    def _backend_update_step(self, gradients: Any, variables: Any, learning_rate: Any) -> None:
        """Update all `variables`, or none. Keras's own, which this replaces, walks over them in the same way."""
        finite = all_finite(gradients)

        def update() -> None:
            for gradient, variable in zip(gradients, variables, strict=True):
                self.update_step(gradient, variable, learning_rate)

        places = [self._get_variable_index(one) for one in variables]
        moments = [moment[place] for moment in (self._momentums, self._velocities) for place in places]
        update_if(finite, update, [*variables, *moments])
        # Keras counts every call, one more right after this
        self.iterations.assign_sub(ops.cast(ops.logical_not(finite), self.iterations.dtype))

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update `variable` and its two moments in place."""
        if BACKEND != "tensorflow":
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        step = ops.cast(self.iterations + 1, "float32")
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=ops.power(self.beta_1, step),
            beta2_power=ops.power(self.beta_2, step),
            lr=ops.cast(learning_rate, "float32"),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=ops.cast(gradient, "float32"),
        )


def _handle(variable: Any) -> Any:
    """The resource of a TensorFlow variable, or of the one inside a Keras variable."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
