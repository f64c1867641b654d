"""`kvae-weight`: the KL weight of another tool in kvae's units, and what it means."""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from kvae.cli.flags import Parser, checked_flag
from kvae.cli.output import laid_out, lasting_output, without_warnings
from kvae.files.refusal import line
from kvae.weighting.conversions import decoder_noise
from kvae.weighting.tools import BAYESIAN, TOOLS

DESCRIPTION = """The KL weight of another tool as kvae's, the decoder's noise that it stands for, and what it means for
your pictures.

  kvae-weight 0.00025 --from pytorch-vae --size 64 --channels 3
  kvae-weight 4 --from disent --latent-dim 9 --data ~/paintings
  kvae-weight 0.5 --from bits-per-dim --data ~/paintings
  kvae-weight 1 --from tfp --examples 50000
  kvae-weight --list"""
EVERY = {**TOOLS, **BAYESIAN}
MOST = 8192  # pictures that are looked at
MOST_OF_COUNT, MOST_OF_WEIGHT = 10**15, 1e15  # that the flags take


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit code."""
    with lasting_output():
        return _main(arguments)


def parser() -> Parser:
    """The flags of the command."""
    from rich_argparse import RawDescriptionRichHelpFormatter

    from kvae import __version__

    made = Parser("kvae-weight", description=DESCRIPTION, formatter_class=RawDescriptionRichHelpFormatter)
    made.add_argument("--version", action="version", version=f"kvae-weight {__version__}")
    made.add_argument("weight", nargs="?", type=_number, metavar="WEIGHT", help="the weight of the other tool")
    made.add_argument(
        "--from", dest="tool", default="sum", choices=list(EVERY), metavar="TOOL", help=f"one of {', '.join(EVERY)}"
    )
    made.add_argument("--size", type=_setting("size"), metavar="N", help="pixels of a side (default: 64)")
    made.add_argument("--channels", type=int, choices=(1, 3), help="of a picture (default: 3, or those of --data)")
    made.add_argument(
        "--latent-dim",
        type=_setting("latent_dim"),
        metavar="N",
        help="latents of the other tool's model, where it counts",
    )
    made.add_argument("--data", metavar="PICTURES", help="pictures to say what the weight means on, or `paintings`")
    for flag, what in _COUNTS.items():
        made.add_argument(f"--{flag}", type=_count, metavar="N", help=f"of a Bayesian network: {what}")
    made.add_argument("--list", action="store_true", help="print every tool, and end")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made


_COUNTS = {"examples": "of the data", "batch": "examples in a batch", "weights": "weights of the layer or network"}


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:20]) <= MOST_OF_COUNT:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 1 to {MOST_OF_COUNT:g}. Received: {text[:20]!r}."
        )
    return int(text)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= MOST_OF_WEIGHT:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to {MOST_OF_WEIGHT:g}. Received: {text[:20]!r}.")
    return number


def _setting(name: str) -> Any:
    return lambda text: checked_flag(name, text)


def _main(arguments: Sequence[str] | None) -> int:
    made = parser()
    flags = made.parse_args(arguments)
    if flags.list:
        _print_tools()
        return 0
    if flags.weight is None:
        made.error("the weight is missing, such as kvae-weight 0.00025 --from pytorch-vae")
    tool = EVERY[flags.tool]
    for name in _COUNTS:
        if name in tool.needs and getattr(flags, name) is None:
            made.error(f"--{name} is needed, as {flags.tool} divides by it or leaves it out")
    if without := _without_effect(flags, tool):
        made.error(f"--{without} has no effect with {flags.tool}. Leave it out")
    if flags.tool in BAYESIAN:
        _say(*_bayesian(flags), as_json=flags.json)
        return 0
    if "latents" in tool.needs and flags.latent_dim is None:
        made.error(f"--latent-dim is needed, as {flags.tool} takes a mean over the latents")
    if flags.channels and flags.data is not None:
        made.error("--channels has no effect: the pictures of --data have theirs. Leave it out")
    flags.size, flags.channels = flags.size or 64, flags.channels or 3
    if tool.convert is None and flags.data is None:
        made.error(f"--data is needed, as a weight {flags.tool} depends on the pictures")

    from kvae.cli.display import Silent, soft_stop
    from kvae.files.failure import in_words

    listener = Silent()
    try:
        with soft_stop(listener), without_warnings(False):
            found = translated(flags)
    except (ValueError, OSError, MemoryError) as error:
        print(f"kvae-weight: error: {line(in_words(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("kvae-weight: interrupted.", file=sys.stderr)
        return listener.exit_code
    _say(found, sentences(found), as_json=flags.json)
    return 0


def _without_effect(flags: argparse.Namespace, tool: Any) -> str | None:
    """The first flag that was given and that this tool's weight does not ask for."""
    asked = {"latent-dim": "latents", **{name: name for name in _COUNTS}}
    of_pictures = () if flags.tool not in BAYESIAN else ("size", "channels", "data")
    unasked = [*(flag for flag, name in asked.items() if name not in tool.needs), *of_pictures]
    return next((flag for flag in unasked if getattr(flags, flag.replace("-", "_")) is not None), None)


def _say(found: dict[str, Any], said: Sequence[str], *, as_json: bool) -> None:
    for text in [json.dumps(found)] if as_json else map(line, said):
        print(text, flush=True)


def _bayesian(flags: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """The weight of a Bayesian network in ours, and the one that is Bayes there."""
    tool = BAYESIAN[flags.tool]
    assert tool.convert is not None
    sizes = {name: getattr(flags, name) or 0 for name in _COUNTS}
    weight, bayes = tool.convert(flags.weight, sizes), 1.0 / tool.convert(1.0, sizes)
    found = {"from": flags.tool, "weight": flags.weight, **sizes, "kl_weight": weight, "bayes": bayes}
    kind = "Bayes" if math.isclose(weight, 1.0) else "a cold posterior" if weight < 1.0 else "a warm posterior"
    said = [
        f"{flags.tool}, weight {flags.weight:g}: kvae.bayes.BayesianModel(kl_weight={weight:.6g}), {kind}.",
        f"Bayes is weight {bayes:.6g} there.",
    ]
    return found, [*said, tool.remark] if tool.remark else said


def translated(flags: argparse.Namespace) -> dict[str, Any]:
    """The weight in our units and what it means, by name."""
    tool, pictures, collection = TOOLS[flags.tool], None, None
    if flags.data is not None:
        from kvae.quiet_imports import quiet_imports, silence_stderr

        with silence_stderr(), quiet_imports():
            import numpy as np

            from kvae.images.collection import open_collection
            from kvae.measures.collapse import pictures_of
        collection = open_collection(flags.data, size=flags.size)
        if len(collection) < 2:
            raise ValueError(f"{collection.name}: at least 2 pictures are needed to see how they vary. Bring more.")
        places = np.linspace(0, len(collection) - 1, min(len(collection), MOST)).astype(int)
        pictures = pictures_of(lambda: collection.blocks(places))
    height, width, channels = collection.shape if collection else (flags.size, flags.size, flags.channels)
    sizes = {"values": height * width * channels, "channels": channels, "latents": flags.latent_dim or 0}
    if tool.convert is None:
        assert pictures is not None
        weight = pictures.weight_of_rate(flags.weight)
    else:
        try:
            weight = tool.convert(flags.weight, sizes)
        except ZeroDivisionError:
            raise ValueError(f"the weight must be above 0 for {flags.tool}. Received: {flags.weight:g}.") from None
    gaussian = tool.likelihood == "squared-error"
    found: dict[str, Any] = {
        "from": flags.tool, "weight": flags.weight, "image_shape": [height, width, channels], "kl_weight": weight,
        "likelihood": tool.likelihood, "sigma": decoder_noise(weight) if gaussian else None,
        "remark": tool.remark.format(values=sizes["values"]),
    }  # fmt: skip
    if pictures is not None and collection is not None and gaussian:
        at = pictures.at(weight) if weight > 0 else None
        found |= {
            "pictures": collection.name, "count": len(collection), "collapse": pictures.collapse,
            "collapses": weight >= pictures.collapse,
            "active": at.active if at else sizes["values"], "distortion": at.distortion if at else 0.0,
            "rate": at.rate if at else None,
        }  # fmt: skip
    return found


def sentences(found: dict[str, Any]) -> list[str]:
    """What `translated` found, in words."""
    height, width, channels = found["image_shape"]
    weight, what = found["kl_weight"], f"{found['from']}, weight {found['weight']:g}, at {width}x{height}x{channels}"
    if found["sigma"] is None:
        said = [
            f"{what}: no factor turns cross-entropy into squared error.",
            f"With kvae: --likelihood bernoulli --kl-weight {weight:.6g}, the evidence bound at --kl-weight 1.",
        ]
    else:
        said = [
            f"{what}: --kl-weight {weight:.6g}",
            f"σ {found['sigma']:.3g}: it assumes that a rebuilt value is off by {100 * found['sigma']:,.3g}% of "
            "the range from black to white.",
        ]
    said += [found["remark"]] if found["remark"] else []
    if "collapse" not in found:
        return said
    name, limit = (
        f"{found['pictures']}, {found['count']:,} pictures",
        f"every latent dies at β ≥ {found['collapse']:.3g} on these",
    )
    if found["collapses"]:
        return [*said, f"{name}: WARNING: this weight means collapse, {limit}. Choose a smaller one."]
    rate = "" if found["rate"] is None else f" and {found['rate']:.4g} nats a picture"
    kept = f"{found['active']:,} of {height * width * channels:,} directions stay in use"
    return [
        *said,
        f"{name}: by the Gaussian limit {kept}, with D {found['distortion']:.4g}{rate}; {limit}.",
    ]


def _print_tools() -> None:
    """Every tool in a table."""
    from rich.console import Console
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("--from", "w", "it minimises", "our weight", "source"):
        made.add_column(column, overflow="fold")
    for name, tool in EVERY.items():
        made.add_row(name, *(laid_out(text) for text in (tool.weight, tool.loss, tool.factor, tool.source)))
    console = Console(highlight=False)
    console.print(made)
    console.print(
        laid_out("SE: squared error summed over a picture, pixels in [0, 1]; N its values, C its channels, k latents.")
    )
    console.print(laid_out("Of Bayesian networks: M examples, B in a batch, P weights; our weight λ is 1 for Bayes."))


if __name__ == "__main__":
    sys.exit(main())
