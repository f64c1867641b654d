"""Runs of the spectral network: as many latents as carry something, a range of weights, and another model's start."""

import os

import numpy as np
import pytest

import kvae
from kvae.images.collection import open_collection
from kvae.networks.spectral import FEWEST_DIRECTIONS, MOST_DIRECTIONS, SPECTRAL
from kvae.settings import checked
from kvae.training.listener import Listener
from kvae.training.preparation import collection_statistics, prepare
from kvae.training.run import train

TERMS = ("distortion", "rate", "loss")
RANGE = {"size": 16, "widths": (8, 8), "kl_weight": (0.01, 1.0), "batch_size": 16, "epochs": 2, "balance_every": 0}


class Hearing(Listener):
    """Keeps what is said."""

    def __init__(self):
        self.lines = []

    def on_message(self, text):
        self.lines.append(text)


@pytest.fixture(scope="module")
def heard() -> Hearing:
    return Hearing()


@pytest.fixture(scope="module")
def run(pictures, heard, tmp_path_factory):
    return train(pictures, output=tmp_path_factory.mktemp("range") / "range.keras", listener=heard, **RANGE)


def test_the_latents_are_those_that_carry_something_at_the_lowest_weight():
    eigenvalues = np.geomspace(10, 1e-5, 3000)
    for weight in (1.0, 0.01):
        kept = SPECTRAL.fitting(eigenvalues, weight) - 4  # beside those that tell the texture
        assert eigenvalues[kept - 1] * np.exp(2) > weight / 2 >= eigenvalues[kept] * np.exp(2)
    assert SPECTRAL.fitting(np.zeros(3000), 1.0) == FEWEST_DIRECTIONS
    assert SPECTRAL.fitting(np.ones(20_000), 0.0) == MOST_DIRECTIONS + 4


def test_how_many_directions_carry_something_is_said(run, heard):
    eigenvalues = run.prepared.statistics.spectrum.eigenvalues
    carrying = int(np.sum(eigenvalues > 0.005))
    said = f"{carrying} of 768 directions carry something at weight 0.01; the model has {run.model.latent_dim} latents"
    assert said in heard.lines
    assert carrying < run.model.latent_dim == SPECTRAL.fitting(eigenvalues, 0.01)


def test_a_number_of_latents_holds_the_model_to_the_strongest(pictures):
    settings = checked({"size": 16, "latent_dim": 12, "data": "array"})
    assert prepare(pictures, settings, Listener()).settings["latent_dim"] == 12


def test_the_history_and_the_card_have_five_weights(run):
    names = [f"{term}_at_{weight}" for weight in ("0.01", "0.0316", "0.1", "0.316", "1") for term in TERMS]
    assert [name for name in run.history if "_at_" in name] == [f"val_{name}" for name in names]
    assert all(len(run.history[f"val_{name}"]) == 2 for name in names)
    card = kvae.load(run.path).card
    assert {name: card["evaluated"][name] for name in names} == pytest.approx(
        {name: value for name, value in run.evaluated.record().items() if "_at_" in name}
    )
    assert card["settings"]["kl_weight"] == [0.01, 1.0]


def test_what_is_evaluated_at_five_weights_is_what_keras_evaluates(run):
    model = kvae.load(run.path)
    held_out = run.prepared.collection.read(run.prepared.validation)
    found = model.evaluate(held_out, verbose=0, return_dict=True)
    for name, value in run.evaluated.record().items():
        if "_at_" in name:
            assert found[name] == pytest.approx(value, rel=2e-3), name


def test_a_range_goes_on_from_its_model(run, pictures, tmp_path):
    model = kvae.load(run.path)
    again = train(pictures, output=tmp_path / "on.keras", resume=model, **{**RANGE, "epochs": 3})
    assert again.history["epoch"] == [1, 2, 3]
    assert again.model.weight_range == run.model.weight_range
    assert len(again.history["val_loss_at_0.1"]) == 3


def test_a_run_starts_from_the_networks_of_another_model_on_other_pictures(run, tmp_path):
    others = kvae.open_collection(count=40, size=32, seed=7).read(range(40))
    heard = Hearing()
    settings = {**RANGE, "size": 32, "epochs": 1, "kl_weight": 0.1, "learning_rate": 1e-8}
    started = train(others, output=tmp_path / "on.keras", start=run.path, listener=heard, **settings)
    assert "its networks start from those of a model of array" in heard.lines
    for part in ("encoder", "decoder"):
        for one, other in zip(getattr(started.model, part).weights, getattr(run.model, part).weights, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    assert not np.array_equal(started.model.linear_path.mean_image.shape, run.model.linear_path.mean_image.shape)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"widths": (8, 16)},
            "with its own channels and widths, 3 and 8 16. Received: the network spectral, 3 and 8",
        ),
        ({"network": "conv"}, "only the network spectral starts from another model, and this one is conv"),
    ],
)
def test_a_start_from_another_kind_of_network_is_refused(run, pictures, tmp_path, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        settings = {**RANGE, "kl_weight": 0.1, **settings}
        train(pictures, output=tmp_path / "on.keras", start=run.path, **settings)


def test_a_compact_model_is_a_sixth_of_the_size_and_as_good(run, pictures, tmp_path):
    model = kvae.load(run.path)
    kvae.save(model, tmp_path / "small.keras", compact=True)
    small = kvae.load(tmp_path / "small.keras")
    assert os.path.getsize(tmp_path / "small.keras") < os.path.getsize(run.path) / 3
    for weight in (0.01, 0.1, 1.0):
        model.kl_weight = small.kl_weight = weight
        np.testing.assert_allclose(small.reconstruct(pictures), model.reconstruct(pictures), atol=0.01)
    assert small.card == model.card and getattr(small, "optimizer", None) is None


def test_a_run_goes_on_from_a_compact_model_with_a_new_optimizer(run, pictures, tmp_path):
    kvae.save(kvae.load(run.path), tmp_path / "small.keras", compact=True)
    small = kvae.load(tmp_path / "small.keras")
    again = train(pictures, output=tmp_path / "on.keras", resume=small, **{**RANGE, "epochs": 3})
    assert again.history["epoch"] == [1, 2, 3]


def test_a_second_preparation_reads_the_spectrum_that_the_first_measured(pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("KVAE_CACHE", str(tmp_path))
    collection = open_collection(pictures, size=16)
    indices, _ = collection.split(0.1)
    first = collection_statistics(collection, indices, 0, Listener(), vary=True)
    monkeypatch.setattr("kvae.training.preparation.fit_spectrum", None)
    again = collection_statistics(collection, indices, 0, Listener(), vary=True)
    for part in ("spectrum", "texture"):
        for name, value in vars(getattr(first, part)).items():
            np.testing.assert_array_equal(getattr(getattr(again, part), name), value)
