"""What is measured of a model: every number with its question, unit and sentence, and what the numbers say in words."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kvae.files.strict_json import finite
from kvae.measures.envelope import Envelope, envelope

QUESTIONS = {
    "sound": "Is scaling sound?",
    "pull": "Which term pulls?",
    "picture": "Picture against smoothness?",
    "factors": "Where factors are known",
}


def _measure(question: str, label: str, unit: str, digits: int, says: str) -> Any:
    """A number that may be missing, where it has no meaning; `digits` after the point when it is shown."""
    return field(default=None, metadata={"question": question, "label": label, "unit": unit, "digits": digits,
                                         "says": says})  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """A model at one weight. A measure that has no meaning there is None; `Measures.notes` says why.

    `distortions` and `rates` (pictures,) are those of single pictures, the first by the likelihood that was trained;
    `rate_by_dimension` (latent,) is in nats.
    """

    name: str
    kl_weight: float | None
    sigma: float | None = _measure("sound", "σ", "pixel values", 4, "the decoder's noise, √(β/2)")
    calibrated: float | None = _measure("sound", "β*", "", 4, "the weight whose σ is the error really made, 2·MSE")
    bound: float | None = _measure("sound", "evidence bound at σ", "nats", 1, "log p(x) ≥ this")
    bound_bits: float | None = _measure("sound", "evidence bound at σ", "bits/dim", 4, "what a value 0 to 255 costs")
    bound_error: float | None = _measure("sound", "its standard error", "nats", 1, "over the pictures")
    bound_10: float | None = _measure("sound", "bound of 10 draws at σ", "nats", 1, "importance-weighted, tighter")
    bound_10_error: float | None = _measure("sound", "its standard error", "nats", 1, "over the pictures")
    bound_100: float | None = _measure("sound", "bound of 100 draws at σ", "nats", 1, "importance-weighted, tighter")
    bound_100_error: float | None = _measure("sound", "its standard error", "nats", 1, "over the pictures")
    best_bound: float | None = _measure(
        "sound", "evidence bound at σ*", "nats", 1, "at the noise that the errors call for"
    )
    best_bound_bits: float | None = _measure(
        "sound", "evidence bound at σ*", "bits/dim", 4, "compares runs of different weights"
    )
    best_bound_error: float | None = _measure("sound", "its standard error", "nats", 1, "over the pictures")
    best_bound_100: float | None = _measure("sound", "bound of 100 draws at σ*", "nats", 1, "importance-weighted")
    best_bound_100_bits: float | None = _measure(
        "sound", "bound of 100 draws at σ*", "bits/dim", 4, "compares runs of different weights"
    )
    best_bound_100_error: float | None = _measure("sound", "its standard error", "nats", 1, "over the pictures")
    gradient_share: float | None = _measure(
        "pull", "∇βR's share, encoder", "", 3, "of the two arrows' lengths; ½ where training rests"
    )
    gradient_cosine: float | None = _measure(
        "pull", "cosine of the arrows, encoder", "", 3, "−1 where training rests; below 0 the terms compete"
    )
    gradient_distortion: float | None = _measure("pull", "length of ∇D, encoder", "per weight", 3, "on a few pictures")
    gradient_rate: float | None = _measure("pull", "length of ∇βR, encoder", "per weight", 3, "on a few pictures")
    gradient_decoder: float | None = _measure("pull", "length of ∇D, decoder", "per weight", 3, "the rate is not felt")
    short: float | None = _measure(
        "pull", "short of its own curve", "share of L", 4, "the envelope test between the weights; 0 passes"
    )
    distortion: float | None = _measure("picture", "D", "squared error", 1, "summed over a picture")
    rate: float | None = _measure("picture", "R", "nats", 1, "KL(q(z given x) ‖ p(z)) of a picture")
    loss: float | None = _measure("picture", "L", "", 1, "D + β·R by the likelihood that was trained")
    psnr: float | None = _measure("picture", "PSNR", "dB", 2, "of the posterior mean's reconstruction")
    ssim: float | None = _measure("picture", "SSIM", "", 4, "of the posterior mean's reconstruction; 1 is the same")
    active: int | None = _measure("picture", "active dimensions", "", 0, "whose mean varies by .01 or more")
    active_predicted: int | None = _measure(
        "picture", "active, by the Gaussian limit", "", 0, "directions with a variance above β/2"
    )
    rate_per_active: float | None = _measure("picture", "R for each active dimension", "nats", 3, "")
    mutual: float | None = _measure("picture", "I(x; z), at least", "nats", 2, "what z tells of which picture it is")
    mutual_ceiling: float | None = _measure(
        "picture", "the most it can come to", "nats", 2, "log of the number of pictures"
    )
    marginal: float | None = _measure("picture", "KL(q(z) ‖ p(z)), at most", "nats", 1, "what I(x; z) leaves of R")
    marginal_least: float | None = _measure(
        "picture", "KL(q(z) ‖ p(z)), at least", "nats", 1, "what a fitted prior saves"
    )
    independence: float | None = _measure(
        "picture", "what independent latents cost, at least", "nats", 2, "by how the decoder bends; rate full saves it"
    )
    tilt: float | None = _measure(
        "picture", "what this posterior's tilt saves", "nats", 2, "of a model of rate full; 0 without covariances"
    )
    path_ratio: float | None = _measure(
        "picture", "decoded path", "of the straight line", 3, "between pictures; 1 for a linear decoder"
    )
    expansion: float | None = _measure(
        "picture", "local expansion", "per unit of noise", 2, "how far a picture moves with every latent"
    )
    expansion_spread: float | None = _measure("picture", "its spread over pictures", "", 3, "0 for a linear decoder")
    nearest: float | None = _measure(
        "picture", "samples to their nearest", "pixel values", 4, "median distance to a training picture"
    )
    nearest_held_out: float | None = _measure("picture", "these pictures to theirs", "pixel values", 4, "what is usual")
    copied: float | None = _measure(
        "picture", "samples that are copies", "share", 3, "three times nearer to one than to any other"
    )
    mig: float | None = _measure("factors", "MIG", "", 3, "mutual information gap, 0 to 1")
    dci_disentanglement: float | None = _measure("factors", "DCI disentanglement", "", 3, "a latent, one factor")
    dci_completeness: float | None = _measure("factors", "DCI completeness", "", 3, "a factor, one latent")
    dci_informativeness: float | None = _measure("factors", "DCI informativeness", "", 3, "factors from all latents")
    sap: float | None = _measure("factors", "SAP", "", 3, "separated attribute predictability, 0 to 1")
    distortions: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    rates: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)
    rate_by_dimension: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False, compare=False)

    def record(self) -> dict[str, Any]:
        """Its numbers by their names, without those of single pictures and dimensions, as JSON takes them."""
        return finite({name: getattr(self, name) for name in ("name", "kl_weight", *NUMBERS)})

    @property
    def best_bits(self) -> float | None:
        """The best bits per dimension that are known: of 100 draws at σ*, or of the evidence bound."""
        return self.best_bound_bits if self.best_bound_100_bits is None else self.best_bound_100_bits


# of each number that is measured: its question, label, unit, digits and what it says
NUMBERS = {one.name: one.metadata for one in dataclasses.fields(Measured) if one.metadata}


@dataclass(frozen=True)
class Measures:
    """A model measured on pictures, at each of its weights, the largest first.

    `notes` say which measures have no meaning for this model or these pictures, and why.
    """

    name: str
    network: str
    likelihood: str
    image_shape: tuple[int, ...]
    pictures: int
    at: tuple[Measured, ...]
    envelope: Envelope | None = None
    notes: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """All of it as JSON."""
        return finite(
            {
                "name": self.name,
                "network": self.network,
                "likelihood": self.likelihood,
                "image_shape": list(self.image_shape),
                "pictures": self.pictures,
                "at": [one.record() for one in self.at],
                "envelope": None if self.envelope is None else self.envelope.verdict,
                "findings": verdicts([self]),
                "notes": list(self.notes),
            }
        )


def envelope_between(measured: Sequence[Measured]) -> Envelope | None:
    """The envelope test between models at different weights on the same pictures, or None where there is nothing to
    test."""
    rows = [one for one in measured if one.kl_weight is not None and one.kl_weight > 0 and one.rates.size > 1]
    if len({one.kl_weight for one in rows}) < 2 or len({one.rates.size for one in rows}) > 1:
        return None
    return envelope(
        [one.kl_weight or 0.0 for one in rows],
        np.stack([one.distortions for one in rows]),
        np.stack([one.rates for one in rows]),
    )


def verdicts(measures: Sequence[Measures]) -> list[str]:
    """What the numbers of one model, or of several on the same pictures, say; each sentence is true of them."""
    rows = [one for each in measures for one in each.at]
    named = len(measures) > 1
    said = [*_best(rows, named), *_curve(measures), *_lost(rows, named), *_parts(rows, named), *_copies(rows, named)]
    return said


def _called(one: Measured, named: bool) -> str:
    weight = "the plain autoencoder" if one.kl_weight is None else f"weight {one.kl_weight:g}"
    return f"{one.name} at {weight}" if named else weight


def _best(rows: Sequence[Measured], named: bool) -> Iterator[str]:
    """Which weight has the best bound on the one scale of bits per dimension."""
    known = [one for one in rows if one.best_bits is not None]
    if not known:
        return
    best = min(known, key=lambda one: one.best_bits or math.inf)
    if len(known) == 1:
        yield f"Bound at the best noise: {best.best_bits:.3f} bits per dimension, at {_called(best, named)}."
        return
    worst = max(known, key=lambda one: one.best_bits or -math.inf)
    yield (
        f"The best bound has {_called(best, named)}: {best.best_bits:.3f} bits per dimension at the noise that its "
        f"errors call for; the worst, {worst.best_bits:.3f}, {_called(worst, named)}."
    )


def _curve(measures: Sequence[Measures]) -> Iterator[str]:
    """The envelope test of each model with several weights, or between models of one weight each."""
    found = [(each.name, each.envelope) for each in measures if each.envelope is not None]
    if not found and len({(each.network, each.image_shape, each.likelihood) for each in measures}) == 1:
        between = envelope_between([one for each in measures for one in each.at])
        found = [("between these models", between)] if between else []
    for name, test in found:
        yield f"Envelope test{f', {name}' if len(measures) > 1 else ''}: {test.verdict}."


def _lost(rows: Sequence[Measured], named: bool) -> Iterator[str]:
    """What becomes of smoothness from the largest weight to the smallest."""
    known = [one for one in rows if one.kl_weight is not None and one.path_ratio is not None]
    known.sort(key=lambda one: one.kl_weight or 0.0)
    if len(known) < 2 or known[0].kl_weight == known[-1].kl_weight:
        return
    low, high = known[0], known[-1]
    if low.path_ratio is None or high.path_ratio is None:
        return
    change = 100.0 * (low.path_ratio / high.path_ratio - 1.0)
    what = "as long" if abs(change) < 1.0 else f"{abs(change):.0f}% {'longer' if change > 0 else 'shorter'}"
    than = "as" if abs(change) < 1.0 else "than"
    yield (
        f"Between pictures, the decoded path of {_called(low, named)} is {what} {than} that of {_called(high, named)}: "
        f"{low.path_ratio:.2f} against {high.path_ratio:.2f} times the straight line."
    )


def _parts(rows: Sequence[Measured], named: bool) -> Iterator[str]:
    """How much of the rate at the smallest weight is distance from the prior."""
    known = [one for one in rows if one.rate and one.marginal is not None and one.marginal_least is not None]
    for one in sorted(known, key=lambda one: one.kl_weight or 0.0)[:1]:
        assert one.rate and one.marginal is not None and one.marginal_least is not None
        least, most = sorted((one.marginal_least, one.marginal))
        yield (
            f"Of the {one.rate:.1f} nats at {_called(one, named)}, {least:.1f} to {most:.1f} are how far q(z) is "
            f"from the prior; a prior fitted to the latents of half the pictures saves {one.marginal_least:.1f} on the "
            "other half."
        )


def _copies(rows: Sequence[Measured], named: bool) -> Iterator[str]:
    """Whether samples are copies of training pictures."""
    known = [one for one in rows if one.copied is not None]
    if not known:
        return
    most = max(known, key=lambda one: one.copied or 0.0)
    if most.copied:
        yield f"{100 * most.copied:.0f}% of the samples of {_called(most, named)} are copies of training pictures."
    else:
        yield "No sample is a copy of a training picture."


def markdown() -> str:
    """The tables of docs/measures.md, one for each question."""
    parts = []
    for question, title in QUESTIONS.items():
        rows = [f"### {title}", "", "| in `Measured` and CSV | shown as | unit | |", "|---|---|---|---|"]
        for name, about in NUMBERS.items():
            if about["question"] == question:
                rows.append(f"| `{name}` | {about['label']} | {about['unit']} | {about['says']} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)
