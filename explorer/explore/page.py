"""The Explore page: a picture, the sliders that make it, and everything that moves them."""

from functools import partial

import numpy as np
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QShowEvent
from PyQt6.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget
from superqt.utils import QSignalThrottler

from explorer.bridge import Bridge
from explorer.explore.beside import Beside
from explorer.explore.bookmarks import BookmarkKeeper
from explorer.explore.controls import Rule
from explorer.explore.filmstrip import Filmstrips
from explorer.explore.pad import PadPictures
from explorer.explore.panel import ExplorePanel, make_actions, show_undo
from explorer.explore.stage import Stage
from explorer.explore.undo import History
from explorer.messages import Decode, Decoded, Encode, Encoded, ModelInfo, PicturePoint, Recalled
from explorer.state.bookmarks import Bookmark
from explorer.state.latent import LatentPoint, LatentState, Moment, stand_in, starting_point, tells_the_same
from explorer.state.sliders import SliderAxis, Sliders, axes_of, centre_of, found, unit_of
from explorer.widgets import keys
from explorer.widgets.keyboard import HeldKey
from explorer.widgets.notice import Notice
from explorer.widgets.picture import FILTER, Origin
from explorer.widgets.preferences import Preferences

# ms between two questions for a picture: a mouse speaks every 8 ms, and the newest question replaces older ones
FRAME = 8
SETTLE = 33  # ms between two moves of sliders that nobody holds
_SMOOTH = "explore/smooth"
RECALLED = "This model painted this picture: here it stands again, where it was saved."
_WAITING = "Until then a rough sketch stands here."


class ExplorePage(QWidget):
    """Shows one point of the open model. Every change is a new `LatentState`,
    one step of undo and one picture asked for."""

    point_changed = pyqtSignal(object)  # np.ndarray (latent,)
    bookmarks_changed = pyqtSignal(object)  # tuple[Bookmark]

    def __init__(self, bridge: Bridge, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._preferences = bridge, preferences
        self._info: ModelInfo | None = None
        self._axes = self._dimensions = Sliders()  # those on the screen, and those of latent dimensions
        self._mode = ""  # of the sliders on the screen
        self._era = 0  # of another model, or one that was opened anew: pictures of an earlier one are not shown
        self._weights = 0  # of the model: what others encoded is encoded anew
        self._asked, self._shown_ask = 0, 0
        self._decoded = False  # whether the picture on the screen is the engine's
        self._weighing = self._engine_ready = False
        self.history = History(self._show, self)
        self.undo_stack = self.history.stack
        self.bookmarks = BookmarkKeeper(bridge, preferences, self)
        does = {"undo": self.undo_stack.undo, "redo": self.undo_stack.redo, "dice": self.roll, "reset": self.reset}
        does |= {"hold": self.hold, "swap": self.swap, "picture": self.choose_picture, "bookmark": self.add_bookmark}
        self._acts = make_actions(self, does, self._set_smooth)
        self._lay_out()
        self.beside = Beside(bridge, self.stage, self._question, self)
        self.strips = Filmstrips(bridge, self.panel.sliders, self._origin, self)
        self.under_pad = PadPictures(bridge, self.panel.pad, self)
        self.stage.origin = lambda: self._origin(self.point())
        self.stage.other.view.origin = self._origin_of_other
        self._space = HeldKey("swap", self)
        self._throttle = QSignalThrottler(parent=self)  # leading and trailing: the last value always arrives
        self._throttle.setTimeout(FRAME)
        self._throttle.triggered.connect(self._ask_picture)
        self._settle = QSignalThrottler(parent=self)  # sliders that follow a picture leave the time to it
        self._settle.setTimeout(SETTLE)
        self._settle.triggered.connect(self._show_point)
        self._connect()
        self._set_smooth(bool(preferences.get(_SMOOTH, True)))
        self._on_model(bridge.model, False)

    def _lay_out(self) -> None:
        self.stage, self.notice = Stage(self), Notice(self)
        self.panel = ExplorePanel(self._acts, self.bookmarks.buttons(self._acts["bookmark"]), self)
        line = Rule(self, upright=True)
        self._beside = (line, self.panel)
        across = QHBoxLayout()
        across.setSpacing(0)
        across.addWidget(self.stage, 1)
        across.addWidget(line)
        across.addWidget(self.panel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(across, 1)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # so that D and Space are heard after a click on the picture

    def _connect(self) -> None:
        panel, stage, rows = self.panel, self.stage, self.panel.sliders
        for moving in (rows, panel.pad, panel.dice, panel.details):
            moving.pressed.connect(self._press)
            moving.released.connect(self._release)
        rows.wanted.connect(self._move)
        rows.typed.connect(self._move)
        panel.pad.wanted.connect(lambda x, y: self._change(self._state().moved(0, x).moved(1, y), "move both latents"))
        panel.finder.taken.connect(self._find)
        rows.reset_wanted.connect(
            lambda axis: self._change(axis.moved(self._state(), axis.centre), _named("reset", axis))
        )
        rows.lock_wanted.connect(self._lock)
        panel.mode.chosen.connect(self._set_mode)
        panel.weight.changed.connect(self._set_weight)
        panel.weight.released.connect(self._release_weight)
        panel.details.changed.connect(lambda share: self._change(self._state().with_details(share), "details"))
        panel.dice.temperature.connect(self._set_temperature)
        panel.dice.seed.connect(self._roll)
        panel.tools.swap_wanted.connect(self.swap)
        stage.other.clicked.connect(self.swap)
        stage.other.closed.connect(lambda: self._change(self._state().release(), "let go of the other point"))
        self._space.tapped.connect(self.swap)
        self._space.held.connect(self.beside.look_at_original)
        self._space.let_go.connect(lambda: stage.look_at(None))
        stage.picture.file_dropped.connect(self.open_picture)
        stack = self.undo_stack
        for told in (stack.indexChanged, stack.canUndoChanged, stack.canRedoChanged, stack.undoTextChanged):
            told.connect(self._show_undo)
        self.bookmarks.changed.connect(self.bookmarks_changed)
        self.bookmarks.chosen.connect(self._visit)
        self.bookmarks.said.connect(lambda sentence: self.notice.show_info(sentence, subject="bookmarks"))
        self.bookmarks.refused.connect(lambda sentence: self.notice.show_error(sentence, "bookmarks"))
        self._bridge.model_changed.connect(self._on_model)
        self._bridge.engine_changed.connect(self._on_engine)

    # ------------------------------------------------------------------ what others may ask

    def point(self) -> np.ndarray:
        """The point whose picture is on the screen, float32 (latent,); empty without a model."""
        state = self.history.state
        return np.zeros(0, np.float32) if state is None else state.painted(self._dimensions.behind)

    def kl_weight(self) -> float | None:
        """The KL weight that the pictures follow; None where the model carries none, or its own is meant."""
        state = self.history.state
        return state.kl_weight if state is not None and self._info is not None and self._info.carries_weight else None

    def go_to(self, latents: np.ndarray, text: str) -> None:
        """Show the point `latents`, (latent,), as one step of undo called `text`."""
        if self.history.state is not None:
            self._change(self._state().at(latents), text)

    def open_picture(self, picture: str | np.ndarray, png: bytes = b"") -> None:
        """Find a picture in the model and go there: a file, or pixels uint8 (h, w, 3) and the PNG that held them. One
        that this model painted leads back to where it did."""
        if self._info is None:
            return
        self.notice.end("picture")
        self.stage.say("Looking for your picture …")
        then, failed = partial(self._found, self._era_of_model(), self._moment(self._state())), self._not_found
        self._bridge.ask(Encode(picture, self.kl_weight(), png), then, lane="encode", failed=failed)

    def add_bookmark(self) -> None:
        """Keep the point on the screen."""
        if self.history.state is not None:
            kept = self.bookmarks.add(self.point(), self._weight(self._state()))
            self.stage.say(f"Kept as {kept.name}.")

    def roll(self) -> None:
        """Throw the dice: the next seed."""
        if self.history.state is not None:
            self._roll(self._state().next_seed())

    def reset(self) -> None:
        """Everything that is not locked back to the middle."""
        if self._info is not None:
            directions = self._state().mode == "directions"
            centre = np.asarray(self._info.means, np.float64) if directions else centre_of(self._info)
            self._change(self._state().reset(centre), "reset all")

    def hold(self) -> None:
        """Keep this point as the other one."""
        if self.history.state is not None:
            self._change(self._state().held(), "hold this point")

    def swap(self) -> None:
        """Show the other point."""
        if self.history.state is not None:
            self._change(self._state().swapped(), "A and B")

    def choose_picture(self) -> None:
        """Ask for a picture file, and open it."""
        path, _ = QFileDialog.getOpenFileName(self, "My picture", "", FILTER)
        if path:
            self.open_picture(path)

    # ------------------------------------------------------------------ one change

    def _state(self) -> LatentState:
        state = self.history.state
        assert state is not None
        return state

    def _change(self, after: LatentState, text: str) -> None:
        self.history.change(after, text)

    def _press(self) -> None:
        self._weighing = False
        self.history.press()
        self.strips.set_busy(True)

    def _release(self) -> None:
        self._weighing = False
        self.history.release()
        self.strips.set_busy(False)

    def _move(self, axis: SliderAxis, value: float) -> None:
        self._change(axis.moved(self._state(), value), _named("move", axis))

    def _find(self, number: float | None) -> None:
        """Bring the slider of this latent dimension, counted from 1, into view."""
        if number is not None and self._info is not None and self._mode == "dimensions":
            self._axes = self._dimensions = found(self._dimensions, self._info, int(number) - 1)
            self.panel.sliders.set_axes(self._axes)
            self.panel.sliders.reveal(int(number) - 1)
            self.panel.finder.set_value(None)
            self._show(self._state())

    def _lock(self, axis: SliderAxis) -> None:
        if axis.direction is not None:
            self.stage.say("Locks belong to latent dimensions: lock them there.")
            return
        words = "unlock" if axis.index in self._state().locked else "lock"
        self._change(self._state().toggled_lock(axis.index), _named(words, axis))

    def _set_mode(self, place: int) -> None:
        self._change(self._state().with_mode("directions" if place else "dimensions"), "kind of sliders")

    def _set_weight(self, kl_weight: float) -> None:
        if not self._weighing:
            self._press()
            self._weighing = True
        self._change(self._state().with_weight(kl_weight), "KL weight")

    def _release_weight(self, _: float) -> None:
        """The hand let go of the weight; after keys that is said late, when another drag may have begun."""
        if self._weighing:
            self._release()

    def _set_temperature(self, temperature: float) -> None:
        assert self._info is not None
        after = self._state().warmed(temperature, centre_of(self._info), unit_of(self._info))
        self._change(after, "temperature")

    def _roll(self, seed: int) -> None:
        assert self._info is not None
        state = self._state()
        after = state.rolled(seed, state.temperature, centre_of(self._info), unit_of(self._info))
        self._change(after, f"dice, seed {seed}")

    def _visit(self, bookmark: Bookmark) -> None:
        self._recall(np.asarray(bookmark.latents), bookmark.kl_weight, bookmark.name)
        self.stage.say(bookmark.name)

    def _show(self, state: LatentState) -> None:
        """Set every widget with its signals blocked, then ask for one picture."""
        assert self._info is not None
        if self._decoded:
            self.stage.say("")
        if state.mode != self._mode:
            self._mode = state.mode
            self._axes = axes_of(self._info, state.mode) if state.mode == "directions" else self._dimensions
            self.panel.sliders.set_axes(self._axes)
        self._throttle.throttle()
        self.panel.show_state(state, self._weight(state), self._dimensions)
        self.beside.show_state(state, self._moment(state))
        if state.point.awaits(self._moment(state)):  # it is about to move by itself
            self._settle.throttle()
        else:
            self._show_point()
        if not self._decoded:
            self.stage.show_decoded(stand_in(self._info, state))

    def _show_point(self) -> None:
        """Set what shows where the point is."""
        state = self.history.state
        if state is not None:
            self.panel.sliders.show_state(state, self._weight(state))
            self.strips.follow(state, self.kl_weight(), self._dimensions.behind)
            both = (*self._dimensions.shown, *self._dimensions.unfolded)
            self.under_pad.follow(state, both, self._moment(state), self.kl_weight())
            self.point_changed.emit(self.point())

    def _weight(self, state: LatentState) -> float:
        """The weight at which `state` is shown: the one turned to, or the model's own."""
        assert self._info is not None
        weight = state.kl_weight if self._info.carries_weight else None
        return self._info.kl_weight if weight is None else weight

    def _moment(self, state: LatentState) -> Moment:
        return self._weights, self._weight(state)

    # ------------------------------------------------------------------ pictures

    def _ask_picture(self) -> None:
        state = self.history.state
        if state is None:
            return
        self._asked += 1
        then = partial(self._take_picture, self._era, self._moment(state), self._asked, state.point.original)
        failed = partial(self._no_picture, self._era)
        self._bridge.ask(self._question(state.point), then, lane="picture", failed=failed)

    def _question(self, point: LatentPoint) -> Decode | Encode:
        """What gives the picture at `point`: its original encoded anew where it awaits that, or its latents decoded."""
        state = self._state()
        if point.original is not None and point.awaits(self._moment(state)):
            return Encode(point.original, self.kl_weight())
        return Decode(state.painted(self._dimensions.behind, point.values)[None], self.kl_weight())

    def _take_picture(self, era: int, moment: Moment, ask: int, original: np.ndarray | None, content: object) -> None:
        """Show a picture, unless it is of another model or older than the one on the screen."""
        if not isinstance(content, Decoded | Encoded) or era != self._era or ask < self._shown_ask:
            return
        self._shown_ask = ask
        if isinstance(content, Decoded):
            self.stage.show_decoded(content.images[0])
        elif original is not None:
            self._take_encoded(moment, original, content)
        if not self._decoded:
            self._decoded = True
            self.stage.say("")

    def _take_encoded(self, moment: Moment, original: np.ndarray, content: Encoded) -> None:
        """The picture was encoded anew, at the weight of then: the point follows, unless it was moved since."""
        state = self._state()
        if state.details == 1.0:
            self.stage.show_decoded(content.reconstruction)
        if state.point.original is not original or state.point.encoded_at is None:
            return
        self.history.amend(state.encoded(content.latents, moment))
        self._settle.throttle()
        if state.details != 1.0:
            self._throttle.throttle()

    def _no_picture(self, era: int, sentence: str) -> None:
        if era == self._era:
            self.stage.say(sentence)

    def _era_of_model(self) -> tuple[str, int]:
        assert self._info is not None
        return self._info.path, self._info.latent_dim

    def _found(self, model: tuple[str, int], moment: Moment, content: object) -> None:
        if self._info is None or model != self._era_of_model():
            return
        if isinstance(content, Encoded):
            self._change(self._state().found(content.image, content.latents, moment), "my picture")
            self.stage.say(content.note)
        elif isinstance(content, Recalled):
            self._recall(content.latents, content.kl_weight, "my picture")
            self.stage.say(RECALLED)

    def _recall(self, latents: np.ndarray, kl_weight: float | None, text: str) -> None:
        """Back to a point that was kept with its weight, as one step of undo."""
        assert self._info is not None
        state = self._state().at(latents)
        if kl_weight is not None and self._info.carries_weight:
            state = state.with_weight(kl_weight)
        self._change(state, text)

    def _origin(self, latents: np.ndarray) -> Origin:
        """What a picture painted at `latents` now is called, and its point once the engine has painted one."""
        if self._info is None or not len(latents):
            return "", None
        info = self._info
        weight = self._weight(self._state())
        point = PicturePoint(info.digest, info.name, np.array(latents, np.float32), weight)
        return info.name, point if self._decoded and info.digest else None

    def _origin_of_other(self) -> Origin:
        state = self.history.state
        if state is None or state.other is None:
            return "", None
        return self._origin(state.painted(self._dimensions.behind, state.other.values))

    def _not_found(self, sentence: str) -> None:
        self.stage.say("")
        self.notice.show_error(sentence, "picture")

    # ------------------------------------------------------------------ the model and the engine

    def _on_model(self, info: ModelInfo | None, same: bool) -> None:
        self._era += 1
        before, known, self._info = self.history.state, self._info, info
        self._weights += not (same and tells_the_same(known, info))
        for widget in self._beside:
            widget.setVisible(info is not None)
        for action in self._acts.values():
            action.setEnabled(info is not None)
        self._show_undo()
        if info is None:
            self._axes = self._dimensions = Sliders()
            self.history.begin(None)
            self.strips.follow(None, None, self._dimensions.behind)
            self.bookmarks.load(None)
            self.stage.clear()
        elif same and before is not None and len(before.values) == info.latent_dim:
            self._renew(info, before)
        else:
            self._begin(info)

    def _begin(self, info: ModelInfo) -> None:
        """Another model: start at a picture, with nothing to undo."""
        self._decoded, self._mode = False, ""
        self._dimensions = axes_of(info, "dimensions")
        self.panel.set_model(info)
        self.strips.renew()
        for row in self.panel.sliders.rows:
            row.set_strip(None, None)
        start = starting_point(info, self._weights)
        self.beside.begin(start.point, info.autoencoder)
        self.history.begin(start)
        self.bookmarks.load(info)
        self.stage.say(f"{'Loading the model' if self._engine_ready else 'Starting the engine'}. {_WAITING}")

    def _renew(self, info: ModelInfo, state: LatentState) -> None:
        """The same model with newer weights: the point stays, every picture is made anew."""
        self.bookmarks.carry_over(info)
        self.panel.set_model(info)
        kept = self._axes if self._mode == "directions" else None
        self._dimensions = axes_of(info, "dimensions", keep=self._dimensions)
        self._axes = self._dimensions if kept is None else axes_of(info, "directions", keep=kept)
        self.panel.sliders.set_axes(self._axes)
        self.strips.renew()
        self._show(state)

    def _on_engine(self, state: str, sentence: str) -> None:
        self._engine_ready = state == "ready"
        if self._info is not None and state == "lost":
            self.stage.say("The engine is starting again; the picture stays until then.")

    # ------------------------------------------------------------------ small things

    def _set_smooth(self, smooth: bool) -> None:
        self.stage.set_smooth(smooth)
        self._acts["smooth"].setChecked(smooth)
        if smooth != self._preferences.get(_SMOOTH, True):
            self._preferences.set(_SMOOTH, smooth)

    def _show_undo(self, *_: object) -> None:
        show_undo(self._acts, self.undo_stack)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        if self.history.state is not None:
            self.strips.follow(self._state(), self.kl_weight(), self._dimensions.behind)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Keys that no widget on the page wanted. As shortcuts, D and Space would be taken from entries and buttons."""
        if event is None:
            return
        if keys.pressed("dice_plain", event):
            self.roll()
        elif keys.pressed("swap", event):
            if not event.isAutoRepeat():
                self._space.press()
        elif keys.pressed("undo", event):
            self.undo_stack.undo()
        elif keys.pressed("redo", event):
            self.undo_stack.redo()
        else:
            super().keyPressEvent(event)


def _named(verb: str, axis: SliderAxis) -> str:
    kind = "latent" if axis.direction is None else "direction"
    return f"{verb} {kind} {axis.index + 1}"
