"""What the program remembers between two starts: a few values and the recent files, in Qt's own settings."""

import json
import os
import queue
import threading
import weakref
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QByteArray, QSettings, QStandardPaths

from explorer.messages import place_of

_MOST_RECENT = 10
_MOST_AGREED = 200
_PATIENCE = 5.0  # seconds, for a disk that does not answer


class Preferences:
    """Values by key. Plain values are kept as JSON, so that a bool comes back as a bool on every platform.

    Settings that were damaged or written by another version read as the default. They are read once, and written by a
    thread: the disk has to say that it holds them, and a busy one lets the event loop wait for that.
    """

    def __init__(self, settings: QSettings | None = None) -> None:
        settings = QSettings() if settings is None else settings
        self._place = settings.fileName(), settings.format()
        self._values = {key: settings.value(key) for key in settings.allKeys()}
        self._changes: queue.SimpleQueue[_Change] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    def get(self, key: str, default: Any = None) -> Any:
        """The value kept under `key`, of the kind of `default` where one is given; `default` where there is none."""
        kept = self._values.get(key)
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
            self._values.pop(key, None)
        else:
            self._values[key] = value if isinstance(value, QByteArray) else json.dumps(value)
        self._tell((key, self._values.get(key)))

    @property
    def models_folder(self) -> Path:
        """Where models go: as chosen, else `kvae` wherever the system keeps documents; wherever the program was
        started."""
        chosen = self.get("models_folder", "")
        if chosen:
            return Path(chosen)
        documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        return Path(documents or Path.home()) / "kvae"

    @property
    def recent(self) -> list[str]:
        """The model files opened last, newest first; those that are gone are left out."""
        return [path for path in self.get("recent", []) if isinstance(path, str) and os.path.isfile(path)]

    def add_recent(self, path: str) -> None:
        """Put `path` first among the recent files."""
        path = str(Path(path).absolute())
        others = [other for other in self.get("recent", []) if other != path]
        self.set("recent", [path, *others][:_MOST_RECENT])

    @property
    def agreed(self) -> tuple[str, ...]:
        """The folders and files whose pictures may be shown when a model's file names them, in full."""
        return tuple(place for place in self.get("agreed", []) if isinstance(place, str))

    def agree(self, data: str) -> None:
        """The pictures in this folder or file may be shown from now on."""
        place = place_of(data)
        if place and place not in self.agreed:
            self.set("agreed", [*self.agreed, place][-_MOST_AGREED:])

    def revoke(self, place: str) -> None:
        """Ask again before the pictures at `place` are shown."""
        self.set("agreed", [other for other in self.agreed if other != place])

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        written = threading.Event()
        self._tell(written)
        written.wait(_PATIENCE)

    def _tell(self, change: "_Change") -> None:
        self._changes.put(change)
        if self._writer is None:
            self._writer = threading.Thread(target=_write, args=(self._changes, *self._place), daemon=True)
            self._writer.start()
            weakref.finalize(self, self._changes.put, None)


_Change = tuple[str, Any] | threading.Event | None


def _write(changes: "queue.SimpleQueue[_Change]", name: str, form: QSettings.Format) -> None:
    """Write all changes there are and wait for more, until None; what other programs wrote to the same file stays."""
    settings = QSettings(name, form)
    while (change := changes.get()) is not None:
        if isinstance(change, threading.Event):
            settings.sync()
            change.set()
            continue
        key, value = change
        if value is None:
            settings.remove(key)
        else:
            settings.setValue(key, value)
        if changes.empty():
            settings.sync()


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
