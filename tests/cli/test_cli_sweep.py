"""`kvae-sweep`: several weights on one page."""

import json

import pytest

import kvae
from kvae.cli.sweep import main


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)


def test_a_sweep_prints_a_table_of_every_run_and_limit_and_overwrites_no_page(linear, tmp_path, capsys):
    (tmp_path / "s.html").write_text("my page")
    flags = ["--kl-weight", "0", "0.1", "--with-autoencoder", "--output", str(tmp_path / "s.html")]
    assert main([*linear, *flags]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-2:] == [f"page {tmp_path / 's-2.html'}", f"figure {tmp_path / 's-2.png'}"]
    for row in ("KL weight 0 ", "KL weight 0.1", "plain autoencoder", "Gaussian limit, β=0 ", "Gaussian limit, β=0.1"):
        assert sum(line.startswith(row) for line in printed.splitlines()) == 1
    assert "nan" not in printed and "4 of 4" in printed
    assert (tmp_path / "s.html").read_text() == "my page"
    assert {path.name for path in tmp_path.glob("*.keras")} == {"s-2-0.keras", "s-2-0.1.keras", "s-2-autoencoder.keras"}


def test_a_sweep_tells_its_runs_in_json_and_then_its_page_and_models(linear, tmp_path, capsys):
    flags = ["--kl-weight", "2", "--output", str(tmp_path / "s"), "--json"]
    assert main([*linear, *flags]) == 0
    epoch, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert epoch["epoch"] == 1 and epoch["kl_weight"] == 2.0
    assert last["page"] == str(tmp_path / "s.html") and last["figure"] == str(tmp_path / "s.png")
    assert [kvae.load(path).beta for path in last["models"]] == [2.0]


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--kl-weight", "1", "-2"], "--kl-weight must be a number from 0"),
        (["--kl-weight", "nan"], "--kl-weight must be a number from 0"),
        (["--weighting", "pi"], "`kl_weight` has no effect: weighting pi finds the weight by itself"),
        (["--epochs", "2", "--minutes", "1"], "the length of the run is given in minutes"),
        (["--output", "/dev/null"], "/dev/null is nothing that a model can be kept in. Choose another --output."),
        (["--output", "{place}"], "is a folder. Name the file"),
        (["--output", "{place}/s.keras"], "a sweep's page ends in .html"),
        (["--data", "{place}/nowhere"], "There is no file or folder"),
    ],
)
def test_bad_input_ends_in_one_sentence_and_writes_nothing(small, tmp_path, capsys, flags, sentence):
    flags = [*small, "--output", str(tmp_path / "new" / "s.html"), *(flag.format(place=tmp_path) for flag in flags)]
    try:
        code = main(flags)
    except SystemExit as end:
        code = end.code
    captured = capsys.readouterr()
    assert code == 2 and list(tmp_path.iterdir()) == []
    (error,) = [line for line in captured.err.splitlines() if line.startswith("kvae-sweep: error: ")]
    assert sentence in error and "Traceback" not in captured.err


def test_a_sweep_that_ctrl_c_ended_has_its_exit_code(linear, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("kvae.cli.display.Silent.should_stop", lambda self: self.running)
    assert main([*linear, "--kl-weight", "1", "2", "--output", str(tmp_path / "s")]) == 130
    assert (tmp_path / "s.html").is_file() and len(list(tmp_path.glob("*.keras"))) == 1
