"""What the figures are told of a model: its pictures at each weight, and the numbers beside them."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import kvae
from kvae.model.vae import VAE
from kvae.training import artifacts
from kvae.training.artifacts import FROM, TO, at_weights, gallery

REPORTED = (0.01, 0.0316, 0.1, 0.316, 1.0)


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    """A model of a range, the one that needs no training, with its figure."""
    path = tmp_path_factory.mktemp("range") / "art.keras"
    return kvae.train(pictures, output=path, size=16, network="linear", kl_weight=(0.01, 1.0), augment=False)


@pytest.fixture(scope="module")
def rows(run):
    return at_weights(run.model, run.prepared, run.evaluated)


def test_the_rows_of_a_range_are_what_was_measured_the_largest_weight_first(run, rows):
    assert [row.kl_weight for row in rows] == list(reversed(REPORTED))
    for row in rows:
        assert (row.distortion, row.rate, row.loss) == run.evaluated.curve[row.kl_weight]
        assert row.sigma == pytest.approx((row.kl_weight / 2) ** 0.5)
        assert row.calibrated == pytest.approx(2 * row.distortion / (16 * 16 * 3))


def test_the_pictures_of_each_row_are_those_of_the_model_at_its_weight(run, rows):
    for row in (rows[0], rows[-1]):
        alone = run.model.at(row.kl_weight)
        for kind, images in gallery(alone, run.prepared.shown).items():
            if kind == "decoded_path":
                assert row.decoded_path == pytest.approx(images, rel=1e-3) and images >= 1.0
                continue
            shown = getattr(row, kind).astype(int)
            assert np.abs(shown - images).max() <= 1, kind
    assert np.abs(rows[0].reconstructions.astype(int) - rows[-1].reconstructions).mean() > 2


def test_a_model_stands_where_it_did_after_its_rows_were_made(run, rows):
    assert run.model.beta == 0.1


def test_the_figure_of_a_range_is_drawn_beside_the_model(run):
    with Image.open(run.figure) as figure:
        assert figure.format == "PNG" and min(figure.size) > 1000


def test_samples_of_two_weights_and_of_an_autoencoder_come_from_the_same_points(monkeypatch):
    asked = []
    monkeypatch.setattr(VAE, "decode", lambda self, latents: asked.append(latents) or np.zeros((len(latents), 8, 8, 3)))
    for settings in ({"kl_weight": 1.0}, {"kl_weight": 0.01}, {"autoencoder": True}):
        model = VAE(image_shape=(8, 8, 3), network="conv", widths=(4,), latent_dim=3, **settings)
        gallery(model, np.zeros((5, 8, 8, 3), np.uint8))
    samples = [latents for latents in asked if len(latents) == artifacts.SAMPLES]
    assert len(samples) == 3 and abs(samples[0].std() - 1) < 0.3
    np.testing.assert_array_equal(samples[0], samples[1])
    np.testing.assert_array_equal(samples[0], samples[2])


@pytest.mark.parametrize("autoencoder", [False, True])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_the_ends_of_the_in_betweens_are_the_reconstructions_of_two_originals(autoencoder, count):
    model = VAE(image_shape=(8, 8, 3), network="conv", widths=(4,), latent_dim=3, autoencoder=autoencoder)
    originals = np.random.default_rng(2).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    shown = gallery(model, originals)
    if count == 1:
        assert shown["between"] is None
        return
    ends = shown["reconstructions"][[FROM, min(TO, count - 1)]].astype(int)
    assert np.abs(ends - shown["between"][[0, -1]]).max() <= 1


def test_the_gaussian_limit_beside_a_range_is_that_of_the_pictures_it_was_measured_on(run):
    prepared = replace(run.prepared, settings={**run.prepared.settings, "batch_size": 2})
    assert prepared.held_on(len(prepared.validation)) is prepared.held
    spectrum = prepared.statistics.spectrum
    for count in (1, 2):  # whole batches
        seen = prepared.collection.read(prepared.validation[:2])
        moments, total = spectrum.moments([seen])
        found = prepared.held_on(count)
        np.testing.assert_allclose(found.second_moments, moments)
        assert found.total == pytest.approx(total)
