"""What a run does before it trains, as one share and in plain words."""

import numpy as np
import pytest

from explorer.messages import Began, PicturesReady, Said, Working
from explorer.state.preparation import Preparation

LIMIT = "measuring the Gaussian limit"


def _run(preparation: Preparation, *messages) -> list[float]:
    shares = []
    for second, message in enumerate(messages):
        preparation.take(message, float(second))
        shares.append(preparation.share)
    return shares


def _parts(what: str, total: int) -> list[Working]:
    return [Working(1, done, total, what) for done in range(1, total + 1)]


@pytest.mark.parametrize("first", ["painting", "reading pictures", "decoding pictures", "something new"])
def test_one_bar_goes_forward_only_however_often_a_part_begins_again(first):
    empty = np.empty(0)
    preparation = Preparation()
    shares = _run(
        preparation,
        *_parts(first, 10), *_parts("varying", 7), *_parts(LIMIT, 10), *_parts(LIMIT, 10), *_parts(LIMIT, 5),
        PicturesReady(1, "p", 9, 1, "cpu", empty, empty, empty), Began(1, 0.1, 100, 10, 0),
    )  # fmt: skip
    assert shares == sorted(shares) and shares[0] > 0 and shares[-1] == 1.0
    again = shares[17:42]
    assert len(set(again)) == len(again) and again[-1] < 0.95, "each of them moves it, and none fills it"


def test_words_are_those_of_somebody_who_paints():
    preparation = Preparation()
    for what in ("decoding pictures", LIMIT, "varying"):
        preparation.take(Working(1, 1, 10, what), 0.0)
        assert "Gaussian" not in preparation.words and not any(sign.isdigit() for sign in preparation.words)
    assert preparation.words == "looking at varied copies of the pictures"
    preparation.take(Said(1, "2 pictures were skipped."), 1.0)
    assert preparation.words == "looking at varied copies of the pictures"


def test_the_time_left_is_told_late_and_does_not_jump():
    preparation, told = Preparation(), []
    random = np.random.default_rng(3)
    now = 0.0
    for done in range(1, 201):
        now += float(random.choice([0.05, 0.1, 3.0], p=[0.6, 0.3, 0.1]))  # a machine that is busy elsewhere
        preparation.take(Working(1, done, 200, "decoding pictures"), now)
        told.append((now, preparation.seconds_left))
    known = [(moment, left) for moment, left in told if left is not None]
    assert all(left is None for moment, left in told if moment < 4.0) and len(known) > 100
    for (earlier, before), (later, after) in zip(known, known[1:], strict=False):
        assert abs(after - max(before - (later - earlier), 0.0)) <= 0.1 * max(before, 60.0)


def test_a_run_says_that_its_model_is_being_saved():
    from explorer.state.runs import RunCurves

    run = RunCurves(1, {})
    run.take(Working(1, 1, 10, "decoding pictures"))
    assert not run.saving
    run.take(Began(1, 0.1, 100, 10, 0))
    run.take(Working(1, 0, 1, "measuring and saving the model"))
    assert run.saving and run.preparation.words == "measuring and saving the model"
