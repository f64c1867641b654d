"""What a million pictures would cost: folders of many small JPEGs, from the first scan to the first training step.

    python benchmarks/many.py FOLDER [--counts 20000 200000] [--size 64]

Makes the JPEGs below FOLDER that are not there yet, of 64x64, 1,000 to a folder (200,000 take 0.9 GB of disk, and the
cache beside them 2.5 GB at 64 pixels). Then for each count, with a cache of its own: the first opening; the same,
killed in the middle; the opening after that; the opening of what is cached; and a run up to its first step, twice.
Rates, and the peak of the resident memory of the process and of its decoders. FOLDER can be removed afterwards.
"""

import argparse
import concurrent.futures
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

EACH = 1000  # pictures in a folder
SIDE = 64  # pixels
LEAVES = 24  # shapes in a picture

OPEN = """
import sys, time
from kvae.images.collection import open_collection
start = time.perf_counter()
collection = open_collection(sys.argv[1], size=int(sys.argv[2]))
print("SECONDS", time.perf_counter() - start, collection.count)
"""
STEP = """
import os, sys, time
start = time.time()
from kvae.quiet_imports import quiet_imports
with quiet_imports():  # as kvae-train does
    import kvae.training.run
class Reached(Exception): pass
class First(kvae.training.listener.Listener):
    def on_step(self, step): raise Reached
try:
    kvae.train(sys.argv[1], output=sys.argv[3], size=int(sys.argv[2]), network="conv", widths=(8, 8), epochs=1,
               latent_dim=8, balance_every=0, listener=First())
except Reached:
    print("SECONDS", time.time() - start, 0, flush=True)
    os._exit(0)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--counts", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--size", type=int, default=64)
    arguments = parser.parse_args()
    for count in arguments.counts:
        pictures, cache = arguments.folder / f"{count}", arguments.folder / f"cache-{count}"
        make(pictures, count)
        measure(pictures, cache, count, arguments.size)
        shutil.rmtree(cache)


def make(folder: Path, count: int) -> None:
    with concurrent.futures.ProcessPoolExecutor() as pool:
        list(pool.map(make_part, [(folder, part) for part in range(-(-count // EACH))], chunksize=4))


def make_part(place: tuple[Path, int]) -> None:
    folder, part = place
    folder = folder / f"{part:05d}"
    if folder.exists():
        return
    temporary = folder.with_suffix(".part")
    temporary.mkdir(parents=True, exist_ok=True)
    for number in range(EACH):
        leaves(np.random.default_rng([part, number])).save(temporary / f"{part * EACH + number:07d}.jpg", quality=88)
    temporary.rename(folder)


def leaves(draws: np.random.Generator) -> Image.Image:
    """A picture of leaves that lie on each other: edges at all scales, as photographs have them."""
    picture = Image.new("RGB", (SIDE, SIDE), tuple(draws.integers(0, 256, 3).tolist()))
    pen = ImageDraw.Draw(picture)
    radii = 3.0 / np.sqrt(draws.uniform(0.01, 1.0, LEAVES))
    places, colours = draws.uniform(0, SIDE, (LEAVES, 2)), draws.integers(0, 256, (LEAVES, 3))
    for (x, y), radius, colour in zip(places, radii, colours.tolist(), strict=True):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(colour))
    return picture


def measure(pictures: Path, cache: Path, count: int, size: int) -> None:
    shutil.rmtree(cache, ignore_errors=True)
    cache.mkdir(mode=0o700)
    environment = {**os.environ, "KVAE_CACHE": str(cache), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}

    def run(what: str, code: str, kill_after: float | None = None) -> float:
        command = [sys.executable, "-c", code, str(pictures), str(size), str(cache.parent / "many.keras")]
        start, used = time.perf_counter(), cores_used()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        watch = Watch(process.pid)
        try:
            said, _ = process.communicate(timeout=kill_after)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
        taken = next((float(line.split()[1]) for line in said.splitlines() if line.startswith("SECONDS")), None)
        whole = time.perf_counter() - start
        used = cores_used() - used
        told = f"killed after {whole:.1f} s" if taken is None else f"{taken:.2f} s, {count / taken:,.0f} pictures/s"
        stored = sum(one.stat().st_size for one in cache.iterdir())
        print(
            f"{count:>9,} {what:<28} {told}, {used:.1f} s of a core; peak {watch.stop():.0f} MB, "
            f"decoders {watch.others:.0f} MB; "
            f"cache {stored / count:,.0f} bytes a picture",
            flush=True,
        )
        return taken or whole

    whole = run("first opening", OPEN)
    shutil.rmtree(cache)
    cache.mkdir(mode=0o700)
    run("killed in the middle", OPEN, kill_after=0.5 * whole)
    run("opening after that", OPEN)
    run("cached", OPEN)
    run("run to its first step, cold", STEP)
    run("run to its first step, warm", STEP)


def cores_used() -> float:
    """Seconds of processor time that child processes took, and theirs."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


class Watch:
    """The peak resident memory in MB of a process, and of all its children together, looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        import psutil

        self.peak = self.others = 0.0
        self._process, self._done = psutil.Process(pid), threading.Event()
        self._errors = psutil.Error
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._done.wait(0.1):
            try:
                self.peak = max(self.peak, self._process.memory_info().rss / 1e6)
                children = self._process.children()
                self.others = max(self.others, sum(child.memory_info().rss for child in children) / 1e6)
            except self._errors:
                continue

    def stop(self) -> float:
        self._done.set()
        self._thread.join()
        return self.peak


if __name__ == "__main__":
    main()
