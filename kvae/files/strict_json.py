"""JSON from strangers: measured before it is parsed, so that it cannot nest, grow or repeat itself without end."""

import json
import math
import re
from typing import Any

from kvae.files.refusal import Refused

MOST_DEPTH = 32
MOST_DIGITS = 40  # of one number
# possessive, so that a text of any length and shape takes time in proportion
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_LONG = re.compile(rb"[0-9]{%d}" % (MOST_DIGITS + 1))
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_CURE = "Save it again, or open another file."


def parse(content: bytes, *, most_nodes: int, most_depth: int = MOST_DEPTH) -> Any:
    """The value that `content`, UTF-8, says.

    Raises:
        Refused: other text, deeper than `most_depth`, more than `most_nodes` names and values, a name twice in one
            table, a number that is not finite or has over 40 digits.
    """
    bare = _STRING.sub(b"", content)
    brackets = bare.translate(None, _NOT_BRACKETS)
    if bare.count(b",") + bare.count(b":") + len(brackets) + 1 > most_nodes:
        raise Refused(f"holds text of over {most_nodes} values. {_CURE}")
    if _depth(brackets) > most_depth:
        raise Refused(f"holds text that nests deeper than {most_depth} levels. {_CURE}")
    if _LONG.search(bare):
        raise Refused(f"holds a number of over {MOST_DIGITS} digits. {_CURE}")
    del bare  # as long as the content
    try:
        return json.loads(
            content.decode("utf-8"), object_pairs_hook=_table, parse_float=_number, parse_constant=_constant
        )
    except Refused:
        raise
    except (ValueError, RecursionError):
        raise Refused(f"holds text that is not JSON. {_CURE}") from None


def _depth(brackets: bytes) -> int:
    deepest = depth = 0
    for one in brackets:
        depth += 1 if one in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise Refused(f"says something twice. {_CURE}")
    return table


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Refused(f"holds a number that is not finite. {_CURE}")
    return number


def _constant(text: str) -> float:
    raise Refused(f"holds the number {text}, which is not finite. {_CURE}")


def finite(value: Any) -> Any:
    """`value`, a tree, with None for every number that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
