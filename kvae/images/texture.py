"""How busy pictures are: a few numbers that tell how strongly the spectrum of a single picture departs from the mean
one.

The variances of a spectrum are averages over smooth and over textured pictures, and fit neither. The energies of a
picture's coefficients in a few groups of frequencies rise and fall together, by factors; their leading principal
components are the picture's texture. Told to the decoder as latents of their own they cost some nats, and save
hundreds.

Reference: Ballé et al., 2018, "Variational image compression with a scale hyperprior", arXiv:1802.01436, for variances
that a picture brings with it; here they are a closed form.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kvae.files.arrays import Torn, read_arrays, write_arrays
from kvae.images.spectrum import Spectrum

LEAD_PARTS = (0.1, 0.4, 1.0)  # groups of the leading directions, as fractions of their number
FINE_PARTS = (0.25, 1.0)  # groups of the other coefficients of a plane, as fractions of their number
SPECTRUM_ARRAYS = ("mean", "colours", "order", "rotation", "ranks", "eigenvalues")
FLOOR = 0.01  # added to relative energies, so that a flat picture has a logarithm
TRUSTED = 400.0  # coefficients that a group counts as, at most: the energies of larger ones err together


@dataclass(frozen=True)
class Texture:
    """Log-energies of groups of directions as a factor model of `count` standard normal numbers, the scales.

    The variance of direction j in a picture with scales e is λ_j·exp(levels[g] + loadings[g]·e), g = groups[j].

    groups: (values,), the group of each direction of the spectrum; group 0, the strongest few, never varies.
    energies: (groups,), mean of ln(FLOOR + mean of c²/λ) over the pictures.
    readout: (groups, count); the scales of a picture are (its log-energies − energies) @ readout.
    loadings: (groups, count); levels: (groups,).
    """

    groups: np.ndarray
    energies: np.ndarray
    readout: np.ndarray
    loadings: np.ndarray
    levels: np.ndarray


@dataclass(frozen=True)
class Statistics:
    """What the spectral network sets out from: the spectrum of a collection, and its texture."""

    spectrum: Spectrum
    texture: Texture

    def save(self, path: Path) -> None:
        """Write it to `path`, readable by this user alone, with a SHA-256."""
        parts = [vars(self.spectrum)[name] for name in SPECTRUM_ARRAYS]
        parts += list(vars(self.texture).values())
        about = {"image_shape": self.spectrum.image_shape, "pictures": self.spectrum.pictures}
        write_arrays(path, json.dumps(about).encode(), parts, private=True)

    @classmethod
    def load(cls, path: Path) -> "Statistics":
        """What was saved at `path`.

        Raises:
            Torn: not whole, or something else. OSError: it cannot be opened.
        """
        about, arrays = read_arrays(path)
        try:
            named = dict(zip(SPECTRUM_ARRAYS, arrays, strict=False))
            height, width, channels = about["image_shape"]
            spectrum = Spectrum((height, width, channels), **named, pictures=int(about["pictures"]))
            return cls(spectrum, Texture(*arrays[len(SPECTRUM_ARRAYS) :]))
        except (ValueError, KeyError, TypeError):
            raise Torn(f"{path.name} holds no spectrum.") from None


def fit_texture(spectrum: Spectrum, blocks: Callable[[], Iterable[np.ndarray]], count: int = 4) -> Texture:
    """The texture of the pictures that `spectrum` was fitted to, in one pass over their blocks."""
    groups = frequency_groups(spectrum)
    sizes = np.bincount(groups, minlength=group_count(spectrum.image_shape[2]))
    logs = np.concatenate([log_energies(spectrum, groups, one) for one in spectrum.coefficients(blocks())])
    energies = logs.mean(axis=0)
    # the log-energy of n coefficients errs by √(2/n): weighted so, the noise is 1 in every group
    weights = np.sqrt(np.minimum(sizes, TRUSTED) / 2.0)
    weights[0] = 0.0
    scores = (logs - energies) * weights
    variances, vectors = np.linalg.eigh(scores.T @ scores / len(scores))
    variances, vectors = variances[::-1][:count], vectors[:, ::-1][:, :count]
    inverse = np.divide(1.0, weights, out=np.zeros_like(weights), where=weights > 0)
    loadings = vectors * inverse[:, None] * np.sqrt(np.maximum(variances - 1.0, 0.01))
    readout = vectors * weights[:, None] / np.sqrt(np.maximum(variances, 0.01))
    levels = np.where(weights > 0, energies, 0.0)
    return Texture(groups, *(part.astype("float32") for part in (energies, readout, loadings, levels)))


def frequency_groups(spectrum: Spectrum) -> np.ndarray:
    """The group (values,) of each direction: leading ones by strength, the others by colour plane and frequency."""
    height, width, channels = spectrum.image_shape
    lead = len(spectrum.rotation)
    turned = spectrum.ranks < lead
    groups = np.zeros(len(spectrum.ranks), np.int64)
    strongest = np.flatnonzero(turned)  # directions come with falling eigenvalues
    groups[strongest] = np.searchsorted(LEAD_PARTS, (np.arange(lead) + 0.5) / lead)
    flat = spectrum.order[spectrum.ranks]
    frequency = np.hypot(flat // width % height / height, flat % width / width)
    for plane in range(channels):
        members = np.flatnonzero(~turned & (flat // (height * width) == plane))
        members = members[np.argsort(frequency[members], kind="stable")]
        part = np.searchsorted(FINE_PARTS, (np.arange(len(members)) + 0.5) / max(len(members), 1))
        groups[members] = len(LEAD_PARTS) + plane * len(FINE_PARTS) + part
    return groups


def group_count(channels: int) -> int:
    """How many groups `frequency_groups` tells apart."""
    return len(LEAD_PARTS) + channels * len(FINE_PARTS)


def log_energies(spectrum: Spectrum, groups: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """ln(FLOOR + mean of c²/λ) over each group, (n, groups), of `coefficients` (n, values)."""
    count = group_count(spectrum.image_shape[2])
    sizes = np.maximum(np.bincount(groups, minlength=count), 1)
    relative = np.square(coefficients) / np.maximum(spectrum.eigenvalues, math.exp(-20)).astype("float32")
    sums = np.stack([relative[:, groups == group].sum(axis=1) for group in range(count)], axis=1)
    return np.log(FLOOR + sums / sizes)
