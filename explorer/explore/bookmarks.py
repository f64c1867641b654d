"""The bookmark button: a press keeps the point, its arrow lists what was kept, each with its picture."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PyQt6.QtCore import QSize, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QFileDialog, QInputDialog, QMenu, QToolButton, QWidget

from explorer.bridge import Bridge
from explorer.explore.controls import IconButton
from explorer.messages import (
    Answer,
    BookmarksRead,
    Exported,
    ModelInfo,
    ReadBookmarks,
    WriteBookmarks,
)
from explorer.safe_text import caption, file_name, line
from explorer.state.bookmarks import (
    Bookmark,
    added,
    from_plain,
    key_of,
    key_of_weights,
    removed,
    renamed,
    to_plain,
    together,
)
from explorer.widgets.bookmark_pictures import BookmarkPictures
from explorer.widgets.pictured_menu import PicturedMenu
from explorer.widgets.preferences import Preferences

SUFFIX = ".bookmarks"
FILTER = f"Bookmarks (*{SUFFIX})"
NOT_FITTING = (
    "{} holds bookmarks of {}, whose latents are not those of this model. Open that model, and import them there."
)
OTHER = "{} bookmarks came from {}, another model than this one: they may paint other pictures here."
CAME = "{} bookmarks were imported."


class BookmarkKeeper(QWidget):
    """The bookmarks of the open model: in a file beside it, in the preferences for where none can be, and in a menu.

    `chosen` gives the one to go to, `said` a sentence, `refused` one that says what went wrong.
    """

    changed = pyqtSignal(object)  # tuple[Bookmark]
    chosen = pyqtSignal(object)  # Bookmark
    said = pyqtSignal(str)
    refused = pyqtSignal(str)

    def __init__(self, bridge: Bridge, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._preferences = bridge, preferences
        self._info: ModelInfo | None = None
        self._kept: tuple[Bookmark, ...] = ()
        self._added: tuple[Bookmark, ...] = ()  # since the file was asked for
        self.menu = PicturedMenu(self)
        self._pictures = BookmarkPictures(bridge, self.menu)

    def buttons(self, add: QAction) -> list[QToolButton]:
        """The two buttons for the tool row: keep this point, and the list of what was kept."""
        kept = QAction("Bookmarks", self)
        kept.setToolTip("Go to a bookmark, or rename or remove one")
        listing = IconButton("ph.caret-down", kept, colour="quiet")
        listing.setIconSize(QSize(12, 12))
        listing.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        listing.setMenu(self.menu)
        return [IconButton("ph.bookmark-simple", add), listing]

    @property
    def kept(self) -> tuple[Bookmark, ...]:
        """The bookmarks, oldest first."""
        return self._kept

    # ------------------------------------------------------------------ where they are kept

    def load(self, info: ModelInfo | None) -> None:
        """Take up those of this model, at once from the preferences and in a moment from the file beside it."""
        self._info, self._kept, self._added = info, (), ()
        if info is not None:
            self._kept = self._remembered(info)
            self._read()
        self._tell()

    def carry_over(self, info: ModelInfo) -> None:
        """The same model is in another file now, or more is known of it: what was kept while it trained comes along."""
        before, self._info = self._info, info
        if before is not None and key_of(before.path) == key_of(info.path):
            if not self._kept and info.digest != before.digest:
                self._kept = self._remembered(info)
                self._tell()
            return
        own = self._remembered(info)
        self._added = self._kept
        self._keep(together(own, self._kept))
        self._read()

    def _remembered(self, info: ModelInfo) -> tuple[Bookmark, ...]:
        found = from_plain(self._preferences.get(key_of(info.path)), info.latent_dim)
        if not found and info.digest:  # its file was moved without the one beside it
            found = from_plain(self._preferences.get(key_of_weights(info.digest)), info.latent_dim)
        return found

    def _read(self) -> None:
        info = self._info
        assert info is not None
        question = ReadBookmarks(beside(info.path), optional=True)
        self._bridge.ask(question, partial(self._take, info.path), lane="bookmarks", failed=self.refused.emit)

    def _take(self, path: str, answer: Answer) -> None:
        """The file beside the model is the truth, with what was added since it was asked for."""
        if self._info is None or self._info.path != path or not isinstance(answer, BookmarksRead):
            return
        if answer.entries is None:
            if self._kept:
                self._write()
            return
        found = together(from_plain(answer.entries, self._info.latent_dim), self._added)
        if found != self._kept:
            self._keep(found, write=bool(self._added))

    def _keep(self, kept: tuple[Bookmark, ...], write: bool = True) -> None:
        self._kept = kept
        if self._info is not None:
            plain = to_plain(kept) or None
            self._preferences.set(key_of(self._info.path), plain)
            if self._info.digest:
                self._preferences.set(key_of_weights(self._info.digest), plain)
            if write:
                self._write()
        self._tell()

    def _write(self) -> None:
        """Into the file beside the model; where none can be, the preferences have them all the same."""
        assert self._info is not None
        self._bridge.ask(self._question(beside(self._info.path), beside=True), lambda _: None, lane="keep bookmarks")

    def _question(self, path: str, *, beside: bool) -> WriteBookmarks:
        info = self._info
        assert info is not None
        return WriteBookmarks(path, info.digest, info.name, info.latent_dim, tuple(to_plain(self._kept)), beside)

    # ------------------------------------------------------------------ one more, one less

    def add(self, latents: np.ndarray, kl_weight: float | None = None) -> Bookmark:
        """Keep a point, float32 (latent,), under the next free number."""
        kept = added(self._kept, tuple(latents.tolist()), kl_weight=kl_weight)
        self._added = (*self._added, kept[-1])
        self._keep(kept)
        return self._kept[-1]

    def remove(self, place: int) -> None:
        """Forget one."""
        self._added = tuple(one for one in self._added if one != self._kept[place])
        self._keep(removed(self._kept, place))

    def rename(self, place: int, name: str) -> None:
        """Give one another name."""
        self._keep(renamed(self._kept, place, name))

    # ------------------------------------------------------------------ out and in

    def export(self, path: str) -> None:
        """Write them to a file of their own."""
        path = path if path.endswith(SUFFIX) else path + SUFFIX
        self._bridge.ask(self._question(path, beside=False), self._on_exported, failed=self.refused.emit)

    def _on_exported(self, answer: Answer) -> None:
        if isinstance(answer, Exported):
            self.said.emit(f"Saved to {answer.path}")

    def take_from(self, path: str) -> None:
        """Add those in a file."""
        self._bridge.ask(ReadBookmarks(path), self._on_imported, failed=self.refused.emit)

    def _on_imported(self, answer: Answer) -> None:
        info = self._info
        if info is None or not isinstance(answer, BookmarksRead) or answer.entries is None:
            return
        name = line(answer.name, 60) or "another model"
        found = from_plain(answer.entries, info.latent_dim)
        if answer.latent_dim != info.latent_dim:
            self.refused.emit(NOT_FITTING.format(Path(answer.path).name, name))
            return
        self._keep(together(self._kept, found))
        strange = answer.digest and info.digest and answer.digest != info.digest
        self.said.emit((OTHER if strange else CAME).format(len(found), name))

    def _choose_export(self) -> None:
        assert self._info is not None
        start = str(Path(self._info.path).with_name(f"{file_name(self._info.name)} bookmarks{SUFFIX}"))
        path, _ = QFileDialog.getSaveFileName(
            self, "Export the bookmarks", start, FILTER, options=QFileDialog.Option.DontConfirmOverwrite
        )
        if path:
            self.export(path)

    def _choose_import(self) -> None:
        assert self._info is not None
        path, _ = QFileDialog.getOpenFileName(self, "Import bookmarks", str(Path(self._info.path).parent), FILTER)
        if path:
            self.take_from(path)

    # ------------------------------------------------------------------ the menu

    def _tell(self) -> None:
        self._list()
        self.changed.emit(self._kept)

    def _list(self) -> None:
        self.menu.clear()
        entries: list[QAction] = []
        if not self._kept:
            self._entry(self.menu, "No bookmarks yet: press the button to keep this point").setEnabled(False)
        for bookmark in self._kept:
            entries.append(self._entry(self.menu, bookmark.name, partial(self._choose, bookmark)))
        self._pictures.set_entries(entries, self._kept)
        self.menu.addSeparator()
        if self._kept:
            for title, act in (("Rename", self._ask_name), ("Remove", self.remove)):
                below = QMenu(title, self.menu)
                for place, bookmark in enumerate(self._kept):
                    self._entry(below, bookmark.name, partial(_without_check, act, place))
                self.menu.addMenu(below)
            self._entry(self.menu, "Export…", lambda _: self._choose_export())
        if self._info is not None:
            self._entry(self.menu, "Import…", lambda _: self._choose_import())

    def _entry(self, menu: QMenu, text: str, act: Callable[[bool], None] | None = None) -> QAction:
        entry = QAction(caption(text), menu)
        if act is not None:
            entry.triggered.connect(act)
        menu.addAction(entry)
        return entry

    def _choose(self, bookmark: Bookmark, _: bool) -> None:
        self.chosen.emit(bookmark)

    def _ask_name(self, place: int) -> None:
        name, taken = QInputDialog.getText(self, "Rename the bookmark", "Name", text=self._kept[place].name)
        if taken:
            self.rename(place, name)


def beside(path: str) -> str:
    """The file of the bookmarks of the model at `path`."""
    return str(Path(path).with_suffix(SUFFIX))


def _without_check(act: Callable[[int], None], place: int, _: bool) -> None:
    act(place)
