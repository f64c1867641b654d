"""What somebody asks for and would change nothing is refused; what is left to its default never is."""

import pytest

import kvae
from kvae.model.methods import WEIGHTINGS
from kvae.model.vae import VAE
from kvae.networks import NETWORKS
from kvae.settings import SETTINGS, checked
from kvae.training.effect import NETWORK_SETTINGS, RULES, refuse_without_effect, without_effect

OTHER = {"widths": (8, 4), "depth": 2}  # than the default, as each network that heeds it is built


def named(given, **more) -> set[str]:
    return {name for name, _ in without_effect(given, {**checked(given), **more})}


@pytest.mark.parametrize("name", sorted(NETWORK_SETTINGS))
@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_is_built_from_the_settings_it_is_said_to_heed_and_from_no_others(network, name):
    def count(**settings) -> int:
        return VAE(
            image_shape=(16, 16, 3), network=network, latent_dim=2, **{"widths": (4, 8), **settings}
        ).count_params()

    assert (count(**{name: OTHER[name]}) != count()) == (name in NETWORKS[network].heeds)
    assert named({"network": network, name: OTHER[name]}) == (set() if name in NETWORKS[network].heeds else {name})


@pytest.mark.parametrize(
    ("given", "name", "why"),
    [
        (
            {"network": "linear", "depth": 3},
            "depth",
            "network linear is built without it. Leave `depth` out, or choose network spectral or residual",
        ),
        (
            {"autoencoder": True, "kl_weight": 1.0},
            "kl_weight",
            "a plain autoencoder has no rate. Leave `kl_weight` out, or leave out `autoencoder`.",
        ),
        ({"autoencoder": True, "weighting": "geco"}, "weighting", "a plain autoencoder has no rate"),
        ({"autoencoder": True, "rate": "tc"}, "rate", "a plain autoencoder has no rate"),
        ({"autoencoder": True, "balance_every": 5}, "balance_every", "a plain autoencoder has no rate"),
        (
            {"epochs": 3, "minutes": 1.0},
            "epochs",
            "the length of the run is given in minutes. Leave `epochs` out, or leave out `minutes`.",
        ),
        ({"target_rate": 200.0}, "target_rate", "it belongs to weighting pi, and the weighting here is constant"),
        ({"weighting": "pi", "kl_weight": 1.0}, "kl_weight", "weighting pi finds the weight by itself"),
        (
            {"network": "linear", "learning_rate": 0.1},
            "learning_rate",
            "trained only for a given length. Leave `learning_rate` out, or give `epochs`",
        ),
        ({"crop": "pad"}, "crop", "the built-in paintings are square"),
    ],
)
def test_what_changes_nothing_is_refused_with_its_reason(given, name, why):
    with pytest.raises(ValueError) as refused:
        refuse_without_effect(given, checked(given), "train")
    assert str(refused.value).startswith(f"train: `{name}` has no effect: ") and why in str(refused.value)
    # without the setting that has no effect, or the one that takes it away, all is well
    assert named({key: value for key, value in given.items() if key != name}) <= named(given) - {name}
    assert name not in named(
        {name: given[name], "data": "/mine", **({"weighting": "pi"} if name == "target_rate" else {})}
    )


def test_of_a_model_that_is_there_already_no_other_setting_is_advised():
    every = checked({"autoencoder": True, "kl_weight": 3.0})
    ((name, sentence),) = without_effect({"kl_weight": 3.0}, every, settled=True)
    assert sentence == "`kl_weight` has no effect: a plain autoencoder has no rate. Leave `kl_weight` out."


def test_defaults_are_no_wishes():
    for autoencoder in (False, True):
        for network in NETWORKS:
            for weighting in WEIGHTINGS:
                assert named({"autoencoder": autoencoder, "network": network}) == set()
                assert named({"weighting": weighting}) == set()
    left = {name: None for name, setting in SETTINGS.items() if setting.default is None}
    assert named({"network": "linear", "autoencoder": True, **left}) == set()


def test_what_is_said_of_own_networks_counts_for_them_alone():
    given = {"network": "conv", "widths": (8,), "kl_weight": 1.0}
    assert named(given) == set() and named(given, custom=True) == {"network", "widths"}


def test_every_rule_speaks_of_settings_that_exist():
    assert {name for names, _ in RULES for name in names} <= set(SETTINGS)


def test_train_refuses_before_it_looks_at_pictures(tmp_path):
    with pytest.raises(ValueError, match="^train: `depth` has no effect: network linear is built without it"):
        kvae.train(tmp_path / "nowhere", output=tmp_path / "a.keras", network="linear", depth=3)


def test_a_sweep_with_an_autoencoder_gives_it_only_what_it_can_use(pictures, tmp_path, undrawn):
    settings = {"size": 16, "network": "linear", "latent_dim": 4, "epochs": 1, "augment": False, "batch_size": 30}
    methods = {"weighting": "warm-up", "ramp_steps": 3, "rate": "tc", "balance_every": 0}
    found = kvae.sweep(pictures, [2.0], with_autoencoder=True, output=tmp_path / "s.html", **settings, **methods)
    assert [run.model.autoencoder for run in found.runs] == [False, True]
    assert found.runs[0].model.methods.weighting.ramp_steps == 3
    with pytest.raises(ValueError, match="^sweep: `kl_weight` has no effect: weighting pi finds"):
        kvae.sweep(pictures, [2.0, 1.0], output=tmp_path / "s.html", weighting="pi")
