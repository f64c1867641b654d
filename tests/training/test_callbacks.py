"""Keras callbacks and methods of the user's own in `kvae.train`, and the README's example of one."""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path

import keras
import pytest

import kvae
from kvae.saving.card_fields import GRADIENTS
from kvae.training.checkpoint import CheckpointWriter
from kvae.training.listener import Listener
from kvae.training.resume import resumed
from kvae.weighting.base import Weighting
from kvae.weighting.geco import Geco

README = Path(__file__).parents[2] / "README.md"
LOGS = {"loss", "distortion", "rate", "kl_weight"}
EPOCH_LOGS = LOGS | {"val_loss", "val_distortion", "val_rate", "val_psnr", "val_active", *GRADIENTS}


@pytest.fixture(autouse=True)
def no_figures(undrawn):
    """No test here looks at a figure."""


class Noting(keras.callbacks.Callback):
    """Keeps the names of the events, and the keys of their logs."""

    def __init__(self) -> None:
        super().__init__()
        self.events, self.batch_keys, self.epoch_keys = [], set(), set()

    def on_train_begin(self, logs=None):
        self.events.append("begin")

    def on_train_end(self, logs=None):
        self.events.append("end")

    def on_train_batch_end(self, batch, logs=None):
        self.events.append("batch")
        self.batch_keys |= logs.keys()

    def on_epoch_end(self, epoch, logs=None):
        self.events.append("epoch")
        self.epoch_keys |= logs.keys()


def test_the_logs_of_callbacks_have_stable_names(small, tmp_path):
    noting = Noting()
    run = small(tmp_path / "art.keras", epochs=2, callbacks=[noting])
    assert noting.events == ["begin", *["batch"] * 4, "epoch", *["batch"] * 4, "epoch", "end"]
    assert noting.batch_keys == LOGS and noting.epoch_keys == EPOCH_LOGS
    assert run.history["epoch"] == [1, 2]


def test_an_autoencoders_logs_have_no_rate(small, tmp_path):
    noting = Noting()
    small(tmp_path / "art.keras", autoencoder=True, callbacks=[noting])
    assert noting.epoch_keys == {"loss", "distortion", "val_loss", "val_distortion", "val_psnr", "val_active"}


def test_csv_logger_writes_the_history_of_the_run(small, tmp_path):
    logger = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    run = small(tmp_path / "art.keras", epochs=3, balance_every=6, callbacks=[logger])
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == EPOCH_LOGS | {"epoch"} and [row["epoch"] for row in rows] == ["0", "1", "2"]
    for name in ("distortion", "val_loss", "val_active"):
        assert [float(row[name]) for row in rows] == pytest.approx(run.history[name])
    shares = run.history["gradient_share"]  # measured in the second epoch and in the third
    assert shares[0] is None and [float(row["gradient_share"]) for row in rows[1:]] == pytest.approx(shares[1:])
    assert rows[0]["gradient_share"] == "nan"


def test_what_a_tracker_is_given_after_an_epoch_is_plain_numbers(small, tmp_path):
    """As those of Weights & Biases and MLflow want them."""
    told = []
    tracker = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: told.append(dict(logs)))
    small(tmp_path / "art.keras", callbacks=[tracker], network="spectral", widths=(4,), kl_weight=(0.1, 1.0))
    assert {"val_loss_at_0.1", "val_rate_at_1", "val_active"} < told[0].keys()
    assert {type(value) for value in told[0].values()} <= {int, float}


def test_early_stopping_ends_the_run_and_the_model_is_delivered(small, tmp_path):
    stopping = keras.callbacks.EarlyStopping("val_loss", min_delta=1e9, patience=1)
    run = small(tmp_path / "art.keras", epochs=9, callbacks=[stopping])
    assert run.stopped and run.history["epoch"] == [1, 2]
    assert kvae.load(run.path).card["step"] == 8


def test_a_run_of_several_fits_begins_and_ends_once_for_its_callbacks(small, tmp_path):
    class StopsAt(Listener):
        heard = 0

        def on_step(self, step):
            self.heard += 1

        def should_stop(self):
            return self.heard >= 2

    first = small(tmp_path / "art.keras", epochs=2, listener=StopsAt())
    noting, log = Noting(), tmp_path / "log.csv"
    callbacks = [noting, keras.callbacks.CSVLogger(str(log))]
    settings = resumed(first.model, {"epochs": 3})
    run = small(tmp_path / "more.keras", resume=first.model, callbacks=callbacks, **settings)
    assert noting.events.count("begin") == noting.events.count("end") == 1
    assert noting.events.count("batch") == 10 and noting.events[-1] == "end"
    assert len(log.read_text().splitlines()) == 1 + 3 and len(run.history["epoch"]) == 4


def test_tensorboard_writes_its_events(small, tmp_path):
    pytest.importorskip("tensorboard")
    small(tmp_path / "art.keras", callbacks=[keras.callbacks.TensorBoard(str(tmp_path / "events"))])
    assert list((tmp_path / "events").rglob("events.out.tfevents.*"))


# ---------------------------------------------------------------------- methods of the user's own


@dataclass(frozen=True)
class Slope(Weighting):
    """The weight rises with the step."""

    rise: float = 0.01

    def weight(self, state, seen):
        return self.rise * (1.0 + state[0])


def test_a_run_takes_a_custom_weighting_and_its_model_opens_with_trust(small, tmp_path):
    run = small(tmp_path / "art.keras", weighting=Slope(0.5), epochs=2)
    assert run.steps["kl_weight"] == pytest.approx([0.5 * step for step in range(1, 9)])
    with pytest.raises(ValueError, match="trust=True"):
        kvae.load(run.path)
    model = kvae.load(run.path, trust=True, custom_objects={"Slope": Slope})
    assert model.methods.weighting == Slope(0.5) and "weighting" not in model.card["settings"]
    longer = small(tmp_path / "more.keras", resume=model, **resumed(model, {"epochs": 3}))
    assert longer.steps["kl_weight"][-1] == pytest.approx(0.5 * 12)
    assert "weighting" not in longer.model.card["settings"]


def test_an_object_of_kvaes_own_class_trains_as_its_name_does(small, tmp_path):
    run = small(tmp_path / "art.keras", weighting=Geco(target_distortion=33.0))
    settings = kvae.load(run.path).card["settings"]
    assert settings["weighting"] == "geco" and settings["target_distortion"] == 33.0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"weighting": Slope(), "kl_weight": 0.3}, "`kl_weight` has no effect: weighting Slope finds the weight"),
        ({"weighting": Slope(), "autoencoder": True}, "`weighting` has no effect: a plain autoencoder has no rate"),
        ({"weighting": Slope(), "target_rate": 3.0}, "`target_rate` has no effect: .* the weighting here is Slope"),
        ({"weighting": Slope}, "`weighting` must be one of constant"),
    ],
)
def test_what_has_no_effect_beside_a_custom_weighting_is_refused(small, tmp_path, options, sentence):
    with pytest.raises(ValueError, match=f"^train: {sentence}"):
        small(tmp_path / "art.keras", **options)


def test_a_custom_weighting_cannot_be_brought_to_a_model_that_is_resumed(small, tmp_path):
    model = small(tmp_path / "art.keras").model
    with pytest.raises(ValueError, match="^resume: `weighting` is part of the model and cannot change"):
        small(tmp_path / "more.keras", resume=model, weighting=Slope())


def test_the_folder_of_a_run_with_custom_methods_says_that_it_does_not_hold_them(small, tmp_path, monkeypatch):
    notes, states = [], []

    class Looks(Listener):
        def on_begin(self, model, state):
            notes.append(json.loads(state.folder.note("settings")))

    monkeypatch.setattr(CheckpointWriter, "begin", lambda self, state: states.append(self._taken(state)))
    small(tmp_path / "own.keras", weighting=Slope(), listener=Looks())
    small(tmp_path / "art.keras", listener=Looks())
    assert [note["custom"] for note in notes] == [True, False]
    assert [json.loads(state.about)["model"] is None for state in states] == [True, False]


def test_a_sweep_takes_a_custom_rate(pictures, tmp_path):
    from kvae.objectives.base import Diagonal

    @dataclass(frozen=True)
    class Plain(Diagonal):
        """The diagonal rate under another name."""

    options = {"size": 16, "network": "conv", "widths": (8, 16), "latent_dim": 4, "epochs": 1, "augment": False}
    found = kvae.sweep(pictures, (1.0, 0.1), output=tmp_path / "sweep.html", rate=Plain(), **options)
    assert [run.model.methods.names["rate"] for run in found.runs] == ["Plain", "Plain"]


def test_the_readmes_own_weighting_trains_and_opens(small, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "(Weighting)" in block]

    def train(data, **options):
        return small(tmp_path / "art.keras", **{**options, "epochs": 1})

    monkeypatch.setattr(kvae, "train", train)
    names: dict = {"__name__": "readme"}
    exec(compile(block, "README.md", "exec"), names)
    assert names["model"].methods.names["weighting"] == "Staircase"
    assert names["run"].history["kl_weight"][-1] > 0.0
