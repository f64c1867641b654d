"""The cache: everything is decoded once, nothing stale or damaged is ever used."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kvae.images import cache, folder, shards
from kvae.images.collection import open_collection


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 20, 3), np.uint8))


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files handed to the decoders, as they are."""
    names: list[str] = []
    real = folder.decode_files

    def counting(paths, **settings):
        paths = list(paths)
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
    assert place >= 0
    data[place + 7] ^= 1
    return data


def _shard(folder: Path) -> Path:
    """The one shard in a cache folder."""
    (path,) = folder.glob("*.shard")
    return path


def _flip_digest(data: bytearray) -> bytearray:
    data[12 * 20 * 20 * 3 + 5] ^= 1  # the pixels of all rows come first
    return data


DAMAGE = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: _edit(path, lambda data: data[: len(data) // 2]),
    "zeros": lambda path: _edit(path, lambda data: bytes(len(data))),
    "text": lambda path: path.write_text("no shard"),
    "one bit of a pixel": lambda path: _edit(path, _flip_pixel),
    "one bit of a digest": lambda path: _edit(path, _flip_digest),
    "a folder": lambda path: (path.unlink(), path.mkdir(), path.rmdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_shard_is_noticed_and_rebuilt(damage, pictures, decoded, own_cache):
    expected = open_collection(pictures, size=20).read(range(12))
    decoded.clear()
    DAMAGE[damage](_shard(own_cache))
    after = open_collection(pictures, size=20)
    assert len(decoded) == 12
    assert np.array_equal(after.read(range(12)), expected)
    decoded.clear()
    open_collection(pictures, size=20)
    assert decoded == []


def test_a_damaged_table_costs_no_picture(pictures, decoded, own_cache):
    before = open_collection(pictures, size=20)
    expected = before.read(range(12))
    written = _shard(own_cache).stat().st_ino
    decoded.clear()
    _edit(before.path, lambda data: bytes(len(data)))
    after = open_collection(pictures, size=20)
    assert np.array_equal(after.read(range(12)), expected) and after.names == before.names
    assert decoded == [] and len(after.remarks) == 1 and _shard(own_cache).stat().st_ino == written


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


def test_what_is_not_checked_on_opening_is_checked_before_it_is_used(pictures, monkeypatch, own_cache):
    monkeypatch.setattr(cache, "CHECKED_BYTES", 0)
    first = open_collection(pictures, size=20)
    expected = first.read(range(12))
    shard = _shard(own_cache)
    _edit(shard, _flip_pixel)
    damaged = open_collection(pictures, size=20)
    assert np.array_equal(damaged.read(range(4)), expected[:4])
    with pytest.raises(OSError, match="is damaged: its picture 4 is another. Start again"):
        damaged.read([9, 4])
    assert not shard.exists()
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
    assert not list(own_cache.iterdir())


def test_the_least_recently_used_caches_are_removed_beyond_the_limit(pictures, own_cache, monkeypatch):
    def opened(size: int, seconds_ago: float):
        before = set(own_cache.glob("*.shard"))
        collection = open_collection(pictures, size=size)
        (shard,) = set(own_cache.glob("*.shard")) - before
        for path in (shard, collection.path):
            os.utime(path, (time.time() - seconds_ago,) * 2)
        return collection, shard

    older, users = own_cache / f"{'0a' * 20}.h5", own_cache / "faces.h5"  # of an older version; of the user's own
    for path in (older, users):
        path.write_bytes(bytes(500))
        os.utime(path, (1, 1))
    old, first = opened(16, 9999)
    _, recent = opened(17, 99)
    monkeypatch.setattr(cache, "MAX_CACHE_BYTES", 2 * recent.stat().st_size + 4000)
    _, newest = opened(18, 0)
    assert [path.exists() for path in (first, recent, newest)] == [False, True, True]
    assert not older.exists() and users.exists()
    assert old.read([0]).shape == (1, 16, 16, 3)  # an open collection outlives its files


@pytest.fixture
def small_shards(monkeypatch):
    """Four pictures of 20x20 in a shard."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 4 * 20 * 20 * 3)


KILLED = """
import os, signal, sys
from kvae.images import folder, shards
from kvae.images.collection import open_collection
shards.SHARD_BYTES, folder.BLOCK = 4 * 20 * 20 * 3, 1
def die(done, total, what):
    if done == 10:
        os.kill(os.getpid(), signal.SIGKILL)
open_collection(sys.argv[1], size=20, progress=die)
"""


@pytest.mark.skipif(os.name != "posix", reason="a matter of POSIX signals")
def test_a_killed_pass_loses_one_shard_at_most(pictures, decoded, own_cache, small_shards):
    (pictures / "00-text.png").write_text("text")  # refused, and remembered too
    command = [sys.executable, "-c", KILLED, str(pictures)]
    assert subprocess.run(command, timeout=60, check=False).returncode == -signal.SIGKILL
    calls = []
    collection = open_collection(pictures, size=20, progress=lambda *call: calls.append(call))
    assert decoded == ["08.png", "09.png", "10.png", "11.png"]  # 8 pictures and the text were in two shards
    assert [call[:2] for call in calls] == [(9, 13), (13, 13)]
    assert np.array_equal(collection.read(range(12)), np.stack([np.asarray(noise(n)) for n in range(12)]))
    assert len(collection.skipped) == 1 and not collection.remarks
    assert len(list(own_cache.glob("*.index"))) == 1
    decoded.clear()
    assert open_collection(pictures, size=20).path == collection.path and decoded == []


def test_a_pass_that_is_cut_off_again_and_again_comes_to_its_end(pictures, decoded, small_shards, monkeypatch):
    monkeypatch.setattr(folder, "BLOCK", 1)

    def stop_after(more: int):
        def stop(done, total, what):
            calls.append(done)
            if len(calls) > more:
                raise KeyboardInterrupt

        calls: list[int] = []
        return stop

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            open_collection(pictures, size=20, progress=stop_after(5))
    decoded.clear()
    assert np.array_equal(open_collection(pictures, size=20).read([0, 11])[1], np.asarray(noise(11)))
    assert decoded == ["08.png", "09.png", "10.png", "11.png"]


def test_a_disk_that_fills_up_in_the_middle_keeps_what_was_decoded(pictures, decoded, small_shards, monkeypatch):
    real = shards.ShardWriter.seal
    sealed = []

    def full(writer):
        sealed.append(writer)
        if len(sealed) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(writer)

    monkeypatch.setattr(shards.ShardWriter, "seal", full)
    with pytest.raises(OSError, match=r"cache folder .* could not be written to .*Set KVAE_CACHE"):
        open_collection(pictures, size=20)
    decoded.clear()
    collection = open_collection(pictures, size=20)
    assert decoded == ["08.png", "09.png", "10.png", "11.png"]
    assert np.array_equal(collection.read([5, 11]), np.stack([np.asarray(noise(n)) for n in (5, 11)]))
    assert not collection.remarks


def test_a_shard_that_is_full_is_not_written_again_for_a_picture_more(pictures, decoded, small_shards, own_cache):
    open_collection(pictures, size=20)
    before = {path: path.stat().st_ino for path in own_cache.glob("*.shard")}
    noise(77).save(pictures / "03b.png")
    (pictures / "00.png").unlink()
    decoded.clear()
    collection = open_collection(pictures, size=20)
    assert decoded == ["03b.png"] and len(before) == 3
    assert before.items() <= {path: path.stat().st_ino for path in own_cache.glob("*.shard")}.items()
    assert collection.names[:4] == ("01.png", "02.png", "03.png", "03b.png")
    expected = [1, 2, 3, 77, *range(4, 12)]
    assert np.array_equal(collection.read(range(12)), np.stack([np.asarray(noise(n)) for n in expected]))


def test_shards_of_which_little_is_used_are_put_together(pictures, small_shards):
    open_collection(pictures, size=20)
    for number in (0, 1, 2, 5, 6, 7):
        (pictures / f"{number:02d}.png").unlink()
    collection = open_collection(pictures, size=20)
    paths = collection._stored.rows.paths
    assert len(paths) == 2  # one that was full and stays, and one with what is left of the two others
    expected = np.stack([np.asarray(noise(n)) for n in (3, 4, 8, 9, 10, 11)])
    assert np.array_equal(collection.read(range(6)), expected)
    assert np.array_equal(collection.read([5, 0, 0, 2]), expected[[5, 0, 0, 2]])


def test_one_damaged_shard_of_many_costs_its_own_pictures_alone(pictures, decoded, small_shards, own_cache):
    before = open_collection(pictures, size=20)
    expected = before.read(range(12))
    _edit(before._stored.rows.paths[1], _flip_pixel)
    decoded.clear()
    after = open_collection(pictures, size=20)
    assert decoded == ["04.png", "05.png", "06.png", "07.png"] and after.remarks == (cache.REBUILT,)
    assert np.array_equal(after.read(range(12)), expected)


def test_a_picture_in_the_cache_takes_little_memory(own_cache):
    count, random = 20_000, np.random.default_rng(0)
    block = cache.Block(
        np.zeros((count, 8, 8, 1), np.uint8),
        random.integers(0, 256, (count, 32), np.uint8),
        [f"{number:08d}.png" for number in range(count)],
        {},
    )
    path = cache.write_cache([block], capacity=count, size=8, crop="square", channels=1)
    cache.open_cache(path)  # imports what it needs
    tracemalloc.start()
    stored = cache.open_cache(path)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(stored.names) == count and held / count < 32 + 20 + 20  # its digest, its name, and where it is


def test_pictures_are_found_by_the_whole_of_their_digests(tmp_path):
    alike = np.zeros((3, 32), np.uint8)
    alike[:, -1] = [1, 2, 3]  # SHA-256 that begin alike can be made
    with shards.ShardWriter(tmp_path, "g", (1, 1, 1), 3) as writer:
        for row in alike[:2]:
            writer.add(b"x", row.tobytes())
        writer.seal()
    rows = shards.Rows((1, 1, 1), map(shards.open_shard, writer.finished))
    assert rows.find(alike[::-1]).tolist() == [-1, 1, 0]


def test_the_manifest_is_that_of_every_version(own_cache):
    names, digests = ["b", "é", "a", "c"], np.zeros((4, 32), np.uint8)
    digests[:, 9] = [7, 1, 7, 200]  # "a" and "b" are the same
    lines = sorted(f"{digest.tobytes().hex()} {name}\n" for name, digest in zip(names, digests, strict=True))
    assert cache.manifest_hash(names, digests) == hashlib.sha256("".join(lines).encode()).hexdigest()


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
