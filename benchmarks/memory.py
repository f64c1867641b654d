"""Does memory grow with the collection? Peak RSS of a training loop over 1,000 and over 50,000 pictures.

    python benchmarks/memory.py [--size 128] [--counts 1000 50000] [--steps 800]

Each collection is written from cheap noise, a block at a time, and read by a process of its own.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np


def noise_blocks(count: int, size: int, rows: int = 250) -> Iterator:
    """Blocks of uint8 noise for the cache, `rows` pictures each; only one exists at a time."""
    from kvae.images.cache import Block

    draws = np.random.default_rng(0)
    for start in range(0, count, rows):
        here = min(rows, count - start)
        pixels = draws.integers(0, 256, (here, size, size, 3), np.uint8)
        digests = draws.integers(0, 256, (here, 32), np.uint8)
        yield Block(pixels, digests, [f"{start + row:06d}" for row in range(here)], {})


def build(count: int, size: int) -> str:
    """Write a collection of `count` pictures into the cache folder; return its path."""
    from kvae.images.cache import write_cache

    return str(write_cache(noise_blocks(count, size), capacity=count, size=size, crop="square", channels=3))


def iterate(path: str, steps: int) -> None:
    """Read `steps` training batches and print how many pictures they were and the peak RSS in MB."""
    import itertools

    from kvae.images.cache import open_cache
    from kvae.images.collection import collection_of
    from kvae.images.pipeline import training_batches

    stored = open_cache(Path(path))
    assert stored is not None, f"{path} was just written and cannot be read"
    collection = collection_of("noise", stored)
    training, _ = collection.split()
    batches = training_batches(collection, training, batch_size=64, seed=0, augment=True)
    seen = sum(int(batch.shape[0]) for batch in itertools.islice(batches, steps))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{collection.count:>8,} pictures in the collection, {seen:>8,} shown: peak {peak:7.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 50000])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--iterate", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.iterate:
        iterate(arguments.iterate, arguments.steps)
        return
    with tempfile.TemporaryDirectory(prefix="kvae-memory-") as folder:
        os.environ.update(KVAE_CACHE=folder, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
        for count in arguments.counts:
            path = build(count, arguments.size)
            command = [sys.executable, __file__, "--iterate", path, "--steps", str(arguments.steps)]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            for one in Path(folder).iterdir():
                one.unlink()


if __name__ == "__main__":
    main()
