"""The rate-distortion chart."""

import numpy as np
import pytest
from PyQt6.QtCore import QPointF, QRectF, Qt

from explorer.messages import Began, Delivered, EpochEnded, PicturesReady
from explorer.state.runs import RunCurves
from explorer.train.rate_distortion import RateDistortionChart

WEIGHTS = np.array([0.01, 0.1, 1.0])


def a_run(number: int, weight: float, points=((20.0, 30.0), (22.0, 12.0)), **settings) -> RunCurves:
    run = RunCurves(number, {"kl_weight": weight, **settings})
    run.take(
        PicturesReady(number, "p", 90, 10, "cpu", WEIGHTS, np.array([5.0, 10.0, 20.0]), np.array([60.0, 25.0, 9.0]))
    )
    run.take(Began(number, weight, 100, 10, 0))
    for rate, distortion in points:
        record = {"val_rate": rate, "val_distortion": distortion, "val_loss": distortion + weight * (rate or 0)}
        run.take(EpochEnded(number, record))
    return run


@pytest.fixture
def chart(qtbot):
    made = RateDistortionChart()
    qtbot.addWidget(made)
    made.resize(320, 240)
    made.show()
    return made


def test_it_says_what_will_be_here_while_no_epoch_has_ended(chart):
    chart.draw([a_run(1, 0.1, points=())])
    assert chart.empty.isVisible() and chart.places == []
    assert len(chart.limit_lines) == 1  # the limit is known already


def test_each_run_is_a_point_labelled_by_its_weight_with_its_way_behind(chart):
    chart.draw([a_run(1, 0.1), a_run(2, 1.0, ((9.0, 25.0),))])
    assert [(place.rate, place.distortion) for place in chart.places] == [(22.0, 12.0), (9.0, 25.0)]
    assert chart.items_of[1].name.textItem.toPlainText() == "β 0.1"
    np.testing.assert_array_equal(chart.items_of[1].way.getData(), [[20.0, 22.0], [30.0, 12.0]])
    np.testing.assert_array_equal(chart.items_of[2].point.getData(), [[9.0], [25.0]])
    assert not chart.empty.isVisible()


def test_all_present_points_are_in_view(chart):
    chart.draw([a_run(1, 0.01, ((70.0, 200.0), (60.0, 4.0))), a_run(2, 10.0, ((3.0, 90.0),))])
    (left, right), (low, high) = chart.plot.getViewBox().viewRange()
    for place in chart.places:
        assert left <= place.rate <= right and low <= place.distortion <= high


def test_runs_on_the_same_pictures_share_one_limit(chart):
    chart.draw([a_run(1, 0.1), a_run(2, 1.0)])
    assert len(chart.limit_lines) == 1
    rates, distortions = chart.limit_lines[0].getData()
    np.testing.assert_array_equal(rates, [60.0, 25.0, 9.0])
    np.testing.assert_array_equal(distortions, [5.0, 10.0, 20.0])


def test_a_hidden_run_is_gone_and_comes_back(chart):
    runs = [a_run(1, 0.1), a_run(2, 1.0)]
    chart.draw(runs, frozenset({1}))
    assert list(chart.items_of) == [2]
    chart.draw(runs)
    assert set(chart.items_of) == {1, 2}
    items = len(chart.plot.items)
    for _ in range(5):
        chart.draw(runs)
    assert len(chart.plot.items) == items  # nothing piles up


def test_an_autoencoder_is_a_level_without_a_rate(chart):
    chart.draw([a_run(1, 0.0, ((None, 6.0),), autoencoder=True)])
    items = chart.items_of[1]
    assert items.level.isVisible() and items.level.value() == 6.0
    assert not items.point.isVisible()


@pytest.mark.qt_log_ignore("Mouse event .* not accepted")
def test_hovering_a_point_shows_its_numbers(qtbot, chart):
    run = a_run(1, 0.1)
    run.take(Delivered(1, "/m/a.keras", "", False, {"distortion": 11.126, "rate": 22.5, "loss": 13.376}))
    chart.draw([run])
    at = chart.mapFromScene(chart.plot.getViewBox().mapViewToScene(QPointF(22.5, 11.126)))
    place = chart.nearest(QPointF(at))
    assert place is not None and place.run is run
    assert chart.readout(place) == "Run 1, weight 0.1\nD 11.13  R 22.5\nL 13.38\nGaussian limit: D 10  L 12.5"
    assert chart.nearest(QPointF(at.x() + 60, at.y() - 60)) is None
    heard = []
    chart.run_clicked.connect(heard.append)
    qtbot.mouseClick(chart.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert heard == [1]


def test_a_model_of_a_range_is_its_whole_curve_and_all_of_it_is_in_view(chart):
    run = a_run(1, 0.1)
    run.settings["kl_weight"] = (0.01, 1.0)
    told = {"val_rate": 90.0, "val_distortion": 20.0, "val_loss": 29.0}
    for weight, distortion, rate in (("1", 60.0, 10.0), ("0.1", 20.0, 90.0), ("0.01", 6.0, 600.0)):
        told |= {
            f"val_{key}_at_{weight}": one for key, one in (("distortion", distortion), ("rate", rate), ("loss", 9.0))
        }
    run.take(EpochEnded(1, told))
    chart.draw([run])
    curve = [[10.0, 90.0, 600.0], [60.0, 20.0, 6.0]]
    np.testing.assert_array_equal(chart.items_of[1].way.getData(), curve)
    np.testing.assert_array_equal(chart.items_of[1].point.getData(), curve)
    assert chart.items_of[1].name.textItem.toPlainText() == "β 0.01–1"
    assert chart.readout(chart.places[0]).startswith("Run 1, weight 0.1 of 0.01–1\nD 20  R 90")
    (left, right), (low, high) = chart.plot.getViewBox().viewRange()
    assert left <= 10 and right >= 600 and low <= 6 and high >= 60


def _names(chart) -> dict[int, QRectF]:
    """Where each name that is shown stands, in the chart's own pixels."""
    shown = {number: items.name for number, items in chart.items_of.items() if items.name.isVisible()}
    return {number: name.mapRectToScene(name.boundingRect()) for number, name in shown.items()}


@pytest.mark.parametrize("size", [(320, 240), (220, 170), (600, 420)])
def test_no_name_is_cut_or_lies_on_another_or_on_a_point(chart, qtbot, size):
    random = np.random.default_rng(1)
    runs = [
        a_run(n, 10.0 ** -(n / 3), ((float(rate), float(distortion)),))
        for n, (rate, distortion) in enumerate(random.uniform((4, 5), (40, 30), (9, 2)), start=1)
    ]
    runs += [a_run(10, 0.123, ((40.0, 5.0),)), a_run(11, 0.124, ((40.1, 5.1),))]  # in the corner, nearly the same
    chart.resize(*size)
    chart.draw(runs)
    qtbot.wait(20)
    names, room = _names(chart), chart.plot.getViewBox().sceneBoundingRect()
    assert len(names) >= 3
    view = chart.plot.getViewBox()
    points = [view.mapViewToScene(QPointF(place.rate, place.distortion)) for place in chart.places]
    for number, name in names.items():
        assert room.adjusted(-1, -1, 1, 1).contains(name), "whole"
        others = [other for one, other in names.items() if one != number]
        assert not any(name.adjusted(1, 1, -1, -1).intersects(other) for other in others)
        assert not any(name.contains(point) for point in points)


def test_runs_on_other_pictures_are_faded_and_do_not_set_the_scale(chart):
    here = a_run(1, 0.1, data="/a", size=64)
    there = a_run(2, 1.0, ((900.0, 4000.0),), data="/b", size=256)
    chart.draw([here, there], chosen=1)
    (left, right), (low, high) = chart.plot.getViewBox().viewRange()
    assert right < 100 and high < 100
    opaque = {number: items.point.opts["pen"].color().alphaF() for number, items in chart.items_of.items()}
    assert opaque[1] == 1.0 and opaque[2] < 0.5
    assert chart.readout(chart.places[1]).endswith("on other pictures: b, 256 pixels")
    chart.draw([here, there], chosen=2)
    assert chart.plot.getViewBox().viewRange()[0][1] > 900
