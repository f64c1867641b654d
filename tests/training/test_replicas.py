"""Shares of a batch are the batch: workers of a cluster, here threads whose sums meet in one process."""

import threading
from importlib.util import find_spec

import keras
import numpy as np
import pytest

import kvae
from kvae.images.paintings import paint_many
from kvae.training.cluster import Cluster
from kvae.training.devices import Devices
from kvae.training.optimizer import FusedAdam

BATCHES = (8, 8, 7)  # an epoch, whose last batch cannot be shared out equally
tf = pytest.importorskip("tensorflow")

pytestmark = pytest.mark.skipif(
    find_spec("tensorflow") is None or keras.backend.backend() != "tensorflow", reason="JAX needs none of this"
)


class Threads(Cluster):
    """One of `count` workers that are threads; all of them share `table` and `barrier`."""

    def __init__(self, count, place, table, barrier):
        super().__init__(count, place)
        self._table, self._barrier = table, barrier

    def sum_of(self, flat, key):
        def exchanged(mine):
            self._table[self.place] = key, mine
            self._barrier.wait(60.0)
            keys, values = zip(*(self._table[place] for place in range(self.count)), strict=True)
            assert set(keys) == {key}, "all add up the same thing"
            self._barrier.wait(60.0)
            return sum(values)

        return tf.ensure_shape(tf.numpy_function(exchanged, [flat], flat.dtype), flat.shape)


def made(settings):
    vae = kvae.VAE(image_shape=(16, 16, 3), latent_dim=4, seed=5, **settings)
    vae.compile(FusedAdam(0.02, global_clipnorm=0.5))  # shorter than the gradients are
    return vae


def trained(vae, pictures, part=lambda size: slice(None)):
    """The history of two epochs on the `part` of each batch."""

    def shares():
        for _ in range(2):
            for place, size in enumerate(BATCHES):
                yield pictures[8 * place :][:size][part(size)]

    batches = tf.data.Dataset.from_generator(shares, output_signature=tf.TensorSpec((None, 16, 16, 3), tf.float32))
    return vae.fit(batches, epochs=2, steps_per_epoch=len(BATCHES), shuffle=False, verbose=0).history


@pytest.mark.parametrize(
    "settings",
    [
        {"network": "linear", "kl_weight": (0.01, 1.0)},
        {"network": "conv", "widths": (4,), "weighting": "warm-up", "ramp_steps": 4, "rate": "full"},
        pytest.param({"network": "conv", "widths": (4,), "autoencoder": True}, marks=pytest.mark.slow),
    ],
)
def test_workers_that_each_see_a_share_of_a_batch_train_the_model_of_one(settings):
    count = 2  # each that waits keeps a thread of TensorFlow's, which may have no more than 2
    pictures = paint_many(range(sum(BATCHES)), size=16, seed=3)[0].astype("float32") / 255.0
    alone = made(settings)
    if alone.linear_path is not None:
        alone.adapt(pictures)
    start = alone.get_weights()
    history = trained(alone, pictures)

    table, barrier = {}, threading.Barrier(count)
    devices = [
        Devices([], Threads(count, place, table, barrier), batch_size=8, pictures=len(pictures))
        for place in range(count)
    ]
    models, found = [made(settings) for _ in devices], {}
    for model in models:
        model.set_weights(start)

    def train(place):
        model = devices[place].taken(models[place])
        found[place] = trained(model, pictures, devices[place].part)

    threads = [threading.Thread(target=train, args=(place,)) for place in range(count)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120.0)
    for place in range(count):
        for name, values in history.items():
            assert found[place][name] == pytest.approx(values, rel=1e-4)
        left = devices[place].left(models[place])
        assert left.replicas is None
        for mine, its in zip(left.get_weights(), alone.get_weights(), strict=True):
            np.testing.assert_allclose(mine, its, rtol=1e-3, atol=1e-5)
