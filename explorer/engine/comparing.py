"""Compare: the same pictures reconstructed by several models, each at its own size."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from explorer.engine.jobs import Job, NotWanted
from explorer.engine.models import CHUNK, Loaded, Models
from explorer.engine.pictures import NotAgreed, crop_of, open_pictures, picture_for, with_channels
from explorer.engine.wording import sentence_of
from explorer.messages import Compare, Compared, ModelInfo, Originals, Progress, Unread, place_of

SEED = 1  # of the points that samples are decoded from


def compare(job: Job, models: Models) -> None:
    """Answer a `Compare` with `Originals` and a `Compared` for each model."""
    request: Compare = job.content
    if not request.models:
        raise ValueError("Choose at least one model to compare.")
    pictures = _Pictures(job, request)
    first = next((one.info for one in (_opened(models, path) for path in request.models) if one is not None), None)
    if first is not None:
        try:
            job.reply(Originals(pictures.at(first), "" if request.pictures else first.name))
        except NotAgreed as error:
            job.reply(Unread(error.name, error.place), last=True)
            return
    for number, path in enumerate(request.models, start=1):
        job.reply(_row(job, models, path, pictures), last=number == len(request.models))


class _Pictures:
    """The pictures to compare with, as each model sees them. Held-out ones are those of the first model that asks."""

    def __init__(self, job: Job, request: Compare) -> None:
        self._job, self._request = job, request
        self._source: ModelInfo | None = None
        self._names: tuple[str, ...] = ()
        self._kept: dict[tuple, np.ndarray] = {}

    def at(self, info: ModelInfo) -> np.ndarray:
        """uint8 (count, height, width, channels) at the size of the model `info`."""
        key = (info.image_shape, crop_of(info))
        if key not in self._kept:
            files = self._request.pictures
            self._kept[key] = (
                np.stack([picture_for(info, path)[0] for path in files]) if files else self._held_out(info)
            )
        return self._kept[key]

    def _held_out(self, info: ModelInfo) -> np.ndarray:
        source = self._source = self._source or info
        height, width, _ = info.image_shape
        try:
            if height != width:
                raise ValueError(f"{info.name} has pictures that are not square.")
            collection = open_pictures(source, height, self._tell, self._request.agreed)
        except NotAgreed:
            raise
        except (OSError, ValueError) as error:
            raise ValueError(f"{error} Drop a few pictures to compare with.") from error
        if not self._names:
            held = collection.split(_share_of(source))[1]
            count = min(max(1, self._request.count), len(held))
            places = np.linspace(0, len(held) - 1, count).astype(int)  # as in the figure of a run
            self._names = tuple(collection.names[row] for row in held[places])
        # by name: at another size the rows are the same pictures, but painted ones have other digests
        wanted = set(self._names)
        rows = {name: row for row, name in enumerate(collection.names) if name in wanted}
        return with_channels(collection.read([rows[name] for name in self._names if name in rows]), info)

    def learned(self, info: ModelInfo) -> str:
        """Whether the model may have learned from these pictures: as `Compared.learned`.

        Which side of the split a picture is on its digest decides alone (`Collection.split`): whoever holds out the
        larger share holds out all that the other does. Painted ones have another digest at another size.
        """
        if not info.settings:
            return "unknown"
        place = place_of(info.settings.get("data"))
        if self._request.pictures:
            inside = place and any(_within(os.path.abspath(file), place) for file in self._request.pictures)
            return "may" if inside else ""
        source = self._source
        assert source is not None
        same = info.collection.get("manifest_hash") == source.collection.get("manifest_hash")
        if not same and place != place_of(source.settings.get("data")):
            return "other"
        drawn = place != "" or (same and info.image_shape == source.image_shape)
        return "" if drawn and _share_of(info) >= _share_of(source) else "may"

    def _tell(self, done: int, total: int, what: str) -> None:
        self._job.reply(Progress(done, total, what))


def _share_of(info: ModelInfo) -> float:
    """The share of the pictures that a model held out."""
    share = info.settings.get("validation", 0.1)
    return share if isinstance(share, float) and 0 < share < 1 else 0.1


def _within(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip(os.sep) + os.sep)


def _opened(models: Models, path: str) -> Loaded | None:
    try:
        return models.get(path)
    except (OSError, ValueError):
        return None


def _row(job: Job, models: Models, path: str, pictures: _Pictures) -> Compared:
    name = Path(path).stem
    try:
        job.check()
        loaded = models.get(path)
        row = _compared(job, loaded, path, pictures.at(loaded.info))
        learned = pictures.learned(loaded.info)
        return replace(row, learned=learned, weights=tuple(replace(one, learned=learned) for one in row.weights))
    except NotWanted:
        raise
    except Exception as error:  # this model's row says so; the others are shown
        return Compared(path, name, np.empty((0, 1, 1, 3), np.uint8), failure=sentence_of(error))


def _compared(job: Job, loaded: Loaded, path: str, originals: np.ndarray) -> Compared:
    """D from one sample of each posterior and R, as in training; PSNR and the pictures from the posterior means."""
    info, span = loaded.info, loaded.model.weight_range
    parts = []
    for start in range(0, len(originals), CHUNK):
        with job.piece():
            parts.append(_measured(loaded.model, originals[start : start + CHUNK], start))
    *terms, images = (np.concatenate(column) for column in zip(*parts, strict=True))
    row = _row_of(job, loaded, path, originals, info.kl_weight, terms, images)
    row = replace(row, active=int(np.sum(info.active)))
    if span is None:
        return row
    at = [_at_weight(job, loaded, path, originals, span.clamped(weight)) for weight in reversed(span.reported)]
    return replace(row, weights=tuple(at))


def _at_weight(job: Job, loaded: Loaded, path: str, originals: np.ndarray, weight: float) -> Compared:
    """A model of a range at one of its weights, wherever it stands: another picture may be on screen meanwhile."""
    from kvae.objectives.likelihoods import psnr

    parts = []
    for start in range(0, len(originals), CHUNK):
        pictures = originals[start : start + CHUNK]
        floats = pictures.astype(np.float32) / 255.0
        with job.piece():
            distortion, rate, _ = loaded.model.terms_at(floats, weight, first=start)
            images = loaded.decode(loaded.encode(pictures, weight), weight)
            decibels = psnr(floats, images.astype(np.float32) / 255.0)
            parts.append((np.asarray(distortion), np.asarray(rate), np.asarray(decibels), images))
    *terms, images = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _row_of(job, loaded, path, originals, weight, terms, images)


def _row_of(
    job: Job,
    loaded: Loaded,
    path: str,
    originals: np.ndarray,
    weight: float,
    terms: list[np.ndarray],
    images: np.ndarray,
) -> Compared:
    from kvae.measures.smoothness import path_ratios
    from kvae.weighting.conversions import bits_per_dimension

    info, count = loaded.info, len(originals)
    distortion, rate, decibels = (float(np.mean(term)) for term in terms)
    means = loaded.encode(originals, weight, job.piece)
    share = np.linspace(0.0, 1.0, count, dtype=np.float32)[:, None]
    ways = path_ratios(lambda latents: loaded.generate(latents, weight, job.piece), means[:-1], means[1:])
    between = means[:1] + (means[-1:] - means[:1]) * share
    codes = {"images": means, "samples": prior_points(count, info.latent_dim), "between": between}
    return Compared(
        path,
        info.name,
        images,
        kl_weight=weight,
        autoencoder=info.autoencoder,
        distortion=distortion,
        rate=None if info.autoencoder else rate,
        psnr=decibels,
        bits=None if info.autoencoder else bits_per_dimension(distortion, rate, originals[0].size),
        decoded_path=float(np.nanmean(ways)) if np.any(np.isfinite(ways)) else None,
        latent_dim=info.latent_dim,
        samples=loaded.decode(codes["samples"], weight, job.piece),
        between=loaded.decode(between, weight, job.piece),
        codes=codes,
        digest=info.digest,
    )


def prior_points(count: int, latent_dim: int) -> np.ndarray:
    """Points of N(0, 1), float32 (count, latent): the same for every model, and with more latents the same and more."""
    points = [np.random.default_rng([SEED, place]).standard_normal(latent_dim) for place in range(count)]
    return np.array(points, np.float32).reshape(count, latent_dim)


def _measured(model: Any, pictures: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """D, R and PSNR of each of `pictures`, the places from `first` on, and their best reconstructions, uint8."""
    from kvae.objectives.likelihoods import psnr, squared_error

    images = pictures.astype(np.float32) / 255.0
    distortion = np.asarray(squared_error(images, model(images, training=False, first=first)))
    rate = np.zeros_like(distortion) if model.autoencoder else np.asarray(model.rates)
    best = model.reconstruct(images)
    return distortion, rate, np.asarray(psnr(images, best)), np.rint(best * 255.0).astype(np.uint8)
