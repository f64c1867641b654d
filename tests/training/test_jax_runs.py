"""Runs on JAX, where TensorFlow is not even installed: they train, are killed, and go on as on TensorFlow."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")

BASE = {"size": 16, "latent_dim": 4, "batch_size": 16, "epochs": 3, "augment": True, "balance_every": 4}
RUNS = [
    {"network": "conv", "widths": [8], "weighting": "geco", "rate": "tc", "target_distortion": 20.0},
    pytest.param(  # Muon, whose step JAX compiles for a minute
        {"network": "spectral", "widths": [8, 8], "latent_dim": 300, "kl_weight": "0.01..1"}, marks=pytest.mark.slow
    ),
]

BEGIN = """
import hashlib, json, os, sys
sys.modules["tensorflow"] = None
import kvae, keras
from kvae.cli.train import main
from kvae.training import checkpoint
from kvae.training.listener import Listener
folder, settings = sys.argv[1], json.loads(sys.argv[2])
checkpoint.SPACING, checkpoint.BUDGET = 0.0, 1e9

def tell(path):
    model, digest = kvae.load(path), hashlib.sha256()
    for one in [*model.variables, *model.optimizer.variables]:
        digest.update(keras.ops.convert_to_numpy(one).tobytes())
    told = {name: model.card[name] for name in ("history", "steps", "balance", "step")}
    for name in ("seconds", "images_per_second"):
        del told["history"][name]
    print("FOUND" + json.dumps({**told, "digest": digest.hexdigest()}), flush=True)
"""
DIES = """
class Dies(Listener):
    def on_step(self, step):
        if step.step == 6:  # in the middle of the second epoch
            os._exit(0)

tell(kvae.train(folder + "/pictures.npy", output=folder + "/whole.keras", tensorboard=folder, **settings).path)
kvae.train(folder + "/pictures.npy", output=folder + "/art.keras", listener=Dies(), **settings)
"""
GOES_ON = """
assert main(["--resume", folder + "/art.keras", "--quiet", *settings]) == 0
assert (sys.modules["tensorflow"] is None) == (not settings)
tell(folder + ("/again.keras" if settings else "/art.keras"))
"""


@pytest.fixture
def folder(tmp_path, pictures):
    np.save(tmp_path / "pictures.npy", pictures)
    return tmp_path


def found(said: str) -> dict:
    return json.loads(said.rpartition("FOUND")[2])


@pytest.mark.parametrize("settings", RUNS, ids=lambda settings: settings["network"])
def test_a_run_that_dies_on_jax_goes_on_bit_for_bit(folder, python, settings):
    whole = found(python(BEGIN + DIES, folder, json.dumps({**BASE, **settings}), KERAS_BACKEND="jax"))
    again = found(python(BEGIN + GOES_ON, folder, "[]", KERAS_BACKEND="jax"))
    assert again == whole
    assert whole["history"]["step"] == [4, 8, 12] and whole["balance"]["step"] == [4, 8, 12]
    assert np.all(np.isfinite(whole["history"]["val_loss"])) and (folder / "art.png").is_file()
    if find_spec("tensorboard") is not None:
        assert list((folder / "whole").glob("events.out.tfevents.*"))
    if settings["network"] == "spectral":
        assert whole["history"]["val_loss_at_0.01"][-1] < whole["history"]["val_loss_at_1"][-1]


@pytest.mark.slow
def test_a_run_from_tensorflow_goes_on_alike_on_both_backends(small, folder, python, undrawn):
    """Without noise, which every backend draws in its own way, the curves are the same but for rounding; here `tf.data`
    feeds both."""
    from kvae.training.resume import open_run, resumed
    from kvae.training.run import train

    small(folder / "art.keras", autoencoder=True, augment=True, precision="float32")
    pictures = str(folder / "pictures.npy")
    more = {"data": pictures, "epochs": 3}
    earlier = open_run(folder / "art.keras", print)
    settings = resumed(earlier, more)
    here = train(settings.pop("data"), output=folder / "here.keras", resume=earlier, **settings)
    flags = ["--data", pictures, "--epochs", "3", "--output", str(folder / "again.keras")]
    with_tensorflow = BEGIN.replace('sys.modules["tensorflow"] = None', "")
    there = found(python(with_tensorflow + GOES_ON, folder, json.dumps(flags), KERAS_BACKEND="jax"))
    for name in ("step", "loss"):
        assert there["steps"][name] == pytest.approx(here.steps[name], rel=1e-3)
    for name in ("val_distortion", "val_psnr"):
        assert there["history"][name] == pytest.approx(here.history[name], rel=1e-3)


def test_a_backend_that_runs_are_not_for_is_refused_in_a_sentence(monkeypatch):
    from kvae.training import backend
    from kvae.training.device import choose_device

    monkeypatch.setattr(backend, "BACKEND", "torch")
    with pytest.raises(ValueError, match="^device: runs are for Keras's backends tensorflow and jax. Received: torch"):
        choose_device()
