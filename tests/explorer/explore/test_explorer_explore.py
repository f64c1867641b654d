"""The Explore page as a person sees it: what moves, what is asked of the engine, and what undo brings back."""

from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QSettings, Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QToolTip

from explorer.explore.page import ExplorePage
from explorer.messages import Decode, Decoded, Encode, Encoded
from explorer.state.latent import sketched
from explorer.widgets.preferences import Preferences

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def preferences(tmp_path) -> Preferences:
    return Preferences(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


@pytest.fixture
def empty(qtbot, fake_bridge, preferences) -> ExplorePage:
    page = ExplorePage(fake_bridge, preferences)
    qtbot.addWidget(page)
    page.resize(1300, 640)
    page.show()
    return page


@pytest.fixture
def page(qtbot, empty, fake_bridge, model_info) -> ExplorePage:
    """With a model open, its first picture answered and nothing more under way."""
    fake_bridge.give_model(model_info)
    settle(qtbot, empty, fake_bridge)
    return empty


def settle(qtbot, page, bridge) -> None:
    """Wait until nothing more is asked, and answer the newest picture."""
    qtbot.waitUntil(lambda: not page._throttle._timer.isActive() and not page.strips._timer.isActive())
    bridge.answer(bridge.last(Decode, "picture")[0], picture(page))


def picture(page, value: int = 90) -> Decoded:
    return Decoded(np.full((1, *page._info.image_shape), value, np.uint8))


def pictures_asked(bridge) -> list[Decode]:
    return [content for _, content, lane in bridge.asked if lane == "picture"]


def strips_asked(bridge) -> list[Decode]:
    return [content for _, content, lane in bridge.asked if lane == "strips"]


def handle(row) -> QPoint:
    return QPoint(round(row.handle_x()), row._line())


def drag(qtbot, row, *offsets: int) -> None:
    start = handle(row)
    qtbot.mousePress(row, LEFT, pos=start)
    for offset in offsets:
        qtbot.mouseMove(row, start + QPoint(offset, 0))
    qtbot.mouseRelease(row, LEFT, pos=start + QPoint(offsets[-1], 0))


# ---------------------------------------------------------------------- without and with a model


def test_without_a_model_the_page_says_what_to_do(empty):
    assert "Open one" in empty.stage.picture._placeholder
    assert not empty.panel.isVisible()
    assert empty.point().shape == (0,) and empty.kl_weight() is None
    empty.go_to(np.zeros(8), "nowhere")
    empty.add_bookmark()
    empty.open_picture("x.png")


def test_before_the_engine_answers_a_sketch_of_the_nearest_stored_picture_stands_in(empty, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    np.testing.assert_array_equal(empty.point(), model_info.latents[0])
    np.testing.assert_array_equal(empty.stage.picture.image, sketched(model_info.thumbnails[0]))
    assert "Starting the engine" in empty.stage.line.text()
    empty.go_to(model_info.latents[5], "another")
    np.testing.assert_array_equal(empty.stage.picture.image, sketched(model_info.thumbnails[5]))
    fake_bridge.answer(fake_bridge.last(Decode, "picture")[0], picture(empty))
    assert empty.stage.picture.image[0, 0, 0] == 90 and empty.stage.line.text() == ""


def test_what_the_model_makes_of_a_picture_stands_large_and_the_picture_labelled_beside_it(
    page, fake_bridge, model_info
):
    stage = page.stage
    assert stage.original.isVisible() and stage.original.caption.text() == "the painting"
    np.testing.assert_array_equal(stage.original.view.image, model_info.thumbnails[0])
    assert stage.picture.image[0, 0, 0] == 90  # the model's
    assert (
        stage.line.text().startswith("What the model kept: it is soft where") and "lower KL weight" in stage.line.text()
    )
    label = stage.original.caption
    assert label.fontMetrics().horizontalAdvance(label.text()) <= label.width(), "cut off"
    page.go_to(np.zeros(8), "away")
    assert stage.line.text() == ""
    page.undo_stack.undo()
    assert stage.line.text().startswith("What the model kept")
    page.open_picture("/home/me/cat.png")
    image = np.full((16, 16, 3), 7, np.uint8)
    fake_bridge.answer(fake_bridge.last(Encode)[0], Encoded(np.ones(8, "float32"), image, image))
    assert stage.original.caption.text() == "your picture" and stage.line.text().startswith("What the model kept")


def test_the_painting_stands_where_it_can_be_seen_as_soon_as_the_model_is_open(empty, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    inset, room = empty.stage.original, empty.stage.picture.picture_rect()
    assert inset.geometry().bottom() == pytest.approx(empty.stage.picture.y() + room.bottom(), abs=2)


def test_what_the_card_told_is_not_asked_again_when_the_model_is_there(qtbot, empty, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    fake_bridge.give_model(replace(model_info), same=True)
    qtbot.waitUntil(lambda: not empty._throttle._timer.isActive())
    assert not [content for _, content, _ in fake_bridge.asked if isinstance(content, Encode)]
    np.testing.assert_array_equal(fake_bridge.last(Decode, "picture")[1].latents[0], model_info.latents[0])


def test_newer_weights_keep_the_point_and_make_every_picture_anew(qtbot, page, fake_bridge, model_info):
    page.go_to(np.arange(8), "there")
    settle(qtbot, page, fake_bridge)
    before, strips = len(pictures_asked(fake_bridge)), len(strips_asked(fake_bridge))
    fake_bridge.give_model(replace(model_info), same=True)
    settle(qtbot, page, fake_bridge)
    np.testing.assert_array_equal(page.point(), np.arange(8))
    assert len(pictures_asked(fake_bridge)) == before + 1 and len(strips_asked(fake_bridge)) == strips + 1
    assert page.undo_stack.canUndo()


def test_another_model_starts_anew(page, fake_bridge, model_info):
    page.go_to(np.zeros(8), "zero")
    other = replace(model_info, path="/nowhere/other.keras", latents=model_info.latents[::-1])
    fake_bridge.give_model(other)
    np.testing.assert_array_equal(page.point(), other.latents[0])
    assert not page.undo_stack.canUndo()


def test_a_picture_of_the_model_before_is_not_shown(page, fake_bridge, model_info):
    page.go_to(np.zeros(8), "zero")
    answer = fake_bridge._pending[fake_bridge.last(Decode, "picture")[0]][0]
    fake_bridge.give_model(replace(model_info, path="/nowhere/other.keras"))
    answer(picture(page, 7))
    np.testing.assert_array_equal(page.stage.picture.image, sketched(model_info.thumbnails[0]))


def test_a_late_picture_does_not_overwrite_a_newer_one(qtbot, page, fake_bridge):
    page.go_to(np.zeros(8), "zero")
    qtbot.waitUntil(lambda: not page._throttle._timer.isActive())
    late = fake_bridge._pending[fake_bridge.last(Decode, "picture")[0]][0]
    page.go_to(np.ones(8), "one")
    qtbot.waitUntil(lambda: not page._throttle._timer.isActive())
    fake_bridge.answer(fake_bridge.last(Decode, "picture")[0], picture(page, 200))
    late(picture(page, 7))
    assert page.stage.picture.image[0, 0, 0] == 200


def test_a_model_that_is_closed_leaves_an_empty_page(page, fake_bridge):
    fake_bridge.give_model(None)
    assert page.stage.picture.image is None and not page.panel.isVisible()


def test_pixels_on_the_screen_are_the_bytes_that_were_decoded(qtbot, page, fake_bridge):
    image = np.random.default_rng(3).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    page.go_to(np.zeros(8), "zero")
    fake_bridge.answer(fake_bridge.last(Decode, "picture")[0], Decoded(image))
    page._set_smooth(False)
    view = page.stage.picture
    where, shot = view.picture_rect(), view.grab().toImage()
    scale = int(where.width()) // 16
    for y in range(16):
        for x in range(16):
            at = QPoint(int(where.x()) + x * scale + scale // 2, int(where.y()) + y * scale + scale // 2)
            assert QColor(shot.pixel(at)).getRgb()[:3] == tuple(image[0, y, x])


# ---------------------------------------------------------------------- sliders


def test_eight_sliders_set_at_once_ask_for_one_picture(qtbot, page, fake_bridge):
    before = len(pictures_asked(fake_bridge))
    page.go_to(np.linspace(-1, 1, 8), "eight")
    settle(qtbot, page, fake_bridge)
    asked = pictures_asked(fake_bridge)
    assert len(asked) == before + 1
    np.testing.assert_allclose(asked[-1].latents, np.linspace(-1, 1, 8, dtype="float32")[None])
    assert [round(row.number, 3) for row in page.panel.sliders.rows[:2]] == [-0.143, -0.714]


def test_a_drag_is_one_step_and_its_last_value_arrives(qtbot, page, fake_bridge):
    before, row = page.point(), page.panel.sliders.rows[0]
    drag(qtbot, row, 5, 10, 30)
    assert page.undo_stack.count() == 1
    assert page.undo_stack.undoText() == "move latent 4"
    settle(qtbot, page, fake_bridge)
    np.testing.assert_array_equal(pictures_asked(fake_bridge)[-1].latents[0], page.point())
    assert page.point()[3] > before[3] and np.array_equal(np.delete(page.point(), 3), np.delete(before, 3))
    page.undo_stack.undo()
    np.testing.assert_array_equal(page.point(), before)
    assert row.number == pytest.approx(before[3])


def test_two_drags_are_two_steps_and_one_that_comes_back_is_none(qtbot, page):
    row = page.panel.sliders.rows[0]
    drag(qtbot, row, 10)
    drag(qtbot, row, 10)
    assert page.undo_stack.count() == 2
    start = page.history.state
    page.history.press()
    page._move(row.axis, 3.0)
    page._change(start, "back")
    page.history.release()
    assert page.undo_stack.count() == 2


def test_double_click_on_a_handle_puts_that_slider_back(qtbot, page):
    row = page.panel.sliders.rows[1]
    others = np.delete(page.point(), row.axis.index)
    qtbot.mousePress(row, LEFT, pos=handle(row))
    qtbot.mouseRelease(row, LEFT, pos=handle(row))
    qtbot.mouseDClick(row, LEFT, pos=handle(row))
    assert page.point()[row.axis.index] == 0.0 and row.number == 0.0
    np.testing.assert_array_equal(np.delete(page.point(), row.axis.index), others)
    assert page.undo_stack.undoText() == "reset latent 2"


def test_a_click_on_a_frame_goes_to_the_value_it_shows(qtbot, page):
    row = page.panel.sliders.rows[0]
    qtbot.mouseClick(row, LEFT, pos=row.frame_rect(6).center().toPoint())
    assert page.point()[3] == 3.0
    assert row.frame_rect(6).center().x() == pytest.approx(row.handle_x(), abs=1)  # it stands above its value


def test_collapsed_sliders_are_folded_and_counted(qtbot, page):
    rows = page.panel.sliders
    assert [row.axis.index for row in rows.rows] == [3, 1, 0, 2, 5, 4]
    assert rows.fold.text() == "▸ 2 collapsed"
    qtbot.mouseClick(rows.fold, LEFT)
    qtbot.waitUntil(lambda: len(rows.rows) == 8)
    assert [row.axis.index for row in rows.rows] == [3, 1, 0, 2, 5, 4, 6, 7]
    assert rows.fold.text() == "▾ 2 collapsed"
    assert rows.rows[6].number == pytest.approx(float(page.point()[6]))
    qtbot.mouseClick(rows.fold, LEFT)
    assert len(rows.rows) == 6


def many(model_info, count: int):
    """A model of a range of weights with `count` latents, the most telling first."""
    even, eigenvalues = np.ones(count, np.float32), np.geomspace(10, 1e-4, count).astype(np.float32)
    return replace(
        model_info,
        latent_dim=count,
        latents=np.linspace(-1, 1, count, dtype=np.float32)[None],
        thumbnails=model_info.thumbnails[:1],
        rates=np.linspace(3, 0.5, count).astype(np.float32),
        means=0 * even,
        spreads=np.sqrt(np.maximum(1.0 - 0.05 / eigenvalues, 0.0)),  # at the weight 0.1
        directions=np.eye(2, count, dtype=np.float32),
        direction_spreads=even[:2],
        weight_range=(0.01, 1.0),
        eigenvalues=eigenvalues,
    )


def test_a_hundred_sliders_come_a_few_at_a_time_in_order_and_with_their_values(qtbot, page, fake_bridge, model_info):
    count, shown = 100, 48
    info = many(model_info, count)
    info = replace(info, weight_range=None, eigenvalues=None, spreads=np.ones(count, np.float32))
    fake_bridge.give_model(info)
    rows = page.panel.sliders
    assert 0 < len(rows.rows) < 20, "those in view at once"
    qtbot.waitUntil(lambda: len(rows.rows) == shown)
    qtbot.wait(30)
    assert rows.fold.text() == "▸ 52 more"
    assert [row.axis.index for row in rows.rows] == list(range(shown))
    qtbot.mouseClick(rows.fold, LEFT)
    qtbot.waitUntil(lambda: len(rows.rows) == count)
    qtbot.wait(30)
    assert rows.fold.text() == "▾ 52 more"
    assert [row.axis.index for row in rows.rows] == list(range(count))
    assert rows.rows[shown - 1].y() < rows.fold.y() < rows.rows[shown].y()
    assert [row.number for row in rows.rows] == pytest.approx(list(page.point()), abs=1e-6)
    assert [row.y() for row in rows.rows] == sorted(row.y() for row in rows.rows) and rows.updatesEnabled()
    assert rows.rows[0].focusPolicy() == Qt.FocusPolicy.StrongFocus
    rows.rows[50].setFocus()
    qtbot.keyClick(rows.rows[50], Qt.Key.Key_Down)
    assert rows.rows[51].hasFocus() or page.window().focusWidget() is rows.rows[51]


def test_of_ten_thousand_latents_few_have_sliders_and_one_line_counts_the_rest(qtbot, page, fake_bridge, model_info):
    info = many(model_info, 12_292)
    fake_bridge.give_model(info)
    rows, weight = page.panel.sliders, page.panel.weight
    qtbot.waitUntil(lambda: len(rows.rows) == 48)

    def dead(kl_weight: float) -> str:
        return f"{np.count_nonzero(info.eigenvalues[48:] <= kl_weight / 2 / 0.99):,} of them collapsed"

    assert rows.fold.text() == f"▸ 12,244 more, {dead(0.1)}"
    weight.changed.emit(0.01)
    qtbot.waitUntil(lambda: rows.fold.text() == f"▸ 12,244 more, {dead(0.01)}")
    qtbot.mouseClick(rows.fold, LEFT)
    qtbot.waitUntil(lambda: len(rows.rows) == 128)
    assert rows.fold.text() == f"▾ 80 of 12,244 more, {dead(0.01)}"


def test_sliders_fade_while_the_weight_that_their_dimension_dies_at_comes_near(qtbot, page, fake_bridge, model_info):
    eigenvalues = np.array([np.nan, 9, 3, 1, 0.3, 0.1, 0.03, 0.01], np.float32)
    info = replace(many(model_info, 8), eigenvalues=eigenvalues, spreads=np.array([1] * 6 + [0] * 2, np.float32))
    fake_bridge.give_model(info)
    qtbot.waitUntil(lambda: len(page.panel.sliders.rows) == 8)
    rows = page.panel.sliders.rows
    page.panel.weight.changed.emit(0.01)
    qtbot.waitUntil(lambda: all(row.life > 0.6 for row in rows))
    alive, shot = [row.life for row in rows], rows[5].grab().toImage()
    page.panel.weight.changed.emit(0.8)
    qtbot.waitUntil(lambda: [row.life > 0 for row in rows] == [True] * 4 + [False] * 4)  # above half the weight
    assert all(after <= before for after, before in zip([row.life for row in rows], alive, strict=True))
    assert rows[5].grab().toImage() != shot
    assert "lets go" in rows[5].explanation(QPoint(2, 12)) and "lets go" not in rows[1].explanation(QPoint(2, 12))


def test_keys_move_reset_and_lock(qtbot, page):
    rows = page.panel.sliders.rows
    page.go_to(np.zeros(8), "zero")
    rows[0].setFocus()
    qtbot.keyClick(rows[0], Qt.Key.Key_Right)
    assert page.point()[3] == pytest.approx(0.1)
    qtbot.keyClick(rows[0], Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(rows[0], Qt.Key.Key_Left, Qt.KeyboardModifier.ControlModifier)
    assert page.point()[3] == pytest.approx(0.59)
    assert page.undo_stack.count() == 4
    qtbot.keyClick(rows[0], Qt.Key.Key_Home)
    assert page.point()[3] == 0.0
    qtbot.keyClick(rows[0], Qt.Key.Key_L)
    qtbot.keyClick(rows[0], Qt.Key.Key_Right)
    assert page.point()[3] == 0.0 and page.history.state.locked == {3}
    assert page.panel.unit.text().startswith("1 locked")
    qtbot.keyClick(rows[0], Qt.Key.Key_Down)
    qtbot.waitUntil(rows[1].hasFocus)


def test_tab_comes_to_one_slider_and_then_leaves_the_list(qtbot, page):
    rows = page.panel.sliders.rows
    page.panel.mode.button(0).setFocus()
    qtbot.waitUntil(page.panel.mode.button(0).hasFocus)
    seen = []
    for _ in range(5):
        qtbot.keyClick(page.focusWidget(), Qt.Key.Key_Tab)
        seen.append(page.focusWidget())
    assert [widget in rows for widget in seen].count(True) == 1
    place = next(i for i, widget in enumerate(seen) if widget in rows)
    assert seen[place] is rows[0] and seen[place + 1] is page.panel.sliders.fold
    assert page.panel.dice.isAncestorOf(seen[place + 2])


def test_a_number_beyond_the_slider_is_refused_and_said_though_the_entry_is_gone(qtbot, page):
    row, entry = page.panel.sliders.rows[0], page.panel.sliders.entry
    before = page.point().tolist()
    qtbot.mouseClick(row, LEFT, pos=row.number_rect().center())
    entry.setText("999")
    qtbot.keyClick(entry, Qt.Key.Key_Return)
    assert page.point().tolist() == before and page.undo_stack.count() == 0 and entry.isHidden()
    sentence = "Latent dimension 4 must be a number from −4 to 4; 999 is not."
    qtbot.waitUntil(lambda: QToolTip.isVisible() and QToolTip.text() == sentence)


def test_a_number_is_typed_and_escape_leaves_it(qtbot, page):
    row, entry = page.panel.sliders.rows[0], page.panel.sliders.entry
    row.setFocus()
    qtbot.keyClicks(row, "2")
    assert entry.isVisible()
    qtbot.keyClicks(entry, ".5")
    qtbot.keyClick(entry, Qt.Key.Key_Return)
    assert page.point()[3] == 2.5 and not entry.isVisible()
    assert page.undo_stack.count() == 1
    qtbot.mouseClick(row, LEFT, pos=row.number_rect().center())
    qtbot.keyClicks(entry, "9")
    qtbot.keyClick(entry, Qt.Key.Key_Escape)
    assert page.point()[3] == 2.5 and not entry.isVisible()


def test_a_number_beyond_the_slider_is_kept(page):
    row = page.panel.sliders.rows[0]
    page._move(row.axis, 7.0)
    assert page.point()[3] == 7.0 and row.number == 7.0
    assert row.handle_x() < row.number_rect().x()


def test_principal_directions_move_the_point_along_them(qtbot, page, fake_bridge, model_info):
    start = page.point()
    qtbot.mouseClick(page.panel.mode.button(1), LEFT)
    rows = page.panel.sliders.rows
    assert len(rows) == 6 and rows[0].title() == "Principal direction 1"
    page._move(rows[0].axis, 1.5)
    moved = page.point() - start
    cosine = abs(moved @ model_info.directions[0]) / np.linalg.norm(moved)
    assert cosine == pytest.approx(1, abs=1e-5) and rows[0].number == pytest.approx(1.5)
    page.undo_stack.undo()
    page.undo_stack.undo()
    assert page.history.state.mode == "dimensions" and page.panel.sliders.rows[0].title() == "Latent dimension 4"


# ---------------------------------------------------------------------- filmstrips


def test_one_question_fills_the_filmstrips_in_view_and_no_others(qtbot, page, fake_bridge):
    page.resize(1300, 460)
    page.go_to(np.zeros(8), "zero")
    settle(qtbot, page, fake_bridge)
    seen = page.panel.sliders.visible_rows()
    assert 0 < len(seen) < 6
    ticket, content = fake_bridge.last(Decode, "strips")
    assert content.latents.shape == (7 * len(seen), 8)
    np.testing.assert_allclose(content.latents[:7, 3], np.arange(-3, 4))
    fake_bridge.answer(ticket, Decoded(np.zeros((len(content.latents), 16, 16, 3), np.uint8)))
    assert all(row.strip is not None for row in seen)
    before = len(strips_asked(fake_bridge))
    page.panel.sliders.verticalScrollBar().setValue(1000)
    settle(qtbot, page, fake_bridge)
    assert len(strips_asked(fake_bridge)) == before + 1
    hidden = [row for row in page.panel.sliders.visible_rows() if row not in seen]
    assert len(strips_asked(fake_bridge)[-1].latents) == 7 * len(hidden)


@pytest.mark.parametrize("shape", [(16, 16, 3), (64, 64, 3), (48, 96, 3), (64, 64, 1)])
def test_each_frame_of_a_filmstrip_stands_at_its_place(page, fake_bridge, shape):
    ticket, content = fake_bridge.last(Decode, "strips")
    shades = np.tile(np.arange(7, dtype=np.uint8) * 30 + 20, len(content.latents) // 7)
    fake_bridge.answer(ticket, Decoded(np.ones((len(shades), *shape), np.uint8) * shades[:, None, None, None]))
    row = page.panel.sliders.rows[0]
    shot = row.grab().toImage()
    for frame in range(7):
        colour = QColor(shot.pixel(row.frame_rect(frame).center().toPoint()))
        assert colour.getRgb()[:3] == (frame * 30 + 20,) * 3


def test_the_filmstrip_of_the_slider_that_moved_is_not_decoded_again(qtbot, page, fake_bridge):
    ticket, content = fake_bridge.last(Decode, "strips")
    fake_bridge.answer(ticket, Decoded(np.zeros((len(content.latents), 16, 16, 3), np.uint8)))
    shown = len(page.panel.sliders.visible_rows())
    drag(qtbot, page.panel.sliders.rows[0], 20)
    settle(qtbot, page, fake_bridge)
    assert len(strips_asked(fake_bridge)[-1].latents) == 7 * (shown - 1)


def test_filmstrips_wait_while_a_hand_drags_and_give_way_to_it(qtbot, page, fake_bridge):
    ticket, _ = fake_bridge.last(Decode, "strips")  # not answered yet
    row, before = page.panel.sliders.rows[0], len(strips_asked(fake_bridge))
    qtbot.mousePress(row, LEFT, pos=handle(row))
    qtbot.mouseMove(row, handle(row) + QPoint(12, 0))
    assert ticket in fake_bridge.cancelled and not page.strips._timer.isActive()
    qtbot.mouseRelease(row, LEFT, pos=handle(row))
    settle(qtbot, page, fake_bridge)
    assert len(strips_asked(fake_bridge)) == before + 1
