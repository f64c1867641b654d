"""How fast pictures become batches, against `keras.utils.image_dataset_from_directory` in the same run.

    python benchmarks/pipeline.py FOLDER [--size 64] [--repeats 3] [--large 1000]

Prints medians: (a) batches from the cache, with and without augmentation; (b) the first pass over FOLDER and over
generated JPEGs of 1,500 pixels, start of our worker processes and writing of the cache included. Keras reads the
folder once from end to end, which it does again in every epoch; ours is done once. One reading warms the disk cache.
"""

import argparse
import functools
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image


def rate(work: Callable[[], int], repeats: int) -> float:
    """Median pictures per second of `work`, which returns how many it did."""
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        done = work()
        rates.append(done / (time.perf_counter() - start))
    return statistics.median(rates)


def first_pass(folder: Path, size: int) -> int:
    """Scan, hash, decode and store `folder` into a cache that knows nothing yet."""
    from kvae.images.collection import open_collection

    with tempfile.TemporaryDirectory(prefix="kvae-cache-") as cache:
        os.environ["KVAE_CACHE"] = cache
        return open_collection(folder, size=size).count


def keras_pass(folder: Path, size: int) -> int:
    """One epoch of Keras's own loader."""
    import keras

    dataset = keras.utils.image_dataset_from_directory(
        folder, labels=None, image_size=(size, size), crop_to_aspect_ratio=True, batch_size=64, verbose=False
    )
    return sum(int(batch.shape[0]) for batch in dataset)


def compare(title: str, folder: Path, size: int, repeats: int) -> None:
    rates: dict[str, list[float]] = {"kvae": [], "keras": []}
    for _ in range(repeats):  # in turn, and each in a process of its own: TensorFlow's idle threads cost the other time
        for name, measured in rates.items():
            command = [sys.executable, __file__, str(folder), "--size", str(size), "--only", name]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            measured.append(float(done.stdout.strip().splitlines()[-1]))
    ours, theirs = statistics.median(rates["kvae"]), statistics.median(rates["keras"])
    print(f"first pass, {title}: {ours:6.0f} images/s, Keras {theirs:6.0f} images/s, ratio {ours / theirs:.2f}")


def count(batches: Iterator, steps: int) -> int:
    """Take `steps` batches; return how many pictures they hold."""
    return sum(int(batch.shape[0]) for batch in itertools.islice(batches, steps))


def cached(folder: Path, size: int, repeats: int, steps: int = 200) -> None:
    from kvae.images.collection import open_collection
    from kvae.images.pipeline import training_batches

    with tempfile.TemporaryDirectory(prefix="kvae-cache-") as cache:
        os.environ["KVAE_CACHE"] = cache
        collection = open_collection(folder, size=size)
        for augment in (False, True):
            indices = np.arange(collection.count)
            batches = iter(training_batches(collection, indices, batch_size=64, seed=0, augment=augment))
            next(batches)
            pictures = rate(functools.partial(count, batches, steps), repeats)
            print(f"cached batches of 64, augment={augment}: {pictures:6.0f} images/s")


def large_jpegs(folder: Path, count: int) -> None:
    """`count` JPEGs of 1,500 by 1,500 pixels with detail at all scales, 16 different ones."""
    draws = np.random.default_rng(0)
    for number in range(count):
        if number < 16:
            octaves = (Image.fromarray(draws.integers(0, 256, (n, n, 3), np.uint8)) for n in (6, 24, 96, 384))
            layers = [np.asarray(one.resize((1500, 1500), Image.Resampling.BICUBIC), np.float32) for one in octaves]
            picture = np.average(layers, axis=0, weights=(0.4, 0.3, 0.2, 0.1))
            Image.fromarray(picture.round().astype(np.uint8)).save(folder / f"{number:04d}.jpg", quality=90)
        else:  # a comment makes the copy another file
            data = (folder / f"{number % 16:04d}.jpg").read_bytes()
            comment = b"\xff\xfe\x00\x08%06d" % number
            (folder / f"{number:04d}.jpg").write_bytes(data[:2] + comment + data[2:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--large", type=int, default=1000, help="how many JPEGs of 1,500 pixels; 0 for none")
    parser.add_argument("--only", choices=("kvae", "keras"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
    if arguments.only:
        work = first_pass if arguments.only == "kvae" else keras_pass
        if arguments.only == "keras":
            keras_pass(arguments.folder, arguments.size)  # the first one traces
        print(rate(lambda: work(arguments.folder, arguments.size), 1))
        return
    cached(arguments.folder, arguments.size, arguments.repeats)
    compare(arguments.folder.name, arguments.folder, arguments.size, arguments.repeats)
    if arguments.large:
        with tempfile.TemporaryDirectory(prefix="kvae-large-") as folder:
            large_jpegs(Path(folder), arguments.large)
            compare(f"{arguments.large} JPEGs of 1,500 px", Path(folder), arguments.size, arguments.repeats)


if __name__ == "__main__":
    main()
