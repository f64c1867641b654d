"""Atomic writing: the old file or the new one, and nothing left over."""

import os

import pytest

from kvae.files.atomic import atomic_path, atomic_write, move_into_place, remove_leftovers, temporary_file


def test_a_new_file_appears_with_its_content_and_nothing_else(tmp_path):
    atomic_write(tmp_path / "a.txt", "café")
    assert (tmp_path / "a.txt").read_text("utf-8") == "café"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path):
    atomic_write(tmp_path / "a.bin", b"old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    atomic_write(tmp_path / "a.bin", b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic_write(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_the_old_file_is_whole_until_the_new_one_is(tmp_path):
    atomic_write(tmp_path / "a.bin", b"old")
    with atomic_path(tmp_path / "a.bin") as temporary:
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"new")
        assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert (tmp_path / "a.bin").read_bytes() == b"new"


def test_a_temporary_file_can_be_named_after_its_content_is_known(tmp_path):
    with temporary_file(tmp_path) as temporary:
        temporary.write_bytes(b"x")
        move_into_place(temporary, tmp_path / "b.bin")
    assert os.listdir(tmp_path) == ["b.bin"]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_the_file_gets_the_usual_mode_rather_than_a_private_one(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    atomic_write(tmp_path / "a.bin", b"")
    assert (tmp_path / "a.bin").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_only_old_leftovers_of_killed_writers_are_removed(tmp_path):
    for name, age in ((".a.1234567_.part", 10), (".b.abcdefgh.part", 1000), ("c.part", 10), (".d.mine.part", 10)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (age, age))
    remove_leftovers(tmp_path, older_than=500)
    assert sorted(os.listdir(tmp_path)) == [".b.abcdefgh.part", ".d.mine.part", "c.part"]
