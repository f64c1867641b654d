"""What lies in a folder of pictures: a list of candidates, made without decoding one of them."""

import os
import stat
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np

from kvae.images.kinds import NO_PICTURE, OF_ENDING, START, Kind, kind_of, of_name
from kvae.images.names import Names

OUTSIDE = "is a link out of the folder; --follow-links follows it"
TOGETHER = 1024  # files of a folder that are looked at together, at most


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


class Candidates(Sequence[Candidate]):
    """Candidates in little memory, some 25 bytes for each beside its name."""

    def __init__(self, root: str) -> None:
        self.names = Names()
        self._root = os.path.join(root, "")
        self._sizes, self._modified = array("q"), array("q")
        self._others: dict[int, str] = {}  # the paths that do not follow from the names
        self._sorted, self._last = True, ""

    def add(self, name: str, path: str, about: os.stat_result) -> None:
        """One more: the file at `path`."""
        shown = _printable(name)
        self._sorted, self._last = self._sorted and self._last <= shown, shown
        if path != self._root + shown:
            self._others[len(self)] = path
        self.names.append(shown)
        self._sizes.append(about.st_size)
        self._modified.append(about.st_mtime_ns)

    def at_home(self, folder: str, name: str) -> bool:
        """Whether the path of `folder` follows from its name."""
        return folder == self._root + name

    def extend(self, prefix: str, names: Sequence[str], abouts: Sequence[os.stat_result]) -> None:
        """Several more, the files `names` of the folder whose name is `prefix`: sorted, and names that any file can
        hold."""
        whole = [prefix + name for name in names]
        self._sorted, self._last = self._sorted and self._last <= whole[0], whole[-1]
        self.names.extend(whole)
        self._sizes.extend([about.st_size for about in abouts])
        self._modified.extend([about.st_mtime_ns for about in abouts])

    @property
    def sizes(self) -> np.ndarray:
        """Bytes, int64 (count,)."""
        return np.array(self._sizes, np.int64)

    @property
    def modified(self) -> np.ndarray:
        """Nanoseconds, int64 (count,)."""
        return np.array(self._modified, np.int64)

    def sorted(self) -> "Candidates":
        """The same, sorted by name."""
        if self._sorted:
            return self
        found = Candidates(self._root)
        order = sorted(range(len(self)), key=list(self.names).__getitem__)
        found.names = self.names.take(np.array(order))
        found._sizes = array("q", (self._sizes[row] for row in order))
        found._modified = array("q", (self._modified[row] for row in order))
        found._others = {new: self._others[row] for new, row in enumerate(order) if row in self._others}
        return found

    def path(self, row: int) -> str:
        """Where the file is."""
        return self._others.get(row) or self._root + self.names[row]

    def __len__(self) -> int:
        return len(self._sizes)

    @overload
    def __getitem__(self, row: int) -> Candidate: ...

    @overload
    def __getitem__(self, row: slice) -> tuple[Candidate, ...]: ...

    def __getitem__(self, row: int | slice) -> Candidate | tuple[Candidate, ...]:
        if isinstance(row, slice):
            return tuple(self[one] for one in range(*row.indices(len(self))))
        row = range(len(self))[row]
        return Candidate(self.names[row], self.path(row), self._sizes[row], self._modified[row])


@dataclass
class Scan:
    """What `scan` found, both sorted by name; `others` is how many files are no pictures and do not claim to be."""

    found: Candidates
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
    if walk.links:
        walk.remember_all()
    for path, name in walk.links:  # which grow meanwhile
        walk.linked(path, name)
    return Scan(walk.found.sorted(), sorted(walk.skipped), walk.others)


class _Walk(Scan):
    def __init__(self, root: Path, follow_links: bool) -> None:
        super().__init__(Candidates(str(root)))
        self.links: list[tuple[str, str]] = []
        self._home = os.path.join(os.path.realpath(root), "")
        self._follow_links = follow_links
        self._seen: set[tuple[int, int]] = set()  # (device, inode) of folders, and of files that have another name
        self._met_again = False
        self._alone: dict[int, array] = {}  # inodes of the other files, by device: nothing but a link leads there too

    def folder(self, path: str, name: str) -> None:
        """Walk a folder; a stack rather than recursion, for folders can be nested deeper than Python calls.

        The names of folders end in `/` here, so that what is in one comes where its whole name belongs.
        """
        path, name = os.path.join(path, ""), f"{name}/" if name else ""
        stack = [(path, name, self._listed(path, name))]
        while stack:
            here, prefix, entries = stack[-1]
            if not entries:
                stack.pop()
            elif entries[-1].endswith("/"):
                entry = entries.pop()
                path, name = here + entry, prefix + entry
                stack.append((path, name, self._listed(path, name)))
            else:
                self._files(here, prefix, entries)

    def _files(self, here: str, prefix: str, entries: list[str]) -> None:
        """Take files off the end of `entries`, and look at them: together, in two thirds of the time, at those of which
        there is nothing to tell."""
        count = 0
        while count < min(TOGETHER, len(entries)) and not entries[-1 - count].endswith("/"):
            count += 1
        names = entries[: -1 - count : -1]
        del entries[-count:]
        read = {ending for ending in {name[name.rfind(".") :] for name in names} if _is_read(ending)}
        plain = [name for name in names if name[name.rfind(".") :] in read]
        if self._plain(here, prefix, plain):
            names = [name for name in names if name[name.rfind(".") :] not in read] if len(plain) < len(names) else []
        for name in names:
            self._file(here + name, prefix + name)

    def _plain(self, here: str, prefix: str, names: list[str]) -> bool:
        """Add the pictures `names`, if all are regular files that have no other name and go by theirs as it is."""
        if not names or self._met_again or not self.found.at_home(here, prefix):
            return False
        if not all(_printable(text) is text for text in (prefix, "".join(names))):
            return False
        try:
            abouts = [os.stat(here + name) for name in names]
        except OSError:
            return False
        devices, inodes = {about.st_dev for about in abouts}, [about.st_ino for about in abouts]
        if len(devices) > 1 or max(inodes) >= 1 << 64:
            return False
        if not all([about.st_nlink == 1 and stat.S_ISREG(about.st_mode) for about in abouts]):
            return False
        self._alone.setdefault(devices.pop(), array("Q")).extend(inodes)
        self.found.extend(prefix, names, abouts)
        return True

    def _listed(self, path: str, name: str) -> list[str]:
        """The files and folders in `path`, the last first; what is a link waits."""
        try:
            if not self._first(os.stat(path)):
                return []
            with os.scandir(path) as listing:
                entries, links = [], []
                for entry in listing:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_symlink():
                        links.append((entry.path, name + entry.name))
                    else:
                        entries.append(f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name)
        except OSError as error:
            self._skip(name.rstrip("/"), f"folder could not be read ({error.strerror})")
            return []
        self.links += sorted(links)
        return sorted(entries, reverse=True)

    def remember_all(self) -> None:
        """From now on any file may be met again."""
        self._met_again = True
        self._seen.update((device, inode) for device, inodes in self._alone.items() for inode in inodes)

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
            if kind and kind.read:
                self.found.add(name, path, about)
            elif kind or claimed:
                self._skip(name, kind.reason if kind else NO_PICTURE)
            else:
                self.others += 1

    def _skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(_printable(name), reason))

    def _first(self, about: os.stat_result) -> bool:
        if about.st_nlink == 1 and stat.S_ISREG(about.st_mode) and about.st_ino < 1 << 64 and not self._met_again:
            self._alone.setdefault(about.st_dev, array("Q")).append(about.st_ino)
            return True
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


def _is_read(ending: str) -> bool:
    kind = OF_ENDING.get(ending.lower())
    return kind is not None and kind.read


def _printable(name: str) -> str:
    """`name` as text that any file can hold; bytes that are no UTF-8 become escapes, and so do line ends."""
    if name.isascii() and name.isprintable() and os.sep == "/":  # as nearly all are
        return name
    text = name.replace(os.sep, "/").encode("utf-8", "backslashreplace").decode("utf-8")
    return text.replace("\n", "\\n").replace("\r", "\\r")
