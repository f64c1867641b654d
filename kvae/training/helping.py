"""A run in several processes: what the first worker tells the others, and what these do.

The first worker has the run: its statistics, folder, clock, measurements and model. Another one gets the settings and
the whole state from it, reads its share of every batch, and makes each step when the first one does; it writes nothing.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kvae import __version__
from kvae.files.refusal import line
from kvae.images.collection import Collection, open_collection
from kvae.images.pipeline import training_batches
from kvae.images.pixels import unchecked
from kvae.model.vae import VAE
from kvae.saving.card import read_settings
from kvae.training.backend import BACKEND, attach
from kvae.training.checkpoint import restore, state_arrays
from kvae.training.cluster import Cluster, WorkerLost
from kvae.training.devices import of_cluster
from kvae.training.listener import Listener
from kvae.training.muon import fitting_optimizer
from kvae.training.prepared import Prepared
from kvae.training.run_state import RunState

END = -1  # in place of a step
# the settings of a run that all of its workers need
READ = ("data", "size", "crop", "follow_links", "validation", "batch_size", "seed", "augment", "learning_rate")


class _Ended(Exception):
    """The first worker says that the run is over."""


class Orders(keras.callbacks.Callback):
    """Tells the other workers each step before it is made, with its step size and the KL weight; comes after all other
    callbacks."""

    def __init__(self, cluster: Cluster, model: VAE, state: RunState) -> None:
        super().__init__()
        self._cluster, self._vae, self._state = cluster, model, state
        self._awaited = True  # whether the others wait for an order, rather than for a step

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        attach(self._vae)
        rate = float(keras.ops.convert_to_numpy(self._vae.optimizer.learning_rate))
        weight = float(keras.ops.convert_to_numpy(self._vae.kl_weight))
        self._awaited = False
        _, wished = self._cluster.order(self._state.step, rate, weight)
        if wished:  # this step is made, and is the last
            self._state.stopped = True

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._awaited = True

    def end(self) -> None:
        """Let the others go, if they can hear it: this process is alone from now on."""
        with contextlib.suppress(WorkerLost):
            if self._awaited:  # not in the middle of a step
                self._cluster.order(END, 0.0, 0.0)
                self._cluster.leave()

    def without_one(self, kept: int | None, model: Path) -> str:
        """That a worker is gone, and how to go on from step `kept`, where there is a checkpoint of it."""
        cure = "There is no checkpoint yet: start all of them again."
        if kept is not None:
            cure = f"The last checkpoint is that of step {kept}: start all of them again, with --resume {model}."
        return f"workers: one of {self._cluster.count} is gone at step {self._state.step}. {cure}"


def share_out(cluster: Cluster, model: VAE, settings: Mapping[str, Any], prepared: Prepared) -> None:
    """Tell the other workers the run that begins, and wait until they are ready.

    Raises:
        ValueError: one is not; what it says itself tells why.
        WorkerLost: one is gone.
    """
    told = {
        "versions": _versions(),
        "settings": {name: settings[name] for name in READ},
        "model": model.get_config(),
        "pictures": prepared.collection.manifest_hash,
        "device": prepared.device,
    }
    cluster.told(json.dumps(told).encode())
    cluster.told(b"".join(one.tobytes() for one in state_arrays(model)))
    if missing := cluster.unready(ready=True):
        raise ValueError(
            f"workers: worker {missing[0]} cannot take part, and says why. Mend that, and start all of them again."
        )


def help_train(cluster: Cluster, data: str | None, listener: Listener) -> None:
    """Train on a share of every batch of the run that the first worker has, until it ends; `data` is where its pictures
    are on this machine, if elsewhere.

    Raises:
        ValueError, OSError: there are no such pictures here; one sentence.
        WorkerLost: the first worker is gone, or another one.
    """
    told = json.loads(cluster.told())
    content = cluster.told()
    try:
        collection, training = _pictures(told, data, listener)
        model = _model(told, content)
    except BaseException:
        cluster.unready(ready=False)
        raise
    if missing := cluster.unready(ready=True):
        raise ValueError(f"workers: worker {missing[0]} cannot take part, and says why.")
    settings = told["settings"]
    devices = of_cluster(cluster, told["device"], settings["batch_size"], len(training))
    model = devices.taken(model)
    listener.on_message(
        f"worker {cluster.place} helps worker 0, which tells how the run goes: a share of every batch of "
        f"{settings['batch_size']} pictures"
    )
    obeys = Obeys(cluster, model, listener)
    step = obeys.hear()
    if step != END:
        model.seed_noise(settings["seed"], step)
        batches = training_batches(
            collection,
            training,
            batch_size=settings["batch_size"],
            seed=settings["seed"],
            augment=settings["augment"],
            start_step=step,
            part=devices.part,
        )
        _train(model, devices.fed(batches, step), obeys, cluster)
    cluster.leave()


def _train(model: VAE, batches: Any, obeys: "Obeys", cluster: Cluster) -> None:
    try:
        with unchecked():
            model.fit(batches, steps_per_epoch=10**9, shuffle=False, verbose=0, callbacks=[obeys])
    except _Ended:
        return
    except Exception as error:
        if not cluster.lost(error):
            raise
        raise WorkerLost(
            f"workers: worker {cluster.place} stops: another one is gone. Start all of them again, with --resume."
        ) from error


class Obeys(keras.callbacks.Callback):
    """Waits for the order of each step, and passes on the wish to stop. The first one is heard before `fit`."""

    def __init__(self, cluster: Cluster, model: VAE, listener: Listener) -> None:
        super().__init__()
        self._cluster, self._vae, self._listener = cluster, model, listener
        self._heard: list[float] | None = None  # step size and KL weight of the next step

    def hear(self) -> int:
        """The next step, or END."""
        (step, *self._heard), _ = self._cluster.order(wish=self._listener.should_stop())
        return int(step)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._heard is None and self.hear() == END:
            raise _Ended
        assert self._heard is not None
        attach(self._vae)
        rate, weight = self._heard
        self._heard = None
        self._vae.optimizer.learning_rate = rate
        self._vae.kl_weight.assign(weight)


def _pictures(told: Mapping[str, Any], data: str | None, listener: Listener) -> tuple[Collection, np.ndarray]:
    if told["versions"] != _versions():
        raise ValueError(
            f"workers: all need the same versions, and worker 0 has {', '.join(told['versions'])}. "
            f"Received: {', '.join(_versions())}."
        )
    settings = told["settings"]
    collection = open_collection(
        data or settings["data"],
        size=settings["size"],
        crop=settings["crop"],
        follow_links=settings["follow_links"],
        seed=0,
        progress=listener.on_progress,
    )
    if collection.manifest_hash != told["pictures"]:
        raise ValueError(
            f"workers: all need the same pictures, and those of {line(collection.name)} here are others than worker 0 "
            "has. Give every worker the same ones, with --data where their place differs."
        )
    return collection, collection.split(settings["validation"])[0]


def _model(told: Mapping[str, Any], content: bytes) -> VAE:
    model = VAE(**read_settings(told["model"]))
    model.compile(fitting_optimizer(model, told["settings"]["learning_rate"]))
    arrays, start = [], 0
    for one in state_arrays(model):
        arrays.append(np.frombuffer(content, one.dtype, one.size, start).reshape(one.shape).copy())
        start += one.nbytes
    restore(model, arrays)
    return model


def _versions() -> list[str]:
    return [f"kvae {__version__}", f"Keras {keras.__version__}", f"the backend {BACKEND}"]
