"""`kvae-bayes`: what the KL weight does to a Bayesian neural network, on one page."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kvae.cli.flags import Parser, checked_flag, file_place
from kvae.cli.output import lasting_output, without_warnings
from kvae.files.refusal import line as one_line

DESCRIPTION = """Train small Bayesian networks under several KL weights: on a wavy line with a gap, and on paintings.

  kvae-bayes
  kvae-bayes --kl-weight 0.01 1 --seeds 5

Writes one HTML page and one PNG: predictions with their bands, the posterior of the networks' weights, and test
log-likelihood, calibration and accuracy against the weight. Weight 1 is Bayes, below it the posterior is cold. It takes
about two minutes on two cores."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit code."""
    with lasting_output():
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
    from kvae import __version__

    made = Parser("kvae-bayes", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--version", action="version", version=f"kvae-bayes {__version__}")
    made.add_argument(
        "--kl-weight",
        type=lambda text: checked_flag("kl_weight", text, one=True),
        nargs="+",
        metavar="X",
        help="the weights (default: 0.01 0.1 0.3 1 3 10)",
    )
    made.add_argument("--seeds", type=int, default=2, metavar="N", help="runs at each weight (default: 2)")
    made.add_argument(
        "--output", default="models/bayes.html", help="the page; the PNG lies beside it (default: models/bayes.html)"
    )
    made.add_argument("--json", action="store_true", help="print the numbers as JSON and nothing else")
    made.add_argument("--quiet", action="store_true", help="print errors only")
    flags = made.parse_args(arguments)
    if not 1 <= flags.seeds <= 100:
        made.error("--seeds must be from 1 to 100")
    if flags.kl_weight and min(flags.kl_weight) <= 0:
        made.error("--kl-weight must be above 0: without a KL term there is no posterior")
    from kvae.cli.display import Silent, soft_stop
    from kvae.files.failure import in_words

    listener = Silent()
    try:
        with soft_stop(listener), without_warnings(flags.quiet or flags.json):
            return _study(flags)
    except KeyboardInterrupt:
        print("kvae-bayes: interrupted; nothing was written.", file=sys.stderr)
        return listener.exit_code
    except (ValueError, OSError, MemoryError) as error:
        print(f"kvae-bayes: error: {one_line(in_words(error))}", file=sys.stderr)
        return 2


def _study(flags: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from kvae.files.atomic import free_path
    from kvae.quiet_imports import quiet_imports, silence_stderr

    with silence_stderr(), quiet_imports():
        from kvae.bayes import study
        from kvae.figures.bayes import bayes_findings, draw_bayes

    given = Path(flags.output).expanduser().absolute()
    given.parent.mkdir(parents=True, exist_ok=True)
    target = file_place("output", given).with_suffix(".html")
    page = free_path(target, ".png")
    weights, seeds = tuple(flags.kl_weight or study.WEIGHTS), range(flags.seeds)
    quiet = flags.quiet or flags.json
    with Progress(console=Console(stderr=True), disable=quiet, transient=True) as bar:
        task = bar.add_task("the wavy line", total=None)

        def progress(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        line = study.wavy_line()
        fitted = study.fit_line(line, weights, seeds, progress=progress)
        classified = study.classify(weights, seeds, progress=progress)
    figure = page.with_suffix(".png")
    draw_bayes(figure, page, line, fitted, classified, noise=study.NOISE)
    if flags.json:
        arrays = ("mean", "spread", "scales")
        tables = {
            "line": [{name: value for name, value in vars(one).items() if name not in arrays} for one in fitted],
            "manners": [vars(one) for one in classified],
        }
        print(json.dumps({"page": str(page), "figure": str(figure), **tables}), flush=True)
    if not quiet:
        for sentence in bayes_findings(fitted, classified):
            print(sentence)
        print(one_line(f"page {page}"), one_line(f"figure {figure}"), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
