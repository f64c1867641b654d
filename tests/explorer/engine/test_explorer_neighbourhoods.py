"""A map on which similar pictures lie side by side, the same each time."""

import os

import numpy as np
import pytest

from explorer.engine.neighbourhoods import keep, kept, laid_out


def groups(count: int = 120, latent: int = 12, of: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Latents (count, latent) around `of` middles, and the group of each."""
    random = np.random.default_rng(3)
    middles = 3 * random.standard_normal((of, latent))
    group = np.arange(count) % of
    return (middles[group] + random.standard_normal((count, latent))).astype(np.float32), group


def settled(latents: np.ndarray) -> np.ndarray:
    return list(laid_out(latents, lambda: None))[-1][2]


def test_like_pictures_lie_side_by_side():
    latents, group = groups()
    places = settled(latents)
    distances = np.square(places[:, None] - places[None]).sum(-1)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :5]
    assert (group[nearest] == group[:, None]).mean() > 0.95
    assert places.dtype == np.float32 and np.isfinite(places).all()


def test_the_same_pictures_are_laid_out_the_same_each_time():
    latents, _ = groups()
    np.testing.assert_array_equal(settled(latents), settled(latents.copy()))


def test_it_can_be_looked_at_while_it_settles_and_be_stopped():
    latents, _ = groups()
    looks = list(laid_out(latents, lambda: None))
    assert [done for done, _, _ in looks] == sorted(done for done, _, _ in looks) and looks[-1][0] == looks[-1][1]
    assert all(len(places) == len(latents) for _, _, places in looks)

    def stop():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        next(laid_out(latents, stop))


@pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 7])
@pytest.mark.parametrize("latent", [1, 3])
def test_a_few_pictures_are_laid_out_too(count, latent):
    latents = np.random.default_rng(0).standard_normal((max(count, 1), latent)).astype(np.float32)[:count]
    if count:
        assert settled(latents).shape == (count, 2) and np.isfinite(settled(latents)).all()


def test_pictures_that_are_all_the_same_lie_in_one_place():
    assert not settled(np.ones((40, 6), np.float32)).any()


def test_a_layout_is_kept_for_its_pictures_alone_and_beside_the_model_before_the_cache(tmp_path):
    places = np.random.default_rng(0).standard_normal((9, 2)).astype(np.float32)
    beside, cached = tmp_path / "paintings 0.1.map", tmp_path / "cache.map"
    keep([beside, cached], "these", places)
    assert not cached.exists()
    np.testing.assert_array_equal(kept([cached, beside], "these", 9), places)
    assert kept([beside], "others", 9) is kept([beside], "these", 8) is None
    keep([tmp_path / "nowhere" / "x.map", cached], "these", places)  # the first cannot be written
    assert kept([cached], "these", 9) is not None
    keep([beside, cached], "newer", places)  # ours is replaced
    assert kept([beside], "newer", 9) is not None


@pytest.mark.parametrize("content", [b"", b"my own map of the town", b"\x93NUMPY\x01\x00v\x00{"])
def test_somebody_elses_file_of_that_name_is_neither_read_nor_replaced(tmp_path, content):
    path = tmp_path / "art.map"
    path.write_bytes(content)
    assert kept([path], "these", 9) is None
    keep([path], "these", np.zeros((9, 2), np.float32))
    assert path.read_bytes() == content


@pytest.mark.skipif(os.name != "posix", reason="links and pipes are a matter of POSIX")
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_is_neither_waited_for_nor_replaced(tmp_path, make):
    path, cached = tmp_path / "art.map", tmp_path / "cache.map"
    make(path)
    keep([path, cached], "these", np.zeros((9, 2), np.float32))
    assert not path.is_file() and os.path.lexists(path) and kept([path], "these", 9) is None
    assert kept([cached], "these", 9) is not None and cached.stat().st_mode & 0o777 == 0o600


def test_a_layout_with_another_bit_is_not_taken_from_a_file(tmp_path):
    path = tmp_path / "a.map"
    keep([path], "these", np.ones((9, 2), np.float32))
    content = bytearray(path.read_bytes())
    content[-4] ^= 1
    path.write_bytes(content)
    assert kept([path], "these", 9) is None


def test_places_that_are_not_finite_are_not_taken_from_a_file(tmp_path):
    keep([tmp_path / "a.map"], "these", np.full((9, 2), np.nan, np.float32))
    assert kept([tmp_path / "a.map"], "these", 9) is None
