"""What is found of runs that were cut off: without a trace of the look, and strictly,
as it may come from a stranger."""

import json
import os

import numpy as np
import pytest

from kvae.files.private import NotOurs
from kvae.settings import checked
from kvae.training.folder import RunFolder
from kvae.training.resume import free_run, interrupted_runs, noted_settings, open_run, run_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and FIFOs are POSIX")

SETTINGS = json.loads(json.dumps(checked({"data": "/pictures", "epochs": 3})))


def heard():
    said: list[str] = []
    return said, said.append


def begun(path, settings=SETTINGS, **others) -> RunFolder:
    """The folder of a run that was cut off before its first checkpoint."""
    folder = RunFolder.beside(path)
    folder.path.mkdir(mode=0o700, parents=True)
    note = json.loads(noted_settings(settings, custom=False))
    (folder.path / "settings").write_text(json.dumps({**note, **others}))
    return folder


def state(place) -> dict:
    """Everything below `place`, with what is in it and when it was changed."""
    found = {}
    for one in sorted(place.rglob("*")):
        about = one.lstat()
        content = one.read_bytes() if one.is_file() and not one.is_symlink() else b""
        found[one] = (about.st_mode, about.st_ino, about.st_mtime_ns, content)
    return found


# ---------------------------------------------------------------------- a stranger's folder


@pytest.mark.parametrize("way", ["link", "dangling link", "second name", "fifo", "folder", "linked folder"])
def test_neither_a_look_nor_going_on_touches_what_lies_in_place_of_a_lock(tmp_path, way):
    victim, models = tmp_path / "victim", tmp_path / "models"
    victim.write_text("precious line")
    folder = begun(models / "art.keras")
    (folder.path / "checkpoint-000000001").write_text("junk")
    (folder.path / ".checkpoint-000000001.aaaaaaaa.part").write_text("theirs")
    lock = folder.path / "lock"
    if way == "link":
        lock.symlink_to(victim)
    elif way == "dangling link":
        lock.symlink_to(tmp_path / "nowhere")
    elif way == "second name":
        os.link(victim, lock)
    elif way == "fifo":
        os.mkfifo(lock)
    elif way == "folder":
        lock.mkdir()
    else:
        folder.path.rename(tmp_path / "elsewhere")
        folder.path.symlink_to(tmp_path / "elsewhere")
    before = state(tmp_path)
    assert interrupted_runs(models) == []
    assert state(tmp_path) == before
    for step in (lambda: open_run(models / "art.keras", print), lambda: free_run(models / "art.keras", print)):
        with pytest.raises(NotOurs, match=r"^\S+ is no (file|folder) that kvae made .* remove it\.$"):
            step()
    assert state(tmp_path) == before and victim.read_text() == "precious line"


def test_a_look_writes_nothing_and_tells_what_each_run_stands_at(tmp_path):
    begun(tmp_path / "early.keras")
    later = begun(tmp_path / "later.keras")
    later.write(12, b"{}", [np.ones(2)])
    os.utime(later.file(12), (1, 1))
    (tmp_path / ".empty.run").mkdir()
    alive = begun(tmp_path / "alive.keras")
    assert alive.take()
    before = state(tmp_path)
    assert interrupted_runs(tmp_path) == [(tmp_path / "early.keras", 0), (tmp_path / "later.keras", 12)]
    assert state(tmp_path) == before
    alive.release()
    assert interrupted_runs(tmp_path / "nowhere") == []


# ---------------------------------------------------------------------- before the first checkpoint


def test_a_run_without_a_checkpoint_begins_anew_and_keeps_its_folder_until_it_has_one(tmp_path):
    begun(tmp_path / "art.keras")
    said, tell = heard()
    left = open_run(tmp_path / "art.keras", tell)
    assert left.settings == checked({"data": "/pictures", "epochs": 3}) and left.output == tmp_path / "art.keras"
    assert said == [
        f"{tmp_path / 'art.keras'} was cut off before its first checkpoint; it begins anew with its settings"
    ]
    left.folder.begin(noted_settings(left.settings, custom=False))
    left.folder.release()  # as when its pictures are not found
    assert run_of(tmp_path / ".art.run").begun


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {**SETTINGS, "latent_dim": -1}},
        {"settings": {**SETTINGS, "epochs": "9" * 30}},
        {"settings": {**SETTINGS, "widths": [[1]] * 20}},
        {"settings": {**SETTINGS, "module": "os"}},
        {"settings": {**SETTINGS, "data": ["/"]}},
        {"settings": {**SETTINGS, "data": "\0"}},
        {"settings": {**SETTINGS, "data": "x" * 5000}},
        {"settings": [], "format": 1},
        {"settings": {**SETTINGS, "network": {}}},
        {"format": 2},
        {"more": 1},
        {"custom": True},
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line_and_the_folder_stays(tmp_path, change):
    begun(tmp_path / "art.keras", **change)
    before = state(tmp_path)
    with pytest.raises(ValueError, match=r"^resume: \.art\.run ") as refused:
        open_run(tmp_path / "art.keras", print)
    assert len(str(refused.value)) <= 170 and str(refused.value).isprintable()
    assert state(tmp_path).keys() - before.keys() == {tmp_path / ".art.run" / "lock"}


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 60_000, b'{"a": 1e999}', b"\xff", b'{"format":1,"format":1}'])
def test_settings_that_are_no_json_are_refused_in_one_line(tmp_path, content):
    (begun(tmp_path / "art.keras").path / "settings").write_bytes(content)
    with pytest.raises(ValueError, match=r"^resume: \.art\.run holds a note that cannot be read. Train anew\.$"):
        open_run(tmp_path / "art.keras", print)


def test_a_run_without_a_checkpoint_gives_its_name_to_the_next(tmp_path):
    begun(tmp_path / "art.keras")
    path, folder = free_run(tmp_path / "art.keras", print)
    assert path == tmp_path / "art.keras"
    folder.begin(b"{}")
    folder.release()  # before its first checkpoint, by its own process
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_nowhere_has_its_name(tmp_path):
    (tmp_path / "art.keras").symlink_to(tmp_path / "nowhere")
    path, folder = free_run(tmp_path / "art.keras", print)
    folder.release()
    assert path == tmp_path / "art-2.keras" and (tmp_path / "art.keras").is_symlink()


# ---------------------------------------------------------------------- a note of a delivery


@pytest.mark.parametrize("model", ["art.keras", "../art.keras", "/etc/passwd", "\0", 5, "x.png"])
def test_a_note_of_a_delivery_that_is_not_of_that_model_counts_for_nothing(tmp_path, model):
    folder = begun(tmp_path / "art.keras")
    (tmp_path / "art.keras").write_text("no model")
    (folder.path / "delivery").write_text(json.dumps({"format": 1, "model": model, "created": "", "step": 1}))
    assert run_of(tmp_path / "art.keras") is None
