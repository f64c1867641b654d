"""What the model in the box is worth to a run on few pictures: held-out L with and without `--from starter`.

    python benchmarks/starting.py PICTURES            a folder of some 500 pictures or more

Trains one model for the weights 0.01 to 1 on 40 and on 300 of the pictures, each with and without the start, each on
the same 10,000 crops: about a minute of two cores at 64x64. The 200 pictures that L is measured on are others.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import kvae

SIZE, HELD_OUT, CROPS = 64, 200, 10_000


def main() -> None:
    collection = kvae.open_collection(sys.argv[1], size=SIZE)
    order = np.random.default_rng(0).permutation(collection.count)
    held_out = collection.read(np.sort(order[:HELD_OUT]))
    print(
        f"{'pictures':>8} {'start':>8}"
        + "".join(f"{f'L at {weight}':>12}" for weight in ("0.01", "0.0316", "0.1", "0.316", "1"))
    )
    for count in (40, 300):
        pictures = collection.read(np.sort(order[HELD_OUT:][:count]))
        for start in (None, "starter"):
            with tempfile.TemporaryDirectory() as folder:
                run = kvae.train(
                    pictures,
                    output=Path(folder, "m.keras"),
                    kl_weight=(0.01, 1.0),
                    size=SIZE,
                    epochs=CROPS // count,
                    start=start,
                    balance_every=0,
                    validation=0.05,
                )
            found = run.model.evaluate(held_out, batch_size=50, verbose=0, return_dict=True)
            row = [value for name, value in found.items() if name.startswith("loss_at")]
            print(f"{count:>8} {start or 'none':>8}" + "".join(f"{value:12.1f}" for value in row), flush=True)


if __name__ == "__main__":
    main()
