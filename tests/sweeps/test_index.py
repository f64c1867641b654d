"""The index of a sweep: written and read again, and refused where it is a stranger's."""

import csv
import json
from dataclasses import replace

import pytest

import kvae
from kvae.sweeps.index import Scene, SweepTable, TrialRecord, write_index


def made(tmp_path, **more):
    first = TrialRecord(
        "KL weight 1", "ab", "cd", "ef", 0, {"kl_weight": 1.0, "widths": (8, 16)}, model=tmp_path / "s-1.keras",
        state="done", distortion=12.5, rate=3.0, loss=15.5, kl_weight=1.0, active=3, latent_dim=4, seconds=2.0,
    )  # fmt: skip
    lost = TrialRecord(
        "=bad()", "ac", "ce", "ef", 2, {"kl_weight": 0.1}, where={"latent_dim": "4 latents"}, state="failed",
        reason="the disk\nis full",
    )  # fmt: skip
    return SweepTable(tmp_path / "s.json", "Mine", (first, lost), {"ef": Scene("60 pictures", (1.0, 0.1))}, **more)


def test_an_index_reads_as_it_was_written(tmp_path):
    table = made(tmp_path, latents=tmp_path / "s-latents.html")
    write_index(table)
    assert kvae.open_sweep(tmp_path / "s.html") == kvae.open_sweep(str(tmp_path / "s.json")) == table


def test_the_columns_are_of_one_length_and_have_the_settings_that_are_given(tmp_path):
    columns = made(tmp_path).columns()
    assert {len(values) for values in columns.values()} == {2}
    assert columns["distortion"] == [12.5, None] and columns["seed"] == [0, 2] and columns["kl_weight"] == [1.0, None]
    assert columns["widths"] == [(8, 16), None] and "network" not in columns and "size" not in columns
    assert columns["model"] == [str(tmp_path / "s-1.keras"), None]


def test_the_csv_has_a_row_for_each_trial_and_no_formula(tmp_path):
    write_index(made(tmp_path))
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert rows[0]["distortion"] == "12.5" and rows[0]["widths"] == "8 16" and rows[1]["distortion"] == ""
    assert rows[1]["name"] == "'=bad()" and "\n" not in rows[1]["reason"]


def test_a_sweep_that_is_moved_finds_its_models_beside_it(tmp_path):
    write_index(made(tmp_path))
    (tmp_path / "new").mkdir()
    (tmp_path / "s.json").rename(tmp_path / "new" / "s.json")
    assert kvae.open_sweep(tmp_path / "new" / "s.json").trials[0].model == tmp_path / "new" / "s-1.keras"


def changed(told, **trial):
    told["trials"][0].update(trial)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(format=2),
        lambda told: told.pop("trials"),
        lambda told: told.update(more=1),
        lambda told: told["trials"].append(told["trials"][0]),
        lambda told: told.update(scenes={}),
        lambda told: changed(told, distortion="much"),
        lambda told: changed(told, state="won"),
        lambda told: changed(told, settings={"kl_weight": -1}),
        lambda told: changed(told, settings={"no such": 1}),
        lambda told: changed(told, seed=-1),
        lambda told: changed(told, model="a\0b"),
        lambda told: told.update(latents="../x.html"),
    ],
)
def test_an_index_of_a_stranger_is_refused_in_one_sentence(tmp_path, change):
    write_index(made(tmp_path))
    told = json.loads((tmp_path / "s.json").read_text())
    change(told)
    (tmp_path / "s.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match=r"^open_sweep: s\.json .*\.$") as refused:
        kvae.open_sweep(tmp_path / "s.json")
    assert len(str(refused.value)) <= 160


def test_what_is_no_index_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no index"):
        kvae.open_sweep(tmp_path / "s.html")
    (tmp_path / "s.json").write_text("[")
    with pytest.raises(ValueError, match="not JSON"):
        kvae.open_sweep(tmp_path / "s.html")
    (tmp_path / "s.json").unlink()
    (tmp_path / "s.json").symlink_to(tmp_path / "other")
    with pytest.raises(ValueError, match="is a link"):
        kvae.open_sweep(tmp_path / "s.html")


def test_an_index_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    table = made(tmp_path)
    write_index(table)

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kvae.files.atomic.os.replace", full)
    with pytest.raises(OSError):
        write_index(replace(table, title="Other"))
    assert kvae.open_sweep(table.path) == table
