"""A run in two processes, which meet over the loopback, is the run of one; and what the end of one of them costs."""

import json
import os
import socket
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest

import kvae
from kvae.images.collection import open_collection
from kvae.images.paintings import paint_many
from kvae.images.pipeline import training_batches
from kvae.training import cluster as module
from kvae.training.cluster import CHUNK_SIZE, Cluster, members
from kvae.training.devices import Devices, choose_devices

NEEDS_JAX = pytest.mark.skipif(find_spec("jax") is None, reason="no JAX")
BACKENDS = ["tensorflow", pytest.param("jax", marks=NEEDS_JAX)]
COMMON = ["--size", "16", "--batch-size", "16", "--epochs", "3", "--balance-every", "4", "--precision", "float32"]
CONV = ["--network", "conv", "--widths", "8", "--latent-dim", "4"]
RUNS = {
    "tensorflow": [*CONV, "--rate", "full", "--weighting", "warm-up"],
    # methods that look at the whole batch, whose last one in an epoch cannot be shared out equally
    "jax": [*CONV, "--weighting", "geco", "--rate", "tc"],
}
SENTENCE = 60  # seconds within which all others have ended once one was killed

CODE = """
import os, signal, sys
from kvae.training import artifacts, checkpoint, cluster, helping
checkpoint.SPACING, checkpoint.BUDGET = 0.0, 1e9
artifacts.draw_run = artifacts.draw_range = lambda *arguments, **options: None
cluster.MEETING = float(os.environ.get("MEETING", cluster.MEETING))
for kind in (helping.Orders, helping.Obeys):
    def on_train_batch_end(self, batch, logs=None, ended=kind.on_train_batch_end):
        ended(self, batch, logs)
        if batch == int(os.environ.get("DIES", "-1")):
            os.kill(os.getpid(), int(os.environ["SIGNAL"]))
    kind.on_train_batch_end = on_train_batch_end
from kvae.cli.train import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "few.npy"
    np.save(path, paint_many(range(60), size=16, seed=3)[0])
    return path


def addresses(count=2):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return found


class Process:
    """`kvae-train` in a process of its own: one of the workers at `others`, or alone."""

    def __init__(self, backend, flags, others=(), place=0, **environment):
        surroundings = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
        if others:
            task = {"type": "worker", "index": place}
            surroundings["TF_CONFIG"] = json.dumps({"cluster": {"worker": others}, "task": task})
        command = [sys.executable, "-c", CODE, *map(str, flags)]
        self._process = subprocess.Popen(
            command, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def ended(self, within=200):
        """Its exit status, what it said, and the last line of its complaints."""
        said, complaints = self._process.communicate(timeout=within)
        return self._process.returncode, said, complaints


def workers(backend, flags, victim=None, number=9):
    """Two workers, both of which run `flags`; the `victim` sends itself the signal `number` after its sixth step."""
    others = addresses()
    dies = [{"DIES": "5", "SIGNAL": str(number)} if place == victim else {} for place in range(2)]
    return [Process(backend, flags, others, place, **dies[place]) for place in range(2)]


def finished(processes):
    """All of `processes` ended well; what the first one said."""
    found = [one.ended() for one in processes]
    assert [code for code, _, _ in found] == [0] * len(found), "\n".join(complaints for _, _, complaints in found)
    return found[0][1]


def check_alike(path, other):
    card, its = kvae.load(path).card, kvae.load(other).card
    assert card["steps"]["step"] == its["steps"]["step"] == list(range(1, 13))
    assert card["steps"]["loss"] == pytest.approx(its["steps"]["loss"], rel=1e-4)
    for name in ("distortion", "rate", "kl_weight", "val_loss", "val_distortion", "val_psnr", "gradient_distortion"):
        assert card["history"][name] == pytest.approx(its["history"][name], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_two_processes_give_the_curves_of_one_and_one_that_is_killed_costs_a_resume(pictures, tmp_path, backend):
    flags = ["--data", pictures, *COMMON, *RUNS[backend], "--output"]
    one, two, cut, again = (tmp_path / f"{name}.keras" for name in ("one", "two", "cut", "again"))
    finished([Process(backend, [*flags, one])])
    said = finished(workers(backend, [*flags, two]))
    assert "and 1 of the other workers, float32" in said
    check_alike(two, one)

    # a helper dies, and one process goes on alone
    first, second = workers(backend, [*flags, cut], victim=1)
    assert second.ended()[0] == -9
    code, said, complaints = first.ended(SENTENCE)
    assert code == 2 and "workers: one of 2 is gone at step 6. The last checkpoint is that of step 5" in complaints
    assert f"start all of them again, with --resume {cut}." in complaints and "Traceback" not in complaints
    finished([Process(backend, ["--resume", cut])])
    check_alike(cut, one)

    # the first worker dies, and two go on
    first, second = workers(backend, [*flags, again], victim=0)
    assert first.ended()[0] == -9
    code, said, complaints = second.ended(SENTENCE)
    assert code == 2 and "workers: worker 1 stops: another one is gone. Start all of them again" in complaints
    finished(workers(backend, ["--resume", again]))
    check_alike(again, one)
    assert not list(tmp_path.glob(".*.run"))


@pytest.mark.slow
def test_two_processes_train_a_range_of_weights_like_one(pictures, tmp_path):
    flags = ["--data", pictures, *COMMON, "--network", "spectral", "--widths", "4", "--kl-weight", "0.01..1"]
    one, two = tmp_path / "one.keras", tmp_path / "two.keras"
    finished([Process("tensorflow", [*flags, "--output", one])])
    finished(workers("tensorflow", [*flags, "--output", two]))
    check_alike(two, one)


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_polite_end_of_the_first_worker_ends_all_and_leaves_the_model(pictures, tmp_path, backend):
    flags = ["--data", pictures, *COMMON, *CONV, "--output", tmp_path / "art.keras"]
    first, second = workers(backend, flags, victim=0, number=15)
    assert first.ended()[0] == 143 and second.ended()[0] == 0
    assert kvae.load(tmp_path / "art.keras").card["step"] in (6, 7)


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_worker_with_other_pictures_ends_all_in_sentences(pictures, tmp_path, backend):
    np.save(tmp_path / "others.npy", paint_many(range(60), size=16, seed=4)[0])
    others, flags = addresses(), [*COMMON, *CONV, "--output", tmp_path / "art.keras", "--data"]
    first = Process(backend, [*flags, pictures], others, 0)
    second = Process(backend, [*flags, tmp_path / "others.npy"], others, 1)
    code, _, complaints = first.ended()
    assert code == 2 and "error: workers: worker 1 cannot take part, and says why." in complaints
    code, _, complaints = second.ended()
    assert code == 2 and "error: workers: all need the same pictures, and those of others here are" in complaints
    assert sorted(one.name for one in tmp_path.iterdir()) == ["others.npy"]
