"""One model for a range of KL weights: what it draws, how losses count, and that each weight gets its own model."""

import keras
import numpy as np
import pytest
from keras import ops

import kvae
from kvae.model.vae import VAE
from kvae.model.weight_range import KNOTS, MOST, WeightRange

SHAPE = (16, 16, 3)
SPAN = WeightRange(0.01, 1.0)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return kvae.open_collection(count=48, size=16).read(range(48))


def build(**settings) -> VAE:
    return VAE(**{"image_shape": SHAPE, "widths": (8, 8), "kl_weight": (0.01, 1.0), **settings})


def started(pictures: np.ndarray, **settings) -> VAE:
    model = build(**settings)
    model.adapt(pictures)
    model.compile(keras.optimizers.Adam(0.002), run_eagerly=True)  # no graph for a few steps
    return model


def losses_like(weights: np.ndarray) -> np.ndarray:
    """A loss that is linear in log β, so that straight lines between knots are exact."""
    return 50.0 + 10.0 * np.log(weights)


def test_each_picture_of_a_batch_draws_from_its_own_part_of_the_range():
    weights = ops.convert_to_numpy(SPAN.draw(40, keras.random.SeedGenerator(3)))
    assert weights.min() == pytest.approx(0.01) and weights.max() <= 1.0
    assert np.sum(weights < 0.010001) == 5
    parts = np.floor((np.log(weights[5:]) - np.log(0.01)) / np.log(100) * 35 - 1e-4)
    np.testing.assert_array_equal(parts, np.arange(35))


def test_the_drawn_weights_above_the_lowest_are_uniform_in_their_logarithm():
    seed = keras.random.SeedGenerator(0)
    drawn = np.concatenate([ops.convert_to_numpy(SPAN.draw(8, seed)) for _ in range(200)])
    drawn = drawn[drawn > 0.010001]
    assert len(drawn) == 7 * 200
    shares = (np.log(drawn) - np.log(0.01)) / np.log(100)
    assert np.mean(shares) == pytest.approx(0.5, abs=0.01)
    assert np.var(shares) == pytest.approx(1 / 12, rel=0.05)


def test_the_expected_loss_lies_on_straight_lines_between_the_knots():
    kept = losses_like(SPAN.knots).astype("float32")
    weights = np.geomspace(0.01, 1.0, 40).astype("float32")
    np.testing.assert_allclose(SPAN.expected(weights, kept), losses_like(weights), rtol=1e-5)


def test_every_weight_counts_the_same_and_a_picture_far_off_no_more_than_thrice():
    kept = losses_like(SPAN.knots).astype("float32")
    weights = np.array([0.01, 0.1, 1.0, 0.1], "float32")
    losses = losses_like(weights) * np.array([1.0, 1.0, 1.0, 1000.0])
    counted = losses * ops.convert_to_numpy(SPAN.scales(weights, losses.astype("float32"), kept))
    np.testing.assert_allclose(counted, [1.0, 1.0, 1.0, MOST], rtol=1e-5)


def test_what_is_expected_follows_the_losses_by_their_memory_and_only_where_they_are():
    kept = np.full(KNOTS, 10.0, "float32")
    after = ops.convert_to_numpy(
        SPAN.updated(np.array([0.01, 0.01], "float32"), np.array([20.0, 20.0], "float32"), kept)
    )
    assert after[0] == pytest.approx(10.0 + (1 - 0.98**2) * 10.0)
    np.testing.assert_array_equal(after[1:], 10.0)


def test_a_loss_that_is_no_number_changes_nothing_that_is_expected():
    kept = np.full(KNOTS, 10.0, "float32")
    after = SPAN.updated(np.array([0.01, 0.1], "float32"), np.array([np.inf, np.nan], "float32"), kept)
    assert np.all(np.isfinite(ops.convert_to_numpy(after)))


def test_an_untrained_model_expects_the_loss_that_it_has(pictures):
    model = started(pictures)
    kept = ops.convert_to_numpy(model.expected_losses)
    for place in (0, KNOTS // 2, KNOTS - 1):
        model.kl_weight = SPAN.knots[place]
        assert kept[place] == pytest.approx(model.evaluate(pictures, verbose=0, return_dict=True)["loss"], rel=1e-4)


def test_evaluation_reports_five_weights_and_each_is_what_the_model_has_there(pictures):
    model = started(pictures)
    found = model.evaluate(pictures, verbose=0, return_dict=True)
    assert [name for name in found if name.startswith("loss_at")] == [
        f"loss_at_{weight}" for weight in ("0.01", "0.0316", "0.1", "0.316", "1")
    ]
    for weight in (0.01, 0.316, 1.0):
        model.kl_weight = weight
        here = model.evaluate(pictures, verbose=0, return_dict=True)
        for term in ("distortion", "rate", "loss"):
            assert here[term] == pytest.approx(found[f"{term}_at_{weight:g}"], rel=1e-3)


def test_training_reports_its_terms_and_not_those_of_evaluation(pictures):
    stopping = keras.callbacks.EarlyStopping("val_distortion_at_0.1")  # of which less is better
    model = started(pictures)
    history = model.fit(
        pictures, batch_size=16, validation_data=(pictures[:8],), callbacks=[stopping], verbose=0
    ).history
    assert stopping.best == history["val_distortion_at_0.1"][0]
    assert {name for name in history if not name.startswith("val_")} == {"loss", "distortion", "rate", "kl_weight"}
    assert "val_loss_at_0.1" in history
    assert history["loss"][0] == pytest.approx(1.0, abs=0.3)  # relative to what is expected


def test_a_range_trains_every_weight(pictures):
    model = started(pictures)
    model.compile(keras.optimizers.Adam(0.001))
    before = model.evaluate(pictures, verbose=0, return_dict=True)
    model.fit(pictures, batch_size=8, epochs=20, shuffle=False, verbose=0)
    after = model.evaluate(pictures, verbose=0, return_dict=True)
    ratios = [after[name] / before[name] for name in before if name.startswith("loss_at")]
    assert np.mean(ratios) < 0.997 and max(ratios) < 1.003  # there is little to correct in 16 pixels at weight 0.01


def test_assigning_a_weight_moves_the_pictures_and_costs_no_training(pictures):
    model = started(pictures)
    model.kl_weight = 0.01
    fine = np.square(model.reconstruct(pictures) - pictures / 255.0).sum()
    model.kl_weight = 1.0
    assert np.square(model.reconstruct(pictures) - pictures / 255.0).sum() > 2 * fine


def test_a_weight_outside_the_range_is_clamped_and_said():
    model = build()
    with pytest.warns(UserWarning, match="knows weights from 0.01 to 1"):
        model.kl_weight = 5.0
    assert model.beta == 1.0


def test_a_model_of_one_weight_is_taken_out_of_the_range(pictures, tmp_path):
    model = started(pictures)
    model.fit(pictures, batch_size=16, verbose=0)
    one = model.at(0.03)
    assert one.weight_range is None and one.beta == 0.03
    model.kl_weight = 0.03
    np.testing.assert_array_equal(one.reconstruct(pictures), model.reconstruct(pictures))
    one.compile()
    history = one.fit(pictures, batch_size=16, verbose=0).history
    assert history["loss"][0] == pytest.approx(history["distortion"][0] + 0.03 * history["rate"][0], rel=1e-4)
    one.save(tmp_path / "one.keras")
    assert kvae.load(tmp_path / "one.keras").get_config()["kl_weight"] == 0.03


def test_there_is_no_model_for_a_weight_outside_the_range():
    with pytest.raises(ValueError, match="from 0.01 to 1. Received: kl_weight=2"):
        build().at(2.0)


def test_a_saved_model_comes_back_with_its_range_its_place_and_what_it_expects(pictures, tmp_path):
    model = started(pictures)
    model.fit(pictures, batch_size=16, verbose=0)
    model.kl_weight = 0.05
    model.save(tmp_path / "range.keras")
    again = kvae.load(tmp_path / "range.keras")
    assert (again.weight_range, again.beta) == (SPAN, 0.05)
    np.testing.assert_array_equal(again.expected_losses, model.expected_losses)
    again.seed_noise(0, 3), model.seed_noise(0, 3)
    one, other = (each.train_on_batch(pictures[:16], return_dict=True) for each in (model, again))
    assert other == pytest.approx(one, rel=1e-4)


def test_sample_weights_weight_the_relative_losses(pictures):
    plain, doubled = started(pictures), started(pictures)
    for model in (plain, doubled):
        model.compile(keras.optimizers.SGD(0.0))
        model.seed_noise(0, 0)
    once = plain.train_on_batch(pictures[:8], return_dict=True)
    twice = doubled.train_on_batch(pictures[:8], sample_weight=np.full(8, 2.0), return_dict=True)
    assert twice == pytest.approx({**once, "loss": 2 * once["loss"]}, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"network": "conv"}, "network conv learns for one weight. Choose network spectral"),
        ({"weighting": "warm-up"}, "weighting warm-up sets the weight by itself. Choose weighting constant"),
        ({"rate": "tc"}, "rate tc looks at pictures of one weight together. Choose rate diagonal or full"),
        ({"encoder": (16, 16, 3)}, "`encoder` must be a Keras model"),  # for it has the first place
        ({"kl_weight": (1.0, 0.1)}, "a range from one above 0 to a larger one, such as 0.01..1"),
        ({"kl_weight": "0..1"}, "a range from one above 0 to a larger one"),
        ({"kl_weight": (0.1, float("nan"))}, "`kl_weight` must be a number"),
    ],
)
def test_a_range_that_means_nothing_is_refused_in_a_sentence(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(**settings)


def test_a_range_may_be_written_as_on_the_command_line():
    assert build(kl_weight="0.02..0.5").weight_range == WeightRange(0.02, 0.5)


def test_a_full_covariance_serves_a_range_too(pictures):
    model = started(pictures, rate="full", latent_dim=12)
    assert np.isfinite(model.fit(pictures, batch_size=16, verbose=0).history["loss"][0])
