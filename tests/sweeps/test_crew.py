"""Trials in several processes: the same board, and what a process that ends costs."""

import os
import signal
import time

import numpy as np
import psutil
import pytest

import kvae
from kvae.sweeps import crew
from kvae.sweeps.store import SweepFolder
from kvae.sweeps.sweep import sweep
from kvae.training.listener import Listener

SETTINGS = {"size": 16, "network": "conv", "widths": (8,), "batch_size": 16, "augment": False, "epochs": 3}


class Watcher(Listener):
    """Kills the process of a trial as often as `kills` says, once it trains; stops when `stop` says so."""

    def __init__(self, started, kills, stop=False):
        self.started, self.kills, self.stop = started, dict(kills), stop
        self.said, self.bars, self.trained = [], [], set()

    def on_message(self, sentence):
        self.said.append(sentence)

    def on_epoch_end(self, record):
        self.trained.add(record["trial"])

    def on_trials(self, ended, total, running):
        self.bars.append((ended, total, dict(running)))
        for worker in self.started:
            name = None if worker.trial is None else worker.trial.name
            if self.kills.get(name) and worker.share > 0 and worker._process.poll() is None:
                self.kills[name] -= 1
                worker.share = 0.0
                os.kill(worker._process.pid, signal.SIGKILL)

    def should_stop(self):
        return self.stop and any(share > 0 for _, _, running in self.bars for share in running.values())


@pytest.fixture
def started(monkeypatch):
    """Every process that a sweep starts, as its parent has it."""
    found = []

    class Noted(crew.Worker):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            found.append(self)

    monkeypatch.setattr(crew, "Worker", Noted)
    return found


def test_a_killed_process_costs_its_trial_a_new_start_and_the_second_time_it_is_a_row(pictures, tmp_path, started):
    watcher = Watcher(started, {"KL weight 1": 1, "KL weight 0.1": 2})
    found = sweep(
        pictures, [1.0, 0.1, 0.01], output=tmp_path / "s.html", workers=2, listener=watcher, **SETTINGS
    )  # fmt: skip
    states = {trial.name: (trial.state, trial.reason) for trial in found.table.trials}
    assert states["KL weight 1"] == states["KL weight 0.01"] == ("done", "")
    assert states["KL weight 0.1"] == ("failed", "its process ended by signal 9, 2 times")
    assert any(
        said == "KL weight 1: its process ended by signal 9; it goes on from its checkpoint" for said in watcher.said
    )
    assert found.runs == [] and watcher.bars[-1] == (3, 3, {}) and "KL weight 0.01" in watcher.trained
    model = kvae.load(found.table.trials[0].model)
    assert model.card["step"] == 9 and model.card["settings"]["data"] == "array"
    row = found.rows[0]
    np.testing.assert_allclose(row.reconstructions / 255.0, model.reconstruct(row_of(found)), atol=0.51 / 255)
    assert all(worker._process.poll() is not None for worker in started), "none is left behind"
    assert not list(SweepFolder(found.page).path.glob("array-*"))


def row_of(found):
    """The pictures of the page."""
    (key,) = found.table.scenes
    return SweepFolder(found.page).scene(key).originals


@pytest.mark.slow
def test_a_wish_to_stop_ends_all_processes_softly_and_the_same_command_goes_on(pictures, tmp_path, started):
    watcher = Watcher(started, {}, stop=True)
    found = sweep(
        pictures, [1.0, 0.1, 0.01], output=tmp_path / "s.html", workers=2, listener=watcher,
        **{**SETTINGS, "epochs": 500},
    )  # fmt: skip
    states = [trial.state for trial in found.table.trials]
    assert found.stopped and states[2] == "planned" and set(states[:2]) <= {"stopped", "running"}
    assert "stopped" in states and found.page.is_file()
    assert all(worker._process.poll() is not None for worker in started)


@pytest.mark.slow
def test_processes_end_when_their_parent_is_gone(tmp_path, python):
    code = """
import os, sys
import kvae
from kvae.images.paintings import paint_many
from kvae.sweeps import crew
from kvae.training.listener import Listener
class Death(Listener):
    def on_trials(self, ended, total, running):
        if any(share > 0 for share in running.values()):
            print(*[worker._process.pid for worker in started], flush=True)
            os._exit(0)
started = []
class Noted(crew.Worker):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        started.append(self)
crew.Worker = Noted
kvae.sweep(paint_many(range(48), size=16, seed=4)[0], [1.0, 0.1], output=sys.argv[1], listener=Death(), workers=2,
    size=16, network="conv", widths=(8,), batch_size=16, augment=False, epochs=100000)
"""
    pids = [int(pid) for pid in python(code, tmp_path / "s.html").split()]
    deadline = time.monotonic() + 60
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(pids) == 2 and not any(map(psutil.pid_exists, pids))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"workers": 0}, "`workers` must be from 1 to 64. Received: workers=0."),
        ({"workers": 65}, "`workers` must be from 1 to 64"),
        ({"workers": 2, "encoder": object()}, "are trained in one process. Leave `workers` out."),
    ],
)
def test_processes_that_cannot_be_are_refused(tmp_path, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        sweep("no such pictures", [1.0], output=tmp_path / "s.html", **options)
    assert not list(tmp_path.iterdir())
