"""Says when the file of the open model was written anew."""

import os

from PyQt6.QtCore import QFileSystemWatcher, QObject, pyqtSignal

from explorer.ui.later import later

_SETTLE = 500  # ms without another change: whoever writes it is done
_TRIES = 20  # a file that is replaced may be gone for a moment


class FileWatch(QObject):
    """Watches one path; `changed` comes once for each new content, however many steps its writing took."""

    changed = pyqtSignal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path, self._known, self._tries = "", (0, 0), 0
        self._watcher = QFileSystemWatcher(self)
        self._settle = later(self, _SETTLE, self._look)
        self._watcher.fileChanged.connect(self._touched)

    def set_path(self, path: str) -> None:
        """Watch this file from now on, with the content it has now; "" watches nothing."""
        if self._path and self._path in self._watcher.files():
            self._watcher.removePath(self._path)
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
            return
        if self._path not in self._watcher.files():  # replaced by another file of this name
            self._watcher.addPath(self._path)
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
