"""Every weighting, on the linear model, lands on the closed form of what it says it holds (reverse water-filling)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvae.measures.gaussian_limit import water_filling
from kvae.model.vae import VAE

SHAPE = (2, 4, 1)


class Track(keras.callbacks.Callback):
    """R, D and β of every batch; each epoch is one batch."""

    def __init__(self) -> None:
        super().__init__()
        self.distortion, self.rate, self.weight = [], [], []

    def on_epoch_end(self, epoch, logs=None):
        for name, values in (("distortion", self.distortion), ("rate", self.rate), ("kl_weight", self.weight)):
            values.append(float(logs[name]))


def trained(model: VAE, pictures: np.ndarray, steps: int, *, rate: float = 0.03, every: int = 10) -> Track:
    """Adam on the whole collection at once, its step size falling to zero; D, R and β are means of `every` steps."""
    track = Track()
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)), steps_per_execution=every)
    data = tf.data.Dataset.from_tensors(pictures).repeat()
    model.fit(data, steps_per_epoch=every, epochs=steps // every, shuffle=False, verbose=0, callbacks=[track])
    return track


def linear(pictures: np.ndarray, *, start: float, latent_dim: int = 8, **settings) -> VAE:
    """A linear VAE that sets out from the closed form at the weight `start`."""
    model = VAE(image_shape=SHAPE, network="principal", latent_dim=latent_dim, **{"kl_weight": start, **settings})
    model.adapt(pictures)
    return model


def test_capacity_holds_the_rate_within_a_nat(gaussian):
    model = linear(gaussian.pictures, start=0.1, weighting="capacity", capacity=4.0, ramp_steps=300)
    track = trained(model, gaussian.pictures, 900, rate=0.01)
    assert np.abs(np.array(track.rate[-20:]) - 4.0).max() < 1.0
    # half-way up the ramp the rate was told half as much
    assert abs(track.rate[15] - 2.0) < 1.0
    assert model.beta == pytest.approx(0.1)


@pytest.mark.parametrize("start", [7.0, 0.02])
def test_pi_brings_the_rate_to_its_target_without_overshoot(gaussian, start):
    target = water_filling(gaussian.eigenvalues, 1.0, 8).rate  # 2.079 nats, from .27 or from 13
    model = linear(
        gaussian.pictures,
        start=start,
        weighting="pi",
        target_rate=target,
        proportional_gain=0.01,
        integral_gain=2e-3,
        highest_weight=8.0,
    )
    begun = water_filling(gaussian.eigenvalues, start, 8).rate
    track = trained(model, gaussian.pictures, 2000, rate=0.02)
    rates = np.array(track.rate)
    assert rates[-5:].mean() == pytest.approx(target, rel=0.02)
    assert track.weight[-1] == pytest.approx(1.0, rel=0.1)
    if begun > target:
        reached = rates[np.argmax(rates < 1.02 * target) :]
        assert reached.min() > 0.8 * target
        assert reached.max() < 1.2 * target


@pytest.mark.parametrize("start", [8.0, 0.01])
def test_geco_brings_the_distortion_to_its_target_without_a_limit_cycle(gaussian, start):
    target = water_filling(gaussian.eigenvalues, 1.0, 8).distortion  # 2.370
    model = linear(gaussian.pictures, start=start, weighting="geco", target_distortion=target)
    track = trained(model, gaussian.pictures, 2000, rate=0.02)
    late = np.array(track.distortion[-40:])
    assert late.mean() == pytest.approx(target, rel=0.02)
    assert np.ptp(late) < 0.05 * target
    assert track.weight[-1] == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize("weighting", ["calibrated", "learned"])
@pytest.mark.parametrize("start", [2.0, 0.05])
def test_calibrated_noise_becomes_that_of_probabilistic_pca(gaussian, weighting, start):
    variance = gaussian.eigenvalues[3:].mean()  # the mean discarded eigenvalue, .174
    model = linear(gaussian.pictures, start=start, latent_dim=3, weighting=weighting)
    track = trained(model, gaussian.pictures, 1000)
    assert np.mean(track.weight[-5:]) / 2 == pytest.approx(variance, rel=0.02)
    best = water_filling(gaussian.eigenvalues, 2 * variance, 3)
    assert track.rate[-1] == pytest.approx(best.rate, rel=0.03)
    assert track.distortion[-1] == pytest.approx(8 * variance, rel=0.03)


def test_full_covariance_finds_the_bound_that_a_turned_decoder_hides_from_the_diagonal(gaussian):
    bounds = {}
    for rate in ("diagonal", "full"):
        model = linear(gaussian.pictures, start=0.5, latent_dim=4, rate=rate)
        # turn the latents: the same model, but its posterior is diagonal no more
        turn = np.linalg.qr(np.random.default_rng(3).standard_normal((4, 4)))[0]
        synthesis = next(layer for layer in model.decoder.layers if layer.weights)
        kernel, bias = synthesis.get_weights()
        synthesis.set_weights([turn @ kernel, bias])
        synthesis.trainable = False
        analysis, offset = model.mean_head.get_weights()
        model.mean_head.set_weights([analysis @ turn.T, offset @ turn.T])
        track = trained(model, gaussian.pictures, 500)
        bounds[rate] = np.mean(track.distortion[-3:]) + 0.5 * np.mean(track.rate[-3:])
    best = water_filling(gaussian.eigenvalues, 0.5, 4).loss
    assert bounds["full"] == pytest.approx(best, rel=0.02)
    assert bounds["diagonal"] > 1.03 * best


def test_batch_norm_and_delta_keep_a_rate_where_the_plain_model_collapses(gaussian):
    rates = {}
    for rate in ("diagonal", "bn", "delta"):
        model = linear(gaussian.pictures, start=0.01, rate=rate)
        model.kl_weight.assign(12.0)
        rates[rate] = trained(model, gaussian.pictures, 800).rate[-1]
    assert rates["diagonal"] < 0.1
    assert rates["bn"] == pytest.approx(8 * 0.6**2 / 2, rel=0.1)
    assert 5.0 <= rates["delta"] < 5.5
