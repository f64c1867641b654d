"""Files that are no picture, or an unusual one: what a folder skips with a reason, and what it uses all the same."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def noise(seed: int, size: int = 20) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8))


def png_header(width: int, height: int, depth: int, colour: int) -> bytes:
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def save_jpeg(path: Path) -> None:
    noise(99, 200).save(path, "JPEG")


def truncated(kind: str):
    def make(path: Path) -> None:
        noise(99, 200).save(path, kind)
        path.write_bytes(path.read_bytes()[:-3000])

    return make


def unreadable(path: Path) -> None:
    save_jpeg(path)
    path.chmod(0)


BAD = {
    "zero bytes": ("a.jpg", lambda path: path.write_bytes(b""), "empty"),
    "truncated JPEG": ("a.jpg", truncated("JPEG"), "cut off"),
    "truncated PNG": ("a.png", truncated("PNG"), "cut off"),
    "truncated WebP": ("a.webp", truncated("WEBP"), "header|cut off"),
    "truncated TIFF": ("a.tif", truncated("TIFF"), "header|cut off"),
    "text": ("a.jpg", lambda path: path.write_text("not a picture at all"), "not a picture"),
    "another format": ("a.jpg", lambda path: path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n"), "is EPS"),
    "900 megapixels of 1 bit": ("a.png", lambda path: path.write_bytes(png_header(30000, 30000, 1, 0)), "megapixels"),
    "2^31 pixels": ("a.png", lambda path: path.write_bytes(png_header(2**31 - 1, 1, 8, 2)), "megapixels"),
    "88 megapixels": (
        "a.png",
        lambda path: path.write_bytes(png_header(11000, 8000, 8, 2)),
        "88 megapixels; the limit",
    ),
    "dangling link": ("a.jpg", lambda path: path.symlink_to("nowhere.jpg"), "link that leads nowhere"),
    "link to itself": ("a.jpg", lambda path: path.symlink_to(path), "nowhere|could not be read"),
    "named pipe": ("a.jpg", lambda path: os.mkfifo(path), "pipe"),
    "link to a device": ("a.jpg", lambda path: path.symlink_to("/dev/zero"), "device|link out of"),
    "HEIC under another name": (
        "a.jpg",
        lambda path: path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(500)),
        "HEIC|header",
    ),
    "AVIF under another name": (
        "a.jpg",
        lambda path: path.write_bytes(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif" + bytes(9)),
        "AVIF",
    ),
    "camera's RAW file": ("a.nef", lambda path: noise(99).save(path, "TIFF"), "RAW"),
    "TGA, which has no mark": ("a.tga", lambda path: noise(99).save(path), "TGA"),
}


def upright(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to see it upright
    noise(50).save(path, exif=exif)


def moving(path: Path) -> None:
    noise(50).save(path, save_all=True, append_images=[noise(51), noise(52)])


# a name, what makes the file, and what is said of it, if anything is
USED = {
    "no ending": ("x", lambda path: noise(50).save(path, "PNG"), ""),
    "JPEG named .jfif": ("x.jfif", lambda path: noise(50).save(path, "JPEG"), ""),
    "JPEG named .jpe": ("x.jpe", lambda path: noise(50).save(path, "JPEG"), ""),
    "JPEG named .txt": ("x.txt", lambda path: noise(50).save(path, "JPEG"), ""),
    "PNG named .heic": ("x.heic", lambda path: noise(50).save(path, "PNG"), ""),
    "MPO of a telephone": (
        "x.mpo",
        lambda path: noise(50).save(path, "MPO", save_all=True, append_images=[noise(51)]),
        "",
    ),
    "PNG named .jpg": ("x.jpg", lambda path: noise(50).save(path, "PNG"), ""),
    "Unicode name": ("Käthe Kollwitz – 母親 🎨.png", lambda path: noise(50).save(path), ""),
    "upper-case ending": ("X.JPEG", lambda path: noise(50).save(path, "JPEG"), ""),
    "EXIF orientation 6": ("x.jpg", upright, ""),
    "CMYK": ("x.jpg", lambda path: noise(50).convert("CMYK").save(path), ""),
    "16 bits": (
        "x.png",
        lambda path: Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 160).save(path),
        "",
    ),
    "palette with transparency": ("x.gif", lambda path: noise(50).convert("P").save(path, transparency=3), ""),
    "alpha": ("x.png", lambda path: noise(50).convert("RGBA").save(path), ""),
    "grey": ("x.bmp", lambda path: noise(50).convert("L").save(path), ""),
    "animated GIF": ("x.gif", moving, "first"),
    "animated WebP": ("x.webp", moving, "first"),
    "animated PNG": ("x.png", moving, "first"),
    "bad colour profile": ("x.png", lambda path: noise(50).save(path, icc_profile=b"no profile at all"), "profile"),
}
