"""Flags, generated from the settings."""

import argparse
from collections.abc import Iterable
from typing import Any

from rich_argparse import RawDescriptionRichHelpFormatter

from kvae.settings import SETTINGS, Setting, check

TITLES = {
    "pictures": "pictures",
    "model": "model",
    "weighting": "weighting",
    "objective": "rate and likelihood",
    "training": "training",
}


def parser(program: str, description: str, epilog: str, *, leave_out: Iterable[str] = ()) -> argparse.ArgumentParser:
    """A parser with a flag for every setting but those left out; a flag that is not given leaves its setting out."""
    made = argparse.ArgumentParser(
        program,
        description=description,
        epilog=epilog,
        formatter_class=RawDescriptionRichHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    left_out = set(leave_out)
    for group, title in TITLES.items():
        flags = made.add_argument_group(title)
        for name, setting in SETTINGS.items():
            if setting.group == group and name not in left_out:
                _add_flag(flags, name, setting)
    return made


def _add_flag(flags: Any, name: str, setting: Setting) -> None:
    flag = f"--{name.replace('_', '-')}"
    text = setting.help.replace("%", "%%")
    if setting.kind is bool:
        action = argparse.BooleanOptionalAction if setting.default else "store_true"
        flags.add_argument(flag, action=action, help=f"{text} (default: {'on' if setting.default else 'off'})")
        return
    notes = []
    if setting.unit:
        notes.append(
            f"in {setting.unit}" if setting.low is None else f"{setting.low:g} to {setting.high:g} {setting.unit}"
        )
    if setting.default is not None:
        notes.append(f"default: {setting.default}")
    options: dict[str, Any] = {
        "help": f"{text} ({'; '.join(notes)})" if notes else text,
        "type": _reader(name),
        "nargs": "+" if setting.many else None,
        "metavar": "{" + ",".join(setting.choices) + "}" if setting.choices else _metavar(name, setting),
    }
    flags.add_argument(flag, **options)


def _metavar(name: str, setting: Setting) -> str:
    return {int: "N", float: "X"}.get(setting.kind, name.upper())


def _reader(name: str) -> Any:
    def read(text: str) -> Any:
        try:
            value: Any = SETTINGS[name].kind(text)
        except ValueError:
            value = text
        try:
            checked = check(name, value, f"--{name.replace('_', '-')}")
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return checked[0] if SETTINGS[name].many else checked

    return read


def add_output(made: argparse.ArgumentParser, default: str, what: str) -> Any:
    """Flags for what a command leaves behind and what it says; the group they are in."""
    flags = made.add_argument_group("output")
    flags.add_argument("--output", default=default, metavar="PATH", help=f"{what} (default: {default})")
    flags.add_argument("--json", action="store_true", default=False, help="print one JSON object a line, for programs")
    flags.add_argument("--quiet", action="store_true", default=False, help="print nothing but errors")
    return flags
