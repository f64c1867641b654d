"""*What is KL?*: its numbers are those of the state, and follow the hand."""

import subprocess
import sys

import pytest
from PIL import Image
from PyQt6.QtWidgets import QWidget

from explorer.messages import Independence
from explorer.state import divergence as kl
from explorer.state.divergence import Gaussian, Humps
from explorer.widgets import theme
from explorer.window.kl_page import KLPage, nats


@pytest.fixture
def page(qtbot):
    made = KLPage()
    qtbot.addWidget(made)
    made.resize(1180, 640)
    made.show()
    return made


def numbers(page) -> list[list[str]]:
    return [[label.text() for label in row] for row in page.directions.numbers]


def told(part) -> list[list[str]]:
    return [[nats(kl.divergence(q, part.p)), nats(kl.divergence(part.p, q))] for q in part.fits]


def test_both_gaussians_show_both_directions_and_each_is_better_in_its_own(page):
    part = page.directions
    assert numbers(page) == told(part)
    (seeking, covering) = [[float(value) for value in row] for row in numbers(page)]
    assert seeking[0] < covering[0] and covering[1] < seeking[1]


def test_a_pulled_handle_moves_its_gaussian_and_its_numbers_and_fitting_again_takes_it_back(page):
    part, fitted = page.directions, page.directions.fits[0]
    part.handles[0].setPos(2.2, 0.5)
    assert part.fits[0].mean == pytest.approx(2.2) and part.fits[0].peak() == pytest.approx(0.5)
    assert part.names[0].text() == "q pulled by hand" and numbers(page) == told(part)
    part.again.click()
    assert part.fits[0].mean == pytest.approx(2.0, abs=0.05)  # the other hump: the one that it was pulled over
    assert part.fits[0].mean != pytest.approx(fitted.mean) and part.names[0].text() == "q fitted by KL(q ‖ p)"


def test_a_handle_stays_on_the_top_of_its_curve_where_it_is_pulled_too_far(page):
    part = page.directions
    part.handles[1].setPos(0.0, 99.0)
    top = part.handles[1].pos()
    assert top.y() == pytest.approx(part.fits[1].peak()) and part.fits[1].deviation == kl.NARROWEST


def test_what_is_fitted_follows_the_humps_and_what_a_hand_holds_stays(page):
    part = page.directions
    part.handles[0].setPos(-1.0, 0.3)
    held = part.fits[0]
    part.distance.setValue(0)
    assert part.p == Humps(0.0) and part.fits[0] == held
    assert part.fits[1] == Gaussian(pytest.approx(0.0, abs=1e-9), pytest.approx(kl.HUMP))
    assert numbers(page)[1] == ["0.00", "0.00"]


@pytest.mark.parametrize("hundredths", [-90, 0, 60])
def test_the_cost_of_independence_is_that_of_the_closed_form(page, hundredths):
    part = page.independence
    part.slider.setValue(hundredths)
    cost = kl.independence_cost(kl.tilted(hundredths / 100)[None])
    assert [label.text() for label in part.numbers] == [f"{nats(cost)} nats"] * 2 + ["0.00 nats"]


def test_what_the_engine_measured_of_the_open_model_is_told_below(page):
    assert not page.measured.isVisible()
    page.tell(Independence("a\nrt", 0.1, 3.21, 221.0, 0.0))
    assert page.measured.isVisible() and "at least 3.21 nats a picture, of a rate of 221," in page.measured.text()
    assert "\n" not in page.measured.text() and "save" not in page.measured.text()
    page.tell(Independence("art", 0.1, 3.21, 221.0, 2.0))
    assert page.measured.text().endswith("The covariances of its own posteriors save 2.00.")
    page.tell("art has no Gaussian posterior.")
    assert page.measured.text() == "art has no Gaussian posterior."


def test_the_colours_follow_the_appearance(page):
    theme.choose("dark")
    try:
        assert page.directions.curves[0].opts["pen"].color().name() == theme.DARK.accent.lower()
        assert page.independence.diagonal[2].opts["pen"].color().name() == theme.DARK.weight.lower()
    finally:
        theme.choose("system")


def test_both_demonstrations_stand_in_line_and_fit_into_a_small_window(page):
    left, right = page.directions, page.independence
    assert left.plot.geometry().top() == right.plot.geometry().top()
    assert left.plot.geometry().bottom() == right.plot.geometry().bottom()
    assert page.minimumSizeHint().height() < 560
    assert all(isinstance(one, QWidget) and one.isVisible() for one in (left.plot, left.again, right.slider))


def test_the_documented_command_draws_the_figure_of_the_docs(tmp_path):
    target = tmp_path / "kl.png"
    command = [sys.executable, "-m", "explorer.window.kl_page", str(target)]
    subprocess.run(command, check=True, timeout=100, capture_output=True)
    with Image.open(target) as drawn:
        assert drawn.size[0] >= 1000 and len(drawn.convert("RGB").getcolors(1 << 20)) > 50
