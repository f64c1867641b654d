"""The pages of the window: how the rail and the menu name them, and how they are made.

Each is imported and made when it is wanted, so that the window is on screen first.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, overload

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QWidget

from explorer.bridge import Bridge
from explorer.widgets.deferred import turns
from explorer.widgets.preferences import Preferences

if TYPE_CHECKING:
    from explorer.compare.page import ComparePage
    from explorer.explore.page import ExplorePage
    from explorer.make.page import MakePage
    from explorer.map.page import MapPage
    from explorer.train.page import TrainPage

MakeWidget = Callable[[Bridge, Preferences], QWidget]
Load = Callable[[], MakeWidget]  # imports a page


def _explore() -> MakeWidget:
    from explorer.explore.page import ExplorePage

    return ExplorePage


def _map() -> MakeWidget:
    from explorer.map.page import MapPage

    return MapPage


def _compare() -> MakeWidget:
    from explorer.compare.page import ComparePage

    return ComparePage


def _train() -> MakeWidget:
    from explorer.train.page import TrainPage

    return TrainPage


def _make() -> MakeWidget:
    from explorer.make.page import MakePage

    return MakePage


@dataclass(frozen=True)
class Page:
    """One page: what the rail says of it, and what imports it."""

    caption: str
    icon: str
    sentence: str
    load: Load


PAGES: Mapping[str, Page] = {  # in the order of the rail
    "explore": Page("Explore", "ph.aperture", "Move sliders and watch the picture change", _explore),
    "map": Page("Map", "ph.map-trifold", "See all pictures laid out by likeness, and pick one", _map),
    "compare": Page("Compare", "ph.rows", "Originals over what several models make of them", _compare),
    "train": Page("Train", "ph.chart-line", "Teach a model your pictures and turn the weight while it learns", _train),
    "make": Page("Make", "ph.film-strip", "Morphs, loops and pictures to keep", _make),
}


class Pages(QObject):
    """Each page is made when it is first asked for, or ahead of that in turns of its own, so that the window never
    stalls.

    `placed` brings the name and the page as it takes its place, `complete` comes after the last.
    """

    placed = pyqtSignal(str, object)
    complete = pyqtSignal()
    _imported = pyqtSignal()  # from a thread

    def __init__(self, bridge: Bridge, preferences: Preferences, pages: Mapping[str, Page], parent: QObject) -> None:
        super().__init__(parent)
        self._bridge, self._preferences, self._pages = bridge, preferences, pages
        self.made: dict[str, QWidget] = {}  # those that have their place
        self._unplaced: dict[str, QWidget] = {}  # one that takes its place a turn after it was made
        self._ahead = False
        self._imported.connect(lambda: turns.give(self, self._make_next))

    @overload
    def __getitem__(self, name: Literal["explore"]) -> "ExplorePage": ...
    @overload
    def __getitem__(self, name: Literal["map"]) -> "MapPage": ...
    @overload
    def __getitem__(self, name: Literal["compare"]) -> "ComparePage": ...
    @overload
    def __getitem__(self, name: Literal["train"]) -> "TrainPage": ...
    @overload
    def __getitem__(self, name: Literal["make"]) -> "MakePage": ...
    @overload
    def __getitem__(self, name: str) -> QWidget: ...
    def __getitem__(self, name: str) -> QWidget:
        """The page `name`, made when first asked for."""
        if name not in self.made:
            self.made[name] = self._unplaced.pop(name) if name in self._unplaced else self._make(name)
            self.placed.emit(name, self.made[name])
        return self.made[name]

    def make_ahead(self) -> None:
        """Import all pages in a thread, then make them one after another."""
        if not self._ahead:
            self._ahead = True
            threading.Thread(target=self._import_all, daemon=True).start()

    def _import_all(self) -> None:
        import numpy.ma
        import numpy.random  # NumPy imports both when they are first used, which a hand would feel  # noqa: F401

        for page in self._pages.values():
            page.load()
        with contextlib.suppress(RuntimeError):  # the window is gone
            self._imported.emit()

    def _make_next(self) -> None:
        missing = next((name for name in self._pages if name not in self.made), None)
        if missing is None:
            self.complete.emit()
            return
        if missing in self._unplaced:
            _ = self[missing]
        else:
            self._unplaced[missing] = self._make(missing)
        turns.give(self, self._make_next)

    def _make(self, name: str) -> QWidget:
        return self._pages[name].load()(self._bridge, self._preferences)
