"""A trainer process, driven through its pipe as the window drives it."""

import io
import json
import multiprocessing
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from explorer.engine.orders import Orders
from explorer.engine.training import given, trainer_main
from explorer.messages import (
    Began,
    Continue,
    Delivered,
    EpochEnded,
    Logged,
    Pause,
    Paused,
    PicturesReady,
    Preview,
    Resumed,
    RunFailed,
    Said,
    SetWeight,
    Snapshot,
    Start,
    Steps,
    Stop,
)
from kvae.settings import SETTINGS

SMALL = {"size": 16, "network": "conv", "widths": (8, 16), "latent_dim": 8, "batch_size": 16, "device": "cpu"}
PATIENCE = 120.0  # seconds for a message; a busy machine imports TensorFlow slowly
TRAINING = 55  # of 60 pictures


@dataclass
class Window:
    """The window's end of a trainer's pipe. `heard` is all that came, with what a snapshot's file held at that time."""

    folder: Path
    heard: list = field(default_factory=list)
    files: list = field(default_factory=list)

    def __post_init__(self):
        self.workspace = self.folder / "workspace"
        self.workspace.mkdir()
        context = multiprocessing.get_context("forkserver")  # the program spawns; here one import serves all
        context.set_forkserver_preload(["kvae.training.run"])
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=trainer_main, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    @property
    def models(self):
        return self.folder / "models"

    def start(self, **settings):
        self.pipe.send(Start(3, {**SMALL, **settings}, str(self.models / "art.keras"), str(self.workspace)))

    def go_on(self, model, *agreed):
        self.pipe.send(Start(3, {}, str(model), str(self.workspace), str(model), agreed))

    def next(self):
        """The next message that is no entry for the log; None where none comes in time."""
        while self.pipe.poll(PATIENCE):
            message = self.pipe.recv()
            if not isinstance(message, Logged):
                return message
        return None

    def until(self, kind, which=lambda message: True):
        """Listen until such a message comes, and return it."""
        while (message := self.next()) is not None:
            self.heard.append(message)
            if isinstance(message, Snapshot):
                self.files.append((message, Path(message.path).read_bytes()))
            if isinstance(message, kind) and which(message):
                return message
            assert not isinstance(message, RunFailed), message.sentence
        raise AssertionError(f"no {kind.__name__} within {PATIENCE} s; the last was {self.heard[-1:]}")

    def of(self, kind):
        return [message for message in self.heard if isinstance(message, kind)]

    def left(self):
        self.process.join(PATIENCE)
        assert self.process.exitcode == 0
        return list(self.folder.glob("workspace*"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """An .npy file of 60 pictures of 16 pixels."""
    from kvae.images.paintings import paint_many

    path = tmp_path_factory.mktemp("pictures") / "sixty.npy"
    np.save(path, paint_many(range(60), size=16, seed=3)[0])
    return str(path)


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """`windows(name)`: a trainer process that is warm already; all of them start together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KVAE_CACHE", str(tmp_path_factory.mktemp("cache")))
        made = {
            name: Window(tmp_path_factory.mktemp(name))
            for name in ("whole", "gone", "bad", "early", "cut", "again", "anew", "asks")
        }
    yield made.__getitem__
    for window in made.values():
        window.process.kill()
        window.process.join()
        window.pipe.close()


@pytest.fixture(scope="module")
def whole(windows, pictures):
    """A run in which the weight is turned, that is paused and continued, and then stopped."""
    window = windows("whole")
    window.start(data=pictures, minutes=60.0, kl_weight=0.1)
    window.until(EpochEnded)
    window.pipe.send(SetWeight(5.0))
    window.turned = window.until(Steps, lambda steps: steps.kl_weight[-1] > 1)
    window.until(Snapshot, lambda snapshot: len(window.of(Snapshot)) >= 3)
    window.pipe.send(Pause())
    window.until(Paused)
    window.silent = not window.pipe.poll(1.5)
    window.pipe.send(Continue())
    window.until(Steps)
    window.pipe.send(Stop())
    window.until(Delivered)
    return window


# ---------------------------------------------------------------------- a whole run


def test_a_run_tells_its_preparation_steps_and_epochs_and_leaves_a_model_that_opens(whole):
    kinds = [type(message) for message in whole.heard]
    firsts = [
        kinds.index(kind) for kind in (Said, PicturesReady, Began, Snapshot, Preview, Steps, EpochEnded, Delivered)
    ]
    assert firsts == sorted(firsts) and kinds[-1] is Delivered
    assert {message.run for message in whole.heard} == {3}
    delivered = whole.heard[-1]
    assert delivered.stopped and Path(delivered.figure).is_file() and delivered.evaluated["psnr"] > 5
    import kvae

    model = kvae.load(delivered.path)
    assert model.latent_dim == 8 and model.beta == 5.0
    weights = model.card["history"]["kl_weight"]
    assert weights[0] == 0.1 and weights[-1] == 5.0
    assert delivered.evaluated == model.card["evaluated"]


def test_what_is_prepared_comes_with_the_limit_on_held_out_pictures(whole):
    (prepared,) = whole.of(PicturesReady)
    assert (prepared.training, prepared.validation) == (TRAINING, 60 - TRAINING) and "cpu" in prepared.device
    assert prepared.weights[[0, -1]] == pytest.approx([0.003, 30.0]) and prepared.weights.shape == (60,)
    assert prepared.distortions[0] < prepared.distortions[-1] and prepared.rates[0] > prepared.rates[-1] >= 0
    (began,) = whole.of(Began)
    assert (began.kl_weight, began.total_steps, began.steps_per_epoch, began.first_step) == (0.1, None, 4, 0)


def test_every_batch_is_told_once_with_its_own_terms_in_at_most_ten_messages_a_second(whole):
    steps = whole.of(Steps)
    told = np.concatenate([message.step for message in steps])
    np.testing.assert_array_equal(told, np.arange(1, len(told) + 1))
    for message in steps:
        np.testing.assert_allclose(
            message.loss, message.distortion + message.kl_weight * message.rate, rtol=2e-3, atol=1e-3
        )
    ends = np.array([message.seconds[-1] for message in steps])
    # the last batches of the pause and of the run are told at once
    assert np.sum(np.diff(ends) < 0.09) <= 3


def test_a_weight_that_is_turned_counts_from_one_batch_to_the_next(whole):
    weights = np.concatenate([message.kl_weight for message in whole.of(Steps)])
    before = int(np.argmax(weights > 1))
    np.testing.assert_allclose(weights[:before], 0.1, rtol=1e-4)
    np.testing.assert_allclose(weights[before:], 5.0, rtol=1e-4)
    assert whole.turned.kl_weight[-1] == pytest.approx(5.0, rel=1e-4)


def test_a_paused_run_is_silent_and_its_clock_stands_still(whole):
    assert whole.silent
    seconds = np.concatenate([message.seconds for message in whole.of(Steps)])
    pause = next(place for place, message in enumerate(whole.heard) if isinstance(message, Paused))
    before = [message for message in whole.heard[:pause] if isinstance(message, Steps)][-1]
    after = next(message for message in whole.heard[pause:] if isinstance(message, Steps))
    assert after.step[0] == before.step[-1] + 1
    assert np.all(np.diff(seconds) > 0) and after.seconds[0] - before.seconds[-1] < 1.5


def test_the_first_snapshot_is_a_model_and_the_later_ones_are_its_weights(whole, tmp_path):
    import kvae

    (first, content), *later = whole.files
    assert first.first and len(later) >= 2 and not any(message.first for message, _ in later)
    (tmp_path / "first.keras").write_bytes(content)
    model = kvae.load(tmp_path / "first.keras")
    card = model.card
    assert card["settings"]["latent_dim"] == 8 and card["collection"]["training"] == TRAINING
    assert len(card["latents"]) == TRAINING and len(card["posterior"]["rate"]) == 8 and card["thumbnails"]
    stored = io.BytesIO(later[-1][1])
    newer = json.loads(str(np.load(stored, allow_pickle=False)))
    weights = [np.load(stored, allow_pickle=False) for _ in model.weights]
    assert stored.read() == b""
    assert [weight.shape for weight in weights] == [tuple(weight.shape) for weight in model.weights]
    model.set_weights(weights)
    assert model.beta == pytest.approx(5.0)
    assert {"posterior", "latents"} <= set(newer) and newer["latents"] != card["latents"]
    pictures = np.load(whole.of(Began) and Path(card["settings"]["data"]))
    from kvae.images.collection import open_collection

    collection = open_collection(pictures, size=16)
    means = model.encode(collection.read(collection.split(0.1)[0]))[0]
    np.testing.assert_allclose(newer["latents"], means, atol=0.05)


def test_the_preview_shows_the_same_held_out_pictures_at_every_stage(whole):
    previews = whole.of(Preview)
    assert previews[0].step == 0 and len(previews) >= 2
    for preview in previews:
        np.testing.assert_array_equal(preview.originals, previews[0].originals)
        assert preview.reconstructions.shape == preview.originals.shape == (60 - TRAINING, 16, 16, 3)
        assert preview.reconstructions.dtype == np.uint8
    assert not np.array_equal(previews[0].reconstructions, previews[-1].reconstructions)


def test_a_finished_run_ends_its_process_and_leaves_no_workspace(whole):
    assert whole.left() == []


# ---------------------------------------------------------------------- other ends


def test_a_trainer_whose_window_is_gone_ends_at_once_and_leaves_no_workspace(windows, pictures):
    window = windows("gone")
    window.start(data=pictures, minutes=60.0)
    window.until(Steps)
    assert list(window.workspace.iterdir())
    window.pipe.close()
    assert window.left() == [] and not (window.folder / "models").exists()


def test_a_run_that_was_killed_goes_on_with_its_settings_and_shows_its_curves(windows, pictures):
    from kvae.training.resume import interrupted_runs

    cut, again = windows("cut"), windows("again")
    cut.start(data=pictures, minutes=60.0, kl_weight=0.1)
    cut.until(Steps, lambda _: list(cut.models.glob(".art.run/checkpoint-*")))
    assert interrupted_runs(cut.models) == [], "it is not cut off while it is trained"
    cut.process.kill()
    cut.process.join()
    ((model, step),) = interrupted_runs(cut.models)
    assert model == cut.models / "art.keras" and not model.exists()

    asks = windows("asks")
    asks.go_on(model, "/somewhere/else")
    refused = asks.next()
    while isinstance(refused, Said):
        refused = asks.next()
    assert isinstance(refused, RunFailed) and refused.unread == pictures, "nothing is read before it is agreed to"
    assert asks.left() == [asks.workspace] or asks.left() == []

    again.go_on(model, pictures)
    settings = again.until(Resumed).settings
    assert (settings["data"], settings["minutes"], settings["widths"]) == (pictures, 60.0, [8, 16])
    began = again.until(Began)
    assert began.first_step == step and began.kl_weight == pytest.approx(0.1)
    earlier = again.until(Steps)
    assert earlier.step[0] == 1 and earlier.step[-1] <= step and np.all(np.diff(earlier.seconds) >= 0)
    assert [record.record["epoch"] for record in again.of(EpochEnded)] == list(range(1, len(again.of(EpochEnded)) + 1))
    assert again.until(Steps, lambda steps: steps.step[0] > step).step[0] == step + 1
    again.pipe.send(Stop())
    assert again.until(Delivered).path == str(model)
    assert interrupted_runs(cut.models) == []


def test_a_run_killed_before_its_first_checkpoint_begins_anew_with_its_settings(windows, pictures):
    from kvae.settings import checked
    from kvae.training.folder import RunFolder
    from kvae.training.resume import interrupted_runs, noted_settings

    window = windows("anew")
    run = RunFolder.beside(window.models / "art.keras")
    assert run.take()
    run.begin(noted_settings(checked({**SMALL, "data": pictures, "epochs": 1}), custom=False))
    os.close(run._handle)  # as when its process dies
    assert interrupted_runs(window.models) == [(run.model, 0)]
    window.go_on(run.model, pictures)
    settings = window.until(Resumed).settings
    assert (settings["data"], settings["epochs"], tuple(settings["widths"])) == (pictures, 1, (8, 16))
    assert window.until(Began).first_step == 0
    assert window.until(Delivered).path == str(run.model)
    assert sorted(one.name for one in window.models.iterdir()) == ["art.keras", "art.png"]


def test_a_folder_that_is_not_there_fails_in_one_sentence(windows, tmp_path):
    window = windows("bad")
    window.start(data=str(tmp_path / "nowhere"))
    failed = window.next()
    assert isinstance(failed, RunFailed) and failed.run == 3
    assert failed.sentence.startswith("There is no file or folder") and "\n" not in failed.sentence
    assert window.left() == []


def test_a_run_that_is_stopped_during_its_preparation_ends_without_a_model(windows):
    window = windows("early")
    window.start(data="paintings", size=64)
    assert window.pipe.poll(PATIENCE)  # the first word of a preparation that takes seconds
    window.pipe.send(Stop())
    message = None
    while not isinstance(message, RunFailed):
        message = window.next()
        assert message is not None
        assert not isinstance(message, PicturesReady | Began)
    assert "stopped before training began" in message.sentence
    assert window.left() == [] and not (window.folder / "models").exists()


# ---------------------------------------------------------------------- the parts


def test_a_workspace_goes_although_temporary_files_are_still_being_written_into_it(tmp_path, monkeypatch):
    from explorer.engine.snapshots import Snapshots

    monkeypatch.setattr("tempfile.tempdir", None)
    folder = tmp_path / "workspace"
    snapshots = Snapshots(folder, "art.keras")
    snapshots.make_scratch()
    begun = threading.Event()

    def write() -> None:
        for number in range(10**9):
            try:
                (folder / "scratch" / f"{number}.py").touch()
            except FileNotFoundError:
                return
            if number == 50:
                begun.set()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    begun.wait(PATIENCE)
    snapshots.remove()
    writer.join(PATIENCE)
    assert not writer.is_alive() and not folder.exists()


def test_the_window_process_can_name_the_trainer_without_importing_kvae():
    import subprocess
    import sys

    code = "import sys, explorer.engine.training as t; t.trainer_main; print({'kvae', 'keras'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_only_the_newest_weight_counts_and_it_counts_once():
    orders = Orders()
    assert orders.weight() is None
    orders.take(SetWeight(0.5))
    orders.take(SetWeight(0.7))
    assert (orders.weight(), orders.weight()) == (0.7, None)


def test_stop_ends_a_pause_and_a_later_pause_does_not_hold_the_end_up():
    orders = Orders()
    orders.take(Pause())
    assert orders.paused
    waiting = threading.Thread(target=orders.wait)
    waiting.start()
    orders.take(Stop())
    waiting.join(5.0)
    assert not waiting.is_alive() and orders.stop
    orders.take(Pause())
    assert not orders.paused


def test_a_window_that_goes_while_the_model_is_saved_waits_for_it(monkeypatch):
    ends = []
    monkeypatch.setattr(os, "_exit", ends.append)
    orders = Orders()
    orders.delivering, orders.cleanup = True, lambda: ends.append("cleaned")
    leaving = threading.Thread(target=orders.window_gone)
    leaving.start()
    assert ends == []
    orders.ended.set()
    leaving.join(5.0)
    assert ends == ["cleaned", 0]


@pytest.fixture
def reporter(tmp_path):
    """A reporter whose run is autoencoding, and the messages it sends."""
    from explorer.engine.run_reporter import RunReporter
    from explorer.engine.snapshots import Snapshots

    sent = []
    reporter = RunReporter(1, sent.append, Orders(), Snapshots(tmp_path, "art.keras"))
    reporter.sent = sent
    return reporter


def test_an_autoencoder_has_no_rate_and_no_weight_to_turn(reporter):
    from kvae.training.listener import Step

    weight = SimpleNamespace(assign=lambda value: pytest.fail("the weight of an autoencoder was turned"))
    reporter._model = SimpleNamespace(autoencoder=True, kl_weight=weight)
    reporter._orders.take(SetWeight(3.0))
    reporter.on_batch_begin()
    reporter.on_step(Step(1, 5.0, None, 0.0, 5.0, 0.5, 10.0, 1.0))
    reporter.flush()
    (steps,) = reporter.sent
    assert np.isnan(steps.rate).all() and steps.distortion.tolist() == [5.0] and steps.loss.tolist() == [5.0]


def test_a_weight_out_of_bounds_is_refused_in_a_sentence_and_training_goes_on(reporter):
    weight = SimpleNamespace(assign=lambda value: pytest.fail("it was assigned"))
    reporter._model = SimpleNamespace(autoencoder=False, kl_weight=weight)
    for bad in (-1.0, float("nan"), 1e9):
        reporter._orders.take(SetWeight(bad))
        reporter.on_batch_begin()
    assert [type(message) for message in reporter.sent] == [Said] * 3 and "KL weight" in reporter.sent[0].sentence


def test_a_snapshot_that_cannot_be_written_is_said_once_and_the_run_goes_on(reporter, monkeypatch):
    from kvae.training.listener import Step

    def full(first):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reporter, "_written", full)
    monkeypatch.setattr("explorer.engine.run_reporter.SNAPSHOT_AGAIN", 0.0)
    monkeypatch.setattr("explorer.engine.run_reporter.SNAPSHOT_EVERY", 0.0)
    monkeypatch.setattr("explorer.engine.run_reporter.SNAPSHOT_SHARE", 1e9)
    reporter._snapshot()
    for step in range(3):
        reporter.on_step(Step(step, 5.0, 1.0, 0.1, 5.1, 0.5, 10.0, 1.0))
    said = [message.sentence for message in reporter.sent if isinstance(message, Said)]
    assert len(said) == 1 and "No space left on device" in said[0]


def test_the_pictures_of_a_run_are_encoded_as_its_model_does_it():
    from explorer.engine.latent_probe import LatentProbe
    from kvae.model.vae import VAE

    pictures = np.random.default_rng(0).integers(0, 256, (70, 16, 16, 3), dtype=np.uint8)
    for autoencoder in (False, True):
        model = VAE(image_shape=(16, 16, 3), network="conv", widths=(8,), latent_dim=4, autoencoder=autoencoder)
        known = LatentProbe(model, pictures)
        for _ in range(2):
            known.look()
            for ours, theirs in zip(known.encode(pictures), model.encode(pictures), strict=True):
                np.testing.assert_allclose(ours, theirs, atol=1e-5)
            model.trainable_variables[0].assign_add(np.full(model.trainable_variables[0].shape, 0.01))
        assert len(known.encode(pictures[:9])[0]) == 9 and known.beta == model.beta


def test_snapshots_keep_the_last_two_weights_and_remove_what_a_killed_writer_left(tmp_path):
    from explorer.engine.snapshots import Snapshots

    snapshots = Snapshots(tmp_path, "somewhere/art.keras")
    weight = SimpleNamespace(numpy=lambda: np.ones(3, "float32"))
    model = SimpleNamespace(weights=[weight, weight])
    paths = [snapshots.write_weights(model, {"latents": [number]}) for number in range(4)]
    assert sorted(tmp_path.iterdir()) == paths[2:]
    (tmp_path / ".art.keras.x_234567.part").touch()
    (tmp_path / ".art.keras.y_234567.part").mkdir()
    (tmp_path / ".art.keras.y_234567.part" / "art.keras").touch()
    (tmp_path / "not ours.txt").touch()
    snapshots.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["not ours.txt"]
    late = threading.Thread(target=snapshots.write_weights, args=(model, {}), daemon=True)
    late.start()
    time.sleep(0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["not ours.txt"]


def test_what_a_form_holds_without_effect_is_left_out_and_said():
    """A form gives every setting. Those at their defaults are no wishes,
    and one that others put out of use stops nothing."""
    every = {name: setting.default for name, setting in SETTINGS.items()}
    chosen = {"data": "/mine", "network": "linear", "depth": 3, "kl_weight": 2.0, "batch_size": None, "size": 32}
    heard = []
    left = given({**every, **chosen}, heard.append)
    assert left == {name: chosen[name] for name in ("data", "network", "kl_weight", "size")}
    (said,) = heard
    assert said.startswith("`depth` has no effect: network linear is built without it.")
    heard.clear()
    assert given({**every, "autoencoder": True, "network": "conv"}, heard.append) == {
        "autoencoder": True,
        "network": "conv",
    }
    assert heard == []
