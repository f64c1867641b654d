"""The model in the box: small, whole, and good at every weight on pictures that it never saw."""

import numpy as np
import pytest

import kvae
from kvae.measures.gaussian_limit import HeldOut
from kvae.saving.card import STARTER


@pytest.fixture(scope="module")
def starter() -> kvae.VAE:
    return kvae.load(STARTER)


def test_it_is_small_and_without_an_optimizer(starter):
    assert STARTER.stat().st_size < 6e6
    assert getattr(starter, "optimizer", None) is None


def test_it_serves_every_weight_from_a_hundredth_to_one_and_stands_at_a_tenth(starter):
    assert (starter.weight_range.low, starter.weight_range.high, starter.beta) == (0.01, 1.0, 0.1)
    assert starter.card["settings"]["data"] == "paintings" and len(starter.card["thumbnails"])


def test_at_each_weight_it_is_better_than_the_best_linear_model_on_pictures_it_never_saw(starter):
    collection = kvae.open_collection(size=64)
    _, held_out = collection.split(0.1)  # as it was trained
    pictures = collection.read(held_out[:64])
    path = starter.linear_path
    values = np.asarray(path.eigenvalues, "float64")
    coefficients = np.asarray(path.analysis(pictures / np.float32(255.0)), "float64")
    total = np.square(pictures / 255.0 - np.asarray(path.mean_image)).sum(axis=(1, 2, 3)).mean()
    limit = HeldOut(values, np.square(coefficients).mean(axis=0), total)
    starter.compile()
    found = starter.evaluate(pictures, batch_size=32, verbose=0, return_dict=True)
    for weight in (0.01, 0.0316, 0.1, 0.316, 1.0):
        assert found[f"loss_at_{weight:g}"] < 0.9 * limit.at(weight, len(values)).loss
