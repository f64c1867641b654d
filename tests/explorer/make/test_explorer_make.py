"""The Make page, with a bridge that leads nowhere: what a user sees, and what is asked of the engine."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QModelIndex, QSettings, Qt
from PyQt6.QtWidgets import QListWidget

from explorer.make import export as make_export
from explorer.make import film as make_film
from explorer.make import form as make_form
from explorer.make import page as make
from explorer.make.page import MakePage
from explorer.messages import Decode, Decoded, Exported, ExportLatents, ExportMorph, ExportPicture, Progress
from explorer.state.bookmarks import Bookmark
from explorer.widgets.preferences import Preferences


def painted(latents):
    """The picture of a point: plain, its grey the first latent value."""
    greys = np.clip(np.round(latents[:, 0]), 0, 255).astype(np.uint8)
    return np.broadcast_to(greys[:, None, None, None], (len(latents), 16, 16, 3)).copy()


class Engine:
    """Answers what the page asked, one question after another."""

    def __init__(self, bridge):
        self.bridge, self.seen = bridge, 0

    def step(self, lane=None):
        """Answer the next unanswered `Decode` (of this lane); whether there was one."""
        while self.seen < len(self.bridge.asked):
            ticket, content, where = self.bridge.asked[self.seen]
            self.seen += 1
            if isinstance(content, Decode) and lane in (None, where):
                self.bridge.answer(ticket, Decoded(painted(content.latents)))
                return True
        return False

    def run(self):
        while self.step():
            pass


def point(grey):
    """A place whose picture has this grey."""
    return np.array([grey, 1, 0, 0, 0, 0, 0, 0], np.float32)


def marks(*greys):
    return tuple(Bookmark(f"Mark {grey}", tuple(map(float, point(grey)))) for grey in greys)


@pytest.fixture
def preferences(tmp_path):
    kept = Preferences(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))
    kept.set("export_folder", str(tmp_path / "films"))
    kept.set("make/style", "linear")
    kept.set("make/easing", "even")
    return kept


@pytest.fixture
def page(qtbot, fake_bridge, preferences):
    made = MakePage(fake_bridge, preferences)
    qtbot.addWidget(made)
    made.resize(1290, 640)
    made.show()
    return made


@pytest.fixture
def engine(fake_bridge):
    return Engine(fake_bridge)


@pytest.fixture
def loop_of_three(page, fake_bridge, model_info, engine):
    """Three bookmarks in a loop, 60 frames a leg, all decoded."""
    fake_bridge.give_model(model_info)
    page.set_bookmarks(marks(0, 60, 120))
    engine.run()
    return page


def names(page):
    return [keyframe.name for keyframe in page.strip.keyframes()]


def grey_shown(page):
    return int(page.player.view.image[0, 0, 0])


def choose(page, ending):
    page.export.form.format_choice.setCurrentIndex(page.export.form.format_choice.findData(ending))


# ---------------------------------------------------------------------- what to do next


def test_without_a_model_without_pictures_and_with_one_it_says_what_to_do(page, fake_bridge, model_info):
    assert page.empty.text() == make.NO_MODEL
    fake_bridge.give_model(model_info)
    assert page.empty.text() == "Bookmark two pictures in Explore, or drag from one to another on the Map."
    assert not page.player.isVisible() and not page.export.button.isEnabled()
    page.set_bookmarks(marks(10))
    assert page.empty.text() == make.ONE_PICTURE
    assert page.player.isVisible() and page.export.summary.text() == "A film needs two pictures in the strip."
    page.set_bookmarks(marks(10, 20))
    assert not page.empty.isVisible() and page.export.button.isEnabled()


def test_a_hidden_page_asks_nothing_until_it_is_shown(page, fake_bridge, model_info):
    page.hide()
    fake_bridge.give_model(model_info)
    page.set_bookmarks(marks(10, 20))
    assert fake_bridge.asked == []
    page.show()
    assert {lane for _, _, lane in fake_bridge.asked} == {"keys", "play"}


# ---------------------------------------------------------------------- the strip


def test_bookmarks_stand_in_the_strip_with_their_pictures(loop_of_three, fake_bridge):
    _, question = fake_bridge.last(Decode, "keys")
    np.testing.assert_array_equal(question.latents[:, 0], [0, 60, 120])
    assert question.kl_weight == pytest.approx(0.1)
    assert names(loop_of_three) == ["Mark 0", "Mark 60", "Mark 120"]
    picture = loop_of_three.strip.item(2).icon().pixmap(72, 72).toImage()
    assert picture.pixelColor(30, 30).getRgb()[:3] == (120, 120, 120)


def test_a_new_bookmark_joins_a_renamed_one_is_renamed_and_a_deleted_one_stays(loop_of_three):
    first, second, third = marks(0, 60, 120)
    loop_of_three.set_bookmarks((first, replace(third, name="Sea"), *marks(200)))
    assert names(loop_of_three) == ["Mark 0", "Mark 60", "Sea", "Mark 200"]


def test_two_bookmarks_of_one_place_keep_their_names_in_the_strip(page, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    one, other = marks(10)[0], replace(marks(10)[0], name="Sea")
    page.set_bookmarks((one, other))
    page.set_bookmarks((one, other, *marks(20)))
    assert names(page) == ["Mark 10", "Sea", "Mark 20"]


def test_a_picture_that_was_asked_for_arrives_though_its_bookmark_was_renamed_meanwhile(page, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    page.set_bookmarks(marks(10, 20))
    ticket, question = fake_bridge.last(Decode, "keys")
    page.set_bookmarks((replace(marks(10)[0], name="Sea"), *marks(20)))
    fake_bridge.answer(ticket, Decoded(painted(question.latents)))
    assert names(page) == ["Sea", "Mark 20"]
    assert not any(page.strip.item(row).icon().isNull() for row in range(2))


def test_a_picture_of_the_weight_before_does_not_come_back(loop_of_three, fake_bridge):
    strip = loop_of_three.strip
    strip.setCurrentRow(0)
    typed(loop_of_three.leg.weight, "0.4")
    ticket, question = fake_bridge.last(Decode, "keys")
    late = fake_bridge._pending[ticket][0]
    typed(loop_of_three.leg.weight, "0.7")
    late(Decoded(painted(question.latents)))
    assert strip.item(0).icon().isNull() and not strip.item(1).icon().isNull()
    ticket, question = fake_bridge.last(Decode, "keys")
    assert question.kl_weight == pytest.approx(0.7)
    fake_bridge.answer(ticket, Decoded(painted(question.latents)))
    assert not strip.item(0).icon().isNull()


def test_a_bookmark_taken_out_of_the_strip_does_not_come_back_by_itself(loop_of_three):
    loop_of_three.strip.setCurrentRow(1)
    loop_of_three.strip.remove()
    loop_of_three.set_bookmarks(marks(0, 60, 120))
    assert names(loop_of_three) == ["Mark 0", "Mark 120"]
    loop_of_three._menu.actions()[1].trigger()
    assert names(loop_of_three) == ["Mark 0", "Mark 120", "Mark 60"]


def test_the_menu_of_bookmarks_shows_their_pictures(loop_of_three, fake_bridge):
    loop_of_three._menu.aboutToShow.emit()
    ticket, question = fake_bridge.last(Decode, "bookmark pictures")
    fake_bridge.answer(ticket, Decoded(painted(question.latents)))
    greys = [one.icon().pixmap(40, 40).toImage().pixelColor(9, 9).red() for one in loop_of_three._menu.actions()]
    assert greys == [0, 60, 120]


def test_the_current_picture_can_be_added_once_there_is_one(loop_of_three, qtbot):
    assert not loop_of_three.add_button.isEnabled()
    loop_of_three.set_point(point(77))
    qtbot.mouseClick(loop_of_three.add_button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(loop_of_three.add_button, Qt.MouseButton.LeftButton)
    assert names(loop_of_three)[3:] == ["Picture 1", "Picture 2"]
    assert loop_of_three.strip.keyframes()[3].latents[0] == 77


def test_keys_move_duplicate_and_remove(loop_of_three, qtbot):
    strip = loop_of_three.strip
    strip.setCurrentRow(0)
    qtbot.keyClick(strip, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert names(loop_of_three) == ["Mark 60", "Mark 0", "Mark 120"]
    qtbot.keyClick(strip, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    assert names(loop_of_three) == ["Mark 60", "Mark 0", "Mark 0", "Mark 120"]
    qtbot.keyClick(strip, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    qtbot.keyClick(strip, Qt.Key.Key_Delete)
    assert names(loop_of_three) == ["Mark 60", "Mark 0", "Mark 120"]


def test_a_picture_dropped_behind_another_changes_the_film(loop_of_three, monkeypatch):
    strip = loop_of_three.strip
    assert strip.dragDropMode() == strip.DragDropMode.InternalMove

    def moved_by_qt(self, event):  # what Qt does of a drop; it only knows a real one's source
        nowhere = QModelIndex()
        self.model().moveRow(nowhere, 0, nowhere, 3)

    monkeypatch.setattr(QListWidget, "dropEvent", moved_by_qt)
    strip.dropEvent(None)
    assert names(loop_of_three) == ["Mark 60", "Mark 120", "Mark 0"]
    np.testing.assert_array_equal(loop_of_three.film._latents[[0, 60, 120], 0], [60, 120, 0])


def test_choosing_a_picture_in_the_strip_shows_its_frame(loop_of_three):
    loop_of_three.strip.setCurrentRow(2)
    assert loop_of_three.player.position == 120
    assert grey_shown(loop_of_three) == 120


# ---------------------------------------------------------------------- a morph from the map


def test_a_morph_from_the_map_plays_and_the_strip_can_be_brought_back(loop_of_three, engine, qtbot):
    loop_of_three.set_morph(point(10), point(200))
    assert names(loop_of_three) == ["From", "To"] and loop_of_three.player.playing
    assert "3 pictures were taken out" in loop_of_three.notice.text
    loop_of_three.set_bookmarks(marks(0, 60, 120, 180))
    assert names(loop_of_three) == ["From", "To"]
    qtbot.mouseClick(loop_of_three.notice._action, Qt.MouseButton.LeftButton)
    assert names(loop_of_three) == ["Mark 0", "Mark 60", "Mark 120"]


def test_a_morph_wanted_while_the_page_is_hidden_is_there_when_it_is_shown(page, fake_bridge, model_info, engine):
    fake_bridge.give_model(model_info)
    page.hide()
    page.set_morph(point(10), point(200))
    page.show()
    engine.run()
    assert page.player.playing
    assert grey_shown(page) == 10


# ---------------------------------------------------------------------- the film


def test_a_loop_has_one_leg_more_and_does_not_repeat_its_first_frame(loop_of_three):
    assert len(loop_of_three.latents()) == 180
    loop_of_three.morph.loop_box.setChecked(False)
    assert len(loop_of_three.latents()) == 121
    assert loop_of_three.export.summary.text().startswith("121 frames · 4.0 s")


def test_seconds_and_rate_set_the_number_of_frames(loop_of_three):
    loop_of_three.morph.seconds.setValue(0.5)
    loop_of_three.morph.rate.set_place(2, 25)
    assert loop_of_three.export.summary.text().startswith("90 frames · 1.5 s")
    loop_of_three.morph.rate.set_place(3, 12.5)
    assert loop_of_three.film.count == 18


def test_frames_are_asked_sixteen_at_a_time_one_question_after_another(page, fake_bridge, model_info, engine):
    fake_bridge.give_model(model_info)
    page.set_bookmarks(marks(0, 60))
    questions = [content for _, content, lane in fake_bridge.asked if lane == "play"]
    assert [len(question.latents) for question in questions] == [16]
    engine.run()
    questions = [content for _, content, lane in fake_bridge.asked if lane == "play"]
    assert [len(question.latents) for question in questions] == [16] * 7 + [8]
    np.testing.assert_array_equal(np.concatenate([q.latents for q in questions]), page.latents())
    assert page.film.complete


def test_a_change_begins_with_the_frame_that_is_looked_at(loop_of_three, fake_bridge, engine):
    loop_of_three.player.go_to(70)
    before = grey_shown(loop_of_three)
    loop_of_three.morph.style_choice.setCurrentIndex(0)
    _, question = fake_bridge.last(Decode, "play")
    np.testing.assert_array_equal(question.latents, loop_of_three.latents()[64:80])
    assert grey_shown(loop_of_three) == before  # no gap: the old picture stays until the new one is there
    engine.run()
    assert loop_of_three.film.complete and loop_of_three.player.position == 70


def test_an_answer_to_an_earlier_film_is_not_shown(page, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    page.set_bookmarks(marks(0, 60))
    ticket, _ = fake_bridge.last(Decode, "play")
    then = fake_bridge._pending[ticket][0]
    page.morph.loop_box.setChecked(False)
    then(Decoded(painted(np.full((16, 8), 255.0))))
    assert page.film.ready == 0


def test_a_long_film_is_previewed_with_fewer_frames(page, fake_bridge, model_info, engine, monkeypatch):
    monkeypatch.setattr(make_film, "MOST_BYTES", 50 * 16 * 16 * 3)
    fake_bridge.give_model(model_info)
    page.set_bookmarks(marks(0, 60))  # 120 frames
    engine.run()
    assert page.film.count == page.film.ready == 120 and page.film._stride == 3
    page.player.go_to(31)
    assert grey_shown(page) == 30


def test_playing_steps_through_the_frames_and_begins_again(loop_of_three, qtbot):
    seen = []
    loop_of_three.player.moved.connect(seen.append)
    loop_of_three.morph.rate.set_place(2, 25)
    loop_of_three.morph.seconds.setValue(0.1)  # 6 frames a leg, a third of a second in all
    Engine(loop_of_three._bridge).run()
    qtbot.keyClick(loop_of_three, Qt.Key.Key_Space)
    assert loop_of_three.player.playing
    qtbot.waitUntil(lambda: any(later < earlier for earlier, later in zip(seen, seen[1:], strict=False)))
    assert max(seen) <= 17
    assert grey_shown(loop_of_three) == round(float(loop_of_three.latents()[loop_of_three.player.position, 0]))
    qtbot.keyClick(loop_of_three.strip, Qt.Key.Key_Space)
    assert not loop_of_three.player.playing


def test_without_repeat_it_stops_on_the_last_frame(loop_of_three, qtbot):
    loop_of_three.player.repeat_button.setChecked(False)
    loop_of_three.player.go_to(170)
    loop_of_three.player.play()
    qtbot.waitUntil(lambda: not loop_of_three.player.playing)
    assert loop_of_three.player.position == 179
    loop_of_three.player.play()
    assert loop_of_three.player.position == 0


def test_playing_waits_for_frames_that_are_not_there_yet(page, fake_bridge, model_info, engine, qtbot):
    fake_bridge.give_model(model_info)
    page.set_bookmarks(marks(0, 120))
    assert engine.step("play")
    assert page.player.time.text() == "preparing 13 %"
    page.player.go_to(14)
    page.player.play()
    qtbot.waitUntil(lambda: page.player.position == 15)
    qtbot.wait(100)
    assert page.player.position == 15 and page.player.playing
    engine.run()
    qtbot.waitUntil(lambda: page.player.position > 16)


def test_a_hidden_page_does_not_play_on(loop_of_three):
    loop_of_three.player.play()
    loop_of_three.hide()
    assert not loop_of_three.player.playing


def test_the_view_is_smooth_or_shows_pixels_as_the_export_will(loop_of_three):
    assert loop_of_three.player.view.smooth
    loop_of_three.export.form.smooth_choice.setCurrentIndex(1)
    assert not loop_of_three.player.view.smooth


# ---------------------------------------------------------------------- another model, another weight


def test_another_weight_decodes_strip_and_film_anew(loop_of_three, fake_bridge):
    loop_of_three.set_kl_weight(0.5)
    assert fake_bridge.last(Decode, "keys")[1].kl_weight == fake_bridge.last(Decode, "play")[1].kl_weight == 0.5
    asked = len(fake_bridge.asked)
    loop_of_three.set_kl_weight(0.5)
    assert len(fake_bridge.asked) == asked


def test_another_weight_set_while_the_page_is_hidden_decodes_anew_when_it_is_shown(loop_of_three, fake_bridge):
    loop_of_three.hide()
    asked = len(fake_bridge.asked)
    loop_of_three.set_kl_weight(0.5)
    assert len(fake_bridge.asked) == asked
    loop_of_three.show()
    keys = fake_bridge.last(Decode, "keys")[1]
    assert (len(keys.latents), keys.kl_weight, len(fake_bridge.asked)) == (3, 0.5, asked + 2)


def test_a_model_that_carries_no_weight_is_asked_for_none(page, fake_bridge, model_info):
    fake_bridge.give_model(replace(model_info, carries_weight=False))
    page.set_kl_weight(0.5)
    page.set_bookmarks(marks(0, 60))
    assert fake_bridge.last(Decode)[1].kl_weight is None


def test_newer_weights_keep_the_strip_and_decode_it_anew(loop_of_three, fake_bridge, model_info):
    asked = len(fake_bridge.asked)
    fake_bridge.give_model(replace(model_info), same=True)
    assert names(loop_of_three) == ["Mark 0", "Mark 60", "Mark 120"]
    assert len(fake_bridge.asked) == asked + 2
    assert len(fake_bridge.last(Decode, "keys")[1].latents) == 3


@pytest.mark.parametrize("bookmarks_first", [True, False])
def test_another_model_brings_its_own_bookmarks_and_no_others(loop_of_three, fake_bridge, model_info, bookmarks_first):
    other = replace(model_info, path="/nowhere/other.keras", name="other")
    if bookmarks_first:  # Explore hears of the new model before this page does
        fake_bridge.model = other
        loop_of_three.set_bookmarks(marks(5, 6))
        fake_bridge.give_model(other)
    else:
        fake_bridge.give_model(other)
        assert names(loop_of_three) == []
        loop_of_three.set_bookmarks(marks(5, 6))
    assert names(loop_of_three) == ["Mark 5", "Mark 6"]
    assert loop_of_three.export.form.name.placeholderText() == "other"


# ---------------------------------------------------------------------- export


def test_exporting_asks_for_the_film_on_screen(loop_of_three, fake_bridge, qtbot, tmp_path):
    qtbot.mouseClick(loop_of_three.export.button, Qt.MouseButton.LeftButton)
    ticket, content, lane = fake_bridge.asked[-1]
    assert isinstance(content, ExportMorph) and lane is None
    assert content.path == str(tmp_path / "films" / "art.mp4")
    assert (content.frames_per_second, content.side, content.smooth, content.loop) == (30.0, 512, True, True)
    assert content.kl_weight == pytest.approx(0.1) and content.model == loop_of_three._model.path
    np.testing.assert_array_equal(content.latents, loop_of_three.latents())


def test_progress_is_shown_and_the_place_of_the_file_afterwards(loop_of_three, fake_bridge, monkeypatch, qtbot):
    opened = []
    monkeypatch.setattr(make_export, "show_folder", opened.append)
    loop_of_three.export.start()
    ticket = len(fake_bridge.asked)
    assert loop_of_three.export.progress.isVisible() and loop_of_three.export.doing.text() == "Writing art.mp4"
    fake_bridge.answer(ticket, Progress(30, 180, "frames"))
    assert (loop_of_three.export.progress.value(), loop_of_three.export.progress.maximum()) == (30, 180)
    fake_bridge.answer(ticket, Exported("/films/art-2.mp4"))
    assert not loop_of_three.export.progress.isVisible() and not loop_of_three.export.doing.isVisible()
    assert loop_of_three.notice.text == "Saved to /films/art-2.mp4"
    assert loop_of_three.notice._action.text() == "Show in folder"
    qtbot.mouseClick(loop_of_three.notice._action, Qt.MouseButton.LeftButton)
    assert opened == [Path("/films")]


def test_exports_wait_for_each_other_as_they_were_asked_for_and_one_can_be_cancelled(loop_of_three, fake_bridge, qtbot):
    export = loop_of_three.export
    export.start()
    ticket = len(fake_bridge.asked)
    before = loop_of_three.latents()
    export.form.name.setText("sea")
    export.start()
    loop_of_three.morph.seconds.setValue(0.5)
    choose(loop_of_three, ".png")
    export.start()
    asked = len(fake_bridge.asked)
    assert not isinstance(fake_bridge.asked[-1][1], ExportMorph) and export.doing.text().endswith("2 more waiting")
    qtbot.mouseClick(export.cancel_button, Qt.MouseButton.LeftButton)
    assert fake_bridge.cancelled == [ticket]
    assert loop_of_three.notice.text == "The export of art.mp4 was cancelled."
    second = fake_bridge.asked[-1]
    assert second[0] == asked + 1 and Path(second[1].path).name == "sea.mp4"
    np.testing.assert_array_equal(second[1].latents, before)
    assert export.doing.text() == "Writing sea.mp4 · 1 more waiting"
    fake_bridge.fail(second[0], "The disk is full.")
    assert isinstance(fake_bridge.asked[-1][1], ExportPicture)
    fake_bridge.answer(fake_bridge.asked[-1][0], Exported("/films/sea.png"))
    assert not export.writing and len(fake_bridge.asked) == asked + 2


# ---------------------------------------------------------------------- what a picture says of its own


def typed(field, text):
    field.setText(text)
    field.finish()


def test_a_picture_has_a_time_a_pace_and_a_weight_of_its_own(loop_of_three, fake_bridge, engine):
    page, leg = loop_of_three, loop_of_three.leg
    assert not leg.isVisible()
    page.strip.setCurrentRow(1)
    assert leg.isVisible() and leg.seconds.value() is leg.weight.value() is None
    typed(leg.seconds, "0,5")
    leg.easing.setCurrentIndex(leg.easing.findData("smooth"))
    typed(leg.weight, "0.4")
    assert len(page.latents()) == 60 + 15 + 60 == page.film.count
    assert page.export.summary.text().startswith("135 frames · 4.5 s")
    weights = page.weights()
    assert weights[0] == pytest.approx(0.1) and weights[60] == pytest.approx(0.4) and len(weights) == 135
    assert np.all(np.diff(weights[:61]) > 0) and weights[75] == pytest.approx(0.1)
    engine.run()
    asked = [one.kl_weight for _, one, lane in fake_bridge.asked if lane == "play" and np.ndim(one.kl_weight)]
    assert sum(map(len, asked)) >= 135
    keys = fake_bridge.last(Decode, "keys")[1]
    assert len(keys.latents) == 1 and keys.kl_weight == pytest.approx(0.4)
    page.strip.setCurrentRow(2)
    assert page.player.position == 75 and leg.seconds.value() is None
    page.strip.setCurrentRow(1)
    assert leg.seconds.value() == 0.5
    page.export.start()
    np.testing.assert_array_equal(fake_bridge.asked[-1][1].kl_weight, weights)


def test_bookmarks_bring_the_weight_they_were_kept_at(page, fake_bridge, model_info, engine):
    fake_bridge.give_model(model_info)
    two = marks(0, 60)
    page.set_bookmarks((replace(two[0], kl_weight=0.02), replace(two[1], kl_weight=0.5)))
    np.testing.assert_allclose(fake_bridge.last(Decode, "keys")[1].kl_weight, [0.02, 0.5])
    assert page.weights()[0] == 0.02 and page.weights()[60] == 0.5


def test_a_model_whose_pictures_follow_no_weight_has_none_to_set(page, fake_bridge, model_info):
    fake_bridge.give_model(replace(model_info, carries_weight=False))
    page.set_bookmarks(tuple(replace(one, kl_weight=0.3) for one in marks(0, 60)))
    page.strip.setCurrentRow(0)
    assert page.leg.isVisible() and not page.leg.weight.isVisible() and page.weights() is None


def test_a_film_is_512_pixels_until_another_size_is_chosen(page, fake_bridge, model_info):
    for side in (64, 16, 96):
        fake_bridge.give_model(replace(model_info, image_shape=(side, side, 3), path=f"/{side}.keras"))
        assert page.export.form.side == 512
    page.export.form.size_choice.combo.setCurrentIndex(0)
    assert page.export.form.side == 96


def test_a_picture_of_each_frame_is_asked_for_as_a_folder_of_png(loop_of_three, fake_bridge):
    choose(loop_of_three, make_form.SEQUENCE)
    assert loop_of_three.export.summary.text().startswith("180 frames")
    loop_of_three.export.start()
    content = fake_bridge.asked[-1][1]
    assert isinstance(content, ExportMorph) and Path(content.path).name == "art.png"


def test_an_export_that_fails_leaves_a_line_that_stays(loop_of_three, fake_bridge, qtbot):
    loop_of_three.export.start()
    fake_bridge.fail(len(fake_bridge.asked), "/films cannot be written to. Choose another folder.")
    loop_of_three.player.go_to(40)
    loop_of_three.morph.loop_box.setChecked(False)
    assert loop_of_three.notice.isVisible()
    assert loop_of_three.notice.text == "/films cannot be written to. Choose another folder."
    assert loop_of_three.export.button.isEnabled() and not loop_of_three.export.writing


def test_a_decode_that_fails_leaves_a_line_that_stays(page, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    page.set_bookmarks(marks(0, 60))
    fake_bridge.fail(fake_bridge.last(Decode, "play")[0], "The engine stopped.")
    assert page.notice.isVisible() and page.notice.text == "The engine stopped."
    asked = len(fake_bridge.asked)
    fake_bridge.engine_changed.emit("ready", "")
    assert len(fake_bridge.asked) > asked  # it goes on with the engine that was restarted


def test_a_picture_is_the_frame_shown_at_the_size_chosen(loop_of_three, fake_bridge):
    choose(loop_of_three, ".png")
    loop_of_three.export.form.size_choice.set_place(4, 300)
    loop_of_three.player.go_to(90)
    loop_of_three.export.start()
    content = fake_bridge.asked[-1][1]
    assert isinstance(content, ExportPicture) and content.side == 300 and content.path.endswith("art.png")
    np.testing.assert_array_equal(content.latents, loop_of_three.latents()[90])
    assert loop_of_three.export.summary.text() == "300 × 300 pixels"


@pytest.mark.parametrize("ending", [".csv", ".h5"])
def test_latents_are_those_of_the_strip_with_their_names(loop_of_three, fake_bridge, ending):
    choose(loop_of_three, ending)
    loop_of_three.export.form.name.setText("places")
    loop_of_three.export.start()
    content = fake_bridge.asked[-1][1]
    assert isinstance(content, ExportLatents) and content.path.endswith(f"places{ending}")
    assert content.names == ("Mark 0", "Mark 60", "Mark 120")
    np.testing.assert_array_equal(content.latents[:, 0], [0, 60, 120])
    assert not loop_of_three.export.form.size_choice.isEnabled()


@pytest.mark.parametrize(("typed", "name"), [("my.film.mp4", "my.film.mp4"), ("a.gif", "a.mp4"), ("  été ", "été.mp4")])
def test_a_typed_name_gets_the_ending_of_its_format(loop_of_three, fake_bridge, typed, name):
    loop_of_three.export.form.name.setText(typed)
    loop_of_three.export.start()
    assert Path(fake_bridge.asked[-1][1].path).name == name


@pytest.mark.parametrize("typed", ["a/b", "..", "what?", "."])
def test_a_name_that_is_none_is_said_and_nothing_is_asked(loop_of_three, fake_bridge, typed):
    asked = len(fake_bridge.asked)
    loop_of_three.export.form.name.setText(typed)
    loop_of_three.export.start()
    assert len(fake_bridge.asked) == asked
    assert loop_of_three.notice.text.startswith(f"The name {typed} cannot be used")


def test_what_a_format_cannot_do_is_said_before(loop_of_three):
    form, summary = loop_of_three.export.form, loop_of_three.export.summary
    form.size_choice.set_place(4, 101)
    assert "102 × 102 pixels" in summary.text() and "Films have even sizes" in summary.text()
    form.smooth_choice.setCurrentIndex(1)
    assert "101 is no multiple of 16" in summary.text()
    choose(loop_of_three, ".gif")
    assert "101 × 101 pixels" in summary.text()
    loop_of_three.morph.rate.set_place(2, 25)
    assert "GIFs show at most 20 frames per second" in summary.text()


def test_the_forms_are_kept_for_the_next_start(loop_of_three, fake_bridge, preferences, qtbot):
    loop_of_three.morph.seconds.setValue(3.5)
    loop_of_three.morph.rate.set_place(3, 12.5)
    choose(loop_of_three, ".gif")
    loop_of_three.export.form.size_choice.set_place(4, 300)
    again = MakePage(fake_bridge, preferences)
    qtbot.addWidget(again)
    assert again.morph.seconds.value() == 3.5 and again.morph.frames_per_second == 12.5
    assert again.export.form.ending == ".gif" and again.export.form.side == 300


def test_everything_fits_a_small_screen(loop_of_three):
    assert loop_of_three.minimumSizeHint().width() <= 1290
    assert loop_of_three.minimumSizeHint().height() <= 640


def test_the_keyboard_reaches_every_control(loop_of_three):
    loop_of_three.strip.setCurrentRow(0)
    reached, widget = set(), loop_of_three.strip
    for _ in range(200):
        widget = widget.nextInFocusChain()
        if widget.isEnabled() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            reached.add(widget)
    form = loop_of_three.export.form
    wanted = {
        loop_of_three.player.play_button, loop_of_three.player.slider, loop_of_three.player.repeat_button,
        loop_of_three.bookmarks_button, *loop_of_three._edits, loop_of_three.clear_button, loop_of_three.strip,
        loop_of_three.morph.style_choice, loop_of_three.morph.seconds, loop_of_three.morph.rate.combo,
        loop_of_three.morph.loop_box, form.format_choice, form.size_choice.combo, form.folder, form.browse, form.name,
        loop_of_three.export.button,
    }  # fmt: skip
    assert wanted <= reached
