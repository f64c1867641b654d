"""What Keras's own methods take of a VAE's pictures, what they refuse, and what evaluation and `predict` draw."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kvae.images.pixels import unchecked
from kvae.model.vae import VAE

SHAPE, LATENT = (16, 16, 3), 4
METHODS = ["fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch", "encode", "reconstruct",
           "adapt", "__call__", "posterior", "posterior_of"]  # fmt: skip


def small(network: str = "conv", *, rate: float = 0.0, **settings) -> VAE:
    """Compiled with plain gradient descent, so that without a `rate` nothing is learnt."""
    model = VAE(image_shape=SHAPE, network=network, latent_dim=LATENT, widths=(8,), **{"kl_weight": 0.5, **settings})
    model.compile(keras.optimizers.SGD(rate))
    return model


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(3).random((40, *SHAPE), dtype="float32")


@pytest.fixture(scope="module")
def model(pictures):
    """To look at and not to change; its posteriors vary."""
    made = small("hybrid")
    made.adapt(pictures)
    return made


def as_generator(pictures, rows=8, tail=()):
    return ((pictures[start : start + rows], *tail) for start in range(0, len(pictures), rows))


def counted(steps: list[int]) -> keras.callbacks.Callback:
    """Keeps the number of every batch of an epoch."""
    return keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch))


class Sequence(keras.utils.PyDataset):
    def __init__(self, pictures) -> None:
        super().__init__()
        self._pictures = pictures

    def __len__(self):
        return len(self._pictures) // 8

    def __getitem__(self, number):
        return (self._pictures[8 * number : 8 * number + 8],)


BATCHES = {
    "tf.data": lambda pictures: tf.data.Dataset.from_tensor_slices(pictures).batch(8),
    "tf.data of tuples": lambda pictures: tf.data.Dataset.from_tensor_slices((pictures,)).batch(8),
    "generator": as_generator,
    "PyDataset": Sequence,
}
every_kind_of_batches = pytest.mark.parametrize("batches", BATCHES.values(), ids=BATCHES)

# ---------------------------------------------------------------------- pixel values


WRONG = {
    "x / 255": lambda x: 255.0 * x,
    "(x + 1) / 2": lambda x: 2.0 * x - 1.0,
    "x.clip(0, 1)": lambda x: 1.2 * x,
    "astype('uint8')": lambda x: (255.0 * x).astype("int32"),
    "numpy.nan_to_num": lambda x: np.where(x > 0.99, np.nan, x).astype("float32"),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cure", WRONG)
def test_an_array_that_holds_no_pixel_values_is_refused_with_the_cure(model, pictures, method, cure):
    with pytest.raises(ValueError) as caught:
        getattr(model, method)(WRONG[cure](pictures))
    said = str(caught.value)
    assert cure in said and said.startswith("VAE") and "\n" not in said


def test_validation_data_and_ends_of_a_way_are_looked_at_too(model, pictures):
    for held_out in ((255.0 * pictures,), (255.0 * pictures, None), 255.0 * pictures):
        with pytest.raises(ValueError, match=r"VAE\.fit: validation_data: `x` must hold floats in \[0, 1\]"):
            small().fit(pictures, validation_data=held_out, verbose=0)
    with pytest.raises(ValueError, match=r"must hold floats in \[0, 1\]"):
        model.interpolate(pictures[0], 255.0 * pictures[1])


@pytest.mark.parametrize("kind", ["uint8", "uint16", "bool", "zero-one bytes", "float64", "float16", "tensor"])
def test_every_type_means_the_same_to_every_method(kind):
    grey = np.random.default_rng(4).integers(0, 256, (16, *SHAPE)).astype("uint8")
    black = (grey > 127).astype("uint8")
    given, floats = {
        "uint8": (grey, grey / 255.0),
        "uint16": (grey.astype("uint16") * 257, grey / 255.0),
        "bool": (black.astype(bool), black),
        "zero-one bytes": (black, black),
        "float64": (grey / 255.0, grey / 255.0),
        "float16": ((grey / 255.0).astype("float16"), grey / 255.0),
        "tensor": (tf.constant(grey), grey / 255.0),
    }[kind]
    floats, found = floats.astype("float32"), []
    for images in (given, floats):
        model = small()
        history = model.fit(images, batch_size=8, shuffle=False, verbose=0, validation_data=(images,)).history
        terms = [*history.values(), model.evaluate(images, verbose=0), model.test_on_batch(images)]
        found.append(
            (
                np.concatenate([np.ravel(one) for one in terms]),
                model.encode(images)[0],
                model.predict(images, verbose=0),
            )
        )
        found[-1] += (ops.convert_to_numpy(model.posterior(images)[0]), *map(np.asarray, model.terms_at(images, 0.1)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-3)


@every_kind_of_batches
def test_the_first_of_many_batches_is_looked_at_and_not_lost(pictures, batches):
    for method in ("fit", "evaluate", "predict"):
        with pytest.raises(ValueError, match=rf"VAE\.{method}: `x` must hold floats in \[0, 1\]; .* x / 255"):
            getattr(small(), method)(batches(255.0 * pictures), verbose=0)
    model = small()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's about the order of generators
        history = model.fit(batches(pictures), shuffle=False, verbose=0, callbacks=[counted(steps := [])]).history
    assert steps == [0, 1, 2, 3, 4]
    whole = small().fit(pictures, batch_size=8, shuffle=False, verbose=0).history
    assert history["loss"] == pytest.approx(whole["loss"], rel=1e-5)


def test_whole_numbers_without_a_range_are_refused_within_batches_too(pictures):
    counts = tf.data.Dataset.from_tensor_slices((255 * pictures).astype("int32")).batch(8)
    with pytest.raises(ValueError, match=r"must be uint8, uint16, bool, or floats in \[0, 1\].* Received: int32"):
        small().fit(counts, shuffle=False, verbose=0)
    with pytest.raises(ValueError, match="begins with bytes that are all 0 or 1, .* Give bool"):
        small().fit(
            tf.data.Dataset.from_tensor_slices((pictures > 0.5).astype("uint8")).batch(8), shuffle=False, verbose=0
        )
    with pytest.raises(ValueError, match=r"Received: int32"):
        small()(tf.zeros((2, *SHAPE), "int32"))


def test_floats_that_are_vouched_for_are_not_looked_at(pictures):
    with unchecked():
        small().fit(2.0 * pictures, verbose=0)
    with pytest.raises(ValueError, match="must hold floats"):
        small().fit(2.0 * pictures, verbose=0)


@pytest.mark.parametrize("wrapped", [lambda x: [x], lambda x: (x,), lambda x: {"images": x}, lambda x: "paintings"])
def test_what_is_no_array_is_refused_in_a_sentence(pictures, wrapped):
    for method in ("fit", "evaluate", "predict"):
        with pytest.raises(ValueError, match=rf"VAE\.{method}: `x` m.*Received: |`x` must give arrays of pictures"):
            getattr(small(), method)(wrapped(pictures))


def test_other_pictures_as_targets_are_refused(pictures):
    other = pictures[::-1]
    for x, y in ((pictures, other), (tf.data.Dataset.from_tensor_slices((pictures, other)).batch(8), None)):
        with pytest.raises(ValueError, match="has other pictures as its target, .* Leave `y` out"):
            small().fit(x, y, shuffle=False, verbose=0)
    small().fit(pictures, pictures.copy(), verbose=0)
    labelled = tf.data.Dataset.from_tensor_slices((pictures, np.arange(40))).batch(8)
    small().fit(labelled, shuffle=False, verbose=0)


# ---------------------------------------------------------------------- weights of pictures


def test_weights_of_pictures_count_in_fit_evaluate_and_batches(pictures):
    weights = np.random.default_rng(5).uniform(0, 2, 40).astype("float32")
    model = small()
    single = [model.evaluate(pictures[:40], batch_size=40, verbose=0, sample_weight=np.eye(40)[n]) for n in range(3)]
    assert len({round(loss[0], 4) for loss in single}) == 3
    found = model.evaluate(pictures, sample_weight=weights, batch_size=7, verbose=0, return_dict=True)
    parts = [
        model.evaluate(pictures, sample_weight=40.0 * row, batch_size=40, verbose=0)[0] for row in np.eye(40)[:40:8]
    ]
    assert all(np.isfinite(parts))
    triples = tf.data.Dataset.from_tensor_slices((pictures, pictures, weights)).batch(7)
    assert model.evaluate(triples, verbose=0, return_dict=True) == pytest.approx(found, rel=1e-5)
    assert model.test_on_batch(pictures, sample_weight=weights, return_dict=True) == pytest.approx(found, rel=1e-5)
    mean_weight = float(weights.mean())
    assert found["loss"] == pytest.approx(mean_weight * (found["distortion"] + 0.5 * found["rate"]), rel=1e-4)
    assert found["distortion"] != pytest.approx(
        model.evaluate(pictures, verbose=0, return_dict=True)["distortion"], rel=1e-5
    )
    for given in ({"x": pictures, "sample_weight": weights}, {"x": triples}):
        history = (
            small().fit(**given, batch_size=None if given["x"] is triples else 7, shuffle=False, verbose=0).history
        )
        assert history["loss"][0] == pytest.approx(
            mean_weight * (history["distortion"][0] + 0.5 * history["rate"][0]), rel=1e-4
        )
        assert history["loss"][0] == pytest.approx(found["loss"], rel=0.02)  # of other noise


def test_held_out_pictures_have_weights_too(pictures):
    weights = np.linspace(0, 3, 40)
    model = small()
    history = model.fit(pictures, verbose=0, validation_data=(pictures, None, weights)).history
    assert history["val_loss"][0] == pytest.approx(
        model.evaluate(pictures, sample_weight=weights, verbose=0)[0], rel=1e-5
    )
    split = model.fit(pictures, sample_weight=np.repeat([1.0, 0.0], 20), validation_split=0.5, shuffle=False, verbose=0)
    assert split.history["val_loss"] == [0.0] and split.history["loss"][0] > 1


@pytest.mark.parametrize("weights", [np.ones(39), -np.ones(40), np.full(40, np.nan), np.ones((40, 16, 16))])
def test_weights_that_are_not_one_number_for_each_picture_are_refused(pictures, weights):
    for method in ("fit", "evaluate", "train_on_batch"):
        with pytest.raises(
            ValueError, match=rf"VAE\.{method}: `sample_weight` must be one finite number of at least 0"
        ):
            getattr(small(), method)(pictures, sample_weight=weights)


def test_what_has_no_meaning_for_a_vae_is_refused_in_a_sentence(pictures):
    for method in ("fit", "train_on_batch"):
        with pytest.raises(ValueError, match=rf"VAE\.{method}: a VAE knows no classes\. Leave `class_weight` out"):
            getattr(small(), method)(pictures, np.zeros(40), class_weight={0: 2.0})
    for given in (("adam", "mse"), ("adam", None, [1.0])):
        with pytest.raises(ValueError, match="the loss is D .* must be left out.* `likelihood`"):
            small().compile(*given)


# ---------------------------------------------------------------------- metrics and callbacks


@pytest.mark.parametrize("kind", ["array", "bytes", "batches"])
def test_metrics_compare_pictures_with_their_reconstructions(pictures, kind):
    model = small()
    model.compile("adam", None, None, ["mae"], weighted_metrics=["mse"])
    grey = np.round(255 * pictures).astype("uint8")
    x = {"array": pictures, "bytes": grey, "batches": BATCHES["tf.data"](pictures)}[kind]
    history = model.fit(x, shuffle=False, verbose=0, validation_data=x).history
    assert 0 < history["val_mae"][0] < 1
    # D is the sum of what `mse` is the mean of
    assert history["val_mse"][0] == pytest.approx(history["val_distortion"][0] / np.prod(SHAPE), rel=1e-4)


@pytest.mark.parametrize("monitor", ["val_distortion", "rate"])
def test_callbacks_know_that_less_distortion_and_rate_are_better(pictures, monitor, tmp_path):
    stopping = keras.callbacks.EarlyStopping(monitor, patience=1)
    kept = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5", monitor, save_best_only=True, save_weights_only=True
    )
    model = small(rate=1e-4)
    history = model.fit(pictures, epochs=2, verbose=0, validation_data=(pictures,), callbacks=[stopping, kept]).history
    assert kept.best == pytest.approx(min(history[monitor])) and (tmp_path / "best.weights.h5").exists()


def test_a_model_knows_its_shapes(model):
    assert model.input_shape == model.output_shape == (None, *SHAPE)
    assert model.compute_output_shape((7, *SHAPE)) == (7, *SHAPE)


# ---------------------------------------------------------------------- the closed-form start


@every_kind_of_batches
@pytest.mark.filterwarnings("ignore:.shuffle=True", "ignore:Your input ran out of data")
def test_the_default_network_starts_from_the_closed_form_whatever_feeds_it(pictures, batches):
    whole = small("hybrid").fit(pictures, batch_size=8, shuffle=False, verbose=0).history
    model = small("hybrid")
    history = model.fit(batches(pictures), shuffle=False, verbose=0, callbacks=[counted(steps := [])]).history
    assert history["distortion"] == pytest.approx(whole["distortion"], rel=1e-4)
    assert steps == [0, 1, 2, 3, 4]


@pytest.mark.filterwarnings("ignore:.shuffle=True", "ignore:Your input ran out of data")
def test_an_endless_generator_is_looked_at_no_further_than_an_epoch(pictures):
    def endless():
        while True:
            yield (pictures[: len(taken) % 8 + 2],)
            taken.append(1)

    taken: list[int] = []
    model = small("hybrid")
    model.fit(endless(), steps_per_epoch=3, epochs=2, verbose=0)
    assert int(model.optimizer.iterations) == 6 and len(taken) < 12


def test_a_single_batch_starts_the_closed_form_and_says_so_once(pictures):
    model = small("hybrid")
    with pytest.warns(UserWarning, match=r"found from one batch of 40 pictures\. Call vae\.adapt\(pictures\)"):
        first = model.train_on_batch(pictures, return_dict=True)
    whole = small("hybrid").fit(pictures, batch_size=40, shuffle=False, verbose=0).history
    assert first["distortion"] == pytest.approx(whole["distortion"][0], rel=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.train_on_batch(pictures)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("start", [False, True])
def test_a_loop_of_ones_own_without_the_closed_form_is_told_once(pictures, traced, start):
    model = small("hybrid")
    if start:
        model.adapt(pictures)

    def step():
        with tf.GradientTape() as tape:
            loss = model.compute_loss(pictures, None, model(pictures, training=True))
        return tape.gradient(loss, [weight.value for weight in model.trainable_variables])

    run = tf.function(step) if traced else step
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run()
        run()
    mine = [str(one.message) for one in told if "closed-form start" in str(one.message)]
    assert len(mine) == (0 if start else 1) and all("vae.adapt(pictures)" in one for one in mine)


# ---------------------------------------------------------------------- what is drawn


def test_predict_is_reconstruct_whatever_the_batches(model, pictures):
    expected = model.reconstruct(pictures)
    for size in (5, 40):
        np.testing.assert_allclose(model.predict(pictures, batch_size=size, verbose=0), expected, atol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(pictures), expected, atol=1e-5)
    # and a call draws one sample of each posterior
    assert np.abs(ops.convert_to_numpy(model(pictures)) - expected).max() > 0.01


@pytest.mark.parametrize("eagerly", [False, True])
def test_an_evaluation_is_the_same_however_the_pictures_are_divided(pictures, eagerly):
    model = small("hybrid")
    model.adapt(pictures)
    model.compile(run_eagerly=eagerly)
    whole = model.evaluate(pictures, batch_size=40, verbose=0, return_dict=True)
    for size in (5, 7, 40):
        assert model.evaluate(pictures, batch_size=size, verbose=0, return_dict=True) == pytest.approx(whole, rel=1e-5)
    assert model.test_on_batch(pictures, return_dict=True) == pytest.approx(whole, rel=1e-5)
    # the noise is that of a place: other places, other noise
    assert model.evaluate(pictures[::-1], verbose=0, return_dict=True)["distortion"] != pytest.approx(
        whole["distortion"], rel=1e-6
    )


def test_evaluation_leaves_the_noise_of_training_as_it_was(pictures):
    def losses(held_out) -> list[float]:
        model = small("hybrid")
        return model.fit(pictures, batch_size=8, shuffle=False, epochs=2, verbose=0, validation_data=held_out).history[
            "loss"
        ]

    assert losses((pictures[:9],)) == losses(None)
