"""The knob of the KL weight."""

import math

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QLabel, QLineEdit, QSlider, QToolButton

from explorer.widgets.weight_knob import WeightKnob


@pytest.fixture
def knob(qtbot) -> WeightKnob:
    made = WeightKnob()
    qtbot.addWidget(made)
    made.show()
    return made


def _entry(knob) -> QLineEdit:
    return knob.findChild(QLineEdit)


def _heard(knob) -> tuple[list[float], list[float]]:
    changed, released = [], []
    knob.changed.connect(changed.append)
    knob.released.connect(released.append)
    return changed, released


def test_setting_the_value_shows_it_and_its_noise_without_a_signal(knob, qtbot):
    changed, released = _heard(knob)
    knob.set_value(0.5)
    assert knob.value() == 0.5 and _entry(knob).text() == "0.5"
    assert "noise σ 0.5" in [label.text() for label in knob.findChildren(QLabel)]
    qtbot.wait(50)
    assert changed == [] and released == []


@pytest.mark.parametrize("value", [0.001, 0.01, 0.1, 1.0, 10.0, 100.0])
def test_each_decade_is_as_wide_as_any_other(knob, value):
    knob.set_value(value)
    slider = knob.findChild(QSlider)
    share = slider.value() / slider.maximum()
    assert share == pytest.approx(math.log10(value / 0.001) / 5, abs=1e-3)
    slider.setValue(slider.value() - 1)
    slider.setValue(slider.value() + 1)
    assert knob.value() == pytest.approx(value, rel=0.02)


def test_a_drag_is_followed_sparingly_and_its_last_value_always_arrives(knob, qtbot):
    changed, released = _heard(knob)
    slider = knob.findChild(QSlider)
    slider.setSliderDown(True)
    for notch in range(300, 700):
        slider.setSliderPosition(notch)
    slider.setSliderDown(False)
    qtbot.waitUntil(lambda: released == [knob.value()])
    assert changed[-1] == knob.value() and 2 <= len(changed) < 100


def test_while_the_hand_is_on_the_slider_nothing_else_moves_it(knob):
    slider = knob.findChild(QSlider)
    slider.setSliderDown(True)
    slider.setSliderPosition(500)
    held = knob.value()
    knob.set_value(7.0)
    assert knob.value() == held


@pytest.mark.parametrize(("text", "value"), [("0.25", 0.25), ("0,25", 0.25), ("0", 0.0), ("2e3", 2000.0)])
def test_a_typed_weight_is_taken_as_typed(knob, qtbot, text, value):
    changed, released = _heard(knob)
    _entry(knob).selectAll()
    qtbot.keyClicks(_entry(knob), text)
    qtbot.keyClick(_entry(knob), Qt.Key.Key_Return)
    assert knob.value() == value and changed == [value] and released == [value]


@pytest.mark.parametrize("text", ["", "much", "-1", "nan", "inf", "1e9"])
def test_what_is_no_weight_changes_nothing(knob, qtbot, text):
    changed, _ = _heard(knob)
    _entry(knob).selectAll()
    qtbot.keyClick(_entry(knob), Qt.Key.Key_Delete)
    qtbot.keyClicks(_entry(knob), text)
    qtbot.keyClick(_entry(knob), Qt.Key.Key_Return)
    assert knob.value() == 0.1 and changed == [] and _entry(knob).text() == "0.1"


def test_keys_move_the_slider_and_let_go_after_a_pause(knob, qtbot):
    changed, released = _heard(knob)
    qtbot.keyClick(knob.findChild(QSlider), Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: len(released) == 1)
    assert knob.value() > 0.1 and changed[-1] == released[0] == knob.value()


def test_the_calibrated_weight_is_offered_and_taken_with_a_click(knob, qtbot):
    star = knob.findChild(QToolButton)
    assert not star.isVisible()
    knob.set_calibrated(0.0312)
    assert star.isVisible() and star.text() == "calibrated: 0.031"
    with qtbot.waitSignal(knob.released):
        qtbot.mouseClick(star, Qt.MouseButton.LeftButton)
    assert knob.value() == 0.0312
    for nothing in (None, math.nan, 0.0):
        knob.set_calibrated(nothing)
        assert not star.isVisible()


def test_a_range_is_all_that_the_knob_goes_through(knob, qtbot):
    knob.set_value(0.1)
    knob.set_range(0.01, 1.0)
    changed, slider = _heard(knob)[0], knob.findChild(QSlider)
    assert slider.value() == pytest.approx(slider.maximum() / 2, abs=1) and changed == []
    for notch, end in ((slider.maximum(), 1.0), (0, 0.01)):
        slider.setValue(notch)
        assert knob.value() == end
    for typed, taken in (("0.3", 0.3), ("7", 0.3), ("0", 0.3), ("0,5", 0.5)):  # beyond the range it stays as it was
        _entry(knob).selectAll()
        qtbot.keyClicks(_entry(knob), typed)
        qtbot.keyClick(_entry(knob), Qt.Key.Key_Return)
        assert knob.value() == taken and float(_entry(knob).text()) == taken


def test_a_calibrated_weight_beyond_the_range_is_not_offered(knob):
    knob.set_range(0.01, 1.0)
    star = knob.findChild(QToolButton)
    for weight, offered in ((0.003, False), (0.01, True), (0.5, True), (2.0, False)):
        knob.set_calibrated(weight)
        assert star.isVisible() is offered
