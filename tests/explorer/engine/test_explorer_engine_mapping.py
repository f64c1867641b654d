"""What the engine adds up for a map while the pictures come in parts, and the posteriors it reads."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from explorer.engine.mapping import Codes, _without_dead, read_independence, read_posteriors
from explorer.messages import ReadIndependence, ReadPosteriors, leading
from kvae.images.paintings import MANNERS


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


class Asked:
    """A job that keeps what it is answered."""

    def __init__(self, content):
        self.content, self.answers, self.piece = content, [], nullcontext

    def reply(self, content, last=False):
        self.answers.append((content, last))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    import kvae
    from explorer.engine.models import Loaded

    pictures = kvae.open_collection(count=20, size=16).read(range(20))
    path = tmp_path_factory.mktemp("two") / "two.keras"
    kvae.train(pictures, output=path, size=16, latent_dim=2, kl_weight=(0.01, 1.0), network="linear")
    return Loaded(str(path), kvae.load(path))


def test_posteriors_at_each_weight_are_those_of_the_model_there(loaded):
    job = Asked(ReadPosteriors((0.1, 1.0, 0.01)))
    read_posteriors(job, loaded)
    assert [(part.kl_weight, last) for part, last in job.answers] == [(0.1, False), (1.0, False), (0.01, True)]
    for part, _ in job.answers:
        loaded.model.kl_weight = part.kl_weight
        mean, log_var = loaded.model.encode(loaded.info.thumbnails)
        np.testing.assert_allclose(part.means, mean, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(np.diagonal(part.covariances, axis1=1, axis2=2), np.exp(log_var), rtol=1e-3)
        assert len(part.labels) == len(mean) and "that the model keeps" in part.note  # an array is nowhere to be read


@pytest.mark.parametrize("weight", [1.0, 0.02])
def test_what_independence_costs_is_what_kvae_measures_of_the_pictures_that_the_model_keeps(loaded, weight):
    import kvae

    job = Asked(ReadIndependence(weight))
    read_independence(job, loaded)
    ((told, last),) = job.answers
    found = kvae.measure(loaded.model, loaded.info.thumbnails, kl_weights=[weight]).at[0]
    assert last and told.kl_weight == weight and told.saved == found.tilt == 0.0
    assert told.cost == pytest.approx(found.independence, rel=0.02, abs=1e-3)
    assert told.rate == pytest.approx(found.rate, rel=1e-3)


def test_a_model_without_a_plane_is_refused_in_a_sentence(loaded, model_info):
    with pytest.raises(ValueError, match="needs two latents"):
        read_posteriors(Asked(ReadPosteriors((0.1,))), SimpleNamespace(info=model_info))


def test_posteriors_that_are_no_numbers_are_refused_in_a_sentence(loaded):
    def broken(pictures, weight, piece):
        return np.full((len(pictures), 2), np.nan), np.ones((len(pictures), 2, 2))

    with pytest.raises(ValueError, match="no numbers at KL weight 0.1"):
        read_posteriors(Asked(ReadPosteriors((0.1,))), SimpleNamespace(info=loaded.info, posteriors=broken))


def test_the_paintings_are_labelled_by_their_manner_and_at_most_as_many_are_read_as_asked(loaded):
    info = replace(loaded.info, settings={**loaded.info.settings, "data": "paintings"})
    job = Asked(ReadPosteriors((0.1,), most=15))
    read_posteriors(job, SimpleNamespace(info=info, posteriors=loaded.posteriors))
    (part, last) = job.answers[-1]
    assert last and len(part.labels) == len(part.means) == 15 and set(part.labels) <= set(MANNERS)
