"""MIG, DCI and SAP of codes that are the factors, of mixtures of them, and of codes that know nothing."""

import numpy as np
import pytest

from kvae.measures.factors import MOST, dci, disentanglement, mig, sap

RANDOM = np.random.default_rng(8)
COUNT = 1200
FACTORS = {
    "x": RANDOM.random(COUNT),
    "y": RANDOM.random(COUNT),
    "manner": RANDOM.choice(["dots", "lines", "waves"], COUNT),
}
NUMBERS = np.stack([FACTORS["x"], FACTORS["y"], np.unique(FACTORS["manner"], return_inverse=True)[1]], axis=1)
PURE = 3.0 * NUMBERS + 1e-3 * RANDOM.standard_normal((COUNT, 3))
MIXED = PURE @ np.linalg.qr(RANDOM.standard_normal((3, 3)))[0]
NOISE = RANDOM.standard_normal((COUNT, 3))


def test_codes_that_are_the_factors_have_a_gap_of_nearly_one():
    assert mig(PURE, FACTORS) > 0.9
    assert mig(PURE[:, [2, 0, 1]] * -5.0, FACTORS) == pytest.approx(mig(PURE, FACTORS), abs=0.02)
    twice = np.concatenate([PURE, PURE + 1e-6], axis=1)
    assert mig(twice, FACTORS) < 0.02  # two latents that say the same leave no gap
    assert mig(NOISE, FACTORS) < 0.05 and mig(MIXED, FACTORS) < 0.5


def test_forests_find_that_factors_are_pure_complete_and_known_or_none_of_these():
    pure, mixed, noise = (dci(codes, FACTORS) for codes in (PURE, MIXED, NOISE))
    assert min(pure) > 0.9
    assert mixed[0] < 0.6 and mixed[1] < 0.6 and mixed[2] > 0.6
    assert noise[2] < 0.2 and noise[0] < 0.2


def test_one_latent_alone_predicts_its_factor():
    # three classes on one line are no matter for a linear classifier
    assert sap(PURE, FACTORS) > 0.9
    assert sap(NOISE, FACTORS) < 0.05
    assert sap(np.concatenate([PURE, PURE], axis=1), FACTORS) == pytest.approx(0.0, abs=1e-6)


def test_of_many_latents_those_with_the_highest_rates_are_looked_at():
    hidden = 0.01 * RANDOM.standard_normal((COUNT, 3000))
    places = np.array([1000, 2000, 2999])
    hidden[:, places] = PURE
    rates = np.full(3000, 1e-3)
    rates[places] = 2.0
    found = disentanglement(hidden.astype("float32"), rates, FACTORS)
    assert found.mig > 0.85 and found.disentanglement > 0.85 and found.sap > 0.85
    blind = disentanglement(hidden.astype("float32"), -rates, FACTORS)
    assert MOST < 3000 - 3 and blind.mig < 0.1


def test_too_few_pictures_or_factors_that_never_vary_tell_nothing():
    assert disentanglement(PURE[:20], np.ones(3), {name: column[:20] for name, column in FACTORS.items()}) is None
    assert disentanglement(PURE, np.ones(3), {"x": np.ones(COUNT)}) is None
