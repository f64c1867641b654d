"""What a process says of itself, unasked: the engine that it is there, and every process what belongs into the log."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """One setting of `kvae.settings.SETTINGS` as plain data. `kind` is "bool", "int", "float" or "str"."""

    name: str
    default: Any
    help: str
    kind: str
    group: str
    low: float | None
    high: float | None
    unit: str
    choices: tuple[str, ...]
    many: bool


@dataclass(frozen=True, slots=True)
class Hello:
    """The engine's first word, long before TensorFlow is there: what can be set."""

    version: str
    settings: tuple[SettingInfo, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """TensorFlow is there; `seconds` since the process started."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry for the log, from any process: `text` in one line, `trace` of an exception; `level` as in `logging`."""

    name: str
    level: int
    text: str
    trace: str = ""
