"""The variational autoencoder: D and beta·R, with a weight that can be moved while training runs."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kvae.blueprint import FOREIGN, FORMAT
from kvae.compiling import fitting_jit, fitting_optimizer, fitting_precision, optimizer_config
from kvae.exporting import Reconstruct
from kvae.images.pca import PCA, fit_pca
from kvae.images.pixels import as_float, gathered, in_batches, pixels
from kvae.layout import freeze, frozen
from kvae.methods import METHOD_SETTINGS, choose
from kvae.networks import DEFAULT_DEPTH, NETWORKS
from kvae.networks.blocks import Plan, check_image_shape, fitting_widths, layer_seed
from kvae.networks.brought import brought, described, rebuilt
from kvae.networks.linear import affine_form
from kvae.objectives.base import Drawn, Posterior
from kvae.objectives.likelihoods import squared_error
from kvae.objectives.rates import soft_bound
from kvae.settings import check
from kvae.weighting.base import Observed
from kvae.weighting.step import weigh
from kvae.writing import write

Tensor = Any

# evaluation draws its noise from this seed, so that two evaluations of one model agree and those of two models compare
EVALUATION_SEED = 20140214
CARD = "card.json"


@keras.saving.register_keras_serializable("kvae")
class VAE(keras.Model):
    """A variational autoencoder with loss L = D + β·R.

    D, the distortion, is the squared error summed over one image's height, width and channels, pixels in [0, 1]. R, the
    rate, is KL(q(z given x) ‖ N(0, 1)) of one image in nats. β is `kl_weight`, a non-trainable scalar variable: assign
    to it between any two batches and the next batch uses it. β·R enters through `add_loss`. `fit`, `evaluate` and the
    history report `loss`, `distortion`, `rate` and `kl_weight`.

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
        autoencoder: the same layers without sampling and without the KL term; β is then 0, and no weighting or rate counts.
        weighting: how β is set over time, one of `kvae.weighting.registry.WEIGHTINGS`.
        rate, likelihood: one of `RATES` and of `LIKELIHOODS` in `kvae.objectives.registry`.
        seed: of the initial weights and of the sampling noise.
        dtype: policy of the networks' inner layers, float32, mixed_float16 or mixed_bfloat16; heads, sampling and losses
            are float32 always.
        trainable: False freezes all; {"encoder": False} one part, by its name here. `layer.trainable` says it later.
        options: settings of the chosen methods by name, such as target_distortion=40.

    Raises:
        ValueError: a setting outside its bounds, or networks whose shapes do not fit, in one sentence.
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
        weighting: str = "constant",
        rate: str = "diagonal",
        likelihood: str = "squared-error",
        seed: int = 0,
        dtype: Any = None,
        trainable: bool | Mapping[str, bool] = True,
        name: str = "vae",
        **options: Any,
    ) -> None:
        # the model itself is float32, so that Keras does not cast the images before the distortion is measured
        super().__init__(name=name, dtype="float32")
        self.network = check("network", network, "VAE")
        self.latent_dim = check("latent_dim", latent_dim, "VAE")
        self.depth = check("depth", depth if depth is not None else DEFAULT_DEPTH[self.network], "VAE")
        self.autoencoder = check("autoencoder", autoencoder, "VAE")
        self.seed = check("seed", seed, "VAE")
        self.precision = fitting_precision(dtype)
        self.foreign = encoder is not None or decoder is not None
        self.card: dict[str, Any] | None = None  # what a saved model tells about itself
        weight = 0.0 if autoencoder else check("kl_weight", kl_weight, "VAE")
        if unknown := sorted(set(options) - METHOD_SETTINGS):
            raise ValueError(f"VAE: no setting is called `{unknown[0]}`. Known: {', '.join(sorted(METHOD_SETTINGS))}.")
        chosen = {"weighting": weighting, "rate": rate, "kl_weight": weight, **options}
        self.methods = choose({"likelihood": likelihood, **({} if autoencoder else chosen)}, "VAE")
        self._given = weight

        if self.foreign:
            parts = brought(encoder, decoder, self.latent_dim)
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

    def call(self, images: Tensor, training: bool = False) -> Tensor:
        """Images (batch, height, width, channels) → their reconstructions, from one sample of the posterior each."""
        images = pixels(images)
        posterior = self._posterior(images, training)
        if posterior.log_var is None:
            return self.generate(posterior.mean, training=training)
        noise = keras.random.normal(ops.shape(posterior.mean), seed=self._noise if training else EVALUATION_SEED)
        latents = self.methods.rate.sample(posterior, noise)
        output = self.generate(latents, training=training)
        rates = self.methods.rate.rates(posterior)  # (batch, latent)
        self.rates = ops.sum(rates, axis=-1)  # (batch,)
        if training:
            self.add_loss(self._penalty(squared_error(images, output), posterior, latents, rates))
        else:
            self.effective_weight = self._weight()
            self.add_loss(self.kl_weight * ops.mean(self.rates))
        return output

    def _penalty(self, distortions: Tensor, posterior: Posterior, latents: Tensor, rates: Tensor) -> Tensor:
        """What the methods add to D in training; the weighting's state goes one step on."""
        rate = self.methods.rate
        prior = keras.random.normal(ops.shape(latents), seed=self._noise) if rate.NEEDS_PRIOR else None
        means = ops.mean(rates, axis=0)  # (latent,)
        seen = Observed(
            given=ops.convert_to_tensor(self.kl_weight),
            distortion=ops.stop_gradient(ops.mean(distortions)),
            rates=means,
            extra=rate.extra(Drawn(posterior, latents, prior, ops.sum(means))),
            trained=self.weighting_trained,
            values=math.prod(self.image_shape),
        )
        penalty, self.effective_weight = weigh(self.methods.weighting, seen, self.weighting_state, self.kl_weight)
        return penalty

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """L = D + β·R of a batch, a scalar, with the likelihood's D. `y` and `sample_weight` are not used."""
        distortions = squared_error(images := pixels(x), y_pred)
        observed = [distortions] if self.autoencoder else [distortions, self.rates, self.effective_weight]
        for metric, value in zip(self._terms, observed, strict=True):
            metric.update_state(value)
        return ops.mean(self.methods.likelihood.function(images, y_pred)) + sum(self.losses)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """`loss` and the terms it is made of; each starts anew with an epoch."""
        known = super().metrics
        return known + [metric for metric in self._terms if all(metric is not other for other in known)]

    def compile(self, optimizer: Any = None, *, jit_compile: bool | str = "auto", **options: Any) -> None:
        """As `keras.Model.compile`, without a loss. Adam by default; XLA only where it pays.

        On TensorFlow without a GPU, XLA halves the speed of the convolutions, so `"auto"` then means no XLA.
        """
        optimizer = fitting_optimizer(optimizer, self.precision)
        super().compile(optimizer=optimizer, jit_compile=fitting_jit(jit_compile), **options)
        self.optimizer.build(self.trainable_variables)

    @property
    def beta(self) -> float:
        """The present KL weight as a Python number, as it was assigned: 0.1, not 0.10000000149."""
        return float(str(np.float32(ops.convert_to_numpy(self.kl_weight))))

    def seed_noise(self, seed: int, step: int) -> None:
        """Draw the sampling noise from here on as a run with `seed` does after `step` steps.

        The generator's second number counts the draws, a fixed few each step: training moves it on in the same way.
        """
        key = np.random.SeedSequence(seed).generate_state(1, np.uint32)[0]
        draws = 0 if self.autoencoder else 1 + self.methods.rate.NEEDS_PRIOR
        self._noise.state.assign(np.array([key, (step * draws) % 2**32], np.uint32))

    # ------------------------------------------------------------------ NumPy in, NumPy out

    def encode(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean and log-variance, each float32 (count, latent), of images (count, height, width, channels).

        uint8 images are divided by 255, float images are taken as they are, in [0, 1]. The log-variance of an autoencoder is -inf.
        """
        means, log_vars = [np.empty((0, self.latent_dim), "float32")], [np.empty((0, self.latent_dim), "float32")]
        for batch in in_batches(as_float(images, self.image_shape)):
            mean, log_var = self.posterior(batch)
            means.append(ops.convert_to_numpy(mean))
            log_vars.append(np.full_like(means[-1], -np.inf) if log_var is None else ops.convert_to_numpy(log_var))
        return np.concatenate(means), np.concatenate(log_vars)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """The images, float32 (count, height, width, channels) in [0, 1], of `latents`, shape (count, latent)."""
        latents = np.asarray(latents, "float32")
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise ValueError(
                f"VAE.decode: `latents` must have shape (count, {self.latent_dim}). Received: shape {latents.shape}."
            )
        images = [np.empty((0, *self.image_shape), "float32")]
        images += [ops.convert_to_numpy(self.generate(ops.convert_to_tensor(batch))) for batch in in_batches(latents)]
        return np.clip(np.concatenate(images), 0.0, 1.0)

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """The images, float32 in [0, 1], that the posterior means of `images` decode to. Nothing is drawn at random."""
        return self.decode(self.encode(images)[0])

    def sample(self, count: int = 1, *, temperature: float = 1.0, seed: int = 0) -> np.ndarray:
        """`count` images, float32 (count, height, width, channels), decoded from N(0, temperature²)."""
        noise = np.random.default_rng(seed).standard_normal((count, self.latent_dim))
        return self.decode(temperature * noise.astype("float32"))

    def interpolate(self, start: np.ndarray, end: np.ndarray, steps: int = 8, *, spherical: bool = False) -> np.ndarray:
        """The images, float32 (steps, height, width, channels), on the way from one image to another, both included.

        `start` and `end` have shape (height, width, channels). The way leads through the posterior means, in a straight
        line or along the great circle, whose points keep the length that a high-dimensional Gaussian has.
        """
        means = [self.encode(np.asarray(image)[None])[0][0] for image in (start, end)]
        share = np.linspace(0.0, 1.0, steps, dtype="float32")[:, None]
        return self.decode(_between(means[0], means[1], share, spherical))

    # ------------------------------------------------------------------ the linear solution

    def adapt(self, images: Any, *, most: int = 8192) -> None:
        """Start the linear path from the PCA of `images`: an array (count, height, width, channels) or batches of such.

        At most `most` pictures are looked at. `fit` does this by itself where nobody did before.
        """
        blocks = in_batches(as_float(gathered(images, most, self.image_shape), self.image_shape), 256)
        self.fit_linear(fit_pca(lambda: blocks, self.latent_dim))

    def fit(self, x: Any = None, *args: Any, **options: Any) -> Any:
        """As `keras.Model.fit`, from the closed-form linear solution where the network has a linear path."""
        path = self.linear_path
        once = hasattr(x, "__next__")  # adapting would use up what is to be trained on
        if path is not None and x is not None and not once and not np.any(ops.convert_to_numpy(path.eigenvalues)):
            self.adapt(x)
        return super().fit(x, *args, **options)

    def fit_linear(self, pca: PCA) -> None:
        """Set the linear part to the closed form for these pictures: of the hybrid network's path, or of `linear`.

        The path is then right at every weight, `linear` at the present one.

        Raises:
            ValueError: a network that has no linear part.
        """
        if self.linear_path is not None:
            self.linear_path.assign_pca(pca.mean, pca.eigenvalues, pca.eigenvectors)
            return
        if self.foreign or self.network != "linear":
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
        """kvae's own settings, and nothing else; a model of foreign networks adds their configs."""
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
        if self.foreign:
            config["encoder"], config["decoder"] = described(self.encoder), described(self.decoder)
            del config["image_shape"]
        else:
            config.update(network=self.network, widths=list(self.widths) or None, depth=self.depth)
        if parts := frozen(self):
            config["trainable"] = parts
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "VAE":
        """The model of `config`. Networks of other people are built where they are trusted: a config that `get_config` gave
        here, or inside `kvae.load(path, trust=True)` and Keras's `safe_mode=False`.

        Raises:
            ValueError: such networks, without that trust.
        """
        config = dict(config)
        if config.pop("format", 1) > FORMAT:
            raise ValueError("this model needs a newer kvae. Update kvae and open it again.")
        for part in FOREIGN:
            if part in config:
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
        """As `keras.Model.export`: images (batch, height, width, channels) → their reconstructions, from posterior means.

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


def _between(start: np.ndarray, end: np.ndarray, share: np.ndarray, spherical: bool) -> np.ndarray:
    if not spherical:
        return start + (end - start) * share
    cosine = np.dot(start, end) / max(float(np.linalg.norm(start) * np.linalg.norm(end)), 1e-12)
    angle = float(np.arccos(np.clip(cosine, -1.0, 1.0)))
    if np.sin(angle) < 1e-6:
        return start + (end - start) * share
    return (np.sin((1.0 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)
