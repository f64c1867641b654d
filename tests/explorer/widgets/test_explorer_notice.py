"""The line that stays until it is read."""

import time

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from explorer.widgets.notice import Notice


def _notice(qtbot) -> Notice:
    notice = Notice()
    qtbot.addWidget(notice)
    return notice


def _texts(notice: Notice) -> list[str]:
    return [label.text() for label in notice.findChildren(QLabel) if label.isVisible() and label.text()]


def test_nothing_to_say_takes_no_room(qtbot):
    assert _notice(qtbot).isHidden()


def test_an_error_stays_until_it_is_dismissed(qtbot):
    notice = _notice(qtbot)
    notice.show_error("art.keras ends early.")
    assert notice.isVisible() and _texts(notice) == ["art.keras ends early."]
    qtbot.mouseClick(notice.findChild(QToolButton), Qt.MouseButton.LeftButton)
    assert notice.isHidden() and notice.text == ""


def test_a_file_name_is_not_read_as_markup(qtbot):
    notice = _notice(qtbot)
    notice.show_error("<b>x</b>.keras is no model.")
    assert notice.findChildren(QLabel)[1].textFormat() == Qt.TextFormat.PlainText


def test_errors_come_before_offers_and_the_newest_first(qtbot):
    notice = _notice(qtbot)
    notice.show_error("First.")
    notice.show_error("Second.")
    notice.show_info("An offer.", "Take it", lambda: None)
    notice.show_info("Another.")
    read = []
    while notice.text:
        read.append(notice.text)
        notice.dismiss()
    assert read == ["Second.", "First.", "Another.", "An offer."]


def test_one_line_per_subject_and_it_ends_with_its_subject(qtbot):
    notice = _notice(qtbot)
    notice.show_info("Training has begun.", subject="run 1")
    notice.show_error("The disk is full.", subject="run 1")
    notice.show_error("There is no file.", subject="model")
    notice.show_error("Of nothing in particular.")
    notice.show_error("Of nothing else either.")
    notice.end("model", "engine", "")
    notice.dismiss()
    notice.dismiss()
    assert notice.text == "The disk is full."
    notice.end("run 1")
    assert notice.isHidden() and notice.text == ""


def test_a_notice_lies_over_the_page_and_moves_nothing_on_it(qtbot):
    page = QWidget()
    qtbot.addWidget(page)
    below = QPushButton("Under the hand", page)
    QVBoxLayout(page).addWidget(below)
    notice = Notice(page)
    page.resize(700, 400)
    page.show()
    before = below.geometry()
    notice.show_error("A sentence that is long enough to be broken into lines. " * 5)
    assert notice.isVisible() and below.geometry() == before
    for width in (900, 420):
        page.resize(width, 300)
        assert page.rect().contains(notice.geometry()), "all of it can be seen"
        assert notice._text.height() >= notice._text.heightForWidth(notice._text.width())
    notice.dismiss()
    notice.show_info("Short.")
    assert notice.width() < 200 and notice.height() < 48


def test_a_page_in_a_window_speaks_through_the_line_of_the_window(qtbot):
    window, page = _notice(qtbot), _notice(qtbot)
    page.speak_through(window)
    page.show_error("No picture.", "picture")
    page.show_info("Saved.", "Show", lambda: None)
    assert page.isHidden() and window.text == page.text == "No picture."
    page.dismiss()
    assert window.text == "Saved."
    page.show_error("No picture.", "picture")
    page.end("picture")
    assert window.text == "Saved."


def test_the_same_sentence_twice_is_read_once(qtbot):
    notice = _notice(qtbot)
    for _ in range(3):
        notice.show_error("Again.")
    notice.dismiss()
    assert notice.isHidden()


def test_the_action_is_done_once_and_the_line_goes(qtbot):
    notice, done = _notice(qtbot), []
    notice.show_info("The training is done.", "Open", lambda: done.append(1))
    button = notice.findChild(QPushButton)
    assert button.text() == "Open" and button.isVisible()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert done == [1] and notice.isHidden()
    notice.show_error("No action here.")
    assert not button.isVisible()


def test_turning_to_something_else_takes_away_what_was_read_but_no_error(qtbot, monkeypatch):
    notice = _notice(qtbot)
    now = time.monotonic()
    notice.show_info("The training is done.")
    notice.move_on()
    assert notice.text == "The training is done.", "nobody reads that fast"
    monkeypatch.setattr(time, "monotonic", lambda: now + 10)
    notice.show_info("Another training has begun.")
    notice.show_error("art.keras ends early.")
    notice.move_on()
    notice.dismiss()
    assert notice.text == "Another training has begun."
    notice.show_error("art.keras ends early.")
    monkeypatch.setattr(time, "monotonic", lambda: now + 20)
    notice.move_on()
    assert notice.text == "art.keras ends early." and notice.isVisible()
    notice.dismiss()
    assert notice.text == ""
