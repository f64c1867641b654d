"""Batches for training and evaluation from a Collection; the one file of this room that imports TensorFlow.

The order of the pictures is a pure function of (seed, epoch) and the augmentation of (seed, step), so the position in
the data is just the step: a run that starts at `start_step` sees exactly what an uninterrupted one would.
"""

import threading
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kvae.images.collection import Collection

LARGEST_RATIO = 4 / 3  # width to height of a crop, at most, before it is stretched back to a square: mild
LUMA = (0.299, 0.587, 0.114)  # weights of R, G, B in grey (ITU-R BT.601)
READY = 2  # batches ready at the end of the pipeline
AHEAD = 4  # batches read at once; fixed, because what AUTOTUNE holds ready grows with the free memory


@dataclass(frozen=True)
class Augmentation:
    """How strongly pictures are varied. All strengths at their least (False, 1, 0) leave pictures as they are.

    flip: whether half of them are mirrored left to right.
    min_area: the smallest part of a picture that a crop shows, as a fraction of its area, up to 1.
    whole: the share of pictures that are not cropped: a crop is enlarged, and has less detail than a picture.
    colour: the largest change of brightness (in pixel values), contrast and saturation (as factors); hue stays.
    """

    flip: bool = True
    min_area: float = 0.5
    whole: float = 1 / 3
    colour: float = 0.06

    def __post_init__(self) -> None:
        # Crops are not antialiased, which is right down to about half the width, and no further.
        if not 0.25 <= self.min_area <= 1:
            raise ValueError(f"Augmentation: `min_area` must be from 0.25 to 1. Received: min_area={self.min_area!r}.")
        if not 0 <= self.whole <= 1:
            raise ValueError(f"Augmentation: `whole` must be from 0 to 1. Received: whole={self.whole!r}.")
        if not 0 <= self.colour <= 0.5:
            raise ValueError(f"Augmentation: `colour` must be from 0 to 0.5. Received: colour={self.colour!r}.")


AUGMENTATION = Augmentation()  # what `augment=True` means


def training_batches(
    collection: Collection,
    indices: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    augment: bool | Augmentation = True,
    start_step: int = 0,
) -> tf.data.Dataset:
    """An endless dataset of float32 (batch, height, width, channels) in [0, 1], from step `start_step` on.

    An epoch has `steps_per_epoch` batches, the last of which may be smaller, and shows every picture once.
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
    steps = tf.data.Dataset.counter(start_step)
    batches = steps.map(_reader(collection, order.batch), num_parallel_calls=AHEAD, deterministic=True)

    def prepared(step: tf.Tensor, pictures: tf.Tensor) -> tf.Tensor:
        return _as_floats(pictures) if strengths is None else augmented(pictures, strengths, seed=seed, step=step)

    return _untuned(batches.map(prepared, num_parallel_calls=AHEAD, deterministic=True))


def evaluation_batches(collection: Collection, indices: np.ndarray, *, batch_size: int) -> tf.data.Dataset:
    """A finite dataset of the pictures at `indices`, in that order, as float32 (batch, height, width, channels)."""
    indices = _checked(collection, indices, batch_size)
    steps = tf.data.Dataset.range(-(-len(indices) // batch_size))
    read = _reader(collection, lambda step: indices[step * batch_size : (step + 1) * batch_size])
    batches = steps.map(read, num_parallel_calls=AHEAD, deterministic=True)
    return _untuned(batches.map(lambda step, pictures: _as_floats(pictures)))


def _untuned(batches: tf.data.Dataset) -> tf.data.Dataset:
    """`batches`, made ready ahead of their use, without TensorFlow's tuning thread.

    Every parallelism here is fixed, so there is nothing to tune. And an iterator that is dropped now and then misses
    telling that thread, and hangs until its next round: 20 seconds or 40, once in some 50 evaluations.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(READY).with_options(options)


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


def augmented(pictures: tf.Tensor, strengths: Augmentation, *, seed: int, step: tf.Tensor) -> tf.Tensor:
    """Vary each of `pictures`, uint8 (batch, height, width, channels), on its own.

    Returns float32 of the same shape in [0, 1], a pure function of the pictures, `seed` and `step` (int64).
    """
    draws = tf.random.stateless_uniform((tf.shape(pictures)[0], 9), tf.stack([tf.constant(seed, tf.int64), step]))
    values = tf.cast(pictures, tf.float32)
    if strengths.flip or strengths.min_area < 1:
        values = _cropped(values, draws[:, :6], strengths)
    return tf.clip_by_value(_recoloured(values, (2.0 * draws[:, 6:] - 1.0) * strengths.colour), 0.0, 1.0)


def _cropped(pictures: tf.Tensor, draws: tf.Tensor, strengths: Augmentation) -> tf.Tensor:
    """Parts of `pictures` enlarged to their size, some of them mirrored, from uniform `draws` (batch, 6).

    x' = Y·x·Xᵀ with a matrix for the rows and one for the columns of each picture, whose kernel keeps detail that
    straight lines between pixels would blur away, and with it what small KL weights are about.
    """
    area = strengths.min_area + (1.0 - strengths.min_area) * draws[:, 0]
    area = tf.where(draws[:, 5] < strengths.whole, 1.0, area)
    # The ratio is bounded by what fits: neither side of a crop may exceed the picture's.
    largest = tf.minimum(np.float32(np.log(LARGEST_RATIO)), -tf.math.log(area))
    half_ratio = tf.exp(0.5 * (2.0 * draws[:, 1] - 1.0) * largest)  # square root of width / height
    height, width = tf.sqrt(area) / half_ratio, tf.sqrt(area) * half_ratio
    top, left = (1.0 - height) * draws[:, 2], (1.0 - width) * draws[:, 3]
    mirrored = tf.logical_and(strengths.flip, draws[:, 4] < 0.5)
    rows = _resampling(top, height, pictures.shape[1])
    columns = _resampling(left, width, pictures.shape[2])
    columns = tf.where(mirrored[:, None, None], tf.reverse(columns, [1]), columns)
    values = tf.einsum("bij,bjkc->bikc", rows, pictures)
    return tf.clip_by_value(tf.einsum("bkj,bijc->bikc", columns, values), 0.0, 255.0)


def _resampling(start: tf.Tensor, share: tf.Tensor, size: int) -> tf.Tensor:
    """Matrices (batch, size, size) that enlarge the part of `size` pixels that begins at `start` and is `share` of
    them, both (batch,), with the kernel of Keys, 1981, "Cubic convolution interpolation"."""
    places = tf.cast(tf.range(size), tf.float32)
    wanted = start[:, None] * size + (places + 0.5) * share[:, None] - 0.5
    far = tf.abs(wanted[:, :, None] - places)
    near, beyond = (1.5 * far - 2.5) * far**2 + 1.0, ((2.5 - 0.5 * far) * far - 4.0) * far + 2.0
    weights = tf.where(far < 1.0, near, tf.where(far < 2.0, beyond, 0.0))
    return weights / tf.reduce_sum(weights, axis=2, keepdims=True)


def _recoloured(pictures: tf.Tensor, changes: tf.Tensor) -> tf.Tensor:
    """Change brightness, contrast and saturation by `changes` (batch, 3), and bring 0..255 to 0..1 on the way.

    Saturation is x + s (x - grey), which keeps grey and hue; contrast is taken around the picture's own mean. All of
    it together is one matrix and one shift per picture, and a matrix product is twice as fast as the steps.
    """
    brightness, contrast, saturation = (changes[:, i, None, None] for i in range(3))
    shape, channels = tf.shape(pictures), pictures.shape[-1]
    pixels = tf.reshape(pictures, (shape[0], -1, channels))
    mean = tf.reduce_mean(pixels, axis=[1, 2], keepdims=True) / 255.0
    matrix = tf.eye(channels)
    if channels == 3:
        matrix = matrix + saturation * (matrix - tf.constant(LUMA)[:, None])  # (batch, 3, 3)
    matrix = matrix * (1.0 + contrast) / 255.0
    return tf.reshape(tf.matmul(pixels, matrix) + (brightness - contrast * mean), shape)


def _as_floats(pictures: tf.Tensor) -> tf.Tensor:
    return tf.cast(pictures, tf.float32) / 255.0


def _reader(collection: Collection, batch):
    """A function for `Dataset.map`: a step to (step, uint8 pictures of `batch(step)`)."""

    def read(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pictures = tf.numpy_function(lambda s: collection.read(batch(int(s))), [step], tf.uint8, stateful=False)
        return step, tf.ensure_shape(pictures, (None, *collection.shape))

    return read


def _checked(collection: Collection, indices: np.ndarray, batch_size: int) -> np.ndarray:
    indices = np.asarray(indices, np.int64).reshape(-1)
    if batch_size < 1:
        raise ValueError(f"{collection.name}: `batch_size` must be above 0. Received: batch_size={batch_size!r}.")
    if not len(indices):
        raise ValueError(f"{collection.name}: there are no pictures to read. Received: no indices.")
    return indices
