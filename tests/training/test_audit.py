"""`kvae.audit`: five VAEs that are broken in five ways, and some that are sound."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import kvae
from kvae.objectives.base import diagonal_kl
from kvae.training.audit import KINDS

SHAPE, LATENT, VALUES = (8, 8, 3), 4, 8 * 8 * 3


@pytest.fixture(scope="module")
def pictures():
    return (kvae.open_collection(count=32, size=16).read(range(32))[:, ::2, ::2] / np.float32(255)).astype("float32")


def sums(pictures, output, mean, log_var):
    """D and R as they should be."""
    distortion = ops.mean(ops.sum(ops.square(pictures - output), axis=(1, 2, 3)))
    return distortion, ops.mean(ops.sum(diagonal_kl(mean, log_var), axis=1))


class Sound(keras.Model):
    """A VAE as in Keras's example, with a weight that is a variable and the same objective in validation."""

    terms = staticmethod(sums)

    def __init__(self, weight=0.1, seed=0):
        super().__init__()
        keras.utils.set_random_seed(seed)
        pictures = keras.Input(SHAPE)
        x = layers.Dense(32, activation="relu")(layers.Flatten()(pictures))
        self.encoder = keras.Model(pictures, [layers.Dense(LATENT)(x), layers.Dense(LATENT)(x)])
        self.decoder = keras.Sequential(
            [keras.Input((LATENT,)), layers.Dense(32, activation="relu"), layers.Dense(VALUES, activation="sigmoid"),
             layers.Reshape(SHAPE)]
        )  # fmt: skip
        self.noise = keras.random.SeedGenerator(seed)
        self.total = keras.metrics.Mean("loss") if type(self).train_step is not keras.Model.train_step else None
        self.set_weight(weight)

    def set_weight(self, weight):
        self.beta = self.add_weight(name="beta", shape=(), trainable=False, initializer=lambda *_, **__: weight)

    @property
    def metrics(self):
        return [self.total]

    def loss_of(self, pictures, weight):
        mean, log_var = self.encoder(pictures)
        latents = mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean), seed=self.noise)
        distortion, rate = self.terms(pictures, self.decoder(latents), mean, log_var)
        return distortion + weight * rate

    def train_step(self, pictures):
        with tf.GradientTape() as tape:
            loss = self.loss_of(pictures, self.beta)
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self.total.update_state(loss)
        return {"loss": self.total.result()}

    def test_step(self, pictures):
        self.total.update_state(self.loss_of(pictures, self.beta))
        return {"loss": self.total.result()}


class Frozen(Sound):
    """Keras issue 13826: the weight is a Python number, and the graph keeps the first one that it saw."""

    def set_weight(self, weight):
        self.beta = weight


class MeanAndSum(Sound):
    """D is a mean over values, R a sum over latents."""

    @staticmethod
    def terms(pictures, output, mean, log_var):
        distortion, rate = sums(pictures, output, mean, log_var)
        return distortion / VALUES, rate


class Unmoved(Sound):
    """R is in the loss, but its gradient does not reach the encoder."""

    @staticmethod
    def terms(pictures, output, mean, log_var):
        distortion, rate = sums(pictures, output, mean, log_var)
        return distortion, ops.stop_gradient(rate)


class OtherValidation(Sound):
    """PyTorch-VAE's habit: validation has a weight of its own."""

    def test_step(self, pictures):
        self.total.update_state(self.loss_of(pictures, 500.0 * self.beta))
        return {"loss": self.total.result()}


def compiled(kind, **settings):
    model = kind(**settings)
    model.compile(keras.optimizers.Adam(0.01))
    return model


def audited(kind, pictures, **settings):
    return kvae.audit(compiled(kind, **settings), pictures, steps=20)


def test_a_sound_model_has_no_findings_and_is_left_as_it_was(pictures):
    model = compiled(Sound)
    model.fit(pictures, epochs=2, verbose=0)
    history = model.history
    variables = [*model.variables, *model.optimizer.variables]
    before = [one.numpy() for one in variables]
    assert kvae.audit(model, pictures, steps=20) == []
    for one, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(one.numpy(), value)
    assert model.history is history
    model.beta.assign(5.0)  # and what was traced before still follows the weight
    assert model.evaluate(pictures, verbose=0, return_dict=True)["loss"] > 0


def test_a_weight_that_was_frozen_into_the_graph_is_found(pictures):
    model = compiled(Frozen)
    (finding,) = kvae.audit(model, pictures, steps=20)
    assert finding.kind == "frozen-weight" and model.beta == 0.1
    assert finding.sentence == "`beta` is a Python number that was frozen into the graph: changing it changes no loss."
    assert finding.cure == ("Make it a variable, self.beta = keras.Variable(0.1, trainable=False), and assign to it.")


def test_terms_that_are_reduced_differently_are_found_with_what_the_weight_counts_as(pictures):
    (finding,) = audited(MeanAndSum, pictures, weight=0.005)
    assert finding.kind == "reductions"
    assert finding.sentence.startswith(
        "The squared error is averaged over 192 values and R is summed: the weight 0.005"
    )
    real = float(finding.sentence.split(" counts as ")[1].split(" of")[0])
    assert real == pytest.approx(0.005 * VALUES, rel=0.1)
    assert "divide the weight that you mean by 1" in finding.cure


def test_a_rate_whose_gradient_is_stopped_is_found(pictures):
    (finding,) = audited(Unmoved, pictures)
    assert finding.kind == "rate-unmoved" and "the gradient of R does not reach the encoder" in finding.sentence


def test_a_validation_of_another_objective_is_found_with_its_weight(pictures):
    (finding,) = audited(OtherValidation, pictures)
    assert finding.kind == "validation"
    weight = float(finding.sentence.split("as if the weight were ")[1].split(" there")[0])
    assert weight == pytest.approx(50.0, rel=0.05)


def test_a_validation_that_does_not_follow_the_weight_is_found(pictures):
    class Fixed(Sound):
        def test_step(self, pictures):
            self.total.update_state(self.loss_of(pictures, 0.1))
            return {"loss": self.total.result()}

    (finding,) = audited(Fixed, pictures)
    assert finding.kind == "validation"
    assert finding.sentence == "The validation loss follows the weight 0 times as much as training's."


@pytest.mark.parametrize(
    ("scale", "shift", "sentence", "cure"),
    [
        (255.0, 0.0, "floats from 0 to 255", "Divide them by 255.0."),
        (2.0, -1.0, "squared errors are 4 times as large", "(x + 1) / 2"),
    ],
)
def test_float_pictures_out_of_range_are_found(pictures, scale, shift, sentence, cure):
    stretched = (pictures - pictures.min()) / np.ptp(pictures) * scale + shift
    finding = audited(Sound, stretched)[0]
    assert finding.kind == "pixels" and sentence in finding.sentence and cure in finding.cure


def test_a_weight_that_is_too_small_to_be_felt_is_told_from_one_that_is_not_used(pictures):
    (finding,) = audited(Sound, pictures, weight=1e-7)
    assert finding.kind == "rate-unmoved" and "too small to be felt" in finding.sentence

    class Unused(Sound):
        def train_step(self, pictures):
            self.beta, kept = 0.0, self.beta
            told = super().train_step(pictures)
            self.beta = kept
            return told

        def set_weight(self, weight):
            self.beta = weight

    findings = {finding.kind: finding for finding in audited(Unused, pictures)}
    assert "The loss does not depend on `beta`" in findings["frozen-weight"].sentence


def test_findings_are_of_the_known_kinds_and_a_weight_of_0_is_not_checked(pictures):
    (finding,) = audited(Sound, pictures, weight=0.0)
    assert finding.kind == "unchecked" and finding.kind in KINDS and str(finding).startswith("The weight is 0")


def test_a_kvae_model_is_sound_at_a_constant_weight(pictures):
    for network in ("conv", "spectral"):
        model = kvae.VAE(image_shape=SHAPE, network=network, widths=(8,), kl_weight=0.1)
        model.compile()
        before = [one.numpy() for one in model.variables]
        assert kvae.audit(model, pictures, steps=8) == []
        for one, value in zip(model.variables, before, strict=True):
            np.testing.assert_array_equal(one.numpy(), value)
        assert not model._started() or model.linear_path is None  # `fit` still starts it from its own pictures


class AddLoss(Sound):
    """The other usual way: `call` adds the KL term, and `compile` brings the loss of the reconstruction."""

    train_step, test_step = keras.Model.train_step, keras.Model.test_step

    @property
    def metrics(self):
        return keras.Model.metrics.fget(self)

    def call(self, pictures):
        mean, log_var = self.encoder(pictures)
        latents = mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean), seed=self.noise)
        self.add_loss(self.beta * ops.mean(ops.sum(diagonal_kl(mean, log_var), axis=1)))
        return self.decoder(latents)


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        ("mse", "The squared error is averaged over 192 values and R is summed"),
        ("binary_crossentropy", "The cross-entropy is averaged over 192 values and R is summed"),
        (keras.losses.MeanSquaredError(reduction="mean"), "The squared error is averaged over 192 values"),
    ],
    ids=["mse", "cross-entropy", "object"],
)
def test_a_kl_term_that_is_added_to_a_compiled_loss_is_audited_too(pictures, loss, told):
    model = AddLoss(weight=0.005)
    model.compile(keras.optimizers.Adam(0.01), loss=loss)
    (finding,) = kvae.audit(model, pictures, steps=10)
    assert finding.kind == "reductions" and finding.sentence.startswith(told)


def test_a_model_that_returns_its_parts_by_name_or_in_a_tuple_is_understood(pictures):
    class Named(Sound):
        by_name = True

        def call(self, pictures):
            mean, log_var = self.coder(pictures)
            output = self.decoder(mean)
            return {"mu": mean, "logvar": log_var, "recon": output} if self.by_name else (output, mean, log_var)

        def loss_of(self, pictures, weight):
            self.encoder, kept = self.coder, self.encoder
            loss = super().loss_of(pictures, weight)
            self.encoder = kept
            return loss

    for by_name in (True, False):
        model = Named()
        model.coder, model.encoder, model.by_name = model.encoder, None, by_name
        model.compile(keras.optimizers.Adam(0.01))
        assert kvae.audit(model, pictures, steps=10) == []


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: kvae.VAE(image_shape=SHAPE, network="conv", widths=(8,)), "must be compiled"),
        (lambda: compiled(lambda: kvae.VAE(image_shape=SHAPE, network="conv", widths=(8,), autoencoder=True)),
         "an autoencoder has no KL term"),
        (lambda: compiled(lambda: kvae.VAE(image_shape=SHAPE, widths=(8,), kl_weight=(0.01, 1.0))), "model.at"),
        (lambda: compiled(lambda: keras.Sequential([keras.Input(SHAPE), layers.Dense(3)])), "Say how to get them"),
    ],
    ids=["not compiled", "autoencoder", "range", "no parts"],
)  # fmt: skip
def test_what_cannot_be_audited_is_refused_in_one_sentence(pictures, make, sentence):
    with pytest.raises(ValueError, match=sentence):
        kvae.audit(make(), pictures)


@pytest.mark.parametrize("wrong", ["pictures", [], np.zeros((4, *SHAPE), object), np.zeros((0, *SHAPE)), iter(())])
def test_what_is_no_array_of_numbers_is_not_audited(wrong):
    with pytest.raises(ValueError, match="^audit: `pictures` must be one array of numbers"):
        kvae.audit(compiled(lambda: kvae.VAE(image_shape=SHAPE, network="conv", widths=(8,))), wrong)


def test_parts_and_weight_may_be_named(pictures):
    class Other(Sound):
        def set_weight(self, weight):
            self.strength = self.add_weight(name="s", shape=(), trainable=False, initializer=lambda *_, **__: weight)

        @property
        def beta_of_mine(self):
            return self.strength

        def train_step(self, pictures):
            with tf.GradientTape() as tape:
                loss = self.loss_of(pictures, self.strength)
            weights = self.trainable_weights
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            self.total.update_state(loss)
            return {"loss": self.total.result()}

        def test_step(self, pictures):
            self.total.update_state(self.loss_of(pictures, self.strength))
            return {"loss": self.total.result()}

    model = compiled(Other)
    (finding,) = kvae.audit(model, pictures)
    assert finding.kind == "unchecked" and "weight='beta'" in finding.cure
    calls = []

    def terms(model, seen):
        calls.append(1)
        mean, log_var = model.encoder(seen)
        return mean, log_var, model.decoder(mean)

    assert kvae.audit(model, pictures, weight="strength", terms=terms, steps=20) == [] and calls
    with pytest.raises(ValueError, match="must name a number or a variable of the model. Received: weight='nothing'"):
        kvae.audit(model, pictures, weight="nothing")


def test_a_callback_audits_when_fit_begins_and_warns_and_training_goes_on(pictures):
    model, sound = compiled(Frozen), compiled(Sound)
    checked = kvae.Audit(pictures, steps=10)
    with pytest.warns(UserWarning, match="kvae.Audit: `beta` is a Python number that was frozen into the graph"):
        history = model.fit(pictures, epochs=3, callbacks=[checked], verbose=0)
    assert [finding.kind for finding in checked.findings] == ["frozen-weight"]
    assert len(history.history["loss"]) == 3 and history.history["loss"][2] < history.history["loss"][0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        audited = sound.fit(pictures, epochs=3, callbacks=[kvae.Audit(pictures, steps=10)], verbose=0, shuffle=False)
    plain = compiled(Sound).fit(pictures, epochs=3, verbose=0, shuffle=False)
    np.testing.assert_allclose(audited.history["loss"], plain.history["loss"], rtol=1e-4)
