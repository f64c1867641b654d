"""`linear`: the linear VAE in a cosine basis, right at every KL weight. `spectral`: two small networks that correct it.

The path reads the weight itself and needs no training: it is reverse water-filling over the variances of a picture's
cosine coefficients. At weight β its picture is the true one plus noise of variance near β/2 in every active direction,
so the decoder's correction is a denoiser of known noise level: a local task, which generalises from few pictures. The
encoder's correction is a picture too, so nothing here grows with pictures times latents.
"""

import math
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kvae.images.spectrum import LARGEST_LEAD, Spectrum, cosine_matrix, usual_spectrum
from kvae.images.texture import FLOOR, Texture, group_count
from kvae.networks.blocks import Network, Networks, Plan, dense, double, halve
from kvae.objectives.base import Tensor

LEVELS = 3  # of halving: what is left to correct is local
SCALES, FEW_LATENTS = 4, 256  # latents that tell the texture, of a model that has more than a few
DIGIT = 2048  # places are stored as two digits to this base: float16 holds them exactly
FLAT = 1e-7  # the least variance of a direction, in squared pixel values
EDGE = 1e-4  # a direction counts as active from (1 + EDGE)·β/2 on: the slope of √ stays finite
WORTH = 3.0  # precision, in units of its prior's, from which a scale is worth telling
LARGEST_GAIN = 6.0  # of a log-variance; pictures of a collection rarely differ by more than 2
INPUT_GAIN = 4.0  # what the corrections' inputs are multiplied by, so that features are of order one
STRENGTH = 0.4  # of a correction of order one, in units of what the path leaves: larger ones learn less steadily
LIMIT = 16.0  # of a correction; without one, a single picture now and then brings a loss a million times its usual one
LARGEST_WINDOW = 16  # pixels, of the filter against grids
FEWEST_DIRECTIONS, MOST_DIRECTIONS = 16, 64 * 64 * 3  # where nobody states a number: complete at 64x64
TURNED = 4  # values of a picture for each leading direction that can be turned
CONDITION = 32  # units that describe the weight to a correction


@keras.saving.register_keras_serializable("kvae")
class SpectralPath(layers.Layer):
    """The linear VAE in closed form in the basis of a `Spectrum`, as a function of the KL weight.

    With variances λ, coefficients c of a picture and s = β/2, a direction is active while λ > s, and

        posterior mean = c·√relu(λ − s)/λ     log-variance = min(0, log(s/λ))     coefficients of z = √relu(λ − s)·z

    The first `scales` latents tell the picture's texture (`kvae.images.texture`): λ is multiplied by what they say,
    which saves rate in smooth pictures and keeps detail in busy ones. A scale is worth its nats only at small weights,
    and fades out where it is not; without scales, or before `assign_texture`, the path is exactly the linear VAE.
    The other latents are the strongest directions, in falling order.

    Statistics are not trainable. What is: an offset of each log-variance, linear in log β and starting at 0, and the
    readout, loadings and levels of the scales.

    Before `assign_spectrum` the statistics are those of pictures at large.

    Args:
        image_shape: (height, width, channels), even height and width.
        latent_dim: scales and directions together, at most scales + height·width·channels.
        lead: number of directions that a spectrum may turn by their own eigenvectors.
        scales: latents that tell the texture; 0 for none.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], latent_dim: int, lead: int, scales: int = 0, **options: Any
    ) -> None:
        options["dtype"] = "float32"
        super().__init__(**options)
        height, width, channels = image_shape
        self.image_shape = height, width, channels
        self.latent_dim, self.lead, self.scales = latent_dim, lead, scales
        self.values = math.prod(self.image_shape)
        self.directions = latent_dim - scales
        groups = group_count(channels)

        def weight(name: str, *shape: int, trainable: bool = False, start: Any = "zeros") -> Any:
            return self.add_weight(name=name, shape=shape, initializer=start, trainable=trainable)

        def constant(name: str, value: Any) -> Any:
            return weight(name, *np.shape(value), start=lambda shape, dtype=None: ops.convert_to_tensor(value, dtype))

        usual = usual_spectrum(self.image_shape)
        self.mean_image = constant("mean_image", usual.mean)
        self.colours = constant("colours", usual.colours)
        self.order = constant("order", _digits(usual.order))
        self.rotation = weight("rotation", lead, lead, start="identity")
        self.ranks = constant("ranks", _digits(usual.ranks[: self.directions]))
        self.eigenvalues = constant("eigenvalues", usual.eigenvalues[: self.directions])
        self.rest = constant("rest", float(np.sum(usual.eigenvalues[self.directions :])))
        self.measured = weight("measured")  # how many pictures the statistics are of
        self.log_var_offset = weight("log_var_offset", 2, latent_dim, trainable=True)
        if scales:
            self.groups = weight("groups", self.directions)
            self.energies = weight("energies", groups)
            self.levels = weight("levels", groups, trainable=True)
            self.readout = weight("readout", groups, scales, trainable=True)
            self.loadings = weight("loadings", groups, scales, trainable=True)
        self._vertical, self._horizontal = cosine_matrix(height), cosine_matrix(width)
        self.built = True

    @property
    def encoding_weights(self) -> list[keras.Variable]:
        """All that training moves: the encoder reads loadings and levels, too."""
        return self.trainable_variables

    @property
    def decoding_weights(self) -> list[keras.Variable]:
        """None of its own."""
        return []

    def assign_spectrum(self, spectrum: Spectrum) -> None:
        """Take over the statistics of `spectrum`, whose shape must fit, and which may turn fewer directions.

        Raises:
            ValueError: it is of other pictures, or turns more directions.
        """
        turned = len(spectrum.rotation)
        if spectrum.image_shape != self.image_shape or turned > self.lead:
            raise ValueError(
                f"SpectralPath: the spectrum must be of pictures {self.image_shape} with at most {self.lead} leading "
                f"directions. Received: {spectrum.image_shape} with {turned}. Fit it so."
            )
        self.mean_image.assign(spectrum.mean)
        self.colours.assign(spectrum.colours)
        rotation = np.eye(self.lead, dtype="float32")
        rotation[:turned, :turned] = spectrum.rotation
        self.rotation.assign(rotation)
        self.eigenvalues.assign(np.maximum(spectrum.eigenvalues[: self.directions], FLAT))
        self.rest.assign(float(np.sum(spectrum.eigenvalues[self.directions :])))
        self.order.assign(_digits(spectrum.order))
        self.ranks.assign(_digits(spectrum.ranks[: self.directions]))
        self.measured.assign(spectrum.pictures)

    def assign_texture(self, texture: Texture) -> None:
        """Start the scales from `texture`, which was fitted with the spectrum assigned before."""
        self.groups.assign(texture.groups[: self.directions])
        for name in ("energies", "levels", "readout", "loadings"):
            getattr(self, name).assign(getattr(texture, name))

    # ------------------------------------------------------------------ pictures and coefficients

    def analysis(self, images: Tensor) -> Tensor:
        """Coefficients (batch, directions), strongest first, of images (batch, height, width, channels)."""
        planes = ops.matmul(ops.cast(images, "float32") - self.mean_image, self.colours)
        planes = ops.matmul(self._vertical, ops.transpose(planes, (0, 3, 1, 2)))
        planes = ops.matmul(planes, self._horizontal.T)
        # a picture is a column from here on, so that whole rows are put in order rather than single numbers
        rows = ops.take(ops.transpose(ops.reshape(planes, (-1, self.values))), _places(self.order), axis=0)
        turned = ops.matmul(ops.transpose(self.rotation), rows[: self.lead])
        rows = ops.concatenate([turned, rows[self.lead :]], axis=0)
        return ops.transpose(ops.take(rows, _places(self.ranks), axis=0))

    def synthesis(self, coefficients: Tensor) -> Tensor:
        """The images (batch, height, width, channels) of `coefficients` (batch, directions); undoes `analysis`."""
        height, width, channels = self.image_shape
        rows = ops.pad(ops.transpose(coefficients), ((0, 1), (0, 0)))  # the last row stands for what is left out
        rows = ops.take(rows, _inverse(_places(self.ranks), self.values), axis=0)
        turned = ops.matmul(self.rotation, rows[: self.lead])
        rows = ops.concatenate([turned, rows[self.lead :]], axis=0)
        rows = ops.take(rows, _inverse(_places(self.order), self.values), axis=0)
        planes = ops.reshape(ops.transpose(rows), (-1, channels, height, width))
        planes = ops.matmul(ops.matmul(self._vertical.T, planes), self._horizontal)
        return ops.matmul(ops.transpose(planes, (0, 2, 3, 1)), ops.transpose(self.colours)) + self.mean_image

    # ------------------------------------------------------------------ pictures and latents

    def encode(self, images: Tensor, kl_weight: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and log-variance, each (batch, latent), of images (batch, height, width, channels).

        `kl_weight` is a scalar, or one for each picture, shape (batch,).
        """
        level = _level(kl_weight)
        coefficients = self.analysis(images)
        mean, log_var, gains = self._encode_scales(coefficients, level)
        variances, amplitude, active = self._water(gains, level)
        fine = coefficients * amplitude / variances
        fine_log_var = ops.minimum(0.0, ops.log(level / variances)) + ops.zeros_like(fine)
        mean, log_var = ops.concatenate([mean, fine], axis=1), ops.concatenate([log_var, fine_log_var], axis=1)
        told = ops.concatenate([ops.ones_like(mean[:, : self.scales]), active + ops.zeros_like(fine)], axis=1)
        start, slope = self.log_var_offset[0], self.log_var_offset[1]
        return mean, log_var + told * 3.0 * ops.tanh((start + slope * weight_coordinate(kl_weight)) / 3.0)

    def decode(self, latents: Tensor, kl_weight: Tensor) -> Tensor:
        """The images (batch, height, width, channels) of `latents`, shape (batch, latent)."""
        level, latents = _level(kl_weight), ops.cast(latents, "float32")
        gains = None
        if self.scales:
            gains = self._gains(latents[:, : self.scales], self._worth(level)[0])
        return self.synthesis(self._water(gains, level)[1] * latents[:, self.scales :])

    def error(self, kl_weight: Tensor) -> Tensor:
        """What the linear VAE leaves at this weight, as root mean square of a pixel value, (batch or 1, 1, 1, 1)."""
        left = ops.sum(ops.minimum(self.eigenvalues, _level(kl_weight)), axis=1) + self.rest
        return ops.reshape(ops.sqrt(left / self.values), (-1, 1, 1, 1))

    def _water(self, gains: Tensor, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Variances, √relu(variance − level) and whether active, for each direction (and picture)."""
        variances = self.eigenvalues if gains is None else self.eigenvalues * ops.exp(gains)
        variances = ops.maximum(variances, FLAT)
        above = variances - level
        active = above > EDGE * level
        amplitude = ops.where(active, ops.sqrt(ops.where(active, above, 1.0)), 0.0)
        return variances, amplitude, ops.cast(active, "float32")

    # ------------------------------------------------------------------ the texture's scales

    def _membership(self) -> Tensor:
        return ops.one_hot(ops.cast(self.groups, "int32"), self.levels.shape[0])  # (directions, groups)

    def _worth(self, level: Tensor) -> tuple[Tensor, Tensor]:
        """How strongly each scale acts at `level`, from 0 to 1, and the variance of its posterior.

        An error δ in a direction's log-variance costs λ·δ²/4 of distortion, and each nat costs 2·level.
        """
        stakes = ops.where(self.eigenvalues > level, self.eigenvalues / (4.0 * level), 0.0)
        stakes = ops.matmul(ops.reshape(stakes, (-1, self.directions)), self._membership())
        precision = ops.matmul(stakes, ops.square(self.loadings))  # (batch or 1, scales), in units of the prior's
        worth = ops.relu(precision - WORTH) / ops.maximum(precision, WORTH)
        return worth, 1.0 / (1.0 + precision * ops.square(worth))

    def _encode_scales(self, coefficients: Tensor, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and log-variance (batch, scales) of the scales, and the gains (batch, directions) they stand for."""
        if not self.scales:
            nothing = ops.zeros_like(coefficients[:, :0])
            return nothing, nothing, None
        membership = self._membership()
        sizes = ops.maximum(ops.sum(membership, axis=0), 1.0)
        relative = ops.square(coefficients) / ops.maximum(self.eigenvalues, FLAT)
        energies = ops.log(FLOOR + ops.matmul(relative, membership) / sizes)
        worth, variance = self._worth(level)
        mean = ops.matmul(energies - self.energies, self.readout) * (1.0 - variance)
        return mean, ops.log(variance) + ops.zeros_like(mean), self._gains(mean, worth)

    def _gains(self, scales: Tensor, worth: Tensor) -> Tensor:
        """What `scales` (batch, scales) add to the log-variance of each direction, (batch, directions)."""
        squares = ops.square(self.loadings)
        share = ops.matmul(ops.square(worth), ops.transpose(squares)) / ops.maximum(ops.sum(squares, axis=1), 1e-9)
        gains = ops.matmul(scales * worth, ops.transpose(self.loadings)) + self.levels * share
        gains = LARGEST_GAIN * ops.tanh(gains / LARGEST_GAIN)  # however far a latent is moved by hand
        return ops.matmul(gains, ops.transpose(self._membership()))


def weight_coordinate(kl_weight: Tensor) -> Tensor:
    """log₁₀ of ten times the weight, shape (batch or 1, 1): −1 to 1 for weights from .01 to 1."""
    logarithm = ops.log(ops.maximum(ops.cast(kl_weight, "float32"), 1e-4)) / math.log(10.0)
    return ops.clip(ops.reshape(logarithm, (-1, 1)) + 1.0, -2.0, 2.0)


def corrected(
    path: SpectralPath, correction: keras.Model, images: Tensor, kl_weight: Tensor, training: bool = False
) -> Tensor:
    """`images` (batch, height, width, channels) put right by `correction`, in units of what the path leaves.

    A model encodes `path.encode(corrected(path, encoder, images, β), β)`, and decodes
    `corrected(path, decoder, path.decode(latents, β), β)`.
    """
    images = ops.cast(images, "float32")
    coordinate = weight_coordinate(kl_weight) + ops.zeros_like(images[:, 0, 0, :1])
    change = LIMIT * ops.tanh(correction([images, coordinate], training=training) / LIMIT)
    return images + STRENGTH * path.error(kl_weight) * change


def build_spectral(plan: Plan) -> Networks:
    """The path, and a correction on either side of it."""
    scales = SCALES if plan.latent_dim >= FEW_LATENTS else 0
    return Networks(encoder_correction(plan), decoder_correction(plan), _path(plan, scales, "spectral"))


def build_linear(plan: Plan) -> Networks:
    """The path, and corrections that are 0 always."""
    shape = plan.image_shape
    inputs = [keras.Input(shape, name="picture"), keras.Input((1,), name="weight")]
    nothing = 0.0 * inputs[0]
    encoder, decoder = (keras.Model(inputs, nothing, name=name) for name in ("encoder", "decoder"))
    return Networks(encoder, decoder, _path(plan, 0, "linear"))


def _path(plan: Plan, scales: int, network: str) -> SpectralPath:
    values = math.prod(plan.image_shape)
    if plan.latent_dim > values + scales:
        raise ValueError(
            f"VAE: pictures of {'x'.join(map(str, plan.image_shape))} have {values} values, so the network {network} "
            f"has at most {values + scales} latents. Received: latent_dim={plan.latent_dim}. Choose fewer."
        )
    return SpectralPath(plan.image_shape, plan.latent_dim, most_turned(values), scales, name="path")


def default_directions(image_shape: tuple[int, int, int]) -> int:
    """As many as a picture has values, up to a limit: here none costs anything."""
    return min(math.prod(image_shape), MOST_DIRECTIONS)


def fitting_directions(eigenvalues: np.ndarray, kl_weight: float) -> int:
    """The directions of a model that serves pictures with these `eigenvalues` (count,) down to `kl_weight`.

    A busy picture has more in a direction than the mean one, by a factor of e or two: those are kept that reach β/2
    with it. So the weight of a training that goes on may be lowered to a seventh before one is missed.
    """
    kept = int(np.sum(eigenvalues * math.exp(2.0) > kl_weight / 2.0))
    return min(max(kept, FEWEST_DIRECTIONS), MOST_DIRECTIONS, len(eigenvalues))


def _with_scales(directions: int) -> int:
    return directions + (SCALES if directions + SCALES >= FEW_LATENTS else 0)


def most_turned(values: int) -> int:
    """How many directions of a picture of so many values may be turned: as many as its shape alone says."""
    return min(LARGEST_LEAD, values // TURNED)


def encoder_correction(plan: Plan) -> keras.Model:
    """A picture that is added to the one to be encoded; half as wide as the decoder's."""
    return _correction(plan, tuple(max(width // 2, 1) for width in plan.widths), "encoder")


def decoder_correction(plan: Plan) -> keras.Model:
    """A picture that is added to the path's: what a denoiser of known noise level puts right."""
    network = _correction(plan, plan.widths, "decoder")
    return keras.Model(network.inputs, GridFilter(name="without_grid")(network.output), name="decoder")


@keras.saving.register_keras_serializable("kvae")
class GridFilter(layers.Layer):
    """Takes the checkerboard and the stripes of two pixels out of images (batch, height, width, channels).

    Convolutions that double a picture treat its odd and even pixels by weights of their own, which leaves such a
    pattern in flat areas. Its mean over each window is subtracted; detail that changes within a window passes.
    """

    def __init__(self, **options: Any) -> None:
        options["dtype"] = "float32"
        super().__init__(**options)

    def call(self, images: Tensor) -> Tensor:
        height, width, channels = images.shape[1:]
        window = math.gcd(math.gcd(height, width), LARGEST_WINDOW)
        tiles = (-1, height // window, window, width // window, window, channels)
        images = ops.reshape(images, tiles)
        row, column = (1 - 2 * (place % 2).astype("float32") for place in np.indices((window, window)))
        for pattern in (row, column, row * column):
            pattern = pattern[None, None, :, None, :, None]
            images = images - pattern * ops.mean(images * pattern, axis=(2, 4), keepdims=True)
        return ops.reshape(images, (-1, height, width, channels))


def _correction(plan: Plan, widths: tuple[int, ...], name: str) -> keras.Model:
    """From a picture (height, width, channels) and `weight_coordinate` (1,) to a correction, zero at first, float32."""
    picture = keras.Input(plan.image_shape, name="picture")
    coordinate = keras.Input((1,), name="weight")
    condition = dense(plan, CONDITION, activation="tanh")(coordinate)
    condition = dense(plan, CONDITION, activation="silu")(condition)
    x = INPUT_GAIN * (picture - 0.5)  # not Keras's Rescaling, which needs TensorFlow on every backend
    skips = []
    for width in widths:
        x = halve(plan, x, width, "silu")
        for _ in range(plan.depth):
            x = _conditioned_block(plan, x, condition)
        skips.append(x)
    for width, skip in zip(widths[-2::-1], skips[-2::-1], strict=True):
        x = layers.Add(dtype=plan.dtype)([double(plan, x, width, None), skip])
        x = layers.Activation("silu", dtype=plan.dtype)(x)
        for _ in range(plan.depth):
            x = _conditioned_block(plan, x, condition)
    x = double(plan, x, plan.image_shape[-1], None, kernel_initializer="zeros", dtype="float32", name="change")
    return keras.Model([picture, coordinate], x, name=name)


def _conditioned_block(plan: Plan, x: Tensor, condition: Tensor) -> Tensor:
    """x plus two 3x3 convolutions of it, between which `condition` scales and shifts each channel; zero at first."""
    width = x.shape[-1]
    y = layers.Conv2D(width, 3, padding="same", kernel_initializer=plan.initializer(), dtype=plan.dtype)(x)
    film = dense(plan, 2 * width, kernel_initializer="zeros")(condition)
    scale, shift = ops.split(layers.Reshape((1, 1, 2 * width), dtype=plan.dtype)(film), 2, axis=-1)
    y = layers.Activation("silu", dtype=plan.dtype)(y * (1.0 + scale) + shift)
    y = layers.Conv2D(width, 3, padding="same", kernel_initializer="zeros", dtype=plan.dtype)(y)
    return layers.Add(dtype=plan.dtype)([x, y])


def _level(kl_weight: Tensor) -> Tensor:
    """β/2 as (batch or 1, 1); an autoencoder has no noise floor, and the smallest one keeps the logarithm finite."""
    return ops.reshape(ops.maximum(ops.cast(kl_weight, "float32") / 2.0, 1e-12), (-1, 1))


def _digits(places: np.ndarray) -> np.ndarray:
    return np.stack(np.divmod(places, DIGIT)).astype("float32")


def _places(digits: Tensor) -> Tensor:
    return ops.cast(digits[0] * DIGIT + digits[1], "int32")


def _inverse(places: Tensor, size: int) -> Tensor:
    """Where each of `size` places stands in `places`, or len(places) if nowhere."""
    count = places.shape[0]
    return count + ops.scatter(places[:, None], ops.arange(-count, 0, dtype="int32"), (size,))


def _fewest_beside(image_shape: tuple[int, int, int], latent_dim: int) -> int:
    # the mean picture, where each of its coefficients stands, and the matrix that turns the leading ones
    values = math.prod(image_shape)
    return 3 * values + 3 * latent_dim + most_turned(values) ** 2


SPECTRAL = Network(
    build_spectral,
    heeds=("widths", "depth"),
    depth=1,
    blocks=True,
    levels=LEVELS,
    latents=lambda image_shape: _with_scales(default_directions(image_shape)),
    fitting=lambda eigenvalues, kl_weight: _with_scales(fitting_directions(eigenvalues, kl_weight)),
    fewest_beside=_fewest_beside,
    knows_weight=True,
)
LINEAR = Network(
    build_linear,
    heeds=(),
    latents=default_directions,
    fitting=fitting_directions,
    fewest_beside=_fewest_beside,
    closed_form=True,
    knows_weight=True,
)
