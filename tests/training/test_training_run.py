"""One run through `kvae.train`: its terms, its repeatability, its card, and the models of other people."""

import base64
import hashlib
import io
import json
import math
import zipfile
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from PIL import Image

import kvae
from kvae.images.paintings import paint_many
from kvae.images.pipeline import training_batches
from kvae.measures.posterior import posterior_statistics
from kvae.model.methods import RATES
from kvae.model.vae import VAE
from kvae.saving.reader import BadModelFile
from kvae.settings import OLDER_NETWORKS, checked
from kvae.training.build import build
from kvae.training.evaluation import Evaluation
from kvae.training.folder import RunFolder
from kvae.training.listener import Listener
from kvae.training.preparation import prepare
from kvae.training.resume import resumed
from kvae.training.run import DELIVERING, Run
from kvae.training.run_state import HISTORY

STEPS = 4  # an epoch of 55 training pictures in batches of 16


class Recorder(Listener):
    def __init__(self) -> None:
        self.sentences, self.steps, self.records = [], [], []

    def on_message(self, sentence):
        self.sentences.append(sentence)

    def on_step(self, step):
        self.steps.append(step)

    def on_epoch_end(self, record):
        self.records.append(record)


@pytest.fixture(scope="module")
def heard():
    return Recorder()


@pytest.fixture(scope="module")
def run(small, heard, tmp_path_factory):
    """Two epochs of the convolutional network at weight 0.1, figure included."""
    return small(tmp_path_factory.mktemp("run") / "art.keras", epochs=2, seed=5, listener=heard)


def equal_weights(one: keras.Model, other: keras.Model) -> bool:
    pairs = zip(one.trainable_variables, other.trainable_variables, strict=True)
    return all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)


# ---------------------------------------------------------------------- what a run tells


def test_a_run_leaves_a_model_and_a_figure_under_its_name(run):
    assert run.path.name == "art.keras" and kvae.load(run.path).latent_dim == 4
    with Image.open(run.figure) as figure:
        assert figure.format == "PNG" and run.figure == run.path.with_suffix(".png")
    assert sorted(path.name for path in run.path.parent.iterdir()) == ["art.keras", "art.png"]
    assert not run.stopped and run.seconds > 0


def test_the_history_has_an_entry_per_epoch_whose_terms_add_up(run, heard):
    history = run.history
    assert set(history) == set(HISTORY) and history["epoch"] == [1, 2] and history["step"] == [STEPS, 2 * STEPS]
    for side in ("", "val_"):
        distortion, rate, loss = (np.array(history[side + name]) for name in ("distortion", "rate", "loss"))
        np.testing.assert_allclose(loss, distortion + 0.1 * rate, rtol=1e-5)
    assert history["kl_weight"] == [0.1, 0.1]
    assert heard.records == [{key: history[key][epoch] for key in HISTORY} for epoch in range(2)]


def test_every_recorded_step_is_distortion_plus_weight_times_rate(run, heard):
    steps = {key: np.array(values) for key, values in run.steps.items()}
    np.testing.assert_allclose(steps["loss"], steps["distortion"] + steps["kl_weight"] * steps["rate"], rtol=1e-4)
    np.testing.assert_allclose(steps["kl_weight"], 0.1, rtol=1e-5)
    assert run.steps["step"] == [step.step for step in heard.steps] == list(range(1, 2 * STEPS + 1))
    assert [step.progress for step in heard.steps] == pytest.approx(np.arange(1, 9) / 8)


def test_the_pictures_the_device_and_the_gaussian_limit_are_said_before_training(heard, run):
    said = "\n".join(heard.sentences)
    assert "60 usable" in said and "device: cpu" in said
    assert f"D {run.limit.distortion:.1f}, R {run.limit.rate:.1f}" in said


def test_a_weight_that_kills_every_latent_is_said_before_training(small, undrawn, tmp_path):
    class Hears(Listener):
        def __init__(self):
            self.said = []

        def on_message(self, sentence):
            self.said.append(sentence)

    for weight, dies in ((1000.0, True), (1.0, False)):
        listener = Hears()
        run = small(tmp_path / f"w{weight:g}.keras", kl_weight=weight, listener=listener)
        told = [sentence for sentence in listener.said if "this weight means collapse" in sentence]
        largest = run.prepared.held.eigenvalues[0]
        expected = f"every latent dies at β ≥ {2 * largest:.3g} on these. Choose a smaller one"
        assert told == ([f"this weight means collapse: {expected}"] if dies else [])
        assert (run.limit.active == 0) == dies


def test_the_evaluation_of_a_run_is_what_keras_evaluates(run):
    found = run.model.evaluate(run.prepared.validation_batches(), verbose=0, return_dict=True)
    held = run.evaluated
    assert (held.distortion, held.rate, held.loss) == pytest.approx(
        (found["distortion"], found["rate"], found["loss"]), rel=1e-5
    )
    assert run.history["val_loss"][-1] == pytest.approx(held.loss, rel=1e-6)
    pictures = run.prepared.collection.read(run.prepared.validation) / 255.0
    mse = np.square(pictures - run.model.reconstruct(pictures)).mean((1, 2, 3))
    assert held.psnr == pytest.approx(np.mean(-10 * np.log10(mse)), abs=1e-3)


def test_the_batches_of_a_run_have_no_tuning_thread_that_hangs_when_they_are_dropped(run):
    prepared = run.prepared
    training = training_batches(prepared.collection, prepared.training, batch_size=16, seed=0)
    for batches in (training, prepared.validation_batches()):
        assert batches.options().autotune.enabled is False


# ---------------------------------------------------------------------- repeatable


def test_the_same_seed_repeats_a_run_number_by_number_and_another_seed_does_not(run, small, undrawn, tmp_path):
    again = small(tmp_path / "again.keras", epochs=2, seed=5)
    clocks = ("seconds", "images_per_second")
    assert {k: v for k, v in again.history.items() if k not in clocks} == {
        k: v for k, v in run.history.items() if k not in clocks
    }
    assert again.steps == run.steps and equal_weights(again.model, run.model)
    other = small(tmp_path / "other.keras", epochs=2, seed=6)
    assert other.history["loss"] != run.history["loss"] and not equal_weights(other.model, run.model)


# ---------------------------------------------------------------------- the weight, moved


class Watched(VAE):
    """Notes each training batch's own terms where they are computed."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        distortion = tf.reduce_mean(tf.reduce_sum(tf.square(x - y_pred), (1, 2, 3)))
        terms = [distortion, tf.reduce_mean(self.rates), tf.convert_to_tensor(self.kl_weight), loss]
        tf.numpy_function(lambda *values: self.noted.append([float(v) for v in values]), terms, [])
        return loss


class Staged(Recorder):
    """Notes the order of the events, and what the model and the run are at each."""

    def __init__(self):
        super().__init__()
        self.events, self.began = [], None

    def on_prepared(self, prepared):
        self.events.append(("prepared", prepared.collection.count))

    def on_begin(self, model, state):
        self.events.append(("began", (state.total_steps, state.steps_per_epoch, state.first_step)))
        self.began = model.linear_path.rotation.numpy()

    def on_batch_begin(self):
        self.events.append(("before", len(self.steps)))

    def on_progress(self, done, total, what):
        if what == DELIVERING:
            self.events.append((what, done))


@dataclass
class Told:
    """A run of the default network: what was heard of it, and the path as it was after each fit to the pictures."""

    run: Run
    heard: Staged
    fitted: list


@pytest.fixture(scope="module", params=[True, False], ids=["augmented", "as they are"])
def told(request, small, tmp_path_factory):
    fitted, heard = [], Staged()

    def fit(model, *statistics, fit=kvae.VAE.fit_spectrum):
        fit(model, *statistics)
        fitted.append(model.linear_path.rotation.numpy())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)
        patch.setattr(kvae.VAE, "fit_spectrum", fit)
        output = tmp_path_factory.mktemp("told") / "art.keras"
        run = small(output, network="spectral", augment=request.param, listener=heard)
    return Told(run, heard, fitted)


def test_the_events_of_a_run_come_in_order(told):
    befores = [("before", batch) for batch in range(STEPS)]
    expected = [("prepared", 60), ("began", (STEPS, STEPS, 0)), *befores, (DELIVERING, 0), (DELIVERING, 1)]
    assert told.heard.events == expected


def test_the_model_that_training_sets_out_from_is_fitted_once_and_trained_from_there(told):
    # fitted to other pictures in between, its latents would mean something else to whoever was shown it before
    assert len(told.fitted) == 1
    np.testing.assert_array_equal(told.fitted[0], told.heard.began)


@pytest.mark.parametrize("told", [True], indirect=True)
def test_the_default_network_with_variants_of_the_pictures_repeats_too(told, small, undrawn, tmp_path):
    again = small(tmp_path / "art.keras", network="spectral", augment=True)
    assert again.steps == told.run.steps
    # TensorFlow sums in an order that depends on where memory lies: biases of 1e-13 differ in their last digits
    for one, other in zip(again.model.get_weights(), told.run.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


class Turning(Recorder):
    """Turns the weight after the steps named in `turns`, as a slider would."""

    def __init__(self, turns):
        super().__init__()
        self.model, self.turns = None, turns

    def on_begin(self, model, state):
        self.model = model

    def on_step(self, step):
        super().on_step(step)
        if step.step in self.turns:
            self.model.kl_weight.assign(self.turns[step.step])


def test_a_weight_turned_in_a_running_run_counts_from_the_next_batch_on(small, undrawn, tmp_path):
    model = Watched(image_shape=(16, 16, 3), network="conv", widths=(8, 16), latent_dim=4, kl_weight=0.1)
    model.noted = []
    model.compile(keras.optimizers.Adam())
    turning = Turning({2: 30.0, 5: 0.5})
    run = small(tmp_path / "art.keras", epochs=2, resume=model, listener=turning)
    found = np.array([(step.distortion, step.rate, step.kl_weight, step.loss) for step in turning.steps])
    assert len(model.noted) == 2 * STEPS
    np.testing.assert_allclose(found, model.noted, rtol=2e-3)
    np.testing.assert_allclose(found[:, 2], [0.1, 0.1, 30, 30, 30, 0.5, 0.5, 0.5], rtol=1e-4)
    np.testing.assert_allclose(found[:, 3], found[:, 0] + found[:, 2] * found[:, 1], rtol=1e-3)
    assert run.history["kl_weight"] == [30.0, 0.5]
    for epoch, weight in enumerate((30.0, 0.5)):
        held = [run.history[f"val_{name}"][epoch] for name in ("distortion", "rate", "loss")]
        assert held[2] == pytest.approx(held[0] + weight * held[1], rel=1e-5)


# ---------------------------------------------------------------------- the card


@pytest.fixture(scope="module")
def card(run):
    with zipfile.ZipFile(run.path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("card.json"))

        def refuse(word):
            raise AssertionError(f"{word} is no JSON")

        return json.loads(archive.read(name), parse_constant=refuse)


def test_the_card_holds_the_settings_the_history_and_the_collection(card, run):
    assert checked({**card["settings"], "data": "array"}) == {**checked({}), **run.prepared.settings}
    assert card["history"] == run.history and card["steps"] == run.steps and card["step"] == 2 * STEPS
    about = card["collection"]
    assert about["manifest_hash"] == run.prepared.collection.manifest_hash and len(about["manifest_hash"]) == 64
    assert (about["pictures"], about["training"], about["validation"]) == (60, 55, 5)
    assert card["evaluated"] == run.evaluated.record() and card["gaussian_limit"] == vars(run.limit)
    assert card["kvae"] == kvae.__version__
    assert kvae.load(run.path).card == card


def test_the_card_holds_the_posterior_per_dimension_and_latents_of_training_pictures(card, run):
    pictures = run.prepared.collection.read(run.prepared.training)
    statistics = posterior_statistics(run.model, [pictures])
    for name, values in card["posterior"].items():
        np.testing.assert_allclose(values, getattr(statistics, name), rtol=1e-4, atol=1e-7)
    assert set(card["posterior"]) == {"mean", "variance", "noise", "rate"}
    np.testing.assert_allclose(card["latents"], run.model.encode(pictures)[0], atol=1e-4)
    np.testing.assert_allclose(card["directions"], statistics.directions, atol=1e-3)
    np.testing.assert_allclose(card["direction_spreads"], statistics.direction_spreads, atol=1e-3)


def test_the_thumbnails_of_the_card_are_the_pictures_of_its_latents(card, run):
    with Image.open(io.BytesIO(base64.b64decode(card["thumbnails"]))) as sheet:
        assert sheet.format == "PNG"
        pixels = np.asarray(sheet.convert("RGB"))
    pictures = run.prepared.collection.read(run.prepared.training)
    assert pixels.shape == (math.ceil(55 / 8) * 16, 8 * 16, 3)
    np.testing.assert_array_equal(pixels[16:32, 32:48], pictures[8 + 2])


# ---------------------------------------------------------------------- autoencoder, linear


def test_an_autoencoder_has_no_rate_anywhere_and_counts_its_active_dimensions(small, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr("kvae.training.artifacts.draw_run", lambda path, **what: drawn.update(what))
    heard = Recorder()
    run = small(tmp_path / "plain.keras", autoencoder=True, network="spectral", listener=heard)
    assert run.model.beta == 0.0 and run.evaluated.rate is None and run.history["rate"] == [None]
    assert run.history["loss"] == pytest.approx(run.history["distortion"])
    assert {step.rate for step in heard.steps} == {None} and {step.kl_weight for step in heard.steps} == {0.0}
    np.testing.assert_allclose(
        drawn["samples"] / 255.0, run.model.sample(len(drawn["samples"]), seed=1), atol=0.51 / 255
    )
    assert drawn["active"] == run.posterior.active == 4
    card = kvae.load(run.path).card
    assert card["posterior"]["rate"] == [None] * 4 and card["evaluated"]["rate"] is None
    assert card["settings"]["kl_weight"] == 0.0 and card["history"]["val_rate"] == [None]
    assert f"best linear autoencoder: D {run.limit.distortion:.1f}" in "\n".join(heard.sentences)


@pytest.mark.parametrize("weight", [0.1, 3.0])
def test_the_linear_network_is_the_gaussian_limit_without_any_training(small, tmp_path, weight):
    run = small(tmp_path / "linear.keras", network="linear", kl_weight=weight, epochs=None)
    assert run.history["epoch"] == [] and run.steps["step"] == [] and int(run.model.optimizer.iterations) == 0
    point = run.prepared.held.at(weight, 4)
    assert run.evaluated.distortion == pytest.approx(point.distortion, rel=0.02)
    assert run.evaluated.rate == pytest.approx(point.rate, rel=0.02)
    # the limit has as many latents as it can use, and so has the network where nobody states a number
    best = run.prepared.held.at(weight, 768)
    assert (run.limit.distortion, run.limit.rate, run.limit.active) == (best.distortion, best.rate, best.active)
    every = small(tmp_path / "every.keras", network="linear", kl_weight=weight, epochs=None, latent_dim=None)
    assert every.evaluated.loss == pytest.approx(run.limit.loss, rel=0.05)  # a sample each of six pictures
    assert best.active <= every.model.latent_dim <= 768
    with Image.open(run.figure) as figure:
        assert min(figure.size) > 200


def test_the_default_network_starts_at_the_gaussian_limit_or_below(pictures):
    settings = checked({"size": 16, "widths": (8, 16), "batch_size": 16, "data": "array", "kl_weight": (0.03, 3.0)})
    prepared = prepare(pictures, settings, Listener())
    model, ratios = build(settings, prepared, Listener()), []
    for weight in (0.03, 0.3, 3.0):
        model.kl_weight = weight
        ratios.append(Evaluation(model)(prepared.validation_batches()).loss / prepared.limit(weight).loss)
    assert np.mean(ratios) <= 1.03 and max(ratios) <= 1.1  # a sample each of six pictures: by seed 0.95 to 1.07


@pytest.mark.parametrize("network", OLDER_NETWORKS)
def test_an_older_network_is_not_trained_anew_and_its_models_train_on(network, pictures, tmp_path):
    with pytest.raises(ValueError, match=f"train: the network {network} is that of older models"):
        kvae.train(pictures, output=tmp_path / "new.keras", size=16, network=network)
    widths = (8,) if network == "hybrid" else None
    made = kvae.VAE(image_shape=(16, 16, 3), network=network, latent_dim=4, widths=widths)
    made.adapt(pictures)
    made.compile()
    made.save(tmp_path / "old.keras")
    options = {"size": 16, "latent_dim": 4, "epochs": 1, "batch_size": 16, "augment": False}
    run = kvae.train(pictures, output=tmp_path / "on.keras", resume=kvae.load(tmp_path / "old.keras"), **options)
    assert run.model.network == network and len(run.history["loss"]) == 1 and np.isfinite(run.evaluated.loss)


def test_grey_pictures_train_and_give_a_card(tmp_path, pictures):
    run = kvae.train(pictures[..., 1], output=tmp_path / "grey", size=16, network="linear", latent_dim=3, batch_size=8)
    assert run.model.image_shape == (16, 16, 1)
    with Image.open(io.BytesIO(base64.b64decode(run.model.card["thumbnails"]))) as sheet:
        assert sheet.size == (128, 112)


# ---------------------------------------------------------------------- networks that someone brings


def custom(channels: int = 3, side: int = 16) -> tuple[keras.Model, keras.Model]:
    encoder = keras.Sequential(
        [keras.Input((side, 16, channels)), layers.Conv2D(6, 4, 4, activation="silu"), layers.Flatten()]
    )
    decoder = keras.Sequential(
        [keras.Input((4,)), layers.Dense(side * 16 * channels), layers.Reshape((side, 16, channels))]
    )
    return encoder, decoder


@pytest.fixture(scope="module")
def custom_run(small, tmp_path_factory):
    keras.utils.set_random_seed(4)
    encoder, decoder = custom()
    before = [weight.copy() for weight in encoder.get_weights() + decoder.get_weights()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)
        path = tmp_path_factory.mktemp("custom") / "own.keras"
        run = small(path, encoder=encoder, decoder=decoder, epochs=2, size=64, learning_rate=1e-2)
    return run, encoder, decoder, before


def test_custom_networks_are_left_untouched_and_copies_of_them_trained(custom_run):
    run, encoder, decoder, before = custom_run
    for weight, earlier in zip(encoder.get_weights() + decoder.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, earlier)
    assert run.model.encoder is not encoder and not np.array_equal(run.model.decoder.get_weights()[0], before[2])
    assert run.history["loss"][-1] < run.history["loss"][0]
    assert kvae.load(run.path, trust=True).card["settings"]["size"] == 16


def test_training_sets_out_from_the_weights_that_custom_networks_have(small, undrawn, tmp_path, custom_run):
    _, encoder, decoder, before = custom_run
    run = small(tmp_path / "own.keras", encoder=encoder, decoder=decoder, learning_rate=1e-8)
    trained = run.model.encoder.get_weights() + run.model.decoder.get_weights()
    for weight, earlier in zip(trained, before, strict=True):
        np.testing.assert_allclose(weight, earlier, atol=1e-6)


def test_a_model_of_custom_networks_opens_with_trust_only(custom_run):
    run = custom_run[0]
    with pytest.raises(BadModelFile, match=r"parts that are not kvae's own.*kvae\.load\(path, trust=True\)"):
        kvae.load(run.path)
    opened = kvae.load(run.path, trust=True)
    pictures = run.prepared.shown
    np.testing.assert_allclose(opened.reconstruct(pictures), run.model.reconstruct(pictures), atol=1e-6)
    assert opened.card["history"] == run.history


@pytest.mark.parametrize(("channels", "side"), [(1, 16), (3, 32)])
def test_custom_networks_that_do_not_fit_the_pictures_are_refused_in_a_sentence(small, tmp_path, channels, side):
    encoder, decoder = custom(channels, side)
    with pytest.raises(
        ValueError, match=r"^train: the model takes pictures of shape \(\d+, 16, \d\), and those of arr"
    ):
        small(tmp_path / "own.keras", encoder=encoder, decoder=decoder)
    assert list(tmp_path.iterdir()) == []


def test_a_custom_network_without_a_known_shape_is_refused_by_name(small, tmp_path):
    encoder = keras.Sequential([layers.Flatten()])
    with pytest.raises(ValueError, match="`encoder` has no known input shape"):
        small(tmp_path / "own.keras", encoder=encoder, decoder=custom()[1])


# ---------------------------------------------------------------------- few pictures


@pytest.mark.parametrize("rate", RATES)
def test_eight_pictures_train_with_every_rate_and_the_batch_that_was_used_is_kept(undrawn, tmp_path, rate):
    few = paint_many(range(8), size=16, seed=1)[0]
    settings = {"size": 16, "network": "conv", "widths": (4, 4), "latent_dim": 2, "epochs": 1, "rate": rate}
    run = kvae.train(few, output=tmp_path / "few.keras", batch_size="auto", **settings)
    assert np.isfinite(run.evaluated.loss) and run.history["step"] == [-(-len(run.prepared.training) // 2)]
    model = kvae.load(run.path)
    assert model.card["settings"]["batch_size"] == 2
    # a card of an earlier kvae always named its batch; it is lowered where there are fewer pictures now
    model.card["settings"]["batch_size"] = 64
    settings = {name: value for name, value in resumed(model, {"epochs": 9}).items() if name != "data"}
    on = kvae.train(few, output=tmp_path / "on.keras", resume=model, **settings)
    assert on.model.card["settings"]["batch_size"] == len(run.prepared.training)


# ---------------------------------------------------------------------- where a run is saved


def test_neither_a_model_nor_a_picture_of_that_name_is_ever_overwritten(small, tmp_path):
    (tmp_path / "sunset.png").write_bytes(b"my picture")
    (tmp_path / "sunset-2.keras").write_bytes(b"my model")
    run = small(tmp_path / "sunset.keras", network="linear", epochs=None)
    assert (run.path.name, run.figure.name) == ("sunset-3.keras", "sunset-3.png")
    assert (tmp_path / "sunset.png").read_bytes() == b"my picture"
    assert (tmp_path / "sunset-2.keras").read_bytes() == b"my model"


def test_a_folder_that_is_missing_is_made_when_there_is_something_to_put_there(small, undrawn, tmp_path):
    with pytest.raises(ValueError, match="levels halve the picture"):
        small(tmp_path / "deep" / "down" / "art", widths=(8,) * 5)
    assert list(tmp_path.iterdir()) == []
    run = small(tmp_path / "deep" / "down" / "art", network="linear", epochs=None)
    assert run.path == tmp_path / "deep" / "down" / "art.keras" and run.path.is_file()


def test_a_name_that_is_too_long_is_refused_before_training(small, tmp_path):
    for length in (240, 300):
        with pytest.raises(OSError, match=r"cannot be written to \(File name too long\)\. Choose another --output"):
            small(tmp_path / ("x" * length + ".keras"))


def test_the_same_pictures_have_the_same_manifest_hash_in_every_card(run, pictures, small, undrawn, tmp_path):
    again = small(tmp_path / "art.keras", network="linear", epochs=None)
    changed = pictures.copy()
    changed[0, 0, 0, 0] ^= 1
    other = kvae.train(changed, output=tmp_path / "b", size=16, network="linear", latent_dim=4, batch_size=16)
    hashes = [one.model.card["collection"]["manifest_hash"] for one in (run, again, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert hashes[0] != hashlib.sha256().hexdigest()


# ---------------------------------------------------------------------- going on


class Stops(Recorder):
    """Wants to stop after `last` steps."""

    def __init__(self, last):
        super().__init__()
        self.last = last

    def should_stop(self):
        return len(self.steps) >= self.last


def starts(monkeypatch) -> list[int]:
    """Where the order of the pictures starts, of every run from now on."""
    seen = []

    def noted(*arguments, **options):
        seen.append(options["start_step"])
        return training_batches(*arguments, **options)

    monkeypatch.setattr("kvae.training.loop.training_batches", noted)
    return seen


def test_a_run_that_was_stopped_within_an_epoch_goes_on_with_the_next_batch(small, undrawn, tmp_path, monkeypatch):
    began = starts(monkeypatch)
    first, second = Stops(6), Recorder()
    run = small(tmp_path / "art.keras", epochs=3, learning_rate=2e-3, listener=first)
    assert run.stopped and run.steps["step"] == [1, 2, 3, 4, 5, 6] and run.history["step"] == [4, 6]

    model = kvae.load(run.path)
    settings = resumed(model, {"kl_weight": 20.0})
    assert settings == {**run.model.card["settings"], "kl_weight": 20.0}
    going = small(tmp_path / "art.keras", listener=second, resume=model, **settings)
    assert began == [0, 6, 8]  # the rest of the epoch, and the epoch after it
    assert going.path.name == "art-2.keras" and not going.stopped
    assert [step.step for step in second.steps] == [7, 8, 9, 10, 11, 12]
    assert going.steps["step"] == list(range(1, 13)) and going.steps["loss"][:6] == run.steps["loss"]
    assert going.history["step"] == [4, 6, 8, 12] and going.history["epoch"] == [1, 2, 2, 3]
    assert np.all(np.diff(going.history["step"]) > 0) and np.all(np.diff(going.history["seconds"]) > 0)
    for step in second.steps:
        assert step.kl_weight == pytest.approx(20.0, rel=1e-4)
        assert step.loss == pytest.approx(step.distortion + 20.0 * step.rate, rel=1e-4)
    assert int(going.model.optimizer.iterations) == 12


def test_a_resumed_run_shows_the_pictures_that_an_uninterrupted_one_would_have_shown(
    small, undrawn, tmp_path, monkeypatch
):
    shown = []

    def noted(collection, *arguments, **options):
        def batch(pictures):
            tf.numpy_function(lambda one: shown.append(hashlib.sha256(one.tobytes()).hexdigest()), [pictures], [])
            return pictures

        return training_batches(collection, *arguments, **options).map(batch, num_parallel_calls=1)

    monkeypatch.setattr("kvae.training.loop.training_batches", noted)
    settings = {"epochs": 2, "augment": True, "network": "linear", "widths": None}
    small(tmp_path / "whole.keras", **settings)
    whole, shown[:] = shown[: 2 * STEPS], []
    stopped = small(tmp_path / "half.keras", listener=Stops(3), **settings)
    half, shown[:] = shown[:3], []
    model = kvae.load(stopped.path)
    small(tmp_path / "half.keras", resume=model, **resumed(model, {}))
    seen = list(dict.fromkeys(half + shown))  # what is read ahead in the rest of an epoch is read again in the next
    assert seen[: 2 * STEPS] == whole and len(set(whole)) == 2 * STEPS


def test_float16_counts_its_steps_through_save_and_resume(small, undrawn, tmp_path, monkeypatch):
    began = starts(monkeypatch)
    run = small(tmp_path / "half.keras", precision="mixed_float16")
    model = kvae.load(run.path)
    going = small(tmp_path / "half.keras", resume=model, **resumed(model, {"epochs": 2}))
    assert began == [0, STEPS] and going.steps["step"] == list(range(1, 2 * STEPS + 1))
    assert going.model.precision == "mixed_float16"


def test_settings_are_kept_on_resuming_and_the_length_is_asked_anew(run):
    kept = resumed(run.model, {})
    assert kept == run.model.card["settings"]
    assert resumed(run.model, {"minutes": 3.0}) == {**kept, "epochs": None, "minutes": 3.0}
    assert resumed(run.model, {"epochs": 9}) == {**kept, "epochs": 9}
    assert resumed(run.model, {"widths": (8, 16), "latent_dim": 4})["latent_dim"] == 4


@pytest.mark.parametrize(
    "change",
    [{"latent_dim": 5}, {"network": "residual"}, {"widths": (8, 8)}, {"size": 32}, {"precision": "mixed_float16"}],
)
def test_what_is_part_of_the_model_cannot_change_on_resuming(run, change):
    with pytest.raises(
        ValueError, match=rf"^resume: `{next(iter(change))}` is part of the model and cannot change\. Tr"
    ):
        resumed(run.model, change)


def test_a_run_that_is_finished_is_not_resumed_and_the_cure_is_said(run, small, tmp_path):
    model = kvae.load(run.path)
    with pytest.raises(ValueError, match=r"already been trained for 2 epochs\. Ask for more, such as --epochs 4"):
        small(tmp_path / "art.keras", resume=model, **resumed(model, {}))


def test_a_model_that_does_not_say_how_it_was_trained_is_not_resumed():
    with pytest.raises(ValueError, match="does not say how it was trained"):
        resumed(VAE(image_shape=(16, 16, 3), network="linear", latent_dim=2), {})


@pytest.mark.usefixtures("undrawn")
def test_a_model_that_would_not_open_again_keeps_its_run(small, tmp_path, monkeypatch):
    target = tmp_path / "art.keras"
    with monkeypatch.context() as patch:
        card = {"created": "now", "step": STEPS, "thumbnails": "x" * (17 << 20)}
        patch.setattr("kvae.training.artifacts.model_card", lambda *_, **__: card)
        with pytest.raises(ValueError, match=r"^save: not saved, since the file holds a member that is too large"):
            small(target)
    assert not target.exists() and RunFolder.beside(target).steps() == [STEPS]
