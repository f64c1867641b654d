"""A picture that a model painted leads back into it, whatever the file is called by then."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from explorer.engine import process
from explorer.engine.bookmarks import read_bookmarks, write_bookmarks
from explorer.engine.models import Models
from explorer.messages import BookmarksRead, Encode, Encoded, PicturePoint, Recalled, WriteBookmarks
from explorer.png import to_png
from explorer.state.bookmarks import Bookmark, from_plain, to_plain
from kvae.saving.card import STARTER


class Job:
    """What the engine hands a question."""

    def __init__(self, content):
        self.content, self.answers = content, []

    def reply(self, answer, last=False):
        self.answers.append(answer)

    def piece(self):
        import contextlib

        return contextlib.nullcontext()


@pytest.fixture
def engine(real_models):
    made = process.Engine(None)
    made._models.show(made._models.get(str(real_models.trained)))
    return made


def asked(engine, *question):
    job = Job(Encode(*question))
    engine._encode(job)
    return job.answers[0]


def painted(engine, digest=""):
    """A PNG of a picture of the open model at 512 pixels, and its point."""
    info = engine._models.current.info
    latents = np.random.default_rng(4).standard_normal(info.latent_dim).astype(np.float32)
    pixels = engine._models.current.decode(latents[None], 0.5)[0]
    return to_png(pixels, 512, point=PicturePoint(digest or info.digest, "sea", latents, 0.5)), latents


def test_a_picture_of_this_model_comes_back_to_its_very_point_from_a_file_and_from_the_clipboard(engine, tmp_path):
    png, latents = painted(engine)
    (tmp_path / "a.png").write_bytes(png)
    for question in ((str(tmp_path / "a.png"),), (np.zeros((9, 9, 3), np.uint8), None, png)):
        answer = asked(engine, *question)
        assert isinstance(answer, Recalled) and answer.kl_weight == 0.5
        assert answer.latents.tobytes() == latents.tobytes()


def test_a_picture_of_another_model_is_found_anew_and_says_so(engine, tmp_path):
    (tmp_path / "a.png").write_bytes(painted(engine, "0" * 64)[0])
    answer = asked(engine, str(tmp_path / "a.png"))
    assert isinstance(answer, Encoded) and answer.note.startswith("sea painted this picture, another model")


def test_a_point_that_cannot_be_is_refused_and_nothing_is_encoded(engine, tmp_path):
    png, _ = painted(engine)
    (tmp_path / "a.png").write_bytes(png.replace(b'"kl_weight": 0.5', b'"kl_weight": 1e9'))
    with pytest.raises(ValueError, match=r"^a\.png is damaged .* Save"):
        asked(engine, str(tmp_path / "a.png"))


def test_a_model_is_the_same_under_another_name_and_another_one_after_training(real_models, tmp_path):
    moved = shutil.copy(real_models.trained, tmp_path / "moved.keras")
    models = Models()
    one, other = models.get(str(real_models.trained)), models.get(str(moved))
    assert one.info.digest == other.info.digest and len(one.info.digest) == 64
    assert models.get(str(real_models.plain)).info.digest != one.info.digest
    weight = one.model.trainable_weights[0]
    weight.assign(weight.numpy() + 0.01)
    assert one._info(None).digest != other.info.digest
    one.model.kl_weight.assign(0.7)
    before = one._info(None).digest
    one.model.kl_weight.assign(0.2)
    assert one._info(None).digest == before  # turning the weight makes no other model


def test_frames_at_several_weights_are_those_at_each_weight(real_models):
    loaded = Models().get(str(real_models.trained))
    latents = np.random.default_rng(0).standard_normal((7, loaded.info.latent_dim)).astype(np.float32)
    weights = np.array([0.05, 0.05, 0.2, 0.2, 0.2, 1.0, 0.05])
    together = loaded.decode(latents, weights)
    for place, weight in enumerate(weights):
        alone = loaded.decode(latents[place : place + 1], float(weight))[0]
        assert np.abs(together[place].astype(int) - alone).max() <= 1
    assert loaded.decode(latents[:0], weights[:0]).shape == (0, *loaded.info.image_shape)


def test_an_export_that_waited_is_painted_by_the_model_it_was_asked_of(engine, real_models):
    first = engine._models.current
    engine._models.show(engine._models.get(str(real_models.plain)))
    assert engine._models.opened(first.path) is first
    assert engine._models.opened("") is engine._models.current
    with pytest.raises(ValueError, match="gone.keras is not open any more. Open it again"):
        engine._models.opened("/x/gone.keras")


# ---------------------------------------------------------------------- bookmarks


def request(path, **more):
    entries = tuple(to_plain((Bookmark("sea", (1.0, 2.0), 0.5),)))
    return WriteBookmarks(str(path), "ab" * 32, "art", 2, entries, **more)


def test_bookmarks_are_read_as_they_were_written_and_replaced_beside_their_model_alone(tmp_path):
    path = tmp_path / "paintings 0.1.bookmarks"
    for _ in range(2):
        assert write_bookmarks(request(path, beside=True)).path == str(path)
    found = read_bookmarks(str(path), optional=True)
    assert (found.digest, found.name, found.latent_dim) == ("ab" * 32, "art", 2)
    assert from_plain(found.entries, 2) == (Bookmark("sea", (1.0, 2.0), 0.5),)
    assert write_bookmarks(request(path)).path == str(tmp_path / "paintings 0.1-2.bookmarks")


def test_where_there_are_none_that_is_no_error_and_where_one_was_chosen_it_is(tmp_path):
    assert read_bookmarks(str(tmp_path / "x.bookmarks"), optional=True) == BookmarksRead(
        str(tmp_path / "x.bookmarks"), "", "", 0, None
    )
    with pytest.raises(OSError):
        read_bookmarks(str(tmp_path / "x.bookmarks"), optional=False)


def test_somebody_elses_file_of_that_name_is_left_as_it_is(tmp_path):
    path = tmp_path / "art.bookmarks"
    path.write_text("my own notes")
    with pytest.raises(ValueError, match="is no file of bookmarks, and is left as it is"):
        write_bookmarks(request(path, beside=True))
    assert path.read_text() == "my own notes"


def test_nothing_is_kept_beside_the_model_in_the_box_or_one_in_training(tmp_path):
    box = replace(request(""), path=str(STARTER.resolve().with_suffix(".bookmarks")), beside=True)
    run = tmp_path / "kvae-run-1-x"
    for one in (box, request(run / "art.bookmarks", beside=True)):
        with pytest.raises(ValueError, match="Nothing is kept beside"):
            write_bookmarks(one)
