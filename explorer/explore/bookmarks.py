"""The bookmark button: a press keeps the point, its arrow lists what was kept."""

from collections.abc import Callable
from functools import partial

import numpy as np
from PyQt6.QtCore import QSize, pyqtSignal
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QInputDialog, QMenu, QToolButton, QWidget

from explorer.explore.controls import IconButton
from explorer.safe_text import caption
from explorer.state.bookmarks import Bookmark, added, from_plain, key_of, removed, renamed, to_plain
from explorer.widgets.preferences import Preferences


class BookmarkKeeper(QWidget):
    """The bookmarks of the open model, in the preferences and in a menu. `chosen` gives the one to go to."""

    changed = pyqtSignal(object)  # tuple[Bookmark]
    chosen = pyqtSignal(object)  # Bookmark

    def __init__(self, preferences: Preferences, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preferences = preferences
        self._key = ""
        self._kept: tuple[Bookmark, ...] = ()
        self.menu = QMenu(self)
        self.menu.setToolTipsVisible(True)

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

    def load(self, path: str, latent_dim: int) -> None:
        """Take up those of the model at `path`; "" has none."""
        self._key = key_of(path) if path else ""
        self._kept = from_plain(self._preferences.get(self._key), latent_dim) if path else ()
        self._tell()

    def carry_over(self, path: str, latent_dim: int) -> None:
        """The same model is in another file now: what was kept while it trained comes along."""
        if (key := key_of(path)) == self._key:
            return
        own = from_plain(self._preferences.get(key), latent_dim)
        taken = {bookmark.name for bookmark in own}
        self._key = key
        self._keep((*own, *(bookmark for bookmark in self._kept if bookmark.name not in taken)))

    def add(self, latents: np.ndarray) -> Bookmark:
        """Keep a point, float32 (latent,), under the next free number."""
        self._keep(added(self._kept, tuple(latents.tolist())))
        return self._kept[-1]

    def remove(self, place: int) -> None:
        """Forget one."""
        self._keep(removed(self._kept, place))

    def rename(self, place: int, name: str) -> None:
        """Give one another name."""
        self._keep(renamed(self._kept, place, name))

    def _keep(self, kept: tuple[Bookmark, ...]) -> None:
        self._kept = kept
        if self._key:
            self._preferences.set(self._key, to_plain(kept) or None)
        self._tell()

    def _tell(self) -> None:
        self._list()
        self.changed.emit(self._kept)

    def _list(self) -> None:
        self.menu.clear()
        if not self._kept:
            self._entry(self.menu, "No bookmarks yet: press the button to keep this point").setEnabled(False)
            return
        for bookmark in self._kept:
            self._entry(self.menu, bookmark.name, partial(self._choose, bookmark))
        self.menu.addSeparator()
        for title, act in (("Rename", self._ask_name), ("Remove", self.remove)):
            below = QMenu(title, self.menu)
            for place, bookmark in enumerate(self._kept):
                self._entry(below, bookmark.name, partial(_without_check, act, place))
            self.menu.addMenu(below)

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


def _without_check(act: Callable[[int], None], place: int, _: bool) -> None:
    act(place)
