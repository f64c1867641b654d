"""What the parts of a stranger's JSON may be, said as data: a kind with bounds for each field, and one way to hold a
value.

Every kind has `hold(value, name)`, which returns the value or refuses it in a sentence that names the field.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kvae.files.refusal import Refused

CURE = "Open a file that kvae saved."
MOST_OF_A_FIELD = 20  # characters of a field's name that a refusal shows
_FIELD = re.compile(r"[A-Za-z0-9_ .-]{1,100}")


class Kind(Protocol):
    """What a field may hold."""

    def hold(self, value: Any, name: str) -> Any:
        """`value`, or Refused where it cannot be in the field `name`."""


def refuse(name: str, rule: str) -> Refused:
    """The refusal of what the field `name` holds: it must be `rule`."""
    shown = name if len(name) <= MOST_OF_A_FIELD else f"{name[: MOST_OF_A_FIELD - 1]}…"
    return Refused(f"has a wrong {shown}: it must be {rule}. {CURE}")


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`; null too where it is `optional`."""

    low: float = -1e39  # beyond all float32
    high: float = 1e39
    whole: bool = False
    optional: bool = False

    def hold(self, value: Any, name: str) -> Any:
        if value is None and self.optional:
            return value
        kinds = (int,) if self.whole else (int, float)
        if type(value) not in kinds or not self.low <= value <= self.high:
            low, high = (f"{int(one)}" if self.whole else f"{one:g}" for one in (self.low, self.high))
            raise refuse(name, f"a {'whole ' * self.whole}number, {low} to {high}")
        return value

    def holds_all(self, values: list[Any]) -> bool:
        """Whether all of `values` are such numbers, found out at once: cards have rows of many thousands."""
        kinds = set(map(type, values))
        if self.optional and type(None) in kinds:
            return self.holds_all([one for one in values if one is not None])
        if not kinds <= ({int} if self.whole else {int, float}):
            return False
        return not values or (self.low <= min(values) and max(values) <= self.high)


@dataclass(frozen=True)
class Text:
    """Text of at most `most` characters, all of which match `pattern`; null too where it is `optional`."""

    most: int
    pattern: str = r"[^\0]*"
    optional: bool = False

    def hold(self, value: Any, name: str) -> Any:
        if value is None and self.optional:
            return value
        if not isinstance(value, str) or len(value) > self.most or not re.fullmatch(self.pattern, value, re.DOTALL):
            raise refuse(name, f"text of at most {self.most} characters")
        return value


@dataclass(frozen=True)
class Row:
    """A list of at most `most` values of one kind, of exactly so many where `least` says the same."""

    of: Kind
    most: int
    least: int = 0

    def hold(self, value: Any, name: str) -> Any:
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            raise refuse(name, f"a list of {self.least} to {self.most} values")
        if isinstance(self.of, Number) and self.of.holds_all(value):
            return value
        for one in value:
            self.of.hold(one, name)
        return value


@dataclass(frozen=True)
class Table:
    """A table with a kind for each field. Those of `needed` must be there; `others` is the kind of all further ones."""

    fields: Mapping[str, Kind]
    needed: tuple[str, ...] = ()
    others: Kind | None = None

    def hold(self, value: Any, name: str) -> Any:
        if not isinstance(value, dict):
            raise refuse(name, "a table")
        for missing in self.needed:
            if missing not in value:
                raise Refused(f"lacks {missing} in {name}. {CURE}")
        for field, one in value.items():
            kind = self.fields.get(field, self.others)
            if kind is None or not _FIELD.fullmatch(field):
                raise refuse(name, "a table of known fields")
            kind.hold(one, field)
        return value


@dataclass(frozen=True)
class Columns:
    """A table of lists of one length, at most `most`; an empty table too.
    `others` is the kind of unknown columns' values."""

    kinds: Mapping[str, Kind]
    most: int
    needed: tuple[str, ...]
    others: Kind | None = None

    def hold(self, value: Any, name: str) -> Any:
        if value == {}:
            return value
        others = None if self.others is None else Row(self.others, self.most)
        Table({column: Row(kind, self.most) for column, kind in self.kinds.items()}, self.needed, others).hold(
            value, name
        )
        if len({len(column) for column in value.values()}) > 1:
            raise refuse(name, "columns of one length")
        return value


@dataclass(frozen=True)
class Checked:
    """What `function` takes; it may refuse by Refused alone."""

    function: Callable[[str, Any], Any]

    def hold(self, value: Any, name: str) -> Any:
        self.function(name, value)
        return value


class Anything:
    """What JSON can hold, within the bounds of the whole file."""

    def hold(self, value: Any, name: str) -> Any:
        return value
