"""Kinds of pictures, told by their first bytes: those that are read, and those that are only named, with what to do.

Every decoding process imports this file, so it imports nothing that is slow to start.
"""

import collections
import functools
import importlib.util
import os
from collections.abc import Iterable
from typing import NamedTuple

START = 512  # bytes that tell every kind
READ = "JPEG, PNG, WebP, BMP, GIF and TIFF"
NO_PICTURE = "is not a picture kvae reads (JPEG, PNG, WebP, BMP, GIF or TIFF), whatever its name says"


class Kind(NamedTuple):
    """One kind of picture. `decoder` is Pillow's name of it, "" where kvae has none.

    `starts` are (place, bytes), each of which tells the kind; without any its endings have to. `cure` is what to do
    with one that is not read, `{it}` standing for it.
    """

    name: str
    endings: tuple[str, ...]
    starts: tuple[tuple[int, bytes], ...] = ()
    decoder: str = ""
    cure: str = "export {it} as JPEG"

    @property
    def read(self) -> bool:
        """Whether kvae reads this kind on this machine."""
        return bool(self.decoder) and (self.decoder != "HEIF" or has_heif())

    @property
    def reason(self) -> str:
        """Why a picture of this kind is not used, and what to do."""
        return f"is {self.name}, which kvae does not read: {self.cure.format(it='it')}"


JPEG = Kind("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), ((0, b"\xff\xd8\xff"),), "JPEG")
TIFF = Kind("TIFF", (".tif", ".tiff"), ((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")), "TIFF")
BMP = Kind("BMP", (".bmp", ".dib"), ((0, b"BM"),), "BMP")
WEBP = Kind("WebP", (".webp",), ((8, b"WEBP"),), "WEBP")
HEIC = Kind(
    "HEIC",
    (".heic", ".heif", ".hif"),
    tuple((4, b"ftyp" + brand) for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")),
    "HEIF",
    "export {it} as JPEG, or install the package pillow-heif",
)
AVIF = Kind("AVIF", (".avif",), tuple((4, b"ftyp" + brand) for brand in (b"avif", b"avis", b"mif1", b"msf1")))
SVG = Kind("SVG", (".svg", ".svgz"), cure="export {it} as PNG")
RAW = Kind(
    "camera RAW",
    (
        *(".dng", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".cr2", ".cr3", ".crw", ".orf", ".rw2", ".rwl", ".raf"),
        *(".pef", ".srw", ".3fr", ".fff", ".iiq", ".erf", ".mef", ".mos", ".mrw", ".kdc", ".dcr", ".x3f"),
    ),
    (
        *((8, b"CR\x02\0"), (0, b"FUJIFILMCCD-RAW"), (0, b"IIRO"), (0, b"IIRS"), (0, b"MMOR"), (0, b"IIU\0")),
        *((0, b"FOVb"), (0, b"\0MRM"), (4, b"ftypcrx ")),
    ),
    cure="develop {it} and export {it} as JPEG",
)
KINDS = (
    RAW,  # before TIFF, as many of them are TIFF files too
    JPEG,
    Kind("PNG", (".png", ".apng"), ((0, b"\x89PNG\r\n\x1a\n"),), "PNG"),
    WEBP,
    BMP,
    Kind("GIF", (".gif",), ((0, b"GIF87a"), (0, b"GIF89a")), "GIF"),
    TIFF,
    HEIC,
    AVIF,
    Kind("JPEG XL", (".jxl",), ((0, b"\xff\x0a"), (0, b"\0\0\0\x0cJXL \r\n\x87\n"))),
    Kind("JPEG 2000", (".jp2", ".j2k", ".jpf", ".jpx"), ((0, b"\0\0\0\x0cjP  \r\n\x87\n"), (0, b"\xff\x4f\xff\x51"))),
    Kind("PSD", (".psd", ".psb"), ((0, b"8BPS"),)),
    SVG,
    Kind("PDF", (".pdf", ".ai"), ((0, b"%PDF-"),), cure="export {it} as JPEG, a page each"),
    Kind("EPS", (".eps",), ((0, b"%!PS-Adobe"), (0, b"\xc5\xd0\xd3\xc6"))),
    Kind("XCF", (".xcf",), ((0, b"gimp xcf "),)),
    Kind("OpenEXR", (".exr",), ((0, b"\x76\x2f\x31\x01"),)),
    Kind("Radiance HDR", (".hdr",), ((0, b"#?RADIANCE"), (0, b"#?RGBE"))),
    Kind("DDS", (".dds",), ((0, b"DDS "),)),
    Kind("DjVu", (".djvu", ".djv"), ((0, b"AT&TFORM"),)),
    Kind("TGA", (".tga",)),
    Kind("icon", (".ico", ".icns", ".cur"), cure="export {it} as PNG"),
    Kind("PCX", (".pcx",)),
    Kind("PNM", (".pnm", ".pbm", ".pgm", ".ppm"), cure="export {it} as PNG"),
    Kind("Krita", (".kra",)),
    Kind("OpenRaster", (".ora",)),
    Kind("Procreate", (".procreate",)),
    Kind("Clip Studio", (".clip",), ((0, b"CSFCHUNK"),)),
    Kind("Affinity", (".afphoto", ".afdesign")),
)
OF_ENDING = {ending: kind for kind in KINDS for ending in kind.endings}
_HEADERS_OF_BMP = (12, 16, 40, 52, 56, 64, 108, 124)  # its second header's length: two letters alone begin many a text


@functools.cache
def has_heif() -> bool:
    """Whether pillow-heif is installed, which decodes HEIC."""
    return importlib.util.find_spec("pillow_heif") is not None


def of_name(name: str) -> Kind | None:
    """The kind that the ending of `name`, a file's, claims."""
    return OF_ENDING.get(os.path.splitext(name)[1].lower())


def kind_of(start: bytes, name: str = "") -> Kind | None:
    """The kind of the picture whose file begins with `start` (START bytes are enough); None for anything else.

    Its ending counts only where the bytes cannot tell: kinds without a mark of their own, and RAW files, of which many
    are TIFF.
    """
    found, claimed = _by_content(start), of_name(name)
    if claimed is RAW and found is TIFF:
        return RAW
    if found is None and claimed and (claimed in (RAW, SVG) or not claimed.starts):
        return claimed
    return found


def tally(reasons: Iterable[str]) -> list[str]:
    """How many of `reasons` say that a kind is not read, kind by kind: "12 HEIC pictures: export them as JPEG, ..."."""
    counts = collections.Counter(reasons)
    return [_counted(kind, counts[kind.reason]) for kind in KINDS if counts[kind.reason]]


def _counted(kind: Kind, count: int) -> str:
    return (
        f"{count:,} {kind.name} picture{'s' if count > 1 else ''}: {kind.cure.format(it='them' if count > 1 else 'it')}"
    )


def _by_content(start: bytes) -> Kind | None:
    for kind in KINDS:
        if any(start.startswith(mark, place) for place, mark in kind.starts) and _agrees(kind, start):
            return kind
    return SVG if _is_svg(start) else None


def _agrees(kind: Kind, start: bytes) -> bool:
    """What a short mark leaves open."""
    if kind in (HEIC, AVIF):  # both may begin as "some coding"; what they are is said among the further brands
        return (b"avif" in start[8:64] or b"avis" in start[8:64]) == (kind is AVIF)
    if kind is BMP:
        return int.from_bytes(start[14:18], "little") in _HEADERS_OF_BMP
    return kind is not WEBP or start.startswith(b"RIFF")


def _is_svg(start: bytes) -> bool:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    return text.startswith(b"<svg") or (
        text.startswith((b"<?xml", b"<!--", b"<!DOCTYPE svg")) and b"<svg" in text and b"<html" not in text
    )
