"""One model on several devices of this machine: data parallel, by the means of the frameworks themselves.

Every device has the whole model and takes a share of each batch; gradients are added up before the one update that all
make. What is drawn and what is averaged is that of the whole batch, so a run on several devices is the run on one but
for rounding, and its checkpoints and models are those of one.

On JAX the step is one program of the whole batch, of which Keras's `DataParallel` says what lies where; all methods
work. On TensorFlow, under `MirroredStrategy`, each device sees its share alone, so methods that look at the pictures of
a batch together have no meaning there.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
from keras import ops

from kvae.model.methods import name_of
from kvae.model.vae import VAE
from kvae.model.weight_range import EACH_ALONE
from kvae.objectives.base import Tensor
from kvae.training.backend import BACKEND
from kvae.training.muon import fitting_optimizer

if BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "jax":
    import jax

BY_STEP = ("constant", "warm-up", "cyclical")  # weightings that see nothing of a batch


def device_names(kind: str) -> list[str]:
    """The devices of this machine that runs may use, `kind` is "cpu" or "gpu"."""
    if BACKEND == "tensorflow":
        return [one.name for one in tf.config.list_logical_devices(kind.upper())]
    return keras.distribution.list_devices(kind)


class Devices:
    """`count` devices; on one, everything is as if there were none of this."""

    def __init__(self, names: list[str]) -> None:
        self.names, self.count = names, len(names)
        self._strategy = self._layouts = None
        if self.count > 1 and BACKEND == "tensorflow":
            adding = None if "GPU" in names[0] else tf.distribute.ReductionToOneDevice()  # NCCL is for GPUs
            self._strategy = tf.distribute.MirroredStrategy(names, cross_device_ops=adding)
        elif self.count > 1:
            self._layouts = keras.distribution.DataParallel(devices=names)

    @property
    def told(self) -> str:
        """That there are several, after the name of one."""
        return f" and {self.count - 1} more like it" if self.count > 1 else ""

    def scope(self) -> contextlib.AbstractContextManager:
        """Inside of it, models are made for these devices."""
        return contextlib.nullcontext() if self._strategy is None else self._strategy.scope()

    def taken(self, model: VAE) -> VAE:
        """`model`, made in the scope or before, on these devices: itself, or one with the same state."""
        if self._layouts is not None:
            for one in _state(model):
                one.assign(jax.device_put(one.value, self._layouts.get_variable_layout(one).backend_layout))
        if self._strategy is None:
            return model
        if model.distribute_strategy is not self._strategy:
            with self._strategy.scope():
                model = _twin(model)
        model.replicas = Replicas(self.count)
        return model

    def left(self, model: VAE) -> VAE:
        """`model` for one device, when all is done."""
        if self._layouts is not None:
            for one in _state(model):
                one.assign(ops.convert_to_numpy(one))
        return model if self._strategy is None else _twin(model)

    def fed(self, batches: Iterable[Any]) -> Iterable[Any]:
        """`batches` as these devices take them."""
        return batches if self._layouts is None else self._shares(batches)

    def _shares(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Each batch in equal shares; one that cannot be divided goes to every device as a whole."""
        assert self._layouts is not None
        for batch in map(ops.convert_to_numpy, batches):
            layout = self._layouts.get_data_layout(batch.shape).backend_layout
            whole = jax.sharding.NamedSharding(layout.mesh, jax.sharding.PartitionSpec())
            yield jax.device_put(batch, whole if len(batch) % self.count else layout)


class Replicas:
    """What makes the shares of a batch one batch on TensorFlow, in a step of which each device sees its share."""

    def __init__(self, count: int) -> None:
        self._count = count

    def normal(self, shape: tuple[Any, ...], seed: keras.random.SeedGenerator) -> Tensor:
        """This device's rows of the noise that one device would draw for the whole batch."""
        counts, place = self._rows(shape[0])
        drawn = keras.random.normal((tf.reduce_sum(counts), shape[1]), seed=seed)
        first = tf.reduce_sum(counts[:place])
        return drawn[first : first + shape[0]]

    def share(self, loss: Tensor, pictures: Tensor) -> Tensor:
        """What this device adds to the loss: `loss` is the mean over its `pictures`.

        The gradients are added up, so theirs is that of a share; Keras logs the value times the number of devices.
        """
        counts, _ = self._rows(pictures)
        mine = loss * tf.cast(pictures / tf.reduce_sum(counts), loss.dtype)
        return mine + tf.stop_gradient(loss / self._count - mine)

    def _rows(self, mine: Tensor) -> tuple[Tensor, Tensor]:
        """The pictures of each device, (devices,), and which of them this one is."""
        context = tf.distribute.get_replica_context()
        if context is None or tf.distribute.get_strategy().num_replicas_in_sync == 1:
            return tf.reshape(mine, (1,)), 0
        place = tf.cast(context.replica_id_in_sync_group, tf.int32)
        told = tf.one_hot(place, self._count, dtype=tf.int32) * tf.cast(mine, tf.int32)
        return context.all_reduce(tf.distribute.ReduceOp.SUM, told), place


def _state(model: VAE) -> list[keras.Variable]:
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


def _twin(model: VAE) -> VAE:
    """A model with the settings and the whole state of `model`, made in the present scope."""
    made = VAE.from_config(model.get_config())
    made.compile(fitting_optimizer(made, 1e-3))  # whose rate is a variable, too
    for mine, its in zip(_state(made), _state(model), strict=True):
        mine.assign(ops.convert_to_numpy(its))
    made.card = model.card
    return made


def choose_devices(settings: Mapping[str, Any], device: str, pictures: int, *, custom: bool) -> Devices:
    """The devices of a run: as many as its settings say, or all GPUs that its methods allow; `device` is where it
    computes, and `custom` says that its networks or methods are somebody's own.

    Raises:
        ValueError: more devices than there are, or than the run can use; one sentence.
    """
    wanted = settings["devices"]
    names = device_names("gpu" if device.startswith("gpu") else "cpu")
    count = wanted or (len(names) if device.startswith("gpu") else 1)
    if count > len(names):
        what = "GPUs" if device.startswith("gpu") else "CPU devices"
        raise ValueError(
            f"devices: there are not so many here; {BACKEND} finds {len(names)} {what}. Received: devices={count}. "
            "Choose fewer."
        )
    why = None if count == 1 else _obstacle(settings, count, pictures, custom)
    if why is None:
        return Devices(list(names[:count]))
    if wanted is not None:
        raise ValueError(f"devices: {why} Received: devices={count}.")
    return Devices(list(names[:1]))


def _obstacle(settings: Mapping[str, Any], count: int, pictures: int, custom: bool) -> str | None:
    """Why a run cannot be on several devices, and what to do."""
    batch = settings["batch_size"]
    if batch < count:
        return f"every device needs a picture of each batch, which has {batch}. Choose fewer devices."
    if custom:
        return "networks and methods of your own train on one device. Leave `devices` out."
    if settings["precision"] == "mixed_float16":
        return "mixed_float16 trains on one device. Choose precision mixed_bfloat16."
    if BACKEND != "tensorflow":
        return None
    if 0 < pictures % batch < count:
        return f"the last batch of an epoch has {pictures % batch} pictures, too few. Choose another `batch_size`."
    names = {axis: name_of(settings.get(axis)) for axis in ("weighting", "rate")}
    alone = settings["autoencoder"] or (names["weighting"] in BY_STEP and names["rate"] in EACH_ALONE)
    if alone and not isinstance(settings["kl_weight"], tuple):
        return None
    return (
        f"on TensorFlow each device sees its share of a batch alone, enough for weighting {', '.join(BY_STEP)} with "
        f"rate {' or '.join(EACH_ALONE)} at one weight. Set KERAS_BACKEND=jax for all others."
    )
