"""What an error of the system means and what to do about it: one wording for every place that writes."""

import errno
import os

_WORDS = {
    ("ENOSPC", "EDQUOT", "EFBIG"): ("the disk is full", "Free some space or choose another folder"),
    ("EACCES", "EPERM"): ("there is no permission", "Choose a folder that you may write to"),
    ("EROFS",): ("the disk is read-only", "Choose another folder"),
    ("ENAMETOOLONG",): ("the name is too long", "Choose a shorter one"),
    ("ENOENT", "ENOTDIR", "EEXIST", "ELOOP"): (
        "its folder is none and cannot be made one",
        "Choose another folder",
    ),
    ("EIO", "ENODEV", "ESTALE"): ("the disk does not answer as it should", "Look after it, or choose another folder"),
    ("EMFILE", "ENFILE"): ("too many files are open", "Close some programs"),
}
WORDS = {getattr(errno, name): words for names, words in _WORDS.items() for name in names if hasattr(errno, name)}


def unwritable(path: str | os.PathLike[str], error: Exception) -> str:
    """A sentence that `path` could not be written and why, and one that says what to do."""
    why, cure = _words(error)
    return f"{os.fspath(path)} could not be written: {why}. {cure}."


def in_words(error: BaseException) -> str:
    """What an error says; one of the system's with the name of its file and what to do."""
    if not isinstance(error, OSError) or error.errno is None or error.filename is None:
        return str(error)
    return f"{os.fsdecode(error.filename)}: {error.strerror or error}. {_words(error)[1]}."


def _words(error: Exception) -> tuple[str, str]:
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return WORDS.get(getattr(error, "errno", None) or 0, (told, "Choose another folder"))
