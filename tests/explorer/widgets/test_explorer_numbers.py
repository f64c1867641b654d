"""The one field for a number: what it reads, selects and refuses, wherever in the program it stands."""

import math

import pytest
from PyQt6.QtCore import QSettings, Qt
from PyQt6.QtWidgets import QSpinBox, QToolTip

from explorer.widgets.numbers import NumberField, NumberLine, number_of
from explorer.widgets.preferences import Preferences


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2,5", 2.5),
        ("2.5", 2.5),
        (" −2,5 ", -2.5),
        ("+.5", 0.5),
        ("1e-3", 1e-3),
        ("1,5e−3", 1.5e-3),
        ("1.234,5", 1234.5),
        ("1,234.5", 1234.5),
        ("12 345", 12345.0),
        ("1,234,567", 1234567.0),
        ("0,125", 0.125),
    ],
)
def test_comma_and_point_are_both_read(text, number):
    assert number_of(text) == number


@pytest.mark.parametrize("text", ["", "much", "1,2,3", "1.2.3", "--1", "1_0", "2;5", "−"])
def test_what_is_no_number_is_none(text):
    assert math.isnan(number_of(text))


@pytest.fixture
def line(qtbot):
    made = NumberLine(-4.0, 4.0, decimals=3, what="Latent dimension 3")
    qtbot.addWidget(made)
    made.set_value(0.25)
    made.show()
    qtbot.waitExposed(made)
    return made


def _heard(line):
    taken, refused = [], []
    line.taken.connect(taken.append)
    line.refused.connect(refused.append)
    return taken, refused


def _type(qtbot, line, text, end=Qt.Key.Key_Return):
    line.setFocus()
    line.select_number()
    line.insert(text)  # a true minus is on no keyboard
    qtbot.keyClick(line, end)


@pytest.mark.parametrize(("text", "value"), [("2,5", 2.5), ("-4", -4.0), ("4", 4.0), ("−1.5", -1.5)])
def test_a_number_within_the_range_is_taken_once(line, qtbot, text, value):
    taken, refused = _heard(line)
    _type(qtbot, line, text)
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert taken == [value] and refused == [] and line.value() == value and line.text() == f"{value:.3f}"


@pytest.mark.parametrize("text", ["999", "-99", "4.001", "nan", "inf", "red"])
def test_what_is_beyond_the_range_is_refused_and_changes_nothing(line, qtbot, text):
    taken, refused = _heard(line)
    _type(qtbot, line, text)
    assert refused == [f"Latent dimension 3 must be a number from −4 to 4; {text} is not."]
    qtbot.waitUntil(lambda: QToolTip.text() == refused[0])  # said beside the field
    assert taken == [] and line.value() == 0.25 and line.text() == "0.250"


@pytest.mark.parametrize("clicks", [1, 2])
def test_a_click_and_a_double_click_select_the_whole_number(line, qtbot, clicks):
    line.set_value(-0.99)
    line.clearFocus()
    qtbot.mouseClick(line, Qt.MouseButton.LeftButton)
    if clicks == 2:
        line.deselect()
        qtbot.mouseDClick(line, Qt.MouseButton.LeftButton)
    assert line.selectedText() == "-0.990"
    qtbot.keyClicks(line, "-2")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert line.value() == -2.0


def test_an_end_that_is_no_round_number_is_said_as_it_is_written_and_taken(line, qtbot):
    line.set_range(-4.56061, 4.56061)
    _, refused = _heard(line)
    _type(qtbot, line, "5")
    assert "from −4.561 to 4.561;" in refused[0]
    _type(qtbot, line, "4.561")
    assert line.value() == 4.561 and len(refused) == 1


def test_esc_gives_up_what_was_typed_and_is_left_to_others_after_that(line, qtbot):
    taken, refused = _heard(line)
    _type(qtbot, line, "3.7", Qt.Key.Key_Escape)
    assert line.text() == "0.250" and taken == refused == []


def test_an_empty_field_is_a_number_or_none(qtbot):
    for optional, taken in ((True, [None]), (False, [])):
        field = NumberLine(0.0, 9.0, optional=optional)
        qtbot.addWidget(field)
        field.set_value(3.0)
        heard, refused = _heard(field)
        field.setFocus()
        field.select_number()
        qtbot.keyClick(field, Qt.Key.Key_Delete)
        qtbot.keyClick(field, Qt.Key.Key_Return)
        assert heard == taken and bool(refused) is not optional


def test_what_is_typed_is_not_overwritten_by_what_happens_meanwhile(line, qtbot):
    line.setFocus()
    line.select_number()
    qtbot.keyClicks(line, "1.")
    line.set_value(3.0)
    assert line.text() == "1."
    qtbot.keyClicks(line, "5")
    qtbot.keyClick(line, Qt.Key.Key_Return)
    assert line.value() == 1.5


def test_arrows_step_within_the_range_and_the_words_around_stay(qtbot):
    field = NumberField(1, 32, whole=True, suffix=" held-out pictures")
    qtbot.addWidget(field)
    field.show()
    heard = []
    field.valueChanged.connect(heard.append)
    field.setValue(31)
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Down):
        qtbot.keyClick(field, key)
    assert heard == [31, 32, 31] and field.text() == "31 held-out pictures"
    field.setFocus()
    field.line.select_number()
    assert field.line.selectedText() == "31"
    qtbot.keyClicks(field, "2,5")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert field.value() == 31, "whole ones only"
    field.line.select_number()
    qtbot.keyClicks(field, "7")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert field.value() == 7 and heard[-1] == 7 and field.text() == "7 held-out pictures"


def test_the_least_number_may_have_a_word_and_an_empty_field_means_it(qtbot):
    field = NumberField(0.0, 60.0, decimals=1, suffix=" s", least="as above")
    qtbot.addWidget(field)
    field.show()
    assert field.value() == 0.0 and field.text() == "as above"
    field.setValue(0.5)
    assert field.text() == "0.5 s"
    for typed, value in (("2,5", 2.5), ("", 0.0), ("1", 1.0), ("0", 0.0)):
        field.line.setText(typed)
        field.line.finish()
        assert field.value() == value and (field.text() == "as above") is (value == 0.0)
    field.setValue(50.0)
    field.set_range(0.0, 10.0)
    assert field.value() == 10.0


def test_the_words_around_a_number_are_not_cut(qtbot):
    field = NumberField(1, 32, whole=True, suffix=" held-out pictures")
    qtbot.addWidget(field)
    field.resize(field.minimumSizeHint())
    field.show()
    field.setValue(32)
    assert field.fontMetrics().horizontalAdvance("32 held-out pictures") < field.line.width()


@pytest.mark.parametrize("name", ["explore", "compare", "train", "make"])
def test_every_number_on_a_page_is_typed_in_such_a_field(qtbot, fake_bridge, model_info, tmp_path, name):
    from explorer.window.pages import PAGES

    fake_bridge.model = model_info
    page = PAGES[name].load()(fake_bridge, Preferences(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat)))
    qtbot.addWidget(page)
    page.show()
    if name == "train":
        qtbot.waitUntil(lambda: bool(page.form.fields))
    qtbot.wait(50)
    lines = page.findChildren(NumberLine)
    assert lines and not page.findChildren(QSpinBox)
    for line in lines:
        before, text = line.value(), line.text()
        line.setText("many")
        line.finish()
        assert (line.value(), line.text()) == (before, text)
