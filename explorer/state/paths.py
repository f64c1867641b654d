"""A way through latent space: from keyframe to keyframe, one latent point per frame of a film."""

import math

import numpy as np

STYLES = ("linear", "spherical")
EASINGS = ("smooth", "even")
NEARLY_PARALLEL = 1e-6  # sine of the angle below which two directions span no great circle


def path(
    keyframes: np.ndarray,
    frames_per_leg: int,
    *,
    style: str = "linear",
    loop: bool = False,
    easing: str = "smooth",
) -> np.ndarray:
    """The latents of every frame, float32 (frames, latent), on the way through `keyframes`, shape (n, latent).

    Keyframe k is met exactly at frame `k * frames_per_leg`. An open way ends on its last keyframe and has
    `(n - 1) * frames_per_leg + 1` frames. A loop goes on from the last keyframe to the first and stops one frame before
    it, as the first frame comes next: `n * frames_per_leg` frames. One keyframe is one frame, none is none.

    Args:
        style: "linear", straight lines; "spherical", along great circles, with the length interpolated.
        easing: "smooth" comes to rest at every keyframe, "even" keeps its speed within a leg.
    """
    keyframes = np.asarray(keyframes, np.float64)
    _check(keyframes, frames_per_leg, style, easing)
    if len(keyframes) < 2:
        return keyframes.astype(np.float32)
    share = np.arange(frames_per_leg) / frames_per_leg
    if easing == "smooth":
        share = share**2 * (3.0 - 2.0 * share)
    between = _on_sphere if style == "spherical" else _on_line
    ends = np.roll(keyframes, -1, axis=0)
    legs = len(keyframes) if loop else len(keyframes) - 1
    parts = [between(keyframes[leg], ends[leg], share[:, None]) for leg in range(legs)]
    if not loop:
        parts.append(keyframes[-1:])
    return np.concatenate(parts).astype(np.float32)


def frame_count(keyframes: int, frames_per_leg: int, loop: bool) -> int:
    """How many frames `path` makes of so many keyframes."""
    if keyframes < 2:
        return keyframes
    return keyframes * frames_per_leg if loop else (keyframes - 1) * frames_per_leg + 1


def _check(keyframes: np.ndarray, frames_per_leg: int, style: str, easing: str) -> None:
    if keyframes.ndim != 2:
        raise ValueError(f"path: `keyframes` must have shape (n, latent). Received: shape {keyframes.shape}.")
    if frames_per_leg < 1:
        raise ValueError(f"path: `frames_per_leg` must be at least 1. Received: frames_per_leg={frames_per_leg!r}.")
    if style not in STYLES:
        raise ValueError(f"path: `style` must be one of {', '.join(STYLES)}. Received: style={style!r}.")
    if easing not in EASINGS:
        raise ValueError(f"path: `easing` must be one of {', '.join(EASINGS)}. Received: easing={easing!r}.")


def _on_line(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> np.ndarray:
    """`start` and `end` (latent,), `share` (frames, 1) → (frames, latent)."""
    return start + (end - start) * share


def _on_sphere(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> np.ndarray:
    """As `_on_line`, but the direction follows the great circle and the length goes evenly from one to the other.

    A straight line between two draws from a high-dimensional Gaussian passes far nearer to 0 than any draw lies. Where
    no great circle is given (a point at 0, the same or the opposite direction), the way is straight.
    """
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if min(lengths) < 1e-12:
        return _on_line(start, end, share)
    directions = start / lengths[0], end / lengths[1]
    angle = math.acos(min(1.0, max(-1.0, float(directions[0] @ directions[1]))))
    sine = math.sin(angle)
    if sine < NEARLY_PARALLEL:
        return _on_line(start, end, share)
    direction = (np.sin((1.0 - share) * angle) * directions[0] + np.sin(share * angle) * directions[1]) / sine
    return direction * (lengths[0] + (lengths[1] - lengths[0]) * share)
