"""The same trials on a Ray cluster of two nodes, which the tests start; and what of that can be seen without one."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from PIL import Image

import kvae
from kvae.images.paintings import paint_many
from kvae.sweeps.board import SweepBoard
from kvae.sweeps.index import Scene, SweepTable, TrialRecord, trial_to_json
from kvae.sweeps.on_ray import RECORD, UNSHARED, _checked, _job, _watch
from kvae.sweeps.pictures import scene_of
from kvae.sweeps.store import SweepFolder
from kvae.sweeps.study import Trial
from kvae.training.folder import RunFolder
from kvae.training.listener import Listener

TUNE = ("ray", "pandas", "pyarrow", "fsspec", "pydantic", "tensorboardX")  # what it needs to be imported
on_a_cluster = pytest.mark.skipif(not all(map(find_spec, TUNE)), reason="Ray Tune is not installed: the extra `ray`")
CLUSTER = """
import json, os, subprocess, sys, time
from pathlib import Path
import psutil
from ray.cluster_utils import Cluster

import numpy as np
import kvae
from kvae.images.paintings import paint_many
from kvae.training.folder import RunFolder
from kvae.training.listener import Listener

FIRST = "KL weight 1"
place = Path(sys.argv[1])
pictures = paint_many(range(48), size=16, seed=4)[0]
options = dict(size=16, network="conv", widths=(8,), batch_size=16, augment=False)


class Watcher(Listener):
    # Kills the worker of the first trial as often as `kills` says, each time when a checkpoint has come home, and
    # wishes an end then with `stop`.
    def __init__(self, name, kills=0, stop=False):
        self.kills, self.stop, self.said, self.epochs, self.killed = kills, stop, [], {}, []
        self.run = RunFolder.beside(place / f"{name}-1.keras")
        self.reached = False

    def on_message(self, sentence):
        self.said.append(sentence)

    def on_epoch_end(self, record):
        self.epochs.setdefault(record.get("trial"), []).append(record["epoch"])
        self.reached = self.reached or bool(self.run.steps())
        if (self.kills or self.stop) and not self.reached:
            time.sleep(0.15)  # its worker waits meanwhile: a fast machine needs no more epochs until a checkpoint
        if record.get("trial") == FIRST and self.reached and len(self.killed) < self.kills:
            mine = psutil.Process().children(recursive=True)
            workers = [one for one in mine if "ImplicitFunc" in " ".join(one.cmdline()) and one not in self.killed]
            if len(workers) == 1:
                self.killed += workers
                workers[0].kill()

    def should_stop(self):
        return self.stop and self.reached


def run(name, watcher, weights=(1.0, 0.1), data=pictures, **more):
    return kvae.sweep(data, list(weights), output=place / f"{name}.html", listener=watcher, **{**options, **more})


def told(found):
    trials = found.table.trials
    models = [kvae.load(trial.model).get_weights() for trial in trials if trial.model and trial.model.exists()]
    return {
        "trials": [[one.name, one.state, one.reason, one.distortion, one.rate] for one in trials],
        "weights": [b"".join(weight.tobytes() for weight in weights).hex() for weights in models],
        "left": sorted(one.name for one in (*place.glob(".*.run"), *place.glob(".ray.study/*ray-*"))),
    }


"""
WHOLE = """
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
stopper = Watcher("ray", stop=True)
stopped = run("ray", stopper, epochs=80, ray=cluster.address)
states = [trial.state for trial in stopped.table.trials]
watcher = Watcher("ray", kills=1)
found = run("ray", watcher, epochs=80, ray=cluster.address, workers=1)
local = Watcher("local")
print("TOLD", json.dumps({"stopped": states, "ray": told(found), "local": told(run("local", local, epochs=80)),
    "killed": len(watcher.killed), "said": watcher.said, "epochs": watcher.epochs}))
cluster.shutdown()
"""


def last_word(printed):
    (line,) = [line for line in printed.splitlines() if line.startswith("TOLD ")]
    return json.loads(line.removeprefix("TOLD "))


@pytest.mark.slow
@on_a_cluster
def test_a_cluster_of_two_nodes_trains_the_same_models_whatever_is_stopped_or_killed(tmp_path, python):
    told = last_word(python(CLUSTER + WHOLE, tmp_path))
    assert "running" in told["stopped"] and told["killed"] == 1
    assert [trial[:3] for trial in told["ray"]["trials"]] == [
        ["KL weight 1", "done", ""],
        ["KL weight 0.1", "done", ""],
    ]
    assert told["ray"]["trials"] == told["local"]["trials"], "D and R to the last bit"
    assert told["ray"]["weights"] == told["local"]["weights"]
    assert told["ray"]["left"] == []
    assert "KL weight 1: its worker ended; it goes on from its checkpoint" in told["said"]
    assert min(told["epochs"]["KL weight 1"]) > 1, "what came home when it was stopped goes on"


TWICE = """
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
watcher = Watcher("ray", kills=2)
found = run("ray", watcher, epochs=80, ray=cluster.address, workers=1)
first = told(found)
cluster.shutdown()
again = Watcher("ray")
found = run("ray", again, epochs=80)
print("TOLD", json.dumps({"first": first, "again": told(found), "killed": len(watcher.killed), "said": watcher.said,
    "epochs": again.epochs}))
"""


@pytest.mark.slow
@on_a_cluster
def test_a_trial_whose_worker_is_killed_twice_is_a_row_and_goes_on_by_the_same_command(tmp_path, python):
    told = last_word(python(CLUSTER + TWICE, tmp_path))
    first, second = told["first"]["trials"]
    assert told["killed"] == 2 and first[1] == "failed" and second[1:3] == ["done", ""]
    assert first[2].startswith("its worker ended 2 times (") and len(first[2]) < 260
    assert f"KL weight 1 is failed: {first[2]}" in told["said"]
    assert told["first"]["left"] == [".ray-1.run"], "its checkpoint is at home"
    assert [trial[1:3] for trial in told["again"]["trials"]] == [["done", ""]] * 2
    (epochs,) = told["epochs"].values()
    assert min(epochs) > 1, "only the first, from its checkpoint"
    assert told["again"]["left"] == []


APART = """
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
hidden = place / sys.argv[2]
node = subprocess.Popen(["unshare", "-m", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', hidden,
    sys.executable, "-m", "ray.scripts.scripts", "start", "--address", cluster.address, "--num-cpus", "1", "--block"],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
found = None
try:
    os.chdir(place)
    watcher = Watcher("page/ray")
    found = run("page/ray", watcher, [1.0], "disk/pictures", network="linear", widths=None, ray=cluster.address)
except ValueError as error:
    print("TOLD", json.dumps(str(error)))
finally:
    node.terminate()
    cluster.shutdown()
"""


def may_hide_a_folder():
    """Whether a process may be given another view of the disk, which nodes without a shared one have."""
    return shutil.which("unshare") and not subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode


@pytest.mark.slow
@on_a_cluster
@pytest.mark.skipif(not may_hide_a_folder(), reason="needs the right to hide a folder from a process")
@pytest.mark.parametrize(
    ("hidden", "sentence"),
    [
        (
            "disk",
            "node {node}: There is no file or folder {place}/disk/pictures. Check the spelling, or give another one.",
        ),
        ("page", "its node does not see the folder {place}/page. Put the page on a disk that all nodes share."),
    ],
)
def test_a_node_that_does_not_share_a_disk_fails_its_trial_in_a_sentence(tmp_path, python, hidden, sentence):
    (tmp_path / "page").mkdir()
    (tmp_path / "disk" / "pictures").mkdir(parents=True)
    for number in range(12):
        random = np.random.default_rng(number).integers(0, 256, (16, 16, 3), "uint8")
        Image.fromarray(random).save(tmp_path / "disk" / "pictures" / f"{number}.png")
    told = last_word(python(CLUSTER + APART, tmp_path, hidden))
    assert told.startswith(sentence.format(place=tmp_path, node=os.uname().nodename)) and "\n" not in told


@pytest.mark.slow
@on_a_cluster
@pytest.mark.parametrize("signals", [["SIGINT"], ["SIGINT", "SIGINT"], ["SIGKILL"]])
def test_an_end_of_the_command_leaves_no_process_and_the_folder_goes_on(tmp_path, signals):
    for folder in ("pictures", "tmp"):
        (tmp_path / folder).mkdir()
    for number, picture in enumerate(paint_many(range(48), size=16, seed=4)[0]):
        Image.fromarray(picture).save(tmp_path / "pictures" / f"{number:02d}.png")
    run = RunFolder.beside(tmp_path / "s-1.keras")
    with command(tmp_path, "first", "--ray", "local") as sweep:
        wait_until(lambda: run.steps() or sweep.poll() is not None)
        started = psutil.Process(sweep.pid).children(recursive=True)
        assert len(started) > 3, (tmp_path / "first.err").read_text()
        for one in signals:  # Ctrl-C reaches every process of a terminal
            os.killpg(sweep.pid, signal.SIGINT) if one == "SIGINT" else sweep.kill()
            time.sleep(0.5)
        sweep.wait(90)
    said = (tmp_path / "first.err").read_text()
    assert sweep.returncode == (-9 if "SIGKILL" in signals else 130), said
    assert "Traceback" not in said
    wait_until(lambda: not any(map(psutil.Process.is_running, started)))
    (trial,) = kvae.open_sweep(tmp_path / "s.html").trials
    step = run.steps()[0]
    assert trial.state == "running"
    with command(tmp_path, "second") as sweep:
        wait_until(lambda: b"\n" in (tmp_path / "second").read_bytes() or sweep.poll() is not None)
        sweep.terminate()
        sweep.wait(90)
    first = json.loads((tmp_path / "second").read_text().splitlines()[0])
    assert first["step"] > step, "from its checkpoint, without the cluster"
    left = [*tmp_path.glob("tmp/*"), *tmp_path.glob(".s.study/ray-*")]
    assert [one for one in left if not one.name.startswith("__autograph")] == [], "nor a file, but TensorFlow's own"


@contextmanager
def command(place, name, *more):
    """`kvae-sweep` of one long trial, in a session of its own as a terminal gives it; `name` is what it prints."""
    flags = ["--data", "pictures", "--kl-weight", "1", "--output", "s.html", "--size", "16", "--network", "conv"]
    flags += ["--widths", "8", "--batch-size", "16", "--no-augment", "--epochs", "100000", "--json", *more]
    code = "import sys; from kvae.cli.sweep import main; sys.exit(main(sys.argv[1:]))"
    surroundings = {**os.environ, "PYTHONPATH": str(Path(kvae.__file__).parents[1])}
    surroundings |= {"TMPDIR": str(place / "tmp"), "RAY_TMPDIR": "/tmp"}  # Ray's own sockets need a short path
    with open(place / name, "wb") as printed, open(place / f"{name}.err", "wb") as errors:
        sweep = subprocess.Popen(
            [sys.executable, "-c", code, *flags], cwd=place, env=surroundings, stdout=printed, stderr=errors,
            start_new_session=True,
        )  # fmt: skip
        try:
            yield sweep
        finally:
            if sweep.poll() is None:
                sweep.kill()
            sweep.wait()


def wait_until(true):
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# ---------------------------------------------------------------------- without a cluster


class Said(Listener):
    def __init__(self):
        self.sentences = []

    def on_message(self, sentence):
        self.sentences.append(sentence)


@pytest.fixture
def board(tmp_path):
    """Of one trial that is running."""
    record = TrialRecord(
        "KL weight 1",
        "ab",
        "cd",
        "ef",
        0,
        {"kl_weight": 1.0, "data": "mine"},
        state="running",
        model=tmp_path / "s-1.keras",
    )
    folder = SweepFolder(tmp_path / "s.html")
    assert folder.take()
    yield SweepBoard(
        tmp_path / "s.html", folder, SweepTable(tmp_path / "s.json", "", (record,), {"ef": Scene("")}), fresh=True
    )
    folder.release()


@pytest.fixture
def heard():
    return Said()


@pytest.fixture
def watch(board, heard):
    return _watch(SimpleNamespace(Callback=object, Stopper=object), board, heard)


@pytest.fixture
def brought(board, watch, tmp_path):
    """`brought({name: content})`: a checkpoint of the trial with these files has come."""
    (job,) = [{"job": _job(trial)} for trial in board.table.trials]

    def come(files):
        there = Path(tmp_path / "there")
        shutil.rmtree(there, ignore_errors=True)
        there.mkdir()
        for name, content in files.items():
            (there / name).write_bytes(content)

        @contextmanager
        def as_directory():
            yield str(there)

        watch.on_checkpoint(0, [], SimpleNamespace(config=job), SimpleNamespace(as_directory=as_directory))

    return come


def test_checkpoints_come_home_as_they_are_made_and_go_when_the_trial_is_done(board, watch, brought, heard, tmp_path):
    run = RunFolder.beside(tmp_path / "s-1.keras")
    for step in (1, 2, 3):
        brought({f"checkpoint-{step:09d}": b"run", "settings": b"{}"})
    assert run.steps() == [3, 2] and not run.taken() and board.trial("ab").state == "running"
    ended = replace(board.trial("ab"), state="done", distortion=2.0, model=Path("/elsewhere/trial.keras"))
    brought({"trial.keras": b"model", "run-ab": b"shown", RECORD: json.dumps(trial_to_json(ended)).encode()})
    found = board.trial("ab")
    assert (found.state, found.distortion, found.settings["data"]) == ("done", 2.0, "mine")
    assert found.model == tmp_path / "s-1.keras" and found.model.read_bytes() == b"model"
    assert (board.folder.path / "run-ab").read_bytes() == b"shown"
    assert not run.path.exists() and heard.sentences == ["KL weight 1 is done: D 2.0"]
    assert watch.broken is None and not watch.stopper.stop_all()


def test_a_trial_that_fails_on_its_node_keeps_the_checkpoint_that_came_home(board, brought, tmp_path):
    brought({"checkpoint-000000003": b"run", "settings": b"{}"})
    ended = replace(board.trial("ab"), state="failed", reason="no pictures")
    brought({RECORD: json.dumps(trial_to_json(ended)).encode()})
    assert board.trial("ab").reason == "no pictures"
    assert RunFolder.beside(tmp_path / "s-1.keras").steps() == [3]


def test_a_full_disk_at_home_ends_the_sweep_in_a_sentence(board, watch, brought, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunFolder, "unpack", full)
    brought({"checkpoint-000000003": b"run", "settings": b"{}"})
    assert watch.stopper.stop_all()
    assert str(watch.broken).startswith(f"output: {board.trial('ab').model} could not be written: the disk is full. ")
    assert str(watch.broken).endswith(" The same command goes on then.")


def test_a_display_of_any_kind_may_watch_though_ray_keeps_its_settings_in_a_file(watch, heard):
    heard.lock = threading.Lock()  # as every display on a terminal has one
    assert type(pickle.loads(pickle.dumps(watch))) is type(pickle.loads(pickle.dumps(watch.stopper))) is object


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("Traceback\n  of\nRayActorError: it died\n", "its worker ended 2 times (RayActorError: it died)"),
        (
            f"ray::ImplicitFunc\nFileNotFoundError: {UNSHARED}",
            "its node does not see the folder {}. Put the page on a disk that",
        ),
        ("", "its worker ended 2 times ()"),
    ],
)
def test_a_trial_that_ray_gives_up_is_a_row_that_says_why(board, watch, heard, error, reason):
    trial = SimpleNamespace(config={"job": _job(board.trial("ab"))}, get_error=lambda: error)
    watch.on_trial_error(0, [], trial)
    assert board.trial("ab").state == "failed"
    assert board.trial("ab").reason.startswith(reason.format(board.page.parent))


def test_a_node_gets_pictures_under_a_name_that_holds_in_every_working_directory(board, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _job(board.trial("ab"))["settings"]["data"] == str(tmp_path / "mine")
    named = replace(board.trial("ab"), settings={"data": "paintings"})
    assert _job(named)["settings"]["data"] == "paintings"


def test_a_node_with_other_pictures_or_none_fails_its_trial_in_a_sentence():
    pictures = SimpleNamespace(of=lambda record: SimpleNamespace(collection=SimpleNamespace(manifest_hash="others")))
    record = TrialRecord("KL weight 1", "ab", "cd", scene_of(Trial("", "", {}, {}), "mine"), 0, {"kl_weight": 1.0})
    found = _checked(record, pictures)
    assert found.state == "failed" and found.reason.startswith("the pictures on node ")
    assert found.reason.endswith(" are others. Bring the same ones to every node.")
    assert _checked(replace(record, scene=scene_of(record, "others")), pictures) is None

    def none(record):
        raise FileNotFoundError("There is no file or folder /mine.")

    found = _checked(record, SimpleNamespace(of=none))
    assert found.state == "failed" and found.reason.startswith("node ")
    assert found.reason.endswith(": There is no file or folder /mine. Every node needs the pictures there.")
