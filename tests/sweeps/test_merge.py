"""Two sweeps on one page."""

import shutil

import numpy as np
import pytest

import kvae
from kvae.cli.sweep import main
from kvae.sweeps.merge import merge
from kvae.sweeps.sweep import sweep

LINEAR = {"size": 16, "network": "linear", "augment": False}

pytestmark = pytest.mark.usefixtures("only_the_page")


@pytest.fixture(scope="module")
def sweeps(pictures, tmp_path_factory):
    """Two of the same pictures, which share a trial, and one of others."""
    folder = tmp_path_factory.mktemp("sweeps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)
        one = sweep(pictures, [1.0], axes={"latent_dim": [4, 8]}, output=folder / "one" / "a.html", **LINEAR)
        two = sweep(pictures, [1.0, 0.1], latent_dim=8, output=folder / "two" / "b.html", **LINEAR)
        three = sweep(pictures[:40], [1.0], latent_dim=8, output=folder / "c.html", **LINEAR)
    return one, two, three


def test_trials_of_both_are_there_once_under_names_that_tell_them_apart(sweeps, tmp_path):
    one, two, _ = sweeps
    table, drawn = merge([one.page, two.table.path], tmp_path / "both.html")
    assert [trial.name for trial in table.trials] == [
        "KL weight 1, 4 latents",
        "KL weight 1, 8 latents",
        "KL weight 0.1, 8 latents",
    ]
    assert kvae.open_sweep(tmp_path / "both.html") == table
    assert all(trial.model.is_file() for trial in table.trials)
    rows = [row for row in drawn.rows if not row.gaussian_limit]
    np.testing.assert_array_equal(rows[2].reconstructions, two.rows[1].reconstructions)
    page = (tmp_path / "both.html").read_text("utf-8")
    assert page.count("<h1>") == 1 and "At weight 1, " in page and "Gaussian limit, β=0.1" in page


def test_sweeps_of_other_pictures_are_parts_of_one_page_and_nothing_is_overwritten(sweeps, tmp_path):
    (tmp_path / "both.html").write_text("mine")
    table, _ = merge([each.page for each in sweeps], tmp_path / "both.html")
    assert table.path.name == "both-2.json" and (tmp_path / "both.html").read_text() == "mine"
    page = (tmp_path / "both-2.html").read_text("utf-8")
    assert page.count("<h1>") == 2 and "48 pictures at 16x16" in page and "40 pictures at 16x16" in page


def test_an_index_alone_makes_a_page_without_pictures(sweeps, tmp_path):
    one, two, _ = sweeps
    for found in (one, two):
        shutil.copy(found.table.path, tmp_path)
    merge([tmp_path / "a.json", tmp_path / "b.json"], tmp_path / "both.html")
    page = (tmp_path / "both.html").read_text("utf-8")
    assert "KL weight 0.1, 8 latents" in page and "data:image/png" not in page and "How many latents help" not in page


def test_the_command_merges_and_says_where(sweeps, tmp_path, capsys):
    one, two, _ = sweeps
    flags = ["--merge", str(one.page), str(two.page), "--output", str(tmp_path / "both")]
    assert main(flags) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"page {tmp_path / 'both.html'}",
        f"figure {tmp_path / 'both.png'}",
    ]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--merge", "{one}"], "merge: there must be at least two sweeps. Received: 1."),
        (["--merge", "{one}", "{one}"], "merge: there must be at least two sweeps. Received: 1."),
        (["--merge", "{one}", "{place}/no.html"], "open_sweep: there is no index"),
        (["--merge", "{one}", "{place}/no.html", "--seed", "1"], "merge: --seed has no effect: nothing is trained."),
    ],
)
def test_what_cannot_be_merged_is_refused_in_one_sentence(sweeps, tmp_path, capsys, flags, sentence):
    flags = [flag.format(one=sweeps[0].page, place=tmp_path) for flag in flags]
    assert main([*flags, "--output", str(tmp_path / "new" / "both")]) == 2
    assert sentence in capsys.readouterr().err and not (tmp_path / "new").exists()
