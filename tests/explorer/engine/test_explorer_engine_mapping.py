"""What the engine adds up for a map while the pictures come in parts."""

from dataclasses import replace

import numpy as np
import pytest

from explorer.engine.mapping import Codes, _without_dead
from explorer.messages import leading


@pytest.mark.parametrize("latent_dim", [8, 700])
def test_directions_and_shares_are_those_of_all_pictures_at_once(model_info, latent_dim):
    random = np.random.default_rng(6)
    spreads = np.geomspace(2.0, 1e-3, latent_dim).astype("float32")
    rates = np.log(spreads / spreads[-1])
    info = replace(model_info, latent_dim=latent_dim, rates=rates, spreads=spreads)
    latents = (0.3 + spreads * random.standard_normal((90, latent_dim))).astype("float32")
    codes = Codes(info)
    for part in np.array_split(latents, 4):
        codes.add(part)
    mean, components, shares = codes.directions()
    centred = latents.astype("float64") - latents.mean(axis=0, dtype="float64")
    np.testing.assert_allclose(mean, latents.mean(axis=0, dtype="float64"), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(components, axis=1), 1.0, atol=1e-6)
    assert not components[:, np.setdiff1d(np.arange(latent_dim), leading(info))].any()
    within = np.square(centred @ components.T).sum(axis=0) / np.square(centred).sum()
    np.testing.assert_allclose(shares[:8], within[:8], rtol=1e-4)
    assert np.linalg.svd(centred, compute_uv=False)[0] ** 2 / np.square(centred).sum() == pytest.approx(shares[0], 1e-3)


def test_only_thousands_of_latents_are_sent_without_those_that_are_0():
    few = np.zeros((3, 512), "float32")
    assert _without_dead(few)[0] is few and _without_dead(few)[1] is None
    many = np.zeros((3, 5000), "float32")
    many[1, [7, 4000]] = 0.5, -2.0
    kept, columns = _without_dead(many)
    assert columns.tolist() == [7, 4000] and kept.tolist() == [[0, 0], [0.5, -2.0], [0, 0]]
