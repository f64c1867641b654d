"""The pages of the window by name. Each is imported when it is made, so that the window is on screen first."""

from collections.abc import Callable, Mapping
from typing import Any

from PyQt6.QtWidgets import QWidget

from explorer.ui.preferences import Preferences

MakePage = Callable[[Any, Preferences], QWidget]


def _explore(bridge: Any, preferences: Preferences) -> QWidget:
    from explorer.ui.explore import ExplorePage

    return ExplorePage(bridge, preferences)


def _map(bridge: Any, preferences: Preferences) -> QWidget:
    from explorer.ui.map import MapPage

    return MapPage(bridge, preferences)


def _compare(bridge: Any, preferences: Preferences) -> QWidget:
    from explorer.ui.compare import ComparePage

    return ComparePage(bridge, preferences)


def _train(bridge: Any, preferences: Preferences) -> QWidget:
    from explorer.ui.train import TrainPage

    return TrainPage(bridge, preferences)


def _make(bridge: Any, preferences: Preferences) -> QWidget:
    from explorer.ui.make import MakePage

    return MakePage(bridge, preferences)


PAGES: Mapping[str, MakePage] = {
    "explore": _explore,
    "map": _map,
    "compare": _compare,
    "train": _train,
    "make": _make,
}
