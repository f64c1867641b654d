"""`kvae-sweep`: the same pictures under several KL weights, on one page."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from kvae.cli.flags import add_output, checked_flag, parser
from kvae.cli.output import laid_out, lasting_output, without_warnings
from kvae.files.refusal import line

DESCRIPTION = """Train on the same pictures with several KL weights and show them side by side.

  kvae-sweep --kl-weight 1 0.1 0.01 --with-autoencoder
  kvae-sweep --data ~/paintings --kl-weight 1 0.1 --minutes 5

Writes one HTML page and one PNG: the loss components of each run, originals over the reconstructions of each, a table
of D, R, bits per dimension, PSNR, smoothness, active dimensions, sigma and beta*, where each run lies against the
Gaussian limit, and what the runs show in words. With --latent-dim 2 also a page of the pictures' posteriors over the
decoded plane of the two latents."""
EPILOG = "Ctrl-C, SIGTERM and a closed terminal end the present run softly and draw the page from the runs so far."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit code."""
    with lasting_output():
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    made = parser("kvae-sweep", DESCRIPTION, EPILOG, leave_out=("kl_weight", "autoencoder"))
    what = made.add_argument_group("weights")
    what.add_argument(
        "--kl-weight",
        type=lambda text: checked_flag("kl_weight", text, one=True),
        nargs="+",
        default=[1.0, 0.1, 0.01],
        metavar="X",
        help="the weights (default: 1 0.1 0.01)",
    )
    what.add_argument(
        "--with-autoencoder", action="store_true", default=False, help="also the same layers as a plain autoencoder"
    )
    add_output(made, "models/sweep.html", "the page; models and PNG lie beside it, nothing is overwritten")
    flags = vars(made.parse_args(arguments))
    as_json, quiet, output = (flags.pop(name) for name in ("json", "quiet", "output"))

    from kvae.cli.display import display, interrupted, soft_stop
    from kvae.files.failure import in_words
    from kvae.quiet_imports import quiet_imports, silence_stderr

    listener = display(as_json=as_json, quiet=quiet)
    try:
        with soft_stop(listener), without_warnings(quiet):
            with silence_stderr(), quiet_imports():
                from kvae.training.device import choose_device
                from kvae.training.sweep import sweep

                choose_device(flags.get("device", "auto"))
            data, weights = flags.pop("data", "paintings"), flags.pop("kl_weight")
            result = sweep(data, weights, output=output, listener=listener, **flags)
    except KeyboardInterrupt:
        print(f"kvae-sweep: {interrupted(listener)}", file=sys.stderr)
        return listener.exit_code
    except (ValueError, OSError, MemoryError) as error:
        print(f"kvae-sweep: error: {line(in_words(error))}", file=sys.stderr)
        return 2
    _report(result, as_json=as_json, quiet=quiet)
    return listener.exit_code if result.stopped else 0


def _report(result: Any, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        models = [str(run.path) for run in result.runs]
        told = {"page": str(result.page), "figure": str(result.figure), "models": models}
        told |= {} if result.latents is None else {"latents": str(result.latents)}
        print(json.dumps(told), flush=True)
    if as_json or quiet:
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "D", "R", "L", "PSNR", "active", "σ", "β*"):
        table.add_column(laid_out(column), justify="left" if not column else "right", no_wrap=True)
    for row in result.rows:
        rate = "-" if row.rate is None else f"{row.rate:.1f}"
        sigma = "-" if row.sigma is None else f"{row.sigma:.3g}"
        table.add_row(
            laid_out(row.name), f"{row.distortion:.1f}", rate, f"{row.loss:.1f}", f"{row.psnr:.2f}",
            f"{row.active} of {row.latent_dim}", sigma, f"{row.calibrated:.3g}",
        )  # fmt: skip
    console = Console()
    console.print(table)
    ends = {"page": result.page, "figure": result.figure, "latents": result.latents}
    for last in (f"{name} {path}" for name, path in ends.items() if path is not None):
        console.print(line(last), highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
