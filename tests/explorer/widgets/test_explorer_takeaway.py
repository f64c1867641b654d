"""Taking a picture away, from wherever it is: save, copy, drag out, show alone; and pasting one in."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QMimeData, QPoint, QPointF, QSettings, Qt
from PyQt6.QtGui import QDrag, QGuiApplication, QImage
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QMainWindow

from explorer.compare.page import ComparePage
from explorer.engine.points import point_in
from explorer.explore.page import ExplorePage
from explorer.make.page import MakePage
from explorer.map.page import MapPage
from explorer.messages import (
    Compare,
    Compared,
    Decode,
    Decoded,
    Exported,
    MapDone,
    MapPart,
    Originals,
    PicturePoint,
    Preview,
    ReadMap,
    SavePicture,
)
from explorer.state.bookmarks import Bookmark
from explorer.train.preview import PreviewGrid
from explorer.widgets.notice import Notice
from explorer.widgets.offers import Offer, Offered, drag_out, offered_in
from explorer.widgets.picture import PictureView
from explorer.widgets.preferences import Preferences
from explorer.widgets.save_sheet import SaveSheet, Shape
from explorer.widgets.takeaway import NO_PASTE, NOTHING, Takeaway

LEFT = Qt.MouseButton.LeftButton
DIGEST = "cd" * 32


@pytest.fixture
def preferences(tmp_path) -> Preferences:
    kept = Preferences(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))
    kept.set("export_folder", str(tmp_path / "pictures"))
    return kept


@pytest.fixture
def known(model_info):
    """A model whose weights are known."""
    return replace(model_info, digest=DIGEST, name="paintings 0.1")


@pytest.fixture
def window(qtbot):
    made = QMainWindow()
    made.notice = Notice(made)
    qtbot.addWidget(made)
    made.resize(1300, 700)
    return made


@pytest.fixture
def view(window):
    """A window with one picture."""
    made = PictureView(window)
    window.setCentralWidget(made)
    window.show()
    made.set_image(np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3))
    made.origin = lambda: ("art", PicturePoint(DIGEST, "art", np.ones(8, np.float32), 0.1))
    return made


@pytest.fixture
def takeaway(window, view, fake_bridge, preferences):
    return Takeaway(window, fake_bridge, preferences, window.notice)


def painted(bridge, lane=None):
    """The engine answers every question for pictures."""
    for ticket, content, _ in list(bridge.asked):
        if isinstance(content, Decode):
            count = len(content.latents)
            bridge.answer(ticket, Decoded(np.full((count, 16, 16, 3), 60, np.uint8)))


# ---------------------------------------------------------------------- every picture of the program


def explore_page(bridge, preferences, known, qtbot):
    page = ExplorePage(bridge, preferences)
    qtbot.addWidget(page)
    page.resize(1300, 640)
    page.show()
    bridge.give_model(known)
    page.hold()
    qtbot.waitUntil(lambda: not page.strips._timer.isActive())
    painted(bridge)
    row = page.panel.sliders.rows[0]
    inside = page.panel.sliders.inside
    spots = [(one, None) for one in (page.stage.picture, page.stage.other.view, page.stage.original.view)]
    return page, [*spots, (inside, QPointF(row.mapTo(inside, row.frame_rect(2).center().toPoint())))]


def map_page(bridge, preferences, known, qtbot):
    page = MapPage(bridge, preferences)
    qtbot.addWidget(page)
    page.resize(1300, 640)
    page.show()
    bridge.give_model(known)
    ticket = bridge.last(ReadMap)[0]
    names = tuple(f"{n}.png" for n in range(12))
    bridge.answer(ticket, MapPart(12, 12, known.latents, known.thumbnails, names, ("",) * 12))
    bridge.answer(ticket, MapDone(known.means, known.directions, np.ones(8, np.float32)))
    page.select(3)
    place = page.scatter.view.to_screen(page.scatter.places[3:4])[0]
    spots = [(page.scatter, QPointF(*place)), (page.panel.picture, None), (page.panel.buttons[0], QPointF(4, 4))]
    return page, spots


def make_page(bridge, preferences, known, qtbot):
    page = MakePage(bridge, preferences)
    qtbot.addWidget(page)
    page.resize(1290, 640)
    page.show()
    bridge.give_model(known)
    page.set_bookmarks(tuple(Bookmark(str(n), tuple(known.latents[n].tolist())) for n in range(2)))
    painted(bridge)
    strip = page.strip
    return page, [(page.player.view, None), (strip.viewport(), QPointF(strip.visualItemRect(strip.item(1)).center()))]


def compare_page(bridge, preferences, known, qtbot):
    page = ComparePage(bridge, preferences)
    qtbot.addWidget(page)
    page.resize(1300, 640)
    page.show()
    page.add_model("/m/a.keras")
    page._timer.stop()
    page._ask()
    ticket = bridge.last(Compare)[0]
    images = np.zeros((4, 16, 16, 3), np.uint8)
    bridge.answer(ticket, Originals(images))
    codes = {kind: np.arange(32, dtype=np.float32).reshape(4, 8) for kind in ("images", "samples", "between")}
    row = Compared("/m/a.keras", "a", images + 9, 0.1, samples=images, between=images, codes=codes, digest=DIGEST)
    bridge.answer(ticket, row)
    return page, [(page.table, page.table.picture_rect(row, 1).center()) for row in (0, 1)]


def preview(bridge, preferences, known, qtbot):
    grid = PreviewGrid()
    qtbot.addWidget(grid)
    grid.resize(400, 300)
    grid.show()
    grid.show_preview(Preview(1, 10, known.thumbnails[:8], known.thumbnails[:8]))
    return grid, [(grid, QPointF(5, 5))]


@pytest.mark.parametrize("make", [explore_page, map_page, make_page, compare_page, preview])
def test_every_picture_of_the_program_can_be_taken_away(make, fake_bridge, preferences, known, qtbot):
    page, spots = make(fake_bridge, preferences, known, qtbot)
    offers = {one.widget: one for one in page.findChildren(Offer)}
    for widget, where in spots:
        found = offers[widget].find(where)
        assert found is not None and found.image.dtype == np.uint8, widget
    assert offered_in(page) is not None or make in (compare_page, preview)


@pytest.mark.parametrize(
    ("make", "count"),
    [(explore_page, 3), (map_page, 3), (make_page, 2), (compare_page, 1)],
    ids=["explore", "map", "make", "compare"],
)
def test_what_the_model_painted_carries_its_point(make, count, fake_bridge, preferences, known, qtbot):
    page, spots = make(fake_bridge, preferences, known, qtbot)
    offers = {one.widget: one for one in page.findChildren(Offer)}
    points = [found.point for widget, where in spots if (found := offers[widget].find(where)).point is not None]
    assert len(points) == count  # originals themselves have none
    for point in points:
        assert point.digest == DIGEST and point.latents.shape == (8,) and point.kl_weight == pytest.approx(0.1)


def test_the_points_are_those_of_the_pictures(fake_bridge, preferences, known, qtbot):
    page, spots = explore_page(fake_bridge, preferences, known, qtbot)
    offers = {one.widget: one for one in page.findChildren(Offer)}
    np.testing.assert_array_equal(offers[page.stage.picture].find(None).point.latents, page.point())
    frame = offers[spots[-1][0]].find(spots[-1][1])
    row = page.panel.sliders.rows[0]
    assert frame.point.latents[row.axis.index] == pytest.approx(row.axis.stops(7)[2])
    page.stage.look_at(np.zeros((16, 16, 3), np.uint8))
    assert offers[page.stage.picture].find(None).point is None


def test_before_the_model_has_painted_nothing_says_that_it_did(fake_bridge, preferences, known, qtbot):
    page = ExplorePage(fake_bridge, preferences)
    qtbot.addWidget(page)
    page.show()
    fake_bridge.give_model(known)
    assert offered_in(page).point is None


# ---------------------------------------------------------------------- saving


def test_one_key_saves_the_picture_into_the_folder_of_the_last_time(takeaway, window, fake_bridge, qtbot, tmp_path):
    QTest.keyClick(window, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    takeaway.actions["save"].trigger() if not fake_bridge.asked else None
    ticket, asked = fake_bridge.last(SavePicture)
    assert Path(asked.path) == tmp_path / "pictures" / "art.png"
    assert (asked.side, asked.smooth, asked.dpi, asked.point.digest) == (1024, True, 0.0, DIGEST)
    fake_bridge.answer(ticket, Exported(str(tmp_path / "pictures" / "art-2.png")))
    assert window.notice.text.endswith("art-2.png") and window.notice._action.text() == "Show in folder"
    fake_bridge.fail(ticket, "The disk is full.")
    assert window.notice.text == "The disk is full."


def test_size_and_folder_are_asked_once_and_kept(takeaway, window, view, fake_bridge, preferences, tmp_path):
    takeaway.actions["save_as"].trigger()
    sheet = window.findChild(SaveSheet)
    assert sheet.name.text() == "art" and sheet.folder.text() == str(tmp_path / "pictures")
    sheet.unit.setCurrentIndex(1)
    sheet.centimetres.setValue(10)
    sheet.dpi.setValue(254)
    sheet.smooth.setCurrentIndex(1)
    sheet.folder.setText(str(tmp_path / "prints"))
    sheet.name.setText("my/sea?.png")
    assert sheet.summary.text().startswith("1,000 × 1,000 pixels") and not sheet.pixels.isVisibleTo(sheet)
    sheet.button.click()
    asked = fake_bridge.last(SavePicture)[1]
    assert Path(asked.path) == tmp_path / "prints" / "my sea.png"
    assert (asked.side, asked.smooth, asked.dpi) == (1000, False, 254.0)
    takeaway.actions["save"].trigger()
    again = fake_bridge.asked[-1][1]
    assert Path(again.path) == tmp_path / "prints" / "art.png" and (again.side, again.dpi) == (1000, 254.0)
    assert Shape.kept(preferences).printed


@pytest.mark.parametrize("kept", [[], {"pixels": "x"}, {"printed": 1, "dpi": None}, "no"])
def test_a_size_that_was_damaged_is_the_usual_one(preferences, kept):
    preferences.set("picture", kept)
    assert Shape.kept(preferences) == Shape()


def test_where_there_is_no_picture_that_is_said(takeaway, window, view, fake_bridge):
    view.set_image(None)
    for name in ("save", "save_as", "copy", "alone"):
        takeaway.actions[name].trigger()
        assert window.notice.text == NOTHING
    assert fake_bridge.asked == []


# ---------------------------------------------------------------------- copying, pasting, dragging


def test_a_copied_picture_has_its_point_and_comes_back_with_it(takeaway):
    takeaway.actions["copy"].trigger()
    data = QGuiApplication.clipboard().mimeData()
    assert data.hasImage() and point_in(data.data("image/png").data()).digest == DIGEST
    pasted = []
    takeaway.pasted.connect(lambda *given: pasted.append(given))
    takeaway.actions["paste"].trigger()
    pixels, png = pasted[0]
    assert pixels.shape == (1024, 1024, 3) and pixels.dtype == np.uint8 and point_in(png).digest == DIGEST


def test_pixels_of_another_program_are_pasted_as_they_are(takeaway):
    image = QImage(3, 2, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    QGuiApplication.clipboard().setImage(image)
    pasted = []
    takeaway.pasted.connect(lambda *given: pasted.append(given))
    takeaway.actions["paste"].trigger()
    np.testing.assert_array_equal(pasted[0][0], np.broadcast_to([255, 0, 0], (2, 3, 3)))


def test_a_huge_picture_is_made_smaller_before_it_is_sent(takeaway):
    image = QImage(9000, 30, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.blue)
    QGuiApplication.clipboard().setImage(image)
    pasted = []
    takeaway.pasted.connect(lambda *given: pasted.append(given))
    takeaway.paste()
    assert pasted[0][0].shape == (13, 4096, 3)


def test_a_clipboard_without_a_picture_is_answered_in_a_sentence(takeaway, window):
    QGuiApplication.clipboard().setText("no picture")
    takeaway.actions["paste"].trigger()
    assert window.notice.text == NO_PASTE


@pytest.fixture
def dragged(monkeypatch):
    """The data of drags, none of which goes anywhere."""
    seen: list[QMimeData] = []
    monkeypatch.setattr(QDrag, "exec", lambda drag, *_: seen.append(drag.mimeData()) or Qt.DropAction.IgnoreAction)
    return seen


def test_a_picture_dragged_out_is_a_file_and_pixels_and_no_click(view, qtbot, dragged):
    clicks, held = [], []
    view.clicked.connect(lambda: clicks.append(1))
    view.pressed.connect(lambda: held.append("pressed"))
    view.released.connect(lambda: held.append("released"))
    middle = view.rect().center()
    qtbot.mousePress(view, LEFT, pos=middle)
    qtbot.mouseMove(view, middle + QPoint(40, 0))
    qtbot.mouseRelease(view, LEFT, pos=middle + QPoint(40, 0))
    (data,) = dragged
    path = data.urls()[0].toLocalFile()
    assert Path(path).name == "art.png" and data.hasImage() and point_in(path).digest == DIGEST
    assert clicks == [] and held == ["pressed", "released"]
    qtbot.mouseClick(view, LEFT)
    assert clicks == [1]


def test_a_frame_of_a_filmstrip_is_dragged_out_and_moves_no_slider(fake_bridge, preferences, known, qtbot, dragged):
    page, _ = explore_page(fake_bridge, preferences, known, qtbot)
    row, before = page.panel.sliders.rows[0], page.point()
    start = row.frame_rect(2).center().toPoint()
    qtbot.mousePress(row, LEFT, pos=start)
    qtbot.mouseMove(row, start + QPoint(0, 30))
    qtbot.mouseRelease(row, LEFT, pos=start + QPoint(0, 30))
    assert len(dragged) == 1 and np.array_equal(page.point(), before)


@pytest.mark.parametrize("held", [False, True])
def test_on_the_map_a_drag_moves_it_and_with_ctrl_takes_a_picture_out(
    held, fake_bridge, preferences, known, qtbot, dragged
):
    page, spots = map_page(fake_bridge, preferences, known, qtbot)
    start, view = spots[0][1].toPoint(), page.scatter.view
    keys = Qt.KeyboardModifier.ControlModifier if held else Qt.KeyboardModifier.NoModifier
    qtbot.mousePress(page.scatter, LEFT, keys, start)
    for step in (20, 60):
        qtbot.mouseMove(page.scatter, start + QPoint(step, 0))
    qtbot.mouseRelease(page.scatter, LEFT, keys, start + QPoint(60, 0))
    assert len(dragged) == held and (page.scatter.view == view) is held


@pytest.mark.parametrize("name", ["../../x", "a/b", "", "con|", "é" * 300])
def test_whatever_a_picture_is_called_its_file_is_one_name(view, dragged, name):
    drag_out(view, Offered(view.image, name))
    path = Path(dragged[0].urls()[0].toLocalFile())
    assert path.is_file() and ".." not in path.name and len(path.name) < 120


# ---------------------------------------------------------------------- alone on the screen


def test_alone_there_is_nothing_but_the_picture_and_it_goes_on_changing(takeaway, view, qtbot):
    takeaway.actions["alone"].trigger()
    alone = takeaway._alone
    assert alone.isFullScreen() and alone.view.image is view.image
    view.set_image(np.zeros((16, 16, 3), np.uint8))
    assert alone.view.image is view.image
    assert offered_in(alone).point.digest == DIGEST  # so that it can be saved from here
    QTest.keyClick(alone, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: takeaway._alone is None)
    assert view.isVisible()


def test_the_same_key_comes_back(takeaway, qtbot):
    takeaway.actions["alone"].trigger()
    takeaway.actions["alone"].trigger()
    qtbot.waitUntil(lambda: takeaway._alone is None)


def test_the_menu_of_a_picture_names_every_way(takeaway, view, fake_bridge, window):
    menu = takeaway.menu(offered_in(window), view)
    texts = [entry.text().replace("&", "") for entry in menu.actions() if entry.text()]
    assert texts == [
        "Save the picture",
        "Save the picture as…",
        "Copy the picture",
        "Paste as my picture",
        "Only the picture",
    ]
    menu.actions()[0].trigger()
    assert fake_bridge.last(SavePicture)[1].point.digest == DIGEST


def test_a_right_click_opens_the_menu_of_its_own_window_only(takeaway, view, qtbot, monkeypatch):
    asked = []
    monkeypatch.setattr(Takeaway, "menu", lambda self, offered, parent: asked.append(offered) or _NoMenu())
    from PyQt6.QtGui import QContextMenuEvent
    from PyQt6.QtWidgets import QApplication

    event = partial(QContextMenuEvent, QContextMenuEvent.Reason.Mouse)
    QApplication.sendEvent(view, event(view.rect().center(), view.mapToGlobal(view.rect().center())))
    assert len(asked) == 1 and asked[0].name == "art"
    other = PictureView()
    qtbot.addWidget(other)
    other.set_image(view.image)
    QApplication.sendEvent(other, event(QPoint(5, 5), QPoint(5, 5)))
    assert len(asked) == 1


class _NoMenu:
    class _Signal:
        def connect(self, _):
            pass

    aboutToHide = _Signal()

    def deleteLater(self):
        pass

    def popup(self, _):
        pass
