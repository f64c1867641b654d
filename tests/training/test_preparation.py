"""The statistics that a run starts from: measured once for the same pictures, and anew when its cache is damaged."""

import os

import numpy as np
import pytest

from kvae.images.cache import cache_folder
from kvae.images.collection import open_collection
from kvae.images.paintings import paint_many
from kvae.images.pipeline import steps_per_epoch
from kvae.images.spectrum import cosine_matrix, fit_spectrum
from kvae.measures.gaussian_limit import HeldOut
from kvae.settings import checked
from kvae.training import preparation
from kvae.training.listener import Listener
from kvae.training.preparation import (
    FEWEST,
    LARGEST_BATCH,
    STEPS,
    collection_statistics,
    fitting_batch,
    prepare,
)


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

    def on_message(self, text):
        self.lines.append(text)


def refuse(*arguments, **options):
    raise AssertionError("they were measured again")


def statistics(collection, indices, listener, *, vary=False, seed=0):
    return collection_statistics(collection, indices, seed, listener, vary=vary)


def same(one, other) -> bool:
    parts = ((vars(one.spectrum), vars(other.spectrum)), (vars(one.texture), vars(other.texture)))
    return all(np.array_equal(mine[name], its[name]) for mine, its in parts for name in mine)


@pytest.mark.parametrize("vary", [False, True])
def test_a_second_preparation_reads_what_the_first_measured(collection, monkeypatch, vary):
    indices, _ = collection.split(0.1)
    first = statistics(collection, indices, Listener(), vary=vary)
    monkeypatch.setattr(preparation, "fit_spectrum", refuse)
    assert same(statistics(collection, indices, Listener(), vary=vary), first)
    for other, varied in ((indices[1:], vary), (indices, not vary)):
        with pytest.raises(AssertionError, match="measured again"):
            statistics(collection, other, Listener(), vary=varied)


@pytest.mark.parametrize(
    "damage", ["cut", "empty", "text", "zeros", "wrong bytes", "a bit", "another archive", "pipe", "link"]
)
def test_a_damaged_cache_is_measured_anew_and_written_again(collection, monkeypatch, damage):
    indices, _ = collection.split(0.1)
    first = statistics(collection, indices, Listener())
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
    assert same(statistics(collection, indices, heard), first)
    assert heard.lines == ["the Gaussian limit in the cache was damaged and is measured anew"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert same(statistics(collection, indices, Listener()), first)
    monkeypatch.setattr(preparation, "fit_spectrum", refuse)
    assert same(statistics(collection, indices, Listener()), first)
    assert [one.name for one in cache_folder().glob("*.pca")] == [path.name]


def test_the_plain_statistics_are_those_of_the_pictures_and_varied_ones_differ(collection, pictures):
    indices, _ = collection.split(0.1)
    plain, varied = (statistics(collection, indices, Listener(), vary=vary).spectrum for vary in (False, True))
    values = pictures[indices] / 255.0
    np.testing.assert_allclose(plain.mean, values.mean(0), atol=1e-5)
    assert plain.eigenvalues.sum() == pytest.approx(np.square(values - values.mean(0)).sum((1, 2, 3)).mean(), rel=1e-3)
    # of a picture and its mirror image the mean is the same on both sides
    np.testing.assert_allclose(varied.mean, varied.mean[:, ::-1], atol=1e-5)
    assert plain.pictures == varied.pictures == len(indices)


def test_a_measurement_tells_its_progress_and_one_that_is_read_back_tells_nothing(collection):
    class Heard(Listener):
        def __init__(self):
            self.parts = []

        def on_progress(self, done, total, what):
            self.parts.append((done, total, what))

    indices, _ = collection.split(0.1)
    for vary, parts in ((False, 2), (True, 1 + 5)):  # a pass over one block, then another, or one over five copies
        heard, again = Heard(), Heard()
        statistics(collection, indices, heard, vary=vary)
        done = [(done, total) for done, total, what in heard.parts if what == "measuring the Gaussian limit"]
        assert done == [(number, parts) for number in range(1, parts + 1)]
        statistics(collection, indices, again, vary=vary)
        assert again.parts == []


# ---------------------------------------------------------------------- very many pictures


@pytest.fixture
def many(own_cache):
    return open_collection(count=300, size=16)  # of the paintings


def prepared(collection, listener, **settings):
    training, validation = collection.split(0.2)
    settings = checked({"size": 16, "data": "paintings", "kl_weight": 0.01, **settings})
    return preparation._best(collection, training, validation, settings, listener), training


@pytest.mark.parametrize("vary", [False, True])
def test_of_many_pictures_all_are_measured_in_one_pass_and_better_than_some(many, monkeypatch, vary):
    monkeypatch.setattr(preparation, "SEEN_PICTURES", 60)
    heard, seen = Hearing(), []
    read = type(many).read
    monkeypatch.setattr(type(many), "read", lambda self, rows: seen.extend(np.atleast_1d(rows)) or read(self, rows))
    (found, held), training = prepared(many, heard, augment=vary)
    assert found.spectrum.pictures == len(training) and heard.lines == []
    assert set(training) <= set(seen) and np.median(np.bincount(seen)[training]) == 1
    some = statistics(many, preparation._sample(training, 60, 0), Listener(), vary=vary)
    worse = HeldOut(some.spectrum.eigenvalues, *some.spectrum.moments(many.blocks(many.split(0.2)[1])))
    assert held.at(0.01, 768).loss < worse.at(0.01, 768).loss
    monkeypatch.setattr(preparation, "fit_spectrum", refuse)
    monkeypatch.setattr(preparation, "refine_spectrum", refuse)
    assert same(prepared(many, Listener(), augment=vary)[0][0], found)
    with pytest.raises(AssertionError, match="measured again"):
        prepared(many, Listener(), augment=vary, seed=1)


def test_of_more_pictures_than_a_pass_may_take_some_are_and_that_is_said(many, monkeypatch):
    monkeypatch.setattr(preparation, "SEEN_PICTURES", 60)
    monkeypatch.setattr(preparation, "SEEN_VALUES", 120 * int(np.prod(many.shape)) + 5)
    heard = Hearing()
    (found, held), training = prepared(many, heard, augment=False)
    assert found.spectrum.pictures == 120
    said = preparation._of_some(found.spectrum, len(training), 0.01, held.at(0.01, 768).loss, mirrored=False)
    assert heard.lines == [said]
    told = f"the Gaussian limit is measured on 120 of the {len(training)} training pictures, at random: its L is some "
    assert said.startswith(told) and said.endswith("% above that of all")


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("kl_weight", [0.003, 0.03])
def test_what_is_said_to_be_lost_with_fewer_pictures_is_about_what_is(kl_weight, mirrored):
    draws, deviations = np.random.default_rng(0), np.geomspace(0.3, 0.01, 64)
    planes = (draws.standard_normal((12_000, 64)) * deviations).reshape(-1, 8, 8)
    every = (0.5 + cosine_matrix(8).T @ planes @ cosine_matrix(8))[..., None]
    some, whole = (fit_spectrum(lambda n=n: [every[:n]], mirrored=mirrored, lead=64) for n in (500, 8000))
    losses = [HeldOut(one.eigenvalues, *one.moments([every[8000:]])).at(kl_weight, 64).loss for one in (some, whole)]
    told = preparation._of_some(some, 8000, kl_weight, losses[0], mirrored)
    said = float(told.split("some ")[1].split("%")[0])
    assert said / 2 < 100 * (losses[0] / losses[1] - 1) < 2 * said


def test_of_large_pictures_a_sample_has_as_many_as_ever(many, monkeypatch):
    monkeypatch.setattr(preparation, "SEEN_PICTURES", 60)
    monkeypatch.setattr(preparation, "SEEN_VALUES", 1)
    assert prepared(many, Listener(), augment=False)[0][0].spectrum.pictures == 60


def test_pictures_unlike_their_mirror_images_are_measured_as_they_are_and_it_is_said(own_cache):
    # strokes that all lean one way, as written digits do
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:16, :16]
    places, widths = random.uniform(4, 12, (160, 1, 1)), random.uniform(1, 2, (160, 1, 1))
    strokes = np.exp(-np.square((columns - places - 0.8 * (8 - rows)) / widths))
    leaning = np.rint(255 * np.repeat(strokes[..., None], 3, axis=-1)).astype(np.uint8)
    settings = checked({"size": 16, "data": "array", "kl_weight": 0.1})
    for pictures, said in ((leaning, True), (paint_many(range(160), size=16)[0], False)):
        heard = Hearing()
        found = prepare(pictures, settings, heard)
        assert any("Switch them off with --no-augment" in line for line in heard.lines) == said
        mean = found.statistics.spectrum.mean
        assert np.allclose(mean, mean[:, ::-1], atol=1e-5) != said


# ---------------------------------------------------------------------- few pictures, and the batch that fits them


class Sentences(Listener):
    def __init__(self):
        self.sentences = []

    def on_message(self, sentence):
        self.sentences.append(sentence)


def test_the_default_batch_is_64_or_small_enough_for_several_steps_an_epoch():
    heard, before = Sentences(), 0
    for pictures in range(1, 2000):
        batch = fitting_batch(None, pictures, heard)
        assert before <= batch <= min(LARGEST_BATCH, pictures)
        assert pictures < FEWEST or steps_per_epoch(pictures, batch) >= STEPS
        assert pictures < STEPS * LARGEST_BATCH or batch == LARGEST_BATCH == 64
        before = batch
    assert heard.sentences == []


def test_a_batch_of_more_pictures_than_there_are_is_lowered_and_that_is_said():
    heard = Sentences()
    assert (fitting_batch(16, 36, heard), fitting_batch(36, 36, heard)) == (16, 36) and heard.sentences == []
    assert fitting_batch(64, 36, heard) == 36
    assert heard.sentences == ["there are 36 training pictures, so a batch has 36 instead of 64"]


@pytest.mark.parametrize("count", [1, 2, FEWEST - 1])
def test_too_few_pictures_are_refused_in_plain_words(own_cache, count):
    pictures = paint_many(range(count), size=16, seed=3)[0]
    with pytest.raises(ValueError) as refused:
        prepare(pictures, checked({"size": 16, "data": "array"}), Listener())
    found = "is 1 picture" if count == 1 else f"are {count} pictures"
    assert str(refused.value) == f"array: there {found} to learn from, and at least 8 are needed. Add pictures."


@pytest.mark.parametrize("validation", [0.01, 0.1, 0.5])
def test_from_eight_pictures_on_each_side_has_some_and_it_is_said_what_to_expect(own_cache, validation):
    settings = checked({"size": 16, "data": "array", "network": "linear", "latent_dim": 4, "validation": validation})
    for seed in range(6):
        heard = Sentences()
        pictures = paint_many(range(FEWEST), size=16, seed=seed)[0]
        try:
            found = prepare(pictures, settings, heard)
        except ValueError as error:  # chance held nearly all of them out
            assert validation == 0.5 and str(error).endswith("Hold out a smaller share, such as --validation 0.01.")
            found = prepare(pictures, {**settings, "validation": 0.01}, heard)
        assert len(found.training) + len(found.validation) == 8 and len(found.validation) >= 1
        assert len(found.training) >= 4 and found.settings["batch_size"] == 2
        assert any(one.startswith("only 8 pictures: expect a model that remembers these") for one in heard.sentences)


def test_pictures_that_are_all_the_same_are_refused_with_advice_that_can_be_followed(own_cache):
    with pytest.raises(ValueError, match=r"needs at least 2 different pictures\. Add pictures that differ\.$"):
        prepare(np.zeros((9, 16, 16, 3), np.uint8), checked({"size": 16, "data": "array"}), Listener())
