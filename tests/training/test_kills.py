"""A run that is killed at random moments, and goes on each time, ends like one that was left alone: bit for bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import kvae
from kvae.model.methods import WEIGHTINGS, choose
from kvae.training.folder import RunFolder
from kvae.training.resume import interrupted_runs

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

SMALL = {
    "size": 16,
    "network": "conv",
    "widths": [8],
    "latent_dim": 4,
    "batch_size": 16,  # three batches of 16 and one of 7
    "epochs": 5,
    "augment": True,
    "balance_every": 0,
}
# with two rates that draw noise of their own, and in both precisions
OPTIONS = {
    "warm-up": {"ramp_steps": 12},
    "capacity": {"capacity": 5.0, "ramp_steps": 15},
    "pi": {"target_rate": 3.0},
    "geco": {"target_distortion": 20.0, "precision": "mixed_bfloat16"},
    "calibrated": {"rate": "mmd"},
    "learned": {"rate": "tc"},
}
# the plain weighting, every one that keeps a state, and a range of weights, whose losses are relative to what is kept
RUNS = {
    name: {"weighting": name, **OPTIONS.get(name, {})}
    for name in WEIGHTINGS
    if name == "constant" or choose({"weighting": name, "kl_weight": 0.1}, "a test").weighting.start()
}
RUNS["range"] = {"network": "spectral", "latent_dim": 300, "kl_weight": [0.01, 1.0], "precision": "mixed_bfloat16"}
KILLS = 3  # of each run
QUICK = ("range",)  # the others keep their state in the same way, and are killed by the slow checks


class Lives:
    """Forks runs from a warm process, and kills them."""

    def __init__(self, folder: Path) -> None:
        surroundings = {
            **os.environ, "PYTHONPATH": str(Path(kvae.__file__).parents[1]), "KVAE_CACHE": str(folder / "cache"),
        }  # fmt: skip
        self._errors = open(folder / "errors", "w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("lives.py"))], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, text=True, env=surroundings, cwd=folder,
        )  # fmt: skip
        self._answer()

    def _answer(self) -> str:
        answer = self._process.stdout.readline().strip()
        assert answer, self.errors()
        return answer

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-3000:]

    def begin(
        self, output: Path, settings: dict, notes: Path, hold: int | None = None, dies: tuple[str, int] | None = None
    ) -> int:
        order = {"output": str(output), "settings": settings, "notes": str(notes), "hold": hold, "dies": dies}
        notes.touch()
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def end(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()
        self._errors.close()


@pytest.fixture(scope="module")
def lives(tmp_path_factory):
    lives = Lives(tmp_path_factory.mktemp("lives"))
    yield lives
    lives.end()


def gone(process: int) -> bool:
    """Whether it has ended; its parent does not wait for it, so it stays as a zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def noted(notes: Path) -> list:
    """The steps of all lives, and at the end what the last one told."""
    return [json.loads(line) for line in notes.read_text().splitlines()]


def until(condition, lives: Lives, seconds: float = 100.0) -> None:
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, lives.errors()
        time.sleep(0.002)


def killed(lives: Lives, folder: Path, settings: dict, kills: int, chance: random.Random) -> tuple[dict, list]:
    """What a run tells that is killed so often, and the steps of all its lives."""
    notes, output = folder / "killed", folder / "killed.keras"
    total = 4 * settings["epochs"]
    for number in range(kills):
        begun = len(noted(notes)) if notes.exists() else 0
        left = total - 1 - max(RunFolder.beside(output).steps(), default=0)
        steps = min(left, chance.randint(1, max(1, 2 * left // (kills - number + 1))))
        process = lives.begin(output, settings, notes, hold=min(left, steps + 2))
        until(lambda: len(noted(notes)) >= begun + steps or gone(process), lives)  # noqa: B023
        time.sleep(chance.uniform(0.0, 0.03))  # a step takes that long, and its checkpoint is written in it
        assert not gone(process), lives.errors()
        os.kill(process, signal.SIGKILL)
        until(lambda: gone(process), lives)  # noqa: B023
        assert not output.exists()
    process = lives.begin(output, settings, notes)
    until(lambda: gone(process), lives)
    *steps, told = noted(notes)
    assert isinstance(told, dict), lives.errors()
    return told, steps


def check(lives: Lives, folder: Path, settings: dict, kills: int, seed: int) -> None:
    alone = lives.begin(folder / "whole.keras", settings, folder / "whole")  # meanwhile
    found, steps = killed(lives, folder, settings, kills, random.Random(seed))
    until(lambda: gone(alone), lives)
    *_, expected = noted(folder / "whole")
    assert isinstance(expected, dict), lives.errors()
    assert found["digest"] == expected["digest"]
    assert found["history"] == expected["history"] and found["steps"] == expected["steps"]
    # each life went on near to where the one before it ended: at most the step that was not yet known to be good,
    # and the one that was being written
    again = [earlier - later for earlier, later in zip(steps, steps[1:], strict=False) if later <= earlier]
    assert max(again, default=0) <= 2 and sorted(set(steps)) == list(range(1, 4 * settings["epochs"] + 1))
    assert sorted(one.name for one in folder.iterdir()) == ["killed", "killed.keras", "whole", "whole.keras"]


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in RUNS])
def test_a_run_that_is_killed_again_and_again_ends_with_the_weights_of_one_that_was_not(lives, tmp_path, name):
    check(lives, tmp_path, {**SMALL, **RUNS[name]}, 1 if name == "range" else KILLS, seed=len(name))


# what a run does before its first checkpoint and after its last step, in this order; at its end it removes two
# checkpoints, its settings, its lock, and the note of the delivery
DEATHS = [("begin", 1), ("deliver", 1), ("save", 1), ("draw_run", 1), *(("removed", number) for number in range(1, 6))]


@pytest.mark.parametrize(("when", "count"), DEATHS)
def test_a_run_that_dies_between_two_steps_of_its_delivery_is_finished_by_going_on(lives, tmp_path, when, count):
    output, notes, models = tmp_path / "art.keras", tmp_path / "notes", ["art.keras", "art.png", "notes"]
    settings = {**SMALL, "epochs": 1}
    process = lives.begin(output, settings, notes, dies=(when, count))
    until(lambda: gone(process), lives)
    run = RunFolder.beside(output)
    assert run.path.is_dir() and not any(isinstance(one, dict) for one in noted(notes)), lives.errors()
    until(lambda: not run.taken(), lives)  # the lock goes with the last thread
    written = output.read_bytes() if output.exists() else None
    assert (written is None) == (when in ("begin", "deliver"))
    assert [path.name for path, _ in interrupted_runs(tmp_path)] == ([] if count >= 5 else ["art.keras"])
    process = lives.begin(output, settings, notes, dies=("nothing", 1))
    until(lambda: gone(process), lives)
    *steps, told = noted(notes)
    assert isinstance(told, dict), lives.errors()
    assert told["path"] == str(output) and told["history"]["step"] == [4]
    assert sorted(one.name for one in tmp_path.iterdir()) == models
    if written is not None:
        assert output.read_bytes() == written and steps == [1, 2, 3, 4]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", RUNS)
def test_a_run_killed_thirteen_times_ends_with_the_weights_of_one_that_was_not(lives, tmp_path, name):
    check(lives, tmp_path, {**SMALL, **RUNS[name], "epochs": 15}, 13, seed=20 + len(name))
