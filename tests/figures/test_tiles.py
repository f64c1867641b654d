"""Pictures side by side: every pixel where it belongs."""

import numpy as np
import pytest

from kvae.figures.tiles import fit, magnify, shrink, thumbnail, tile


def block(value, shape=(1, 4, 5, 3)):
    return np.full(shape, value, np.uint8)


def test_tile_puts_the_gap_between_pictures_and_nowhere_else():
    sheet = tile(np.concatenate([block(10), block(20), block(30)]), columns=2, gap=3, background=(1, 2, 3))
    assert sheet.shape == (4 + 3 + 4, 5 + 3 + 5, 3)
    assert (sheet[:4, :5] == 10).all() and (sheet[:4, 8:] == 20).all() and (sheet[7:, :5] == 30).all()
    assert (sheet[4:7] == (1, 2, 3)).all() and (sheet[7:, 5:] == (1, 2, 3)).all()


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 4, 5, 1)])
def test_tile_draws_grey_as_equal_channels(shape):
    sheet = tile(block(77, shape), columns=5, gap=0)
    assert sheet.shape == (4, 10, 3) and (sheet == 77).all()


def test_tile_keeps_only_the_rows_asked_for():
    assert tile(block(1, (9, 2, 2, 3)), columns=4, gap=0, rows=2).shape == (4, 8, 3)


def test_tile_refuses_what_it_cannot_draw():
    with pytest.raises(TypeError, match="uint8"):
        tile(np.zeros((1, 2, 2, 3)), columns=1)
    with pytest.raises(ValueError, match="alpha"):
        tile(np.zeros((1, 2, 2, 4), np.uint8), columns=1)
    with pytest.raises(ValueError, match="at least one"):
        tile(np.zeros((0, 2, 2, 3), np.uint8), columns=1)
    with pytest.raises(ValueError, match="columns"):
        tile(block(1), columns=0)


def test_magnify_is_undone_by_shrink():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), dtype=np.uint8)
    large = magnify(images, 5)
    assert large.shape == (2, 15, 20, 3) and (large[:, :5, :5] == images[:, :1, :1]).all()
    np.testing.assert_array_equal(shrink(large, 5), images)


def test_thumbnail_keeps_small_pictures_and_halves_large_ones():
    assert thumbnail(np.zeros((64, 32, 1), np.uint8)).shape == (64, 32, 3)
    assert thumbnail(np.zeros((200, 100), np.uint8), longest=128).shape == (100, 50, 3)


@pytest.mark.parametrize("width", [28, 64, 96, 128, 200])
@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_fit_never_leaves_the_width_and_fills_most_of_it(width, count):
    choice = fit(count, width, 2880, 6)
    assert choice.width <= 2880 and (count < 12 or choice.width >= 0.8 * 2880)
    assert choice.columns <= count and choice.columns <= 12
    assert choice.columns * (width * choice.factor + 6) - 6 <= choice.width
