"""Batches: their order is a function of (seed, epoch), their augmentation of (seed, step), and nothing else."""

import dataclasses
import itertools
import threading
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf

from kvae.images import pipeline
from kvae.images.collection import open_collection
from kvae.images.pipeline import Order, evaluation_batches, steps_per_epoch, training_batches
from kvae.images.variation import Augmentation, drawn, varied

COUNT, BATCH = 22, 5  # five steps an epoch, the last with two pictures


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("KVAE_CACHE", str(tmp_path_factory.mktemp("cache")))
    data = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), np.uint8)
    data[:, 0, 0, 0] = np.arange(30)  # the number of the picture
    yield open_collection(data, size=16)
    patch.undo()


@pytest.fixture(params=["tensorflow", "threads"])
def fed(request, monkeypatch):
    """By either way in which batches are prepared."""
    if request.param == "threads":
        monkeypatch.setattr(pipeline, "tf", None)
    return request.param


def batches(collection, count, **settings):
    settings = {"batch_size": BATCH, "seed": 1, "augment": False} | settings
    dataset = training_batches(collection, np.arange(4, 4 + COUNT), **settings)
    return [np.asarray(batch) for batch in itertools.islice(dataset, count)]


def changed(data, strengths, seed=0, step=0):
    return varied(data, drawn(strengths, len(data), data.shape[1:], seed=seed, step=step))


def numbers(some) -> list[int]:
    return [round(value * 255) for batch in some for value in batch[:, 0, 0, 0]]


def test_an_epoch_shows_every_picture_once_and_ends_in_a_partial_batch(fed, collection):
    some = batches(collection, 15)
    assert [len(batch) for batch in some] == [5, 5, 5, 5, 2] * 3
    for epoch in range(3):
        assert sorted(numbers(some[epoch * 5 : epoch * 5 + 5])) == list(range(4, 26))


def test_every_epoch_has_another_order_and_every_seed_too(fed, collection):
    some = numbers(batches(collection, 15))
    orders = [tuple(some[start : start + COUNT]) for start in range(0, 3 * COUNT, COUNT)]
    orders.append(tuple(numbers(batches(collection, 5, seed=2))))
    assert len(set(orders)) == 4


def test_pixels_are_exact_floats_from_0_to_1(fed, collection):
    batch = batches(collection, 1)[0]
    assert batch.dtype == np.float32
    assert np.array_equal(batch, collection.read(numbers([batch])).astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("start", [1, 4, 5, 13])
def test_starting_at_a_step_continues_exactly(fed, start, augment, collection):
    whole = batches(collection, 18, augment=augment)
    rest = batches(collection, 18 - start, augment=augment, start_step=start)
    for expected, received in zip(whole[start:], rest, strict=True):
        assert np.array_equal(expected, received)


@pytest.mark.parametrize("side", [16, 48])
def test_tensorflow_and_threads_show_the_same_variants_in_the_same_order(side, collection, monkeypatch):
    pictures = np.random.default_rng(3).integers(0, 256, (30, side, side, 3), np.uint8)
    found = []
    for _ in range(2):
        found.append(batches(open_collection(pictures, size=side), 7, augment=True, start_step=3))
        monkeypatch.setattr(pipeline, "tf", None)
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)  # 1/255 is 4e-3
        assert other.dtype == np.float32 and other.min() >= 0.0 and other.max() <= 1.0


def test_threads_end_with_the_batches_that_nobody_takes_any_more(collection, monkeypatch):
    monkeypatch.setattr(pipeline, "tf", None)
    some = training_batches(collection, np.arange(22), batch_size=4, seed=0)
    next(iter(some))
    ours = [one for one in threading.enumerate() if one.name.startswith("kvae-pictures")]
    assert ours
    del some
    for one in ours:
        one.join(10)
        assert not one.is_alive()


def test_a_picture_that_cannot_be_read_ends_the_batches_in_its_own_words(collection, monkeypatch):
    monkeypatch.setattr(pipeline, "tf", None)
    monkeypatch.setattr(type(collection), "read", lambda *_: exec("raise OSError('the cache is gone')"))
    with pytest.raises(OSError, match="the cache is gone"):
        batches(collection, 1)


def test_augmentation_differs_between_steps_pictures_and_seeds(collection):
    picture = np.tile(collection.read([0]), (3, 1, 1, 1))
    results = [changed(picture, Augmentation(), seed, step) for seed, step in ((1, 0), (1, 1), (2, 0))]
    assert len({one.tobytes() for result in results for one in result}) == 9


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("strengths", [Augmentation(), Augmentation(True, 0.25, 0.5), Augmentation(False, 1.0, 0.0)])
def test_augmented_pictures_keep_shape_and_range(strengths, channels):
    data = np.random.default_rng(0).choice([0, 255], (64, 12, 12, channels)).astype(np.uint8)
    result = changed(data, strengths)
    assert result.shape == data.shape and result.dtype == np.float32
    assert np.isfinite(result).all() and result.min() >= 0 and result.max() <= 1


def vary(data, **strengths):
    strengths = {"flip": False, "min_area": 1.0, "colour": 0.0} | strengths
    return changed(data, Augmentation(**strengths), seed=3)


def test_no_strength_leaves_pictures_as_they_are(collection):
    data = collection.read(range(30))
    assert np.allclose(vary(data), data / 255, atol=1e-6)


def test_flips_mirror_about_half_of_the_pictures_exactly(collection):
    data = np.concatenate([collection.read(range(30))] * 10)
    result = vary(data, flip=True)
    same = np.isclose(result, data / 255, atol=1e-4).all(axis=(1, 2, 3))
    mirrored = np.isclose(result, data[:, :, ::-1] / 255, atol=1e-4).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 0.4 < mirrored.mean() < 0.6


def test_crops_show_the_stated_share_of_the_picture():
    ramp = np.arange(100, dtype=np.uint8)
    across, down = np.broadcast_to(ramp, (100, 100)), np.broadcast_to(ramp[:, None], (100, 100))
    data = np.broadcast_to(np.stack([across, down, down], -1), (200, 100, 100, 3)).copy()
    result = vary(data, min_area=0.65) * 255
    width = np.ptp(result[:, 50, :, 0], axis=1) / 99
    height = np.ptp(result[:, :, 50, 1], axis=1) / 99
    assert (width * height).min() > 0.64 and (width * height).max() <= 1.001
    assert (width / height).min() > 0.74 and (width / height).max() < 1.34
    assert (width * height).min() < 0.7 and np.std(width / height) > 0.03


def test_the_stated_share_of_pictures_is_whole():
    data = np.random.default_rng(0).integers(0, 256, (400, 12, 12, 1), np.uint8)
    whole = np.isclose(vary(data, min_area=0.5, whole=0.25), data / 255, atol=1e-6).all(axis=(1, 2, 3))
    assert 0.2 < whole.mean() < 0.3
    assert not np.isclose(vary(data, min_area=0.5, whole=0.0), data / 255, atol=1e-6).all(axis=(1, 2, 3)).any()


def test_an_enlarged_crop_keeps_a_parabola_exactly():
    # the kernel is exact to the second degree, where straight lines between pixels are not
    curve = np.square(np.arange(-15, 16)).astype(np.uint8)
    data = np.broadcast_to(curve[None, None, :, None], (40, 31, 31, 1)).copy()
    third = np.diff(vary(data, min_area=0.5, whole=0.0)[:, 15, 4:-4, 0] * 255, n=3, axis=1)
    np.testing.assert_allclose(third, 0.0, atol=1e-3)


def test_colour_changes_are_small_and_keep_grey_grey():
    grey = np.full((50, 8, 8, 3), 100, np.uint8)
    result = vary(grey, colour=0.06)
    assert np.allclose(result[..., :1], result, atol=1e-5)
    assert 0 < np.abs(result - 100 / 255).max() <= 0.061


def test_colour_keeps_the_hue():
    import colorsys

    data = np.full((20, 4, 4, 3), (180, 90, 60), np.uint8)
    for picture in vary(data, colour=0.05):
        hue = colorsys.rgb_to_hsv(*(float(value) for value in picture[0, 0]))[0]
        assert abs(hue - colorsys.rgb_to_hsv(180, 90, 60)[0]) < 1e-4


def test_strengths_can_be_given(collection):
    flipped = batches(collection, 5, augment=Augmentation(flip=True, min_area=1.0, colour=0.0))
    assert not np.array_equal(flipped[0], batches(collection, 1)[0])


def test_evaluation_is_finite_in_order_and_plain(fed, collection):
    indices = np.array([7, 3, 3, 29, 0, 1, 2])
    some = list(evaluation_batches(collection, indices, batch_size=3))
    assert [len(batch) for batch in some] == [3, 3, 1]
    expected = collection.read(indices).astype(np.float32) / np.float32(255)
    assert np.array_equal(np.concatenate(some), expected)
    again = evaluation_batches(collection, indices, batch_size=3)
    assert [len(list(again)) for _ in range(2)] == [3, 3]


def test_shapes_are_known_to_the_graph(collection):
    for augment in (False, True):
        dataset = training_batches(collection, np.arange(9), batch_size=4, seed=0, augment=augment)
        assert dataset.element_spec.shape.as_list() == [None, 16, 16, 3]
        assert dataset.element_spec.dtype == tf.float32
        assert int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY


def test_order_is_a_pure_function_whatever_was_asked_before():
    one, other = (Order(np.arange(50), batch_size=8, seed=9) for _ in range(2))
    steps = [0, 30, 7, 6, 100, 3, 0]
    assert all(np.array_equal(one.batch(step), other.batch(step)) for step in steps)
    assert np.array_equal(Order(np.arange(50), batch_size=8, seed=9).batch(3), one.batch(3))
    assert steps_per_epoch(50, 8) == 7


def test_split_and_order_keep_numbers_in_arrays_and_no_objects_for_each_picture(collection):
    count = 200_000
    many = dataclasses.replace(
        collection, count=count, digests=np.random.default_rng(0).integers(0, 256, (count, 32), np.uint8)
    )
    tracemalloc.start()
    training, validation = many.split(0.1)
    order = Order(training, batch_size=64, seed=0)
    last = [order.batch(step) for step in (0, steps_per_epoch(len(training), 64))]  # of two epochs
    held, peak = (amount / count for amount in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    assert len(training) + len(validation) == count and len(np.unique(np.concatenate(last))) > 100
    assert held < 8 + 2 * 8 + 1 and peak < 40  # a Python number alone takes 32 bytes, and 8 in a list


@pytest.mark.parametrize(
    ("settings", "match"),
    [({"batch_size": 0}, "batch_size"), ({"batch_size": 23}, "at most"), ({"start_step": -1}, "start_step")],
)
def test_bad_settings_are_refused(settings, match, collection):
    with pytest.raises(ValueError, match=match):
        batches(collection, 1, **settings)


@pytest.mark.parametrize(
    "strengths", [{"min_area": 0.1}, {"min_area": 1.2}, {"colour": -1}, {"whole": 2}, {"colour": float("nan")}]
)
def test_bad_strengths_are_refused(strengths):
    with pytest.raises(ValueError, match="Augmentation"):
        Augmentation(**strengths)


def test_no_pictures_are_refused(collection):
    with pytest.raises(ValueError, match="no pictures"):
        evaluation_batches(collection, np.array([], int), batch_size=4)
