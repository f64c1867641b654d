"""The map of the pictures in latent space, without a window: places, axes, neighbours, level of detail, the view.

World coordinates are those of the latent space along the two chosen axes, y upwards; screen coordinates are pixels, y
downwards.
"""

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np

from explorer.messages import MapDone, MapPart, ModelInfo, leading

MEASURES = ("likeness", "distance", "scaled")
MOST_DIMENSIONS = 48  # that can be an axis
_SEED = 20  # of the order in which pictures get a thumbnail: fixed, so that zooming in only ever adds some


@dataclass(frozen=True)
class MapAxis:
    """One axis: the pictures' place on it is `(latents - mean) @ vector`, both (leading,)."""

    label: str
    vector: np.ndarray
    mean: np.ndarray

    def places(self, latents: np.ndarray) -> np.ndarray:
        """Places (n,) of `latents` (n, leading)."""
        return (latents - self.mean) @ self.vector


class Pictures:
    """The pictures of a map so far: what `MapPart` brought, without their thumbnails.

    They are laid out by their `columns`, the leading latents; all latents of one are put together when it is asked for.
    """

    def __init__(self, latent_dim: int, columns: np.ndarray | None = None):
        self.latent_dim = latent_dim
        self.columns = np.arange(latent_dim) if columns is None else columns
        self._parts: list[np.ndarray] = [np.empty((0, len(self.columns)), np.float32)]
        self._kept: list[tuple[int, np.ndarray, np.ndarray | None]] = []  # first picture, latents, which ones
        self.names: list[str] = []
        self.folders: list[str] = []

    def add(self, part: MapPart) -> None:
        """Take the pictures of one more part."""
        self._kept.append((len(self.names), part.latents, part.columns))
        self._parts.append(np.ascontiguousarray(self._whole(part.latents, part.columns)[:, self.columns]))
        self.names.extend(part.names)
        self.folders.extend(part.folders)

    def _whole(self, latents: np.ndarray, columns: np.ndarray | None) -> np.ndarray:
        if columns is None:
            return np.asarray(latents, np.float32)
        whole = np.zeros((len(latents), self.latent_dim), np.float32)
        whole[:, columns] = latents
        return whole

    def whole(self, index: int) -> np.ndarray:
        """All latents of one picture, float32 (latent,)."""
        first, latents, columns = self._kept[bisect.bisect_right(self._kept, index, key=lambda part: part[0]) - 1]
        return self._whole(latents[index - first : index - first + 1], columns)[0].copy()

    @property
    def latents(self) -> np.ndarray:
        """The leading latents of all so far, float32 (n, leading)."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0]

    def __len__(self) -> int:
        return len(self.names)

    def matching(self, text: str, folders: Iterable[str] = ()) -> np.ndarray:
        """Which pictures (n,) have `text` in their name, in any case, and lie in one of `folders`; none given:
        in any."""
        text, wanted = text.casefold().strip(), set(folders)
        named = (text in name.casefold() for name in self.names)
        placed = (not wanted or folder in wanted for folder in self.folders)
        return np.fromiter((a and b for a, b in zip(named, placed, strict=True)), bool, len(self.names))


# ---------------------------------------------------------------------- axes


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th ..."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _direction_axes(vectors: np.ndarray, shares: np.ndarray, mean: np.ndarray, columns: np.ndarray) -> list[MapAxis]:
    labels = (
        f"{ordinal(i + 1)} direction, {100 * share:.{0 if share >= 0.0995 else 1}f} %" for i, share in enumerate(shares)
    )
    mean = np.asarray(mean)[columns]
    return [MapAxis(label, np.asarray(v)[columns], mean) for label, v in zip(labels, vectors, strict=True)]


def axes_of(model: ModelInfo, done: MapDone | None = None, most_directions: int = 16) -> list[MapAxis]:
    """What can be an axis: principal directions, then the most telling latent dimensions by falling rate.

    The directions are those of the finished map, or before that the model's own. All are among the `leading` latents.
    """
    columns = leading(model)
    if done is None:
        total = float(np.sum(np.square(model.spreads, dtype=np.float64))) or 1.0
        directions = _direction_axes(model.directions, np.square(model.direction_spreads) / total, model.means, columns)
    else:
        directions = _direction_axes(done.components, done.shares, done.mean, columns)
    origin = np.zeros(len(columns), np.float32)
    rated = bool(np.all(np.isfinite(model.rates)))  # an autoencoder has none: its spreads tell what matters
    worth = np.asarray(model.rates if rated else model.spreads)[columns]
    dimensions = []
    for place in np.argsort(-worth, kind="stable")[:MOST_DIMENSIONS]:
        unit = origin.copy()
        unit[place] = 1.0
        note = f", {float(worth[place]):.2g} nats" if rated else ""
        dimensions.append(MapAxis(f"latent {columns[place] + 1}{note}", unit, origin))
    return directions[:most_directions] + dimensions


def positions(latents: np.ndarray, across: MapAxis, up: MapAxis) -> np.ndarray:
    """World places, float64 (n, 2), of `latents` (n, leading) along two axes."""
    return np.stack([across.places(latents), up.places(latents)], axis=1).astype(np.float64)


def place_among(latents: np.ndarray, places: np.ndarray, point: np.ndarray, count: int = 5) -> tuple[float, float]:
    """Where `point` (leading,) is on a layout that knows no directions: amid the `count` pictures that are most like
    it, the nearer the more, of `latents` (n, leading) at `places` (n, 2)."""
    mean = latents.mean(axis=0, dtype=np.float64)
    centred, here = latents - mean, point - mean
    lengths = np.sqrt(np.einsum("ij,ij->i", centred, centred)) * max(float(np.sqrt(here @ here)), 1e-12)
    likeness = (centred @ here) / np.maximum(lengths, 1e-12)
    best = np.argsort(-likeness, kind="stable")[:count]
    weights = 1.0 / np.maximum(1.0 - likeness[best], 1e-6) ** 2
    x, y = (weights @ places[best] / weights.sum()).tolist()
    return x, y


# ---------------------------------------------------------------------- neighbours


def scales(latents: np.ndarray, active_variance: float) -> np.ndarray:
    """One over the standard deviation of each dimension (latent,), 0 where it is not active:
    its noise is no distance."""
    variance = latents.var(axis=0, dtype=np.float64) if len(latents) else np.zeros(latents.shape[1])
    return np.where(variance >= active_variance, 1.0 / np.sqrt(np.maximum(variance, active_variance)), 0.0)


def nearest(
    latents: np.ndarray, index: int, count: int = 8, measure: str = "likeness", *, active_variance: float
) -> np.ndarray:
    """The `count` pictures nearest to picture `index`, nearest first, of `latents` (n, latent).

    By one of `MEASURES`: "likeness" is the cosine of the angle at the pictures' mean, so that what two pictures share
    counts and not how strongly; "distance" the squared distance, which favours pale pictures near the mean; "scaled"
    the same with each dimension in its own standard deviations. Exact; equal ones keep the pictures' order.
    """
    if measure == "likeness":
        centred = latents - latents.mean(axis=0, dtype=np.float64).astype(latents.dtype)
        length = np.sqrt(np.einsum("ij,ij->i", centred, centred))
        distance = -(centred @ centred[index]) / np.maximum(length, 1e-12)
        distance[index] = -np.inf  # itself, before its doubles
    else:
        difference = latents - latents[index]
        if measure == "scaled":
            difference = difference * scales(latents, active_variance).astype(latents.dtype)
        distance = np.einsum("ij,ij->i", difference, difference)
        distance[index] = -1.0
    return np.argsort(distance, kind="stable")[1 : count + 1]


# ---------------------------------------------------------------------- the view


@dataclass(frozen=True)
class View:
    """Which part of the world is on the screen: `scale` pixels per unit; (x,
    y) in the world is at the screen's centre."""

    scale: float = 1.0
    x: float = 0.0
    y: float = 0.0
    width: int = 1
    height: int = 1

    def to_screen(self, places: np.ndarray) -> np.ndarray:
        """Pixels (n, 2) of world `places` (n, 2)."""
        offset = np.array([self.width / 2 - self.scale * self.x, self.height / 2 + self.scale * self.y])
        return places * np.array([self.scale, -self.scale]) + offset

    def to_world(self, x: float, y: float) -> tuple[float, float]:
        """The world place of one pixel."""
        return self.x + (x - self.width / 2) / self.scale, self.y - (y - self.height / 2) / self.scale

    def moved(self, dx: float, dy: float) -> "View":
        """The view after the pictures were dragged by (dx, dy) pixels."""
        return replace(self, x=self.x - dx / self.scale, y=self.y + dy / self.scale)

    def zoomed(self, factor: float, x: float, y: float) -> "View":
        """The view enlarged by `factor` so that what is at pixel (x, y) stays there."""
        world_x, world_y = self.to_world(x, y)
        scale = min(max(self.scale * factor, 1e-6), 1e9)
        return replace(
            self,
            scale=scale,
            x=world_x - (x - self.width / 2) / scale,
            y=world_y + (y - self.height / 2) / scale,
        )

    def resized(self, width: int, height: int) -> "View":
        """The same centre and scale in a window of another size."""
        return replace(self, width=max(width, 1), height=max(height, 1))

    def fitting(self, places: np.ndarray, margin: int, share: float = 1.0) -> "View":
        """The view of all `places` (n, 2), or along each axis of the middle `share` of them,
        with `margin` pixels around."""
        places = places[np.all(np.isfinite(places), axis=1)]
        if not len(places):
            return replace(self, scale=1.0, x=0.0, y=0.0)
        low, high = np.quantile(places, [(1 - share) / 2, (1 + share) / 2], axis=0)
        room = np.maximum([self.width - 2 * margin, self.height - 2 * margin], 1)
        extent = np.maximum(high - low, 1e-9)
        scale = min(float(np.min(room / extent)), 1e5)
        return replace(self, scale=scale, x=float(low[0] + high[0]) / 2, y=float(low[1] + high[1]) / 2)


# ---------------------------------------------------------------------- level of detail

SIDES = (28, 40, 56, 80, 112)  # of thumbnails, in pixels


def thumbnail_side(places: np.ndarray, scale: float) -> int:
    """The side of the thumbnails: about the pictures' mean distance on the screen, so that it grows as one zooms in."""
    if len(places) < 2:
        return SIDES[-1]
    # the spread of the bulk, not of the outermost: four standard deviations hold nearly everything
    area = float(np.prod(np.maximum(places.std(axis=0) * 4 * scale, 1.0)))
    room = 1.3 * np.sqrt(area / len(places))
    return max((side for side in SIDES if side <= room), default=SIDES[0])


class Detail:
    """Which pictures get a thumbnail at which zoom: one per cell of a grid that is fixed to the world.

    Cells halve as one zooms in, and a cell's picture is the first of a fixed random order: zooming in only adds
    pictures, and panning changes none. Of `places` (n, 2) only those that `shown` (n,) says take part; None: all.
    """

    def __init__(self, places: np.ndarray, shown: np.ndarray | None = None):
        self.places = places
        # a number per picture, not a permutation: more pictures to come change no earlier one's rank
        order = np.argsort(np.random.default_rng(_SEED).random(len(places)))
        taking_part = np.all(np.isfinite(places), axis=1) & (True if shown is None else shown)
        self._order = order[taking_part[order]]
        self._room = places[taking_part]
        self._chosen: dict[int, np.ndarray] = {}

    def side(self, scale: float) -> int:
        """The side of the thumbnails at this scale: up to twice as large where only few take part."""
        return min(thumbnail_side(self._room, scale), 2 * thumbnail_side(self.places, scale))

    def chosen(self, level: int) -> np.ndarray:
        """The pictures, in rising order, that stand for the cells of side 2**level world units."""
        if level not in self._chosen:
            cells = np.floor(self.places[self._order] / 2.0**level)
            keys = cells[:, 0] + 1j * cells[:, 1]  # one sortable number per cell
            first = np.unique(keys, return_index=True)[1]
            self._chosen[level] = np.sort(self._order[first])
        return self._chosen[level]

    def visible(self, view: View, side: int, most: int) -> np.ndarray:
        """At most `most` pictures to draw as thumbnails of `side` pixels, in the order of drawing."""
        if not len(self._order):
            return np.empty(0, int)
        level = int(
            np.floor(np.log2(side / view.scale))
        )  # a cell is at most a thumbnail wide: no gaps where they are many
        while True:
            indices = self.chosen(level)
            inside = indices[on_screen(view.to_screen(self.places[indices]), view, side / 2)]
            if len(inside) <= most:
                return inside
            level += 1


def on_screen(pixels: np.ndarray, view: View, margin: float) -> np.ndarray:
    """Which `pixels` (n, 2) lie in the view or at most `margin` outside: (n,) bool."""
    return np.all((pixels >= -margin) & (pixels <= np.array([view.width, view.height]) + margin), axis=1)


def picked(pixels: np.ndarray, thumbnails: np.ndarray, side: int, x: float, y: float, reach: float = 6.0) -> int | None:
    """The picture under (x, y): the topmost thumbnail there, or the nearest dot within `reach` pixels, or none.

    `pixels` (n, 2) are the places of all pictures on the screen, `thumbnails` the indices drawn as such, topmost last.
    """
    if not len(pixels):
        return None
    under = np.flatnonzero(np.max(np.abs(pixels[thumbnails] - (x, y)), axis=1, initial=0) <= side / 2)
    if len(under):
        return int(thumbnails[under[-1]])
    distance = np.sum(np.square(pixels - (x, y)), axis=1)
    best = int(np.argmin(distance))
    return best if distance[best] <= reach**2 else None


# ---------------------------------------------------------------------- folders


def folder_names(folders: Iterable[str], most: int) -> tuple[list[str], np.ndarray]:
    """The `most` folders with the most pictures, by name, and each picture's number in that list, -1 for others."""
    folders = list(folders)
    counts: dict[str, int] = {}
    for folder in folders:
        counts[folder] = counts.get(folder, 0) + 1
    largest = sorted(sorted(counts, key=lambda folder: (-counts[folder], folder))[:most])
    number = {folder: i for i, folder in enumerate(largest)}
    return largest, np.fromiter((number.get(folder, -1) for folder in folders), int, len(folders))


def short_folder(folder: str) -> str:
    """The last part of a folder's path; what it says where it is none."""
    return PurePath(folder).name or folder or "no folder"
