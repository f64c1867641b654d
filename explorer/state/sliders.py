"""What each slider stands for, which of them are shown, and in which order. No Qt."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from explorer.messages import ModelInfo
from explorer.state.latent import HELD, LatentState, Mode, dot

REACH = 4.0  # a slider goes from -REACH to +REACH standard deviations
WIDEST = 3.0  # a filmstrip goes from -WIDEST to +WIDEST standard deviations
SHOWN, UNFOLDED = 48, 80  # sliders at most: the most telling ones, and those behind the fold


@dataclass(frozen=True, eq=False)
class SliderAxis:
    """What one slider moves: a latent dimension, or a principal direction where `direction`, shape (latent,), is set.

    `centre` is the value a reset goes to and `unit` the length of one standard deviation, so that the slider's ends are
    at centre ± REACH · unit. `rate` in nats is None where there is none; `spread` is the pictures' standard deviation.
    `dies_at` is the KL weight from which on it moves nothing.
    """

    index: int
    centre: float
    unit: float
    spread: float
    rate: float | None = None
    dies_at: float = math.inf
    direction: np.ndarray | None = None
    mean: np.ndarray | None = None  # (latent,), where a direction is measured from

    def read(self, values: np.ndarray) -> float:
        """The slider's value at `values`, float32 (latent,)."""
        if self.direction is None or self.mean is None:
            return float(values[self.index])
        return dot(values - self.mean, self.direction)

    def moved(self, state: LatentState, value: float) -> LatentState:
        """`state` with this slider at `value`."""
        if self.direction is None or self.mean is None:
            return state.moved(self.index, value)
        return state.moved_along(self.direction, value, self.mean)

    def held(self, state: LatentState) -> bool:
        """Whether locks keep this slider from moving."""
        if self.direction is None or not state.locked:
            return self.index in state.locked and self.direction is None
        held = self.direction[list(state.locked)]
        return dot(self.direction, self.direction) - dot(held, held) < HELD

    def life(self, kl_weight: float) -> float:
        """How much of the dimension the model still uses at this weight, from 1 to 0, where it is dead."""
        return math.sqrt(max(0.0, 1.0 - kl_weight / self.dies_at)) if self.dies_at > 0 else 0.0

    def stops(self, count: int) -> np.ndarray:
        """`count` slider values, evenly from -WIDEST to +WIDEST standard deviations."""
        return self.centre + self.unit * np.linspace(-WIDEST, WIDEST, count)

    def frames(self, state: LatentState, count: int) -> np.ndarray:
        """The latents of the filmstrip, float32 (count, latent): `state` with this slider at each stop,
        locked or not."""
        frames = np.repeat(state.values[None], count, axis=0)
        if self.direction is None:
            frames[:, self.index] = self.stops(count)
        else:
            away = (self.stops(count) - self.read(state.values)).astype(np.float32)
            frames += away[:, None] * self.direction.astype(np.float32)
        return frames


@dataclass(frozen=True, eq=False)
class Sliders:
    """The sliders of a model: those `shown`, the most telling first, and the next ones, `unfolded` on demand.

    For each that there could be, shape (count,), `behind` says whether it is not among those shown, and `dies_at` the
    KL weight from which on it moves nothing: 0 where it never does, infinity where it always does. Of dimensions there
    could be as many as latents.
    """

    shown: tuple[SliderAxis, ...] = ()
    unfolded: tuple[SliderAxis, ...] = ()
    behind: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    dies_at: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def hidden(self) -> int:
        """How many are not shown."""
        return int(np.count_nonzero(self.behind))

    def collapsed(self, kl_weight: float) -> int:
        """How many of those not shown are collapsed at this weight."""
        return int(np.count_nonzero(self.behind & (self.dies_at <= kl_weight)))

    def active(self, kl_weight: float) -> int:
        """How many of all are active at this weight."""
        return int(np.count_nonzero(self.dies_at > kl_weight))


def axes_of(info: ModelInfo, mode: Mode, keep: Sliders | None = None) -> Sliders:
    """The sliders of a model, the most informative first, collapsed ones last.

    `keep` are the sliders on the screen: when newer weights arrive in the middle of a training, those stay where they
    are under the hand, and a dimension that has become active joins below them.
    """
    make: Callable[[ModelInfo, int, float], SliderAxis]
    if mode == "directions":
        spreads = np.asarray(info.direction_spreads, np.float64)
        dies_at, worth, make = np.where(spreads**2 < info.active_variance, 0.0, np.inf), spreads, _direction
    else:
        rated = not info.autoencoder and bool(np.isfinite(info.rates).any())
        dies_at, worth, make = _dies_at(info), np.nan_to_num(info.rates if rated else info.spreads), _dimension
    silent = dies_at <= weights_of(info)[0]
    kept = np.array([axis.index for axis in keep.shown] if keep is not None else [], np.intp)
    kept = kept[kept < len(worth)]
    silent[kept] = False
    place = np.full(len(worth), len(kept))
    place[kept] = np.arange(len(kept))
    order = np.lexsort((-worth, place, silent))
    count = min(int(np.count_nonzero(~silent)), SHOWN)
    behind = np.ones(len(worth), bool)
    behind[order[:count]] = False
    axes = [make(info, int(j), float(dies_at[j])) for j in order[: count + UNFOLDED]]
    return Sliders(tuple(axes[:count]), tuple(axes[count:]), behind, dies_at)


def found(sliders: Sliders, info: ModelInfo, index: int) -> Sliders:
    """With the slider of latent dimension `index` among those shown: first, where it was not there yet."""
    if not sliders.behind[index]:
        return sliders
    behind = sliders.behind.copy()
    behind[index] = False
    axis = _dimension(info, index, float(sliders.dies_at[index]))
    unfolded = tuple(one for one in sliders.unfolded if one.index != index)
    return replace(sliders, shown=(axis, *sliders.shown), unfolded=unfolded, behind=behind)


def _dies_at(info: ModelInfo) -> np.ndarray:
    """The KL weight from which on each dimension has collapsed, (latent,): 0 always, infinity never.

    Where the model stands that was measured (`ModelInfo.active`), and it is so whatever its eigenvalue says. At another
    weight β the posterior mean of a direction with the eigenvalue λ varies by 1 − (β/2)/λ.
    """
    active = info.active
    if info.eigenvalues is None:
        return np.where(active, np.inf, 0.0)
    theory = 2.0 * np.asarray(info.eigenvalues, np.float64) * (1.0 - info.active_variance)
    measured = np.where(
        active, np.maximum(theory, np.nextafter(info.kl_weight, np.inf)), np.minimum(theory, info.kl_weight)
    )
    return np.where(np.isnan(theory), np.where(active, np.inf, 0.0), measured)


def weights_of(info: ModelInfo) -> tuple[float, float]:
    """The KL weights that the knob goes through: those the model was trained for, or a decade to either side of one."""
    if info.weight_range is not None:
        return info.weight_range
    weight = info.kl_weight if info.kl_weight > 0 else 0.1
    return weight / 10.0, weight * 10.0


def _dimension(info: ModelInfo, j: int, dies_at: float) -> SliderAxis:
    spread = float(info.spreads[j])
    least = spread if info.autoencoder and spread > 0 else 1.0  # as `unit_of`
    return SliderAxis(
        index=j,
        centre=float(info.means[j]) if info.autoencoder else 0.0,
        unit=max(least, spread),
        spread=spread,
        rate=None if info.autoencoder else float(info.rates[j]),
        dies_at=dies_at,
    )


def _direction(info: ModelInfo, k: int, dies_at: float) -> SliderAxis:
    spread = float(info.direction_spreads[k])
    least = 0.0 if info.autoencoder else 1.0  # the prior's own standard deviation, in every direction
    return SliderAxis(
        index=k,
        centre=0.0,
        unit=max(spread, least) or 1.0,
        spread=spread,
        dies_at=dies_at,
        direction=np.asarray(info.directions[k], np.float64),
        mean=np.asarray(info.means, np.float32),
    )


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
