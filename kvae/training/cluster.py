"""One run in several processes, on one machine or several: who takes part, and what they tell each other.

The environment variable TF_CONFIG says who, on TensorFlow and on JAX alike. The first worker has the run; the others
help it: `kvae.training.helping`. What they exchange goes through the collective operations of the framework.
"""

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from kvae.quiet_imports import silence
from kvae.training.backend import BACKEND, check_backend
from kvae.training.device import choose_device
from kvae.training.meeting import meet

if BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "jax":
    import jax
    from jax.experimental import multihost_utils

MEETING = 300.0  # seconds within which all workers must have come
HEARTBEAT = 30  # seconds of silence after which JAX takes a worker for dead; TensorFlow's own is some 10
GROUP = 23  # by which TensorFlow knows the sums of ours
ORDER, LENGTH, CHUNK, READY = range(1, 5)  # keys of sums, which on TensorFlow have one shape each
CHUNK_SIZE = 1 << 18  # numbers of four bytes in a message
EXAMPLE = '{"cluster": {"worker": ["first-host:12345", "other-host:12345"]}, "task": {"type": "worker", "index": 0}}'

_joined: "Cluster | None" = None


class WorkerLost(ConnectionError):
    """A process of the cluster is gone."""


def current() -> "Cluster | None":
    """The cluster that this process has joined and not left."""
    return _joined


def members(environment: Mapping[str, str] = os.environ) -> tuple[list[str], int] | None:
    """The addresses of all workers as TF_CONFIG has them, the first one's first, and which of them this process is;
    None where it is alone.

    Raises:
        ValueError: it cannot be understood; one sentence.
    """
    told = environment.get("TF_CONFIG", "").strip()
    if not told:
        return None
    try:
        parsed = json.loads(told)
        cluster, task = parsed.get("cluster") or {}, parsed.get("task") or {}
        unknown = sorted(set(cluster) - {"chief", "worker"})
        addresses = [*cluster.get("chief", []), *cluster.get("worker", [])]
        index, kind = int(task.get("index", 0)), task.get("type", "worker")
        known = kind in cluster and 0 <= index < len(cluster[kind])
        sound = all(isinstance(one, str) and one.rpartition(":")[2].isdecimal() for one in addresses)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"TF_CONFIG: it must be JSON such as {EXAMPLE}. Received: {told[:80]}.") from None
    if unknown:
        raise ValueError(f"TF_CONFIG: kvae knows tasks of the type worker and chief. Received: {unknown[0]}.")
    if len(addresses) < 2:
        return None
    if not known or not sound or len(set(addresses)) < len(addresses):
        raise ValueError(
            "TF_CONFIG: every worker needs an address of its own, host:port, and `task` must be one of them. "
            f"Received: {len(addresses)} addresses, task {kind} {index}."
        )
    return addresses, index if kind == "chief" else index + len(cluster.get("chief", []))


def join(tell: Callable[[str], None], device: str = "auto") -> "Cluster | None":
    """Meet the other workers, if TF_CONFIG names any, to compute on `device`; before anything is computed.

    Raises:
        ValueError, ConnectionError: TF_CONFIG cannot be understood, the others do not come, or the framework cannot
            join them; one sentence.
    """
    global _joined
    found = members()
    if found is None or _joined is not None:
        return _joined
    check_backend("TF_CONFIG")
    addresses, place = found
    others = "the other" if len(addresses) == 2 else f"the {len(addresses) - 1} others"
    tell(f"worker {place} waits for {others}, {MEETING / 60:g} minutes at most")
    try:
        meet(addresses, place, MEETING)
        with _own_signals():
            _connect(addresses, place, device)
    except ConnectionError:
        raise
    except (RuntimeError, OSError) as error:
        told = str(error).partition("\n")[0]
        raise ValueError(f"TF_CONFIG: worker {place} could not join the others at {addresses[0]}: {told}") from error
    _joined = Cluster(len(addresses), place)
    return _joined


def _connect(addresses: list[str], place: int, device: str) -> None:
    if BACKEND == "tensorflow":
        choose_device(device)  # before its server has taken them all
        tf.distribute.MultiWorkerMirroredStrategy()  # whose making is what starts TensorFlow's server
        return
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(
        addresses[0],
        len(addresses),
        place,
        heartbeat_timeout_seconds=HEARTBEAT,
    )
    choose_device(device)
    with silence(1, sys.stdout):  # where Gloo says hello, once
        multihost_utils.process_allgather(np.zeros(1, np.int32))


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Take SIGTERM back afterwards: both frameworks take it, for a notice to checkpoints of theirs."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if before is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


class Cluster:
    """`count` processes, of which this one is in the place `place`, counted from 0."""

    def __init__(self, count: int, place: int) -> None:
        self.count, self.place = count, place

    def sum_of(self, flat: Any, key: int) -> Any:
        """On TensorFlow, the sum over all workers of a tensor whose shape is always the same for its `key`."""
        return tf.raw_ops.CollectiveReduceV2(
            input=flat,
            group_size=self.count,
            group_key=GROUP,
            instance_key=key,
            ordering_token=[],
            merge_op="Add",
            final_op="Id",
        )

    def told(self, content: bytes = b"") -> bytes:
        """`content` of the first worker, in all of them.

        Raises:
            WorkerLost: one is gone.
        """
        mine = content if self.place == 0 else b""
        (length,) = self._total(np.array([len(mine)], np.int64).view(np.int32), LENGTH).view(np.int64).tolist()
        parts = []
        for start in range(0, length, 4 * CHUNK_SIZE):
            chunk = np.frombuffer(mine[start : start + 4 * CHUNK_SIZE].ljust(4 * CHUNK_SIZE, b"\0"), np.int32)
            parts.append(self._total(chunk if self.place == 0 else np.zeros_like(chunk), CHUNK).tobytes())
        return b"".join(parts)[:length]

    def order(self, *numbers: float, wish: bool = False) -> tuple[tuple[float, ...], bool]:
        """Three `numbers` of the first worker, in all of them, and whether any worker has a `wish`.

        Raises:
            WorkerLost: one is gone.
        """
        mine = numbers if self.place == 0 else (0.0,) * 3
        bits = np.array(mine, np.float64).view(np.int32)
        *found, wishes = self._total(np.append(bits, np.int32(wish)), ORDER)
        return tuple(np.array(found, np.int32).view(np.float64).tolist()), wishes > 0

    def unready(self, *, ready: bool) -> list[int]:
        """The workers that are not `ready`; all must ask.

        Raises:
            WorkerLost: one is gone.
        """
        mine = np.zeros(self.count, np.int32)
        mine[self.place] = ready
        return np.flatnonzero(self._total(mine, READY) == 0).tolist()

    def lost(self, error: BaseException) -> bool:
        """Whether `error`, which a step of training ended in, says that a worker is gone."""
        if isinstance(error, WorkerLost):
            return True
        if BACKEND == "tensorflow":
            gone = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)
            return isinstance(error, (*gone, tf.errors.DeadlineExceededError))
        words = ("gloo", "nccl", "unavailable", "connection", "coordination", "deadline")
        return isinstance(error, jax.errors.JaxRuntimeError) and any(one in str(error).lower() for one in words)

    def leave(self) -> None:
        """All is done: what this process computes from now on it computes for itself. All must leave."""
        global _joined
        _joined = None
        if BACKEND == "jax":
            jax.distributed.shutdown()

    def _total(self, values: np.ndarray, key: int) -> np.ndarray:
        """The sum of the int32 `values` of all workers; where all but one have zeros, those of the one, bit for
        bit."""
        try:
            if BACKEND == "tensorflow":
                with tf.device("CPU"):
                    return self.sum_of(tf.constant(values), key).numpy()
            return np.asarray(multihost_utils.process_allgather(values)).sum(axis=0, dtype=np.int32)
        except Exception as error:
            raise WorkerLost(
                f"workers: one of {self.count} is gone, and has said why if it could. Start all of them again."
            ) from error
