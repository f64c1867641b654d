"""A VAE to and from a `.keras` file: whole or not at all, and a sentence for every file that is none."""

import copy
import io
import json
import pickle
import zipfile

import keras
import numpy as np
import pytest

import kvae
from kvae import bayes
from kvae.files.atomic import free_path
from kvae.files.hdf5 import Tensors
from kvae.model.methods import AXES
from kvae.model.vae import VAE
from kvae.networks import NETWORKS, fewest_weights
from kvae.saving.abstract_build import abstract_build, frozen, trained, variables
from kvae.saving.reader import BadModelFile, load, save


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


# arithmetic is a matter of layers, which the networks share
MIXED = [
    pytest.param(network, dtype, marks=() if network == "conv" else pytest.mark.slow)
    for network in NETWORKS
    for dtype in ("mixed_float16", "mixed_bfloat16")
]


@pytest.mark.parametrize(("network", "dtype"), [*((network, "float32") for network in NETWORKS), *MIXED])
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
    plan, kept = abstract_build(lambda: VAE(**settings), lambda: keras.optimizers.Adam(0.003))
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


# ---------------------------------------------------------------------- frozen parts, schedules, arithmetic

FREEZING = {
    "the encoder": lambda model: setattr(model.encoder, "trainable", False),
    "the decoder": lambda model: setattr(model.decoder, "trainable", False),
    "one layer": lambda model: setattr(model.encoder.layers[1], "trainable", False),
    "the heads": lambda model: [setattr(head, "trainable", False) for head in (model.mean_head, model.log_var_head)],
    "all of the encoder but one layer": lambda model: [
        setattr(part, "trainable", state) for part, state in ((model.encoder, False), (model.encoder.layers[-1], True))
    ],
    "all": lambda model: setattr(model, "trainable", False),
}


def unfrozen(own: bool, shape=(16, 16, 3)) -> VAE:
    if not own:
        return VAE(image_shape=shape, latent_dim=3, network="conv", widths=(8,))
    encoder = keras.Sequential([keras.Input(shape), keras.layers.Conv2D(4, 3, 2), keras.layers.Conv2D(4, 3, 2)])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(768), keras.layers.Reshape(shape)])
    return VAE(encoder, decoder, latent_dim=3)


@pytest.mark.parametrize("part", FREEZING)
@pytest.mark.parametrize("own", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_frozen_parts_come_back_frozen_with_the_state_of_the_optimizer(part, own, tmp_path, pictures):
    model = unfrozen(own)
    FREEZING[part](model)
    model.compile(keras.optimizers.Adam(0.003))
    if part != "all":
        model.fit(pictures, batch_size=4, verbose=0)
    path = save(model, tmp_path / "art.keras")
    by_keras = keras.models.load_model(path, safe_mode=not own)
    for one in (load(path, trust=own), by_keras, copy.deepcopy(model)):
        assert frozen(one) == frozen(model) != {} and trained(one) == trained(model)
        same(one.weights, model.weights)
        same(one.optimizer.variables, model.optimizer.variables)
    if part != "all":
        before = [keras.ops.convert_to_numpy(one) for one in by_keras.non_trainable_weights]
        by_keras.fit(pictures, batch_size=4, verbose=0)
        same(by_keras.non_trainable_weights, before)


def test_a_model_is_frozen_by_a_setting_too():
    model = made(trainable={"encoder": False})
    assert not model.encoder.trainable and model.decoder.trainable
    assert model.get_config()["trainable"] == {"encoder": False} and "trainable" not in made().get_config()
    assert made(trainable=False).trainable_variables == []
    with pytest.raises(ValueError, match=r"^VAE: `trainable` must be .* Received: 'encodr': False\.$"):
        made(trainable={"encodr": False})


@pytest.mark.parametrize("freeze", ["after compiling", "a single weight"])
def test_what_would_come_back_frozen_otherwise_is_not_saved(freeze, tmp_path):
    model = made()
    if freeze == "after compiling":
        model.encoder.trainable = False
        cure = r"layers were frozen or freed after compile\(\)\. Call compile\(\) again, then save\.$"
    else:
        model.mean_head.kernel.trainable = False
        model.compile(keras.optimizers.Adam(0.003))
        cure = r"save: not saved, since "
    for path in (tmp_path / "art.keras", str(tmp_path / "art.keras")):
        with pytest.raises(ValueError, match=cure):
            model.save(path)
    assert list(tmp_path.iterdir()) == []


SCHEDULES = {
    "CosineDecay": dict(initial_learning_rate=1e-3, decay_steps=10, warmup_target=2e-3, warmup_steps=3),
    "CosineDecayRestarts": dict(initial_learning_rate=1e-3, first_decay_steps=10, t_mul=2),
    "ExponentialDecay": dict(initial_learning_rate=1e-3, decay_steps=10, decay_rate=0.96, staircase=True),
    "InverseTimeDecay": dict(initial_learning_rate=1e-3, decay_steps=10.0, decay_rate=0.5),
    "PiecewiseConstantDecay": dict(boundaries=[1, 5], values=[1e-3, 1e-4, 1e-5]),
    "PolynomialDecay": dict(initial_learning_rate=1e-3, decay_steps=10, power=2.0, cycle=True),
}


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("dtype", ["float32", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_a_schedule_of_the_learning_rate_comes_back_and_goes_on(kind, dtype, tmp_path, pictures):
    schedule = getattr(keras.optimizers.schedules, kind)(**SCHEDULES[kind])
    model = VAE(image_shape=(16, 16, 3), latent_dim=3, network="conv", widths=(8,), dtype=dtype)
    model.compile(keras.optimizers.Adam(schedule))
    model.fit(pictures, batch_size=4, verbose=0)
    model.save(tmp_path / "art.keras")
    opened = load(tmp_path / "art.keras")
    same(opened.optimizer.variables, model.optimizer.variables)
    assert opened.optimizer.get_config() == model.optimizer.get_config()


def test_schedules_of_a_file_have_bounds(path, tmp_path):
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    for kind, wrong in (
        ("CosineDecay", {"decay_steps": -1}),
        ("CosineDecay", {"initial_learning_rate": 1e9}),
        ("PiecewiseConstantDecay", {"boundaries": [1.0] * 2000}),
        ("ExponentialDecay", {"staircase": "no"}),
        ("PolynomialDecay", {"learning_rate": 1e-3}),
    ):
        rate = {"module": "keras.optimizers.schedules", "class_name": kind, "config": {**SCHEDULES[kind], **wrong}}
        config["compile_config"]["optimizer"]["config"]["learning_rate"] = rate
        broken = tmp_path / "broken.keras"
        broken.write_bytes(rewritten(path, config_json=json.dumps(config).encode()))
        with pytest.raises(BadModelFile, match=r"gives its (optimizer a setting|learning rate pieces) that"):
            load(broken)


@pytest.mark.parametrize("trainable", [{}, [], {"encoder": 0}, {"x" * 2000: False}, {"no such": False}, False])
def test_frozen_parts_of_a_file_have_bounds(trainable, path, tmp_path):
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["trainable"] = trainable
    broken = tmp_path / "broken.keras"
    broken.write_bytes(rewritten(path, config_json=json.dumps(config).encode()))
    with pytest.raises(BadModelFile, match=r"(which of its layers are frozen|settings that do not go together)\."):
        load(broken)


def own_rate(step: int = 0) -> float:
    return 1e-3


def test_a_learning_rate_of_ones_own_opens_with_trust_alone(tmp_path):
    model = made()
    model.compile(keras.optimizers.Adam(own_rate))
    path = save(model, tmp_path / "art.keras")
    with pytest.raises(BadModelFile, match=r"trust=True"):
        load(path)
    opened = load(path, trust=True, custom_objects={"own_rate": own_rate})
    assert float(opened.optimizer.learning_rate) == pytest.approx(1e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", keras.DTypePolicy("float64"), "int8", "much", 7])
def test_an_arithmetic_that_would_not_open_again_is_refused_at_once(dtype):
    with pytest.raises(ValueError, match=r"^VAE: `dtype` must be one of float32, mixed_float16, mixed_bfloat16; .*"):
        made(dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", np.float32, keras.DTypePolicy("mixed_bfloat16")])
def test_an_arithmetic_may_be_said_in_any_way_of_keras(dtype, tmp_path):
    model = made(dtype=dtype)
    assert load(save(model, tmp_path / "art.keras")).precision == model.precision in ("float32", "mixed_bfloat16")


# ---------------------------------------------------------------------- whole or not at all


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_beside_it(model, tmp_path, monkeypatch, error):
    target = save(model, tmp_path / "art.keras")
    before = target.read_bytes()

    def fail(self, where, **options):
        where.write_bytes(b"half a mod")
        raise error

    monkeypatch.setattr(keras.Model, "save", fail)
    for save_it in (lambda: save(model, target), lambda: model.save(target)):
        with pytest.raises(type(error)):
            save_it()
    assert target.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["art.keras"]


def test_a_save_replaces_the_old_file_and_leaves_nothing_beside_it(model, tmp_path):
    target = tmp_path / "art.keras"
    target.write_bytes(b"old")
    assert save(model, target) == target and load(target).beta == 0.7
    assert [one.name for one in tmp_path.iterdir()] == ["art.keras"]


@pytest.mark.parametrize("name", ["art.h5", "art", "art.keras.zip", "art.KERAS"])
def test_another_ending_is_refused(model, tmp_path, name):
    for save_it in (lambda path: save(model, path), model.save):
        with pytest.raises(ValueError, match=r"^save: `path` must end in \.keras\. Received: path='.*'\.$"):
            save_it(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_for_a_file_and_a_file_to_keep_are_refused(model, path, tmp_path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"^save: a model is one \.keras file\. Leave `zipped` out\."):
        model.save(tmp_path / "art", zipped=False)
    with pytest.raises(
        FileExistsError, match=r"^save: .*art\.keras exists\. Name another file, or say overwrite=True\.$"
    ):
        model.save(path, overwrite=False)
    assert list(tmp_path.iterdir()) == [] and path.read_bytes() == before


@pytest.mark.parametrize("wrong", ["a weight that is NaN", "a state of the optimizer that is NaN", "a count"])
def test_keras_checkpoints_leave_the_last_file_that_opens(wrong, tmp_path, pictures):
    model, path = made(), tmp_path / "art.keras"

    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1 and wrong == "a count":
                model.optimizer.iterations.assign(np.iinfo(model.optimizer.iterations.dtype).max)
            elif epoch == 1:
                spoiled = model.mean_head.bias if "weight" in wrong else model.optimizer.variables[-1]
                spoiled.assign(np.full(spoiled.shape, np.nan))

    with pytest.raises(ValueError, match=r"^save: not saved, since the file holds (weights that are NaN|counts that)"):
        model.fit(pictures, epochs=3, verbose=0, callbacks=[Spoil(), keras.callbacks.ModelCheckpoint(path)])
    assert int(load(path).optimizer.iterations) == 1 and [one.name for one in tmp_path.iterdir()] == ["art.keras"]


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


CUSTOM_PARTS = json.dumps({"registered_name": None, "class_name": "Sequential", "config": {}}).encode()
DAMAGES = {
    "empty": (lambda path: b"", "is damaged or not of this kind."),
    "text": (lambda path: b"a letter to my aunt", "is damaged or not of this kind."),
    "cut": (lambda path: path.read_bytes()[:-200], "is damaged or cut off."),
    "only the start": (lambda path: path.read_bytes()[:100], "is damaged or cut off."),
    "no config": (lambda path: rewritten(path, config_json=None), "lacks a member"),
    "config is no JSON": (lambda path: rewritten(path, config_json=b"\xff{"), "holds text that is not JSON."),
    "config is a list": (lambda path: rewritten(path, config_json=b"[]"), "was not made by kvae"),
    "another class": (lambda path: rewritten(path, config_json=CUSTOM_PARTS), "was not made by kvae"),
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
    bayesian = bayes.BayesianModel(keras.Sequential([keras.Input((3,)), bayes.MeanFieldDense(2)]))
    bayesian.save(tmp_path / "bayes.keras")
    for trust in (False, True):
        with pytest.raises(BadModelFile, match="is a network of kvae.bayes, .* keras.models.load_model opens it"):
            load(tmp_path / "bayes.keras", trust=trust)
    for model in (other, bayesian):
        with pytest.raises(ValueError, match="^save: `model` must be a kvae.VAE; others have model.save"):
            save(model, tmp_path / "new.keras")
        with pytest.raises(ValueError, match="^export: `model` must be a kvae.VAE; others have model.export"):
            kvae.export(model, tmp_path / "new")


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
        BadModelFile, match=r"huge\.keras gives the setting latent_dim a value outside its bounds, 1 to 16384\."
    ):
        load(broken)


# ---------------------------------------------------------------------- layers of other people


class Twice(keras.layers.Layer):
    """A layer that Keras does not know unless it is told."""

    def call(self, x):
        return 2.0 * x


@pytest.fixture(scope="module")
def custom(tmp_path_factory):
    encoder = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), Twice()])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(768), keras.layers.Reshape((16, 16, 3))])
    model = VAE(encoder, decoder, latent_dim=3)
    return model, save(model, tmp_path_factory.mktemp("custom") / "own.keras")


def test_layers_that_are_not_kvaes_are_refused_and_open_with_trust(custom, pictures):
    model, path = custom
    for options in ({}, {"custom_objects": {"Twice": Twice}}):
        with pytest.raises(BadModelFile, match=r"own\.keras holds parts .* kvae\.load\(path, trust=True\)"):
            load(path, **options)
    opened = load(path, trust=True, custom_objects={"Twice": Twice})
    np.testing.assert_allclose(opened.reconstruct(pictures), model.reconstruct(pictures), atol=1e-6)


def test_trust_ends_with_the_call_that_gave_it(custom):
    _, path = custom
    load(path, trust=True, custom_objects={"Twice": Twice})
    with pytest.raises(BadModelFile):
        kvae.load(path)
    with pytest.raises(ValueError, match="trust=True"):
        keras.models.load_model(path, custom_objects={"Twice": Twice})


def test_a_layer_that_is_not_known_is_said_in_a_sentence(custom, tmp_path):
    _, path = custom
    with zipfile.ZipFile(path) as archive:
        config = archive.read("config.json")
    unknown = tmp_path / "unknown.keras"
    unknown.write_bytes(rewritten(path, config_json=config.replace(b"Twice", b"Thrice")))
    with pytest.raises(BadModelFile, match="unknown.keras cannot be opened: ") as caught:
        load(unknown, trust=True)
    assert "\n" not in str(caught.value)


def test_a_layer_that_would_not_come_back_is_not_saved(tmp_path):
    class Grown(keras.layers.Layer):
        """Its config does not tell how much it keeps."""

        def __init__(self, kept=1, **options):
            super().__init__(**options)
            self.kept = kept

        def build(self, shape):
            self.factor = self.add_weight(shape=(self.kept,), initializer="ones")

        def call(self, x):
            return x * self.factor[0]

        def get_config(self):
            return {"name": self.name}

    encoder = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), Grown(7)])
    decoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(768), keras.layers.Reshape((16, 16, 3))])
    with pytest.raises(ValueError, match=r"would open as another model: its get_config .* Mend get_config\.$"):
        VAE(encoder, decoder, latent_dim=3).save(tmp_path / "own.keras")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- classes of other people


class Plain(VAE):
    """A class of somebody's own that Keras knows by custom_objects alone."""


@keras.saving.register_keras_serializable("somebody")
class Mine(VAE):
    """A class of somebody's own, with a layer and a setting that kvae does not know."""

    def __init__(self, *networks, units=2, **settings):
        super().__init__(*networks, **settings)
        self.units = units
        self.extra = keras.layers.Dense(units)
        self.extra.build((None, 3))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("somebody")
class Forgetful(Mine):
    """Its config does not say what its layer needs."""

    def get_config(self):
        return {name: value for name, value in super().get_config().items() if name != "units"}


SMALL = {"image_shape": (16, 16, 3), "latent_dim": 3, "network": "conv", "widths": (8,)}


@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables")  # of the layer that nothing uses
def test_a_class_of_somebodys_own_opens_with_trust(tmp_path, pictures):
    for model, objects in ((Mine(units=5, **SMALL), None), (Plain(**SMALL), {"Plain": Plain})):
        model.compile(keras.optimizers.Adam(0.003))
        model.fit(pictures, batch_size=4, verbose=0)
        path = save(model, tmp_path / "mine.keras")
        with pytest.raises(
            BadModelFile, match=r"holds parts that are not kvae's own .* kvae\.load\(path, trust=True\)"
        ):
            load(path)
        opened = load(path, trust=True, custom_objects=objects)
        assert type(opened) is type(model) and opened.get_config() == model.get_config()
        same(opened.weights, model.weights)
        same(opened.optimizer.variables, model.optimizer.variables)


def test_a_class_that_is_not_known_or_no_vae_is_refused_with_trust_too(tmp_path):
    save(Plain(**SMALL), tmp_path / "plain.keras")
    with pytest.raises(
        BadModelFile, match=r"a class 'Plain', unknown here\. Import it, or name it in custom_objects\."
    ):
        load(tmp_path / "plain.keras", trust=True)
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(tmp_path / "other.keras")
    with pytest.raises(BadModelFile):
        load(tmp_path / "other.keras", trust=True)


def test_a_class_that_would_come_back_as_another_is_not_saved(tmp_path):
    with pytest.raises(ValueError, match=r"would open as another model: its get_config .* Mend get_config\.$"):
        save(Forgetful(units=5, **SMALL), tmp_path / "mine.keras")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- in memory

COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "clone_model": keras.models.clone_model,
    "from_config": lambda model: type(model).from_config(model.get_config()),
    "from_config of a copy": lambda model: type(model).from_config(copy.deepcopy(model.get_config())),
}


@pytest.mark.filterwarnings("ignore:Gradients do not exist for variables")  # of the layer that nothing uses
@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("kind", ["kvae's", "own networks", "own class"])
def test_a_model_in_memory_is_copied_without_any_trust(way, kind, pictures):
    made_of = {"kvae's": lambda: made(), "own networks": lambda: unfrozen(True), "own class": lambda: Mine(**SMALL)}
    model = made_of[kind]()
    model.compile(keras.optimizers.Adam(0.003))
    model.fit(pictures, batch_size=4, verbose=0)
    model.kl_weight.assign(0.3)
    again = COPIES[way](model)
    assert type(again) is type(model) and again is not model
    assert json.dumps(again.get_config()) == json.dumps(model.get_config())  # where tuples are lists
    if way in ("deepcopy", "pickle"):
        same(again.weights, model.weights)
        same(again.optimizer.variables, model.optimizer.variables)
    again.compile()
    again.fit(pictures, batch_size=4, verbose=0)


def test_what_the_first_format_calls_linear_opens_as_the_network_it_was(tmp_path, pictures):
    model = VAE(image_shape=(16, 16, 3), network="principal", latent_dim=3, kl_weight=0.2)
    model.adapt(pictures)
    model.save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as new, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        for name in new.namelist():
            content = new.read(name)
            old.writestr(name, content.replace(b'"principal"', b'"linear"') if name == "config.json" else content)
    again = load(tmp_path / "old.keras")
    assert again.network == "principal"
    np.testing.assert_array_equal(again.reconstruct(pictures), model.reconstruct(pictures))
    again.save(tmp_path / "again.keras")
    assert load(tmp_path / "again.keras").network == "principal"
    now = VAE(image_shape=(16, 16, 3), network="linear", latent_dim=3)
    now.save(tmp_path / "now.keras")
    assert load(tmp_path / "now.keras").network == "linear"
