"""A first look at what somebody wants to train on: how many pictures there seem to be, and a few of them."""

from pathlib import Path

import numpy as np

from explorer.engine.jobs import Job
from explorer.messages import Seen

SIDE = 64  # pixels
FEW = 8
_TRIES = 24  # files that are decoded at most until there are so many


def look_into(job: Job) -> None:
    """Answer a `LookInto` with `Seen`: nothing is decoded but the few that are shown.

    Raises:
        ValueError, OSError: no pictures there; one sentence.
    """
    path = Path(job.content.data).expanduser()
    job.reply(_folder(path) if path.is_dir() else _array(path), last=True)


def _folder(path: Path) -> Seen:
    from kvae.images.decoders import decode_files
    from kvae.images.scanning import scan

    found = scan(path)
    count = len(found.found)
    if not count:
        raise ValueError(f"There is no picture in {path} that kvae reads. Choose another folder.")
    order = np.unique(np.linspace(0, count - 1, _TRIES).round().astype(int))
    first = order[np.linspace(0, len(order) - 1, min(FEW, len(order))).round().astype(int)]  # evenly spread
    tried = dict.fromkeys([*first.tolist(), *order.tolist()])
    images: list[np.ndarray] = []
    for outcome in decode_files([found.found.path(place) for place in tried], size=SIDE, crop="square", workers=1):
        if outcome.reason is None:
            images.append(np.frombuffer(outcome.pixels, np.uint8).reshape(SIDE, SIDE, 3))
        if len(images) == FEW:
            break
    return Seen(str(path), count, len(found.skipped) + found.others, _stacked(images))


def _array(path: Path) -> Seen:
    from kvae.images.arrays import decoded, from_file

    pictures = from_file(path)
    block = next(iter(decoded(pictures, size=SIDE, crop="square")))
    images = block.pixels[np.linspace(0, len(block.pixels) - 1, min(FEW, len(block.pixels))).round().astype(int)]
    return Seen(str(path), int(pictures.shape[0]), 0, np.asarray(images))


def _stacked(images: list[np.ndarray]) -> np.ndarray:
    return np.stack(images) if images else np.empty((0, SIDE, SIDE, 3), np.uint8)
