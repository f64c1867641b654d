"""ReadMap and ReadPosteriors: where the pictures that the open model was trained on lie in its latent space."""

from pathlib import Path
from typing import Any

import numpy as np

from explorer.engine.jobs import Job
from explorer.engine.models import CHUNK, Loaded
from explorer.engine.neighbourhoods import SUFFIX, keep, kept, laid_out
from explorer.engine.pictures import NotAgreed, open_pictures, thumbnails_of
from explorer.messages import (
    MOST_LEADING,
    Independence,
    MapDone,
    MapLaid,
    MapPart,
    ModelInfo,
    PosteriorsAt,
    Progress,
    ReadMap,
    ReadPosteriors,
    Unread,
    leading,
)

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
    found = _from_collection(job, loaded, collection, rows)
    _lay_out(job, info, found, f"{info.digest} {collection.manifest_hash} {len(rows)}")
    _finish(job, found, note)


class Codes:
    """The latents of many pictures, as far as a map is laid out by them: the leading ones, and sums of all."""

    def __init__(self, info: ModelInfo) -> None:
        self.columns = leading(info)
        self._parts: list[np.ndarray] = []
        self._sum = self._squares = np.zeros(info.latent_dim)

    def add(self, latents: np.ndarray) -> None:
        """Some more, float32 (n, latent)."""
        self._parts.append(latents[:, self.columns])
        self._sum = self._sum + latents.sum(axis=0, dtype=np.float64)
        self._squares = self._squares + np.einsum("ij,ij->j", latents, latents, dtype=np.float64)

    @property
    def latents(self) -> np.ndarray:
        """The leading ones of all, float32 (n, leading)."""
        return np.concatenate(self._parts)

    def directions(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The mean (latent,), principal directions (count, latent), and their shares (count,) of all variance."""
        from kvae.measures.posterior import principal_directions

        found = np.concatenate(self._parts)
        count, mean = len(found), self._sum / len(found)
        inside, spreads = principal_directions(found - mean[self.columns].astype(np.float32))
        components = np.zeros((len(inside), len(mean)))
        components[:, self.columns] = inside
        total = float(np.sum(np.maximum(self._squares / count - mean**2, 0.0)))
        return mean, components, np.square(spreads) / total if total > 0 else np.zeros_like(spreads)


def _from_collection(job: Job, loaded: Loaded, collection: Any, rows: np.ndarray) -> Codes:
    found = Codes(loaded.info)
    for start in range(0, len(rows), PART):
        part = rows[start : start + PART]
        pictures = collection.read(part)
        latents = loaded.encode(pictures, piece=job.piece)
        found.add(latents)
        kept, columns = _without_dead(latents)
        job.reply(
            MapPart(
                start + len(part),
                len(rows),
                kept,
                thumbnails_of(pictures),
                tuple(collection.names[row] for row in part),
                tuple(collection.folders[row] for row in part),
                columns,
            )
        )
    return found


def _without_dead(latents: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Thousands of latents, most of them dead and exactly 0, take room for the others alone, and half of that."""
    if latents.shape[1] <= MOST_LEADING:
        return latents, None
    columns = np.flatnonzero(latents.any(axis=0))
    return latents[:, columns].astype(np.float16), columns


def _own_few(job: Job, loaded: Loaded, reason: str, note: str) -> None:
    """The pictures whose latents and thumbnails the model itself keeps; `reason` is why there are no others."""
    info = loaded.info
    count = len(info.latents)
    if not count:
        raise ValueError(f"{reason} The model keeps no pictures of its own, so there is nothing to lay out.".strip())
    names = tuple(f"picture {number + 1}" for number in range(count))
    kept, columns = _without_dead(info.latents)
    job.reply(MapPart(count, count, kept, info.thumbnails, names, ("",) * count, columns))
    found = Codes(info)
    found.add(info.latents)
    _lay_out(job, info, found, "")
    _finish(job, found, note.replace("{}", str(count), 1))


def _lay_out(job: Job, info: ModelInfo, found: Codes, key: str) -> None:
    """Say where the pictures lie when similar ones are side by side; what was kept under `key` is not worked out
    anew, and "" keeps nothing."""
    latents = found.latents
    places = _places_of(info) if key else []
    known = kept(places, key, len(latents))
    if known is not None:
        job.reply(MapLaid(1, 1, known))
        return
    for done, total, layout in laid_out(latents, job.check):
        job.reply(MapLaid(done, total, layout))
    keep(places, key, layout)


def _places_of(info: ModelInfo) -> list[Path]:
    """Where a layout may be kept: beside the model, else in the cache. One that trains is another in a moment."""
    from kvae.images.cache import cache_folder
    from kvae.saving.card import STARTER

    path = Path(info.path)
    if path.parent.name.startswith("kvae-run-"):
        return []
    cached = cache_folder() / f"{info.digest[:32]}{SUFFIX}"
    return [cached] if path.resolve().parent == STARTER.resolve().parent else [path.with_suffix(SUFFIX), cached]


def _finish(job: Job, found: Codes, note: str) -> None:
    mean, components, shares = (part.astype(np.float32) for part in found.directions())
    job.reply(MapDone(mean, components, shares, note), last=True)


def read_posteriors(job: Job, loaded: Loaded) -> None:
    """Answer a `ReadPosteriors` with a `PosteriorsAt` for each weight."""
    request: ReadPosteriors = job.content
    if loaded.info.latent_dim != 2 or loaded.info.autoencoder:
        raise ValueError(f"{loaded.info.name} has no plane of posteriors: it needs two latents and a KL term.")
    pictures, labels, note = _some_pictures(job, loaded.info, request)
    for place, weight in enumerate(request.weights, start=1):
        means, covariances = loaded.posteriors(pictures, weight, job.piece)
        if not (np.isfinite(means).all() and np.isfinite(covariances).all()):
            raise ValueError(f"{loaded.info.name} has posteriors that are no numbers at KL weight {weight:.3g}.")
        part = PosteriorsAt(weight, means, covariances, labels, note)
        job.reply(part, last=place == len(request.weights))


def read_independence(job: Job, loaded: Loaded) -> None:
    """Answer a `ReadIndependence`.

    Raises:
        ValueError: a model that has no posteriors, another likelihood than a Gaussian, or no pictures with it.
    """
    import keras

    from kvae.measures.coder import Coder
    from kvae.measures.independence import measured

    info, weight = loaded.info, loaded.weight(job.content.kl_weight)
    if info.autoencoder or weight <= 0 or loaded.model.methods.names["likelihood"] != "squared-error":
        raise ValueError(f"{info.name} has no Gaussian posterior that independence could cost anything.")
    if info.thumbnails.shape[1:] != info.image_shape:
        raise ValueError(f"{info.name} keeps no pictures that could be looked at.")
    with keras.StatelessScope([(loaded.model.kl_weight, np.float32(weight))]):
        codes = Coder(loaded.model).codes(info.thumbnails.astype(np.float32) / 255.0)
    cost, saved = measured(lambda latents: loaded.generate(latents, weight, job.piece), codes, weight)
    assert cost is not None
    job.reply(Independence(info.name, weight, cost, float(codes.rates.sum(axis=1).mean()), saved), last=True)


def _some_pictures(job: Job, info: ModelInfo, request: ReadPosteriors) -> tuple[np.ndarray, tuple[str, ...], str]:
    """Pictures as the model takes them, what each is coloured by, and a note: those of the collection, evenly spread,
    or the few in the model itself where these are whole."""
    try:
        collection = open_pictures(
            info, info.image_shape[0], lambda done, total, what: job.reply(Progress(done, total, what)), request.agreed
        )
        if collection.shape != info.image_shape:
            raise ValueError(f"{collection.name} has pictures of another shape than {info.name}.")
    except (NotAgreed, OSError, ValueError):
        if info.thumbnails.shape[1:] != info.image_shape:
            raise
        count = len(info.thumbnails)
        return info.thumbnails, ("",) * count, f"These are the {count} pictures that the model keeps."
    count = min(max(1, request.most), len(collection))
    rows = np.linspace(0, len(collection) - 1, count).round().astype(np.int64)
    manners = collection.factors.get("manner")
    labels = tuple(collection.folders[row] if manners is None else str(manners[row]) for row in rows)
    return collection.read(rows), labels, ""
