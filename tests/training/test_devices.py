"""A run on two devices is the run on one: same curves, checkpoints and models. The devices are virtual, on one CPU."""

import json
from importlib.util import find_spec

import pytest

from kvae.training import devices as module
from kvae.training.devices import choose_devices

NEEDS_JAX = pytest.mark.skipif(find_spec("jax") is None, reason="no JAX")
BACKENDS = ["tensorflow", pytest.param("jax", marks=NEEDS_JAX)]
ALONE = {"network": "conv", "widths": [8], "latent_dim": 4, "rate": "full"}
RUNS = {
    "tensorflow": [ALONE],
    # methods that look at the whole batch, whose last one in an epoch of 55 pictures cannot be shared out equally
    "jax": [{"network": "conv", "widths": [8], "latent_dim": 4, "weighting": "geco", "rate": "tc"}],
}
# Muon, normalised channels and a range of weights; each takes minutes to compile
SLOW = {
    "tensorflow": [{"network": "spectral", "widths": [4], "depth": 1, "kl_weight": "0.01..1"}],
    "jax": [{"network": "spectral", "widths": [4], "kl_weight": "0.01..1"}],
}

CODE = """
import json, os, sys
folder, backend, runs = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
if backend == "tensorflow":
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
else:
    sys.modules["tensorflow"] = None
import keras, numpy as np
import kvae
from kvae.images.paintings import paint_many
from kvae.training import artifacts, checkpoint
from kvae.training.listener import Listener
from kvae.training.resume import open_run, resumed
checkpoint.SPACING, checkpoint.BUDGET = 0.0, 1e9
artifacts.draw_run = artifacts.draw_range = lambda *arguments, **options: None
pictures = paint_many(range(60), size=16, seed=3)[0]

class Hears(Listener):
    sentences, dies = (), None
    def on_message(self, sentence):
        self.sentences += (sentence,)
    def on_step(self, step):
        if step.step == self.dies:
            raise RuntimeError("the power failed")

def told(run):
    kept = {name: row for name, row in run.history.items() if name not in ("seconds", "images_per_second")}
    mean, log_var = run.model.encode(pictures[:4])
    return {"losses": run.steps["loss"], "history": kept, "codes": mean.tolist(), "path": str(run.path)}

def train(name, devices, **settings):
    hears = Hears()
    common = {"size": 16, "batch_size": 16, "epochs": 3, "balance_every": 4, "precision": "float32"}
    hears.dies = settings.pop("dies", None)
    found = told(kvae.train(pictures, output=f"{folder}/{name}.keras", devices=devices, listener=hears,
                            **{**common, **settings}))
    return {**found, "said": [one for one in hears.sentences if one.startswith("device")]}

def cut_and_go_on(name, before, after, **settings):
    try:
        train(name, before, dies=6, **settings)
    except RuntimeError:
        pass
    earlier = open_run(f"{folder}/{name}.keras", lambda sentence: None)
    settings = resumed(earlier, {"devices": after})
    settings.pop("data")
    return told(kvae.train(pictures, output=earlier.output, resume=earlier, **settings))

for settings in runs:
    one, two = (train(f"on{count}", count, **settings) for count in (1, 2))
    loaded = kvae.load(two["path"])
    assert np.array_equal(loaded.encode(pictures[:4])[0], np.array(two["codes"], "float32"))
    found = {"one": one, "two": two}
    found["to one"] = cut_and_go_on("fewer", 2, 1, **settings)
    found["to two"] = cut_and_go_on("more", 1, 2, **settings)
    print("FOUND" + json.dumps(found))
"""


def check(python, folder, backend, runs):
    said = python(
        CODE,
        folder,
        backend,
        json.dumps(runs),
        KERAS_BACKEND=backend,
        XLA_FLAGS="--xla_force_host_platform_device_count=2",
    )
    for line in said.splitlines():
        if not line.startswith("FOUND"):
            continue
        found = json.loads(line.removeprefix("FOUND"))
        one = found.pop("one")
        assert " and 1 more like it, " in found["two"]["said"][0] and " more like it" not in one["said"][0]
        for other in found.values():
            assert other["losses"] == pytest.approx(one["losses"], rel=1e-4)
            for name in ("distortion", "val_loss", "val_distortion", "val_psnr", "gradient_distortion"):
                assert other["history"][name] == pytest.approx(one["history"][name], rel=1e-4)
            assert sum(other["codes"], []) == pytest.approx(sum(one["codes"], []), abs=1e-3)
        yield found


@pytest.mark.slow  # quick, and in one process: test_replicas.py
@pytest.mark.parametrize("backend", BACKENDS)
def test_two_devices_give_the_curves_of_one_and_go_on_from_each_other(python, tmp_path, backend):
    assert len(list(check(python, tmp_path, backend, RUNS[backend]))) == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", BACKENDS)
def test_two_devices_train_the_default_network_like_one(python, tmp_path, backend):
    assert len(list(check(python, tmp_path, backend, SLOW[backend]))) == 1


SETTINGS = {
    "devices": 2,
    "batch_size": 16,
    "precision": "float32",
    "weighting": "constant",
    "rate": "diagonal",
    "autoencoder": False,
    "kl_weight": 0.1,
}


@pytest.mark.parametrize(
    ("settings", "custom", "sentence"),
    [
        ({"devices": 3}, False, "there are not so many here; tensorflow finds 2 CPU devices. Received: devices=3"),
        ({"batch_size": 1}, False, "every device needs a picture of each batch, which has 1. Choose fewer devices"),
        ({}, True, "networks and methods of your own train on one device. Leave `devices` out"),
        ({"precision": "mixed_float16"}, False, "mixed_float16 trains on one device"),
        ({"batch_size": 54}, False, "the last batch of an epoch has 1 pictures, too few. Choose another `batch_size`"),
        ({"weighting": "geco"}, False, "on TensorFlow each device sees its share .* Set KERAS_BACKEND=jax"),
        ({"rate": "tc"}, False, "on TensorFlow each device sees its share"),
    ],
)
def test_what_several_devices_cannot_do_is_refused_with_the_cure(monkeypatch, settings, custom, sentence):
    monkeypatch.setattr(module, "device_names", lambda kind: ["CPU:0", "CPU:1"])
    with pytest.raises(ValueError, match=f"^devices: {sentence}"):
        choose_devices({**SETTINGS, **settings}, "cpu (2 cores)", 55, custom=custom)


def test_without_a_number_a_cpu_is_one_device_and_methods_of_whole_batches_stay_on_one_gpu(monkeypatch):
    monkeypatch.setattr(module, "device_names", lambda kind: [f"{kind.upper()}:{place}" for place in range(2)])
    assert choose_devices({**SETTINGS, "devices": None}, "cpu (2 cores)", 55, custom=False).count == 1
    geco = {**SETTINGS, "devices": None, "weighting": "geco"}
    assert choose_devices(geco, "gpu (H200)", 55, custom=False).names == ["GPU:0"]
