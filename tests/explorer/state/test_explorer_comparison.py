"""The state of a comparison: order, answers, words, files, layout."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest

from explorer.messages import Compare, Compared, Originals
from explorer.state import comparison
from explorer.state.comparison import Comparison

IMAGES = np.zeros((2, 4, 4, 3), np.uint8)


def row(path: str, **more) -> Compared:
    values = {"kl_weight": 0.1, "distortion": 196.23, "rate": 221.4, "psnr": 17.31, "active": 128, "latent_dim": 128}
    return Compared(path, path.removesuffix(".keras"), IMAGES, **{**values, **more})


def test_a_model_is_compared_once_and_in_the_order_added():
    state = Comparison().with_models(["a.keras", "b.keras"]).with_models(["a.keras", "c.keras"])
    assert state.models == ("a.keras", "b.keras", "c.keras")
    assert state.question() == Compare(("a.keras", "b.keras", "c.keras"), (), 8)


@pytest.mark.parametrize("by, order", [(-1, "bac"), (1, "acb"), (-9, "bac"), (9, "acb")])
def test_a_model_moves_up_and_down_as_far_as_it_goes(by, order):
    assert "".join(Comparison(tuple("abc")).moved("b", by).models) == order


def test_rows_stay_while_the_originals_are_the_same_and_go_when_they_change():
    state = Comparison(("a.keras",)).answered(Originals(IMAGES)).answered(row("a.keras"))
    assert "a.keras" in state.answered(Originals(IMAGES.copy())).rows
    assert not state.answered(Originals(IMAGES + 1)).rows


def test_a_failure_of_the_whole_question_is_told_in_every_row_without_an_answer():
    state = Comparison(("a.keras", "b.keras")).answered(row("a.keras")).failed("The engine ended.", ["a.keras"])
    assert not state.rows["a.keras"].failure
    assert state.rows["b.keras"].failure == "The engine ended."
    again = state.answered(Originals(IMAGES)).answered(Originals(IMAGES))
    assert not again.rows, "what failed is tried again"


def test_the_numbers_read_as_in_the_question():
    assert comparison.numbers(row("a.keras")) == "D 196.2 · R 221 nats · PSNR 17.3 dB · 128 of 128 active"
    assert comparison.numbers(row("a.keras", bits=4.3219, decoded_path=1.0632)).endswith(
        " · 128 of 128 active · 4.32 bits per value · path 1.06"
    )
    assert comparison.weight_words(row("a.keras")) == "KL weight 0.1 · σ 0.224"


def test_a_plain_autoencoder_has_neither_rate_nor_weight():
    plain = row("a.keras", autoencoder=True, rate=None, kl_weight=0.0)
    assert "nats" not in comparison.numbers(plain)
    assert comparison.weight_words(plain) == "plain autoencoder"


@pytest.mark.parametrize(
    "value, count, words",
    [(196.23, 4, "196.2"), (12345.6, 4, "12346"), (0.04123, 3, "0.0412"), (0.0, 3, "0"), (9.5, 4, "9.500")]
    + [(1.2e-7, 3, "1.20e-07"), (float("nan"), 3, "not finite")],
)
def test_digits_are_significant_ones(value, count, words):
    assert comparison.digits(value, count) == words


def test_the_table_holds_full_numbers_and_failures():
    state = Comparison(("a.keras", "b.keras", "c.keras"))
    state = state.answered(row("a.keras", bits=4.32)).answered(comparison.failure("b.keras", "Not a model, said she."))
    first, second, third = csv.DictReader(io.StringIO(comparison.table(state)))
    assert float(first["distortion"]) == 196.23 and float(first["sigma"]) == pytest.approx(0.05**0.5)
    assert first["pictures"] == "2" and first["failure"] == first["decoded_path"] == ""
    assert float(first["bits_per_dimension"]) == 4.32
    assert second["failure"] == "Not a model, said she." and second["distortion"] == ""
    assert third["failure"] == "no answer yet"


def test_nothing_is_overwritten(tmp_path):
    paths = [comparison.write_new(tmp_path / "table.csv", bytes([i])) for i in range(3)]
    assert [path.name for path in paths] == ["table.csv", "table-2.csv", "table-3.csv"]
    assert [path.read_bytes() for path in paths] == [b"\0", b"\1", b"\2"]


def test_a_new_file_is_written_through_no_link_and_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "a.csv").symlink_to(tmp_path / "nowhere")
    assert comparison.write_new(tmp_path / "a.csv", b"1") == tmp_path / "a-2.csv"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a-2.csv", "a.csv"]

    def full(path, mode):
        path.touch()
        return open("/dev/full", "wb")

    if os.path.exists("/dev/full"):
        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(OSError):
            comparison.write_new(tmp_path / "b.csv", b"1")
        assert not (tmp_path / "b.csv").exists()


@pytest.mark.parametrize("width", [300, 700, 1366, 2732])
@pytest.mark.parametrize("columns", [1, 3, 8, 16])
def test_pictures_use_the_width_there_is_and_whole_multiples_where_these_cost_next_to_nothing(width, columns):
    sizes = [(64, 64), (64, 64), (32, 32), (96, 64)]
    layout = comparison.lay_out(sizes, columns, (width, 10**6), label=160, gap=8, caption=24, least=64)
    for (_, wide), zoom in zip(sizes, layout.zooms, strict=True):
        assert wide * zoom == pytest.approx(layout.cell), "all rows fill the columns"
    room = (width - 160 - 8) // columns - 8  # of a column
    assert layout.cell == 64 or 0.9 * room <= layout.cell <= room
    assert layout.zooms[0].is_integer() == (room // 64 * 64 >= 0.9 * room or layout.cell == 64)
    bottoms = np.array(layout.tops) + layout.heights
    assert np.all(np.array(layout.tops[1:]) >= bottoms[:-1] + np.array([0, 24, 24]))
    for column in range(columns):
        assert layout.column_at(layout.left(column) + 1, layout.tops[1] + 1) == column
        assert layout.column_at(layout.left(column) - 1, layout.tops[1] + 1) is None


def test_pictures_shrink_to_fit_the_height_but_stay_comfortable():
    values = {"label": 160, "gap": 8, "caption": 24, "least": 64}
    roomy = comparison.lay_out([(64, 64)] * 3, 2, (1366, 700), **values)
    assert 192 <= roomy.cell <= 220 and roomy.height <= 720
    crowded = comparison.lay_out([(64, 64)] * 9, 2, (1366, 700), **values)
    assert crowded.cell == roomy.cell and crowded.height > 700, "rather scroll than leave the width empty"
    low = comparison.lay_out([(64, 64)] * 3, 2, (1366, 300), **values)
    assert low.cell == 128 and low.height > 300


def test_models_of_one_name_are_told_apart_by_the_nearest_folder_that_differs():
    names = comparison.told_apart(
        ["/a/x/models/art.keras", "/a/y/models/art.keras", "/a/b.keras", "/q/b.keras", "/z/c.keras"]
    )
    assert list(names.values()) == ["x/…/art", "y/…/art", "a/b", "q/b", "c"]


# ---------------------------------------------------------------------- several weights, several kinds of pictures


def ranged(path: str) -> Compared:
    return row(path, weights=tuple(row(path, kl_weight=weight, active=None) for weight in (1.0, 0.1, 0.01)))


def test_a_model_of_a_range_has_a_line_for_each_weight_and_folds_to_one():
    state = Comparison(("a.keras", "b.keras", "c.keras")).answered(ranged("a.keras")).answered(row("b.keras"))
    told = [(path, None if line is None else line.kl_weight) for path, line in state.lines()]
    ends = [("b.keras", 0.1), ("c.keras", None)]
    assert told == [("a.keras", 1.0), ("a.keras", 0.1), ("a.keras", 0.01), *ends]
    folded = state.turned("a.keras")
    assert [(path, line and line.kl_weight) for path, line in folded.lines()] == [("a.keras", 0.1), *ends]
    assert folded.turned("a.keras").lines() == state.lines()


def test_a_line_of_a_range_tells_no_active_dimensions_and_has_a_line_in_the_file():
    state = Comparison(("a.keras",)).answered(ranged("a.keras"))
    assert "active" not in comparison.numbers(state.lines()[0][1])
    lines = list(csv.DictReader(io.StringIO(comparison.table(state))))
    assert [line["kl_weight"] for line in lines] == ["1.0", "0.1", "0.01"] and {line["active"] for line in lines} == {
        ""
    }


@pytest.mark.parametrize("kind, shown", [("images", [0, 1, 2]), ("samples", []), ("between", [0, 2])])
def test_above_the_pictures_stand_the_originals_that_they_are_made_of(kind, shown):
    originals = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((3, 2, 2, 3), np.uint8)
    found = Comparison(originals=originals, kind=kind).first_row()
    assert [place for place, image in enumerate(found) if image is not None] == shown and len(found) == 3
