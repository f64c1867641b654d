"""The sheet of one run, judged by its pixels."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from kvae.figures import Limit, draw_run
from kvae.figures.curves import peaks
from kvae.figures.run import LEFT, _caption, _Layout
from kvae.figures.sheet import Sheet

BLACK, BLUE, ORANGE, GREEN = (0, 0, 0), (0, 0x72, 0xB2), (0xE6, 0x9F, 0), (0, 0x9E, 0x73)
CURVES = slice(0, 600)  # rows of the sheet above the pictures, at scale 1


def history(epochs=6, beta=0.1, rate=60.0):
    e = np.arange(1, epochs + 1)
    columns = {"epoch": e, "step": 10 * e, "seconds": 3.0 * e, "distortion": 90 + 200 / e, "rate": rate * (1 - 0.5 / e)}
    columns["kl_weight"] = np.full(epochs, beta)
    columns["loss"] = columns["distortion"] + beta * columns["rate"]
    held_out = {f"val_{key}": 1.1 * columns[key] for key in ("distortion", "rate", "loss")}
    return {key: [float(v) for v in values] for key, values in {**columns, **held_out}.items()}


def pictures(count=10, channels=3, side=16):
    return np.random.default_rng(1).integers(60, 200, (count, side, side, channels), dtype=np.uint8)


def drawn(path, **changes):
    arguments = {
        "title": "a run", "history": history(), "steps": {}, "limit": None, "originals": pictures(),
        "reconstructions": pictures(), "samples": pictures(), "latent_dim": 8, "scale": 1,
    }  # fmt: skip
    draw_run(path, **{**arguments, **changes})
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def amount(sheet, color):
    return int((sheet == color).all(axis=-1).sum())


def test_every_quantity_has_its_colour(tmp_path):
    sheet = drawn(tmp_path / "art.png", limit=Limit(90, 50, 95, 5, 8))
    assert all(amount(sheet[CURVES], color) > 200 for color in (BLACK, BLUE, ORANGE, GREEN))
    assert not any(amount(sheet[CURVES], color) for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255)))
    assert 1200 < sheet.shape[1] < 1800 and sheet.shape[0] < 2000


def test_a_red_picture_is_a_sharp_red_block_of_whole_magnification(tmp_path):
    originals = pictures()
    originals[3] = (255, 0, 0)
    sheet = drawn(tmp_path / "art.png", originals=originals)
    rows, columns = np.nonzero((sheet == (255, 0, 0)).all(axis=-1))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert height == width and width % 16 == 0 and width >= 96
    assert len(rows) == height * width  # nothing smoothed at the edges, nothing anywhere else


def test_a_reconstruction_stands_exactly_below_its_original(tmp_path):
    originals, reconstructions = pictures(), pictures()
    originals[5], reconstructions[5] = (255, 0, 0), (0, 255, 0)
    sheet = drawn(tmp_path / "art.png", originals=originals, reconstructions=reconstructions)
    (_, red), (_, green) = (np.nonzero((sheet == c).all(axis=-1)) for c in ((255, 0, 0), (0, 255, 0)))
    assert red.min() == green.min() and red.max() == green.max()


def test_pictures_end_where_the_axes_end(tmp_path):
    white = np.full((12, 16, 16, 3), 9, np.uint8)
    sheet = drawn(tmp_path / "art.png", originals=white, reconstructions=white, samples=None)
    columns = np.nonzero((sheet == 9).all(axis=-1))[1]
    green = np.nonzero((sheet[150 : CURVES.stop] == GREEN).all(axis=-1))[1]  # the line of a constant weight
    assert columns.min() == 96 and np.abs(green - columns.max()).min() <= 2


def test_the_row_of_in_betweens_has_both_its_ends_and_each_picture_once(tmp_path):
    between = np.stack([np.full((16, 16, 3), (10 * place, 250, 9), np.uint8) for place in range(1, 22)])
    sheet = drawn(tmp_path / "art.png", between=between)
    tops = np.nonzero((sheet == (10, 250, 9)).all(axis=-1))[0]
    row = sheet[tops.min() + 8]
    shown = [place for place in range(1, 22) if (row == (10 * place, 250, 9)).all(axis=-1).any()]
    assert shown[0] == 1 and shown[-1] == 21 and 8 <= len(shown) <= 12
    steps = np.diff(shown)
    assert steps.max() - steps.min() <= 1, "as evenly as the given steps allow"


def test_an_autoencoder_draws_without_a_rate(tmp_path):
    sheet = drawn(tmp_path / "art.png", history=history(beta=0.0, rate=0.0), samples=None)
    assert amount(sheet[CURVES], BLUE) > 200
    assert amount(sheet, ORANGE) == 0 and amount(sheet, GREEN) == 0


def test_columns_may_be_missing(tmp_path):
    only = {key: history()[key] for key in ("epoch", "distortion")}
    assert amount(drawn(tmp_path / "art.png", history=only, samples=None), BLUE) > 200


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_a_run_that_diverged_still_draws(tmp_path, bad):
    broken = {
        key: [*values[:3], *[bad] * 3] if "st" in key or "ss" in key else values for key, values in history().items()
    }
    broken["step"] = history()["step"]
    drawn(tmp_path / "art.png", history=broken)
    drawn(tmp_path / "art.png", history={key: [bad] * 2 for key in ("distortion", "rate", "kl_weight", "loss")})


def test_one_epoch_is_a_point_and_needs_no_steps(tmp_path):
    sheet = drawn(tmp_path / "art.png", history=history(epochs=1))
    assert amount(sheet[150 : CURVES.stop], BLUE) > 20


def test_no_epoch_yet_is_an_empty_frame(tmp_path):
    drawn(tmp_path / "art.png", history={}, samples=None)


def test_the_weight_may_move_over_decades(tmp_path):
    moving = {**history(), "kl_weight": [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 2.0]}
    assert amount(drawn(tmp_path / "art.png", history=moving)[CURVES], GREEN) > 200


def test_twenty_thousand_steps_are_thinned_and_keep_their_peaks(tmp_path):
    x = np.arange(20_000.0)
    y = np.ones_like(x)
    y[12_345] = 99
    xs, ys = peaks(x, y)
    assert len(xs) <= 3000 and ys.max() == 99 and xs[ys.argmax()] == 12_345 and (np.diff(xs) > 0).all()
    steps = {
        "step": list(x / 400),
        "distortion": list(100 * y),
        "rate": list(y),
        "kl_weight": list(y),
        "loss": list(101 * y),
    }
    drawn(tmp_path / "art.png", steps=steps)


def test_grey_few_large_and_oddly_named_pictures_draw(tmp_path):
    grey = pictures(2, channels=1)
    title = "5 $ and 6 $ \\frac <b> \x1b[2J"
    drawn(tmp_path / "a.png", originals=grey, reconstructions=grey, samples=grey[:1], title=title)
    large = pictures(1, side=600)
    assert drawn(tmp_path / "b.png", originals=large, reconstructions=large, samples=None).shape[1] < 4000


def test_pictures_that_do_not_belong_together_are_refused(tmp_path):
    with pytest.raises(ValueError, match="same pictures"):
        drawn(tmp_path / "art.png", originals=pictures(side=8))
    assert not list(tmp_path.iterdir())


def test_threads_draw_the_same_sheet_as_one(tmp_path):
    alone = drawn(tmp_path / "alone.png")
    with ThreadPoolExecutor(2) as pool:
        for sheet in pool.map(lambda name: drawn(tmp_path / name), ("a.png", "b.png")):
            np.testing.assert_array_equal(sheet, alone)


def test_importing_the_figures_loads_nothing_and_drawing_loads_no_pyplot():
    code = (
        "import sys, kvae.figures; assert not {'matplotlib', 'numpy', 'jinja2'} & set(sys.modules);"
        "from kvae.figures import draw_run, draw_sweep; loaded = set(sys.modules);"
        "assert not {'matplotlib.pyplot', 'keras', 'tensorflow'} & loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_numbers_at_the_foot_never_run_into_each_other_and_end_within_the_sheet():
    told = {**history(beta=0.0123, rate=20_000.0), "gradient_share": [0.97], "gradient_cosine": [-0.987654]}
    layout, sheet = _Layout(pictures(), pictures(), 2), Sheet(1500, 1400)
    _caption(sheet, layout, told, 64 * 64 * 3, 1024, 1024, 12.345)
    boxes = [text.get_window_extent(sheet.canvas.get_renderer()) for text in sheet.figure.texts]
    assert len(boxes) > 16
    assert not any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])
    assert max(box.x1 for box in boxes) <= sheet.scale * (LEFT + layout.content) + 1
