"""The cache: everything is decoded once, nothing stale or damaged is ever used."""

import os
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from kvae.images import cache, folder
from kvae.images.collection import open_collection


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 20, 3), np.uint8))


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files handed to the decoders, as they are."""
    names: list[str] = []
    real = folder.decode_files

    def counting(paths, **settings):
        names.extend(os.path.basename(path) for path in paths)
        return real(paths, **settings)

    monkeypatch.setattr(folder, "decode_files", counting)
    return names


def test_the_second_opening_decodes_nothing_and_gives_the_same(pictures, decoded):
    (pictures / "text.jpg").write_text("text")
    first = open_collection(pictures, size=16)
    assert len(decoded) == 13
    decoded.clear()
    second = open_collection(pictures, size=16)
    assert decoded == []
    assert second.path == first.path
    assert second.names == first.names
    assert second.skipped == first.skipped
    assert np.array_equal(second.digests, first.digests)
    assert np.array_equal(second.read(range(12)), first.read(range(12)))


def test_a_changed_file_and_only_that_is_decoded_again(pictures, decoded):
    before = open_collection(pictures, size=20)
    decoded.clear()
    noise(77).save(pictures / "05.png")
    os.utime(pictures / "05.png", ns=(1, 1))
    after = open_collection(pictures, size=20)
    assert decoded == ["05.png"]
    assert np.array_equal(after.read([5])[0], np.asarray(noise(77)))
    others = [n for n in range(12) if n != 5]
    assert np.array_equal(after.read(others), before.read(others))
    assert after.manifest_hash != before.manifest_hash


def test_an_added_file_and_only_that_is_decoded(pictures, decoded):
    open_collection(pictures, size=20)
    decoded.clear()
    noise(77).save(pictures / "03b.png")
    collection = open_collection(pictures, size=20)
    assert decoded == ["03b.png"]
    assert np.array_equal(collection.read(range(13))[4], np.asarray(noise(77)))
    assert np.array_equal(collection.read([12])[0], np.asarray(noise(11)))


def test_a_removed_file_leaves_the_others(pictures, decoded):
    open_collection(pictures, size=20)
    decoded.clear()
    (pictures / "00.png").unlink()
    collection = open_collection(pictures, size=20)
    assert decoded == []
    assert collection.names[0] == "01.png" and collection.count == 11
    assert np.array_equal(collection.read([0])[0], np.asarray(noise(1)))


def test_a_renamed_file_changes_the_manifest(pictures):
    before = open_collection(pictures, size=16).manifest_hash
    (pictures / "00.png").rename(pictures / "renamed.png")
    assert open_collection(pictures, size=16).manifest_hash != before


def test_a_copy_that_replaces_the_first_is_used(pictures):
    (pictures / "zz.png").write_bytes((pictures / "00.png").read_bytes())
    open_collection(pictures, size=20)
    (pictures / "00.png").unlink()
    collection = open_collection(pictures, size=20)
    assert collection.names[-1] == "zz.png" and not collection.duplicates
    assert np.array_equal(collection.read([11])[0], np.asarray(noise(0)))


def test_a_mended_file_is_used_again(pictures):
    (pictures / "x.png").write_bytes(b"")
    assert len(open_collection(pictures, size=16).skipped) == 1
    noise(70).save(pictures / "x.png")
    collection = open_collection(pictures, size=16)
    assert collection.count == 13 and not collection.skipped


def test_size_and_crop_have_caches_of_their_own_and_share_the_manifest(pictures):
    all_of_them = [open_collection(pictures, size=s, crop=c) for s, c in ((16, "square"), (24, "square"), (16, "pad"))]
    assert len({one.path for one in all_of_them}) == 3
    assert len({one.manifest_hash for one in all_of_them}) == 1


def test_a_moved_folder_is_the_same_collection(pictures):
    before = open_collection(pictures, size=16)
    pictures.rename(pictures.with_name("moved"))
    assert open_collection(pictures.with_name("moved"), size=16).path == before.path


def _edit(path: Path, change) -> None:
    data = bytearray(path.read_bytes())
    path.write_bytes(change(data))


def _flip_pixel(data: bytearray) -> bytearray:
    place = data.find(np.asarray(noise(4)).tobytes())
    assert place > 0
    data[place + 7] ^= 1
    return data


def _drop_names(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["names"]


def _future(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file.attrs["format"] = 99


def _other_names(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["names"][0] = "other.png"


DAMAGE = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: _edit(path, lambda data: data[: len(data) // 2]),
    "zeros": lambda path: _edit(path, lambda data: bytes(len(data))),
    "text": lambda path: path.write_text("not HDF5"),
    "one bit": lambda path: _edit(path, _flip_pixel),
    "no names": _drop_names,
    "other names": _other_names,
    "newer format": _future,
    "a folder": lambda path: (path.unlink(), path.mkdir(), path.rmdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_is_noticed_and_rebuilt(damage, pictures, decoded):
    before = open_collection(pictures, size=20)
    expected = before.read(range(12))
    decoded.clear()
    DAMAGE[damage](before.path)
    after = open_collection(pictures, size=20)
    assert len(decoded) == 12
    assert np.array_equal(after.read(range(12)), expected)
    decoded.clear()
    open_collection(pictures, size=20)
    assert decoded == []


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _zero_the_middle(data: bytearray) -> bytearray:
    start = len(data) // 3
    return data[:start] + bytes(start) + data[2 * start :]


def _flip_the_last_bit(data: bytearray) -> bytearray:
    data[-1] ^= 1
    return data


HARM = {
    "a pipe": _pipe,
    "a link": _link,
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: _edit(path, lambda data: bytes(len(data))),
    "zeros in the middle": lambda path: _edit(path, _zero_the_middle),
    "cut off": lambda path: _edit(path, lambda data: data[:-9]),
    "longer": lambda path: _edit(path, lambda data: data + b"{}"),
    "one bit at the end": lambda path: _edit(path, _flip_the_last_bit),
}
SOURCES = {
    "folder": lambda root: {"data": root},
    "array file": lambda root: (np.save(root.parent / "a.npy", ARRAY), {"data": root.parent / "a.npy"})[1],
    "array": lambda root: {"data": ARRAY},
    "paintings": lambda root: {"count": 5},
}
ARRAY = np.random.default_rng(0).integers(0, 256, (5, 16, 16), np.uint8)


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("source", SOURCES)
def test_whatever_is_wrong_in_the_cache_is_made_anew_and_said(source, harm, pictures, own_cache):
    options = {"size": 16, **SOURCES[source](pictures)}
    first = open_collection(**options)
    expected = first.read(range(first.count))
    assert not first.remarks
    for name in sorted(path.name for path in own_cache.iterdir()):
        HARM[harm](own_cache / name)
        again = open_collection(**options)
        assert np.array_equal(again.read(range(again.count)), expected)
        if not name.endswith(".txt"):  # the report is only written again
            assert len(again.remarks) == 1 and again.summary.endswith("; " + again.remarks[0])
        assert not open_collection(**options).remarks


@pytest.mark.skipif(os.name != "posix", reason="modes are a matter of POSIX")
def test_what_is_cached_is_the_users_alone(pictures, own_cache, monkeypatch):
    monkeypatch.setenv("KVAE_CACHE", str(own_cache / "made"))
    for make in SOURCES.values():
        open_collection(size=16, **make(pictures))
    assert (own_cache / "made").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (own_cache / "made").iterdir()} == {0o600}


@pytest.mark.skipif(os.name != "posix", reason="modes are a matter of POSIX")
def test_the_usual_cache_folder_is_closed_to_others_and_a_chosen_one_left_as_it_is(monkeypatch, tmp_path):
    (tmp_path / "kvae").mkdir(mode=0o755)
    monkeypatch.setenv("KVAE_CACHE", str(tmp_path / "kvae"))
    assert cache.cache_folder().stat().st_mode & 0o777 == 0o755
    monkeypatch.delenv("KVAE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder().stat().st_mode & 0o777 == 0o700


def test_what_is_not_checked_on_opening_is_checked_before_it_is_used(pictures, monkeypatch):
    monkeypatch.setattr(cache, "CHECKED_BYTES", 0)
    first = open_collection(pictures, size=20)
    expected = first.read(range(12))
    _edit(first.path, _flip_pixel)
    damaged = open_collection(pictures, size=20)
    assert np.array_equal(damaged.read(range(4)), expected[:4])
    with pytest.raises(OSError, match="is damaged: its picture 4 is another. Start again"):
        damaged.read([9, 4])
    assert not first.path.exists()
    assert np.array_equal(open_collection(pictures, size=20).read(range(12)), expected)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1, "files": {"a": 3}, "caches": {}}', b"\xff\xfe"])
def test_a_damaged_index_is_only_forgotten(content, pictures, own_cache):
    open_collection(pictures, size=16)
    (index,) = own_cache.glob("*.index")
    index.write_bytes(content)
    assert open_collection(pictures, size=16).count == 12


def test_arrays_files_and_paintings_are_read_once_too(tmp_path, monkeypatch):
    data = np.random.default_rng(0).integers(0, 256, (5, 16, 16), np.uint8)
    np.save(tmp_path / "a.npy", data)
    sources = [{"data": data, "size": 16}, {"data": tmp_path / "a.npy", "size": 16}, {"size": 16, "count": 5}]
    first = [open_collection(**source).path for source in sources]
    monkeypatch.setattr(cache, "write_cache", None)
    assert [open_collection(**source).path for source in sources] == first


def test_a_changed_array_file_is_read_again(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, (5, 16, 16), np.uint8)
    np.save(tmp_path / "a.npy", data)
    open_collection(tmp_path / "a.npy", size=16)
    np.save(tmp_path / "a.npy", 255 - data)
    os.utime(tmp_path / "a.npy", ns=(1, 1))
    assert np.array_equal(open_collection(tmp_path / "a.npy", size=16).read(range(5))[..., 0], 255 - data)


def test_progress_is_reported_to_the_end_and_not_at_all_from_the_cache(pictures):
    calls = []
    open_collection(pictures, size=16, progress=lambda *call: calls.append(call))
    assert calls[-1] == (12, 12, "decoding pictures")
    calls.clear()
    open_collection(pictures, size=16, progress=lambda *call: calls.append(call))
    assert calls == []


def test_an_interrupted_first_pass_leaves_no_cache(pictures, own_cache):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_collection(pictures, size=16, progress=stop)
    assert not list(own_cache.glob("*.h5")) and not list(own_cache.glob(".*"))


def test_the_least_recently_used_caches_are_removed_beyond_the_limit(pictures, own_cache, monkeypatch):
    old = open_collection(pictures, size=16)
    os.utime(old.path, (1, 1))
    recent = open_collection(pictures, size=17)
    os.utime(recent.path, (time.time() - 99,) * 2)
    monkeypatch.setattr(cache, "MAX_CACHE_BYTES", 2 * recent.path.stat().st_size + 2000)
    newest = open_collection(pictures, size=18)
    assert [path.exists() for path in (old.path, recent.path, newest.path)] == [False, True, True]
    assert old.read([0]).shape == (1, 16, 16, 3)  # an open collection outlives its file


def test_too_little_space_is_one_sentence_before_anything_is_decoded(pictures, decoded, monkeypatch):
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100})())
    with pytest.raises(ValueError, match="KVAE_CACHE"):
        open_collection(pictures, size=16)
    assert decoded == []


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("KVAE_CACHE", str(tmp_path / "a"))
    assert cache.cache_folder() == tmp_path / "a"
    monkeypatch.delenv("KVAE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache.cache_folder() == tmp_path / "b" / "kvae"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache.cache_folder() == tmp_path / ".cache" / "kvae"


def test_a_cache_folder_that_cannot_be_made_is_one_sentence(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KVAE_CACHE", str(tmp_path / "file" / "x"))
    with pytest.raises(PermissionError, match="Set KVAE_CACHE"):
        cache.cache_folder()


def test_the_cache_is_itself_a_file_that_can_be_opened(pictures):
    collection = open_collection(pictures, size=16)
    again = open_collection(collection.path, size=16)
    assert np.array_equal(again.read(range(12)), collection.read(range(12)))
