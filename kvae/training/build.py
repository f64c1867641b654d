"""The model of a run before its training: of what its settings say, and of what its caller brings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras

from kvae.images.pipeline import steps_per_epoch
from kvae.model.coding import EXPECTED_FROM
from kvae.model.methods import METHOD_SETTINGS, WEIGHTINGS
from kvae.model.vae import VAE
from kvae.training.listener import Listener
from kvae.training.muon import fitting_optimizer
from kvae.training.prepared import Prepared

if TYPE_CHECKING:  # it draws with Matplotlib
    from kvae.training.tensorboard import EventFile

DEFAULT_STEPS = 2000  # of a run whose length nobody states


@dataclass(frozen=True)
class Custom:
    """What the caller of `train` brings: networks, methods by their axis, Keras callbacks, and a file of events."""

    encoder: keras.Model | None = None
    decoder: keras.Model | None = None
    methods: Mapping[str, Any] = field(default_factory=dict)
    callbacks: Sequence[keras.callbacks.Callback] = ()
    events: "EventFile | None" = None  # where it is told to TensorBoard
    start: VAE | None = None  # whose networks a spectral model takes over
    may_not_fit: bool = False  # then the run starts from nothing, and says so

    @property
    def networks(self) -> bool:
        """Whether it has networks."""
        return self.encoder is not None or self.decoder is not None

    @property
    def beside_settings(self) -> bool:
        """Whether the settings of the run do not say all that its model is made of."""
        return self.networks or bool(self.methods)


def build(
    settings: Mapping[str, Any],
    prepared: Prepared,
    listener: Listener,
    custom: Custom | None = None,
) -> VAE:
    """The untrained model of `settings`, set out from the closed-form linear solution where it has a linear path, and
    with the networks of another model where one is brought to start from."""
    custom = custom or Custom()
    encoder, decoder = (
        _copy(part) if isinstance(part, keras.Model) else part for part in (custom.encoder, custom.decoder)
    )
    model = VAE(
        encoder,
        decoder,
        image_shape=prepared.collection.shape,
        network=settings["network"],
        latent_dim=prepared.settings["latent_dim"],
        widths=settings["widths"],
        depth=settings["depth"],
        kl_weight=settings["kl_weight"],
        autoencoder=settings["autoencoder"],
        **method_settings({**settings, **custom.methods}, len(prepared.training)),
        seed=settings["seed"],
        dtype=None if custom.networks else prepared.settings["precision"],  # custom networks have theirs
    )
    if custom.start is not None:
        _start_from(custom.start, model, listener, may_not_fit=custom.may_not_fit)
    if model.linear_path is not None:
        some = prepared.collection.read(prepared.training[:EXPECTED_FROM])
        model.fit_spectrum(prepared.statistics.spectrum, prepared.statistics.texture, some)
    model.compile(fitting_optimizer(model, prepared.settings["learning_rate"]))
    return model


def _start_from(start: VAE, model: VAE, listener: Listener, *, may_not_fit: bool) -> None:
    try:
        take_networks(model, start)
    except ValueError:
        if not may_not_fit:
            raise
        listener.on_message("the model in the box has other channels or widths, so this one starts from nothing")
        return
    pictures = (start.card or {}).get("collection", {}).get("name")
    named = pictures if isinstance(pictures, str) else "pictures that it does not name"
    listener.on_message(f"its networks start from those of a model of {named}")


def take_networks(model: VAE, start: VAE) -> None:
    """Give `model` the corrections of `start`, which hold for pictures of any size and any statistics.

    Raises:
        ValueError: another kind of network, or other channels or widths.
    """
    kinds = [(one.network, one.custom, one.image_shape[2], one.widths, one.depth) for one in (model, start)]
    if kinds[0] != kinds[1] or start.network != "spectral":
        raise ValueError(
            f"train: a run starts from a model of the network spectral with its own channels and widths, "
            f"{model.image_shape[2]} and {' '.join(map(str, model.widths))}. Received: the network {start.network}, "
            f"{start.image_shape[2]} and {' '.join(map(str, start.widths))}. Start from another model, or leave `from` "
            "out."
        )
    for part in ("encoder", "decoder"):
        for mine, its in zip(getattr(model, part).weights, getattr(start, part).weights, strict=True):
            mine.assign(its)


def method_settings(settings: Mapping[str, Any], pictures: int) -> dict[str, Any]:
    """The methods of `settings` and what belongs to them; a schedule whose length nobody states fits into the run."""
    found = {name: settings[name] for name in ("weighting", "rate", "likelihood", *sorted(METHOD_SETTINGS))}
    named = isinstance(settings["weighting"], str)
    if named and found["ramp_steps"] is None and settings["minutes"] is None:
        epochs, per_epoch = run_length(settings, pictures)
        found["ramp_steps"] = WEIGHTINGS[settings["weighting"]].length(epochs * per_epoch)
    return found


def run_length(settings: Mapping[str, Any], pictures: int) -> tuple[int, int]:
    """Epochs, and steps in each, of a run over so many pictures."""
    per_epoch = steps_per_epoch(pictures, settings["batch_size"])
    return settings["epochs"] or max(1, math.ceil(DEFAULT_STEPS / per_epoch)), per_epoch


def _copy(part: keras.Model) -> keras.Model:
    # a clone alone would draw new weights, which no seed repeats
    copy = keras.models.clone_model(part)
    copy.set_weights(part.get_weights())
    return copy
