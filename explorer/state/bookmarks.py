"""Points that are worth coming back to, kept for each model file."""

from __future__ import annotations

import base64
import hashlib
import math
import os
import zlib
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Bookmark:
    """A named point; `latents` has the model's latent dimensions."""

    name: str
    latents: tuple[float, ...]


def key_of(path: str) -> str:
    """The preference under which the bookmarks of the model at `path` are kept; one file has one,
    however it is spelt."""
    real = os.path.normcase(os.path.realpath(path))
    return f"bookmarks/{hashlib.sha256(os.fsencode(real)).hexdigest()[:16]}"


def added(bookmarks: tuple[Bookmark, ...], latents: tuple[float, ...], name: str = "") -> tuple[Bookmark, ...]:
    """`bookmarks` and one more; without a name it takes the next free number."""
    return (*bookmarks, Bookmark(name or free_name(bookmarks), latents))


def free_name(bookmarks: tuple[Bookmark, ...]) -> str:
    """ "Bookmark 1", or the first number that no bookmark has."""
    taken = {bookmark.name for bookmark in bookmarks}
    return next(f"Bookmark {n}" for n in range(1, len(taken) + 2) if f"Bookmark {n}" not in taken)


def removed(bookmarks: tuple[Bookmark, ...], place: int) -> tuple[Bookmark, ...]:
    """`bookmarks` without the one at `place`."""
    return bookmarks[:place] + bookmarks[place + 1 :]


def renamed(bookmarks: tuple[Bookmark, ...], place: int, name: str) -> tuple[Bookmark, ...]:
    """`bookmarks` with another name at `place`; the old one stays where `name` is empty."""
    changed = replace(bookmarks[place], name=name.strip() or bookmarks[place].name)
    return (*bookmarks[:place], changed, *bookmarks[place + 1 :])


def to_plain(bookmarks: tuple[Bookmark, ...]) -> list[dict[str, object]]:
    """As the preferences keep them."""
    return [{"name": bookmark.name, "packed": _packed(bookmark.latents)} for bookmark in bookmarks]


def _packed(latents: tuple[float, ...]) -> str:
    """float32 in text: thousands of latents, most of them 0, in some kilobytes."""
    return base64.b64encode(zlib.compress(np.asarray(latents, "<f4").tobytes())).decode("ascii")


def _unpacked(text: str, latent_dim: int) -> list[float]:
    """What `_packed` made of `latent_dim` numbers; an empty list where it is none of that."""
    try:
        taken = zlib.decompressobj()
        content = taken.decompress(base64.b64decode(text, validate=True), 4 * latent_dim)  # never more than is wanted
        return np.frombuffer(content, "<f4").tolist() if taken.eof else []
    except (ValueError, zlib.error):
        return []


def from_plain(entries: object, latent_dim: int) -> tuple[Bookmark, ...]:
    """The bookmarks in `entries` that have `latent_dim` finite values; damaged ones, and those of another model that
    was once in this file, are left out."""
    read = (_read(entry, latent_dim) for entry in entries) if isinstance(entries, list) else ()
    return tuple(bookmark for bookmark in read if bookmark is not None)


def _read(entry: object, latent_dim: int) -> Bookmark | None:
    match entry:
        case {"name": str(name), "packed": str(packed)}:
            return _read({"name": name, "latents": _unpacked(packed, latent_dim)}, latent_dim)
        case {"name": str(name), "latents": [*latents]} if len(latents) == latent_dim:
            if all(isinstance(v, int | float) and math.isfinite(v) for v in latents):
                return Bookmark(name, tuple(float(v) for v in latents))
    return None
