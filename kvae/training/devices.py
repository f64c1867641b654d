"""One model on several devices, of this machine or of a cluster: data parallel, by the means of the frameworks.

Every device has the whole model and takes a share of each batch; gradients are added up before the one update that all
make. What is drawn and what is averaged is that of the whole batch, so a run on several devices is the run on one but
for rounding, and its checkpoints and models are those of one.

On JAX the step is one program of the whole batch, of which Keras's `DataParallel` says what lies where; all methods
work. On TensorFlow each device sees its share alone, so methods that look at the pictures of a batch together have no
meaning there: those of this machine are under a `MirroredStrategy`, and those of a cluster add up what is to be added.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
from keras import ops

from kvae.images.pipeline import steps_per_epoch
from kvae.model.methods import name_of
from kvae.model.vae import VAE
from kvae.model.weight_range import EACH_ALONE
from kvae.training.backend import BACKEND
from kvae.training.cluster import Cluster, current
from kvae.training.muon import fitting_optimizer
from kvae.training.replicas import ClusterReplicas, Replicas, trains_as

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
    """`count` devices, those with `names`; on one, everything is as if there were none of this. With a `cluster`, the
    first of each of its processes, which train on `pictures` in batches of `batch_size`."""

    def __init__(
        self, names: list[str], cluster: Cluster | None = None, *, batch_size: int = 1, pictures: int = 1
    ) -> None:
        self.names, self.count, self.cluster = names, len(names), cluster
        self._batch_size, self._pictures = batch_size, pictures
        self._strategy = self._layouts = None
        if cluster is not None and BACKEND == "tensorflow":
            self.count = cluster.count
        elif self.count > 1 and BACKEND == "tensorflow":
            adding = None if "GPU" in names[0] else tf.distribute.ReductionToOneDevice()  # NCCL is for GPUs
            self._strategy = tf.distribute.MirroredStrategy(names, cross_device_ops=adding)
        elif self.count > 1:
            self._layouts = keras.distribution.DataParallel(devices=names)

    @property
    def told(self) -> str:
        """That there are several, after the name of one."""
        if self.cluster is not None:
            return f", one in each of {self.count} workers"
        return f" and {self.count - 1} more like it" if self.count > 1 else ""

    def scope(self) -> contextlib.AbstractContextManager:
        """Inside of it, models are made for these devices."""
        return contextlib.nullcontext() if self._strategy is None else self._strategy.scope()

    def taken(self, model: VAE) -> VAE:
        """`model`, made in the scope or before, on these devices: itself, or one with the same state."""
        if self._layouts is not None:
            for one in _state(model):
                one.assign(jax.device_put(one.value, self._layouts.get_variable_layout(one).backend_layout))
        if self._strategy is not None:
            if model.distribute_strategy is not self._strategy:
                with self._strategy.scope():
                    model = _twin(model)
            trains_as(model, Replicas(self.count))
        elif self.cluster is not None and self._layouts is None:
            trains_as(model, ClusterReplicas(self.cluster, self._batch_size))
        return model

    def left(self, model: VAE) -> VAE:
        """`model` for one device, when all is done."""
        if self._layouts is not None:
            for one in _state(model):
                one.assign(ops.convert_to_numpy(one))
        return model if model.replicas is None else _twin(model)

    def part(self, size: int) -> slice:
        """Which of the `size` pictures of a batch this process reads."""
        if self.cluster is None or (self._layouts is not None and size % self.count):
            return slice(None)
        place = self.cluster.place
        return slice(size * place // self.count, size * (place + 1) // self.count)

    def fed(self, batches: Iterable[Any], step: int) -> Iterable[Any]:
        """`batches`, of which this process has its part, from `step` on, as `fit` takes them for these devices."""
        if self._layouts is not None:
            batches = self._shares(batches, step)
        # of a generator, Keras takes tuples
        return ((one,) for one in batches) if isinstance(batches, Iterator) else batches

    def _shares(self, batches: Iterable[Any], step: int) -> Iterator[Any]:
        """Each batch in equal shares; one that cannot be divided goes to every device as a whole."""
        assert self._layouts is not None
        for place, batch in zip(itertools.count(step), map(ops.convert_to_numpy, batches), strict=False):
            layout = self._layouts.get_data_layout(batch.shape).backend_layout
            whole = jax.sharding.NamedSharding(layout.mesh, jax.sharding.PartitionSpec())
            size = len(batch) if self.cluster is None else self._size(place)
            yield jax.make_array_from_process_local_data(whole if size % self.count else layout, batch)

    def _size(self, step: int) -> int:
        """The pictures in the batch of `step`."""
        per_epoch = steps_per_epoch(self._pictures, self._batch_size)
        last = self._pictures - (per_epoch - 1) * self._batch_size
        return last if step % per_epoch == per_epoch - 1 else self._batch_size


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
    wanted, cluster = settings["devices"], current()
    if cluster is not None:
        if (wanted or 1) > 1:
            raise ValueError(
                f"devices: with TF_CONFIG each worker has one. Received: devices={wanted}. Start one worker for each "
                "device, and leave `devices` out."
            )
        if why := _obstacle(settings, cluster.count, pictures, custom):
            raise ValueError(f"devices: {why} Received: {cluster.count} workers.")
        return of_cluster(cluster, device, settings["batch_size"], pictures)
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
    if settings["autoencoder"] or (names["weighting"] in BY_STEP and names["rate"] in EACH_ALONE):
        return None
    return (
        f"on TensorFlow each device sees its share of a batch alone, enough for weighting {', '.join(BY_STEP)} with "
        f"rate {' or '.join(EACH_ALONE)}. Set KERAS_BACKEND=jax for all others."
    )


def of_cluster(cluster: Cluster, device: str, batch_size: int, pictures: int) -> Devices:
    """One device of each worker, of the kind of `device`, for a run on `pictures` in batches of `batch_size`."""
    names: list[str] = []
    if BACKEND == "jax":
        every = jax.devices("gpu" if device.startswith("gpu") else "cpu")
        firsts = [next(one for one in every if one.process_index == place) for place in range(cluster.count)]
        names = [f"{one.platform}:{one.id}" for one in firsts]
    return Devices(names, cluster, batch_size=batch_size, pictures=pictures)
