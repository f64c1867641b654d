"""Every weighting on the same paintings: what a step of each costs, and what each does over a run.

    python benchmarks/weighting.py                              steps of every method as ratios to constant
    python benchmarks/weighting.py --figure docs/weighting.png  beta(t), D(t) and R(t) of every weighting

The cost: the `conv` network at 64x64 on one batch of 64 built-in paintings, 128 latents, Adam; the methods take turns,
round after round, and the median of their ratios to constant in the same round counts. Time is the processor's own,
of all threads, as other programs disturb it least; with --wall it is the clock's. The figure: one run of each
weighting on all 4,096 built-in paintings at 64x64, `hybrid` network, otherwise as kvae-train comes.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

WARM_UP, STEPS = 5, 10
# where a published default belongs to other pictures: targets that these can reach, of about the same rate
RUNS = {
    "constant": {},
    "warm-up": {},
    "cyclical": {},
    "capacity": {"capacity": 150.0},
    "free-bits": {"free_bits": 1.0},
    "pi": {"target_rate": 150.0},
    "geco": {"target_distortion": 150.0},
    "calibrated": {},
    "learned": {},
}


def measure_cost(rounds: int, clock: Callable[[], float]) -> None:
    import keras

    from kvae.images.paintings import paint_many
    from kvae.model.methods import RATES, WEIGHTINGS
    from kvae.model.vae import VAE

    pictures = paint_many(range(64), size=64, seed=0)[0].astype("float32") / 255.0
    methods = [("weighting", name) for name in WEIGHTINGS] + [("rate", name) for name in RATES if name != "diagonal"]
    models = {}
    for axis, name in methods:
        models[name] = model = VAE(network="conv", latent_dim=128, **{axis: name})
        model.compile(keras.optimizers.Adam(1e-3))
        for _ in range(WARM_UP):
            model.train_on_batch(pictures)
    ratios: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        seconds = {}
        for name, model in models.items():
            started = clock()
            for _ in range(STEPS):
                model.train_on_batch(pictures)
            seconds[name] = clock() - started
        for name in models:
            ratios[name].append(seconds[name] / seconds["constant"])
    for name, found in ratios.items():
        low, high = min(found), max(found)
        print(f"{name:12} {statistics.median(found):.3f}   ({low:.3f} to {high:.3f})")


def draw(path: Path, epochs: int | None, size: int) -> None:
    import kvae
    from kvae.cli.display import Plain

    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in RUNS.items():
            print(f"{name}", flush=True)
            runs[name] = kvae.train(
                output=f"{folder}/{name}", listener=Plain(), weighting=name, size=size, epochs=epochs, **settings
            ).steps  # fmt: skip
    _sheet(path, runs, size)


def _sheet(path: Path, runs: dict[str, dict[str, list]], size: int) -> None:
    import numpy as np

    from kvae.figures.curves import label_log, label_steps
    from kvae.figures.sheet import LIGHT, Sheet, points

    width, height, left, top, gap = 300, 104, 196, 128, 46
    columns = (
        ("kl_weight", "β  KL weight", LIGHT.weight),
        ("distortion", "D  distortion", LIGHT.distortion),
        ("rate", "R  rate, nats", LIGHT.rate),
    )
    sheet = Sheet(left + 3 * (width + 80), top + len(runs) * (height + gap))
    sheet.text(30, 56, f"Every weighting on the same paintings, {size} × {size}", 28, weight="bold")
    note = (
        "by optimizer step; faint: single batches, strong: their median over 15 (the weight: itself); "
        "one axis for each column"
    )
    sheet.text(30, 84, note, 14, color=LIGHT.quiet)
    for column, (key, title, color) in enumerate(columns):
        x = left + column * (width + 80)
        sheet.text(x, top - 14, title, 16, color=color)
        values = {name: np.asarray(steps[key], float) for name, steps in runs.items()}
        shown = [row[row > 0] for row in values.values() if np.all(row >= 0)]
        low, high = np.quantile(np.concatenate(shown), (0.02, 0.998))
        for row, (name, steps) in enumerate(runs.items()):
            y = top + row * (height + gap)
            if column == 0:
                sheet.text(30, y + height / 2, name, 18, weight="bold")
            if np.any(values[name] < 0):
                sheet.text(x, y + height / 2, "+γ while R is above C(t), -γ below", 14, color=LIGHT.quiet)
                continue
            axes = sheet.axes(x, y, width, height)
            axes.set_yscale("log", nonpositive="mask")
            axes.plot(steps["step"], values[name], color=color, alpha=0.25, linewidth=points(1))
            reach = 0 if key == "kl_weight" else 7  # the weight has no noise, and a jump is a jump
            middle = [np.median(values[name][max(0, at - reach) : at + reach + 1]) for at in range(len(values[name]))]
            axes.plot(steps["step"], middle, color=color, linewidth=points(2.2))
            axes.set_ylim(low / 1.2, high * 1.2)
            label_log(axes)
            label_steps(axes, 4)
    sheet.save(path)
    print(f"figure {path}")


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=5, help="rounds of the cost (default: 5)")
    made.add_argument("--wall", action="store_true", help="measure by the clock")
    made.add_argument("--figure", type=Path, help="draw the runs to this PNG instead")
    made.add_argument("--epochs", type=int, help="of the figure's runs (default: about 2000 steps)")
    made.add_argument("--size", type=int, default=64, help="pixels of the figure's pictures (default: 64)")
    chosen = made.parse_args()
    if chosen.figure:
        draw(chosen.figure, chosen.epochs, chosen.size)
    else:
        measure_cost(chosen.rounds, time.perf_counter if chosen.wall else time.process_time)


if __name__ == "__main__":
    main()
