"""Flags come from the settings: all of them, with their bounds, and only what is given counts."""

import argparse

import pytest

import kvae
from kvae.cli import bayes, measure, sweep, train, weight
from kvae.cli.flags import add_output, parser
from kvae.settings import SETTINGS


@pytest.fixture
def made() -> argparse.ArgumentParser:
    return parser("kvae-test", "What it does.", "More.")


def example(name: str):
    """A value of the setting that is not its default, as text and as it is read."""
    setting = SETTINGS[name]
    if setting.choices:
        value = next(one for one in setting.choices if one != setting.default)
        return [value], value
    if setting.kind is str:
        return ["somewhere"], "somewhere"
    value = setting.kind(setting.high)
    return ([str(value)] * 2, [value, value]) if setting.many else ([str(value)], value)


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if setting.kind is not bool])
def test_every_setting_has_a_flag_that_reads_it(made, name):
    text, value = example(name)
    assert vars(made.parse_args([f"--{name.replace('_', '-')}", *text])) == {name: value}


def test_switches_turn_their_setting(made):
    assert vars(made.parse_args(["--no-augment", "--autoencoder"])) == {"augment": False, "autoencoder": True}
    assert vars(made.parse_args(["--augment"])) == {"augment": True}


def test_what_is_not_given_is_left_out_and_keeps_its_default(made):
    assert vars(made.parse_args([])) == {}


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if setting.low is not None])
def test_a_value_outside_its_bounds_is_refused_with_the_bounds(made, capsys, name):
    setting = SETTINGS[name]
    for value in (setting.low - 1, setting.high * 2, "nan", "much"):
        with pytest.raises(SystemExit):
            made.parse_args([f"--{name.replace('_', '-')}={value}"])
        (error,) = capsys.readouterr().err.splitlines()
        flag = f"--{name.replace('_', '-')}"
        assert error.startswith(f"kvae-test: error: {flag} must be a") and error.endswith("See kvae-test --help.")
        assert error.count(flag) == 1 and f"`{name}`" not in error
        assert f"from {setting.low:g} to {setting.high:g}" in error


def test_a_choice_that_is_none_is_refused_with_the_choices(made, capsys):
    with pytest.raises(SystemExit):
        made.parse_args(["--network", "transformer"])
    assert "--network must be one of spectral, conv, residual, linear" in capsys.readouterr().err


def test_the_help_has_each_settings_sentence_and_default(made):
    text = " ".join(made.format_help().split())
    for name, setting in SETTINGS.items():
        assert f"--{name.replace('_', '-')}" in text
        assert " ".join(setting.help.split())[:30] in text


def test_a_command_can_leave_settings_out_and_has_flags_for_its_output():
    made = parser("kvae-test", "", "", leave_out=("kl_weight",))
    add_output(made, "models/art.keras", "the model")
    found = vars(made.parse_args(["--json"]))
    assert found == {"output": "models/art.keras", "json": True, "quiet": False}
    with pytest.raises(SystemExit):
        made.parse_args(["--kl-weight", "1"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kl-wieght", "3"], "there is no flag --kl-wieght. Did you mean --kl-weight?"),
        (["--latentdim=3"], "there is no flag --latentdim. Did you mean --latent-dim?"),
        (["--beta", "3"], "there is no flag --beta. Did you mean --kl-weight?"),
        (["--lr", "3"], "there is no flag --lr. Did you mean --learning-rate?"),
        (["--xyzzy"], "there is no flag --xyzzy. Leave it out."),
        (["art/"], "art/ belongs to no flag. Pictures are named with --data art/."),
        (["--epochs"], "--epochs: expected one argument."),
        (["--w", "3"], "ambiguous option: --w could match --widths, --weighting."),
    ],
)
def test_a_wrong_flag_is_answered_in_one_line_with_the_nearest_one(made, capsys, words, said):
    with pytest.raises(SystemExit) as end:
        made.parse_args(words)
    assert end.value.code == 2
    assert capsys.readouterr().err == f"kvae-test: error: {said} See kvae-test --help.\n"


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if setting.default is None])
def test_what_is_worked_out_can_be_asked_for_by_the_word_auto(made, name):
    if SETTINGS[name].many:
        pytest.skip("several values, of which none is that word")
    assert vars(made.parse_args([f"--{name.replace('_', '-')}", "auto"])) == {name: None}


@pytest.mark.parametrize("command", [train, sweep, measure, weight, bayes])
def test_every_command_says_its_version(command, capsys):
    with pytest.raises(SystemExit) as end:
        command.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"kvae-{command.__name__.rpartition('.')[2]} {kvae.__version__}\n"
