"""What stands around the sliders on the Explore page: dice, A and B, KL weight, my picture, bookmarks."""

from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QSettings, Qt

from explorer.explore.page import ExplorePage
from explorer.messages import Decode, Decoded, Encode, Encoded
from explorer.state.bookmarks import Bookmark
from explorer.widgets.preferences import Preferences

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def preferences(tmp_path) -> Preferences:
    return Preferences(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


@pytest.fixture
def page(qtbot, fake_bridge, preferences, model_info) -> ExplorePage:
    page = ExplorePage(fake_bridge, preferences)
    qtbot.addWidget(page)
    page.resize(1300, 640)
    page.show()
    fake_bridge.give_model(model_info)
    fake_bridge.answer(fake_bridge.last(Decode, "picture")[0], Decoded(np.zeros((1, 16, 16, 3), np.uint8)))
    return page


def rested(qtbot, page) -> None:
    qtbot.waitUntil(lambda: not page._throttle._timer.isActive())


# ---------------------------------------------------------------------- dice and reset


def test_the_dice_give_the_same_picture_for_the_same_seed(qtbot, page):
    start = page.point()
    page.setFocus()
    qtbot.keyClick(page, Qt.Key.Key_D)
    first = page.point()
    assert page.panel.dice.number.value() == 1 and not np.array_equal(first, start)
    page.roll()
    assert not np.array_equal(page.point(), first)
    page.panel.dice.number.setValue(1)
    np.testing.assert_array_equal(page.point(), first)
    assert page.undo_stack.count() == 3


def test_the_dice_leave_what_is_locked(page):
    start = page.point()
    page._lock(page._axes[0])
    page.roll()
    assert page.point()[3] == start[3] and page.point()[1] != start[1]
    page.reset()
    assert page.point()[3] == start[3] and not np.delete(page.point(), 3).any()


def test_a_throw_cools_with_the_temperature_in_one_step(page):
    page.roll()
    hot, steps = page.point(), page.undo_stack.count()
    heat = page.panel.dice.heat
    heat.setSliderDown(True)
    heat.setValue(40)
    heat.setValue(25)
    heat.setSliderDown(False)
    np.testing.assert_allclose(page.point(), hot / 2, rtol=1e-6)
    assert page.undo_stack.count() == steps + 1
    page.undo_stack.undo()
    np.testing.assert_array_equal(page.point(), hot)
    assert heat.value() == 50


# ---------------------------------------------------------------------- A and B


def test_the_picture_does_not_move_when_others_appear_beside_it(qtbot, page, fake_bridge):
    page.resize(1280, 700)
    before = page.stage.picture.geometry(), page.stage.picture.picture_rect()
    page.hold()
    ticket, _ = fake_bridge.last(Decode, "other")
    fake_bridge.answer(ticket, Decoded(np.full((1, 16, 16, 3), 33, np.uint8)))
    page.stage.original.show_picture(np.zeros((16, 16, 3), np.uint8))
    qtbot.wait(1)
    assert (page.stage.picture.geometry(), page.stage.picture.picture_rect()) == before
    other, original = page.stage.other.geometry(), page.stage.original.geometry()
    assert not other.intersects(original) and page.stage.rect().contains(other) and page.stage.rect().contains(original)


def test_the_other_point_is_laid_over_the_picture_up_to_a_line_that_is_dragged(qtbot, page, fake_bridge):
    view = page.stage.picture
    view.set_image(np.full((16, 16, 3), 200, np.uint8))
    page.hold()
    ticket, _ = fake_bridge.last(Decode, "other")
    fake_bridge.answer(ticket, Decoded(np.full((1, 16, 16, 3), 33, np.uint8)))
    page.stage.divide.click()
    room = view.picture_rect()

    def grey(share: float) -> int:
        where = QPoint(int(room.left() + share * room.width()), int(room.top() + 0.75 * room.height()))
        return view.grab().toImage().pixelColor(where * view.devicePixelRatioF()).red()

    assert [grey(share) for share in (0.25, 0.45, 0.55, 0.75)] == [200, 200, 33, 33]
    middle = QPoint(int(room.center().x()), int(room.center().y()))
    qtbot.mousePress(view, LEFT, pos=middle)
    qtbot.mouseMove(view, QPoint(int(room.left() + 0.9 * room.width()), middle.y()))
    qtbot.mouseRelease(view, LEFT, pos=QPoint(int(room.left() + 0.9 * room.width()), middle.y()))
    assert [grey(share) for share in (0.25, 0.75, 0.95)] == [200, 200, 33]
    for _ in range(30):
        qtbot.keyClick(view, Qt.Key.Key_Left)
    assert [grey(share) for share in (0.2, 0.5)] == [200, 33]
    page.stage.other.closed.emit()
    assert grey(0.95) == 200


def test_b_is_held_shown_beside_and_changed_places_with(qtbot, page, fake_bridge):
    a = page.point()
    assert not page.panel.tools.letters.isEnabled()
    page.hold()
    ticket, content = fake_bridge.last(Decode, "other")
    np.testing.assert_array_equal(content.latents[0], a)
    fake_bridge.answer(ticket, Decoded(np.full((1, 16, 16, 3), 33, np.uint8)))
    assert page.stage.other.isVisible() and page.stage.other.view.image[0, 0, 0] == 33
    page.go_to(np.zeros(8), "zero")
    assert len([1 for _, _, lane in fake_bridge.asked if lane == "other"]) == 1  # it did not move
    page.setFocus()
    qtbot.keyClick(page, Qt.Key.Key_Space)
    np.testing.assert_array_equal(page.point(), a)
    assert page.panel.tools.letters.button(1).isChecked() and page.stage.other.caption.text() == "A"
    qtbot.mouseClick(page.panel.tools.letters.button(0), LEFT)
    np.testing.assert_array_equal(page.point(), np.zeros(8))
    page.stage.other.closed.emit()
    assert not page.stage.other.isVisible()
    page.undo_stack.undo()
    assert page.history.state.other is not None


# ---------------------------------------------------------------------- KL weight


def test_the_weight_reaches_pictures_and_filmstrips_and_is_one_step(qtbot, page, fake_bridge):
    for value in (0.3, 0.7, 2.0):
        page.panel.weight.changed.emit(value)
    page.panel.weight.released.emit(2.0)
    rested(qtbot, page)
    assert fake_bridge.last(Decode, "picture")[1].kl_weight == 2.0 == page.kl_weight()
    qtbot.waitUntil(lambda: fake_bridge.last(Decode, "strips")[1].kl_weight == 2.0)
    assert page.undo_stack.count() == 1
    page.undo_stack.undo()
    assert page.kl_weight() is None and page.panel.weight.value() == pytest.approx(0.1)


def test_a_model_whose_picture_ignores_the_weight_shows_it_greyed_with_the_reason(page, fake_bridge, model_info):
    fake_bridge.give_model(replace(model_info, path="/x.keras", carries_weight=False, kl_weight=0.5))
    assert not page.panel.weight.isEnabled() and page.panel.weight.value() == 0.5
    assert "do not follow" in page.panel.weight.toolTip()
    assert page.kl_weight() is None


# ---------------------------------------------------------------------- my picture


def test_my_picture_is_found_and_undo_leaves_it(page, fake_bridge):
    start = page.point()
    page.open_picture("/home/me/cat.png")
    ticket, content = fake_bridge.last(Encode)
    assert content.picture == "/home/me/cat.png"
    original = np.full((16, 16, 3), 77, np.uint8)
    fake_bridge.answer(ticket, Encoded(np.ones(8, "float32"), original, original, "It was cropped."))
    np.testing.assert_array_equal(page.point(), np.ones(8))
    np.testing.assert_array_equal(page.stage.original.view.image, original)
    assert page.stage.original.isVisible() and page.stage.line.text() == "It was cropped."
    assert page.undo_stack.undoText() == "my picture"
    page.undo_stack.undo()
    np.testing.assert_array_equal(page.point(), start)


def test_a_picture_that_cannot_be_read_is_a_line_and_moves_nothing(page, fake_bridge):
    start = page.point()
    page.open_picture("/home/me/cat.doc")
    fake_bridge.fail(fake_bridge.last(Encode)[0], "cat.doc is not a picture. Choose a PNG or JPEG.")
    assert page.notice.text.startswith("cat.doc is not a picture") and page.notice.isVisible()
    np.testing.assert_array_equal(page.point(), start)


def test_a_picture_found_for_the_model_before_moves_nothing(page, fake_bridge, model_info):
    page.open_picture("/home/me/cat.png")
    answer = fake_bridge._pending[fake_bridge.last(Encode)[0]][0]
    fake_bridge.give_model(replace(model_info, path="/nowhere/other.keras"))
    image = np.zeros((16, 16, 3), np.uint8)
    answer(Encoded(np.ones(8, "float32"), image, image))
    np.testing.assert_array_equal(page.point(), model_info.latents[0])


# ---------------------------------------------------------------------- bookmarks, pictures' look, actions


def test_bookmarks_are_kept_for_each_model(qtbot, page, fake_bridge, preferences, model_info):
    here = page.point()
    with qtbot.waitSignal(page.bookmarks_changed) as told:
        page.add_bookmark()
    assert told.args[0] == (Bookmark("Bookmark 1", page.history.state.values),)
    fake_bridge.give_model(replace(model_info, path="/nowhere/other.keras"))
    assert page.bookmarks.kept == ()
    fake_bridge.give_model(model_info)
    page.go_to(np.zeros(8), "away")
    assert [action.text() for action in page.bookmarks.menu.actions()][0] == "Bookmark 1"
    page.bookmarks.menu.actions()[0].trigger()
    np.testing.assert_array_equal(page.point(), here)
    page.bookmarks.rename(0, "sea")
    again = ExplorePage(fake_bridge, preferences)
    qtbot.addWidget(again)
    assert [bookmark.name for bookmark in again.bookmarks.kept] == ["sea"]
    page.bookmarks.remove(0)
    assert page.bookmarks.kept == () and "No bookmarks" in page.bookmarks.menu.actions()[0].text()


def test_bookmarks_and_steps_go_over_to_the_file_of_the_delivered_model(page, fake_bridge, model_info):
    page.add_bookmark()
    page.go_to(np.ones(8, "float32"), "there")
    fake_bridge.give_model(replace(model_info, path="/nowhere/delivered.keras"), same=True)
    assert [bookmark.name for bookmark in page.bookmarks.kept] == ["Bookmark 1"]
    assert page.point().tolist() == [1.0] * 8 and page.undo_stack.count() == 1
    fake_bridge.give_model(replace(model_info, path="/nowhere/other.keras"))
    assert page.bookmarks.kept == ()
    fake_bridge.give_model(replace(model_info, path="/nowhere/delivered.keras"))
    assert len(page.bookmarks.kept) == 1


def test_soft_pictures_are_remembered(qtbot, page, fake_bridge, preferences):
    assert not page.stage.picture.smooth
    next(action for action in page.actions() if "soft" in action.text()).trigger()
    assert page.stage.picture.smooth and page.stage.other.view.smooth
    again = ExplorePage(fake_bridge, preferences)
    qtbot.addWidget(again)
    assert again.stage.picture.smooth


def test_undo_and_redo_say_what_they_would_do(page):
    start = page.point()
    page.go_to(np.zeros(8), "the map")
    undo, redo = page._acts["undo"], page._acts["redo"]
    assert undo.toolTip() == "Undo: the map (Ctrl+Z)" and not redo.isEnabled()
    undo.trigger()
    np.testing.assert_array_equal(page.point(), start)
    redo.trigger()
    np.testing.assert_array_equal(page.point(), np.zeros(8))


def test_every_control_has_a_name_for_screen_readers(page):
    for row in page.panel.sliders.rows:
        assert row.accessibleName().startswith("Latent dimension")
    assert page.panel.sliders.rows[0].accessibleName() == "Latent dimension 4, 3.10 nats"
    for button in (*page.panel.tools.findChildren(type(page.panel.tools.letters.button(0))),):
        assert button.accessibleName()


def test_on_a_small_screen_the_picture_is_larger_than_the_panel_and_nothing_is_cut_off(page):
    page.resize(1290, 600)
    page.grab()
    assert page.stage.picture.width() > page.panel.width()
    for widget in (page.panel.weight, page.panel.mode, page.panel.dice, page.panel.tools):
        assert page.rect().contains(widget.geometry().translated(page.panel.pos()))
        assert widget.width() >= widget.minimumSizeHint().width()
