"""The same trials on a Ray cluster of two nodes, which the test starts."""

import json
import sys
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from kvae.sweeps.index import TrialRecord
from kvae.sweeps.on_ray import _checked, train_on_ray
from kvae.sweeps.pictures import scene_of
from kvae.sweeps.study import Trial
from kvae.sweeps.sweep import sweep

TUNE = ("ray", "pandas", "pyarrow", "fsspec", "pydantic", "tensorboardX")  # what it needs to be imported
CLUSTER = """
import json, os, signal, sys, time
import psutil
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)

import numpy as np
import kvae
from kvae.images.paintings import paint_many
from kvae.training.listener import Listener

KILLED = "KL weight 1"


class Watcher(Listener):
    def __init__(self, kill=False, stop=False):
        self.kill, self.stop, self.said, self.shares, self.trained = kill, stop, [], {}, set()

    def on_message(self, sentence):
        self.said.append(sentence)

    def on_epoch_end(self, record):
        self.trained.add(record.get("trial"))

    def on_trials(self, ended, total, running):
        self.shares = dict(running)
        if self.kill and running.get(KILLED, 0) > 0.7:
            self.kill = False
            # the oldest is the one that began first
            mine = psutil.Process().children(recursive=True)
            workers = [one for one in mine if "ImplicitFunc" in " ".join(one.cmdline())]
            min(workers, key=psutil.Process.create_time).kill()

    def should_stop(self):
        return self.stop and any(share > 0.3 for share in self.shares.values())


place = sys.argv[1]
pictures = paint_many(range(48), size=16, seed=4)[0]
options = dict(size=16, network="conv", widths=(8,), batch_size=16, augment=False, epochs=int(sys.argv[2]))


def run(name, watcher, **more):
    return kvae.sweep(pictures, [1.0, 0.1], output=f"{place}/{name}.html", listener=watcher, **more, **options)


def told(found):
    trials = found.table.trials
    models = [kvae.load(trial.model).get_weights() for trial in trials]
    return {
        "trials": [[one.name, one.state, one.reason, one.distortion, one.rate] for one in trials],
        "weights": [b"".join(weight.tobytes() for weight in weights).hex() for weights in models],
    }


stopper = Watcher(stop=True)
stopped = run("ray", stopper, ray=cluster.address)
states = [trial.state for trial in stopped.table.trials]
watcher = Watcher(kill=True)
found = run("ray", watcher, ray=cluster.address)
local = told(run("local", Watcher()))
print("TOLD", json.dumps({"stopped": states, "ray": told(found), "local": local, "killed": not watcher.kill,
    "trained": sorted(watcher.trained), "left": os.listdir(f"{place}/.ray.study")}))
cluster.shutdown()
"""


@pytest.mark.slow
@pytest.mark.skipif(not all(map(find_spec, TUNE)), reason="Ray Tune is not installed: the extra `ray`")
def test_a_cluster_of_two_nodes_trains_the_same_models_whatever_is_stopped_or_killed(tmp_path, python):
    printed = python(CLUSTER, tmp_path, 80)
    (line,) = [line for line in printed.splitlines() if line.startswith("TOLD ")]
    told = json.loads(line.removeprefix("TOLD "))
    assert "running" in told["stopped"] or "planned" in told["stopped"]
    assert told["killed"] and [trial[:3] for trial in told["ray"]["trials"]] == [
        ["KL weight 1", "done", ""],
        ["KL weight 0.1", "done", ""],
    ]
    assert told["trained"] == ["KL weight 0.1", "KL weight 1"]
    assert told["ray"]["trials"] == told["local"]["trials"], "D and R to the last bit"
    assert told["ray"]["weights"] == told["local"]["weights"]
    assert not [name for name in told["left"] if name.startswith(("ray-", "array-"))]


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1:1", r"ray: there is no cluster at 127\.0\.0\.1:1 \(.*\)\. Start one with `ray start --head`"),
        ("ray://127.0.0.1:1", "ray: there is no cluster at ray://127"),
        ("somewhere", "ray: an address is auto, local or HOST:PORT. Received: 'somewhere'."),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_said_and_nothing_is_left(tmp_path, monkeypatch, address, sentence):
    monkeypatch.setattr("kvae.sweeps.on_ray._ray", lambda: (None, None))
    with pytest.raises((ValueError, OSError), match=sentence):
        sweep("paintings", [1.0], ray=address, output=tmp_path / "new" / "s.html", size=16, network="linear")
    assert not (tmp_path / "new").exists()


def test_a_node_with_other_pictures_fails_its_trial_in_a_sentence():
    pictures = SimpleNamespace(of=lambda record: SimpleNamespace(collection=SimpleNamespace(manifest_hash="others")))
    record = TrialRecord("KL weight 1", "ab", "cd", scene_of(Trial("", "", {}, {}), "mine"), 0, {"kl_weight": 1.0})
    found = _checked(record, pictures)
    assert found.state == "failed" and found.reason.startswith("the pictures on node ")
    assert found.reason.endswith(" are others. Bring the same ones to every node.")
    assert _checked(replace(record, scene=scene_of(record, "others")), pictures) is None


def test_without_ray_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"ray: Ray Tune is not there .* Install it with pip install"):
        train_on_ray(None, [], None, None, 1.0, address="local")
