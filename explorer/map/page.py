"""The Map page: the training pictures laid out in latent space, to look around in, load from and morph between."""

from dataclasses import dataclass
from functools import partial
from pathlib import PurePath

import numpy as np
from PyQt6.QtCore import QPointF, Qt, pyqtSignal
from PyQt6.QtGui import QShortcut, QShowEvent
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from explorer.bridge import Bridge
from explorer.map.bar import MapBar
from explorer.map.panel import FOLDER_COLOURS, NEIGHBOURS, MapPanel
from explorer.map.plane import PlaneView
from explorer.map.scatter import ScatterView
from explorer.messages import MapDone, MapLaid, MapPart, ModelInfo, PicturePoint, Progress, ReadMap, Unread, leading
from explorer.safe_text import line, plain
from explorer.state import mapping
from explorer.state.latent import tells_the_same
from explorer.state.plane import has_plane
from explorer.widgets import keys, theme
from explorer.widgets.keyboard import Ring
from explorer.widgets.offers import Offered, offer
from explorer.widgets.picture import Origin
from explorer.widgets.preferences import Preferences
from explorer.widgets.question import Question

NO_MODEL = "No model is open yet. Open one, and its training pictures are laid out here, similar ones near each other."
READING = "Looking at the training pictures …"
CHANGED = "The model has learned since this map was drawn."
HOW = (
    "Drag to move, wheel to zoom, F shows all. Click a picture to load it; Shift-drag from one to another to morph; "
    "Ctrl-drag takes it out."
)


@dataclass
class _Reading:
    """One request for a map."""

    ticket: int = 0


class MapPage(QWidget):
    """`picked` (latents, name): load this picture. `morph_wanted` (latents, latents): from one picture to another.

    `explore_wanted`: a picture was double-clicked, or Enter pressed; `picked` came just before.
    """

    picked = pyqtSignal(object, str)
    morph_wanted = pyqtSignal(object, object)
    explore_wanted = pyqtSignal()

    def __init__(self, bridge: Bridge, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._preferences = preferences
        self._model: ModelInfo | None = None
        self._reading: _Reading | None = None
        self._done: MapDone | None = None
        self._laid: np.ndarray | None = None  # places (n, 2) with similar pictures side by side
        self._point: np.ndarray | None = None
        self._shown: int | None = None  # the picture beside the map
        self._before: int | None = None  # the picture chosen before the chosen one
        self._build()
        self._clear()
        bridge.model_changed.connect(self._on_model)
        if bridge.model is not None:
            self._on_model(bridge.model, False)

    # ------------------------------------------------------------------ building

    def _build(self) -> None:
        self.scatter = ScatterView()
        self.ring = Ring(self.scatter)
        self.panel = MapPanel()
        self.plane = PlaneView(self._bridge, self._preferences)
        self.plane.picked.connect(self.picked)
        self.plane.hide()
        offer(self.scatter, self._offered_on_map, Qt.KeyboardModifier.ControlModifier)
        self.panel.picture.origin = self._origin_of_shown
        for number, button in enumerate(self.panel.buttons):
            offer(button, partial(self._offered_neighbour, number), Qt.KeyboardModifier.ControlModifier)
        self.question = Question(self._preferences)
        self.question.agreed.connect(self.read)
        self.status = QLabel()
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedWidth(160)
        middle = QHBoxLayout()
        middle.setSpacing(2 * theme.UNIT)
        middle.addWidget(self.scatter, 1)
        middle.addWidget(self.panel)
        middle.addWidget(self.plane, 1)
        bottom = QHBoxLayout()
        bottom.setSpacing(2 * theme.UNIT)
        bottom.addWidget(self.status, 1)
        bottom.addWidget(self.progress)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2 * theme.UNIT, theme.UNIT, 2 * theme.UNIT, theme.UNIT)
        layout.setSpacing(theme.UNIT)
        self.bar = self._make_bar()
        layout.addWidget(self.bar)
        layout.addWidget(self.question)
        layout.addLayout(middle, 1)
        layout.addLayout(bottom)
        self.scatter.hovered.connect(self._show_picture)
        self.scatter.clicked.connect(self._on_click)
        self.scatter.activated.connect(self._on_activated)
        self.scatter.dragged.connect(self._on_dragged)
        self.panel.neighbour_clicked.connect(self._on_click)
        self.panel.measure_changed.connect(self._show_neighbours)
        self.panel.folders_changed.connect(self._search)
        self.panel.coloured_changed.connect(lambda _: self._place())
        theme.notifier.changed.connect(self._place)

    def _make_bar(self) -> MapBar:
        bar = MapBar(self._preferences, self)
        self.layout_choice, self.across, self.up = bar.layout_choice, bar.across, bar.up
        self.search, self.found = bar.search, bar.found
        self.morph, self.fit, self.again, self.posteriors = bar.morph, bar.fit, bar.again, bar.posteriors
        self.posteriors.toggled.connect(self._show_plane)
        bar.places_changed.connect(lambda: self._place(refit=True))
        self.search.textChanged.connect(lambda _: self._search())
        self.search.returnPressed.connect(self._next_found)
        self.morph.toggled.connect(lambda on: setattr(self.scatter, "morphing", on))
        self.fit.clicked.connect(lambda: self.scatter.fit())
        self.again.clicked.connect(self._on_again)
        (search,), (morph,) = keys.sequences("search"), keys.sequences("morph")
        find = QShortcut(search, self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
        find.activated.connect(self.search.setFocus)
        between = QShortcut(morph, self.scatter, context=Qt.ShortcutContext.WidgetShortcut)
        between.activated.connect(self._morph_from_before)
        return bar

    # ------------------------------------------------------------------ asking

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._read_if_new()

    def _on_model(self, model: ModelInfo | None, same: bool) -> None:
        before, self._model = self._model, model
        if same and model is not None:
            if self._done is not None and not tells_the_same(before, model):  # not merely opened anew
                self._say(CHANGED)
        else:
            self._clear()
        if self.isVisible():
            self._read_if_new()

    def _clear(self) -> None:
        self._stop()
        self.question.ask(None)
        self._done, self._laid, self._before = None, None, None
        model = self._model
        self.pictures = mapping.Pictures(model.latent_dim, leading(model)) if model else mapping.Pictures(0)
        self.thumbnails: list[np.ndarray] = []
        self.scatter.clear()
        self._shown = None
        self.panel.show_picture(None)
        self.panel.show_neighbours((), [])
        self.panel.show_folders([], 0)
        self._set_axes()
        self._search()
        self._say("")
        self.scatter.set_message(NO_MODEL if self._model is None else "")
        self.posteriors.setVisible(has_plane(self._model))
        self._show_plane(self.posteriors.isChecked())
        self._show_reading()

    def _show_plane(self, wanted: bool) -> None:
        """The posteriors in the place of the map, or the map again."""
        shown = wanted and has_plane(self._model)
        self.scatter.setVisible(not shown)
        self.panel.setVisible(not shown)
        self.status.setVisible(not shown)  # which tells of the map
        self.plane.setVisible(shown)
        for widget in (self.layout_choice, self.across, self.up, self.search, self.morph, self.fit, self.again):
            widget.setEnabled(self._model is not None and not shown)

    def _read_if_new(self) -> None:
        if self._model is not None and self._reading is None and not len(self.pictures):
            self.read()

    def read(self) -> None:
        """Ask for the pictures of the open model."""
        if self._model is None:
            return
        self._clear()
        reading = self._reading = _Reading()
        self.scatter.set_message(READING)
        self._show_reading()
        reading.ticket = self._bridge.ask(
            ReadMap(agreed=self._preferences.agreed),
            partial(self._on_answer, reading),
            lane="map",
            failed=partial(self._on_failed, reading),
        )

    def _stop(self) -> None:
        if self._reading is not None:
            self._bridge.cancel(self._reading.ticket)
            self._reading = None

    def _on_again(self) -> None:
        if self._reading is None:
            self.read()
            return
        self._stop()
        self._show_reading()
        self._say(f"Stopped at {len(self.pictures):,} pictures.")

    def _show_reading(self) -> None:
        reading = self._reading is not None
        self.progress.setVisible(reading)
        self.progress.setRange(0, 0)
        laid_out = "&Lay out again" if len(self.pictures) else "&Lay out the pictures"
        self.again.setText("&Stop" if reading else laid_out)

    def _on_failed(self, reading: _Reading, sentence: str) -> None:
        if reading is not self._reading:
            return
        self._reading = None
        self._show_reading()
        waits = self.question.isVisibleTo(self)
        self._say("" if waits else sentence, error=True)
        self.scatter.set_message(line(sentence))

    def _on_answer(self, reading: _Reading, content: object) -> None:
        if reading is not self._reading:  # stopped, or another model since
            return
        if isinstance(content, Progress):
            self._show_progress(content.done, content.total)
        elif isinstance(content, Unread):
            self.question.ask(content)
        elif isinstance(content, MapPart):
            self.pictures.add(content)
            self.thumbnails.extend(content.thumbnails)
            self.scatter.add_thumbnails(content.thumbnails)
            self._show_progress(content.done, content.total)
            self._search()
            self._place()
        elif isinstance(content, MapLaid):
            self._laid = content.places
            self.progress.setRange(0, content.total)
            self.progress.setValue(content.done)
            self._say(f"{len(self.pictures):,} pictures. Similar ones come together …")
            if self.bar.by_likeness:
                self._place(refit=not self.scatter.touched)
        elif isinstance(content, MapDone):
            self._reading, self._done = None, content
            self._show_reading()
            self._set_axes()
            self._place(refit=not self.bar.by_likeness or not self.scatter.touched)
            self._show_neighbours()
            self._say(content.note or f"{len(self.pictures):,} pictures. {HOW}")

    def _show_progress(self, done: int, total: int) -> None:
        self.progress.setRange(0, max(total, 1))
        self.progress.setValue(done)
        self._say(f"{done:,} of {total:,} pictures")

    def _say(self, sentence: str, error: bool = False) -> None:
        self.status.setText(line(sentence))
        self.status.setToolTip(plain(sentence))
        self.status.setProperty("role", "error" if error else "quiet")
        style = self.status.style()
        if style is not None:
            style.polish(self.status)

    # ------------------------------------------------------------------ places

    def _set_axes(self) -> None:
        """Fill the two choices; what was chosen stays chosen, as far as it is still there."""
        self.axes = [] if self._model is None else mapping.axes_of(self._model, self._done)
        for combo, first in ((self.across, 0), (self.up, 1)):
            index = combo.currentIndex()
            with signals_blocked(combo):
                combo.clear()
                combo.addItems([axis.label for axis in self.axes])
                kept = index if 0 <= index < len(self.axes) else first
                combo.setCurrentIndex(min(kept, len(self.axes) - 1))

    def _place(self, refit: bool = False) -> None:
        if not self.axes:
            return
        across, up = self._chosen_axes()
        names, numbers = mapping.folder_names(self.pictures.folders, len(FOLDER_COLOURS))
        self.panel.show_folders(names, int(np.sum(numbers < 0)))
        if len(names) < 2 or not self.panel.coloured.isChecked():
            numbers = np.full(len(self.pictures), -1)
        places = self._laid_places()
        if places is None:
            places = mapping.positions(self.pictures.latents, across, up)
        self.scatter.set_places(places, list(FOLDER_COLOURS), numbers, refit)
        self._show_point()

    def _laid_places(self) -> np.ndarray | None:
        """The places of the neighbourhood layout, where it is chosen and there."""
        fits = self.bar.by_likeness and self._laid is not None and len(self._laid) == len(self.pictures)
        return self._laid.astype(np.float64) if fits and self._laid is not None else None

    def _chosen_axes(self) -> tuple[mapping.MapAxis, mapping.MapAxis]:
        return self.axes[self.across.currentIndex()], self.axes[self.up.currentIndex()]

    def _show_point(self) -> None:
        fits = self._point is not None and self.axes and len(self._point) == self.pictures.latent_dim
        places = self._laid_places()
        if self._point is None or not fits:
            self.scatter.set_cross(None)
        elif places is not None:
            here = self._point[self.pictures.columns]
            self.scatter.set_cross(mapping.place_among(self.pictures.latents, places, here))
        else:
            x, y = mapping.positions(self._point[None, self.pictures.columns], *self._chosen_axes())[0].tolist()
            self.scatter.set_cross((x, y))

    def set_point(self, latents: np.ndarray) -> None:
        """Where Explore is now: a crosshair."""
        self._point = np.asarray(latents, np.float32)
        self.plane.set_point(self._point)
        self._show_point()

    # ------------------------------------------------------------------ looking for pictures

    def _search(self) -> None:
        text, folders = self.search.text(), self.panel.chosen()
        if not text.strip() and not folders:
            self.matches = np.arange(len(self.pictures))
            was_searched = self.found.text() != ""
            self.scatter.set_shown(None)
            self.found.setText("")
            if was_searched:
                self.scatter.fit_shown()
            return
        shown = self.pictures.matching(text, folders)
        self.matches = np.flatnonzero(shown)
        self.scatter.set_shown(shown)
        if len(self.matches):
            self.scatter.fit_shown()
        self.found.setText(f"{len(self.matches)} of {len(self.pictures)}")

    def _next_found(self) -> None:
        if len(self.matches):
            after = self.matches[self.matches > (-1 if self.scatter.selected is None else self.scatter.selected)]
            self.select(int(after[0] if len(after) else self.matches[0]))

    # ------------------------------------------------------------------ choosing

    def select(self, index: int | None) -> None:
        """Choose a picture: its neighbours are shown, and the view moves so that it is inside."""
        if index is not None and self.scatter.selected not in (None, index):
            self._before = self.scatter.selected
        self.scatter.set_selected(index)
        if index is not None:
            self.scatter.show_picture(index)
        self._show_neighbours()
        self._show_picture(-1)

    def _show_neighbours(self) -> None:
        index = self.scatter.selected
        if index is None:
            self.panel.show_neighbours((), [])
            return
        assert self._model is not None
        near = mapping.nearest(
            self.pictures.latents,
            index,
            NEIGHBOURS,
            self.panel.measure.currentData(),
            active_variance=self._model.active_variance,
        ).tolist()
        self.scatter.set_selected(index, tuple(near))
        self.panel.show_neighbours(near, [(self.thumbnails[i], self.pictures.names[i]) for i in near])

    def _show_picture(self, hovered: int) -> None:
        index = self._shown = hovered if hovered >= 0 else self.scatter.selected
        if index is None:
            self.panel.show_picture(None)
        else:
            self.panel.show_picture(self.thumbnails[index], self.pictures.names[index], self.pictures.folders[index])

    def _latents(self, index: int) -> np.ndarray:
        return self.pictures.whole(index)

    # ------------------------------------------------------------------ what can be taken away

    def _offered(self, index: int | None) -> Offered | None:
        if index is None or not 0 <= index < len(self.thumbnails):
            return None
        return Offered(self.thumbnails[index], *self._origin(index))

    def _origin(self, index: int) -> Origin:
        """The picture's name, and its point: where the model finds it."""
        model = self._model
        name = PurePath(self.pictures.names[index]).stem
        if model is None or not model.digest:
            return name, None
        return name, PicturePoint(model.digest, model.name, self._latents(index), model.kl_weight)

    def _origin_of_shown(self) -> Origin:
        return ("", None) if self._shown is None else self._origin(self._shown)

    def _offered_on_map(self, where: QPointF | None) -> Offered | None:
        if where is None:
            return self._offered(self.scatter.selected)
        return self._offered(self.scatter.picture_at(where.x(), where.y()))

    def _offered_neighbour(self, number: int, _: QPointF | None) -> Offered | None:
        return self._offered(self.panel.neighbour(number))

    def _on_click(self, index: int) -> None:
        self.select(index if index >= 0 else None)
        if index >= 0:
            self.picked.emit(self._latents(index), self.pictures.names[index])

    def _on_activated(self, index: int) -> None:
        self._on_click(index)
        self.explore_wanted.emit()

    def _on_dragged(self, start: int, end: int) -> None:
        self.morph_wanted.emit(self._latents(start), self._latents(end))

    def _morph_from_before(self) -> None:
        if self._before is not None and self.scatter.selected is not None:
            self._on_dragged(self._before, self.scatter.selected)
