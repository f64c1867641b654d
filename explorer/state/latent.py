"""The point the explorer shows, as a value: every event returns the next one, so undo is keeping the one before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from explorer.messages import ModelInfo

Mode = Literal["dimensions", "directions"]

REACH = 4.0  # a slider goes from -REACH to +REACH standard deviations
WIDEST = 3.0  # a filmstrip goes from -WIDEST to +WIDEST standard deviations
COLLAPSED_RATE = 0.01  # nats: below it a dimension says nothing about the picture
HELD = 0.05  # a direction with less of its squared length than this left unlocked is itself locked


@dataclass(frozen=True)
class LatentState:
    """One point in latent space and all that undo brings back.

    `values` (latent,) is the point on the screen, `other` the one held against it, `showing` the letter of the one on
    the screen. `kl_weight` None is the model's own. `seed` and `temperature` are those of the last throw of the dice.
    """

    values: tuple[float, ...]
    locked: frozenset[int] = frozenset()
    other: tuple[float, ...] | None = None
    showing: Literal["A", "B"] = "A"
    mode: Mode = "dimensions"
    kl_weight: float | None = None
    temperature: float = 1.0
    seed: int = 0

    def array(self) -> np.ndarray:
        """The point as float32, shape (latent,)."""
        return np.asarray(self.values, np.float32)

    def at(self, latents: np.ndarray) -> LatentState:
        """At `latents`, shape (latent,), whatever is locked: a picture that was picked is shown as it is."""
        if len(latents) != len(self.values):
            raise ValueError(f"LatentState: `latents` must have {len(self.values)} values. Received: {len(latents)}.")
        return replace(self, values=tuple(float(v) for v in latents))

    def moved(self, dimension: int, value: float) -> LatentState:
        """With one dimension at `value`, unless it is locked."""
        if dimension in self.locked:
            return self
        values = list(self.values)
        values[dimension] = float(value)
        return replace(self, values=tuple(values))

    def coordinate(self, direction: np.ndarray, mean: np.ndarray) -> float:
        """How far the point is from `mean` along the unit vector `direction`, both of shape (latent,)."""
        return float((np.asarray(self.values, np.float64) - mean) @ direction)

    def moved_along(self, direction: np.ndarray, value: float, mean: np.ndarray) -> LatentState:
        """With its coordinate along `direction` at `value`, by the shortest way that leaves locked dimensions alone."""
        free = np.asarray(direction, np.float64).copy()
        free[list(self.locked)] = 0.0
        length = float(free @ free)
        if length < HELD:
            return self
        step = (value - self.coordinate(direction, mean)) / length
        return self.at(np.asarray(self.values, np.float64) + step * free)

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
        if self.rolled(self.seed, self.temperature, centre, unit).values == self.values:
            return self.rolled(self.seed, temperature, centre, unit)
        return replace(self, temperature=float(temperature))

    def _with_free(self, target: np.ndarray) -> LatentState:
        """At `target`, shape (latent,), with the locked dimensions where they are."""
        kept = [old if j in self.locked else new for j, (old, new) in enumerate(zip(self.values, target, strict=True))]
        return self.at(np.asarray(kept, np.float64))

    def toggled_lock(self, dimension: int) -> LatentState:
        """With the lock of one dimension turned over."""
        return replace(self, locked=self.locked ^ {dimension})

    def held(self) -> LatentState:
        """With this point kept as the other one, to compare with."""
        return replace(self, other=self.values)

    def swapped(self) -> LatentState:
        """With the other point on the screen; the same where none is held."""
        if self.other is None:
            return self
        return replace(self, values=self.other, other=self.values, showing="B" if self.showing == "A" else "A")

    def release(self) -> LatentState:
        """Without the other point."""
        return replace(self, other=None, showing="A")

    def with_mode(self, mode: Mode) -> LatentState:
        """With sliders along latent dimensions or along principal directions."""
        return replace(self, mode=mode)

    def with_weight(self, kl_weight: float | None) -> LatentState:
        """At another KL weight; None is the model's own."""
        return replace(self, kl_weight=kl_weight)


# ---------------------------------------------------------------------- what a slider stands for


@dataclass(frozen=True)
class SliderAxis:
    """What one slider moves: a latent dimension, or a principal direction where `direction`, shape (latent,), is set.

    `centre` is the value a reset goes to and `unit` the length of one standard deviation, so that the slider's ends are
    at centre ± REACH · unit. `rate` in nats is None where there is none; `spread` is the pictures' standard deviation.
    """

    index: int
    centre: float
    unit: float
    spread: float
    rate: float | None = None
    collapsed: bool = False
    direction: np.ndarray | None = None
    mean: np.ndarray | None = None  # (latent,), where a direction is measured from

    def read(self, state: LatentState) -> float:
        """The slider's value at `state`."""
        if self.direction is None or self.mean is None:
            return state.values[self.index]
        return state.coordinate(self.direction, self.mean)

    def moved(self, state: LatentState, value: float) -> LatentState:
        """`state` with this slider at `value`."""
        if self.direction is None or self.mean is None:
            return state.moved(self.index, value)
        return state.moved_along(self.direction, value, self.mean)

    def held(self, state: LatentState) -> bool:
        """Whether locks keep this slider from moving."""
        if self.direction is None:
            return self.index in state.locked
        free = np.delete(self.direction, list(state.locked))
        return bool(free @ free < HELD)

    def stops(self, count: int) -> np.ndarray:
        """`count` slider values, evenly from -WIDEST to +WIDEST standard deviations."""
        return self.centre + self.unit * np.linspace(-WIDEST, WIDEST, count)

    def frames(self, state: LatentState, count: int) -> np.ndarray:
        """The latents of the filmstrip, float32 (count, latent): `state` with this slider at each stop,
        locked or not."""
        free = replace(state, locked=frozenset())
        return np.stack([self.moved(free, float(stop)).array() for stop in self.stops(count)])


def axes_of(info: ModelInfo, mode: Mode, keep: tuple[SliderAxis, ...] = ()) -> tuple[SliderAxis, ...]:
    """The sliders of a model, the most informative first, collapsed ones last.

    `keep` are the sliders on the screen: when newer weights arrive in the middle of a training, those stay where they
    are under the hand, and a dimension that has become active joins below them.
    """
    axes = _directions(info) if mode == "directions" else _dimensions(info)
    shown = {axis.index: place for place, axis in enumerate(keep) if not axis.collapsed}
    axes = [replace(axis, collapsed=axis.collapsed and axis.index not in shown) for axis in axes]
    return tuple(sorted(axes, key=lambda axis: (axis.collapsed, shown.get(axis.index, len(shown)), -_weight(axis))))


def _weight(axis: SliderAxis) -> float:
    return axis.spread if axis.rate is None else axis.rate


def _dimensions(info: ModelInfo) -> list[SliderAxis]:
    centre, unit = centre_of(info), unit_of(info)
    rates = [None] * info.latent_dim if info.autoencoder else [float(r) for r in info.rates]
    return [
        SliderAxis(
            index=j,
            centre=float(centre[j]),
            unit=float(max(unit[j], info.spreads[j])),
            spread=float(info.spreads[j]),
            rate=rates[j],
            collapsed=bool(info.spreads[j] ** 2 < info.active_variance) or _is_silent(rates[j]),
        )
        for j in range(info.latent_dim)
    ]


def _is_silent(rate: float | None) -> bool:
    return rate is not None and rate < COLLAPSED_RATE


def _directions(info: ModelInfo) -> list[SliderAxis]:
    mean = np.asarray(info.means, np.float64)
    least = 0.0 if info.autoencoder else 1.0  # the prior's own standard deviation, in every direction
    return [
        SliderAxis(
            index=k,
            centre=0.0,
            unit=max(float(spread), least) or 1.0,
            spread=float(spread),
            collapsed=bool(spread**2 < info.active_variance),
            direction=np.asarray(direction, np.float64),
            mean=mean,
        )
        for k, (direction, spread) in enumerate(zip(info.directions, info.direction_spreads, strict=True))
    ]


def centre_of(info: ModelInfo) -> np.ndarray:
    """Where reset goes and the dice are centred, (latent,): the prior's mean, or an autoencoder's mean picture."""
    return np.asarray(info.means, np.float64) if info.autoencoder else np.zeros(info.latent_dim)


def unit_of(info: ModelInfo) -> np.ndarray:
    """One standard deviation of the dice in each dimension, (latent,): the prior's,
    or that of an autoencoder's codes."""
    if not info.autoencoder:
        return np.ones(info.latent_dim)
    spreads = np.asarray(info.spreads, np.float64)
    return np.where(spreads > 0, spreads, 1.0)


# ---------------------------------------------------------------------- where to begin, and what to show meanwhile


def starting_point(info: ModelInfo) -> LatentState:
    """The stored picture of the broadest strokes: every model paints those first, so what is seen first is a picture.

    Lines and dots would be a blur at first, and the mean of all pictures is grey.
    """
    point = info.means
    if len(info.latents):
        broad = _breadth(info.thumbnails) if len(info.thumbnails) == len(info.latents) else np.zeros(1)
        point = info.latents[int(broad.argmax())]
    return LatentState(tuple(float(v) for v in point))


def _breadth(pictures: np.ndarray) -> np.ndarray:
    """How much each of uint8 (n, h, w, c) varies as a whole, by how much from pixel to pixel. Shape (n,); 0: one
    colour.

    Of the green alone, which tells most of light and dark: a hand waits for this.
    """
    x = pictures[..., pictures.shape[-1] // 2].astype(np.float32)
    steps = sum(np.abs(np.diff(x, axis=axis)).mean((1, 2)) for axis in (1, 2))
    return x.std(axis=(1, 2)) / (steps + 1.0)


def stand_in(info: ModelInfo, state: LatentState) -> np.ndarray | None:
    """The stored picture nearest to the point, uint8 (h, w, c), until the engine has decoded one; None without any."""
    if not len(info.thumbnails):
        return None
    if len(info.latents) != len(info.thumbnails):
        return np.asarray(info.thumbnails.mean(axis=0) + 0.5, np.uint8)
    far = np.square(np.asarray(info.latents, np.float64) - np.asarray(state.values)).sum(axis=1)
    return info.thumbnails[int(far.argmin())]
