"""The pictures that stand beside the large one: the point that is held, and the picture that the point was found in."""

from collections.abc import Callable
from functools import partial

import numpy as np
from PyQt6.QtCore import QObject

from explorer.bridge import Bridge
from explorer.explore.stage import OWN, PAINTING, Stage
from explorer.messages import Decode, Decoded, Encode, Encoded
from explorer.state.latent import LatentPoint, LatentState

KEPT = "What the model kept: it is soft where the model knows only what many pictures have in common."
MORE = "A lower KL weight keeps more."
MORE_OF_ALL = "More latents, or a longer training, keep more."
Ask = Callable[[LatentPoint], Decode | Encode]


class Beside(QObject):
    """Asks for the picture of the other point where it changes, and shows the original until it is put away."""

    def __init__(self, bridge: Bridge, stage: Stage, ask: Ask, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._stage, self._ask = bridge, stage, ask
        self._other: object = None  # what tells the picture of the other point
        self._original: np.ndarray | None = None
        self._put_away: np.ndarray | None = None
        self._start: LatentPoint | None = None  # of the model: a picture that it stores
        self._keeps = ""  # what would keep more of a picture
        stage.original.closed.connect(self._close_original)

    def begin(self, start: LatentPoint, autoencoder: bool) -> None:
        """Another model begins at `start`."""
        self._start, self._keeps = start, MORE_OF_ALL if autoencoder else MORE

    def show_state(self, state: LatentState, moment: object) -> None:
        """What belongs beside `state`; another `moment` is another model, or another KL weight."""
        self._show_other(state, moment)
        self._original = state.point.original
        inset, point = self._stage.original, state.point
        stored = self._start is not None and self._original is self._start.original
        inset.caption.setText(PAINTING if stored else OWN)
        kept = self._original is not None and (point.encoded_at is not None or point is self._start)
        self._stage.remark(f"{KEPT} {self._keeps}" if kept else "")
        if self._original is None or self._original is self._put_away:
            inset.hide()
        elif inset.isHidden() or inset.view.image is not self._original:
            inset.show_picture(self._original)

    def look_at_original(self) -> None:
        """Show the picture itself in the large."""
        self._stage.look_at(self._original)

    def _show_other(self, state: LatentState, moment: object) -> None:
        inset, other = self._stage.other, state.other
        inset.caption.setText("B" if state.showing == "A" else "A")
        key = (moment, other, state.details)
        if other is None:
            inset.hide()
        elif key != self._other:
            self._bridge.ask(self._ask(other), partial(self._take_other, key), lane="other")
        self._other = key

    def _take_other(self, key: object, content: object) -> None:
        if isinstance(content, Decoded | Encoded) and key == self._other:
            image = content.images[0] if isinstance(content, Decoded) else content.reconstruction
            self._stage.other.show_picture(image)

    def _close_original(self) -> None:
        self._put_away = self._original
        self._stage.original.hide()
