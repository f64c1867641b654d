"""A VAE as its settings and as a file."""

import json
import os
from pathlib import Path
from typing import Any, Self

import keras

from kvae.model.compiling import optimizer_config
from kvae.model.exporting import Reconstruct
from kvae.model.methods import OBJECTS, Methods
from kvae.model.weight_range import WeightRange
from kvae.networks.custom import described, rebuilt
from kvae.saving.abstract_build import frozen, variables
from kvae.saving.card import CUSTOM_PARTS, FORMAT, in_this_format
from kvae.saving.writer import write
from kvae.settings import check

CARD = "card.json"
MEASURED = ("evaluated", "history", "steps", "balance", "gaussian_limit")  # parts of a card that hold for one weight


class SavedMixin(keras.Model):
    """What Keras asks of a model that is to be saved, and of its copies."""

    image_shape: tuple[Any, ...]
    latent_dim: int
    network: str
    widths: tuple[int, ...]
    depth: int
    autoencoder: bool
    custom: bool
    seed: int
    precision: str
    methods: Methods
    weight_range: WeightRange | None
    card: dict[str, Any] | None
    encoder: keras.Model
    decoder: keras.Model
    _given: float

    @property
    def beta(self) -> float:
        """The present KL weight."""
        raise NotImplementedError

    def at(self, kl_weight: float) -> Self:
        """A copy of this model with the one weight `kl_weight`, which trains on, saves and measures like any other.

        Of a model with a range of weights it is the one that this model is at that weight.

        Raises:
            ValueError: a weight outside the bounds, or outside the model's range.
        """
        given: float | tuple[float, float] = kl_weight
        weight = check("kl_weight", given, "VAE.at")
        span = self.weight_range
        if isinstance(weight, tuple) or (span is not None and span.clamped(weight) != weight):
            bounds = "one weight" if span is None else f"one weight from {span.low:g} to {span.high:g}"
            raise ValueError(f"VAE.at: `kl_weight` must be {bounds}. Received: kl_weight={kl_weight!r}.")
        other = type(self).from_config({**self.get_config(), "kl_weight": weight})
        mine = variables(self)
        for path, variable in variables(other).items():
            variable.assign(mine[path])
        other.kl_weight.assign(weight)
        if self.card is not None:
            settings = {**self.card.get("settings", {}), "kl_weight": weight}
            other.card = {**self.card, "settings": settings} | dict.fromkeys(MEASURED, {})
        return other

    def get_config(self) -> dict[str, Any]:
        """kvae's own settings, and nothing else; a model of custom networks or methods adds their configs."""
        config: dict[str, Any] = {
            "image_shape": list(self.image_shape),
            "latent_dim": self.latent_dim,
            "kl_weight": self._configured_weight(),
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
            if self.network == "linear":  # which was another one
                config["format"] = 2
        config.update({axis: described(method) for axis, method in self.methods.custom.items()})
        if parts := frozen(self):
            config["trainable"] = parts
        return config

    def _configured_weight(self) -> float | list[float]:
        if self.weight_range is not None:
            return [self.weight_range.low, self.weight_range.high]
        return self._given if self.methods.weighting.MOVES else self.beta

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """The model of `config`. Custom networks and methods are built where they are trusted: a config that
        `get_config` gave here, or inside `kvae.load(path, trust=True)` and Keras's `safe_mode=False`.

        Raises:
            ValueError: such parts, without that trust.
        """
        config = dict(config)
        if config.get("format", 1) > FORMAT:
            raise ValueError("this model needs a newer kvae. Update kvae and open it again.")
        config = in_this_format(config)
        for part in (*CUSTOM_PARTS, *OBJECTS):
            if isinstance(config.get(part), dict) or part in config.keys() & CUSTOM_PARTS:
                config[part] = rebuilt(config[part], custom_objects)
        if isinstance(config.get("kl_weight"), list):
            config["kl_weight"] = tuple(config["kl_weight"])
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
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        zipped: bool | None = None,
        *,
        compact: bool = False,
        **options: Any,
    ) -> None:
        """Write the model to `filepath`, which ends in `.keras`: a complete new file that opens again, or nothing.

        A `compact` file has weights of float16 and no optimizer: a sixth of the size, to look at and to start others
        from. A run that goes on from it begins with a new optimizer.

        Raises:
            ValueError: another ending, or what `kvae.load` would refuse. FileExistsError: a file, without `overwrite`.
        """
        if zipped is False:
            raise ValueError("save: a model is one .keras file. Leave `zipped` out. Received: zipped=False.")
        if not overwrite and os.path.exists(filepath):
            raise FileExistsError(f"save: {filepath} exists. Name another file, or say overwrite=True.")
        write(self, filepath, lambda path: super(SavedMixin, self).save(path, **options), compact=compact)

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
