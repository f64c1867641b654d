"""Numbers, and what a sweep's numbers say, as text. Every sentence is true of the numbers it is made from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kvae.figures.records import SweepRun
from kvae.weighting.conversions import decoder_noise

NONE = "–"
PRIOR = "Decoded from points drawn from the prior, N(0, 1): the same points for every weight"
PRIOR_OF_AUTOENCODER = "A plain autoencoder has no prior; nothing ties its codes to these points"
BETWEEN = "On the straight line between the codes of two of the originals; its ends are their reconstructions"


def number(value: float | None, digits: int = 3) -> str:
    """A number to `digits` significant digits, written out: 0.00471, 28.9, 12,345. A dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if magnitude < -6:
        return f"{value:.{digits - 1}e}"
    text = f"{value:,.{max(0, digits - 1 - magnitude)}f}"
    # 0.100 reads as measured to three digits; a weight of 0.1 is meant exactly, and shorter is calmer.
    return text.rstrip("0").rstrip(".") if "." in text else text


def fixed(value: float | None, digits: int) -> str:
    """A number with `digits` decimals, so that a column of them lines up."""
    return NONE if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def clipped(text: str, letters: int) -> str:
    """Text that has room for `letters` letters only; the page shows it whole."""
    return text if len(text) <= letters else text[: letters - 1] + "…"


def duration(seconds: float | None) -> str:
    """A time in its two largest units: 48 s, 12 min 5 s, 3 h 2 min."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(images: Sequence[int]) -> str:
    """The shape (n, h, w, c) of pictures in words: 64 × 64, colour."""
    _, height, width, *channels = images
    return f"{width} × {height} pixels, {'grey' if (channels or [1])[0] == 1 else 'colour'}"


def row(run: SweepRun) -> dict[str, str]:
    """One run as a row of the table, one string per column; a mean over seeds has its spread behind it."""
    weighted = None if run.is_autoencoder or run.rate is None else (run.kl_weight or 0.0) * run.rate

    def spread(field: str, text: str) -> str:
        found = run.spread.get(field)
        return text if found is None or text == NONE else f"{text} ± {number(found, 2)}"

    return {
        "name": run.name,
        "D": spread("distortion", fixed(run.distortion, 1)),
        "R": NONE if run.is_autoencoder else spread("rate", fixed(run.rate, 1)),
        "βR": fixed(weighted, 1),
        "L": spread("loss", fixed(run.loss, 1)),
        "bits": spread("bits", fixed(run.bits, 2)),
        "PSNR": spread("psnr", fixed(run.psnr, 1)),
        "path": spread("decoded_path", fixed(run.decoded_path, 2)),
        "active": NONE if run.is_autoencoder or run.active is None else f"{run.active} of {run.latent_dim}",
        "σ": NONE if run.is_autoencoder else number(run.sigma),
        "β*": number(run.calibrated),
        "time": duration(run.seconds),
    }


def trained(runs: Sequence[SweepRun]) -> list[SweepRun]:
    """The runs that were trained with a KL weight and ended in numbers, from the largest weight to the smallest."""
    kept = [run for run in runs if not run.gaussian_limit and not run.is_autoencoder and run.is_finite]
    return sorted(kept, key=lambda run: -(run.kl_weight or 0.0))


def share(loss: float, limit: float) -> str:
    """By how much a loss is below or above that of the best linear model: −12%."""
    if not math.isfinite(loss) or not limit > 0:
        return NONE
    change = round(100 * (loss / limit - 1))
    return "level" if change == 0 else f"{'−' if change < 0 else '+'}{abs(change)}%"


@dataclass(frozen=True)
class TurningPoint:
    """Where the weight of a model is the one that its own errors call for."""

    kl_weight: float
    rate: float
    distortion: float


def turning_point(runs: Sequence[SweepRun]) -> TurningPoint | None:
    """Where β = β* on the way through the runs of one model, straight from one to the next in D, R and log β.

    None where that lies outside their weights.
    """
    for low, high in pairwise(reversed(trained(runs))):  # from the smallest weight
        if low.kl_weight is None or high.kl_weight is None or not low.kl_weight <= low.calibrated:
            return None
        if high.kl_weight < high.calibrated:
            continue
        places = np.linspace(0.0, 1.0, 4001)
        weights = low.kl_weight * (high.kl_weight / low.kl_weight) ** places
        calibrated = low.calibrated + places * (high.calibrated - low.calibrated)
        place = float(places[np.argmin(np.abs(np.log(weights / calibrated)))])
        rate, distortion = (
            a + place * (b - a) for a, b in ((low.rate or 0.0, high.rate or 0.0), (low.distortion, high.distortion))
        )
        return TurningPoint(low.calibrated + place * (high.calibrated - low.calibrated), rate, distortion)
    return None


def calibration(runs: Sequence[SweepRun]) -> str:
    """Where on the way through the runs of one model the weight is the one that its errors call for."""
    kept = trained(runs)
    if not kept:
        return ""
    found = turning_point(kept)
    if found is not None:
        return f"◇ β* {number(found.kl_weight)}: there σ is the error that is made"
    low, high = kept[-1].kl_weight or 0.0, kept[0].kl_weight or 0.0
    if low > kept[-1].calibrated:
        return f"β* lies below {number(low)}: at each of these weights the error is less than σ"
    return f"β* lies above {number(high)}: at each of these weights the error is more than σ"


def heading(runs: Sequence[SweepRun]) -> str:
    """The answer in one line: which weight rebuilds the pictures best, and what it pays for that in nats."""
    kept = trained(runs)
    if not kept:
        return "No run with a KL weight ended in numbers"
    best = min(kept, key=lambda run: run.distortion)
    if len(kept) == 1:
        return f"KL weight {number(best.kl_weight)}: D {number(best.distortion)} at R {number(best.rate)} nats"
    most = max(kept, key=lambda run: run.distortion)
    if best.rate is None or most.rate is None or most.distortion <= best.distortion:
        return f"The {len(kept)} KL weights rebuild the pictures equally well: D {number(best.distortion)}"
    change = best.rate - most.rate
    price = f"{number(abs(change))} nats {'more' if change > 0 else 'less'}"
    return (
        f"KL weight {number(best.kl_weight)} rebuilds the pictures best: {_less(best, most)} less distortion "
        f"than weight {number(most.kl_weight)}, for {price} per picture"
    )


def findings(runs: Sequence[SweepRun]) -> list[str]:
    """What else the numbers say, a sentence or two each, the most asked first."""
    kept = trained(runs)
    said = [_trade(kept), noise(kept), _calibration(kept), _autoencoder(runs, kept), _limit(runs, kept), lost(runs)]
    return [sentence for sentence in said if sentence]


def conclusion(runs: Sequence[SweepRun]) -> list[str]:
    """What these runs say to the question, one sentence after the other; none where no run with a weight ended."""
    kept = trained(runs)
    return [sentence for sentence in (_exchange(kept), _on_one_scale(kept), _smoothness(kept)) if sentence]


def _exchange(kept: Sequence[SweepRun]) -> str:
    """What the smallest weight bought, and what it paid."""
    if len(kept) < 2 or kept[0].rate is None or kept[-1].rate is None:
        return ""
    high, low = kept[0], kept[-1]
    if low.distortion >= high.distortion:
        return (
            f"Turning the weight from {number(high.kl_weight)} down to {number(low.kl_weight)} did not lower the "
            f"distortion of these models: {number(high.distortion)}, then {number(low.distortion)}."
        )
    nats = low.rate - high.rate if low.rate is not None and high.rate is not None else 0.0
    price = f"{number(abs(nats))} nats {'more' if nats > 0 else 'less'} per picture"
    return (
        f"Turning the weight from {number(high.kl_weight)} down to {number(low.kl_weight)} lowered the distortion by "
        f"{_less(low, high)}, for {price}."
    )


def _on_one_scale(kept: Sequence[SweepRun]) -> str:
    """Which weight has the best evidence bound once each may choose its noise."""
    known = [run for run in kept if run.bits is not None]
    if not known:
        return ""
    best = min(known, key=lambda run: run.bits or math.inf)
    told = f"at weight {number(best.kl_weight)}, {fixed(best.bits, 2)} bits per dimension"
    if len(known) == 1:
        return f"The evidence bound at the noise that its errors call for is, {told}."
    worst = max(known, key=lambda run: run.bits or -math.inf)
    if fixed(best.bits, 2) == fixed(worst.bits, 2):
        return f"On the one scale of evidence, all these weights are alike: {fixed(best.bits, 2)} bits per dimension."
    return (
        f"On the one scale of evidence, with the noise that each run's errors call for, these pictures are best "
        f"described {told}, and worst at weight {number(worst.kl_weight)}, {fixed(worst.bits, 2)}."
    )


def _smoothness(kept: Sequence[SweepRun]) -> str:
    """Whether the way between two pictures got longer as the weight fell."""
    known = [run for run in kept if run.decoded_path is not None and math.isfinite(run.decoded_path)]
    if len(known) < 2:
        return ""
    high, low = known[0], known[-1]
    before, after = float(high.decoded_path or 0.0), float(low.decoded_path or 0.0)
    told = f"{fixed(before, 2)} times the straight line at weight {number(high.kl_weight)}, {fixed(after, 2)} at weight"
    told += f" {number(low.kl_weight)}"
    if fixed(before, 2) == fixed(after, 2):
        return f"The way between two pictures through the latent space is as smooth at both ends: {told}."
    turn = "longer, and so less smooth," if after > before else "shorter, and so smoother,"
    return f"The way between two pictures through the latent space got {turn} as the weight fell: {told}."


def _less(low: SweepRun, high: SweepRun) -> str:
    share = 100 * (1 - low.distortion / high.distortion)
    return f"{share:.0f}%" if share >= 1 else "under 1%"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _trade(kept: Sequence[SweepRun]) -> str:
    """Whether D fell and R rose at every step to a smaller weight, as they do along any optimal curve."""
    if len(kept) < 2 or any(run.rate is None for run in kept):
        return ""
    path = _listed([f"D {number(run.distortion)} and R {number(run.rate)} at {number(run.kl_weight)}" for run in kept])
    pairs = list(pairwise(kept))
    orderly = all(b.distortion <= a.distortion and (b.rate or 0) >= (a.rate or 0) for a, b in pairs)
    law = (
        "Each smaller weight buys less error with more information, which is the trade that the weight sets"
        if orderly
        else "A smaller weight did not always lower D and raise R, so some of these runs stopped short of their best"
    )
    return f"{law}: {path}."


def noise(kept: Sequence[SweepRun]) -> str:
    """The noise that each weight stands for."""
    if not kept:
        return ""
    noises = _listed(
        [f"β = {number(run.kl_weight)} is σ = {number(decoder_noise(run.kl_weight or 0))}" for run in kept]
    )
    return (
        f"Scaling the KL term by β is choosing the decoder's noise, σ = √(β/2): {noises}. "
        "Each is a proper evidence bound, of a different decoder; so L compares runs of one weight only."
    )


def _calibration(kept: Sequence[SweepRun]) -> str:
    """How the weights compare with the ones that the errors themselves call for."""
    if not kept:
        return ""
    above = [run for run in kept if (run.kl_weight or 0) > 1.5 * run.calibrated]
    below = [run for run in kept if (run.kl_weight or 0) * 1.5 < run.calibrated]
    low, high = min(run.calibrated for run in kept), max(run.calibrated for run in kept)
    span = number(low) if number(low) == number(high) else f"{number(low)} to {number(high)}"
    parts = [f"The errors that these runs make call for a weight β* of {span}"]
    for group, claim in ((above, "more noise than there is"), (below, "less noise than there is")):
        if group:
            weights = _listed([number(run.kl_weight) for run in group])
            parts.append(f"{'weight' if len(group) == 1 else 'weights'} {weights} assumed {claim}")
    return "; ".join(parts) + "."


def _autoencoder(runs: Sequence[SweepRun], kept: Sequence[SweepRun]) -> str:
    plain = [run for run in runs if run.is_autoencoder and not run.gaussian_limit and run.is_finite]
    if not plain:
        return ""
    run = min(plain, key=lambda run: run.distortion)
    text = f"The plain autoencoder reaches D {number(run.distortion)}"
    if kept:
        best = min(kept, key=lambda run: run.distortion)
        difference = run.distortion - best.distortion
        side = "below" if difference < 0 else "above"
        if number(run.distortion) != number(best.distortion):
            text += f", {number(abs(difference))} {side} that of KL weight {number(best.kl_weight)}"
    return text + ". It pays no rate, and in return nothing ties its codes to a prior that one could draw from."


def _limit(runs: Sequence[SweepRun], kept: Sequence[SweepRun]) -> str:
    """Each trained run against the best linear model of the same weight."""
    limits = {run.kl_weight: run for run in runs if run.gaussian_limit and run.is_finite and run.loss > 0}
    parts = []
    for run in kept:
        if run.kl_weight in limits:
            change = 100 * (run.loss / limits[run.kl_weight].loss - 1)
            where = f"{abs(change):.0f}% {'below' if change < 0 else 'above'}" if abs(change) >= 0.5 else "level with"
            parts.append(f"{where} it at β = {number(run.kl_weight)}")
    if not parts:
        return ""
    return f"Against the best linear model of the same pictures (lower L is better), training ended {_listed(parts)}."


def lost(runs: Sequence[SweepRun]) -> str:
    """The runs that ended without numbers."""
    names = [run.name for run in runs if not run.is_finite]
    return f"Without a finite result, and left out of every comparison: {_listed(names)}." if names else ""
