"""The line that stays until it is read."""

import time

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QPushButton, QToolButton

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


def test_after_the_newest_line_the_one_before_is_shown(qtbot):
    notice = _notice(qtbot)
    notice.show_error("First.")
    notice.show_info("Second.")
    assert notice.text == "Second."
    notice.dismiss()
    assert notice.text == "First."


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
    notice.show_error("art.keras ends early.")
    notice.show_info("The training is done.")
    notice.move_on()
    assert notice.text == "The training is done.", "nobody reads that fast"
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 10)
    notice.show_info("Another training has begun.")
    notice.move_on()
    assert notice.text == "Another training has begun."
    monkeypatch.setattr(time, "monotonic", lambda: now + 20)
    notice.move_on()
    assert notice.text == "art.keras ends early." and notice.isVisible()
