"""PNGs that say of themselves where they were painted, and what cannot be."""

import base64
import io
import json
import struct
import zlib
from typing import Any

import numpy as np

from corpus.pictures import noise

KEYWORD = b"kvae:point"


def packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


def point(**changed: Any) -> dict[str, Any]:
    """A good one of three latents, but for what is changed; None leaves a part out."""
    said = {
        "format": 1,
        "model": "0" * 64,
        "name": "art",
        "kl_weight": 0.1,
        "latent_dim": 3,
        "latents": packed(np.ones(3, "<f4").tobytes()),
        **changed,
    }
    return {name: value for name, value in said.items() if value is not None}


def chunk(text: bytes, name: bytes = b"tEXt", crc: int | None = None, length: int | None = None) -> bytes:
    body = KEYWORD + b"\0" + text
    crc = zlib.crc32(name + body) if crc is None else crc
    return struct.pack(">I", len(body) if length is None else length) + name + body + struct.pack(">I", crc)


def png(*chunks: bytes) -> bytes:
    """A picture with these chunks before its pixels."""
    memory = io.BytesIO()
    noise(50).save(memory, "PNG")
    content = memory.getvalue()
    return content[:33] + b"".join(chunks) + content[33:]


def saying(said: Any) -> bytes:
    return png(chunk(said if isinstance(said, bytes) else json.dumps(said).encode()))


def _cut() -> bytes:
    content = saying(point())
    return content[: content.index(KEYWORD) + 60]


POINTS: dict[str, bytes] = {
    "good": saying(point()),
    "no point": png(),
    "too long": png(chunk(b"x" * (1 << 20))),
    "length of two gigabytes": png(chunk(b"x", length=2**31 - 1)),
    "length of four gigabytes": png(chunk(b"x", length=2**32 - 1)),
    "wrong checksum": png(chunk(json.dumps(point()).encode(), crc=1)),
    "twice": png(*[chunk(json.dumps(point()).encode())] * 2),
    "cut off": _cut(),
    "no JSON": saying(b"\xff\xfe{"),
    "a list": saying([1, 2]),
    "nothing": saying({}),
    "nesting": saying(b"[" * 100_000),
    "digits": saying(b'{"format": ' + b"9" * 5000 + b"}"),
    "not finite": saying(b'{"format": NaN}'),
    "said twice": saying(b'{"format": 1, "format": 1}'),
    "another part": saying(point(path="/etc/passwd")),
    "no model": saying(point(model=None)),
    "model that is a path": saying(point(model="../" * 21 + "x")),
    "name without end": saying(point(name="x" * 5000)),
    "name of controls": saying(point(name="a\x1b[31m\u202eb\n")),
    "weight below 0": saying(point(kl_weight=-1.0)),
    "weight that is text": saying(point(kl_weight="0.1")),
    "no latents": saying(point(latent_dim=0, latents="")),
    "latents without end": saying(point(latent_dim=2**40)),
    "latents that are not base64": saying(point(latents="?")),
    "latents that are not zipped": saying(point(latents="AAAA")),
    "fewer latents than said": saying(point(latent_dim=4)),
    "more latents than said": saying(point(latent_dim=2)),
    "latents that are not finite": saying(point(latents=packed(np.full(3, np.nan, "<f4").tobytes()))),
    "a bomb": saying(point(latents=packed(bytes(60 << 20)))),
    "more behind the latents": saying(
        point(latents=base64.b64encode(zlib.compress(np.ones(3, "<f4").tobytes()) + b"more").decode())
    ),
    "newer": saying(point(format=2)),
    "true for a number": saying(point(format=True)),
    "compressed text": png(chunk(b"\0" + zlib.compress(bytes(60 << 20)), name=b"zTXt")),
}
LOADS = {"good", "no point", "compressed text", "name of controls"}


def bookmarks(**changed: Any) -> bytes:
    """A good file of one bookmark, but for what is changed."""
    one = {"name": "sea", "packed": packed(np.ones(3, "<f4").tobytes()), "kl_weight": 0.1}
    said = {"kvae_bookmarks": 1, "model": "0" * 64, "name": "art", "latent_dim": 3, "bookmarks": [one], **changed}
    return json.dumps({name: value for name, value in said.items() if value is not None}).encode()


BOOKMARKS: dict[str, bytes] = {
    "good": bookmarks(),
    "empty": b"",
    "text": b"sea",
    "another table": b'{"bookmarks": []}',
    "newer": bookmarks(kvae_bookmarks=2),
    "nesting": b"[" * 200_000,
    "a million": bookmarks(bookmarks=[{"name": "x", "packed": ""}] * 200_000),
    "another part": bookmarks(path="/etc/passwd"),
    "bookmark with another part": bookmarks(bookmarks=[{"name": "x", "packed": "", "run": "x"}]),
    "bookmark without a name": bookmarks(bookmarks=[{"packed": ""}]),
    "latents that are not base64": bookmarks(bookmarks=[{"name": "x", "packed": "<script>"}]),
    "weight that is not finite": bookmarks(bookmarks=[]).replace(
        b"[]", b'[{"name": "x", "packed": "", "kl_weight": NaN}]'
    ),
    "no latents": bookmarks(latent_dim=0),
}
BOOKMARKS_LOAD = {"good"}
