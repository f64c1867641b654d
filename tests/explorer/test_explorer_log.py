"""The log of the program's processes."""

import errno
import io
import logging
import os
import re
import stat
import threading

import pytest

from explorer import log
from explorer.messages import Logged

logger = logging.getLogger("explorer.somewhere")
ENTRY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [a-z.]+: ")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "state" / "log" / "kvae-explorer.log"
    log.begin(path)
    yield path
    log.end()


@pytest.fixture
def sent():
    """What a process of the window's sends while it lasts."""
    found: list[Logged] = []
    with log.to_window(found.append):
        yield found


def test_nothing_is_printed_with_or_without_a_log(tmp_path, capfd):
    logger.warning("before")
    log.begin(tmp_path / "a.log")
    logger.warning("while")
    log.end()
    logger.warning("after")
    assert capfd.readouterr() == ("", "")
    assert [text.split(": ")[1] for text in (tmp_path / "a.log").read_text().splitlines()] == ["while"]
    assert log.place() is None and log.newest() == ""


@pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")
def test_the_log_is_its_owners_alone(file):
    logger.info("a word")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_the_log_is_written_through_no_link(tmp_path):
    (tmp_path / "a.log").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="a.log"):
        log.begin(tmp_path / "a.log")
    assert not (tmp_path / "precious").exists() and log.place() is None


def test_the_log_is_bounded(file, monkeypatch):
    monkeypatch.setattr(log._handler, "maxBytes", 2000)
    for number in range(200):
        logger.info("entry %d", number)
    files = sorted(file.parent.iterdir())
    assert [one.name for one in files] == [file.name, f"{file.name}.1", f"{file.name}.2"]
    assert all(one.stat().st_size <= 2000 and stat.S_IMODE(one.stat().st_mode) & 0o077 == 0 for one in files)
    assert "entry 199" in log.newest() and "entry 0\n" not in log.newest()


def test_a_stranger_forges_no_entry(file):
    name = "a\n2026-01-01 00:00:00,000 INFO explorer: forged \x1b[2J\u202e.keras"
    try:
        raise ValueError(name)
    except ValueError:
        logger.exception("opening %s", name)
    entries = [text for text in file.read_text(encoding="utf-8").split("\n") if ENTRY.match(text)]
    assert len(entries) == 1 and "opening a␊2026" in entries[0]
    assert not {"\x1b", "\u202e"} & set(file.read_text(encoding="utf-8"))
    assert "    ValueError: a" in file.read_text(encoding="utf-8")


def test_a_log_that_can_no_longer_be_written_troubles_nobody(file, capfd, monkeypatch):
    class Full(io.StringIO):
        def flush(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    written = log._handler.stream
    monkeypatch.setattr(log._handler, "stream", Full())
    logger.warning("lost")
    log.end()
    written.close()
    assert capfd.readouterr().err == ""


def test_other_processes_log_through_the_window(file, sent):
    logging.getLogger("kvae").info("a run begins")
    try:
        raise RuntimeError("odd")
    except RuntimeError:
        logger.exception("a question failed")
    assert [(one.name, one.level, one.text) for one in sent] == [
        ("kvae", logging.INFO, "a run begins"),
        ("explorer.somewhere", logging.ERROR, "a question failed"),
    ]
    before = file.read_text(encoding="utf-8")
    log.take(sent[1])
    added = file.read_text(encoding="utf-8").removeprefix(before)
    assert "ERROR explorer.somewhere: a question failed\n    Traceback" in added and "    RuntimeError: odd\n" in added


def test_an_exception_that_ends_a_process_or_a_thread_of_it_is_logged(monkeypatch):
    sent, printed = list[Logged](), []
    monkeypatch.setattr(threading, "excepthook", printed.append)
    with pytest.raises(KeyError), log.to_window(sent.append):
        thread = threading.Thread(target=lambda: [][1])
        thread.start()
        thread.join()
        raise KeyError("end")
    assert ["IndexError" in sent[0].trace, "KeyError" in sent[1].trace] == [True, True]
    assert [args.exc_type for args in printed] == [IndexError]  # on standard error, as ever
