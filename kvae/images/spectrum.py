"""The spectrum of a collection: the covariance of its pictures in a basis where it is close to diagonal.

Colours are rotated by the eigenvectors of the pixels' covariance, each plane then goes through the orthonormal
two-dimensional cosine transform (DCT-II). What is left to estimate are the variances of the coefficients, so a few
hundred pictures suffice where principal components need thousands. Only the strongest coefficients, which hold what is
not the same everywhere in a picture (sky above, ground below), are turned by the eigenvectors of their own covariance.

Reference: Ahmed, Natarajan & Rao, 1974, "Discrete cosine transform", for pictures as nearly stationary sources.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

LARGEST_LEAD = 1024  # coefficients turned by their own eigenvectors, at most: their matrix takes 4 MB
LEAD_PER_PICTURE = 0.5  # leading coefficients for each picture: so many correlations can still be told
SHRINKAGE = 0.1  # how far they are drawn towards zero
USUAL_VARIANCE = 0.06  # of a pixel value
GREY = 0.5  # taken off before squares are added up: less is lost to rounding
AT_ONCE = 1 << 21  # values transformed at once: 8 MB in float32
STACKED = 80  # pixels; larger planes are multiplied as one tall matrix, five times as fast there and slower below


@dataclass(frozen=True)
class Spectrum:
    """Mean and covariance of pictures as H·W·C independent directions; pixels lie in [0, 1].

    image_shape: (height, width, channels).
    mean: (height, width, channels), the mean picture.
    colours: (channels, channels), orthonormal; column i is the colour of plane i.
    order: (values,), the flat index, in (plane, vertical, horizontal frequency), of each coefficient, strongest first.
    rotation: (lead, lead), orthonormal; column i is direction i as a mix of the first `lead` coefficients of `order`.
    ranks: (values,), which of the turned coefficients each direction is; directions come with falling eigenvalues.
    eigenvalues: (values,), float64, the variances of the directions, descending; their sum is `total`.
    pictures: how many pictures were seen.
    """

    image_shape: tuple[int, int, int]
    mean: np.ndarray
    colours: np.ndarray
    order: np.ndarray
    rotation: np.ndarray
    ranks: np.ndarray
    eigenvalues: np.ndarray
    pictures: int

    @property
    def total(self) -> float:
        """The mean squared distance of a picture from the mean picture."""
        return float(np.sum(self.eigenvalues))

    def analysis(self, images: np.ndarray) -> np.ndarray:
        """Coefficients (n, values), strongest direction first, of pictures (n, height, width, channels) in [0, 1]."""
        flat = _transformed(np.asarray(images, "float32") - self.mean, self.colours).reshape(len(images), -1)
        flat = flat[:, self.order]
        lead = len(self.rotation)
        flat[:, :lead] = flat[:, :lead] @ self.rotation
        return flat[:, self.ranks]

    def synthesis(self, coefficients: np.ndarray) -> np.ndarray:
        """The pictures (n, height, width, channels) of `coefficients` (n, values); undoes `analysis`."""
        height, width, channels = self.image_shape
        turned = np.empty_like(coefficients, dtype="float32")
        turned[:, self.ranks] = coefficients
        lead = len(self.rotation)
        turned[:, :lead] = turned[:, :lead] @ self.rotation.T
        flat = np.empty_like(turned)
        flat[:, self.order] = turned
        planes = flat.reshape(-1, channels, height, width)
        planes = cosine_matrix(height).T @ planes @ cosine_matrix(width)
        return np.moveaxis(planes, 1, -1) @ self.colours.T + self.mean

    def coefficients(self, blocks: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
        """`analysis` of pictures that come in blocks, uint8 or float, in pieces of bounded memory.

        Raises:
            ValueError: no pictures, or of another shape.
        """
        return map(self.analysis, self._fitting(blocks))

    def moments(self, blocks: Iterable[np.ndarray]) -> tuple[np.ndarray, float]:
        """Mean squares (values,) of the coefficients of other pictures, and those pictures' mean squared distance.

        With `eigenvalues` they are all that the distortion and rate of the linear VAE on those pictures depend on.
        """
        lead, count = self.order[: len(self.rotation)], 0
        plain, turned = np.zeros(len(self.order)), np.zeros(len(lead))
        for images in self._fitting(blocks):  # sums are put into order, which is quicker than coefficients are
            flat = _transformed(images - self.mean, self.colours).reshape(len(images), -1)
            leading = flat[:, lead] @ self.rotation
            plain += np.einsum("ij,ij->j", flat, flat)
            turned += np.einsum("ij,ij->j", leading, leading)
            count += len(images)
        squares = np.concatenate([turned, plain[self.order[len(lead) :]]])[self.ranks] / count
        return squares, float(np.sum(squares))

    def _fitting(self, blocks: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
        for images in _pieces(blocks, "Spectrum"):
            if images.shape[1:] != self.image_shape:
                raise ValueError(
                    f"Spectrum: pictures must have the shape of those of the fit, {self.image_shape}. "
                    f"Received: {images.shape[1:]}."
                )
            yield images


def fit_spectrum(
    blocks: Callable[[], Iterable[np.ndarray]],
    *,
    varied: Callable[[], Iterable[np.ndarray]] | None = None,
    mirrored: bool = False,
    lead: int | None = None,
    progress: Callable[[], None] | None = None,
) -> Spectrum:
    """The spectrum of pictures that come in blocks, in two passes over them.

    `blocks()` starts another pass over the same blocks, arrays (n, height, width, channels), uint8 or float in [0, 1].
    `varied()` gives varied copies of them (crops, say), several of each, for the second
    pass, which finds the correlations of the leading coefficients: a few hundred pictures tell those badly. Variances
    are always those of the pictures themselves, for a crop that was enlarged has less detail. `mirrored` counts each
    picture's mirror image too, at no cost: it is the same coefficients with every odd horizontal frequency negated.
    `lead` is how many coefficients are turned by their own eigenvectors; None chooses. `progress` is called after each
    block.

    Memory, besides a block: some `4·channels + 10` numbers a pixel and channel and lead² more; 0.2 GB at 512×512×3.

    Raises:
        ValueError: no pictures, or some that hold NaN or infinity.
    """
    mean, planes, pictures = _covariances(blocks, progress)
    if mirrored:
        mean = (mean + mean[:, ::-1]) / 2
    centre = _transformed((mean[None] - GREY).astype("float32"), np.eye(mean.shape[-1], dtype="float32"))[0]
    planes -= np.einsum("ihw,jhw->hwij", centre, centre, dtype="float64")
    colours = np.linalg.eigh(np.einsum("hwij->ij", planes))[1][:, ::-1]
    variances = np.maximum(np.einsum("hwij,ip,jp->phw", planes, colours, colours), 0.0).reshape(-1)
    order = np.argsort(-variances, kind="stable")
    colours, mean = np.ascontiguousarray(colours, "float32"), mean.astype("float32")
    lead = default_lead(pictures, mean.size) if lead is None else min(lead, mean.size)
    covariance = _lead_covariance(varied or blocks, mean, colours, order[:lead], mirrored, progress)
    return _turned(mean, colours, order, variances, covariance, pictures)


def refine_spectrum(
    found: Spectrum,
    blocks: Iterable[np.ndarray],
    *,
    mirrored: bool = False,
    progress: Callable[[], None] | None = None,
) -> Spectrum:
    """The spectrum of very many pictures, in one pass over their `blocks`, from that of some of them, `found`.

    Colours, and which coefficients are turned, stay as `found` has them: some thousand pictures tell these as well. The
    mean, the variances and the correlations are those of all. `mirrored` and `progress` are those of `fit_spectrum`;
    varied copies would only blur what so many pictures tell.

    Everything is added up in float64, so the size of the blocks and their order change no more than rounding does.

    Raises:
        ValueError: no pictures, or some that hold NaN or infinity.
    """
    height, width, channels = found.image_shape
    lead, values = found.order[: len(found.rotation)], len(found.order)
    sums, squares, gram, count = np.zeros(values), np.zeros(values), np.zeros((len(lead), len(lead))), 0
    for images in _pieces(blocks, "refine_spectrum", progress):
        flat = _transformed(images - found.mean, found.colours).reshape(len(images), -1)
        leading = flat[:, lead]
        sums += flat.sum(axis=0, dtype="float64")
        squares += np.einsum("ij,ij->j", flat, flat)
        gram += leading.T @ leading
        count += len(images)
    if not np.all(np.isfinite(squares)):
        raise ValueError("refine_spectrum: the pictures hold NaN or infinity. Bring finite pixel values in [0, 1].")
    odd = np.arange(values) % width % 2 == 1  # horizontal frequencies, which a mirror image negates
    moved = sums / count  # the mean, as seen from that of `found`
    if mirrored:
        moved[odd] = 0.0
        gram *= odd[lead, None] == odd[lead]
    variances = np.maximum(squares / count - np.square(moved), 0.0)
    covariance = gram / count - np.outer(moved[lead], moved[lead])
    planes = cosine_matrix(height).T @ moved.reshape(channels, height, width) @ cosine_matrix(width)
    mean = (found.mean + np.moveaxis(planes, 0, -1) @ found.colours.T).astype("float32")
    rest = found.order[len(lead) :]
    order = np.concatenate([lead, rest[np.argsort(-variances[rest], kind="stable")]])
    return _turned(mean, found.colours, order, variances, covariance, count)


def _turned(
    mean: np.ndarray,
    colours: np.ndarray,
    order: np.ndarray,
    variances: np.ndarray,
    covariance: np.ndarray,
    pictures: int,
) -> Spectrum:
    """The spectrum in which the first of the coefficients `order`, whose `covariance` this is, are turned by its
    eigenvectors."""
    lead = len(covariance)
    eigenvalues, rotation = np.linalg.eigh(_shrunk(covariance, variances[order[:lead]]))
    turned = np.concatenate([np.maximum(eigenvalues[::-1], 0.0), variances[order[lead:]]])
    ranks = np.argsort(-turned, kind="stable")
    return Spectrum(
        mean.shape, mean, colours, order, rotation[:, ::-1].astype("float32"), ranks, turned[ranks], pictures
    )


def usual_spectrum(image_shape: tuple[int, int, int]) -> Spectrum:
    """The spectrum of pictures at large, (height, width, channels): power falls with the square of the frequency.

    Reference: Field, 1987, "Relations between the statistics of natural images and the response properties of
    cortical cells", for the exponent; `USUAL_VARIANCE` is that of a pixel of the built-in paintings.
    """
    height, width, channels = image_shape
    squares = np.square(np.arange(height)[:, None] / height) + np.square(np.arange(width)[None] / width)
    power = np.tile(1.0 / (squares.reshape(-1) * height * width + 1.0), channels)
    power *= USUAL_VARIANCE * power.size / power.sum()
    order = np.argsort(-power, kind="stable")
    return Spectrum(
        image_shape,
        np.full(image_shape, GREY, "float32"),
        np.eye(channels, dtype="float32"),
        order,
        np.eye(1, dtype="float32"),
        np.arange(power.size),
        power[order],
        0,
    )


def default_lead(pictures: int, values: int) -> int:
    """How many coefficients to turn: as many as so many pictures tell the correlations of."""
    return min(LARGEST_LEAD, values, max(int(LEAD_PER_PICTURE * pictures), 1))


def cosine_matrix(size: int) -> np.ndarray:
    """The orthonormal DCT-II as a matrix (frequency, position), float32: C @ x transforms, C.T @ c is its inverse."""
    frequency, position = np.arange(size)[:, None], np.arange(size)[None]
    matrix = np.cos(math.pi * (2 * position + 1) * frequency / (2 * size)) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix.astype("float32")


def _covariances(
    blocks: Callable[[], Iterable[np.ndarray]], progress: Callable[[], None] | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean picture (h, w, c), mean products (h, w, c, c) of the channels of each coefficient of pictures less `GREY`,
    and the number of pictures."""
    total, products, count = np.zeros(()), np.zeros(()), 0
    for images in _pieces(blocks(), "fit_spectrum", progress):
        planes = _transformed(images - np.float32(GREY), np.eye(images.shape[-1], dtype="float32"))
        total = total + images.sum(axis=0, dtype="float64")
        products = products + _products(planes)
        count += len(images)
    if not np.all(np.isfinite(products)):
        raise ValueError("fit_spectrum: the pictures hold NaN or infinity. Bring finite pixel values in [0, 1].")
    return total / count, products / count, count


def _products(planes: np.ndarray) -> np.ndarray:
    """Sums (h, w, c, c) over pictures of the products of the channels of each coefficient of `planes` (n, c, h, w).

    In float32, which over one piece is exact enough where the running sum is float64. Pair by pair, as one einsum for
    all takes ten times as long.
    """
    channels = planes.shape[1]
    found = np.empty((*planes.shape[2:], channels, channels), "float32")
    for i in range(channels):
        for j in range(i + 1):
            found[..., i, j] = found[..., j, i] = np.einsum("nhw,nhw->hw", planes[:, i], planes[:, j])
    return found


def _lead_covariance(
    blocks: Callable[[], Iterable[np.ndarray]],
    mean: np.ndarray,
    colours: np.ndarray,
    lead: np.ndarray,
    mirrored: bool,
    progress: Callable[[], None] | None,
) -> np.ndarray:
    """Covariance (lead, lead) of the coefficients at the flat indices `lead`."""
    gram, count = np.zeros((len(lead), len(lead))), 0
    for images in _pieces(blocks(), "fit_spectrum", progress):
        scores = _transformed(images - mean, colours).reshape(len(images), -1)[:, lead]
        gram += scores.T @ scores
        count += len(images)
    if mirrored:
        # a mirror image negates odd horizontal frequencies: products of an odd and an even one cancel
        odd = lead % mean.shape[1] % 2
        gram *= odd[:, None] == odd[None]
    return gram / count


def _shrunk(covariance: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """A covariance with the correlations of `covariance`, drawn towards zero, and with these `variances`."""
    deviations = np.sqrt(np.maximum(np.diag(covariance), 1e-30))
    scales = (1.0 - SHRINKAGE) ** 0.5 * np.sqrt(variances) / deviations
    shrunk = covariance * scales[:, None] * scales
    np.fill_diagonal(shrunk, variances)
    return shrunk


def _transformed(images: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Cosine coefficients (n, plane, vertical, horizontal frequency) of float32 `images` (n, h, w, c)."""
    count, height, width, channels = images.shape
    rows, columns = cosine_matrix(height), cosine_matrix(width)
    if max(height, width) <= STACKED:
        return rows @ np.ascontiguousarray(np.moveaxis(images @ colours, -1, 1)) @ columns.T
    planes = np.ascontiguousarray((images @ colours).transpose(0, 3, 2, 1)).reshape(-1, height)
    planes = np.ascontiguousarray((planes @ rows.T).reshape(count, channels, width, height).swapaxes(2, 3))
    return (planes.reshape(-1, width) @ columns.T).reshape(count, channels, height, width)


def _pieces(
    blocks: Iterable[np.ndarray], owner: str, progress: Callable[[], None] | None = None
) -> Iterable[np.ndarray]:
    """The pictures of `blocks` as float32 in [0, 1], no more at once than bounded memory can transform."""
    seen = False
    for block in blocks:
        block = np.asarray(block)
        at_once = max(AT_ONCE // max(math.prod(block.shape[1:]), 1), 1)
        for start in range(0, len(block), at_once):
            piece = block[start : start + at_once]
            seen = True
            yield piece.astype("float32") / np.float32(255.0) if piece.dtype == np.uint8 else piece.astype("float32")
        if progress is not None:
            progress()
    if not seen:
        raise ValueError(f"{owner}: there are no pictures to measure. Bring at least one.")
