"""What a run writes for TensorBoard, read back by TensorBoard itself."""

import io

import numpy as np
import pytest
from PIL import Image

import kvae
from kvae.saving.card_fields import CURVES, GRADIENTS
from kvae.training import tensorboard as module
from kvae.training.listener import Listener
from kvae.training.resume import resumed
from kvae.training.tensorboard import EventFile

pytest.importorskip("tensorboard")


@pytest.fixture(autouse=True)
def no_figures(undrawn):
    """No test here looks at the figure beside the model."""


class Hears(Listener):
    def __init__(self) -> None:
        self.sentences = []

    def on_message(self, sentence):
        self.sentences.append(sentence)


def read(folder):
    """All that is in a folder of events."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


def scalars(found, tag) -> dict[int, float]:
    return {one.step: one.value for one in found.Scalars(tag)}


def images(found, tag) -> list[np.ndarray]:
    return [np.asarray(Image.open(io.BytesIO(one.encoded_image_string))) for one in found.Images(tag)]


def test_the_scalars_are_those_of_the_history_and_of_single_batches(small, tmp_path):
    run = small(tmp_path / "art.keras", epochs=2, balance_every=3, tensorboard=tmp_path / "events")
    found = read(tmp_path / "events" / "art")
    names = [*CURVES, "val_distortion", "val_rate", "val_loss", "val_psnr", "val_active", *GRADIENTS]
    assert sorted(found.Tags()["scalars"]) == sorted([f"epoch/{one}" for one in names] + [f"batch/{c}" for c in CURVES])
    for name in names:
        assert scalars(found, f"epoch/{name}") == pytest.approx(dict(zip((4, 8), run.history[name], strict=True)))
    for name in CURVES:
        assert scalars(found, f"batch/{name}") == pytest.approx(dict(zip(range(1, 9), run.steps[name], strict=True)))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"network": "spectral", "widths": (4,), "kl_weight": (0.1, 1.0)},
        {"autoencoder": True},
        {"network": "linear", "epochs": None},  # which is not trained at all
    ],
    ids=["one weight", "range", "autoencoder", "linear"],
)
def test_pictures_and_the_plane_are_those_of_the_model_at_the_end(small, tmp_path, settings):
    run = small(tmp_path / "art.keras", tensorboard=tmp_path / "events", **settings)
    found = read(tmp_path / "events" / "art")
    sheet = images(found, "pictures")[-1]
    originals = run.prepared.examples(8)
    assert sheet.ndim == 3 and sheet.shape[1] >= 16 * len(originals)
    drawn = np.rint(255 * run.model.reconstruct(originals)).astype(int)
    last = sheet[-16:, :16].astype(int)
    assert np.abs(last - drawn[0]).max() <= 1
    trained_with_rate = not settings.get("autoencoder") and settings.get("network") != "linear"
    assert ("plane" in found.Tags()["images"]) == trained_with_rate
    if trained_with_rate:
        (plane,) = {one.shape for one in images(found, "plane")}
        shown = found.Images("plane")[-1]
        assert plane[:2] == (shown.height, shown.width) and len(np.unique(images(found, "plane")[-1])) > 20


def test_a_run_that_goes_on_is_told_in_the_same_place(small, tmp_path):
    first = small(tmp_path / "art.keras", tensorboard=tmp_path / "events")
    settings = resumed(first.model, {"epochs": 2})
    small(tmp_path / "b" / "art.keras", resume=first.model, tensorboard=tmp_path / "events", **settings)
    assert list(scalars(read(tmp_path / "events" / "art"), "batch/loss")) == list(range(1, 9))


def test_a_folder_that_fills_up_is_told_once_and_the_run_goes_on(small, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(EventFile, "scalars", full)
    listener = Hears()
    run = small(tmp_path / "art.keras", epochs=2, tensorboard=tmp_path / "events", listener=listener)
    told = [one for one in listener.sentences if one.startswith("tensorboard: ")]
    assert len(told) == 1 and told[0].endswith("the disk is full. Free some space or choose another folder. The run "
                                               "goes on without it.")  # fmt: skip
    assert run.history["epoch"] == [1, 2] and kvae.load(run.path).card["step"] == 8


def test_a_folder_that_is_none_is_refused_before_training(small, tmp_path):
    (tmp_path / "events").write_text("a file")
    with pytest.raises(OSError, match=r"^tensorboard: .*/events/art cannot be written to \(.*\)\. Choose another"):
        small(tmp_path / "art.keras", tensorboard=tmp_path / "events")
    assert not (tmp_path / "art.keras").exists() and not list(tmp_path.glob(".*.run"))


def test_without_tensorboard_the_cure_is_told_before_training(small, tmp_path, monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="^tensorboard: TensorBoard is not installed. Install it with: pip install"):
        small(tmp_path / "art.keras", tensorboard=tmp_path / "events")
    assert not list(tmp_path.iterdir())


def test_kvae_train_takes_the_folder_as_a_flag(pictures_file, tmp_path):
    from kvae.cli.train import main

    flags = ["--size", "16", "--network", "conv", "--widths", "8", "--epochs", "1", "--quiet"]
    output, events = tmp_path / "art.keras", tmp_path / "events"
    assert main(["--data", pictures_file, *flags, "--output", str(output), "--tensorboard", str(events)]) == 0
    assert scalars(read(events / "art"), "epoch/val_loss")


@pytest.fixture
def pictures_file(pictures, tmp_path):
    np.save(tmp_path / "pictures.npy", pictures)
    return str(tmp_path / "pictures.npy")
