"""The folder of a run: what is in it is whole, whatever happens while it is written, and it has one owner."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from kvae.files.arrays import DTYPES, Torn, read_arrays, write_arrays
from kvae.training.folder import RunFolder

ARRAYS = [np.arange(12, dtype="float32").reshape(3, 4), np.array(7, "int64"), np.empty((0, 3), "uint8")]
ABOUT = b'{"name": "\xc3\xbc", "step": 5}'


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder.beside(tmp_path / "models" / "art.keras")
    assert folder.take()
    yield folder
    folder.release()


def heard(folder) -> tuple:
    said: list[str] = []
    return folder.newest(said.append), said


# ---------------------------------------------------------------------- one file of arrays


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_come_back_as_they_were_with_what_is_known_about_them(tmp_path, dtype):
    arrays = [np.arange(6).reshape(2, 3).astype(dtype), np.array(1, dtype), np.empty((2, 0), dtype)]
    write_arrays(tmp_path / "one", ABOUT, arrays)
    about, found = read_arrays(tmp_path / "one")
    assert about == {"name": "ü", "step": 5}
    for one, other in zip(found, arrays, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_array_equal(one, other)


def test_a_file_that_is_cut_anywhere_or_has_a_wrong_bit_is_torn(tmp_path):
    path = tmp_path / "one"
    write_arrays(path, ABOUT, ARRAYS)
    good = path.read_bytes()
    for end in range(len(good)):
        path.write_bytes(good[:end])
        with pytest.raises(Torn):
            read_arrays(path)
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        with pytest.raises(Torn):
            read_arrays(path)
    path.write_bytes(good + b"!")
    with pytest.raises(Torn):
        read_arrays(path)


def test_lies_about_sizes_cost_no_memory_and_a_link_or_a_fifo_is_not_followed(tmp_path):
    path = tmp_path / "one"
    for shape in ([2**40], [2**62, 2**62], [-1], [1.5], ["x"], [1] * 99, None, [[1]]):
        header = json.dumps({"arrays": [["float32", shape]], "about": {}}).encode()
        path.write_bytes(b"kvae arrays 1\n" + len(header).to_bytes(8, "little") + header + bytes(100))
        with pytest.raises(Torn):
            read_arrays(path)
    for header in (b"[" * 100_000, b"{}", b"[]", b'{"arrays": [], "about": NaN}', b"\xff", b"9" * 10_000):
        path.write_bytes(b"kvae arrays 1\n" + len(header).to_bytes(8, "little") + header + bytes(32))
        with pytest.raises(Torn):
            read_arrays(path)
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError):
        read_arrays(tmp_path / "link")
    with pytest.raises(Torn, match="not a regular file"):
        read_arrays(tmp_path / "fifo")


# ---------------------------------------------------------------------- the newest that is whole


def test_the_two_newest_are_kept_and_the_newest_is_read(folder):
    for step in (3, 40, 500):
        folder.write(step, ABOUT, ARRAYS)
    assert folder.steps() == [500, 40]
    (step, about, arrays), said = heard(folder)
    assert (step, about["step"], len(arrays), said) == (500, 5, 3, [])


def test_a_torn_checkpoint_is_named_and_the_one_before_it_read(folder):
    for step in (3, 40):
        folder.write(step, ABOUT, ARRAYS)
    newest = folder.path / "checkpoint-000000040"
    newest.write_bytes(newest.read_bytes()[:-9])
    found, said = heard(folder)
    assert found[0] == 3
    assert said == [f"{newest} is left out: checkpoint-000000040 is torn: its end is missing."]


FAULTS = """
import errno, os, sys
import numpy as np
from kvae.files import arrays, atomic
from kvae.training.folder import RunFolder
folder, place, count, way = RunFolder(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
assert folder.take()
calls = 0
def faulty(real):
    def call(*given):
        global calls
        calls += 1
        if calls == count:
            if way == "dies":
                os._exit(9)
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*given)
    return call
if place == "write":
    arrays._write = faulty(arrays._write)
else:
    setattr(atomic.os, place, faulty(getattr(os, place)))
try:
    folder.write(2, b"{}", [np.ones(3, "float32"), np.ones(5, "float32")])
except OSError as error:
    assert error.errno == errno.ENOSPC
    folder.release()
    sys.exit(7)
"""


@pytest.mark.parametrize("way", ["dies", "fails"])
@pytest.mark.parametrize(("place", "count"), [*(("write", n) for n in range(1, 7)), ("fsync", 1), ("replace", 1)])
def test_a_fault_while_a_checkpoint_is_written_leaves_the_one_before_it(tmp_path, place, count, way):
    path = tmp_path / ".art.run"
    with_one = RunFolder(path)
    assert with_one.take()
    with_one.write(1, b"{}", ARRAYS)
    with_one.release()
    command = [sys.executable, "-c", FAULTS, str(path), place, str(count), way]
    done = subprocess.run(command, cwd=os.getcwd(), capture_output=True, text=True)
    assert done.returncode == (9 if way == "dies" else 7), done.stderr
    again = RunFolder(path)
    assert again.take()  # the kernel has let go of a dead owner's lock
    (step, _, arrays), said = heard(again)
    assert step == 1 and said == [] and sorted(os.listdir(path)) == ["checkpoint-000000001", "lock"]
    np.testing.assert_array_equal(arrays[0], ARRAYS[0])
    again.remove()


def test_a_fault_after_the_move_leaves_the_new_one(tmp_path):
    path = tmp_path / ".art.run"
    done = subprocess.run([sys.executable, "-c", FAULTS, str(path), "fsync", "2", "dies"], capture_output=True)
    assert done.returncode == 9
    assert RunFolder(path).steps() == [2] and heard(RunFolder(path))[0][0] == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a limit on the size of files")
def test_a_file_that_may_grow_no_further_is_no_checkpoint(tmp_path):
    code = """
import resource, sys
import numpy as np
from kvae.training.folder import RunFolder
folder = RunFolder(sys.argv[1])
assert folder.take()
folder.write(1, b"{}", [np.zeros(1000)])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    folder.write(2, b"{}", [np.zeros(10_000)])
except OSError as error:
    print(error.strerror)
folder.release()
"""
    path = tmp_path / ".art.run"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert done.stdout == "File too large\n", done.stderr
    assert heard(RunFolder(path))[0][0] == 1 and sorted(os.listdir(path)) == ["checkpoint-000000001", "lock"]


# ---------------------------------------------------------------------- one owner


def test_a_folder_has_one_owner_and_is_free_when_that_is_killed(tmp_path):
    code = """
import sys
from kvae.training.folder import RunFolder
folder = RunFolder(sys.argv[1])
assert folder.take()
print("taken", flush=True)
sys.stdin.read()
"""
    path = tmp_path / ".art.run"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "taken\n"
        mine = RunFolder(path)
        assert not mine.take() and mine.owner() == f"process {other.pid}"
        other.kill()
        other.wait()
        assert mine.take() and mine.owner() == f"process {os.getpid()}"
        mine.release()
    assert not path.exists()


def test_taking_a_run_removes_what_a_killed_delivery_left_of_its_model_and_of_no_other(tmp_path):
    half = tmp_path / ".art.keras.8x1_3q9z.part"
    half.mkdir()
    (half / "art.keras").touch()
    (tmp_path / ".art.png.3q_abcde.part").touch()
    others = [
        tmp_path / ".art-2.keras.8x1_3q9z.part",
        tmp_path / "art.keras.part",
        tmp_path / "art.json",
        tmp_path / ".art.notes.part",
    ]
    for other in others:
        other.touch()
    folder = RunFolder.beside(tmp_path / "art.keras")
    assert folder.take()
    folder.release()
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_a_run_that_leaves_nothing_takes_the_folders_away_that_it_made(tmp_path):
    folder = RunFolder.beside(tmp_path / "deep" / "down" / "art.keras")
    assert folder.take() and folder.path == tmp_path / "deep" / "down" / ".art.run"
    assert folder.model == tmp_path / "deep" / "down" / "art.keras"
    folder.release()
    assert list(tmp_path.iterdir()) == []
    assert folder.take()
    folder.write(1, b"{}", ARRAYS)
    folder.release()
    assert folder.steps() == [1]
    assert folder.take()
    folder.remove()
    assert not folder.path.exists()


# ---------------------------------------------------------------------- on its way


def test_a_run_goes_elsewhere_with_its_newest_checkpoint_and_the_two_newest_stay_there(folder, tmp_path):
    there = RunFolder.beside(tmp_path / "there" / "art.keras")
    assert folder.packed() == {}, "settings alone are nothing to go on from"
    folder.begin(b"{}")
    for step in (1, 2, 3):
        folder.write(step, ABOUT, ARRAYS)
        there.unpack({**folder.packed(), "lock": b"a stranger's", "../art.keras": b"", "checkpoint-x": b""})
    assert sorted(folder.packed()) == ["checkpoint-000000003", "settings"]
    assert there.steps() == [3, 2] and there.note("settings") == b"{}" and not there.taken()
    assert sorted(os.listdir(there.path)) == ["checkpoint-000000002", "checkpoint-000000003", "lock", "settings"]
    assert (there.path / "lock").read_bytes() != b"a stranger's" and not there.model.exists()
    (step, about, arrays), said = heard(there)
    assert step == 3 and about["name"] == "ü" and said == []
    np.testing.assert_array_equal(arrays[0], ARRAYS[0])


def test_a_run_that_a_process_trains_is_left_to_it(folder):
    RunFolder(folder.path).unpack({"checkpoint-000000009": b"another"})
    assert folder.steps() == []
