"""Curves made readable: averages that begin anew where the weight was turned, and as many points as a screen has."""

import math

import numpy as np

ROUGHLY = 1e-4  # weights closer than this (relatively) are one: float32 0.1, or a mean of it, is no turn from 0.1
_LEAP = 1.2  # a weight that moves all the time (a schedule, a controller) is turned where it moves by more than this


def turned(weights: np.ndarray, before: float | None = None) -> np.ndarray:
    """Where each of `weights` (n,) is another than the one before it, bool (n,); `before` is that of the first."""
    if not len(weights):
        return np.zeros(0, bool)
    earlier = np.concatenate([[weights[0] if before is None else before], weights[:-1]])
    return ~np.isclose(weights, earlier, rtol=ROUGHLY, atol=0.0)


def fresh_starts(weights: np.ndarray) -> np.ndarray:
    """The places, from 0, at which an average over batches with these `weights` (n,) begins anew.

    That is each turn by hand. Within a stretch in which the weight moves with every batch it is only where it leaps.
    """
    if len(weights) < 2:
        return np.zeros(0, np.intp)
    moved = turned(weights)
    moves_on = np.append(moved[1:], True)  # of the last one nobody knows yet
    came = np.concatenate([[False], moved[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(np.log(weights[1:] / weights[:-1]))
    leaps = np.concatenate([[False], ~(ratio < math.log(_LEAP))])  # from or to 0 is a leap
    return np.flatnonzero(moved & (leaps | ~(came & moves_on)))


def smoothed(
    values: np.ndarray, span: int, *, log: bool = False, starts: np.ndarray | tuple[int, ...] = ()
) -> np.ndarray:
    """The exponential moving average over about `span` values, debiased: right from the first value on.

    It begins anew at each place of `starts`: no value counts beyond it.

    With a = 1 − 1/span: s_k = Σ_j≤k a^(k−j) x_j / Σ_j≤k a^(k−j). `log` averages logarithms, as on a log axis the eye
    does; what is not above 0 cannot stand there and becomes NaN. NaN counts for nothing and stays NaN. Shape (n,).
    """
    x = np.asarray(values, np.float64)
    if log:
        x = np.log(np.where(x > 0, x, np.nan))
    if span > 1 and x.size:
        x = np.concatenate([_averaged(part, span) for part in np.split(x, starts) if part.size])
    return np.exp(x) if log else x


def _averaged(x: np.ndarray, span: int) -> np.ndarray:
    known = np.isfinite(x)
    sums = _decaying_sums(np.stack([np.where(known, x, 0.0), known.astype(np.float64)]), 1.0 - 1.0 / span)
    return np.divide(sums[0], sums[1], out=np.full(x.shape, np.nan), where=known)


def _decaying_sums(x: np.ndarray, decay: float) -> np.ndarray:
    """Σ_j≤k decay^(k−j) x_j along the last axis of x (rows, n), in blocks short enough for decay^−j to stay exact."""
    rows, length = x.shape
    block = int(np.clip(math.log(1e6) / -math.log(decay), 1, length))
    blocks = -(-length // block)
    padded = np.zeros((rows, blocks * block))
    padded[:, :length] = x
    powers = decay ** np.arange(block)
    within = np.cumsum(padded.reshape(rows, blocks, block) / powers, axis=2) * powers
    carried = np.zeros((rows, blocks))
    for place in range(1, blocks):
        carried[:, place] = carried[:, place - 1] * decay**block + within[:, place - 1, -1]
    return (within + carried[:, :, None] * (powers * decay)).reshape(rows, -1)[:, :length]


def thinned(x: np.ndarray, y: np.ndarray, count: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """At most `count` points of a curve: the ends, and the lowest and highest of each stretch, so no spike is lost."""
    if x.size <= count:
        return x, y
    stretch = -(-x.size // (count // 2 - 1))
    stretches = -(-x.size // stretch)
    padded = np.full(stretches * stretch, np.nan)
    padded[: x.size] = y
    table = padded.reshape(stretches, stretch)
    lowest = np.argmin(np.where(np.isnan(table), np.inf, table), axis=1)
    highest = np.argmax(np.where(np.isnan(table), -np.inf, table), axis=1)
    start = np.arange(stretches) * stretch
    keep = np.unique(np.concatenate([[0], start + lowest, start + highest, [x.size - 1]]))
    return x[keep], y[keep]
