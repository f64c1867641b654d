"""A JSON text with every field in turn absent, said twice, and given every value that it should not have."""

import copy
import json
from collections.abc import Iterator
from typing import Any

VALUES = {
    "null": "null",
    "true": "true",
    "a number": "5",
    "text": '"text"',
    "a list": "[]",
    "a list of lists": "[[], [[1]]]",
    "a table": "{}",
    "a table of a table": '{"a": {"b": 1}}',
    "below zero": "-1",
    "a fraction": "0.5",
    "a large number": "4294967296",
    "a huge number": "9" * 39,
    "endless digits": "9" * 5000,
    "NaN": "NaN",
    "infinite": "1e999",
    "nearly infinite": "1e308",
    "deep": "[" * 20 + "]" * 20,
    "endlessly deep": "[" * 2000 + "]" * 2000,
    "long text": '"' + "x" * 10_000 + '"',
    "control characters": '"\\u001b[31m\\u0000\\n"',
    "a list of thousands": "[" + "0," * 5000 + "0]",
    "a list of nulls": "[null, null]",
}
Path = tuple[Any, ...]


def places(value: Any, at: Path = ()) -> Iterator[Path]:
    """Where the fields of `value` are; of a list its first."""
    fields = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, one in fields:
        yield (*at, key)
        yield from places(one, (*at, key))


def without(value: Any, place: Path) -> bytes:
    """`value` without the field at `place`."""
    changed = copy.deepcopy(value)
    del _inner(changed, place)[place[-1]]
    return json.dumps(changed).encode()


def given(value: Any, place: Path, text: str) -> bytes:
    """`value` with `text` for the field at `place`."""
    changed = copy.deepcopy(value)
    _inner(changed, place)[place[-1]] = "HERE"
    return json.dumps(changed).replace('"HERE"', text, 1).encode()


def twice(value: Any, place: Path) -> bytes:
    """`value` with the field at `place` said twice, or with an unknown one beside it where it is a list's."""
    changed = copy.deepcopy(value)
    inner = _inner(changed, place)
    if isinstance(inner, list):
        return without(value, place)
    inner["HERE"] = inner[place[-1]]
    return json.dumps(changed).replace('"HERE"', json.dumps(place[-1]), 1).encode()


def cases(value: Any) -> Iterator[tuple[str, bytes]]:
    """Every change of every field, with its name."""
    for place in places(value):
        name = ".".join(map(str, place))
        yield f"{name} missing", without(value, place)
        yield f"{name} twice", twice(value, place)
        for what, text in VALUES.items():
            yield f"{name} is {what}", given(value, place, text)
    yield "an unknown field", json.dumps({**value, "x" * 5000: 1}).encode()
    for what, text in VALUES.items():
        yield f"all is {what}", text.encode()


def _inner(value: Any, place: Path) -> Any:
    for key in place[:-1]:
        value = value[key]
    return value
