"""The curves of the runs, as they are seen."""

import csv

import numpy as np
import pytest
from PyQt6.QtCore import QEvent, QPointF, QSettings, Qt
from PyQt6.QtGui import QImage, QMouseEvent
from PyQt6.QtWidgets import QApplication

from explorer.messages import Began, EpochEnded, PicturesReady, Steps
from explorer.state.runs import RunCurves
from explorer.state.smoothing import smoothed
from explorer.train.axes import NumberAxis, clock, log_ticks
from explorer.train.curves import CurvesPanel
from explorer.train.lines import merged_turns
from explorer.train.words import measured, number
from explorer.widgets import theme
from explorer.widgets.preferences import Preferences


def a_run(number: int, weights, rate=None, **settings) -> RunCurves:
    weights = np.asarray(weights, np.float64)
    run = RunCurves(number, {"kl_weight": float(weights[0]), **settings})
    limit = np.array([0.01, 0.1, 1.0]), np.array([5.0, 10.0, 20.0]), np.array([60.0, 25.0, 9.0])
    run.take(PicturesReady(number, "p", 90, 10, "cpu", *limit))
    run.take(Began(number, float(weights[0]), len(weights), 10, 0))
    step = np.arange(1.0, len(weights) + 1)
    random = np.random.default_rng(number)
    distortion = 40.0 * np.exp(0.2 * random.standard_normal(len(step)))
    rate = 20.0 * np.exp(0.2 * random.standard_normal(len(step))) if rate is None else rate
    loss = distortion + np.where(weights > 0, weights * rate, 0.0)
    run.take(Steps(number, step, distortion, rate, weights, loss, 0.5 * step, 0.5, 10.0))
    return run


@pytest.fixture
def panel(qtbot, tmp_path):
    preferences = Preferences(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat))
    made = CurvesPanel(preferences, lambda: tmp_path / "models")
    qtbot.addWidget(made)
    made.resize(900, 400)
    made.show()
    return made


def show(panel, *runs):
    panel.set_runs(runs)
    panel.redraw()


def test_without_a_run_it_says_what_will_be_here(panel):
    show(panel)
    assert panel.plot.empty.isVisible()
    show(panel, a_run(1, [0.1] * 50))
    assert not panel.plot.empty.isVisible()


def test_a_log_axis_smooths_logarithms_and_keeps_the_raw_curve_behind(panel):
    run = a_run(1, [0.1] * 300)
    show(panel, run)
    lines = panel.plot.lines[1]
    x, y = lines.front["distortion"].getData()
    np.testing.assert_array_equal(x, np.arange(1, 301))
    decay = 1 - 1 / panel.view.span
    weights = decay ** np.arange(299, -1, -1.0)
    by_hand = np.sum(weights * np.log10(run.values("distortion"))) / np.sum(weights)
    assert y[-1] == pytest.approx(by_hand)
    np.testing.assert_allclose(lines.raw["distortion"].getData()[1], np.log10(run.values("distortion")))
    panel.log.setChecked(False)
    np.testing.assert_allclose(
        lines.front["distortion"].getData()[1], smoothed(run.values("distortion"), panel.view.span)
    )


def test_smoothing_off_leaves_the_values_alone_on_the_plot(panel):
    run = a_run(1, [0.1] * 100)
    show(panel, run)
    panel.smoothing.setValue(0)
    panel.redraw()
    lines = panel.plot.lines[1]
    assert not lines.raw["loss"].isVisible()
    np.testing.assert_allclose(lines.front["loss"].getData()[1], np.log10(run.values("loss")))
    assert panel.smoothed.text() == "as they came"


def test_a_mark_stands_at_the_step_where_the_weight_was_turned_and_says_to_what(panel):
    show(panel, a_run(1, [0.1] * 120 + [0.5] * 100 + [2.0] * 80))
    marks = panel.plot.lines[1].marks
    assert [(mark.value(), mark.label.format) for mark in marks] == [(121.0, "β 0.5"), (221.0, "β 2")]
    panel.along.setCurrentIndex(1)
    assert [mark.value() for mark in marks] == [12.1, 22.1]
    panel.along.setCurrentIndex(2)
    assert [mark.value() for mark in marks] == [60.5, 110.5]


def test_a_weight_that_glides_leaves_one_mark_at_its_end(panel):
    weights = np.concatenate([np.full(400, 0.1), np.geomspace(0.11, 1.0, 30), np.full(400, 1.0)])
    run = a_run(1, weights)
    show(panel, run)
    assert [turn.kl_weight for turn in merged_turns(run, panel.plot.view)] == [1.0]
    assert len(panel.plot.lines[1].marks) == 1


def test_the_words_of_turns_near_each_other_do_not_lie_on_each_other(panel):
    show(panel, a_run(1, [0.1] * 120 + [0.5] * 15 + [2.0] * 165))
    marks = panel.plot.lines[1].marks
    assert [mark.label.isVisible() for mark in marks] == [False, True]
    show(panel, a_run(1, [0.1] * 120 + [0.5] * 80 + [2.0] * 100))
    assert [mark.label.isVisible() for mark in panel.plot.lines[1].marks] == [True, True]


def test_a_mean_of_equal_weights_is_no_turn(panel):
    assert a_run(1, [0.1] * 40 + [0.100002] * 40 + [0.1] * 40).turns == []


def test_the_limit_is_drawn_at_the_present_weight(panel):
    show(panel, a_run(1, [0.01] * 50 + [0.1] * 50))
    loss, distortion = panel.plot.limits["loss"], panel.plot.limits["distortion"]
    assert distortion.isVisible() and distortion.value() == pytest.approx(np.log10(10.0))
    assert loss.value() == pytest.approx(np.log10(12.5))
    assert "Now: L 12.5  ·  D 10." in panel.legend.quantities["limit"].toolTip()
    assert panel.plot.readout(30.0).endswith("Gaussian limit  ·  L 12.5  ·  D 10")
    panel.log.setChecked(False)
    assert distortion.value() == pytest.approx(10.0)
    panel.legend.quantities["limit"].click()
    assert not distortion.isVisible()


def test_two_runs_are_drawn_apart_by_stroke_and_by_their_number(panel):
    show(panel, a_run(1, [0.1] * 80), a_run(2, [1.0] * 80))
    one, two = panel.plot.lines[1], panel.plot.lines[2]
    assert two.front["loss"].opts["pen"].style() == Qt.PenStyle.SolidLine
    assert one.front["loss"].opts["pen"].style() == Qt.PenStyle.CustomDashLine
    assert one.front["loss"].opts["pen"].color() == two.front["loss"].opts["pen"].color()
    assert [lines.numbers["loss"].textItem.toPlainText() for lines in (one, two)] == ["1", "2"]
    assert [button.text() for button in panel.legend.runs.values()] == ["Run 1: β 0.1", "Run 2: β 1"]


def test_a_click_in_the_legend_hides_a_quantity_or_a_run(panel):
    show(panel, a_run(1, [0.1] * 80), a_run(2, [1.0] * 80))
    one, two = panel.plot.lines[1], panel.plot.lines[2]
    panel.legend.quantities["distortion"].click()
    assert not one.front["distortion"].isVisible() and not two.raw["distortion"].isVisible()
    assert one.front["loss"].isVisible()
    panel.legend.runs[1].click()
    assert not one.front["loss"].isVisible() and two.front["loss"].isVisible()
    assert panel.hidden_runs == {1}
    panel.legend.runs[1].click()
    panel.legend.quantities["distortion"].click()
    assert one.front["distortion"].isVisible() and one.front["loss"].isVisible()


def test_hovering_reads_the_nearest_step_of_each_visible_curve_with_enough_digits(panel):
    panel.smoothing.setValue(0)
    run = a_run(1, [0.1] * 80)
    show(panel, run, a_run(2, [1.0] * 40))
    lines = panel.plot.readout(33.4).splitlines()
    d, r = run.values("distortion")[32], run.values("rate")[32]
    expected = ["Run 1", "step 33", "0:16", f"L {d + 0.1 * r:.3f}", f"D {d:.3f}", f"βR {0.1 * r:.4f}", f"R {r:.3f}"]
    assert lines[0].split("  ·  ") == [*expected, "β 0.1"]
    assert lines[1].startswith("Run 2")
    panel.legend.quantities["rate"].click()
    panel.legend.runs[2].click()
    assert panel.plot.readout(33.4).splitlines()[0].split("  ·  ") == [*expected[:-1], "β 0.1"]


def test_the_mouse_over_the_plot_shows_the_numbers_and_leaving_takes_them_away(qtbot, panel):
    show(panel, a_run(1, [0.1] * 80))
    plot = panel.plot
    at = plot.mapFromScene(plot.left.mapViewToScene(QPointF(40.0, np.mean(plot.left.viewRange()[1]))))
    button = Qt.MouseButton.NoButton
    over = QMouseEvent(QEvent.Type.MouseMove, QPointF(at), button, button, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(plot.viewport(), over)
    assert plot.said.isVisible() and "step 40" in plot.said.text() and plot.cursor_line.isVisible()
    assert plot.rect().contains(plot.said.geometry())
    QApplication.sendEvent(plot, QEvent(QEvent.Type.Leave))
    assert not plot.said.isVisible() and not plot.cursor_line.isVisible()


def test_an_autoencoder_has_only_d_and_l(panel):
    show(panel, a_run(1, [0.0] * 50, rate=np.full(50, np.nan), autoencoder=True))
    assert "R" not in panel.plot.readout(10).replace("Run", "")
    assert not panel.plot.lines[1].weight.isVisible()
    assert not panel.plot.limits["loss"].isVisible()


def test_a_long_run_is_thinned_and_keeps_its_peaks(panel):
    run = a_run(1, [0.1] * 20_000)
    run.terms["distortion"][7777] = 5000.0
    show(panel, run)
    x, y = panel.plot.lines[1].raw["distortion"].getData()
    assert len(x) <= 2000 and y.max() == pytest.approx(np.log10(5000.0))
    assert len(panel.plot.lines[1].weight.getData()[0]) < 10


def test_zooming_in_brings_back_every_step(panel):
    run = a_run(1, [0.1] * 20_000)
    show(panel, run)
    panel.plot.left.setXRange(1000, 1200, padding=0)
    panel.plot.left.sigRangeChangedManually.emit([True, True])
    panel.redraw()
    x, _ = panel.plot.lines[1].raw["distortion"].getData()
    np.testing.assert_array_equal(x, np.arange(x[0], x[-1] + 1))
    assert x[0] <= 1000 and x[-1] >= 1200
    assert panel.plot.left.viewRange()[0] == [1000, 1200]  # what was zoomed to stays while more comes in
    panel.fit.click()
    assert panel.plot.left.viewRange()[0][1] >= 20_000


def test_held_curves_stand_still_until_let_go(panel):
    run = a_run(1, [0.1] * 50)
    show(panel, run)
    panel.hold.setChecked(True)
    step = np.arange(51.0, 61)
    run.take(Steps(1, step, step, step, np.full(10, 0.1), step, step, 0.6, 1.0))
    panel.redraw()
    assert panel.plot.lines[1].front["loss"].getData()[0][-1] == 50
    panel.hold.setChecked(False)
    assert panel.plot.lines[1].front["loss"].getData()[0][-1] == 60


def test_the_look_is_remembered(panel, qtbot, tmp_path):
    panel.log.setChecked(False)
    panel.along.setCurrentIndex(2)
    panel.smoothing.setValue(20)
    again = CurvesPanel(panel._preferences, lambda: tmp_path)
    qtbot.addWidget(again)
    assert (again.view.log, again.view.along, again.view.span) == (False, "time", 100)


def test_the_saved_csv_holds_the_runs_in_view_and_nothing_is_overwritten(panel, tmp_path):
    run = a_run(1, [0.1] * 20)
    show(panel, run, a_run(2, [1.0] * 20))
    panel.legend.runs[2].click()
    written = []
    panel.saved.connect(written.append)
    panel.save_csv()
    panel.save_csv()
    assert written == [str(tmp_path / "models" / name) for name in ("curves.csv", "curves-2.csv")]
    with open(written[1], encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["distortion"]) for row in rows] == run.values("distortion").tolist()


def test_the_saved_picture_is_twice_as_fine_and_has_the_ground_of_the_plot(panel, tmp_path):
    show(panel, a_run(1, [0.1] * 20))
    panel.save_png()
    picture = QImage(str(tmp_path / "models" / "curves.png"))
    assert picture.size() == panel.stage.size() * 2
    at = panel.plot.geometry().center() * 2
    assert picture.pixelColor(20, at.y()).name() == theme.palette().surface


def test_a_folder_that_cannot_be_written_is_said(panel, tmp_path):
    (tmp_path / "models").write_text("a file stands where the folder should")
    refused = []
    panel.refused.connect(refused.append)
    panel.save_csv()
    assert len(refused) == 1 and refused[0].startswith("curves.csv could not be saved in")


def test_axes_write_numbers_as_a_person_would():
    assert [number(10**tick) for tick in log_ticks(0, 2)] == ["1", "2", "5", "10", "20", "50", "100"]
    assert 2 <= len(log_ticks(1.0, 1.05)) <= 40
    assert len(log_ticks(-6, 6)) <= 14
    assert [clock(s) for s in (45, 720, 3720)] == ["0:45", "12:00", "1:02:00"]
    assert (measured(31.4), measured(0.00123456), measured(1234567.0)) == ("31.400", "0.0012346", "1,234,567")


def test_time_ticks_are_round_times(panel):
    axis = NumberAxis("bottom", "time")
    (spacing, places), *_ = axis.tickValues(0, 600, 700)
    assert spacing == 60 and axis.tickStrings(places, 1.0, spacing)[:3] == ["0:00", "1:00", "2:00"]


# ---------------------------------------------------------------------- a model for a range of weights


def a_range(number: int, epochs: int = 4) -> RunCurves:
    """A run of a range of weights, whose batches have a relative loss of about 1."""
    run = a_run(number, [0.1] * 40)
    run.settings["kl_weight"] = (0.01, 1.0)
    for place in range(1, epochs + 1):
        told = {f"val_loss_at_{weight}": base * (1 + 1 / place) for weight, base in (("0.01", 13.0), ("1", 79.0))}
        run.take(EpochEnded(number, {"epoch": place, "step": 10 * place, **told}))
    return run


@pytest.mark.parametrize("log", [True, False])
def test_a_run_of_a_range_draws_its_held_out_losses_and_nothing_of_mixed_weights(panel, log):
    run = a_range(1)
    panel.log.setChecked(log)
    show(panel, run)
    lines = panel.plot.lines[1]
    for curve in (*lines.front.values(), *lines.raw.values()):
        assert not curve.isVisible() or not np.isfinite(curve.getData()[1]).any()
    for (line, name), base, weight in zip(
        (lines.held_out._items[weight] for weight in ("0.01", "1")), (13.0, 79.0), ("0.01", "1"), strict=True
    ):
        expected = base * (1 + 1 / np.arange(1, 5))
        np.testing.assert_allclose(line.getData()[1], np.log10(expected) if log else expected)
        assert name.toPlainText() == f"β {weight}"
    low, high = panel.plot.left.viewRange()[1]
    ends = np.log10([16.0, 158.0]) if log else np.array([16.0, 158.0])
    assert low < ends[0] and ends[1] < high
    assert panel.plot.limit_words == "" and "L 19.5 at 0.01" in panel.plot.readout(20.0)
    panel.legend.quantities["loss"].click()
    assert not any(item.isVisible() for pair in lines.held_out._items.values() for item in pair)


def test_a_range_before_its_first_epoch_and_beside_other_runs_is_drawn(panel):
    show(panel, a_range(1, epochs=0))
    show(panel, a_range(1), a_run(2, [0.1] * 40), a_range(3, epochs=1))
    assert panel.legend.runs[1].text() == "Run 1: β 0.01–1" and panel.legend.runs[2].text() == "Run 2: β 0.1"
    show(panel, a_run(2, [0.1] * 40))


def test_the_run_that_is_chosen_stands_in_front_and_those_on_other_pictures_are_faded(panel):
    runs = [a_run(1, [0.1] * 50, data="/a"), a_run(2, [0.3] * 50, data="/a"), a_run(3, [9.0] * 50, data="/b")]
    panel.set_runs(runs, 1)
    panel.redraw()

    def look(number):
        pen = panel.plot.lines[number].front["loss"].opts["pen"]
        return pen.widthF() > 1.5, pen.color().alphaF() == 1.0

    assert [look(number) for number in (1, 2, 3)] == [(True, True), (False, True), (False, False)]
    high = panel.plot.left.viewRange()[1][1]
    assert panel.plot.readout(20).startswith("Run 1") or "Run 1" in panel.plot.readout(20)
    assert "b" in panel.legend.runs[3].toolTip()
    panel.set_runs(runs, 3)
    panel.redraw()
    assert [look(number) for number in (1, 2, 3)] == [(False, False), (False, False), (True, True)]
    assert panel.plot.left.viewRange()[1][1] > high, "a weight of 9 makes a larger loss"


def test_names_at_the_ends_of_lines_do_not_lie_on_each_other(panel, qtbot):
    runs = [a_run(n, [0.1 * n] * 60) for n in range(1, 7)]
    panel.set_runs(runs, 3)
    panel.redraw()
    qtbot.wait(20)
    panel.redraw()
    shown = [
        (number, name, item.mapRectToScene(item.boundingRect()).adjusted(0, 3, 0, -3))
        for number, lines in panel.plot.lines.items()
        for name, item in lines.numbers.items()
        if item.isVisible()
    ]
    assert len(shown) > 3
    assert {name for number, name, _ in shown if number == 3} >= {"loss", "rate"}, "the run in front is named first"
    for place, (_, _, one) in enumerate(shown):
        assert not any(one.intersects(other) for _, _, other in shown[place + 1 :])
