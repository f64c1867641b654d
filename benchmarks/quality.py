"""Held-out loss of the default recipe against the closed-form linear VAE, on a folder of pictures.

    python benchmarks/quality.py FOLDER --kl-weight 0.1 1 --minutes 6

Prints, for each weight, the linear VAE's L on the held-out pictures (the Gaussian limit), the untrained model's, and
the trained one's after the given time, with the ratio to the limit.
"""

import argparse
import tempfile

import kvae
from kvae.settings import checked
from kvae.training.build import build
from kvae.training.evaluation import Evaluation
from kvae.training.listener import Listener
from kvae.training.preparation import prepare


class Epochs(Listener):
    """Prints every tenth epoch's held-out terms."""

    def __init__(self, limit: float) -> None:
        self._limit = limit

    def on_epoch_end(self, record: dict) -> None:
        if record["epoch"] % 10 == 0:
            ratio = record["val_loss"] / self._limit
            print(
                f"  {record['seconds']:4.0f} s, step {record['step']:5}: L {record['val_loss']:.1f}, ratio {ratio:.3f}"
            )


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("folder")
    made.add_argument("--kl-weight", type=float, nargs="+", default=[1.0, 0.1])
    made.add_argument("--minutes", type=float, default=6.0)
    made.add_argument("--validation", type=float, default=0.17)
    made.add_argument("--network", default="hybrid")
    options = made.parse_args()
    for weight in options.kl_weight:
        settings = {
            "crop": "stretch", "validation": options.validation, "kl_weight": weight, "minutes": options.minutes,
            "network": options.network,
        }  # fmt: skip
        chosen = checked({**settings, "data": options.folder})
        prepared = prepare(options.folder, chosen, Listener())
        limit = prepared.limit(weight)
        first = Evaluation(build(prepared.settings, prepared, Listener()))(prepared.validation_batches())
        print(f"weight {weight:g}: {len(prepared.training)} training, {len(prepared.validation)} held-out pictures")
        print(f"  linear VAE in closed form: D {limit.distortion:.1f}, R {limit.rate:.1f}, L {limit.loss:.1f}")
        print(f"     0 s, step     0: L {first.loss:.1f}, ratio {first.loss / limit.loss:.3f}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            run = kvae.train(
                options.folder, output=f"{folder}/a", listener=Epochs(limit.loss), prepared=prepared, **settings
            )
        held = run.evaluated
        print(
            f"  D {held.distortion:.1f}, R {held.rate:.1f}, L {held.loss:.1f}, ratio {held.loss / limit.loss:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
