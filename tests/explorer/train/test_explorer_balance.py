"""The two arrows of the gradient balance: their lengths, their angle, and what is written about them."""

import math

import pytest
from PyQt6.QtGui import QColor

from explorer.messages import Balanced
from explorer.train.axes import clock
from explorer.train.balance import BalanceArrows
from explorer.train.words import fixed, measured, number
from explorer.widgets import theme


@pytest.fixture
def arrows(qtbot):
    widget = BalanceArrows()
    widget.resize(152, 260)
    qtbot.addWidget(widget)
    widget.show()
    return widget


@pytest.mark.parametrize("degrees", [0, 60, 135, 180])
@pytest.mark.parametrize("lengths", [(2.0, 1.0), (1.0, 4.0)])
def test_the_arrows_have_the_lengths_and_the_angle_that_were_measured(arrows, degrees, lengths):
    distortion, rate = lengths
    share = rate / (distortion + rate)
    arrows.show_balance(Balanced(1, 10, distortion, rate, math.cos(math.radians(degrees)), share))
    first, second = arrows.arrows()
    longest = max(lengths)
    assert math.hypot(first.x(), first.y()) == pytest.approx(distortion / longest)
    assert math.hypot(second.x(), second.y()) == pytest.approx(rate / longest)
    assert math.degrees(math.atan2(second.y(), second.x())) % 360 == pytest.approx(degrees, abs=1e-6)
    assert f"{round(100 * share)} % of the force" in arrows.words()


def test_at_rest_the_two_arrows_are_painted_opposite_each_other_in_their_own_colours(arrows):
    arrows.show_balance(Balanced(1, 10, 1.0, 1.0, -1.0, 0.5))
    image = arrows.grab().toImage()
    ratio = image.devicePixelRatio()
    found = {name: [] for name in ("distortion", "rate")}
    for x in range(image.width()):
        for y in range(int(40 * ratio), int(190 * ratio)):
            for name, places in found.items():
                if image.pixelColor(x, y) == QColor(getattr(theme.palette(), name)):
                    places.append(x)
    middle = image.width() / 2
    assert min(found["distortion"]) >= middle - 3 > 0
    assert max(found["rate"]) <= middle + 3


def test_a_cosine_below_0_has_a_minus_as_long_as_a_plus(arrows):
    arrows.show_balance(Balanced(1, 10, 1.0, 1.0, -0.73, 0.5))
    assert arrows.lines()[2][0] == "cosine −0.73"
    assert [number(-1234.5), measured(-0.00471), fixed(-2.0, 1), clock(-5)] == ["−1,234", "−0.0047100", "−2.0", "−0:05"]


def test_before_the_first_measurement_it_says_what_will_be_there(arrows):
    assert "pull" in arrows.words()
    assert "Gradient balance" in arrows.accessibleName()
