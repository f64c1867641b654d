"""Weightings, rates and likelihoods of the user's own: they train, and their models open where they are trusted."""

import zipfile
from dataclasses import dataclass

import keras
import numpy as np
import pytest

import kvae
from kvae.model.vae import VAE
from kvae.objectives.base import Rate
from kvae.objectives.likelihoods import Likelihood, squared_error
from kvae.objectives.total_correlation import TotalCorrelation
from kvae.saving.reader import BadModelFile
from kvae.weighting.base import Weighting
from kvae.weighting.geco import Geco

SHAPE = (16, 16, 3)


@dataclass(frozen=True)
class Staircase(Weighting):
    """The weight rises by `rise` in every step."""

    rise: float = 0.5

    def weight(self, state, seen):
        return self.rise * (1.0 + state[0])


@dataclass(frozen=True)
class Doubled(Rate):
    """R is paid twice."""

    times: float = 1.0

    def extra_penalty(self, sample):
        return self.times * sample.rate


def huge_error(images, reconstructions):
    return 1000.0 * squared_error(images, reconstructions)


OWN = {"weighting": Staircase(0.25), "rate": Doubled(1.0), "likelihood": Likelihood(huge_error)}
NAMES = {"Staircase": Staircase, "Doubled": Doubled, "huge_error": huge_error}


def built(**options) -> VAE:
    return VAE(
        **{"image_shape": SHAPE, "network": "conv", "widths": (8,), "latent_dim": 3, "kl_weight": 0.5, **options}
    )


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(1).random((8, *SHAPE), dtype="float32")


def trained(model: VAE, pictures) -> VAE:
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(pictures, batch_size=4, epochs=2, verbose=0)
    return model


@pytest.mark.parametrize("axis", OWN)
def test_a_custom_method_opens_with_trust_alone_and_goes_on_as_it_was(axis, pictures, tmp_path):
    model = trained(built(**{axis: OWN[axis]}), pictures)
    path = kvae.save(model, tmp_path / "own.keras")
    for options in ({}, {"custom_objects": NAMES}):
        with pytest.raises(BadModelFile, match=r"own\.keras holds parts .* kvae\.load\(path, trust=True\)"):
            kvae.load(path, **options)
    with pytest.raises(ValueError, match="trust=True"):
        keras.models.load_model(path, custom_objects=NAMES)
    again = kvae.load(path, trust=True, custom_objects=NAMES)
    assert again.methods == model.methods and again.get_config() == model.get_config()
    np.testing.assert_array_equal(again.reconstruct(pictures), model.reconstruct(pictures))
    one, other = (vae.train_on_batch(pictures, return_dict=True) for vae in (model, again))
    # the noise of a run is not in a model's file
    assert one["kl_weight"] == other["kl_weight"] and float(one["rate"]) == pytest.approx(float(other["rate"]))


def test_custom_methods_are_what_the_optimizer_sees(pictures):
    plain, own = (trained(built(**options), pictures) for options in ({}, {"weighting": Staircase(0.25)}))
    assert own.beta == pytest.approx(0.25 * 4) and plain.beta == 0.5
    logs = {}
    for name, options in {
        "plain": {},
        "rate": {"rate": OWN["rate"]},
        "likelihood": {"likelihood": OWN["likelihood"]},
    }.items():
        model = built(**options)
        model.compile(keras.optimizers.SGD(0.0))
        logs[name] = {key: float(value) for key, value in model.train_on_batch(pictures, return_dict=True).items()}
    assert logs["rate"]["loss"] - logs["plain"]["loss"] == pytest.approx(0.5 * logs["plain"]["rate"], rel=1e-3)
    assert logs["likelihood"]["loss"] > 900 * logs["plain"]["distortion"]
    assert logs["likelihood"]["distortion"] == logs["plain"]["distortion"]


def test_custom_methods_have_names_and_can_be_copied_in_memory():
    model = built(**OWN)
    assert model.methods.names == {"weighting": "Staircase", "rate": "Doubled", "likelihood": "huge_error"}
    with keras.saving.custom_object_scope(NAMES):
        assert VAE.from_config(model.get_config()).methods == model.methods
    assert "weighting" not in built().get_config()


def test_an_object_of_kvaes_own_class_is_its_name_and_settings(tmp_path):
    objects = built(kl_weight=0.1, weighting=Geco(kl_weight=0.7, target_distortion=33.0), rate=TotalCorrelation(4.0))
    named = built(kl_weight=0.7, weighting="geco", target_distortion=33.0, rate="tc", tc_weight=4.0)
    assert objects.get_config() == named.get_config() and objects.beta == 0.7
    assert kvae.load(kvae.save(objects, tmp_path / "art.keras")).methods == named.methods


def test_a_setting_that_is_given_beside_its_object_too_is_refused():
    with pytest.raises(ValueError, match="VAE: `target_distortion` is given twice: 20.0, and 33.0 in Geco"):
        built(weighting=Geco(kl_weight=0.5, target_distortion=33.0), target_distortion=20.0)
    with pytest.raises(ValueError, match="`tc_weight` has no effect: .* the rate here is Doubled"):
        built(rate=Doubled(), tc_weight=3.0)


@pytest.mark.parametrize("wrong", [Staircase, Doubled(), 3, None])
def test_what_is_no_weighting_is_refused_in_a_sentence(wrong):
    with pytest.raises(ValueError, match="VAE: `weighting` must be one of constant, warm-up"):
        built(weighting=wrong)


def test_a_file_that_gives_a_table_for_a_method_is_never_built_without_trust(tmp_path):
    path = kvae.save(built(), tmp_path / "art.keras")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    evil = b'"weighting": {"module": "os", "class_name": "function", "config": "abort", "registered_name": "abort"}, '
    parts["config.json"] = parts["config.json"].replace(b'"latent_dim"', evil + b'"latent_dim"')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(BadModelFile, match="trust=True"):
        kvae.load(path)
    with pytest.raises(ValueError, match="trust=True"):
        keras.models.load_model(path)
