"""Files of ours: no link is followed, nothing that kvae did not make is touched, and nobody else may read them."""

import errno
import os
import stat

import pytest

from kvae.files.atomic import atomic_write, remove_leftovers
from kvae.files.failure import in_words, unwritable
from kvae.files.private import NotOurs, make_private, open_private, read_private

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, modes and FIFOs are POSIX")


def link(place, victim):
    place.symlink_to(victim)


def dangling_link(place, victim):
    place.symlink_to(victim.with_name("nowhere"))


def second_name(place, victim):
    os.link(victim, place)


def fifo(place, victim):
    os.mkfifo(place)


def folder(place, victim):
    place.mkdir()


OTHERS = [link, dangling_link, second_name, fifo, folder]


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("other", OTHERS)
def test_what_kvae_did_not_make_is_not_opened_and_stays_as_it_is(tmp_path, other, write):
    victim, place = tmp_path / "victim", tmp_path / "run" / "lock"
    victim.write_text("precious")
    place.parent.mkdir()
    other(place, victim)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((NotOurs, FileNotFoundError) if not write else NotOurs):
        os.close(open_private(place, write=write))
    assert victim.read_text() == "precious" and sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("write", [False, True])
def test_a_file_in_a_folder_that_is_a_link_is_not_opened(tmp_path, write):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "lock").write_text("theirs")
    (tmp_path / "run").symlink_to("real")
    with pytest.raises(NotOurs, match=r"no folder that kvae made .* remove it\.$"):
        open_private(tmp_path / "run" / "lock", write=write)
    with pytest.raises(NotOurs):
        make_private(tmp_path / "run")
    assert [one.read_text() for one in (tmp_path / "real").iterdir()] == ["theirs"]


def test_what_is_ours_is_its_owners_alone_whatever_the_mask_says(tmp_path):
    mask = os.umask(0)
    try:
        make_private(tmp_path / "models" / "run")
        os.close(open_private(tmp_path / "models" / "run" / "lock", write=True))
        atomic_write(tmp_path / "models" / "run" / "settings", b"{}", private=True)
    finally:
        os.umask(mask)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.rglob("*")}
    assert modes == {"models": 0o777, "run": 0o700, "lock": 0o600, "settings": 0o600}
    (tmp_path / "models" / "run").chmod(0o755)
    make_private(tmp_path / "models" / "run")
    assert stat.S_IMODE((tmp_path / "models" / "run").stat().st_mode) == 0o700


def test_a_file_is_read_up_to_a_bound(tmp_path):
    (tmp_path / "one").write_bytes(b"12345")
    assert read_private(tmp_path / "one", 5) == b"12345"
    assert read_private(tmp_path / "one", 4) is None and read_private(tmp_path / "none", 4) is None


def test_leftovers_go_without_what_they_link_to_or_hold_below(tmp_path):
    place, theirs = tmp_path / "models", tmp_path / "theirs"
    (theirs / "deep").mkdir(parents=True)
    (theirs / "deep" / "one").write_text("precious")
    half, kept = place / ".art.keras.aaaaaaaa.part", place / ".art.keras.bbbbbbbb.part"
    half.mkdir(parents=True)
    (half / "art.keras").write_text("half")
    (half / "link").symlink_to(theirs)
    (kept / "deep").mkdir(parents=True)
    (kept / "deep" / "one").write_text("somebody's")
    (place / ".art.keras.cccccccc.part").symlink_to(theirs)
    remove_leftovers(place, "art.")
    assert sorted(one.name for one in place.iterdir()) == [kept.name]
    assert (kept / "deep" / "one").exists() and (theirs / "deep" / "one").read_text() == "precious"


@pytest.mark.parametrize("name", ["ENOSPC", "EACCES", "EROFS", "ENAMETOOLONG", "ENOTDIR", "EIO", "EDQUOT", "ETIMEDOUT"])
def test_an_error_of_the_system_names_the_file_and_ends_in_the_cure(name):
    number = getattr(errno, name)
    told = unwritable("models/art.png", OSError(number, os.strerror(number)))
    assert told.startswith("models/art.png could not be written: ") and told.count(". ") == 1 and told.endswith(".")
    assert told.split(". ")[1].split()[0] in ("Choose", "Free", "Look")
    named = in_words(OSError(number, os.strerror(number), "models/art.png"))
    assert named.startswith(f"models/art.png: {os.strerror(number)}. ") and "[Errno" not in named
    assert in_words(ValueError("a sentence.")) == in_words(OSError("a sentence.")) == "a sentence."
