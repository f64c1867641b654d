"""The sheet of one model for a range of weights."""

import math

import numpy as np
import pytest
from PIL import Image

from kvae.figures import LimitCurve, SweepRun, draw_range
from kvae.figures.groups import strip
from kvae.figures.range import _spread, draw_curve, draw_losses
from kvae.figures.sheet import DARK, LIGHT, Sheet

WEIGHTS = (1.0, 0.1, 0.01)
SIDE = 16


def made(weight, *, limit=False, level=0):
    rate, distortion = 40 * weight**-0.5, 200 * weight**0.4 * (1.1 if limit else 1)
    shades = [None] * 3
    if not limit:
        shades = [np.full((n, SIDE, SIDE, 3), (level + i, 250, 0), np.uint8) for i, n in enumerate((6, 22, 21))]
    return SweepRun(
        name=f"KL weight {weight:g}", kl_weight=weight, distortion=distortion, rate=rate,
        loss=distortion + weight * rate, psnr=math.nan, active=None, latent_dim=8, sigma=math.sqrt(weight / 2),
        calibrated=2 * distortion / 1000, gaussian_limit=limit,
        **dict(zip(("reconstructions", "samples", "between"), shades, strict=True)),
    )  # fmt: skip


RUNS = [made(weight, level=20 + 10 * place) for place, weight in enumerate(WEIGHTS)]
LIMITS = [made(weight, limit=True) for weight in WEIGHTS]
HISTORY = {"step": [10.0, 20.0, 30.0]} | {
    f"val_loss_at_{run.kl_weight:g}": [run.loss * factor for factor in (1.2, 1.1, 1.0)] for run in RUNS
}


def drawn(path, **changes):
    arguments = {
        "title": "a range", "history": HISTORY, "originals": np.full((6, SIDE, SIDE, 3), 9, np.uint8),
        "limit_curve": LimitCurve(np.linspace(300, 20, 40), np.linspace(1, 900, 40)), "scale": 1,
        "history_limits": {run.kl_weight: run.loss for run in LIMITS},
    }  # fmt: skip
    draw_range(path, [*LIMITS, *RUNS], **{**arguments, **changes})
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_each_weight_has_its_row_of_every_kind_of_picture_the_largest_first(tmp_path, theme):
    sheet = drawn(tmp_path / "a.png", theme=theme)
    tops = []
    for place in range(3):
        kinds = [np.nonzero((sheet == (20 + 10 * place + kind, 250, 0)).all(axis=-1)) for kind in range(3)]
        assert len({rows.min() for rows, _ in kinds}) == 1
        lefts = [columns.min() for _, columns in kinds]
        assert lefts == sorted(lefts)
        tops.append(kinds[0][0].min())
    assert tops == sorted(tops)


def test_the_losses_drawn_are_those_of_the_history_over_the_gaussian_limit(tmp_path):
    sheet = Sheet(700, 500, scale=1)
    axes = sheet.axes(80, 20, 500, 400)
    limits = {run.kl_weight: run.loss for run in LIMITS}
    draw_losses(sheet, axes, HISTORY, limits)
    curves = [line for line in axes.lines if len(line.get_xdata()) == 3]
    for run, line in zip(RUNS, curves, strict=True):
        told = np.array(HISTORY[f"val_loss_at_{run.kl_weight:g}"]) / limits[run.kl_weight]
        np.testing.assert_allclose(line.get_ydata(), told)
        np.testing.assert_array_equal(line.get_xdata(), HISTORY["step"])


def test_the_curve_drawn_joins_the_numbers_given_and_marks_the_calibrated_weight():
    sheet = Sheet(700, 500, scale=1)
    axes = sheet.axes(80, 20, 500, 400)
    draw_curve(axes, [*RUNS, *LIMITS], LimitCurve(np.linspace(300, 20, 40), np.linspace(1, 900, 40)), LIGHT)
    given = np.array(sorted((run.rate, run.distortion) for run in RUNS))
    assert any(np.array_equal(line.get_xydata(), given) for line in axes.lines)
    mark = next(line.get_xydata() for line in axes.lines if line.get_marker() == "D")
    words = next(text.get_text() for text in axes.texts if "β*" in text.get_text())
    assert float(words.split()[1]) == pytest.approx(2 * mark[0, 1] / 1000, rel=1e-2)
    boxes = [text.get_window_extent(sheet.canvas.get_renderer()) for text in axes.texts]
    assert len(boxes) == 4 and not any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])


def test_one_epoch_none_and_a_lost_one_draw(tmp_path):
    drawn(tmp_path / "a.png", history={key: values[:1] for key, values in HISTORY.items()})
    drawn(tmp_path / "b.png", history={})
    drawn(tmp_path / "c.png", history={key: [None, *values[1:]] for key, values in HISTORY.items()})


@pytest.mark.parametrize("wanted", [[0.0, 0.0, 0.0], [0.0, 5.0, 5.1, 9.0], [1.0], []])
def test_names_that_are_too_close_are_spread_and_keep_their_order(wanted):
    placed = _spread(np.array(wanted), 1.0)
    assert (np.diff(placed) >= 1 - 1e-9).all()
    assert np.abs(placed - wanted).max(initial=0) <= 1.0 + 1e-9


def test_no_strip_is_wider_than_its_columns():
    assert strip(np.zeros((9, 4, 5, 3), np.uint8), 4, 2, 3, LIGHT).shape == (8, 4 * 10 + 9, 3)
