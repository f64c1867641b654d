"""What `--resume` reads of strangers: every hostile card and checkpoint is refused in one sentence, or goes on."""

import itertools
import json
import re

import pytest
from corpus import checkpoints, fields
from corpus.forge import CARD, Member, archive

from kvae.files.refusal import Refused
from kvae.files.strict_json import parse
from kvae.saving.card import CARD_NODES, read_settings
from kvae.saving.card_fields import held, shown
from kvae.training.checkpoint import ABOUT
from kvae.training.resume import _look

MOST_SECONDS, MOST_GROWTH, MOST_CHARACTERS = 1.0, 64 << 20, 160
MOST_OF_A_REASON = MOST_CHARACTERS - len("resume: ") - 40 - 1  # beside the name of the file


def refusal(reader, content):
    """What `reader` says against `content`, or None; nothing but a refusal may come of it."""
    try:
        reader(parse(content, most_nodes=CARD_NODES))
    except Refused as error:
        return str(error)
    return None


def looked_at(card):
    if not isinstance(card, dict):
        raise Refused(
            "holds a card that is no table. Open another file."
        )  # as `description` does before the card is looked at
    held(card)


def stated(about):
    ABOUT.hold(about, "its state")
    read_settings(about["model"])


def in_one_sentence(said):
    wrong = {
        name: line
        for name, line in said.items()
        if line and not (line.isprintable() and ". " in line and len(line) <= MOST_OF_A_REASON)
    }
    assert not wrong, wrong


def test_every_change_of_every_field_of_a_card_is_refused_in_a_sentence_or_held(run):
    card = json.loads(run[0].members[CARD])
    said = {name: refusal(looked_at, content) for name, content in fields.cases(card)}
    in_one_sentence(said)
    assert sum(line is not None for line in said.values()) > 0.75 * len(said) > 1000
    for name in ("step is below zero", "history is a list", "settings.seed is a huge number", "latents twice"):
        assert said[name], name


def test_what_is_shown_of_a_card_are_the_parts_that_can_be(run):
    card = json.loads(run[0].members[CARD])
    assert shown(card) == card
    for name, content in fields.cases(card):
        with_one = None
        try:
            with_one = parse(content, most_nodes=CARD_NODES)
        except Refused:
            continue
        left = shown(with_one)
        assert refusal(held, json.dumps(left).encode()) is None, name
    assert shown({**card, "history": [1.0], "step": "x"}) == {
        k: v for k, v in card.items() if k not in ("history", "step")
    }


def test_every_change_of_every_field_of_a_checkpoint_is_refused_or_held_to_its_bounds(run):
    about, arrays = run[1]
    kinds = [(one.dtype, one.shape) for one in arrays]
    said = {}
    for name, content in fields.cases(about):
        said[name] = refusal(stated, content)
    in_one_sentence(said)
    assert sum(line is not None for line in said.values()) > 0.8 * len(said) > 800
    assert refusal(lambda found: _look(found, kinds), json.dumps(about).encode()) is None


def test_a_run_writes_cards_and_checkpoints_that_hold(run):
    card, (about, _) = json.loads(run[0].members[CARD]), run[1]
    assert held(card) == card and ABOUT.hold(about, "its state") == about
    assert set(card) <= set(held({})) | {*shown(card)}  # every part has its bounds


def ask(server, kind, path):
    """The answer, where slow or large once may be the machine, and twice is not."""
    answer = server.ask(kind, path)
    if answer["outcome"] == "REF" and (answer["seconds"] > MOST_SECONDS or answer["growth"] > MOST_GROWTH):
        answer = server.ask(kind, path)
    assert answer["outcome"] in ("REF", "LOADS"), answer
    if answer["outcome"] == "REF":
        line = answer["says"]
        assert line.isprintable() and len(line) <= MOST_CHARACTERS and re.search(r"[.] [A-Z]", line), line
        assert answer["seconds"] < MOST_SECONDS and answer["growth"] < MOST_GROWTH, answer
    return answer


@pytest.mark.parametrize("case", checkpoints.CASES)
def test_a_checkpoint_is_refused_or_goes_on_as_promised(case, run, server, tmp_path):
    path = checkpoints.CASES[case](run[1], tmp_path)
    answer = ask(server, "resume", path)
    assert answer["outcome"] == ("LOADS" if case in checkpoints.LOADS else "REF"), answer
    assert path.exists()  # a refused run is still there


def carded(run, folder, content):
    members = {**run[0].members, CARD: content}
    return run[0].file(folder, archive([Member(name, data) for name, data in members.items()]))


def some(cases, each):
    """Every `each`-th case, another one for each field."""
    return dict(itertools.islice(cases, 0, None, each))


def test_cards_under_resume_are_refused_or_go_on(run, server, tmp_path):
    card = json.loads(run[0].members[CARD])
    outcomes = {}
    for name, content in some(fields.cases(card), 37).items():
        outcomes[name] = ask(server, "resume", carded(run, tmp_path, content))["outcome"]
    assert len(outcomes) > 40 and {"REF", "LOADS"} == set(outcomes.values())


@pytest.mark.parametrize("kind", ["card", "checkpoint"])
def test_what_is_not_refused_trains_on(kind, run, server, tmp_path):
    trained_on(kind, run, server, tmp_path, each=60)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", ["card", "checkpoint"])
def test_everything_that_is_not_refused_trains_on(kind, run, server, tmp_path):
    trained_on(kind, run, server, tmp_path, each=1)


def trained_on(kind, run, server, folder, each):
    """Whatever a card or checkpoint says that holds, the run goes on to its end or is refused in a sentence."""
    about = json.loads(run[0].members[CARD]) if kind == "card" else run[1][0]
    reader = looked_at if kind == "card" else stated
    accepted = (case for case in fields.cases(about) if refusal(reader, case[1]) is None)
    asked = 0
    for number, (name, content) in enumerate(itertools.islice(accepted, 0, None, each)):
        place = folder / str(number)
        place.mkdir()
        made = carded(run, place, content) if kind == "card" else checkpoints.written(place, content, run[1][1])
        answer = ask(server, "train on", made)
        assert answer["outcome"] == "LOADS" or not name.startswith("created"), (name, answer)
        asked += 1
    assert asked > 3
