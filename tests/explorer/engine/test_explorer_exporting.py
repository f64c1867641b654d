"""What is exported is read back by other programs' readers: Pillow, PyAV, csv, h5py."""

import csv
import errno
import os
import subprocess
import sys
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
from PIL import Image, ImageSequence

from explorer.engine import exporting
from explorer.engine.exporting import CHUNK, Cancelled, export_latents, export_morph, export_picture
from explorer.engine.points import point_in
from explorer.messages import ExportLatents, ExportMorph, ExportPicture, PicturePoint
from explorer.safe_text import cell
from kvae.images.paintings import paint_many


def painter(height=24, width=24, channels=3):
    """A decoder whose picture is a soft wash of colour that moves with the first latent value, in [0, 1]."""
    y, x = np.mgrid[:height, :width] / max(height, width)

    def decode(latents, kl_weight):
        assert latents.dtype == np.float32 and len(latents) <= CHUNK
        t = latents[:, :1, None, None]  # (n, 1, 1, 1)
        wash = np.stack([0.3 + 0.4 * x, 0.7 - 0.3 * y, 0.5 + 0 * x], -1)[None, ..., :channels]
        return np.round(255 * np.clip(wash + 0.2 * t, 0, 1)).astype(np.uint8)

    return decode


def steps(count):
    return np.linspace(0, 1, count, dtype=np.float32)[:, None] * np.ones((1, 5), np.float32)


def go_on(done, total, what):
    return True


def morph(path, count=20, rate=24.0, side=24, **more):
    return ExportMorph(str(path), steps(count), rate, side, **more)


def film(path):
    """The stream and the frames of an MP4, uint8 (frames, h, w, 3)."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        facts = {
            "seconds": float(stream.duration * stream.time_base),
            "rate": float(stream.average_rate),
            "format": stream.pix_fmt,
            "codec": stream.codec_context.name,
        }
    return facts, np.stack(frames)


def gif(path):
    with Image.open(path) as image:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
        lengths = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
        return np.stack(frames), sum(lengths) / 1000, image.info.get("loop")


# ---------------------------------------------------------------------- a picture


def drawn(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_at_its_own_size_has_exactly_the_decoded_bytes(tmp_path, channels):
    decode = painter(channels=channels)
    done = export_picture(ExportPicture(str(tmp_path / "a.png"), steps(3)[1], 24), decode, go_on)
    with Image.open(done.path) as image:
        assert image.mode == ("L" if channels == 1 else "RGB")
        np.testing.assert_array_equal(np.asarray(image).reshape(24, 24, channels), decode(steps(3)[1:2], None)[0])


@pytest.mark.parametrize("side", [48, 96, 100, 17])
@pytest.mark.parametrize("smooth", [True, False])
def test_a_picture_has_the_size_asked(tmp_path, side, smooth):
    done = export_picture(ExportPicture(str(tmp_path / "a.png"), steps(1)[0], side, smooth), painter(), go_on)
    assert drawn(done.path).shape[:2] == (side, side)


def test_enlarged_in_pixels_every_pixel_is_a_block(tmp_path):
    decode = painter()
    done = export_picture(ExportPicture(str(tmp_path / "a.png"), steps(1)[0], 96, False), decode, go_on)
    expected = decode(steps(1), None)[0].repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_array_equal(drawn(done.path), expected)


def test_side_is_the_longer_one_and_the_proportion_stays(tmp_path):
    done = export_picture(ExportPicture(str(tmp_path / "a.png"), steps(1)[0], 64), painter(16, 32), go_on)
    assert drawn(done.path).shape[:2] == (32, 64)


def test_the_weight_reaches_the_decoder(tmp_path):
    seen = []

    def decode(latents, kl_weight):
        seen.append(kl_weight)
        return painter()(latents, kl_weight)

    export_picture(ExportPicture(str(tmp_path / "a.png"), steps(1)[0], 24, kl_weight=0.3), decode, go_on)
    export_morph(morph(tmp_path / "a.gif", kl_weight=0.7), decode, go_on)
    assert seen == [0.3, 0.7, 0.7]


# ---------------------------------------------------------------------- films


@pytest.mark.parametrize("count", [1, CHUNK, CHUNK + 1, 50])
@pytest.mark.parametrize("rate", [24.0, 30.0, 60.0, 12.5])
def test_an_mp4_has_every_frame_and_lasts_as_long_as_they_do(tmp_path, count, rate):
    facts, frames = film(export_morph(morph(tmp_path / "a.mp4", count, rate), painter(), go_on).path)
    assert len(frames) == count
    assert facts["seconds"] == pytest.approx(count / rate, abs=1e-3)
    assert facts["rate"] == pytest.approx(rate)
    assert (facts["format"], facts["codec"]) == ("yuv420p", "h264")


@pytest.mark.parametrize("channels", [1, 3])
def test_the_frames_of_an_mp4_are_the_decoded_ones_within_a_few_levels(tmp_path, channels):
    decode = painter(64, 64, channels)
    _, frames = film(export_morph(morph(tmp_path / "a.mp4", side=64), decode, go_on).path)
    for index in (0, 10, 19):
        wanted = np.broadcast_to(decode(steps(20)[index : index + 1], None)[0], (64, 64, 3)).astype(int)
        assert np.abs(frames[index] - wanted).mean() < 3
        assert np.abs((frames[index] - wanted).mean(axis=(0, 1))).max() < 2  # the colours mean what they meant


@pytest.mark.parametrize(("side", "seen"), [(24, 24), (48, 48), (50, 50), (25, 26), (17, 18)])
def test_an_mp4_has_the_size_asked_or_one_pixel_more_where_that_is_odd(tmp_path, side, seen):
    _, frames = film(export_morph(morph(tmp_path / "a.mp4", side=side), painter(), go_on).path)
    assert frames.shape == (20, seen, seen, 3)


def test_an_mp4_plays_while_it_loads(tmp_path):
    data = Path(export_morph(morph(tmp_path / "a.mp4"), painter(), go_on).path).read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


@pytest.mark.parametrize("rate", [5.0, 10.0, 15.0, 20.0])
def test_a_gif_has_every_frame_and_lasts_as_long_as_they_do(tmp_path, rate):
    frames, seconds, _ = gif(export_morph(morph(tmp_path / "a.gif", 37, rate), painter(), go_on).path)
    assert frames.shape == (37, 24, 24, 3)
    assert seconds == pytest.approx(37 / rate, abs=0.006)


@pytest.mark.parametrize("rate", [24.0, 60.0, 75.0, 120.0])
def test_a_gif_that_would_grow_too_large_leaves_frames_out_and_keeps_its_time(tmp_path, rate):
    frames, seconds, _ = gif(export_morph(morph(tmp_path / "a.gif", 120, rate), painter(), go_on).path)
    assert len(frames) == round(120 * 20 / rate)
    assert seconds == pytest.approx(120 / rate, abs=0.006)


@pytest.mark.parametrize(("loop", "said"), [(True, 0), (False, None)])
def test_a_gif_repeats_for_ever_only_where_it_is_a_loop(tmp_path, loop, said):
    assert gif(export_morph(morph(tmp_path / "a.gif", loop=loop), painter(), go_on).path)[2] == said


@pytest.mark.parametrize("side", [24, 33])
def test_the_first_and_last_frame_of_a_gif_are_the_decoded_ones_within_a_few_levels(tmp_path, side):
    decode = painter(24, 24)
    request = morph(tmp_path / "a.gif", side=side, smooth=False)
    frames, _, _ = gif(export_morph(request, decode, go_on).path)
    nearest = ((np.arange(side) + 0.5) * 24 / side).astype(int)
    for index in (0, -1):
        wanted = decode(steps(20)[[index]], None)[0][nearest][:, nearest].astype(int)
        assert np.abs(frames[index] - wanted).mean() < 3


def test_plain_colours_and_greys_stay_exactly_themselves_in_a_gif(tmp_path):
    tiles = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)  # 16 colours
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    for pixels in (tiles, greys):
        side = 4 * len(pixels)
        request = morph(tmp_path / "a.gif", 2, side=side, smooth=False)
        frames, _, _ = gif(export_morph(request, lambda latents, _, p=pixels: np.stack([p] * len(latents)), go_on).path)
        expected = np.broadcast_to(pixels.repeat(4, 0).repeat(4, 1), (side, side, 3))
        np.testing.assert_array_equal(frames[0], expected)


def test_ten_seconds_at_256_pixels_are_at_most_3_mb_and_every_frame_looks_like_itself(tmp_path):
    """Five paintings that turn into each other all over, edges and all, which is harder than most."""
    ends = paint_many(range(5), size=64, seed=5)[0].astype(np.float32)
    ends = np.concatenate([ends, ends[:1]])

    def decode(latents, _):
        at = 5 * latents[:, 0]
        low = np.minimum(at.astype(int), 4)
        share = (at - low)[:, None, None, None]
        share = share**2 * (3 - 2 * share)
        return np.round((1 - share) * ends[low] + share * ends[low + 1]).astype(np.uint8)

    done = export_morph(morph(tmp_path / "a.gif", 300, 30.0, side=256), decode, go_on)
    frames, seconds, _ = gif(done.path)
    assert Path(done.path).stat().st_size <= 3_000_000 and seconds == pytest.approx(10, abs=0.02)
    latents = steps(300)
    for place in (0, 57, 58, 120, 199):
        pixels = decode(latents[[int(place * 1.5)]], None)[0]
        wanted = np.asarray(Image.fromarray(pixels).resize((256, 256), Image.Resampling.LANCZOS)).astype(int)
        assert np.abs(frames[place] - wanted).mean() < 5
        assert np.percentile(np.abs(frames[place] - wanted).max(axis=2), 99) < 24


def test_what_does_not_move_in_a_gif_is_written_once(tmp_path):
    still = np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    size = {}
    for count in (2, 20):
        request = morph(tmp_path / f"{count}.gif", count, 10.0, side=96)
        done = export_morph(request, lambda latents, _: np.stack([still] * len(latents)), go_on)
        size[count] = Path(done.path).stat().st_size
    assert size[20] < size[2] + 18 * 1000  # palettes, and no pixels


@pytest.mark.parametrize("kind", ["mp4", "gif"])
def test_a_film_ends_with_all_frames_reported(tmp_path, kind):
    reports = []
    export_morph(morph(tmp_path / f"a.{kind}"), painter(), lambda *report: not reports.append(report))
    assert reports[0] == (0, 20, "frames")
    assert reports[-1] == (20, 20, "frames")


def test_a_sequence_is_a_folder_with_a_numbered_picture_for_each_frame_and_its_point(tmp_path):
    (tmp_path / "sea 0.1").mkdir()
    decode, weights = painter(), np.geomspace(0.1, 1.0, 20)

    def point(latents, weight):
        return PicturePoint("ab" * 32, "art", latents, weight)

    done = export_morph(morph(tmp_path / "sea 0.1.png", side=48, kl_weight=weights), decode, go_on, point)
    assert Path(done.path) == tmp_path / "sea 0.1-2"
    names = sorted(one.name for one in Path(done.path).iterdir())
    assert names == [f"sea 0.1 {number:04d}.png" for number in range(1, 21)]
    last = Path(done.path) / names[-1]
    assert drawn(last).shape == (48, 48, 3)
    np.testing.assert_array_equal(point_in(last).latents, steps(20)[-1])
    assert point_in(last).kl_weight == pytest.approx(1.0)


def test_each_frame_is_decoded_at_its_own_weight(tmp_path):
    seen, weights = [], np.linspace(0.1, 1.0, 20)

    def decode(latents, kl_weight):
        seen.extend(kl_weight)
        return painter()(latents, kl_weight)

    export_morph(morph(tmp_path / "a.gif", kl_weight=weights), decode, go_on)
    np.testing.assert_array_equal(seen, weights)


@pytest.mark.parametrize("when", [0, 5])
def test_a_sequence_that_is_cancelled_leaves_nothing(tmp_path, when, monkeypatch):
    monkeypatch.setattr(exporting, "SECONDS_BETWEEN_REPORTS", 0.0)
    with pytest.raises(Cancelled):
        export_morph(morph(tmp_path / "a.png"), painter(), lambda done, total, what: done < when)
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_was_killed_leaves_no_folder_of_a_sequence(tmp_path):
    request = morph(tmp_path / "sea 0.1.png")
    folder = tmp_path / f".{exporting._hint(tmp_path / 'sea 0.1', 77)}.0123abcd.part"
    folder.mkdir()
    (folder / "sea 0.1 0001.png").touch()
    exporting.remove_left_by(76, request)
    assert folder.exists()
    exporting.remove_left_by(77, request)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- latents


NAMES = ("Mont, “Ste-Victoire”", "", "two\nlines", "=1+1")
VALUES = np.array([[0.1, -1e-30, 3.0000002], [1 / 3, 1e30, -0.0], [7, 8, 9], [np.pi, np.e, 1e-45]], np.float32)


def test_latents_come_back_from_csv_exactly(tmp_path):
    done = export_latents(ExportLatents(str(tmp_path / "a.csv"), VALUES, NAMES))
    with open(done.path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["name", "z1", "z2", "z3"], "as the sliders count"
    assert tuple(row[0] for row in rows) == tuple(cell(name) for name in NAMES)
    np.testing.assert_array_equal(np.array([row[1:] for row in rows], np.float64).astype(np.float32), VALUES)


@pytest.mark.parametrize("ending", [".h5", ".hdf5"])
def test_latents_come_back_from_hdf5_exactly(tmp_path, ending):
    done = export_latents(ExportLatents(str(tmp_path / f"a{ending}"), VALUES, NAMES))
    with h5py.File(done.path) as file:
        assert file["latents"].dtype == np.float32
        np.testing.assert_array_equal(file["latents"][()], VALUES)
        assert tuple(file["names"].asstr()[()]) == NAMES


# ---------------------------------------------------------------------- nothing overwritten, nothing left behind


def every_kind(folder):
    """One export of each kind into `folder`, as functions of nothing."""
    folder = Path(folder)
    picture = ExportPicture(str(folder / "a.png"), steps(1)[0], 24)
    return {
        "png": lambda progress=go_on: export_picture(picture, painter(), progress),
        "mp4": lambda progress=go_on: export_morph(morph(folder / "a.mp4"), painter(), progress),
        "gif": lambda progress=go_on: export_morph(morph(folder / "a.gif"), painter(), progress),
        "csv": lambda: export_latents(ExportLatents(str(folder / "a.csv"), VALUES, NAMES)),
        "h5": lambda: export_latents(ExportLatents(str(folder / "a.h5"), VALUES, NAMES)),
    }


KINDS = list(every_kind("."))


@pytest.mark.parametrize("kind", KINDS)
def test_two_exports_of_one_name_make_two_files_in_a_folder_that_is_made(tmp_path, kind):
    folder = tmp_path / "new" / "folder"
    export = every_kind(folder)[kind]
    first = Path(export().path)
    before = first.read_bytes()
    second = Path(export().path)
    assert (first.name, second.name) == (f"a.{kind}", f"a-2.{kind}")
    assert first.read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == sorted([first.name, second.name])


@pytest.mark.parametrize("kind", ["png", "mp4", "gif"])
@pytest.mark.parametrize("asks", [0, 1])
def test_cancelled_early_or_at_the_end_it_leaves_nothing(tmp_path, kind, asks):
    answers = [True] * asks + [False] * 100
    with pytest.raises(Cancelled):
        every_kind(tmp_path)[kind](lambda *_: answers.pop(0))
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from test_explorer_exporting import every_kind
from explorer.engine.exporting import remove_unfinished
def end(*report):
    assert len(os.listdir(sys.argv[2])) == 1
    remove_unfinished()
    os._exit(7)
every_kind(sys.argv[2])[sys.argv[3]](end)
"""


@pytest.mark.parametrize("kind", ["png", "mp4", "gif"])
def test_a_process_that_ends_at_once_can_take_its_unfinished_files_along(tmp_path, kind):
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path), kind],
        timeout=120, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.returncode == 7
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["png", "mp4", "gif"])
def test_a_decoder_that_fails_leaves_nothing_and_says_what_it_said(tmp_path, kind):
    def broken(latents, kl_weight):
        raise RuntimeError("no memory for this")

    picture = ExportPicture(str(tmp_path / "a.png"), steps(1)[0], 24)
    with pytest.raises(RuntimeError, match="no memory for this"):
        if kind == "png":
            export_picture(picture, broken, go_on)
        else:
            export_morph(morph(tmp_path / f"a.{kind}"), broken, go_on)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_is_a_file_is_one_sentence(tmp_path, kind):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(OSError, match=r"its folder is none and cannot be made one\. Choose another folder\.$"):
        every_kind(tmp_path / "taken")[kind]()
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_one_sentence(tmp_path, kind):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match=r"could not be written: .*\. Choose .*\.$"):
        every_kind(tmp_path)[kind]()
    tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["png", "csv"])
@pytest.mark.parametrize(
    ("number", "words"), [(errno.EACCES, "there is no permission"), (errno.EROFS, "the disk is read-only")]
)
def test_a_refused_move_takes_back_the_name_it_had_claimed(tmp_path, monkeypatch, kind, number, words):
    def refuse(source, target):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match=words):
        every_kind(tmp_path)[kind]()
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from test_explorer_exporting import every_kind
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # the file system takes 100 bytes of a file
try:
    every_kind(sys.argv[2])[sys.argv[3]]()
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, kind):
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(Path(__file__).parent), str(tmp_path), kind],
        capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert (
        done.stdout == f"a.{kind} could not be written: the disk is full. Free some space or choose another folder.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_says_another_kind_is_refused_with_the_right_endings(tmp_path):
    with pytest.raises(ValueError, match=r"\.mp4 or \.gif"):
        export_morph(morph(tmp_path / "a.avi"), painter(), go_on)
    with pytest.raises(ValueError, match=r"\.png"):
        export_picture(ExportPicture(str(tmp_path / "a.jpg"), steps(1)[0], 24), painter(), go_on)
    with pytest.raises(ValueError, match=r"\.csv"):
        export_latents(ExportLatents(str(tmp_path / "a.txt"), VALUES, NAMES))
    assert list(tmp_path.iterdir()) == []


def test_the_module_costs_the_window_nothing(python):
    code = (
        "import sys, explorer.engine.exporting; "
        "print(*[m for m in ('kvae', 'av', 'PIL', 'h5py', 'keras') if m in sys.modules])"
    )
    assert python(code).strip() == ""
