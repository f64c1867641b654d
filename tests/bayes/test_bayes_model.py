"""Mean-field layers and the model around them: laws that hold for both layers, and what `fit` knows of N."""

import copy
import pickle
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kvae import bayes
from kvae.bayes.model import FIXED
from kvae.model.methods import GAUSSIAN, WEIGHTINGS

COUNT = 48
KINDS = ("dense", "convolution")


def network(kind: str = "dense", **options) -> keras.Sequential:
    if kind == "dense":
        return keras.Sequential(
            [keras.Input((5,)), bayes.MeanFieldDense(6, "tanh", seed=1, **options), bayes.MeanFieldDense(3, seed=2)]
        )
    parts = [bayes.MeanFieldConv2D(4, 3, "silu", strides=2, seed=1, **options), layers.Flatten()]
    return keras.Sequential([keras.Input((6, 8, 2)), *parts, bayes.MeanFieldDense(3, seed=2)])


def made(kind: str = "dense", kl_weight: float = 1.0, **options) -> bayes.BayesianModel:
    model = bayes.BayesianModel(network(kind), kl_weight, **options)
    model.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


def examples(kind: str = "dense") -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    shape = (COUNT, 5) if kind == "dense" else (COUNT, 6, 8, 2)
    return random.standard_normal(shape).astype("float32"), random.integers(0, 3, COUNT)


def test_the_kl_is_that_of_independent_gaussians(kind):
    model = bayes.BayesianModel(network(kind, prior_scale=0.7, initial_scale=0.2))
    total = 0.0
    for layer in model.mean_field_layers:
        for name in ("kernel", "bias"):
            mean, log_scale = (
                np.asarray(getattr(layer, f"{name}_{part}"), "float64") for part in ("mean", "log_scale")
            )
            variance, prior = np.exp(2 * log_scale), layer.prior_scale**2
            total += 0.5 * np.sum(variance / prior + mean**2 / prior - 1 - np.log(variance / prior))
    assert model.kl() == pytest.approx(total, rel=1e-5)


def test_the_loss_is_the_nll_and_the_weighted_kl_by_the_number_of_examples_whatever_the_batch(kind):
    x, y = examples(kind)
    model = made(kind, 0.3, dataset_size=COUNT)
    outputs = keras.ops.convert_to_numpy(model(x)).astype("float64")
    logs = outputs - np.log(np.exp(outputs).sum(-1, keepdims=True))
    nll = -logs[np.arange(COUNT), y].mean()
    for batch_size in (COUNT, 12):
        found = model.evaluate(x, y, batch_size=batch_size, verbose=0, return_dict=True)
        assert found["nll"] == pytest.approx(nll, rel=1e-4) and found["kl"] == pytest.approx(model.kl(), rel=1e-5)
        assert found["loss"] == pytest.approx(nll + 0.3 * model.kl() / COUNT, rel=1e-4)
        assert found["kl_weight"] == pytest.approx(0.3)


def test_the_derivative_of_the_loss_by_the_weight_is_the_kl_by_the_number_of_examples(kind):
    x, y = examples(kind)
    model = made(kind, 2.0, dataset_size=COUNT)
    with tf.GradientTape() as tape:
        tape.watch(model.kl_weight.value)
        loss = model.compute_loss(x, y, model(x, training=True), training=True)
    assert float(tape.gradient(loss, model.kl_weight.value)) == pytest.approx(model.kl() / COUNT, rel=1e-4)


def test_every_weight_is_trained(kind):
    x, y = examples(kind)
    model = made(kind, dataset_size=COUNT)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=True), training=True)
    for weight, gradient in zip(
        model.trainable_variables,
        tape.gradient(loss, [weight.value for weight in model.trainable_variables]),
        strict=True,
    ):
        assert gradient is not None and np.all(np.isfinite(gradient)) and np.any(gradient != 0), weight.path
    assert len(model.trainable_variables) == 8


def test_the_weight_is_turned_between_two_batches(kind):
    x, y = examples(kind)

    class Turn(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.weights = []

        def on_train_batch_end(self, batch, logs=None):
            self.weights.append(float(self.model.kl_weight.numpy()))
            self.model.kl_weight = 7.0

    turn = Turn()
    model = made(kind, 0.5)
    stopping = keras.callbacks.EarlyStopping("kl")  # of which less is better
    history = model.fit(x, y, batch_size=24, verbose=0, callbacks=[turn, stopping]).history
    assert stopping.best == history["kl"][0]
    assert turn.weights == [0.5, 7.0] and history["kl_weight"] == [pytest.approx(3.75)]
    assert set(history) == {"loss", "nll", "kl", "kl_weight"} and model.dataset_size == COUNT


@pytest.mark.parametrize("layer", ["dense", "convolution"])
def test_noise_of_training_has_the_spread_of_the_drawn_networks(layer):
    # one layer, so that outputs are Gaussian: what training adds has the variance that drawing weights has
    random = np.random.default_rng(3)
    if layer == "dense":
        part, x = bayes.MeanFieldDense(2, initial_scale=0.3, seed=4), random.standard_normal((1, 5))
    else:
        part, x = bayes.MeanFieldConv2D(2, 3, initial_scale=0.3, seed=4), random.standard_normal((1, 3, 3, 2))
    model = bayes.BayesianModel(keras.Sequential([keras.Input(x.shape[1:]), part]), dataset_size=10)
    x = x.astype("float32")
    several = np.repeat(x, 50, axis=0)
    many = np.concatenate([keras.ops.convert_to_numpy(model(several, training=True)) for _ in range(80)])
    drawn = model.sample(x, 300, seed=5)[:, 0]
    np.testing.assert_allclose(many.std(0), drawn.std(0), rtol=0.3)
    np.testing.assert_allclose(np.square(many.std(0)).mean(), np.square(drawn.std(0)).mean(), rtol=0.15)
    np.testing.assert_allclose(many.mean(0), keras.ops.convert_to_numpy(model(x))[0], atol=0.15)


def test_drawn_networks_are_the_same_for_all_inputs_and_the_seed_repeats_them(kind):
    x, _ = examples(kind)
    model = made(kind)
    first = model.sample(x, 3, seed=1)
    assert first.shape == (3, COUNT, 3) and np.ptp(first, axis=0).max() > 0
    np.testing.assert_allclose(model.sample(x[:5], 3, seed=1), first[:, :5], atol=1e-5)
    assert not np.allclose(model.sample(x, 3, seed=2), first)


def test_without_the_number_of_examples_training_asks_for_it(kind):
    x, y = examples(kind)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(12)
    with pytest.raises(ValueError, match=r"BayesianModel\.fit: .* Give `dataset_size`\."):
        made(kind).fit(batches)
    with pytest.raises(ValueError, match="number must be known"):
        made(kind).train_on_batch(x, y)
    with pytest.raises(ValueError, match="number must be known"):
        network(kind)(x, training=True)
    assert made(kind, dataset_size=COUNT).train_on_batch(x, y, return_dict=True)["nll"] > 0


@pytest.mark.parametrize("size", [12, 4800])
def test_a_wrong_number_of_examples_is_noticed(size):
    x, y = examples()
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(12)
    words = f"`dataset_size` is {size:,}, and an epoch has 48 examples, so a weight of 1 counts as {48 / size:.3g}"
    with pytest.warns(UserWarning, match=words):
        made().fit(batches, dataset_size=size, verbose=0)
    with pytest.warns(UserWarning, match=words):
        made().fit(x, y, dataset_size=size, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        made().fit(batches, dataset_size=COUNT, verbose=0)
        model = made()
        model.fit(x, y, validation_split=0.25, verbose=0)
    assert model.dataset_size == 36


@pytest.mark.parametrize("weighting", sorted(set(WEIGHTINGS) - set(GAUSSIAN)))
def test_every_weighting_trains(weighting):
    x, y = examples()
    options = {"warm-up": {"ramp_steps": 4}, "cyclical": {"ramp_steps": 8}, "capacity": {"ramp_steps": 4}}
    model = made(weighting=weighting, **options.get(weighting, {}))
    weights = model.fit(x, y, batch_size=12, epochs=4, verbose=0).history["kl_weight"]
    assert np.all(np.isfinite(weights))
    assert (len(set(weights)) > 1) == (
        weighting not in ("constant", "free-bits", "cyclical")
    )  # a cycle is an epoch here
    if weighting == "warm-up":
        assert weights[0] == pytest.approx((0 + 0.25 + 0.5 + 0.75) / 4) and weights[-1] == 1.0


@pytest.mark.parametrize("weighting", GAUSSIAN)
def test_a_weighting_that_finds_a_decoders_noise_is_refused(weighting):
    with pytest.raises(ValueError, match=f"BayesianModel: the weighting {weighting} finds the noise"):
        made(weighting=weighting)


def test_it_is_saved_and_opened_by_keras_and_trains_on(kind, tmp_path):
    x, y = examples(kind)
    model = made(kind, 0.5, weighting="geco", target_distortion=1.0)
    model.fit(x, y, batch_size=12, verbose=0)
    model.save(tmp_path / "bayes.keras")
    again = keras.models.load_model(tmp_path / "bayes.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    np.testing.assert_array_equal(again.sample(x, 2), model.sample(x, 2))
    assert again.dataset_size == COUNT and float(again.kl_weight.numpy()) == float(model.kl_weight.numpy())
    np.testing.assert_array_equal(again.weighting_state, model.weighting_state)
    assert np.isfinite(again.train_on_batch(x[:12], y[:12])).all()  # N is still known


COPIES = {
    "deepcopy": lambda model, folder: copy.deepcopy(model),
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "file": lambda model, folder: (model.save(folder / "b.keras"), keras.models.load_model(folder / "b.keras"))[1],
    "export": lambda model, folder: (model.export(str(folder / "b"), verbose=False), served(folder / "b"))[1],
}


def served(folder):
    found = tf.saved_model.load(str(folder))
    found.predict = lambda x, verbose: found.serve(x).numpy()
    return found


@pytest.mark.parametrize("way", COPIES)
def test_a_model_with_a_gaussian_likelihood_is_copied_and_opens_again(way, tmp_path):
    x, _ = examples()
    model = bayes.BayesianModel(network(), 0.5)
    model.compile("adam", loss=bayes.gaussian_nll(0.3))
    model.fit(x, x[:, :3], 24, 1, verbose=0)  # by position, as Keras takes them
    again = COPIES[way](model, tmp_path)
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    if way == "file":
        assert again.loss.noise == 0.3 and again.compute_output_shape((None, 5)) == (None, 3)


@pytest.mark.parametrize("name", sorted(FIXED))
def test_what_a_model_is_made_of_cannot_be_assigned(name):
    with pytest.raises(AttributeError, match=f"BayesianModel: `{name}` is part of the model"):
        setattr(made(), name, None)


@pytest.mark.parametrize("size", [0, -3, float("nan"), float("inf"), True])
def test_a_number_of_examples_that_is_none_is_refused(size):
    for make in (lambda: bayes.MeanFieldDense(3, dataset_size=size), lambda: made(dataset_size=size)):
        with pytest.raises(ValueError, match="`dataset_size` must be a number of at least 1"):
            make()


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_low_precision_keeps_the_kl_in_float32(kind, precision):
    keras.config.set_dtype_policy(precision)
    x, y = examples(kind)
    model = made(kind)
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"][0])
    assert {keras.backend.standardize_dtype(layer.kl().dtype) for layer in model.mean_field_layers} == {"float32"}
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
@pytest.mark.parametrize("name", ["prior_scale", "initial_scale"])
def test_a_scale_that_is_not_above_0_is_refused(name, scale):
    with pytest.raises(ValueError, match="gaussian_nll: `noise` must be"):
        bayes.gaussian_nll(scale)
    with pytest.raises(ValueError, match="MeanFieldDense: `kl_weight` must be"):
        bayes.MeanFieldDense(3, kl_weight=-1.0)
    with pytest.raises(ValueError, match=f"MeanFieldDense: `{name}` must be above 0"):
        bayes.MeanFieldDense(3, **{name: scale})


def test_a_network_without_mean_field_layers_is_refused():
    with pytest.raises(ValueError, match="has no mean-field layer"):
        bayes.BayesianModel(keras.Sequential([keras.Input((3,)), layers.Dense(1)]))
