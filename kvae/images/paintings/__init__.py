"""Built-in paintings: abstract pictures in the manners of modern art, drawn from named factors.

    >>> from kvae.images.paintings import paint, render
    >>> picture = paint(7, size=128)
    >>> picture.image.shape, picture.factors["manner"]
    >>> warmer = render({**picture.factors, "warmth": 1.0}, size=128)

Picture `index` of collection `seed` is always the same, at any size, in any order, in any process. The factors, their
ranges and units are documented in `kvae.images.paintings.factors`.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import index as whole

import numpy as np

from kvae.images.paintings.canvas import Canvas
from kvae.images.paintings.factors import ARRANGEMENTS, CONTINUOUS, FACTORS, Brief, Value, checked, drawn
from kvae.images.paintings.manners import MANNERS, Manner
from kvae.images.paintings.palettes import PALETTES, to_bytes

__all__ = [
    "ARRANGEMENTS",
    "CONTINUOUS",
    "FACTORS",
    "MANNERS",
    "PALETTES",
    "Manner",
    "Painting",
    "paint",
    "paint_many",
    "render",
]

SMALLEST, LARGEST = 16, 512  # pixels


@dataclass(frozen=True, eq=False)
class Painting:
    """A picture, uint8 sRGB of shape (size, size, 3), and the factors that made it."""

    image: np.ndarray
    factors: dict[str, Value]


def paint(index: int, *, size: int = 64, seed: int = 0, manner: str | None = None) -> Painting:
    """Picture `index` of collection `seed`, `size` pixels wide and high.

    `manner` replaces the manner that the picture would have had; all its other factors stay.
    """
    size = _checked_size("paint", size)
    if manner is not None and manner not in MANNERS:
        raise ValueError(f"paint: `manner` is unknown. Received: manner={manner!r}. Use one of: {', '.join(MANNERS)}.")
    factors = drawn(_checked_count("paint", "seed", seed), _checked_count("paint", "index", index), tuple(MANNERS))
    if manner is not None:
        factors["manner"] = manner
    return Painting(_rendered(factors, size), factors)


def paint_many(indices: Iterable[int], *, size: int = 64, seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The pictures `indices` of collection `seed`.

    Returns:
        images: uint8 sRGB of shape (n, size, size, 3).
        factors: a column of length n for each factor: strings, integers (`arrangement`) or float64.
    """
    size = _checked_size("paint_many", size)
    seed = _checked_count("paint_many", "seed", seed)
    places = [_checked_count("paint_many", "indices", index) for index in indices]
    images = np.empty((len(places), size, size, 3), np.uint8)
    rows = [drawn(seed, place, tuple(MANNERS)) for place in places]
    for row, factors in enumerate(rows):
        images[row] = _rendered(factors, size)
    kinds = {"manner": np.str_, "palette": np.str_, "arrangement": np.int64}
    return images, {name: np.array([row[name] for row in rows], kinds.get(name, np.float64)) for name in FACTORS}


def render(factors: Mapping[str, Value], size: int = 64) -> np.ndarray:
    """The picture that `factors` describe, uint8 sRGB of shape (size, size, 3): a pure function.

    `factors` holds every name in FACTORS, as `paint(...).factors` does; change one to see what it does.
    """
    return _rendered(checked(factors, tuple(MANNERS)), _checked_size("render", size))


def _rendered(factors: Mapping[str, Value], size: int) -> np.ndarray:
    name, arrangement = str(factors["manner"]), int(factors["arrangement"])
    # The layout has a stream of its own: it is the same under every palette, place and light.
    stream = np.random.SeedSequence(zlib.crc32(name.encode()), spawn_key=(arrangement,))
    brief = Brief(
        x=float(factors["position_x"]),
        y=float(factors["position_y"]),
        scale=float(factors["scale"]),
        density=float(factors["density"]),
        lean=float(np.deg2rad(float(factors["angle"]))),
        palette=PALETTES[str(factors["palette"])],
        arrangement=arrangement,
        rng=np.random.Generator(np.random.PCG64(stream)),
    )
    canvas = Canvas(size, sheet=arrangement)
    MANNERS[name].draw(canvas, brief)
    _light(canvas.lab, float(factors["warmth"]), float(factors["tone"]))
    return to_bytes(canvas.lab)


def _light(lab: np.ndarray, warmth: float, tone: float) -> None:
    """Put the finished picture, OKLab of shape (3, h, w), into a warmer or cooler, darker or lighter light."""
    lightness = lab[0]
    lightness += np.float32(0.36 * tone) * lightness * (1.0 - lightness)  # 0 and 1 stay
    lab[1] += np.float32(0.010 * warmth)
    lab[2] += np.float32(0.034 * warmth)


def _checked_size(owner: str, size: int) -> int:
    if isinstance(size, bool) or not hasattr(size, "__index__") or not SMALLEST <= size <= LARGEST:
        raise ValueError(
            f"{owner}: `size` must be from {SMALLEST} to {LARGEST}. Received: size={size!r}. "
            "Give a whole number of pixels, such as 64."
        )
    return whole(size)


def _checked_count(owner: str, name: str, value: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0:
        held = "hold whole numbers" if name == "indices" else "be a whole number"
        raise ValueError(
            f"{owner}: `{name}` must {held} from 0 up. Received: {name}={value!r}. Pictures are counted from 0."
        )
    return whole(value)
