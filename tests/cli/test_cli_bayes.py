"""`kvae-bayes`: its page, its numbers as JSON, and what it refuses."""

import json
import os

import numpy as np
import pytest

from kvae.bayes import study
from kvae.cli.bayes import main


@pytest.fixture
def asked(monkeypatch):
    """The weights and seeds that were asked for; nothing is trained."""
    kept = []

    def fit_line(line, weights, seeds, *, progress):
        kept.append((weights, list(seeds)))
        progress(0, 2, "the wavy line")
        flat = np.zeros_like(line.grid)
        return [
            study.Fitted(weight, seed, flat, flat + 0.1, np.ones(3), -weight, 0.9, 10 / weight)
            for weight in weights
            for seed in seeds
        ]

    def classify(weights, seeds, *, progress):
        return [study.Classified(weight, seed, False, 0.5, -1.0, 0.1, 3.0) for weight in weights for seed in seeds]

    monkeypatch.setattr(study, "fit_line", fit_line)
    monkeypatch.setattr(study, "classify", classify)
    return kept


def test_the_page_and_the_picture_lie_beside_each_other_and_nothing_is_overwritten(asked, tmp_path, capsys):
    target = tmp_path / "deep" / "b.html"
    for name in ("b", "b-2"):
        assert main(["--kl-weight", "0.1", "1", "--output", str(target)]) == 0
        assert target.with_name(f"{name}.html").is_file() and target.with_name(f"{name}.png").is_file()
    assert asked[0] == ((0.1, 1.0), [0, 1])
    said = capsys.readouterr().out
    assert "a cold posterior is better here" in said and f"page {target}" in said


def test_json_holds_every_number(asked, tmp_path, capsys):
    assert main(["--kl-weight", "0.1", "--seeds", "1", "--json", "--output", str(tmp_path / "b")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["line"] == [
        {"weight": 0.1, "seed": 0, "log_likelihood": -0.1, "covered": 0.9, "kl": pytest.approx(100.0)}
    ]
    assert found["manners"][0]["accuracy"] == 0.5 and found["page"].endswith("b.html")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--seeds", "0"], "--seeds must be from 1 to 100"),
        (["--kl-weight", "0"], "--kl-weight must be above 0: without a KL term there is no posterior"),
        (["--kl-weight", "-1"], "--kl-weight must be a number from 0"),
        (["--kl-wait", "1"], "Did you mean --kl-weight?"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(flags, words, capsys):
    with pytest.raises(SystemExit) as left:
        main(flags)
    assert left.value.code == 2 and words in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_said(asked, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert main(["--output", str(tmp_path / "file" / "b.html")]) == 2
    assert capsys.readouterr().err.startswith("kvae-bayes: error: ")
    assert main(["--output", os.devnull]) == 2 and asked == []
    assert "is nothing that can be kept" in capsys.readouterr().err
