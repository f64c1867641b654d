"""From pictures to posteriors and back: what a VAE's networks, heads and linear path compute together."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kvae.images.pca import PCA
from kvae.images.pixels import as_float, pixels
from kvae.images.spectrum import Spectrum
from kvae.images.texture import Texture
from kvae.model.methods import Methods
from kvae.model.weight_range import WeightRange
from kvae.networks.blocks import ClosedForm, layer_seed
from kvae.networks.principal import LinearPath, affine_form
from kvae.networks.spectral import SpectralPath, corrected
from kvae.objectives.base import Posterior, Tensor, soft_bound
from kvae.objectives.likelihoods import squared_error

EXPECTED_FROM = 60  # pictures that tell the loss to expect before training


class CodingMixin(keras.Model):
    """`posterior` and `generate` at the present weight, and D, R, L at any; and their start from a closed form.

    The spectral path is corrected by networks that map pictures to pictures, and needs no heads. All others have two,
    of the mean and the log-variance; beside the path of `hybrid` these are corrections too.
    """

    image_shape: tuple[int, int, int]
    latent_dim: int
    network: str
    custom: bool
    autoencoder: bool
    seed: int
    methods: Methods
    weight_range: WeightRange | None
    encoder: keras.Model
    decoder: keras.Model
    linear_path: ClosedForm | None
    kl_weight: keras.Variable
    expected_losses: keras.Variable | None
    _evaluation_noise: Callable[[Tensor, Tensor], Tensor]

    def _add_heads(self) -> None:
        if self.autoencoder and isinstance(self.linear_path, SpectralPath):
            self.linear_path.log_var_offset.trainable = False  # of variances that it does not have
        features = self.image_shape if self._spectral else self.encoder.output_shape[1:]
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

        self.mean_head: layers.Dense | None = None if self._spectral else head("mean", 1)
        self.log_var_head = None if self.autoencoder or self._spectral else head("log_var", 2)
        self.rate_layers = (
            [] if self.autoencoder else self.methods.rate.layers(self.latent_dim, units, layer_seed(self.seed, -3))
        )

    def posterior(self, images: Tensor, training: bool = False) -> tuple[Tensor, Tensor | None]:
        """Mean and log-variance of q(z given x), each (batch, latent), of images (batch, height, width, channels).

        An autoencoder has no variance: its second part is None.
        """
        found = self._posterior(self._seen(images), self._weight(), training)
        return found.mean, None if found.log_var is None else found.marginal_log_var

    def posterior_of(self, images: Tensor) -> Posterior:
        """The same with all that is known of it: its factor, where latents of one picture depend on each other."""
        return self._posterior(self._seen(images), self._weight())

    def _seen(self, images: Any) -> Tensor:
        """Images in [0, 1]: arrays are looked at; of tensors, which may have no values yet, bytes are scaled."""
        return as_float(images, self.image_shape) if isinstance(images, np.ndarray) else pixels(images)

    @property
    def _spectral(self) -> bool:
        return isinstance(self.linear_path, SpectralPath)

    def _posterior(self, images: Tensor, weight: Tensor, training: bool = False) -> Posterior:
        """At the KL weight `weight`, a scalar or one for each image, (batch,)."""
        if isinstance(self.linear_path, SpectralPath):
            seen = corrected(self.linear_path, self.encoder, images, weight, training)
            features = self._flatten(seen)
            mean, log_var = self.linear_path.encode(seen, weight)
        else:
            assert self.mean_head is not None
            features = self._flatten(self.encoder(images, training=training))
            mean = self.mean_head(features)
            log_var = None if self.log_var_head is None else self.log_var_head(features)
            if self.linear_path is not None:
                path_mean, path_log_var = self.linear_path.encode(images, weight)
                mean = mean + path_mean
                log_var = None if log_var is None else log_var + path_log_var
        if self.autoencoder:
            return Posterior(mean, None)
        return self.methods.rate.posterior(self.rate_layers, features, mean, soft_bound(log_var), training)

    def generate(self, latents: Tensor, training: bool = False) -> Tensor:
        """The decoder's mean image of `latents`, shape (batch, latent), as a float32 tensor; not clipped."""
        return self._generate(latents, self._weight(), training)

    def _generate(self, latents: Tensor, weight: Tensor, training: bool = False) -> Tensor:
        if self.linear_path is None:
            return ops.cast(self.decoder(latents, training=training), "float32")
        base = self.linear_path.decode(latents, weight)
        if isinstance(self.linear_path, SpectralPath):
            return corrected(self.linear_path, self.decoder, base, weight, training)
        # centred like the residual encoder's input would be around mid-grey; keeps first-layer activations small
        return base + ops.cast(self.decoder([latents, base - 0.5], training=training), "float32")

    def _weight(self) -> Tensor:
        # the path reads the weight but is no way to lower the loss by moving it: dL/dβ stays R
        return ops.stop_gradient(ops.convert_to_tensor(self.kl_weight))

    def terms_at(
        self, images: Tensor, weight: float | Tensor, noise: Tensor | None = None, *, first: Tensor = 0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """D, R and L, each (batch,), of `images` (batch, height, width, channels) at `weight`, wherever the model
        stands.

        One sample of each posterior, with the `noise` (batch, latent), or that of evaluation for the places from
        `first` on.
        """
        images = self._seen(images)
        noise = self._evaluation_noise(images[:, 0, 0, :1], first) if noise is None else noise
        given = ops.convert_to_tensor(weight, "float32")
        posterior = self._posterior(images, given)
        output = self._generate(self.methods.rate.sample(posterior, noise), given)
        rates = ops.sum(self.methods.rate.rates(posterior), axis=-1)
        return squared_error(images, output), rates, self.methods.likelihood.function(images, output) + weight * rates

    # ------------------------------------------------------------------ the linear solution

    def fit_spectrum(
        self, spectrum: Spectrum, texture: Texture | None = None, images: np.ndarray | None = None
    ) -> None:
        """Set the path of the network `spectral` or `linear` to the closed form for the pictures that were measured.

        Without a `texture` it is the linear VAE. `images` (count, height, width, channels), some of the pictures, tell
        what loss to expect at each weight of a range.

        Raises:
            ValueError: another network, or a spectrum of pictures of another shape.
        """
        if not isinstance(self.linear_path, SpectralPath):
            raise ValueError(f"VAE.fit_spectrum: the network {self.network!r} has no spectral path. Use `fit_linear`.")
        self.linear_path.assign_spectrum(spectrum)
        if self.linear_path.scales and texture is not None:
            self.linear_path.assign_texture(texture)
        if self.weight_range is not None and self.expected_losses is not None and images is not None:
            seen = pixels(images[:EXPECTED_FROM])
            losses = [ops.mean(self.terms_at(seen, weight)[2]) for weight in self.weight_range.knots]
            self.expected_losses.assign(ops.stack(losses))

    def fit_linear(self, pca: PCA) -> None:
        """Set the linear part of the older networks to the closed form for these pictures: the path of `hybrid`, which
        is then right at every weight, or `principal` at the present one.

        Raises:
            ValueError: a network that has no linear part, or one that is set by `fit_spectrum`.
        """
        if isinstance(self.linear_path, LinearPath):
            self.linear_path.assign_pca(pca.mean, pca.eigenvalues, pca.eigenvectors)
            return
        if self.custom or self.network != "principal":
            raise ValueError(
                f"VAE.fit_linear: the network {self.network!r} has no linear part of that kind. Use `adapt` or "
                "`fit_spectrum`."
            )
        assert self.mean_head is not None
        (kernel, origin), (analysis, offset), log_var = affine_form(
            pca, self.image_shape, self.latent_dim, self._weight()
        )
        synthesis = next(layer for layer in self.decoder.layers if isinstance(layer, layers.Dense))
        synthesis.set_weights([kernel, origin])
        self.mean_head.set_weights([analysis, offset])
        if self.log_var_head is not None:
            self.log_var_head.set_weights([0.0 * analysis, log_var])
