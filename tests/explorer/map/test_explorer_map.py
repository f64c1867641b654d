"""The Map page: what it asks, where pictures lie, and what a hand on them does."""

from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPoint, QPointF, QSettings, Qt
from PyQt6.QtGui import QMouseEvent, QWheelEvent
from PyQt6.QtWidgets import QApplication

from explorer.map.page import CHANGED, NO_MODEL, READING, MapPage
from explorer.map.scatter import MOST, ScatterView
from explorer.messages import MapDone, MapLaid, MapPart, ReadMap, Unread
from explorer.state import mapping
from explorer.widgets.preferences import Preferences

COLOURS = np.random.default_rng(9).integers(0, 256, (40, 1, 1, 3), dtype=np.uint8)


def latents_of(count: int) -> np.ndarray:
    scale = np.array([3, 2, 1, 1, 0.5, 0.5, 0.01, 0])
    return (np.random.default_rng(8).standard_normal((count, 8)) * scale).astype("float32")


def send(bridge, latents: np.ndarray, parts: int = 2) -> MapDone:
    """Answer the newest request with pictures of one colour each, in folders "a" and "b"."""
    ticket, _ = bridge.last(ReadMap)
    n, done = len(latents), 0
    for chunk in np.array_split(np.arange(n), parts):
        done += len(chunk)
        thumbnails = np.broadcast_to(COLOURS[chunk % len(COLOURS)], (len(chunk), 8, 8, 3)).copy()
        names = tuple(f"picture-{i}.png" for i in chunk)
        folders = tuple(f"/art/{'ab'[i % 2]}" for i in chunk)
        bridge.answer(ticket, MapPart(done, n, latents[chunk], thumbnails, names, folders))
    mean = latents.mean(axis=0)
    _, spreads, components = np.linalg.svd(latents - mean, full_matrices=False)
    finished = MapDone(mean, components, spreads**2 / np.sum(spreads**2))
    bridge.answer(ticket, finished)
    return finished


@pytest.fixture
def page(qtbot, fake_bridge, tmp_path):
    made = MapPage(fake_bridge, Preferences(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat)))
    qtbot.addWidget(made)
    made.resize(1310, 700)
    made.show()
    return made


@pytest.fixture
def laid_out(page, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    page.finished = send(fake_bridge, latents_of(40))
    return page


PLACES = np.stack([np.arange(40) % 8, np.arange(40) // 8], 1).astype("float32")


def test_similar_pictures_come_together_while_one_looks_and_axes_are_the_choice(page, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    assert page.layout_choice.currentData() == "likeness"
    assert not page.across.isVisible() and not page.up.isVisible()
    latents = latents_of(40)
    ticket = fake_bridge.last(ReadMap)[0]
    names, thumbnails = tuple(map(str, range(40))), np.zeros((40, 8, 8, 3), np.uint8)
    fake_bridge.answer(ticket, MapPart(40, 40, latents, thumbnails, names, ("",) * 40))
    before = page.scatter.places.copy()
    for done in (25, 350):
        fake_bridge.answer(ticket, MapLaid(done, 350, PLACES * done))
        assert page.progress.isVisible() and page.progress.value() == done
        np.testing.assert_array_equal(page.scatter.places, PLACES * done)
    fake_bridge.answer(ticket, MapDone(latents.mean(0), np.eye(8, dtype="float32"), np.ones(8, "float32") / 8))
    assert not page.progress.isVisible()
    np.testing.assert_array_equal(page.scatter.places, PLACES * 350)
    page.set_point(latents[11])
    np.testing.assert_allclose(page.scatter._cross, PLACES[11] * 350, atol=1)
    page.layout_choice.setCurrentIndex(1)
    assert page.across.isVisible() and page.scatter.places.shape == before.shape
    np.testing.assert_allclose(page.scatter.places, (latents - latents.mean(0))[:, :2], atol=1e-5)
    page.layout_choice.setCurrentIndex(0)
    np.testing.assert_array_equal(page.scatter.places, PLACES * 350)


def test_the_layout_is_remembered(page, fake_bridge, qtbot):
    page.layout_choice.setCurrentIndex(1)
    again = MapPage(fake_bridge, page._preferences)
    qtbot.addWidget(again)
    assert again.layout_choice.currentData() == "axes"


def test_a_hand_that_moves_the_map_while_it_settles_is_not_overruled(page, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    ticket = fake_bridge.last(ReadMap)[0]
    thumbnails = np.zeros((40, 8, 8, 3), np.uint8)
    fake_bridge.answer(ticket, MapPart(40, 40, latents_of(40), thumbnails, ("a",) * 40, ("",) * 40))
    page.scatter.zoom(3.0)
    view = page.scatter.view
    fake_bridge.answer(ticket, MapLaid(25, 350, PLACES))
    assert page.scatter.view == view


def pixel_of(page, index: int) -> QPoint:
    return QPointF(*page.scatter.view.to_screen(page.scatter.places[index : index + 1])[0]).toPoint()


def in_the_open(page) -> int:
    """A picture that nothing lies over."""
    for index in range(len(page.pictures)):
        if page.scatter.picture_at(pixel_of(page, index).x(), pixel_of(page, index).y()) == index:
            return index
    raise AssertionError("every picture is covered")


def drag(page, start: QPoint, end: QPoint, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    kinds = QEvent.Type
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    middle = (start + end) / 2
    for kind, place, button, held in (
        (kinds.MouseButtonPress, start, left, left),
        (kinds.MouseMove, middle, none, left),
        (kinds.MouseMove, end, none, left),
        (kinds.MouseButtonRelease, end, left, none),
    ):
        place = QPointF(place)
        where = QPointF(page.scatter.mapToGlobal(place))
        QApplication.sendEvent(page.scatter, QMouseEvent(kind, place, where, button, held, modifier))


def test_without_a_model_the_page_says_what_to_do_and_asks_nothing(page, fake_bridge):
    assert page.scatter._message == NO_MODEL
    assert not fake_bridge.asked and not page.again.isEnabled()


def test_a_hidden_page_asks_when_it_is_first_looked_at(qtbot, fake_bridge, model_info, tmp_path):
    page = MapPage(fake_bridge, Preferences(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat)))
    qtbot.addWidget(page)
    fake_bridge.give_model(model_info)
    assert not fake_bridge.asked
    page.show()
    assert [(content, lane) for _, content, lane in fake_bridge.asked] == [(ReadMap(), "map")]
    assert page.scatter._message == READING and page.again.text() == "&Stop"
    page.hide()
    page.show()
    assert len(fake_bridge.asked) == 1


def test_pictures_lie_at_their_projections_while_streaming_and_when_done(page, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    latents, ticket = latents_of(40), fake_bridge.last(ReadMap)[0]
    part = MapPart(10, 40, latents[:10], np.zeros((10, 8, 8, 3), np.uint8), ("x",) * 10, ("",) * 10)
    fake_bridge.answer(ticket, part)
    np.testing.assert_allclose(
        page.scatter.places, ((latents[:10] - model_info.means) @ model_info.directions.T)[:, :2], atol=1e-5
    )
    assert page.status.text() == "10 of 40 pictures" and page.progress.value() == 10
    page.again.click()  # stop, and lay out anew
    page.again.click()
    done = send(fake_bridge, latents)
    np.testing.assert_allclose(page.scatter.places, ((latents - done.mean) @ done.components.T)[:, :2], atol=1e-5)
    assert page.across.currentText() == f"1st direction, {100 * done.shares[0]:.0f} %"
    assert not page.progress.isVisible() and page.again.text() == "&Lay out again"


def test_any_two_latent_dimensions_can_be_the_axes(laid_out):
    labels = [laid_out.across.itemText(i) for i in range(laid_out.across.count())]
    laid_out.across.setCurrentIndex(labels.index("latent 5, 0.4 nats"))
    laid_out.up.setCurrentIndex(labels.index("latent 4, 3.1 nats"))
    np.testing.assert_allclose(laid_out.scatter.places, laid_out.pictures.latents[:, [4, 3]])


def test_pointing_shows_the_picture_with_name_and_folder(qtbot, laid_out):
    index = in_the_open(laid_out)
    panel = laid_out.panel
    qtbot.mouseMove(laid_out.scatter, QPoint(1, 1))  # a pointer that is there already moves nothing
    qtbot.mouseMove(laid_out.scatter, pixel_of(laid_out, index))
    qtbot.waitUntil(lambda: panel.name.text() != "", timeout=5000)  # the pointer's way leads through the window system
    assert (panel.name.text(), panel.folder.text()) == (f"picture-{index}.png", "ab"[index % 2])
    np.testing.assert_array_equal(panel.picture.image[0, 0], COLOURS[index, 0, 0])


def test_the_pixel_under_the_cursor_has_the_colour_of_the_picture_that_is_picked(laid_out):
    rng = np.random.default_rng(3)
    seen = 0
    for _ in range(6):
        laid_out.scatter.fit()
        laid_out.scatter.zoom(2.0 ** rng.uniform(-1, 4), QPointF(*rng.uniform(0, 600, 2)))
        picture = laid_out.scatter.grab().toImage()
        drawn, side = laid_out.scatter.drawn()
        pixels = laid_out.scatter.view.to_screen(laid_out.scatter.places)
        for index in drawn:
            x, y = pixels[index].round().astype(int)
            hit = laid_out.scatter.picture_at(x, y)
            near_an_edge = np.any(np.abs(np.abs(pixels[drawn] - (x, y)).max(axis=1) - side / 2) < 5)
            if picture.rect().contains(int(x), int(y)) and not near_an_edge:
                colour = picture.pixelColor(int(x), int(y))
                assert (colour.red(), colour.green(), colour.blue()) == tuple(COLOURS[hit % 40, 0, 0])
                seen += 1
    assert seen > 20


def test_a_click_loads_the_picture_and_shows_its_nearest_ones(qtbot, laid_out):
    index = in_the_open(laid_out)
    with qtbot.waitSignal(laid_out.picked) as caught:
        qtbot.mouseClick(laid_out.scatter, Qt.MouseButton.LeftButton, pos=pixel_of(laid_out, index))
    np.testing.assert_array_equal(caught.args[0], laid_out.pictures.latents[index])
    assert caught.args[1] == f"picture-{index}.png"
    near = mapping.nearest(laid_out.pictures.latents, index, active_variance=0.01)
    shown = [button.toolTip() for button in laid_out.panel.buttons if not button.isHidden()]
    assert shown == [f"picture-{i}.png" for i in near]
    with qtbot.waitSignal(laid_out.picked) as caught:
        laid_out.panel.buttons[2].click()
    assert caught.args[1] == f"picture-{near[2]}.png"


def test_a_click_beside_all_pictures_lets_go(qtbot, laid_out):
    laid_out.select(3)
    qtbot.mouseClick(laid_out.scatter, Qt.MouseButton.LeftButton, pos=QPoint(2, 2))
    assert laid_out.scatter.selected is None and all(button.isHidden() for button in laid_out.panel.buttons)


@pytest.mark.parametrize("how", ["shift", "alt", "button"])
def test_dragging_one_picture_on_another_asks_for_the_morph_of_both(qtbot, laid_out, how):
    laid_out.scatter.zoom(3)
    first = in_the_open(laid_out)
    pixels = laid_out.scatter.view.to_screen(laid_out.scatter.places)
    others = [i for i in laid_out.scatter.drawn()[0] if i != first and laid_out.scatter.picture_at(*pixels[i]) == i]
    held = {"shift": Qt.KeyboardModifier.ShiftModifier, "alt": Qt.KeyboardModifier.AltModifier}
    laid_out.morph.setChecked(how == "button")
    before = laid_out.scatter.view
    with qtbot.waitSignal(laid_out.morph_wanted) as caught:
        ends = pixel_of(laid_out, first), pixel_of(laid_out, others[0])
        drag(laid_out, *ends, held.get(how, Qt.KeyboardModifier.NoModifier))
    np.testing.assert_array_equal(caught.args, laid_out.pictures.latents[[first, others[0]]])
    assert laid_out.scatter.view == before, "a morph moves no picture"


def test_the_m_key_morphs_from_the_picture_chosen_before(qtbot, laid_out):
    laid_out.select(4)
    laid_out.select(7)
    laid_out.scatter.setFocus()
    with qtbot.waitSignal(laid_out.morph_wanted) as caught:
        qtbot.keyClick(laid_out.scatter, Qt.Key.Key_M)
    np.testing.assert_array_equal(caught.args, laid_out.pictures.latents[[4, 7]])


def test_dragging_moves_the_pictures_with_the_hand_and_picks_none(qtbot, laid_out):
    before = pixel_of(laid_out, 5)
    with qtbot.assertNotEmitted(laid_out.picked):
        drag(laid_out, QPoint(300, 300), QPoint(380, 260))
    assert pixel_of(laid_out, 5) - before == QPoint(80, -40)


def test_the_wheel_zooms_about_the_cursor(laid_out):
    place = QPointF(400, 200)
    before = laid_out.scatter.view.to_world(400, 200)
    none, button = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.NoButton
    phase = Qt.ScrollPhase.NoScrollPhase
    scale = laid_out.scatter.view.scale
    event = QWheelEvent(place, place, QPoint(), QPoint(0, 240), button, none, phase, False)
    QApplication.sendEvent(laid_out.scatter, event)
    assert laid_out.scatter.view.scale > scale
    np.testing.assert_allclose(laid_out.scatter.view.to_world(400, 200), before)


def test_another_measure_of_what_is_near_shows_other_neighbours(laid_out):
    laid_out.select(7)
    for place, measure in enumerate(mapping.MEASURES):
        laid_out.panel.measure.setCurrentIndex(place)
        near = mapping.nearest(laid_out.pictures.latents, 7, 8, measure, active_variance=0.01).tolist()
        names = [laid_out.pictures.names[i] for i in near]
        assert [button.toolTip() for button in laid_out.panel.buttons] == names


def test_a_far_picture_does_not_make_the_first_view_small(qtbot):
    view = ScatterView()
    qtbot.addWidget(view)
    view.resize(600, 400)
    view.show()
    places = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    places[7] = 1000, 1000
    view.add_thumbnails(np.zeros((500, 8, 8, 3), np.uint8))
    view.set_places(places, [], np.full(500, -1), refit=True)
    shown = view.view.to_screen(places)
    assert np.ptp(np.delete(shown, 7, axis=0)[:, 1]) > 300
    view.fit()
    assert mapping.on_screen(view.view.to_screen(places), view.view, 0).all()


def test_the_keyboard_pans_zooms_fits_and_loads(qtbot, laid_out):
    fitted = laid_out.scatter.view
    qtbot.keyClick(laid_out.scatter, Qt.Key.Key_Plus)
    assert laid_out.scatter.view.scale > fitted.scale
    qtbot.keyClick(laid_out.scatter, Qt.Key.Key_Right)
    qtbot.keyClick(laid_out.scatter, Qt.Key.Key_Minus)
    assert laid_out.scatter.view.scale == pytest.approx(fitted.scale) and laid_out.scatter.view.x > fitted.x
    qtbot.keyClick(laid_out.scatter, Qt.Key.Key_F)
    pixels = laid_out.scatter.view.to_screen(laid_out.scatter.places)
    assert mapping.on_screen(pixels, laid_out.scatter.view, 0).all(), "F shows all, the outermost too"
    laid_out.select(11)
    with qtbot.waitSignals([laid_out.picked, laid_out.explore_wanted], order="strict"):
        qtbot.keyClick(laid_out.scatter, Qt.Key.Key_Return)


def test_a_search_goes_to_what_it_found_and_back(laid_out):
    scatter = laid_out.scatter
    before = scatter.view
    laid_out.search.setText("picture-7.")
    (hit,) = laid_out.matches.tolist()
    pixel = scatter.view.to_screen(scatter.places[hit : hit + 1])[0]
    assert pixel == pytest.approx([scatter.width() / 2, scatter.height() / 2], abs=2) and hit == 7
    assert before.scale < scatter.view.scale <= 12 * before.scale * 1.001, "nearer, but not into the grain"
    laid_out.search.setText("no such name")
    assert scatter.view.to_screen(scatter.places[hit : hit + 1])[0] == pytest.approx(pixel), "it stays where it was"
    laid_out.search.setText("")
    assert scatter.view == before


def test_a_painting_in_no_folder_does_not_say_so(laid_out, fake_bridge):
    laid_out.panel.show_picture(np.zeros((4, 4, 3), np.uint8), "painting-000001", "")
    assert laid_out.panel.folder.text() == ""
    laid_out.panel.show_picture(np.zeros((4, 4, 3), np.uint8), "a.png", "/pictures/monet")
    assert laid_out.panel.folder.text() == "monet"


def test_searching_leaves_the_pictures_of_that_name_and_enter_goes_through_them(qtbot, laid_out):
    laid_out.search.setText("E-1")
    matching = [1, *range(10, 20)]
    assert laid_out.matches.tolist() == matching and laid_out.found.text() == "11 of 40"
    assert set(laid_out.scatter.drawn()[0]) <= set(matching)
    x, y = laid_out.scatter.view.to_screen(laid_out.scatter.places)[5]
    assert laid_out.scatter.picture_at(x, y) in [-1, *matching]
    for expected in (1, 10, 11):
        qtbot.keyClick(laid_out.search, Qt.Key.Key_Return)
        assert laid_out.scatter.selected == expected


def test_folders_have_colours_and_a_click_leaves_only_theirs(laid_out):
    assert [button.text().strip() for button in laid_out.panel.folder_buttons] == ["a", "b"]
    laid_out.panel.folder_buttons[1].click()
    assert laid_out.matches.tolist() == list(range(1, 40, 2))
    laid_out.panel.folder_buttons[1].click()
    assert len(laid_out.matches) == 40
    laid_out.panel.coloured.setChecked(False)
    assert not laid_out.scatter._framed.any()


def test_the_crosshair_is_where_explore_is_on_the_axes_chosen(laid_out):
    laid_out.set_point(laid_out.pictures.latents[9])
    np.testing.assert_allclose(laid_out.scatter._cross, laid_out.scatter.places[9], atol=1e-5)
    laid_out.up.setCurrentIndex(4)
    np.testing.assert_allclose(laid_out.scatter._cross, laid_out.scatter.places[9], atol=1e-5)


def test_another_model_clears_the_map_and_asks_again(laid_out, fake_bridge, model_info):
    fake_bridge.give_model(replace(model_info, path="/nowhere/other.keras"))
    assert len(laid_out.pictures) == 0 and len(laid_out.scatter.places) == 0
    assert len([1 for _, content, _ in fake_bridge.asked if isinstance(content, ReadMap)]) == 2
    fake_bridge.give_model(None)
    assert laid_out.scatter._message == NO_MODEL and laid_out.across.count() == 0


def test_newer_weights_keep_the_map_and_say_so(laid_out, fake_bridge, model_info):
    said = laid_out.status.text()
    fake_bridge.give_model(replace(model_info), same=True)
    assert laid_out.status.text() == said, "the engine only opened it again"
    fake_bridge.give_model(replace(model_info, rates=0.9 * model_info.rates), same=True)
    assert len(laid_out.pictures) == 40 and laid_out.status.text() == CHANGED


def test_a_failure_is_told_and_can_be_tried_again(page, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    fake_bridge.fail(fake_bridge.last(ReadMap)[0], "The pictures are gone. Bring them back.")
    assert page.status.text() == "The pictures are gone. Bring them back."
    page.again.click()
    assert len(fake_bridge.asked) == 2


def test_pictures_that_a_card_names_are_shown_once_somebody_agrees(page, fake_bridge, model_info, qtbot):
    preferences = page._preferences
    fake_bridge.give_model(model_info)
    ticket, asked = fake_bridge.last(ReadMap)
    assert asked.agreed == () and page.question.isHidden()
    fake_bridge.answer(ticket, Unread("art", "/strange/<b>art"))
    send(fake_bridge, latents_of(12))
    assert page.question.isVisible() and len(page.pictures) == 12, "what the model keeps is there meanwhile"
    assert page.question.words.text() == "art was trained on the pictures in /strange/<b>art. Show them?"
    qtbot.mouseClick(page.question.button, Qt.MouseButton.LeftButton)
    assert preferences.agreed == ("/strange/<b>art",) and page.question.isHidden()
    assert fake_bridge.last(ReadMap)[1].agreed == ("/strange/<b>art",)
    fake_bridge.answer(fake_bridge.last(ReadMap)[0], Unread("art", "/other"))
    fake_bridge.give_model(model_info)
    assert page.question.isHidden(), "it is gone with its model"


def test_answers_after_stop_change_nothing(page, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    ticket = fake_bridge.last(ReadMap)[0]
    then = fake_bridge._pending[ticket][0]
    page.again.click()
    assert fake_bridge.cancelled == [ticket]
    then(MapPart(1, 1, np.zeros((1, 8), "float32"), np.zeros((1, 8, 8, 3), np.uint8), ("late",), ("",)))
    assert len(page.pictures) == 0


def test_ten_thousand_pictures_are_laid_out_with_a_bounded_number_of_thumbnails(page, fake_bridge, model_info):
    fake_bridge.give_model(model_info)
    send(fake_bridge, latents_of(10_000), parts=4)
    assert len(page.scatter.places) == 10_000
    for factor in (1, 2, 2, 4, 8):
        page.scatter.zoom(factor)
        assert len(page.scatter.drawn()[0]) <= MOST
        assert not page.scatter.grab().isNull()
