"""Where one begins."""

import os

import numpy as np
import pytest
from PyQt6.QtCore import QSettings, Qt
from PyQt6.QtWidgets import QLabel, QPushButton

from explorer.messages import Portraits, ReadPortraits
from explorer.widgets.portraits import PortraitBook
from explorer.widgets.preferences import Preferences
from explorer.window.welcome import WelcomePage


@pytest.fixture
def preferences(tmp_path) -> Preferences:
    kept = Preferences(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))
    kept.set("models_folder", str(tmp_path / "models"))
    return kept


@pytest.fixture
def page(qtbot, fake_bridge, preferences, tmp_path) -> WelcomePage:
    made = WelcomePage(fake_bridge, preferences, PortraitBook(fake_bridge))
    qtbot.addWidget(made)
    made.resize(1286, 640)
    return made


def _button(page: WelcomePage, start: str) -> QPushButton:
    return next(one for one in page.findChildren(QPushButton) if (one.accessibleName() or one.text()).startswith(start))


@pytest.mark.parametrize(
    ("start", "signal", "arguments"),
    [
        ("Train on the sample paintings", "train_wanted", ["paintings"]),
        ("Use your own pictures", "folder_wanted", []),
        ("Open a model", "browse_wanted", []),
    ],
)
def test_each_way_in_is_one_click_or_one_key(page, qtbot, start, signal, arguments):
    page.show()
    button = _button(page, start)
    with qtbot.waitSignal(getattr(page, signal)) as told:
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert told.args == arguments
    with qtbot.waitSignal(getattr(page, signal)):
        qtbot.keyClick(button, Qt.Key.Key_Space)


def test_without_models_nothing_is_offered_to_go_on_with(page):
    assert page.known() == []
    page.show()
    assert not next(label for label in page.findChildren(QLabel) if label.text() == "Go on with").isVisible()


def test_recent_models_come_before_those_found_in_the_folder(page, preferences, tmp_path, qtbot):
    folder = tmp_path / "models"
    folder.mkdir()
    for age, name in enumerate(("new.keras", "old.keras", "opened.keras")):
        (folder / name).touch()
        os.utime(folder / name, (1000 - age, 1000 - age))
    (folder / "new.png").touch()
    preferences.add_recent(str(folder / "opened.keras"))
    page.show()
    assert [os.path.basename(path) for path in page.known()] == ["opened.keras", "new.keras", "old.keras"]
    with qtbot.waitSignal(page.open_wanted) as told:
        qtbot.mouseClick(_button(page, "old.keras"), Qt.MouseButton.LeftButton)
    assert told.args == [str(folder / "old.keras")]


def test_models_show_one_of_their_pictures_once_the_engine_is_there(page, fake_bridge, preferences, tmp_path, qtbot):
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("a.keras", "b.keras"):
        (folder / name).touch()
    fake_bridge.settings, known = (), fake_bridge.settings
    page.show()
    assert not [one for _, one, _ in fake_bridge.asked if isinstance(one, ReadPortraits)]
    fake_bridge.settings = known
    fake_bridge.hello.emit(None)
    ticket, question = fake_bridge.last(ReadPortraits)
    before = _button(page, "a.keras").icon().cacheKey()
    order = [os.path.basename(path) for path in question.paths]
    image = np.full((16, 16, 3), 99, np.uint8)
    fake_bridge.answer(ticket, Portraits(tuple(image if name == "a.keras" else None for name in order)))
    shown = _button(page, "a.keras").icon()
    assert shown.cacheKey() != before and shown.pixmap(36, 36).toImage().pixelColor(9, 9).red() == 99
    asked = len(fake_bridge.asked)
    page.hide()
    page.show()
    assert len(fake_bridge.asked) == asked
    assert _button(page, "a.keras").icon().pixmap(36, 36).toImage().pixelColor(9, 9).red() == 99


def test_being_looked_at_makes_a_trainer_ready(page, fake_bridge, qtbot):
    assert fake_bridge.warmed == 0
    page.show()
    qtbot.waitUntil(lambda: fake_bridge.warmed == 1)


def test_a_page_that_was_left_at_once_makes_none_ready(page, fake_bridge, qtbot):
    page.show()
    page.hide()
    qtbot.wait(600)
    assert fake_bridge.warmed == 0


def test_preparation_is_told_in_place_of_the_ways_in(page, qtbot):
    page.show()
    page.show_progress("looking through the pictures", 0.3, "2 min left")
    assert page.progress == "Looking through the pictures …"
    assert not _button(page, "Open a model").isVisible()
    with qtbot.waitSignal(page.watch_wanted):
        qtbot.mouseClick(_button(page, "Watch"), Qt.MouseButton.LeftButton)
    page.clear_progress()
    assert page.progress == "" and _button(page, "Open a model").isVisible()


def test_everything_fits_a_small_screen(page):
    page.show()
    hint = page.minimumSizeHint()
    assert hint.width() <= 1280 and hint.height() <= 600
