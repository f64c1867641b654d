"""The pages of the window by name. Each is imported when it is wanted, so that the window is on screen first."""

from collections.abc import Callable, Mapping

from PyQt6.QtWidgets import QWidget

Load = Callable[[], Callable[..., QWidget]]  # imports a page; the result makes one of a bridge and the preferences


def _explore() -> Callable[..., QWidget]:
    from explorer.ui.explore import ExplorePage

    return ExplorePage


def _map() -> Callable[..., QWidget]:
    from explorer.ui.map import MapPage

    return MapPage


def _compare() -> Callable[..., QWidget]:
    from explorer.ui.compare import ComparePage

    return ComparePage


def _train() -> Callable[..., QWidget]:
    from explorer.ui.train import TrainPage

    return TrainPage


def _make() -> Callable[..., QWidget]:
    from explorer.ui.make import MakePage

    return MakePage


PAGES: Mapping[str, Load] = {"explore": _explore, "map": _map, "compare": _compare, "train": _train, "make": _make}
