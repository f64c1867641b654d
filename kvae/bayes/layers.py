"""Dense and convolutional layers whose weights are independent Gaussians, and the KL of these from their prior."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from kvae.objectives.base import Tensor
from kvae.settings import check


@dataclass(eq=False)
class Share:
    """What all layers of a model have in common: the KL weight λ, and the number of examples N, 0 while unknown.

    `known` is whether N is known, as a graph that is traced can ask it.
    """

    kl_weight: keras.Variable
    dataset_size: keras.Variable
    known: bool


def check_size(size: float, owner: str) -> None:
    """Refuse a number of examples that is none.

    Raises:
        ValueError: one sentence that begins with `owner`.
    """
    if isinstance(size, bool) or not 1 <= size < float("inf"):
        raise ValueError(f"{owner}: `dataset_size` must be a number of at least 1. Received: {size!r}.")


class _MeanField(layers.Layer):
    """w ~ N(mean, exp(log_scale)²), each weight by itself; the prior is N(0, prior_scale²).

    In training each example of a batch has weights of its own, as far as its outputs can tell, and each call adds
    λ·KL/N through `add_loss`. Outside training the means are used.

    Reference: Kingma et al., 2015, arXiv:1506.02557, for drawing the outputs of a dense layer rather than its weights,
    which is exact for each example. Where an example has several positions, which share its weights, one change of the
    weights gets signs for each example: Wen et al., 2018, "Flipout", arXiv:1803.04386. Both cost a second
    multiplication, and the variance of a gradient falls with the batch.
    """

    def __init__(
        self,
        activation: Any = None,
        *,
        use_bias: bool = True,
        prior_scale: float = 1.0,
        initial_scale: float = 0.05,
        kl_weight: float = 1.0,
        dataset_size: int | None = None,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        for name, value in (("prior_scale", prior_scale), ("initial_scale", initial_scale)):
            if not value > 0:
                raise ValueError(f"{type(self).__name__}: `{name}` must be above 0. Received: {name}={value!r}.")
        self.activation = keras.activations.get(activation)
        self.use_bias, self.prior_scale, self.initial_scale = use_bias, float(prior_scale), float(initial_scale)
        self.seed = seed
        self._noise = keras.random.SeedGenerator(seed)
        if dataset_size is not None:
            check_size(dataset_size, type(self).__name__)
        self._given = (check("kl_weight", kl_weight, type(self).__name__, one=True), dataset_size)
        self._share: Share | None = None
        self._drawing = False  # outside training, too
        self.added: Tensor = None  # to the loss, by the last call

    @property
    def kl_weight(self) -> keras.Variable:
        """λ, a variable: the model's, or the layer's own."""
        return self._shared().kl_weight

    @kl_weight.setter
    def kl_weight(self, value: float) -> None:
        self._shared().kl_weight.assign(check("kl_weight", value, type(self).__name__, one=True))

    def connect(self, share: Share) -> None:
        """Take λ and N from a model."""
        self._share = share

    def _shared(self) -> Share:
        if self._share is None:  # a layer by itself
            weight, size = self._given
            self._share = Share(self._scalar("kl_weight", weight), self._scalar("dataset_size", size or 0), bool(size))
        return self._share

    def _scalar(self, name: str, value: float) -> keras.Variable:
        start = keras.initializers.Constant(value)
        return self.add_weight(name=name, shape=(), initializer=start, trainable=False, dtype="float32", autocast=False)

    def _add_kernel(self, shape: tuple[int, ...], outputs: int) -> None:
        self._shared()
        scale = keras.initializers.Constant(float(ops.log(self.initial_scale)))
        glorot = keras.initializers.GlorotUniform(seed=self.seed)
        weights = [("kernel", shape, glorot)] + ([("bias", (outputs,), "zeros")] if self.use_bias else [])
        for name, size, start in weights:
            for part, begin in (("mean", start), ("log_scale", scale)):
                made = self.add_weight(
                    name=f"{name}_{part}", shape=size, initializer=begin, dtype="float32", autocast=False
                )
                setattr(self, f"{name}_{part}", made)

    def kl(self) -> Tensor:
        """KL(q(w) ‖ p(w)) of all weights of the layer, in nats."""
        total = 0.0
        for name in ("kernel", "bias") if self.use_bias else ("kernel",):
            mean, log_scale = getattr(self, f"{name}_mean"), getattr(self, f"{name}_log_scale")
            mean, log_scale = mean / self.prior_scale, log_scale - ops.log(self.prior_scale)
            squares = ops.square(mean) + ops.exp(2.0 * log_scale)
            total = total + 0.5 * ops.sum(squares - 1.0 - 2.0 * log_scale)
        return total

    def _multiplied(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        raise NotImplementedError

    def _noisy(self, name: str) -> Tensor:
        log_scale = getattr(self, f"{name}_log_scale")
        return ops.exp(log_scale) * keras.random.normal(log_scale.shape, dtype="float32", seed=self._noise)

    def _drawn(self, inputs: Tensor) -> Tensor:
        """What the deviation of the weights adds to the outputs of a dense layer, (batch, units)."""
        variances = self._multiplied(ops.square(inputs), ops.exp(2.0 * self.kernel_log_scale))
        if self.use_bias:
            variances = variances + ops.cast(ops.exp(2.0 * self.bias_log_scale), self.compute_dtype)
        deviations = ops.sqrt(ops.maximum(ops.cast(variances, "float32"), 1e-12))  # its slope at 0 is infinite
        noise = keras.random.normal(ops.shape(deviations), dtype="float32", seed=self._noise)
        return ops.cast(deviations * noise, self.compute_dtype)

    def _flipped(self, inputs: Tensor) -> Tensor:
        """What one change of the weights adds, with signs for each example."""
        change = self._multiplied(inputs * self._signs(inputs, inputs.shape[-1]), self._noisy("kernel"))
        if self.use_bias:
            change = change + ops.cast(self._noisy("bias"), self.compute_dtype)
        return change * self._signs(inputs, change.shape[-1])

    def _signs(self, inputs: Tensor, channels: int) -> Tensor:
        """Of each example, (batch, 1 ..., channels)."""
        shape = (ops.shape(inputs)[0], *(1,) * (len(inputs.shape) - 2), channels)
        heads = keras.random.uniform(shape, dtype="float32", seed=self._noise) < 0.5
        return ops.cast(ops.where(heads, -1.0, 1.0), self.compute_dtype)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The layer with weights drawn anew in training, and with their means else."""
        kernel = ops.convert_to_tensor(self.kernel_mean)
        bias = ops.convert_to_tensor(self.bias_mean) if self.use_bias else None
        if self._drawing:
            kernel = kernel + self._noisy("kernel")
            bias = None if bias is None else bias + self._noisy("bias")
        outputs = self._multiplied(inputs, kernel)
        if bias is not None:
            outputs = outputs + ops.cast(bias, self.compute_dtype)
        if training:
            outputs = outputs + (self._drawn(inputs) if len(inputs.shape) == 2 else self._flipped(inputs))
        share = self._shared()
        if training and not share.known:
            raise ValueError(
                f"{type(self).__name__}: the KL counts once for all examples, so their number must be known. Use "
                "kvae.bayes.BayesianModel, whose `fit` knows it, or give `dataset_size`."
            )
        self.added = share.kl_weight * self.kl() / ops.maximum(share.dataset_size, 1.0)
        self.add_loss(self.added)
        return self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        """The settings."""
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "prior_scale": self.prior_scale,
            "initial_scale": self.initial_scale,
            "kl_weight": self._given[0],
            "dataset_size": self._given[1],
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("kvae")
class MeanFieldDense(_MeanField):
    """As `keras.layers.Dense`, with a distribution over its weights: inputs (batch, ..., n) → (batch, ..., units).

    Args:
        units: outputs.
        activation: as Keras's.
        use_bias: whether there is one; it has a distribution too.
        prior_scale: s of the prior N(0, s²) of each weight.
        initial_scale: the deviation that each weight starts with.
        kl_weight, dataset_size: λ and N of a layer without a `BayesianModel`, which has its own.
        seed: of start and noise.

    Raises:
        ValueError: a scale that is not above 0; in training, an unknown N.
    """

    def __init__(self, units: int, activation: Any = None, **options: Any) -> None:
        super().__init__(activation, **options)
        self.units = units

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        self._add_kernel((input_shape[-1], self.units), self.units)

    def _multiplied(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        return ops.matmul(inputs, ops.cast(kernel, self.compute_dtype))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """(batch, ..., units)."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """The settings."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("kvae")
class MeanFieldConv2D(_MeanField):
    """As `keras.layers.Conv2D`, with a distribution over its weights: (batch, height, width, n) → (…, filters).

    Args:
        filters, kernel_size, strides, padding: as Keras's.
        activation, options: as those of `MeanFieldDense`.

    Raises:
        ValueError: a scale that is not above 0; in training, an unknown N.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        activation: Any = None,
        *,
        strides: int = 1,
        padding: str = "same",
        **options: Any,
    ) -> None:
        super().__init__(activation, **options)
        self.filters, self.kernel_size, self.strides, self.padding = filters, kernel_size, strides, padding

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        self._add_kernel((self.kernel_size, self.kernel_size, input_shape[-1], self.filters), self.filters)

    def _multiplied(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        kernel = ops.cast(kernel, self.compute_dtype)
        return ops.conv(inputs, kernel, self.strides, self.padding, data_format="channels_last")

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """(batch, height, width, filters)."""
        sides = [
            None
            if side is None
            else -(-(side if self.padding == "same" else side - self.kernel_size + 1) // self.strides)
            for side in input_shape[1:3]
        ]
        return (input_shape[0], *sides, self.filters)

    def get_config(self) -> dict[str, Any]:
        """The settings."""
        own = ("filters", "kernel_size", "strides", "padding")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
