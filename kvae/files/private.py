"""Files of ours where others may have put something in their place: no link is followed,
and nobody else may read them."""

import contextlib
import errno
import os
import stat
from pathlib import Path

# a link in place of the file, a folder or a FIFO without a reader
_OTHER_KINDS = {errno.ELOOP, getattr(errno, "EMLINK", errno.ELOOP), errno.EISDIR, errno.ENXIO}
_IN_FOLDER = os.name == "posix" and {os.open, os.unlink} <= os.supports_dir_fd


class NotOurs(ValueError):
    """Something that kvae did not make has the name of a file or folder of its own; one sentence."""


def make_private(path: Path) -> None:
    """Make the folder `path`, and those above it, where it is missing; what is in it is its owner's alone.

    Raises:
        NotOurs: a link, or no folder, has its name. OSError: it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(0o700)
    about = path.lstat()
    if not stat.S_ISDIR(about.st_mode):
        raise _not_ours(path, "folder")
    if os.name == "posix" and about.st_uid == os.geteuid() and about.st_mode & 0o077:
        place = open_folder(path)
        assert place is not None
        try:
            os.fchmod(place, 0o700)
        finally:
            os.close(place)


def open_folder(path: Path) -> int | None:
    """A descriptor of the folder `path`, to reach what is in it even when its name is taken over; None on Windows.

    Raises:
        NotOurs: it is a link, or no folder. OSError: it is missing or cannot be opened.
    """
    if not _IN_FOLDER:
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise _not_ours(path, "folder")
        return None
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, *_OTHER_KINDS):
            raise _not_ours(path, "folder") from None
        raise


def open_private(path: Path, *, write: bool = False) -> int:
    """A descriptor of the regular file `path`, which has one name and lies in a folder that is no link.

    With `write` it is made where it is missing, readable for nobody else; nothing in it is changed. Without, nothing at
    all is made or changed.

    Raises:
        NotOurs: something else has its name. OSError: it is missing or cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT if write else os.O_RDONLY
    # a FIFO of that name does not hang
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC"):
        flags |= getattr(os, name, 0)
    folder = open_folder(path.parent)
    try:
        if folder is None and path.is_symlink():
            raise _not_ours(path, "file")
        handle = os.open(path if folder is None else path.name, flags, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno in _OTHER_KINDS:
            raise _not_ours(path, "file") from None
        raise
    finally:
        if folder is not None:
            os.close(folder)
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink > 1:
        os.close(handle)
        raise _not_ours(path, "file")
    return handle


def read_private(path: Path, most: int) -> bytes | None:
    """What is in the file `path`, opened as `open_private` does; None where it is missing,
    or longer than `most` bytes."""
    try:
        handle = open_private(path)
    except FileNotFoundError:
        return None
    with open(handle, "rb") as file:
        content = file.read(most + 1)
    return content if len(content) <= most else None


def remove(path: Path, folder: int | None) -> None:
    """Remove the file or link `path`, in the folder with the descriptor `folder` where there is one."""
    if folder is None:
        path.unlink()
    else:
        os.unlink(path.name, dir_fd=folder)


def _not_ours(path: Path, kind: str) -> NotOurs:
    return NotOurs(f"{path} is no {kind} that kvae made (a link, or of another kind). Look what it is, and remove it.")
