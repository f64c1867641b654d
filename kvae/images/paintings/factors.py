"""The factors of variation: every picture is a pure function of these ten, and of its size.

They mean the same in every manner, as far as the manner allows:

| factor        | range      | unit          | meaning                                                         |
|---------------|------------|---------------|-----------------------------------------------------------------|
| `manner`      | MANNERS    | name          | the way of painting                                             |
| `palette`     | PALETTES   | name          | the seven colours                                               |
| `arrangement` | 0 to 15    | number        | which of 16 layouts of the manner; neighbours are unrelated     |
| `position_x`  | 0.3 to 0.7 | canvas width  | where the main form stands, from the left                       |
| `position_y`  | 0.3 to 0.7 | canvas height | where the main form stands, from the top                        |
| `scale`       | 0.7 to 1.3 | of usual size | size of the main form                                           |
| `density`     | 0 to 1     | share         | few parts to many; a new part grows or fades in, never jumps    |
| `angle`       | -20 to 20  | degrees       | lean of the composition, clockwise; quiet manners lean by less  |
| `warmth`      | -1 to 1    | share         | light from cool (blue) to warm (amber): an OKLab shift          |
| `tone`        | -1 to 1    | share         | from dark to light; black and white stay                        |
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kvae.images.paintings.palettes import PALETTES, Palette

Value = float | int | str
ARRANGEMENTS = 16


@dataclass(frozen=True)
class Range:
    """A continuous factor: its bounds, its unit, and one sentence."""

    low: float
    high: float
    unit: str
    meaning: str


CONTINUOUS: dict[str, Range] = {
    "position_x": Range(0.3, 0.7, "canvas width", "Where the main form stands, from the left."),
    "position_y": Range(0.3, 0.7, "canvas height", "Where the main form stands, from the top."),
    "scale": Range(0.7, 1.3, "of usual size", "Size of the main form."),
    "density": Range(0.0, 1.0, "share", "Few parts to many."),
    "angle": Range(-20.0, 20.0, "degrees", "Lean of the composition, clockwise."),
    "warmth": Range(-1.0, 1.0, "share", "Light from cool to warm."),
    "tone": Range(-1.0, 1.0, "share", "From dark to light."),
}
CATEGORICAL = ("manner", "palette", "arrangement")
FACTORS = (*CATEGORICAL, *CONTINUOUS)


@dataclass(frozen=True, eq=False)
class Brief:
    """What a manner is asked to paint: the factors, ready for use. Lengths in canvas sides, `lean` in radians."""

    x: float
    y: float
    scale: float
    density: float
    lean: float
    palette: Palette
    arrangement: int
    rng: np.random.Generator = field(repr=False)

    def count(self, fewest: int, most: int) -> np.ndarray:
        """How present each of `most` parts is, in [0, 1]; the `fewest` first ones always are. Shape (most,)."""
        wanted = fewest + self.density * (most - fewest)
        return np.clip(wanted - np.arange(most), 0.0, 1.0)

    def between(self, low: float, high: float, *shape: int) -> np.ndarray:
        """Uniform numbers that depend on manner and arrangement only; the same in every call of a given order."""
        return low + (high - low) * self.rng.random(shape)

    def order(self, count: int) -> np.ndarray:
        """A permutation of 0 ... count - 1 that depends on manner and arrangement only."""
        return np.argsort(self.rng.random(count))


def drawn(seed: int, index: int, manners: tuple[str, ...]) -> dict[str, Value]:
    """The factors of picture `index` of collection `seed`: uniform and independent of each other.

    All are drawn from the picture's own stream, so no picture depends on how many others are asked for.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(index,))))
    draws = rng.random(len(FACTORS)).tolist()
    palettes = tuple(PALETTES)
    factors: dict[str, Value] = {
        "manner": manners[int(draws[0] * len(manners))],
        "palette": palettes[int(draws[1] * len(palettes))],
        "arrangement": int(draws[2] * ARRANGEMENTS),
    }
    for (name, bounds), draw in zip(CONTINUOUS.items(), draws[3:], strict=True):
        factors[name] = bounds.low + (bounds.high - bounds.low) * draw
    return factors


def _checked_name(factors: Mapping[str, Value], name: str, known: tuple[str, ...]) -> str:
    value = factors[name]
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"render: `{name}` is unknown. Received: {name}={value!r}. Use one of: {', '.join(known)}.")
    return str(value)


def checked(factors: Mapping[str, Value], manners: tuple[str, ...]) -> dict[str, Value]:
    """`factors` as plain Python values, or a ValueError that says which of them is missing, unknown or out of range."""
    if set(factors) != set(FACTORS):
        missing, unknown = sorted(set(FACTORS) - set(factors)), sorted(set(factors) - set(FACTORS))
        raise ValueError(
            f"render: `factors` must hold exactly {', '.join(FACTORS)}. Missing: {missing}. Unknown: {unknown}. "
            "Start from `paint(0).factors` and change what you like."
        )
    result: dict[str, Value] = {
        "manner": _checked_name(factors, "manner", manners),
        "palette": _checked_name(factors, "palette", tuple(PALETTES)),
    }
    arrangement = factors["arrangement"]
    if isinstance(arrangement, str) or not hasattr(arrangement, "__index__") or not 0 <= arrangement < ARRANGEMENTS:
        raise ValueError(
            f"render: `arrangement` must be a whole number from 0 to {ARRANGEMENTS - 1}. "
            f"Received: arrangement={arrangement!r}."
        )
    result["arrangement"] = int(arrangement)
    for name, bounds in CONTINUOUS.items():
        value = factors[name]
        if not isinstance(value, int | float | np.number) or not bounds.low <= value <= bounds.high:
            raise ValueError(
                f"render: `{name}` must be from {bounds.low:g} to {bounds.high:g} ({bounds.unit}). "
                f"Received: {name}={value!r}. Clip it to that range."
            )
        result[name] = float(value)
    return result
