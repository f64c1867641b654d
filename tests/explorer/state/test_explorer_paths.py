"""Ways through latent space, against closed forms."""

import numpy as np
import pytest

from explorer.state.paths import EASINGS, STYLES, frame_count, path, starts, weights_along
from kvae.model.numpy_api import _between as between

CORNERS = np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]])


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("easing", EASINGS)
@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("legs", [1, 2, 7])
def test_every_keyframe_is_met_exactly_at_its_frame(style, easing, loop, legs):
    points = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    way = path(points, legs, style=style, loop=loop, easing=easing)
    np.testing.assert_allclose(way[::legs][:4], points, rtol=0, atol=1e-6)
    assert way.dtype == np.float32
    assert len(way) == frame_count(4, legs, loop)


def test_an_open_way_ends_on_the_last_keyframe_and_a_loop_one_frame_before_the_first():
    open_way = path(CORNERS, 10)
    closed = path(CORNERS, 10, loop=True, easing="even")
    assert len(open_way) == 21
    np.testing.assert_array_equal(open_way[-1], CORNERS[-1].astype(np.float32))
    assert len(closed) == 30
    np.testing.assert_allclose(closed[-1], 0.1 * CORNERS[2] + 0.9 * CORNERS[0], atol=1e-6)
    assert not any(np.array_equal(frame, closed[0]) for frame in closed[1:])


def test_two_pictures_in_a_loop_go_there_and_back():
    way = path(CORNERS[:2], 4, loop=True)
    assert len(way) == 8
    np.testing.assert_allclose(way[1:4], way[:4:-1], atol=1e-6)


def test_a_straight_way_at_even_speed_is_linear_in_time():
    way = path(np.array([[0.0, 4.0], [8.0, 0.0]]), 4, easing="even")
    np.testing.assert_array_equal(way, [[0, 4], [2, 3], [4, 2], [6, 1], [8, 0]])


def test_smooth_easing_is_the_cubic_that_starts_and_ends_at_rest():
    way = path(np.array([[0.0], [1.0]]), 4, easing="smooth")
    np.testing.assert_allclose(way[:, 0], [0.0, 0.15625, 0.5, 0.84375, 1.0], atol=1e-7)


def test_a_quarter_of_a_great_circle_has_the_angle_in_proportion_and_one_length():
    way = path(CORNERS[:2], 9, style="spherical", easing="even")
    angle = np.linspace(0.0, np.pi / 2, 10)
    np.testing.assert_allclose(way, 2 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1), atol=1e-6)


def test_on_the_sphere_the_length_goes_evenly_from_one_to_the_other():
    way = path(np.array([[1.0, 0.0], [0.0, 5.0]]), 8, style="spherical", easing="even")
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), np.linspace(1.0, 5.0, 9), atol=1e-6)


def test_on_the_sphere_nearly_opposite_points_never_get_longer_than_they_are():
    points = np.array([[10.0, 0.0], [-1.0, 1e-4]])
    lengths = np.linalg.norm(path(points, 50, style="spherical"), axis=1)
    assert lengths.min() >= 1.0 - 1e-6 and lengths.max() <= 10.0 + 1e-6


@pytest.mark.parametrize(
    "end", [[-3.0, 0.0], [6.0, 0.0], [0.0, 0.0]], ids=["opposite", "the same direction", "nothing"]
)
def test_where_there_is_no_great_circle_the_way_is_straight(end):
    points = np.array([[3.0, 0.0], end])
    np.testing.assert_array_equal(path(points, 5, style="spherical"), path(points, 5, style="linear"))


@pytest.mark.parametrize("loop", [False, True])
def test_each_leg_has_its_own_time_and_pace(loop):
    points = np.arange(3.0)[:, None] * 8
    way = path(points, [4, 2, 8], easing=["even", "smooth", "even"], loop=loop)[:, 0]
    assert starts(3, [4, 2, 8]) == [0, 4, 6] and len(way) == frame_count(3, [4, 2, 8], loop) == (14 if loop else 7)
    np.testing.assert_allclose(way[:7], [0, 2, 4, 6, 8, 12, 16], atol=1e-6)
    one_for_all = path(points, 4, easing="smooth", loop=loop)
    np.testing.assert_array_equal(path(points, [4] * 3, easing=["smooth"] * 3, loop=loop), one_for_all)


def test_the_weight_goes_from_picture_to_picture_in_equal_steps_of_its_logarithm():
    weights = weights_along([0.01, 1.0, 1.0], [4, 2, 2], easing="even")
    np.testing.assert_allclose(weights[:5], np.geomspace(0.01, 1.0, 5), rtol=1e-5)
    assert weights[0] == 0.01 and weights[4] == weights[6] == 1.0  # to the last digit
    assert len(weights) == len(path(CORNERS, [4, 2, 2]))


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("count", [0, 1])
def test_one_keyframe_is_one_frame_and_none_is_none(count, loop):
    assert path(np.ones((count, 3)), 30, loop=loop).shape == (count, 3)
    assert frame_count(count, 30, loop) == count


@pytest.mark.parametrize(
    ("change", "word"),
    [({"style": "curly"}, "style"), ({"easing": "rough"}, "easing"), ({"frames_per_leg": 0}, "frames_per_leg")],
)
def test_a_wrong_argument_is_named_with_what_was_received(change, word):
    with pytest.raises(ValueError, match=f"`{word}`.*Received"):
        path(CORNERS, **{"frames_per_leg": 2, **change})
    with pytest.raises(ValueError, match="`keyframes`"):
        path(CORNERS[0], 2)


@pytest.mark.parametrize("end", [[0.0, 5.0, 1.0], [-2.0, 1.0, 0.5], [2.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
@pytest.mark.parametrize("style", STYLES)
def test_a_morph_takes_the_way_that_kvae_itself_interpolates_along(style, end):
    ends = np.array([[1.0, 0.0, 0.0], end])
    share = np.linspace(0.0, 1.0, 9)[:, None]
    way = path(ends, 8, style=style, easing="even")
    np.testing.assert_allclose(way, between(*ends, share, style == "spherical"), atol=1e-6)
