"""The Train page: starting, steering and comparing runs with a bridge that records what is asked."""

import numpy as np
import pytest
from PyQt6.QtCore import QFile, QSettings, Qt
from PyQt6.QtWidgets import QFileDialog

from explorer.messages import (
    Began,
    Continue,
    Delivered,
    EpochEnded,
    FindInterrupted,
    Hello,
    InterruptedRuns,
    LookInto,
    Pause,
    Paused,
    PicturesReady,
    Preview,
    Resumed,
    RunFailed,
    Seen,
    SetWeight,
    Steps,
    Stop,
    Working,
)
from explorer.state.naming import model_name
from explorer.train.page import TrainPage
from explorer.train.preview import PreviewGrid
from explorer.train.words import status
from explorer.widgets.preferences import Preferences


@pytest.fixture
def preferences(tmp_path):
    made = Preferences(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat))
    made.set("models_folder", str(tmp_path / "models"))
    return made


@pytest.fixture
def page(qtbot, fake_bridge, preferences):
    made = TrainPage(fake_bridge, preferences)
    qtbot.addWidget(made)
    made.resize(1300, 676)
    made.show()
    qtbot.waitUntil(lambda: bool(made.form.fields))
    return made


def test_a_start_in_the_moment_the_page_is_made_goes_through_the_form(qtbot, fake_bridge, preferences):
    page = TrainPage(fake_bridge, preferences)
    qtbot.addWidget(page)
    page.start({"kl_weight": 0.3, "size": None})
    assert page.form.fields["kl_weight"].value() == 0.3
    assert fake_bridge.runs[0][1] == page.form.values(), "as chosen in the form: what is left to kvae is not sent"


def test_the_keyboard_goes_through_the_form_with_its_folds_and_then_to_the_run(page):
    form, order = page.form, [page.form.fields["data"]]
    while (following := order[-1].nextInFocusChain()) is not order[0]:
        order.append(following)

    def stands(widget):
        return next(place for place, one in enumerate(order) if one is widget or widget.isAncestorOf(one))

    folded = [
        name for name, field in form.fields.items() if any(fold.isAncestorOf(field) for fold in form.folds.values())
    ]
    assert len(folded) > 3
    last = [stands(form.fields[name]) for name in ("kl_weight", *folded)]
    assert last == sorted(last)
    assert last[-1] < stands(form.button) < stands(page.bar) < stands(page.curves) < stands(page.table)


def test_a_run_that_was_cut_off_is_found_and_goes_on(qtbot, page, fake_bridge, tmp_path):
    folder, path = str(tmp_path / "models"), str(tmp_path / "models" / "art-3.keras")
    ticket, asked = fake_bridge.last(FindInterrupted)
    assert asked.folder == folder
    with qtbot.waitSignal(page.interrupted) as told:
        fake_bridge.answer(ticket, InterruptedRuns((path, str(tmp_path / "older.keras")), (812, 3)))
    assert told.args == [path, 812]
    page.go_on(path)
    assert fake_bridge.runs == [(1, {}, path, path)]
    given = {"data": "/my/pictures", "kl_weight": 0.3, "autoencoder": False}
    fake_bridge.say(Resumed(1, given))
    assert page.runs[1].settings == given, "what is trained again is this"
    page.go_on(path)
    assert len(fake_bridge.runs) == 1, "one at a time"
    before = len(fake_bridge.asked)
    fake_bridge.say(RunFailed(1, "The training process ended unexpectedly."))
    assert fake_bridge.asked[before][1] == FindInterrupted(folder)


def test_going_on_is_offered_once_for_each_run_that_was_cut_off(page, fake_bridge):
    told = []
    page.interrupted.connect(lambda path, step: told.append(path))

    def find(*paths):
        page.look_for_interrupted()
        fake_bridge.answer(fake_bridge.last(FindInterrupted)[0], InterruptedRuns(paths, (5,) * len(paths)))

    find("/m/art.keras")
    find("/m/art.keras")
    assert told == ["/m/art.keras"], "somebody has read it"
    find("/m/art-2.keras", "/m/art.keras")
    assert told == ["/m/art.keras", "/m/art-2.keras"]
    page.go_on("/m/art-2.keras")
    fake_bridge.say(RunFailed(1, "The training process ended unexpectedly."))
    find("/m/art-2.keras")
    assert told[2:] == ["/m/art-2.keras"], "cut off once more"


def test_a_preparation_that_was_stopped_is_not_told_as_a_failure(page, fake_bridge):
    page.start({"kl_weight": 0.1})
    before = len(fake_bridge.asked)
    fake_bridge.say(RunFailed(1, "The run was stopped before training began, so there is no model.", stopped=True))
    page._redraw()
    assert page.bar.text.text() == "Run 1. The run was stopped before training began, so there is no model."
    assert page.bar.text.property("role") == "" and len(fake_bridge.asked) == before
    assert page.table.table.item(0, 7).text() == "stopped"


def steps(run: int, first: int, weights, progress: float = 0.5) -> Steps:
    step = np.arange(first, first + len(weights), dtype=np.float64)
    weights = np.asarray(weights, np.float64)
    return Steps(run, step, 50 + 0 * step, 20 + 0 * step, weights, 50 + 20 * weights, step, progress, 10.0)


def begin(page, bridge, run: int = 1, weight: float = 0.1) -> None:
    if run not in page.runs:
        page.start({"kl_weight": weight})
    limit = np.array([0.01, 1.0]), np.array([5.0, 20.0]), np.array([60.0, 9.0])
    bridge.say(PicturesReady(run, "paintings", 90, 10, "cpu", *limit))
    bridge.say(Began(run, weight, 400, 10, 0))


def deliver(bridge, run: int = 1, distortion: float = 40.0) -> None:
    evaluated = {"distortion": distortion, "rate": 19.5, "loss": 42.0, "psnr": 21.25}
    bridge.say(Delivered(run, f"/m/art-{run}.keras", "", False, evaluated))


def test_start_asks_the_bridge_for_exactly_what_the_form_holds(qtbot, page, fake_bridge, tmp_path):
    page.form.fields["kl_weight"].set_value(0.3)
    qtbot.mouseClick(page.form.button, Qt.MouseButton.LeftButton)
    defaults = {info.name: info.default for info in fake_bridge.settings if info.default is not None}
    expected = (1, {**defaults, "kl_weight": 0.3}, str(tmp_path / "models" / "paintings 0.3.keras"), "")
    assert fake_bridge.runs == [expected]


def test_a_broken_bound_starts_nothing(qtbot, page, fake_bridge):
    page.start({"size": 5})
    assert fake_bridge.runs == [] and "from 16 to 512 pixels; 5 is not" in page.form.complaint.text()


def test_the_form_appears_when_the_engine_has_spoken(qtbot, fake_bridge, preferences):
    settings, fake_bridge.settings = fake_bridge.settings, ()
    page = TrainPage(fake_bridge, preferences)
    qtbot.addWidget(page)
    page.start({"kl_weight": 1.0})  # asked for before that, it goes out as it is
    assert fake_bridge.runs[0][1] == {"kl_weight": 1.0}
    fake_bridge.hello.emit(Hello("1", settings))
    qtbot.waitUntil(lambda: "size" in page.form.fields)


def test_the_bar_says_how_far_the_run_is(page, fake_bridge):
    page.start({"kl_weight": 0.1})
    fake_bridge.say(Working(1, 20, 80, "decoding pictures"))
    page._redraw()
    assert page.bar.text.text() == "Run 1 · weight 0.1 · looking through the pictures"
    assert page.bar.progress.value() == 125, "a quarter of the pictures, which are half of the work"
    begin(page, fake_bridge)
    fake_bridge.say(steps(1, 1, [0.1] * 100, progress=0.25))
    page._redraw()
    assert page.bar.text.text() == "Run 1 · weight 0.1 · epoch 10 of 40 · 5 min left"
    assert page.bar.progress.value() == 250


def test_the_knob_tells_the_run_while_it_trains(qtbot, page, fake_bridge):
    begin(page, fake_bridge)
    fake_bridge.say(steps(1, 1, [0.1] * 10))
    page._redraw()
    page.bar.knob._entry.setFocus()
    page.bar.knob._entry.setText("0.7")
    with qtbot.waitSignal(page.bar.knob.changed):
        qtbot.keyClick(page.bar.knob._entry, Qt.Key.Key_Return)
    assert fake_bridge.told == [(1, SetWeight(0.7))]
    page._redraw()  # batches from before the turn do not turn it back
    assert page.bar.knob.value() == 0.7
    fake_bridge.say(steps(1, 11, [0.7] * 10))
    page._redraw()
    assert [(mark.value(), mark.label.format) for mark in page.curves.plot.lines[1].marks] == [(11.0, "β 0.7")]


def test_pause_continue_and_stop_reach_the_run(qtbot, page, fake_bridge):
    begin(page, fake_bridge)
    page._redraw()
    qtbot.mouseClick(page.bar.pause, Qt.MouseButton.LeftButton)
    assert not page.bar.pause.isEnabled()  # asked once is enough
    fake_bridge.say(Paused(1))
    page._redraw()
    assert page.bar.pause.text() == "&Continue" and page.bar.text.text().endswith("paused")
    qtbot.mouseClick(page.bar.pause, Qt.MouseButton.LeftButton)
    assert page.bar.pause.text() == "&Pause" and page.bar.pause.isEnabled()
    qtbot.mouseClick(page.bar.stop, Qt.MouseButton.LeftButton)
    assert not page.bar.stop.isEnabled() and "the model is being saved" in page.bar.text.text()
    assert [content for _, content in fake_bridge.told] == [Pause(), Continue(), Stop()]


def test_one_run_at_a_time(qtbot, page, fake_bridge):
    begin(page, fake_bridge)
    page.start({"kl_weight": 1.0})
    assert len(fake_bridge.runs) == 1 and not page.form.button.isEnabled()
    assert "One run at a time" in page.form.complaint.text()
    deliver(fake_bridge)
    assert page.form.button.isEnabled()


def test_retraining_with_another_weight_keeps_all_else_and_shows_both_runs(qtbot, page, fake_bridge):
    page.start({"kl_weight": 0.1, "seed": 9, "size": 32, "epochs": 3})
    begin(page, fake_bridge)
    fake_bridge.say(steps(1, 1, [0.1] * 30))
    deliver(fake_bridge)
    assert page.table.weight.text() == "1"  # the question's other weight is offered
    qtbot.mouseClick(page.table.retrain, Qt.MouseButton.LeftButton)
    first, second = fake_bridge.runs[0][1], fake_bridge.runs[1][1]
    assert second == {**first, "kl_weight": 1.0}
    begin(page, fake_bridge, 2, 1.0)
    fake_bridge.say(steps(2, 1, [1.0] * 20))
    page._redraw()
    lengths = [len(page.curves.plot.lines[run].front["loss"].getData()[0]) for run in (1, 2)]
    assert lengths == [30, 20]
    shown = [[page.table.table.item(row, column).text() for column in (0, 1, 7)] for row in (0, 1)]
    assert shown == [["1", "0.1", "done"], ["2", "1", "training"]]
    assert page.form.values()["kl_weight"] == 1.0


def test_the_row_of_a_run_shows_its_measures(page, fake_bridge):
    begin(page, fake_bridge)
    record = {"val_distortion": 44.5, "val_rate": 18.0, "val_loss": 46.3, "val_psnr": 20.0}
    fake_bridge.say(EpochEnded(1, record))
    fake_bridge.say(steps(1, 1, [0.1] * 30))
    page._redraw()
    texts = [page.table.table.item(0, column).text() for column in range(8)]
    assert texts == ["1", "0.1", "44.50", "18.00", "46.30", "20.0", "30 s", "training"]
    deliver(fake_bridge)
    assert page.table.table.item(0, 2).text() == "40.00"


def test_a_delivered_run_is_announced_and_a_double_click_opens_its_model(page, fake_bridge):
    delivered, wanted = [], []
    page.run_delivered.connect(delivered.append)
    page.model_wanted.connect(wanted.append)
    begin(page, fake_bridge)
    page._redraw()
    page.table.table.cellDoubleClicked.emit(0, 0)
    assert wanted == []  # there is no model yet
    deliver(fake_bridge)
    page.table.table.cellDoubleClicked.emit(0, 0)
    assert (delivered, wanted) == (["/m/art-1.keras"], ["/m/art-1.keras"])


def test_a_failed_run_leaves_its_sentence_in_the_bar(page, fake_bridge):
    begin(page, fake_bridge)
    fake_bridge.say(RunFailed(1, "The loss is no number any more. Try a smaller step."))
    assert page.bar.text.text() == "Run 1 failed. The loss is no number any more. Try a smaller step."
    assert page.bar.isVisible() and not page.bar.stop.isVisible() and page.form.button.isEnabled()
    page._redraw()
    assert "no number" in page.bar.text.text()


def test_the_menu_hides_removes_and_fills_the_form(page, fake_bridge):
    page.start({"kl_weight": 0.1, "seed": 5})
    begin(page, fake_bridge)
    fake_bridge.say(steps(1, 1, [0.1] * 30))
    deliver(fake_bridge)

    def choose(words):
        menu = page.table.menu_of(page.runs[1])
        next(action for action in menu.actions() if words in action.text().replace("&", "")).trigger()

    choose("Hide its curves")
    assert not page.curves.plot.lines[1].front["loss"].isVisible() and page.chart.places == []
    choose("Show its curves")
    assert page.curves.plot.lines[1].front["loss"].isVisible()
    page.form.fill({})
    choose("Train again with another weight")
    assert page.form.values()["seed"] == 5
    choose("Remove")
    assert page.table.table.rowCount() == 0 and page.curves.plot.lines == {} and not page.bar.isVisible()
    fake_bridge.say(steps(1, 31, [0.1]))  # a late word of a removed run harms nothing


def test_a_row_keeps_the_weights_that_its_run_was_turned_through(page, fake_bridge):
    begin(page, fake_bridge)
    fake_bridge.say(steps(1, 1, [0.1] * 40 + [0.5] * 40))
    page._redraw()
    assert page.table.table.item(0, 1).text() == "0.1 → 0.5"
    fake_bridge.say(steps(1, 81, [0.2] * 40 + [0.21] + [2.0] * 40))
    page._redraw()
    assert page.table.table.item(0, 1).text() == "0.1 → … → 2"
    assert page.table.table.item(0, 1).toolTip() == "Turned through 0.1, 0.5, 0.2, 2"


def test_runs_on_different_pictures_stand_in_groups_that_are_named(page, fake_bridge, tmp_path):
    (tmp_path / "birds").mkdir()
    for number, data in enumerate(["paintings", str(tmp_path / "birds"), "paintings"], start=1):
        page.start({"kl_weight": 0.1, "data": data, "size": 32})
        begin(page, fake_bridge, number)
        deliver(fake_bridge, number)
    table = page.table.table
    assert [table.item(row, 0).text() for row in range(5)] == [
        "birds, 32 pixels", "2", "sample paintings, 32 pixels", "1", "3",
    ]  # fmt: skip
    assert page.table.current.number == 3 and table.columnSpan(0, 0) == table.columnCount()
    assert not table.item(0, 0).flags(), "not a run"
    page.table.select(2)
    page._redraw()
    assert page.curves.view.faded == {1, 3}
    table.cellDoubleClicked.emit(0, 0)  # nothing to open there


def test_nothing_in_the_table_is_cut_at_the_usual_size(page, fake_bridge, qtbot):
    begin(page, fake_bridge)
    fake_bridge.say(EpochEnded(1, {"val_distortion": 1234.5, "val_rate": 1180.0, "val_loss": 1346.3, "val_psnr": 20.1}))
    fake_bridge.say(steps(1, 1, [0.1] * 40 + [0.25] * 40))
    page.resize(1280, 676)
    page._redraw()
    qtbot.wait(30)
    page._redraw()
    table = page.table.table
    last = table.visualItemRect(table.item(0, 7))
    assert table.viewport().rect().contains(last)
    assert last.width() >= table.fontMetrics().horizontalAdvance("training")


def test_runs_and_what_they_learned_from_are_there_at_the_next_start(qtbot, fake_bridge, preferences, tmp_path):
    first = TrainPage(fake_bridge, preferences)
    qtbot.addWidget(first)
    (tmp_path / "birds").mkdir()
    (tmp_path / "art.keras").touch()
    first.start({"data": str(tmp_path / "birds"), "kl_weight": 0.3, "epochs": 7, "size": 32})
    begin(first, fake_bridge, 1, 0.3)
    evaluated = {"distortion": 40.0, "rate": 19.5, "loss": 42.0, "psnr": 21.25}
    fake_bridge.say(Delivered(1, str(tmp_path / "art.keras"), "", False, evaluated))
    first.table.renamed.emit(1, "Blue birds")
    again = TrainPage(fake_bridge, preferences)
    qtbot.addWidget(again)
    again.show()
    qtbot.waitUntil(lambda: bool(again.form.fields) and again.table.table.rowCount() == 1)
    assert [again.table.table.item(0, column).text() for column in (0, 1, 2)] == ["Blue birds", "0.3", "40.00"]
    assert [place.distortion for place in again.chart.places] == [40.0] and not again.bar.isVisible()
    values = again.form.values()
    assert values["data"] == str(tmp_path / "birds") and values["epochs"] == 7 and values["size"] == 64
    again.start({**values, "kl_weight": 1.0})
    again._redraw()
    assert again.table.current.number == max(again.runs) > 0, "a new run comes after them"
    wanted = []
    again.model_wanted.connect(wanted.append)
    again.table.opened.emit(-1)
    assert wanted == [str(tmp_path / "art.keras")]


def test_a_run_is_deleted_with_its_model_which_goes_to_the_trash(page, fake_bridge, preferences, tmp_path, monkeypatch):
    path, trashed = tmp_path / "art.keras", []
    path.touch()
    monkeypatch.setattr(QFile, "moveToTrash", staticmethod(lambda one: trashed.append(one) or (True, "")))
    begin(page, fake_bridge)
    fake_bridge.say(Delivered(1, str(path), "", False, {}))
    page.table.trashed.emit(1)
    assert trashed == [str(path)] and page.runs == {} and preferences.get("train/runs") == []
    begin(page, fake_bridge, 2)
    fake_bridge.say(Delivered(2, str(path), "", False, {}))
    monkeypatch.setattr(QFile, "moveToTrash", staticmethod(lambda one: (False, "")))
    page.table.trashed.emit(2)
    assert list(page.runs) == [2] and "could not be moved to the trash" in page.news.text()


def test_a_number_that_is_refused_does_not_start_another_run_than_was_meant(qtbot, page, fake_bridge):
    page.form.length.entry.setText("-3")
    page.form.length.entry.finish()
    assert "-3 is not" in page.form.complaint.text() and page.form.complaint.isVisible()
    qtbot.mouseClick(page.form.button, Qt.MouseButton.LeftButton)
    assert fake_bridge.runs == []
    qtbot.mouseClick(page.form.button, Qt.MouseButton.LeftButton)
    assert len(fake_bridge.runs) == 1 and "epochs" not in fake_bridge.runs[0][1]


def test_a_run_that_hangs_can_be_ended_at_once(page, fake_bridge):
    begin(page, fake_bridge)
    page._redraw()
    menu = page.table.menu_of(page.runs[1])
    next(action for action in menu.actions() if "without a model" in action.text()).trigger()
    assert fake_bridge.killed == [1]


def test_many_messages_are_drawn_once(qtbot, page, fake_bridge):
    begin(page, fake_bridge)
    page._redraw()
    before = page.curves.redraws
    for first in range(1, 1001, 10):
        fake_bridge.say(steps(1, first, [0.1] * 10))
    assert page.curves.redraws == before
    qtbot.waitUntil(lambda: page.curves.redraws > before)
    assert page.curves.redraws == before + 1
    assert len(page.runs[1].terms) == 1000
    assert not page._timer.isActive()  # nothing new, nothing to draw


def test_a_page_out_of_sight_draws_nothing_and_catches_up_when_shown(qtbot, page, fake_bridge):
    begin(page, fake_bridge)
    page.hide()
    before = page.curves.redraws
    page._timer.stop()
    fake_bridge.say(steps(1, 1, [0.1] * 30))
    assert not page._timer.isActive() and page.curves.redraws == before
    page.show()
    qtbot.waitUntil(lambda: page.curves.redraws == before + 1)
    assert len(page.curves.plot.lines[1].front["loss"].getData()[0]) == 30


def test_following_never_takes_the_place_of_an_open_model_unasked(page, fake_bridge, model_info):
    begin(page, fake_bridge)
    assert page.is_following(1)  # nothing was open
    deliver(fake_bridge)
    fake_bridge.give_model(model_info)
    page.start({"kl_weight": 1.0})
    assert not page.is_following(2)
    page.bar.follow.click()
    assert page.is_following(2)
    page.bar.follow.click()
    assert not page.is_following(2)


def test_the_preview_is_of_the_selected_run_and_gives_the_calibrated_weight(page, fake_bridge):
    begin(page, fake_bridge)
    pictures = np.zeros((4, 8, 8, 3), np.uint8)
    fake_bridge.say(EpochEnded(1, {"val_distortion": 19.2}))
    fake_bridge.say(Preview(1, 120, pictures, pictures))
    page._redraw()
    assert "run 1, step 120" in page.preview.caption
    assert page.bar.knob._star.text() == "calibrated: 0.2"  # 2 · 19.2 / (8 · 8 · 3)


def test_the_preview_shows_originals_over_reconstructions_in_exact_pixels(qtbot):
    grid = PreviewGrid()
    qtbot.addWidget(grid)
    grid.resize(200, 140)
    red, blue = np.zeros((4, 8, 8, 3), np.uint8), np.zeros((4, 8, 8, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    red[0, 0, 0] = (0, 255, 0)
    grid.show_preview(Preview(1, 5, red, blue))
    count, columns, scale = grid.layout_of(200, 140)
    assert (count, columns, scale) == (2, 2, 8.0), "two in whole pixels rather than four that are tiny"
    shot = grid.grab().toImage()
    assert shot.pixelColor(0, 0).name() == shot.pixelColor(7, 7).name() == "#00ff00"
    assert shot.pixelColor(8, 8).name() == "#ff0000"
    assert shot.pixelColor(20, 70).name() == "#0000ff"


def test_large_pictures_are_made_smaller_rather_than_left_out(qtbot):
    grid = PreviewGrid()
    qtbot.addWidget(grid)
    pictures = np.zeros((8, 256, 256, 3), np.uint8)
    grid.show_preview(Preview(1, 5, pictures, pictures))
    count, columns, scale = grid.layout_of(280, 200)
    assert count == 3 and 0 < scale < 1
    assert columns * 256 * scale <= 280 and -(-count // columns) * 2 * 256 * scale <= 200


@pytest.mark.parametrize("room", [(276, 226), (500, 226), (276, 500), (700, 400)])
def test_previews_are_large_enough_to_judge_and_use_the_room(qtbot, room):
    grid = PreviewGrid()
    qtbot.addWidget(grid)
    pictures = np.zeros((8, 64, 64, 3), np.uint8)
    grid.show_preview(Preview(1, 5, pictures, pictures))
    count, columns, scale = grid.layout_of(*room)
    assert 2 <= count <= 8 and 64 * scale >= 80
    across, down = columns * 64 * scale, -(-count // columns) * 128 * scale
    assert across <= room[0] and down <= room[1] and max(across / room[0], down / room[1]) > 0.75


def test_what_stands_below_the_bar_stays_where_it_is_when_the_run_ends(qtbot, page, fake_bridge):
    begin(page, fake_bridge)
    fake_bridge.say(steps(1, 1, [0.1] * 30))
    page._redraw()
    qtbot.wait(30)
    before = page.preview.geometry(), page.curves.geometry()
    deliver(fake_bridge)
    qtbot.wait(30)
    assert not page.bar.stop.isVisible() and (page.preview.geometry(), page.curves.geometry()) == before


def test_models_go_among_the_documents_wherever_the_program_was_started(tmp_path, monkeypatch):
    preferences = Preferences(QSettings(str(tmp_path / "t.ini"), QSettings.Format.IniFormat))
    (tmp_path / "models").mkdir()
    before = preferences.models_folder
    monkeypatch.chdir(tmp_path)
    assert preferences.models_folder == before and before.is_absolute() and before.name == "kvae"


def test_where_models_go_is_shown_and_can_be_chosen(page, fake_bridge, preferences, tmp_path, monkeypatch):
    place = page.form.place
    page.resize(1280, 640)
    page.show()
    assert place.label.toolTip() == str(tmp_path / "models") and place.label.text().startswith("Models go to ")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "other"))
    place.button.click()
    assert preferences.models_folder == tmp_path / "other" and place.label.toolTip() == str(tmp_path / "other")
    page.start({"kl_weight": 0.25})
    assert fake_bridge.runs[-1][2] == str(tmp_path / "other" / "paintings 0.25.keras")


def test_a_folder_that_is_chosen_shows_its_count_and_a_few_of_its_pictures(page, fake_bridge, tmp_path):
    field = page.form.fields["data"]
    assert not field.seen.isVisibleTo(page)
    field.set_value(str(tmp_path))
    ticket, question = fake_bridge.last(LookInto)
    assert question.data == str(tmp_path)
    fake_bridge.answer(ticket, Seen(str(tmp_path), 24, 0, np.zeros((8, 64, 64, 3), np.uint8)))
    assert field.seen.isVisibleTo(page) and field.seen.words.text() == "24 pictures" and field.seen.count == 8
    field.set_value(str(tmp_path))
    assert fake_bridge.last(LookInto)[0] == ticket  # it is known
    field.set_value("paintings")
    assert not field.seen.isVisibleTo(page)
    field.set_value(str(tmp_path))
    fake_bridge.fail(fake_bridge.last(LookInto)[0], "There is no picture there.")
    assert field.seen.words.text() == "There is no picture there." and field.seen.count == 0


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "paintings 0.1"),
        ({"data": "/home/me/Sea & Sky", "kl_weight": 1.0}, "Sea & Sky 1"),
        ({"data": "/home/me/My.Paintings 2", "kl_weight": 0.02}, "My.Paintings 2 0.02"),
        ({"data": "/x/digits.npz", "kl_weight": (0.01, 1.0)}, "digits 0.01 to 1"),
        ({"data": "/x/a:b?", "autoencoder": True}, "a b autoencoder"),
    ],
)
def test_a_model_is_called_after_its_pictures_and_its_weight(settings, name):
    assert model_name(settings) == name


def test_an_autoencoder_is_called_one(page, fake_bridge):
    page.start({"autoencoder": True})
    begin(page, fake_bridge, weight=0.0)
    page._redraw()
    assert status(page.runs[1]).startswith("Run 1 · autoencoder · epoch 1 of 40")
    assert not page.bar.knob.isVisible()


def test_the_page_fits_a_small_screen(page):
    assert page.minimumSizeHint().width() <= 1366 - 80
    assert page.minimumSizeHint().height() <= 660
