"""A run in two processes, which meet over the loopback, is the run of one; and what the end of one of them costs."""

import json
import os
import socket
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

import kvae
from kvae.images.collection import open_collection
from kvae.images.paintings import paint_many
from kvae.images.pipeline import training_batches
from kvae.training import devices
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
from kvae.training import artifacts, checkpoint, helping
checkpoint.SPACING, checkpoint.BUDGET = 0.0, 1e9
artifacts.draw_run = artifacts.draw_range = lambda *arguments, **options: None
steps = []
for kind in (helping.Orders, helping.Obeys):
    def on_train_batch_end(self, batch, logs=None, ended=kind.on_train_batch_end):
        ended(self, batch, logs)
        steps.append(batch)
        if len(steps) == int(os.environ.get("DIES", "0")):
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
        try:
            said, complaints = self._process.communicate(timeout=within)
        finally:
            self._process.kill()
        return self._process.returncode, said, complaints


def workers(backend, flags, victim=None, number=9):
    """Two workers, both of which run `flags`; the `victim` sends itself the signal `number` after its sixth step."""
    others = addresses()
    dies = [{"DIES": "6", "SIGNAL": str(number)} if place == victim else {} for place in range(2)]
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


def told(workers, kind="worker", index=0, **more):
    return {"TF_CONFIG": json.dumps({"cluster": {"worker": workers, **more}, "task": {"type": kind, "index": index}})}


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"TF_CONFIG": " "}, None),
        (told(["here:1"]), None),
        (told(["a:1", "b:2"], index=1), (["a:1", "b:2"], 1)),
        (told(["b:2"], "chief", chief=["a:1"]), (["a:1", "b:2"], 0)),
        (told(["b:2"], "worker", chief=["a:1"]), (["a:1", "b:2"], 1)),
    ],
)
def test_tf_config_says_who_takes_part(environment, found):
    assert members(environment) == found


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"TF_CONFIG": "{"}, "it must be JSON such as .* Received: {"),
        ({"TF_CONFIG": "[1]"}, "it must be JSON such as"),
        ({"TF_CONFIG": "[" * 100_000}, "it must be JSON such as"),
        ({"TF_CONFIG": '{"cluster": {"worker": 3}}'}, "it must be JSON such as"),
        (told(["a:1", "b:2"], index="x"), "it must be JSON such as"),
        (told(["a:1"], ps=["c:3"]), "kvae knows tasks of the type worker and chief. Received: ps"),
        (told(["a:1", "b:2"], index=2), "`task` must be one of them. Received: 2 addresses, task worker 2"),
        (told(["a:1", "b:2"], index=-1), "`task` must be one of them"),
        (told(["a:1", "b:2"], kind="chief"), "`task` must be one of them"),
        (told(["a:1", "a:1"]), "every worker needs an address of its own"),
        (told(["a:1", "b"]), "every worker needs an address of its own"),
    ],
)
def test_a_tf_config_that_says_nothing_useful_is_refused_in_a_sentence(environment, sentence):
    with pytest.raises(ValueError, match=f"^TF_CONFIG: .*{sentence}"):
        members(environment)


class Alone(Cluster):
    """A cluster whose other workers say nothing."""

    def _total(self, values, key):
        return values.copy()


@pytest.mark.parametrize("length", [0, 1, 4 * CHUNK_SIZE, 4 * CHUNK_SIZE + 3])
def test_what_the_first_worker_says_arrives_bit_for_bit_whatever_its_length(length):
    content = np.random.default_rng(0).bytes(length)
    assert Alone(2, 0).told(content) == content
    assert Alone(2, 0).order(7, 1 / 3, -2e-300) == ((7.0, 1 / 3, -2e-300), False)
    assert Alone(2, 1).order(7, 1 / 3, -2e-300, wish=True) == ((0.0, 0.0, 0.0), True)
    assert Alone(3, 1).unready(ready=True) == [0, 2]


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("augment", [True, False])
def test_the_parts_of_all_workers_are_the_batches_of_one(pictures, count, augment):
    collection = open_collection(pictures, size=16)
    options = {"batch_size": 16, "seed": 3, "augment": augment, "start_step": 2}
    parts = [Devices([], Cluster(count, place), batch_size=16, pictures=59).part for place in range(count)]
    whole = training_batches(collection, np.arange(59), **options)
    shares = [training_batches(collection, np.arange(59), part=part, **options) for part in parts]
    for _, batch, *its in zip(range(4), whole, *shares, strict=False):
        assert all(len(batch) // count <= len(one) <= -(-len(batch) // count) for one in its)
        np.testing.assert_array_equal(np.concatenate(its), batch)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"devices": 2}, "with TF_CONFIG each worker has one. Received: devices=2. Start one worker for each device"),
        ({"weighting": "geco"}, "on TensorFlow each device sees its share .* Received: 3 workers."),
        ({"batch_size": 2}, "every device needs a picture of each batch, which has 2"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused_before_it_trains(monkeypatch, settings, sentence):
    monkeypatch.setattr(devices, "current", lambda: Cluster(3, 0))
    common = {"devices": None, "batch_size": 16, "precision": "float32", "weighting": "constant", "rate": "full"}
    with pytest.raises(ValueError, match=f"^devices: {sentence}"):
        choose_devices({**common, "autoencoder": False, **settings}, "cpu (2 cores)", 64, custom=False)


@pytest.fixture(scope="module")
def alone(pictures, tmp_path_factory):
    """The model that one process leaves, on a backend."""
    folder, found = tmp_path_factory.mktemp("alone"), {}

    def trained(backend):
        if backend not in found:
            found[backend] = folder / f"{backend}.keras"
            finished([Process(backend, ["--data", pictures, *COMMON, *RUNS[backend], "--output", found[backend]])])
        return found[backend]

    return trained


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_two_processes_give_the_curves_of_one(pictures, tmp_path, alone, backend):
    two = tmp_path / "two.keras"
    said = finished(workers(backend, ["--data", pictures, *COMMON, *RUNS[backend], "--output", two]))
    assert ", one in each of 2 workers, float32" in said
    check_alike(two, alone(backend))


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_helper_that_is_killed_ends_all_in_a_sentence_and_one_process_goes_on(pictures, tmp_path, alone, backend):
    cut = tmp_path / "cut.keras"
    flags = ["--data", pictures, *COMMON, *RUNS[backend], "--output", cut]
    first, second = workers(backend, flags, victim=1)
    assert second.ended()[0] == -9
    code, _, complaints = first.ended(SENTENCE)
    assert code == 2 and "workers: one of 2 is gone at step 6. The last checkpoint is that of step 5" in complaints
    assert f"start all of them again, with --resume {cut}." in complaints and "Traceback" not in complaints
    finished([Process(backend, ["--resume", cut])])
    check_alike(cut, alone(backend))
    assert not list(tmp_path.glob(".*.run"))


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_where_the_first_worker_is_killed_the_other_says_so_and_two_go_on(pictures, tmp_path, alone, backend):
    cut = tmp_path / "cut.keras"
    flags = ["--data", pictures, *COMMON, *RUNS[backend], "--output", cut]
    first, second = workers(backend, flags, victim=0)
    assert first.ended()[0] == -9
    code, _, complaints = second.ended(SENTENCE)
    assert code == 2 and "workers: worker 1 stops: another one is gone. Start all of them again" in complaints
    finished(workers(backend, ["--resume", cut]))
    check_alike(cut, alone(backend))
    assert not list(tmp_path.glob(".*.run"))


@pytest.mark.slow
def test_two_processes_train_a_range_of_weights_like_one(pictures, tmp_path):
    flags = ["--data", pictures, *COMMON, "--network", "spectral", "--widths", "4", "--kl-weight", "0.01..1"]
    one, two = tmp_path / "one.keras", tmp_path / "two.keras"
    finished([Process("tensorflow", [*flags, "--output", one])])
    finished(workers("tensorflow", [*flags, "--output", two]))
    check_alike(two, one)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "place"), [("tensorflow", 0), ("tensorflow", 1), pytest.param("jax", 1, marks=NEEDS_JAX)]
)
def test_a_polite_end_of_any_worker_ends_all_and_leaves_the_model(pictures, tmp_path, backend, place):
    flags = ["--data", pictures, *COMMON, *CONV, "--output", tmp_path / "art.keras"]
    processes = workers(backend, flags, victim=place, number=15)
    codes = [one.ended()[0] for one in processes]
    assert codes == ([143, 0] if place == 0 else [130, 143])
    assert 6 <= kvae.load(tmp_path / "art.keras").card["step"] <= 8


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
