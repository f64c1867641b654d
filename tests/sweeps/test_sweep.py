"""Several weights and a plain autoencoder, side by side."""

import re

import keras
import numpy as np
import pytest
from PIL import Image

import kvae
from kvae.images.paintings import paint_many
from kvae.sweeps.sweep import sweep
from kvae.training.artifacts import decoded_path
from kvae.training.listener import Listener

SETTINGS = {
    "size": 16,
    "network": "conv",
    "widths": (8, 16),
    "latent_dim": 4,
    "batch_size": 16,
    "epochs": 1,
    "augment": False,
}


class Sentences(Listener):
    def __init__(self, stop_at: int | None = None) -> None:
        self.sentences, self.count, self.stop_at = [], 0, stop_at

    def on_message(self, sentence):
        self.sentences.append(sentence)

    def on_step(self, step):
        self.count += 1

    def should_stop(self):
        return self.stop_at is not None and self.count >= self.stop_at


@pytest.fixture(scope="module")
def heard():
    return Sentences()


@pytest.fixture(scope="module")
def delivered(pictures, heard, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    return sweep(
        pictures,
        [1.0, 0.1, 1.0],
        with_autoencoder=True,
        output=folder / "sweep.html",
        listener=heard,
        **SETTINGS,
    )


def test_a_sweep_leaves_a_page_a_picture_and_a_model_and_figure_per_run(delivered):
    names = sorted(path.name for path in delivered.page.parent.iterdir())
    models = ["sweep-0.1", "sweep-1", "sweep-autoencoder"]
    beside = [f"sweep.{ending}" for ending in ("html", "png", "json", "csv")]
    assert names == sorted([".sweep.study", *beside, *(f"{m}.{e}" for m in models for e in ("keras", "png"))])
    with Image.open(delivered.figure) as figure:
        assert figure.format == "PNG"
    text = re.sub(r"base64,[^\"' ]*", "", delivered.page.read_text("utf-8"))
    assert text.lower().startswith("<!doctype html") and ">nan" not in text.lower()
    assert kvae.load(delivered.runs[0].path).beta == 1.0 and kvae.load(delivered.runs[2].path).autoencoder


def test_a_weight_that_is_named_twice_is_trained_once_and_each_run_is_announced(delivered, heard):
    assert [run.model.beta for run in delivered.runs] == [1.0, 0.1, 0.0] and not delivered.stopped
    announced = [sentence for sentence in heard.sentences if sentence.startswith("[")]
    assert announced == ["[1 of 3] KL weight 1", "[2 of 3] KL weight 0.1", "[3 of 3] plain autoencoder"]


def test_the_runs_of_a_sweep_share_pictures_and_first_weights(delivered):
    first, second, plain = delivered.runs
    assert first.prepared is second.prepared is plain.prepared
    # one epoch changes little, another seed would change all
    for one, other in zip(first.model.encoder.weights, plain.model.encoder.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=0.02)


def test_a_row_says_what_its_run_measured(delivered):
    for row, run in zip(delivered.rows, delivered.runs, strict=False):
        held = run.evaluated
        assert (row.distortion, row.rate, row.loss, row.psnr) == (held.distortion, held.rate, held.loss, held.psnr)
        assert row.active == run.posterior.active and row.latent_dim == 4 and row.model == run.path
        assert row.calibrated == pytest.approx(2 * held.distortion / (16 * 16 * 3))
        shown = run.prepared.shown
        assert row.decoded_path == decoded_path(run.model, shown)
        np.testing.assert_allclose(row.reconstructions / 255.0, run.model.reconstruct(shown), atol=0.51 / 255)
    assert [row.sigma for row in delivered.rows[:3]] == pytest.approx([0.5**0.5, 0.05**0.5, None])
    assert [row.kl_weight for row in delivered.rows[:3]] == [1.0, 0.1, None]


def test_the_gaussian_limit_has_a_row_at_each_weight(delivered):
    rows, prepared = delivered.rows[3:], delivered.runs[0].prepared
    assert [(row.kl_weight, row.gaussian_limit) for row in rows] == [(1.0, True), (0.1, True)]
    for row in rows:
        point = prepared.held.at(row.kl_weight, 768)
        assert (row.distortion, row.rate, row.loss) == (point.distortion, point.rate, point.loss)
        assert row.active == point.active and row.history == {}
        assert row.decoded_path == pytest.approx(1.0, abs=1e-3)  # it is linear
    # more weight, less rate and more distortion
    assert rows[0].rate < rows[1].rate and rows[0].distortion > rows[1].distortion
    pictures = prepared.collection.read(prepared.validation) / 255.0
    spectrum = prepared.statistics.spectrum
    # the mean of a posterior shrinks a coefficient; decoding it brings back (1 - s/λ) of it
    kept = np.maximum(0.0, 1 - 0.05 / np.maximum(spectrum.eigenvalues, 1e-9))
    back = spectrum.synthesis(spectrum.analysis(pictures.astype("float32")) * kept)
    mse = np.square(np.clip(back, 0, 1) - pictures).mean((1, 2, 3))
    assert rows[1].psnr == pytest.approx(np.mean(-10 * np.log10(mse)), abs=0.01)


def test_each_run_of_a_sweep_begins_with_the_custom_networks_weights_untouched(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)
    keras.utils.set_random_seed(8)
    encoder = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(12)])
    decoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(768), keras.layers.Reshape((16, 16, 3))])
    before = [weight.copy() for weight in encoder.get_weights() + decoder.get_weights()]
    (tmp_path / "own.html").write_text("my page")
    (tmp_path / "own-2.png").write_bytes(b"my picture")
    found = sweep(
        pictures,
        [2.0, 0.5],
        output=tmp_path / "own",
        encoder=encoder,
        decoder=decoder,
        **{name: SETTINGS[name] for name in set(SETTINGS) - {"network", "widths"}},
        learning_rate=1e-8,
    )
    for weight, earlier in zip(encoder.get_weights() + decoder.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, earlier)
    for run in found.runs:
        np.testing.assert_allclose(run.model.encoder.get_weights()[0], before[0], atol=1e-5)
        assert kvae.load(run.path, trust=True).custom
    assert len(found.rows) == 4
    # neither the page nor a picture of that name is overwritten
    assert (found.page.name, found.figure.name) == ("own-3.html", "own-3.png")
    assert (tmp_path / "own.html").read_text() == "my page" and (tmp_path / "own-2.png").read_bytes() == b"my picture"


def test_a_sweep_that_is_stopped_draws_what_it_has(tmp_path, monkeypatch):
    monkeypatch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)
    pictures = paint_many(range(40), size=16, seed=9)[0]
    heard = Sentences(stop_at=1)
    found = sweep(
        pictures,
        [1.0, 0.1],
        output=tmp_path / "s.html",
        listener=heard,
        **{**SETTINGS, "network": "linear", "widths": None},
    )
    assert found.stopped and len(found.runs) == 1 and found.page.is_file() and found.figure.is_file()
    assert [row.gaussian_limit for row in found.rows] == [False, True, True]


@pytest.mark.parametrize(
    ("weights", "output", "sentence"),
    [
        ([], "s.html", "needs at least one weight"),
        ([0.1, -1], "s.html", "`kl_weight` must be a number from 0"),
        ([(0.01, 1.0)], "s.html", "`kl_weight` must be a number from 0"),
        ([0.1], "s.png", "page ends in .html"),
        ([0.1], "file/s.html", "cannot be written to"),
        ([0.1], "folder", "is a folder"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_before_it_starts(tmp_path, weights, output, sentence):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises((ValueError, OSError), match=sentence):
        sweep("no such pictures", weights, output=tmp_path / output)


def test_a_disk_that_is_full_for_the_page_is_said_and_that_the_models_are_there(pictures, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kvae.sweeps.page.draw_sweep", full)
    monkeypatch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)
    with pytest.raises(
        OSError, match=r"sweep\.html could not be written: the disk is full\. Free .* are there: .*-1\.keras"
    ):
        sweep(pictures, [1.0], output=tmp_path / "sweep.html", **SETTINGS)
    assert (tmp_path / "sweep-1.keras").is_file() and not (tmp_path / "sweep.html").exists()
    monkeypatch.undo()
    said = Sentences()
    found = sweep(pictures, [1.0], output=tmp_path / "sweep.html", listener=said, **SETTINGS)
    assert found.runs == [] and found.page == tmp_path / "sweep.html" and found.page.is_file()
    assert any("1 of 1 trials are done" in sentence for sentence in said.sentences)
