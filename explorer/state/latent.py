"""The point the explorer shows, as a value: every event returns the next one, so undo is keeping the one before."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from explorer.messages import ModelInfo, breadth

Mode = Literal["dimensions", "directions"]

Moment = tuple[int, float]  # which weights of the model, counted by whoever opens it, and the KL weight
_SKETCH = 8  # parts of a side
HELD = 0.05  # a direction with less of its squared length than this left unlocked is itself locked


def _same(one: object, other: object) -> bool:
    """Whether two fields are equal; arrays are where all their numbers are."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return one is other or (
            isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and np.array_equal(one, other)
        )
    return one == other


def _equal(one: object, other: object) -> bool:
    return type(one) is type(other) and all(
        _same(getattr(one, field.name), getattr(other, field.name))
        for field in fields(one)  # type: ignore[arg-type]
    )


def dot(one: np.ndarray, other: np.ndarray) -> float:
    """The product of two (latent,). From 10,000 numbers on `@` wakes a thread for each core, and waits for them where a
    training needs the cores."""
    return float(np.einsum("i,i->", one, other))


@dataclass(frozen=True, eq=False)
class LatentPoint:
    """A place in latent space: `values`, float32 (latent,), which nobody can write to.

    `original` is the picture that it was found from, uint8 (height, width, channels), where there is one. While it is
    exactly what the encoder found in that picture, `encoded_at` is the moment of the finding, and the point is to be
    found anew at every other one; once moved by hand it is a place of its own, and `encoded_at` is None.
    """

    values: np.ndarray
    original: np.ndarray | None = None
    encoded_at: Moment | None = None

    def __post_init__(self) -> None:
        values = self.values
        if not isinstance(values, np.ndarray) or values.dtype != np.float32 or values.flags.writeable:
            values = np.array(values, np.float32)
            values.setflags(write=False)
            object.__setattr__(self, "values", values)

    def __eq__(self, other: object) -> bool:
        return _equal(self, other)

    __hash__ = None  # type: ignore[assignment]

    def moved(self, values: np.ndarray) -> LatentPoint:
        """By hand, to `values`, shape (latent,)."""
        return replace(self, values=values, encoded_at=None)

    def awaits(self, now: Moment) -> bool:
        """Whether its picture is to be encoded anew."""
        return self.original is not None and self.encoded_at is not None and self.encoded_at != now


@dataclass(frozen=True, eq=False)
class LatentState:
    """One point in latent space and all that undo brings back.

    `point` is the one on the screen, `other` the one held against it, `showing` the letter of the one on the screen.
    `kl_weight` None is the model's own. `seed` and `temperature` are those of the last throw of the dice before the
    point on the screen, `other_throw` those of the other point. `details` is how much of the latents without a slider
    in view is painted, from 0 to 1.
    """

    point: LatentPoint
    locked: frozenset[int] = frozenset()
    other: LatentPoint | None = None
    showing: Literal["A", "B"] = "A"
    mode: Mode = "dimensions"
    kl_weight: float | None = None
    temperature: float = 1.0
    seed: int = 0
    other_throw: tuple[int, float] | None = None
    details: float = 1.0

    def __eq__(self, other: object) -> bool:
        return _equal(self, other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def values(self) -> np.ndarray:
        """The point on the screen, float32 (latent,)."""
        return self.point.values

    def painted(self, folded: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        """The latents to decode, float32 (..., latent): `values` or the point, but `details` of those `folded`, bool
        (latent,)."""
        values = self.values if values is None else values
        return values if self.details == 1.0 else np.where(folded, np.float32(self.details) * values, values)

    def at(self, latents: np.ndarray) -> LatentState:
        """At `latents`, shape (latent,), whatever is locked, in all details: a picture that was picked is shown as it
        is."""
        if len(latents) != len(self.values):
            raise ValueError(f"LatentState: `latents` must have {len(self.values)} values. Received: {len(latents)}.")
        return replace(self, point=LatentPoint(latents), details=1.0)

    def found(self, original: np.ndarray, latents: np.ndarray, now: Moment) -> LatentState:
        """At what the encoder found in the picture `original`, in all details."""
        at = self.at(latents)
        return replace(at, point=LatentPoint(at.values, original, now))

    def encoded(self, latents: np.ndarray, now: Moment) -> LatentState:
        """With the same picture encoded anew: the same place to whoever looks at it."""
        return replace(self, point=LatentPoint(latents, self.point.original, now))

    def moved(self, dimension: int, value: float) -> LatentState:
        """With one dimension at `value`, unless it is locked."""
        if dimension in self.locked:
            return self
        values = self.values.copy()
        values[dimension] = value
        return replace(self, point=self.point.moved(values))

    def coordinate(self, direction: np.ndarray, mean: np.ndarray) -> float:
        """How far the point is from `mean` along the unit vector `direction`, both of shape (latent,)."""
        return dot(self.values - mean, direction)

    def moved_along(self, direction: np.ndarray, value: float, mean: np.ndarray) -> LatentState:
        """With its coordinate along `direction` at `value`, by the shortest way that leaves locked dimensions alone."""
        free = np.array(direction, np.float64)
        free[list(self.locked)] = 0.0
        length = dot(free, free)
        if length < HELD:
            return self
        step = (value - self.coordinate(direction, mean)) / length
        return replace(self, point=self.point.moved(self.values + step * free))

    def reset(self, centre: np.ndarray) -> LatentState:
        """At `centre`, shape (latent,), but for what is locked."""
        return self._with_free(centre)

    def reset_one(self, dimension: int, centre: float = 0.0) -> LatentState:
        """With one dimension back at `centre`, unless it is locked."""
        return self.moved(dimension, centre)

    def rolled(self, seed: int, temperature: float, centre: np.ndarray, unit: np.ndarray) -> LatentState:
        """Drawn from N(centre, (temperature · unit)²), both of shape (latent,); the same for the same seed.

        A lock keeps its dimension and changes nothing in the others: every dimension is drawn and the locked are put
        back.
        """
        drawn = np.random.default_rng(seed).standard_normal(len(self.values))
        thrown = self._with_free(centre + temperature * unit * drawn)
        return replace(thrown, seed=int(seed), temperature=float(temperature))

    def warmed(self, temperature: float, centre: np.ndarray, unit: np.ndarray) -> LatentState:
        """At another temperature: the last throw follows it; a point that was moved since then stays where it is."""
        if np.array_equal(self.rolled(self.seed, self.temperature, centre, unit).values, self.values):
            return self.rolled(self.seed, temperature, centre, unit)
        return replace(self, temperature=float(temperature))

    def _with_free(self, target: np.ndarray) -> LatentState:
        """At `target`, shape (latent,), with the locked dimensions where they are; not of any picture any more."""
        values = np.array(target, np.float32)
        locked = list(self.locked)
        values[locked] = self.values[locked]
        return replace(self, point=LatentPoint(values))

    def toggled_lock(self, dimension: int) -> LatentState:
        """With the lock of one dimension turned over."""
        return replace(self, locked=self.locked ^ {dimension})

    def held(self) -> LatentState:
        """With this point kept as the other one, to compare with."""
        return replace(self, other=self.point, other_throw=(self.seed, self.temperature))

    def swapped(self) -> LatentState:
        """With the other point on the screen; the same where none is held."""
        if self.other is None:
            return self
        seed, temperature = self.other_throw or (self.seed, self.temperature)
        return replace(
            self,
            point=self.other,
            other=self.point,
            showing="B" if self.showing == "A" else "A",
            seed=seed,
            temperature=temperature,
            other_throw=(self.seed, self.temperature),
        )

    def release(self) -> LatentState:
        """Without the other point."""
        return replace(self, other=None, other_throw=None, showing="A")

    def next_seed(self) -> int:
        """One that neither of the two points was thrown with."""
        return (max(self.seed, self.other_throw[0] if self.other_throw else 0) + 1) % 1_000_000

    def with_mode(self, mode: Mode) -> LatentState:
        """With sliders along latent dimensions or along principal directions."""
        return replace(self, mode=mode)

    def with_weight(self, kl_weight: float | None) -> LatentState:
        """At another KL weight; None is the model's own."""
        return replace(self, kl_weight=kl_weight)

    def with_details(self, details: float) -> LatentState:
        """With this share of the folded latents painted, from 0 to 1."""
        return replace(self, details=min(max(float(details), 0.0), 1.0))


# ---------------------------------------------------------------------- where to begin, and what to show meanwhile


def starting_point(info: ModelInfo, weights: int = 0) -> LatentState:
    """The stored picture of the broadest strokes: every model paints those first, so what is seen first is a picture.
    It is the point's original. Where pictures are small it is stored in full, and can be encoded anew: it was by
    `weights` of a `Moment`.

    Lines and dots would be a blur at first, and the mean of all pictures is grey.
    """
    if not len(info.latents):
        return LatentState(LatentPoint(info.means))
    if len(info.thumbnails) != len(info.latents):
        return LatentState(LatentPoint(info.latents[0]))
    best = int(breadth(info.thumbnails).argmax())
    whole = info.thumbnails.shape[1:] == info.image_shape  # not made smaller: the picture itself
    moment = (weights, info.kl_weight) if whole else None
    return LatentState(LatentPoint(info.latents[best], info.thumbnails[best], moment))


def tells_the_same(one: ModelInfo | None, other: ModelInfo | None) -> bool:
    """Whether two openings of a model bring the same weights, as far as what was measured with them can tell."""
    return (
        one is not None
        and other is not None
        and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("rates", "means", "latents"))
    )


def stand_in(info: ModelInfo, state: LatentState) -> np.ndarray | None:
    """A sketch of the stored picture nearest to the point, uint8 (h, w, c), until the engine has decoded one; None
    without any.

    A sketch, because the picture itself is sharper than what a model makes of it: the first that is seen must not get
    worse.
    """
    if not len(info.thumbnails):
        return None
    if len(info.latents) != len(info.thumbnails):
        return sketched(info.thumbnails.mean(axis=0))
    # squared distances but for what they share, in one pass over the stored latents
    far = np.einsum("ij,ij->i", info.latents, info.latents) - 2.0 * np.einsum("ij,j->i", info.latents, state.values)
    return sketched(info.thumbnails[int(far.argmin())])


def sketched(picture: np.ndarray) -> np.ndarray:
    """`picture` (h, w, c) in broad soft strokes, uint8 of the same shape: the means of 8x8 parts, and straight lines
    between them."""
    rough = picture.astype(np.float32)
    for axis in (0, 1):
        side = rough.shape[axis]
        count = min(_SKETCH, side)
        edges = np.arange(count) * side // count
        sizes = np.diff(edges, append=side).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        means = np.add.reduceat(rough, edges, axis=axis) / sizes
        at = np.clip((np.arange(side) + 0.5) * count / side - 0.5, 0, count - 1)
        low = np.minimum(at.astype(int), max(count - 2, 0))
        share = (at - low).astype(np.float32).reshape(sizes.shape[:axis] + (-1,) + sizes.shape[axis + 1 :])
        high = np.minimum(low + 1, count - 1)
        rough = (1 - share) * np.take(means, low, axis) + share * np.take(means, high, axis)
    return np.asarray(rough + 0.5, np.uint8)
