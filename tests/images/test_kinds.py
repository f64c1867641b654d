"""Kinds of pictures: told by their first bytes, whatever the file is called,
and each that is not read with its cure."""

import io

import pytest
from PIL import Image

from explorer.widgets import picture
from kvae.images.kinds import HEIC, KINDS, NO_PICTURE, OF_ENDING, RAW, READ, START, kind_of, of_name, tally

OF_PILLOW = (
    "JPEG",
    "PNG",
    "WEBP",
    "BMP",
    "GIF",
    "TIFF",
    "MPO",
    "JPEG2000",
    "AVIF",
    "TGA",
    "ICO",
    "EPS",
    "PCX",
    "PPM",
    "PDF",
)
NAMES = {"MPO": "JPEG", "JPEG2000": "JPEG 2000", "WEBP": "WebP", "ICO": "icon", "PPM": "PNM"}
WITHOUT_A_MARK = ("TGA", "ICO", "PCX", "PPM")
MARKED = [(kind, mark) for kind in KINDS for mark in kind.starts if kind.name not in ("BMP", "WebP", "AVIF")]


def written(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 40), (200, 40, 90)).save(file, kind)
    return file.getvalue()[:START]


@pytest.mark.parametrize("kind", [kind for kind in OF_PILLOW if kind not in WITHOUT_A_MARK])
@pytest.mark.parametrize("name", ["a", "a.jpg", "a.txt", "a.tga", "a.heic"])
def test_what_pillow_writes_is_told_by_its_content_under_any_name(kind, name):
    found = kind_of(written(kind), name)
    assert found and found.name == NAMES.get(kind, kind)


@pytest.mark.parametrize(("kind", "ending"), [("TGA", "a.TGA"), ("ICO", "a.ico"), ("PCX", "a.pcx"), ("PPM", "a.ppm")])
def test_a_kind_without_a_mark_is_told_by_its_ending(kind, ending):
    found = kind_of(written(kind), ending)
    assert found and found.name == NAMES.get(kind, kind)
    assert kind_of(written(kind), "a") is None


@pytest.mark.parametrize(("kind", "mark"), MARKED, ids=[f"{kind.name} {mark[1]!r}" for kind, mark in MARKED])
def test_every_mark_tells_its_kind(kind, mark):
    assert kind_of(bytes(mark[0]) + mark[1] + bytes(100)) is kind


@pytest.mark.parametrize("ending", RAW.endings)
def test_a_camera_file_is_not_taken_for_the_tiff_that_it_is_built_on(ending):
    assert kind_of(b"II*\0" + bytes(100), "a" + ending.upper()) is RAW
    assert kind_of(b"II*\0" + bytes(100), "a.tif").name == "TIFF"
    assert kind_of(b"\xff\xd8\xff\xe0" + bytes(100), "a" + ending).name == "JPEG"


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"BMW 300\n" * 99,
            b"a,b\n1,2\n",
            b'{"a": 1}',
            b"import os\n",
            b"GIF8 is a format",
            b"P1 and P2 are points",
        ),
        *(b"<html><svg></svg></html>", b"<?xml version='1.0'?><html><svg/></html>", b"\0\0\0\x18ftypisom" + bytes(99)),
        *(b"RIFF\0\0\0\0WAVEfmt ", b"PK\x03\x04" + bytes(99), bytes(START), b"\x7fELF" + bytes(99)),
    ],
)
def test_what_is_no_picture_is_none(content):
    assert kind_of(content, "a") is None and kind_of(content, "a.txt") is None


@pytest.mark.parametrize(
    ("brands", "name"),
    [("heicmif1", "HEIC"), ("mif1heic", "HEIC"), ("mif1avif", "AVIF"), ("avifmif1", "AVIF"), ("msf1hevc", "HEIC")],
)
def test_heic_and_avif_are_told_apart_by_all_their_brands(brands, name):
    content = b"\0\0\0\x18ftyp" + brands[:4].encode() + bytes(4) + brands[4:].encode() + bytes(99)
    assert kind_of(content).name == name


@pytest.mark.parametrize("content", [b"<svg ", b"\xef\xbb\xbf\n<svg>", b"<?xml version='1.0'?>\n<!-- x -->\n<svg>"])
def test_svg_is_told_by_its_text(content):
    assert kind_of(content, "drawing").name == "SVG"


def test_an_ending_belongs_to_one_kind_and_every_kind_that_is_not_read_has_a_cure():
    assert len(OF_ENDING) == sum(len(kind.endings) for kind in KINDS)
    assert all("{it}" in kind.cure and "export it as" in kind.reason for kind in KINDS)
    assert of_name("folder.jpg/Some.Picture.TIFF").name == "TIFF" and of_name("README") is None


def test_reasons_are_counted_kind_by_kind():
    reasons = [HEIC.reason, "is empty (0 bytes)", RAW.reason, HEIC.reason]
    assert tally(reasons) == [
        "1 camera RAW picture: develop it and export it as JPEG",
        "2 HEIC pictures: export them as JPEG, or install the package pillow-heif",
    ]


def test_what_is_said_to_be_read_is_what_is_read():
    names = [kind.name for kind in KINDS if kind.decoder and kind is not HEIC]
    assert sorted(names) == sorted(READ.replace(" and", ",").split(", "))
    assert all(name in NO_PICTURE for name in names)


def test_the_window_offers_the_kinds_that_are_read_and_asks_about_some_others():
    assert sorted(picture.READ) == sorted(end for kind in KINDS if kind.decoder for end in kind.endings)
    assert all(not OF_ENDING[ending].decoder for ending in picture.NAMED)


def test_a_file_without_an_ending_may_be_a_picture_and_a_folder_may_not(tmp_path):
    (tmp_path / "scan").write_bytes(b"")
    asked = {path.name: picture.may_be_picture(str(path)) for path in (tmp_path / "scan", tmp_path, tmp_path / "a.txt")}
    assert asked == {"scan": True, tmp_path.name: False, "a.txt": False}
