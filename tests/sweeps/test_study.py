"""What a sweep is to train: grids, single trials, study files, and what cannot be."""

import pytest

from kvae.settings import SETTINGS
from kvae.sweeps.study import MOST_TRIALS, PLACE, planned, read_study


def names(study):
    return [trial.name for trial in study.trials]


def test_a_grid_has_every_combination_under_a_name_and_a_slug_of_its_own():
    study = planned({"size": 16}, {"kl_weight": [1, 0.1], "latent_dim": [16, None], "seed": [0, 1]})
    assert len(study.trials) == 8 and len(set(names(study))) == 8 == len({trial.slug for trial in study.trials})
    first = study.trials[0]
    assert first.name == "KL weight 1, 16 latents, seed 0" and first.slug == "1-16-latents-seed-0"
    assert first.settings == {"size": 16, "kl_weight": 1.0, "latent_dim": 16, "seed": 0}
    assert first.where == {"latent_dim": "16 latents"}, "the weight and the seed have their own places"
    assert {trial.settings["latent_dim"] for trial in study.trials} == {16, None}
    assert study.lowest == 0.1


def test_an_axis_of_one_value_is_a_setting_and_no_part_of_names():
    study = planned({}, {"kl_weight": [0.1], "latent_dim": [2, 8], "seed": [3]})
    assert names(study) == ["2 latents", "8 latents"] and study.trials[0].settings["kl_weight"] == 0.1
    assert names(planned({}, {"kl_weight": [0.1]})) == ["KL weight 0.1"]


def test_what_has_no_effect_in_a_trial_is_left_out_and_equal_trials_are_one():
    study = planned({"target_distortion": 30.0}, {"kl_weight": [1, 0.1], "weighting": ["constant", "pi", "geco"]})
    assert names(study) == [
        "KL weight 1, weighting constant",
        "weighting pi",
        "KL weight 1, weighting geco",
        "KL weight 0.1, weighting constant",
        "KL weight 0.1, weighting geco",
    ]
    held = {trial.settings["weighting"]: "target_distortion" in trial.settings for trial in study.trials}
    assert held == {"constant": False, "pi": False, "geco": True}


def test_the_control_is_trained_once_for_all_weights_and_once_for_each_other_value():
    study = planned({}, {"kl_weight": [1, 0.1], "seed": [0, 1]}, with_autoencoder=True)
    plain = [trial for trial in study.trials if trial.autoencoder]
    assert [trial.name for trial in plain] == ["plain autoencoder, seed 0", "plain autoencoder, seed 1"]
    assert all("kl_weight" not in trial.settings for trial in plain) and len(study.trials) == 6


def test_trials_on_the_same_pictures_are_trained_together():
    study = planned({}, {"kl_weight": [1, 0.1], "size": [16, 32]})
    assert [trial.settings["size"] for trial in study.trials] == [16, 16, 32, 32]


def test_equal_trials_have_equal_hashes_and_other_trials_others():
    one = planned({"device": "cpu", "epochs": 2}, {"kl_weight": [1, 0.1]})
    other = planned({"epochs": 2, "latent_dim": None}, {"kl_weight": (1.0, 0.1), "seed": [0]})
    hashes = [one.hash_of(trial, "pictures") for trial in one.trials]
    assert hashes == [other.hash_of(trial, "pictures") for trial in other.trials], "defaults and the place do not count"
    assert len(set(hashes)) == 2 and not set(hashes) & {one.hash_of(trial, "others") for trial in one.trials}
    seeds = planned({}, {"kl_weight": [1], "seed": [0, 1]})
    assert len({seeds.hash_of(trial, "pictures") for trial in seeds.trials}) == 2
    assert len({seeds.hash_of(trial, "pictures", seed=False) for trial in seeds.trials}) == 1


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in PLACE])
def test_every_setting_counts_in_the_hash(name):
    setting = SETTINGS[name]
    other = next(one for one in (*setting.choices, not setting.default, setting.high) if one != setting.default)
    other = setting.high if setting.kind in (int, float) else other
    study = planned({}, {"kl_weight": [1.0]})
    (trial,) = study.trials
    changed = type(trial)(trial.name, trial.slug, {"kl_weight": 1.0, name: other}, {})
    assert study.hash_of(trial, "") != study.hash_of(changed, "")


@pytest.mark.parametrize(
    ("given", "axes", "sentence"),
    [
        ({}, {"latents": [1]}, "no setting is called `latents`. Did you mean `latent_dim`?"),
        ({"kl_wieght": 1}, {"kl_weight": [1]}, "no setting is called `kl_wieght`. Did you mean `kl_weight`?"),
        ({}, {"seed": []}, "`seed` needs at least one value. Received: none."),
        ({}, {"size": [16, 8]}, "`size` must be a whole number from 16"),
        ({}, {}, "there is nothing to train. Give at least one axis or trial."),
        ({}, {"kl_weight": [1], "weighting": ["pi", "geco"], "capacity": [3.0]}, "`capacity` has no effect"),
        ({"likelihood": "laplace"}, {"kl_weight": [1], "weighting": ["learned"]}, "likelihood squared-error alone"),
        (
            {},
            {"kl_weight": [1], "seed": range(MOST_TRIALS + 1)},
            "a grid of 101 trials, and 100 are allowed. .* --yes.",
        ),
        (
            {},
            {"latent_dim": range(1, 10_000), "seed": range(10_000)},
            "99,990,000 trials, and 100 are allowed. Name fewer",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(given, axes, sentence):
    for name in given:
        if name not in SETTINGS:
            axes = {**axes, name: [1]}
    with pytest.raises(ValueError, match=sentence) as refused:
        planned({name: value for name, value in given.items() if name in SETTINGS}, axes)
    assert str(refused.value).startswith("sweep: ") and "\n" not in str(refused.value)


def test_many_trials_are_planned_when_they_are_asked_for():
    assert len(planned({}, {"kl_weight": [1], "seed": range(300)}, most=10_000).trials) == 300


STUDY = """
title = "Weights and seeds"
with_autoencoder = true
[axes]
kl_weight = [1, 0.1]
latent_dim = [16, "auto"]
[settings]
network = "conv"
widths = [8, 16]
[trials.soft]
kl_weight = 4
"""


def test_a_study_file_has_axes_settings_and_named_trials(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY)
    read = read_study(tmp_path / "study.toml")
    assert (read.title, read.with_autoencoder) == ("Weights and seeds", True)
    study = planned({"network": "conv", "widths": (8, 16)}, read.axes, read.trials, with_autoencoder=True)
    assert names(study)[-1] == "soft" and study.trials[-1].settings["kl_weight"] == 4.0
    assert study.trials[-1].settings["widths"] == (8, 16)
    assert [trial.settings.get("latent_dim") for trial in study.trials[:2]] == [16, None]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("axes = [", r"study: study.toml is no TOML: .*\. Correct that line\."),
        ("[axis]\nseed = [1]", "says `axis`, which is none of title, .* Did you mean `axes`?"),
        ("[axes]\nseed = 1", "the axis `seed` in study.toml must be a list. Received: seed = 1."),
        ("title = 3", "`title` in study.toml must be text. Received: 3."),
        ("[trials]\nsoft = 1", "the trial `soft` in study.toml must be a table"),
        ("\udcff", "is no TOML"),
    ],
)
def test_a_study_file_that_is_none_is_refused_in_one_sentence(tmp_path, text, sentence):
    (tmp_path / "study.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=sentence) as refused:
        read_study(tmp_path / "study.toml")
    assert "\n" not in str(refused.value)


def test_a_study_file_that_is_missing_or_a_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="study: there is no file"):
        read_study(tmp_path / "study.toml")
    with pytest.raises(ValueError, match="study: .* is a folder"):
        read_study(tmp_path)
