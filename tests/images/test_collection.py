"""A Collection: reading in any order, and the laws of the split."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from kvae.images.collection import open_collection
from kvae.images.paintings import paint_many

DATA = np.random.default_rng(0).integers(0, 256, (400, 8, 8), np.uint8)


@pytest.fixture
def collection():
    return open_collection(DATA, size=8)


@pytest.mark.parametrize("indices", [[], [0], [399], [5, 5, 5], [3, 4, 5, 9, 8, 7, 399, 0], list(range(400))])
def test_read_gives_rows_in_any_order_and_with_repetitions(indices, collection):
    assert np.array_equal(collection.read(indices)[..., 0], DATA[np.array(indices, int)])


@pytest.mark.parametrize("indices", [[-1], [400], [0, 1000]])
def test_read_refuses_indices_outside(indices, collection):
    with pytest.raises(IndexError, match="from 0 to 399"):
        collection.read(indices)


@pytest.mark.parametrize("rows", [1, 7, 400, 1000])
def test_blocks_give_everything_in_order(rows, collection):
    order = np.random.default_rng(1).permutation(400)
    blocks = list(collection.blocks(order, rows=rows))
    assert max(len(block) for block in blocks) <= rows
    assert np.array_equal(np.concatenate(blocks)[..., 0], DATA[order])


def test_threads_may_read_at_once(collection):
    wrong = []

    def read(seed):
        draws = np.random.default_rng(seed)
        for _ in range(50):
            indices = draws.integers(0, 400, 30)
            if not np.array_equal(collection.read(indices)[..., 0], DATA[indices]):
                wrong.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("validation", [0.0, 0.1, 0.5, 0.9])
def test_a_split_divides_everything_in_about_the_right_parts(validation, collection):
    training, held = collection.split(validation)
    assert np.array_equal(np.sort(np.concatenate([training, held])), np.arange(400))
    assert abs(len(held) / 400 - validation) < 0.08


def test_a_picture_keeps_its_side_when_others_are_added_or_removed(collection):
    _, held = collection.split(0.2)
    for some in (DATA[:250], np.concatenate([DATA[::-1], DATA[:9] ^ 1])):
        other = open_collection(some, size=8)
        _, held_there = other.split(0.2)
        sides = {other.digests[i].tobytes(): i in set(held_there) for i in range(other.count)}
        for i in range(400):
            assert sides.get(collection.digests[i].tobytes(), i in held) == (i in held)


def test_a_larger_share_only_adds_to_validation(collection):
    held = [set(collection.split(share)[1]) for share in (0.1, 0.2, 0.4)]
    assert held[0] < held[1] < held[2]


def test_the_side_does_not_depend_on_size_or_crop(collection):
    assert np.array_equal(collection.split()[1], open_collection(DATA, size=16, crop="stretch").split()[1])


def test_equal_pictures_share_a_side():
    collection = open_collection(np.concatenate([DATA, DATA]), size=8)
    _, held = collection.split(0.3)
    assert {i for i in held if i < 400} == {i - 400 for i in held if i >= 400}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("validation", [0.001, 0.5, 0.999])
def test_both_sides_hold_a_picture_where_two_differ(seed, validation):
    two = np.random.default_rng(seed).integers(0, 256, (2, 8, 8), np.uint8)
    training, held = open_collection(np.repeat(two, 3, axis=0), size=8).split(validation)
    assert len(training) and len(held)


def test_one_picture_cannot_be_split_and_says_so():
    collection = open_collection(np.repeat(DATA[:1], 5, axis=0), size=8)
    with pytest.raises(ValueError, match="at least 2 different"):
        collection.split()
    assert len(collection.split(0)[0]) == 5


@pytest.mark.parametrize("validation", [-0.1, 1.0, float("nan")])
def test_a_share_outside_is_refused(validation, collection):
    with pytest.raises(ValueError, match="validation"):
        collection.split(validation)


@pytest.mark.parametrize("data", [None, "paintings"])
def test_the_built_in_paintings_come_with_their_factors(data):
    collection = open_collection(data, size=16, count=70, seed=3)
    images, factors = paint_many(range(70), size=16, seed=3)
    assert collection.name == "paintings"
    assert np.array_equal(collection.read(range(70)), images)
    assert list(collection.factors) == list(factors)
    for name, column in factors.items():
        assert np.array_equal(collection.factors[name], column)
        assert collection.factors[name].dtype.kind == np.asarray(column).dtype.kind


def test_seed_and_count_choose_the_paintings():
    some = [open_collection(size=16, count=count, seed=seed) for count, seed in ((5, 0), (6, 0), (5, 1))]
    assert len({one.manifest_hash for one in some}) == 3
    assert np.array_equal(some[1].read(range(5)), some[0].read(range(5)))


def test_no_paintings_are_refused():
    with pytest.raises(ValueError, match="count"):
        open_collection(count=0)


def test_opening_pictures_imports_neither_tensorflow_nor_keras():
    code = "import sys, kvae.images.collection; print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]


def test_a_worker_imports_nothing_slow():
    code = "import sys, kvae.images.worker; print(sorted({'numpy', 'h5py', 'tensorflow'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
