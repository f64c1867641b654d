"""What makes the shares of a batch one batch on TensorFlow, in a step of which each device sees its share.

What is drawn is drawn for the whole batch, everywhere alike, and each device takes its rows; the gradients of the
shares are added up before they are shortened and used.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kvae.objectives.base import Tensor
from kvae.training.backend import BACKEND
from kvae.training.cluster import Cluster

if BACKEND == "tensorflow":
    import tensorflow as tf

FIRST_KEY = 1000  # of the sums of a step of training; those of `Cluster` have smaller ones


class Replicas:
    """The `count` devices of one process under a `MirroredStrategy`."""

    def __init__(self, count: int) -> None:
        self.count = count

    def rows(self, draw: Callable[[Tensor], Tensor], mine: Tensor) -> Tensor:
        """The rows of this device's `mine` pictures in what `draw` draws for all pictures of the batch."""
        first, pictures = self._first(mine)
        return draw(pictures)[first : first + mine]

    def seen(self, values: Sequence[Tensor]) -> Sequence[Tensor]:
        """Of `values` of this device's pictures, each (pictures,), those that its metrics are to see: the metrics of
        all devices are added up."""
        return values

    def share(self, loss: Tensor, mine: Tensor) -> Tensor:
        """What this device adds to the loss: `loss` is the mean over its `mine` pictures.

        The gradients are added up, so theirs is that of a share; Keras logs the value times the number of devices.
        """
        part = loss * tf.cast(mine / self._first(mine)[1], loss.dtype)
        return part + tf.stop_gradient(loss / self.count - part)

    def added_up(self, values: Any) -> Any:
        """The sum over all devices of a tensor, or of each of a list."""
        if self._alone:
            return values
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)

    @property
    def _alone(self) -> bool:
        """Whether this is outside of a step, where Keras looks at shapes."""
        return tf.distribute.get_replica_context() is None or tf.distribute.get_strategy().num_replicas_in_sync == 1

    def _place(self) -> Any:
        """Which of the devices this one is."""
        return tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32)

    def _first(self, mine: Tensor) -> tuple[Tensor, Tensor]:
        """The place of the first of this device's `mine` pictures in the batch, and how many that has."""
        if self._alone:
            return 0, mine
        place = self._place()
        counts = self.added_up(tf.one_hot(place, self.count, dtype=tf.int32) * tf.cast(mine, tf.int32))
        return tf.reduce_sum(counts[:place]), tf.reduce_sum(counts)


class ClusterReplicas(Replicas):
    """The devices of a `cluster`, one in each process, which train on batches of `batch_size` together.

    Every process has a model like that of one device, whose metrics see the whole batch. The sums of a step come one
    after the other, with keys that count them, so that all processes add up the same things.
    """

    def __init__(self, cluster: Cluster, batch_size: int) -> None:
        super().__init__(cluster.count)
        self._cluster, self._batch_size = cluster, batch_size
        self._graph: Any = None  # of the step that is traced now
        self._sums: list[Tensor] = []  # that it has so far
        self._where: tuple[Tensor, Tensor] | None = None

    def seen(self, values: Sequence[Tensor]) -> Sequence[Tensor]:
        """Those of the whole batch: metrics are of one process."""
        rows = tf.stack(values, axis=1)
        mine = tf.shape(rows)[0]
        first, pictures = self._first(mine)
        padded = tf.pad(rows, [[first, self._batch_size - first - mine], [0, 0]])
        whole = self.added_up(tf.ensure_shape(padded, (self._batch_size, len(values))))
        return tf.unstack(whole[:pictures], axis=1)

    def share(self, loss: Tensor, mine: Tensor) -> Tensor:
        """What this process adds to the loss, with the value of the whole."""
        part = loss * tf.cast(mine / self._first(mine)[1], loss.dtype)
        return part + tf.stop_gradient(self.added_up(part) - part)

    def pictures(self, mine: Tensor) -> Tensor:
        """The pictures of the batch of which this process has `mine`."""
        return self._first(mine)[1]

    def added_up(self, values: Any) -> Any:
        """The sum over all processes of a tensor, or of each of a list, which travel as one."""
        many = isinstance(values, list)
        parts = values if many else [values]
        flat = tf.concat([tf.reshape(one, (-1,)) for one in parts], axis=0)
        found = tf.split(self._sum(flat), [one.shape.num_elements() for one in parts])
        shaped = [tf.reshape(one, like.shape) for one, like in zip(found, parts, strict=True)]
        return shaped if many else shaped[0]

    def _sum(self, flat: Tensor) -> Tensor:
        self._enter()
        with tf.control_dependencies(self._sums[-1:]):
            found = self._cluster.sum_of(tf.stop_gradient(flat), FIRST_KEY + len(self._sums))
        self._sums.append(found)
        return found

    def _first(self, mine: Tensor) -> tuple[Tensor, Tensor]:
        self._enter()
        if self._where is None:
            place = self._cluster.place
            counts = self.added_up(tf.one_hot(place, self.count, dtype=tf.int32) * tf.cast(mine, tf.int32))
            self._where = tf.reduce_sum(counts[:place]), tf.reduce_sum(counts)
        return self._where

    def _enter(self) -> None:
        graph = tf.compat.v1.get_default_graph()
        if graph is not self._graph:
            self._graph, self._sums, self._where = graph, [], None


def trains_as(model: keras.Model, replicas: Replicas) -> None:
    """Let `model` and its optimizer train as one of `replicas`."""
    model.replicas = model.optimizer.replicas = replicas
    if isinstance(replicas, ClusterReplicas):
        model.jit_compile = False  # XLA knows no sums over processes
        tracker = next(one for one in model.metrics if one.name == "loss")
        update = tracker.update_state
        # Keras counts a batch's loss once for each picture: for all of them, not for those of this process
        tracker.update_state = lambda value, sample_weight=None: update(value, replicas.pictures(sample_weight))
