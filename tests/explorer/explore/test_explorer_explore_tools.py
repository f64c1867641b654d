"""What stands around the sliders on the Explore page: dice, A and B, KL weight, my picture, bookmarks."""

from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPoint, QPointF, QSettings, Qt
from PyQt6.QtGui import QColor, QMouseEvent
from PyQt6.QtWidgets import QLineEdit, QSlider, QToolButton

from explorer.explore.page import ExplorePage
from explorer.messages import Decode, Decoded, Encode, Encoded
from explorer.state.bookmarks import Bookmark
from explorer.widgets import theme
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
    page._lock(page._axes.shown[0])
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


def answered(bridge, latents: float, grey: int) -> Encode:
    """The engine encodes the picture that is asked for; the question."""
    ticket, content = bridge.last(Encode, "picture")
    image = np.full((16, 16, 3), grey, np.uint8)
    bridge.answer(ticket, Encoded(np.full(8, latents, "float32"), content.picture, image))
    return content


def test_the_weight_reaches_pictures_and_filmstrips_and_is_one_step(qtbot, page, fake_bridge):
    page.go_to(np.zeros(8), "by hand")
    page.undo_stack.clear()
    for value in (0.3, 0.7, 2.0):
        page.panel.weight.changed.emit(value)
    page.panel.weight.released.emit(2.0)
    rested(qtbot, page)
    assert fake_bridge.last(Decode, "picture")[1].kl_weight == 2.0 == page.kl_weight()
    qtbot.waitUntil(lambda: fake_bridge.last(Decode, "strips")[1].kl_weight == 2.0)
    assert page.undo_stack.count() == 1
    page.undo_stack.undo()
    assert page.kl_weight() is None and page.panel.weight.value() == pytest.approx(0.1)


def test_the_weight_turns_within_the_range_of_the_model(qtbot, page, fake_bridge, model_info):
    fake_bridge.give_model(replace(model_info, path="/x.keras", weight_range=(0.02, 0.5)))
    slider = page.panel.weight.findChild(QSlider)
    slider.setValue(slider.minimum())
    qtbot.waitUntil(lambda: page.kl_weight() == 0.02)
    slider.setValue(slider.maximum())
    qtbot.waitUntil(lambda: page.kl_weight() == 0.5)
    entry = page.panel.weight.findChild(QLineEdit)
    entry.selectAll()
    qtbot.keyClicks(entry, "0.0001")
    qtbot.keyClick(entry, Qt.Key.Key_Return)
    assert page.kl_weight() == 0.5 and entry.text() == "0.5"


def test_a_picture_is_encoded_anew_at_each_weight_and_its_sliders_follow(qtbot, page, fake_bridge, model_info):
    start = page.point()
    page.panel.weight.changed.emit(0.3)
    rested(qtbot, page)
    asked = answered(fake_bridge, 0.5, 120)
    np.testing.assert_array_equal(asked.picture, model_info.thumbnails[0])  # the stored picture that one starts at
    assert asked.kl_weight == 0.3
    assert page.stage.picture.image[0, 0, 0] == 120  # painted at once
    assert page.point().tolist() == [0.5] * 8
    qtbot.waitUntil(lambda: page.panel.sliders.rows[0].number == 0.5)
    page.panel.weight.changed.emit(0.9)
    page.panel.weight.released.emit(0.9)
    rested(qtbot, page)
    assert answered(fake_bridge, 0.25, 130).kl_weight == 0.9
    assert page.point().tolist() == [0.25] * 8 and page.undo_stack.count() == 1
    page.undo_stack.undo()
    rested(qtbot, page)
    np.testing.assert_array_equal(page.point(), start)
    assert fake_bridge.last(Decode, "picture")[0] > fake_bridge.last(Encode, "picture")[0]  # nothing to encode
    page.undo_stack.redo()
    assert page.point().tolist() == [0.25] * 8


def test_a_picture_of_ones_own_follows_the_weight_and_a_point_moved_by_hand_stays(qtbot, page, fake_bridge):
    page.open_picture("/home/me/cat.png")
    cat = np.full((16, 16, 3), 77, np.uint8)
    fake_bridge.answer(fake_bridge.last(Encode)[0], Encoded(np.ones(8, "float32"), cat, cat))
    rested(qtbot, page)
    page.panel.weight.changed.emit(0.3)
    rested(qtbot, page)
    assert answered(fake_bridge, 0.5, 120).picture is cat
    page._move(page._axes.shown[0], 2.0)
    moved, asked = page.point(), len([1 for one in fake_bridge.asked if isinstance(one[1], Encode)])
    page.panel.weight.changed.emit(0.9)
    rested(qtbot, page)
    assert len([1 for one in fake_bridge.asked if isinstance(one[1], Encode)]) == asked
    np.testing.assert_array_equal(page.point(), moved)
    assert fake_bridge.last(Decode, "picture")[1].kl_weight == 0.9
    assert page.stage.original.isVisible()  # what it was made from still stands beside


def test_an_encoding_that_comes_after_a_hand_has_moved_the_point_moves_nothing(qtbot, page, fake_bridge):
    page.panel.weight.changed.emit(0.3)
    page.panel.weight.released.emit(0.3)
    rested(qtbot, page)
    late = fake_bridge._pending[fake_bridge.last(Encode, "picture")[0]][0]
    page._move(page._axes.shown[0], 2.0)
    moved = page.point()
    image = np.zeros((16, 16, 3), np.uint8)
    late(Encoded(np.full(8, 0.5, "float32"), image, image))
    np.testing.assert_array_equal(page.point(), moved)


def test_newer_weights_encode_the_picture_anew(qtbot, page, fake_bridge, model_info):
    fake_bridge.give_model(replace(model_info, rates=0.9 * model_info.rates), same=True)
    rested(qtbot, page)
    answered(fake_bridge, 0.5, 120)
    assert page.point().tolist() == [0.5] * 8 and page.undo_stack.count() == 0


def test_a_model_that_is_opened_again_after_its_engine_died_moves_no_point(qtbot, page, fake_bridge, model_info):
    start, asked = page.point(), len(fake_bridge.asked)
    fake_bridge.give_model(replace(model_info), same=True)
    rested(qtbot, page)
    assert not [one for one in fake_bridge.asked[asked:] if isinstance(one[1], Encode)]
    np.testing.assert_array_equal(page.point(), start)


def test_the_dice_are_painted_at_the_weight_shown(qtbot, page, fake_bridge):
    page.panel.weight.changed.emit(0.3)
    page.panel.weight.released.emit(0.3)
    page.roll()
    rested(qtbot, page)
    ticket, content = fake_bridge.last(Decode, "picture")
    assert ticket == len(fake_bridge.asked) or ticket > fake_bridge.last(Encode, "picture")[0]
    assert content.kl_weight == 0.3
    np.testing.assert_array_equal(content.latents[0], page.point())
    assert not page.stage.original.isVisible()  # a throw is of no picture


def test_the_other_picture_follows_the_weight_too(qtbot, page, fake_bridge):
    page.hold()
    page.go_to(np.zeros(8), "zero")
    page.panel.weight.changed.emit(0.3)
    ticket, content = fake_bridge.last(Encode, "other")
    assert content.kl_weight == 0.3
    image = np.full((16, 16, 3), 99, np.uint8)
    fake_bridge.answer(ticket, Encoded(np.ones(8, "float32"), image, image))
    assert page.stage.other.view.image[0, 0, 0] == 99


# ---------------------------------------------------------------------- the curve, details, the picture itself


def curved(model_info, **more):
    """A model of a range, whose card tells its curve."""
    measured = {f"distortion_at_{w:g}": 300 * w**0.5 for w in (0.01, 0.1, 1.0)}
    measured |= {f"rate_at_{w:g}": 20 / w for w in (0.01, 0.1, 1.0)}
    return replace(model_info, path="/range.keras", weight_range=(0.01, 1.0), evaluated=measured, **more)


def test_the_curve_stands_beside_the_knob_and_its_dot_follows_the_weight(qtbot, page, fake_bridge, model_info):
    assert not page.panel.curve.isVisible()  # a model of one weight has none
    fake_bridge.give_model(curved(model_info))
    curve = page.panel.curve
    assert curve.isVisible() and "dot is where you are" in curve.explanation()

    def dot(kl_weight: float) -> QColor:
        return curve.grab().toImage().pixelColor(curve.place(kl_weight).toPoint() * curve.devicePixelRatioF())

    green = QColor(theme.palette().weight)
    assert dot(0.1) == green != dot(0.5)
    page.panel.weight.changed.emit(0.5)
    assert dot(0.5) == green != dot(0.1)
    assert "At weight 0.5: D 212" in curve.explanation()
    low, high = curve.place(0.01), curve.place(1.0)
    assert low.x() > high.x() and low.y() > high.y()  # the lower weight says more and is more faithful


def test_the_calibrated_weight_is_read_off_the_curve(page, fake_bridge, model_info):
    fake_bridge.give_model(curved(model_info))
    star = page.panel.curve.star
    assert 2 * 300 * star**0.5 / (16 * 16 * 3) == pytest.approx(star, rel=1e-4)
    assert f"calibrated: {star:.2g}" in [button.text() for button in page.panel.weight.findChildren(QToolButton)]


def wide(model_info, count: int = 60):
    """A model of a range with more latents than sliders; its one stored picture is at 1 in each."""
    even, rates = np.ones(count, np.float32), np.linspace(3, 1, count).astype("float32")
    latents = {"latent_dim": count, "latents": even[None], "thumbnails": model_info.thumbnails[:1]}
    posterior = {"rates": rates, "means": 0 * even, "spreads": even}
    directions = {"directions": np.eye(2, count, dtype="float32"), "direction_spreads": even[:2]}
    return curved(model_info, **latents, **posterior, **directions)


def test_details_scale_what_has_no_slider_and_are_one_step(qtbot, page, fake_bridge, model_info):
    assert not page.panel.details.isVisible()  # collapsed ones paint nothing
    fake_bridge.give_model(wide(model_info))
    assert page.panel.details.isVisible()
    slider = page.panel.details.slider
    assert slider.value() == 100
    slider.setSliderDown(True)
    for percent in (80, 50, 25):
        slider.setValue(percent)
    slider.setSliderDown(False)
    rested(qtbot, page)
    decoded = fake_bridge.last(Decode, "picture")[1].latents[0]
    assert decoded.tolist() == [1.0] * 48 + [0.25] * 12
    np.testing.assert_array_equal(page.point(), decoded)  # what is kept, exported and morphed is what is seen
    qtbot.waitUntil(lambda: fake_bridge.last(Decode, "strips")[1].latents[0, -1] == 0.25)
    assert page.undo_stack.count() == 1 and page.undo_stack.undoText() == "details"
    page.undo_stack.undo()
    assert slider.value() == 100 and page.point().tolist() == [1.0] * 60


def test_a_picture_encoded_anew_keeps_its_share_of_details(qtbot, page, fake_bridge, model_info):
    fake_bridge.give_model(wide(model_info))
    page.panel.details.slider.setValue(50)
    page.panel.weight.changed.emit(0.3)
    rested(qtbot, page)
    ticket, content = fake_bridge.last(Encode, "picture")
    whole = np.full((16, 16, 3), 200, np.uint8)
    fake_bridge.answer(ticket, Encoded(np.full(60, 2.0, "float32"), content.picture, whole))
    rested(qtbot, page)
    assert page.stage.picture.image[0, 0, 0] != 200  # that is in all details
    decoded = fake_bridge.last(Decode, "picture")[1]
    assert decoded.latents[0].tolist() == [2.0] * 48 + [1.0] * 12 and decoded.kl_weight == 0.3


def test_holding_space_shows_the_picture_itself_and_a_tap_changes_places(qtbot, page, fake_bridge, model_info):
    page.hold()
    page.setFocus()
    view, painted = page.stage.picture, page.stage.picture.image
    qtbot.keyPress(page, Qt.Key.Key_Space)
    assert view.image is painted  # nobody knows yet whether it is held
    qtbot.waitUntil(lambda: view.image is not painted)
    np.testing.assert_array_equal(view.image, model_info.thumbnails[0])
    assert page.stage.line.text() == "The picture itself."
    fake_bridge.answer(fake_bridge.last(Decode, "picture")[0], Decoded(np.full((1, 16, 16, 3), 9, np.uint8)))
    np.testing.assert_array_equal(view.image, model_info.thumbnails[0])  # as long as it is held
    qtbot.keyRelease(page, Qt.Key.Key_Space)
    assert view.image[0, 0, 0] == 9 and page.stage.line.text().startswith("What the model kept")
    assert page.history.state.showing == "A"
    qtbot.keyClick(page, Qt.Key.Key_Space)
    assert page.history.state.showing == "B"


def test_the_space_bar_is_heard_on_a_slider_too(qtbot, page):
    row = page.panel.sliders.rows[0]
    row.setFocus()
    painted = page.stage.picture.image
    qtbot.keyPress(row, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: page.stage.picture.image is not painted)
    page.stage.picture.setFocus()  # the keyboard goes elsewhere meanwhile
    qtbot.keyRelease(page.stage.picture, Qt.Key.Key_Space)
    assert page.stage.picture.image is painted


def test_holding_the_small_picture_shows_it_in_the_large(qtbot, page, model_info):
    small, painted = page.stage.original.view, page.stage.picture.image
    qtbot.mousePress(small, LEFT)
    np.testing.assert_array_equal(page.stage.picture.image, model_info.thumbnails[0])
    qtbot.mouseRelease(small, LEFT)
    assert page.stage.picture.image is painted


def test_a_picture_that_was_put_away_stays_away_and_is_still_encoded_anew(qtbot, page, fake_bridge):
    page.stage.original.closed.emit()
    assert not page.stage.original.isVisible()
    page.panel.weight.changed.emit(0.3)
    rested(qtbot, page)
    answered(fake_bridge, 0.5, 120)
    assert not page.stage.original.isVisible() and page.point().tolist() == [0.5] * 8


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
    assert page.stage.original.view.image is not original  # that of the start again


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
    assert told.args[0] == (Bookmark("Bookmark 1", tuple(here.tolist()), pytest.approx(0.1)),)
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


def test_pictures_are_soft_until_pixels_are_chosen_which_is_remembered(qtbot, page, fake_bridge, preferences):
    assert page.stage.picture.smooth
    next(action for action in page.actions() if "soft" in action.text()).trigger()
    assert not page.stage.picture.smooth and page.stage.other.view.smooth
    again = ExplorePage(fake_bridge, preferences)
    qtbot.addWidget(again)
    assert not again.stage.picture.smooth


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


def test_on_a_small_screen_the_picture_is_larger_than_the_panel_and_nothing_is_cut_off(page, fake_bridge, model_info):
    fake_bridge.give_model(wide(model_info))
    page.resize(1290, 600)
    page.grab()
    panel = page.panel
    assert page.stage.picture.width() > panel.width()
    for widget in (panel.weight, panel.curve, panel.mode, panel.details, panel.dice, panel.tools):
        assert page.rect().contains(widget.geometry().translated(page.panel.pos()))
        assert widget.width() >= widget.minimumSizeHint().width()


# ---------------------------------------------------------------------- two latents, and a thousand


def _two(model_info):
    two = {name: getattr(model_info, name)[:2] for name in ("rates", "means", "spreads")}
    return replace(
        model_info, path="/nowhere/two.keras", latent_dim=2, latents=model_info.latents[:, :2].copy(),
        directions=np.eye(2, dtype="float32"), direction_spreads=np.ones(2, "float32"), **two,
    )  # fmt: skip


def test_two_latents_are_moved_at_once_on_a_pad_over_what_is_painted_there(qtbot, page, fake_bridge, model_info):
    assert page.panel.pad.isHidden(), "of more than two there are sliders alone"
    fake_bridge.give_model(_two(model_info))
    pad = page.panel.pad
    qtbot.waitUntil(lambda: pad.isVisible() and pad.width() > 100)
    ticket, asked = fake_bridge.last(Decode, "pad")
    assert asked.latents.shape == (81, 2)
    corners = asked.latents[[0, 8, -1]]
    assert corners[0][0] < 0 < corners[0][1] and corners[1][0] > 0 and corners[2][1] < 0, "as they stand on the pad"
    images = np.zeros((81, 4, 4, 3), np.uint8)
    images[0] = 255  # the upper left
    fake_bridge.answer(ticket, Decoded(images))
    room = pad.square()
    assert pad.grab().toImage().pixelColor(int(room.left()) + 6, int(room.top()) + 6).name() == "#ffffff"
    before = page.undo_stack.count()
    middle, end = room.center().toPoint(), QPointF(room.left() + 0.75 * room.width(), room.top() + 0.25 * room.height())
    qtbot.mousePress(pad, LEFT, pos=middle)
    pad.mouseMoveEvent(_moved(end.toPoint()))
    qtbot.mouseRelease(pad, LEFT, pos=end.toPoint())
    assert page.point() == pytest.approx([2.0, 2.0], abs=0.05) and page.undo_stack.count() == before + 1
    assert (pad.place_of(tuple(page.point().tolist())) - end).manhattanLength() < 3
    page.undo_stack.undo()
    assert not np.allclose(page.point(), [2.0, 2.0], atol=0.1)
    again = [content for _, content, lane in fake_bridge.asked if lane == "pad"]
    assert len(again) == 1, "what lies under it does not change with the point"
    page.panel.weight.changed.emit(0.3)
    qtbot.waitUntil(lambda: len([1 for _, content, lane in fake_bridge.asked if lane == "pad"]) == 2)


def test_a_value_beyond_the_pad_stands_at_its_edge(qtbot, page, fake_bridge, model_info):
    fake_bridge.give_model(_two(model_info))
    qtbot.waitUntil(lambda: page.panel.pad.isVisible())
    pad = page.panel.pad
    assert pad.place_of((99.0, -99.0)) == pad.square().bottomRight()
    assert pad.values_at(pad.place_of((1.5, -0.5))) == pytest.approx((1.5, -0.5))


def _moved(place: QPoint) -> QMouseEvent:
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    return QMouseEvent(QEvent.Type.MouseMove, QPointF(place), left, left, none)


def test_of_a_thousand_latents_any_is_found_by_its_number(qtbot, page, fake_bridge, model_info):
    count = 1024
    fake_bridge.give_model(
        replace(
            model_info, path="/nowhere/many.keras", latent_dim=count, latents=np.zeros((1, count), "float32"),
            thumbnails=model_info.thumbnails[:1], rates=np.linspace(3, 0.5, count).astype("float32"),
            means=np.zeros(count, "float32"), spreads=np.ones(count, "float32"),
            directions=np.eye(2, count, dtype="float32"), direction_spreads=np.ones(2, "float32"),
        )
    )  # fmt: skip
    rows, finder = page.panel.sliders, page.panel.finder
    qtbot.waitUntil(lambda: len(rows.rows) == 48)
    page.activateWindow()
    qtbot.keyClick(page.panel, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    for number, place in ((1000, 0), (3, 3), (1000, 0)):
        finder.setText(str(number))
        finder.finish()
        row = next(row for row in rows.rows if row.axis.index == number - 1)
        assert rows.rows.index(row) == place and row in rows.visible_rows() and finder.text() == ""
    assert len(rows.rows) == 49 and page._axes.hidden == count - 49
    row.wanted.emit(1.25)
    assert page.point()[999] == 1.25
    finder.setText("1025")
    finder.finish()
    assert len(rows.rows) == 49, "there is none"
    page.panel.mode.chosen.emit(1)
    assert finder.isHidden()
    fake_bridge.give_model(model_info)
    assert finder.isHidden(), "eight are soon seen"


def test_a_rate_says_its_unit_once_for_the_whole_list(page):
    row = page.panel.sliders.rows[0]
    assert row.short_worth() == "3.10" and row.worth() == "3.10 nats" and "nats" in row.accessibleName()
    assert page.panel.unit.text().count("nats") == 1
