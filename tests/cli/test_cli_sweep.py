"""`kvae-sweep`: several weights on one page."""

import json

import pytest

import kvae
from kvae.cli.sweep import main


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)


def test_a_sweep_prints_a_table_of_every_run_and_limit_and_overwrites_no_page(linear, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    (tmp_path / "s.html").write_text("my page")
    flags = ["--kl-weight", "0", "0.1", "--with-autoencoder", "--output", str(tmp_path / "s.html")]
    assert main([*linear, *flags]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-2:] == [f"page {tmp_path / 's-2.html'}", f"figure {tmp_path / 's-2.png'}"]
    for row in ("KL weight 0 ", "KL weight 0.1", "plain autoencoder", "Gaussian limit, β=0 ", "Gaussian limit, β=0.1"):
        assert sum(line.startswith(row) for line in printed.splitlines()) == 1
    assert "nan" not in printed and "4 of 4" in printed
    (head,) = (line.split() for line in printed.splitlines() if "bits/dim" in line)
    assert head[-2:] == ["bits/dim", "path"]
    (told,) = (line.split() for line in printed.splitlines() if line.startswith("KL weight 0.1"))
    assert 2 < float(told[-2]) < 9 and float(told[-1]) == pytest.approx(1.0, abs=0.01), "a linear decoder goes straight"
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
    assert capsys.readouterr().out.endswith("stopped early; the same command goes on\n")


def planned_by(monkeypatch, *flags):
    """What `kvae-sweep` asks for."""
    asked = []

    def sweep(data, weights, **options):
        asked.append((data, weights, options))
        raise ValueError("enough")

    monkeypatch.setattr("kvae.sweeps.sweep.sweep", sweep)
    assert main([*flags, "--quiet"]) == 2
    return asked[0]


def test_every_flag_takes_several_values_which_become_an_axis(monkeypatch):
    flags = ["--latent-dim", "2", "auto", "--weighting", "constant", "geco", "--seed", "0", "1", "--size", "16"]
    data, weights, options = planned_by(monkeypatch, *flags, "--augment", "on", "off", "--widths", "8,16", "4", "--yes")
    assert options["axes"] == {
        "latent_dim": [2, None],
        "weighting": ["constant", "geco"],
        "seed": [0, 1],
        "augment": [True, False],
        "widths": [(8, 16), (4,)],
    }
    assert (data, weights, options["size"], options["most_trials"]) == ("paintings", [1.0, 0.1, 0.01], 16, 10_000)
    data, weights, options = planned_by(monkeypatch, "--widths", "8", "16", "--no-augment", "--kl-weight", "2")
    assert (options["widths"], options["augment"], options["axes"]) == ((8, 16), False, {"kl_weight": [2.0]})
    assert options["most_trials"] == 100


def test_flags_win_over_a_study_file(monkeypatch, tmp_path):
    (tmp_path / "study.toml").write_text(
        'title = "Mine"\n[axes]\nseed = [0, 1]\nlatent_dim = [2, 4]\n[settings]\nsize = 32\ndata = "a"\n[trials.soft]\n'
        "kl_weight = 4\n"
    )
    flags = ["--study", str(tmp_path / "study.toml"), "--seed", "5", "--size", "16", "64"]
    data, weights, options = planned_by(monkeypatch, *flags)
    assert (data, weights, options["title"], options["trials"]) == ("a", None, "Mine", {"soft": {"kl_weight": 4}})
    assert options["axes"] == {"latent_dim": (2, 4), "size": [16, 64]} and options["seed"] == 5


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            ["--seed", *map(str, range(101))],
            "this is a grid of 303 trials, and 100 are allowed. Name fewer values, or ask",
        ),
        (["--seed", "0", "x"], "--seed must be a whole number from 0"),
        (["--augment", "maybe"], "--augment must be on or off. Received: 'maybe'"),
        (["--widths", "8,x"], "--widths must be a whole number from 1"),
        (["--study", "{place}/no.toml"], "study: there is no file"),
        (["--study", "{place}/bad.toml"], "study: bad.toml is no TOML"),
        (["--study", "{place}/axis.toml"], "no setting is called `latents`. Did you mean `latent_dim`?"),
        (["--study", "{place}/setting.toml"], "no setting is called `sizes`. Did you mean `size`?"),
    ],
)
def test_a_grid_that_cannot_be_ends_in_one_sentence(small, tmp_path, capsys, flags, sentence):
    place = tmp_path / "studies"
    place.mkdir()
    for name, text in (("bad", "[axes"), ("axis", "[axes]\nlatents = [1]"), ("setting", "[settings]\nsizes = 3")):
        (place / f"{name}.toml").write_text(text)
    flags = [*small, "--output", str(tmp_path / "new" / "s.html"), *(flag.format(place=place) for flag in flags)]
    try:
        code = main(flags)
    except SystemExit as end:
        code = end.code
    (error,) = [said for said in capsys.readouterr().err.splitlines() if said.startswith("kvae-sweep: error: ")]
    assert code == 2 and sentence in error and not (tmp_path / "new").exists()


def test_some_trials_that_fail_are_an_exit_code_of_their_own(linear, tmp_path, capsys, monkeypatch):
    from kvae.sweeps import trial

    real = trial.train

    def train(*arguments, **options):
        if options["kl_weight"] == 2:
            raise OSError(28, "No space left on device", "s-2.keras")
        return real(*arguments, **options)

    monkeypatch.setattr("kvae.sweeps.trial.train", train)
    assert main([*linear, "--kl-weight", "1", "2", "--output", str(tmp_path / "s")]) == 1
    assert "KL weight 2: failed: s-2.keras: No space left on device." in capsys.readouterr().out
    assert [one.state for one in kvae.open_sweep(tmp_path / "s.html").trials] == ["done", "failed"]
