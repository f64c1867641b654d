"""A small picture of each model file, by which a person knows it again: one of those that its card keeps."""

import os
from collections.abc import Callable, Iterable

import numpy as np
from PyQt6.QtCore import QObject

from explorer.bridge import Bridge
from explorer.messages import Answer, Portraits, ReadPortraits

_Key = tuple[str, int]
Take = Callable[[str, np.ndarray], object]  # a path and its picture


class PortraitBook(QObject):
    """Asks the engine for those that are not known yet; a file that was written anew is asked about again."""

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._known: dict[_Key, np.ndarray | None] = {}

    def show(self, paths: Iterable[str], take: Take) -> None:
        """Hand over the picture of each file, at once where it is known; a model without one has none."""
        keys = {path: _key(path) for path in paths}
        for path, key in keys.items():
            image = self._known.get(key)
            if image is not None:
                take(path, image)
        missing = tuple(path for path, key in keys.items() if key not in self._known)
        if missing:

            def fill(answer: Answer) -> None:
                for path, image in zip(missing, answer.images if isinstance(answer, Portraits) else (), strict=False):
                    self._known[keys[path]] = image
                    if image is not None:
                        take(path, image)

            self._bridge.ask(ReadPortraits(missing), fill)


def _key(path: str) -> _Key:
    try:
        return path, os.stat(path).st_mtime_ns
    except OSError:
        return path, 0
