"""Bookmarks as files: beside their model, so that they move with its folder, and where a person exports them to.

Such a file may come from anybody and is read as strictly as a model.
"""

import json
import os
from pathlib import Path
from typing import Any

from explorer.messages import BookmarksRead, Exported, WriteBookmarks
from explorer.png import MOST_LATENTS, MOST_PACKED
from kvae.files.archive import as_path, open_regular
from kvae.files.atomic import atomic_write, numbered
from kvae.files.failure import unwritable
from kvae.files.refusal import Refused, sentence
from kvae.files.schema import Number, Row, Table, Text
from kvae.files.strict_json import parse

FORMAT = 1
MOST = 1000  # bookmarks in one file
MOST_BYTES = 64 << 20
CURE = "Open a file that kvae exported."
_FILE = Table(
    {
        "kvae_bookmarks": Number(1, 10**6, whole=True),
        "model": Text(64, r"[0-9a-f]*"),
        "name": Text(200),
        "latent_dim": Number(1, MOST_LATENTS, whole=True),
        "bookmarks": Row(
            Table(
                {
                    "name": Text(200),
                    "packed": Text(MOST_PACKED, r"[A-Za-z0-9+/=]*"),
                    "kl_weight": Number(0.0, 1e6, optional=True),
                },
                ("name", "packed"),
            ),
            MOST,
        ),
    },
    ("kvae_bookmarks", "bookmarks", "latent_dim"),
)


def read_bookmarks(path: str, optional: bool) -> BookmarksRead:
    """What is in the file of bookmarks at `path`; nothing where there is none and it is `optional`.

    Raises:
        ValueError, OSError: no such file, or one that cannot be; one sentence.
    """
    if optional and not os.path.lexists(path):
        return BookmarksRead(path, "", "", 0, None)
    try:
        said = _content(path, follow=not optional)
    except Refused as error:
        raise ValueError(sentence(path, error)) from error
    return BookmarksRead(
        path, said.get("model", ""), said.get("name", ""), said["latent_dim"], tuple(said["bookmarks"])
    )


def write_bookmarks(request: WriteBookmarks) -> Exported:
    """Write them; beside a model in the place of what kvae wrote there before, elsewhere under the next free name.

    Raises:
        ValueError, OSError: one sentence.
    """
    path = Path(request.path).absolute()
    if request.beside and (why := _not_beside(path)):
        raise ValueError(why)
    content = {
        "kvae_bookmarks": FORMAT,
        "model": request.digest,
        "name": request.name[:200],
        "latent_dim": request.latent_dim,
        "bookmarks": list(request.entries[:MOST]),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not request.beside:
            path = next(one for one in numbered(path) if not os.path.lexists(one))
        atomic_write(path, json.dumps(content, indent=1))
    except OSError as error:
        raise OSError(unwritable(path, error)) from error
    return Exported(str(path))


def _content(path: str, follow: bool = False) -> dict[str, Any]:
    with open_regular(as_path(path), follow=follow) as file:
        if os.fstat(file.fileno()).st_size > MOST_BYTES:
            raise Refused(f"is larger than bookmarks can be. {CURE}")
        content = file.read(MOST_BYTES + 1)
    if content.count(b'"') > 20 * MOST:  # before anything is taken apart
        raise Refused(f"holds more than {MOST:,} bookmarks. {CURE}")
    said = parse(content, most_nodes=10 * MOST)
    if not isinstance(said, dict) or type(said.get("kvae_bookmarks")) is not int:
        raise Refused(f"holds no bookmarks. {CURE}")
    if said["kvae_bookmarks"] > FORMAT:
        raise Refused("holds bookmarks of a newer kvae. Update kvae and open it again.")
    return _FILE.hold(said, "its bookmarks")


def _not_beside(path: Path) -> str:
    """Why nothing is written there, "" where it is: the model in the box and one that still trains have no folder of
    their own, and what is not ours is not replaced."""
    from kvae.saving.card import STARTER

    if path.resolve().parent == STARTER.resolve().parent or path.parent.name.startswith("kvae-run-"):
        return f"Nothing is kept beside {path.stem}: its folder is not for that."
    if os.path.lexists(path):
        try:
            _content(str(path))
        except (Refused, OSError):
            return f"{path.name} is no file of bookmarks, and is left as it is. Move it to keep bookmarks there."
    return ""
