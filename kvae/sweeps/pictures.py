"""The pictures of a sweep's trials: prepared once for all that they are the same for."""

import hashlib
import json
from typing import Any

import keras

from kvae.images.collection import open_collection
from kvae.settings import SETTINGS, checked
from kvae.sweeps.index import TrialRecord
from kvae.sweeps.study import PICTURES, Trial
from kvae.training.listener import Listener
from kvae.training.preparation import prepare
from kvae.training.prepared import Prepared

# what a preparation depends on beside its pictures
PREPARED = ("network", "batch_size", "learning_rate", "latent_dim", "precision", "device")
COLLECTION = ("data", "size", "crop", "follow_links")


def scene_of(trial: Trial | TrialRecord, manifest: str) -> str:
    """What stands for the pictures that a trial is measured on, of this manifest."""
    shape = [trial.settings.get(name, SETTINGS[name].default) for name in ("size", "crop", "validation")]
    return hashlib.sha256(json.dumps([manifest, *shape]).encode()).hexdigest()[:16]


class _Once(Listener):
    """Passes on what is said of the pictures, and nothing twice: for every seed it is the same."""

    def __init__(self, listener: Listener) -> None:
        self._listener, self._said = listener, set[str]()

    def on_message(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._listener.on_message(sentence)

    def on_progress(self, done: int, total: int, what: str) -> None:
        self._listener.on_progress(done, total, what)


class Pictures:
    """The pictures of a sweep's trials, ready; those of one trial are kept for the next."""

    def __init__(self, data: Any, lowest: float, listener: Listener, encoder: keras.Model | None = None) -> None:
        self.data, self._lowest, self._encoder = data, lowest, encoder
        self._listener = _Once(listener)
        self._ready: dict[tuple[Any, ...], dict[tuple[Any, ...], Prepared]] = {}
        self._manifests: dict[tuple[Any, ...], str] = {}

    def source(self, trial: Trial | TrialRecord) -> Any:
        """What the trial is trained on."""
        return trial.settings.get("data", self.data)

    def of(self, trial: Trial | TrialRecord) -> Prepared:
        """The pictures of `trial`, with the settings that were worked out."""
        chosen = checked(trial.settings, "sweep")
        first, second = (tuple(chosen[name] for name in names) for names in (PICTURES, PREPARED))
        if first not in self._ready:
            self._ready = {first: {}}  # the statistics of one collection may take much memory
        found = self._ready[first]
        if second not in found:
            settings = {**chosen, "kl_weight": self._lowest, "autoencoder": False}
            like = next(iter(found.values()), None)
            found[second] = prepare(self.source(trial), settings, self._listener, self._encoder, like)
        return found[second]

    def manifest(self, trial: Trial) -> str:
        """The hash of the trial's pictures, before they are prepared where others come first."""
        key = trial.picked(COLLECTION)
        if key not in self._manifests:
            if not self._manifests:
                self._manifests[key] = self.of(trial).collection.manifest_hash
            else:
                options = dict(zip(COLLECTION, key, strict=True)) | {"data": self.source(trial)}
                collection = open_collection(**options, progress=self._listener.on_progress)
                self._manifests[key] = collection.manifest_hash
        return self._manifests[key]
