"""What is in a folder is told before anything is trained on it."""

import numpy as np
import pytest
from corpus.pictures import BAD, noise

from explorer.engine.cards import portrait
from explorer.engine.looking import FEW, look_into
from explorer.messages import LookInto


class Job:
    def __init__(self, data):
        self.content, self.answers = LookInto(str(data)), []

    def reply(self, answer, last=False):
        self.answers.append(answer)


def seen(data):
    job = Job(data)
    look_into(job)
    return job.answers[0]


def test_pictures_are_counted_in_all_folders_and_a_few_are_shown(tmp_path):
    (tmp_path / "deep").mkdir()
    for number in range(20):
        noise(number).save(tmp_path / ("deep" if number % 2 else ".") / f"{number}.png")
    (tmp_path / "notes.txt").write_text("none")
    found = seen(tmp_path)
    assert (found.count, found.others) == (20, 1) and found.images.shape == (FEW, 64, 64, 3)


def test_bad_files_among_the_first_are_passed_over(tmp_path):
    for number, (name, make, _) in enumerate((BAD["text"], BAD["zero bytes"], BAD["truncated PNG"])):
        (tmp_path / str(number)).mkdir()
        make(tmp_path / str(number) / name)
    for number in range(5):
        noise(number).save(tmp_path / f"z{number}.png")
    found = seen(tmp_path)
    assert found.count == 8 and len(found.images) == 5


def test_a_file_of_arrays_is_counted_and_shown(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 256, (30, 9, 9), np.uint8))
    found = seen(tmp_path / "a.npy")
    assert found.count == 30 and found.images.shape == (FEW, 64, 64, 1)


def test_an_empty_folder_is_one_sentence_with_the_cure(tmp_path):
    with pytest.raises(ValueError, match="There is no picture in .* Choose another folder."):
        seen(tmp_path)


def test_a_model_is_known_by_a_picture_of_its_card_and_one_without_has_none(real_models, tmp_path):
    assert portrait(str(real_models.trained)).shape == (16, 16, 3)
    (tmp_path / "no.keras").write_bytes(b"no model")
    assert portrait(str(real_models.plain)) is portrait(str(tmp_path / "no.keras")) is None
