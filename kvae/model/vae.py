"""The variational autoencoder: D and beta·R, with a weight that can be moved while training runs."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Unpack

import keras
import numpy as np
from keras import ops

from kvae.images.pixels import pixels
from kvae.model.coding import CodingMixin
from kvae.model.compiling import fitting_jit, fitting_optimizer, fitting_precision
from kvae.model.fit import FitMixin
from kvae.model.methods import AXES, METHOD_SETTINGS, choose, parted
from kvae.model.numpy_api import NumpyMixin
from kvae.model.persistence import SavedMixin
from kvae.model.weight_range import KNOTS, WeightRange, check_range
from kvae.networks import NETWORKS, widths_of
from kvae.networks.blocks import DENSE_LATENTS, Plan, check_image_shape
from kvae.networks.custom import custom_networks
from kvae.objectives.base import Rate, Tensor
from kvae.objectives.likelihoods import Likelihood, squared_error
from kvae.saving.abstract_build import freeze
from kvae.settings import MethodSettings, check, default
from kvae.weighting.base import Batch, Weighting, apply_weighting, per_picture

# what a model is made of: assigning to it later would change what it says of itself, and not what it computes
FIXED = {
    "encoder",
    "decoder",
    "image_shape",
    "network",
    "latent_dim",
    "widths",
    "depth",
    "autoencoder",
    "seed",
    "likelihood",
    "precision",
    "custom",
    "methods",
    "linear_path",
    "mean_head",
    "log_var_head",
    "rate_layers",
    "weight_range",
    *AXES,
    *METHOD_SETTINGS,
}


@keras.saving.register_keras_serializable("kvae")
class VAE(CodingMixin, FitMixin, NumpyMixin, SavedMixin):
    """A variational autoencoder with loss L = D + β·R.

    D, the distortion, is the squared error summed over one image's height, width and channels, pixels in [0, 1]. R, the
    rate, is KL(q(z given x) ‖ N(0, 1)) of one image in nats. β is `kl_weight`, a non-trainable scalar variable: write
    `vae.kl_weight = 0.05` between any two batches and the next batch uses it (`kl_weight.assign` does the same without
    looking at the number). β·R enters through `add_loss`. `fit`, `evaluate` and the history report `loss`,
    `distortion`, `rate` and `kl_weight`; with a `sample_weight` L is the mean of w·(D + β·R), and D and R are means
    weighted by it.

    A `weighting` other than constant sets β by itself: `kl_weight` then follows, one value a batch, and evaluation uses
    the last. D and R are reported as defined above whatever is optimised; `loss` is what the optimizer sees in
    training, and D + β·R, with the likelihood's D, in evaluation.

    With a range of weights, `kl_weight=(0.01, 1.0)`, one model serves them all: `kl_weight` then says where it stands,
    and assigning to it moves `encode`, `decode` and `evaluate` there at once. In training each picture draws a weight
    of its own; `distortion` and `rate` are then means over the range, and `loss` is relative to what is expected at
    each weight, about 1. Evaluation also reports D, R and L at five weights, as `distortion_at_0.1`. `at` gives the
    model of one weight. A loop of one's own takes the loss from `compute_loss`.

    Either name a network, or bring two Keras models: `encoder`, from images to features of any shape (the VAE adds the
    posterior's heads and the sampling), and `decoder`, from latents (batch, latent_dim) to images.

    Args:
        encoder, decoder: Keras models of your own; then `network`, `widths` and `depth` do not count.
        image_shape: (height, width, channels); taken from `encoder` where there is one.
        network: one of `kvae.networks.NETWORKS`.
        latent_dim: number of latent dimensions; None chooses: for `spectral` as many as a picture has values, at most
            12,288 and 4 more that tell its texture, for the others 128.
        widths: channels of each level, each of which halves the picture; None chooses.
        depth: residual blocks of a level; None chooses.
        kl_weight: β = 2σ², the decoder noise in squared pixel values; or (low, high), a range of weights, for the
            network `spectral`, the weighting `constant` and the rates `diagonal` and `full`.
        autoencoder: the same layers without sampling and without the KL term; β is then 0, and no weighting or rate
            counts.
        weighting: how β is set over time: a name in `kvae.model.methods.WEIGHTINGS`, or a `Weighting` of your own.
        rate, likelihood: a name in `kvae.model.methods.RATES` and in `kvae.objectives.likelihoods.LIKELIHOODS`, or a
            `Rate` and a `Likelihood` of your own.
        seed: of the initial weights and of the sampling noise.
        dtype: policy of the networks' inner layers, float32, mixed_float16 or mixed_bfloat16; heads, sampling and
            losses are float32 always.
        trainable: False freezes all; {"encoder": False} one part, by its name here. `layer.trainable` says it later.
        options: settings of the chosen methods by name, such as target_distortion=40.

    Raises:
        ValueError: a setting outside its bounds, or networks whose shapes do not fit, in one sentence.

    Example:
        >>> import kvae
        >>> pictures = kvae.open_collection(count=64, size=16).read(range(64))  # uint8 (64, 16, 16, 3)
        >>> vae = kvae.VAE(image_shape=(16, 16, 3), network="conv", widths=(8, 8), latent_dim=4, kl_weight=0.1)
        >>> vae.compile()
        >>> history = vae.fit(pictures, epochs=1, verbose=0).history
        >>> sorted(history)
        ['distortion', 'kl_weight', 'loss', 'rate']
        >>> vae.kl_weight = 0.05
        >>> vae.beta
        0.05
        >>> vae.sample(2).shape
        (2, 16, 16, 3)
    """

    def __init__(
        self,
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        *,
        image_shape: tuple[int, int, int] = (64, 64, 3),
        network: str = "spectral",
        latent_dim: int | None = None,
        widths: tuple[int, ...] | None = None,
        depth: int | None = None,
        kl_weight: float | tuple[float, float] = 0.1,
        autoencoder: bool = False,
        weighting: str | Weighting = "constant",
        rate: str | Rate = "diagonal",
        likelihood: str | Likelihood = "squared-error",
        seed: int = 0,
        dtype: Any = None,
        trainable: bool | Mapping[str, bool] = True,
        name: str = "vae",
        **options: Unpack[MethodSettings],
    ) -> None:
        # the model itself is float32, so that Keras does not cast the images before the distortion is measured
        super().__init__(name=name, dtype="float32")
        self.network = check("network", network, "VAE")
        self.depth = check("depth", depth if depth is not None else NETWORKS[self.network].depth, "VAE")
        self.autoencoder = check("autoencoder", autoencoder, "VAE")
        self.seed = check("seed", seed, "VAE")
        self.precision = fitting_precision(dtype)
        self.custom = encoder is not None or decoder is not None
        self.card: dict[str, Any] | None = None  # what a saved model tells about itself
        if unknown := sorted(set(options) - METHOD_SETTINGS):
            raise ValueError(f"VAE: no setting is called `{unknown[0]}`. Known: {', '.join(sorted(METHOD_SETTINGS))}.")
        given: dict[str, Any] = {"likelihood": likelihood}
        if not autoencoder:
            given |= {"weighting": weighting, "rate": rate, **options}
            given |= {"kl_weight": kl_weight} if kl_weight != default("kl_weight") else {}
        chosen, custom = parted(given, "VAE")
        weight = 0.0 if autoencoder else check("kl_weight", chosen.get("kl_weight", kl_weight), "VAE")
        self.weight_range = WeightRange(*weight) if isinstance(weight, tuple) else None
        if self.weight_range is not None:
            weight = self.weight_range.middle
        self.methods = choose({**chosen, "kl_weight": weight}, "VAE", custom)
        self._given = weight

        latents = check("latent_dim", latent_dim, "VAE")
        if self.custom:
            self.latent_dim = latents or DENSE_LATENTS
            parts = custom_networks(encoder, decoder, self.latent_dim)
            self.image_shape = tuple(parts.encoder.input_shape[1:])
            self.widths: tuple[int, ...] = ()
        else:
            self.image_shape = check_image_shape(image_shape)
            self.latent_dim = latents or NETWORKS[self.network].latents(self.image_shape)
            self.widths = widths_of(self.network, self.image_shape, check("widths", widths, "VAE"))
            plan = Plan(self.image_shape, self.latent_dim, self.widths, self.depth, self.precision, self.seed)
            parts = NETWORKS[self.network].build(plan)
        if self.weight_range is not None:
            check_range(None if self.custom else self.network, self.methods.names, "VAE")
        self.encoder, self.decoder, self.linear_path = parts.encoder, parts.decoder, parts.path
        self._add_heads()
        self.kl_weight = self._scalars("kl_weight", weight)
        spans = self.weight_range is not None
        self.expected_losses = self._scalars("expected_losses", (0.0,) * KNOTS) if spans else None
        # a plain VAE has neither: its file is that of every kvae before
        start, trained = self.methods.weighting.start(), self.methods.weighting.trained()
        self.weighting_state = self._scalars("weighting_state", start) if start else None
        self.weighting_trained = None if trained is None else self._scalars("weighting_trained", trained, True)
        self._noise = keras.random.SeedGenerator(self.seed)
        self._terms = [keras.metrics.Mean("distortion")]
        if not self.autoencoder:
            self._terms += [keras.metrics.Mean("rate"), keras.metrics.Mean("kl_weight")]
        self._curve = {
            weight: [keras.metrics.Mean(f"{term}_at_{weight:g}") for term in ("distortion", "rate", "loss")]
            for weight in (self.weight_range.reported if self.weight_range else ())
        }
        self.replicas: Any = None  # draws and shares out for several devices, where a run trains on these
        self.rates: Tensor = None  # R of each image of the last batch
        self.effective_weight: Tensor = None  # and the weight it had
        self._scales: Tensor = None  # and what its loss is multiplied by, where each image has a weight of its own
        self._curve_terms: tuple[Tensor, ...] = ()  # D, R and L of the batch at the weights of `_curve`
        # a model that was never called is never built, and then saves without its optimizer's state
        self.built = True
        if trainable is not True:
            freeze(self, trainable)
        self._made = True

    def __setattr__(self, name: str, value: Any) -> None:
        if not self.__dict__.get("_made"):
            super().__setattr__(name, value)
        elif name == "kl_weight":
            self.kl_weight.assign(self._given_weight(value))
        elif name == "beta":
            raise AttributeError("VAE: `beta` is read only. Assign to `kl_weight`.")
        elif name in FIXED:
            raise AttributeError(f"VAE: `{name}` is part of the model and cannot change. Make a new VAE for that.")
        else:
            super().__setattr__(name, value)

    def _given_weight(self, value: Any) -> float:
        if self.autoencoder:
            raise ValueError("VAE: an autoencoder has no KL term, so `kl_weight` stays 0. Make a VAE for a weight.")
        if self.methods.weighting.MOVES:
            raise ValueError(
                f"VAE: the weighting {self.methods.names['weighting']!r} sets `kl_weight` anew in every batch, so a "
                "number of yours would last until the next. Make a VAE of the weighting 'constant' to set it by hand."
            )
        weight = check("kl_weight", value, "VAE", one=True)
        clamped = weight if self.weight_range is None else self.weight_range.clamped(weight)
        if self.weight_range is not None and clamped != weight:
            low, high = self.weight_range.low, self.weight_range.high
            warnings.warn(
                f"VAE: this model knows weights from {low:g} to {high:g}, so `kl_weight` is {clamped:g}. "
                f"Received: kl_weight={value!r}.",
                stacklevel=3,
            )
        return clamped

    def _scalars(self, name: str, start: float | tuple[float, ...], trainable: bool = False) -> keras.Variable:
        """A float32 weight of the model, saved with it."""
        return self.add_weight(
            name=name,
            shape=np.shape(start),
            dtype="float32",
            trainable=trainable,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(start, dtype),
        )

    # ------------------------------------------------------------------ what a VAE does

    def call(self, images: Tensor, training: bool = False, first: Tensor = 0) -> Tensor:
        """Images (batch, height, width, channels) → their reconstructions, from one sample of the posterior each.

        Outside training the noise of a picture is that of its place in the data, which `first` begins to count.
        """
        images = pixels(images)
        span = self.weight_range if training else None
        weight = self._weight() if span is None else self._drawn(span.draw, ops.shape(images)[0])
        posterior = self._posterior(images, weight, training)
        if self._step == "predict":
            return ops.clip(self.generate(posterior.mean), 0.0, 1.0)
        if training:
            self._tell_no_start()
        if posterior.log_var is None:
            return self._generate(posterior.mean, weight, training)
        shape = ops.shape(posterior.mean)
        noise = self._normal(shape) if training else self._evaluation_noise(posterior.mean, first)
        latents = self.methods.rate.sample(posterior, noise)
        output = self._generate(latents, weight, training)
        rates = self.methods.rate.rates(posterior)  # (batch, latent)
        self.rates = ops.sum(rates, axis=-1)  # (batch,)
        given = ops.copy(self.kl_weight)  # as it was found: TensorFlow would else hand out the variable, which moves
        self._scales = None
        if span is not None:
            self._added = self._relative(span, weight, self.methods.likelihood.function(images, output), self.rates)
            self.effective_weight = given
        elif training:
            prior = self._normal(shape) if self.methods.rate.NEEDS_PRIOR else None
            state = None if self.weighting_state is None else ops.copy(self.weighting_state)
            self._batch = Batch(posterior, latents, prior, rates, given, state)
            self._added = self._penalty(squared_error(images, output), None)
        else:
            self.effective_weight = given
            self._added = self.kl_weight * ops.mean(self.rates)
        if self._step == "test":
            self._curve_terms = self._along_curve(images, noise)
        self.add_loss(self._added)
        return output

    def _along_curve(self, images: Tensor, noise: Tensor) -> tuple[Tensor, ...]:
        """D, R and L, each (weights, batch), at the weights of the curve; in a loop, so that it is traced once."""
        weights = ops.convert_to_tensor(list(self._curve), "float32")
        return ops.map(lambda weight: self.terms_at(images, weight, noise), weights) if self._curve else ()

    def _normal(self, shape: tuple[Any, ...]) -> Tensor:
        """Standard normal noise for a step of training."""
        return self._drawn(lambda count, seed: keras.random.normal((count, *shape[1:]), seed=seed), shape[0])

    def _drawn(self, draw: Callable[[Any, keras.random.SeedGenerator], Tensor], count: Any) -> Tensor:
        """What `draw(count, seed)` draws for the `count` pictures of a step; where several devices have a share of it,
        theirs of what one would draw for all."""
        if self.replicas is None:
            return draw(count, self._noise)
        return self.replicas.rows(lambda whole: draw(whole, self._noise), count)

    def _relative(self, span: WeightRange, weights: Tensor, distortions: Tensor, rates: Tensor) -> Tensor:
        """β·R of a batch whose images have `weights`, `distortions` and `rates` of their own, each (batch,), and whose
        losses count relative to what is expected; what is expected moves on."""
        losses = ops.stop_gradient(distortions + weights * rates)
        assert self.expected_losses is not None
        kept = ops.copy(self.expected_losses)
        scales = ops.stop_gradient(span.scales(weights, losses, kept))
        others = {} if self.replicas is None else {"added_up": self.replicas.added_up}
        self.expected_losses.assign(span.updated(weights, losses, kept, **others))
        # last: where devices take turns in one step, another one has set them in the meantime
        self.rates, self._scales, self._weights = rates, scales, weights
        return ops.mean(scales * weights * rates)

    def _penalty(self, distortions: Tensor, weights: Tensor | None) -> Tensor:
        """What the methods add to D in training; the weighting's state goes one step on from where the batch found
        it."""
        seen = self._batch.observed(
            self.methods.rate, distortions, weights, self.weighting_trained, math.prod(self.image_shape)
        )
        penalty, self.effective_weight = apply_weighting(
            self.methods.weighting, seen, self._batch.state, self.weighting_state, self.kl_weight
        )
        return penalty

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """L = D + β·R of a batch, a scalar, with the likelihood's D; with weights the mean of w·(D + β·R), as Keras's
        losses. Methods that look at means of a batch see weighted means. `y` is not used."""
        distortions = squared_error(images := pixels(x), y_pred)
        seen = self.methods.likelihood.function(images, y_pred)
        weights = None if sample_weight is None else per_picture(sample_weight)
        others = self.losses
        if self.replicas is not None and training:  # whose steps, one after the other, all add to one list
            others = [] if self.autoencoder else [self._added]
        if self._scales is not None:  # each image has a weight of its own, and counts relative to it
            scales = self._scales if weights is None else weights * self._scales
            seen = scales * seen
            penalty = ops.mean(scales * self._weights * self.rates)
            others = [penalty, *(one for one in others if one is not self._added)]
        elif weights is not None:
            seen = weights * seen
            if not self.autoencoder:  # what `call` added knew no weights
                penalty = (
                    self._penalty(distortions, weights)
                    if training
                    else self.effective_weight * ops.mean(weights * self.rates)
                )
                others = [penalty, *(one for one in others if one is not self._added)]
        observed = [distortions] if self.autoencoder else [distortions, self.rates]
        if self.replicas is not None and training:
            observed = self.replicas.seen(observed)
        for metric, value in zip(self._terms, observed, strict=False):
            metric.update_state(value, weights)
        if not self.autoencoder:
            self._terms[-1].update_state(self.effective_weight)
        if self._step == "test":
            for place, metrics in enumerate(self._curve.values()):
                for metric, values in zip(metrics, self._curve_terms, strict=True):
                    metric.update_state(values[place], weights)
        loss = ops.mean(seen) + sum(others)
        return loss if self.replicas is None or not training else self.replicas.share(loss, ops.shape(seen)[0])

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """`loss` and the terms it is made of; each starts anew with an epoch."""
        known = super().metrics
        mine = [*self._terms, *(metric for metrics in self._curve.values() for metric in metrics)]
        return known + [metric for metric in mine if all(metric is not other for other in known)]

    def get_metrics_result(self) -> dict[str, Any]:
        """The metrics by their names; those at several weights are measured in evaluation alone."""
        found = super().get_metrics_result()
        if self._step == "test":
            return found
        curve = {metric.name for metrics in self._curve.values() for metric in metrics}
        return {name: value for name, value in found.items() if name not in curve}

    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        **options: Any,
    ) -> None:
        """As `keras.Model.compile`, without a loss. Adam by default; XLA only where it pays.

        On TensorFlow without a GPU, XLA halves the speed of the convolutions, so `"auto"` then means no XLA.
        """
        if loss is not None or loss_weights is not None:
            raise ValueError(
                "VAE.compile: the loss is D + beta R, so `loss` and `loss_weights` must be left out. "
                "Set `kl_weight` and `likelihood` of the VAE instead."
            )
        super().compile(
            optimizer=fitting_optimizer(optimizer, self.precision),
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=fitting_jit(jit_compile),
            **options,
        )
        self.optimizer.build(self.trainable_variables)

    @property
    def beta(self) -> float:
        """The present KL weight as a Python number, as it was assigned: 0.1, not 0.10000000149."""
        return float(str(np.float32(ops.convert_to_numpy(ops.convert_to_tensor(self.kl_weight)))))

    def seed_noise(self, seed: int, step: int) -> None:
        """Draw the sampling noise from here on as a run with `seed` does after `step` steps.

        The generator's second number counts the draws, a fixed few each step: training moves it on in the same way.
        """
        key = np.random.SeedSequence(seed).generate_state(1, np.uint32)[0]
        draws = 0 if self.autoencoder else 1 + self.methods.rate.NEEDS_PRIOR + (self.weight_range is not None)
        self._noise.state.assign(np.array([key, (step * draws) % 2**32], np.uint32))
