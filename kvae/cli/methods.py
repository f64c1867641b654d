"""`kvae-train --list-methods`: every way to weigh the rate, every rate and likelihood, in a table."""

from typing import TYPE_CHECKING

from kvae.cli.output import laid_out

if TYPE_CHECKING:
    from kvae.model.methods import Described

TITLES = {
    "weighting": "--weighting: how the KL weight is set over time",
    "rate": "--rate: what is weighted",
    "likelihood": "--likelihood: what the optimizer sees as distortion",
}


def print_methods(rows: "list[Described]") -> None:
    """Print `rows`, a table for each axis."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for axis, title in TITLES.items():
        holds = "states" if axis == "likelihood" else "holds constant"
        table = Table(
            title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0)
        )
        table.add_column("name", no_wrap=True, style="bold")
        for column in (holds, *(["settings and their defaults"] if axis != "likelihood" else []), "reference"):
            table.add_column(column, overflow="fold")
        for row in rows:
            if row.axis == axis:
                settings = ["\n".join(_flag(one) for one in row.settings)] if axis != "likelihood" else []
                table.add_row(row.name, laid_out(row.holds), *settings, laid_out(row.reference), end_section=True)
        console.print(table)
        console.print()


def _flag(setting: tuple[str, str]) -> str:
    name, value = setting
    return f"--{name.replace('_', '-')} {value}"
