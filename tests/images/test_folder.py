"""A folder of whatever people have: the good pictures are used, and the rest is skipped with its reason."""

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from corpus.pictures import BAD, USED, noise, save_jpeg, unreadable
from PIL import Image

from kvae.images import decoders, folder, kinds, scanning, worker
from kvae.images.collection import load_picture, open_collection
from kvae.images.decoding import BadPicture
from kvae.images.kinds import HEIC
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
    assert all_bad.summary.startswith(f"1 usable, {len(BAD)} skipped (")
    assert all_bad.summary.endswith(f"(reasons: {all_bad.report})")
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
    "link within the folder": lambda root: (
        (root / ".hidden").mkdir(),
        noise(50).save(root / ".hidden" / "x.png"),
        (root / "link").symlink_to(root / ".hidden"),
    ),
    **{case: lambda root, name=name, make=make: make(root / name) for case, (name, make, _) in USED.items()},
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
    "text that begins like BMP": lambda root: (root / "prices").write_text("BMW " * 100),
    "empty file without an ending": lambda root: (root / "empty").write_bytes(b""),
    "pipe without an ending": lambda root: os.mkfifo(root / "pipe"),
    "program": lambda root: (root / "a.py").write_text("import os"),
    "film": lambda root: (root / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(99)),
    "link to a text elsewhere": lambda root: (
        (root.parent / "notes.txt").write_text("x"),
        (root / "notes.txt").symlink_to(root.parent / "notes.txt"),
    ),
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


def _elsewhere(pictures):
    """Two pictures outside the folder, and in it a link to one, and one to the folder of the other."""
    other = pictures.parent / "other"
    other.mkdir()
    noise(50).save(pictures.parent / "elsewhere.png")
    noise(51).save(other / "x.png")
    (pictures / "link.png").symlink_to(pictures.parent / "elsewhere.png")
    (pictures / "folder").symlink_to(other)


def test_links_out_of_the_folder_are_followed_only_where_that_is_asked(pictures):
    _elsewhere(pictures)
    kept = open_collection(pictures, size=16)
    assert kept.count == 12
    assert [one.path for one in kept.skipped] == ["folder", "link.png"]
    assert "2 skipped (2 links out of the folder: --follow-links follows them)" in kept.summary
    followed = open_collection(pictures, size=16, follow_links=True)
    assert followed.count == 14 and not followed.skipped


def test_the_switch_for_links_has_a_memory_of_its_own(pictures, monkeypatch):
    _elsewhere(pictures)
    counts = [open_collection(pictures, size=16, follow_links=follow).count for follow in (False, True)]
    monkeypatch.setattr(folder, "decode_files", lambda paths, **options: pytest.fail(f"decoded again: {paths}"))
    assert [open_collection(pictures, size=16, follow_links=follow).count for follow in (False, True)] == counts


def test_a_link_to_system_files_brings_no_pictures(pictures):
    (pictures / "processes").symlink_to("/proc/self")
    assert scan(pictures).skipped == [("processes", scanning.OUTSIDE)]
    assert len(scan(pictures).found) == 12


def test_the_folder_itself_may_be_a_link(pictures):
    (pictures.parent / "album").symlink_to(pictures)
    collection = open_collection(pictures.parent / "album", size=16)
    assert collection.count == 12 and not collection.skipped


def test_kinds_that_are_not_read_are_counted_with_what_to_do(pictures):
    for number in range(12):
        (pictures / f"{number}.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(500))
    noise(5).save(pictures / "a.jp2")
    (pictures / "b.svg").write_text("<svg/>")
    (pictures / "notes.txt").write_text("x")
    collection = open_collection(pictures, size=16)
    assert collection.count == 12 and len(collection.skipped) == 14 and collection.others == 1
    if not HEIC.read:
        assert "12 HEIC pictures: export them as JPEG, or install the package pillow-heif" in collection.summary
    assert "1 JPEG 2000 picture: export it as JPEG; 1 SVG picture: export it as PNG" in collection.summary
    assert "skipped\ta.jp2\tis JPEG 2000, which kvae does not read" in collection.report.read_text()
    assert "1 other files" in collection.report.read_text().splitlines()[0]


def test_a_folder_of_kinds_that_are_not_read_says_what_to_do(tmp_path):
    (tmp_path / "a.psd").write_bytes(b"8BPS" + bytes(50))
    with pytest.raises(ValueError, match="No usable pictures .*1 PSD picture: export it as JPEG"):
        open_collection(tmp_path)


def test_heic_is_skipped_until_its_decoder_is_installed(pictures, monkeypatch):
    (pictures / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(500))
    monkeypatch.setattr(kinds, "has_heif", lambda: False)
    program = "from kvae.images import kinds; kinds.has_heif = lambda: False; "
    monkeypatch.setattr(decoders, "_PROGRAM", decoders._PROGRAM.replace("from kvae", program + "from kvae", 1))
    assert "HEIC" in open_collection(pictures, size=16).skipped[0].reason
    asked = []
    monkeypatch.setattr(kinds, "has_heif", lambda: True)
    monkeypatch.setattr(folder, "decode_files", lambda paths, **options: asked.extend(paths) or iter([]))
    with pytest.raises((StopIteration, RuntimeError)):
        open_collection(pictures, size=16)
    assert asked == [str(pictures / "a.jpg")]


def test_heic_is_used_where_its_decoder_is_installed(pictures):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    picture = Image.new("RGB", (64, 64), (200, 30, 30))
    picture.paste((30, 30, 200), (0, 0, 64, 32))  # blue above
    picture.save(pictures / "a.heic", "HEIF", quality=95)
    (pictures / "b.heic").write_bytes((pictures / "a.heic").read_bytes()[:-300])
    collection = open_collection(pictures, size=16)
    assert collection.count == 13
    assert [one.path for one in collection.skipped] == ["b.heic"]
    (row,) = np.flatnonzero(np.array(collection.names) == "a.heic")
    pixels = collection.read([row])[0].astype(int)
    assert pixels[2, 8, 2] > 150 > 90 > pixels[2, 8, 0] and pixels[14, 8, 0] > 150


def test_a_picture_goes_by_its_own_name_rather_than_by_a_link(pictures):
    (pictures / "000-link").symlink_to(pictures / "below")
    assert [one.name for one in scan(pictures).found][-3:] == ["below/09.png", "below/10.png", "below/11.png"]


def test_rows_are_sorted_by_name_and_know_their_folder(pictures):
    collection = open_collection(pictures, size=20)
    assert collection.names == tuple(f"{'below/' if n >= 9 else ''}{n:02d}.png" for n in range(12))
    assert collection.folders == ("",) * 9 + ("below",) * 3
    assert np.array_equal(collection.read(range(12)), np.stack([np.asarray(noise(n)) for n in range(12)]))


def test_a_scan_is_sorted_as_whole_names_are(tmp_path):
    names = ["a-b/x.png", "a.png", "a/b/c.png", "a/b.png", "a/z.png", "a0.png", "ä/x.png", "z.png", "Z.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "a" / "link.png").symlink_to(tmp_path / "z.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "elsewhere")
    os.link(tmp_path / "a.png", tmp_path / "hard.png")
    found = scan(tmp_path)
    assert [one.name for one in found.found] == sorted(names) == list(found.found.names)
    assert [one.size for one in found.found] == [len(name.encode()) for name in sorted(names)]
    assert [Path(one.path) for one in found.found] == [tmp_path / name for name in sorted(names)]


def test_pictures_behind_links_come_where_their_names_belong(tmp_path):
    outside = tmp_path / "outside"
    (tmp_path / "in" / "m").mkdir(parents=True)
    outside.mkdir()
    for path in (outside / "1.png", outside / "2.png", tmp_path / "in" / "a.png", tmp_path / "in" / "z.png"):
        path.write_bytes(path.name.encode())
    (tmp_path / "in" / "l").symlink_to(outside)
    found = scan(tmp_path / "in", follow_links=True).found
    assert [one.name for one in found] == ["a.png", "l/1.png", "l/2.png", "z.png"]
    assert [Path(one.path).read_text() for one in found] == ["a.png", "1.png", "2.png", "z.png"]


@pytest.mark.parametrize("together", [1, 2, 1024])
@pytest.mark.parametrize("follow", [False, True])
def test_files_looked_at_together_are_found_as_one_by_one(together, follow, pictures, monkeypatch):
    for case in (*GOOD, *IGNORED):
        folder_of_it = pictures / f"case {case}"
        folder_of_it.mkdir()
        (folder_of_it / "below").mkdir()
        for number in range(3):
            noise(number).save(folder_of_it / f"{number:02d}.png")
            (folder_of_it / f"{number:02d}.txt").write_text("what is to be seen")
        {**GOOD, **IGNORED}[case](folder_of_it)
    noise(60).save(pictures / "without an ending", "PNG")
    (pictures / "no.jpg").symlink_to(pictures / "nowhere")
    monkeypatch.setattr(scanning, "TOGETHER", together)
    found = scan(pictures, follow_links=follow)
    monkeypatch.setattr(scanning._Walk, "_plain", lambda *_: False)
    singly = scan(pictures, follow_links=follow)
    assert list(found.found) == list(singly.found) and len(found.found) > 100
    assert (found.skipped, found.others) == (singly.skipped, singly.others) and found.others > 50


def test_of_ordinary_pictures_none_is_looked_at_by_itself(pictures, monkeypatch):
    monkeypatch.setattr(scanning._Walk, "_file", lambda self, path, name: pytest.fail(f"{name} was"))
    found = scan(pictures).found
    assert [one.name for one in found] == [f"{'below/' if n >= 9 else ''}{n:02d}.png" for n in range(12)]
    assert [one.modified for one in found] == [os.stat(one.path).st_mtime_ns for one in found]


def test_a_scan_keeps_little_of_a_picture(tmp_path):
    for number in range(2000):
        (tmp_path / f"{number:06d}.png").touch()
    tracemalloc.start()
    found = scan(tmp_path).found
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 2000 and held / 2000 < 100  # 480 with an object for each


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
    def scan_then_lose(root, **options):
        found = scan(root, **options)
        (pictures / "03.png").unlink()
        return found

    monkeypatch.setattr(folder, "scan", scan_then_lose)
    collection = open_collection(pictures, size=16)
    assert collection.count == 11
    assert [one.path for one in collection.skipped] == ["03.png"]
    assert "gone" in collection.skipped[0].reason


def _patch(monkeypatch, lines: str) -> None:
    """Run `lines` in each decoding process before it begins."""
    program = decoders._PROGRAM.replace("from kvae", f"from kvae.images import worker; {lines}; from kvae", 1)
    monkeypatch.setattr(decoders, "_PROGRAM", program)


CRASH = (
    "import os; real = worker.decode_read; worker.decode_read = "
    "lambda path, *rest: os._exit(11) if path.endswith(('02.png', '07.png')) else real(path, *rest)"
)
STUCK = (
    "import time; worker.MAX_SECONDS = 2; real = worker.decode_read; "
    "worker.decode_read = lambda path, *rest: time.sleep(60) if path.endswith('02.png') else real(path, *rest)"
)


def test_a_decoder_that_kills_its_process_costs_only_its_picture(pictures, monkeypatch):
    _patch(monkeypatch, CRASH)
    collection = open_collection(pictures, size=16)
    assert [one.path for one in collection.skipped] == ["02.png", "07.png"]
    assert "crash" in collection.skipped[0].reason
    assert collection.count == 10


def test_a_decoder_that_never_returns_is_ended_once(pictures, monkeypatch):
    ended = []
    real = decoders._Worker.timed_out
    monkeypatch.setattr(decoders._Worker, "timed_out", lambda worker: ended.append(worker) or real(worker))
    _patch(monkeypatch, STUCK)
    collection = open_collection(pictures, size=16)
    assert [one.path for one in collection.skipped] == ["02.png"]
    assert "took more than" in collection.skipped[0].reason
    assert len(set(map(id, ended))) == 1


def test_a_decoder_that_is_killed_from_outside_costs_nothing(pictures, monkeypatch, tmp_path):
    killed = f"open({str(tmp_path / 'once')!r}, 'x')"  # the second time it is there
    once = (
        "import os, signal; real = worker.decode_read\n"
        "def dying(path, *rest):\n"
        "    if path.endswith('02.png'):\n"
        f"        try: {killed}; os.kill(os.getpid(), signal.SIGKILL)\n"
        "        except FileExistsError: pass\n"
        "    return real(path, *rest)\n"
        "worker.decode_read = dying\n"
    )
    monkeypatch.setattr(decoders, "_PROGRAM", f"from kvae.images import worker\nexec({once!r})\n{decoders._PROGRAM}")
    collection = open_collection(pictures, size=16)
    assert collection.count == 12 and not collection.skipped and (tmp_path / "once").exists()


@pytest.mark.parametrize("fault", [CRASH, STUCK], ids=["crash", "stuck"])
def test_what_ended_its_decoder_is_remembered_until_the_file_changes(fault, pictures, monkeypatch):
    program = decoders._PROGRAM
    _patch(monkeypatch, fault)
    skipped = open_collection(pictures, size=16).skipped
    monkeypatch.setattr(decoders, "_PROGRAM", program)
    asked = []
    real = decoders.decode_files

    def asking(paths, **options):
        for path in paths:
            asked.append(path)
            yield from real([path], **options)

    monkeypatch.setattr(folder, "decode_files", asking)
    assert open_collection(pictures, size=16).skipped == skipped and not asked
    assert open_collection(pictures, size=20).skipped == skipped
    assert str(pictures / "02.png") not in asked and len(asked) == 12 - len(skipped)
    noise(77).save(pictures / "02.png")
    os.utime(pictures / "02.png", ns=(1, 1))
    assert [one.path for one in open_collection(pictures, size=16).skipped] == [one.path for one in skipped[1:]]


def test_what_the_system_killed_is_tried_again(pictures, monkeypatch):
    program = decoders._PROGRAM
    _patch(monkeypatch, CRASH.replace("os._exit(11)", "os.kill(os.getpid(), 9)"))
    assert open_collection(pictures, size=16).count == 10
    monkeypatch.setattr(decoders, "_PROGRAM", program)
    assert open_collection(pictures, size=16).count == 12


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
