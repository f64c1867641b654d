"""`kvae.measure`: everything at once, on models whose numbers are known, and where a number has no meaning."""

import dataclasses
import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest

import kvae
from kvae.measures.gaussian_limit import water_filling
from kvae.measures.independence import independence_cost
from kvae.measures.plane import posteriors
from kvae.measures.results import NUMBERS, QUESTIONS, Measured, Measures, markdown, verdicts
from kvae.model.methods import RATES, WEIGHTINGS
from kvae.model.vae import VAE
from kvae.objectives.likelihoods import Likelihood, squared_error

BOUNDS = {name for name in NUMBERS if "bound" in name}
GRADIENTS = {name for name in NUMBERS if name.startswith("gradient")}
NEIGHBOURS = {"nearest", "nearest_held_out", "copied"}
FACTORS = {name for name, about in NUMBERS.items() if about["question"] == "factors"}


@pytest.fixture(scope="module")
def paintings():
    collection = kvae.open_collection(count=96, size=16)
    return collection.read(range(96)), collection.factors


def missing(found) -> set[str]:
    return {name for name in NUMBERS if getattr(found, name) is None}


def small(pictures, network="principal", **settings) -> VAE:
    shape = {"image_shape": pictures.shape[1:], "latent_dim": 4, "widths": (8,)}
    model = VAE(network=network, **{**shape, **settings})
    if model.linear_path is not None or network == "principal":
        model.adapt(pictures)
    return model


def test_the_linear_model_has_the_numbers_of_its_closed_form(gaussian):
    model = VAE(image_shape=(2, 4, 1), network="principal", latent_dim=8, kl_weight=1.0)
    model.adapt(gaussian.pictures)
    found = kvae.measure(model, gaussian.pictures[:500], training=gaussian.pictures).at[0]
    best = water_filling(gaussian.eigenvalues, 1.0, 8)
    assert found.active == best.active == 3
    assert found.rate == pytest.approx(best.rate, rel=0.05)
    assert found.distortion == pytest.approx(best.distortion, rel=0.08)
    assert found.loss == pytest.approx(found.distortion + found.rate)
    assert found.sigma == pytest.approx(math.sqrt(0.5))
    assert found.calibrated == pytest.approx(2 * found.distortion / 8)
    assert found.path_ratio == pytest.approx(1.0, abs=1e-4) and found.expansion_spread < 1e-3
    # the decoder's squared singular values are λ − s
    assert found.expansion == pytest.approx(math.sqrt(np.sum(gaussian.eigenvalues[:3] - 0.5)), rel=0.02)
    assert found.mutual + found.marginal == pytest.approx(found.rate)
    assert found.independence < 1e-3 and found.tilt == 0.0, "its latents move the picture along orthogonal ways"
    assert found.rate_by_dimension.sum() == pytest.approx(found.rate, rel=1e-4)
    assert found.rate_per_active == pytest.approx(found.rate / 3, rel=1e-4)
    assert found.bound_100 == pytest.approx(found.bound, abs=4 * found.bound_error)
    assert found.best_bound >= found.bound and found.copied == 0.0
    # at rest on all pictures; these are 32 of them
    assert found.gradient_share == pytest.approx(0.5, abs=0.1) and found.gradient_cosine < -0.7
    assert missing(found) == {"ssim", "short", *FACTORS}


def test_the_limit_predicts_the_active_dimensions_of_a_closed_form_at_every_weight(gaussian):
    model = VAE(image_shape=(2, 4, 1), network="hybrid", latent_dim=8, widths=(4,))
    model.adapt(gaussian.pictures)
    for weight in (8.1, 3.0, 1.5, 0.3, 0.03):
        model.kl_weight = weight
        found = kvae.measure(model, gaussian.pictures[:300]).at[0]
        expected = int(np.sum(gaussian.eigenvalues > weight / 2))
        assert found.active == found.active_predicted == expected


def test_a_model_is_as_evaluate_says_and_is_left_as_it_was(paintings):
    pictures, _ = paintings
    model = small(pictures, "conv", kl_weight=0.3)
    model.compile()
    before = [keras.ops.convert_to_numpy(one.value) for one in model.variables]
    found = kvae.measure(model, pictures).at[0]
    for one, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(one.value), value)
    expected = model.evaluate(pictures, verbose=0, return_dict=True)
    for name in ("distortion", "rate", "loss"):
        assert getattr(found, name) == pytest.approx(expected[name], rel=1e-4)
    statistics = kvae.measures.posterior.posterior_statistics(model, [pictures])
    assert found.active == statistics.active
    np.testing.assert_allclose(found.rate_by_dimension, statistics.rate, rtol=1e-4, atol=1e-6)


def test_a_range_is_measured_at_five_weights_or_at_those_that_are_named(paintings):
    pictures, factors = paintings
    model = small(pictures, "spectral", latent_dim=None, kl_weight=(0.01, 1.0))
    model.kl_weight = 0.2
    told = []
    found = kvae.measure(model, pictures[:40], progress=lambda done, total, what: told.append((done, total, what)))
    assert [one.kl_weight for one in found.at] == [1.0, 0.316, 0.1, 0.0316, 0.01] and model.beta == 0.2
    # untrained it is the closed form: on the curve at each weight, with the directions that the limit predicts
    assert found.envelope.consistent and [one.short for one in found.at] == [0.0] * 5
    assert [one.active_predicted for one in found.at] == sorted(one.active_predicted for one in found.at)
    rates = [one.rate for one in found.at]
    assert rates == sorted(rates) and found.at[0].distortion > found.at[-1].distortion
    assert told == [(done, 40, "measuring vae") for done in range(1, 41)]
    alone = kvae.measure(model, pictures[:40], kl_weights=[0.1])
    assert alone.envelope is None and alone.at[0].distortion == pytest.approx(found.at[2].distortion)
    dedicated = kvae.measure(model.at(0.1), pictures[:40]).at[0]
    for name in ("distortion", "rate", "bound_100", "path_ratio", "mutual"):
        assert getattr(dedicated, name) == pytest.approx(getattr(alone.at[0], name), rel=1e-4), name


@pytest.mark.parametrize("weights", [[2.0], [0.001, 0.1]])
def test_weights_outside_of_the_range_are_refused(paintings, weights):
    model = small(paintings[0], "spectral", latent_dim=None, kl_weight=(0.01, 1.0))
    with pytest.raises(ValueError, match=r"^measure: this model knows weights from 0.01 to 1. Received: (2|0.001)"):
        kvae.measure(model, paintings[0], kl_weights=weights)


def test_a_model_of_one_weight_is_not_measured_at_another(paintings):
    model = small(paintings[0], kl_weight=0.5)
    with pytest.raises(ValueError, match="has one weight, 0.5, and was not trained for another"):
        kvae.measure(model, paintings[0], kl_weights=[0.1])
    assert kvae.measure(model, paintings[0], kl_weights=[0.5]).at[0].kl_weight == 0.5


@pytest.mark.parametrize(
    ("settings", "lacks", "note"),
    [
        ({"autoencoder": True}, BOUNDS | GRADIENTS | NEIGHBOURS, "a plain autoencoder has no rate"),
        ({"likelihood": "bernoulli"}, BOUNDS, "these pictures have greys, so no bounds"),
        ({"likelihood": "laplace"}, {"sigma", "calibrated", "active_predicted"}, "belong to a Gaussian decoder"),
        ({"likelihood": Likelihood(squared_error)}, BOUNDS, "a likelihood of your own"),
        ({"kl_weight": 0.0}, {"bound", "bound_bits", "bound_100"}, "implies no noise"),
    ],
    ids=["autoencoder", "bernoulli", "laplace", "custom", "weightless"],
)
def test_a_number_without_a_meaning_is_none_and_the_reason_is_said(paintings, settings, lacks, note):
    pictures, factors = paintings
    model = small(pictures, "conv", **settings)
    found = kvae.measure(model, pictures, training=pictures[:20], factors=factors)
    assert lacks <= missing(found.at[0]) and any(note in one for one in found.notes)
    assert found.at[0].distortion > 0 and found.at[0].path_ratio >= 1.0 and found.at[0].mig is not None
    json.dumps(found.record(), allow_nan=False)


@pytest.mark.parametrize("name", RATES)
def test_every_rate_is_measured_in_parts_that_add_up(paintings, name):
    pictures, _ = paintings
    model = small(pictures, "conv", rate=name, kl_weight=0.5)
    found = kvae.measure(model, pictures[:30]).at[0]
    covariances = posteriors(model, pictures[[0, 9, 19, 29]])[1]
    assert found.tilt == pytest.approx(independence_cost(np.linalg.inv(covariances)).mean(), rel=1e-3, abs=1e-6)
    assert found.mutual + found.marginal == pytest.approx(found.rate, abs=1e-6)
    assert -1e-6 <= found.mutual <= found.mutual_ceiling + 1e-6 and found.marginal_least >= 0.0
    assert found.rate == pytest.approx(found.rate_by_dimension.sum(), rel=1e-4)
    assert found.bound <= found.bound_100 + 3 * found.bound_100_error
    assert all(math.isfinite(value) for value in found.record().values() if isinstance(value, float))


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_every_weighting_is_measured_at_the_weight_where_it_stands(paintings, name):
    pictures, _ = paintings
    model = small(pictures, "conv", weighting=name)
    found = kvae.measure(model, pictures[:20]).at[0]
    assert found.kl_weight == model.beta and found.best_bound_bits is not None
    assert (found.bound is None) == (model.beta <= 0)


def test_black_and_white_pictures_have_bounds_under_cross_entropy():
    pictures = (np.random.default_rng(0).random((20, 16, 16, 1)) > 0.5).astype("float32")
    found = kvae.measure(small(pictures, "conv", likelihood="bernoulli", kl_weight=1.0), pictures).at[0]
    assert found.bound == pytest.approx(-found.loss, rel=1e-4)
    assert found.bound_bits == pytest.approx(found.loss / (256 * math.log(2)), rel=1e-4)
    assert 0.5 < found.bound_bits < 2.0  # a coin a value, and what the untrained model wastes


def test_collapse_leaves_no_active_latent_no_information_and_no_path(paintings):
    pictures, _ = paintings
    found = kvae.measure(small(pictures, kl_weight=1e4), pictures)
    at = found.at[0]
    assert at.active == at.active_predicted == 0 and at.rate_per_active is None
    assert at.rate == pytest.approx(0.0, abs=1e-4) and at.mutual == pytest.approx(0.0, abs=1e-4)
    assert at.path_ratio is None and any("one picture of all codes" in note for note in found.notes)


def test_samples_that_are_training_pictures_are_found_out(paintings):
    pictures, _ = paintings

    @keras.saving.register_keras_serializable("remembering")
    class Remembering(keras.layers.Layer):
        def call(self, latents):
            places = keras.ops.cast(keras.ops.abs(latents[:, 0]) * 1000.0, "int32") % 90
            return keras.ops.take(keras.ops.convert_to_tensor(pictures / np.float32(255.0)), places, axis=0)

    encoder = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten()])
    decoder = keras.Sequential([keras.Input((4,)), Remembering()])
    found = kvae.measure(VAE(encoder, decoder, latent_dim=4), pictures[90:], training=pictures[:90])
    assert found.at[0].copied == 1.0 and found.at[0].nearest == pytest.approx(0.0, abs=1e-4)
    assert found.at[0].nearest_held_out > 0.05
    assert "100% of the samples of weight 0.1 are copies of training pictures." in verdicts([found])


@pytest.mark.parametrize(
    ("pictures", "sentence"),
    [
        (np.zeros((1, 16, 16, 3), "uint8"), "there must be at least 2 pictures. Received: 1"),
        (np.zeros((4, 8, 8, 3), "uint8"), "`pictures` must have shape"),
        (np.full((4, 16, 16, 3), 255.0), "`pictures` must hold floats in .* x / 255"),
    ],
)
def test_pictures_that_cannot_be_measured_are_refused(paintings, pictures, sentence):
    with pytest.raises(ValueError, match=sentence):
        kvae.measure(small(paintings[0]), pictures)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"model": "art.keras"}, "`model` must be a kvae.VAE; kvae.load.path. opens one. Received: str"),
        ({"training": np.full((4, 16, 16, 3), 255.0)}, "`training` must hold floats in .* x / 255"),
        ({"factors": {"hue": np.zeros(3)}}, "the factor 'hue' must have one value for each of the .* Received: 3"),
    ],
)
def test_what_else_cannot_be_measured_is_refused_in_a_sentence(paintings, given, sentence):
    with pytest.raises(ValueError, match=f"^measure: {sentence}"):
        kvae.measure(**{"model": small(paintings[0]), "pictures": paintings[0], **given})


def test_many_pictures_are_measured_by_evenly_spread_ones(paintings, monkeypatch):
    monkeypatch.setattr("kvae.training.measuring.MOST_PICTURES", 24)
    pictures = paintings[0]
    model = small(pictures)
    places = np.linspace(0, 95, 24).astype(int)
    all_of_them, some = kvae.measure(model, pictures), kvae.measure(model, pictures[places])
    assert all_of_them.pictures == 24 and all_of_them.at == some.at


# ---------------------------------------------------------------------- in words


def test_every_number_has_a_question_a_label_and_a_place_in_the_record():
    assert {about["question"] for about in NUMBERS.values()} == set(QUESTIONS)
    names = {one.name for one in dataclasses.fields(Measured)}
    told = Measured("a", 0.1, sigma=math.nan).record()
    assert set(told) == set(NUMBERS) | {"name", "kl_weight"} <= names and told["sigma"] is None


def test_the_page_of_measures_has_every_number():
    page = Path(kvae.__file__).parents[1] / "docs" / "measures.md"
    assert markdown() in page.read_text(encoding="utf-8")


def rows(**columns) -> Measures:
    """Weights 1, .1 and .01, each with one entry of the `columns`."""
    weights = (1.0, 0.1, 0.01)
    at = tuple(
        Measured("art", weight, **{name: values[place] for name, values in columns.items()})
        for place, weight in enumerate(weights)
    )
    return Measures("art", "conv", "squared-error", (16, 16, 3), 200, at)


def test_the_weight_with_the_best_bound_is_named_by_the_tightest_that_is_known():
    found = rows(best_bound_bits=(5.0, 4.0, 4.5), best_bound_100_bits=(4.9, 4.2, 4.1))
    assert verdicts([found])[0] == (
        "The best bound has weight 0.01: 4.100 bits per dimension at the noise that its errors call for; "
        "the worst, 4.900, weight 1."
    )
    assert verdicts([rows(best_bound_bits=(5.0, 4.0, 4.5))])[0].startswith("The best bound has weight 0.1: 4.000")


def test_what_of_smoothness_is_lost_is_told_between_the_outermost_weights():
    (said,) = verdicts([rows(path_ratio=(1.2, 2.0, 3.0))])
    assert said == (
        "Between pictures, the decoded path of weight 0.01 is 150% longer than that of weight 1: "
        "3.00 against 1.20 times the straight line."
    )
    (same,) = verdicts([rows(path_ratio=(1.2, 2.0, 1.205))])
    assert "is as long as that of weight 1" in same


def test_the_rate_is_told_in_its_two_parts_at_the_smallest_weight():
    (said,) = verdicts([rows(rate=(9.0, 40.0, 400.0), marginal=(5.0, 34.7, 394.7), marginal_least=(4.0, 9.0, 120.0))])
    assert said == (
        "Of the 400.0 nats at weight 0.01, 120.0 to 394.7 are how far q(z) is from the prior; "
        "a prior fitted to the latents of half the pictures saves 120.0 on the other half."
    )


def test_models_of_one_weight_each_are_tested_for_their_common_curve(paintings):
    pictures, _ = paintings
    models = {weight: small(pictures, kl_weight=weight) for weight in (1.0, 0.1)}
    found = [kvae.measure(model, pictures, name=f"w{weight:g}") for weight, model in models.items()]
    assert "Envelope test, between these models: consistent from 0.1 to 1." in verdicts(found)
    first, second = sorted((one.at[0].best_bits, one.name) for one in found)
    assert verdicts(found)[0].startswith(f"The best bound has {first[1]} at weight {first[1][1:]}: {first[0]:.3f} bits")
    assert verdicts(found)[0].endswith(f"the worst, {second[0]:.3f}, {second[1]} at weight {second[1][1:]}.")
