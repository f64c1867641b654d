"""`kvae-measure`: everything that is measured of models, on pictures, on one scale."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kvae.cli.flags import Parser, checked_flag, file_place
from kvae.cli.output import laid_out, lasting_output, without_warnings
from kvae.files.refusal import cell, line

DESCRIPTION = """Measure models on pictures: evidence bounds on one scale, the balance of the gradients, picture against
smoothness, and disentanglement where factors are known.

  kvae-measure models/art.keras --data ~/paintings
  kvae-measure models/sweep-1.keras models/sweep-0.1.keras --data ~/paintings --html measures.html
  kvae-measure models/art.keras --data ~/paintings --kl-weight 1 0.1 0.02

Where --data is what models were trained on, all are measured on the pictures that were held out from each of them.
docs/measures.md explains every number."""
NUMBER = 11  # characters of a column of numbers on a terminal, with what is between two


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit code."""
    with lasting_output():
        return _main(arguments)


def parser() -> Parser:
    """The flags of the command."""
    from rich_argparse import RawDescriptionRichHelpFormatter

    from kvae import __version__

    made = Parser("kvae-measure", description=DESCRIPTION, formatter_class=RawDescriptionRichHelpFormatter)
    made.add_argument("--version", action="version", version=f"kvae-measure {__version__}")
    made.add_argument("models", nargs="+", metavar="MODEL", help="models that kvae saved")
    made.add_argument(
        "--data", required=True, metavar="PICTURES", help="what to measure on, as kvae-train takes it, or `paintings`"
    )
    made.add_argument(
        "--kl-weight",
        type=lambda text: checked_flag("kl_weight", text, one=True),
        nargs="+",
        metavar="X",
        help="where to measure a model of a range of weights (default: five weights of its range)",
    )
    made.add_argument(
        "--pictures", type=_count, default=200, metavar="N", help="how many, evenly spread (2 to 512; default: 200)"
    )
    made.add_argument(
        "--seed", type=lambda text: checked_flag("seed", text), default=0, metavar="N", help="of the draws (default: 0)"
    )
    made.add_argument(
        "--json",
        action="store_true",
        help="print a JSON object for each model, and what compares them",
    )
    made.add_argument("--csv", metavar="PATH", help="also write a table, a line for each model and weight")
    made.add_argument("--html", metavar="PATH", help="also write a page that needs nothing else")
    made.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return made


def _count(text: str) -> int:
    import argparse

    if not text.isdecimal() or not 2 <= int(text[:9]) <= 512:
        raise argparse.ArgumentTypeError(f"must be a whole number from 2 to 512. Received: {text!r}.")
    return int(text)


def _main(arguments: Sequence[str] | None) -> int:
    flags = parser().parse_args(arguments)

    from kvae.cli.display import display, soft_stop
    from kvae.files.failure import in_words
    from kvae.quiet_imports import quiet_imports, silence_stderr

    listener = display(as_json=flags.json, quiet=flags.quiet)
    try:
        places = {
            ending: file_place(ending, path) for ending, path in (("csv", flags.csv), ("html", flags.html)) if path
        }
        # what is to be known is said by the listener; functions that are traced for each weight are no matter of theirs
        with soft_stop(listener), without_warnings(True):
            with silence_stderr(), quiet_imports():
                from kvae.training.measured_files import measure_files
            found = measure_files(
                flags.models, flags.data, kl_weights=flags.kl_weight, count=flags.pictures, seed=flags.seed,
                listener=listener,
            )  # fmt: skip
            written = _write(found, places)
    except KeyboardInterrupt:
        print("kvae-measure: interrupted; nothing was written.", file=sys.stderr)
        return listener.exit_code
    except (ValueError, OSError, MemoryError) as error:
        print(f"kvae-measure: error: {line(in_words(error))}", file=sys.stderr)
        return 2
    if flags.json:
        for one in found:
            print(json.dumps(one.record()), flush=True)
        if len(found) > 1:
            from kvae.measures.results import verdicts

            print(json.dumps({"findings": verdicts(found)}), flush=True)
    elif not flags.quiet:
        _print(found)
        for path in written:
            print(line(f"wrote {path}"))
    return 0


def _write(found: Sequence[Any], places: dict[str, Path]) -> list[Path]:
    """The files that were asked for, by their ending; an existing one is not overwritten."""
    from kvae.files.atomic import atomic_write, free_path

    written = []
    for ending, place in places.items():
        path = free_path(place)
        if ending == "csv":
            atomic_write(path, table(found))
        else:
            from kvae.figures import write_measures

            write_measures(path, **page_of(found))
        written.append(path)
    return written


def table(found: Sequence[Any]) -> str:
    """The numbers as CSV, a line for each model and weight, in full."""
    from kvae.measures.results import NUMBERS

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "network", "likelihood", "pictures", "kl_weight", *NUMBERS])
    for each in found:
        for one in each.at:
            told = one.record()
            numbers = ["" if told[name] is None else told[name] for name in ("kl_weight", *NUMBERS)]
            writer.writerow([cell(each.name), cell(each.network), cell(each.likelihood), each.pictures, *numbers])
    return text.getvalue()


def page_of(found: Sequence[Any]) -> dict[str, Any]:
    """What the page shows, as plain data."""
    from kvae.measures.results import NUMBERS, QUESTIONS, verdicts

    rows = [one for each in found for one in each.at]
    groups = []
    for question, title in QUESTIONS.items():
        lines = [
            {"label": about["label"], "unit": about["unit"], "says": about["says"],
             "cells": [shown(getattr(one, name), about["digits"]) for one in rows]}
            for name, about in NUMBERS.items()
            if about["question"] == question and any(getattr(one, name) is not None for one in rows)
        ]  # fmt: skip
        if lines:
            groups.append({"title": title, "lines": lines})
    weights = [one.kl_weight for one in rows]
    return {
        "columns": [(one.name, weight_of(one)) for one in rows],
        "groups": groups,
        "findings": verdicts(found),
        "notes": list(dict.fromkeys(note for each in found for note in each.notes)),
        "summary": "; ".join(f"{each.name}: {each.pictures} pictures" for each in found),
        "bits": [
            (one.name, weight, one.best_bits)
            for one, weight in zip(rows, weights, strict=True)
            if weight and one.best_bits is not None
        ],
    }


def weight_of(one: Any) -> str:
    """The weight of a column."""
    return "autoencoder" if one.kl_weight is None else f"β {one.kl_weight:g}"


def shown(value: float | None, digits: int) -> str:
    """A number as a table shows it."""
    return "–" if value is None else f"{value:,.{digits}f}"


def _with_unit(row: dict[str, Any]) -> str:
    return f"{row['label']}, {row['unit']}" if row["unit"] else row["label"]


def _print(found: Sequence[Any]) -> None:
    """The table on the terminal, in parts of a few columns, and what the numbers say."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    page = page_of(found)
    console = Console(highlight=False)
    several = len({each.name for each in found}) > 1
    names = [laid_out(_with_unit(row)) for group in page["groups"] for row in group["lines"]]
    together = max(1, (console.width - max(map(len, names)) - 4) // NUMBER)
    for start in range(0, len(page["columns"]), together):
        part = slice(start, start + together)
        made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        made.add_column("", no_wrap=True)
        for name, weight in page["columns"][part]:
            title = f"{line(name)}\n{weight}" if several else weight
            made.add_column(Text(laid_out(title)), justify="right", min_width=NUMBER - 2, overflow="fold")
        for group in page["groups"]:
            made.add_row(laid_out(group["title"]), style="bold")
            for row in group["lines"]:
                made.add_row(f"  {laid_out(_with_unit(row))}", *(laid_out(text) for text in row["cells"][part]))
        console.print(made)
        console.print()
    for sentence in page["findings"]:
        console.print(laid_out(line(sentence)), markup=False, soft_wrap=True)
    for note in page["notes"]:
        console.print(laid_out(line(f"Not measured: {note}.")), markup=False, soft_wrap=True, style="dim")


if __name__ == "__main__":
    sys.exit(main())
