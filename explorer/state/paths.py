"""A way through latent space: from keyframe to keyframe, one latent point per frame of a film."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

STYLES = ("linear", "spherical")
EASINGS = ("smooth", "even")
NEARLY_PARALLEL = 1e-6  # sine of the angle below which two directions span no great circle


def path(
    keyframes: np.ndarray,
    frames_per_leg: int | Sequence[int],
    *,
    style: str = "linear",
    loop: bool = False,
    easing: str | Sequence[str] = "smooth",
) -> np.ndarray:
    """The latents of every frame, float32 (frames, latent), on the way through `keyframes`, shape (n, latent).

    A leg leads from a keyframe to the next one; its frames and its easing are the same for all, or given for the leg
    from each of the n. Keyframe k is met exactly at frame `starts(...)[k]`. An open way ends on its last keyframe,
    one frame more than its legs have. A loop goes on from the last keyframe to the first and stops one frame before it,
    as the first frame comes next. One keyframe is one frame, none is none.

    Args:
        style: "linear", straight lines; "spherical", along great circles, with the length interpolated.
        easing: "smooth" comes to rest at every keyframe, "even" keeps its speed within a leg.
    """
    keyframes = np.asarray(keyframes, np.float32)
    _check(keyframes, frames_per_leg, style, easing)
    if len(keyframes) < 2:
        return keyframes.copy()
    between = _on_sphere if style == "spherical" else _on_line
    ends = np.roll(keyframes, -1, axis=0)
    legs = len(keyframes) if loop else len(keyframes) - 1
    frames = np.empty((frame_count(len(keyframes), frames_per_leg, loop), keyframes.shape[1]), np.float32)
    begin = starts(len(keyframes), frames_per_leg)
    for leg, count in enumerate(_each(frames_per_leg, legs)):
        share = np.arange(count) / count
        if (easing if isinstance(easing, str) else easing[leg]) == "smooth":
            share = share**2 * (3.0 - 2.0 * share)
        own, other = between(keyframes[leg], ends[leg], share)
        part = frames[begin[leg] : begin[leg] + count]
        np.multiply.outer(own.astype(np.float32), keyframes[leg], out=part)
        part += np.multiply.outer(other.astype(np.float32), ends[leg])
        part[0] = keyframes[leg]  # to the last digit
    if not loop:
        frames[-1] = keyframes[-1]
    return frames


def weights_along(
    weights: Sequence[float],
    frames_per_leg: int | Sequence[int],
    *,
    loop: bool = False,
    easing: str | Sequence[str] = "smooth",
) -> np.ndarray:
    """The KL weight of every frame, float64 (frames,): from keyframe to keyframe in equal steps of its logarithm."""
    steps = path(np.log(np.asarray(weights, np.float64))[:, None], frames_per_leg, loop=loop, easing=easing)[:, 0]
    found = np.exp(steps.astype(np.float64))
    same = np.isclose(found[:, None], np.asarray(weights)[None], rtol=1e-6, atol=0.0)  # to the last digit
    return np.where(same.any(axis=1), np.asarray(weights, np.float64)[same.argmax(axis=1)], found)


def frame_count(keyframes: int, frames_per_leg: int | Sequence[int], loop: bool) -> int:
    """How many frames `path` makes of so many keyframes."""
    if keyframes < 2:
        return keyframes
    return sum(_each(frames_per_leg, keyframes)) if loop else sum(_each(frames_per_leg, keyframes - 1)) + 1


def starts(keyframes: int, frames_per_leg: int | Sequence[int]) -> list[int]:
    """The frame at which each keyframe is met."""
    return [0, *itertools.accumulate(_each(frames_per_leg, max(keyframes - 1, 0)))][:keyframes]


def _each(frames_per_leg: int | Sequence[int], legs: int) -> list[int]:
    return [frames_per_leg] * legs if isinstance(frames_per_leg, int) else list(frames_per_leg[:legs])


def _check(keyframes: np.ndarray, frames_per_leg: int | Sequence[int], style: str, easing: str | Sequence[str]) -> None:
    if keyframes.ndim != 2:
        raise ValueError(f"path: `keyframes` must have shape (n, latent). Received: shape {keyframes.shape}.")
    if any(count < 1 for count in _each(frames_per_leg, len(keyframes) or 1)):
        raise ValueError(f"path: `frames_per_leg` must be at least 1. Received: frames_per_leg={frames_per_leg!r}.")
    if style not in STYLES:
        raise ValueError(f"path: `style` must be one of {', '.join(STYLES)}. Received: style={style!r}.")
    if not {easing} <= set(EASINGS) if isinstance(easing, str) else not set(easing) <= set(EASINGS):
        raise ValueError(f"path: `easing` must be one of {', '.join(EASINGS)}. Received: easing={easing!r}.")


_Shares = tuple[np.ndarray, np.ndarray]  # of the start and of the end in each frame, both (frames,)


def _on_line(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> _Shares:
    """How much each frame has of `start` and of `end`, both (latent,), at `share` (frames,) of the way."""
    return 1.0 - share, share


def _on_sphere(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> _Shares:
    """As `_on_line`, but the direction follows the great circle and the length goes evenly from one to the other.

    A straight line between two draws from a high-dimensional Gaussian passes far nearer to 0 than any draw lies. Where
    no great circle is given (a point at 0, the same or the opposite direction), the way is straight.
    """
    ends = start.astype(np.float64), end.astype(np.float64)
    lengths = [math.sqrt(np.einsum("i,i->", one, one)) for one in ends]
    if min(lengths) < 1e-12:
        return _on_line(start, end, share)
    cosine = float(np.einsum("i,i->", *ends)) / (lengths[0] * lengths[1])
    angle = math.acos(min(1.0, max(-1.0, cosine)))
    sine = math.sin(angle)
    if sine < NEARLY_PARALLEL:
        return _on_line(start, end, share)
    length = lengths[0] + (lengths[1] - lengths[0]) * share
    return (
        np.sin((1.0 - share) * angle) * length / (sine * lengths[0]),
        np.sin(share * angle) * length / (sine * lengths[1]),
    )
