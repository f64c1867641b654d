"""What holds for a VAE of every registered network."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from kvae.model.vae import VAE
from kvae.settings import OLDER_NETWORKS, SETTINGS
from kvae.training.backend import gradients

OLDER = [pytest.param(name, marks=pytest.mark.slow) for name in OLDER_NETWORKS]
pytestmark = pytest.mark.parametrize("network", [*SETTINGS["network"].choices, *OLDER], scope="module")

SHAPE, LATENT = (16, 16, 3), 4
DRAWN = {"linear": 0, "principal": 2}  # weights that start at random, of networks with few
CONFIG = {
    "image_shape",
    "latent_dim",
    "kl_weight",
    "autoencoder",
    "seed",
    "dtype",
    "name",
    "network",
    "widths",
    "depth",
}


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(11).random((12, *SHAPE), dtype="float32")


def build(network: str, **settings) -> VAE:
    return VAE(
        **{"image_shape": SHAPE, "network": network, "latent_dim": LATENT, "widths": (8, 8), "depth": 1, **settings}
    )


def stepped(network: str, pictures: np.ndarray, **settings) -> VAE:
    """After three steps of Adam."""
    model = build(network, **settings)
    model.compile(keras.optimizers.Adam(0.003))
    model.fit(pictures, batch_size=4, verbose=0)
    return model


@pytest.fixture(scope="module")
def model(network, pictures) -> VAE:
    """One to look at and not to change."""
    return stepped(network, pictures, kl_weight=0.7)


def d_and_r(model: VAE, pictures: np.ndarray, output: np.ndarray) -> tuple[float, float]:
    """D and R as kvae defines them, in float64."""
    mean, log_var = (part.astype("float64") for part in model.encode(pictures))
    distortion = np.square(pictures.astype("float64") - output).sum(axis=(1, 2, 3)).mean()
    return distortion, 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(axis=1).mean()


def test_the_loss_is_the_summed_distortion_plus_the_weighted_rate(model, pictures):
    output = model(pictures)
    loss = float(model.compute_loss(pictures, None, output, training=False))
    distortion, rate = d_and_r(model, pictures, ops.convert_to_numpy(output))
    assert rate > 0.001
    assert loss == pytest.approx(distortion + 0.7 * rate, rel=1e-5)
    reported = model.evaluate(pictures, batch_size=12, verbose=0, return_dict=True)
    assert reported["distortion"] == pytest.approx(distortion, rel=1e-5)
    assert reported["rate"] == pytest.approx(rate, rel=1e-4)
    assert reported["loss"] == pytest.approx(loss, rel=1e-5)


def test_a_second_call_does_not_add_the_rate_twice(model, pictures):
    losses = [float(model.compute_loss(pictures, None, model(pictures), training=False)) for _ in range(2)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("kl_weight", [0.01, 2.0])
def test_the_derivative_of_the_loss_by_the_weight_is_the_rate(network, pictures, kl_weight):
    model = build(network, kl_weight=kl_weight)
    if network == "hybrid":
        model.adapt(pictures)  # its linear path reads the weight, and that must not count
    loss_of = gradients(lambda x: (model.compute_loss(x, None, model(x), training=True),), model, [model.kl_weight])
    rate = d_and_r(model, pictures, np.zeros(1))[1]
    assert rate > 0.001
    assert float(loss_of(pictures)[0][0]) == pytest.approx(rate, rel=1e-4)


def test_every_trainable_weight_has_a_finite_gradient_that_is_not_zero(model, pictures):
    variables = model.trainable_variables

    def loss(x):
        return (model.compute_loss(x, None, model(x, training=True), training=True),)

    for weight, gradient in zip(variables, gradients(loss, model, variables)(pictures)[0], strict=True):
        assert np.all(np.isfinite(gradient)) and np.any(np.asarray(gradient) != 0), weight.path
    assert not any(weight is model.kl_weight for weight in model.trainable_variables)


def test_training_lowers_the_loss(network):
    # a disc that wanders: bright on dark, and beyond what four linear dimensions can say
    rows, columns = np.mgrid[:16, :16]
    ways = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    discs = [np.hypot(rows - 8 - 4 * np.sin(way), columns - 8 - 4 * np.cos(way)) < 3.5 for way in ways]
    discs = np.repeat(np.stack(discs)[..., None].astype("float32"), 3, axis=-1)
    model = build(network, kl_weight=0.1)
    model.compile(keras.optimizers.Adam(0.003))
    losses = model.fit(discs, epochs=20, batch_size=6, verbose=0).history["loss"]
    # the linear VAE begins where training would lead it
    assert np.mean(losses[-2:]) < (1.02 if network == "linear" else 0.9) * losses[0]


@pytest.mark.parametrize("size", [16, 28, 32, 48])
@pytest.mark.parametrize("channels", [1, 3])
def test_default_widths_serve_every_size_in_colour_and_grey(network, size, channels):
    model = VAE(image_shape=(size, size, channels), network=network, latent_dim=LATENT)
    images = np.random.default_rng(0).random((2, size, size, channels), dtype="float32")
    assert model.reconstruct(images).shape == images.shape
    # L of one call is finite, so both the encoder and the decoder are alive
    assert np.isfinite(float(model.compute_loss(images, None, model(images), training=False)))


def test_the_config_is_json_of_kvae_settings_only_and_builds_the_same_model(network):
    model = build(network, kl_weight=0.25, seed=3, depth=2, dtype="mixed_bfloat16", name="night")
    config = json.loads(json.dumps(model.get_config(), allow_nan=False))
    assert set(config) - {"format"} == CONFIG
    assert set(config) - {"format", "image_shape", "dtype", "name"} <= set(SETTINGS)
    again = VAE.from_config(config)
    assert again.get_config() == model.get_config()
    assert type(again.widths) is tuple and again.widths == model.widths
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_config_holds_the_weight_of_now(network):
    model = build(network, kl_weight=0.25)
    model.kl_weight.assign(4.0)
    assert VAE.from_config(model.get_config()).get_config()["kl_weight"] == 4.0


@pytest.mark.parametrize("seed", [0, 2**31 - 1])
def test_equal_seeds_make_equal_weights_and_different_seeds_different_ones(network, seed):
    one, same, other = (build(network, seed=number).trainable_variables for number in (seed, seed, abs(seed - 1)))
    differ = 0
    for first, second, third in zip(one, same, other, strict=True):
        first, second, third = map(ops.convert_to_numpy, (first, second, third))
        np.testing.assert_array_equal(first, second)
        if np.ptp(first) > 0:  # not one that starts at a constant
            assert np.mean(first == third) < 0.1
            differ += 1
    assert differ >= DRAWN.get(network, 4)


def test_no_two_weights_start_with_the_same_random_numbers(network):
    kernels = [ops.convert_to_numpy(weight).ravel() for weight in build(network, widths=(8, 8)).trainable_variables]
    random = [kernel for kernel in kernels if np.ptp(kernel) > 0]
    # Glorot's uniform numbers differ between layers in their scale only, if the layers share a seed
    starts = {tuple(np.round(kernel[:12] / np.abs(kernel[:12]).max(), 4)) for kernel in random}
    assert len(starts) == len(random) >= DRAWN.get(network, 3)


def test_a_saved_model_comes_back_with_its_weight_its_optimizer_and_its_card(network, pictures, tmp_path):
    model = stepped(network, pictures, kl_weight=0.1)
    model.kl_weight.assign(0.375)
    model.card = {"made": "by a test", "history": [1.0, 0.5]}
    model.save(tmp_path / "art.keras")
    again = keras.models.load_model(tmp_path / "art.keras")
    np.testing.assert_allclose(again.reconstruct(pictures), model.reconstruct(pictures), atol=1e-6)
    assert float(again.kl_weight) == 0.375 and again.card == model.card
    assert int(again.optimizer.iterations) == 3
    for one, other in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    again.fit(pictures, batch_size=4, verbose=0)
    assert int(again.optimizer.iterations) == 6


def test_a_model_that_was_never_called_saves_and_loads_all_its_state(network, pictures, tmp_path):
    model = build(network)
    model.compile()
    model.optimizer.iterations.assign(7)
    model.save(tmp_path / "fresh.keras")
    again = keras.models.load_model(tmp_path / "fresh.keras")
    assert int(again.optimizer.iterations) == 7
    assert len(again.optimizer.variables) == len(model.optimizer.variables) > 2 * len(model.trainable_variables)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
