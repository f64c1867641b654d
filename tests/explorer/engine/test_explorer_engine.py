"""The engine as a process of its own: what it answers, in which order, and how it ends."""

import json
import multiprocessing
import os
import shutil
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
from corpus.pictures import BAD, USED
from PIL import Image

import kvae
from explorer import messages as m
from explorer.engine.process import engine_main
from explorer.engine.snapshots import Snapshots
from kvae.images.collection import load_picture
from kvae.settings import SETTINGS
from kvae.training.folder import RunFolder

PATIENCE = 60.0  # seconds, for a busy machine


@dataclass
class Engine:
    """The window's end of the pipe."""

    process: Any
    pipe: Any
    heard: list = field(default_factory=list)
    tickets: int = 0

    def hear(self, until) -> Any:
        """The first message for which `until` is true; those before it are kept in `heard`."""
        while True:
            assert self.pipe.poll(PATIENCE), f"silence after {self.heard[-3:]}"
            message = self.pipe.recv()
            self.heard.append(message)
            if until(message):
                return message

    def post(self, content, lane: str = "") -> int:
        self.tickets += 1
        self.pipe.send(m.Request(self.tickets, lane, content))
        return self.tickets

    def ask(self, content, lane: str = "") -> list:
        """All answers to this question, in order."""
        ticket = self.post(content, lane)
        self.hear(lambda one: isinstance(one, m.Reply) and one.ticket == ticket and one.last)
        return self.answers(ticket)

    def answers(self, ticket: int) -> list:
        return [one.content for one in self.heard if isinstance(one, m.Reply) and one.ticket == ticket]

    def open(self, path) -> m.ModelInfo:
        return self.ask(m.Open(str(path)))[-1].model


def started() -> Engine:
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=engine_main, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return Engine(process, pipe)


@pytest.fixture(scope="module")
def engine(real_models):
    one = started()
    yield one
    one.pipe.close()
    one.process.join(10)
    assert one.process.exitcode == 0


@pytest.fixture
def opened(engine, real_models):
    engine.open(real_models.trained)
    return engine


def as_bytes(images):
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)


def nearly_equal(ours, theirs) -> bool:
    """The same picture: a level of rounding in few values, as batches of another size are summed in another order."""
    difference = np.abs(ours.astype(int) - theirs.astype(int))
    return ours.shape == theirs.shape and difference.max() <= 1 and (difference > 0).mean() < 0.01


def test_it_says_hello_with_all_settings_and_reads_a_card_before_tensorflow_is_there(engine, real_models):
    ticket = engine.post(m.Open(str(real_models.trained)))
    engine.hear(lambda one: isinstance(one, m.Reply) and one.ticket == ticket and one.last)
    kinds = [type(getattr(one, "content", one)).__name__ for one in engine.heard]
    assert kinds == ["Hello", "Glimpsed", "Ready", "Opened"]
    hello, _, ready, _ = engine.heard
    assert hello.version == kvae.__version__ and [one.name for one in hello.settings] == [*SETTINGS, "from_starter"]
    assert {one.kind for one in hello.settings} == {"bool", "int", "float", "str"} and ready.seconds > 0


def test_what_the_card_tells_is_what_the_loaded_model_tells(opened, real_models):
    glimpsed, seen = (one.model for one in opened.ask(m.Open(str(real_models.trained))))
    for name in m.ModelInfo.__dataclass_fields__.keys() - {"eigenvalues", "digest"}:
        np.testing.assert_equal(getattr(glimpsed, name), getattr(seen, name))
    assert glimpsed.eigenvalues is None and glimpsed.digest == ""  # those are of the weights
    eigenvalues = np.asarray(kvae.load(real_models.trained).linear_path.eigenvalues)
    np.testing.assert_array_equal(seen.eigenvalues, eigenvalues)
    assert (seen.name, seen.image_shape, seen.latent_dim, seen.network) == ("trained", (16, 16, 3), 6, "spectral")
    assert seen.carries_weight and seen.kl_weight == 0.05 and not seen.autoencoder
    assert seen.rates.shape == seen.means.shape == seen.spreads.shape == (6,) and seen.rates.dtype == np.float32
    assert seen.directions.shape == (6, 6) and seen.direction_spreads.shape == (6,)
    assert len(seen.latents) == len(seen.thumbnails) == seen.collection["training"] and seen.settings["size"] == 16


def test_a_model_without_a_card_opens_and_says_nothing_of_posteriors(engine, real_models):
    seen = engine.open(real_models.plain)
    assert np.isnan(seen.rates).all() and (seen.spreads == 1).all() and seen.latents.shape == (0, 4)
    assert (
        not seen.carries_weight and seen.eigenvalues is None and seen.directions.shape == (0, 4) and seen.history == {}
    )


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_decoded_picture_is_the_models_own_to_the_byte(opened, real_models, count):
    latents = np.random.default_rng(3).standard_normal((count, 6)).astype("float32")
    (found,) = opened.ask(m.Decode(latents), "picture")
    assert found.images.dtype == np.uint8
    assert nearly_equal(found.images, as_bytes(kvae.load(real_models.trained).decode(latents)))


def test_the_picture_follows_the_kl_weight_and_the_model_keeps_its_own(opened, real_models):
    latents = np.random.default_rng(4).standard_normal((3, 6)).astype("float32")
    (turned,) = opened.ask(m.Decode(latents, 2.0), "picture")
    (own,) = opened.ask(m.Decode(latents), "picture")
    model = kvae.load(real_models.trained)
    assert nearly_equal(own.images, as_bytes(model.decode(latents)))
    model.kl_weight.assign(2.0)
    assert nearly_equal(turned.images, as_bytes(model.decode(latents)))
    assert not nearly_equal(turned.images, own.images)


def test_only_the_newest_request_of_a_lane_is_served(opened):
    latents = np.zeros((1, 6), np.float32)
    opened.post(m.Decode(np.zeros((10_000, 6), np.float32)), "picture")
    tickets = [opened.post(m.Decode(latents), "picture") for _ in range(20)]
    strips = [opened.post(m.Decode(np.zeros((50, 6), np.float32)), "strips") for _ in range(5)]
    for last in (tickets[-1], strips[-1]):
        if not opened.answers(last):
            opened.hear(lambda one, last=last: isinstance(one, m.Reply) and one.ticket == last)
    assert sum(bool(opened.answers(ticket)) for ticket in tickets) < 5
    assert not opened.answers(strips[1]) and not opened.answers(strips[2])


def test_a_picture_does_not_wait_for_a_long_job(opened):
    strips = opened.post(m.Decode(np.zeros((3000, 6), np.float32)), "strips")
    opened.ask(m.Decode(np.zeros((1, 6), np.float32)), "picture")
    assert not opened.answers(strips)
    opened.pipe.send(m.Cancel(strips))
    opened.ask(m.Decode(np.zeros((1, 6), np.float32)), "strips")
    assert not opened.answers(strips)


@pytest.mark.parametrize("what", ["missing", "empty", "torn", "not a model", "torn weights"])
def test_a_bad_file_is_one_sentence_and_the_old_model_stays(opened, real_models, tmp_path, what):
    path = tmp_path / "bad.keras"
    whole = real_models.trained.read_bytes()
    if what in ("empty", "torn", "not a model"):
        path.write_bytes({"empty": b"", "torn": whole[: len(whole) // 2], "not a model": b"hello" * 100}[what])
    elif what == "torn weights":
        at = whole.index(b"model.weights.h5") + 5000
        path.write_bytes(whole[:at] + bytes(5000) + whole[at + 5000 :])
    *_, answer = opened.ask(m.Open(str(path)))
    assert isinstance(answer, m.Failed) and "\n" not in answer.sentence and "bad.keras" in answer.sentence
    (found,) = opened.ask(m.Decode(np.zeros((1, 6), np.float32)), "picture")
    assert found.images.shape == (1, 16, 16, 3)


def test_latents_of_another_model_are_refused_in_a_sentence(opened):
    (answer,) = opened.ask(m.Decode(np.zeros((1, 9), np.float32)), "picture")
    assert answer == m.Failed("trained has 6 latent dimensions. Received: latents of shape (1, 9).")


def test_a_decode_asked_after_open_waits_for_the_new_model(opened, real_models):
    opened.post(m.Open(str(real_models.plain)))
    (found,) = opened.ask(m.Decode(np.zeros((1, 4), np.float32)), "picture")
    assert isinstance(found, m.Decoded)


def test_newer_weights_are_taken_over_with_their_card(opened, real_models, tmp_path):
    model = kvae.load(real_models.trained)
    random = np.random.default_rng(8)
    for weight in model.trainable_variables:
        weight.assign(weight + 0.05 * random.standard_normal(weight.shape))
    model.kl_weight.assign(0.5)
    card = '{"posterior": {"rate": [1, 2, 3, 4, 5, 6], "mean": [0, 0, 0, 0, 0, 0], "variance": [4, 1, 1, 1, 1, null]}}'
    newer = Snapshots(tmp_path, "art.keras").write_weights(model, json.loads(card))
    (answer,) = opened.ask(m.Refresh(str(newer)), "refresh")
    assert answer.model.kl_weight == 0.5 and answer.model.rates.tolist() == [1, 2, 3, 4, 5, 6]
    assert answer.model.spreads[0] == 2 and answer.model.path == str(real_models.trained)
    latents = random.standard_normal((4, 6)).astype("float32")
    (found,) = opened.ask(m.Decode(latents), "picture")
    assert nearly_equal(found.images, as_bytes(model.decode(latents)))
    # the file is still what it was
    assert opened.open(real_models.trained).kl_weight == 0.05


def test_weights_of_another_model_are_refused(opened, tmp_path):
    other = SimpleNamespace(weights=[SimpleNamespace(numpy=lambda: np.zeros(3, np.float32))])
    (tmp_path / "text.weights").write_text("not weights")
    paths = Snapshots(tmp_path, "other.keras").write_weights(other, {}), tmp_path / "text.weights", tmp_path / "none"
    for path in paths:
        (answer,) = opened.ask(m.Refresh(str(path)), "refresh")
        assert isinstance(answer, m.Failed) and path.name in answer.sentence


def test_a_picture_file_is_encoded_as_kvae_reads_it(opened, real_models):
    path = next(iter(sorted(real_models.pictures.rglob("*.png"))))
    (found,) = opened.ask(m.Encode(str(path)), "encode")
    model, picture = kvae.load(real_models.trained), load_picture(path, size=16)
    np.testing.assert_array_equal(found.image, picture)
    np.testing.assert_allclose(found.latents, model.encode(picture[None])[0][0], atol=1e-4)
    assert nearly_equal(found.reconstruction[None], as_bytes(model.reconstruct(picture[None]))) and found.note == ""
    with Image.open(path) as file:
        pixels = np.asarray(file.convert("RGB"))
    (again,) = opened.ask(m.Encode(pixels), "encode")
    np.testing.assert_allclose(again.latents, found.latents, atol=0.02)


def test_a_picture_that_the_model_saw_is_encoded_at_each_weight_just_as_it_is(opened, real_models):
    picture = load_picture(next(iter(sorted(real_models.pictures.rglob("*.png")))), size=16)
    (found,) = opened.ask(m.Encode(picture, 0.3), "picture")
    model = kvae.load(real_models.trained)
    model.kl_weight.assign(0.3)
    np.testing.assert_array_equal(found.image, picture)
    np.testing.assert_allclose(found.latents, model.encode(picture[None])[0][0], atol=1e-4)
    assert nearly_equal(found.reconstruction[None], as_bytes(model.reconstruct(picture[None])))


@pytest.mark.parametrize("case", BAD)
def test_my_picture_that_is_none_is_one_sentence(opened, tmp_path, case):
    name, make, reason = BAD[case]
    make(tmp_path / name)
    (answer,) = opened.ask(m.Encode(str(tmp_path / name)), "encode")
    assert isinstance(answer, m.Failed) and answer.sentence.startswith(f"{name} ")
    assert any(part in answer.sentence for part in reason.split("|")), answer.sentence
    assert "\n" not in answer.sentence and len(answer.sentence) <= 160 and opened.process.is_alive()


@pytest.mark.parametrize("case", USED)
def test_my_picture_is_read_like_one_of_a_folder_and_what_is_to_be_known_is_said(opened, tmp_path, case):
    name, make, said = USED[case]
    make(tmp_path / name)
    (found,) = opened.ask(m.Encode(str(tmp_path / name)), "encode")
    assert isinstance(found, m.Encoded), found
    np.testing.assert_array_equal(found.image, load_picture(tmp_path / name, size=16))
    assert (said in found.note and name in found.note) if said else found.note == ""


def test_the_map_lays_out_the_training_pictures_with_their_folders(opened, real_models):
    *before, done = opened.ask(m.ReadMap(agreed=(str(real_models.pictures),)), "map")
    parts = [one for one in before if isinstance(one, m.MapPart)]
    latents = np.concatenate([part.latents for part in parts])
    names = [name for part in parts for name in part.names]
    assert parts[-1].done == parts[-1].total == len(latents) == len(names) == 24
    assert {folder for part in parts for folder in part.folders} == {"warm", "cold"}
    assert parts[0].thumbnails.shape[1:] == (16, 16, 3)
    assert done.components.shape == (6, 6) and done.shares.sum() == pytest.approx(1, abs=1e-4) and done.note == ""
    np.testing.assert_allclose(done.mean, latents.mean(0), atol=1e-5)
    spread = ((latents - done.mean) @ done.components.T).var(0)
    np.testing.assert_allclose(spread / spread.sum(), done.shares, atol=1e-4)


def test_a_map_of_more_pictures_than_it_lays_out_shows_a_sample_and_says_so(opened, real_models):
    question = m.ReadMap(most=7, agreed=(str(real_models.pictures),))
    whole, some = (
        [name for part in opened.ask(one, "map") if isinstance(part, m.MapPart) for name in part.names]
        for one in (m.ReadMap(agreed=question.agreed), question)
    )
    assert len(some) == 7 and some == [whole[row] for row in np.linspace(0, 23, 7).round().astype(int)]
    assert opened.ask(question, "map")[-1].note == "7 of 24 pictures, evenly spread."


def test_the_layout_of_a_map_is_kept_beside_the_model_and_not_worked_out_again(opened, real_models, tmp_path):
    moved = shutil.copy(real_models.trained, tmp_path / "moved.keras")
    opened.open(moved)
    question = m.ReadMap(agreed=(str(real_models.pictures),))
    first, second = ([one for one in opened.ask(question, "map") if isinstance(one, m.MapLaid)] for _ in range(2))
    assert len(first) > 5 and len(second) == 1 and (tmp_path / "moved.map").is_file()
    np.testing.assert_array_equal(first[-1].places, second[0].places)


def test_a_map_of_pictures_that_are_gone_shows_those_the_model_keeps(opened, real_models, tmp_path):
    model = kvae.load(real_models.trained)
    model.card["settings"]["data"] = str(tmp_path / "gone")
    kvae.save(model, tmp_path / "moved.keras")
    info = opened.open(tmp_path / "moved.keras")
    part, *_, done = opened.ask(m.ReadMap(agreed=(str(tmp_path / "gone"),)), "map")
    np.testing.assert_array_equal(part.latents, info.latents)
    assert len(part.names) == len(info.latents) and "gone" in done.note


@pytest.mark.parametrize("agreed", [(), ("/", "pictures", "/somewhere/else")])
@pytest.mark.parametrize("ending", ["", ".h5", ".npy"])
def test_nothing_that_a_card_names_is_read_before_it_is_agreed_to(opened, real_models, tmp_path, agreed, ending):
    place = tmp_path / f"private{ending}"
    os.mkfifo(place)  # whoever opens it to read waits for ever, and whoever writes finds out
    model = kvae.load(real_models.trained)
    model.card["settings"]["data"] = str(place)
    kvae.save(model, tmp_path / "curious.keras")
    info = opened.open(tmp_path / "curious.keras")
    unread, part, *_, done = opened.ask(m.ReadMap(agreed=agreed), "map")
    assert unread == m.Unread("curious", str(place))
    np.testing.assert_array_equal(part.latents, info.latents)
    assert str(place) not in done.note and f"the {len(info.latents)} pictures" in done.note
    assert opened.ask(m.Compare((info.path,), agreed=agreed)) == [unread]


def test_a_card_that_names_a_folder_in_other_words_names_the_same_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert {m.place_of(data) for data in ("art", "./art/", "x/../art", "~/art", str(tmp_path / "art"))} == {
        str(tmp_path / "art")
    }
    assert {m.place_of(data) for data in ("paintings", "", None, 3, ["art"])} == {""}


def test_models_are_compared_on_held_out_pictures_as_kvae_measures_them(opened, real_models, tmp_path):
    paths = (str(real_models.trained), str(real_models.plain), str(tmp_path / "none.keras"))
    answers = opened.ask(m.Compare(paths, count=3, agreed=(str(real_models.pictures),)))
    originals, *rows = [one for one in answers if not isinstance(one, m.Progress)]
    assert originals.images.shape[1:] == (16, 16, 3) and 1 <= len(originals.images) <= 3
    first, second, third = rows
    model, images = kvae.load(real_models.trained), originals.images
    assert nearly_equal(first.images, as_bytes(model.reconstruct(images)))
    model.compile()
    expected = model.evaluate(images, verbose=0, return_dict=True)
    assert first.distortion == pytest.approx(expected["distortion"], rel=1e-3)
    assert first.rate == pytest.approx(expected["rate"], rel=1e-3)
    error = np.square(images / 255.0 - model.reconstruct(images)).mean((1, 2, 3))
    assert first.psnr == pytest.approx(np.mean(-10 * np.log10(error)), rel=1e-3)
    assert first.active == sum(value >= 0.01 for value in model.card["posterior"]["variance"])
    assert second.failure == "" and second.images.shape == images.shape and second.name == "plain"
    assert "none.keras" in third.failure and len(third.images) == 0


def test_own_pictures_are_compared_in_the_order_given(opened, real_models):
    files = tuple(str(path) for path in sorted(real_models.pictures.rglob("*.png"))[:2])
    originals, row = opened.ask(m.Compare((str(real_models.trained),), files))
    assert len(originals.images) == len(row.images) == 2


def test_an_export_is_made_by_the_engine(opened, tmp_path):
    answers = opened.ask(m.ExportPicture(str(tmp_path / "art.png"), np.zeros(6, np.float32), 64))
    assert isinstance(answers[-1], m.Exported)
    with Image.open(answers[-1].path) as picture:
        assert picture.size == (64, 64)


def test_an_engine_whose_window_is_gone_leaves_no_unfinished_film(real_models, tmp_path):
    one = started()
    one.open(real_models.trained)
    folder = tmp_path / "films"
    one.post(m.ExportMorph(str(folder / "a.mp4"), np.zeros((20_000, 6), np.float32), 30.0, 256))
    one.hear(lambda message: isinstance(getattr(message, "content", None), m.Progress))
    assert [path.suffix for path in folder.iterdir()] == [".part"]
    one.pipe.close()
    one.process.join(10)
    assert one.process.exitcode == 0 and list(folder.iterdir()) == []


def test_an_engine_ends_at_once_when_its_pipe_closes_and_leaves_no_child():
    one = started()
    one.hear(lambda message: isinstance(message, m.Hello))  # it is importing TensorFlow now
    family = [psutil.Process(one.process.pid), *psutil.Process(one.process.pid).children(recursive=True)]
    one.pipe.close()
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_a_repaired_file_loads(opened, real_models, tmp_path):
    path = tmp_path / "art.keras"
    path.write_bytes(b"torn")
    assert isinstance(opened.ask(m.Open(str(path)))[-1], m.Failed)
    shutil.copy(real_models.plain, path)
    assert opened.open(path).latent_dim == 4
    shutil.copy(real_models.trained, path)
    os.utime(path, (time.time() + 5, time.time() + 5))
    assert opened.open(path).latent_dim == 6


def test_runs_that_were_cut_off_are_found_newest_first_and_those_that_go_on_are_not(opened, tmp_path):
    for age, (name, step) in enumerate({"old": 7, "new": 812, "alive": 3, "empty": 0}.items()):
        folder = RunFolder.beside(tmp_path / f"{name}.keras")
        folder.path.mkdir()
        if step:
            folder.write(step, b"{}", [np.ones(2)])
            os.utime(folder.file(step), (age, age))
    early = RunFolder.beside(tmp_path / "early.keras")
    early.path.mkdir()
    early.begin(b"{}")
    alive = RunFolder.beside(tmp_path / "alive.keras")
    assert alive.take()
    try:
        (found,) = opened.ask(m.FindInterrupted(str(tmp_path)))
    finally:
        alive.release()
    assert found == m.InterruptedRuns(
        tuple(str(tmp_path / f"{name}.keras") for name in ("early", "new", "old")), (0, 812, 7)
    )
    assert opened.ask(m.FindInterrupted(str(tmp_path / "nowhere"))) == [m.InterruptedRuns((), ())]
