"""What one page tells another: the point of Explore, its bookmarks, and what was picked on the map."""

from collections.abc import Callable
from functools import partial

import numpy as np

from explorer.bridge import Bridge
from explorer.state.bookmarks import Bookmark
from explorer.window.pages import Pages


class Wires:
    """Passes on what happens. A page hears of nothing before it is made; then it is told how things stand."""

    def __init__(self, pages: Pages, bridge: Bridge, show_page: Callable[[str], None]) -> None:
        self._pages, self._bridge, self._show_page = pages, bridge, show_page
        self._bookmarks: tuple[Bookmark, ...] = ()  # of the Explore page

    def wire(self, name: str) -> None:
        """The page `name` has been made."""
        wires = {"explore": self._wire_explore, "map": self._wire_map, "make": self._wire_make}
        wires.get(name, lambda: None)()

    def _wire_explore(self) -> None:
        page = self._pages["explore"]
        page.bookmarks_changed.connect(self._on_bookmarks)
        page.point_changed.connect(self._on_point)

    def _wire_map(self) -> None:
        page = self._pages["map"]
        page.picked.connect(self._on_picked)
        page.morph_wanted.connect(self._on_morph)
        page.explore_wanted.connect(partial(self._show_page, "explore"))

    def _wire_make(self) -> None:
        if self._bridge.model is not None:
            self._pages["make"].set_bookmarks(self._bookmarks)
            self.tell_point()

    def _on_bookmarks(self, bookmarks: tuple[Bookmark, ...]) -> None:
        self._bookmarks = bookmarks
        if "make" in self._pages.made:
            self._pages["make"].set_bookmarks(bookmarks)

    def _on_point(self, latents: np.ndarray) -> None:
        if "map" in self._pages.made:
            self._pages["map"].set_point(latents)
        if "make" in self._pages.made:
            self.tell_point()

    def tell_point(self) -> None:
        """Tell Make which picture Explore shows, and at which weight."""
        explore, make = self._pages["explore"], self._pages["make"]
        if len(explore.point()):
            make.set_point(explore.point())
            make.set_kl_weight(explore.kl_weight())

    def _on_picked(self, latents: np.ndarray, name: str) -> None:
        self._pages["explore"].go_to(latents, name)

    def _on_morph(self, start: np.ndarray, end: np.ndarray) -> None:
        self._pages["make"].set_morph(start, end)
        self._show_page("make")
