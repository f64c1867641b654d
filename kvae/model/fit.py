"""How pictures reach a VAE through Keras's own methods: what is taken, what is refused, and where evaluation starts."""

import contextlib
import inspect
import itertools
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import keras
import numpy as np
from keras import ops

from kvae.images.pca import PCA, fit_pca
from kvae.images.pixels import (
    UNCHECKED,
    as_float,
    as_pictures,
    as_weights,
    check_first,
    check_targets,
    gathered,
    in_batches,
    is_array,
    pixels,
)
from kvae.images.spectrum import Spectrum, default_lead, fit_spectrum
from kvae.images.texture import Texture, fit_texture
from kvae.objectives.base import Tensor

# evaluation draws its noise from this seed, so that two evaluations of one model agree and those of two models compare
EVALUATION_SEED = 20140214
NOISE_VALUES = 1 << 19  # numbers in the table of that noise
MOST_PICTURES = 8192  # that the closed form is found from
ARRAY = "`x` must be one array of pictures, or a dataset or generator of batches"
DIRECTIONS = ("distortion", "rate", "loss")  # metrics of which less is better, also at one weight of a range


class FitMixin(keras.Model):
    """A Keras model of pictures: `fit`, `evaluate`, `predict` and their single batches behind one gate.

    Whole numbers are scaled by their type's range, floats outside [0, 1] are refused. Of datasets and generators the
    first batch is looked at. `sample_weight` weights a picture's D and R; there are no classes to weight.
    """

    image_shape: tuple[Any, ...]
    latent_dim: int
    network: str
    linear_path: Any
    _noise: keras.random.SeedGenerator
    _step: str | None = None  # "test" or "predict" inside a step of Keras's that is one
    _start_known = False  # whether the closed form was set, or its absence told

    @property
    def _spectral(self) -> bool:
        raise NotImplementedError

    def fit_linear(self, pca: PCA) -> None:
        """Set the linear part to the closed form."""
        raise NotImplementedError

    def fit_spectrum(
        self, spectrum: Spectrum, texture: Texture | None = None, images: np.ndarray | None = None
    ) -> None:
        """Set the spectral path to the closed form."""
        raise NotImplementedError

    # ------------------------------------------------------------------ Keras's methods

    def __call__(self, *args: Any, **options: Any) -> Any:
        if args and isinstance(args[0], np.ndarray):
            args = (as_pictures(args[0], self.image_shape), *args[1:])
        return super().__call__(*args, **options)

    def fit(self, *args: Any, **options: Any) -> Any:
        """As `keras.Model.fit`, from the closed-form linear solution where the network has a linear path."""
        given = self._bound(super().fit, args, options)
        values = given.arguments
        self._gate(values, "VAE.fit")
        if (held_out := values.get("validation_data")) is not None:
            values["validation_data"] = self._held_out(held_out)
        if values.get("x") is not None and not self._started():
            values["x"] = self._start_from(values["x"], values.get("steps_per_epoch"))
        tell_directions(values.get("callbacks"), DIRECTIONS)
        return super().fit(*given.args, **given.kwargs)

    def evaluate(self, *args: Any, **options: Any) -> Any:
        """As `keras.Model.evaluate`. A picture's noise depends on its place in the data, and on nothing else."""
        given = self._bound(super().evaluate, args, options)
        if not options.get("_use_cached_eval_dataset"):  # else `fit` has looked at it
            self._gate(given.arguments, "VAE.evaluate")
        with self._from_the_first(), self._stepping("test"):
            return super().evaluate(*given.args, **given.kwargs)

    def predict(self, *args: Any, **options: Any) -> Any:
        """As `keras.Model.predict`: what `reconstruct` gives, decoded from the posterior means."""
        given = self._bound(super().predict, args, options)
        self._gate(given.arguments, "VAE.predict")
        return super().predict(*given.args, **given.kwargs)

    def train_on_batch(self, *args: Any, **options: Any) -> Any:
        """As `keras.Model.train_on_batch`. A linear path that nobody started starts from the first batch."""
        given = self._bound(super().train_on_batch, args, options)
        self._gate(given.arguments, "VAE.train_on_batch")
        if not self._started():
            images = ops.convert_to_numpy(given.arguments["x"])
            self.adapt(images)
            if self._started():
                warnings.warn(
                    f"VAE: the closed-form start of {self.network!r} was found from one batch of {len(images)} "
                    "pictures. Call vae.adapt(pictures) before training for a better one.",
                    stacklevel=2,
                )
        return super().train_on_batch(*given.args, **given.kwargs)

    def test_on_batch(self, *args: Any, **options: Any) -> Any:
        """As `keras.Model.test_on_batch`."""
        given = self._bound(super().test_on_batch, args, options)
        self._gate(given.arguments, "VAE.test_on_batch")
        with self._from_the_first(), self._stepping("test"):
            return super().test_on_batch(*given.args, **given.kwargs)

    def predict_on_batch(self, x: Any) -> Any:
        """As `keras.Model.predict_on_batch`, from the posterior means."""
        return super().predict_on_batch(as_pictures(x, self.image_shape, "VAE.predict_on_batch: `x`"))

    def test_step(self, *data: Any) -> Any:
        """One batch of an evaluation; JAX passes its state too."""
        with self._stepping("test"):
            return super().test_step(*data)

    def predict_step(self, *data: Any) -> Any:
        """One batch of `predict`; JAX passes its state too."""
        with self._stepping("predict"):
            return super().predict_step(*data)

    def compute_metrics(self, x: Tensor, y: Tensor, y_pred: Tensor, sample_weight: Tensor = None) -> dict[str, Any]:
        """The metrics of `compile`, of the pictures and their reconstructions; labels do not count."""
        return super().compute_metrics(x, pixels(x), y_pred, sample_weight)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """(batch, height, width, channels): reconstructions have the shape of their pictures."""
        return (input_shape[0], *self.image_shape)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(None, height, width, channels)."""
        return (None, *self.image_shape)

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """(None, height, width, channels)."""
        return (None, *self.image_shape)

    # ------------------------------------------------------------------ the gate

    @staticmethod
    def _bound(method: Callable, args: tuple, options: dict[str, Any]) -> inspect.BoundArguments:
        return inspect.signature(method).bind(*args, **options)

    def _gate(self, values: dict[str, Any], owner: str) -> None:
        """Look at `x`, `y` and `sample_weight` among the arguments `values` of a method of Keras's, and scale `x`."""
        if values.get("class_weight") is not None:
            raise ValueError(f"{owner}: a VAE knows no classes. Leave `class_weight` out, or use `sample_weight`.")
        x, y, weights = (values.get(name) for name in ("x", "y", "sample_weight"))
        if x is None:
            return
        if isinstance(x, (list, tuple, dict)) or not (
            is_array(x) or hasattr(x, "__iter__") or hasattr(x, "__getitem__")
        ):
            cure = "Give x itself, or numpy.stack(x)." if isinstance(x, (list, tuple)) else "Give that."
            raise ValueError(f"{owner}: {ARRAY}. Received: {type(x).__name__}. {cure}")
        if not is_array(x):
            if y is not None or weights is not None:
                raise ValueError(f"{owner}: batches bring their own `y` and `sample_weight`: (x, y, sample_weight).")
            values["x"] = self._looked_at(x, owner)
            return
        values["x"] = as_pictures(x, self.image_shape, f"{owner}: `x`")
        if y is not None and tuple(getattr(y, "shape", ())) == tuple(x.shape):
            check_targets(y, x, owner)
            values["y"] = values["x"]
        if weights is not None:
            values["sample_weight"] = as_weights(weights, len(values["x"]), owner)
            values.setdefault("y", None)
            if values["y"] is None:  # without targets, Keras drops the weights
                values["y"] = values["x"]

    def _held_out(self, data: Any) -> Any:
        if not isinstance(data, (tuple, list)):
            values = {"x": data}
        elif 1 <= len(data) <= 3:
            values = dict(zip(("x", "y", "sample_weight"), data, strict=False))
        else:
            raise ValueError(
                f"VAE.fit: `validation_data` must be (x,) or (x, y, sample_weight), or batches. Received: {len(data)} "
                "parts."
            )
        self._gate(values, "VAE.fit: validation_data")
        return tuple(values.values()) if isinstance(data, (tuple, list)) or is_array(data) else values["x"]

    def _looked_at(self, batches: Any, owner: str) -> Any:
        """`batches`, whose first was looked at; a generator still gives it."""
        if UNCHECKED.get():
            return batches
        once = hasattr(batches, "__next__")
        first = next(batches if once else iter(batches), None)
        if first is not None:
            check_first(first, self.image_shape, f"{owner}: `x`")
        return _again([] if first is None else [first], batches) if once else batches

    # ------------------------------------------------------------------ the closed-form start

    def adapt(self, images: Any, *, most: int = MOST_PICTURES) -> None:
        """Start the linear path from the closed form for `images`: an array (count, height, width, channels) or batches
        of such.

        At most `most` pictures are looked at. `fit` does this by itself where nobody did before.
        """
        found = as_float(gathered(images, most, self.image_shape), self.image_shape, "VAE.adapt: `images`")

        def blocks() -> list[np.ndarray]:
            return in_batches(found, 256)

        if self._spectral:
            spectrum = fit_spectrum(blocks, lead=min(default_lead(len(found), found[0].size), self.linear_path.lead))
            self.fit_spectrum(spectrum, fit_texture(spectrum, blocks), found)
        else:
            self.fit_linear(fit_pca(blocks, self.latent_dim))
        self._started()  # kept in mind now: JAX takes the variables away while it trains

    def _started(self) -> bool:
        """Whether there is no closed form to start from, or it was set, or its absence told."""
        if self.linear_path is None or self._start_known:
            return True
        self._start_known = bool(np.any(_outside(self.linear_path.measured)))
        return self._start_known

    def _start_from(self, x: Any, steps: int | None) -> Any:
        """Adapt to `x`, and give back what is to be trained on: a generator still gives all its batches."""
        if not hasattr(x, "__next__"):
            self.adapt(x)
            return x
        kept: list[Any] = []
        count = 0
        for batch in itertools.islice(x, steps):
            kept.append(batch)
            count += len(batch[0] if isinstance(batch, (tuple, list)) else batch)
            if count >= MOST_PICTURES:
                break
        if kept:
            self.adapt(kept)
        return _again(kept, x)

    def _tell_no_start(self) -> None:
        """Say once that a loop of one's own trains what never started from the closed form."""
        if not self._started():
            self._start_known = True
            warnings.warn(
                f"VAE: {self.network!r} is trained without its closed-form start, which costs it much of its quality. "
                "Call vae.adapt(pictures) before the first step.",
                stacklevel=3,
            )

    # ------------------------------------------------------------------ noise of evaluation

    @contextlib.contextmanager
    def _stepping(self, step: str) -> Iterator[None]:
        before, self._step = self._step, step
        try:
            yield
        finally:
            self._step = before

    @contextlib.contextmanager
    def _from_the_first(self) -> Iterator[None]:
        """Evaluation counts its pictures where training counts its draws: a state that all backends carry along."""
        state = self._noise.state
        before = ops.convert_to_numpy(ops.convert_to_tensor(state))
        state.assign(np.zeros_like(before))
        try:
            yield
        finally:
            state.assign(before)

    def _evaluation_noise(self, like: Tensor, first: Tensor) -> Tensor:
        """Standard normal noise (batch, latent) of pictures in the places from `first` on, as many as `like` has
        rows."""
        places = ops.cumsum(ops.ones_like(like[:, 0], dtype="int32"))  # 1, 2 ... count
        if self._step == "test":
            state = ops.convert_to_tensor(self._noise.state)
            first = ops.cast(state[1], "int32")
            step = ops.stack([ops.zeros_like(places[-1]), places[-1]])
            self._noise.state.assign(state + ops.cast(step, state.dtype))
        table = evaluation_table(self.latent_dim)
        return ops.take(ops.convert_to_tensor(table), (first + places - 1) % len(table), axis=0)


@lru_cache(maxsize=4)
def evaluation_table(latent_dim: int) -> np.ndarray:
    """The noise of evaluation, (places, latent_dim), float32: the same on every machine and backend.

    A table, since no backend draws a row by its number without a loop. After some thousand pictures it begins anew.
    """
    places = max(64, NOISE_VALUES // latent_dim)
    return np.random.default_rng(EVALUATION_SEED).standard_normal((places, latent_dim), "float32")


def _again(first: list[Any], rest: Iterable[Any]) -> Iterator[Any]:
    """The batches that were taken already, and then the rest. Keras takes generators, and no other iterators."""
    yield from first
    yield from rest


def _outside(variable: Any) -> Any:
    """The value of a variable as it really is, also while a graph is traced: that is a matter of the thread."""
    found: list[Any] = [0.0]

    def read() -> None:
        with contextlib.suppress(Exception):  # JAX takes variables away while it trains
            found.append(ops.convert_to_numpy(ops.convert_to_tensor(variable)))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    return found[-1]


def tell_directions(callbacks: Any, names: tuple[str, ...]) -> None:
    """Tell callbacks in mode "auto" that less of the metrics `names` is better; Keras asks those of `compile` alone."""
    for one in callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]:
        monitored = str(getattr(one, "monitor", "")).removeprefix("val_").partition("_at_")[0]
        if monitored in names and getattr(one, "mode", None) == "auto":
            one.mode = "min"
