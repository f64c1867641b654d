"""The gradient balance: two arrows on the encoder that cancel where training is at rest, and their price."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvae.model.vae import VAE
from kvae.saving.card_fields import GRADIENTS
from kvae.training.balance import BUDGET, BalanceProbe, decoder_weights, encoder_weights
from kvae.training.listener import Listener


def linear(pictures: np.ndarray, network: str = "principal", **settings) -> VAE:
    model = VAE(image_shape=(2, 4, 1), network=network, latent_dim=8, widths=(4,), **{"kl_weight": 1.0, **settings})
    model.adapt(pictures)
    return model


def trained(model: VAE, pictures: np.ndarray) -> VAE:
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.01, 400)), steps_per_execution=50)
    model.fit(tf.data.Dataset.from_tensors(pictures).repeat(), steps_per_epoch=400, shuffle=False, verbose=0)
    return model


def test_at_rest_the_two_arrows_are_equal_and_opposite(gaussian):
    model = trained(linear(gaussian.pictures, kl_weight=1.0), gaussian.pictures)
    found = BalanceProbe(model, gaussian.pictures)(400, 1.0)
    assert found.share == pytest.approx(0.5, abs=0.02)
    assert found.cosine == pytest.approx(-1.0, abs=0.02)
    # the decoder, where D pulls alone, is at rest too
    assert found.decoder < 0.1 * BalanceProbe(linear(gaussian.others), gaussian.pictures)(0, 1.0).decoder


def test_the_weight_scales_the_length_of_one_arrow_and_no_angle(gaussian):
    probe = BalanceProbe(linear(gaussian.pictures), gaussian.pictures[:64])
    one, three, back = probe(1, 1.0), probe(2, 3.0), probe(3, -1.0)
    assert three.rate == pytest.approx(3 * one.rate) and three.distortion == pytest.approx(one.distortion)
    assert three.cosine == pytest.approx(one.cosine) and back.cosine == pytest.approx(-one.cosine)
    assert one.share == pytest.approx(one.rate / (one.rate + one.distortion))
    nothing = probe(4, 0.0)
    assert nothing.rate == nothing.share == 0.0


@pytest.mark.parametrize("rate", ["diagonal", "full", "bn"])
@pytest.mark.parametrize("network", ["principal", "hybrid", "conv"])
def test_every_trainable_weight_is_on_one_side(gaussian, network, rate):
    model = VAE(image_shape=(8, 8, 1), network=network, latent_dim=4, widths=(4,), rate=rate)
    sides = [weight.path for weight in encoder_weights(model) + decoder_weights(model)]
    if network == "hybrid":
        model.linear_path.assign_pca(np.zeros(64), np.ones(4), np.eye(64)[:, :4])
    assert sorted(sides) == sorted(weight.path for weight in model.trainable_variables)
    probe = BalanceProbe(model, np.random.default_rng(0).random((4, 8, 8, 1), dtype="float32"))
    with tf.GradientTape() as tape:
        model(probe._images)
        rate = tf.reduce_mean(model.rates)
    # the rate does not reach the decoder
    assert tape.gradient(rate, [weight.value for weight in decoder_weights(model)]) == [None] * len(
        decoder_weights(model)
    )
    assert np.all(np.isfinite(list(probe(1, 0.5).record().values())))


def test_a_measurement_changes_nothing(gaussian):
    model = linear(gaussian.pictures, weighting="geco", rate="bn", target_distortion=2.0)
    before = model.get_weights()
    BalanceProbe(model, gaussian.pictures[:8])(1, 1.0)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_measurements_are_spaced_by_steps_or_by_their_price(gaussian):
    probe = BalanceProbe(linear(gaussian.pictures), gaussian.pictures[:8], 5)
    assert [step for step in range(1, 21) if probe.due(step, 0.0)] == [5, 10, 15, 20]
    never = BalanceProbe(linear(gaussian.pictures), gaussian.pictures[:8], 0)
    assert not any(never.due(step, 1e9) for step in range(20))
    freely = BalanceProbe(linear(gaussian.pictures), gaussian.pictures[:8])
    assert not freely.due(1, 1.0) and freely.due(1, 1000.0)
    costs: list[float] = []
    for step in range(1, 200):  # ten steps a second
        if freely.due(step, step / 10):
            assert sum(costs) <= BUDGET * step / 10
            before = freely._spent
            freely(step, 1.0)
            costs.append(freely._spent - before)
    assert costs and min(costs) > 0.0


def test_a_run_keeps_its_balance_and_tells_it(small, undrawn, tmp_path):
    heard = []

    class Hears(Listener):
        def on_balance(self, balance):
            heard.append(balance)

    run = small(tmp_path / "a.keras", listener=Hears(), epochs=2, balance_every=3)
    assert [balance.step for balance in heard] == [3, 6]
    assert run.model.card["balance"] == {
        "step": [3, 6],
        **{name: [balance.record()[name] for balance in heard] for name in GRADIENTS},
    }
    assert run.history["gradient_share"] == [balance.share for balance in heard]
    assert all(0.0 < balance.share < 1.0 and -1.0 <= balance.cosine <= 1.0 for balance in heard)


@pytest.mark.parametrize(
    "settings",
    [
        {"weighting": "warm-up", "ramp_steps": 8, "kl_weight": 0.8},
        {"weighting": "capacity", "capacity": 0.5, "capacity_weight": 3.0},
        {"weighting": "free-bits", "free_bits": 100.0},
    ],
    ids=lambda settings: settings["weighting"],
)
def test_the_record_of_a_run_has_the_weight_in_effect_of_each_batch(small, undrawn, tmp_path, settings):
    run = small(tmp_path / "a.keras", epochs=2, **settings)
    weights = run.steps["kl_weight"]
    if settings["weighting"] == "warm-up":
        assert weights == pytest.approx(np.arange(8) / 10)
        assert run.history["kl_weight"] == pytest.approx([0.3, 0.7])
    elif settings["weighting"] == "capacity":
        np.testing.assert_allclose(np.abs(weights), 3.0, rtol=1e-4)
        assert run.history["kl_weight"] == [0.1, 0.1]
    else:
        assert weights == pytest.approx([0.0] * 8, abs=1e-6)


def test_an_autoencoder_has_no_balance(small, undrawn, tmp_path):
    run = small(tmp_path / "a.keras", autoencoder=True)
    assert run.history["gradient_share"] == [None] and run.model.card["balance"]["step"] == []
