"""Processes that die in the middle of anything: the real window with its real engine and trainers, which are killed."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import numpy as np
import psutil
import pytest
from PyQt6.QtCore import QSettings

from explorer import worker_process
from explorer.bridge import Bridge
from explorer.messages import Delivered, ExportMorph, Pause, Paused, Progress, RunFailed, Steps
from explorer.widgets.preferences import Preferences
from explorer.window.window import MainWindow

PATIENCE = 90_000  # milliseconds, for a busy machine
ENGINE_STATES = ("opening", "starting", "decoding", "map", "export")
TRAINER_STATES = ("preparing", "training", "paused")


class Program:
    """The window with a model open, and what its processes are made to do before they are killed."""

    def __init__(self, qtbot, models, folder: Path) -> None:
        self.qtbot, self.models, self.folder = qtbot, models, folder
        self.bridge = Bridge()
        self.said: list = []
        self.bridge.run_message.connect(self.said.append)
        settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
        self.window = MainWindow(self.bridge, Preferences(settings))
        self.window.preferences.set("train/follow", False)
        self.window.show()
        self.bridge.start()
        self.window.open(str(models.trained))
        self.page = self.window.page("explore")
        self.until(self.rests)

    def until(self, what) -> None:
        self.qtbot.waitUntil(what, timeout=PATIENCE)

    def rests(self) -> bool:
        """The engine holds the model on screen and has decoded the newest picture asked for."""
        whole = self.bridge.model is not None and self.bridge._current.loaded is self.bridge.model
        quiet = not self.page._throttle._hasPendingEmission
        return whole and quiet and self.page._decoded and self.page._shown_ask == self.page._asked

    def state(self) -> tuple:
        """What a person would miss."""
        page = self.page
        return self.bridge.model.path, page.point().tolist(), page.undo_stack.count(), page.undo_stack.index()

    # ------------------------------------------------------------------ the engine

    def opening(self) -> None:
        self.window.open(str(self.models.trained))

    def starting(self) -> None:
        before = self.bridge._engine
        self.kill(before)
        self.until(lambda: self.bridge._engine not in (before, None))

    def decoding(self) -> None:
        self.bridge.ask(_many(), lambda content: None, lane="strips")

    def map(self) -> None:
        self.window.page("map").read()

    def export(self) -> None:
        begun: list = []
        films = self.folder / "films"
        request = ExportMorph(str(films / "a.mp4"), np.zeros((20_000, 6), np.float32), 30.0, 256)
        self.bridge.ask(request, begun.append, failed=begun.append)
        self.until(lambda: any(isinstance(one, Progress) for one in begun))

    def kill(self, one) -> None:
        os.kill(one.process.pid, signal.SIGKILL)

    def kill_the_engine(self, doing: str, after: int) -> None:
        """Kill it `after` some milliseconds of `doing` something: all is as before, and one sentence said it."""
        moved = np.full(6, 0.01 * (after + 1), np.float32)
        self.page.go_to(moved, "somewhere")
        self.until(self.rests)
        before, picture = self.state(), self.page.stage.picture.image.copy()
        self.window.notice.dismiss()
        getattr(self, doing)()
        self.qtbot.wait(after)
        engine = self.bridge._engine
        self.kill(engine)
        self.until(lambda: self.bridge._engine not in (engine, None))
        assert np.array_equal(self.page.stage.picture.image, picture)
        assert "The engine ended unexpectedly (signal 9)" in self.window.notice.text
        assert self.window.notice.text.count(".") <= 3
        self.until(self.rests)
        assert self.state() == before and self.window.isVisible()
        assert np.abs(self.page.stage.picture.image.astype(int) - picture).max() <= 1
        self.page.undo_stack.undo()
        self.page.undo_stack.redo()
        self.until(self.rests)

    # ------------------------------------------------------------------ trainers

    def kill_a_trainer(self, doing: str, after: int) -> None:
        """Kill the trainer of a run `after` some milliseconds of `doing` something: the rest goes on."""
        before = self.state()
        self.said.clear()
        settings = {one.name: one.default for one in self.bridge.settings}
        settings.update(
            data=str(self.models.pictures), size=16, latent_dim=6, batch_size=8, network="conv", minutes=30.0
        )
        self.window.page("train").start({**settings, "epochs": None, "augment": False, "device": "cpu"})
        (run,) = self.bridge.running()
        if doing != "preparing":
            self.until(lambda: any(isinstance(one, Steps) for one in self.said))
        if doing == "paused":
            self.bridge.tell_run(run, Pause())
            self.until(lambda: any(isinstance(one, Paused) for one in self.said))
        self.qtbot.wait(after)
        self.kill(self.bridge._runs[run].worker)
        self.until(lambda: not self.bridge._runs)
        ends = [one for one in self.said if isinstance(one, RunFailed | Delivered)]
        assert [one.sentence for one in ends] == [trainer_lost(9)] and self.window.notice.text == trainer_lost(9)
        assert not list((self.folder / "temporary").glob("kvae-run-*"))
        assert self.state() == before and self.rests()


def _many():
    from explorer.messages import Decode

    return Decode(np.zeros((20_000, 6), np.float32))


def trainer_lost(number: int) -> str:
    from explorer.bridge import RUN_LOST

    return RUN_LOST.format(f"signal {number}")


@pytest.fixture
def program(qtbot, real_models, tmp_path, monkeypatch):
    """The program with `real_models.trained` open. When it has ended, nothing is left: no process,
    no temporary file."""
    mark = f"{uuid.uuid4()}"
    monkeypatch.setenv("KVAE_TEST_MARK", mark)
    monkeypatch.setattr(worker_process, "DEATHS_WITHIN", 0.0)  # 50 deaths in a row are no reason to give up here
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    one = Program(qtbot, real_models, tmp_path)
    yield one
    one.window.leave()
    qtbot.waitUntil(lambda: not one.window.isVisible())
    one.bridge.shutdown()
    one.window.deleteLater()
    assert psutil.wait_procs(_marked(mark), timeout=10)[1] == []
    left = [path.name for path in (tmp_path / "temporary").iterdir() if not path.name.startswith("pytest-")]
    assert left == []
    assert not list(tmp_path.rglob("*.part"))


def _marked(mark: str, tracker: bool = False) -> list[psutil.Process]:
    """The processes begun by a program; the `tracker` of multiprocessing lives as long as the process that began it."""
    found = []
    for one in psutil.process_iter():
        try:
            ours = one.pid != os.getpid() and one.environ().get("KVAE_TEST_MARK") == mark
            if (
                ours
                and one.status() != psutil.STATUS_ZOMBIE
                and (tracker or "resource_tracker" not in " ".join(one.cmdline()))
            ):
                found.append(one)
        except psutil.Error:
            continue
    return found


def _kills(program: Program, count: int, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(count):
        doing = chance.choice(ENGINE_STATES + TRAINER_STATES)
        after = chance.randrange(400)
        (program.kill_the_engine if doing in ENGINE_STATES else program.kill_a_trainer)(doing, after)


@pytest.mark.timeout(400)
def test_four_deaths_leave_the_window_as_it_was(program):
    program.kill_the_engine("export", 50)
    program.kill_a_trainer("paused", 50)
    program.kill_the_engine("map", 5)
    program.kill_a_trainer("training", 150)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_deaths_at_any_moment_leave_the_window_as_it_was(program):
    _kills(program, 50, seed=20140214)


@pytest.mark.timeout(300)
def test_a_killed_program_leaves_no_process_and_no_file_behind(real_models, tmp_path):
    mark = f"{uuid.uuid4()}"
    for name in ("temporary", "cache"):
        (tmp_path / name).mkdir()
    environment = {
        **os.environ,
        "KVAE_TEST_MARK": mark,
        "QT_QPA_PLATFORM": "offscreen",
        "TMPDIR": str(tmp_path / "temporary"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    driver = Path(__file__).with_name("driver.py")
    command = [sys.executable, str(driver), "busy", str(real_models.trained), str(real_models.pictures)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert "busy\n" in iter(program.stdout.readline, "")
        assert len(_marked(mark)) >= 4  # the window, the engine, the trainer, and a spare one
        assert list((tmp_path / "temporary").glob("kvae-run-*/*")) and list((tmp_path / "films").glob(".*.part"))
        program.kill()
    assert psutil.wait_procs(_marked(mark, tracker=True), timeout=30)[1] == []
    left = [path for path in (tmp_path / "temporary").rglob("*") if path.is_file() and path.suffix != ".svg"]
    assert left == [] and not list((tmp_path / "temporary").glob("kvae-run-*"))  # Qt's drawings of arrows stay
    assert list((tmp_path / "films").iterdir()) == []
    assert not (tmp_path / "models").exists() or not list((tmp_path / "models").iterdir())
