"""A sweep that is called again goes on: nothing is trained twice, nothing is lost, and what fails is a row."""

import json

import numpy as np
import pytest

import kvae
from kvae.sweeps.store import SweepFolder
from kvae.sweeps.sweep import sweep
from kvae.training.folder import RunFolder
from kvae.training.listener import Listener
from kvae.training.loop import Diverged

LINEAR = {"size": 16, "network": "linear", "augment": False}  # the closed form: no training
CONV = {"size": 16, "network": "conv", "widths": (8,), "batch_size": 16, "augment": False, "epochs": 3}

pytestmark = pytest.mark.usefixtures("only_the_page")


class Said(Listener):
    def __init__(self):
        self.sentences, self.trials = [], []

    def on_message(self, sentence):
        self.sentences.append(sentence)

    def on_trials(self, ended, total, running):
        self.trials.append((ended, total))

    @property
    def begun(self):
        return [one.partition("] ")[2] for one in self.sentences if one.startswith("[")]


def states(found):
    return {trial.name: trial.state for trial in found.table.trials}


def test_the_same_sweep_again_trains_nothing_and_has_the_same_page(pictures, tmp_path):
    def once():
        heard = Said()
        axes = {"latent_dim": [2, 4]}
        return heard, sweep(pictures, [1.0], axes=axes, output=tmp_path / "s.html", listener=heard, **LINEAR)

    (first, found), page = once(), (tmp_path / "s.html").read_text()
    again, repeated = once()
    assert first.begun == ["2 latents", "4 latents"] and again.begun == [] and repeated.runs == []
    assert f"{tmp_path / 's.html'} is this sweep: 2 of 2 trials are done" in again.sentences
    assert repeated.page == found.page and repeated.table == found.table and len(repeated.rows) == len(found.rows)
    assert found.latents == repeated.latents == tmp_path / "s-latents.html"
    charts = page.split("base64,"), (tmp_path / "s.html").read_text().split("base64,")
    assert len(charts[0]) == len(charts[1]), "pictures and all"
    for one, other in zip(found.rows, repeated.rows, strict=True):
        np.testing.assert_array_equal(one.reconstructions, other.reconstructions)
    assert again.trials[-1] == (2, 2) and first.trials[0] == (0, 2)


def test_a_sweep_grows_and_another_one_takes_the_next_name(pictures, tmp_path):
    def run(weights, **more):
        heard = Said()
        found = sweep(pictures, weights, output=tmp_path / "s", listener=heard, **{**LINEAR, "latent_dim": 4, **more})
        return heard.begun, found.page.name, list(states(found))

    assert run([1.0]) == (["KL weight 1"], "s.html", ["KL weight 1"])
    assert run([1.0, 0.1]) == (["KL weight 0.1"], "s.html", ["KL weight 1", "KL weight 0.1"])
    assert run([0.1])[:2] == ([], "s.html"), "part of it is all there"
    assert run([1.0, 0.5])[:2] == (["KL weight 1", "KL weight 0.5"], "s-2.html")
    assert run([1.0], latent_dim=3)[:2] == (["KL weight 1"], "s-3.html")
    assert len(kvae.open_sweep(tmp_path / "s.html").trials) == 2


@pytest.mark.slow
def test_a_sweep_on_other_pictures_is_another_one(pictures, tmp_path):
    pages = [sweep(one, [1.0], output=tmp_path / "s", **LINEAR).page.name for one in (pictures, pictures[::-1][:40])]
    assert pages == ["s.html", "s-2.html"]


KILLED = """
import os, sys
import kvae
from kvae.images.paintings import paint_many
from kvae.training import checkpoint
from kvae.training.listener import Listener
checkpoint.SPACING = 0.0
checkpoint.BUDGET = 1e9
class Death(Listener):
    trial = 0
    def on_message(self, sentence):
        self.trial += sentence.startswith("[")
    def on_step(self, step):
        if self.trial == 2 and step.step == 6:
            print("DEAD", flush=True)
            os._exit(0)
kvae.sweep(paint_many(range(48), size=16, seed=4)[0], [1.0, 0.1], output=sys.argv[1], listener=Death(), size=16,
    network="conv", widths=(8,), batch_size=16, augment=False, epochs=3)
"""


def test_a_killed_sweep_goes_on_from_its_checkpoint_and_ends_as_if_nothing_had_been(pictures, tmp_path, python):
    page = tmp_path / "killed" / "s.html"
    assert "DEAD" in python(KILLED, page)
    table = kvae.open_sweep(page)
    assert [trial.state for trial in table.trials] == ["done", "running"] and page.is_file(), "results as they come"
    assert RunFolder.beside(table.trials[1].model).steps()[0] >= 4
    done = table.trials[0].model.stat().st_mtime_ns
    heard = Said()
    found = sweep(pictures, [1.0, 0.1], output=page, listener=heard, **CONV)
    assert any("1 of 2 trials are done, 1 goes on where it was cut off" in one for one in heard.sentences)
    assert heard.begun == ["KL weight 0.1"] and any("going on from step" in one for one in heard.sentences)
    assert set(states(found).values()) == {"done"} and found.table.trials[0].model.stat().st_mtime_ns == done
    whole = sweep(pictures, [1.0, 0.1], output=tmp_path / "whole" / "s.html", **CONV)
    for one, other in zip(found.table.trials, whole.table.trials, strict=True):
        assert (one.distortion, one.rate, one.loss) == (other.distortion, other.rate, other.loss)
        for mine, its in zip(kvae.load(one.model).get_weights(), kvae.load(other.model).get_weights(), strict=True):
            np.testing.assert_array_equal(mine, its)
    assert not list(page.parent.glob(".*.run"))


class Stops(Said):
    """Ends the sweep in its first trial."""

    steps = 0

    def on_step(self, step):
        self.steps = step.step

    def should_stop(self):
        return self.steps >= 4


@pytest.mark.slow
def test_a_stopped_trial_goes_on_from_its_model_under_its_name(pictures, tmp_path):
    stopped = sweep(pictures, [1.0, 0.1], output=tmp_path / "s.html", listener=Stops(), **CONV)
    assert stopped.stopped and states(stopped) == {"KL weight 1": "stopped", "KL weight 0.1": "planned"}
    assert kvae.load(tmp_path / "s-1.keras").card["step"] == 4
    found = sweep(pictures, [1.0, 0.1], output=tmp_path / "s.html", **CONV)
    assert not found.stopped and set(states(found).values()) == {"done"}
    assert kvae.load(tmp_path / "s-1.keras").card["step"] == 9, "three epochs of three steps"
    assert sorted(path.name for path in tmp_path.glob("*.keras")) == ["s-0.1.keras", "s-1.keras"]


@pytest.mark.slow
def test_a_trial_that_was_delivered_before_its_row_was_written_is_only_measured(pictures, tmp_path):
    sweep(pictures, [1.0], output=tmp_path / "s.html", **CONV)
    index = tmp_path / "s.json"
    told = json.loads(index.read_text())
    told["trials"][0] = {k: v for k, v in told["trials"][0].items() if k != "distortion"} | {"state": "running"}
    index.write_text(json.dumps(told))
    before = (tmp_path / "s-1.keras").read_bytes()
    heard = Said()
    found = sweep(pictures, [1.0], output=tmp_path / "s.html", listener=heard, **CONV)
    assert (tmp_path / "s-1.keras").read_bytes() == before and found.table.trials[0].state == "done"
    assert found.table.trials[0].distortion is not None


def failing(monkeypatch, error, name="KL weight 0.1"):
    from kvae.sweeps import trial

    real = trial.train

    def train(*arguments, **options):
        if options["kl_weight"] == 0.1:
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr("kvae.sweeps.trial.train", train)


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (
            Diverged("training: at step 3 the loss was no finite number."),
            "diverged",
            "at step 3 the loss was no finite",
        ),
        (OSError(28, "No space left on device", "s-0.1.keras"), "failed", "s-0.1.keras: No space left on device. Free"),
        (MemoryError("too much"), "failed", "too much"),
        (RuntimeError("out of memory on the device"), "failed", "RuntimeError('out of memory on the device')"),
    ],
)
def test_a_trial_that_fails_is_a_row_that_says_why_and_the_others_go_on(
    pictures, tmp_path, monkeypatch, error, state, reason
):
    failing(monkeypatch, error)
    heard = Said()
    found = sweep(pictures, [0.1, 1.0], output=tmp_path / "s.html", listener=heard, **LINEAR)
    assert list(states(found).values()) == [state, "done"] and not found.stopped
    assert reason in found.table.trials[0].reason and found.table.trials[0].distortion is None
    assert any(f"KL weight 0.1: {state}: " in one for one in heard.sentences)
    page = found.page.read_text("utf-8")
    assert f"<td>{state}</td>" in page and ">nan" not in page.lower()
    monkeypatch.undo()
    monkeypatch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)
    again = sweep(pictures, [0.1, 1.0], output=tmp_path / "s.html", **LINEAR)
    assert list(states(again).values()) == [state if state == "diverged" else "done", "done"]


def test_a_sweep_of_which_nothing_came_says_why_and_leaves_nothing(pictures, tmp_path, monkeypatch):
    failing(monkeypatch, ValueError("train: this cannot be."))
    with pytest.raises(ValueError, match=r"^train: this cannot be\.$"):
        sweep(pictures, [0.1], output=tmp_path / "new" / "s.html", **LINEAR)
    assert not (tmp_path / "new").exists()


def test_two_sweeps_on_one_page_are_refused(pictures, tmp_path):
    sweep(pictures, [1.0], output=tmp_path / "s.html", **LINEAR)
    folder = SweepFolder(tmp_path / "s.html")
    assert folder.take()
    with pytest.raises(ValueError, match=r"sweep: process \d+ is running the sweep .*s\.html\. Wait until it ends"):
        sweep(pictures, [1.0], output=tmp_path / "s.html", **LINEAR)
    assert sweep(pictures, [0.5], output=tmp_path / "s.html", **LINEAR).page.name == "s-2.html", "which is another one"
    folder.release()


def test_a_full_disk_in_the_middle_is_said_and_the_same_command_goes_on(pictures, tmp_path, monkeypatch):
    from kvae.sweeps import board

    real, calls = board.write_index, []

    def full(table):
        calls.append(table)
        if len(calls) > 3:  # planned, begun, ended, begun
            raise OSError(28, "No space left on device")
        real(table)

    monkeypatch.setattr(board, "write_index", full)
    with pytest.raises(
        OSError, match=r"s\.json could not be written: the disk is full\. .*s-1\.keras\. The same command"
    ):
        sweep(pictures, [1.0, 0.1], output=tmp_path / "s.html", **LINEAR)
    monkeypatch.setattr(board, "write_index", real)
    heard = Said()
    found = sweep(pictures, [1.0, 0.1], output=tmp_path / "s.html", listener=heard, **LINEAR)
    assert heard.begun == ["KL weight 0.1"] and set(states(found).values()) == {"done"}


def test_a_model_of_a_strange_index_outside_its_folder_is_not_opened(pictures, tmp_path):
    sweep(pictures, [1.0], output=tmp_path / "a" / "s.html", **LINEAR)
    index = tmp_path / "a" / "s.json"
    told = json.loads(index.read_text())
    told["trials"][0].update(state="running", model="../other.keras")
    index.write_text(json.dumps(told))
    (tmp_path / "other.keras").write_bytes(b"mine")
    found = sweep(pictures, [1.0], output=tmp_path / "a" / "s.html", **LINEAR)
    assert found.table.trials[0].model.parent == tmp_path / "a" and (tmp_path / "other.keras").read_bytes() == b"mine"


def test_runs_of_several_seeds_are_one_row_and_sizes_are_parts_of_the_page(pictures, tmp_path):
    found = sweep(
        pictures, [1.0], axes={"seed": [0, 1], "size": [16, 32]}, output=tmp_path / "s.html", **CONV | {"epochs": 1}
    )
    rows = [row for row in found.rows if not row.gaussian_limit]
    assert [(row.name, row.seeds) for row in rows] == [("16 x 16 pixels", 2), ("32 x 32 pixels", 2)]
    for row in rows:
        seen = [one.distortion for one in found.table.trials if one.name.startswith(row.name)]
        assert row.distortion == pytest.approx(np.mean(seen)) and row.spread["distortion"] == pytest.approx(
            np.std(seen, ddof=1)
        )
    page = found.page.read_text("utf-8")
    assert page.count("<h1>") == 2 and "48 pictures at 16x16" in page and "48 pictures at 32x32" in page


@pytest.mark.slow
def test_of_many_rows_some_have_pictures_and_the_page_says_how_many_more_there_are(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("kvae.sweeps.page.MOST_PICTURED", 2)
    found = sweep(pictures, [4.0, 2.0, 1.0, 0.5], output=tmp_path / "s.html", latent_dim=4, **LINEAR)
    shown = [row.reconstructions is not None for row in found.rows if not row.gaussian_limit]
    assert shown == [True, False, False, True]
    page = found.page.read_text("utf-8")
    assert "2 more rows are in the tables only." in page and page.count(">KL weight 1<") >= 1
