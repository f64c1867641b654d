"""The posteriors in the place of the map: when they are offered, and how they follow the weight."""

from dataclasses import replace

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QSettings, Qt

from explorer.map.page import MapPage
from explorer.messages import Decode, Decoded, PosteriorsAt, ReadPosteriors
from explorer.state import plane
from explorer.widgets.preferences import Preferences

GRID = np.random.default_rng(1).integers(0, 255, (plane.SIDE**2, 4, 4, 3), dtype=np.uint8)
MEANS = np.array([[0.0, 0.0], [1.5, -1.0], [-2.0, 0.5]])


@pytest.fixture
def page(qtbot, fake_bridge, tmp_path):
    made = MapPage(fake_bridge, Preferences(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat)))
    qtbot.addWidget(made)
    made.resize(1286, 700)
    made.show()
    return made


@pytest.fixture
def two(model_info):
    few = {name: getattr(model_info, name)[:2] for name in ("rates", "means", "spreads")}
    return replace(
        model_info, latent_dim=2, weight_range=(0.01, 1.0), latents=model_info.latents[:, :2],
        directions=np.eye(2, dtype="float32"), direction_spreads=np.ones(2, "float32"), **few,
    )  # fmt: skip


@pytest.fixture
def shown(page, fake_bridge, two):
    """The posteriors of three pictures, that shrink and drift apart with the weight."""
    fake_bridge.give_model(two)
    page.posteriors.click()
    ticket, question = fake_bridge.last(ReadPosteriors)
    for weight in question.weights:
        covariances = np.broadcast_to(weight * np.eye(2), (3, 2, 2))
        part = PosteriorsAt(weight, weight**-0.1 * MEANS, covariances, ("hills", "waves", "waves"))
        fake_bridge.answer(ticket, part)
    return page


def test_posteriors_are_offered_for_two_latents_only(page, fake_bridge, model_info, two):
    fake_bridge.give_model(model_info)
    assert not page.posteriors.isVisible()
    fake_bridge.give_model(two)
    assert page.posteriors.isVisible() and page.scatter.isVisible() and not page.plane.isVisible()
    page.posteriors.click()
    assert page.plane.isVisible() and not page.scatter.isVisible() and not page.panel.isVisible()
    fake_bridge.give_model(model_info)
    assert page.scatter.isVisible() and not page.plane.isVisible()


def test_they_are_read_once_at_all_weights(shown, fake_bridge):
    shown.posteriors.click()
    shown.posteriors.click()
    questions = [content for _, content, _ in fake_bridge.asked if isinstance(content, ReadPosteriors)]
    assert len(questions) == 1 and len(questions[0].weights) == plane.STEPS


def test_the_ellipses_follow_the_knob_at_once_and_the_pictures_below_follow_the_engine(shown, fake_bridge, qtbot):
    view = shown.plane
    first, question = fake_bridge.last(Decode)
    assert question.kl_weight == pytest.approx(0.1) and question.latents.shape == (plane.SIDE**2, 2)
    view.knob._take(0.05)
    qtbot.waitUntil(lambda: "0.05" in view.sentence.text())
    np.testing.assert_allclose(view.canvas.means, 0.05**-0.1 * MEANS, rtol=0.01)
    np.testing.assert_allclose(view.canvas._half, 0.05**0.5, rtol=0.01)
    assert fake_bridge.last(Decode)[0] == first  # one at a time
    fake_bridge.answer(first, Decoded(GRID))
    second, question = fake_bridge.last(Decode)
    assert second != first and question.kl_weight == pytest.approx(0.05)
    fake_bridge.answer(second, Decoded(GRID))
    assert fake_bridge.last(Decode)[0] == second and view._shown[0] == pytest.approx(0.05)


def test_the_grid_is_upright_under_the_ellipses(shown, fake_bridge):
    pictures = np.zeros_like(GRID)
    pictures[plane.SIDE - 1] = 250  # the first latent at its highest, and the second too
    fake_bridge.answer(fake_bridge.last(Decode)[0], Decoded(pictures))
    canvas = shown.plane.canvas
    at = canvas.to_screen(canvas.reach * 0.95, canvas.reach * 0.95).toPoint()
    image = canvas.grab().toImage()
    other = canvas.to_screen(canvas.reach * 0.95, -canvas.reach * 0.95).toPoint()
    assert image.pixelColor(at).red() > image.pixelColor(other).red() + 60


def test_a_click_goes_to_that_place_in_explore(shown, qtbot):
    canvas = shown.plane.canvas
    at = canvas.to_screen(1.0, -2.0).toPoint()
    with qtbot.waitSignal(shown.picked) as heard:
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=at)
    np.testing.assert_allclose(heard.args[0], [1.0, -2.0], atol=0.02)
    with qtbot.assertNotEmitted(shown.picked):
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(2, 2))


def test_another_model_forgets_the_ellipses_and_is_asked_anew(shown, fake_bridge, two):
    fake_bridge.give_model(replace(two, path="/nowhere/other.keras", kl_weight=0.5, weight_range=None))
    view = shown.plane
    assert not len(view.canvas.means) and not view.knob.isVisible()
    ticket, question = fake_bridge.last(ReadPosteriors)
    assert question.weights == (0.5,)
    fake_bridge.fail(ticket, "No pictures.")
    assert view.canvas.message == "No pictures."


def test_the_whole_page_fits_into_a_small_window(shown):
    assert shown.minimumSizeHint().height() < 600
