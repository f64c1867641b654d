"""What the figures are told: the Gaussian limit of a run, and one run of a sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from kvae.weighting.conversions import bits_per_dimension

History: TypeAlias = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Limit:
    """The best linear VAE at the run's KL weight, on the same held-out pictures, with all latents it can use.

    `distortion` and `loss` are summed squared errors per image, `rate` is in nats.
    """

    distortion: float
    rate: float
    loss: float
    active: int
    latent_dim: int


@dataclass(frozen=True)
class LimitCurve:
    """The Gaussian limit at many weights: `distortions` and `rates` (points,), in nats, of the best linear model.

    `fewer` is the same with `latents` only, those of the trained models, where these are fewer than it would use.
    """

    distortions: np.ndarray
    rates: np.ndarray
    latents: int | None = None
    fewer: "LimitCurve | None" = None


@dataclass(frozen=True)
class LatentLimit:
    """What the Gaussian limit says of the number of latents at one weight, on the held-out pictures.

    `distortions` and `rates` (counts,) are of the best linear model with so many of `latents`, which rise. `carrying`
    directions carry something at this weight. `opening` says of each of `latents` below which weight all of them do.
    """

    kl_weight: float
    latents: np.ndarray
    distortions: np.ndarray
    rates: np.ndarray
    carrying: int
    opening: np.ndarray


@dataclass(frozen=True)
class SweepRun:
    """One row of a sweep: a trained run, a plain autoencoder, or the Gaussian limit at one weight.

    `kl_weight` is None (or 0) for a plain autoencoder, whose `rate`, `active` and `sigma` then do not count.
    Pictures are uint8 (n, h, w, c), or None. `reconstructions` are picture for picture those of the sweep's originals,
    `samples` are decoded from the same points of the prior in every run, and `between` leads from the reconstruction of
    one original to that of another, both included.
    `decoded_path` is the length of the decoded way between pictures over the straight line.
    `history` is empty for a Gaussian limit: nothing was trained. `seconds` is the time that training took.
    `settings` says in words where the run stands on each axis of its sweep but the weight and the seed. A row that is
    the mean over several `seeds` has their standard deviations in `spread`, by the name of the field. `failure` says
    why a run ended without numbers.
    """

    name: str
    kl_weight: float | None
    distortion: float
    rate: float | None
    loss: float
    psnr: float
    active: int | None
    latent_dim: int
    sigma: float | None
    calibrated: float
    seconds: float | None = None
    history: History = field(default_factory=dict)
    reconstructions: np.ndarray | None = None
    samples: np.ndarray | None = None
    between: np.ndarray | None = None
    decoded_path: float | None = None
    model: Path | str | None = None
    gaussian_limit: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    seeds: int = 1
    spread: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""

    @property
    def is_autoencoder(self) -> bool:
        """Whether the KL term is absent: such a run has no rate, no decoder noise and no prior."""
        return not self.kl_weight

    @property
    def bits(self) -> float | None:
        """Bits per dimension at the noise that the run's errors call for; None without a rate."""
        if self.is_autoencoder or self.rate is None or not self.is_finite or not self.calibrated > 0:
            return None
        return bits_per_dimension(self.distortion, self.rate, round(2.0 * self.distortion / self.calibrated))

    @property
    def is_finite(self) -> bool:
        """Whether the run ended in numbers; a run that diverged did not."""
        return bool(np.isfinite(self.distortion) and np.isfinite(self.loss))


@dataclass(frozen=True)
class Part:
    """The rows of a sweep that were measured on the same pictures, which `summary` names.

    `runs` in the order in which they are shown; Gaussian limits are set apart whatever their place. `originals` are
    uint8 (n, h, w, c): every run's reconstructions are of these, in the same order, and its samples and in-betweens of
    their size; or None, and no pictures are shown. `limit_curve` is the Gaussian limit as a curve, and `latents` what
    it says where runs differ in their number of latents. `trials` are all of them with their states, where the rows are
    means over seeds or some did not end well.
    """

    summary: str
    runs: Sequence[SweepRun]
    originals: np.ndarray | None = None
    limit_curve: LimitCurve | None = None
    latents: Sequence[LatentLimit] = ()
    trials: Sequence[tuple[SweepRun, str]] = ()

    @property
    def ordered(self) -> list[SweepRun]:
        """The runs, and after them the Gaussian limits."""
        limits = [run for run in self.runs if run.gaussian_limit]
        return [run for run in self.runs if not run.gaussian_limit] + limits


def mean_of(runs: Sequence[SweepRun], name: str) -> SweepRun:
    """One row for `runs` that differ in their seed alone: means, standard deviations, the first one's pictures and
    curves; one run alone as it is."""
    if len(runs) == 1:
        return replace(runs[0], name=name)
    first = runs[0]
    columns = {field: [getattr(run, field) for run in runs] for field in _AVERAGED}
    known = {field: np.array(values, float) for field, values in columns.items() if None not in values}
    means: dict[str, Any] = {field: float(values.mean()) for field, values in known.items()}
    means |= {field: first.kl_weight for field in known if field == "kl_weight" and len(set(columns[field])) == 1}
    if "active" in means:
        means["active"] = round(means["active"])
    bits = [run.bits for run in runs]
    if None not in bits:
        known["bits"] = np.array(bits, float)
    spread = {field: float(values.std(ddof=1)) for field, values in known.items() if field in _SPREAD}
    return replace(first, name=name, seeds=len(runs), spread=spread, **means)


_SPREAD = ("bits", "distortion", "rate", "loss", "psnr", "decoded_path")  # the fields that a row shows with a spread
_AVERAGED = (
    "kl_weight",
    "distortion",
    "rate",
    "loss",
    "psnr",
    "decoded_path",
    "active",
    "sigma",
    "calibrated",
    "seconds",
)
