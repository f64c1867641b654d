"""`kvae-measure`: models measured on pictures, in a table, as JSON, CSV and a page."""

import csv
import io
import json
import os
import sys

import pytest

import kvae
from kvae.cli.measure import main
from kvae.measures.results import NUMBERS
from kvae.training.measured_files import measure_files

WEIGHTS = (1.0, 0.1)


@pytest.fixture(scope="module")
def models(folder, tmp_path_factory):
    """A linear model of each of two weights, and a model of a range in closed form, on the folder's pictures."""
    place = tmp_path_factory.mktemp("models")
    settings = {"size": 16, "augment": False, "validation": 0.3, "epochs": 1, "balance_every": 0}
    with pytest.MonkeyPatch.context() as patch:
        for drawing in ("draw_run", "draw_range"):
            patch.setattr(f"kvae.training.artifacts.{drawing}", lambda *arguments, **options: None)
        for weight in WEIGHTS:
            path = place / f"w{weight:g}.keras"
            kvae.train(folder, output=path, network="linear", latent_dim=4, kl_weight=weight, **settings)
    every = kvae.VAE(image_shape=(16, 16, 3), widths=(8, 8), kl_weight=(0.05, 1.0))
    every.adapt(kvae.open_collection(folder, size=16).read(range(60)))
    every.save(place / "every.keras")
    return place


def names(place, *stems) -> list[str]:
    return [str(place / f"{stem}.keras") for stem in stems]


def test_models_are_compared_in_a_table_with_what_the_numbers_say(models, folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main([*names(models, "w1", "w0.1"), "--data", str(folder)]) == 0
    printed = capsys.readouterr().out
    held = len(kvae.open_collection(folder, size=16).split(0.3)[1])
    assert f"w1: {held} pictures held out from its training" in printed
    for text in ("Is scaling sound?", "Which term pulls?", "Picture against smoothness?", "β 1", "β 0.1", "SSIM"):
        assert text in printed
    assert "Where factors are known" not in printed  # a folder's pictures have none
    (path,) = [row for row in printed.splitlines() if row.strip().startswith("decoded path")]
    assert path.split()[-2:] == ["1.000", "1.000"]  # linear decoders
    assert "The best bound has w" in printed and "Envelope test, between these models: " in printed
    assert "copy" in printed or "copies" in printed


def test_a_model_of_a_range_is_measured_at_its_weights_and_told_in_json_csv_and_html(models, folder, tmp_path, capsys):
    (tmp_path / "m.csv").write_text("mine")
    files = ["--csv", str(tmp_path / "m.csv"), "--html", str(tmp_path / "m.html")]
    assert main([*names(models, "every", "w1"), "--data", str(folder), "--json", "--pictures", "8", *files]) == 0
    captured = capsys.readouterr()
    every, one, both = (json.loads(row) for row in captured.out.splitlines())
    weights = [row["kl_weight"] for row in every["at"]]
    assert weights == [1.0, 0.473, 0.224, 0.106, 0.05] and every["pictures"] == 8 and every["envelope"]
    assert [row["kl_weight"] for row in one["at"]] == [1.0] and set(NUMBERS) < set(one["at"][0])
    with open(tmp_path / "m-2.csv", encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert (tmp_path / "m.csv").read_text() == "mine"
    assert [(row["model"], float(row["kl_weight"])) for row in rows] == [("every", one) for one in weights] + [
        ("w1", 1.0)
    ]
    for row, told in zip(rows, [*every["at"], *one["at"]], strict=True):
        assert {name: row[name] for name in NUMBERS} == {
            name: "" if told[name] is None else str(told[name]) for name in NUMBERS
        }
    page = (tmp_path / "m.html").read_text(encoding="utf-8")
    assert "decoded path" in page and "data:image/png;base64," in page and "http" not in page
    assert every["findings"][0].startswith("The best bound has weight ")
    assert both["findings"][0].startswith(("The best bound has every at", "The best bound has w1 at"))


def test_a_range_is_measured_where_it_is_asked_for(models, folder, capsys):
    flags = ["--data", str(folder), "--kl-weight", "0.3", "--json", "--pictures", "4"]
    assert main([*names(models, "every", "w1"), *flags]) == 0
    told = [json.loads(row) for row in capsys.readouterr().out.splitlines()][:2]
    assert [[row["kl_weight"] for row in one["at"]] for one in told] == [[0.3], [1.0]]


def test_pictures_that_a_model_never_saw_are_all_measured_and_painted_ones_have_factors(models, capsys, monkeypatch):
    few, home = kvae.open_collection, "kvae.training.measured_files.open_collection"
    monkeypatch.setattr(home, lambda *given, **options: few(count=60, **options))
    assert main([*names(models, "w1"), "--data", "paintings"]) == 0
    printed = capsys.readouterr().out
    assert "w1: 60 pictures of another collection than it was trained on" in printed
    assert "Where factors are known" in printed and "MIG" in printed
    assert "without the training pictures nobody knows whether samples are copies" in printed


def test_models_of_different_splits_are_measured_on_what_all_of_them_never_saw(models, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)
    settings = {"size": 16, "augment": False, "validation": 0.5, "epochs": 1, "balance_every": 0}
    kvae.train(folder, output=tmp_path / "half", network="linear", latent_dim=4, **settings)
    files = [models / "w1.keras", models / "every.keras", tmp_path / "half.keras"]
    found = measure_files(files, folder)
    collection = kvae.open_collection(folder, size=16)
    held = set(collection.split(0.3)[1]) & set(collection.split(0.5)[1])
    assert [one.pictures for one in found] == [len(held)] * 3
    alone = kvae.measure(kvae.load(files[0]), collection.read(sorted(held)), training=collection.read(range(60)))
    assert found[0].at[0].distortion == pytest.approx(alone.at[0].distortion)
    assert [one.at[0].copied is None for one in found] == [False, True, False]


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_name_is_no_markup_and_fits_every_encoding(models, folder, tmp_path, monkeypatch, flags):
    strange = tmp_path / "[red]é[.keras"
    strange.write_bytes((models / "w1.keras").read_bytes())
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert main([str(strange), *names(models, "w1"), "--data", str(folder), "--pictures", "4", *flags]) == 0
    sys.stdout.flush()
    printed = raw.getvalue().decode()
    if flags:
        assert json.loads(printed.splitlines()[0])["name"] == "[red]é["
    else:
        assert "[red]\\xe9[" in printed.split("\n", 2)[2]  # in the head of the table, too


def test_names_of_models_are_text_in_every_output(models, folder, tmp_path, capsys):
    strange = tmp_path / "=<b>1.keras"
    strange.write_bytes((models / "w1.keras").read_bytes())
    files = ["--csv", str(tmp_path / "m.csv"), "--html", str(tmp_path / "m.html")]
    assert main([str(strange), "--data", str(folder), "--pictures", "4", "--quiet", *files]) == 0
    assert capsys.readouterr() == ("", "")
    assert "\n'=<b>1,linear" in (tmp_path / "m.csv").read_text()
    assert "<b>1" not in (tmp_path / "m.html").read_text() and "=&lt;b&gt;1" in (tmp_path / "m.html").read_text()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["{models}/w1.keras"], "--data"),
        (["{models}/nothing.keras", "--data", "{folder}"], "There is no model file"),
        (["{models}/w1.keras", "--data", "{folder}/nowhere"], "There is no file or folder"),
        (["{models}/w1.keras", "--data", "{folder}", "--kl-weight", "0.5"], "no model here has a range of weights"),
        (
            ["{models}/every.keras", "--data", "{folder}", "--kl-weight", "5"],
            "knows weights from 0.05 to 1. Received: 5.",
        ),
        (["{models}/w1.keras", "--data", "{folder}", "--pictures", "1"], "whole number from 2 to 512. Received: '1'"),
        (
            ["{models}/w1.keras", "--data", "{folder}", "--csv", "{folder}/new/m.csv"],
            "is no folder that can be written",
        ),
        (["{models}/w1.keras", "--data", "{folder}", "--html", "{folder}"], "is a folder. Name a file in it"),
        (["{models}/w1.keras", "--data", "{folder}", "--csv", os.devnull], "is nothing that can be kept"),
        (["{models}/w1.keras", "--data", "{folder}", "--seed", "-1"], "--seed must be a whole number from 0"),
        (["{models}/w1.keras", "--data", "{folder}", "--jsn"], "Did you mean --json?"),
    ],
)
def test_bad_input_ends_in_one_sentence(models, folder, capsys, flags, sentence):
    try:
        code = main([flag.format(models=models, folder=folder) for flag in flags])
    except SystemExit as end:
        code = end.code
    captured = capsys.readouterr()
    assert code == 2 and captured.out.count("\n") <= 1
    (error,) = [row for row in captured.err.splitlines() if row.startswith("kvae-measure: error: ")]
    assert sentence in error and "Traceback" not in captured.err


def test_grey_pictures_are_not_measured_by_a_model_of_coloured_ones(models, tmp_path, capsys):
    import numpy as np

    np.save(tmp_path / "grey.npy", np.random.default_rng(0).integers(0, 256, (12, 16, 16)).astype("uint8"))
    assert main([*names(models, "w1"), "--data", str(tmp_path / "grey.npy")]) == 2
    assert "its pictures are 16x16 in colour, and those of --data are 16x16 in grey" in capsys.readouterr().err
