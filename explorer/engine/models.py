"""Models in the engine: opened, kept, decoded and encoded through graphs that are traced once.

Nothing here imports kvae, Keras or TensorFlow before a model is loaded.
"""

import contextlib
import hashlib
import json
import math
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from explorer.engine.cards import model_info
from explorer.messages import ModelInfo

CHUNK = 16  # pictures decoded or encoded at once: some tens of milliseconds, for which another picture may have to wait
MOST_MODELS = 3  # kept in memory, the one on screen among them
Piece = Callable[[], AbstractContextManager[Any]]
Weights = float | np.ndarray | None


class Loaded:
    """A model with its graphs. The KL weight is an input of both, so a decode never changes what another one sees."""

    def __init__(self, path: str, model: Any, card: dict[str, Any] | None = None) -> None:
        import tensorflow as tf

        self.path, self.model = path, model
        self.info = self._info(model.card if card is None else card)
        self._version = 0  # odd while weights are being replaced
        self._replacing = threading.Lock()
        weight = tf.TensorSpec((), tf.float32)
        latents = tf.TensorSpec((None, model.latent_dim), tf.float32)
        images = tf.TensorSpec((None, *model.image_shape), tf.uint8)
        # without AutoGraph, of which nothing here makes use: it leaves files behind when the process is ended at once
        self._decode = tf.function(self._decoding, input_signature=[latents, weight], autograph=False)
        self._generate = tf.function(self._generating, input_signature=[latents, weight], autograph=False)
        self._encode = tf.function(self._encoding, input_signature=[images, weight], autograph=False)
        self._see = tf.function(self._seeing, input_signature=[images, weight], autograph=False)
        self._spread = tf.function(self._spreading, input_signature=[images, weight], autograph=False)
        self._decode.get_concrete_function()

    def _generating(self, latents: Any, weight: Any) -> Any:
        import keras

        with keras.StatelessScope([(self.model.kl_weight, weight)]):
            return self.model.generate(latents)

    def _decoding(self, latents: Any, weight: Any) -> Any:
        import tensorflow as tf

        images = self._generating(latents, weight)
        return tf.cast(tf.round(tf.clip_by_value(images, 0.0, 1.0) * 255.0), tf.uint8)

    def _encoding(self, images: Any, weight: Any) -> Any:
        import keras
        import tensorflow as tf

        with keras.StatelessScope([(self.model.kl_weight, weight)]):
            return self.model.posterior(tf.cast(images, tf.float32) / 255.0)[0]

    def _seeing(self, images: Any, weight: Any) -> tuple[Any, Any]:
        means = self._encoding(images, weight)
        return means, self._decoding(means, weight)

    def _spreading(self, images: Any, weight: Any) -> Any:
        """Means and factors T of posteriors side by side, (count, latent, 1 + latent)."""
        import keras
        import tensorflow as tf

        with keras.StatelessScope([(self.model.kl_weight, weight)]):
            found = self.model.posterior_of(tf.cast(images, tf.float32) / 255.0)
        factor = tf.linalg.diag(tf.exp(0.5 * found.log_var))
        factor = factor if found.factor is None else factor + found.factor
        return tf.concat([found.mean[:, :, None], factor], axis=2)

    def decode(
        self, latents: np.ndarray, kl_weight: Weights = None, piece: Piece = contextlib.nullcontext
    ) -> np.ndarray:
        """The pictures, uint8 (count, height, width, channels), of `latents` (count, latent), `piece` by piece; at one
        weight, or at one for each of them, (count,).

        Raises:
            ValueError: latents of another model.
        """
        latents = np.asarray(latents, np.float32)
        if latents.ndim != 2 or latents.shape[1] != self.info.latent_dim:
            raise ValueError(
                f"{self.info.name} has {self.info.latent_dim} latent dimensions. Received: latents of shape "
                f"{latents.shape}."
            )
        nothing = np.empty((0, *self.info.image_shape), np.uint8)
        if not isinstance(kl_weight, np.ndarray) or not self.info.carries_weight:
            weight = None if isinstance(kl_weight, np.ndarray) else kl_weight
            return self._in_pieces(self._decode, latents, weight, piece, nothing)
        starts = np.flatnonzero(np.diff(kl_weight, prepend=np.nan))  # where another weight begins: the graph takes one
        parts = [
            self._in_pieces(self._decode, latents[start:end], float(kl_weight[start]), piece, nothing)
            for start, end in zip(starts, [*starts[1:], len(latents)], strict=False)
        ]
        return np.concatenate([nothing, *parts])

    def encode(
        self, images: np.ndarray, kl_weight: float | None = None, piece: Piece = contextlib.nullcontext
    ) -> np.ndarray:
        """The posterior means, float32 (count, latent), of `images`, uint8 (count, height, width, channels)."""
        nothing = np.empty((0, self.info.latent_dim), np.float32)
        return self._in_pieces(self._encode, images, kl_weight, piece, nothing)

    def generate(self, latents: np.ndarray, kl_weight: float, piece: Piece = contextlib.nullcontext) -> np.ndarray:
        """What `latents` (count, latent) decode to before it is made a picture: float32, neither rounded nor cut."""
        nothing = np.empty((0, *self.info.image_shape), np.float32)
        return self._in_pieces(self._generate, latents, kl_weight, piece, nothing)

    def posteriors(
        self, images: np.ndarray, kl_weight: float, piece: Piece = contextlib.nullcontext
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means, float32 (count, latent), and covariances (count, latent, latent) of the posteriors of `images`."""
        nothing = np.empty((0, self.info.latent_dim, 1 + self.info.latent_dim), np.float32)
        found = self._in_pieces(self._spread, images, kl_weight, piece, nothing)
        factor = found[:, :, 1:]
        return found[:, :, 0], factor @ np.swapaxes(factor, 1, 2)

    def see(
        self, images: np.ndarray, kl_weight: float | None = None, piece: Piece = contextlib.nullcontext
    ) -> tuple[np.ndarray, np.ndarray]:
        """The posterior means of a few `images`, and the pictures of these: as `encode` and `decode` in one go."""
        with piece():
            means, pictures = self._whole(self._see, images, np.float32(self.weight(kl_weight)))
        return means, pictures

    def _in_pieces(
        self, graph: Any, rows: np.ndarray, kl_weight: float | None, piece: Piece, nothing: np.ndarray
    ) -> np.ndarray:
        weight = np.float32(self.weight(kl_weight))
        parts = [nothing]
        for start in range(0, len(rows), CHUNK):
            with piece():
                parts.append(self._whole(graph, rows[start : start + CHUNK], weight))
        return np.concatenate(parts) if len(parts) != 2 else parts[1]

    def _whole(self, graph: Any, rows: np.ndarray, weight: np.float32) -> Any:
        """Run `graph` on weights of one moment: once more where they were replaced meanwhile. An array, or several."""
        while True:
            version = self._version
            if version % 2:
                with self._replacing:
                    continue
            found = graph(rows, weight)
            found = [part.numpy() for part in found] if isinstance(found, list | tuple) else found.numpy()
            if version == self._version:
                return found

    def weight(self, kl_weight: float | None) -> float:
        """The weight asked for, where the picture follows it, and the model's own elsewhere."""
        if kl_weight is None or not self.info.carries_weight:
            return self.info.kl_weight
        low, high = self.info.weight_range or (0.0, math.inf)
        return min(max(float(kl_weight), low), high)

    def replace_weights(self, path: str) -> ModelInfo:
        """Take the part of a card and the weights in the file at `path`, which `Snapshots.write_weights` wrote.

        Raises:
            OSError, ValueError: no such file, or the weights of another model.
        """
        model = self.model
        values, card = self._read_weights(path)
        with self._replacing:
            self._version += 1
            try:
                for value, weight in zip(values, model.weights, strict=True):
                    weight.assign(value)
            finally:
                self._version += 1
        if card:
            # directions belong to the posteriors they came with
            old = {name: part for name, part in (model.card or {}).items() if not name.startswith("direction")}
            model.card = {**old, **card}
        self.info = self._info(model.card)
        return self.info

    def _read_weights(self, path: str) -> tuple[list[np.ndarray], dict[str, Any]]:
        """A value for each weight, known to fit, and the part of a card beside them."""
        from kvae.files.npy import read_sequence
        from kvae.files.refusal import Refused, sentence
        from kvae.files.strict_json import parse
        from kvae.saving.card import CARD_NODES, MOST_CARD

        weights = self.model.weights
        room = sum(int(np.prod(weight.shape)) for weight in weights) * 4 + 4 * MOST_CARD + (1 << 20)
        try:
            text, *values = read_sequence(path, most_bytes=room)
            card = parse(str(text).encode(), most_nodes=CARD_NODES)
        except Refused as error:
            raise ValueError(sentence(path, error)) from error
        except ValueError:
            raise ValueError(f"{Path(path).name} does not hold the weights of {self.info.name}.") from None
        if len(values) != len(weights):
            raise ValueError(f"{Path(path).name} does not hold the weights of {self.info.name}.")
        if any(value.shape != tuple(weight.shape) for value, weight in zip(values, weights, strict=True)):
            raise ValueError(f"{Path(path).name} holds the weights of another model than {self.info.name}.")
        if any(value.dtype.kind not in "fiu" or not np.isfinite(value).all() for value in values):
            raise ValueError(f"{Path(path).name} holds weights that are no finite numbers.")
        return values, card if isinstance(card, dict) else {}

    def _info(self, card: dict[str, Any] | None) -> ModelInfo:
        model = self.model
        config = {
            "image_shape": model.image_shape,
            "latent_dim": model.latent_dim,
            "autoencoder": model.autoencoder,
            "kl_weight": model.beta,
            "weight_range": model.weight_range and (model.weight_range.low, model.weight_range.high),
            "network": "custom" if model.custom else model.network,
        }
        # Keras wraps the tables of its models in its own kind of dict, which cannot be sent
        info = model_info(self.path, config, json.loads(json.dumps(card)))
        return replace(info, eigenvalues=_eigenvalues(model), digest=digest_of(model))


def digest_of(model: Any) -> str:
    """SHA-256 of all that paints a picture, in hexadecimal: another name, place or card of the file changes nothing."""
    found = hashlib.sha256(repr((tuple(model.image_shape), model.latent_dim)).encode())
    for weight in model.weights:
        if weight is not model.kl_weight:  # turned by hand, and part of the point
            found.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return found.hexdigest()


def _eigenvalues(model: Any) -> np.ndarray | None:
    """Those of the spectral path, float32 (latent,), NaN for what tells the texture; None without one."""
    if model.custom or model.autoencoder or model.network not in ("spectral", "linear"):
        return None
    values = np.asarray(model.linear_path.eigenvalues, np.float32)
    return np.concatenate([np.full(model.latent_dim - len(values), np.nan, np.float32), values])


class Models:
    """The model on screen and a few more, by path, time of change and length of their files."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int, int], Loaded] = {}  # the one used last is the last
        self._lock = threading.Lock()
        self._current: Loaded | None = None

    @property
    def current(self) -> Loaded:
        """The model on screen. Raises ValueError where there is none."""
        if self._current is None:
            raise ValueError("No model is open. Open one, or train one.")
        return self._current

    def opened(self, path: str) -> Loaded:
        """The model on screen, or one that was before it, where it is still in memory.

        Raises:
            ValueError: it is not, in one sentence.
        """
        if path in ("", self.current.path):
            return self.current
        with self._lock:
            kept = [loaded for (name, *_), loaded in self._kept.items() if name == path]
        if not kept:
            raise ValueError(f"{Path(path).name} is not open any more. Open it again, and export once more.")
        return kept[-1]

    def show(self, loaded: Loaded) -> None:
        """From here on `loaded` is the model on screen."""
        self._current = loaded

    def get(self, path: str) -> Loaded:
        """The model at `path`, from memory where its file has not changed.

        Raises:
            OSError, ValueError: no such file, or none that kvae can open, in one sentence.
        """
        key = _key(path)
        with self._lock:
            found = self._kept.pop(key, None) if key is not None else None
            if found is not None and key is not None:
                self._kept[key] = found
                return found
        from kvae.saving.reader import load

        loaded = Loaded(path, load(path))
        with self._lock:
            if key is not None and key == _key(path):  # a file that changed while it was read belongs to no key
                self._kept[key] = loaded
            for old in list(self._kept)[: max(0, len(self._kept) - MOST_MODELS)]:
                del self._kept[old]
        return loaded

    def refresh(self, path: str) -> ModelInfo:
        """Take newer weights for the model on screen; it is then no longer what its file says."""
        loaded = self.current
        with self._lock:
            self._kept = {key: one for key, one in self._kept.items() if one is not loaded}
        return loaded.replace_weights(path)


def _key(path: str) -> tuple[str, int, int] | None:
    try:
        about = Path(path).stat()
    except (OSError, ValueError):
        return None
    return str(path), about.st_mtime_ns, about.st_size
