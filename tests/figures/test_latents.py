"""Posterior ellipses over the decoded plane of two latents: what is counted, drawn and said."""

import math
import re

import numpy as np
import pytest
from PIL import Image

from kvae.figures.latents import (
    GROUP_COLOURS,
    Plane,
    covered,
    deviation,
    draw_latents,
    ellipses,
    grid_points,
    groups,
    plane_sentence,
    reach_of,
    tilt_cost,
)

SIDE = 4
LABELS = ["hills", "waves"] * 6


def plane(weight, width, *, means=None):
    if means is None:
        means = np.random.default_rng(3).standard_normal((len(LABELS), 2))
    grid = np.full((SIDE * SIDE, 8, 8, 3), 120, np.uint8)
    return Plane(weight, means, np.broadcast_to(width**2 * np.eye(2), (len(means), 2, 2)), grid)


@pytest.mark.parametrize("deviations", [0.5, 1.0, 2.0])
def test_a_posterior_that_is_the_prior_covers_what_the_closed_form_says(deviations):
    found = covered(np.zeros((1, 2)), np.eye(2)[None], deviations)
    assert found == pytest.approx(1 - math.exp(-(deviations**2) / 2), abs=0.005)


def test_posteriors_over_each_other_cover_once_and_points_cover_nothing():
    assert covered(np.zeros((5, 2)), np.tile(np.eye(2), (5, 1, 1))) == covered(np.zeros((1, 2)), np.eye(2)[None])
    assert covered(np.zeros((5, 2)), np.zeros((5, 2, 2))) == 0.0


def test_a_tilted_ellipse_lies_at_its_own_mahalanobis_distance():
    covariance = np.array([[1.0, 0.8], [0.8, 1.5]])
    (outline,) = ellipses(np.array([[2.0, -1.0]]), covariance[None], 2.0)
    off = outline - (2.0, -1.0)
    np.testing.assert_allclose(np.einsum("ij,jk,ik->i", off, np.linalg.inv(covariance), off), 4.0)
    assert np.abs(off[:, 1]).max() == pytest.approx(2 * 1.5**0.5, rel=0.01)


def test_the_grid_starts_at_the_top_left_and_fills_the_plane_in_equal_squares():
    points = grid_points(3.0, 3)
    np.testing.assert_allclose(points[[0, 1, 3, 8]], [(-2, 2), (0, 2), (-2, 0), (2, -2)])


def test_the_plane_reaches_as_far_as_its_pictures_and_never_less_than_the_prior():
    assert reach_of([np.zeros((9, 2))]) == 3.0
    assert reach_of([np.zeros((9, 2)), np.full((9, 2), -4.3)]) == 4.5
    assert reach_of([np.full((9, 2), 400.0)]) == 8.0


def test_the_sentence_says_the_numbers_of_the_largest_and_the_smallest_weight():
    wide, middle, narrow = plane(1.0, 0.5), plane(0.3, 0.2), plane(0.01, 0.05)
    said = plane_sentence([narrow, wide, middle])
    share, last = (100 * covered(one.means, one.covariances) for one in (wide, narrow))
    assert said == (
        f"At KL weight 1 posteriors have a mean deviation of 0.5, where the prior has 1, and 12 of them cover "
        f"{share:.0f}% of the prior; at 0.01 the deviation is 0.05 and they cover {last:.0f}%, so that "
        f"{100 - last:.0f} of 100 points drawn from the prior lie outside all of them."
    )
    assert deviation(wide.covariances) == pytest.approx(0.5)
    assert "so that" not in plane_sentence([plane(1.0, 0.05), plane(0.1, 0.5)])
    assert plane_sentence([wide]).endswith("% of the prior.")


def test_what_a_tilt_is_worth_is_said_where_there_is_one():
    means = np.zeros((2, 2))
    tilted = [
        np.broadcast_to(width * np.array([[1.0, rho], [rho, 1.0]]), (2, 2, 2))
        for width, rho in ((0.5, 0.6), (0.1, 0.8))
    ]
    assert tilt_cost(tilted[0]) == pytest.approx(-0.5 * math.log(1 - 0.36))
    planes = [Plane(weight, means, one, np.empty(0)) for weight, one in zip((1.0, 0.1), tilted, strict=True)]
    said = plane_sentence(planes)
    assert said.endswith(
        " Without their tilt they would lose 0.22 nats each at 1 and 0.51 nats each at 0.1, on average."
    )
    assert plane_sentence(planes[:1]).endswith(" Without their tilt they would lose 0.22 nats each at 1, on average.")
    assert "tilt" not in plane_sentence([plane(1.0, 0.5)])


def test_the_colours_go_round_twice_and_no_further():
    many = [f"folder {place:02}" for place in range(20)] + ["folder 19"]
    assert len(groups(many)) == 2 * len(GROUP_COLOURS) and "folder 19" in groups(many)
    assert groups(["", "", ""]) == []


def test_a_panel_for_each_weight_on_one_png_and_one_page_that_needs_nothing_else(tmp_path):
    planes = [plane(0.01, 0.05), plane(1.0, 0.5)]
    draw_latents(
        tmp_path / "a.png", tmp_path / "a.html", planes, labels=LABELS, collection_summary="<b>twelve</b>", scale=1
    )
    sheet = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    assert len({sheet.shape}) == 1 and sheet.shape[1] > 900
    # the ground, halfway to white, is in both panels; nothing of it is between them
    columns = np.flatnonzero((np.abs(sheet - (120 + 255) / 2).max(axis=-1) < 3).sum(axis=0) > 100)
    assert np.sum(np.diff(columns) > 20) == 1
    page = (tmp_path / "a.html").read_text("utf-8")
    assert plane_sentence(planes) in page and "&lt;b&gt;twelve" in page
    assert not re.search(r"(src|href|srcset)=\"(?!data:)", page)
    rows = re.findall(r'<th scope="row">([^<]*)</th>', page)
    assert rows == ["1", "0.01"]


def test_planes_of_other_pictures_than_the_labels_are_refused(tmp_path):
    with pytest.raises(ValueError, match="means of shape \\(3, 2\\)"):
        draw_latents(
            tmp_path / "a.png", tmp_path / "a.html", [plane(1.0, 0.5)], labels=["a"] * 3, collection_summary=""
        )
    assert not list(tmp_path.iterdir())
