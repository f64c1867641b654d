"""kvae speaks keras.ops: the same model runs on JAX and on PyTorch, where TensorFlow need not even be installed."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

from kvae.model.vae import VAE

KINDS = ("spectral", "conv", "linear", "plain")
OTHERS = ("jax", "torch")  # backends beside the one that the tests run on

THERE = """
import json, sys
from pathlib import Path
import numpy as np

sys.modules["tensorflow"] = None  # kvae must not need it here
import keras
import kvae
assert keras.backend.backend() == sys.argv[2]
folder, found = Path(sys.argv[1]), {}
(folder / "again").mkdir(exist_ok=True)
pictures, noise = np.load(folder / "pictures.npy"), np.load(folder / "noise.npy")

# a seed as large as the largest setting
kvae.VAE(image_shape=(16, 16, 3), network="linear", latent_dim=2, seed=2**31 - 1).sample()

drawn, keras.random.normal = keras.random.normal, lambda shape, seed=None: keras.ops.convert_to_tensor(noise)
for path in sorted(folder.glob("*.keras")):
    model = keras.models.load_model(path)
    found[path.stem] = model.evaluate(pictures, batch_size=len(noise), verbose=0, return_dict=True)
    opened = kvae.load(path)
    found[path.stem]["opens"] = all(
        np.array_equal(*map(keras.ops.convert_to_numpy, pair))
        for one, other in ((opened, model), (opened.optimizer, model.optimizer))
        for pair in zip(one.variables, other.variables)
    )
    # what an evaluation leaves on the model is no part of it: training goes on as if there had been none
    model.fit(pictures, batch_size=len(noise), epochs=2, verbose=0, validation_data=(pictures,))
    found[path.stem]["steps"] = int(kvae.load(kvae.save(model, folder / "again" / path.name)).optimizer.iterations)
keras.random.normal = drawn

class Turn(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        found["steps " + self.model.network].append({name: float(value) for name, value in logs.items()})
        self.model.kl_weight.assign(20.0)

for network in ("spectral", "conv"):
    model = kvae.VAE(image_shape=(16, 16, 3), network=network, latent_dim=4, widths=(8, 8), kl_weight=0.5)
    model.compile(keras.optimizers.Adam(0.003))
    found["steps " + network], before = [], model.get_weights()
    model.fit(pictures, batch_size=6, verbose=0, callbacks=[Turn()])
    model.save(folder / "again" / "turned.keras")
    again = keras.models.load_model(folder / "again" / "turned.keras")
    found["after " + network] = {
        "steps": int(again.optimizer.iterations),
        "moved": max(float(np.abs(one - other).max()) for one, other in zip(before, model.get_weights())),
        "finite": all(bool(np.all(np.isfinite(weight))) for weight in model.get_weights()),
        "error": float(np.abs(again.reconstruct(pictures) - model.reconstruct(pictures)).max()),
    }
assert sys.modules["tensorflow"] is None
print("FOUND" + json.dumps(found, default=float))
"""


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(11).standard_normal((12, 4)).astype("float32")


@pytest.fixture(scope="module")
def here(noise, tmp_path_factory):
    """D, R and L of some models on this backend, and a folder with their files.

    Both sides draw the same numbers as noise, so that D can be compared and not R alone.
    """
    folder, found = tmp_path_factory.mktemp("backends"), {}
    pictures = np.random.default_rng(10).random((12, 16, 16, 3), dtype="float32")
    np.save(folder / "pictures.npy", pictures)
    np.save(folder / "noise.npy", noise)
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
            found[name] = model.evaluate(pictures, batch_size=12, verbose=0, return_dict=True)
    return folder, found


@pytest.fixture(scope="module", params=OTHERS)
def there(request, python, here):
    """The same of the same files on another backend, and what steps there did."""
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    said = python(THERE, here[0], request.param, KERAS_BACKEND=request.param)
    return json.loads(said.rpartition("FOUND")[2])


@pytest.mark.parametrize("name", KINDS)
def test_the_same_weights_have_the_same_distortion_and_rate_on_every_backend(here, there, name):
    terms = {"loss", "distortion"} if name == "plain" else {"loss", "distortion", "rate", "kl_weight"}
    assert set(here[1][name]) == terms
    for term in terms:
        assert there[name][term] == pytest.approx(here[1][name][term], rel=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_a_file_from_here_opens_there_and_learns_on_after_an_evaluation(there, name):
    assert there[name]["opens"]
    assert there[name]["steps"] == 3 + 2


@pytest.mark.parametrize("network", ["spectral", "conv"])
def test_two_steps_there_learn_follow_the_weight_and_survive_a_file(there, network):
    first, both = there[f"steps {network}"]
    # Keras logs the mean since the epoch began
    second = {name: 2 * both[name] - first[name] for name in both}
    for batch, weight in ((first, 0.5), (second, 20.0)):
        assert batch["kl_weight"] == pytest.approx(weight)
        assert batch["loss"] == pytest.approx(batch["distortion"] + weight * batch["rate"], rel=1e-4)
    after = there[f"after {network}"]
    assert after["steps"] == 2 and after["moved"] > 1e-3 and after["finite"]
    assert after["error"] < 1e-6


@pytest.mark.slow  # which compiles each of the networks many times
@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_the_laws_of_networks_hold_on_jax(tmp_path):
    laws = Path(__file__).parent / "laws" / "test_networks_laws.py"
    command = [sys.executable, "-m", "pytest", str(laws), "-q", "-p", "no:cacheprovider"]
    surroundings = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run([*command, f"--basetemp={tmp_path}"], env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
