"""What an error of the system means and what to do about it: one wording for every place that writes."""

import errno
import os

_CURES = {
    ("ENOSPC", "EDQUOT"): "Free some space on that disk",
    ("EFBIG",): "Choose a disk that takes larger files",
    ("EACCES", "EPERM"): "Choose a folder that you may write to",
    ("EROFS",): "Choose a folder on a disk that can be written to",
    ("ENAMETOOLONG",): "Choose a shorter name",
    ("ENOENT", "ENOTDIR", "EEXIST", "ELOOP", "EISDIR"): "Choose another folder",
    ("EIO", "ENODEV", "ESTALE"): "Look after that disk",
    ("EMFILE", "ENFILE"): "Close some programs",
}
CURES = {getattr(errno, name): cure for names, cure in _CURES.items() for name in names if hasattr(errno, name)}
OTHERWISE = "Choose another place"


def reason(error: OSError) -> str:
    """Why, in the system's words."""
    return error.strerror or str(error) or type(error).__name__


def cure(error: OSError) -> str:
    """What to do, without a full stop."""
    return CURES.get(error.errno or 0, OTHERWISE)


def unwritable(path: str | os.PathLike[str], error: OSError) -> str:
    """A sentence that `path` could not be written, why, and one with the cure."""
    return f"{os.fspath(path)} could not be written ({reason(error)}). {cure(error)}."


def in_words(error: BaseException) -> str:
    """What an error says, where it is one of the system's with the name of its file and a cure."""
    if not isinstance(error, OSError) or error.errno is None or error.filename is None:
        return str(error)
    return f"{os.fsdecode(error.filename)}: {reason(error)}. {cure(error)}."
