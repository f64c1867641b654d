"""What the numbers of a grid say, as text: settings against each other, seeds, and the number of latents.

Every sentence is true of the numbers it is made from. A sweep over weights alone is `wording`'s.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from kvae.figures.records import LatentLimit, SweepRun
from kvae.figures.wording import conclusion, findings, fixed, heading, lost, noise, number, share, trained

TOLERANCE = 0.01  # of L, by which more latents must lower it to count as a help
MOST_AXES = 6  # sentences about axes
LATENTS = "latent_dim"  # the axis that has words of its own


def is_grid(runs: Sequence[SweepRun]) -> bool:
    """Whether the runs differ in more than the weight and the seed."""
    return len({tuple(run.settings.items()) for run in runs if not run.gaussian_limit and not run.is_autoencoder}) > 1


def grid_heading(runs: Sequence[SweepRun]) -> str:
    """The answer in one line."""
    if not is_grid(runs):
        return heading(runs)
    kept = trained(runs)
    known = [run for run in kept if run.bits is not None]
    if not known:
        return f"{len(kept)} settings ended in numbers" if kept else heading(runs)
    best = min(known, key=lambda run: run.bits or math.inf)
    if len(known) == 1:
        return f"{best.name}: {fixed(best.bits, 2)} bits per dimension"
    worst = max(known, key=lambda run: run.bits or -math.inf)
    if fixed(best.bits, 2) == fixed(worst.bits, 2):
        return (
            f"These {len(known)} settings describe the pictures equally well: {fixed(best.bits, 2)} bits per dimension"
        )
    level = sum(fixed(run.bits, 2) == fixed(best.bits, 2) for run in known) - 1
    others = f", level with {level} other{'s' if level > 1 else ''}" if level else ""
    return (
        f"Of {len(known)} settings, {best.name} describes the pictures best: {fixed(best.bits, 2)} bits per "
        f"dimension{others}"
    )


def grid_findings(runs: Sequence[SweepRun]) -> list[str]:
    """What else the numbers say."""
    kept = trained(runs)
    if not is_grid(runs):
        return findings(runs) + _seeds(kept)
    weights = list({run.kl_weight: run for run in kept}.values())
    said = [*_axes(runs, kept), *_seeds(kept), noise(weights) if len(weights) <= MOST_AXES else "", _limits(runs, kept)]
    return [sentence for sentence in [*said, lost(runs)] if sentence]


def grid_conclusion(runs: Sequence[SweepRun], limits: Sequence[LatentLimit]) -> list[str]:
    """What these runs say to the question, and where more latents stop helping, one sentence after the other."""
    return ([] if is_grid(runs) else conclusion(runs)) + latent_sentences(runs, limits)


def latent_series(runs: Sequence[SweepRun]) -> dict[tuple[float, str], list[SweepRun]]:
    """The runs that differ in their number of latents alone, by rising number: by the weight, and what else they
    share in words."""
    found: dict[tuple[float, str], dict[int, SweepRun]] = {}
    for run in trained(runs):
        if run.kl_weight is not None and LATENTS in run.settings:
            rest = ", ".join(said for axis, said in run.settings.items() if axis != LATENTS)
            found.setdefault((run.kl_weight, rest), {})[run.latent_dim] = run
    return {key: [row[count] for count in sorted(row)] for key, row in found.items() if len(row) > 1}


def enough_latents(row: Sequence[SweepRun]) -> int:
    """The place in `row`, by rising number of latents, from which more of them lower L by 1% at most."""
    losses = np.array([run.loss for run in row])
    return next(place for place in range(len(row)) if losses[place:].min() >= (1 - TOLERANCE) * losses[place])


def latent_sentences(runs: Sequence[SweepRun], limits: Sequence[LatentLimit]) -> list[str]:
    """Where more latents stop helping at each weight, and why."""
    by_weight = {limit.kl_weight: limit for limit in limits}
    said = []
    for (weight, rest), row in latent_series(runs).items():
        place = enough_latents(row)
        first, enough, most = row[0], row[place], row[-1]
        where = f"At weight {number(weight)}{f' with {rest}' if rest else ''}"
        if enough is most:
            told = (
                f"{where}, L still falls with the most latents tried: {number(row[-2].loss)} with "
                f"{row[-2].latent_dim:,}, {number(most.loss)} with {most.latent_dim:,}."
            )
        else:
            gain = math.ceil(1000 * (1 - min(run.loss for run in row[place:]) / enough.loss) - 1e-6) / 10
            more = f"at most {gain:.1f}% lower" if gain > 0 else "no lower"
            told = f"{where}, {enough.latent_dim:,} latents are enough: L is {number(enough.loss)}"
            if place:
                told += f", against {number(first.loss)} with {first.latent_dim:,}"
            told += f", and with more it is {more}."
        said.append(told + _why(by_weight.get(weight), most.latent_dim))
    return said


def _why(limit: LatentLimit | None, most: int) -> str:
    """How many latents the Gaussian limit uses at a weight, and below which it would use all that were tried."""
    if limit is None:
        return ""
    carrying = limit.carrying
    told = (
        f" The Gaussian limit uses {carrying:,} at this weight: so many directions of these pictures have a variance "
        "above β/2, below which a direction is not worth its nats"
    )
    shown = int(min(most, limit.latents[-1]))
    if shown <= carrying:
        return told + "."
    opening = float(limit.opening[np.flatnonzero(limit.latents == shown)[0]])
    return told + f". Further ones stay unused; {shown:,} are all in use only below weight {number(opening)}."


def _axes(runs: Sequence[SweepRun], kept: Sequence[SweepRun]) -> list[str]:
    """For each axis but that of the latents, what its values change where all else is equal."""
    axes = list(dict.fromkeys(axis for run in runs for axis in run.settings if axis not in (LATENTS, "trial")))
    said = []
    for axis in axes:
        values = list(dict.fromkeys(run.settings[axis] for run in runs if axis in run.settings))
        for value in values[1:]:
            pairs = _pairs(kept, axis, values[0], value)
            if pairs:
                count = f" ({len(pairs)} pairs of runs)" if len(pairs) > 1 else ""
                changes = ", ".join(
                    f"{name} {_change(pairs, field)}" for name, field in _COMPARED if _all(pairs, field)
                )
                said.append(f"With {value} instead of {values[0]}, all else equal{count}: {changes}.")
    return said[:MOST_AXES]


_COMPARED = (("D", "distortion"), ("R", "rate"), ("L", "loss"), ("bits per dimension", "bits"))
Pair = tuple[SweepRun, SweepRun]


def _pairs(kept: Sequence[SweepRun], axis: str, first: str, second: str) -> list[Pair]:
    def rest(run: SweepRun) -> tuple[float | None, Mapping[str, str]]:
        return run.kl_weight, {name: said for name, said in run.settings.items() if name != axis}

    return [
        (one, other)
        for one in kept
        for other in kept
        if one.settings.get(axis) == first and other.settings.get(axis) == second and rest(one) == rest(other)
    ]


def _all(pairs: Sequence[Pair], field: str) -> bool:
    return all(getattr(run, field) is not None for pair in pairs for run in pair)


def _change(pairs: Sequence[Pair], field: str) -> str:
    """By how much a number changes from the first to the second of each pair: −12% to +3%."""
    shares = sorted(
        ((getattr(b, field), getattr(a, field)) for a, b in pairs), key=lambda pair: pair[0] / (pair[1] or 1)
    )
    low, high = share(*shares[0]), share(*shares[-1])
    return low if low == high else f"{low} to {high}"


def _seeds(kept: Sequence[SweepRun]) -> list[str]:
    """What ± means, where it is largest, and whether weights differ by more than it."""
    several = [run for run in kept if run.seeds > 1]
    if not several:
        return []
    counts = sorted({run.seeds for run in several})
    many = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    widest = max(several, key=lambda run: run.spread.get("loss", 0.0) / run.loss if run.loss > 0 else 0.0)
    said = [
        f"Numbers with ± are means over {many} seeds and the standard deviation between them, which is largest beside "
        f"L at {widest.name}: {number(widest.loss)} ± {number(widest.spread.get('loss', 0.0), 2)}."
    ]
    if len(several) > 1 and not is_grid(several):
        gaps = [(abs(b.distortion - a.distortion), max(a.spread["distortion"], b.spread["distortion"]), a, b)
                for a, b in pairwise(several)]  # fmt: skip
        gap, spread, one, other = min(gaps, key=lambda found: found[0] / found[1] if found[1] else math.inf)
        weights = f"weights {number(one.kl_weight)} and {number(other.kl_weight)}"
        if gap > 2 * spread:
            said.append(
                f"Neighbouring weights differ by more than chance: D at {weights}, the closest, by {number(gap)}."
            )
        else:
            said.append(f"D at {weights} differs by {number(gap)}, which is no more than seeds make it differ.")
    return said


def _limits(runs: Sequence[SweepRun], kept: Sequence[SweepRun]) -> str:
    """All trained runs against the best linear model of their weight."""
    limits = {run.kl_weight: run for run in runs if run.gaussian_limit and run.is_finite and run.loss > 0}
    found = [run for run in kept if run.kl_weight in limits]
    if not found:
        return ""
    found.sort(key=lambda run: run.loss / limits[run.kl_weight].loss)
    low, high = (share(run.loss, limits[run.kl_weight].loss) for run in (found[0], found[-1]))
    if low == high:
        return f"Against the best linear model of the same weight, L ended {low} in all of them."
    return (
        f"Against the best linear model of the same weight, L ended between {low} ({found[0].name}) and {high} "
        f"({found[-1].name})."
    )
