"""Flags, generated from the settings."""

import argparse
import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from rich_argparse import RawDescriptionRichHelpFormatter

from kvae import __version__
from kvae.settings import AUTO, SETTINGS, Setting, check

TITLES = {
    "pictures": "pictures",
    "model": "model",
    "weighting": "weighting",
    "objective": "rate and likelihood",
    "training": "training",
}


OTHER_NAMES = {"--beta": "--kl-weight", "--lr": "--learning-rate", "--gpu": "--device gpu", "--cpu": "--device cpu"}


class Parser(argparse.ArgumentParser):
    """One line about what is wrong, rather than 20 lines of usage before it."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As ever, but a word that is no flag is answered with the nearest one."""
        found, left = self.parse_known_args(args, namespace)
        if left:
            self.error(self._unknown(left))
        return found

    def error(self, message: str) -> NoReturn:
        """End with one sentence, and where more is to be read."""
        message = re.sub(r"^argument (\S+): (must )?", lambda flag: flag[1] + (" must " if flag[2] else ": "), message)
        message = " ".join(message.split())
        end = "" if message.endswith((".", "?")) else "."
        self.exit(2, f"{self.prog}: error: {message}{end} See {self.prog} --help.\n")

    def _unknown(self, words: list[str]) -> str:
        word = next((word for word in words if word.startswith("-")), words[0]).split("=")[0]
        if not word.startswith("-"):
            return f"{word} belongs to no flag. Pictures are named with --data {word}"
        known = [flag for flag in self._option_string_actions if flag.startswith("--")]
        near = [OTHER_NAMES[word]] if word in OTHER_NAMES else difflib.get_close_matches(word, known, 1, 0.7)
        return f"there is no flag {word}. " + (f"Did you mean {near[0]}?" if near else "Leave it out")


def parser(
    program: str, description: str, epilog: str, *, leave_out: Iterable[str] = (), several: bool = False
) -> argparse.ArgumentParser:
    """A parser with a flag for every setting but those left out; a flag that is not given leaves its setting out.

    With `several` each flag takes several values, and what is read is a list of them.
    """
    made = Parser(
        program,
        description=description,
        epilog=epilog,
        formatter_class=RawDescriptionRichHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    made.add_argument("--version", action="version", version=f"{program} {__version__}")
    left_out = set(leave_out)
    for group, title in TITLES.items():
        flags = made.add_argument_group(title)
        for name, setting in SETTINGS.items():
            if setting.group == group and name not in left_out:
                _add_flag(flags, name, setting, several)
    return made


def _add_flag(flags: Any, name: str, setting: Setting, several: bool) -> None:
    flag = f"--{name.replace('_', '-')}"
    text = setting.help.replace("%", "%%")
    if setting.kind is bool and several:
        _add_switches(flags, flag, name, setting, text)
        return
    if setting.kind is bool:
        action = argparse.BooleanOptionalAction if setting.default else "store_true"
        flags.add_argument(flag, action=action, help=f"{text} (default: {'on' if setting.default else 'off'})")
        return
    notes = []
    if setting.unit:
        notes.append(
            f"in {setting.unit}" if setting.low is None else f"{setting.low:g} to {setting.high:g} {setting.unit}"
        )
    if not setting.many:
        notes.append(f"default: {AUTO if setting.default is None else setting.default}")
    options: dict[str, Any] = {
        "help": f"{text} ({'; '.join(notes)})" if notes else text,
        "type": _reader_of_rows(name) if setting.many and several else _reader(name),
        "nargs": "+" if setting.many or several else None,
        "action": _Rows if setting.many and several else "store",
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
        checked = checked_flag(name, value)
        return checked[0] if SETTINGS[name].many else checked

    return read


class _Rows(argparse.Action):
    """Values of a setting that holds many: each word with commas is one; words of one number each are one together."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        single = all(len(row) == 1 for row in values)
        setattr(namespace, self.dest, [tuple(row[0] for row in values)] if single else values)


def _reader_of_rows(name: str) -> Any:
    read = _reader(name)
    return lambda text: tuple(read(part) for part in text.split(","))


def _add_switches(flags: Any, flag: str, name: str, setting: Setting, text: str) -> None:
    """A switch that may be named with both its states."""
    state = "on" if setting.default else "off"
    flags.add_argument(
        flag, nargs="*", type=_on_or_off, action=_Switch, metavar="on|off", help=f"{text} (default: {state})"
    )
    if setting.default:
        flags.add_argument(f"--no-{flag[2:]}", dest=name, action="store_const", const=[False], help=argparse.SUPPRESS)


class _Switch(argparse.Action):
    """Without a word, on."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        setattr(namespace, self.dest, values or [True])


def _on_or_off(text: str) -> bool:
    if text not in ("on", "off"):
        raise argparse.ArgumentTypeError(f"must be on or off. Received: {text!r}")
    return text == "on"


def checked_flag(name: str, value: Any, *, one: bool = False) -> Any:
    """`value` of the setting `name`, in its bounds; `Parser.error` puts the flag before what is said of it
    otherwise."""
    try:
        return check(name, value, "", one=one)
    except ValueError as error:
        sentence = str(error).removeprefix(f": `{name}` ").replace(f"Received: {name}=", "Received: ")
        raise argparse.ArgumentTypeError(sentence) from None


def add_output(made: argparse.ArgumentParser, default: str, what: str) -> Any:
    """Flags for what a command leaves behind and what it says; the group they are in."""
    flags = made.add_argument_group("output")
    flags.add_argument("--output", default=default, metavar="PATH", help=f"{what} (default: {default})")
    flags.add_argument("--json", action="store_true", default=False, help="print one JSON object a line, for programs")
    flags.add_argument("--quiet", action="store_true", default=False, help="print nothing but errors")
    return flags


def file_place(flag: str, given: str | Path) -> Path:
    """Where a file goes, once it is known, before minutes of work, that its folder is there and takes it.

    Raises:
        ValueError: otherwise; one sentence.
    """
    path = Path(given).expanduser().absolute()
    if path.is_dir():
        raise ValueError(f"--{flag}: {path} is a folder. Name a file in it.")
    if path.exists() and not path.is_file():
        raise ValueError(f"--{flag}: {path} is nothing that can be kept. Choose another place, or leave --{flag} out.")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"--{flag}: {path.parent} is no folder that can be written to. Choose another place.")
    return path
