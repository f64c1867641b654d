"""The window: who hears of what. The pages are stand-ins that record; the real ones have tests of their own."""

import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QMimeData, QPointF, QSettings, Qt, QUrl, pyqtSignal
from PyQt6.QtGui import QAction, QDesktopServices, QDragEnterEvent, QDropEvent, QUndoCommand, QUndoStack
from PyQt6.QtWidgets import (
    QComboBox,
    QDialog,
    QLabel,
    QLineEdit,
    QListWidget,
    QMenu,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QSlider,
    QWidget,
)

from explorer import log
from explorer.messages import (
    Began,
    Delivered,
    Independence,
    LookInto,
    PicturesReady,
    ReadIndependence,
    RunFailed,
    Seen,
    Snapshot,
    Steps,
    Stop,
    Working,
)
from explorer.state.followed_run import FollowedRun
from explorer.widgets import theme
from explorer.widgets.notice import Notice
from explorer.widgets.preferences import Preferences
from explorer.window.folder_sheet import FolderSheet
from explorer.window.kl_page import KLPage
from explorer.window.pages import PAGES as REAL
from explorer.window.status import time_left
from explorer.window.window import MainWindow


class _Page(QWidget):
    """Records what it is told: `told` holds (method, arguments)."""

    def __init__(self, bridge, preferences):
        super().__init__()
        self.bridge = bridge
        self.told: list[tuple] = []

    def __getattr__(self, name):
        if name.startswith(("set_", "add_", "go_", "open_")):
            return lambda *arguments: self.told.append((name, *arguments))
        raise AttributeError(name)

    def last(self, name: str) -> tuple:
        return next(one[1:] for one in reversed(self.told) if one[0] == name)


class _Explore(_Page):
    point_changed = pyqtSignal(object)
    bookmarks_changed = pyqtSignal(object)

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.undo_stack = QUndoStack(self)
        self.here = np.arange(8, dtype="float32")

    def point(self):
        return self.here

    def kl_weight(self):
        return 0.25


class _Map(_Page):
    picked = pyqtSignal(object, str)
    morph_wanted = pyqtSignal(object, object)
    explore_wanted = pyqtSignal()


class _Train(_Page):
    model_wanted = pyqtSignal(str)
    run_delivered = pyqtSignal(str)
    interrupted = pyqtSignal(str, object)
    follows = True

    def start(self, settings):
        self.told.append(("start", settings))
        self.bridge.start_run(settings, "models/art.keras")

    def resumed_from(self, run):
        return f"/models/art-{run}.keras"

    def is_following(self, run):
        return self.follows


_KINDS = {"explore": _Explore, "map": _Map, "compare": _Page, "train": _Train, "make": _Page}
PAGES = {name: replace(REAL[name], load=lambda kind=kind: kind) for name, kind in _KINDS.items()}


@pytest.fixture
def preferences(tmp_path) -> Preferences:
    return Preferences(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


@pytest.fixture
def window(qtbot, fake_bridge, preferences, tmp_path, monkeypatch, qapp):
    monkeypatch.chdir(tmp_path)
    made = MainWindow(fake_bridge, preferences, PAGES)
    qtbot.addWidget(made, before_close_func=lambda one: fake_bridge._running.clear())
    made.resize(1366, 700)
    made.show()
    yield made
    theme.choose("system")


@pytest.fixture
def model(model_info, tmp_path):
    path = tmp_path / "art.keras"
    path.write_bytes(b"one")
    return replace(model_info, path=str(path))


@pytest.fixture
def opened(window, fake_bridge, model):
    """The window with a model opened by hand."""
    window.open(model.path)
    fake_bridge.give_model(model)
    return window


def _shown(window) -> object:
    return window.stack.currentWidget()


def _drop(window, path) -> QDragEnterEvent:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    known = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    entered = QDragEnterEvent(window.rect().center(), *known)
    window.dragEnterEvent(entered)
    window.dropEvent(QDropEvent(QPointF(window.rect().center()), *known))
    window._dropped_data = data
    return entered


def _steps(run: int, step: int, progress: float, seconds: float) -> Steps:
    one = np.array([1.0])
    return Steps(run, one * step, one, one, one, one, one * seconds, progress, 100.0)


# ---------------------------------------------------------------------- pages


def test_the_window_begins_with_the_welcome_page_and_makes_the_others_afterwards(window, qtbot):
    assert _shown(window) is window.welcome and window.rail.current() == "explore"
    qtbot.waitUntil(lambda: window.stack.count() == 6)
    assert _shown(window) is window.welcome


@pytest.mark.parametrize(("number", "name"), list(enumerate(PAGES, start=1)))
def test_a_click_on_the_rail_or_its_key_shows_the_page(opened, qtbot, number, name):
    opened.show_page("explore" if number > 1 else "map")
    qtbot.mouseClick(opened.rail.buttons[name], Qt.MouseButton.LeftButton)
    assert _shown(opened) is opened.page(name)
    opened.show_page("explore" if number > 1 else "map")
    opened.activateWindow()
    qtbot.keyClick(opened, getattr(Qt.Key, f"Key_{number}"), Qt.KeyboardModifier.ControlModifier)
    assert _shown(opened) is opened.page(name) and opened.rail.current() == name
    assert f"Ctrl+{number}" in opened.rail.buttons[name].toolTip()


def test_without_a_model_explore_is_the_welcome_page(window):
    window.show_page("train")
    assert _shown(window) is window.page("train")
    window.show_page("explore")
    assert _shown(window) is window.welcome


def test_a_point_picked_on_the_map_is_loaded_and_a_double_click_goes_there(opened):
    latents = np.ones(8, "float32")
    opened.show_page("map")
    opened.page("map").picked.emit(latents, "sunset.jpg")
    assert opened.page("explore").last("go_to") == (latents, "sunset.jpg")
    assert _shown(opened) is opened.page("map")
    opened.page("map").explore_wanted.emit()
    assert _shown(opened) is opened.page("explore")


def test_a_morph_drawn_on_the_map_is_made(opened):
    start, end = np.zeros(8), np.ones(8)
    opened.page("map").morph_wanted.emit(start, end)
    assert opened.page("make").last("set_morph") == (start, end)
    assert _shown(opened) is opened.page("make")


def test_make_and_map_know_the_point_the_weight_and_the_bookmarks(opened):
    explore = opened.page("explore")
    explore.bookmarks_changed.emit(("one",))
    make = opened.page("make")  # made after the bookmarks were there
    assert make.last("set_bookmarks") == (("one",),)
    opened.page("map")
    explore.point_changed.emit(explore.here)
    assert opened.page("map").last("set_point") == (explore.here,)
    assert make.last("set_point") == (explore.here,) and make.last("set_kl_weight") == (0.25,)
    explore.bookmarks_changed.emit(())
    assert make.last("set_bookmarks") == ((),)


def test_ctrl_z_takes_back_a_step_of_explore_from_any_page(opened, qtbot):
    stack = opened.page("explore").undo_stack
    stack.push(QUndoCommand("move"))
    opened.show_page("train")
    opened.activateWindow()
    qtbot.keyClick(opened, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert stack.index() == 0
    qtbot.keyClick(opened, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert stack.index() == 1


# ---------------------------------------------------------------------- models


def test_an_opened_model_is_explored_named_and_remembered(window, fake_bridge, model, preferences):
    window.open(model.path)
    assert fake_bridge.opened == [model.path] and "opening art.keras" in window.status.text
    fake_bridge.give_model(model)
    assert _shown(window) is window.page("explore")
    assert window.status.text == "art.keras · 16×16 · 8 latents"
    assert window.windowTitle() == "art.keras – kvae explorer"
    assert preferences.recent == [model.path]


def test_a_recent_file_is_opened_from_the_menu_and_shown_in_explore(window, fake_bridge, preferences, model):
    (menu,) = [one for one in window.menus.bar.findChildren(QMenu) if "recent" in one.title()]
    menu.parent().aboutToShow.emit()
    assert not menu.isEnabled()
    preferences.add_recent(model.path)
    menu.parent().aboutToShow.emit()
    assert menu.isEnabled()
    menu.aboutToShow.emit()
    menu.actions()[0].trigger()
    assert fake_bridge.opened == [model.path]
    fake_bridge.give_model(model)
    assert _shown(window) is window.page("explore") and window.rail.current() == "explore"


def test_a_path_that_is_not_there_is_said_in_one_sentence(window, fake_bridge, tmp_path):
    window.open(str(tmp_path / "none.keras"))
    assert window.notice.text == f"There is no file {tmp_path / 'none.keras'}. Choose another model, or train one."
    assert fake_bridge.opened == [] and _shown(window) is window.welcome


def test_a_broken_model_leaves_the_welcome_page_and_a_sentence(window, fake_bridge, model):
    window.open(model.path)
    fake_bridge.open_failed.emit("art.keras ends early. Choose another.")
    assert window.notice.text == "art.keras ends early. Choose another." and window.notice.isVisible()
    assert _shown(window) is window.welcome and "opening" not in window.status.text


def test_a_folder_given_as_a_model_is_offered_to_train_on(window, fake_bridge, tmp_path, qtbot):
    window.open(str(tmp_path))
    assert "is a folder" in window.notice.text
    qtbot.mouseClick(window.notice.findChild(QPushButton), Qt.MouseButton.LeftButton)
    assert window.findChild(FolderSheet).data == str(tmp_path) and fake_bridge.runs == []


def test_a_model_rewritten_on_disk_is_read_again(opened, fake_bridge, model, qtbot):
    # written aside and put in its place, as kvae does it
    aside = Path(model.path + ".tmp")
    for content in (b"another", b"and one more"):
        before = len(fake_bridge.opened)
        aside.write_bytes(content)
        os.replace(aside, model.path)
        qtbot.waitUntil(lambda before=before: len(fake_bridge.opened) == before + 1)
        fake_bridge.give_model(model, same=True)
        assert opened.notice.text == "art.keras changed on disk and was read again."
    assert set(fake_bridge.opened) == {model.path} and opened.page("explore").told == []


def test_a_deleted_model_stays_on_screen_and_is_read_when_it_comes_back(opened, fake_bridge, model, qtbot):
    os.unlink(model.path)
    qtbot.waitUntil(lambda: "moved or deleted" in opened.notice.text, timeout=10_000)
    assert _shown(opened) is opened.page("explore") and len(fake_bridge.opened) == 1
    Path(model.path).write_bytes(b"again")
    qtbot.waitUntil(lambda: fake_bridge.opened == [model.path, model.path])


def test_a_model_replaced_by_a_broken_file_stays_on_screen_with_a_sentence(opened, fake_bridge, model, qtbot):
    Path(model.path).write_bytes(b"broken")
    qtbot.waitUntil(lambda: len(fake_bridge.opened) == 2)
    fake_bridge.open_failed.emit("art.keras is damaged.")
    assert opened.notice.text == "art.keras is damaged." and _shown(opened) is opened.page("explore")


def test_all_pages_are_made_soon_after_the_window_is_painted(fake_bridge, preferences, qtbot):
    made = MainWindow(fake_bridge, preferences, PAGES)
    qtbot.addWidget(made)
    with qtbot.waitSignal(made.pages.complete):
        made.show()
    assert {name: type(made.page(name)) for name in PAGES} == _KINDS


def test_settings_that_cannot_be_written_stop_nothing(fake_bridge, model, tmp_path, qtbot):
    (tmp_path / "file").write_text("no folder")
    lost = Preferences(QSettings(str(tmp_path / "file" / "settings.ini"), QSettings.Format.IniFormat))
    made = MainWindow(fake_bridge, lost, PAGES)
    qtbot.addWidget(made)
    made.show()
    made.open(model.path)
    fake_bridge.give_model(model)
    assert _shown(made) is made.page("explore") and lost.recent == [model.path]
    assert made.close()


def test_a_model_that_is_only_touched_is_not_read_again(opened, fake_bridge, model, qtbot):
    stamp = os.stat(model.path).st_mtime_ns
    Path(model.path).write_bytes(b"one")
    os.utime(model.path, ns=(stamp, stamp))
    qtbot.wait(700)
    assert fake_bridge.opened == [model.path]


# ---------------------------------------------------------------------- what is dropped


def test_a_dropped_model_is_opened(window, fake_bridge, model, qtbot):
    assert _drop(window, model.path).isAccepted()
    qtbot.waitUntil(lambda: fake_bridge.opened == [model.path])


def test_a_dropped_folder_is_shown_and_then_trained_on(window, fake_bridge, tmp_path, qtbot):
    assert _drop(window, tmp_path).isAccepted()
    qtbot.waitUntil(lambda: window.findChild(FolderSheet) is not None)
    sheet = window.findChild(FolderSheet)
    ticket, question = fake_bridge.last(LookInto)
    assert question.data == str(tmp_path) and not sheet.train.isEnabled() and fake_bridge.runs == []
    fake_bridge.answer(ticket, Seen(str(tmp_path), 1234, 1, np.zeros((8, 64, 64, 3), np.uint8)))
    assert sheet.row.words.text() == "1,234 pictures · 1 file that is none" and sheet.row.count == 8
    sheet.train.click()
    assert fake_bridge.runs[0][1]["data"] == str(tmp_path) and fake_bridge.runs[0][1]["kl_weight"] == 0.1


def test_a_folder_without_pictures_is_not_trained_on_and_another_can_be_chosen(
    window, fake_bridge, tmp_path, monkeypatch
):
    chosen = []
    monkeypatch.setattr(window, "browse_folder", lambda: chosen.append(1))
    window.train_on(str(tmp_path))
    sheet = window.findChild(FolderSheet)
    fake_bridge.fail(fake_bridge.last(LookInto)[0], f"There is no picture in {tmp_path} that kvae reads.")
    assert "no picture" in sheet.row.words.text() and not sheet.train.isEnabled()
    sheet.other.click()
    assert chosen == [1] and fake_bridge.runs == []


def test_a_dropped_picture_is_looked_for_in_the_model(opened, tmp_path, qtbot):
    opened.show_page("map")
    _drop(opened, tmp_path / "me.png")
    qtbot.waitUntil(lambda: opened.page("explore").told[-1:] == [("open_picture", str(tmp_path / "me.png"), b"")])
    assert _shown(opened) is opened.page("explore")


def test_a_dropped_picture_without_a_model_is_answered_with_what_to_do(window, tmp_path, qtbot):
    _drop(window, tmp_path / "me.png")
    qtbot.waitUntil(lambda: "needs a model" in window.notice.text)


def test_what_is_of_no_use_is_not_taken(window, tmp_path):
    assert not _drop(window, tmp_path / "notes.txt").isAccepted()


# ---------------------------------------------------------------------- training


def test_training_on_the_samples_leads_to_the_first_picture(window, fake_bridge, model, tmp_path):
    window.welcome.train_wanted.emit("paintings")
    run, settings, *_ = fake_bridge.runs[0]
    assert settings["data"] == "paintings" and settings["latent_dim"] == 128
    assert _shown(window) is window.welcome and window.welcome.progress == "Getting ready …"
    fake_bridge.say(Working(run, 3, 10, "decoding pictures"))
    assert window.welcome.progress == "Looking through the pictures …"
    assert "training run 1: looking through the pictures" in window.status.text
    fake_bridge.say(PicturesReady(run, "paintings", 54, 6, "cpu", np.ones(1), np.ones(1), np.ones(1)))
    assert window.welcome.progress == "Building the network …"
    fake_bridge.say(Began(run, 0.1, 100, 10, 0))
    first = str(tmp_path / "work" / "art.keras")
    fake_bridge.say(Snapshot(run, first, True))
    assert fake_bridge.opened == [first]
    fake_bridge.give_model(replace(model, path=first))
    assert _shown(window) is window.page("explore")
    assert "background" in window.notice.text
    assert window.status.text.startswith("the model in training · 16×16")
    assert window.preferences.recent == []
    fake_bridge.say(Snapshot(run, "weights.npz", False))
    assert fake_bridge.refreshed == ["weights.npz"]


def test_training_that_is_asked_for_before_the_engine_is_there_begins_when_it_is(window, fake_bridge):
    settings, fake_bridge.settings = fake_bridge.settings, ()
    window.train_on("paintings")
    assert fake_bridge.runs == [] and window.welcome.progress == "Getting ready …"
    fake_bridge.settings = settings
    fake_bridge.hello.emit(object())
    assert len(fake_bridge.runs) == 1


def test_a_run_that_fails_while_it_prepares_gives_the_ways_in_back(window, fake_bridge):
    window.train_on("paintings")
    fake_bridge.say(RunFailed(1, "There are no pictures in it. Choose another folder."))
    assert window.notice.text == "There are no pictures in it. Choose another folder."
    assert window.welcome.progress == "" and "training" not in window.status.text


def test_a_run_begun_over_an_open_model_does_not_take_the_screen(opened, fake_bridge):
    opened.show_page("map")
    opened.train_on("paintings")
    assert _shown(opened) is opened.page("map")
    assert opened.notice.text == "Training on the sample paintings has begun."


def test_a_run_that_is_not_followed_leaves_the_model_on_screen(opened, fake_bridge):
    opened.page("train").follows = False
    fake_bridge.say(Snapshot(1, "first.keras", True))
    fake_bridge.say(Snapshot(1, "more.npz", False))
    assert len(fake_bridge.opened) == 1 and fake_bridge.refreshed == []


def test_the_delivered_model_takes_the_place_of_the_snapshot_under_the_hand(window, fake_bridge, model):
    window.page("train")
    fake_bridge.say(Snapshot(1, "first.keras", True))
    fake_bridge.give_model(replace(model, path="first.keras"))
    fake_bridge.say(Delivered(1, model.path, "", False, {}))
    assert fake_bridge.opened == ["first.keras", model.path] and fake_bridge.opened_as_same == [model.path]
    fake_bridge.give_model(model, same=True)
    assert window.status.text.startswith("art.keras") and window.page("explore").told == []


@pytest.mark.parametrize(
    ("step", "where"),
    [
        (1812, "after step 1,812. It can go on from there."),
        (0, "before its first checkpoint. It can begin anew with its settings."),
        (None, "before its figure was drawn. That can be made up for."),
    ],
)
def test_a_run_that_was_cut_off_can_go_on_at_the_press_of_a_button(window, fake_bridge, qtbot, step, where):
    page = window.page("train")
    page.interrupted.emit("/models/art-3.keras", step)
    assert window.notice.text == f"The training of art-3.keras was cut off {where}"
    qtbot.mouseClick(window.notice._action, Qt.MouseButton.LeftButton)
    assert page.last("go_on") == ("/models/art-3.keras",) and _shown(window) is page


def test_a_run_that_would_read_elsewhere_goes_on_once_it_is_agreed_to(window, fake_bridge, preferences, qtbot):
    page = window.page("train")
    fake_bridge.say(
        RunFailed(1, "The training learns from the pictures in /other/art, as its file says.", "/other/art")
    )
    assert window.notice.text.endswith("/other/art, as its file says. Read them?") and preferences.agreed == ()
    qtbot.mouseClick(window.notice._action, Qt.MouseButton.LeftButton)
    assert preferences.agreed == ("/other/art",) and page.last("go_on") == ("/models/art-1.keras",)


def test_what_may_be_shown_can_be_taken_back_in_the_menu(window, preferences):
    preferences.agree("/art/a&b")
    preferences.agree("paintings")
    (menu,) = [one for one in window.menus.bar.findChildren(QMenu) if "Pictures that may be" in one.title()]
    menu.aboutToShow.emit()
    (action,) = menu.actions()
    assert action.text() == "/art/a&&b" and action.isChecked() and menu.isEnabled()
    action.trigger()
    assert preferences.agreed == () and not action.isChecked()
    action.trigger()
    assert preferences.agreed == ("/art/a&b",)


def test_a_delivered_model_can_be_compared_and_opened(opened, fake_bridge, tmp_path, qtbot):
    other = tmp_path / "art-2.keras"
    other.touch()
    opened.page("train").run_delivered.emit(str(other))
    assert opened.page("compare").last("add_model") == (str(other),)
    assert opened.notice.text == "The training is done: art-2.keras."
    qtbot.mouseClick(opened.notice.findChild(QPushButton), Qt.MouseButton.LeftButton)
    assert fake_bridge.opened[-1] == str(other)


def test_the_open_model_is_told_to_compare_and_a_training_one_is_not(window, fake_bridge, model):
    window.open(model.path)
    fake_bridge.give_model(model)
    compare = window.page("compare")
    assert compare.last("set_open") == (model.path,)
    window.page("train")
    fake_bridge.say(Snapshot(1, "first.keras", True))
    fake_bridge.give_model(replace(model, path="first.keras"))
    assert compare.last("set_open") == ("",)
    fake_bridge.give_model(None)
    assert compare.last("set_open") == ("",)


def test_the_status_line_says_how_far_the_training_is(opened, fake_bridge):
    fake_bridge.engine_changed.emit("ready", "")
    fake_bridge.say(Began(2, 0.1, 400, 10, 0))
    fake_bridge.say(_steps(2, 115, 0.2875, 72.6))
    assert opened.status.text == (
        "art.keras · 16×16 · 8 latents · engine ready · training run 2: epoch 12 of 40, 3 min left"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (4, "less than a minute left"), (170, "3 min left"), (4800, "1 h 20 min left")],
)
def test_time_is_told_in_words(seconds, words):
    assert time_left(seconds) == words


def test_an_engine_that_is_lost_is_told_of(window, fake_bridge):
    fake_bridge.engine_changed.emit("lost", "The engine ended unexpectedly.")
    assert window.notice.text == "The engine ended unexpectedly." and "engine lost" in window.status.text


# ---------------------------------------------------------------------- what is said, and until when


def test_an_engine_that_is_ready_again_is_lost_no_more(window, fake_bridge):
    fake_bridge.engine_changed.emit("lost", "The engine ended unexpectedly.")
    fake_bridge.engine_changed.emit("starting", "")
    assert window.notice.text == "The engine ended unexpectedly."
    fake_bridge.engine_changed.emit("ready", "")
    assert window.notice.text == "" and window.notice.isHidden()


def test_what_was_said_of_a_model_ends_when_another_is_opened(window, fake_bridge, model, tmp_path):
    window.open(str(tmp_path / "none.keras"))
    window.open(model.path)
    assert "no file" in window.notice.text
    fake_bridge.give_model(model)
    assert window.notice.text == ""


def test_what_was_said_of_a_run_ends_when_the_next_one_speaks(opened, fake_bridge, tmp_path):
    fake_bridge.say(RunFailed(1, "The disk is full."))
    opened.page("train").interrupted.emit("/models/art.keras", 12)
    assert opened.notice.text == "The disk is full.", "an offer never hides what went wrong"
    opened.train_on("paintings")
    fake_bridge.say(Working(2, 1, 10, "decoding pictures"))
    assert "disk" not in opened.notice.text
    opened.notice.dismiss()
    opened.notice.dismiss()
    assert opened.notice.text == ""


def test_a_finished_model_is_not_offered_once_it_is_open(opened, fake_bridge, model, tmp_path):
    other = replace(model, path=str(tmp_path / "art-2.keras"))
    Path(other.path).touch()
    fake_bridge.say(Delivered(1, other.path, "", False, {}))
    opened.page("train").run_delivered.emit(other.path)
    assert "is done" in opened.notice.text and opened.notice._action.isVisible()
    opened.open(other.path)
    fake_bridge.give_model(other)
    assert opened.notice.text == ""


def test_a_run_that_somebody_stopped_has_not_gone_wrong(opened, fake_bridge):
    fake_bridge.say(RunFailed(1, "The run was stopped before training began.", stopped=True))
    fake_bridge.engine_changed.emit("lost", "The engine ended unexpectedly.")
    opened.notice.dismiss()
    assert opened.notice.text == "The run was stopped before training began.", "below what did go wrong"


def test_esc_closes_the_line_on_top_whatever_has_the_keyboard(opened, qtbot):
    opened.activateWindow()
    page = opened.page("explore")
    inner = [kind(page) for kind in (QPushButton, QLineEdit, QSlider, QComboBox, QListWidget)]
    for widget in (opened, page, *inner):
        opened.notice.show_error("First.")
        opened.notice.show_error("Second.")
        widget.setFocus()
        qtbot.keyClick(widget, Qt.Key.Key_Escape)
        assert opened.notice.text == "First.", type(widget).__name__
        qtbot.keyClick(widget, Qt.Key.Key_Escape)
        assert opened.notice.text == "" and opened.isVisible()


def test_there_is_one_line_however_many_pages_speak(fake_bridge, preferences, qtbot, opened):
    made = MainWindow(fake_bridge, preferences, REAL)
    qtbot.addWidget(made)
    made.show()
    for name in ("explore", "compare", "make"):
        made.page(name).notice.show_error(f"{name} failed.")
    made.notice.show_error("The window failed.")
    assert [one.text for one in made.findChildren(Notice) if one.isVisible()] == ["The window failed."]
    for left in ("make failed.", "compare failed.", "explore failed.", ""):
        qtbot.keyClick(made, Qt.Key.Key_Escape)
        assert made.notice.text == left


# ---------------------------------------------------------------------- which run is on screen


def _follow(following: FollowedRun, run: int, path: str, first: bool = False, follows: bool = True) -> list[str]:
    done: list[str] = []
    following.snapshot(
        Snapshot(run, path, first), follows, lambda one: done.append("open " + one), lambda one: done.append(one)
    )
    return done


def test_a_followed_run_is_opened_once_and_refreshed_after_that():
    following = FollowedRun()
    assert _follow(following, 1, "a", first=True) == ["open a"]
    assert _follow(following, 1, "b") == ["b"] and following.shown == 1
    assert following.ended(1) and following.shown is None


def test_a_model_opened_by_hand_is_not_overtaken_by_the_run():
    following = FollowedRun()
    _follow(following, 1, "a", first=True)
    following.turned_away()
    assert _follow(following, 1, "b") == [] and not following.ended(1)


def test_following_a_run_again_shows_it_again():
    following = FollowedRun()
    _follow(following, 1, "a", first=True)
    following.turned_away()
    assert _follow(following, 1, "b", follows=False) == []
    assert _follow(following, 1, "c") == ["open a", "c"]  # the file of the run is as old as the run
    assert _follow(following, 1, "d") == ["d"]


# ---------------------------------------------------------------------- what is remembered, and the end


def test_page_looks_and_size_are_remembered(qtbot, fake_bridge, preferences, window):
    window.resize(1000, 640)
    window.show_page("train")
    next(one for one in window.findChildren(type(window.menus.edit.menuAction())) if one.text() == "&Dark").trigger()
    window.close()
    assert theme.is_dark()
    theme.choose("system")
    again = MainWindow(fake_bridge, preferences, PAGES)
    qtbot.addWidget(again)
    assert theme.is_dark() and again.height() == 640  # a new one would be 720 high on this screen
    assert again.last_page == "train"


def test_a_model_given_at_the_start_lands_on_the_page_of_the_last_time(window, fake_bridge, model):
    window.open(model.path, "map")
    fake_bridge.give_model(model)
    assert _shown(window) is window.page("map")
    window.open(model.path)
    fake_bridge.give_model(model)
    assert _shown(window) is window.page("explore")


def test_closing_while_a_training_goes_on_asks_once_and_keeps_the_model(opened, fake_bridge, qtbot):
    opened.train_on("paintings")
    opened.close()
    assert opened.isVisible()
    box = opened.findChild(QMessageBox)
    next(one for one in box.buttons() if one.text() == "Stop and keep the model").click()
    assert (1, Stop()) in fake_bridge.told and opened.isVisible()
    fake_bridge.say(Delivered(1, "art-2.keras", "", True, {}))
    qtbot.waitUntil(lambda: not opened.isVisible())


def test_closing_can_be_thought_over(opened, fake_bridge):
    opened.train_on("paintings")
    opened.close()
    next(one for one in opened.findChild(QMessageBox).buttons() if one.text() == "Go on training").click()
    assert opened.isVisible() and fake_bridge.told == []


def test_a_window_told_to_leave_asks_nothing(opened, fake_bridge, qtbot):
    opened.train_on("paintings")
    opened.leave()
    qtbot.waitUntil(lambda: not opened.isVisible())


def test_trouble_from_another_thread_is_said_in_the_window(window, qtbot):
    import threading

    thread = threading.Thread(target=lambda: window.trouble.emit("Something went wrong."))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: window.notice.text == "Something went wrong.")


@pytest.mark.parametrize("desktop_can", [True, False])
def test_the_log_is_shown_by_the_desktop_or_in_a_sheet(window, monkeypatch, tmp_path, desktop_can):
    shown = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: shown.append(url.toLocalFile()) or desktop_can)
    log.begin(tmp_path / "art.log")
    try:
        logging.getLogger("explorer").info("the engine was lost")
        (action,) = [one for one in window.findChildren(QAction) if one.text() == "Show the &log"]
        action.trigger()
    finally:
        log.end()
    assert shown == [str(tmp_path / "art.log")]
    sheets = [text.toPlainText() for text in window.findChildren(QPlainTextEdit)]
    assert len(sheets) == (0 if desktop_can else 1) and all("the engine was lost" in text for text in sheets)


def test_without_a_log_the_sheet_says_how_to_have_one(window):
    window.menus.show_log()
    (text,) = window.findChildren(QPlainTextEdit)
    assert "--log FILE" in text.toPlainText()


def test_help_opens_what_is_kl_beside_the_window(window, qtbot):
    actions = window.findChildren(QAction)
    next(action for action in actions if action.text() == "&What is KL?").trigger()
    (page,) = window.findChildren(KLPage)
    assert page.window().windowTitle() == "What is KL?" and page.isVisible()
    page.window().close()


def test_what_is_kl_asks_what_independence_costs_the_open_model_until_it_is_closed(window, fake_bridge, model, qtbot):
    fake_bridge.give_model(model)
    window.menus.show_kl()
    (page,) = window.findChildren(KLPage)
    ticket, _ = fake_bridge.last(ReadIndependence)
    fake_bridge.answer(ticket, Independence("art", 0.1, 3.21, 221.0, 0.0))
    assert "cost at least 3.21 nats" in page.measured.text() and page.measured.isVisible()
    page.window().close()
    qtbot.waitUntil(lambda: ticket in fake_bridge.cancelled)


def test_help_shows_the_picture_of_bayesian_networks(window):
    actions = window.findChildren(QAction)
    next(action for action in actions if action.text() == "&Bayesian networks").trigger()
    sheet = next(one for one in window.findChildren(QDialog) if one.windowTitle() == "Bayesian networks")
    pictures = [label.pixmap() for label in sheet.findChildren(QLabel) if not label.pixmap().isNull()]
    assert len(pictures) == 1 and pictures[0].width() > 600
    sheet.close()
