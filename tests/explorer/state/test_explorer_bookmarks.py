"""Bookmarks as values, and as the preferences keep them."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from explorer.state.bookmarks import Bookmark, added, from_plain, key_of, removed, renamed, to_plain, together


def test_a_bookmark_without_a_name_takes_the_next_free_number():
    three = added(added(added((), (1.0,)), (2.0,)), (3.0,))
    assert [bookmark.name for bookmark in three] == ["Bookmark 1", "Bookmark 2", "Bookmark 3"]
    assert added(removed(three, 1), (4.0,))[-1] == Bookmark("Bookmark 2", (4.0,))
    assert added(three, (5.0,), "sea")[-1].name == "sea"


def test_renaming_keeps_place_and_point():
    two = added(added((), (1.0,)), (2.0,))
    assert renamed(two, 0, " sea ") == (Bookmark("sea", (1.0,)), two[1])
    assert renamed(two, 0, "  ") == two


def test_bookmarks_survive_being_kept():
    two = added(added((), (1.0, -0.25)), (0.125, 2.0), "sea")
    assert from_plain(to_plain(two), 2) == two


def test_what_is_damaged_or_belongs_to_another_model_is_left_out():
    good = {"name": "sea", "latents": [1, 2.0]}
    entries = [good, {"name": "other", "latents": [1.0]}, {"name": 3, "latents": [1.0, 2.0]}, "x", None]
    entries.append({"name": "nowhere", "latents": [math.nan, 0.0]})
    assert from_plain(entries, 2) == (Bookmark("sea", (1.0, 2.0)),)
    assert from_plain("nonsense", 2) == from_plain(None, 2) == ()


def test_a_bookmark_keeps_the_weight_it_was_made_at():
    two = added(added((), (1.0, 2.0), "sea", 0.25), (3.0, 4.0))
    assert from_plain(to_plain(two), 2) == two and two[0].kl_weight == 0.25 and two[1].kl_weight is None


@pytest.mark.parametrize("weight", [True, "0.1", -1, 0, math.inf, None])
def test_a_weight_that_cannot_be_is_none(weight):
    (plain,) = to_plain((Bookmark("sea", (1.0,)),))
    assert from_plain([{**plain, "kl_weight": weight}], 1)[0].kl_weight is None


def test_put_together_no_point_is_there_twice_and_no_name():
    one, other = Bookmark("sea", (1.0,), 0.1), Bookmark("sea", (2.0,), 0.1)
    assert together((one,), (one, other, replace(one, kl_weight=0.5))) == (
        one,
        replace(other, name="sea (2)"),
        replace(one, name="sea (3)", kl_weight=0.5),
    )


def test_a_file_has_one_key_however_it_is_spelt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert key_of("art.keras") == key_of(str(tmp_path / "x" / ".." / "art.keras"))
    assert key_of("art.keras") != key_of("other.keras")


def test_bookmarks_kept_as_lists_of_numbers_are_still_read():
    assert from_plain([{"name": "sea", "latents": [0.5, 1]}], 2) == (Bookmark("sea", (0.5, 1.0)),)


def test_a_bookmark_of_thousands_of_latents_takes_some_kilobytes():
    point = np.zeros(12_292, "float32")
    point[:700] = np.random.default_rng(3).standard_normal(700)
    kept = to_plain((Bookmark("sea", tuple(point.tolist())),))
    assert len(json.dumps(kept)) < 5000
    assert from_plain(kept, 12_292)[0].latents == tuple(point.tolist())


@pytest.mark.parametrize("packed", ["", "?", "AAAA", "eJwDAAAAAAE="])
def test_a_bookmark_that_was_damaged_or_is_longer_than_the_model_is_left_out(packed):
    (longer,) = to_plain((Bookmark("sea", (1.0, 2.0, 3.0)),))
    assert from_plain([{"name": "sea", "packed": packed}, longer], 2) == ()
