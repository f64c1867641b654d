"""What `kvae.export` and `vae.export` write computes what the model does, without kvae or Keras."""

from importlib.util import find_spec

import keras
import numpy as np
import pytest
import tensorflow as tf

import kvae
from kvae.model.vae import VAE


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(5).random((6, 16, 16, 3), dtype="float32")


def trained(pictures, **settings) -> VAE:
    model = VAE(**{"image_shape": (16, 16, 3), "latent_dim": 4, "widths": (8,), **settings})
    model.compile(keras.optimizers.Adam(0.003))
    model.fit(pictures, batch_size=3, verbose=0)
    if not model.autoencoder:
        model.kl_weight.assign(0.7)  # the present weight counts, not the first one
    return model


KINDS = {
    "spectral": {"network": "spectral"},
    "principal": {"network": "principal", "widths": None},
    "autoencoder": {"network": "spectral", "autoencoder": True},
    "full": {"network": "conv", "rate": "full"},
}


def custom(pictures) -> VAE:
    shape = pictures.shape[1:]
    encoder = keras.Sequential([keras.Input(shape), keras.layers.Conv2D(4, 3, 2)])
    decoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(768), keras.layers.Reshape(shape)])
    return VAE(encoder, decoder, latent_dim=4)


@pytest.mark.parametrize("kind", [*KINDS, "own networks"])
def test_a_saved_model_encodes_and_decodes_as_the_model_does(kind, pictures, tmp_path):
    model = trained(pictures, **KINDS[kind]) if kind in KINDS else custom(pictures)
    folder = kvae.export(model, tmp_path / "art")
    assert folder == tmp_path / "art" and [one.name for one in tmp_path.iterdir()] == ["art"]
    endpoints = tf.saved_model.load(folder)
    mean, log_var = endpoints.encode(pictures)
    same(mean, log_var, endpoints.decode(mean), model, pictures)
    # any number of rows
    assert endpoints.decode(np.zeros((1, 4), "float32")).shape == (1, 16, 16, 3)


def same(mean, log_var, images, model, pictures) -> None:
    expected = model.encode(pictures)
    np.testing.assert_allclose(mean, expected[0], atol=1e-5)
    np.testing.assert_allclose(log_var, expected[1], atol=1e-5)
    np.testing.assert_allclose(images, model.decode(expected[0]), atol=1e-5)
    assert np.min(images) >= 0.0 and np.max(images) <= 1.0


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_onnx_encodes_and_decodes_as_the_model_does_in_float32(dtype, pictures, tmp_path):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    model = trained(pictures, network="spectral", dtype=dtype)
    folder = kvae.export(model, tmp_path / "art", format="onnx")
    encode, decode = (runtime.InferenceSession(folder / f"{name}.onnx") for name in ("encode", "decode"))
    mean, log_var = encode.run(None, {"images": pictures})
    (images,) = decode.run(None, {"latents": mean})
    plain = VAE.from_config({**model.get_config(), "dtype": "float32"})
    plain.set_weights(model.get_weights())
    same(mean, log_var, images, plain, pictures)


@pytest.mark.skipif(find_spec("tf2onnx") is not None, reason="tf2onnx is installed")
def test_what_onnx_needs_is_said_where_it_is_missing(pictures, tmp_path):
    with pytest.raises(ImportError, match=r"^export: ONNX needs more packages\. Install them: pip install tf2onnx$"):
        kvae.export(custom(pictures), tmp_path / "art", "onnx")
    assert list(tmp_path.iterdir()) == []


def test_only_a_new_or_an_empty_folder_is_written_to(pictures, tmp_path):
    model = custom(pictures)
    (tmp_path / "empty").mkdir()
    assert (kvae.export(model, str(tmp_path / "empty")) / "saved_model.pb").is_file()
    for taken in (tmp_path / "empty", tmp_path):
        with pytest.raises(FileExistsError, match=r"^export: .* holds something already\. Name a new folder, or empty"):
            kvae.export(model, taken)
    with pytest.raises(
        ValueError, match=r"^export: `format` must be one of tf_saved_model, onnx\. Received: format='h5'"
    ):
        kvae.export(model, tmp_path / "new", format="h5")


@pytest.mark.parametrize("kind", ["spectral", "autoencoder"])
def test_keras_export_needs_no_signature_and_reconstructs(kind, pictures, tmp_path):
    model = trained(pictures, **KINDS[kind])
    model.export(tmp_path / "art", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "art")
    np.testing.assert_allclose(loaded.serve(pictures), model.reconstruct(pictures), atol=1e-5)
