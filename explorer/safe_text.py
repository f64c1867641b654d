"""Text of others on its way to the screen and into tables: names of files, cards of models, errors that quote them.

It may hold markup, codes that turn the direction of writing, lines and lengths of any number. `line` shows such text as
what it is; `plain` is the last gate before Qt where a widget guesses by itself whether its text is markup.
"""

import re
import unicodedata

MOST = 400  # characters of one line
_JOINERS = "\u200c\u200d\u2060"  # part of words and emoji in many languages; draw nothing by themselves
_GAP = "\u2060"  # of no width, and no line is broken there
_MARK = re.compile(r"(<|&(?=#|\w+;))")
_NO_NAME = '/\\:*?"<>|\ufffd'
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def symbol(character: str) -> str:
    """What stands for `character`: itself, or a sign for one that draws nothing and does something."""
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    unseen = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return "\ufffd" if unseen and character not in _JOINERS else character


def line(text: object, most: int = MOST) -> str:
    """`text` on one line of at most `most` characters, its middle left out where there are more."""
    found = str(text)
    if len(found) > most:
        found = f"{found[: most // 2]}…{found[len(found) - (most - 1) // 2 :]}"
    return found if found.isascii() and found.isprintable() else "".join(map(symbol, found))


def plain(text: object, most: int = MOST) -> str:
    """`text` as a tooltip, a menu or a label that guesses shows it literally; line ends stay, for texts of several
    lines.

    Qt takes text for markup by its first `<` or `&lt;`; with a gap of no width inside, neither begins anything.
    """
    return _MARK.sub(rf"\1{_GAP}", "\n".join(line(part, most) for part in str(text)[: 8 * most].split("\n")[:12]))


def caption(text: object, most: int = 80) -> str:
    """`text` as the words of a menu entry or a button, in which a single `&` would underline the next letter."""
    return plain(line(text, most)).replace("&", "&&")


def file_name(text: object, most: int = 80) -> str:
    """`text` as the name of a file on any system, without an ending; "picture" where nothing of it can be one."""
    found = "".join(" " if sign in _NO_NAME else sign for sign in line(text, most))
    return " ".join(found.split()).strip(". ") or "picture"


def cell(text: object) -> str:
    """`text` as a cell of a CSV table that no program takes for a formula."""
    found = str(text).encode("utf-8", "replace").decode()  # a file's name may hold what is no text
    return f"'{found}" if found.startswith(_FORMULA) else found
