"""Settings: each has help, a default within its own bounds, and refuses what is outside in one sentence."""

import inspect
import math
from typing import Any, get_type_hints

import pytest

import kvae
from kvae.model.methods import METHOD_SETTINGS
from kvae.settings import SETTINGS, Auto, MethodSettings, RunSettings, Setting, SweepSettings, check, checked

NUMBERS = {name: setting for name, setting in SETTINGS.items() if setting.kind in (int, float)}
CHOICES = {name: setting for name, setting in SETTINGS.items() if setting.choices}
SWITCHES = {name: setting for name, setting in SETTINGS.items() if setting.kind is bool}


def refusal(name: str, value: object) -> str:
    with pytest.raises(ValueError) as caught:
        check(name, value, "Owner")
    return str(caught.value)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_explains_itself(name):
    setting = SETTINGS[name]
    assert len(setting.help) > 15 and setting.help[-1] != "."
    assert setting.group in {"pictures", "model", "weighting", "objective", "training"}
    assert name.isidentifier() and name == name.lower()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_default_is_within_the_setting_s_own_bounds(name):
    setting = SETTINGS[name]
    assert check(name, setting.default) == setting.default
    assert type(check(name, setting.default)) is type(setting.default)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_has_two_bounds_which_are_allowed_themselves(name):
    setting = NUMBERS[name]
    for bound in (setting.low, setting.high):
        assert bound is not None
        assert check(name, bound) == ((bound,) if setting.many else bound)
        (value,) = check(name, bound) if setting.many else (check(name, bound),)
        assert type(value) is setting.kind


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_out_of_its_bounds_is_refused_with_owner_rule_and_value(name):
    setting = NUMBERS[name]
    step = 1 if setting.kind is int else 1e-3 * max(abs(setting.low), 1e-9)
    for value in (setting.low - step, setting.high + max(step, 1), -math.inf, math.inf, math.nan, 10**400):
        words = refusal(name, value)
        assert words.startswith(f"Owner: `{name}` must be a")
        assert f"from {setting.low:g} to {setting.high:g}" in words and setting.unit in words
        assert words.endswith(f"Received: {name}={value!r}.")


@pytest.mark.parametrize("value", [True, False, "much", "", "nan", 1j, [], {}, b"1\xff"], ids=repr)
@pytest.mark.parametrize("name", ["kl_weight", "latent_dim", "size", "validation"])
def test_what_is_no_number_is_refused(name, value):
    assert f"Received: {name}={value!r}." in refusal(name, value)


@pytest.mark.parametrize("name", [name for name, setting in NUMBERS.items() if setting.kind is int])
def test_a_fraction_is_no_whole_number(name):
    assert "must be a whole number" in refusal(name, NUMBERS[name].low + 0.5)


def test_numbers_become_the_kind_of_their_setting():
    assert check("latent_dim", 8.0) == 8 and type(check("latent_dim", 8.0)) is int
    assert check("kl_weight", 1) == 1.0 and type(check("kl_weight", 1)) is float
    assert check("kl_weight", "0.25") == 0.25


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if setting.default is not None])
def test_none_is_refused_or_kept_only_where_a_value_is_worked_out(name):
    if NUMBERS.get(name) or CHOICES.get(name) or SWITCHES.get(name):
        assert f"Received: {name}=None." in refusal(name, None)


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if setting.default is None])
def test_none_stands_for_a_value_that_is_worked_out(name):
    assert check(name, None) is None


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_is_one_of_those_listed(name):
    setting = CHOICES[name]
    assert setting.default in setting.choices
    for choice in setting.choices:
        assert check(name, choice) == choice
    for value in ("other", "", setting.choices[0].upper(), 0, ["square"]):
        words = refusal(name, value)
        assert all(choice in words for choice in setting.choices)
        assert words.endswith(f"Received: {name}={value!r}.")


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_is_on_or_off_and_no_word(name):
    assert check(name, True) is True and check(name, False) is False
    for value in ("false", "no", "", 2, 0.5, [], math.nan):
        words = refusal(name, value)
        assert words == f"Owner: `{name}` must be True or False. Received: {name}={value!r}."


def test_a_setting_of_many_values_takes_one_or_several_and_checks_each():
    assert check("widths", [32, 64.0]) == (32, 64)
    assert check("widths", 32) == (32,)
    assert check("widths", (number for number in (8, 16))) == (8, 16)
    assert "needs at least one value. Received: widths=()." in refusal("widths", ())
    assert "Received: widths=0." in refusal("widths", (32, 0))
    assert "must be a whole number" in refusal("widths", "many")


def test_checked_fills_in_the_defaults_and_keeps_the_order_of_the_table():
    values = checked({"kl_weight": 2, "widths": [8]})
    assert list(values) == list(SETTINGS)
    assert values["kl_weight"] == 2.0 and values["widths"] == (8,)
    rest = {name: value for name, value in values.items() if name not in ("kl_weight", "widths")}
    assert rest == {name: SETTINGS[name].default for name in rest}


def test_checked_keeps_to_the_groups_that_are_asked_for():
    model = checked({"latent_dim": 4}, groups=["model"])
    assert set(model) == {name for name, setting in SETTINGS.items() if setting.group == "model"}
    with pytest.raises(ValueError, match="no setting is called `epochs`"):
        checked({"epochs": 3}, groups=["model"])


def test_an_unknown_name_is_refused_with_the_names_that_are_known():
    with pytest.raises(ValueError, match=r"Owner: no setting is called `beta`\. Known: .*\bkl_weight\b"):
        checked({"beta": 1.0}, "Owner")


def test_checked_refuses_a_value_as_check_does():
    with pytest.raises(
        ValueError, match=r"Owner: `size` must be a whole number from 16 to 512 pixels\. Received: size=8\."
    ):
        checked({"size": 8}, "Owner")


# ---------------------------------------------------------------------- keywords, as type checkers see them

NAMED = {"data", "weighting", "rate", "likelihood"}  # parameters of `train` by themselves


def typed(setting: Setting) -> Any:
    """The type of a keyword for `setting`."""
    if setting.many:
        return tuple[setting.kind, ...] | None
    if setting.span:
        return setting.kind | tuple[setting.kind, setting.kind] | str
    return setting.kind if setting.default is not None else setting.kind | Auto | None


@pytest.mark.parametrize(
    ("keywords", "names"),
    [
        (RunSettings, SETTINGS.keys() - NAMED),
        (SweepSettings, SETTINGS.keys() - NAMED - {"kl_weight", "autoencoder"}),
        (MethodSettings, METHOD_SETTINGS),
    ],
)
def test_the_keywords_that_type_checkers_know_are_the_settings(keywords, names):
    assert get_type_hints(keywords) == {name: typed(SETTINGS[name]) for name in names}


@pytest.mark.parametrize(
    ("function", "keywords"),
    [(kvae.VAE.__init__, MethodSettings), (kvae.train, RunSettings), (kvae.sweep, SweepSettings)],
)
def test_what_takes_settings_spells_its_keywords(function, keywords):
    parameters = inspect.signature(function).parameters.values()
    (rest,) = [one for one in parameters if one.kind is one.VAR_KEYWORD]
    assert rest.annotation.__args__ == (keywords,)
    assert function is kvae.VAE.__init__ or {one.name for one in parameters} >= NAMED
