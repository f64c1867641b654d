"""Two small studies of the KL weight of a Bayesian network: a wavy line with a gap, and the manners of painting.

Each trains the same network at several weights λ and from several seeds, and measures it on examples it never saw, with
predictions averaged over networks that are drawn from q.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from kvae.bayes.layers import MeanFieldConv2D, MeanFieldDense
from kvae.bayes.model import BayesianModel, gaussian_nll
from kvae.images.paintings import MANNERS, paint_many

WEIGHTS = (0.01, 0.1, 0.3, 1.0, 3.0, 10.0)
SEEDS = (0, 1)
NOISE = 0.1  # deviation of the targets of the wavy line, in their units
GAP = (-0.2, 0.35)  # of the line, where there are no examples
EXAMPLES, TESTED = 60, 400  # of the line
PICTURES, HELD_OUT, SIDE = 480, 320, 16
DRAWS = 100  # networks from q that a prediction averages over
LINE_STEPS, PICTURE_EPOCHS = 1200, 30
INTERVAL, QUANTILE = 0.9, 1.6449  # a central interval, and its half-width in deviations
BINS = 15  # of the calibration error

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Line:
    """The wavy line: examples (count,), a grid (points,), and the truth on it."""

    inputs: np.ndarray
    targets: np.ndarray
    test_inputs: np.ndarray
    test_targets: np.ndarray
    grid: np.ndarray
    truth: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """The line at one weight and seed.

    `mean` and `spread` (points,) are of the noiseless prediction on the grid; `scales` are the deviations of all
    weights of the network, in units of their prior's. `log_likelihood` is the mean of log p(y given x), in nats, of
    examples that it never saw; `covered` the share of them inside the central 90% interval; `kl` is in nats.
    """

    weight: float
    seed: int
    mean: np.ndarray
    spread: np.ndarray
    scales: np.ndarray
    log_likelihood: float
    covered: float
    kl: float


@dataclass(frozen=True)
class Classified:
    """The classifier of manners at one weight and seed: accuracy, mean log-likelihood in nats, calibration error."""

    weight: float
    seed: int
    augmented: bool
    accuracy: float
    log_likelihood: float
    calibration_error: float
    kl: float


def wavy_line(seed: int = 0) -> Line:
    """y = sin(4x) + 0.3 sin(13x) + noise for x in −1 … 1, with a gap."""

    def truth(x: np.ndarray) -> np.ndarray:
        return np.sin(4 * x) + 0.3 * np.sin(13 * x)

    random = np.random.default_rng(seed)

    def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
        left = random.uniform(-1.0, GAP[0], count)
        right = random.uniform(GAP[1], 1.0, count)
        x = np.sort(np.where(random.random(count) < (GAP[0] + 1) / (GAP[0] + 2 - GAP[1]), left, right))
        return x.astype("float32"), (truth(x) + NOISE * random.standard_normal(count)).astype("float32")

    grid = np.linspace(-1.3, 1.3, 261, dtype="float32")
    return Line(*drawn(EXAMPLES), *drawn(TESTED), grid, truth(grid))


def fit_line(
    line: Line,
    weights: Sequence[float] = WEIGHTS,
    seeds: Sequence[int] = SEEDS,
    *,
    steps: int = LINE_STEPS,
    progress: Progress | None = None,
) -> list[Fitted]:
    """The line at each of `weights` and `seeds`; `progress` is called with done, total and what it is."""
    found: list[Fitted] = []
    model = _line_model(steps)
    x, y = line.inputs[:, None], line.targets[:, None]
    for seed in seeds:
        for weight in weights:
            if progress:
                progress(len(found), len(weights) * len(seeds), "the wavy line")
            _begin(model, seed, weight)
            model.fit(((x, y) for _ in range(steps)), dataset_size=len(x), steps_per_epoch=steps, verbose=0)
            draws = model.sample(np.concatenate([line.grid, line.test_inputs])[:, None], DRAWS, seed=seed)[..., 0]
            on_grid, tested = draws[:, : len(line.grid)], draws[:, len(line.grid) :]
            likelihoods = -0.5 * np.square((line.test_targets - tested) / NOISE) - np.log(NOISE * np.sqrt(2 * np.pi))
            spread = np.sqrt(tested.var(0) + NOISE**2)
            inside = np.abs(line.test_targets - tested.mean(0)) < QUANTILE * spread
            found.append(
                Fitted(
                    weight, seed, on_grid.mean(0), on_grid.std(0), _scales(model),
                    float(_log_mean_exp(likelihoods).mean()), float(inside.mean()), model.kl(),
                )
            )  # fmt: skip
    return found


def _line_model(steps: int) -> BayesianModel:
    scales = (1.0, 0.5, 0.5)  # of the priors: functions that are drawn from them have the size of the data
    first, second, last = ({"prior_scale": scale, "initial_scale": 0.1 * scale} for scale in scales)
    hidden = [MeanFieldDense(32, "tanh", seed=0, **first), MeanFieldDense(32, "tanh", seed=1, **second)]
    network = keras.Sequential([keras.Input((1,)), _Spread(), *hidden, MeanFieldDense(1, seed=2, **last)])
    model = BayesianModel(network)
    rate = keras.optimizers.schedules.CosineDecay(0.02, steps)
    model.compile(keras.optimizers.Adam(rate), gaussian_nll(NOISE), steps_per_execution=50)
    return model


class _Spread(layers.Layer):
    """x → its sines and cosines at a few frequencies: a prior of N(0, 1) weights then has functions that wave."""

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        angles = inputs * ops.convert_to_tensor([[1.0, 2.0, 4.0, 8.0]], inputs.dtype)
        return ops.concatenate([inputs, ops.sin(angles), ops.cos(angles)], axis=-1)


def paintings(seed: int = 0) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Built-in paintings and the numbers of their manners, to train on and held out; floats in [0, 1]."""
    images, factors = paint_many(range(PICTURES + HELD_OUT), size=SIDE, seed=seed)
    names = list(MANNERS)
    labels = np.array([names.index(str(manner)) for manner in factors["manner"]])
    images = images.astype("float32") / 255.0
    return (images[:PICTURES], labels[:PICTURES]), (images[PICTURES:], labels[PICTURES:])


def classify(
    weights: Sequence[float] = WEIGHTS,
    seeds: Sequence[int] = SEEDS,
    *,
    epochs: int = PICTURE_EPOCHS,
    progress: Progress | None = None,
) -> list[Classified]:
    """The manners of painting at each of `weights` and `seeds`, with and without variants of the pictures."""
    found: list[Classified] = []
    (x, y), (held, wanted) = paintings()
    for augmented in (False, True):
        model = _classifier(augmented, epochs)
        for seed in seeds:
            for weight in weights:
                if progress:
                    what = "manners of painting" + (", varied pictures" if augmented else "")
                    progress(len(found), 2 * len(weights) * len(seeds), what)
                _begin(model, seed, weight)
                model.fit(x, y, batch_size=48, epochs=epochs, verbose=0)
                logits = model.sample(held, DRAWS // 4, seed=seed).astype("float64")
                logs = logits - _log_sum_exp(logits)
                likelihoods = _log_mean_exp(logs)
                shares = np.exp(likelihoods)
                found.append(
                    Classified(
                        weight, seed, augmented, float((shares.argmax(1) == wanted).mean()),
                        float(likelihoods[np.arange(len(wanted)), wanted].mean()),
                        calibration_error(shares, wanted), model.kl(),
                    )
                )  # fmt: skip
    return found


def _classifier(augmented: bool, epochs: int) -> BayesianModel:
    variants = [layers.RandomFlip("horizontal", seed=0), layers.RandomTranslation(0.1, 0.1, seed=0)]
    network = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            *(variants if augmented else []),
            MeanFieldConv2D(16, 3, "relu", strides=2, prior_scale=0.3, initial_scale=0.1, seed=1),
            MeanFieldConv2D(32, 3, "relu", strides=2, prior_scale=0.2, initial_scale=0.05, seed=2),
            layers.Flatten(),
            MeanFieldDense(len(MANNERS), prior_scale=0.1, initial_scale=0.03, seed=3),
        ]
    )
    model = BayesianModel(network)
    rate = keras.optimizers.schedules.CosineDecay(0.008, epochs * (PICTURES // 48))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, steps_per_execution=PICTURES // 48)
    return model


def _begin(model: BayesianModel, seed: int, weight: float) -> None:
    """Draw the start anew: means as Glorot's, deviations as they were given; the optimizer begins again."""
    random = np.random.default_rng(seed)
    for layer in model.mean_field_layers:
        bound = np.sqrt(6.0 / sum(_fans(layer.kernel_mean.shape)))
        layer.kernel_mean.assign(random.uniform(-bound, bound, layer.kernel_mean.shape))
        layer.bias_mean.assign(np.zeros(layer.bias_mean.shape))
        for log_scale in (layer.kernel_log_scale, layer.bias_log_scale):
            log_scale.assign(np.full(log_scale.shape, np.log(layer.initial_scale)))
    for variable in model.optimizer.variables:
        if variable is not model.optimizer._learning_rate:
            variable.assign(np.zeros(variable.shape))
    model.kl_weight = weight


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    field = int(np.prod(shape[:-2]))
    return shape[-2] * field, shape[-1] * field


def _scales(model: BayesianModel) -> np.ndarray:
    found = [(ops.convert_to_numpy(layer.kernel_log_scale), layer.prior_scale) for layer in model.mean_field_layers]
    return np.concatenate([np.exp(log_scale).ravel() / prior for log_scale, prior in found])


def _log_sum_exp(values: np.ndarray) -> np.ndarray:
    top = values.max(-1, keepdims=True)
    return top + np.log(np.exp(values - top).sum(-1, keepdims=True))


def _log_mean_exp(values: np.ndarray) -> np.ndarray:
    """Over the first axis."""
    top = values.max(0)
    return top + np.log(np.exp(values - top).mean(0))


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """How far confidence and accuracy are apart, averaged over bins of confidence; 0 to 1.

    `probabilities` is (count, classes), `labels` (count,). Reference: Guo et al., 2017, arXiv:1706.04599 (ECE).
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(right[places == one].sum() - confidence[places == one].sum()) for one in range(bins)]
    return float(np.sum(gaps) / len(labels))
