"""The frames of a morph, decoded ahead of being shown: a few at a time,
so that the engine stays free for other work."""

import numpy as np
from PyQt6.QtCore import QObject, pyqtSignal

from explorer.bridge import Bridge
from explorer.make.way import Weights
from explorer.messages import Answer, Decode, Decoded

CHUNK = 16  # frames asked for in one go
MOST_BYTES = 256 * 2**20  # of frames kept; a longer film is previewed with every second, third ... frame


class Film(QObject):
    """Knows every frame's latents and asks the bridge for the pictures, beginning at the frame that is looked at."""

    grew = pyqtSignal()  # more frames are there
    failed = pyqtSignal(str)

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._latents = np.empty((0, 0), np.float32)
        self._kl_weight: Weights = None
        self._images: list[np.ndarray | None] = []
        self._stride = 1
        self._showing = 0  # counts what was asked to be shown: answers to an earlier film are not this one's

    @property
    def count(self) -> int:
        """How many frames the film has."""
        return len(self._latents)

    @property
    def ready(self) -> int:
        """How many of them are decoded, or stand for their neighbours."""
        done = sum(image is not None for image in self._images)
        return min(self.count, done * self._stride)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to decode."""
        return all(image is not None for image in self._images)

    def image(self, index: int) -> np.ndarray | None:
        """The picture of frame `index`, uint8 (height, width, channels); None while it is not decoded."""
        place = index // self._stride
        return self._images[place] if 0 <= place < len(self._images) else None

    def set(self, latents: np.ndarray, kl_weight: Weights, frame_bytes: int, first: int = 0) -> None:
        """Decode these frames, (count, latent), each of `frame_bytes`, from frame `first` on and around to it; at one
        KL weight, or one for each."""
        self._latents, self._kl_weight = latents, kl_weight
        self._stride = max(1, -(-len(latents) * frame_bytes // MOST_BYTES))
        self._images = [None] * len(latents[:: self._stride])
        self._showing += 1
        self._ask(first // self._stride // CHUNK * CHUNK)

    def clear(self) -> None:
        """Forget all frames."""
        self.set(np.empty((0, 0), np.float32), None, 0)

    def _ask(self, start: int) -> None:
        """Ask for the first missing chunk from place `start` on, around the end."""
        size = len(self._images)
        starts = [*range(start, size, CHUNK), *range(0, min(start, size), CHUNK)]
        missing = next((place for place in starts if self._images[place] is None), None)
        if missing is None:
            return
        showing = self._showing
        chosen = self._latents[:: self._stride][missing : missing + CHUNK]
        weights = self._kl_weight
        if isinstance(weights, np.ndarray):
            weights = weights[:: self._stride][missing : missing + CHUNK]
        self._bridge.ask(
            Decode(chosen, weights),
            lambda answer: self._take(showing, missing, answer),
            lane="play",
            failed=lambda sentence: self.failed.emit(sentence) if showing == self._showing else None,
        )

    def _take(self, showing: int, start: int, answer: Answer) -> None:
        if showing != self._showing or not isinstance(answer, Decoded):
            return
        self._images[start : start + len(answer.images)] = list(answer.images)
        self._ask(start)
        self.grew.emit()
