"""One model of a range of KL weights against a model of its own for each of eight weights: the same network and steps.

    python benchmarks/one_or_eight.py PICTURES [--size 64] [--steps 400]

Each dedicated model trains for the given steps, the one for the range 1.5 times as long. Prints L on the same held-out
pictures, and the gap: how much higher the one model's L is.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import kvae

WEIGHTS = tuple(float(f"{weight:.3g}") for weight in np.geomspace(1.0, 0.01, 8))
LONGER = 1.5


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("pictures", help="a folder, or a .npy file")
    made.add_argument("--size", type=int, default=64)
    made.add_argument("--steps", type=int, default=400)
    made.add_argument("--kl-weight", type=float, nargs="+", default=WEIGHTS, help="of the dedicated models, all eight")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--augment", action=argparse.BooleanOptionalAction, default=True)
    flags = made.parse_args()
    collection = kvae.open_collection(flags.pictures, size=flags.size)
    training, others = collection.split(0.25)
    pictures = collection.read(others[:512])
    per_epoch = -(-len(training) // 32)

    def trained(weight: float | tuple[float, float], steps: float) -> kvae.VAE:
        with tempfile.TemporaryDirectory() as folder:
            run = kvae.train(
                flags.pictures,
                output=Path(folder, "model.keras"),
                kl_weight=weight,
                size=flags.size,
                validation=0.25,
                epochs=max(1, round(steps / per_epoch)),
                batch_size=32,
                augment=flags.augment,
                seed=flags.seed,
                balance_every=0,
            )
        return run.model

    def loss(model: kvae.VAE) -> float:
        return float(model.evaluate(pictures, batch_size=64, verbose=0, return_dict=True)["loss"])

    one = trained((WEIGHTS[-1], WEIGHTS[0]), LONGER * flags.steps)
    gaps = []
    for weight in sorted(flags.kl_weight, key=lambda weight: abs(np.log10(weight) + 1.0)):
        alone = loss(trained(weight, flags.steps))
        one.kl_weight = weight
        together = loss(one)
        gaps.append(together / alone - 1.0)
        print(f"{weight:7g}  one {together:8.2f}  alone {alone:8.2f}  gap {100 * gaps[-1]:+.2f}%", flush=True)
    print(f"mean gap {100 * np.mean(gaps):+.2f}%, worst {100 * np.max(gaps):+.2f}%")


if __name__ == "__main__":
    main()
