"""A picture on the screen is the picture, pixel by pixel."""

import numpy as np
import pytest
from PyQt6.QtCore import QMimeData, QPointF, Qt, QUrl
from PyQt6.QtGui import QDragEnterEvent, QDropEvent

from explorer.widgets.picture import PictureView, to_qimage


def _view(qtbot, width: int, height: int, **options) -> PictureView:
    view = PictureView(**options)
    qtbot.addWidget(view)
    view.resize(width, height)
    view.show()
    return view


def _drop(view: PictureView, *paths) -> tuple[QDragEnterEvent, QDropEvent]:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    known = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    entered = QDragEnterEvent(view.rect().center(), *known)
    view.dragEnterEvent(entered)
    dropped = QDropEvent(QPointF(view.rect().center()), *known)
    view.dropEvent(dropped)
    view._dropped_data = data  # Qt does not own it
    return entered, dropped


def test_pure_red_is_pure_red_on_the_screen(qtbot):
    view = _view(qtbot, 100, 60)
    view.set_image(np.full((4, 4, 3), (255, 0, 0), "uint8"))
    assert view.grab().toImage().pixelColor(50, 30).name() == "#ff0000"


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (6, 3, 3)])
def test_every_pixel_keeps_its_place_and_value(shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    image = to_qimage(array)
    assert (image.width(), image.height()) == (shape[1], shape[0])
    for y in range(shape[0]):
        for x in range(shape[1]):
            wanted = np.broadcast_to(np.atleast_1d(array[y, x]), 3)
            assert image.pixelColor(x, y).getRgb()[:3] == tuple(int(value) for value in wanted)


def test_a_part_of_a_larger_array_is_shown_as_it_is():
    array = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)[::2, ::-1]
    assert to_qimage(array).pixelColor(1, 1).getRgb()[:3] == tuple(int(value) for value in array[1, 1])


@pytest.mark.parametrize("array", [np.zeros((4, 4, 3)), np.zeros((4, 4, 4), "uint8"), np.zeros((2, 4, 4, 3), "uint8")])
def test_what_is_no_picture_is_refused_in_one_sentence(array):
    with pytest.raises(ValueError, match="to_qimage: a picture must be uint8"):
        to_qimage(array)


def test_pixels_are_enlarged_by_whole_numbers_and_never_stretched(qtbot):
    view = _view(qtbot, 230, 170)
    view.set_image(np.zeros((16, 32, 3), "uint8"))
    where = view.picture_rect()
    ratio = view.devicePixelRatioF()
    scale = where.width() * ratio / 32
    assert scale == int(scale) and where.height() * ratio / 16 == scale
    assert abs(where.center().x() - 115) <= 1 and abs(where.center().y() - 85) <= 1


def test_a_smooth_picture_fills_the_room_without_being_stretched(qtbot):
    view = _view(qtbot, 230, 170, smooth=True)
    view.set_image(np.zeros((16, 32, 3), "uint8"))
    where = view.picture_rect()
    assert where.width() == pytest.approx(230) and where.height() == pytest.approx(115)


def test_smoothing_comes_only_when_asked(qtbot):
    view = _view(qtbot, 64, 64)
    view.set_image(np.array([[[0] * 3, [255] * 3]] * 2, "uint8"))
    shades = {view.grab().toImage().pixelColor(x, 32).red() for x in range(64)}
    assert shades == {0, 255}
    view.set_smooth(True)
    assert len({view.grab().toImage().pixelColor(x, 32).red() for x in range(64)}) > 4


def test_a_picture_larger_than_its_place_is_shown_whole(qtbot):
    view = _view(qtbot, 64, 64)
    view.set_image(np.zeros((256, 128, 3), "uint8"))
    assert view.picture_rect().height() == pytest.approx(64) and view.picture_rect().width() == pytest.approx(32)


def test_a_click_is_a_click(qtbot):
    view = _view(qtbot, 64, 64)
    with qtbot.waitSignal(view.clicked):
        qtbot.mouseClick(view, Qt.MouseButton.LeftButton)


def test_a_dropped_picture_file_is_passed_on_and_others_are_left_to_the_window(qtbot, tmp_path):
    view = _view(qtbot, 64, 64)
    with qtbot.waitSignal(view.file_dropped) as told:
        entered, _ = _drop(view, tmp_path / "notes.txt", tmp_path / "Sunset.JPG")
    assert entered.isAccepted()
    assert told.args == [str(tmp_path / "Sunset.JPG")]
    with qtbot.assertNotEmitted(view.file_dropped):
        entered, _ = _drop(view, tmp_path / "art.keras")
    assert not entered.isAccepted()
