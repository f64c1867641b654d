"""`kvae-sweep`: the same pictures under several KL weights, on one page."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from kvae.cli.flags import add_output, checked_flag, parser
from kvae.cli.output import laid_out, lasting_output, without_warnings
from kvae.files.refusal import line

DESCRIPTION = """Train on the same pictures with several settings and show them side by side.

  kvae-sweep --kl-weight 1 0.1 0.01 --with-autoencoder
  kvae-sweep --kl-weight 1 0.1 --latent-dim 2 8 32 128 512 auto     where more latents stop helping at a weight
  kvae-sweep --kl-weight 1 0.1 --weighting constant geco --seed 0 1 2
  kvae-sweep --study study.toml                                     the same as a file, with single trials beside

Every flag of a setting takes several values, and all combinations are trained; runs that differ in their seed alone are
shown as their mean. Writes one HTML page and one PNG: the loss components of each run, originals over the
reconstructions of each, a table of D, R, bits per dimension, PSNR, smoothness, active dimensions, sigma and beta*,
where each run lies against the Gaussian limit, and what the runs show in words. Beside it an index of all trials, .json
and .csv, written after each. With --latent-dim 2 also a page of the pictures' posteriors over the decoded plane of the
two latents."""
EPILOG = """The same command again goes on: trials that are done are not trained again, and one that was cut off goes on
from its checkpoint. A trial that fails is a row that says why. Ctrl-C, SIGTERM and a closed terminal end the present
run softly and draw the page from the runs so far. A study file has the tables [axes] (lists of values), [settings] and
[trials.NAME] (settings of a single trial), and the lines title and with_autoencoder; flags win over it."""
WEIGHTS = [1.0, 0.1, 0.01]
OUTPUT = "models/sweep.html"
MOST_ROWS = 40  # of the table on the terminal
WIDE = 100  # columns of a terminal from which on bits and paths have room beside whole names
SOME_FAILED = 1  # the exit code where some trials ended without numbers


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit code."""
    with lasting_output():
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    flags = vars(_parser().parse_args(arguments))
    names = ("json", "quiet", "output", "study", "yes", "with_autoencoder", "workers", "merge", "ray")
    options = {name: flags.pop(name) for name in names}

    from kvae.cli.display import display, interrupted, soft_stop
    from kvae.files.failure import in_words
    from kvae.quiet_imports import quiet_imports, silence_stderr

    listener = display(as_json=options["json"], quiet=options["quiet"])
    try:
        with soft_stop(listener), without_warnings(options["quiet"]):
            with silence_stderr(), quiet_imports():
                from kvae.sweeps.index import MOST_OF_ALL
                from kvae.sweeps.study import read_study
                from kvae.sweeps.sweep import MOST_TRIALS, sweep
                from kvae.training.device import choose_device

                choose_device(_alone(flags, "device", "auto"))
            if options["merge"]:
                return _merge(flags, options)
            study = read_study(options["study"]) if options["study"] else None
            axes, settings = _merged(flags, study)
            result = sweep(
                settings.pop("data", "paintings"),
                None if study else WEIGHTS,
                axes=axes,
                trials=study.trials if study else None,
                title=study.title if study else "",
                with_autoencoder=options["with_autoencoder"] or (study is not None and study.with_autoencoder),
                output=options["output"],
                most_trials=MOST_OF_ALL if options["yes"] else MOST_TRIALS,
                workers=options["workers"],
                ray=options["ray"],
                listener=listener,
                **settings,
            )
    except KeyboardInterrupt as end:
        print(f"kvae-sweep: {line(' '.join([interrupted(listener), *map(str, end.args)]))}", file=sys.stderr)
        return listener.exit_code
    except (ValueError, OSError, MemoryError) as error:
        print(f"kvae-sweep: error: {line(in_words(error))}", file=sys.stderr)
        return 2
    _report(result, as_json=options["json"], quiet=options["quiet"])
    if result.stopped and not options["json"] and not options["quiet"]:
        print("stopped early; the same command goes on")
    if result.stopped:
        return listener.exit_code
    return SOME_FAILED if any(trial.state in ("failed", "diverged") for trial in result.table.trials) else 0


def _merge(flags: dict[str, Any], options: dict[str, Any]) -> int:
    """Show several sweeps as one."""
    from kvae.sweeps.merge import merge
    from kvae.sweeps.sweep import page_path

    if flags:
        raise ValueError(
            f"merge: --{next(iter(flags)).replace('_', '-')} has no effect: nothing is trained. Leave it out."
        )
    table, drawn = merge(options["merge"], page_path(options["output"]))
    page = table.path.with_suffix(".html")
    _print_all(drawn.rows, table, page, page.with_suffix(".png"), None, options["json"], options["quiet"])
    return 0


def _parser() -> argparse.ArgumentParser:
    made = parser("kvae-sweep", DESCRIPTION, EPILOG, leave_out=("kl_weight", "autoencoder"), several=True)
    what = made.add_argument_group("weights and trials")
    what.add_argument(
        "--kl-weight",
        type=lambda text: checked_flag("kl_weight", text, one=True),
        nargs="+",
        metavar="X",
        help="the weights (default: 1 0.1 0.01)",
    )
    what.add_argument(
        "--with-autoencoder", action="store_true", default=False, help="also the same layers as a plain autoencoder"
    )
    what.add_argument(
        "--merge",
        metavar="SWEEP",
        nargs="+",
        default=None,
        help="train nothing: show these sweeps as one, by their pages",
    )
    what.add_argument("--study", metavar="FILE", default=None, help="axes, settings and trials from a TOML file")
    what.add_argument(
        "--workers",
        type=int,
        default=None,
        metavar="N",
        help="processes of this machine that train at once, each with its share of the cores (default: 1)",
    )
    what.add_argument(
        "--ray",
        metavar="ADDRESS",
        default=None,
        help="train on the Ray cluster that this machine belongs to, through Ray Tune: auto, its HOST:PORT, or local "
        "for one that is started for this sweep; --workers is then how many trials at a time",
    )
    what.add_argument("--yes", action="store_true", default=False, help="train also more than 100 trials")
    add_output(made, OUTPUT, "the page; models, PNG and index lie beside it, nothing is overwritten")
    return made


def _merged(flags: dict[str, Any], study: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The axes and the settings of flags, over those of a study file."""
    from kvae.sweeps.study import known

    axes = dict(study.axes) if study else {}
    settings = {name: known(name, value) for name, value in study.settings.items()} if study else {}
    for name, values in flags.items():
        if name == "kl_weight" or len(values) > 1:
            settings.pop(name, None)
            axes[name] = values
        else:
            axes.pop(name, None)
            settings[name] = values[0]
    return axes, settings


def _alone(flags: dict[str, Any], name: str, usual: Any) -> Any:
    values = flags.get(name, [usual])
    return values[0] if len(values) == 1 else usual


def _report(result: Any, *, as_json: bool, quiet: bool) -> None:
    _print_all(result.rows, result.table, result.page, result.figure, result.latents, as_json, quiet)


def _print_all(rows: Any, table: Any, page: Any, figure: Any, latents: Any, as_json: bool, quiet: bool) -> None:
    """The rows and where everything is, or the latter as JSON."""
    ends = {"page": page, "figure": figure, "latents": latents}
    if as_json:
        models = [str(trial.model) for trial in table.trials if trial.model is not None]
        told = {name: str(path) for name, path in ends.items() if path is not None}
        print(json.dumps({**told, "models": models, "index": str(table.path)}), flush=True)
    if as_json or quiet:
        return
    from rich.console import Console

    console = Console()
    console.print(_as_table(rows[:MOST_ROWS], wide=console.width >= WIDE))
    left_out = [f"{len(rows) - MOST_ROWS} more rows are on the page"] if len(rows) > MOST_ROWS else []
    for last in [*left_out, *(f"{name} {path}" for name, path in ends.items() if path is not None)]:
        console.print(line(last), highlight=False, markup=False, soft_wrap=True)


def _as_table(rows: Any, *, wide: bool) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "D", "R", "L", "PSNR", "active", "σ", "β*", *(("bits/dim", "path") if wide else ())):
        table.add_column(laid_out(column), justify="left" if not column else "right", no_wrap=bool(column))
    for row in rows:
        rate = "-" if row.rate is None else _spread(row, "rate")
        sigma = "-" if row.sigma is None else f"{row.sigma:.3g}"
        active = "-" if row.active is None else f"{row.active} of {row.latent_dim}"
        more = ("-" if value is None else f"{value:.2f}" for value in (row.bits, row.decoded_path)) if wide else ()
        table.add_row(
            laid_out(line(row.name)), _spread(row, "distortion"), rate, _spread(row, "loss"), f"{row.psnr:.2f}", active,
            sigma, f"{row.calibrated:.3g}", *more,
        )  # fmt: skip
    return table


def _spread(row: Any, field: str) -> str:
    """A number with its standard deviation over seeds, where there is one."""
    value, spread = getattr(row, field), row.spread.get(field)
    if not math.isfinite(value):
        return "-"
    return f"{value:.1f}" if spread is None else f"{value:.1f} ± {spread:.2g}"


if __name__ == "__main__":
    sys.exit(main())
