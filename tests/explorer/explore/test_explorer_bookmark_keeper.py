"""Bookmarks stay with their model: beside its file, wherever it goes, and they show their pictures."""

from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import QSettings

from explorer.explore.bookmarks import BookmarkKeeper, beside
from explorer.messages import BookmarksRead, Decode, Decoded, Exported, ReadBookmarks, WriteBookmarks
from explorer.state.bookmarks import Bookmark, from_plain, to_plain
from explorer.widgets.preferences import Preferences

SEA, SUN = Bookmark("sea", (1.0,) * 8, 0.5), Bookmark("sun", (2.0,) * 8, 0.1)


@pytest.fixture
def preferences(tmp_path) -> Preferences:
    return Preferences(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


@pytest.fixture
def known(model_info):
    return replace(model_info, path="/models/paintings 0.1.keras", digest="ab" * 32)


@pytest.fixture
def keeper(qtbot, fake_bridge, preferences):
    made = BookmarkKeeper(fake_bridge, preferences)
    qtbot.addWidget(made)
    return made


def read(bridge, *bookmarks, latent_dim=8, digest="ab" * 32, there=True):
    """The engine answers what is in the file that was asked for last."""
    ticket, question = bridge.last(ReadBookmarks)
    entries = tuple(to_plain(bookmarks)) if there else None
    bridge.answer(ticket, BookmarksRead(question.path, digest, "art", latent_dim, entries))


def written(bridge):
    return from_plain(bridge.last(WriteBookmarks)[1].entries, 8)


def test_they_are_kept_in_a_file_beside_the_model(keeper, fake_bridge, known):
    assert beside(known.path) == "/models/paintings 0.1.bookmarks"
    keeper.load(known)
    assert fake_bridge.last(ReadBookmarks)[1] == ReadBookmarks(beside(known.path), optional=True)
    read(fake_bridge, there=False)
    keeper.add(np.ones(8, np.float32), 0.5)
    question = fake_bridge.last(WriteBookmarks)[1]
    assert (question.path, question.digest, question.beside) == (beside(known.path), known.digest, True)
    assert written(fake_bridge) == keeper.kept == (Bookmark("Bookmark 1", (1.0,) * 8, 0.5),)


def test_what_is_in_the_file_counts_and_what_was_added_meanwhile_comes_after(keeper, fake_bridge, known):
    keeper.load(known)
    keeper.add(np.zeros(8, np.float32), 0.1)
    read(fake_bridge, SEA, SUN)
    assert (
        [one.name for one in keeper.kept] == ["sea", "sun", "Bookmark 1"] == [one.name for one in written(fake_bridge)]
    )


def test_a_model_that_was_moved_without_its_bookmarks_still_has_them(keeper, fake_bridge, known):
    keeper.load(known)
    read(fake_bridge, there=False)
    keeper.add(np.ones(8, np.float32), 0.5)
    moved = replace(known, path="/elsewhere/sea.keras")
    keeper.load(replace(moved, digest=""))  # the card alone does not tell which weights these are
    assert keeper.kept == ()
    keeper.carry_over(moved)
    assert len(keeper.kept) == 1
    read(fake_bridge, there=False)
    assert fake_bridge.last(WriteBookmarks)[1].path == "/elsewhere/sea.bookmarks"


def test_an_answer_about_the_model_before_changes_nothing(keeper, fake_bridge, known):
    keeper.load(known)
    ticket = fake_bridge.last(ReadBookmarks)[0]
    answer = fake_bridge._pending[ticket][0]
    keeper.load(replace(known, path="/models/other.keras"))
    answer(BookmarksRead("x", "", "", 8, tuple(to_plain((SEA,)))))
    assert keeper.kept == ()


def test_they_are_exported_and_imported_and_strange_ones_are_said_to_be(keeper, fake_bridge, known, qtbot):
    keeper.load(known)
    read(fake_bridge, SEA)
    with qtbot.waitSignal(keeper.said) as told:
        keeper.export("/home/me/mine")
        ticket, question = fake_bridge.last(WriteBookmarks)
        assert (question.path, question.beside) == ("/home/me/mine.bookmarks", False)
        fake_bridge.answer(ticket, Exported(question.path))
    assert told.args == ["Saved to /home/me/mine.bookmarks"]
    keeper.take_from("/home/me/other.bookmarks")
    with qtbot.waitSignal(keeper.said) as told:
        read(fake_bridge, SEA, SUN, digest="cd" * 32)
    assert keeper.kept == (SEA, SUN) and "came from art, another model than this one" in told.args[0]
    keeper.take_from("/home/me/other.bookmarks")
    with qtbot.waitSignal(keeper.refused) as told:
        read(fake_bridge, SUN, latent_dim=9)
    assert "whose latents are not those of this model" in told.args[0] and keeper.kept == (SEA, SUN)


def test_the_menu_shows_what_each_one_paints_at_its_own_weight(keeper, fake_bridge, known):
    fake_bridge.model = known
    keeper.load(known)
    read(fake_bridge, SEA, SUN)
    assert all(entry.icon().isNull() for entry in keeper.menu.actions())
    keeper.menu.aboutToShow.emit()
    ticket, question = fake_bridge.last(Decode)
    np.testing.assert_array_equal(question.latents[:, 0], [1, 2])
    np.testing.assert_array_equal(question.kl_weight, [0.5, 0.1])
    greys = np.array([60, 200], np.uint8)[:, None, None, None]
    fake_bridge.answer(ticket, Decoded(np.broadcast_to(greys, (2, 16, 16, 3)).copy()))
    shown = [entry.icon().pixmap(40, 40).toImage().pixelColor(20, 20).red() for entry in keeper.menu.actions()[:2]]
    assert shown == [60, 200]
    asked = len(fake_bridge.asked)
    keeper.menu.aboutToShow.emit()
    assert len(fake_bridge.asked) == asked
