"""The Compare page: what it asks, which rows it shows with which pixels and numbers, and what it writes."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QMimeData, QPoint, QPointF, QRectF, QSettings, Qt, QUrl
from PyQt6.QtGui import QDropEvent, QFontMetricsF, QImage

from explorer.compare.page import EMPTY, ComparePage
from explorer.compare.table import WAITING, Drawing
from explorer.messages import Compare, Compared, Originals, Unread
from explorer.widgets.preferences import Preferences
from explorer.widgets.terms import TERMS

RANDOM = np.random.default_rng(7)
ORIGINALS = RANDOM.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
PICTURES = {name: RANDOM.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8) for name in "abc"}
A, B, C = (str(Path(f"/nowhere/{name}.keras").absolute()) for name in "abc")


def row(path: str, **more) -> Compared:
    values = {"kl_weight": 0.1, "distortion": 196.23, "rate": 221.4, "psnr": 17.31, "active": 128, "latent_dim": 128}
    name = Path(path).stem
    return Compared(path, name, **{"images": PICTURES[name], **values, **more})


@pytest.fixture
def preferences(tmp_path):
    return Preferences(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat))


@pytest.fixture
def page(qtbot, fake_bridge, preferences):
    made = ComparePage(fake_bridge, preferences)
    qtbot.addWidget(made)
    made.resize(1310, 700)
    made.show()
    return made


@pytest.fixture
def asked(qtbot, fake_bridge):
    """Wait until the page has asked `count` times; the newest ticket."""

    def wait(count: int = 1) -> int:
        qtbot.waitUntil(lambda: len(fake_bridge.asked) == count)
        return fake_bridge.asked[-1][0]

    return wait


def pixels_in(image: QImage, rect) -> np.ndarray:
    """uint8 (height, width, 3) of a part of an image."""
    part = image.copy(rect.toRect()).convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(part.constBits().asstring(part.sizeInBytes()), np.uint8).reshape(part.height(), -1)
    return rows[:, : 3 * part.width()].reshape(part.height(), part.width(), 3)


def test_an_empty_page_says_what_to_do(page, fake_bridge):
    assert page.table.texts() == [EMPTY] and "Train with two weights" in EMPTY
    assert not page.save_picture.isEnabled() and not fake_bridge.asked


def test_many_changes_at_once_are_one_question(page, fake_bridge, asked):
    page.add_model(A)
    page.add_model(B)
    page.add_model(A)
    page.count.setValue(4)
    asked()
    assert [(content, lane) for _, content, lane in fake_bridge.asked] == [(Compare((A, B), (), 4), "compare")]


def test_rows_come_in_order_with_their_own_numbers_and_pixels(page, fake_bridge, asked):
    page.add_models([A, B])
    ticket = asked()
    fake_bridge.answer(ticket, Originals(ORIGINALS, "a"))
    fake_bridge.answer(ticket, row(B, kl_weight=1.0, distortion=396.2, rate=81.3, psnr=14.1, active=40))
    assert page.table.texts().count("reconstructing …") == 1
    fake_bridge.answer(ticket, row(A))
    words = page.table.texts()
    assert words == ["Originals", "held out by a"] + [
        *("a", "KL weight 0.1", "σ 0.224", "D 196.2", " · R 221 nats", " · PSNR 17.3 dB", " · 128 of 128 active"),
        *("b", "KL weight 1", "σ 0.707", "D 396.2", " · R 81.3 nats", " · PSNR 14.1 dB", " · 40 of 128 active"),
    ]
    shot = page.table.grab().toImage()
    for number, images in enumerate((ORIGINALS, PICTURES["a"], PICTURES["b"])):
        for column in range(4):
            rect = page.table.picture_rect(number, column)
            zoom = int(rect.width()) // 16
            assert zoom >= 8 and rect.width() == rect.height() == 16 * zoom, "whole pixels only"
            expected = images[column].repeat(zoom, axis=0).repeat(zoom, axis=1)
            np.testing.assert_array_equal(pixels_in(shot, rect), expected)


def test_smaller_pictures_of_another_model_fill_the_same_columns(page, fake_bridge, asked):
    page.add_models([A, B])
    ticket = asked()
    fake_bridge.answer(ticket, Originals(ORIGINALS, "a"))
    fake_bridge.answer(ticket, row(A))
    fake_bridge.answer(ticket, row(B, images=PICTURES["b"][:, ::2, ::2]))
    assert page.table.picture_rect(2, 3).width() == page.table.picture_rect(1, 3).width()
    assert page.table.picture_rect(2, 3).left() == page.table.picture_rect(0, 3).left()
    assert page.table.texts().count(" · at 8×8 pixels, so D is another sum") == 1


def test_a_model_that_fails_says_so_in_its_row_and_the_others_stand(page, fake_bridge, asked):
    page.add_models([A, B])
    ticket = asked()
    fake_bridge.answer(ticket, Originals(ORIGINALS, "a"))
    none = np.empty((0, 1, 1, 3), np.uint8)
    fake_bridge.answer(ticket, Compared(A, "a", none, failure="a.keras is not a model. Choose another."))
    fake_bridge.answer(ticket, row(B))
    assert "a.keras is not a model. Choose another." in page.table.texts()
    assert "D 196.2" in page.table.texts() and page.save_picture.isEnabled()


def test_a_question_that_fails_is_told_in_every_row(page, fake_bridge, asked):
    page.add_models([A, B])
    fake_bridge.fail(asked(), "The engine ended. It starts again by itself.")
    assert page.table.texts().count("The engine ended. It starts again by itself.") == 2
    page.again.click()
    fake_bridge.answer(asked(2), Originals(ORIGINALS, "a"))
    assert page.table.texts().count("reconstructing …") == 2


def test_pictures_that_a_card_names_are_compared_once_somebody_agrees(page, fake_bridge, preferences, qtbot, asked):
    page.add_model(A)
    fake_bridge.answer(asked(), Unread("a", "/strange/art"))
    assert page.question.isVisible() and "a was trained on the pictures in /strange/art." in page.question.words.text()
    assert page.table.texts().count(WAITING) == 1
    qtbot.mouseClick(page.question.button, Qt.MouseButton.LeftButton)
    asked(2)
    assert fake_bridge.last(Compare)[1] == Compare((A,), (), 8, ("/strange/art",)) and page.question.isHidden()
    fake_bridge.answer(asked(2), Originals(ORIGINALS, "a"))
    assert page.table.texts().count("reconstructing …") == 1


def test_answers_to_an_older_question_change_nothing(page, fake_bridge, asked):
    page.add_model(A)
    ticket = asked()
    then, failed, _ = fake_bridge._pending[ticket]
    page.add_model(B)  # the next question has not even been asked yet
    then(Originals(ORIGINALS, "a"))
    then(row(A))
    failed("too late")
    assert page.comparison.originals is None and not page.comparison.rows
    fake_bridge.answer(asked(2), Originals(ORIGINALS, "a"))
    then(row(A))
    assert page.comparison.originals is not None and not page.comparison.rows


def test_a_hidden_page_asks_only_when_it_is_looked_at(page, fake_bridge, qtbot, asked):
    page.hide()
    page.add_model(A)
    qtbot.wait(250)
    assert not fake_bridge.asked
    page.show()
    asked()
    page.hide()
    page.show()
    qtbot.wait(250)
    assert len(fake_bridge.asked) == 1, "nothing has changed since"


def test_rows_are_moved_and_taken_out_by_their_buttons(page, fake_bridge, asked):
    page.add_models([A, B, C])
    asked()
    up, down, out = page.table._buttons[1]
    up.click()
    assert page.comparison.models == (B, A, C)
    page.table._buttons[0][1].click()
    page.table._buttons[2][2].click()
    assert page.comparison.models == (A, B)
    asked(2)
    assert fake_bridge.asked[-1][1].models == (A, B)
    page.table._buttons[1][2].click()
    page.table._buttons[0][2].click()
    assert page.table.texts() == [EMPTY]


def drop(page, *paths: str) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(path) for path in paths])
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    page.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, left, none))


def test_dropped_models_and_pictures_are_compared(page, fake_bridge, asked):
    drop(page, A, "/nowhere/cat.jpg", "/nowhere/notes.txt")
    asked()
    assert fake_bridge.asked[-1][1] == Compare((A,), ("/nowhere/cat.jpg",), 8)
    assert page.own_words.text() == "1 picture of your own" and not page.count.isVisible()
    page.held_out.click()
    asked(2)
    assert fake_bridge.asked[-1][1].pictures == () and page.count.isVisible()


def test_known_models_are_offered_until_they_are_compared(page):
    page.set_known([A, B])
    page._fill_menu()
    assert [action.text() for action in page._menu.actions() if action.text()] == ["a", "b", "From &files…"]
    page._menu.actions()[0].trigger()
    page._fill_menu()
    assert page.comparison.models == (A,)
    assert [action.text() for action in page._menu.actions() if action.text()] == ["b", "From &files…"]


def full(page, fake_bridge, asked) -> None:
    page.add_models([A, B])
    ticket = asked()
    for content in (Originals(ORIGINALS), row(A), row(B)):
        fake_bridge.answer(ticket, content)


def test_pointing_at_a_picture_enlarges_its_column_over_all_models(page, fake_bridge, qtbot, asked):
    page.count.setValue(4)
    full(page, fake_bridge, asked)
    page.resize(900, 640)
    qtbot.mouseMove(page.table, page.table.picture_rect(1, 2).center().toPoint())
    qtbot.waitUntil(lambda: page.strip.isVisible())
    assert [name for name, _ in page.strip.items] == ["Original", "a", "b"]
    for (_, image), images in zip(page.strip.items, (ORIGINALS, PICTURES["a"], PICTURES["b"]), strict=True):
        np.testing.assert_array_equal(pixels_in(image, image.rect().toRectF()), images[2])
    qtbot.mouseMove(page.table, QPoint(3, 3))
    qtbot.waitUntil(lambda: not page.strip.isVisible())
    qtbot.keyClick(page.table, Qt.Key.Key_Left)
    assert page.strip.isVisible()
    qtbot.keyClick(page.table, Qt.Key.Key_Escape)
    assert not page.strip.isVisible()


def test_every_number_is_explained_where_it_stands(page, fake_bridge, asked):
    full(page, fake_bridge, asked)
    tips = {text.words.strip(" ·"): page.table.tip_at(text.where.center()) for text in page.table.drawing.texts()}
    assert tips["D 196.2"] == TERMS["distortion"] and tips["R 221 nats"] == TERMS["rate"]
    assert tips["PSNR 17.3 dB"] == TERMS["psnr"] and tips["128 of 128 active"] == TERMS["active"]
    assert tips["KL weight 0.1"] == TERMS["kl_weight"] and tips["σ 0.224"] == TERMS["sigma"]
    assert tips["a"] == A


def test_the_saved_picture_holds_exact_pixels_and_overwrites_nothing(page, fake_bridge, asked, tmp_path):
    full(page, fake_bridge, asked)
    page.export_png(str(tmp_path / "table.png"))
    page.export_png(str(tmp_path / "table"))
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["table-2.png", "table.png"]
    assert page.status.text() == "Saved as table-2.png"
    saved = QImage(str(tmp_path / "table.png"))
    drawing = Drawing(page.comparison, page.table._room, 2.0, page.table.font())
    for column in range(4):
        rect = drawing.picture_rect(2, column)
        found = pixels_in(saved, QRectF(rect.topLeft() * 2, rect.size() * 2))
        zoom = len(found) // 16
        assert zoom >= 16
        np.testing.assert_array_equal(found, PICTURES["b"][column].repeat(zoom, axis=0).repeat(zoom, axis=1))


def test_the_saved_numbers_can_be_read_and_a_full_disk_is_told(page, fake_bridge, asked, tmp_path):
    full(page, fake_bridge, asked)
    page.export_csv(str(tmp_path / "table.csv"))
    assert "196.23,221.4,17.31,,,128,128,4" in (tmp_path / "table.csv").read_text()
    page.export_csv(str(tmp_path / "no such folder" / "table.csv"))
    assert "could not be written" in page.notice.text


def test_models_and_count_are_remembered_and_lost_files_are_forgotten(qtbot, fake_bridge, preferences, tmp_path):
    kept = tmp_path / "kept.keras"
    kept.touch()
    page = ComparePage(fake_bridge, preferences)
    qtbot.addWidget(page)
    page.add_models([str(kept), A])
    page.count.setValue(5)
    again = ComparePage(fake_bridge, preferences)
    qtbot.addWidget(again)
    assert again.comparison.models == (str(kept),) and again.count.value() == 5


def several(page, fake_bridge, asked) -> None:
    """A model of a range at two weights, and one that tells everything but at one weight."""
    page.add_models([A, B])
    ticket = asked()
    at = tuple(
        row(A, kl_weight=weight, images=PICTURES["c"], samples=PICTURES["b"], between=PICTURES["a"], active=None)
        for weight in (1.0, 0.01)
    )
    for content in (Originals(ORIGINALS), row(A, weights=at), row(B, samples=PICTURES["c"], between=PICTURES["b"])):
        fake_bridge.answer(ticket, content)


def shown(page, number: int, column: int) -> np.ndarray:
    rect = page.table.picture_rect(number, column)
    zoom = int(rect.width()) // 16
    return pixels_in(page.table.grab().toImage(), rect)[::zoom, ::zoom]


@pytest.mark.parametrize("kind, first, last", [("images", "c", "b"), ("samples", "b", "c"), ("between", "a", "b")])
def test_the_kind_of_pictures_is_chosen_without_asking_again(page, fake_bridge, asked, kind, first, last):
    several(page, fake_bridge, asked)
    page.kind.setCurrentIndex(page.kind.findData(kind))
    for number, name in ((1, first), (2, first), (3, last)):
        np.testing.assert_array_equal(shown(page, number, 1), PICTURES[name][1])
    words = page.table.texts()
    assert words[0] == {"images": "Originals", "samples": "Samples", "between": "In-betweens"}[kind]
    assert ("the same points for every model" in " ".join(words)) == (kind == "samples")
    assert len(fake_bridge.asked) == 1


def test_a_model_of_a_range_folds_to_the_weight_where_it_stands(page, fake_bridge, asked):
    several(page, fake_bridge, asked)
    assert [words for words in page.table.texts() if words.startswith("KL")] == [
        "KL weight 1", "KL weight 0.01", "KL weight 0.1",
    ]  # fmt: skip
    assert [len(buttons) for buttons in page.table._buttons] == [4, 3]
    page.table._buttons[0][3].click()
    assert [words for words in page.table.texts() if words.startswith("KL")] == ["KL weight 0.1", "KL weight 0.1"]
    assert page.table._buttons[0][3].toolTip() == "Show every weight: a" and len(fake_bridge.asked) == 1
    page.table._buttons[0][3].click()
    assert page.table.texts().count("KL weight 0.01") == 1


def test_a_column_of_samples_is_enlarged_without_an_original(page, fake_bridge, asked, qtbot):
    several(page, fake_bridge, asked)
    page.kind.setCurrentIndex(page.kind.findData("samples"))
    page.resize(700, 900)
    qtbot.keyClick(page.table, Qt.Key.Key_Right)
    assert [name for name, _ in page.strip.items] == ["1", "0.01", "b"]


@pytest.mark.parametrize("kind", ["images", "samples", "between"])
def test_a_question_that_fails_is_told_whatever_is_shown(page, fake_bridge, asked, kind):
    page.kind.setCurrentIndex(page.kind.findData(kind))
    page.add_models([A, B])
    ticket = asked()
    fake_bridge.answer(ticket, Originals(ORIGINALS, "a"))
    fake_bridge.fail(ticket, "The engine ended. It starts again by itself.")
    assert page.table.texts().count("The engine ended. It starts again by itself.") == 2


# ---------------------------------------------------------------------- whose pictures, and who is compared by itself


def test_a_row_that_may_have_learned_from_the_pictures_says_so(page, fake_bridge, asked, tmp_path):
    page.add_models([A, B, C])
    ticket = asked()
    fake_bridge.answer(ticket, Originals(ORIGINALS, "a"))
    for path, learned in ((A, ""), (B, "may"), (C, "other")):
        fake_bridge.answer(ticket, row(path, learned=learned))
    said = {text.words.strip(): text for text in page.table.drawing.texts()}
    marks = ["may have learned from these very pictures, which flatters it", "learned from other pictures"]
    assert "held out by a" in said and [words for words in marks if said[words].tone == "error"] == marks
    tops = [page.table.drawing.top(number) for number in (2, 3)]
    for words, top in zip(marks, tops, strict=True):
        where = said[words].where
        assert where.top() > top and page.table.drawing.size.width() >= where.right()
        assert where.width() >= QFontMetricsF(page.table.font()).horizontalAdvance(words), "not cut"
    page.export_csv(str(tmp_path / "t.csv"))
    lines = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert [line["learned"] for line in lines] == ["", *marks] and {line["held_out_by"] for line in lines} == {"a"}


def test_pictures_of_ones_own_are_said_to_be_that(page, fake_bridge, asked):
    page.add_models([A])
    page.set_pictures(["/p/me.png"])
    fake_bridge.answer(asked(), Originals(ORIGINALS))
    assert "pictures of your own" in page.table.texts()


def test_the_open_model_is_compared_by_itself_until_another_is(page, preferences):
    page.add_models([A])
    page.set_open(B)
    assert page.comparison.models == (A, B)
    page.set_open(C)
    assert page.comparison.models == (A, C) and preferences.get("compare/models") == [A]
    page.table.removed.emit(C)
    page.set_open(C)
    assert page.comparison.models == (A,), "somebody took it out"
    page.set_open(A)
    page.set_open(B)
    assert page.comparison.models == (A, B), "what was added by hand stays"
    page.add_models([B])
    page.set_open("")
    assert page.comparison.models == (A, B) and preferences.get("compare/models") == [A, B]
