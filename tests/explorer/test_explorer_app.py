"""The program as a person starts it."""

import contextlib
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import psutil
import pytest

from explorer import app
from explorer.app import Troubles, main

# what a started window has imported, said once it is on the screen and all its pages are made
PROBE = """
import sys
from PyQt6.QtCore import QTimer
from explorer.window.window import MainWindow
from explorer import app

def look(self):
    if len(self.pages.made) < 5:
        return QTimer.singleShot(50, lambda: look(self))
    print("heavy:", [name for name in ("kvae", "keras", "tensorflow") if name in sys.modules], flush=True)
    print("visible:", self.isVisible(), flush=True)
    print("notice:", self.notice.text, flush=True)
    print("megabytes:", __import__("psutil").Process().memory_info().rss >> 20, flush=True)
    {then}

show = MainWindow.show
MainWindow.show = lambda self: (show(self), QTimer.singleShot(0, lambda: look(self)))
if __name__ == "__main__":
    sys.exit(app.main({arguments}))
"""


@pytest.fixture
def home(tmp_path) -> dict[str, str]:
    """An environment whose settings are in a temporary folder."""
    places = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"), str(tmp_path))
    return {**os.environ, **places, "QT_QPA_PLATFORM": "offscreen"}


@pytest.fixture
def start(tmp_path, home) -> Iterator[Callable[[list[str], str], subprocess.Popen]]:
    """Start the program with these arguments, to do `then` once it is visible; it ends with the test at the latest."""
    script = tmp_path / "start.py"
    with contextlib.ExitStack() as started:

        def begin(arguments: list[str], then: str) -> subprocess.Popen:
            script.write_text(PROBE.format(arguments=arguments, then=then))
            process = subprocess.Popen(
                [sys.executable, str(script)],
                env={**home, "PYTHONPATH": str(Path(__file__).parents[2])},
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield begin


def _line(process: subprocess.Popen, start: str) -> str:
    """The rest of the first line of output that begins so."""
    for line in process.stdout:
        if line.startswith(start):
            return line.removeprefix(start).strip()
    raise AssertionError(f"no line begins with {start!r}: {process.stderr.read()}")


def _gone(pids: list[int], seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
            return True
        time.sleep(0.1)
    return False


def test_help_teaches_without_a_window(home):
    code = (
        "import sys\nfrom explorer import app\n"
        "try:\n    app.main(['--help'])\n"
        "finally:\n    assert not any(name.startswith(('PyQt6', 'numpy', 'kvae')) for name in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=home, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for words in ("kvae-explorer", "MODEL", "First steps", "Train on the sample paintings", "Ctrl+Z"):
        assert words in done.stdout


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0 and capsys.readouterr().out.startswith("kvae-explorer ")


def test_a_flag_that_is_not_known_is_an_error(capsys):
    with pytest.raises(SystemExit) as left:
        main(["--colour"])
    assert left.value.code == 2


@pytest.fixture
def troubles(monkeypatch) -> Troubles:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    made = Troubles()
    made.install()
    return made


def test_an_exception_that_nobody_caught_is_printed_and_told(troubles, capsys):
    told: list[str] = []
    troubles.tell = told.append
    try:
        raise ValueError("no such colour")
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    assert told == ["Something went wrong in the program, and it goes on (ValueError: no such colour)."]
    assert "ValueError: no such colour" in capsys.readouterr().err


def test_an_exception_in_a_thread_is_told_too(troubles, capsys):
    told: list[str] = []
    troubles.tell = told.append
    thread = threading.Thread(target=lambda: [][1])
    thread.start()
    thread.join()
    assert len(told) == 1 and "IndexError" in told[0]


def test_an_exception_before_the_window_is_there_is_printed(troubles, capsys):
    sys.excepthook(ValueError, ValueError("early"), None)
    assert "early" in capsys.readouterr().err


@pytest.mark.timeout(120)
def test_the_window_never_imports_what_the_engine_needs_and_stays_small(start):
    process = start([], "self.leave()")
    assert _line(process, "heavy:") == "[]"
    assert _line(process, "visible:") == "True"
    assert int(_line(process, "megabytes:")) <= 250
    children = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    assert process.wait(60) == 0
    assert "Traceback" not in process.stderr.read()
    assert _gone(children)


@pytest.mark.timeout(120)
def test_the_log_tells_of_the_processes_and_of_what_nobody_caught(tmp_path, start):
    then = (
        'QTimer.singleShot(0, lambda: {}["colour"]); '
        "self.bridge.hello.connect(lambda _: self.leave()); self.bridge.settings and self.leave()"
    )
    process = start(["--log", "logs/art.log"], then)
    assert process.wait(60) == 0
    written = (tmp_path / "logs" / "art.log").read_text()
    assert re.search(r"kvae-engine \d+: started\n", written) and re.search(r"kvae-engine \d+: ended \(.*\)\n", written)
    assert "CRITICAL explorer.app: nobody caught this" in written and "    KeyError: 'colour'\n" in written
    assert written.endswith("the program ends\n")
    assert not list(tmp_path.rglob("kvae-explorer.log"))


@pytest.mark.timeout(120)
def test_the_usual_log_is_private_and_in_the_persons_own_folder(tmp_path, start):
    process = start([], "self.leave()")
    assert process.wait(60) == 0
    (path,) = tmp_path.rglob("kvae-explorer.log")
    assert "the program ends" in path.read_text()
    if os.name == "posix":
        assert [stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)] == [0o600, 0o700]


def test_a_log_that_cannot_be_written_is_an_error(tmp_path, capsys, troubles):
    (tmp_path / "file").touch()
    assert main(["--log", str(tmp_path / "file" / "art.log")]) == 2
    said = capsys.readouterr().err
    assert "the log cannot be written" in said and "Name another file." in said and said.count("\n") == 1


@pytest.mark.timeout(120)
def test_a_model_that_is_not_there_opens_the_window_with_a_sentence(start):
    process = start(["none.keras"], "self.leave()")
    assert _line(process, "visible:") == "True"
    assert _line(process, "notice:").startswith("There is no file")
    assert process.wait(60) == 0


@pytest.mark.timeout(120)
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_signal_closes_the_window_and_all_its_processes(start, number):
    process = start([], "pass")
    assert int(_line(process, "megabytes:")) > 0
    children = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    process.send_signal(number)
    assert process.wait(60) == 0
    assert "Traceback" not in process.stderr.read()
    assert _gone(children)


@pytest.mark.timeout(120)
def test_an_exception_in_a_slot_does_not_end_the_program(start):
    then = (
        "QTimer.singleShot(0, lambda: 1 / 0); "
        'QTimer.singleShot(200, lambda: (print("after:", self.notice.text, flush=True), self.leave()))'
    )
    process = start([], then)
    assert "ZeroDivisionError" in _line(process, "after:")
    assert process.wait(60) == 0


@pytest.mark.parametrize(("named", "page"), [(["art.keras"], "explore"), ([], "map")])
def test_a_model_that_is_named_is_shown_in_explore_and_else_the_page_of_the_last_time(
    named, page, monkeypatch, tmp_path, troubles
):
    window, others = mock.Mock(last_page="map"), mock.MagicMock()
    others.exec.return_value = 0
    monkeypatch.setattr(app, "assemble", lambda: (others, others, window))
    monkeypatch.setattr(app, "_close_on_signals", lambda _: others)
    monkeypatch.setattr(app, "_starter", lambda: "starter.keras")
    assert main([*named, "--log", str(tmp_path / "log")]) == 0
    window.open.assert_called_once_with(named[0] if named else "starter.keras", page)
