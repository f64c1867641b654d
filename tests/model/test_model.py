"""The VAE as its users meet it: the weight during `fit`, evaluation, precision, encode,
decode and what lies between."""

import keras
import numpy as np
import pytest
from keras import ops

from explorer.state.paths import path
from kvae.model.vae import FIXED, VAE

SIZE, LATENT = 16, 5
SLOW_HYBRID = pytest.param("hybrid", marks=pytest.mark.slow)  # no longer offered; its files go on


def small(network: str = "conv", **settings) -> VAE:
    return VAE(
        **{"image_shape": (SIZE, SIZE, 3), "network": network, "latent_dim": LATENT, "widths": (8, 8), **settings}
    )


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(3).random((24, SIZE, SIZE, 3), dtype="float32")


@pytest.fixture(scope="module")
def model(pictures):
    """One that draws something: its posterior means and its pictures vary."""
    made = small("hybrid", kl_weight=0.3)
    made.adapt(pictures)
    return made


class Turn(keras.callbacks.Callback):
    """Turns the weight after the batches named in `turns` and keeps each batch's own numbers."""

    def __init__(self, turns: dict[int, float]) -> None:
        super().__init__()
        self.turns = turns
        self.batches: list[dict[str, float]] = []
        self.sums: dict[str, float] = {}

    def on_train_batch_end(self, batch, logs=None):
        # Keras logs the mean since the epoch began, not the batch
        sums = {name: value * (batch + 1) for name, value in logs.items()}
        self.batches.append({name: value - self.sums.get(name, 0.0) for name, value in sums.items()})
        self.sums = sums
        if batch in self.turns:
            self.model.kl_weight.assign(self.turns[batch])


# ---------------------------------------------------------------------- the weight


@pytest.mark.parametrize("network", ["conv", SLOW_HYBRID, "principal"])
def test_a_weight_that_is_turned_during_fit_counts_from_the_very_next_batch(pictures, network):
    model = small(network, kl_weight=0.5)
    model.compile(keras.optimizers.SGD(0.0))
    turn = Turn({2: 20.0, 4: 0.25})
    model.fit(np.concatenate([pictures[:4]] * 7), batch_size=4, shuffle=False, epochs=1, verbose=0, callbacks=[turn])
    weights = [batch["kl_weight"] for batch in turn.batches]
    assert weights == pytest.approx([0.5, 0.5, 0.5, 20.0, 20.0, 0.25, 0.25], rel=1e-4)
    for batch in turn.batches:
        assert batch["loss"] == pytest.approx(batch["distortion"] + batch["kl_weight"] * batch["rate"], rel=1e-4)
    if network == "conv":
        # nothing is learnt, so the rate stays and the step in the loss is the step in the weight times the rate
        rates = [batch["rate"] for batch in turn.batches]
        assert rates == pytest.approx([rates[0]] * 7, rel=1e-3) and rates[0] > 0.01


def test_a_weight_that_is_turned_under_xla_counts_from_the_very_next_batch(pictures):
    model = small("principal", kl_weight=0.5)
    model.compile(keras.optimizers.SGD(0.0), jit_compile=True)
    turn = Turn({0: 20.0})
    model.fit(pictures[:12], batch_size=4, verbose=0, callbacks=[turn])
    for batch, weight in zip(turn.batches, [0.5, 20.0, 20.0], strict=True):
        assert batch["loss"] - batch["distortion"] == pytest.approx(weight * batch["rate"], rel=1e-3)


class Assign(keras.callbacks.Callback):
    """Assigns as people do, an attribute."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.kl_weight = [0.25, 100.0][epoch]


@pytest.mark.parametrize("state", ["fresh", "fitted", "loaded"])
def test_an_assigned_weight_is_that_of_training_of_the_history_and_of_the_file(pictures, state, tmp_path):
    model = small(kl_weight=3.0)
    model.compile()
    if state != "fresh":
        model.fit(pictures, verbose=0)
    if state == "loaded":
        model.save(tmp_path / "before.keras")
        model = keras.models.load_model(tmp_path / "before.keras")
    variable = model.kl_weight
    history = model.fit(pictures, epochs=2, batch_size=24, verbose=0, callbacks=[Assign()]).history
    assert history["kl_weight"] == [0.25, 100.0]
    for epoch in range(2):
        terms = history["distortion"][epoch] + history["kl_weight"][epoch] * history["rate"][epoch]
        assert history["loss"][epoch] == pytest.approx(terms, rel=1e-4)
    model.save(tmp_path / "after.keras")
    assert model.kl_weight is variable and model.beta == keras.models.load_model(tmp_path / "after.keras").beta == 100.0
    model.kl_weight /= 4
    model.kl_weight += np.float32(1)
    assert model.beta == 26.0


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf"), 1e9, "much", None, True, np.ones(2)])
def test_a_weight_that_is_none_is_refused_when_it_is_assigned(bad):
    model = small(kl_weight=3.0)
    with pytest.raises(ValueError, match=r"VAE: `kl_weight` must be a number from 0 to 1e\+06 .* Received: kl_weight="):
        model.kl_weight = bad
    assert model.beta == 3.0


def test_an_autoencoder_takes_no_weight_when_it_is_assigned():
    model = small(autoencoder=True)
    with pytest.raises(ValueError, match="an autoencoder has no KL term"):
        model.kl_weight = 0.5


@pytest.mark.parametrize("name", sorted({*FIXED, "weighting", "rate", "target_distortion"}))
def test_what_a_model_is_made_of_cannot_be_assigned(model, name):
    before = getattr(model, name, None)
    with pytest.raises(AttributeError, match=rf"VAE: `{name}` is part of the model and cannot change\. Make a new VAE"):
        setattr(model, name, before)
    with pytest.raises(AttributeError, match="`beta` is read only. Assign to `kl_weight`"):
        model.beta = 0.5


def test_what_is_not_of_the_model_can_be_assigned(model):
    model.card, model.note, model.trainable = None, "mine", True
    assert model.note == "mine"


def test_validation_uses_the_weight_of_training(pictures):
    model = small(kl_weight=3.0)
    model.compile()
    history = model.fit(pictures[:16], batch_size=8, verbose=0, validation_data=(pictures[16:], None)).history
    loss = history["val_distortion"][0] + 3.0 * history["val_rate"][0]
    assert history["val_loss"][0] == pytest.approx(loss, rel=1e-5)
    assert history["val_kl_weight"] == [3.0]


def test_evaluation_draws_the_same_noise_each_time_and_follows_the_weight(pictures):
    model = small(kl_weight=0.5)
    model.compile()
    first = model.evaluate(pictures, batch_size=8, verbose=0, return_dict=True)
    assert model.evaluate(pictures, batch_size=8, verbose=0, return_dict=True) == first
    model.kl_weight.assign(2.5)
    second = model.evaluate(pictures, batch_size=8, verbose=0, return_dict=True)
    assert (second["distortion"], second["rate"]) == (first["distortion"], first["rate"])
    assert second["loss"] - first["loss"] == pytest.approx(2.0 * first["rate"], rel=1e-3)


def test_training_draws_fresh_noise_for_each_batch(pictures):
    model = small()
    first, second = (ops.convert_to_numpy(model(pictures, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-4


def test_the_same_seed_trains_the_same_and_another_seed_does_not(pictures):
    def losses(seed: int) -> list[float]:
        model = small(seed=seed)
        model.compile()
        return model.fit(pictures, batch_size=8, shuffle=False, epochs=2, verbose=0).history["loss"]

    assert losses(4) == pytest.approx(losses(4), rel=1e-5)
    assert losses(4) != pytest.approx(losses(5), rel=1e-4)


def test_the_history_reports_the_loss_and_the_terms_it_is_made_of(pictures):
    model = small()
    model.compile()
    history = model.fit(pictures, verbose=0).history
    assert set(history) == {"loss", "distortion", "rate", "kl_weight"}


# ---------------------------------------------------------------------- autoencoder


@pytest.mark.parametrize("network", ["conv", SLOW_HYBRID])
def test_an_autoencoder_has_no_sampling_no_rate_and_no_weight(pictures, network):
    model = small(network, autoencoder=True, kl_weight=5.0)
    if network == "hybrid":
        model.adapt(pictures)
    assert float(ops.convert_to_numpy(model.kl_weight)) == 0.0
    first, second = (ops.convert_to_numpy(model(pictures, training=True)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert model.losses == []
    model.compile()
    history = model.fit(pictures, batch_size=8, verbose=0).history
    assert set(history) == {"loss", "distortion"}
    assert history["loss"] == pytest.approx(history["distortion"], rel=1e-6)
    assert np.all(np.isneginf(model.encode(pictures)[1]))


def test_an_autoencoder_has_the_layers_of_its_vae_but_for_one_head():
    with_head, without = (
        [tuple(weight.shape) for weight in small(autoencoder=plain).trainable_weights] for plain in (False, True)
    )
    for shape in without:
        with_head.remove(shape)
    assert with_head == [(4 * 4 * 8, LATENT), (LATENT,)]


def test_a_hybrid_autoencoder_starts_as_pca():
    random = np.random.default_rng(4)
    rows = random.standard_normal((40, 12)) * 0.5 ** np.arange(12) @ random.standard_normal((12, 3 * SIZE**2))
    pictures = (0.5 + 0.05 * rows).reshape(-1, SIZE, SIZE, 3).astype("float32")
    model = small("hybrid", autoencoder=True)
    model.adapt(pictures)
    centred = (flat := pictures.reshape(40, -1).astype("float64")) - flat.mean(0)
    left = np.linalg.svd(centred, full_matrices=False)[0][:, :LATENT]
    best = (left @ (left.T @ centred) + flat.mean(0)).reshape(pictures.shape)
    np.testing.assert_allclose(model.reconstruct(pictures), np.clip(best, 0, 1), atol=1e-4)


# ---------------------------------------------------------------------- precision


@pytest.mark.parametrize("by", ["argument", "global policy"])
@pytest.mark.parametrize(
    ("network", "precision"),
    [
        ("conv", "mixed_float16"),
        pytest.param("hybrid", "mixed_float16", marks=pytest.mark.slow),
        ("residual", "mixed_bfloat16"),
        ("principal", "mixed_float16"),
    ],
)
def test_heads_sampling_and_losses_are_float32_under_any_policy(pictures, network, precision, by):
    if by == "argument":
        model = small(network, dtype=precision)
    else:
        keras.config.set_dtype_policy(precision)
        model = small(network)
    assert model.get_config()["dtype"] == precision
    inner = {layer.compute_dtype for layer in model.encoder.layers if layer.weights}
    assert inner == (set() if network == "principal" else {precision.removeprefix("mixed_")})
    heads = (model.mean_head, model.log_var_head)
    assert all(head.compute_dtype == head.variable_dtype == "float32" for head in heads)

    if network == "hybrid":
        model.adapt(pictures)
    output = model(pictures, training=True)
    parts = [*model.posterior(pictures), output, model.losses[0], model.compute_loss(pictures, None, output)]
    assert [keras.backend.standardize_dtype(part.dtype) for part in parts] == ["float32"] * 5
    # a distortion above 65504, which float16 would call infinite
    far = model.compute_loss(1000.0 * pictures, None, output)
    exact = np.square(1000.0 * pictures.astype("float64") - ops.convert_to_numpy(output)).sum((1, 2, 3)).mean()
    assert float(far) - float(model.losses[0]) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize(("network", "precision"), [("residual", "mixed_float16"), ("conv", "mixed_bfloat16")])
def test_mixed_precision_trains_as_float32_does(pictures, network, precision):
    losses = {}
    for dtype in (precision, "float32"):
        model = small(network, dtype=dtype)
        start = [weight.numpy() for weight in model.trainable_weights]
        model.compile(keras.optimizers.Adam(0.01))
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (dtype == "mixed_float16")
        history = model.fit(pictures, batch_size=4, epochs=2, shuffle=False, verbose=0).history
        assert np.all(np.isfinite([*history.values()]))
        moved = [np.abs(weight.numpy() - old).max() for weight, old in zip(model.trainable_weights, start, strict=True)]
        assert np.isfinite(moved).all() and min(moved[1:]) > 1e-4
        losses[dtype] = history["loss"]
    assert losses[precision] == pytest.approx(losses["float32"], rel=0.02)


def test_float16_keeps_a_loss_scale_optimizer_that_is_there_already():
    model = small(dtype="mixed_float16")
    own = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=8.0)
    model.compile(own)
    assert model.optimizer is own


# ---------------------------------------------------------------------- NumPy in, NumPy out


def test_encode_decode_and_sample_have_their_shapes_and_ranges(model, pictures):
    mean, log_var = model.encode(pictures)
    assert mean.shape == log_var.shape == (24, LATENT) and mean.dtype == log_var.dtype == np.float32
    for images in (model.decode(3 * mean), model.reconstruct(pictures), model.sample(24, temperature=3.0)):
        assert images.shape == (24, SIZE, SIZE, 3) and images.dtype == np.float32
        assert 0.0 <= images.min() < images.max() <= 1.0
    assert np.ptp(mean, axis=0).min() > 0.1


def test_uint8_pictures_mean_the_same_as_floats(model, pictures):
    bytes_ = np.round(255 * pictures).astype("uint8")
    for one, other in zip(model.encode(bytes_), model.encode(bytes_ / 255.0), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(bytes_), model.reconstruct(bytes_ / 255.0), atol=1e-6)


def test_a_batch_of_many_gives_what_one_at_a_time_gives(model, pictures):
    many = np.concatenate([pictures] * 4)[:70]  # more than the 64 that are decoded at once
    whole = model.reconstruct(many)
    single = np.concatenate([model.reconstruct(picture[None]) for picture in many[60:]])
    np.testing.assert_allclose(whole[60:], single, atol=1e-5)
    assert whole.shape == many.shape


def test_reconstruct_decodes_the_posterior_mean(model, pictures):
    np.testing.assert_array_equal(model.reconstruct(pictures), model.decode(model.encode(pictures)[0]))


def test_sample_is_repeatable_and_scales_with_the_temperature(model):
    np.testing.assert_array_equal(model.sample(3, seed=1), model.sample(3, seed=1))
    assert np.abs(model.sample(3, seed=1) - model.sample(3, seed=2)).max() > 1e-3
    centre = model.decode(np.zeros((1, LATENT)))
    np.testing.assert_allclose(model.sample(2, temperature=0.0), np.repeat(centre, 2, 0), atol=1e-6)
    spread = [np.abs(model.sample(8, temperature=t) - centre).mean() for t in (0.2, 0.6)]
    assert 2.0 < spread[1] / spread[0] < 4.0


def test_pictures_of_another_shape_are_refused(model, pictures):
    for wrong in (pictures[0], pictures[:, :8], pictures[..., :1]):
        with pytest.raises(ValueError, match=r"images must have shape \(count, 16, 16, 3\)\. Received: "):
            model.encode(wrong)


@pytest.mark.parametrize("shape", [(LATENT,), (2, LATENT + 1), (2, 2, LATENT)])
def test_latents_of_another_shape_are_refused(model, shape):
    with pytest.raises(ValueError, match=rf"`latents` must have shape \(count, {LATENT}\)\. Received: shape"):
        model.decode(np.zeros(shape))


# ---------------------------------------------------------------------- interpolation


@pytest.fixture(scope="module")
def glass():
    """An autoencoder whose latents can be read off its pictures: it is the identity, shrunk ten times around 0.5."""
    made = VAE(image_shape=(2, 2, 1), network="principal", latent_dim=4, autoencoder=True)
    made.mean_head.set_weights([10.0 * np.eye(4), np.full(4, -5.0)])
    next(layer for layer in made.decoder.layers if layer.weights).set_weights([0.1 * np.eye(4), np.full(4, 0.5)])
    return made


def latents_of(images: np.ndarray) -> np.ndarray:
    return 10.0 * images.reshape(len(images), -1) - 5.0


@pytest.mark.parametrize("spherical", [False, True])
def test_interpolation_begins_and_ends_with_the_reconstructions(model, pictures, spherical):
    way = model.interpolate(pictures[0], pictures[1], 5, spherical=spherical)
    assert way.shape == (5, SIZE, SIZE, 3)
    np.testing.assert_allclose(way[[0, -1]], model.reconstruct(pictures[:2]), atol=1e-5)


def test_a_straight_way_has_equal_steps(glass):
    start, end = np.random.default_rng(0).uniform(0.3, 0.7, (2, 2, 2, 1))
    steps = np.diff(latents_of(glass.interpolate(start, end, 6)), axis=0)
    np.testing.assert_allclose(steps, np.repeat(latents_of(end[None]) - latents_of(start[None]), 5, 0) / 5, atol=1e-4)


def test_a_spherical_way_keeps_the_length_and_turns_evenly(glass):
    directions = np.random.default_rng(1).standard_normal((2, 4))
    ends = 2.0 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    way = latents_of(glass.interpolate(*(0.5 + 0.1 * ends).reshape(2, 2, 2, 1), 9, spherical=True))
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 2.0, rtol=1e-4)
    cosines = np.sum(way[1:] * way[:-1], axis=1) / 4.0
    np.testing.assert_allclose(np.arccos(cosines), np.arccos(ends[0] @ ends[1] / 4.0) / 8, rtol=1e-3)
    # the straight way is a short cut through the inside
    inside = latents_of(glass.interpolate(*(0.5 + 0.1 * ends).reshape(2, 2, 2, 1), 9))
    assert np.linalg.norm(inside, axis=1).min() < 1.9


@pytest.mark.parametrize("lengths", [(2.0, 2.0), (0.5, 3.0), (0.0, 2.0)])
def test_a_spherical_way_is_the_one_that_the_explorer_makes_films_of(glass, lengths):
    directions = np.random.default_rng(2).standard_normal((2, 4))
    ends = np.array(lengths)[:, None] * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    way = latents_of(glass.interpolate(*(0.5 + 0.1 * ends).reshape(2, 2, 2, 1), 9, spherical=True))
    np.testing.assert_allclose(way, path(ends, 8, style="spherical", easing="even"), atol=1e-3)


@pytest.mark.parametrize("end", [1.0, -1.0])
def test_a_spherical_way_between_parallel_or_opposite_latents_is_straight(glass, end):
    latent = np.array([0.5, -0.25, 0.25, 0.5])
    pictures = 0.5 + 0.1 * np.stack([latent, end * latent]).reshape(2, 2, 2, 1)
    way = latents_of(glass.interpolate(*pictures, 3, spherical=True))
    np.testing.assert_allclose(way[1], 0.5 * (1 + end) * latent, atol=1e-4)


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize("size", [50, 17])
@pytest.mark.parametrize("network", [SLOW_HYBRID, "conv", "residual"])
def test_a_size_that_cannot_be_halved_is_refused_in_a_sentence(network, size):
    with pytest.raises(ValueError, match=rf"a picture of {size}x{size} cannot be halved .* such as (48|16)\."):
        VAE(image_shape=(size, size, 3), network=network)


def test_widths_that_do_not_fit_the_picture_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"3 levels .* multiples of 8\. Received: 28x28\."):
        VAE(image_shape=(28, 28, 1), widths=(8, 8, 8))


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 2), (0, 16, 3), (16, -16, 3), (16.0, 16, 3), (16, 16, None)])
def test_an_image_shape_that_is_none_is_refused(shape):
    with pytest.raises(ValueError, match=r"`image_shape` must be \(height, width, channels\) .* Received: "):
        VAE(image_shape=shape)


@pytest.mark.parametrize(
    "setting",
    [
        {"kl_weight": -0.1},
        {"latent_dim": 0},
        {"network": "transformer"},
        {"widths": (8, 0)},
        {"widths": "many"},
        {"depth": 9},
        {"seed": -1},
    ],
)
def test_a_setting_out_of_its_bounds_is_refused_by_name(setting):
    (name,) = setting
    with pytest.raises(ValueError, match=rf"VAE: `{name}` must be .* Received: {name}="):
        small(**setting)


@pytest.mark.parametrize("setting", [{"widths": ()}, {"image_shape": 16}])
def test_a_shape_or_widths_that_are_no_row_of_numbers_are_refused_by_name(setting):
    (name,) = setting
    with pytest.raises(ValueError, match=rf"VAE: `{name}` .*Received: "):
        small(**setting)


def test_one_width_stands_for_one_level():
    assert small(widths=8).widths == small(widths=np.array([8])).widths == (8,)


# ---------------------------------------------------------------------- what fit takes


@pytest.mark.parametrize("network", ["conv", SLOW_HYBRID])
def test_fit_and_evaluate_take_uint8_pictures_for_what_they_are(pictures, network):
    bytes_ = np.round(255 * pictures).astype("uint8")
    terms = []
    for images in (bytes_, (bytes_ / 255.0).astype("float32")):
        model = small(network)
        model.compile(keras.optimizers.SGD(0.0))
        model.fit(images, batch_size=12, shuffle=False, verbose=0)
        terms.append(model.evaluate(images, batch_size=12, verbose=0, return_dict=True))
    assert terms[0] == pytest.approx(terms[1], rel=1e-4)


def test_a_linear_path_starts_from_a_tensor_as_from_an_array(pictures):
    arrays, tensors = small("hybrid"), small("hybrid")
    arrays.adapt(pictures)
    tensors.adapt(ops.convert_to_tensor(pictures))
    for one, other in zip(arrays.get_weights(), tensors.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_interpolation_leads_from_bytes_to_floats(model, pictures):
    bytes_ = np.round(255 * pictures[0]).astype("uint8")
    way = model.interpolate(bytes_, pictures[1], 3)
    np.testing.assert_allclose(way[0], model.reconstruct(bytes_[None])[0], atol=1e-5)
