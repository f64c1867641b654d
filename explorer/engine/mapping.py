"""ReadMap: where the pictures that the open model was trained on lie in its latent space."""

from typing import Any

import numpy as np

from explorer.engine.jobs import Job
from explorer.engine.models import CHUNK, Loaded
from explorer.engine.pictures import NotAgreed, open_pictures, thumbnails_of
from explorer.messages import MapDone, MapPart, Progress, ReadMap, Unread

NOT_AT_HAND = "The training pictures are not at hand, so these are the {} that the model keeps."
PART = 4 * CHUNK  # pictures in one message


def read_map(job: Job, loaded: Loaded) -> None:
    """Answer a `ReadMap` with `MapPart`s and `MapDone`."""
    request: ReadMap = job.content
    info = loaded.info
    try:
        collection = open_pictures(
            info, info.image_shape[0], lambda done, total, what: job.reply(Progress(done, total, what)), request.agreed
        )
        if collection.shape != info.image_shape:
            raise ValueError(f"{collection.name} has pictures of another shape than {info.name}.")
    except NotAgreed as error:
        job.reply(Unread(error.name, error.place))
        _own_few(job, loaded, "", "The map shows the {} pictures that the model keeps.")
        return
    except (OSError, ValueError) as error:
        _own_few(job, loaded, str(error), f"{NOT_AT_HAND} ({error})")
        return
    note = ""
    if info.collection.get("manifest_hash") not in (None, collection.manifest_hash):
        note = f"The pictures in {collection.name} have changed since {info.name} was trained on them."
    count = min(max(1, request.most), len(collection))
    rows = np.linspace(0, len(collection) - 1, count).round().astype(np.int64)
    if count < len(collection):
        note = f"{note} {count:,} of {len(collection):,} pictures, evenly spread.".strip()
    _finish(job, _from_collection(job, loaded, collection, rows), note)


def _from_collection(job: Job, loaded: Loaded, collection: Any, rows: np.ndarray) -> np.ndarray:
    found = []
    for start in range(0, len(rows), PART):
        part = rows[start : start + PART]
        pictures = collection.read(part)
        latents = loaded.encode(pictures, piece=job.piece)
        found.append(latents)
        job.reply(
            MapPart(
                start + len(part),
                len(rows),
                latents,
                thumbnails_of(pictures),
                tuple(collection.names[row] for row in part),
                tuple(collection.folders[row] for row in part),
            )
        )
    return np.concatenate(found)


def _own_few(job: Job, loaded: Loaded, reason: str, note: str) -> None:
    """The pictures whose latents and thumbnails the model itself keeps; `reason` is why there are no others."""
    info = loaded.info
    count = len(info.latents)
    if not count:
        raise ValueError(f"{reason} The model keeps no pictures of its own, so there is nothing to lay out.".strip())
    names = tuple(f"picture {number + 1}" for number in range(count))
    job.reply(MapPart(count, count, info.latents, info.thumbnails, names, ("",) * count))
    _finish(job, info.latents, note.replace("{}", str(count), 1))


def _finish(job: Job, latents: np.ndarray, note: str) -> None:
    from kvae.measures.posterior import principal_directions

    mean = latents.mean(axis=0, dtype=np.float64)
    centred = latents - mean.astype(np.float32)
    components, spreads = principal_directions(centred)
    total = float(np.sum(centred.var(axis=0, dtype=np.float64)))
    shares = np.square(spreads) / total if total > 0 else np.zeros_like(spreads)
    job.reply(
        MapDone(mean.astype(np.float32), components.astype(np.float32), shares.astype(np.float32), note), last=True
    )
