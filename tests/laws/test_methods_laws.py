"""What holds for a VAE of every registered weighting, rate and likelihood."""

import json
from dataclasses import FrozenInstanceError, fields

import keras
import numpy as np
import pytest
from keras import ops

from kvae.model.methods import AXES, RATES, WEIGHTINGS, described, own_settings
from kvae.model.vae import VAE
from kvae.objectives.likelihoods import LIKELIHOODS
from kvae.settings import SETTINGS

SHAPE, LATENT, BATCH = (8, 8, 3), 3, 4
METHODS = [("weighting", name) for name in WEIGHTINGS] + [("rate", name) for name in RATES]
METHODS += [("likelihood", name) for name in LIKELIHOODS]
# settings with which a method is under way within a few steps; schedules are made short in any case
UNDER_WAY = {
    "warm-up": {"ramp": "logistic", "ramp_steps": 9},
    "cyclical": {"ramp_steps": 12, "cycles": 2},
    "capacity": {"ramp_steps": 10, "capacity": 3.0, "capacity_weight": 20.0},
    "free-bits": {"free_bits": 0.02},
    "pi": {"target_rate": 1.0, "proportional_gain": 0.3, "integral_gain": 0.05},
    "geco": {"target_distortion": 10.0, "constraint_rate": 0.3},
}

every_method = pytest.mark.parametrize(("axis", "name"), METHODS, ids=[f"{axis} {name}" for axis, name in METHODS])


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(4).random((7 * BATCH, *SHAPE), dtype="float32")


def build(axis: str, name: str, **settings) -> VAE:
    options = {"image_shape": SHAPE, "network": "principal", "latent_dim": LATENT, "widths": (4,), "kl_weight": 0.7}
    own = own_settings(AXES[axis][name]) if axis in AXES else []
    short = {one: 3 for one in own if SETTINGS[one].unit == "steps"}
    return VAE(**{**options, axis: name, **short, **UNDER_WAY.get(name, {}), **settings})


def steps(model: VAE, pictures: np.ndarray, first: int, last: int, weights=None) -> list[dict[str, float]]:
    """The terms of each of the batches `first` to `last`, trained."""
    logs = []
    for number in range(first, last):
        model.seed_noise(0, number)
        model.reset_metrics()
        batch = pictures[number * BATCH :][:BATCH]
        logs.append(model.train_on_batch(batch, sample_weight=weights, return_dict=True))
    return [{key: float(value) for key, value in one.items()} for one in logs]


def small_steps(model: VAE, **options) -> VAE:
    """Compiled to learn little; without a graph, which takes longer to make than a few steps."""
    model.compile(keras.optimizers.SGD(1e-5), **{"run_eagerly": True, **options})
    return model


@every_method
def test_a_method_survives_the_config_round_trip(axis, name):
    model = build(axis, name, kl_weight=0.25)
    config = json.loads(json.dumps(model.get_config(), allow_nan=False))
    again = VAE.from_config(config)
    assert again.methods == model.methods and again.get_config() == model.get_config()
    assert again.methods.names[axis] == name
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@every_method
def test_a_method_saved_in_the_middle_of_its_schedule_goes_on_where_it_was(axis, name, pictures, tmp_path):
    model = small_steps(build(axis, name))
    before = steps(model, pictures, 0, 3)
    model.save(tmp_path / "middle.keras")
    again = keras.models.load_model(tmp_path / "middle.keras")
    assert again.beta == model.beta
    assert (again.weighting_state is None) == (model.weighting_state is None)
    ahead, loaded = (steps(one, pictures, 3, 6) for one in (model, again))
    for one, other in zip(ahead, loaded, strict=True):
        assert other == pytest.approx(one, rel=1e-5)
    if axis == "weighting" and WEIGHTINGS[name].MOVES:
        weights = [one["kl_weight"] for one in before + ahead]
        assert len(set(weights)) > 1, f"six batches do not move the weight; give {name} settings in UNDER_WAY that do"
        assert model.beta == pytest.approx(weights[-1], rel=1e-5)


@every_method
def test_what_is_logged_is_the_plain_distortion_rate_and_the_weight_in_effect(axis, name, pictures):
    model = small_steps(build(axis, name))
    logs = steps(model, pictures, 0, 2)
    assert all(set(one) == {"loss", "distortion", "rate", "kl_weight"} for one in logs)
    measured = model.evaluate(pictures[:BATCH], batch_size=BATCH, verbose=0, return_dict=True)
    output = ops.convert_to_numpy(model(pictures[:BATCH])).astype("float64")
    assert measured["distortion"] == pytest.approx(np.square(pictures[:BATCH] - output).sum((1, 2, 3)).mean(), rel=1e-5)
    if name != "full":
        mean, log_var = (part.astype("float64") for part in model.encode(pictures[:BATCH]))
        rate = 0.5 * np.sum(mean**2 + np.exp(log_var) - 1 - log_var, axis=1).mean()
        assert measured["rate"] == pytest.approx(rate, rel=1e-4)
    seen = ops.mean(model.methods.likelihood.function(pictures[:BATCH], ops.convert_to_tensor(output, "float32")))
    assert measured["loss"] == pytest.approx(float(seen) + model.beta * measured["rate"], rel=1e-5)


@every_method
def test_equal_weights_of_pictures_scale_the_loss_and_nothing_else(axis, name, pictures):
    plain, doubled = (build(axis, name) for _ in range(2))
    for model in (plain, doubled):
        model.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    expected = steps(plain, pictures, 0, 2)
    found = steps(doubled, pictures, 0, 2, np.full(BATCH, 2.0))
    for one, other in zip(expected, found, strict=True):
        assert other == pytest.approx({**one, "loss": 2.0 * one["loss"]}, rel=1e-4)
    if plain.weighting_state is not None:
        np.testing.assert_allclose(doubled.weighting_state, plain.weighting_state, rtol=1e-4, atol=1e-6)


# the others add a term about all latents together, whatever the pictures' weights
@pytest.mark.parametrize(
    ("axis", "name"), [pair for pair in METHODS if pair[0] != "rate" or pair[1] in ("full", "delta")]
)
def test_pictures_without_weight_do_not_count_in_training(axis, name, pictures, monkeypatch):
    noise = np.random.default_rng(1).standard_normal((BATCH, LATENT)).astype("float32")
    monkeypatch.setattr(keras.random, "normal", lambda shape, seed=None: ops.convert_to_tensor(noise[: int(shape[0])]))
    made = [build(axis, name) for _ in range(2)]
    for model in made:
        model.compile(keras.optimizers.SGD(1e-3), run_eagerly=True)
    few, weighted = made
    for number in range(2):  # half of the pictures with twice the weight
        batch = pictures[number * BATCH :][:BATCH]
        expected = few.train_on_batch(batch[:2], return_dict=True)
        found = weighted.train_on_batch(batch, sample_weight=np.array([2.0, 2.0, 0.0, 0.0]), return_dict=True)
        assert found == pytest.approx(expected, rel=1e-4)
    for one, other in zip(few.get_weights(), weighted.get_weights(), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-5)


@every_method
def test_a_batch_in_which_nothing_has_a_weight_moves_nothing(axis, name, pictures):
    model = small_steps(build(axis, name), run_eagerly=True)
    steps(model, pictures, 0, 1)
    before, weight = [np.array(one) for one in model.get_weights()], model.beta
    (logs,) = steps(model, pictures, 1, 2, np.zeros(BATCH))
    assert logs["loss"] == 0.0 and model.beta == weight
    for variable, one, other in zip(model.weights, before, model.get_weights(), strict=True):
        if "moving" not in variable.path:  # statistics of a batch normalisation know no weights
            np.testing.assert_array_equal(other, one)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_a_plain_assignment_to_the_weight_counts_or_is_refused(name, pictures):
    model = small_steps(build("weighting", name))
    if WEIGHTINGS[name].MOVES:
        with pytest.raises(ValueError, match=f"the weighting '{name}' sets `kl_weight` anew in every batch"):
            model.kl_weight = 5.0
        return
    model.kl_weight = 5.0
    found = model.evaluate(pictures, verbose=0, return_dict=True)
    assert model.beta == found["kl_weight"] == model.get_config()["kl_weight"] == 5.0
    assert found["loss"] == pytest.approx(found["distortion"] + 5.0 * found["rate"], rel=1e-5)


@every_method
@pytest.mark.parametrize("precision", ["mixed_float16"])
def test_half_precision_leaves_no_number_that_is_not_finite(axis, name, precision, pictures):
    model = build(axis, name, dtype=precision, network="conv")
    model.compile(keras.optimizers.Adam(1e-3))
    logs = steps(model, pictures, 0, 3)
    assert np.all(np.isfinite([list(one.values()) for one in logs]))
    assert all(np.all(np.isfinite(weight)) for weight in model.get_weights())


@every_method
def test_a_batch_of_one_picture_is_finite(axis, name, pictures):
    model = build(axis, name)
    model.compile(keras.optimizers.Adam(1e-3), run_eagerly=True)
    history = model.fit(pictures[: BATCH + 1], batch_size=BATCH, verbose=0).history
    assert np.all(np.isfinite(list(history.values())))
    assert all(np.all(np.isfinite(weight)) for weight in model.get_weights())


@pytest.mark.parametrize(("axis", "name"), [pair for pair in METHODS if pair[0] != "likelihood"])
def test_a_method_explains_itself_and_its_settings_are_those_of_the_table(axis, name):
    method = AXES[axis][name]
    assert name in SETTINGS[axis].choices
    assert method.__doc__ and len(method.KEEPS_CONSTANT) > 5 and method.REFERENCE
    for field in fields(method):
        assert field.default == SETTINGS[field.name].default
    assert all(SETTINGS[one].group in ("weighting", "objective") for one in own_settings(method))
    with pytest.raises(FrozenInstanceError):
        method().kl_weight = 1.0
    assert any((row.axis, row.name, row.holds) == (axis, name, method.KEEPS_CONSTANT) for row in described())


def test_the_choices_of_the_settings_are_the_registries():
    assert SETTINGS["weighting"].choices == tuple(WEIGHTINGS)
    assert SETTINGS["rate"].choices == tuple(RATES)
    assert SETTINGS["likelihood"].choices == tuple(LIKELIHOODS)


@pytest.mark.parametrize("network", ["hybrid", "residual", "principal", "custom"])
@pytest.mark.parametrize(
    ("weighting", "rate"),
    [("geco", "full"), ("calibrated", "bn"), ("learned", "tc"), ("capacity", "delta"), ("warm-up", "mmd")],
)
def test_methods_go_with_every_network(network, weighting, rate, pictures):
    parts = {}
    if network == "custom":
        parts["encoder"] = keras.Sequential([keras.Input(SHAPE), keras.layers.Conv2D(4, 3, 2)])
        parts["decoder"] = keras.Sequential(
            [keras.Input((LATENT,)), keras.layers.Dense(8 * 8 * 3), keras.layers.Reshape(SHAPE)]
        )
        network = "conv"
    model = build("weighting", weighting, rate=rate, network=network, **parts)
    model.compile(keras.optimizers.Adam(1e-3), run_eagerly=True)
    if model.linear_path is not None:
        model.adapt(pictures)
    assert np.all(np.isfinite([list(one.values()) for one in steps(model, pictures, 0, 2)]))


def test_an_autoencoder_has_neither_weighting_nor_rate():
    model = build("weighting", "geco", rate="full", autoencoder=True, likelihood="laplace")
    assert model.methods.names == {"weighting": "constant", "rate": "diagonal", "likelihood": "laplace"}
    assert model.weighting_state is None and model.rate_layers == []


def test_a_setting_of_another_method_is_refused_in_a_sentence():
    with pytest.raises(
        ValueError,
        match="`target_distortion` has no effect: it belongs to weighting geco, and the weighting here is pi",
    ):
        build("weighting", "pi", target_distortion=30)
    with pytest.raises(
        ValueError,
        match="`dip_weight` has no effect: it belongs to rate dip-i or dip-ii, and the rate here is diagonal",
    ):
        VAE(image_shape=SHAPE, dip_weight=3)
    with pytest.raises(ValueError, match="no setting is called `gamma`"):
        VAE(image_shape=SHAPE, gamma=3)
    with pytest.raises(ValueError, match="calibrated .* goes with the likelihood squared-error alone"):
        build("weighting", "calibrated", likelihood="bernoulli")
    with pytest.raises(ValueError, match="`lowest_weight` must be below `highest_weight`"):
        build("weighting", "pi", lowest_weight=2.0)


ON_JAX = """
import json, sys
from pathlib import Path
import numpy as np
import keras
import kvae
assert keras.backend.backend() == "jax"
folder, found = Path(sys.argv[1]), {}
pictures, noise = np.load(folder / "pictures.npy"), np.load(folder / "noise.npy")
keras.random.normal = lambda shape, seed=None: keras.ops.convert_to_tensor(noise)
for path in sorted(folder.glob("*.keras")):
    model = keras.models.load_model(path)
    found[path.stem] = []
    for batch in pictures:
        model.reset_metrics()
        logs = model.train_on_batch(batch, sample_weight=np.array([2.0, 1.0, 0.5, 0.0]), return_dict=True)
        found[path.stem].append({name: float(value) for name, value in logs.items()})
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def on_both(python, pictures, tmp_path_factory):
    """The terms of four batches of every method, trained on TensorFlow and on JAX with the same noise and weights."""
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("methods")
    noise = np.random.default_rng(1).standard_normal((BATCH, LATENT)).astype("float32")
    batches = pictures[: 4 * BATCH].reshape(4, BATCH, *SHAPE)
    np.save(folder / "pictures.npy", batches)
    np.save(folder / "noise.npy", noise)
    here = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.random, "normal", lambda shape, seed=None: ops.convert_to_tensor(noise))
        for axis, name in METHODS:
            model = small_steps(build(axis, name), run_eagerly=False)
            model.save(folder / f"{axis} {name}.keras")
            here[f"{axis} {name}"] = steps(model, pictures, 0, 4, np.array([2.0, 1.0, 0.5, 0.0]))
    there = python(ON_JAX, folder, KERAS_BACKEND="jax")
    return here, json.loads(there.rpartition("FOUND")[2])


@pytest.mark.slow
@every_method
def test_a_method_gives_the_same_on_jax(on_both, axis, name):
    tensorflow, jax = (found[f"{axis} {name}"] for found in on_both)
    for one, other in zip(tensorflow, jax, strict=True):
        assert other == pytest.approx(one, rel=1e-4)
