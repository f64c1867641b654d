"""A saved VAE opens in another process that imports kvae and nothing else, and goes on where it was."""

import json

import keras
import numpy as np
import pytest

from kvae.model.vae import VAE

SHAPE, LATENT = (16, 16, 3), 4
KINDS = {
    "hybrid": {"network": "hybrid"},
    "plain": {"network": "conv", "autoencoder": True},
    "halves": {"network": "residual", "dtype": "mixed_float16"},
}

OPEN = """
import json, sys
from pathlib import Path
import numpy as np
{imports}
folder = Path(sys.argv[1])
expected, found = np.load(folder / "expected.npz"), {{}}
pictures = expected["pictures"]
for path in sorted(folder.glob("*.keras")):
    model, name = keras.models.load_model(path), path.stem
    found[name] = {{
        "class": type(model).__module__ + "." + type(model).__name__,
        "error": float(np.abs(model.reconstruct(pictures) - expected[name]).max()),
        "weight": float(model.kl_weight),
        "steps": [int(model.optimizer.iterations)],
        "rate": [float(model.optimizer.learning_rate)],
        "state": [float(np.abs(np.array(v)).sum()) for v in model.optimizer.variables],
    }}
    if name == "hybrid":
        loss = model.fit(pictures, batch_size=4, verbose=0).history["loss"][0]
        found[name]["steps"].append(int(model.optimizer.iterations))
        found[name]["finite"] = bool(np.isfinite(loss))
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of models after three steps, whose weight was then turned, and what they reconstruct."""
    folder = tmp_path_factory.mktemp("saved")
    pictures = np.random.default_rng(9).random((12, *SHAPE), dtype="float32")
    expected, states = {"pictures": pictures}, {}
    for name, settings in KINDS.items():
        model = VAE(image_shape=SHAPE, latent_dim=LATENT, widths=(8, 8), **settings)
        model.compile(keras.optimizers.Adam(0.002))
        model.fit(pictures, batch_size=4, verbose=0)
        if not model.autoencoder:
            model.kl_weight.assign(0.375)
        model.save(folder / f"{name}.keras")
        expected[name] = model.reconstruct(pictures)
        states[name] = [float(np.abs(variable.numpy()).sum()) for variable in model.optimizer.variables]
    np.savez(folder / "expected.npz", **expected)
    return folder, states


@pytest.mark.parametrize("imports", ["import kvae\nimport keras", "import keras\nimport kvae"])
def test_keras_opens_a_saved_model_where_kvae_is_only_imported(python, saved, imports):
    folder, states = saved
    output = python(OPEN.format(imports=imports), folder)
    found = json.loads(output.rpartition("FOUND")[2])
    assert set(found) == set(KINDS)
    for name, one in found.items():
        assert one["class"] == "kvae.model.vae.VAE"
        assert one["error"] < 1e-6
        assert one["weight"] == (0.0 if name == "plain" else 0.375)
        assert one["rate"] == [pytest.approx(0.002)]
        assert one["state"] == pytest.approx(states[name], rel=1e-5)
    assert [found[name]["steps"] for name in ("hybrid", "plain")] == [[3, 6], [3]]
    assert found["hybrid"]["finite"]


def test_the_weight_of_a_loaded_model_can_still_be_turned(saved):
    model = keras.models.load_model(saved[0] / "hybrid.keras")
    with np.load(saved[0] / "expected.npz") as stored:
        pictures = stored["pictures"]
    losses = []
    for weight in (0.375, 0.0):
        model.kl_weight.assign(weight)
        losses.append(model.evaluate(pictures, batch_size=12, verbose=0, return_dict=True))
    assert losses[0]["loss"] == pytest.approx(losses[0]["distortion"] + 0.375 * losses[0]["rate"], rel=1e-5)
    assert losses[1]["loss"] == pytest.approx(losses[1]["distortion"], rel=1e-5)
