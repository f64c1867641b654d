"""The sweep's sheet by its pixels, and its page by what a reader finds on it."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from kvae.figures import LimitCurve, Part, SweepRun, draw_sweep
from kvae.figures.groups import GROUPS, WIDTH, arrange
from kvae.figures.panels import draw_plane
from kvae.figures.sheet import LIGHT, Sheet

SIDE = 16
MARKS = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]  # one pure colour for each row of pictures


def history(distortion, rate, beta):
    d, r, b = distortion + 100 / np.arange(1, 6), np.full(5, rate), np.full(5, beta)
    columns = {"step": 10 * np.arange(1, 6), "distortion": d, "rate": r, "kl_weight": b, "loss": d + b * r}
    return {key: [float(v) for v in values] for key, values in columns.items()}


def made(name, beta, distortion, rate, mark=None, *, limit=False, **more):
    images = None if mark is None else np.full((9, SIDE, SIDE, 3), mark, np.uint8)
    return SweepRun(
        name=name, kl_weight=beta, distortion=distortion, rate=rate, loss=distortion + (beta or 0) * (rate or 0),
        psnr=21.25, active=5, latent_dim=8, sigma=math.sqrt((beta or 0) / 2), calibrated=0.0314,
        seconds=None if limit else 125.0, history={} if limit else history(distortion, rate or 0.0, beta or 0.0),
        reconstructions=images, model=f"models/{beta}.keras", gaussian_limit=limit, **more,
    )  # fmt: skip


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    runs = [
        made("Gaussian limit, β=0.1", 0.1, 123.4, 77.7, limit=True),  # out of place: it belongs at the end
        made("KL weight 1", 1.0, 223.1, 12.3, MARKS[0]),
        made("<script>alert('x')</script> & $5$", 0.1, 111.9, 88.8, MARKS[1]),
        made("plain autoencoder", None, 99.5, None, MARKS[2]),
    ]
    rates = np.linspace(0, 200, 50)
    limit = LimitCurve(300 * np.exp(-rates / 90), rates, 768, LimitCurve(200 + 0 * rates, rates, 8))
    part = Part("nine <b>pictures</b>", runs, np.full((9, SIDE, SIDE, 3), 128, np.uint8), limit)
    draw_sweep(folder / "sweep.png", folder / "sweep.html", [part], scale=1)
    with Image.open(folder / "sweep.png") as picture:
        return np.asarray(picture.convert("RGB")), (folder / "sweep.html").read_text("utf-8")


class Reader(HTMLParser):
    """The page as a list of its tags and the text that a reader sees."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "source", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text += data


def test_each_run_has_its_row_of_pictures_in_line_with_the_others(sweep):
    sheet, _ = sweep
    found = [np.nonzero((sheet == mark).all(axis=-1)) for mark in MARKS]
    assert [len(rows) for rows, _ in found] == [len(found[0][0])] * 3 and len(found[0][0]) > 9 * 96**2
    assert len({(columns.min(), columns.max()) for _, columns in found}) == 1
    assert found[0][0].max() < found[1][0].min() < found[1][0].max() < found[2][0].min()


def test_the_sheet_shows_every_quantity_in_its_colour(sweep):
    for color in ((0, 0, 0), (0, 0x72, 0xB2), (0xE6, 0x9F, 0), (0, 0x9E, 0x73)):
        assert (sweep[0] == color).all(axis=-1).sum() > 60


def test_the_page_is_well_formed_and_needs_nothing_else(sweep):
    reader = Reader(sweep[1])
    assert reader.open == []
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r'data:image/[a-z+]*;base64,[^"]*', "", sweep[1]))
    assert not {"link", "iframe"} & {tag for tag, _ in reader.tags}
    assert [a for tag, a in reader.tags if tag == "script"] == [{}], "the one that sorts the tables"
    images = [a["src"] for tag, a in reader.tags if tag == "img"] + [
        a["srcset"] for tag, a in reader.tags if tag == "source"
    ]
    assert len(images) >= 4 * 8 + 4
    kinds = [re.match("data:image/([a-z+]*);base64,", image)[1] for image in images]
    assert set(kinds) == {"png", "svg+xml"} and kinds.count("svg+xml") == 4, "two charts in two appearances"
    assert "prefers-color-scheme: dark" in sweep[1]


def test_the_page_escapes_what_users_wrote(sweep):
    assert sweep[1].count("<script") == 1 and "&lt;script&gt;" in sweep[1] and "<b>" not in sweep[1]
    text = Reader(sweep[1]).text
    assert "<script>alert('x')</script> & $5$" in text and "nine <b>pictures</b>" in text


def test_the_page_holds_every_run_and_figure(sweep):
    text = Reader(sweep[1]).text
    for shown in (
        "KL weight 1",
        "plain autoencoder",
        "Gaussian limit, β=0.1",
        "223.1",
        "12.3",
        "111.9",
        "88.8",
        "99.5",
    ):
        assert shown in text
    for shown in ("123.4", "21.2", "5 of 8", "0.707", "0.224", "0.0314", "2 min 5 s", "models/0.1.keras", "8.9"):
        assert shown in text
    assert "KL weight 0.1 rebuilds the pictures best" in text


def test_gaussian_limits_stand_last_and_apart(sweep):
    table = sweep[1].split("<table>")[1].split("</table>")[0]
    trained, limits = table.split("<tbody>")[1:]
    assert "Gaussian limit" in limits and "Gaussian limit" not in trained and "plain autoencoder" in trained


def test_every_column_is_explained(sweep):
    explained = {a["title"].split(":")[0] for tag, a in Reader(sweep[1]).tags if tag == "abbr"}
    assert {"distortion", "rate", "weighted rate", "loss", "active dimensions", "decoder noise"} <= explained


def test_a_diverged_run_and_a_lone_run_draw(tmp_path):
    originals = np.full((1, 8, 12, 1), 128, np.uint8)
    lost = made("lost", 0.1, math.nan, math.nan)
    for runs in ([lost], [made("one", 0.1, 50.0, 0.0)], [made("one", 1.0, 50.0, 5.0), lost]):
        draw_sweep(tmp_path / "a.png", tmp_path / "a.html", [Part("", runs, originals)], scale=1)
        assert "<h1>" in (tmp_path / "a.html").read_text("utf-8")


def test_pictures_of_another_size_are_refused(tmp_path):
    with pytest.raises(ValueError, match="KL weight 1"):
        part = Part("", [made("KL weight 1", 1.0, 9.0, 1.0, (1, 1, 1))], np.zeros((1, 8, 8, 3), np.uint8))
        draw_sweep(tmp_path / "a.png", tmp_path / "a.html", [part])


def test_names_on_the_plane_do_not_cover_each_other():
    sheet = Sheet(700, 460, scale=1)
    axes = sheet.axes(80, 20, 600, 380)
    runs = [made(f"KL weight {1 + i / 100}", 1 + i / 100, 100.0 + i / 10, 50.0 + i / 10) for i in range(4)]
    draw_plane(axes, [*runs, made("far", 0.01, 20.0, 200.0)], None, LIGHT)
    boxes = [text.get_window_extent(sheet.canvas.get_renderer()) for text in axes.texts]
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def shades(count, level):
    """Green pictures that are told apart by their red: uint8 (count, SIDE, SIDE, 3)."""
    return np.stack([np.full((SIDE, SIDE, 3), (level + place, 250, 9), np.uint8) for place in range(count)])


def test_samples_and_in_betweens_stand_beside_the_reconstructions_of_their_run(tmp_path):
    runs = [
        made("KL weight 1", 1.0, 223.1, 12.3, MARKS[0], samples=shades(22, 10), between=shades(21, 40)),
        made("plain autoencoder", None, 99.5, None, MARKS[1], samples=shades(22, 70), between=shades(21, 100)),
    ]
    draw_sweep(tmp_path / "a.png", tmp_path / "a.html", [Part("", runs, shades(9, 200))], scale=1)
    sheet = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    for mark, samples, between in ((MARKS[0], 10, 40), (MARKS[1], 70, 100)):
        top = np.nonzero((sheet == mark).all(axis=-1))[0].min()
        row = sheet[top + 5]
        kinds = mark, (samples, 250, 9), (between, 250, 9)
        lefts = [np.nonzero((row == color).all(axis=-1))[0].min() for color in kinds]
        assert lefts == sorted(lefts)
        assert (row == (between + 20, 250, 9)).all(axis=-1).any(), "the end of the way is there"
        # the first samples, one after the other: the same points of the prior in each run
        assert [(row == (samples + place, 250, 9)).all(axis=-1).any() for place in range(4)] == [True] * 4
    text = Reader((tmp_path / "a.html").read_text("utf-8")).text
    assert "the same points for every weight" in text and "A plain autoencoder has no prior" in text


@pytest.mark.parametrize("kind", ["reconstructions", "samples", "between"])
def test_pictures_of_every_kind_must_have_the_size_of_the_originals(tmp_path, kind):
    run = made("KL weight 1", 1.0, 9.0, 1.0)
    run = replace(run, **{kind: shades(9, 1)})
    with pytest.raises(ValueError, match="must be of the size of `originals`"):
        part = Part("", [run], np.zeros((1, 8, 8, 3), np.uint8))
        draw_sweep(tmp_path / "a.png", tmp_path / "a.html", [part])


@pytest.mark.parametrize("shape", [(64, 64), (28, 28), (128, 128), (96, 64), (600, 400), (16, 200)])
@pytest.mark.parametrize("groups", [GROUPS[:1], GROUPS[:2], GROUPS])
def test_rows_hold_whole_pixels_and_fill_the_width(shape, groups):
    rows = arrange(np.zeros((11, *shape, 3), np.uint8), groups, 2)
    assert rows.factor >= 1 and 4 <= rows.columns <= 12 and 0.7 * WIDTH < rows.width <= WIDTH
