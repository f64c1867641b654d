"""Does the weight of the KL term do anything? Five checks of any Keras VAE, each with its cure."""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kvae.model.vae import VAE
from kvae.objectives.likelihoods import cross_entropy, squared_error
from kvae.training.auditing import Bench, Terms, found_terms, found_weight

STEPS = 50  # of training at the weight, and at twice the weight
PICTURES = 32  # that the model is trained on meanwhile
FACTOR = 1000.0  # that shows whether a weight is felt at all
FELT = 2e-3  # share of R that has to move
ALIKE = 0.12  # logarithmic distance of two factors that count as the same
APART = 0.2  # relative difference of two objectives that count as different


@dataclass(frozen=True)
class Finding:
    """What is wrong, one of `KINDS`, in a sentence, and what to do."""

    kind: str
    sentence: str
    cure: str

    def __str__(self) -> str:
        return f"{self.sentence} {self.cure}"


KINDS = ("pixels", "frozen-weight", "reductions", "rate-unmoved", "validation", "unchecked")


def audit(
    model: keras.Model,
    pictures: np.ndarray,
    *,
    weight: str | None = None,
    terms: Terms | None = None,
    steps: int = STEPS,
) -> list[Finding]:
    """Check whether the KL weight of `model` does what it should: any compiled Keras model that is a VAE.

    Five questions: are the pictures in [0, 1]; does the loss follow the weight, or was the weight frozen into the
    graph; are D and R reduced alike, so that the weight is what it seems; does R move when the weight is doubled for
    `steps` steps; and is validation the same objective. An empty list says that nothing was found. Meanwhile the model
    trains on at most 32 of the pictures, and is afterwards as it was.

    Args:
        pictures: (count, height, width, channels), as `fit` is given them.
        weight: the attribute of the model that holds the weight, a number or a variable; looked for by usual names.
        terms: a function of (model, pictures) that gives mean, log-variance and reconstruction; by default they are
            looked for: `model.encoder` and `model.decoder` as in Keras's example, or a model that returns the three.
        steps: of training at each weight.

    Raises:
        ValueError: a model that is not compiled, has no KL term, or whose parts are not found, or no array of numbers;
            one sentence.

    Example:
        >>> import kvae
        >>> pictures = kvae.open_collection(count=32, size=16).read(range(32))
        >>> vae = kvae.VAE(image_shape=(16, 16, 3), network="conv", widths=(8, 8), latent_dim=4, kl_weight=0.1)
        >>> vae.compile()
        >>> kvae.audit(vae, pictures, steps=10)
        []
    """
    _check_model(model)
    images = _first_of(pictures)
    findings = _pixels(model, images)
    if findings and isinstance(model, VAE):  # which takes nothing else
        images = _in_range(images)
    if isinstance(model, VAE) and model.methods.weighting.MOVES:
        return [
            *findings,
            Finding("unchecked", "This weighting sets the weight by itself.", "Nothing is left to check."),
        ]
    bench = Bench(model, images, terms or found_terms(model, images), found_weight(model, weight))
    with bench:
        if bench.weight is None:
            names = "Name it: audit(model, pictures, weight='beta')."
            return [
                *findings,
                Finding("unchecked", "No attribute of the model holds a KL weight by a usual name.", names),
            ]
        return [*findings, *_checks(bench, steps)]


class Audit(keras.callbacks.Callback):
    """A callback that audits the model when `fit` begins: each finding is warned of, and kept in `findings`.

    The arguments are those of `kvae.audit`, but the model.

    Example:
        >>> import kvae
        >>> pictures = kvae.open_collection(count=32, size=16).read(range(32))
        >>> vae = kvae.VAE(image_shape=(16, 16, 3), network="conv", widths=(8, 8), latent_dim=4, kl_weight=0.1)
        >>> vae.compile()
        >>> checked = kvae.Audit(pictures, steps=10)
        >>> history = vae.fit(pictures, callbacks=[checked], verbose=0)
        >>> checked.findings
        []
    """

    def __init__(self, pictures: np.ndarray, **options: Any) -> None:
        super().__init__()
        self.findings: list[Finding] = []
        self._pictures, self._options = pictures, options

    def on_train_begin(self, logs: Any = None) -> None:
        """Audit the model."""
        self.findings = audit(self.model, self._pictures, **self._options)
        for finding in self.findings:
            warnings.warn(f"kvae.Audit: {finding}", stacklevel=2)


def _first_of(pictures: Any) -> np.ndarray:
    images = np.asarray(pictures) if hasattr(pictures, "__array__") else np.empty(0, object)
    if images.ndim < 2 or not len(images) or images.dtype.kind not in "fiub":
        kind = images.dtype.name if hasattr(pictures, "__array__") else type(pictures).__name__
        raise ValueError(
            "audit: `pictures` must be one array of numbers, (count, height, width, channels). "
            f"Received: {kind} of shape {getattr(pictures, 'shape', '?')}."
        )
    return images[:PICTURES]


def _check_model(model: keras.Model) -> None:
    if not getattr(model, "compiled", False):
        raise ValueError(
            "audit: the model must be compiled, as it is trained for a few steps. Call model.compile(...)."
        )
    if isinstance(model, VAE) and model.autoencoder:
        raise ValueError("audit: an autoencoder has no KL term. Audit a VAE.")
    if isinstance(model, VAE) and model.weight_range is not None:
        raise ValueError("audit: a model of a range has no one weight. Audit model.at(0.1), compiled.")


def _checks(bench: Bench, steps: int) -> Iterator[Finding]:
    """The four checks that train."""
    weight = bench.given
    if weight == 0:
        yield Finding("unchecked", "The weight is 0, so R counts for nothing.", "Set it above 0 and audit again.")
        return
    if not math.isfinite(bench.at(weight, bench.loss)):
        yield Finding("unchecked", "The loss is no finite number on these pictures.", "Mend that first.")
        return
    rate = bench.at(weight, bench.rate)
    yield from _frozen(bench, rate)
    felt = Slope.of(bench, bench.loss, weight)
    # networks that read the weight, as kvae's do, have other terms at another, and their loss is no straight line
    reads = abs(bench.at(FACTOR * weight, bench.rate) - rate) > FELT * rate
    if felt.slope is not None and not reads:
        yield from _reductions(bench, felt, rate)
    yield from _moves(bench, steps)
    yield from _validation(bench, felt)


@dataclass(frozen=True)
class Slope:
    """A loss as `base` + weight·`slope`, from two weights; `slope` is None where the scatter of draws hides it."""

    loss: float
    base: float
    slope: float | None

    @classmethod
    def of(cls, bench: Bench, loss: Callable[[], float], weight: float) -> "Slope":
        at_weight = [bench.at(weight, loss) for _ in range(2)]
        at_large = [bench.at(FACTOR * weight, loss) for _ in range(2)]
        low, high = float(np.mean(at_weight)), float(np.mean(at_large))
        if not math.isfinite(low) or not math.isfinite(high):
            return cls(low, low, None)
        scatter = max(float(np.ptp(at_weight)), 1e-6 * abs(low))
        if abs(high - low) <= 3.0 * scatter:
            return cls(low, low, None)
        slope = (high - low) / ((FACTOR - 1.0) * weight)
        return cls(low, low - weight * slope, slope)


def _frozen(bench: Bench, rate: float) -> Iterator[Finding]:
    """Whether the loss of a traced function follows the weight."""
    if Slope.of(bench, bench.loss, bench.given).slope is not None:
        return
    bench.anew = True  # from here on, functions are made anew for each weight
    if Slope.of(bench, bench.loss, bench.given).slope is not None:
        yield Finding(
            "frozen-weight",
            f"`{bench.name}` is a Python number that was frozen into the graph: changing it changes no loss.",
            f"Make it a variable, self.{bench.name} = keras.Variable({bench.given:g}, trainable=False), and assign to "
            "it.",
        )
    elif rate < 1e-6:
        yield Finding(
            "unchecked", "R is 0, so no weight shows in the loss.", "Audit a model whose latents carry something."
        )
    else:
        yield Finding(
            "frozen-weight",
            f"The loss does not depend on `{bench.name}`: R is {rate:.3g} nats and the weight {bench.given:g}.",
            f"Add self.{bench.name} * R to the loss that train_step minimises.",
        )


def _reductions(bench: Bench, felt: Slope, rate: float) -> Iterator[Finding]:
    """Whether the two terms are reduced alike."""
    assert felt.slope is not None
    mean, _, output = bench.parts()
    latents = mean.shape[-1]
    pixels = bench.pixels
    values, channels = math.prod(pixels.shape[1:]), pixels.shape[-1]
    seen = {"squared error": float(np.mean(ops.convert_to_numpy(squared_error(pixels, output))))}
    if pixels.min() >= 0.0 and pixels.max() <= 1.0:
        seen["cross-entropy"] = float(np.mean(ops.convert_to_numpy(cross_entropy(pixels, output))))
    known = {
        "summed": 1.0,
        "summed and halved": 0.5,
        f"averaged over {values:,} values": 1.0 / values,
        f"averaged over {channels} channels": 1.0 / channels,
    }
    guesses = [
        (abs(math.log(felt.base / (error * factor))), what, how, factor)
        for what, error in seen.items()
        for how, factor in known.items()
        if felt.base > 0 and error > 0 and (channels > 1 or "channels" not in how)
    ]
    distance, what, how, factor = min(guesses, default=(math.inf, "", "", 1.0))
    if distance > ALIKE:
        yield Finding(
            "unchecked",
            "The first term of the loss is no squared error or cross-entropy in a usual reduction.",
            "So what its weight is in other units is not known.",
        )
        return
    share = felt.slope / max(rate, 1e-12)
    rates = {"summed": 1.0, f"averaged over {latents} latents": 1.0 / latents, "averaged without its ½": 2.0 / latents}
    of_rate = min(rates, key=lambda name: abs(math.log(max(share, 1e-30) / rates[name])))
    if abs(math.log(max(share, 1e-30) / rates[of_rate])) > ALIKE:
        of_rate = f"multiplied by {share:.3g}"
    real = bench.given * share / factor
    if factor in (1.0, 0.5) and abs(math.log(max(share, 1e-30))) < ALIKE:
        return
    yield Finding(
        "reductions",
        f"The {what} is {how} and R is {of_rate}: the weight {bench.given:g} counts as {real:.3g} of sums.",
        f"Sum both over a picture and its latents, or divide the weight that you mean by {share / factor:.4g}.",
    )


def _moves(bench: Bench, steps: int) -> Iterator[Finding]:
    """Whether R moves when the weight is doubled for some steps."""
    once, again = (bench.at(bench.given, lambda: bench.rate_after(steps)) for _ in range(2))
    twice = bench.at(2.0 * bench.given, lambda: bench.rate_after(steps))
    if not all(map(math.isfinite, (once, again, twice))):
        yield Finding(
            "unchecked", "R was no finite number after a few steps.", "Lower the learning rate, and audit again."
        )
        return
    if once - twice > max(3.0 * abs(once - again), FELT * once):
        return
    told = f"R is {once:.4g} nats after {steps} steps at weight {bench.given:g} and {twice:.4g} at twice the weight"
    if once < 1e-3:
        yield Finding(
            "rate-unmoved", f"{told}: every latent is dead.", "Choose a smaller weight; kvae-weight says where."
        )
        return
    much = bench.at(FACTOR**2 * bench.given, lambda: bench.rate_after(steps))
    if math.isfinite(much) and once - much > max(3.0 * abs(once - again), 10.0 * FELT * once):
        yield Finding(
            "rate-unmoved",
            f"{told}: the weight is too small to be felt.",
            "Choose a larger one; kvae-weight translates.",
        )
    else:
        yield Finding(
            "rate-unmoved",
            f"{told}: the gradient of R does not reach the encoder.",
            "Compute R inside the gradient tape, from the encoder's own outputs, without stop_gradient or NumPy.",
        )


def _validation(bench: Bench, felt: Slope) -> Iterator[Finding]:
    """Whether `evaluate` sees the objective that `fit` minimises."""
    try:
        bench.at(bench.given, bench.validation_loss)
    except (NotImplementedError, ValueError, TypeError, KeyError):
        yield Finding(
            "unchecked", "The model cannot be evaluated.", "Write test_step to compare runs on held-out pictures."
        )
        return
    held = Slope.of(bench, bench.validation_loss, bench.given)
    cure = (
        "Use the same weight and reductions in train_step and test_step; batch normalisation and dropout differ anyway."
    )
    if abs(held.loss - felt.loss) > APART * abs(felt.loss):
        told = f"On the same pictures the loss is {felt.loss:.4g} in training and {held.loss:.4g} in validation"
        if felt.slope:
            weight = (held.loss - felt.base) / felt.slope
            told += f", which is as if the weight were {weight:.3g} there instead of {bench.given:g}"
        yield Finding("validation", f"{told}.", cure)
    elif felt.slope and abs((held.slope or 0.0) - felt.slope) > APART * abs(felt.slope):
        share = (held.slope or 0.0) / felt.slope
        yield Finding(
            "validation", f"The validation loss follows the weight {share:.3g} times as much as training's.", cure
        )


def _pixels(model: keras.Model, images: np.ndarray) -> list[Finding]:
    """Whether pixel values lie in [0, 1]."""
    if images.dtype.kind in "iub":
        if isinstance(model, VAE):
            return []
        return [
            Finding("pixels", f"The pictures are {images.dtype.name}, 0 to {images.max()}.", "Divide them by 255.0.")
        ]
    if not np.all(np.isfinite(images)):
        return [Finding("pixels", "The pictures hold NaN or infinity.", "Bring finite values from 0 to 1.")]
    low, high = float(images.min()), float(images.max())
    if low >= -1e-3 and high <= 1.0 + 1e-3:
        return []
    told = f"The pictures are floats from {low:.3g} to {high:.3g} instead of 0 to 1"
    if low >= -1.0 - 1e-3 and high <= 1.0 + 1e-3:
        cure = "Rescale them, (x + 1) / 2; otherwise a weight counts a quarter of what it says."
        return [Finding("pixels", f"{told}: squared errors are 4 times as large.", cure)]
    times = max(high - low, 1e-6) ** 2
    return [
        Finding("pixels", f"{told}: squared errors are up to {times:,.3g} times as large.", "Divide them by 255.0.")
    ]


def _in_range(images: np.ndarray) -> np.ndarray:
    """Pictures of any range as floats in [0, 1]."""
    images = np.nan_to_num(images.astype("float32"))
    low, high = float(images.min()), float(images.max())
    return (images - low) / max(high - low, 1e-6)
