"""The way of a morph as numbers: which latents and which KL weight each frame has."""

from collections.abc import Sequence

import numpy as np

from explorer.make.form import MorphForm
from explorer.make.strip import Keyframe
from explorer.state.paths import frame_count, path, starts, weights_along

Weights = float | np.ndarray | None  # of all frames, or of each (frames,)


class Way:
    """From keyframe to keyframe, each with what is its own; the rest as `form` says for all. `kl_weight` is that of
    keyframes without one; None: the pictures follow none."""

    def __init__(self, keyframes: Sequence[Keyframe], form: MorphForm, kl_weight: float | None) -> None:
        self._keyframes, self._form = keyframes, form
        self._legs = [form.frames_of(keyframe.seconds) for keyframe in keyframes]
        self._easings = [keyframe.easing or form.easing for keyframe in keyframes]
        self._weights = None if kl_weight is None else keyframe_weights(keyframes, kl_weight)

    @property
    def count(self) -> int:
        """How many frames there are."""
        return frame_count(len(self._keyframes), self._legs, self._form.loop)

    def start(self, row: int) -> int:
        """The frame that shows the keyframe at this place."""
        return starts(len(self._keyframes), self._legs)[row]

    def latents(self, latent_dim: int) -> np.ndarray:
        """Of every frame, float32 (frames, latent)."""
        if not self._keyframes:
            return np.empty((0, latent_dim), np.float32)
        points = np.stack([keyframe.latents for keyframe in self._keyframes])
        form = self._form
        return path(points, self._legs, style=form.style_name, loop=form.loop, easing=self._easings)

    def weights(self) -> Weights:
        """Of every frame, float64 (frames,), or the one of all."""
        if not self._weights or len(set(self._weights)) == 1:
            return self._weights[0] if self._weights else None
        return weights_along(self._weights, self._legs, loop=self._form.loop, easing=self._easings)


def keyframe_weights(keyframes: Sequence[Keyframe], kl_weight: float) -> list[float]:
    """The weight of each keyframe: its own, or `kl_weight`."""
    return [kl_weight if keyframe.kl_weight is None else keyframe.kl_weight for keyframe in keyframes]


def weight_at(weights: Weights, frame: int) -> float | None:
    """The weight of one frame."""
    return float(weights[frame]) if isinstance(weights, np.ndarray) else weights
