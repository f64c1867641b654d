"""Networks that someone brings: what fits, what is refused and in which words, and whom a file of them trusts."""

import json

import keras
import numpy as np
import pytest
from keras import layers, ops

from kvae.model.vae import VAE

SHAPE, LATENT = (8, 8, 3), 3


def encoder(shape=SHAPE) -> keras.Model:
    return keras.Sequential([keras.Input(shape), layers.Conv2D(4, 3, 2), layers.ReLU()])


def decoder(latent=LATENT, shape=SHAPE) -> keras.Model:
    return keras.Sequential([keras.Input((latent,)), layers.Dense(int(np.prod(shape))), layers.Reshape(shape)])


def unknown_length(images):
    return ops.reshape(images, (ops.shape(images)[0], -1))


def features_of_unknown_length() -> keras.Model:
    flat = layers.Lambda(unknown_length, output_shape=(None,))
    return keras.Sequential([keras.Input(SHAPE), flat])


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(8).random((12, *SHAPE), dtype="float32")


def test_custom_networks_take_their_image_shape_from_the_encoder_and_learn(pictures):
    model = VAE(encoder(), decoder(), latent_dim=LATENT, kl_weight=0.1)
    assert model.image_shape == SHAPE
    assert model.encode(pictures)[0].shape == (12, LATENT)  # features of any shape are flattened
    model.compile(keras.optimizers.Adam(0.01))
    losses = model.fit(pictures, epochs=8, batch_size=6, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]


def test_images_with_two_channels_are_no_matter_to_custom_networks():
    shape = (4, 6, 2)
    model = VAE(keras.Sequential([keras.Input(shape), layers.Flatten()]), decoder(LATENT, shape), latent_dim=LATENT)
    assert model.sample(2).shape == (2, *shape)


WRONG = {
    "no decoder": (lambda: (encoder(), None), r"`decoder` must be a Keras model; bring both networks or none"),
    "no encoder": (lambda: (None, decoder()), r"`encoder` must be a Keras model; bring both networks or none"),
    "a layer": (lambda: (layers.Flatten(), decoder()), r"`encoder` must be a Keras model; .* Received: <Flatten"),
    "an encoder without input": (
        lambda: (keras.Sequential([layers.Flatten()]), decoder()),
        r"`encoder` has no known input shape yet\. Begin it with keras\.Input",
    ),
    "a decoder without input": (
        lambda: (encoder(), keras.Sequential([layers.Dense(4)])),
        r"`decoder` has no known input shape yet\. Begin it with keras\.Input",
    ),
    "vectors for images": (
        lambda: (keras.Sequential([keras.Input((12,)), layers.Dense(4)]), decoder()),
        r"`encoder` must take images of a fixed shape \(height, width, channels\)\. Received: \(12,\)",
    ),
    "images of any size": (
        lambda: (keras.Sequential([keras.Input((None, None, 3)), layers.GlobalAveragePooling2D()]), decoder()),
        r"`encoder` must take images of a fixed shape .* Received: \(None, None, 3\)",
    ),
    "features of any length": (
        lambda: (features_of_unknown_length(), decoder()),
        r"`encoder` must give features of a fixed shape\. Received: \(None,\)",
    ),
    "other latents": (
        lambda: (encoder(), decoder(LATENT + 1)),
        r"`decoder` must take latents of shape \(3,\), which is `latent_dim`\. Received: \(4,\)",
    ),
    "other images": (
        lambda: (encoder(), decoder(LATENT, (8, 8, 1))),
        r"`decoder` must give images of the shape that `encoder` takes, \(8, 8, 3\)\. Received: \(8, 8, 1\)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_networks_that_do_not_fit_are_refused_with_what_was_expected(case):
    build, words = WRONG[case]
    with pytest.raises(ValueError, match="VAE: " + words):
        VAE(*build(), latent_dim=LATENT)


def test_networks_of_several_outputs_are_refused():
    images = keras.Input(SHAPE)
    flat = layers.Flatten()(images)
    with pytest.raises(
        ValueError, match=r"VAE: `encoder` must have one input and one output\. Received: 1 inputs and 2 outputs\."
    ):
        VAE(keras.Model(images, [flat, layers.Dense(2)(flat)]), decoder(), latent_dim=LATENT)


def with_lambda() -> keras.Model:
    return keras.Sequential([keras.Input(SHAPE), layers.Lambda(lambda images: 2.0 * images, output_shape=SHAPE)])


@pytest.mark.parametrize("network", [encoder, with_lambda])
def test_a_config_from_elsewhere_is_refused_and_one_of_this_process_rebuilt(network, pictures):
    model = VAE(network(), decoder(), latent_dim=LATENT, kl_weight=0.4, name="mine")
    config = model.get_config()
    read = json.loads(json.dumps(config))
    with pytest.raises(ValueError, match=r"can run any code.*kvae\.load\(path, trust=True\)"):
        VAE.from_config(read)
    again = VAE.from_config(config)
    again.set_weights(model.get_weights())
    assert again.name == "mine" and again.get_config()["kl_weight"] == pytest.approx(0.4)
    np.testing.assert_allclose(again.reconstruct(pictures), model.reconstruct(pictures), atol=1e-6)


@pytest.mark.parametrize("network", [encoder, with_lambda])
def test_keras_opens_a_file_of_custom_networks_without_its_safe_mode_alone(network, tmp_path, pictures):
    model = VAE(network(), decoder(), latent_dim=LATENT)
    model.save(tmp_path / "custom.keras")
    with pytest.raises(ValueError, match="can run any code"):
        keras.models.load_model(tmp_path / "custom.keras")
    again = keras.models.load_model(tmp_path / "custom.keras", safe_mode=False)
    np.testing.assert_allclose(again.reconstruct(pictures), model.reconstruct(pictures), atol=1e-6)
    with pytest.raises(ValueError, match="can run any code"):  # that trust ends with the call
        keras.models.load_model(tmp_path / "custom.keras")
