"""Points that are worth coming back to, kept for each model file."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass, replace

from explorer.png import packed, unpacked


@dataclass(frozen=True)
class Bookmark:
    """A named point; `latents` has the model's latent dimensions, `kl_weight` is the one at which it was kept."""

    name: str
    latents: tuple[float, ...]
    kl_weight: float | None = None


def key_of_weights(digest: str) -> str:
    """The preference under which the bookmarks of the model with this digest are kept too: its file may be moved."""
    return f"bookmarks/of {digest[:16]}"


def key_of(path: str) -> str:
    """The preference under which the bookmarks of the model at `path` are kept; one file has one,
    however it is spelt."""
    real = os.path.normcase(os.path.realpath(path))
    return f"bookmarks/{hashlib.sha256(os.fsencode(real)).hexdigest()[:16]}"


def added(
    bookmarks: tuple[Bookmark, ...], latents: tuple[float, ...], name: str = "", kl_weight: float | None = None
) -> tuple[Bookmark, ...]:
    """`bookmarks` and one more; without a name it takes the next free number."""
    return (*bookmarks, Bookmark(name or free_name(bookmarks), latents, kl_weight))


def together(bookmarks: tuple[Bookmark, ...], others: tuple[Bookmark, ...]) -> tuple[Bookmark, ...]:
    """`bookmarks` and those of the `others` that are other points; a name that is taken gets a number."""
    found = list(bookmarks)
    for other in others:
        if any((one.latents, one.kl_weight) == (other.latents, other.kl_weight) for one in found):
            continue
        taken = {one.name for one in found}
        names = (other.name, *(f"{other.name} ({number})" for number in range(2, len(taken) + 3)))
        found.append(replace(other, name=next(name for name in names if name not in taken)))
    return tuple(found)


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
    """As the preferences and the file beside a model keep them."""
    return [
        {"name": bookmark.name, "packed": packed(bookmark.latents), "kl_weight": bookmark.kl_weight}
        for bookmark in bookmarks
    ]


def from_plain(entries: object, latent_dim: int) -> tuple[Bookmark, ...]:
    """The bookmarks in `entries` that have `latent_dim` finite values; damaged ones, and those of another model that
    was once in this file, are left out."""
    read = (_read(entry, latent_dim) for entry in entries) if isinstance(entries, list | tuple) else ()
    return tuple(bookmark for bookmark in read if bookmark is not None)


def _read(entry: object, latent_dim: int) -> Bookmark | None:
    match entry:
        case {"name": str(name), "packed": str(text), **more}:
            found = unpacked(text, latent_dim)
            return None if found is None else Bookmark(name, tuple(found.tolist()), _weight(more.get("kl_weight")))
        case {"name": str(name), "latents": [*latents]} if len(latents) == latent_dim:
            if all(isinstance(v, int | float) and math.isfinite(v) for v in latents):
                return Bookmark(name, tuple(float(v) for v in latents))
    return None


def _weight(value: object) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
    return float(value) if fits and isinstance(value, int | float) else None
