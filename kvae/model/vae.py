"""The variational autoencoder: D and beta·R, with a weight that can be moved while training runs."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack

import keras
import numpy as np
from keras import layers, ops

from kvae.images.pca import PCA
from kvae.images.pixels import pixels
from kvae.model.compiling import fitting_jit, fitting_optimizer, fitting_precision, optimizer_config
from kvae.model.exporting import Reconstruct
from kvae.model.fit import FitMixin
from kvae.model.methods import AXES, METHOD_SETTINGS, OBJECTS, choose, parted
from kvae.model.numpy_api import NumpyMixin
from kvae.networks import DEFAULT_DEPTH, NETWORKS
from kvae.networks.blocks import Plan, check_image_shape, fitting_widths, layer_seed
from kvae.networks.custom import custom_networks, described, rebuilt
from kvae.networks.linear import affine_form
from kvae.objectives.base import Posterior, Rate, Tensor, soft_bound
from kvae.objectives.likelihoods import Likelihood, squared_error
from kvae.saving.abstract_build import freeze, frozen
from kvae.saving.card import CUSTOM_PARTS, FORMAT
from kvae.saving.writer import write
from kvae.settings import MethodSettings, check, default
from kvae.weighting.base import Batch, Weighting, apply_weighting, per_picture

CARD = "card.json"
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
    *AXES,
    *METHOD_SETTINGS,
}


@keras.saving.register_keras_serializable("kvae")
class VAE(NumpyMixin, FitMixin):
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

    Either name a network, or bring two Keras models: `encoder`, from images to features of any shape (the VAE adds the
    posterior's heads and the sampling), and `decoder`, from latents (batch, latent_dim) to images.

    Args:
        encoder, decoder: Keras models of your own; then `network`, `widths` and `depth` do not count.
        image_shape: (height, width, channels); taken from `encoder` where there is one.
        network: one of `kvae.networks.NETWORKS`.
        latent_dim: number of latent dimensions.
        widths: channels of each level, each of which halves the picture; None chooses.
        depth: residual blocks of a level; None chooses.
        kl_weight: β = 2σ², the decoder noise in squared pixel values.
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
        network: str = "hybrid",
        latent_dim: int = 128,
        widths: tuple[int, ...] | None = None,
        depth: int | None = None,
        kl_weight: float = 0.1,
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
        self.latent_dim = check("latent_dim", latent_dim, "VAE")
        self.depth = check("depth", depth if depth is not None else DEFAULT_DEPTH[self.network], "VAE")
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
        self.methods = choose({**chosen, "kl_weight": weight}, "VAE", custom)
        self._given = weight

        if self.custom:
            parts = custom_networks(encoder, decoder, self.latent_dim)
            self.image_shape = tuple(parts.encoder.input_shape[1:])
            self.widths: tuple[int, ...] = ()
        else:
            self.image_shape = check_image_shape(image_shape)
            linear = self.network == "linear"
            self.widths = () if linear else fitting_widths(self.image_shape, check("widths", widths, "VAE"))
            plan = Plan(self.image_shape, self.latent_dim, self.widths, self.depth, self.precision, self.seed)
            parts = NETWORKS[self.network](plan)
        self.encoder, self.decoder, self.linear_path = parts.encoder, parts.decoder, parts.path
        self._add_heads()
        self.kl_weight = self._scalars("kl_weight", weight)
        # a plain VAE has neither: its file is that of every kvae before
        start, trained = self.methods.weighting.start(), self.methods.weighting.trained()
        self.weighting_state = self._scalars("weighting_state", start) if start else None
        self.weighting_trained = None if trained is None else self._scalars("weighting_trained", trained, True)
        self._noise = keras.random.SeedGenerator(self.seed)
        self._terms = [keras.metrics.Mean("distortion")]
        if not self.autoencoder:
            self._terms += [keras.metrics.Mean("rate"), keras.metrics.Mean("kl_weight")]
        self.rates: Tensor = None  # R of each image of the last batch
        self.effective_weight: Tensor = None  # and the weight it had
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
        return check("kl_weight", value, "VAE")

    def _scalars(self, name: str, start: float | tuple[float, ...], trainable: bool = False) -> keras.Variable:
        """A float32 weight of the model, saved with it."""
        return self.add_weight(
            name=name,
            shape=np.shape(start),
            dtype="float32",
            trainable=trainable,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(start, dtype),
        )

    def _add_heads(self) -> None:
        features = self.encoder.output_shape[1:]
        self._flatten = layers.Flatten(dtype="float32")
        units = int(np.prod(features))

        def head(name: str, number: int) -> layers.Dense:
            # beside the linear path, the heads are corrections that start at zero
            kernel = (
                "zeros"
                if self.linear_path is not None
                else keras.initializers.GlorotUniform(seed=layer_seed(self.seed, -number))
            )
            layer = layers.Dense(self.latent_dim, kernel_initializer=kernel, dtype="float32", name=name)
            layer.build((None, units))
            return layer

        self.mean_head = head("mean", 1)
        self.log_var_head = None if self.autoencoder else head("log_var", 2)
        self.rate_layers = (
            [] if self.autoencoder else self.methods.rate.layers(self.latent_dim, units, layer_seed(self.seed, -3))
        )

    # ------------------------------------------------------------------ what a VAE does

    def posterior(self, images: Tensor, training: bool = False) -> tuple[Tensor, Tensor | None]:
        """Mean and log-variance of q(z given x), each (batch, latent), of images (batch, height, width, channels).

        An autoencoder has no variance: its second part is None.
        """
        found = self._posterior(images, training)
        return found.mean, None if found.log_var is None else found.marginal_log_var

    def _posterior(self, images: Tensor, training: bool) -> Posterior:
        features = self._flatten(self.encoder(images, training=training))
        mean = self.mean_head(features)
        log_var = None if self.log_var_head is None else self.log_var_head(features)
        if self.linear_path is not None:
            path_mean, path_log_var = self.linear_path.encode(images, self._weight())
            mean = mean + path_mean
            log_var = None if log_var is None else log_var + path_log_var
        if log_var is None:
            return Posterior(mean, None)
        return self.methods.rate.posterior(self.rate_layers, features, mean, soft_bound(log_var), training)

    def generate(self, latents: Tensor, training: bool = False) -> Tensor:
        """The decoder's mean image of `latents`, shape (batch, latent), as a float32 tensor; not clipped."""
        if self.linear_path is None:
            return ops.cast(self.decoder(latents, training=training), "float32")
        base = self.linear_path.decode(latents, self._weight())
        # centred like the residual encoder's input would be around mid-grey; keeps first-layer activations small
        return base + ops.cast(self.decoder([latents, base - 0.5], training=training), "float32")

    def _weight(self) -> Tensor:
        # the path reads the weight but is no way to lower the loss by moving it: dL/dβ stays R
        return ops.stop_gradient(ops.convert_to_tensor(self.kl_weight))

    def call(self, images: Tensor, training: bool = False, first: Tensor = 0) -> Tensor:
        """Images (batch, height, width, channels) → their reconstructions, from one sample of the posterior each.

        Outside training the noise of a picture is that of its place in the data, which `first` begins to count.
        """
        images = pixels(images)
        posterior = self._posterior(images, training)
        if self._step == "predict":
            return ops.clip(self.generate(posterior.mean), 0.0, 1.0)
        if training:
            self._tell_no_start()
        if posterior.log_var is None:
            return self.generate(posterior.mean, training=training)
        shape = ops.shape(posterior.mean)
        noise = (
            keras.random.normal(shape, seed=self._noise) if training else self._evaluation_noise(posterior.mean, first)
        )
        latents = self.methods.rate.sample(posterior, noise)
        output = self.generate(latents, training=training)
        rates = self.methods.rate.rates(posterior)  # (batch, latent)
        self.rates = ops.sum(rates, axis=-1)  # (batch,)
        given = ops.copy(self.kl_weight)  # as it was found: TensorFlow would else hand out the variable, which moves
        if training:
            prior = keras.random.normal(shape, seed=self._noise) if self.methods.rate.NEEDS_PRIOR else None
            state = None if self.weighting_state is None else ops.copy(self.weighting_state)
            self._batch = Batch(posterior, latents, prior, rates, given, state)
            self._added = self._penalty(squared_error(images, output), None)
        else:
            self.effective_weight = given
            self._added = self.kl_weight * ops.mean(self.rates)
        self.add_loss(self._added)
        return output

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
        if weights is not None:
            seen = weights * seen
            if not self.autoencoder:  # what `call` added knew no weights
                penalty = (
                    self._penalty(distortions, weights)
                    if training
                    else self.effective_weight * ops.mean(weights * self.rates)
                )
                others = [penalty, *(one for one in others if one is not self._added)]
        observed = [distortions] if self.autoencoder else [distortions, self.rates]
        for metric, value in zip(self._terms, observed, strict=False):
            metric.update_state(value, weights)
        if not self.autoencoder:
            self._terms[-1].update_state(self.effective_weight)
        return ops.mean(seen) + sum(others)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """`loss` and the terms it is made of; each starts anew with an epoch."""
        known = super().metrics
        return known + [metric for metric in self._terms if all(metric is not other for other in known)]

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
        draws = 0 if self.autoencoder else 1 + self.methods.rate.NEEDS_PRIOR
        self._noise.state.assign(np.array([key, (step * draws) % 2**32], np.uint32))

    # ------------------------------------------------------------------ the linear solution

    def fit_linear(self, pca: PCA) -> None:
        """Set the linear part to the closed form for these pictures: of the hybrid network's path, or of `linear`.

        The path is then right at every weight, `linear` at the present one.

        Raises:
            ValueError: a network that has no linear part.
        """
        if self.linear_path is not None:
            self.linear_path.assign_pca(pca.mean, pca.eigenvalues, pca.eigenvectors)
            return
        if self.custom or self.network != "linear":
            raise ValueError(
                f"VAE.fit_linear: the network {self.network!r} has no linear part. Use `hybrid` or `linear`."
            )
        (kernel, origin), (analysis, offset), log_var = affine_form(
            pca, self.image_shape, self.latent_dim, self._weight()
        )
        synthesis = next(layer for layer in self.decoder.layers if isinstance(layer, layers.Dense))
        synthesis.set_weights([kernel, origin])
        self.mean_head.set_weights([analysis, offset])
        if self.log_var_head is not None:
            self.log_var_head.set_weights([0.0 * analysis, log_var])

    # ------------------------------------------------------------------ saving

    def get_config(self) -> dict[str, Any]:
        """kvae's own settings, and nothing else; a model of custom networks or methods adds their configs."""
        config: dict[str, Any] = {
            "image_shape": list(self.image_shape),
            "latent_dim": self.latent_dim,
            "kl_weight": self._given if self.methods.weighting.MOVES else self.beta,
            "autoencoder": self.autoencoder,
            "seed": self.seed,
            "dtype": self.precision,
            "name": self.name,
            **self.methods.config(),
        }
        if self.custom:
            config["encoder"], config["decoder"] = described(self.encoder), described(self.decoder)
            del config["image_shape"]
        else:
            config.update(network=self.network, widths=list(self.widths) or None, depth=self.depth)
        config.update({axis: described(method) for axis, method in self.methods.custom.items()})
        if parts := frozen(self):
            config["trainable"] = parts
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "VAE":
        """The model of `config`. Custom networks and methods are built where they are trusted: a config that
        `get_config` gave here, or inside `kvae.load(path, trust=True)` and Keras's `safe_mode=False`.

        Raises:
            ValueError: such parts, without that trust.
        """
        config = dict(config)
        if config.pop("format", 1) > FORMAT:
            raise ValueError("this model needs a newer kvae. Update kvae and open it again.")
        for part in (*CUSTOM_PARTS, *OBJECTS):
            if isinstance(config.get(part), dict) or part in config.keys() & CUSTOM_PARTS:
                config[part] = rebuilt(config[part], custom_objects)
        if config.get("widths"):
            config["widths"] = tuple(config["widths"])
        return cls(**config)

    def get_compile_config(self) -> dict[str, Any] | None:
        """The optimizer; the rest of how a VAE is compiled follows from the model and the machine."""
        if not self.compiled or self.optimizer is None:
            return None
        return {"optimizer": optimizer_config(self.optimizer)}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with the optimizer that was saved, ready to take its state."""
        self.compile(keras.optimizers.deserialize(config["optimizer"]))

    def save(
        self, filepath: str | os.PathLike[str], overwrite: bool = True, zipped: bool | None = None, **options: Any
    ) -> None:
        """Write the model to `filepath`, which ends in `.keras`: a complete new file that opens again, or nothing.

        Raises:
            ValueError: another ending, or what `kvae.load` would refuse. FileExistsError: a file, without `overwrite`.
        """
        if zipped is False:
            raise ValueError("save: a model is one .keras file. Leave `zipped` out. Received: zipped=False.")
        if not overwrite and os.path.exists(filepath):
            raise FileExistsError(f"save: {filepath} exists. Name another file, or say overwrite=True.")
        write(self, filepath, lambda path: super(VAE, self).save(path, **options))

    def export(self, filepath: Any, *args: Any, **options: Any) -> None:
        """As `keras.Model.export`: images (batch, height, width, channels) → their reconstructions, from posterior
        means.

        `kvae.export` writes encoder and decoder as two functions.
        """
        Reconstruct(self).export(filepath, *args, **options)

    def save_assets(self, folder: str) -> None:
        """Write the model card, `card.json`, when the model is saved."""
        if self.card is not None:
            Path(folder, CARD).write_text(json.dumps(self.card, allow_nan=False), encoding="utf-8")

    def load_assets(self, folder: str) -> None:
        """Read the model card back."""
        path = Path(folder, CARD)
        if path.is_file():
            self.card = json.loads(path.read_text(encoding="utf-8"))
