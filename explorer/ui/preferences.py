"""What the program remembers between two starts: a few values and the recent files, in Qt's own settings."""

import json
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QByteArray, QSettings

_MOST_RECENT = 10


class Preferences:
    """Values by key. Plain values are kept as JSON, so that a bool comes back as a bool on every platform.

    Settings that were damaged or written by another version read as the default.
    """

    def __init__(self, settings: QSettings | None = None) -> None:
        self._settings = QSettings() if settings is None else settings

    def get(self, key: str, default: Any = None) -> Any:
        """The value kept under `key`, of the kind of `default` where one is given; `default` where there is none."""
        kept = self._settings.value(key)
        if isinstance(default, QByteArray):
            return kept if isinstance(kept, QByteArray) else default
        if isinstance(kept, QByteArray):
            return kept if default is None else default
        if not isinstance(kept, str):
            return default
        try:
            value = json.loads(kept)
        except ValueError:
            return default
        return value if _fits(value, default) else default

    def set(self, key: str, value: Any) -> None:
        """Keep `value`: anything JSON can hold, or a QByteArray (window geometry). None forgets the key."""
        if value is None:
            self._settings.remove(key)
        else:
            self._settings.setValue(key, value if isinstance(value, QByteArray) else json.dumps(value))

    @property
    def recent(self) -> list[str]:
        """The model files opened last, newest first; those that are gone are left out."""
        return [path for path in self.get("recent", []) if isinstance(path, str) and Path(path).is_file()]

    def add_recent(self, path: str) -> None:
        """Put `path` first among the recent files."""
        path = str(Path(path).absolute())
        others = [other for other in self.get("recent", []) if other != path]
        self.set("recent", [path, *others][:_MOST_RECENT])

    def sync(self) -> None:
        """Write to disk now."""
        self._settings.sync()


def _fits(value: Any, default: Any) -> bool:
    if default is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float)
    if isinstance(default, list | tuple):
        return isinstance(value, list)
    return isinstance(value, type(default))
