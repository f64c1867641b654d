"""Bayesian networks speak keras.ops: the same file has the same loss on JAX and on PyTorch, and trains on there."""

import json
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from kvae import bayes

THERE = """
import json, sys
import numpy as np

sys.modules["tensorflow"] = None  # kvae must not need it here
import keras
from kvae import bayes

assert keras.backend.backend() == sys.argv[2]
x, y = np.load(sys.argv[1] + "/x.npy"), np.load(sys.argv[1] + "/y.npy")
model = keras.models.load_model(sys.argv[1] + "/bayes.keras")
found = model.evaluate(x, y, verbose=0, return_dict=True)
model.kl_weight = 2.0
history = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history
found |= {"steps": int(model.optimizer.iterations), "trained": history["loss"], "weights": history["kl_weight"]}
found["drawn"] = float(np.ptp(model.sample(x, 4, seed=1), axis=0).max())
print("FOUND" + json.dumps(found, default=float))
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_same_file_has_the_same_loss_on_every_backend_and_trains_on(backend, python, tmp_path):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    random = np.random.default_rng(0)
    x, y = random.random((24, 8, 8, 1), dtype="float32"), random.integers(0, 3, 24)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    parts = [bayes.MeanFieldConv2D(4, 3, "relu", strides=2, seed=1), keras.layers.Flatten()]
    network = keras.Sequential([keras.Input((8, 8, 1)), *parts, bayes.MeanFieldDense(3, seed=2)])
    model = bayes.BayesianModel(network, 0.5)
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=8, verbose=0)
    model.save(tmp_path / "bayes.keras")
    here = model.evaluate(x, y, verbose=0, return_dict=True)
    there = json.loads(python(THERE, tmp_path, backend, KERAS_BACKEND=backend).rpartition("FOUND")[2])
    assert {name: there[name] for name in here} == pytest.approx(here, rel=1e-4)
    assert there["steps"] == 3 + 6 and np.all(np.isfinite(there["trained"])) and there["drawn"] > 0
    assert there["weights"] == [2.0, 2.0]
