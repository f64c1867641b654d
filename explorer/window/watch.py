"""Says when the file of the open model was written anew."""

import os

from PyQt6.QtCore import QFileSystemWatcher, QObject, pyqtSignal

from explorer.widgets.deferred import later

GONE = "{} was moved or deleted. What is on the screen goes on working; open the file at its new place to keep it."
REREAD = "{} changed on disk and was read again."
_SETTLE = 500  # ms without another change: whoever writes it is done
_TRIES = 6  # a file that is replaced may be gone for a moment


class FileWatch(QObject):
    """Watches one path; `changed` comes once for each new content, however many steps its writing took.

    `gone` comes once when the file was removed for good; should it come back all the same, `changed` follows.
    """

    changed = pyqtSignal()
    gone = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path, self._known, self._tries = "", (0, 0), 0
        self._watcher = QFileSystemWatcher(self)
        self._settle = later(self, _SETTLE, self._look)
        self._watcher.fileChanged.connect(self._touched)
        self._watcher.directoryChanged.connect(self._touched)

    def set_path(self, path: str) -> None:
        """Watch this file from now on, with the content it has now; "" watches nothing.

        The file that is watched already stays so with the content that was last seen, also if it has changed since.
        """
        if path and path == self._path and path in self._watcher.files():
            return
        if watched := [*self._watcher.files(), *self._watcher.directories()]:
            self._watcher.removePaths(watched)
        self._settle.stop()
        self._path, self._known = path, _stamp(path)
        if path and os.path.exists(path):
            self._watcher.addPath(path)

    def _touched(self) -> None:
        self._tries = _TRIES
        self._settle.start()

    def _look(self) -> None:
        now = _stamp(self._path)
        if now == (0, 0):
            self._tries -= 1
            if self._tries > 0:
                self._settle.start()
            elif self._known != now:
                self._known = now
                self.gone.emit()
                if os.path.isdir(folder := os.path.dirname(self._path)):  # only there can it be seen to come back
                    self._watcher.addPath(folder)
            return
        if self._path not in self._watcher.files():  # replaced by another file of this name
            self._watcher.addPath(self._path)
        if folders := self._watcher.directories():
            self._watcher.removePaths(folders)
        if now != self._known:
            self._known = now
            self.changed.emit()


def _stamp(path: str) -> tuple[int, int]:
    """Time and size, (0, 0) for a file that is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
