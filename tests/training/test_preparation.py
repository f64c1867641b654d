"""The PCA that a run starts from: measured once for the same pictures, and anew when its cache is damaged."""

import os

import numpy as np
import pytest

from kvae.images.cache import cache_folder
from kvae.images.collection import open_collection
from kvae.training import preparation
from kvae.training.listener import Listener
from kvae.training.preparation import augmented_pca, collection_pca


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KVAE_CACHE", str(tmp_path))


@pytest.fixture
def collection(own_cache, pictures):
    return open_collection(pictures, size=16)


class Hearing(Listener):
    """Keeps what is said."""

    def __init__(self):
        self.lines = []

    def said(self, text):
        self.lines.append(text)


def refuse(*arguments, **options):
    raise AssertionError("the PCA was measured again")


def same(one, other) -> bool:
    arrays = (
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("mean", "eigenvalues", "eigenvectors")
    )
    return all(arrays) and (one.total, one.pictures) == (other.total, other.pictures)


@pytest.mark.parametrize("measure", [collection_pca, augmented_pca])
def test_a_second_preparation_reads_what_the_first_measured(collection, monkeypatch, measure):
    indices, _ = collection.split(0.1)
    first = measure(collection, indices, 4, 0, Listener())
    monkeypatch.setattr(preparation, "fit_pca", refuse)
    assert same(measure(collection, indices, 4, 0, Listener()), first)
    for other in ((indices[1:], 4), (indices, 5)):
        with pytest.raises(AssertionError, match="measured again"):
            measure(collection, *other, 0, Listener())


@pytest.mark.parametrize(
    "damage", ["cut", "empty", "text", "zeros", "wrong bytes", "a bit", "another archive", "pipe", "link"]
)
def test_a_damaged_cache_is_measured_anew_and_written_again(collection, monkeypatch, damage):
    indices, _ = collection.split(0.1)
    first = collection_pca(collection, indices, 4, 0, Listener())
    (path,) = cache_folder().glob("*.pca")
    content = path.read_bytes()
    middle = len(content) // 2
    if damage == "another archive":
        with open(path, "wb") as file:
            np.savez(file, mean=np.zeros(3))
    elif damage == "pipe":
        path.unlink()
        os.mkfifo(path)
    elif damage == "link":
        path.rename(path.with_name("elsewhere"))
        path.symlink_to("elsewhere")
    else:
        path.write_bytes(
            {
                "cut": content[:middle],
                "empty": b"",
                "text": b"no archive at all",
                "zeros": content[:200] + bytes(len(content) - 200),
                "wrong bytes": content[:middle] + bytes(40) + content[middle + 40 :],
                "a bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            }[damage]
        )
    heard = Hearing()
    assert same(collection_pca(collection, indices, 4, 0, heard), first)
    assert heard.lines == ["the Gaussian limit in the cache was damaged and is measured anew"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert same(collection_pca(collection, indices, 4, 0, Listener()), first)
    monkeypatch.setattr(preparation, "fit_pca", refuse)
    assert same(collection_pca(collection, indices, 4, 0, Listener()), first)
    assert [one.name for one in cache_folder().glob("*.pca")] == [path.name]


def test_the_plain_pca_is_that_of_the_pictures_and_the_varied_one_of_a_dozen_copies(collection, pictures):
    indices, _ = collection.split(0.1)
    plain = collection_pca(collection, indices, 4, 0, Listener())
    values = pictures[indices].reshape(len(indices), -1) / 255.0
    np.testing.assert_allclose(plain.mean, values.mean(0), atol=1e-5)
    np.testing.assert_allclose(plain.eigenvalues, np.linalg.eigvalsh(np.cov(values.T, bias=True))[:-5:-1], rtol=1e-3)
    assert plain.pictures == len(indices)
    varied = augmented_pca(collection, indices, 4, 0, Listener())
    assert varied.pictures == 12 * len(indices) and varied.total != plain.total


def test_a_measurement_tells_how_far_it_is_to_its_end_and_one_that_is_read_back_tells_nothing(collection):
    class Heard(Listener):
        def __init__(self):
            self.parts = []

        def working(self, done, total, what):
            self.parts.append((done, total, what))

    indices, _ = collection.split(0.1)
    for measure, parts in ((collection_pca, 5), (augmented_pca, 5 * 3)):  # 55 pictures are a block, 660 are three
        heard, again = Heard(), Heard()
        measure(collection, indices, 4, 0, heard)
        done = [(done, total) for done, total, what in heard.parts if what == "measuring the Gaussian limit"]
        assert done == [(number, parts) for number in range(1, parts + 1)]
        measure(collection, indices, 4, 0, again)
        assert again.parts == []


def test_a_large_collection_is_measured_on_a_sample_that_the_seed_repeats(collection, monkeypatch):
    monkeypatch.setattr(preparation, "PCA_PICTURES", 20)
    indices, _ = collection.split(0.1)
    assert [collection_pca(collection, indices, 4, 0, Listener()).pictures for _ in range(2)] == [20, 20]
    with monkeypatch.context() as patch:
        patch.setattr(preparation, "fit_pca", refuse)
        collection_pca(collection, indices, 4, 0, Listener())
        with pytest.raises(AssertionError, match="measured again"):
            collection_pca(collection, indices, 4, 1, Listener())
