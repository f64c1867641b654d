"""What is said of a file that is not read: one line of at most 160 characters, with the cure."""

import os
import unicodedata
from pathlib import Path

MOST_CHARACTERS = 160
MOST_OF_NAME = 40
MOST_OF_LINE = 1000
_JOINERS = "\u200c\u200d"  # part of words and emoji in many languages


class Refused(ValueError):
    """Why a file is not read and what to do, as the rest of a line that begins with the file's name."""


def line(text: object) -> str:
    """`text` of whatever origin on one bounded line for a terminal or a report:
    what acts and is not seen becomes a sign."""
    found = str(text)
    if len(found) > MOST_OF_LINE:
        found = f"{found[: MOST_OF_LINE // 2]}…{found[1 - MOST_OF_LINE // 2 :]}"
    return "".join(map(_symbol, found))


def _symbol(one: str) -> str:
    if one < " ":
        return chr(0x2400 + ord(one))
    if one == "\x7f":
        return "\u2421"
    acts = unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") and one not in _JOINERS
    return "\ufffd" if acts else one


def shown(path: str | os.PathLike[str]) -> str:
    """The name of a file as it can be printed on a line: short, without control characters."""
    plain = "".join("?" if unicodedata.category(one)[0] == "C" else one for one in Path(path).name)
    return plain if len(plain) <= MOST_OF_NAME else f"{plain[:18]}…{plain[-20:]}"


def sentence(path: str | os.PathLike[str], reason: object, owner: str = "") -> str:
    """`reason` said of the file at `path`, on one line, which begins with the `owner` of the complaint."""
    line = " ".join(f"{owner} {shown(path)} {reason}".split())
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1]}…"


def cell(text: object) -> str:
    """`text` of whatever origin as a cell of a CSV table that no program takes for a formula."""
    found = line(text)
    return f"'{found}" if found.startswith(("=", "+", "-", "@")) else found
