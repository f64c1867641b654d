"""The page of posteriors that models with two latents leave."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import kvae
from kvae.cli.sweep import main
from kvae.figures import latents as figure
from kvae.sweeps.sweep import sweep
from kvae.training import latents
from kvae.training.run import train

SETTINGS = {"size": 16, "widths": (8, 8), "latent_dim": 2, "batch_size": 16, "epochs": 1, "augment": False}
LINEAR = {"size": 16, "network": "linear", "latent_dim": 2, "augment": False}  # which needs no training


@pytest.fixture
def drawn(monkeypatch):
    """What was drawn, as the figure was told it."""
    calls = []

    def kept(path_png, path_html, planes, **more):
        calls.append((planes, more))
        figure.draw_latents(path_png, path_html, planes, **{**more, "scale": 1})

    monkeypatch.setattr(latents, "draw_latents", kept)
    return calls


def test_a_sweep_of_two_latents_leaves_a_page_of_their_posteriors(pictures, tmp_path, drawn):
    (tmp_path / "sweep-latents.png").write_bytes(b"someone's own")
    swept = sweep(
        pictures, [0.1, 1.0], with_autoencoder=True, output=tmp_path / "sweep.html", network="conv", **SETTINGS
    )
    assert swept.latents.name == "sweep-latents-2.html" and swept.latents.with_suffix(".png").exists()
    assert (tmp_path / "sweep-latents.png").read_bytes() == b"someone's own"
    ((planes, more),) = drawn
    assert [plane.kl_weight for plane in planes] == [0.1, 1.0]
    training = swept.runs[0].prepared.training
    assert len(more["labels"]) == len(training)
    mean, log_var = swept.runs[1].model.encode(swept.runs[1].prepared.collection.read(training))
    np.testing.assert_allclose(planes[1].means, mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(planes[1].covariances[:, 1, 1], np.exp(log_var[:, 1]), rtol=1e-4)


def test_a_model_of_a_range_is_drawn_at_each_reported_weight_and_stands_where_it_did(pictures, tmp_path, drawn):
    run = train(pictures, output=tmp_path / "r.keras", kl_weight=(0.01, 1.0), **LINEAR)
    assert {path.name for path in tmp_path.iterdir()} == {
        "r.keras", "r.png", "r-latents.html", "r-latents.png"
    }  # fmt: skip
    ((planes, _),) = drawn
    assert [plane.kl_weight for plane in planes] == sorted(run.model.weight_range.reported, reverse=True)
    widths = [figure.deviation(plane.covariances) for plane in planes]
    assert widths == sorted(widths, reverse=True) and widths[0] > 3 * widths[-1]
    assert not np.array_equal(planes[0].grid, planes[-1].grid)
    assert run.model.beta == pytest.approx(0.1)


@pytest.mark.slow
def test_models_with_other_than_two_latents_leave_no_such_page(pictures, tmp_path):
    train(pictures, output=tmp_path / "r.keras", kl_weight=(0.01, 1.0), **{**LINEAR, "latent_dim": 3})
    assert {path.name for path in tmp_path.iterdir()} == {"r.keras", "r.png"}


def test_the_paintings_are_coloured_by_their_manner(tmp_path, drawn):
    collection = kvae.open_collection(count=40, size=16)
    model = kvae.VAE(image_shape=(16, 16, 3), network="conv", widths=(8,), latent_dim=2, kl_weight=1.0)
    prepared = SimpleNamespace(collection=collection, training=np.arange(5, 40))
    latents.draw_planes(tmp_path / "p.keras", [(model, [1.0])], prepared)
    ((_, more),) = drawn
    assert more["labels"] == [str(manner) for manner in collection.factors["manner"][5:]]
    assert more["collection_summary"].endswith("35 of the 35 training pictures, coloured by manner.")


def test_a_model_without_finite_posteriors_is_left_out(tmp_path):
    collection = kvae.open_collection(count=40, size=16)
    model = kvae.VAE(image_shape=(16, 16, 3), network="conv", widths=(8,), latent_dim=2, kl_weight=1.0)
    model.mean_head.bias.assign([np.nan, 0.0])
    prepared = SimpleNamespace(collection=collection, training=np.arange(40))
    assert latents.draw_planes(tmp_path / "p.keras", [(model, [1.0])], prepared) is None
    assert not list(tmp_path.iterdir())


def test_the_command_tells_where_the_page_is(pictures, tmp_path, drawn, capsys):
    np.save(tmp_path / "p.npy", pictures)
    flags = ["--size", "16", "--latent-dim", "2", "--epochs", "1", "--network", "conv", "--widths", "8", "--json"]
    where = ["--data", str(tmp_path / "p.npy"), "--kl-weight", "1", "--output", str(tmp_path / "s.html")]
    assert main([*where, *flags]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["latents"] == str(tmp_path / "s-latents.html")
