"""Is there a grid in flat areas? The spectrum of what a model makes of pictures of one colour, and of soft gradients.

    python benchmarks/flat.py MODEL.keras

A network that halves a picture k times and doubles it again may leave a pattern with periods 2, 4, 8 ... 2^k pixels.
Prints, for each KL weight, the error on flat pictures (root mean square, in grey levels of 255), that part of it which
has one of these periods along a row or a column, and how that compares with the periods just beside them.
"""

import argparse

import numpy as np

import kvae

PERIODS = (2, 4, 8)
COLOURS = 24


def pictures(shape: tuple[int, int, int]) -> np.ndarray:
    """Flat colours and soft gradients, uint8 (2·COLOURS, height, width, channels)."""
    random = np.random.default_rng(0)
    height, width, channels = shape
    flat = random.uniform(0.15, 0.85, (COLOURS, 1, 1, channels)) * np.ones((1, height, width, 1))
    along = np.linspace(-0.5, 0.5, width)[None, None, :, None]
    down = np.linspace(-0.5, 0.5, height)[None, :, None, None]
    slopes = random.uniform(-0.25, 0.25, (2, COLOURS, 1, 1, channels))
    soft = random.uniform(0.3, 0.7, (COLOURS, 1, 1, channels)) + slopes[0] * along + slopes[1] * down
    return np.rint(255 * np.concatenate([flat, soft])).astype(np.uint8)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("model", help="a .keras file")
    model = kvae.load(made.parse_args().model)
    shown = pictures(model.image_shape)
    span = model.weight_range
    for weight in span.reported if span else (model.beta,):
        if span:
            model.kl_weight = weight
        error = 255 * model.reconstruct(shown) - shown
        power = np.square(np.abs(np.fft.fft2(error, axes=(1, 2)))).mean(axis=(0, 3)) / error[0, ..., 0].size ** 2
        rows = power.sum(axis=0), power.sum(axis=1)  # by the frequency along a row, and along a column
        grid = beside = 0.0
        for side in rows:
            for period in PERIODS:
                place = len(side) // period
                grid += side[place] * (1 if period == 2 else 2)  # and the negative frequency
                near = [side[(place + step) % len(side)] for step in (-3, -2, 2, 3)]
                beside += np.mean(near) * (1 if period == 2 else 2)
        print(
            f"weight {weight:7g}: error {np.sqrt(np.mean(error**2)):.3f} levels, of it with periods 2, 4, 8 "
            f"{np.sqrt(grid):.3f}; {grid / beside:.2f} of the power of the periods beside them",
            flush=True,
        )


if __name__ == "__main__":
    main()
