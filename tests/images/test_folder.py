"""A folder of whatever people have: the good pictures are used, and the rest is skipped with its reason."""

import os

import numpy as np
import pytest
from corpus.pictures import BAD, noise, save_jpeg, unreadable

from kvae.images import decoders, folder, worker
from kvae.images.collection import load_picture, open_collection
from kvae.images.decoding import BadPicture
from kvae.images.scanning import scan


@pytest.fixture(scope="module")
def all_bad(tmp_path_factory):
    """One folder with every bad file and one good one, read once for all the cases."""
    root = tmp_path_factory.mktemp("bad")
    for number, (name, make, _) in enumerate(BAD.values()):
        make(root / f"{number:02d}-{name}")
    noise(0).save(root / "good.png")
    patch = pytest.MonkeyPatch()
    patch.setenv("KVAE_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield open_collection(root, size=16)
    patch.undo()


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_skipped_with_its_reason(case, all_bad):
    number, (name, _, reason) = list(BAD).index(case), BAD[case]
    said = {one.path: one.reason for one in all_bad.skipped}[f"{number:02d}-{name}"]
    assert any(part in said for part in reason.split("|")), said


def test_the_good_picture_among_bad_ones_is_used(all_bad):
    assert all_bad.names == ("good.png",)
    assert all_bad.summary == f"1 usable, {len(BAD)} skipped (reasons: {all_bad.report})"
    lines = all_bad.report.read_text().splitlines()
    assert sum(line.startswith("skipped\t") for line in lines) == len(BAD)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_skipped(pictures):
    unreadable(pictures / "a.jpg")
    assert "permission" in open_collection(pictures, size=16).skipped[0].reason


def test_no_permission_becomes_a_reason(pictures, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(worker.os, "open", refused)
    outcome = worker.decode_file(str(pictures / "00.png"), 16, "square")
    assert outcome.digest == worker.UNREAD
    assert "no permission" in outcome.reason


GOOD = {
    "PNG named .jpg": lambda root: noise(50).save(root / "x.jpg", "PNG"),
    "JPEG named .png": lambda root: noise(50).save(root / "x.png", "JPEG"),
    "Unicode name": lambda root: noise(50).save(root / "Käthe Kollwitz – 母親 🎨.png"),
    "upper-case ending": lambda root: noise(50).save(root / "X.JPEG", "JPEG"),
    "upper-case folder": lambda root: ((root / "SUB.JPG").mkdir(), noise(50).save(root / "SUB.JPG" / "X.TIFF")),
    "line end in the name": lambda root: noise(50).save(root / "a\nb.png"),
    "name that is no UTF-8": lambda root: noise(50).save(os.fsencode(root) + b"/\xff\xfe.png", "PNG"),
    "link to a picture elsewhere": lambda root: (
        noise(50).save(root.parent / "elsewhere.png"),
        (root / "link.png").symlink_to(root.parent / "elsewhere.png"),
    ),
    "link to a folder elsewhere": lambda root: (
        (root.parent / "other").mkdir(),
        noise(50).save(root.parent / "other" / "x.png"),
        (root / "link").symlink_to(root.parent / "other"),
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_an_unusual_file_is_used(case, pictures):
    GOOD[case](pictures)
    collection = open_collection(pictures, size=16)
    assert collection.count == 13
    assert not collection.skipped


IGNORED = {
    "dotfile": lambda root: save_jpeg(root / ".hidden.jpg"),
    "file of a Mac's archive": lambda root: (root / "._x.jpg").write_bytes(b"\0\5\x16\7"),
    "hidden folder": lambda root: ((root / ".thumbnails").mkdir(), save_jpeg(root / ".thumbnails" / "x.jpg")),
    "text with another ending": lambda root: (root / "notes.txt").write_text("x"),
    "link back to the top": lambda root: (root / "below" / "loop").symlink_to(root),
    "link to the folder beside": lambda root: (root / "again").symlink_to(root / "below"),
    "link to itself": lambda root: (root / "self").symlink_to(root / "self"),
    "two links that meet": lambda root: ((root / "p").symlink_to(root / "q"), (root / "q").symlink_to(root / "p")),
    "link to a picture here": lambda root: (root / "00-again.png").symlink_to(root / "00.png"),
    "second name of one file": lambda root: os.link(root / "00.png", root / "zz.png"),
}


@pytest.mark.parametrize("case", IGNORED)
def test_what_is_no_picture_of_its_own_is_ignored_and_no_loop_hangs(case, pictures):
    IGNORED[case](pictures)
    collection = open_collection(pictures, size=16)
    assert collection.count == 12
    assert not collection.skipped and not collection.duplicates


def test_a_picture_goes_by_its_own_name_rather_than_by_a_link(pictures):
    (pictures / "000-link").symlink_to(pictures / "below")
    assert [one.name for one in scan(pictures)[0]][-3:] == ["below/09.png", "below/10.png", "below/11.png"]


def test_rows_are_sorted_by_name_and_know_their_folder(pictures):
    collection = open_collection(pictures, size=20)
    assert collection.names == tuple(f"{'below/' if n >= 9 else ''}{n:02d}.png" for n in range(12))
    assert collection.folders == ("",) * 9 + ("below",) * 3
    assert np.array_equal(collection.read(range(12)), np.stack([np.asarray(noise(n)) for n in range(12)]))


def test_duplicates_are_listed_and_only_the_first_is_used(pictures):
    (pictures / "zz.png").write_bytes((pictures / "00.png").read_bytes())
    (pictures / "below" / "00.PNG").write_bytes((pictures / "00.png").read_bytes())
    collection = open_collection(pictures, size=16)
    assert collection.duplicates == (("below/00.PNG", "00.png"), ("zz.png", "00.png"))
    assert collection.count == 12
    assert "2 left out as duplicates" in collection.summary


def test_remarks_are_listed_and_reported(pictures):
    noise(60).save(pictures / "anim.gif", save_all=True, append_images=[noise(61)])
    noise(62).save(pictures / "icc.png", icc_profile=b"rubbish")
    collection = open_collection(pictures, size=16)
    assert [one.path for one in collection.notes] == ["anim.gif", "icc.png"]
    assert "used\ticc.png\tits colour profile is damaged" in collection.report.read_text()


def test_an_animated_webp_ends_nothing(pictures):
    noise(60).save(pictures / "anim.webp", save_all=True, append_images=[noise(61)])
    assert open_collection(pictures, size=16).count == 13


def test_a_file_that_vanishes_between_scan_and_read_is_skipped(pictures, monkeypatch):
    def scan_then_lose(root):
        found = scan(root)
        (pictures / "03.png").unlink()
        return found

    monkeypatch.setattr(folder, "scan", scan_then_lose)
    collection = open_collection(pictures, size=16)
    assert collection.count == 11
    assert [one.path for one in collection.skipped] == ["03.png"]
    assert "gone" in collection.skipped[0].reason


def test_a_decoder_that_kills_its_process_costs_only_its_picture(pictures, monkeypatch):
    crash = "import os; from kvae.images import worker; real = worker.decode_file; worker.decode_file = "
    crash += "lambda path, *rest: os._exit(11) if path.endswith(('02.png', '07.png')) else real(path, *rest); "
    monkeypatch.setattr(decoders, "_PROGRAM", decoders._PROGRAM.replace("from kvae", crash + "from kvae", 1))
    collection = open_collection(pictures, size=16)
    assert [one.path for one in collection.skipped] == ["02.png", "07.png"]
    assert "crash" in collection.skipped[0].reason
    assert collection.count == 10


def test_a_decoder_that_never_returns_is_ended(pictures, monkeypatch):
    stuck = "import time; from kvae.images import worker; worker.MAX_SECONDS = 0.3; real = worker.decode_file; "
    stuck += "worker.decode_file = lambda path, *rest: time.sleep(60) if '02' in path else real(path, *rest); "
    monkeypatch.setattr(decoders, "_PROGRAM", decoders._PROGRAM.replace("from kvae", stuck + "from kvae", 1))
    collection = open_collection(pictures, size=16)
    assert [one.path for one in collection.skipped] == ["02.png"]
    assert "took more than" in collection.skipped[0].reason


def test_without_processes_the_pictures_are_decoded_here(pictures, monkeypatch):
    expected = open_collection(pictures, size=16).read(range(12))
    monkeypatch.setattr(decoders, "_PROGRAM", "raise SystemExit(1) # {size} {crop}")
    monkeypatch.setenv("KVAE_CACHE", os.environ["KVAE_CACHE"] + "2")
    assert np.array_equal(open_collection(pictures, size=16).read(range(12)), expected)


def test_outcomes_come_in_order_whatever_the_number_of_workers(pictures):
    paths = sorted(str(path) for path in pictures.rglob("*.png")) * 5
    one = list(decoders.decode_files(paths, size=8, crop="square", workers=1))
    three = list(decoders.decode_files(paths, size=8, crop="square", workers=3))
    assert one == three
    assert len(one) == 60


def test_leaving_early_ends_the_processes(pictures):
    paths = [str(path) for path in pictures.rglob("*.png")] * 20
    outcomes = decoders.decode_files(paths, size=8, crop="square", workers=2)
    next(outcomes)
    outcomes.close()


def test_an_unknown_folder_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file or folder"):
        open_collection(tmp_path / "missing")


def test_an_empty_folder_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="No pictures found in .*kvae reads JPEG, PNG"):
        open_collection(tmp_path)


def test_a_folder_of_bad_files_only_names_the_first_and_the_report(tmp_path):
    (tmp_path / "a.jpg").write_text("text")
    with pytest.raises(ValueError, match=r"No usable pictures .* 1 skipped, the first \(a.jpg: is not"):
        open_collection(tmp_path)


def test_a_file_of_another_kind_is_one_sentence(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"x")
    with pytest.raises(ValueError, match="of no kind kvae reads"):
        open_collection(tmp_path / "model.pkl")


@pytest.mark.parametrize(
    ("settings", "match"), [({"size": 4}, "size"), ({"size": 1.5}, "size"), ({"crop": "x"}, "crop")]
)
def test_a_bad_setting_names_itself(settings, match, pictures):
    with pytest.raises(ValueError, match=match):
        open_collection(pictures, **settings)


def test_load_picture_reads_one_file_or_says_why_not(pictures):
    assert np.array_equal(load_picture(pictures / "00.png", size=20), np.asarray(noise(0)))
    (pictures / "text.jpg").write_text("text")
    with pytest.raises(BadPicture, match="text.jpg is not a picture"):
        load_picture(pictures / "text.jpg", size=20)
