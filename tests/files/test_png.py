"""A text in a PNG is found without decoding a pixel, and one that cannot be is refused."""

import io
import struct
import zlib

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kvae.files.png import SIGNATURE, read_text, text_in
from kvae.files.refusal import Refused


def chunk(name: bytes, body: bytes, crc: int | None = None) -> bytes:
    crc = zlib.crc32(name + body) if crc is None else crc
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)


def png(*texts: bytes) -> bytes:
    """A PNG with these chunks before its picture."""
    memory = io.BytesIO()
    Image.new("RGB", (4, 4), (1, 2, 3)).save(memory, "PNG")
    content = memory.getvalue()
    return content[:33] + b"".join(texts) + content[33:]


def found(content: bytes, most: int = 100) -> bytes | None:
    return text_in(io.BytesIO(content), len(content), "mine", most=most)


def test_a_text_that_another_program_wrote_is_read_from_a_file(tmp_path):
    info = PngInfo()
    info.add_text("other", "no")
    info.add_text("mine", "here")
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", pnginfo=info)
    assert read_text(tmp_path / "a.png", "mine", most=100) == b"here"
    assert read_text(tmp_path / "a.png", "none", most=100) is None


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", SIGNATURE, SIGNATURE + b"\0\0", png(), png(chunk(b"zTXt", b"mine\0\0x"))]
)
def test_what_has_no_such_text_has_none(content):
    assert found(content) is None


def test_a_text_behind_the_picture_is_not_looked_for():
    content = png()
    assert found(content[:-12] + chunk(b"tEXt", b"mine\0late") + content[-12:]) is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (png(chunk(b"tEXt", b"mine\0" + b"x" * 101)), "at too great a length"),
        (png(chunk(b"tEXt", b"mine\0a"), chunk(b"tEXt", b"mine\0a")), "says twice"),
        (png(chunk(b"tEXt", b"mine\0a", crc=7)), "is damaged"),
        (png(chunk(b"tEXt", b"mine\0" + b"x" * 90))[:100], "is cut off"),
        (png(struct.pack(">I", 2**31 - 1) + b"tEXt" + b"mine\0a"), "at too great a length"),
    ],
)
def test_a_text_that_cannot_be_is_refused(content, says):
    with pytest.raises(Refused, match=says):
        found(content)


def test_chunks_without_end_are_left_at_some_point():
    assert found(png(*[chunk(b"tEXt", b"x\0")] * 2000, chunk(b"tEXt", b"mine\0a"))) is None
