"""`kvae-train`: train a VAE on pictures."""

import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from kvae.cli.flags import add_output, parser
from kvae.cli.output import laid_out, lasting_output, without_warnings
from kvae.files.refusal import line

DESCRIPTION = """Train a variational autoencoder on pictures, with the KL term scaled by a weight of your choice.

  kvae-train --kl-weight 0.1                         on the built-in paintings
  kvae-train --data ~/paintings --kl-weight 0.1      on a folder of pictures
  kvae-train --data ~/paintings --kl-weight 0.01..1  one model for every weight from 0.01 to 1
  kvae-train --data ~/paintings --from starter       from the model that comes with kvae, for few pictures
  kvae-train --data ~/paintings --autoencoder        the same layers as a plain autoencoder
  kvae-train --weighting geco --target-distortion 40  the least rate at which D is 40; --list-methods shows them all
"""
OUTPUT = "models/art.keras"
EPILOG = """The loss is L = D + beta R. D is the squared error of a picture, summed over its height, width and channels;
R is the KL term in nats. Leaves a model, models/art.keras, and beside it art.png: the curves, originals over their
reconstructions, samples and in-betweens; of a range of weights, these at five of them, and with --latent-dim 2
art-latents.html: the pictures' posteriors over the decoded plane. Ctrl-C, a polite kill (SIGTERM)
and a closed terminal stop softly: the model is saved all the same, and --resume goes on from it. So it does with a run
that was killed, from the last checkpoint in a folder beside the model. With TF_CONFIG several processes, on one machine
or more, train one model together: docs/scale.md."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit code."""
    with lasting_output():
        try:
            code = _main(arguments)
        except Exception:
            if not in_cluster():
                raise
            traceback.print_exc()
            code = 1
        if in_cluster():  # which it has not left: the frameworks would wait at exit for processes that are gone
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        return code


def _main(arguments: Sequence[str] | None) -> int:
    made = parser("kvae-train", DESCRIPTION, EPILOG)
    output = add_output(made, OUTPUT, "the model; an existing one is never overwritten")
    output.add_argument(
        "--resume",
        metavar="MODEL",
        help="go on from this model, or with the run that was to leave it and was cut off, at any point, with its "
        "settings unless a flag says else",
    )
    output.add_argument(
        "--from",
        metavar="MODEL",
        dest="start",
        help="start the networks from those of this model, of the network spectral, or from `starter`, the model that "
        "comes with kvae: few pictures and a minute are enough then",
    )
    output.add_argument(
        "--tensorboard",
        metavar="FOLDER",
        help="write curves, reconstructions and the rate-distortion plane there, for TensorBoard",
    )
    output.add_argument(
        "--compact",
        action="store_true",
        default=False,
        help="leave a small model, with weights of float16 and without the state of its optimizer",
    )
    output.add_argument(
        "--list-methods", action="store_true", default=False, help="print every weighting, rate and likelihood, and end"
    )
    flags = vars(made.parse_args(arguments))
    if flags.pop("list_methods"):
        return _list_methods()
    options = {
        name: flags.pop(name, None) for name in ("output", "json", "quiet", "resume", "start", "compact", "tensorboard")
    }

    from kvae.cli.display import display, interrupted, soft_stop
    from kvae.files.failure import in_words
    from kvae.quiet_imports import quiet_imports, silence_stderr

    listener = display(as_json=options["json"], quiet=options["quiet"])
    try:
        with soft_stop(listener), without_warnings(options["quiet"]):
            with silence_stderr(), quiet_imports():
                from kvae.training.cluster import join
                from kvae.training.device import choose_device
                from kvae.training.helping import help_train
                from kvae.training.resume import open_run, resumed
                from kvae.training.run import train

            cluster = join(listener.on_message, flags.get("device", "auto"))
            with silence_stderr():
                choose_device(flags.get("device", "auto"))
            if cluster is not None and cluster.place:
                listener.running = True  # so that the first signal ends the run softly
                help_train(cluster, flags.get("data"), listener)
                return listener.exit_code if listener.stop else 0
            earlier = None
            if options["resume"]:
                earlier = open_run(options["resume"], listener.on_message)
                flags = resumed(earlier, flags)
            # an interrupted run leaves its model where it was to, unless another place is named
            output = getattr(earlier, "output", OUTPUT) if options["output"] == OUTPUT else options["output"]
            data, places = flags.pop("data", "paintings"), {name: options[name] for name in ("start", "tensorboard")}
            run = train(data, output=output, listener=listener, resume=earlier, **places, **flags)
            if options["compact"]:
                run.model.save(run.path, compact=True)
    except KeyboardInterrupt as end:  # which may say how to go on
        print(f"kvae-train: {line(' '.join([interrupted(listener), *map(str, end.args)]))}", file=sys.stderr)
        return listener.exit_code
    except (ValueError, OSError, MemoryError) as error:
        print(f"kvae-train: error: {line(in_words(error))}", file=sys.stderr)
        return 2
    _report(run, as_json=options["json"], quiet=options["quiet"])
    return listener.exit_code if run.stopped else 0


def in_cluster() -> bool:
    """Whether this process is one of several that have a run together."""
    module = sys.modules.get("kvae.training.cluster")
    return module is not None and module.current() is not None


def _list_methods() -> int:
    from kvae.cli.methods import print_methods
    from kvae.quiet_imports import silence_stderr

    with silence_stderr():
        from kvae.model.methods import described
    print_methods(described())
    return 0


def _report(run: Any, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        print(
            json.dumps({"model": str(run.path), "figure": str(run.figure), "device": run.prepared.device}), flush=True
        )
    if as_json or quiet:
        return
    if run.evaluated.curve:
        _report_range(run)
    else:
        _report_terms(run)
    if run.stopped:
        print(line(f"stopped early; to go on: kvae-train --resume {run.path}"))
    print(line(f"model {run.path}"), line(f"figure {run.figure}"), sep="\n")


def _report_range(run: Any) -> None:
    """What the model of a range reached on the held-out pictures, a row for each weight."""
    from rich.console import Console
    from rich.table import Table

    from kvae.training.evaluation import MOST_FOR_CURVE
    from kvae.weighting.conversions import decoder_noise

    held = run.prepared.held_on(MOST_FOR_CURVE)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("held out, weight", "σ", "D", "R", "L", "Gaussian limit L"):
        table.add_column(laid_out(column), justify="right", no_wrap=True)
    for weight, (distortion, rate, loss) in sorted(run.evaluated.curve.items(), reverse=True):
        limit = held.at(weight, held.directions).loss
        cells = (distortion, rate, loss, limit)
        table.add_row(f"{weight:g}", f"{decoder_noise(weight):.3g}", *(f"{cell:.1f}" for cell in cells))
    Console(highlight=False).print(table)
    print(f"PSNR {run.evaluated.psnr:.2f} dB at weight {run.model.beta:g}, where the model stands")


def _report_terms(run: Any) -> None:
    held = run.evaluated
    rate = "" if held.rate is None else f", R {held.rate:.1f}, L {held.loss:.1f}"
    print(f"held out: D {held.distortion:.1f}{rate}, PSNR {held.psnr:.2f} dB; Gaussian limit L {run.limit.loss:.1f}")


if __name__ == "__main__":
    sys.exit(main())
