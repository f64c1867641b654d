"""A VAE to and from a `.keras` file: whole or not at all, and a sentence for every file that is none."""

import io
import json
import zipfile

import keras
import numpy as np
import pytest

import kvae
from kvae.files.hdf5 import Tensors
from kvae.layout import planned, variables
from kvae.methods import AXES
from kvae.model import VAE
from kvae.networks import NETWORKS, fewest_weights
from kvae.saving import BadModelFile, free_path, load, save


def made(**settings) -> VAE:
    model = VAE(image_shape=(16, 16, 3), latent_dim=3, network="conv", widths=(8,), **settings)
    model.compile(keras.optimizers.Adam(0.003))
    return model


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(1).random((8, 16, 16, 3), dtype="float32")


@pytest.fixture(scope="module")
def model(pictures):
    """After two steps, with its weight turned and a card."""
    model = made(kl_weight=0.1, seed=3)
    model.fit(pictures, batch_size=4, verbose=0)
    model.kl_weight.assign(0.7)
    model.card = {"settings": {"kl_weight": 0.1}, "name": "Käthe", "history": [1.5, None]}
    return model


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    return save(model, tmp_path_factory.mktemp("saved") / "art.keras")


# ---------------------------------------------------------------------- there and back


def test_a_model_comes_back_with_its_weights_its_weight_its_steps_and_its_card(model, path, pictures):
    opened = load(path)
    np.testing.assert_allclose(opened.reconstruct(pictures), model.reconstruct(pictures), atol=1e-6)
    assert opened.beta == 0.7 and opened.get_config() == model.get_config()
    assert int(opened.optimizer.iterations) == 2
    assert float(opened.optimizer.learning_rate) == pytest.approx(0.003)
    for one, other in zip(opened.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert opened.card == model.card


def test_a_model_that_was_never_trained_nor_called_comes_back_too(tmp_path, pictures):
    model = made()
    opened = load(save(model, tmp_path / "new.keras"))
    np.testing.assert_allclose(opened.reconstruct(pictures), model.reconstruct(pictures), atol=1e-6)
    assert opened.card is None and int(opened.optimizer.iterations) == 0


def test_keras_opens_what_kvae_saved_and_kvae_what_keras_saved(model, path, tmp_path, pictures):
    by_keras = keras.models.load_model(path)
    assert type(by_keras) is VAE and by_keras.card == model.card
    model.save(tmp_path / "by-keras.keras")
    np.testing.assert_allclose(
        load(tmp_path / "by-keras.keras").reconstruct(pictures), by_keras.reconstruct(pictures), atol=1e-6
    )


def same(ones, others) -> None:
    for one, other in zip(ones, others, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("trained", [True, False])
def test_every_network_comes_back_bit_for_bit_and_as_keras_opens_it(network, dtype, trained, tmp_path, pictures):
    widths = None if network == "linear" else (8,)
    model = VAE(image_shape=(16, 16, 3), latent_dim=3, network=network, widths=widths, dtype=dtype)
    if trained:
        model.compile(keras.optimizers.Adam(0.01, amsgrad=True, use_ema=dtype == "float32", clipnorm=10.0))
        model.fit(pictures, batch_size=4, verbose=0)
    path = save(model, tmp_path / "art.keras")
    opened, by_keras = load(path), keras.models.load_model(path)
    same(opened.weights, model.weights)
    same(by_keras.weights, model.weights)
    assert opened.get_config() == model.get_config()
    if trained:
        same(opened.optimizer.variables, model.optimizer.variables)
        same(opened.optimizer.variables, by_keras.optimizer.variables)
        assert type(opened.optimizer) is type(model.optimizer)
        assert opened.optimizer.get_config() == by_keras.optimizer.get_config()


@pytest.mark.parametrize(("axis", "name"), [(axis, name) for axis, registry in AXES.items() for name in registry])
def test_every_method_comes_back_with_its_state_as_keras_opens_it(axis, name, tmp_path, pictures):
    model = made(**{axis: name})
    model.fit(pictures, batch_size=4, verbose=0)
    path = save(model, tmp_path / "art.keras")
    opened, by_keras = load(path), keras.models.load_model(path)
    for one in (opened, by_keras):
        same(one.weights, model.weights)
        same(one.optimizer.variables, model.optimizer.variables)
    assert opened.get_config() == model.get_config()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("autoencoder", [True, False])
def test_what_a_file_keeps_is_known_before_the_model_is_made(network, autoencoder, tmp_path):
    settings = {"image_shape": (16, 16, 3), "latent_dim": 3, "network": network, "autoencoder": autoencoder}
    model = VAE(**settings)
    model.compile(keras.optimizers.Adam(0.003))
    with zipfile.ZipFile(save(model, tmp_path / "art.keras")) as archive:
        content = archive.read("model.weights.h5")
    plan, kept = planned(lambda: VAE(**settings), lambda: keras.optimizers.Adam(0.003))
    assert {path: one.shape for path, one in kept.items()} == Tensors(content, most=1000).shapes
    assert variables(model).keys() == kept.keys()
    assert fewest_weights(network, model.image_shape, 3, model.widths, model.depth) <= model.count_params()
    # a plan has no weights, and leaves none to be made later
    assert all(weight._value is None for weight in plan.weights)


def test_a_model_that_would_not_open_again_is_not_saved(model, tmp_path):
    target = save(model, tmp_path / "art.keras")
    before, card, weight = target.read_bytes(), model.card, model.beta
    try:
        model.card = {"thumbnails": "x" * (17 << 20)}
        with pytest.raises(ValueError, match="save: not saved, since the file holds a member that is too large"):
            save(model, target)
        model.card = card
        model.kl_weight.assign(1e9)
        with pytest.raises(ValueError, match="save: not saved, since the file gives the setting kl_weight"):
            save(model, target)
    finally:
        model.card = card
        model.kl_weight.assign(weight)
    assert target.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["art.keras"]


def test_another_optimizer_opens_with_trust_alone(tmp_path, pictures):
    model = VAE(image_shape=(16, 16, 3), latent_dim=3, network="conv", widths=(8,))
    model.compile(keras.optimizers.SGD(0.001, momentum=0.9))
    model.fit(pictures, batch_size=4, verbose=0)
    path = save(model, tmp_path / "sgd.keras")
    with pytest.raises(BadModelFile, match=r"trust=True"):
        load(path)
    opened = load(path, trust=True)
    same(opened.optimizer.variables, model.optimizer.variables)


# ---------------------------------------------------------------------- whole or not at all


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_beside_it(model, tmp_path, monkeypatch, error):
    target = save(model, tmp_path / "art.keras")
    before = target.read_bytes()

    def fail(self, where, **options):
        where.write_bytes(b"half a mod")
        raise error

    monkeypatch.setattr(VAE, "save", fail)
    with pytest.raises(type(error)):
        save(model, target)
    assert target.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["art.keras"]


def test_a_save_replaces_the_old_file_and_leaves_nothing_beside_it(model, tmp_path):
    target = tmp_path / "art.keras"
    target.write_bytes(b"old")
    assert save(model, target) == target and load(target).beta == 0.7
    assert [one.name for one in tmp_path.iterdir()] == ["art.keras"]


@pytest.mark.parametrize("name", ["art.h5", "art", "art.keras.zip", "art.KERAS"])
def test_another_ending_is_refused(model, tmp_path, name):
    with pytest.raises(ValueError, match=r"^save: `path` must end in \.keras\. Received: path='.*'\.$"):
        save(model, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- free names


def test_a_free_path_is_the_next_number_that_nothing_has(tmp_path):
    path = tmp_path / "art.keras"
    assert free_path(path) == path
    path.touch()
    assert free_path(path).name == "art-2.keras"
    (tmp_path / "art-2.keras").mkdir()
    assert free_path(str(path)).name == "art-3.keras"


def test_a_free_path_is_free_with_the_other_endings_too(tmp_path):
    (tmp_path / "art.png").touch()
    (tmp_path / "art-2.csv").touch()
    path = tmp_path / "art.keras"
    assert free_path(path).name == "art.keras"
    assert free_path(path, ".png").name == "art-2.keras"
    assert free_path(path, ".png", ".csv").name == "art-3.keras"


# ---------------------------------------------------------------------- files that are no models


def rewritten(path, **changes: bytes | None) -> bytes:
    """The archive with members replaced, or left out where the change is None."""
    content = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(content, "w") as new:
        for name in old.namelist():
            key = name.replace(".", "_").replace("/", "_")
            if key not in changes:
                new.writestr(name, old.read(name))
            elif changes[key] is not None:
                new.writestr(name, changes[key])
    return content.getvalue()


def zeroed(content: bytes) -> bytes:
    middle = len(content) // 2  # within the weights, which are by far the most
    return content[:middle] + bytes(500) + content[middle + 500 :]


FOREIGN = json.dumps({"registered_name": None, "class_name": "Sequential", "config": {}}).encode()
DAMAGES = {
    "empty": (lambda path: b"", "is damaged or not of this kind."),
    "text": (lambda path: b"a letter to my aunt", "is damaged or not of this kind."),
    "cut": (lambda path: path.read_bytes()[:-200], "is damaged or cut off."),
    "only the start": (lambda path: path.read_bytes()[:100], "is damaged or cut off."),
    "no config": (lambda path: rewritten(path, config_json=None), "lacks a member"),
    "config is no JSON": (lambda path: rewritten(path, config_json=b"\xff{"), "holds text that is not JSON."),
    "config is a list": (lambda path: rewritten(path, config_json=b"[]"), "was not made by kvae"),
    "another class": (lambda path: rewritten(path, config_json=FOREIGN), "was not made by kvae"),
    "no weights": (lambda path: rewritten(path, model_weights_h5=None), "does not hold the weights"),
    "half the weights": (
        lambda path: rewritten(path, model_weights_h5=b"\x89HDF\r\n\x1a\n"),
        "does not hold the weights",
    ),
    "wrong bytes": (lambda path: zeroed(path.read_bytes()), "is damaged or cut off."),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_no_model_is_refused_in_a_sentence_that_names_it(path, tmp_path, damage):
    make, sentence = DAMAGES[damage]
    broken = tmp_path / "broken.keras"
    broken.write_bytes(make(path))
    with pytest.raises(BadModelFile) as caught:
        load(broken)
    message = str(caught.value)
    assert message.startswith("broken.keras ") and sentence in message and "\n" not in message


def test_a_file_of_another_keras_model_is_refused(tmp_path):
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    other.save(tmp_path / "other.keras")
    with pytest.raises(BadModelFile, match="was not made by kvae. kvae reads the .keras files that it saved"):
        load(tmp_path / "other.keras")


@pytest.mark.parametrize("name", ["missing.keras", "folder"])
def test_a_model_that_is_not_there_is_said_with_the_cure(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no model file .*\. Check the spelling, or train one with kvae-train"):
        load(tmp_path / name)


def test_a_setting_outside_its_bounds_is_no_way_in(path, tmp_path):
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["latent_dim"] = 10**12
    broken = tmp_path / "huge.keras"
    broken.write_bytes(rewritten(path, config_json=json.dumps(config).encode()))
    with pytest.raises(
        BadModelFile, match=r"huge\.keras gives the setting latent_dim a value outside its bounds, 1 to 4096\."
    ):
        load(broken)


# ---------------------------------------------------------------------- layers of other people


class Twice(keras.layers.Layer):
    """A layer that Keras does not know unless it is told."""

    def call(self, x):
        return 2.0 * x


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    encoder = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), Twice()])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(768), keras.layers.Reshape((16, 16, 3))])
    model = VAE(encoder, decoder, latent_dim=3)
    return model, save(model, tmp_path_factory.mktemp("foreign") / "own.keras")


def test_layers_that_are_not_kvaes_are_refused_and_open_with_trust(foreign, pictures):
    model, path = foreign
    for options in ({}, {"custom_objects": {"Twice": Twice}}):
        with pytest.raises(BadModelFile, match=r"own\.keras holds parts .* kvae\.load\(path, trust=True\)"):
            load(path, **options)
    opened = load(path, trust=True, custom_objects={"Twice": Twice})
    np.testing.assert_allclose(opened.reconstruct(pictures), model.reconstruct(pictures), atol=1e-6)


def test_trust_ends_with_the_call_that_gave_it(foreign):
    _, path = foreign
    load(path, trust=True, custom_objects={"Twice": Twice})
    with pytest.raises(BadModelFile):
        kvae.load(path)
    with pytest.raises(ValueError, match="trust=True"):
        keras.models.load_model(path, custom_objects={"Twice": Twice})


def test_a_layer_that_is_not_known_is_said_in_a_sentence(foreign, tmp_path):
    _, path = foreign
    with zipfile.ZipFile(path) as archive:
        config = archive.read("config.json")
    unknown = tmp_path / "unknown.keras"
    unknown.write_bytes(rewritten(path, config_json=config.replace(b"Twice", b"Thrice")))
    with pytest.raises(BadModelFile, match="unknown.keras cannot be opened: ") as caught:
        load(unknown, trust=True)
    assert "\n" not in str(caught.value)


@keras.saving.register_keras_serializable("somebody")
class Mine(VAE):
    """A class of somebody's own."""


def test_a_class_of_somebodys_own_is_saved_and_opened_by_keras_alone(tmp_path):
    model = Mine(image_shape=(16, 16, 3), latent_dim=3, network="conv", widths=(8,))
    path = save(model, tmp_path / "mine.keras")
    with pytest.raises(BadModelFile, match="was not made by kvae"):
        load(path)
    assert type(keras.models.load_model(path)) is Mine
