"""Batches for training and evaluation from a Collection; the one file of this room that imports TensorFlow.

TensorFlow prepares them where it is installed, else threads and NumPy do, which gives the same pictures. Their order is
a pure function of (seed, epoch) and the augmentation of (seed, step), so the position in the data is just the step: a
run that starts at `start_step` sees exactly what an uninterrupted one would.
"""

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from kvae.images.collection import Collection
from kvae.images.decoders import cores
from kvae.images.variation import AUGMENTATION, Augmentation, Variants, drawn, varied

try:
    import tensorflow as tf
except ImportError:  # JAX alone
    tf = None

READY = 2  # batches ready at the end of the pipeline
AHEAD = 4  # batches read at once, at most; fixed, because what AUTOTUNE holds ready grows with the free memory
THREADS = 2  # that read ahead without TensorFlow

Step = Callable[[int], tuple[np.ndarray, Variants | None]]  # to its pictures, uint8, and what is done to them

if tf is not None and keras.backend.backend() != "tensorflow":
    with contextlib.suppress(RuntimeError):  # somebody's program has TensorFlow at work there
        tf.config.set_visible_devices(
            [], "GPU"
        )  # it prepares pictures only, and would take the memory of another's GPU


def training_batches(
    collection: Collection,
    indices: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    augment: bool | Augmentation = True,
    start_step: int = 0,
    part: Callable[[int], slice] = lambda size: slice(None),
) -> Iterable[Any]:
    """Endless batches, float32 (batch, height, width, channels) in [0, 1], from step `start_step` on, as `fit` takes
    them: a `tf.data.Dataset`, or without TensorFlow a generator.

    An epoch has `steps_per_epoch` batches, the last of which may be smaller, and shows every picture once. Of the
    pictures of a batch only those in `part` of its size are read.
    """
    indices = _checked(collection, indices, batch_size)
    if len(indices) < batch_size:
        raise ValueError(
            f"training_batches: `batch_size` must be at most the number of training pictures, {len(indices)}. "
            f"Received: batch_size={batch_size}. Use a smaller batch or more pictures."
        )
    if start_step < 0:
        raise ValueError(f"training_batches: `start_step` must be at least 0. Received: start_step={start_step!r}.")
    strengths = AUGMENTATION if augment is True else augment or None
    order = Order(indices, batch_size=batch_size, seed=seed)

    def prepared(step: int) -> tuple[np.ndarray, Variants | None]:
        batch = order.batch(step)
        mine = part(len(batch))
        pictures = collection.read(batch[mine])
        if strengths is None:
            return pictures, None
        variants = drawn(strengths, len(batch), collection.shape, seed=seed, step=step)
        return pictures, Variants(*(one[mine] for one in variants))

    if tf is not None:
        return _dataset(tf.data.Dataset.counter(start_step), prepared, collection.shape, varying=strengths is not None)
    return _read_ahead(itertools.count(start_step), prepared)


def evaluation_batches(collection: Collection, indices: np.ndarray, *, batch_size: int) -> Iterable[Any]:
    """The pictures at `indices`, in that order, as float32 (batch, height, width, channels), as often as one asks: a
    `tf.data.Dataset`, or without TensorFlow an object of its own."""
    indices = _checked(collection, indices, batch_size)
    steps = -(-len(indices) // batch_size)

    def prepared(step: int) -> tuple[np.ndarray, None]:
        return collection.read(indices[step * batch_size : (step + 1) * batch_size]), None

    if tf is not None:
        return _dataset(tf.data.Dataset.range(steps), prepared, collection.shape, varying=False)
    return _Again(steps, prepared)


class _Again:
    """Batches that are read anew whenever one goes through them."""

    def __init__(self, steps: int, prepared: Step) -> None:
        self._steps, self._prepared = steps, prepared

    def __iter__(self) -> Iterator[np.ndarray]:
        return _read_ahead(range(self._steps), self._prepared)


def _read_ahead(steps: Iterable[int], prepared: Step) -> Iterator[np.ndarray]:
    """The batches of `steps`, `AHEAD` of them under way while one is used; ends its threads when it is dropped."""

    def batch(step: int) -> np.ndarray:
        pictures, variants = prepared(step)
        return pictures.astype(np.float32) / np.float32(255.0) if variants is None else varied(pictures, variants)

    threads = ThreadPoolExecutor(THREADS, "kvae-pictures")
    under_way: deque[Future[np.ndarray]] = deque()
    try:
        for step in steps:
            under_way.append(threads.submit(batch, step))
            if len(under_way) > AHEAD:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _dataset(steps: Any, prepared: Step, shape: tuple[int, int, int], *, varying: bool) -> Any:
    """`_read_ahead` as a `tf.data.Dataset`, which resamples and recolours in its own threads.

    Without TensorFlow's tuning thread: every parallelism here is fixed, so there is nothing to tune. And an iterator
    that is dropped now and then misses telling that thread, and hangs until its next round: 20 seconds or 40, once in
    some 50 evaluations.
    """
    height, width, channels = shape
    shapes: list[tuple[int | None, ...]] = [(None, *shape)]
    if varying:
        shapes += [(None, height, height), (None, width, width), (None, channels, channels), (None,), (None,)]
    types = [tf.uint8, *[tf.float32] * (len(shapes) - 1)]

    def numbers(step: np.ndarray) -> list[np.ndarray]:
        pictures, variants = prepared(int(step))
        return [pictures, *(variants or ())]

    def read(step: Any) -> tuple[Any, ...]:
        found = tf.numpy_function(numbers, [step], types, stateful=False)
        return tuple(tf.ensure_shape(one, kind) for one, kind in zip(found, shapes, strict=True))

    at_once = min(AHEAD, cores())  # each is some copies of a batch: more than there are cores cost memory alone
    batches = steps.map(read, num_parallel_calls=at_once, deterministic=True)
    batches = batches.map(_varied if varying else _as_floats, num_parallel_calls=at_once, deterministic=True)
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(READY).with_options(options)


def _varied(pictures: Any, rows: Any, columns: Any, colours: Any, brightness: Any, contrast: Any) -> Any:
    """`varied` in TensorFlow."""
    shape = tf.shape(pictures)
    values = tf.einsum("bij,bjkc->bikc", rows, tf.cast(pictures, tf.float32))
    values = tf.clip_by_value(tf.einsum("bkj,bijc->bikc", columns, values), 0.0, 255.0)
    pixels = tf.reshape(values, (shape[0], -1, pictures.shape[-1]))
    shift = brightness - contrast * tf.reduce_mean(pixels, axis=[1, 2]) / 255.0
    found = tf.matmul(pixels, colours) + shift[:, None, None]
    return tf.clip_by_value(tf.reshape(found, shape), 0.0, 1.0)


def _as_floats(pictures: Any) -> Any:
    return tf.cast(pictures, tf.float32) / 255.0


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Batches in an epoch of `count` pictures, the last, smaller one included."""
    return -(-count // batch_size)


class Order:
    """Which pictures each step shows: for every epoch another shuffle of `indices`, drawn from (seed, epoch)."""

    def __init__(self, indices: np.ndarray, *, batch_size: int, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"Order: `seed` must be at least 0. Received: seed={seed!r}.")
        self._indices, self._batch_size, self._seed = np.asarray(indices, np.int64), batch_size, seed
        self._steps = steps_per_epoch(len(self._indices), batch_size)
        self._epochs: dict[int, np.ndarray] = {}  # the last two, for steps are read ahead over the edge of an epoch
        self._lock = threading.Lock()

    def batch(self, step: int) -> np.ndarray:
        """The indices of step `step`, counted from the start of the run."""
        epoch, position = divmod(step, self._steps)
        with self._lock:
            order = self._epochs.get(epoch)
            if order is None:
                while len(self._epochs) > 1:
                    del self._epochs[next(iter(self._epochs))]
                order = self._epochs[epoch] = self.epoch(epoch)
        return order[position * self._batch_size : (position + 1) * self._batch_size]

    def epoch(self, epoch: int) -> np.ndarray:
        """All indices in the order of `epoch`."""
        return np.random.default_rng([self._seed, epoch]).permutation(self._indices)


def _checked(collection: Collection, indices: np.ndarray, batch_size: int) -> np.ndarray:
    indices = np.asarray(indices, np.int64).reshape(-1)
    if batch_size < 1:
        raise ValueError(f"{collection.name}: `batch_size` must be above 0. Received: batch_size={batch_size!r}.")
    if not len(indices):
        raise ValueError(f"{collection.name}: there are no pictures to read. Received: no indices.")
    return indices
