"""What lies in a folder of pictures: a list of candidates, made without decoding one of them."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from kvae.images.kinds import NO_PICTURE, START, Kind, kind_of, of_name

OUTSIDE = "is a link out of the folder; --follow-links follows it"


class Candidate(NamedTuple):
    """A regular file that may be a picture. `name` is its path below the folder, with `/` on every system."""

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


@dataclass
class Scan:
    """What `scan` found, both sorted by name; `others` is how many files are no pictures and do not claim to be."""

    found: list[Candidate] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    others: int = 0


def scan(root: Path, *, follow_links: bool = False) -> Scan:
    """List every picture below `root` once, and what is a picture of a kind that is not read, or claims to be one.

    A file with the ending of a kind that is read is left to the decoder; of any other the first bytes are looked at.
    Links are followed after everything else, and a file or folder met before, under any name, is passed over: no
    loop can hang it, and a picture is known by its own name rather than by a link's. Links to what lies outside `root`
    are followed with `follow_links` only. Names that start with a dot (`._x.jpg` of a Mac among them) are ignored.
    """
    walk = _Walk(root, follow_links)
    walk.folder(str(root), "")
    while walk.links:
        path, name = walk.links.pop(0)
        walk.linked(path, name)
    return Scan(sorted(walk.found), sorted(walk.skipped), walk.others)


class _Walk(Scan):
    def __init__(self, root: Path, follow_links: bool) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self._home = os.path.join(os.path.realpath(root), "")
        self._follow_links = follow_links
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
                self._skip(prefix, f"folder could not be read ({error.strerror})")
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
        if not self._follow_links and self._leads_outside(path):
            # of a link to a file with another ending, such as a text, there is nothing to say
            if os.path.isdir(path) or of_name(path) or of_name(os.path.realpath(path)) or not os.path.splitext(path)[1]:
                self._skip(name, OUTSIDE)
        elif os.path.isdir(path):
            self.folder(path, name)
        else:
            self._file(path, name)

    def _leads_outside(self, path: str) -> bool:
        return os.path.exists(path) and not os.path.join(os.path.realpath(path), "").startswith(self._home)

    def _file(self, path: str, name: str) -> None:
        claimed = of_name(name)
        try:
            about = os.stat(path)
        except OSError as error:
            if claimed:
                nowhere = os.path.islink(path)
                self._skip(name, "a link that leads nowhere" if nowhere else f"could not be read ({error.strerror})")
            return
        if not stat.S_ISREG(about.st_mode):
            if claimed:
                self._skip(name, "is not a regular file (a pipe or a device)")
        elif self._first(about):
            kind = claimed if claimed and claimed.read else _kind_in(path, about.st_size)
            self._sort(Candidate(_printable(name), path, about.st_size, about.st_mtime_ns), kind, claimed)

    def _sort(self, file: Candidate, kind: Kind | None, claimed: Kind | None) -> None:
        if kind and kind.read:
            self.found.append(file)
        elif kind or claimed:
            self.skipped.append(Skipped(file.name, kind.reason if kind else NO_PICTURE))
        else:
            self.others += 1

    def _skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(_printable(name), reason))

    def _first(self, about: os.stat_result) -> bool:
        key = (about.st_dev, about.st_ino)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def _kind_in(path: str, size: int) -> Kind | None:
    """The kind of the file at `path`, by its first bytes; an empty one is not opened, as all of /proc seems to be."""
    start = b""
    if size:
        try:
            # without O_NONBLOCK, a pipe that took the file's place waits for a writer, for ever
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
            try:
                start = os.read(handle, START)
            finally:
                os.close(handle)
        except OSError:  # the ending has to tell
            pass
    return kind_of(start, path)


def _printable(name: str) -> str:
    """`name` as text that any file can hold; bytes that are no UTF-8 become escapes, and so do line ends."""
    text = name.replace(os.sep, "/").encode("utf-8", "backslashreplace").decode("utf-8")
    return text.replace("\n", "\\n").replace("\r", "\\r")
