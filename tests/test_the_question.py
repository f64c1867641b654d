"""docs/the-question.md: the model in the box still has its numbers, and what follows from them is on the page."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

import kvae
from kvae.measures.coder import Coder
from kvae.measures.gaussian_limit import water_filling
from kvae.measures.smoothness import path_ratios
from kvae.saving.card import STARTER
from kvae.weighting.conversions import bits_per_dimension, calibrated_weight, decoder_noise

PAGE = (Path(__file__).parents[1] / "docs" / "the-question.md").read_text(encoding="utf-8")
VALUES = 64 * 64 * 3
FEW = 48  # of the 200 paintings that the page's command measures


def row(begins: str) -> np.ndarray:
    """The numbers of the row whose first cell begins so, one for each weight."""
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {begins}"))
    cells = [cell.strip().strip("*%").replace(",", "") for cell in line.strip("| \n").split("|")[1:]]
    return np.array([float(cell.replace("−", "-")) for cell in cells])


WEIGHTS = np.array([1, 0.36, 0.13, 0.046, 0.0167, 0.01])
D, R = row("D |"), row("R, nats")


@pytest.fixture(scope="module")
def starter() -> kvae.VAE:
    return kvae.load(STARTER)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    collection = kvae.open_collection(size=64)
    held_out = collection.split(0.1)[1]
    return collection.read(held_out[np.linspace(0, len(held_out) - 1, FEW).astype(int)])


def test_every_table_is_of_the_same_weights():
    heads = [line for line in PAGE.splitlines() if line.startswith("| β ")]
    assert len(heads) == 3 and {re.sub(r"\s", "", line) for line in heads} == {"|β|1|0.36|0.13|0.046|0.0167|0.01|"}


def test_the_model_in_the_box_has_the_distortion_and_rate_of_the_page(starter, pictures):
    for weight, distortion, rate in zip(WEIGHTS, D, R, strict=True):
        terms = starter.terms_at(pictures / np.float32(255.0), weight)
        measured = [float(np.mean(np.asarray(term))) for term in terms[:2]]
        np.testing.assert_allclose(measured, [distortion, rate], rtol=0.12)  # other paintings of the same kind


def test_what_follows_from_distortion_and_rate_does():
    sigmas, calibrated = row("σ it believes in"), row("error that is really made")
    np.testing.assert_allclose([100 * decoder_noise(weight) for weight in WEIGHTS], sigmas, atol=0.5)
    np.testing.assert_allclose([calibrated_weight(one, VALUES) for one in D], calibrated, atol=6e-5)
    best = row("bits per value, at the best σ")
    found = [bits_per_dimension(one, nats, VALUES) for one, nats in zip(D, R, strict=True)]
    np.testing.assert_allclose(found, best, atol=0.006)
    at_sigma = [
        (one / weight + VALUES / 2 * math.log(math.pi * weight) + nats) / (VALUES * math.log(2)) + math.log2(255)
        for weight, one, nats in zip(WEIGHTS, D, R, strict=True)
    ]
    np.testing.assert_allclose(at_sigma, row("bits per value, at the σ that"), atol=0.006)
    assert np.all(row("the same with 100 draws") < best), "importance weights tighten the bound"


def test_the_sentences_of_the_page_follow_from_its_tables():
    shares, more = D[2:5] / D[:3], R[2:5] / R[:3]  # about an eighth of the weight
    assert f"to {100 * shares.min():.0f} to {100 * shares.max():.0f}%, for three to four times the nats" in PAGE
    assert np.all((more > 3) & (more < 4))
    assert f"β·R is {0.13 * R[2]:.1f} of L = {D[2] + 0.13 * R[2]:.1f}" in PAGE
    assert f"{R[2]:.0f} nats are spent where weight 1 allows {R[0]:.0f}" in PAGE
    assert f"at .01 the model still pays {R[-1]:,.0f} nats" in PAGE
    # the envelope of the page's own numbers: the secant of L lies between the rates at its ends
    losses = D + WEIGHTS * R
    slopes = np.diff(losses) / np.diff(WEIGHTS)
    assert np.all((R[:-1] < slopes) & (slopes < R[1:]))


def test_the_best_linear_model_uses_as_many_directions_as_the_page_says(starter):
    values = np.asarray(starter.linear_path.eigenvalues, "float64")
    counts = [water_filling(values, weight, len(values)).active for weight in (1.0, 0.01)]
    assert f"uses {counts[0]:,} at weight 1 and {counts[1]:,} at .01" in PAGE.replace("\n", " ")


def test_the_decoded_way_gets_straighter_and_the_prior_is_lost(starter, pictures):
    ways, rows = [], row("decoded way between two pictures")
    for weight in (WEIGHTS[0], WEIGHTS[-1]):
        alone = starter.at(float(weight))
        means = alone.encode(pictures[:12])[0]
        ways.append(float(np.mean(path_ratios(Coder(alone).generate, means[:6], means[6:]))))
    np.testing.assert_allclose(ways, rows[[0, -1]], atol=0.02)
    assert ways[0] > ways[1] and np.all(np.diff(row("a sample's distance")) > 0)
