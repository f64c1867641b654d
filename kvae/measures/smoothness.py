"""How smooth the way from latents to pictures is.

Path: the latents go straight from one picture's code to another's; the decoded pictures go a way of their own. Its
length over the straight line between its ends is at least 1, and 1 for a linear decoder: a measure without a unit.

Expansion: how far the picture moves when every latent is moved by one random unit, √(k·mean‖G(z + εu) − G(z − εu)‖²)/2ε
over random directions u of length 1, in pixel values; for a linear decoder the Frobenius norm of its matrix. The step ε
is 5% of the usual length of a latent, √k. Its spread is the deviation over pictures divided by the mean: 0 for a linear
decoder, which expands everywhere alike.
Reference: Arvanitidis et al., 2018, "Latent space oddity", arXiv:1710.11379, for the length of decoded curves.
"""

import math
from collections.abc import Callable

import numpy as np

PAIRS, STEPS = 12, 12  # ways between pictures, and the parts of each
POINTS, DIRECTIONS = 8, 8  # codes at which the expansion is measured, and the directions there
STEP = 0.05  # of √k
FLAT = 1e-6  # a way shorter than this has no length worth dividing by

Decode = Callable[[np.ndarray], np.ndarray]


def path_ratios(decode: Decode, starts: np.ndarray, ends: np.ndarray, steps: int = STEPS) -> np.ndarray:
    """Length of the decoded way over the straight line between its ends, (pairs,), for latents (pairs, latent).

    NaN where both ends are the same picture.
    """
    found = np.full(len(starts), np.nan)
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        share = np.linspace(0.0, 1.0, steps + 1, dtype="float32")[:, None]
        pictures = decode(start + share * (end - start)).reshape(steps + 1, -1).astype("float64")
        straight = float(np.linalg.norm(pictures[-1] - pictures[0]))
        if straight > FLAT:
            found[place] = float(np.sum(np.linalg.norm(np.diff(pictures, axis=0), axis=1))) / straight
    return found


def expansions(decode: Decode, points: np.ndarray, directions: int = DIRECTIONS, seed: int = 0) -> np.ndarray:
    """The expansion at each of the latents `points` (count, latent), (count,), along the same orthogonal directions.

    With as many directions as latents it is exact but for the step.
    """
    latent = points.shape[1]
    drawn = np.random.default_rng(seed).standard_normal((latent, min(directions, latent)))
    along = np.linalg.qr(drawn)[0].T.astype("float32")
    step = np.float32(STEP * math.sqrt(latent))
    found = np.empty(len(points))
    for place, point in enumerate(points):
        ahead, behind = (decode(point + sign * step * along).reshape(len(along), -1) for sign in (1, -1))
        squares = np.sum(np.square(ahead.astype("float64") - behind), axis=1)
        found[place] = math.sqrt(latent * float(np.mean(squares))) / (2.0 * float(step))
    return found
