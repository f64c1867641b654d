"""Which model is on screen, which one the engine holds, and which one is on its way. No Qt."""

from dataclasses import dataclass
from enum import Enum

from explorer.messages import ModelInfo


class Phase(Enum):
    """How far the opening of a model is."""

    IDLE = "no model"
    OPENING = "a file was named, and nothing is known of it yet"
    GLIMPSED = "what its card says is on screen, its network is being built"
    LOADED = "the engine holds the model on screen"
    ASIDE = "the model on screen answers while another file is opened in its place"
    LOST = "the engine does not hold the model on screen: it is to open it again"


@dataclass
class Opening:
    """A file on its way. `before` is the model to go back to where it fails; `same`: in its place, if it fits."""

    path: str
    before: ModelInfo | None
    same: bool
    phase: Phase  # OPENING, GLIMPSED or ASIDE
    ticket: int = 0


@dataclass
class OpenModel:
    """The model on screen. Each method is one arrow of the diagram in `explorer.bridge`."""

    shown: ModelInfo | None = None
    loaded: ModelInfo | None = None  # what the engine holds, where that is certain
    opening: Opening | None = None
    newest: str = ""  # the weights that the model on screen took last, newer than its file

    @property
    def phase(self) -> Phase:
        """Where we are in the diagram."""
        if self.opening is not None:
            return self.opening.phase
        if self.shown is None:
            return Phase.IDLE
        return Phase.LOADED if self.loaded is self.shown else Phase.LOST

    def begin(self, path: str, same: bool) -> Opening:
        """The file at `path` is to be opened; an opening that goes on is overtaken."""
        same = self.shown is not None and (same or path == self.shown.path)
        before = self.shown
        if self.opening is not None:
            before = self.opening.before
            self.loaded = None  # the engine may have completed it all the same
        aside = same and self.loaded is self.shown
        self.opening = Opening(path, before, same, Phase.ASIDE if aside else Phase.OPENING)
        return self.opening

    def glimpse(self, model: ModelInfo) -> bool:
        """The card says this much of the model. Whether it is the same one to a hand on its sliders."""
        assert self.opening is not None
        same = self._fits(model)
        self.opening.phase, self.shown = Phase.GLIMPSED, model
        return same

    def complete(self, model: ModelInfo) -> bool:
        """The file is loaded. Whether it is the same model to a hand on its sliders."""
        same = self.phase is Phase.GLIMPSED or self._fits(model)
        self.opening, self.newest = None, ""
        self.shown = self.loaded = model
        return same

    def give_up(self) -> bool:
        """The file cannot be opened. Whether another model than the one before had come on screen."""
        assert self.opening is not None
        before, self.opening = self.opening.before, None
        changed = self.shown is not before
        self.shown = before
        return changed

    def take_weights(self, path: str, model: ModelInfo) -> None:
        """The model on screen has newer weights, from `path`."""
        self.newest = path
        if self.opening is not None and self.opening.before is self.shown:  # another file is being opened meanwhile
            self.opening.before = model
        self.shown = self.loaded = model

    def reopen(self, model: ModelInfo) -> None:
        """The engine holds the model on screen again."""
        self.shown = self.loaded = model

    def lose(self) -> str:
        """The engine died. The path that was being opened aside: nobody asked for it by hand,
        so it is tried once more."""
        self.loaded = None
        return self.opening.path if self.opening is not None and self.phase is Phase.ASIDE else ""

    def _fits(self, model: ModelInfo) -> bool:
        old = self.shown if self.opening is not None and self.opening.same else None
        return old is not None and (old.latent_dim, old.image_shape) == (model.latent_dim, model.image_shape)
