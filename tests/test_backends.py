"""kvae speaks keras.ops: the same model runs on JAX, where TensorFlow need not even be installed."""

import json

import keras
import numpy as np
import pytest

from kvae.model import VAE

KINDS = ("hybrid", "conv", "linear", "plain")

ON_JAX = """
import json, sys
from pathlib import Path
import numpy as np

class NoTensorFlow:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ImportError("kvae must not need TensorFlow here")

sys.meta_path.insert(0, NoTensorFlow())
import keras
import kvae
assert keras.backend.backend() == "jax"
folder, found = Path(sys.argv[1]), {}
pictures, noise = np.load(folder / "pictures.npy"), np.load(folder / "noise.npy")

# a seed as large as the largest setting
kvae.VAE(image_shape=(16, 16, 3), network="linear", latent_dim=2, seed=2**31 - 1).sample()

drawn, keras.random.normal = keras.random.normal, lambda shape, seed=None: keras.ops.convert_to_tensor(noise)
for path in sorted(folder.glob("*.keras")):
    model = keras.models.load_model(path)
    found[path.stem] = model.evaluate(pictures, batch_size=len(noise), verbose=0, return_dict=True)
keras.random.normal = drawn

class Turn(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        found["steps " + self.model.network].append({name: float(value) for name, value in logs.items()})
        self.model.kl_weight.assign(20.0)

for network in ("hybrid", "conv"):
    model = kvae.VAE(image_shape=(16, 16, 3), network=network, latent_dim=4, widths=(8, 8), kl_weight=0.5)
    model.compile(keras.optimizers.Adam(0.003))
    found["steps " + network], before = [], model.get_weights()
    model.fit(pictures, batch_size=6, verbose=0, callbacks=[Turn()])
    model.save(folder / "again.keras")
    again = keras.models.load_model(folder / "again.keras")
    found["after " + network] = {
        "steps": int(again.optimizer.iterations),
        "moved": max(float(np.abs(one - other).max()) for one, other in zip(before, model.get_weights())),
        "finite": all(bool(np.all(np.isfinite(weight))) for weight in model.get_weights()),
        "error": float(np.abs(again.reconstruct(pictures) - model.reconstruct(pictures)).max()),
    }
assert "tensorflow" not in sys.modules
print("FOUND" + json.dumps(found, default=float))
"""


@pytest.fixture(scope="module")
def on_both(python, tmp_path_factory):
    """D, R and L of the same weights on TensorFlow and on JAX, and what two steps on JAX did.

    Both draw the same numbers as noise, so that D can be compared and not R alone.
    """
    pytest.importorskip("jax")
    folder, random = tmp_path_factory.mktemp("backends"), np.random.default_rng(10)
    pictures = random.random((12, 16, 16, 3), dtype="float32")
    noise = random.standard_normal((12, 4)).astype("float32")
    np.save(folder / "pictures.npy", pictures)
    np.save(folder / "noise.npy", noise)
    here = {}
    for name in KINDS:
        model = VAE(
            image_shape=(16, 16, 3),
            network="conv" if name == "plain" else name,
            latent_dim=4,
            widths=(8, 8),
            kl_weight=0.3,
            autoencoder=name == "plain",
        )
        model.compile(keras.optimizers.Adam(0.003))
        model.fit(pictures, batch_size=4, verbose=0)
        model.save(folder / f"{name}.keras")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(keras.random, "normal", lambda shape, seed=None: keras.ops.convert_to_tensor(noise))
            here[name] = model.evaluate(pictures, batch_size=12, verbose=0, return_dict=True)
    there = python(ON_JAX, folder, KERAS_BACKEND="jax")
    return here, json.loads(there.rpartition("FOUND")[2])


@pytest.mark.parametrize("name", KINDS)
def test_the_same_weights_have_the_same_distortion_and_rate_on_jax(on_both, name):
    tensorflow, jax = (found[name] for found in on_both)
    terms = {"loss", "distortion"} if name == "plain" else {"loss", "distortion", "rate", "kl_weight"}
    assert set(tensorflow) == set(jax) == terms
    for term in terms:
        assert jax[term] == pytest.approx(tensorflow[term], rel=1e-4)


@pytest.mark.parametrize("network", ["hybrid", "conv"])
def test_two_steps_on_jax_learn_follow_the_weight_and_survive_a_file(on_both, network):
    first, both = on_both[1][f"steps {network}"]
    # Keras logs the mean since the epoch began
    second = {name: 2 * both[name] - first[name] for name in both}
    for batch, weight in ((first, 0.5), (second, 20.0)):
        assert batch["kl_weight"] == pytest.approx(weight)
        assert batch["loss"] == pytest.approx(batch["distortion"] + weight * batch["rate"], rel=1e-4)
    after = on_both[1][f"after {network}"]
    assert after["steps"] == 2 and after["moved"] > 1e-3 and after["finite"]
    assert after["error"] < 1e-6
