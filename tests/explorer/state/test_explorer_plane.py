"""Posteriors of two latents at every weight of a range, and what they cover."""

import math
from dataclasses import replace

import numpy as np
import pytest

from explorer.messages import PosteriorsAt
from explorer.state import plane
from kvae.figures import latents as figure

RANDOM = np.random.default_rng(4)
MEANS = RANDOM.standard_normal((30, 2))


def tilted(width: float, tilt: float = 0.0, count: int = 30) -> np.ndarray:
    return np.broadcast_to(width**2 * np.array([[1.0, tilt], [tilt, 0.25]]), (count, 2, 2))


def measured(*parts: tuple[float, float, float]) -> plane.Posteriors:
    found = plane.Posteriors()
    for weight, width, drift in parts:
        found.add(PosteriorsAt(weight, drift * MEANS, tilted(width, 0.3), ("a",) * 30))
    return found


def test_at_a_measured_weight_nothing_is_interpolated_in_whatever_order_they_came():
    found = measured((0.1, 0.3, 1.0), (1.0, 0.8, 0.5), (0.01, 0.1, 1.5))
    assert found.weights == [0.01, 0.1, 1.0]
    for weight, width, drift in ((1.0, 0.8, 0.5), (0.1, 0.3, 1.0), (0.01, 0.1, 1.5)):
        means, covariances = found.at(weight)
        np.testing.assert_array_equal(means, drift * MEANS)
        np.testing.assert_array_equal(covariances, tilted(width, 0.3))


def test_between_two_weights_ellipses_shrink_in_proportion_keep_their_tilt_and_drift():
    found = measured((0.01, 0.1, 2.0), (1.0, 0.9, 1.0))
    means, covariances = found.at(0.1)  # halfway in log β
    np.testing.assert_allclose(means, 1.5 * MEANS)
    np.testing.assert_allclose(covariances, tilted(0.3, 0.3), rtol=1e-12)
    widths = [found.at(weight)[1][0, 0, 0] for weight in (0.01, 0.03, 0.2, 1.0, 5.0)]
    assert widths == sorted(widths) and widths[-1] == widths[-2]  # beyond the range stands its end


def test_a_model_of_one_weight_is_what_it_is_also_at_weight_0():
    found = measured((0.0, 0.1, 1.0))
    np.testing.assert_array_equal(found.at(0.0)[0], MEANS)


def test_a_linear_model_is_interpolated_to_a_hundredth():
    """The closed form: a posterior variance of s/λ with s = β/2."""
    found = plane.Posteriors()
    for weight in np.geomspace(0.01, 1.0, plane.STEPS):
        found.add(PosteriorsAt(float(weight), MEANS, np.broadcast_to(weight / 2 * np.eye(2), (30, 2, 2)), ("",) * 30))
    for weight in (0.013, 0.3, 0.77):
        np.testing.assert_allclose(found.at(weight)[1][:, 0, 0], weight / 2, rtol=0.01)


@pytest.mark.parametrize("deviations", [1.0, 2.0])
def test_one_posterior_that_is_the_prior_covers_what_the_closed_form_says(deviations):
    found = plane.covered(np.zeros((1, 2)), np.eye(2)[None], deviations)
    assert found == pytest.approx(1 - math.exp(-(deviations**2) / 2), abs=0.01)
    assert plane.covered(np.zeros((1, 2)), np.zeros((1, 2, 2))) == 0.0


def test_the_map_and_the_figure_count_the_same():
    covariances = tilted(0.4, 0.3)
    assert plane.covered(MEANS, covariances) == pytest.approx(figure.covered(MEANS, covariances), abs=0.01)
    np.testing.assert_allclose(plane.grid_points(4.0), figure.grid_points(4.0, plane.SIDE))
    found = measured((0.1, 0.3, 3.0))
    assert found.reach() == figure.reach_of(found.means)


def test_the_axes_of_a_tilted_ellipse_turn_with_it():
    turn = math.radians(30)
    rotated = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    half, angle = plane.axes_of((rotated @ np.diag([9.0, 1.0]) @ rotated.T)[None])
    np.testing.assert_allclose(half, [[1.0, 3.0]])
    assert (angle[0] - 90) % 180 == pytest.approx(30)  # the first axis is the short one


def test_the_sentence_says_the_numbers_at_the_weight():
    found = measured((0.01, 0.1, 1.0), (1.0, 0.9, 1.0))
    share = 100 * plane.covered(*found.at(0.01))
    lost = -0.5 * math.log(1 - 0.3**2 / 0.25)  # of a covariance of 0.3 with variances of 1 and a quarter
    assert found.sentence(0.01) == (
        "At KL weight 0.01 posteriors have a mean deviation of 0.075, where the prior has 1. These 30 cover "
        f"{share:.0f} % of the prior: {100 - share:.0f} of 100 points drawn from it lie outside all of them. "
        f"Without their tilt they would lose {lost:.2g} nats each, on average."
    )
    upright = plane.Posteriors()
    upright.add(PosteriorsAt(0.01, MEANS, tilted(0.1), ("a",) * 30))
    assert upright.sentence(0.01).endswith("lie outside all of them.")


def test_a_model_of_one_weight_is_asked_about_that_and_one_of_a_range_about_all_of_it(model_info):
    two = replace(model_info, latent_dim=2)
    assert plane.has_plane(two) and not plane.has_plane(model_info) and not plane.has_plane(None)
    assert not plane.has_plane(replace(two, autoencoder=True))
    assert plane.weights_of(two) == (0.1,)
    asked = plane.weights_of(replace(two, weight_range=(0.01, 1.0)))
    assert asked[0] == 0.1 and asked[1] == 1.0 and asked[-1] == 0.01 and len(set(asked)) == len(asked)
