"""A PNG carries its point in little room, and gives it back to the last bit."""

import io

import numpy as np
import pytest
from PIL import Image

from explorer.engine.points import point_in
from explorer.messages import PicturePoint
from explorer.png import LARGEST, MOST_LATENTS, MOST_TEXT, packed, pixels_of, text_of, to_png, unpacked

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 12, 3), dtype=np.uint8)


def point(count: int = 5, name: str = "paintings 0.1") -> PicturePoint:
    latents = np.random.default_rng(1).standard_normal(count).astype(np.float32)
    return PicturePoint("ab" * 32, name, latents, 0.1)


@pytest.mark.parametrize("count", [1, 128, 12_292, MOST_LATENTS])
def test_a_point_comes_back_to_the_last_bit_and_stays_in_its_bounds(count):
    kept = point(count)
    assert len(text_of(kept)) <= MOST_TEXT
    back = point_in(to_png(PIXELS, point=kept))
    assert back is not None and (back.digest, back.name, back.kl_weight) == (kept.digest, kept.name, 0.1)
    assert back.latents.tobytes() == kept.latents.tobytes()


def test_thousands_of_latents_that_are_mostly_0_take_some_kilobytes():
    few = point(12_292)
    few.latents[700:] = 0
    assert len(to_png(PIXELS, point=few)) < len(to_png(PIXELS)) + 5000


def test_a_name_of_any_length_stays_in_its_bounds():
    back = point_in(to_png(PIXELS, point=point(name="é" * 5000)))
    assert back is not None and back.name == "é" * 200


def test_without_a_point_or_a_model_that_is_known_nothing_is_carried():
    unknown = PicturePoint("", "art", np.zeros(3, np.float32), 0.1)
    assert point_in(to_png(PIXELS)) is point_in(to_png(PIXELS, point=unknown)) is None


def test_the_point_changes_no_pixel_and_the_size_is_the_one_asked():
    own, large = (to_png(PIXELS, side, point=point()) for side in (0, 64))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(own))), PIXELS)
    assert Image.open(io.BytesIO(large)).size == (48, 64)


@pytest.mark.parametrize(("centimetres", "dpi", "pixels"), [(2.54, 300, 300), (20, 300, 2362), (0.001, 72, 1)])
def test_centimetres_become_pixels(centimetres, dpi, pixels):
    assert pixels_of(centimetres, dpi) == pixels


def test_no_side_is_longer_than_kvae_itself_opens_and_a_print_says_its_dots():
    assert pixels_of(1000, 1200) == LARGEST
    dpi = Image.open(io.BytesIO(to_png(PIXELS, 32, dpi=300.0))).info["dpi"]
    assert dpi == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("text", ["", "?", "AAAA", packed([1.0, 2.0]), packed([1.0] * 4), packed([1, np.nan, 2])])
def test_numbers_that_are_none_or_of_another_count_are_not_unpacked(text):
    assert unpacked(text, 3) is None
    assert unpacked(packed([1.0, 2.0, 3.0]), 3).tolist() == [1, 2, 3]
