"""Make: lead a morph through pictures, watch it, and take it away as a film, a picture or numbers."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QKeyEvent, QShowEvent
from PyQt6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from explorer.bridge import Bridge
from explorer.make.export import ExportBox
from explorer.make.film import Film
from explorer.make.form import FILMS, TABLES, MorphForm, heading
from explorer.make.leg import LegForm
from explorer.make.player import Player
from explorer.make.strip import Keyframe, KeyframeStrip
from explorer.make.way import Way, Weights, keyframe_weights, weight_at
from explorer.messages import (
    Answer,
    Decode,
    Decoded,
    ExportLatents,
    ExportMorph,
    ExportPicture,
    ModelInfo,
    PicturePoint,
)
from explorer.safe_text import caption
from explorer.state.bookmarks import Bookmark
from explorer.state.sliders import weights_of
from explorer.widgets import keys, theme
from explorer.widgets.bookmark_pictures import BookmarkPictures
from explorer.widgets.deferred import turns
from explorer.widgets.keyboard import in_turn
from explorer.widgets.notice import Notice
from explorer.widgets.picture import Origin
from explorer.widgets.pictured_menu import PicturedMenu
from explorer.widgets.preferences import Preferences

NO_MODEL = "Open a model first. Then morph from picture to picture here."
NO_PICTURE = "Bookmark two pictures in Explore, or drag from one to another on the Map."
ONE_PICTURE = "One more picture makes a morph: bookmark it in Explore, or add the current one."


class MakePage(QWidget):
    """The strip of keyframes is the state; the film, the player and what is exported follow from it."""

    def __init__(self, bridge: Bridge, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._model: ModelInfo | None = None
        self._kl_weight: float | None = None
        self._point: np.ndarray | None = None
        self._bookmarks: tuple[Bookmark, ...] = ()
        self._takes_bookmarks = True  # new bookmarks join the strip, until it shows a morph from the map
        self._plays = False  # a morph from the map plays as soon as it is made
        self._stale = True  # the film is to be made anew as soon as the page is on screen
        self._faded = False  # so are the pictures of the strip
        self.film = Film(bridge, self)
        self.player = Player(self.film, self)
        self.strip = KeyframeStrip(self)
        self.morph = MorphForm(preferences, self)
        self.leg = LegForm(self)
        self.notice = Notice(self)
        self.export = ExportBox(bridge, preferences, self._question, self.notice, self)
        self._build()
        self._connect()
        self._follow_model()
        self._refresh()

    # ------------------------------------------------------------------ what other pages tell

    def set_bookmarks(self, bookmarks: tuple[Bookmark, ...]) -> None:
        """The bookmarks of the open model. New ones join the strip; a renamed one is renamed there."""
        self._follow_model()
        known = {_key(bookmark) for bookmark in self._bookmarks}
        self._bookmarks = tuple(bookmarks)
        self._fill_menu()
        often = Counter(map(_key, bookmarks))  # which of two at one place is meant, nobody knows
        names = {_key(bookmark): bookmark.name for bookmark in bookmarks if often[_key(bookmark)] == 1}
        for keyframe in self.strip.keyframes():
            name = names.get(_key(keyframe), keyframe.name)
            if name != keyframe.name:
                self.strip.rename(keyframe, name)
        new = [bookmark for bookmark in bookmarks if _key(bookmark) not in known]
        if new and self._takes_bookmarks:
            self.strip.set_keyframes((*self.strip.keyframes(), *map(_keyframe, new)))
            self._changed()

    def set_point(self, latents: np.ndarray) -> None:
        """The picture that Explore shows."""
        self._point = np.array(latents, np.float32)
        self._refresh()

    def set_morph(self, start: np.ndarray, end: np.ndarray) -> None:
        """Play from one picture to the other; what was in the strip can be brought back."""
        self._follow_model()
        before = self.strip.keyframes()
        self.strip.set_keyframes((_named("From", start), _named("To", end)))
        if before and not _from_map(before):
            self._set_aside(before)
        self._takes_bookmarks = False
        self.player.go_to(0)
        self._plays = True
        self._changed()

    def set_kl_weight(self, kl_weight: float | None) -> None:
        """The weight at which pictures are decoded, where the model carries one."""
        if kl_weight != self._kl_weight:
            self._kl_weight = kl_weight
            if self._model is not None and self._model.carries_weight:
                self._repaint_all()

    # ------------------------------------------------------------------ the model

    def _follow_model(self) -> None:
        """Take note of the open model; pictures of one with other latents have no meaning here."""
        model, before = self._bridge.model, self._model
        self._model = model
        if before is not None and (model is None or _identity(model) != _identity(before)):
            self._bookmarks, self._point, self._takes_bookmarks = (), None, True
            self.strip.set_keyframes(())
            self.film.clear()
            self._fill_menu()
            self.notice.end("film", "strip")
        if model is not None and (before is None or _identity(model) != _identity(before)):
            self._kl_weight = model.kl_weight
            self.leg.set_range(*weights_of(model), model.carries_weight)
            self.export.form.set_model(model.name, model.image_shape[:2])

    def _model_changed(self, model: ModelInfo | None, same: bool) -> None:
        self._follow_model()
        self._repaint_all()

    def _repaint_all(self) -> None:
        """Every picture is decoded anew; the old ones stay on screen until then."""
        self._stale = self._faded = True
        self._update()

    def _weight(self) -> float | None:
        return self._kl_weight if self._model is not None and self._model.carries_weight else None

    # ------------------------------------------------------------------ the strip and the film

    def latents(self) -> np.ndarray:
        """The latents of every frame, float32 (frames, latent)."""
        return self._way().latents(self._model.latent_dim if self._model else 0)

    def weights(self) -> Weights:
        """The KL weight of every frame, (frames,), or the one of all; None where the model follows none."""
        return self._way().weights()

    def _way(self) -> Way:
        return Way(self.strip.keyframes(), self.morph, self._weight())

    def _origin_of_frame(self) -> Origin:
        """What the frame that is shown is called, and where it was painted."""
        latents, weights = self.latents(), self.weights()
        place = min(self.player.position, len(latents) - 1)
        if place < 0:
            return "", None
        return self._origin(latents[place], weight_at(weights, place))

    def _origin_of_keyframe(self, keyframe: Keyframe) -> Origin:
        return self._origin(keyframe.latents, self._weight() if keyframe.kl_weight is None else keyframe.kl_weight)

    def _origin(self, latents: np.ndarray, kl_weight: float | None) -> Origin:
        model = self._model
        if model is None or not model.digest:
            return "" if model is None else model.name, None
        weight = model.kl_weight if kl_weight is None else kl_weight
        return model.name, PicturePoint(model.digest, model.name, np.array(latents, np.float32), weight)

    def add_point(self) -> None:
        """Put the picture that Explore shows at the end of the strip."""
        if self._point is not None:
            taken = {keyframe.name for keyframe in self.strip.keyframes()}
            number = next(n for n in range(1, len(taken) + 2) if f"Picture {n}" not in taken)
            self.strip.add(replace(_named(f"Picture {number}", self._point), kl_weight=self._weight()))

    def _changed(self) -> None:
        self._stale = True
        self._update()

    def _update(self) -> None:
        """Ask for what is missing on screen. While the page is hidden nothing is asked:
        it would only slow the others."""
        if self.isVisible() and self._stale and self._model is not None:
            self._stale = False
            self.notice.end("film")
            self._ask_pictures(self._faded)
            self._faded = False
            height, width, channels = self._model.image_shape
            self.player.set_rate(self.morph.frames_per_second)
            latents = self.latents()
            first = min(self.player.position, max(0, len(latents) - 1))
            self.film.set(latents, self.weights(), height * width * channels, first)
            self.player.refresh()
            if self._plays:
                self._plays = False
                self.player.play()
        self._refresh()

    def _ask_pictures(self, every: bool) -> None:
        wanted = [k for k in self.strip.keyframes() if every or not self.strip.has_picture(k)]
        if not wanted:
            return

        def take(decoded: Answer) -> None:
            if not isinstance(decoded, Decoded):
                return
            for keyframe, image in zip(wanted, decoded.images, strict=True):
                self.strip.set_picture(keyframe, image)

        points, own = np.stack([keyframe.latents for keyframe in wanted]), self._weight()
        weights = own if own is None else np.array(keyframe_weights(wanted, own))
        question = Decode(points, own if np.all(weights == own) else weights)
        self._bridge.ask(question, take, lane="keys", failed=self._film_failed)

    def _film_failed(self, sentence: str) -> None:
        self.notice.show_error(sentence, "film")

    def _set_aside(self, keyframes: tuple[Keyframe, ...]) -> None:
        """Offer to bring back what was in the strip."""
        latent_dim = len(keyframes[0].latents)

        def bring_back() -> None:
            if self._model is not None and self._model.latent_dim == latent_dim:
                self._takes_bookmarks = True
                self.strip.set_keyframes(keyframes)
                self._changed()

        many = f"{len(keyframes)} pictures were" if len(keyframes) > 1 else "1 picture was"
        self.notice.show_info(f"{many} taken out of the strip.", "Bring back", bring_back, subject="strip")

    def _clear_strip(self) -> None:
        before = self.strip.keyframes()
        self.strip.set_keyframes(())
        self._takes_bookmarks = True
        if before:
            self._set_aside(before)
        self._changed()

    def _look_at(self, row: int) -> None:
        if not self.player.playing:
            self.player.go_to(self._way().start(row))

    def _fill_menu(self) -> None:
        self._menu.clear()
        entries = []
        for bookmark in self._bookmarks:
            entry = QAction(caption(bookmark.name), self._menu)
            entry.triggered.connect(lambda _, chosen=bookmark: self.strip.add(_keyframe(chosen)))
            self._menu.addAction(entry)
            entries.append(entry)
        self._pictures.set_entries(entries, self._bookmarks)
        self.bookmarks_button.setEnabled(bool(self._bookmarks))

    # ------------------------------------------------------------------ export

    def _question(self, path: str) -> ExportMorph | ExportPicture | ExportLatents:
        """What the engine is to write at `path`, whose ending says the kind."""
        form, ending = self.export.form, self.export.form.ending
        latents, weights = self.latents(), self.weights()
        model = self._model.path if self._model is not None else ""
        if ending in FILMS:
            rate = self.morph.frames_per_second
            return ExportMorph(path, latents, rate, form.side, form.smooth, self.morph.loop, weights, model)
        if ending in TABLES:
            keyframes = self.strip.keyframes()
            return ExportLatents(path, np.stack([k.latents for k in keyframes]), tuple(k.name for k in keyframes))
        place = min(self.player.position, len(latents) - 1)
        return ExportPicture(path, latents[place], form.side, form.smooth, weight_at(weights, place), model)

    # ------------------------------------------------------------------ what is on screen

    def _refresh(self) -> None:
        """Set every label and button from the state."""
        count = self.strip.count()
        self.empty.setText(NO_MODEL if self._model is None else (NO_PICTURE if count == 0 else ONE_PICTURE))
        self.empty.setVisible(count < 2)
        self._left.setStretchFactor(self.empty, 0 if count else 1)  # alone it has the picture's place
        self.player.setVisible(count > 0)
        self.add_button.setEnabled(self._point is not None and self._model is not None)
        current = self.strip.currentRow()
        for button in self._edits:
            button.setEnabled(current >= 0)
        self.clear_button.setEnabled(count > 0)
        self.player.view.set_smooth(self.export.form.smooth)
        self.leg.show_keyframe(self.strip.current())
        for part in (self._leg_heading, self.leg):
            part.setVisible(current >= 0)
        self.export.describe(count, self._way().count, self.morph.frames_per_second)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Space that no widget wanted plays and pauses."""
        if keys.pressed("play", event) and event is not None and not event.isAutoRepeat():
            self.player.toggle()
            return
        super().keyPressEvent(event)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        turns.finish(self)
        self._update()

    # ------------------------------------------------------------------ building

    def _connect(self) -> None:
        self._bridge.model_changed.connect(self._model_changed)
        self._bridge.engine_changed.connect(self._engine_changed)
        self.film.failed.connect(self._film_failed)
        self.strip.changed.connect(self._changed)
        self.strip.chosen.connect(self._look_at)
        self.strip.itemSelectionChanged.connect(self._refresh)
        self.morph.changed.connect(self._changed)
        self.leg.changed.connect(self.strip.exchange)
        self.player.view.origin = self._origin_of_frame
        self.strip.origin = self._origin_of_keyframe
        self.export.changed.connect(self._refresh)
        theme.notifier.changed.connect(self._draw_icons)

    def _engine_changed(self, state: str, sentence: str) -> None:
        if state == "ready" and not self.film.complete:
            self._repaint_all()

    def _build(self) -> None:
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)  # so that Space is heard after a click on the picture
        self.empty = QLabel(self)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self.empty.setProperty("role", "quiet")
        self._left = left = QVBoxLayout()
        left.setSpacing(theme.UNIT)
        left.addWidget(self.player, 1)
        left.addWidget(self.empty)
        left.addLayout(self._tool_row())
        left.addWidget(self.strip)
        body = QHBoxLayout()
        body.setContentsMargins(2 * theme.UNIT, 2 * theme.UNIT, theme.UNIT, 2 * theme.UNIT)
        body.setSpacing(2 * theme.UNIT)
        body.addLayout(left, 1)
        body.addWidget(self._side())
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.setSpacing(0)
        page.addLayout(body, 1)
        self._draw_icons()

    def _tool_row(self) -> QHBoxLayout:
        self.add_button = QPushButton("&Add the current picture", self)
        self.add_button.setToolTip("Put the picture that Explore shows at the end of the strip")
        self.add_button.clicked.connect(self.add_point)
        self._menu = PicturedMenu(self)
        self._pictures = BookmarkPictures(self._bridge, self._menu)
        self.bookmarks_button = QPushButton("Add a &bookmark ▾", self)
        self.bookmarks_button.setMenu(self._menu)
        self.bookmarks_button.setEnabled(False)
        self.earlier_button = self._tool("Move to the left (Alt+←)", lambda: self.strip.shift(-1))
        self.later_button = self._tool("Move to the right (Alt+→)", lambda: self.strip.shift(1))
        self.duplicate_button = self._tool("Duplicate (Ctrl+D)", self.strip.duplicate)
        self.remove_button = self._tool("Remove (Delete)", self.strip.remove)
        self.clear_button = self._tool("Empty the strip", self._clear_strip)
        self._edits = (self.earlier_button, self.later_button, self.duplicate_button, self.remove_button)
        row = QHBoxLayout()
        row.setSpacing(theme.UNIT)
        row.addWidget(self.add_button)
        row.addWidget(self.bookmarks_button)
        row.addStretch(1)
        for button in (*self._edits, self.clear_button):
            row.addWidget(button)
        return row

    def _tool(self, tip: str, act) -> QToolButton:
        button = QToolButton(self)
        button.setToolTip(tip)
        button.setAccessibleName(tip.split(" (")[0])
        button.clicked.connect(act)
        return button

    def _side(self) -> QScrollArea:
        """The column of forms; it scrolls on a low screen."""
        column = QWidget(self)
        rows = QVBoxLayout(column)
        rows.setContentsMargins(0, 0, theme.UNIT, 0)
        rows.setSpacing(theme.UNIT)
        self._leg_heading = heading("From this picture on", column)
        self._leg_heading.setToolTip("Of the picture that is chosen in the strip")
        parts = (heading("Morph", column), self.morph, self._leg_heading, self.leg, heading("Export", column))
        for part in (*parts, self.export):
            rows.addWidget(part)
        for above in (self._leg_heading, parts[-1]):
            above.setContentsMargins(0, theme.UNIT, 0, 0)
        rows.addStretch(1)
        side = QScrollArea(self)
        side.setFrameShape(QFrame.Shape.NoFrame)
        side.setWidgetResizable(True)
        side.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        side.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        side.setFixedWidth(40 * theme.UNIT)
        turns.give(self, lambda: side.setWidget(column), self._order)  # with the polish of all that is in it
        return side

    def _order(self) -> None:
        row = (self.add_button, self.bookmarks_button, *self._edits, self.clear_button)
        in_turn(self.player, *row, self.strip, self.morph, self.leg, self.export)

    def _draw_icons(self) -> None:
        names = ("ph.arrow-left", "ph.arrow-right", "ph.copy", "ph.trash", "ph.eraser")
        for button, name in zip((*self._edits, self.clear_button), names, strict=True):
            button.setIcon(theme.icon(name))


def _identity(model: ModelInfo) -> tuple[Any, ...]:
    return model.path, model.latent_dim, tuple(model.image_shape)


def _key(one: Bookmark | Keyframe) -> tuple[bytes, float | None]:
    """The same for latents that are the same float32 numbers, at the same weight."""
    return np.asarray(one.latents, np.float32).tobytes(), one.kl_weight


def _keyframe(bookmark: Bookmark) -> Keyframe:
    return Keyframe(bookmark.name, np.array(bookmark.latents, np.float32), bookmark.kl_weight)


def _named(name: str, latents: np.ndarray) -> Keyframe:
    return Keyframe(name, np.array(latents, np.float32))


def _from_map(keyframes: tuple[Keyframe, ...]) -> bool:
    return tuple(keyframe.name for keyframe in keyframes) == ("From", "To")
