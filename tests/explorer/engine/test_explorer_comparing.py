"""What Compare shows of a model: samples of one set of points, in-betweens, and each weight of a range."""

import contextlib

import numpy as np
import pytest

import kvae
from explorer.engine.cards import model_info
from explorer.engine.comparing import _compared, _Pictures, prior_points
from explorer.engine.models import Loaded
from explorer.messages import Compare
from kvae.model.vae import VAE
from kvae.training.artifacts import decoded_path
from kvae.weighting.conversions import bits_per_dimension


class Quick:
    """A job that nobody interrupts."""

    @contextlib.contextmanager
    def piece(self):
        yield


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return kvae.open_collection(count=40, size=16).read(range(40))


@pytest.fixture(scope="module")
def loaded(pictures, tmp_path_factory):
    """A model of a range in closed form, and one of a single weight and an autoencoder, as the engine holds them."""
    folder, found = tmp_path_factory.mktemp("compared"), {}
    for name, settings in {
        "range": {"kl_weight": (0.01, 1.0)}, "one": {"kl_weight": 0.1}, "plain": {"autoencoder": True},
    }.items():  # fmt: skip
        model = VAE(image_shape=(16, 16, 3), widths=(8, 8), latent_dim=40, **settings)
        model.adapt(pictures)
        found[name] = Loaded(str(folder / f"{name}.keras"), model)
    return found


@pytest.fixture(scope="module")
def rows(loaded, pictures):
    return {name: _compared(Quick(), one, one.path, pictures[:5]) for name, one in loaded.items()}


def close(ours, theirs) -> bool:
    return np.abs(ours.astype(int) - np.rint(np.clip(theirs, 0, 1) * 255).astype(int)).max() <= 1


def test_a_model_of_a_range_is_measured_at_several_weights_as_kvae_measures_it(loaded, rows, pictures):
    model = loaded["range"].model
    found = rows["range"].weights
    assert [row.kl_weight for row in found] == list(reversed(model.weight_range.reported))
    for row in (found[0], found[-1]):
        alone = model.at(row.kl_weight)
        distortion, rate, _ = model.terms_at(pictures[:5] / np.float32(255), row.kl_weight)
        assert row.distortion == pytest.approx(float(np.mean(distortion)), rel=1e-4)
        assert row.rate == pytest.approx(float(np.mean(rate)), rel=1e-4)
        assert close(row.images, alone.reconstruct(pictures[:5]))
        assert close(row.samples, alone.decode(prior_points(5, 40)))
    assert found[0].distortion > found[-1].distortion and found[0].rate < found[-1].rate
    assert model.beta == 0.1, "it stands where it stood"


def test_bits_and_the_length_of_decoded_ways_are_those_that_kvae_measures(loaded, rows, pictures):
    at = rows["range"].weights[-1]
    alone = loaded["range"].model.at(at.kl_weight)
    assert at.decoded_path == pytest.approx(decoded_path(alone, pictures[:5]), rel=1e-3)
    assert at.decoded_path >= 1 and rows["plain"].decoded_path >= 1
    assert at.bits == pytest.approx(bits_per_dimension(at.distortion, at.rate, 16 * 16 * 3))
    assert rows["plain"].bits is None


def test_only_a_model_of_a_range_has_several_rows(rows):
    assert rows["one"].weights == rows["plain"].weights == ()
    assert rows["one"].active is not None and all(row.active is None for row in rows["range"].weights)


@pytest.mark.parametrize("name", ["range", "one", "plain"])
def test_the_ends_of_in_betweens_are_the_reconstructions_of_the_first_and_the_last(rows, name):
    for row in (rows[name], *rows[name].weights):
        ends = row.images[[0, -1]].astype(int)
        assert np.abs(row.between[[0, -1]].astype(int) - ends).max() <= 1 and len(row.between) == 5


def test_every_model_draws_its_samples_from_the_same_points(loaded, rows):
    for name in ("one", "plain"):
        assert close(rows[name].samples, loaded[name].model.decode(prior_points(5, 40)))


@pytest.mark.parametrize("fewer", [1, 7])
def test_a_model_of_fewer_latents_draws_from_the_first_coordinates_of_the_same_points(fewer):
    np.testing.assert_array_equal(prior_points(3, fewer), prior_points(5, 40)[:3, :fewer])
    points = prior_points(400, 40)
    assert abs(points.mean()) < 0.03 and abs(points.std() - 1) < 0.03
    assert len(np.unique(points[:, 0])) == 400


def test_one_picture_alone_is_its_own_way(loaded, pictures):
    one = loaded["one"]
    row = _compared(Quick(), one, one.path, pictures[:1])
    np.testing.assert_array_equal(row.between, row.images)


# ---------------------------------------------------------------------- who has learned from them


def _told(name: str, data: str, manifest: str = "m", validation: float = 0.1, size: int = 16):
    """What the engine knows of a model that learned from `data`."""
    card = {"settings": {"data": data, "validation": validation}, "collection": {"manifest_hash": manifest}}
    config = {"image_shape": (size, size, 3), "latent_dim": 4, "kl_weight": 0.1}
    return model_info(f"/m/{name}.keras", config, card)


@pytest.mark.parametrize(
    ("data", "manifest", "validation", "size", "learned"),
    [
        ("/art", "m", 0.1, 16, ""),
        ("/art", "m", 0.1, 32, ""),  # the digest of a file is the same at every size
        ("/art", "n", 0.1, 16, ""),  # pictures came and went: each keeps its side
        ("/art", "m", 0.2, 16, ""),  # held out more
        ("/art", "m", 0.05, 16, "may"),
        ("/copy of art", "m", 0.1, 16, ""),
        ("/copy of art", "m", 0.05, 16, "may"),
        ("/birds", "b", 0.1, 16, "other"),
        ("paintings", "p", 0.1, 16, "other"),
    ],
)
def test_which_rows_may_have_learned_from_the_held_out_pictures(data, manifest, validation, size, learned):
    pictures = _Pictures(Quick(), Compare(("a", "b")))
    pictures._source = _told("a", "/art")
    assert pictures.learned(pictures._source) == ""
    assert pictures.learned(_told("b", data, manifest, validation, size)) == learned


def test_paintings_of_another_size_have_other_sides():
    pictures = _Pictures(Quick(), Compare(("a", "b")))
    pictures._source = _told("a", "paintings")
    assert pictures.learned(_told("b", "paintings")) == ""
    assert pictures.learned(_told("b", "paintings", "of 32 pixels", size=32)) == "may"


def test_of_a_model_whose_file_tells_nothing_nothing_is_known():
    pictures = _Pictures(Quick(), Compare(("a",)))
    pictures._source = _told("a", "/art")
    assert pictures.learned(
        model_info("/m/b.keras", {"image_shape": (16, 16, 3), "latent_dim": 4, "kl_weight": 1.0}, {})
    )


def test_pictures_of_ones_own_may_be_among_those_that_a_model_learned_from():
    pictures = _Pictures(Quick(), Compare(("a",), pictures=("/art/old/me.png",)))
    assert pictures.learned(_told("a", "/art")) == "may"
    assert pictures.learned(_told("a", "/art/new")) == pictures.learned(_told("a", "/ar")) == ""
    assert pictures.learned(_told("a", "paintings")) == ""


@pytest.mark.parametrize("name", ["range", "one", "plain"])
def test_every_picture_of_a_row_comes_of_the_code_that_is_sent_with_it(name, rows, loaded):
    whole = rows[name]
    for row in (whole, *whole.weights):
        assert row.digest == loaded[name].info.digest
        for kind in ("images", "samples", "between"):
            shown = loaded[name].decode(row.codes[kind], row.kl_weight)
            assert np.abs(shown.astype(int) - getattr(row, kind)).max() <= 1, kind
