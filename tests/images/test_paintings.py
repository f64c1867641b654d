"""The built-in paintings: pure functions of (seed, index) and of their factors, in every manner."""

import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import kvae
from kvae.images.paintings import (
    ARRANGEMENTS,
    CONTINUOUS,
    FACTORS,
    MANNERS,
    PALETTES,
    paint,
    paint_many,
    render,
)
from kvae.images.paintings.canvas import Canvas


@pytest.fixture(scope="module")
def first_500():
    """The images, shape (500, 64, 64, 3), and the factor columns of the first 500 pictures."""
    return paint_many(range(500))


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Mean absolute difference, in grey levels of 255."""
    return float(np.abs(first.astype(np.float64) - second).mean())


def shrunk(image: np.ndarray, size: int) -> np.ndarray:
    """Box average of `image`, shape (size, size, 3), float."""
    times = image.shape[0] // size
    return image.astype(np.float64).reshape(size, times, size, times, 3).mean((1, 3))


def changed(factors: dict, name: str) -> dict:
    """`factors` with `name` set to another value: half the range away, or the next category."""
    if name in CONTINUOUS:
        low, high = CONTINUOUS[name].low, CONTINUOUS[name].high
        half = 0.5 * (high - low)
        return {**factors, name: factors[name] + (half if factors[name] < low + half else -half)}
    categories: dict[str, list] = {"manner": [*MANNERS], "palette": [*PALETTES], "arrangement": [*range(ARRANGEMENTS)]}
    values = categories[name]
    return {**factors, name: values[(values.index(factors[name]) + 1) % len(values)]}


# ---- determinism ----


def test_a_picture_does_not_depend_on_order_batch_or_neighbours(first_500):
    images, factors = first_500
    some = [499, 3, 250, 3]
    again, columns = paint_many(some)
    np.testing.assert_array_equal(again, images[some])
    for name in FACTORS:
        np.testing.assert_array_equal(columns[name], factors[name][some])
    np.testing.assert_array_equal(paint(250).image, images[250])
    assert paint(250).factors == {name: factors[name][250].item() for name in FACTORS}


def test_another_process_with_another_hash_seed_paints_the_same_pictures(first_500):
    code = "import zlib; from kvae.images.paintings import paint_many; print(zlib.crc32(paint_many(range(40))[0]))"
    root = str(Path(kvae.__file__).parents[1])
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) == zlib.crc32(first_500[0][:40])


def test_render_paints_the_same_picture_from_its_factors():
    for index in range(30):
        picture = paint(index, seed=5)
        np.testing.assert_array_equal(render(picture.factors), picture.image)


def test_another_seed_gives_another_collection(first_500):
    other, _ = paint_many(range(20), seed=1)
    assert all(difference(one, two) > 1.0 for one, two in zip(other, first_500[0], strict=False))


def test_painting_changes_nothing_that_the_next_picture_uses():
    before = paint(11).image
    for name in MANNERS:
        paint(11, manner=name).image[:] = 0
    np.testing.assert_array_equal(paint(11).image, before)


def test_a_forced_manner_leaves_the_other_factors_alone():
    free, forced = paint(8).factors, paint(8, manner="grid").factors
    assert forced == {**free, "manner": "grid"}


# ---- what is in the collection ----


def test_every_manner_palette_and_arrangement_is_reached(first_500):
    factors = first_500[1]
    assert set(factors["manner"]) == set(MANNERS)
    assert set(factors["palette"]) == set(PALETTES)
    assert set(factors["arrangement"]) == set(range(ARRANGEMENTS))


def test_the_full_range_of_bytes_is_used(first_500):
    images = first_500[0]
    assert images.dtype == np.uint8
    assert images.min() < 8
    assert images.max() > 247
    assert len(np.unique(images)) > 240


def test_no_two_of_the_first_500_pictures_are_equal(first_500):
    assert len({image.tobytes() for image in first_500[0]}) == 500


def test_no_picture_is_flat(first_500):
    assert first_500[0].reshape(500, -1).std(1).min() > 3.0


def test_factors_are_complete_and_within_their_stated_ranges(first_500):
    factors = first_500[1]
    assert tuple(factors) == FACTORS
    for name, bounds in CONTINUOUS.items():
        column = factors[name]
        span = bounds.high - bounds.low
        assert column.shape == (500,)
        assert bounds.low <= column.min() < bounds.low + 0.05 * span
        assert bounds.high - 0.05 * span < column.max() <= bounds.high


def test_factors_are_uncorrelated(first_500):
    columns = np.stack([first_500[1][name] for name in CONTINUOUS])
    correlations = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlations).max() < 0.15  # 3.4 standard errors at 500 pictures


def test_no_indices_give_no_pictures_and_empty_columns():
    images, factors = paint_many([], size=32)
    assert images.shape == (0, 32, 32, 3)
    assert all(column.shape == (0,) for column in factors.values())


# ---- laws of every manner ----


@pytest.mark.parametrize("manner", MANNERS)
def test_the_composition_is_the_same_at_64_and_256_pixels(manner):
    for index in range(4):
        picture = paint(index, manner=manner)
        large = shrunk(paint(index, size=256, manner=manner).image, 64)
        error = difference(large, picture.image)
        moved = changed(changed(picture.factors, "position_x"), "position_y")
        assert error < 5.0
        assert error < 0.5 * difference(render(moved), picture.image)


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("factor", FACTORS)
def test_each_factor_acts(manner, factor):
    for index in range(2):
        factors = paint(index, manner=manner).factors
        assert difference(render(changed(factors, factor)), render(factors)) > 1.0


@pytest.mark.parametrize("manner", MANNERS)
def test_a_small_step_of_a_continuous_factor_is_a_small_step_of_the_picture(manner):
    factors = paint(3, manner=manner).factors
    for name, bounds in CONTINUOUS.items():
        step = 0.002 * (bounds.high - bounds.low)
        near = {**factors, name: factors[name] + (step if factors[name] + step <= bounds.high else -step)}
        assert difference(render(near), render(factors)) < 3.0, name


@pytest.mark.parametrize("manner", MANNERS)
def test_edges_are_anti_aliased(manner):
    """Against nearest-pixel sampling of a large picture, the small one holds values that the large one mixes."""
    large = paint(2, size=512, manner=manner).image
    small = paint(2, manner=manner).image
    sampled = large[4::8, 4::8]
    mean = shrunk(large, 64)
    edges = np.abs(sampled - mean).max(-1) > 25  # pixels that an edge crosses
    if edges.sum() >= 20:
        assert difference(small[edges], mean[edges]) < 0.6 * difference(sampled[edges], mean[edges])


@pytest.mark.parametrize("size", [64, 256])
def test_coverage_adds_up_to_the_area_of_the_shape(size):
    canvas = Canvas(size)
    disc = canvas.disc(0.47, 0.52, 0.2)
    assert disc.mean() == pytest.approx(np.pi * 0.2**2, rel=0.005)
    assert ((disc > 0.1) & (disc < 0.9)).sum() > size  # the rim holds intermediate values
    hair = canvas.band(canvas.x - np.float32(0.4), 0.1 / size)  # a fifth of a pixel wide
    assert hair.sum(1) == pytest.approx(np.full(size, 0.2), abs=0.002)
    line = np.array([[0.2, 0.25], [0.5, 0.45], [0.8, 0.65]])
    assert canvas.strokes([line], [0.03]).mean() == pytest.approx(0.03 * np.hypot(0.6, 0.4), rel=0.08)


def test_a_part_that_is_painted_in_a_window_equals_the_whole():
    ink = np.array([0.2, 0.1, -0.1], np.float32)
    whole, part = Canvas(64), Canvas(64)
    for canvas in (whole, part):
        canvas.fill(np.array([0.9, 0.0, 0.0], np.float32))
    whole.lay(whole.disc(0.9, 0.2, 0.17), ink)
    part.spot(0.9, 0.2, 0.17, ink)
    np.testing.assert_array_equal(part.lab, whole.lab)


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("size", [16, 17, 100])
def test_any_size_paints_a_picture(manner, size):
    image = paint(1, size=size, manner=manner).image
    assert image.shape == (size, size, 3)
    assert image.std() > 3.0


@pytest.mark.parametrize("manner", MANNERS)
def test_the_corners_of_the_factor_space_can_be_painted(manner):
    for end in ("low", "high"):
        corner = {name: getattr(bounds, end) for name, bounds in CONTINUOUS.items()}
        image = render({"manner": manner, "palette": "ember", "arrangement": 15, **corner}, size=32)
        assert image.std() > 3.0


def test_warmth_warms_and_tone_lightens():
    factors = paint(4).factors
    cool, warm = (render({**factors, "warmth": value}).mean((0, 1)) for value in (-1.0, 1.0))
    assert warm[0] - warm[2] > cool[0] - cool[2] + 10
    assert render({**factors, "tone": 1.0}).mean() > render({**factors, "tone": -1.0}).mean() + 10


# ---- errors ----


@pytest.mark.parametrize("size", [7, 513, 64.0, "64", True])
def test_a_bad_size_is_named(size):
    with pytest.raises(ValueError, match=r"^paint: `size` must be from 16 to 512\. Received: size="):
        paint(0, size=size)


@pytest.mark.parametrize("index", [-1, 1.5, None])
def test_a_bad_index_is_named(index):
    with pytest.raises(ValueError, match=r"^paint: `index` must be a whole number from 0 up\. Received: index="):
        paint(index)
    with pytest.raises(ValueError, match=r"^paint_many: `indices` must hold whole numbers from 0 up\."):
        paint_many([0, index])


def test_a_bad_seed_is_named():
    with pytest.raises(ValueError, match=r"^paint: `seed` must be a whole number from 0 up\. Received: seed=-3\."):
        paint(0, seed=-3)


def test_an_unknown_manner_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"manner='cubism'\. Use one of: colour-field, grid"):
        paint(0, manner="cubism")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"scale": 2.0}, r"`scale` must be from 0\.7 to 1\.3 \(of usual size\)\. Received: scale=2\.0"),
        ({"tone": float("nan")}, r"`tone` must be from -1 to 1"),
        ({"tone": "dark"}, r"`tone` must be from -1 to 1"),
        ({"palette": "neon"}, r"`palette` is unknown.*Use one of: primary"),
        ({"manner": 3}, r"`manner` is unknown"),
        ({"arrangement": 16}, r"`arrangement` must be a whole number from 0 to 15"),
        ({"arrangement": 1.5}, r"`arrangement` must be a whole number from 0 to 15"),
        ({"hue": 0.1}, r"Unknown: \['hue'\]\. Start from `paint\(0\)\.factors`"),
    ],
)
def test_render_names_the_factor_that_is_wrong(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        render({**paint(0).factors, **change})


def test_render_names_the_factor_that_is_missing():
    factors = paint(0).factors
    del factors["angle"]
    with pytest.raises(ValueError, match=r"Missing: \['angle'\]"):
        render(factors)


def test_render_takes_the_columns_of_paint_many():
    images, columns = paint_many([6])
    np.testing.assert_array_equal(render({name: column[0] for name, column in columns.items()}), images[0])
