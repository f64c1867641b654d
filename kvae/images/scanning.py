"""What lies in a folder of pictures: a list of candidates, made without opening one of them."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from kvae.images.decoding import ENDINGS


class Candidate(NamedTuple):
    """A regular file with a picture's ending. `name` is its path below the folder, with `/` on every system."""

    name: str
    path: str
    size: int  # bytes
    modified: int  # nanoseconds


class Skipped(NamedTuple):
    """A file that is not used, or was used with a remark, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def scan(root: Path) -> tuple[list[Candidate], list[Skipped]]:
    """List every picture below `root` once, sorted by name, and what has a picture's ending but is none.

    Links are followed after everything else, and a file or folder met before, under any name, is passed over: no
    loop can hang it, and a picture is known by its own name rather than by a link's. Names that start with a dot
    (`._x.jpg` of a Mac among them) are ignored.
    """
    walk = _Walk()
    walk.folder(str(root), "")
    while walk.links:
        path, name = walk.links.pop(0)
        walk.linked(path, name)
    return sorted(walk.found), sorted(walk.skipped)


class _Walk:
    def __init__(self) -> None:
        self.found: list[Candidate] = []
        self.skipped: list[Skipped] = []
        self.links: list[tuple[str, str]] = []
        self._seen: set[tuple[int, int]] = set()  # (device, inode) of files and folders

    def folder(self, path: str, name: str) -> None:
        """Walk a folder; a stack rather than recursion, for folders can be nested deeper than Python calls."""
        stack = [(path, name)]
        while stack:
            here, prefix = stack.pop()
            try:
                if not self._first(os.stat(here)):
                    continue
                with os.scandir(here) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                self.skipped.append(Skipped(_printable(prefix), f"folder could not be read ({error.strerror})"))
                continue
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                below = f"{prefix}/{entry.name}" if prefix else entry.name
                if entry.is_symlink():
                    self.links.append((entry.path, below))
                elif entry.is_dir(follow_symlinks=False):
                    stack.append((entry.path, below))
                else:
                    self._file(entry.path, below)

    def linked(self, path: str, name: str) -> None:
        if os.path.isdir(path):
            self.folder(path, name)
        else:
            self._file(path, name)

    def _file(self, path: str, name: str) -> None:
        if not name.lower().endswith(ENDINGS):
            return
        try:
            about = os.stat(path)
        except OSError as error:
            reason = "a link that leads nowhere" if os.path.islink(path) else f"could not be read ({error.strerror})"
            self.skipped.append(Skipped(_printable(name), reason))
            return
        if not stat.S_ISREG(about.st_mode):
            self.skipped.append(Skipped(_printable(name), "is not a regular file (a pipe or a device)"))
        elif self._first(about):
            self.found.append(Candidate(_printable(name), path, about.st_size, about.st_mtime_ns))

    def _first(self, about: os.stat_result) -> bool:
        key = (about.st_dev, about.st_ino)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def _printable(name: str) -> str:
    """`name` as text that any file can hold; bytes that are no UTF-8 become escapes, and so do line ends."""
    text = name.replace(os.sep, "/").encode("utf-8", "backslashreplace").decode("utf-8")
    return text.replace("\n", "\\n").replace("\r", "\\r")
