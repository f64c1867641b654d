"""The bridge with a real engine behind it, and with stand-ins for trainers."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

import kvae
from explorer import bridge as bridge_file
from explorer import messages as m
from explorer.bridge import Bridge
from explorer.engine.snapshots import Snapshots

PATIENCE = 60_000  # milliseconds, for a busy machine
POINT = np.zeros((1, 6), np.float32)


class Heard:
    """Every signal of a bridge, in order."""

    def __init__(self, bridge: Bridge) -> None:
        self.all: list[tuple] = []
        for name in ("engine_changed", "hello", "model_changed", "open_failed", "run_message"):
            getattr(bridge, name).connect(lambda *values, name=name: self.all.append((name, *values)))

    def of(self, name: str) -> list[tuple]:
        return [values for what, *values in self.all if what == name]


@pytest.fixture(scope="module")
def running(qapp):
    """A bridge whose engine runs, for the whole file."""
    bridge = Bridge()
    bridge.start()
    yield bridge
    children = [process.pid for process in psutil.Process().children(recursive=True)]
    bridge.shutdown()
    bridge.shutdown()  # twice does no harm
    assert not [pid for pid in children if psutil.pid_exists(pid) and "kvae" in psutil.Process(pid).name()]
    assert bridge._engine is None


@pytest.fixture
def heard(running):
    one = Heard(running)
    yield one
    for name in ("engine_changed", "hello", "model_changed", "open_failed", "run_message"):
        getattr(running, name).disconnect()


@pytest.fixture
def opened(running, real_models, qtbot):
    with qtbot.waitSignal(
        running.model_changed, timeout=PATIENCE, check_params_cb=lambda info, same: same
    ):  # the second: loaded, not only glimpsed
        running.open(str(real_models.trained))
    return running


def answered(bridge, qtbot, content, **options):
    """The answers to one question, until it is answered or failed."""
    found: list = []
    bridge.ask(content, found.append, failed=found.append, **options)
    qtbot.waitUntil(lambda: bool(found), timeout=PATIENCE)
    return found


def test_a_started_engine_tells_the_settings_and_opens_a_model_in_two_steps(running, heard, real_models, qtbot):
    running.open(str(real_models.trained))
    qtbot.waitUntil(lambda: len(heard.of("model_changed")) == 2, timeout=PATIENCE)
    (glimpsed, first), (seen, second) = heard.of("model_changed")
    assert (first, second) == (False, True) and glimpsed.name == seen.name == "trained" and running.model is seen
    assert [one.name for one in running.settings][:2] == ["data", "size"] and len(heard.of("hello")) == 1
    assert ["ready", ""] in heard.of("engine_changed")
    (decoded,) = answered(running, qtbot, m.Decode(POINT), lane="picture")
    assert decoded.images.shape == (1, 16, 16, 3)


def test_answers_to_a_replaced_or_cancelled_question_are_dropped(opened, qtbot):
    found: list = []
    many = np.zeros((400, 6), np.float32)
    opened.ask(m.Decode(many), lambda content: found.append("old"), lane="strips")
    opened.ask(m.Decode(many), lambda content: found.append("new"), lane="strips")
    gone = opened.ask(m.Decode(many), lambda content: found.append("cancelled"))
    opened.cancel(gone)
    answered(opened, qtbot, m.Decode(POINT), lane="map")
    qtbot.waitUntil(lambda: "new" in found, timeout=PATIENCE)
    assert found == ["new"]


def test_pictures_flow_while_a_slider_moves_and_the_last_is_the_newest(opened, qtbot):
    seen: list[int] = []
    for number in range(30):
        opened.ask(m.Decode(POINT), lambda content, number=number: seen.append(number), lane="picture")
    qtbot.waitUntil(lambda: bool(seen) and seen[-1] == 29, timeout=PATIENCE)
    assert seen == sorted(set(seen))


def test_a_file_that_cannot_be_opened_leaves_the_model_on_screen(opened, heard, qtbot, tmp_path):
    before = opened.model
    opened.open(str(tmp_path / "none.keras"))
    qtbot.waitUntil(lambda: bool(heard.of("open_failed")), timeout=PATIENCE)
    ((sentence,),) = heard.of("open_failed")
    assert "none.keras" in sentence and opened.model is before and not heard.of("model_changed")
    (decoded,) = answered(opened, qtbot, m.Decode(POINT), lane="picture")
    assert isinstance(decoded, m.Decoded)


def test_a_file_that_fails_after_its_glimpse_brings_the_old_model_back(opened, heard, real_models, qtbot, tmp_path):
    before, whole = opened.model, real_models.trained.read_bytes()
    at = whole.index(b"model.weights.h5") + 5000
    (tmp_path / "torn.keras").write_bytes(whole[:at] + bytes(5000) + whole[at + 5000 :])
    opened.open(str(tmp_path / "torn.keras"))
    qtbot.waitUntil(lambda: bool(heard.of("open_failed")), timeout=PATIENCE)
    names = [(info.name, same) for info, same in heard.of("model_changed")]
    assert names == [("torn", False), ("trained", False)] and opened.model is before
    (decoded,) = answered(opened, qtbot, m.Decode(POINT), lane="picture")
    assert isinstance(decoded, m.Decoded)


def test_opening_another_model_drops_what_was_asked_of_the_old_one(opened, real_models, qtbot):
    found: list = []
    opened.ask(m.Decode(np.zeros((2000, 6), np.float32)), found.append, failed=found.append, lane="strips")
    with qtbot.waitSignal(opened.model_changed, timeout=PATIENCE, check_params_cb=lambda info, same: same):
        opened.open(str(real_models.plain))
    (decoded,) = answered(opened, qtbot, m.Decode(np.zeros((1, 4), np.float32)), lane="strips")
    assert decoded.images.shape == (1, 16, 16, 3) and found == []


def test_the_later_of_two_openings_is_what_is_shown(opened, heard, real_models, qtbot, tmp_path):
    opened.open(str(real_models.plain))
    opened.open(str(tmp_path / "none.keras"))
    qtbot.waitUntil(lambda: bool(heard.of("open_failed")), timeout=PATIENCE)
    assert opened.model.name == "trained"
    (decoded,) = answered(opened, qtbot, m.Decode(POINT), lane="picture")
    assert isinstance(decoded, m.Decoded)


def test_the_same_file_opened_again_keeps_the_place_and_pictures_flow_meanwhile(opened, heard, real_models, qtbot):
    seen: list = []
    opened.open(str(real_models.trained))
    opened.ask(m.Decode(POINT), lambda content: seen.append(len(heard.of("model_changed"))), lane="picture")
    opened.ask(m.Decode(np.zeros((50, 6), np.float32)), lambda content: seen.append("strips"), lane="strips")
    qtbot.waitUntil(lambda: len(heard.of("model_changed")) == 1 and len(seen) == 2, timeout=PATIENCE)
    ((info, same),) = heard.of("model_changed")
    assert same and opened.model is info


def test_another_file_is_the_same_model_where_that_is_said_and_it_fits(opened, heard, real_models, qtbot, tmp_path):
    delivered = tmp_path / "delivered.keras"
    shutil.copy(real_models.trained, delivered)
    opened.open(str(delivered), same=True)
    qtbot.waitUntil(lambda: bool(heard.of("model_changed")), timeout=PATIENCE)
    opened.open(str(real_models.plain), same=True)
    qtbot.waitUntil(lambda: len(heard.of("model_changed")) == 2, timeout=PATIENCE)
    assert [(info.name, same) for info, same in heard.of("model_changed")] == [("delivered", True), ("plain", False)]
    (decoded,) = answered(opened, qtbot, m.Decode(np.zeros((1, 4), np.float32)), lane="picture")
    assert isinstance(decoded, m.Decoded)


def test_a_file_that_was_replaced_by_a_broken_one_leaves_model_and_place(opened, heard, real_models, qtbot, tmp_path):
    path = tmp_path / "art.keras"
    shutil.copy(real_models.trained, path)
    opened.open(str(path), same=True)
    qtbot.waitUntil(lambda: bool(heard.of("model_changed")), timeout=PATIENCE)
    path.write_bytes(path.read_bytes()[:5000])
    opened.open(str(path))
    qtbot.waitUntil(lambda: bool(heard.of("open_failed")), timeout=PATIENCE)
    assert len(heard.of("model_changed")) == 1
    (decoded,) = answered(opened, qtbot, m.Decode(POINT), lane="picture")
    assert isinstance(decoded, m.Decoded)


def test_a_delivered_model_is_opened_although_the_engine_dies_over_it(opened, heard, real_models, qtbot, tmp_path):
    delivered = tmp_path / "delivered.keras"
    shutil.copy(real_models.trained, delivered)
    opened.open(str(delivered), same=True)
    os.kill(opened._engine.process.pid, signal.SIGKILL)
    qtbot.waitUntil(
        lambda: opened._current.loaded is not None and opened._current.loaded.name == "delivered", timeout=PATIENCE
    )
    assert {same for _, same in heard.of("model_changed")} == {True}


def test_newer_weights_are_the_same_model(opened, heard, real_models, qtbot, tmp_path):
    model = kvae.load(real_models.trained)
    model.kl_weight.assign(0.75)
    opened.refresh(str(Snapshots(tmp_path, "art.keras").write_weights(model, {})))
    qtbot.waitUntil(lambda: bool(heard.of("model_changed")), timeout=PATIENCE)
    ((info, same),) = heard.of("model_changed")
    assert same and info.kl_weight == 0.75 and opened.model is info
    opened.refresh(str(tmp_path / "gone.weights"))
    answered(opened, qtbot, m.Decode(POINT))
    assert heard.of("open_failed") == []


def test_an_engine_that_is_killed_starts_again_with_the_same_model(opened, heard, qtbot):
    found: list = []
    opened.ask(m.Decode(np.zeros((20_000, 6), np.float32)), found.append, failed=found.append, lane="strips")
    os.kill(opened._engine.process.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: bool(heard.of("model_changed")), timeout=PATIENCE)
    states = [state for state, _ in heard.of("engine_changed")]
    assert states == ["lost", "starting", "ready"]
    ((info, same),) = heard.of("model_changed")
    assert same and info.name == "trained"
    (sentence,) = found
    assert "signal 9" in sentence and "\n" not in sentence
    (decoded,) = answered(opened, qtbot, m.Decode(POINT), lane="picture")
    assert isinstance(decoded, m.Decoded)


# ---------------------------------------------------------------------- runs, with stand-ins for the trainer


STAND_INS = """
import os
from pathlib import Path
from explorer import messages as m

def obedient_trainer(connection):
    start = connection.recv()
    connection.send(m.Said(start.run, f"{start.settings['seed']} {start.output} {Path(start.folder).is_dir()}"))
    while not isinstance(said := connection.recv(), m.Stop):
        connection.send(m.Said(start.run, type(said).__name__))
    Path(start.folder, "left").write_text("over")
    connection.send(m.Delivered(start.run, start.output, "", True, {}))

def dying_trainer(connection):
    connection.recv()
    os._exit(7)

def dying_engine(connection):
    os._exit(3)
"""


@pytest.fixture
def stand_ins(tmp_path, monkeypatch) -> str:
    """The name of a module that a spawned process can import, also where the tests are no package."""
    (tmp_path / "explorer_stand_ins.py").write_text(STAND_INS)
    monkeypatch.syspath_prepend(tmp_path)
    yield "explorer_stand_ins"
    sys.modules.pop("explorer_stand_ins", None)


@pytest.fixture
def trainers(qapp, monkeypatch, stand_ins, request):
    """A bridge without an engine whose trainers are stand-ins."""
    monkeypatch.setattr(bridge_file, "TRAINER", (stand_ins, getattr(request, "param", "obedient_trainer")))
    bridge = Bridge()
    bridge.heard = Heard(bridge)
    yield bridge
    bridge.shutdown(5.0)
    assert not [folder for folder in bridge._run_folders.folders.values() if Path(folder).exists()]


def test_a_run_hears_what_it_is_told_and_says_what_became_of_it(trainers, qtbot):
    trainers.warm_trainer()
    spare = trainers._spare.process.pid
    run = trainers.start_run({"seed": 3}, "/models/art.keras")
    assert (run, trainers.running()) == (1, (1,)) and trainers._runs[1].worker.process.pid == spare
    trainers.tell_run(run, m.Pause())
    trainers.tell_run(run, m.Stop())
    qtbot.waitUntil(lambda: not trainers._runs, timeout=PATIENCE)
    said = [message for (message,) in trainers.heard.of("run_message")]
    assert said == [
        m.Said(1, "3 /models/art.keras True"),
        m.Said(1, "Pause"),
        m.Delivered(1, "/models/art.keras", "", True, {}),
    ]
    assert trainers.running() == () and not Path(trainers._run_folders.folders[run]).exists()
    trainers.tell_run(run, m.Stop())  # it has ended: nobody listens
    assert trainers.start_run({"seed": 4}, "/models/art.keras") == 2


@pytest.mark.parametrize("trainers", ["dying_trainer"], indirect=True)
def test_a_trainer_that_dies_fails_its_run_in_one_sentence(trainers, qtbot):
    run = trainers.start_run({"seed": 0}, "/models/art.keras")
    qtbot.waitUntil(lambda: bool(trainers.heard.of("run_message")), timeout=PATIENCE)
    ((message,),) = trainers.heard.of("run_message")
    assert message.run == run and "ended unexpectedly (exit code 7)" in message.sentence and trainers.running() == ()


def test_a_run_that_is_killed_says_so_once(trainers, qtbot):
    run = trainers.start_run({"seed": 0}, "/models/art.keras")
    qtbot.waitUntil(lambda: bool(trainers.heard.of("run_message")), timeout=PATIENCE)
    trainers.kill_run(run)
    qtbot.waitUntil(lambda: not trainers._runs, timeout=PATIENCE)
    said = [message for (message,) in trainers.heard.of("run_message")]
    assert [type(message) for message in said] == [m.Said, m.RunFailed] and trainers.running() == ()


def test_a_run_without_room_for_its_snapshots_fails_in_one_sentence(trainers, qtbot, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    run = trainers.start_run({"seed": 0}, "/models/art.keras")
    assert not trainers.heard.of("run_message")  # whoever asked learns the number first
    qtbot.waitUntil(lambda: bool(trainers.heard.of("run_message")), timeout=PATIENCE)
    ((message,),) = trainers.heard.of("run_message")
    assert message.run == run and "Free some space" in message.sentence and trainers.running() == ()


def test_an_engine_that_keeps_dying_is_given_up(qapp, monkeypatch, stand_ins, qtbot):
    monkeypatch.setattr(bridge_file, "ENGINE", (stand_ins, "dying_engine"))
    bridge = Bridge()
    heard, failed = Heard(bridge), []
    bridge.start()
    qtbot.waitUntil(lambda: len(heard.of("engine_changed")) == 6, timeout=PATIENCE)
    assert [state for state, _ in heard.of("engine_changed")] == ["starting", "lost"] * 3
    assert "3 times" in heard.all[-1][2] and "exit code 3" in heard.all[-1][2]
    bridge.ask(m.Decode(POINT), failed.append, failed=failed.append)
    qtbot.waitUntil(lambda: bool(failed), timeout=PATIENCE)
    assert failed == ["The engine is not running. Restart the program."]
    bridge.shutdown()


# ---------------------------------------------------------------------- the window's process


WINDOW = """
import sys
import pkgutil, importlib
import explorer.app, explorer.bridge, explorer.state, explorer.widgets, explorer.window
import explorer.compare, explorer.explore, explorer.make, explorer.map, explorer.train
pages = explorer.compare, explorer.explore, explorer.make, explorer.map, explorer.train
for room in (explorer.state, explorer.widgets, explorer.window, *pages):
    for one in pkgutil.iter_modules(room.__path__, room.__name__ + "."):
        importlib.import_module(one.name)
from PyQt6.QtWidgets import QApplication
application = QApplication([])
bridge = explorer.bridge.Bridge()
bridge.hello.connect(lambda hello: (bridge.shutdown(), application.quit()))
bridge.start()
application.exec()
heavy = {name.split(".")[0] for name in sys.modules} & {"tensorflow", "keras", "kvae", "jax", "matplotlib", "h5py"}
print(sorted(heavy))
"""


def test_the_windows_process_imports_no_tensorflow_and_no_kvae(python):
    assert python(WINDOW, QT_QPA_PLATFORM="offscreen").strip() == "[]"


def test_nothing_of_a_killed_window_is_left(tmp_path):
    script = tmp_path / "window.py"
    script.write_text(
        "import time\n"
        "def main():\n"
        "    from PyQt6.QtCore import QCoreApplication\n"
        "    from explorer.bridge import Bridge\n"
        "    application = QCoreApplication([])\n"
        "    bridge = Bridge()\n"
        "    bridge.hello.connect(lambda hello: print('hello', flush=True))\n"
        "    bridge.start()\n"
        "    application.exec()\n"
        "if __name__ == '__main__': main()\n"
    )
    root = str(Path(kvae.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": root}, stdout=subprocess.PIPE, text=True
    ) as window:
        assert window.stdout is not None and window.stdout.readline() == "hello\n"
        children = psutil.Process(window.pid).children(recursive=True)
        assert children
        window.kill()
    assert psutil.wait_procs(children, timeout=10)[1] == []


# every name that a child tries to import, whether there is such a module or not
ASKED = """
import sys
asked = set()
class Note:
    def find_spec(name, path=None, target=None):
        asked.add(name.split(".")[0])
sys.meta_path.insert(0, Note)
import multiprocessing.connection, multiprocessing.resource_tracker, multiprocessing.spawn
import explorer.app, explorer.worker_process, explorer.engine.process, explorer.engine.run_reporter
import explorer.engine.training, explorer.engine.comparing, explorer.engine.mapping, explorer.engine.pictures
import kvae.images.painters, kvae.images.worker, kvae.training.run
print(*sorted(asked | {name.split(".")[0] for name in sys.modules}))
"""
# a run on pictures, its model opened, a picture found in it: an engine, a trainer, a tracker, workers of both
LIFE = """
import sys
from explorer.bridge import Bridge
from explorer.messages import Delivered, Encode, RunFailed

def main(pictures, picture, output):
    from PyQt6.QtCore import QCoreApplication

    application, bridge = QCoreApplication([]), Bridge()

    def heard(message):
        if isinstance(message, Delivered):
            bridge.open(message.path)
        elif isinstance(message, RunFailed):
            end(message.sentence)

    def opened(info, same):
        if bridge.model is not None and not asked:
            asked.append(bridge.ask(Encode(picture), lambda answer: end("encoded"), failed=end))

    def end(word):
        print(word, flush=True)
        bridge.shutdown()
        application.quit()

    asked = []
    bridge.run_message.connect(heard)
    bridge.model_changed.connect(opened)
    bridge.start()
    bridge.start_run(
        {"data": pictures, "size": 16, "network": "conv", "widths": [8], "latent_dim": 4, "batch_size": 8, "epochs": 1},
        output,
    )
    application.exec()

if __name__ == "__main__":
    main(*sys.argv[1:])
"""


def test_no_child_runs_a_module_of_the_working_directory(real_models, python, tmp_path):
    root, stranger, ran = str(Path(kvae.__file__).parents[1]), tmp_path / "stranger", tmp_path / "ran"
    (stranger / "kvae").mkdir(parents=True)
    names = python(ASKED).split()
    assert {"multiprocessing", "numpy", "tensorflow", "PIL", "explorer"} < set(names)
    planted = f"open({str(ran)!r}, 'a').write(__name__ + ' ')\n"
    for name in names:
        (stranger / f"{name}.py").write_text(planted)
    (stranger / "kvae" / "__init__.py").write_text(planted)
    script = tmp_path / "program" / "life.py"
    script.parent.mkdir()
    script.write_text(LIFE)
    command = [sys.executable, str(script), str(real_models.pictures), str(real_models.pictures / "cold" / "00.png")]
    environment = {**os.environ, "PYTHONPATH": root, "KVAE_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [*command, str(tmp_path / "out.keras")], cwd=stranger, env=environment, capture_output=True, text=True
    )
    assert done.stdout == "encoded\n", done.stderr
    assert not ran.exists(), ran.read_text()
