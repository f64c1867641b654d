"""The methods from the command line: listed, chosen, refused where they do not fit, and kept when a run goes on."""

import json

import pytest

import kvae
from kvae.cli.train import main
from kvae.model.methods import AXES, METHOD_SETTINGS
from kvae.objectives.likelihoods import LIKELIHOODS


@pytest.fixture
def undrawn(monkeypatch):
    monkeypatch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)


def test_list_methods_names_every_method_what_it_holds_and_its_settings(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["--list-methods"]) == 0
    text = capsys.readouterr().out
    words = " ".join(text.split())
    for registry in (*AXES.values(), LIKELIHOODS):
        assert all(any(line.startswith(f"{name} ") for line in text.splitlines()) for name in registry)
    for method in [method for registry in AXES.values() for method in registry.values()]:
        assert method.KEEPS_CONSTANT in words and method.REFERENCE in words
    assert all(f"--{name.replace('_', '-')} " in text for name in METHOD_SETTINGS)
    assert "--target-distortion 40" in text and "--capacity-weight 1000" in text


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ["--target-distortion", "30"],
            "`target_distortion` has no effect: it belongs to weighting geco, and the weighting here is constant",
        ),
        (
            ["--rate", "mmd", "--tc-weight", "3"],
            "`tc_weight` has no effect: it belongs to rate tc, and the rate here is mmd",
        ),
        (["--weighting", "learned", "--likelihood", "laplace"], "goes with the likelihood squared-error alone"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence_before_training(small, flags, words, tmp_path, capsys):
    assert main([*small, *flags, "--output", str(tmp_path / "a")]) == 2
    assert words in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_run_that_goes_on_keeps_its_method_and_where_it_was(small, undrawn, tmp_path, capsys):
    flags = ["--weighting", "geco", "--target-distortion", "20", "--constraint-rate", "0.1", "--rate", "tc"]
    assert main([*small, *flags, "--output", str(tmp_path / "one"), "--quiet"]) == 0
    first = kvae.load(tmp_path / "one.keras")
    assert list(first.weighting_state.numpy())[0] == 4.0
    resumed = ["--resume", str(tmp_path / "one.keras"), "--epochs", "2", "--output", str(tmp_path / "two"), "--json"]
    assert main(resumed) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[0])
    second = kvae.load(tmp_path / "two.keras")
    assert second.methods == first.methods and second.methods.weighting.target_distortion == 20.0
    assert list(second.weighting_state.numpy())[0] == 8.0
    assert line["epoch"] == 2 and line["kl_weight"] == second.beta != first.beta
    # the weight belongs to the controller, and the method to the model
    assert main([*resumed, "--kl-weight", "3"]) == 2
    assert "this model's weight is set by its weighting, geco" in capsys.readouterr().err
    assert main([*resumed, "--weighting", "pi"]) == 2
    assert "`weighting` is part of the model and cannot change" in capsys.readouterr().err


def test_a_schedule_of_unstated_length_fits_into_the_run(small, undrawn, tmp_path):
    steps = {}
    for name in ("warm-up", "cyclical"):
        assert main([*small, "--weighting", name, "--epochs", "2", "--output", str(tmp_path / name), "--quiet"]) == 0
        steps[name] = kvae.load(tmp_path / f"{name}.keras").methods.weighting.ramp_steps
    assert steps == {"warm-up": 4, "cyclical": 8}
