"""A Keras network with mean-field layers, its KL weight, and the number of examples that the KL is divided by."""

import contextlib
import inspect
import math
import warnings
from collections.abc import Iterator
from typing import Any, Self, Unpack

import keras
import numpy as np
from keras import ops

from kvae.bayes.layers import Share, _MeanField, check_size
from kvae.model.fit import tell_directions
from kvae.model.methods import GAUSSIAN, choose
from kvae.objectives.base import Tensor
from kvae.settings import MethodSettings, check
from kvae.weighting.base import Observed, apply_weighting

OFF_BY = 0.01  # of N, from which it is wrong
DIRECTIONS = ("nll", "kl")  # metrics of which less is better


@keras.saving.register_keras_serializable("kvae", "gaussian_nll")
class GaussianNLL(keras.losses.Loss):
    """A Keras loss: −log N(y; f(x), noise²) in nats, summed over the last axis; `noise` in units of y.

    Raises:
        ValueError: a noise that is not above 0.
    """

    def __init__(self, noise: float, name: str = "gaussian_nll", **options: Any) -> None:
        super().__init__(name=name, **options)
        if not 0 < noise < math.inf:
            raise ValueError(f"gaussian_nll: `noise` must be a finite number above 0. Received: noise={noise!r}.")
        self.noise = float(noise)

    def call(self, targets: Tensor, outputs: Tensor) -> Tensor:
        """Of each example."""
        squares = ops.square((ops.cast(targets, outputs.dtype) - outputs) / self.noise)
        return ops.sum(0.5 * squares + math.log(self.noise * math.sqrt(2 * math.pi)), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The settings."""
        return {**super().get_config(), "noise": self.noise}


gaussian_nll = GaussianNLL
# what a model is made of: assigning to it later would change what it says of itself, and not what it computes
FIXED = {"network", "mean_field_layers", "weighting", "weighting_state"}


@keras.saving.register_keras_serializable("kvae")
class BayesianModel(keras.Model):
    """`network` with the loss −log p(y given x, w) + λ·KL(q(w) ‖ p(w))/N, in nats per example.

    `kl_weight` is λ, a variable as that of `kvae.VAE`: assigned between any two batches. λ = 1 is Bayes whatever the
    batch size, below 1 the posterior is cold. `compile` takes the loss, a negative log-likelihood in nats of each
    example (`gaussian_nll`, or Keras's cross-entropies), and `fit` knows N or asks for it.

    `nll`, `kl` (in nats, of all weights) and `kl_weight` are reported beside the loss. Outside training the weights are
    their means; `sample` draws them.

    The model is saved and opened by Keras (`model.save`, `keras.models.load_model`), as its network is one of the
    user's own: `kvae.load`'s strict reader knows kvae's networks only.

    Args:
        network: a Keras model with at least one mean-field layer.
        kl_weight: λ.
        dataset_size: N, where `fit` cannot tell.
        weighting: how λ is set over time, as for `kvae.VAE`; `calibrated` and `learned` are of squared errors only.
        options: settings of that weighting. A target rate is KL/N, a target distortion the nll, both per example.

    Raises:
        ValueError: a network without mean-field layers, or settings that do not fit.
    """

    def __init__(
        self,
        network: keras.Model,
        kl_weight: float = 1.0,
        *,
        dataset_size: int | None = None,
        weighting: str = "constant",
        name: str = "bayesian",
        **options: Unpack[MethodSettings],
    ) -> None:
        super().__init__(name=name, dtype="float32")  # so that losses are; the network has a policy of its own
        self.network = network
        self.mean_field_layers = [layer for layer in network._flatten_layers() if isinstance(layer, _MeanField)]
        if not self.mean_field_layers:
            raise ValueError("BayesianModel: `network` has no mean-field layer. Use kvae.bayes.MeanFieldDense in it.")
        self._options = dict(options)
        chosen = choose({"weighting": weighting, "kl_weight": kl_weight, **options}, "BayesianModel")
        self._weighting_name, self._weighting = chosen.names["weighting"], chosen.weighting
        if self._weighting_name in GAUSSIAN:
            raise ValueError(
                f"BayesianModel: the weighting {self._weighting_name} finds the noise of a Gaussian decoder, which "
                "this loss has none of. Choose another."
            )
        self._given = check("kl_weight", kl_weight, "BayesianModel", one=True)
        if dataset_size is not None:
            check_size(dataset_size, "BayesianModel")
        start = self._weighting.start()
        weight, size = self._scalars("kl_weight", self._given), self._scalars("dataset_size", dataset_size or 0)
        self._share = Share(weight, size, bool(dataset_size))
        self.weighting_state = self._scalars("weighting_state", start) if start else None
        for layer in self.mean_field_layers:
            layer.connect(self._share)
        self._terms = [keras.metrics.Mean("nll"), keras.metrics.Mean("kl"), keras.metrics.Mean("kl_weight")]
        self._seen = self._scalars("seen", 0.0)  # examples in this epoch
        self.built = True
        self._made = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and self.__dict__.get("_made"):
            raise AttributeError(
                f"BayesianModel: `{name}` is part of the model and cannot change. Make a new BayesianModel for that."
            )
        super().__setattr__(name, value)

    def _scalars(self, name: str, start: float | tuple[float, ...]) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=np.shape(start),
            dtype="float32",
            trainable=False,
            autocast=False,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(start, dtype),
        )

    @property
    def kl_weight(self) -> keras.Variable:
        """λ."""
        return self._share.kl_weight

    @kl_weight.setter
    def kl_weight(self, value: float) -> None:
        if self._weighting.MOVES:
            raise ValueError(
                f"BayesianModel: the weighting {self._weighting_name!r} sets `kl_weight` anew in every batch. Make a "
                "model of the weighting 'constant' to set it by hand."
            )
        self._share.kl_weight.assign(check("kl_weight", value, "BayesianModel", one=True))

    @property
    def dataset_size(self) -> int:
        """N, 0 while nobody said it."""
        return int(ops.convert_to_numpy(ops.convert_to_tensor(self._share.dataset_size)))

    @dataset_size.setter
    def dataset_size(self, value: int) -> None:
        check_size(value, "BayesianModel")
        self._share.dataset_size.assign(value)
        self._share.known = True

    def load_own_variables(self, store: Any) -> None:
        """As Keras's."""
        super().load_own_variables(store)
        self._share.known = self.dataset_size > 0

    def kl(self) -> float:
        """KL(q(w) ‖ p(w)) of all weights, in nats."""
        return float(ops.convert_to_numpy(sum(layer.kl() for layer in self.mean_field_layers)))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The network, with weights drawn anew in training and their means else."""
        return self.network(inputs, training=training)

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """The loss of a batch, a scalar, in nats per example; in training the weighting moves λ."""
        total = super().compute_loss(x, y, y_pred, sample_weight, training)
        ours = [layer.added for layer in self.mean_field_layers]
        others = [one for one in self.losses if all(one is not added for added in ours)]
        nll = total - sum(self.losses)
        given = ops.copy(self.kl_weight)
        rates = ops.stack([layer.kl() for layer in self.mean_field_layers])
        penalty, weight = sum(ours), given
        if training:
            self._seen.assign_add(ops.cast(ops.shape(ops.convert_to_tensor(y_pred))[0], "float32"))
            state = None if self.weighting_state is None else ops.copy(self.weighting_state)
            seen = Observed(
                given=given,
                distortion=ops.stop_gradient(nll),
                rates=rates / ops.maximum(self._share.dataset_size, 1.0),
                extra=ops.zeros(()),
                trained=None,
                values=1,
            )
            penalty, weight = apply_weighting(self._weighting, seen, state, self.weighting_state, self.kl_weight)
        for metric, value in zip(self._terms, (nll, ops.sum(rates), weight), strict=True):
            metric.update_state(value)
        return nll + sum(others) + penalty

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Those of `compile`, and the terms of the loss."""
        known = super().metrics
        return known + [metric for metric in self._terms if all(metric is not other for other in known)]

    def fit(self, *args: Any, dataset_size: int | None = None, **options: Any) -> Any:
        """As `keras.Model.fit`. `dataset_size` is N, where `x` is no array and cannot tell.

        Raises:
            ValueError: N is unknown. A wrong N is warned of: at once for arrays, else after a whole epoch.
        """
        given = inspect.signature(super().fit).bind(*args, **options).arguments
        x = given.get("x")
        counted = _length(x)
        if counted is not None:
            counted -= int(counted * (given.get("validation_split") or 0.0))
        size = dataset_size or counted or self.dataset_size
        if not size:
            raise ValueError(
                "BayesianModel.fit: the KL counts once for all examples, and how many there are cannot be told from "
                f"{type(x).__name__}. Give `dataset_size`."
            )
        self.dataset_size = size
        if counted is not None and abs(size - counted) > OFF_BY * counted:
            _warn_of(size, counted)
        given.setdefault("shuffle", counted is not None)  # what comes in batches brings its own order
        whole = counted is None and given.get("steps_per_epoch") is None
        called = given.get("callbacks") or []
        called = [*(called if isinstance(called, (list, tuple)) else [called]), *([_Counted()] if whole else [])]
        tell_directions(called, DIRECTIONS)
        return super().fit(**{**given, "callbacks": called})

    @contextlib.contextmanager
    def _drawn(self, seed: int) -> Iterator[None]:
        kept = [ops.copy(layer._noise.state) for layer in self.mean_field_layers]
        keys = np.random.SeedSequence(seed).generate_state(len(kept), np.uint32)
        try:
            for layer, key in zip(self.mean_field_layers, keys, strict=True):
                layer._drawing = True
                layer._noise.state.assign(np.array([key, 0], np.uint32))
            yield
        finally:
            for layer, state in zip(self.mean_field_layers, kept, strict=True):
                layer._drawing = False
                layer._noise.state.assign(state)

    def sample(self, inputs: Any, count: int = 100, *, seed: int = 0) -> np.ndarray:
        """Outputs (count, examples, ...) of `count` networks drawn from q, the same for all `inputs`."""
        inputs = ops.convert_to_tensor(np.asarray(inputs, "float32"))
        with self._drawn(seed):
            return np.stack([ops.convert_to_numpy(self.network(inputs, training=False)) for _ in range(count)])

    def export(self, filepath: Any, *args: Any, **options: Any) -> None:
        """As `keras.Model.export`: the network with the means of its weights."""
        self.network.export(filepath, *args, **options)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The network's."""
        return self.network.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The network and the settings."""
        moves = self._weighting.MOVES
        weight = self._given if moves else float(ops.convert_to_numpy(ops.convert_to_tensor(self.kl_weight)))
        return {
            "network": keras.saving.serialize_keras_object(self.network),
            "kl_weight": weight,
            "weighting": self._weighting_name,
            "name": self.name,
            **self._options,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """The model of `config`."""
        network = keras.saving.deserialize_keras_object(config["network"], custom_objects=custom_objects)
        return cls(network, **{name: value for name, value in config.items() if name != "network"})


class _Counted(keras.callbacks.Callback):
    """Counts the examples of an epoch, and warns once where N is another."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model._seen.assign(0.0)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seen = int(ops.convert_to_numpy(ops.convert_to_tensor(self.model._seen)))
        size = self.model.dataset_size
        if epoch == self.params.get("initial_epoch", 0) and abs(seen - size) > OFF_BY * seen:
            _warn_of(size, seen)


def _warn_of(size: int, counted: int) -> None:
    warnings.warn(
        f"BayesianModel: `dataset_size` is {size:,}, and an epoch has {counted:,} examples, so a weight of 1 counts as "
        f"{counted / size:.3g}. Leave `dataset_size` out, or give {counted}.",
        stacklevel=3,
    )


def _length(x: Any) -> int | None:
    """How many examples an array, or the first of several, holds; None for what comes in batches."""
    if isinstance(x, dict):
        x = next(iter(x.values()), None)
    if isinstance(x, (list, tuple)):
        x = x[0] if len(x) else None
    shape = getattr(x, "shape", None)
    return int(shape[0]) if shape is not None and len(shape) else None
