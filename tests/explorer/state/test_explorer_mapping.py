"""The state of the map: places, axes, neighbours, level of detail, the view, and what lies under the cursor."""

from dataclasses import replace

import numpy as np
import pytest

from explorer.messages import MapDone, MapPart, leading
from explorer.state import mapping
from explorer.state.mapping import Detail, Pictures, View


def part(latents: np.ndarray, name: str = "picture", folder: str = "/art") -> MapPart:
    n = len(latents)
    thumbnails = np.zeros((n, 8, 8, 3), np.uint8)
    return MapPart(n, n, latents, thumbnails, tuple(f"{name} {i}" for i in range(n)), (folder,) * n)


def test_pictures_keep_their_order_over_the_parts():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 3, 4)).astype("float32")
    pictures = Pictures(4)
    pictures.add(part(first))
    assert len(pictures.latents) == 3
    pictures.add(part(second, name="Later"))
    np.testing.assert_array_equal(pictures.latents, np.concatenate([first, second]))
    assert pictures.names[3] == "Later 0"
    assert pictures.matching("later").tolist() == [False] * 3 + [True] * 3
    assert not pictures.matching("", ["/elsewhere"]).any() and pictures.matching("", ["/art"]).all()


def test_places_on_the_principal_components_are_the_projections(model_info):
    rng = np.random.default_rng(1)
    latents = rng.standard_normal((50, 8)).astype("float32")
    mean = latents.mean(axis=0)
    components = np.linalg.svd(latents - mean, full_matrices=False)[2]
    axes = mapping.axes_of(model_info, MapDone(mean, components, np.linspace(0.3, 0.01, 8)))
    np.testing.assert_allclose(
        mapping.positions(latents, axes[0], axes[1]), ((latents - mean) @ components.T)[:, :2], atol=1e-5
    )
    assert axes[0].label == "1st direction, 30 %"


def test_places_on_raw_dimensions_are_the_latents_by_falling_rate(model_info):
    latents = np.random.default_rng(1).standard_normal((50, 8)).astype("float32")
    raw = [axis for axis in mapping.axes_of(model_info) if axis.label.startswith("latent")]
    assert [axis.label.split(",")[0] for axis in raw][:3] == ["latent 4", "latent 2", "latent 1"]
    np.testing.assert_array_equal(mapping.positions(latents, raw[0], raw[1]), latents[:, [3, 1]])


def test_an_autoencoder_has_no_rates_and_is_ordered_by_spread(model_info):
    plain = replace(model_info, rates=np.full(8, np.nan, "float32"), autoencoder=True)
    raw = [axis.label for axis in mapping.axes_of(plain) if axis.label.startswith("latent")]
    assert raw[0] == "latent 4" and raw[-1] == "latent 8"


@pytest.mark.parametrize("number, word", [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd")])
def test_ordinals(number, word):
    assert mapping.ordinal(number) == word


@pytest.mark.parametrize("measure", mapping.MEASURES)
def test_nearest_pictures_equal_brute_force(measure):
    rng = np.random.default_rng(2)
    latents = (rng.standard_normal((300, 16)) * np.linspace(0.02, 3, 16) + 1).astype("float32")
    scale = mapping.scales(latents, 0.01) if measure == "scaled" else np.ones(16)
    assert measure != "scaled" or scale[0] == 0, "a collapsed dimension is no distance"
    mean = latents.astype(float).mean(axis=0)

    def far(j: int, index: int) -> float:
        one, other = latents[j].astype(float), latents[index].astype(float)
        if measure == "likeness":
            return -float((one - mean) @ (other - mean) / np.linalg.norm(one - mean))
        return float(sum(((one - other) * scale) ** 2))

    for index in (0, 17, 299):
        by_hand = sorted((far(j, index), j) for j in range(300) if j != index)
        assert mapping.nearest(latents, index, 8, measure, active_variance=0.01).tolist() == [j for _, j in by_hand[:8]]


def test_likeness_does_not_favour_pale_pictures():
    latents = np.array([[4, 0], [9, 1], [0.1, 0.3], [-4, 0], [-9.1, -1.3]], np.float32)
    assert mapping.nearest(latents, 0, 1, "likeness", active_variance=0.01).tolist() == [1]
    assert mapping.nearest(latents, 0, 1, "distance", active_variance=0.01).tolist() == [2]


@pytest.mark.parametrize("measure", mapping.MEASURES)
def test_doubles_of_a_picture_are_its_neighbours_and_itself_never_is(measure):
    latents = np.zeros((5, 3), np.float32)
    assert mapping.nearest(latents, 2, measure=measure, active_variance=0.01).tolist() == [0, 1, 3, 4]


def test_zooming_keeps_what_is_under_the_cursor():
    view = View(scale=30, x=1, y=-2, width=800, height=600)
    before = view.to_world(123, 456)
    np.testing.assert_allclose(view.zoomed(3.7, 123, 456).to_world(123, 456), before)
    np.testing.assert_allclose(view.moved(10, 20).to_world(133, 476), before)
    np.testing.assert_allclose(view.to_screen(np.array([before])), [[123, 456]])


def test_fitting_shows_every_picture_within_the_margin():
    places = np.random.default_rng(3).standard_normal((1000, 2)) * (5, 1)
    pixels = View(width=1000, height=700).fitting(places, 40)
    shown = pixels.to_screen(places)
    assert shown.min() >= 40 - 1e-6 and np.all(shown.max(axis=0) <= np.array([960, 660]) + 1e-6)


def test_fitting_a_share_leaves_the_outermost_outside():
    places = np.concatenate([np.random.default_rng(3).uniform(-1, 1, (1000, 2)), [[500, 0], [0, -500]]])
    pixels = View(width=1000, height=700).fitting(places, 40, 0.96).to_screen(places)
    inside = mapping.on_screen(pixels, View(width=1000, height=700), 0)
    assert inside[:1000].mean() >= 0.97 and not inside[1000:].any()


@pytest.mark.parametrize("places", [np.empty((0, 2)), np.zeros((3, 2)), np.full((2, 2), np.nan)])
def test_fitting_nothing_or_one_place_is_no_accident(places):
    view = View(width=100, height=100).fitting(places, 10)
    assert np.isfinite([view.scale, view.x, view.y]).all()
    Detail(places).visible(view, 20, 100)


@pytest.mark.parametrize("spread", [0.001, 1, 1000])
def test_never_more_thumbnails_than_asked_at_any_zoom(spread):
    rng = np.random.default_rng(4)
    detail = Detail(rng.standard_normal((10_000, 2)) * spread)
    fitted = View(width=1000, height=700).fitting(detail.places, 40)
    for zoom in 2.0 ** np.arange(-4, 14):
        view = replace(fitted, x=detail.places[7, 0], y=detail.places[7, 1]).zoomed(zoom, 500, 350)
        side = mapping.thumbnail_side(detail.places, view.scale)
        assert 0 < len(detail.visible(view, side, 300)) <= 300


def test_zooming_in_adds_thumbnails_and_takes_none_away():
    detail = Detail(np.random.default_rng(5).standard_normal((5000, 2)))
    for level in range(-6, 2):
        assert set(detail.chosen(level + 1)) <= set(detail.chosen(level))


def test_thumbnails_grow_as_one_zooms_in():
    places = np.random.default_rng(6).standard_normal((2000, 2))
    sides = [mapping.thumbnail_side(places, scale) for scale in (1, 100, 300, 1000, 10_000)]
    assert sides == sorted(sides) and sides[0] == mapping.SIDES[0] and sides[-1] == mapping.SIDES[-1]


@pytest.mark.parametrize("seed", range(30))
def test_the_cursor_on_a_thumbnail_or_dot_picks_that_picture_at_any_zoom(seed):
    rng = np.random.default_rng(seed)
    detail = Detail(rng.standard_normal((400, 2)) * rng.uniform(0.01, 100))
    view = View(width=900, height=600).fitting(detail.places, 30)
    view = view.zoomed(2.0 ** rng.uniform(-2, 6), rng.uniform(0, 900), rng.uniform(0, 600))
    side = mapping.thumbnail_side(detail.places, view.scale)
    drawn, pixels = detail.visible(view, side, 500), view.to_screen(detail.places)
    for x, y in rng.uniform(0, 600, (50, 2)):
        covering = [i for i in drawn if max(abs(pixels[i] - (x, y))) <= side / 2]
        dots = [i for i in range(400) if np.hypot(*(pixels[i] - (x, y))) <= 6]
        hit = mapping.picked(pixels, drawn, side, x, y)
        if covering:
            assert hit == covering[-1], "the topmost one is seen"
        elif dots:
            assert hit == min(dots, key=lambda i: np.hypot(*(pixels[i] - (x, y))))
        else:
            assert hit is None
    if len(drawn):
        assert mapping.picked(pixels, drawn, side, *pixels[drawn[-1]]) == drawn[-1]


def test_the_largest_folders_are_numbered_by_name_and_the_rest_is_other():
    names, numbers = mapping.folder_names(["/b", "/a", "/b", "/c", "/c", "/c"], most=2)
    assert names == ["/b", "/c"] and numbers.tolist() == [0, -1, 0, 1, 1, 1]
    assert mapping.short_folder("/pictures/monet") == "monet" and mapping.short_folder("") == "no folder"


def test_of_thousands_of_latents_a_map_keeps_those_that_are_not_0_and_gives_back_all(model_info):
    count = 5000
    random = np.random.default_rng(4)
    model = replace(
        model_info, latent_dim=count, rates=np.linspace(3, 0, count).astype("float32"), means=np.zeros(count, "float32")
    )
    pictures = mapping.Pictures(count, leading(model))
    sent = []
    for part in range(3):
        latents = np.zeros((4, count), "float32")
        latents[:, : 700 + part] = random.standard_normal((4, 700 + part)).astype("float16")
        columns = np.flatnonzero(latents.any(axis=0))
        thumbnails, names = np.zeros((4, 2, 2, 3), np.uint8), ("x",) * 4
        pictures.add(MapPart(4, 12, latents[:, columns].astype("float16"), thumbnails, names, names, columns))
        sent.append(latents)
    sent = np.concatenate(sent)
    np.testing.assert_array_equal(pictures.latents, sent[:, :512])
    for index in range(12):
        np.testing.assert_array_equal(pictures.whole(index), sent[index])


def test_a_map_offers_the_most_telling_dimensions_and_no_more(model_info):
    rates = np.random.default_rng(5).random(5000).astype("float32")
    even = np.ones((2, 5000), "float32")
    model = replace(model_info, latent_dim=5000, rates=rates, spreads=even[0], means=0 * even[0], directions=even)
    axes = mapping.axes_of(replace(model, direction_spreads=even[0, :2]))
    assert len(axes) == 2 + 48
    strongest = np.argsort(-rates)[:48]
    assert [axis.label for axis in axes[2:]] == [f"latent {j + 1}, {rates[j]:.2g} nats" for j in strongest]
    latents = np.arange(5000, dtype="float32")[None]
    assert [axis.places(latents[:, leading(model)])[0] for axis in axes[2:]] == strongest.tolist()
