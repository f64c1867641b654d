"""The point in latent space as a value: what each event makes of it."""

from dataclasses import replace

import numpy as np
import pytest

from explorer.messages import ModelInfo
from explorer.state.latent import LatentPoint, LatentState, sketched, stand_in, starting_point
from explorer.state.sliders import REACH, SHOWN, UNFOLDED, Sliders, axes_of, centre_of, unit_of, weights_of

ZERO, ONE = np.zeros(4), np.ones(4)


@pytest.fixture
def state() -> LatentState:
    return LatentState(LatentPoint(np.array([0.5, -1.0, 2.0, 0.0])))


def same(one: LatentState, other: LatentState) -> bool:
    return np.array_equal(one.values, other.values)


def rows(axes: Sliders) -> list[int]:
    """The sliders from the top, those behind the fold last."""
    return [axis.index for axis in (*axes.shown, *axes.unfolded)]


def test_moving_one_dimension_leaves_the_others(state):
    assert state.moved(1, 3.0).values.tolist() == [0.5, 3.0, 2.0, 0.0]
    assert state.values.tolist() == [0.5, -1.0, 2.0, 0.0]  # the one before is still there


def test_a_locked_dimension_does_not_move(state):
    locked = state.toggled_lock(1)
    assert locked.moved(1, 3.0) == locked
    assert locked.toggled_lock(1).moved(1, 3.0).values[1] == 3.0


def test_a_picked_picture_is_shown_as_it_is_also_where_locked(state):
    assert state.toggled_lock(0).at(np.array([9, 8, 7, 6])).values.tolist() == [9.0, 8.0, 7.0, 6.0]


def test_latents_of_another_model_are_refused(state):
    with pytest.raises(ValueError, match="must have 4 values. Received: 3"):
        state.at(np.zeros(3))


def test_moving_along_a_direction_reaches_the_coordinate_and_nothing_else(state):
    mean = np.array([1.0, 0.0, 0.0, 0.0])
    one, other = np.array([0.6, 0.8, 0.0, 0.0]), np.array([0.8, -0.6, 0.0, 0.0])
    moved = state.moved_along(one, 2.5, mean)
    assert moved.coordinate(one, mean) == pytest.approx(2.5)
    assert moved.coordinate(other, mean) == pytest.approx(state.coordinate(other, mean))
    assert moved.values[2:].tolist() == state.values[2:].tolist()


def test_moving_along_a_direction_leaves_locked_dimensions_and_still_arrives(state):
    direction = np.full(4, 0.5)
    moved = state.toggled_lock(2).moved_along(direction, -1.0, ZERO)
    assert moved.values[2] == 2.0
    assert moved.coordinate(direction, ZERO) == pytest.approx(-1.0)


def test_a_direction_whose_dimensions_are_all_locked_is_locked(state):
    locked = state.toggled_lock(0).toggled_lock(1)
    assert locked.moved_along(np.array([0.6, 0.8, 0.0, 0.0]), 3.0, ZERO) == locked


def test_reset_goes_to_the_centre_but_for_what_is_locked(state):
    assert state.toggled_lock(2).reset(ZERO).values.tolist() == [0.0, 0.0, 2.0, 0.0]
    assert state.reset_one(0, 0.25).values.tolist() == [0.25, -1.0, 2.0, 0.0]


def test_the_dice_fall_the_same_for_the_same_seed(state):
    first = state.rolled(7, 1.0, ZERO, ONE)
    assert same(first, state.moved(0, 3.0).rolled(7, 1.0, ZERO, ONE))
    assert not same(first, state.rolled(8, 1.0, ZERO, ONE))
    assert (first.seed, first.temperature) == (7, 1.0)


def test_a_lock_keeps_its_dimension_in_a_throw_and_changes_no_other(state):
    free, locked = state.rolled(7, 1.0, ZERO, ONE), state.toggled_lock(1).rolled(7, 1.0, ZERO, ONE)
    assert locked.values[1] == -1.0
    assert [locked.values[j] for j in (0, 2, 3)] == [free.values[j] for j in (0, 2, 3)]


def test_temperature_scales_the_throw(state):
    assert state.rolled(7, 0.0, ZERO, ONE).values.tolist() == [0.0, 0.0, 0.0, 0.0]
    cool, hot = (state.rolled(7, t, ZERO, ONE).values for t in (0.5, 1.0))
    np.testing.assert_allclose(2 * cool, hot)


def test_a_throw_follows_the_temperature_and_a_moved_point_does_not(state):
    thrown = state.rolled(7, 1.0, ZERO, ONE)
    assert thrown.warmed(0.5, ZERO, ONE) == state.rolled(7, 0.5, ZERO, ONE)
    moved = thrown.moved(0, 3.0)
    assert same(moved.warmed(0.5, ZERO, ONE), moved)


def test_swapping_twice_comes_back(state):
    held = state.held().moved(0, 9.0)
    assert same(held.swapped(), state) and held.swapped().showing == "B"
    assert held.swapped().swapped() == held
    assert state.swapped() == state  # nothing is held


def test_without_a_held_point_the_one_on_the_screen_is_a(state):
    assert state.held().swapped().release().showing == "A"
    assert state.held().release() == state


def test_states_are_equal_where_all_their_numbers_are(state):
    again = LatentState(LatentPoint(np.array([0.5, -1.0, 2.0, 0.0])))
    assert state == again and state.held() == again.held()
    for other in (state.moved(3, 1e-3), state.held(), state.with_details(0.5), state.with_weight(0.2)):
        assert other != state and state != other
    assert state.held() != state.moved(0, 1.0).held().moved(0, 0.5)  # the same point, another one held


def test_a_point_cannot_be_written_to(state):
    with pytest.raises(ValueError, match="read-only"):
        state.values[0] = 1.0


def test_details_are_of_what_is_folded_and_a_picture_that_is_picked_has_all(state):
    folded = np.array([False, True, False, True])
    assert state.painted(folded) is state.values
    half = state.with_details(0.5)
    assert half.painted(folded).tolist() == [0.5, -0.5, 2.0, 0.0]
    assert half.values.tolist() == state.values.tolist()
    assert half.moved(0, 1.0).details == 0.5 and half.at(np.ones(4)).details == 1.0


def test_an_encoded_picture_awaits_the_next_weight_until_a_hand_moves_it(state):
    picture = np.zeros((2, 2, 3), np.uint8)
    found = state.found(picture, np.ones(4), (1, 0.1))
    assert not found.point.awaits((1, 0.1)) and found.point.awaits((1, 0.5)) and found.point.awaits((2, 0.1))
    anew = found.encoded(np.full(4, 2.0), (1, 0.5))
    assert not anew.point.awaits((1, 0.5)) and anew.point.original is picture
    for moved in (anew.moved(1, 3.0), anew.moved_along(np.array([1.0, 0, 0, 0]), 3.0, ZERO)):
        assert not moved.point.awaits((1, 0.7)) and moved.point.original is picture
    for gone in (anew.rolled(3, 1.0, ZERO, ONE), anew.at(ZERO), anew.reset(ZERO)):
        assert gone.point.original is None


def test_the_held_point_keeps_its_own_picture(state):
    one, other = np.zeros((2, 2, 3), np.uint8), np.ones((2, 2, 3), np.uint8)
    both = state.found(one, ZERO, (1, 0.1)).held().found(other, ONE, (1, 0.1))
    assert both.point.original is other and both.swapped().point.original is one
    assert both.swapped().swapped() == both


def test_the_seed_is_that_of_the_point_on_the_screen():
    unit = np.ones(4)
    one = LatentState(LatentPoint(ZERO)).rolled(5, 0.7, 0 * unit, unit).held().rolled(6, 1.2, 0 * unit, unit)
    assert (one.seed, one.temperature) == (6, 1.2)
    back = one.swapped()
    assert (back.seed, back.temperature) == (5, 0.7) and np.array_equal(
        back.rolled(back.seed, back.temperature, 0 * unit, unit).values, back.values
    )
    assert (back.swapped().seed, back.swapped().temperature) == (6, 1.2) and back.swapped().swapped() == back
    assert back.next_seed() == one.next_seed() == 7, "neither picture comes a second time"


# ---------------------------------------------------------------------- sliders


def spectral(model_info: ModelInfo, count: int) -> ModelInfo:
    """A model of a range of weights with `count` latents, of which the first two tell no eigenvalue."""
    even = np.linspace(1.0, 0.001, count).astype("float32")
    eigenvalues = np.concatenate([[np.nan, np.nan], 10.0 ** np.linspace(1, -3, count - 2)]).astype("float32")
    varies = np.nan_to_num(np.maximum(1.0 - 0.05 / eigenvalues, 0.0), nan=1.0)  # where the model stands, at 0.1
    return replace(
        model_info, latent_dim=count, rates=3 * even, spreads=np.sqrt(varies).astype("float32"), means=0 * even,
        weight_range=(0.01, 1.0), eigenvalues=eigenvalues, latents=np.zeros((12, count), "float32"),
    )  # fmt: skip


def test_of_thousands_of_dimensions_the_most_telling_have_sliders_and_the_rest_is_counted(model_info: ModelInfo):
    info = spectral(model_info, 12_292)
    axes = axes_of(info, "dimensions")
    assert [axis.index for axis in axes.shown] == list(range(SHOWN))
    assert [axis.index for axis in axes.unfolded] == list(range(SHOWN, SHOWN + UNFOLDED))
    assert axes.hidden == 12_292 - SHOWN == np.count_nonzero(axes.behind)
    for weight in (0.01, 0.1, 1.0):
        assert axes.collapsed(weight) == np.count_nonzero(info.eigenvalues[SHOWN:] <= weight / 2 / 0.99)


def test_a_slider_dies_where_its_posterior_mean_would_vary_no_more(model_info: ModelInfo):
    info = spectral(model_info, 10)
    for axis in axes_of(info, "dimensions").shown:
        eigenvalue = info.eigenvalues[axis.index]
        if np.isnan(eigenvalue):
            assert axis.life(1.0) == 1.0
        else:
            assert axis.life(1.99 * eigenvalue) == axis.life(5.0 * eigenvalue) == 0.0
            assert 1.0 > axis.life(0.1 * eigenvalue) > axis.life(1.9 * eigenvalue) > 0.0


def test_a_dimension_that_only_a_low_weight_uses_is_not_collapsed(model_info: ModelInfo):
    info = spectral(model_info, 10)
    alive = [j for j in range(10) if not info.eigenvalues[j] <= 0.005 / 0.99]
    assert [axis.index for axis in axes_of(info, "dimensions").shown] == alive
    assert len(alive) > np.count_nonzero(info.active), "at the weight of the card fewer are active"


@pytest.mark.parametrize("eigenvalues", [None, np.array([np.nan, 9, 3, 1, 0.3, 0.0501, 0.03, 0.2], "float32")])
def test_the_sliders_count_as_many_active_as_the_model_itself(model_info: ModelInfo, eigenvalues):
    info = replace(model_info, eigenvalues=eigenvalues, rates=np.full(8, 1e-6, "float32"))
    sliders = axes_of(info, "dimensions")
    assert info.active.tolist() == [True] * 6 + [False] * 2, "by the variance of the posterior mean alone"
    assert sliders.active(info.kl_weight) == 6
    shown = {axis.index for axis in sliders.shown if axis.dies_at > info.kl_weight}
    assert shown == set(range(6))


@pytest.mark.parametrize(("weight", "ends"), [(0.1, (0.01, 1.0)), (2.0, (0.2, 20.0)), (0.0, (0.01, 1.0))])
def test_the_weights_of_a_model_of_one_are_a_decade_to_either_side(model_info: ModelInfo, weight, ends):
    assert weights_of(replace(model_info, kl_weight=weight)) == pytest.approx(ends)
    assert weights_of(replace(model_info, kl_weight=weight, weight_range=(0.05, 0.5))) == (0.05, 0.5)


def test_the_most_informative_sliders_stand_first_and_collapsed_ones_last(model_info: ModelInfo):
    axes = axes_of(model_info, "dimensions")
    assert rows(axes) == [3, 1, 0, 2, 5, 4, 6, 7]
    assert [axis.index for axis in axes.unfolded] == [6, 7]
    assert axes.hidden == axes.collapsed(0.1) == 2


def test_a_dimension_that_varies_too_little_is_collapsed_whatever_its_rate(model_info: ModelInfo):
    flat = replace(model_info, spreads=np.where(np.arange(8) == 3, 0.05, model_info.spreads))
    assert [axis.index for axis in axes_of(flat, "dimensions").unfolded] == [3, 6, 7]


@pytest.mark.parametrize("mode", ["dimensions", "directions"])
def test_what_a_slider_is_set_to_it_reads(model_info: ModelInfo, mode):
    state = starting_point(model_info)
    axes = axes_of(model_info, mode)
    for axis in (*axes.shown, *axes.unfolded):
        assert axis.read(axis.moved(state, 1.25).values) == pytest.approx(1.25, abs=1e-6)


def test_a_filmstrip_goes_from_minus_three_to_plus_three(model_info: ModelInfo):
    state = starting_point(model_info)
    axis = axes_of(model_info, "dimensions").shown[0]
    frames = axis.frames(state.toggled_lock(axis.index), 7)
    np.testing.assert_allclose(frames[:, axis.index], [-3, -2, -1, 0, 1, 2, 3])
    others = np.delete(frames, axis.index, axis=1)
    np.testing.assert_array_equal(others, np.tile(others[0], (7, 1)))


def test_an_autoencoder_is_measured_by_its_own_codes(model_info: ModelInfo):
    plain = replace(model_info, autoencoder=True, rates=np.zeros(8, "float32"), means=np.full(8, 5.0, "float32"))
    axes = axes_of(plain, "dimensions").shown
    assert [axis.index for axis in axes[:3]] == [3, 1, 0]  # by spread: there is no rate
    assert axes[0].rate is None and axes[0].centre == 5.0
    assert axes[0].unit == pytest.approx(0.97)
    assert centre_of(plain)[0] == 5.0 and unit_of(plain)[7] == 1.0  # no unit of nothing


def test_newer_weights_leave_the_sliders_under_the_hand_where_they_are(model_info: ModelInfo):
    before = axes_of(model_info, "dimensions")
    newer = replace(
        model_info,
        rates=np.array([1.2, 0.0, 0.9, 3.1, 0.4, 9.0, 0.8, 0.0], "float32"),
        spreads=np.array([0.8, 0.0, 0.7, 0.97, 0.4, 0.6, 0.7, 0.0], "float32"),
    )
    after = axes_of(newer, "dimensions", keep=before)
    assert rows(after) == [3, 1, 0, 2, 5, 4, 6, 7]
    assert [axis.index for axis in after.unfolded] == [7]  # 6 has woken up and 1 stays at its place


def test_sliders_reach_as_far_as_the_pictures(model_info: ModelInfo):
    wide = replace(model_info, spreads=np.where(np.arange(8) == 3, 2.5, model_info.spreads))
    axis = axes_of(wide, "dimensions").shown[0]
    assert axis.unit * REACH == 10.0


def test_the_start_is_a_stored_picture_and_a_sketch_of_its_thumbnail_stands_in(model_info: ModelInfo):
    start = starting_point(model_info)
    assert any(np.array_equal(start.values, latents) for latents in model_info.latents)
    near = start.at(model_info.latents[4] + 0.01)
    np.testing.assert_array_equal(stand_in(model_info, near), sketched(model_info.thumbnails[4]))


def test_the_start_is_the_picture_of_the_broadest_strokes_and_not_a_plain_one(model_info: ModelInfo):
    x = np.arange(16)
    fields = np.where(x[:, None] < 8, 40, 200)  # one edge; then stripes as far apart; then one colour; then noise
    stripes, plain = np.where(x[:, None] % 2, 40, 200), np.full((16, 1), 120)
    drawn = [np.broadcast_to(one[:, :, None], (16, 16, 3)).astype(np.uint8) for one in (stripes, plain, fields)]
    info = replace(model_info, thumbnails=np.concatenate([model_info.thumbnails[1:10], drawn]))
    np.testing.assert_array_equal(starting_point(info).values, info.latents[11])


def test_without_stored_pictures_the_start_is_their_mean(model_info: ModelInfo):
    bare = replace(model_info, latents=model_info.latents[:0], thumbnails=model_info.thumbnails[:0])
    np.testing.assert_array_equal(starting_point(bare).values, model_info.means)
    assert stand_in(bare, starting_point(bare)) is None


def test_the_start_can_be_encoded_anew_where_its_picture_is_stored_in_full(model_info: ModelInfo):
    start = starting_point(model_info, 3).point
    np.testing.assert_array_equal(start.original, model_info.thumbnails[0])
    assert start.encoded_at == (3, 0.1)
    smaller = replace(model_info, image_shape=(32, 32, 3))
    assert starting_point(smaller).point.encoded_at is None
    np.testing.assert_array_equal(starting_point(smaller).point.original, model_info.thumbnails[0])


@pytest.mark.parametrize("shape", [(64, 64, 3), (16, 24, 1), (3, 5, 3)])
def test_a_sketch_has_the_shape_and_the_tone_of_its_picture_and_no_edges(shape):
    picture = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    sketch = sketched(picture)
    assert sketch.shape == shape and sketch.dtype == np.uint8
    assert abs(float(sketch.mean()) - float(picture.mean())) < 12
    if min(shape[:2]) > 8:
        steps = [np.abs(np.diff(one.astype(float), axis=1)).mean() for one in (sketch, picture)]
        assert steps[0] < steps[1] / 4
    plain = np.full(shape, 77, np.uint8)
    np.testing.assert_array_equal(sketched(plain), plain)
