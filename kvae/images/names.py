"""Very many names in little memory."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from typing import Any, overload

import numpy as np

_AT_ONCE = 4096  # names that are taken apart together


class Names(Sequence[str]):
    """Names in one piece of UTF-8 and where each of them ends: 8 bytes for each beside its letters, where a tuple of
    strings takes 60. It reads like a tuple, and is equal to any sequence of the same names.

    Example:
        >>> from kvae.images.names import Names
        >>> names = Names.of(["below/a.png", "b.png"])
        >>> names[-1], len(names), names == ("below/a.png", "b.png")
        ('b.png', 2, True)
    """

    def __init__(self, text: Any = b"", ends: Any = ()) -> None:
        """`text` is a buffer of bytes, `ends` int64 (count,): name i is text[ends[i - 1] : ends[i]]."""
        self._text = bytearray() if text == b"" else text
        self._ends = array("q") if len(ends) == 0 else ends

    @classmethod
    def of(cls, names: Iterable[str]) -> "Names":
        """The same names in little memory."""
        if isinstance(names, cls):
            return names
        found = cls()
        for name in names:
            found.append(name)
        return found

    @classmethod
    def stored(cls, text: np.ndarray, ends: np.ndarray) -> "Names":
        """The names that `columns` told, read from a file.

        Raises:
            ValueError: these are no names.
        """
        if len(ends) and (ends[0] < 0 or ends[-1] != len(text) or np.any(np.diff(ends) < 0)):
            raise ValueError("these are no names.")
        return cls(text.data, ends)

    def append(self, name: str) -> None:
        """One more, which `Names()` and what came from it alone take."""
        self._text += name.encode("utf-8")
        self._ends.append(len(self._text))

    def extend(self, names: Iterable[str]) -> None:
        """Several more."""
        parts = [name.encode("utf-8") for name in names]
        self._ends.extend(islice(accumulate(map(len, parts), initial=len(self._text)), 1, None))
        self._text += b"".join(parts)

    def columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Copies of the text, uint8 (bytes,), and of the ends, int64 (count,)."""
        return np.array(np.frombuffer(self._text, np.uint8)), np.array(self._ends, np.int64)

    def take(self, rows: np.ndarray) -> "Names":
        """The names at `rows`, in that order."""
        if len(rows) == len(self) and np.array_equal(rows, np.arange(len(self))):
            return self
        return Names.of(self[row] for row in rows)

    def rows_in(self, other: "Names") -> np.ndarray:
        """For each name, int64 (count,): where it is in `other`, or -1. Both are sorted; what is not may be missed."""
        if len(self) == len(other) and self._same_as(other):
            return np.arange(len(self))
        found = np.full(len(self), -1, np.int64)
        theirs = enumerate(other)
        place, name = next(theirs, (-1, None))
        for row, wanted in enumerate(self):
            while name is not None and name < wanted:
                place, name = next(theirs, (-1, None))
            if name == wanted:
                found[row] = place
        return found

    def _same_as(self, other: "Names") -> bool:
        return self._text == other._text and np.array_equal(np.asarray(self._ends), np.asarray(other._ends))

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> tuple[str, ...]: ...

    def __getitem__(self, row: int | slice) -> str | tuple[str, ...]:
        if isinstance(row, slice):
            return tuple(self[one] for one in range(*row.indices(len(self))))
        row = range(len(self))[row]  # IndexError as of a tuple, and from the end where it is negative
        return str(self._text[int(self._ends[row - 1]) if row else 0 : int(self._ends[row])], "utf-8")

    def __iter__(self) -> Iterator[str]:
        begin = 0
        for start in range(0, len(self), _AT_ONCE):
            for end in np.asarray(self._ends[start : start + _AT_ONCE]).tolist():
                yield str(self._text[begin:end], "utf-8")
                begin = end

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Names):
            return len(self) == len(other) and self._same_as(other)
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        few = ", ".join(map(repr, self[:3]))
        return f"Names({few}{', ...' if len(self) > 3 else ''}; {len(self):,} in all)"
