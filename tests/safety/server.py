"""Opens files for the tests in a process of its own, and says of each what came of it and what it took.

A line with a JSON list [kind, path] comes in, a line with a JSON table goes out. The process never leaves on its own,
so a missing answer is a crash of a library.
"""

import contextlib
import gc
import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import h5py
import keras
import numpy as np

import kvae
from explorer.engine.bookmarks import read_bookmarks
from explorer.engine.cards import glimpse
from explorer.engine.points import point_in
from kvae.files.npy import read_sequence
from kvae.images.arrays import decoded, from_file
from kvae.saving.reader import load
from kvae.settings import checked
from kvae.training.checkpoint import Interrupted
from kvae.training.resume import open_run, resumed
from kvae.training.run import train

WRITES = ("os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink", "os.truncate", "tempfile.", "shutil.")
RUNS = (
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "socket.connect",
    "pickle.",
)
READER = "kvae.images.hdf5_reader"  # the program of a process which may die of what it reads
OURS = (sys.prefix, sys.base_prefix, str(Path(kvae.__file__).parents[1]), "/proc")  # imports, and the measuring
PICTURES = np.random.default_rng(0).integers(0, 256, (10, 16, 16, 3), np.uint8)
seen: list[str] = []
path_now = ""


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what is written, run, or opened beside the file in question."""
    if not path_now or (event == "open" and arguments[0] == os.devnull):
        return
    if event == "open":
        name, _, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        if writes or (
            isinstance(name, str) and name != path_now and not name.startswith((sys.prefix, sys.base_prefix, "/proc"))
        ):
            seen.append(f"open {name}")
    elif event.startswith(WRITES + RUNS) and READER not in str(arguments):
        seen.append(event)


def peak() -> int:
    """The most memory since `forget_peak`, in bytes."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def spent() -> float:
    """Seconds of the processor so far, those of ended children among them: other programs slow the clock alone."""
    return sum(os.times()[:4])


def forget_peak() -> None:
    """Begin to measure anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def model(path: str) -> Any:
    """As the explorer does: a look at the card, then the model; the HDF5 library has no part in it."""
    with mock.patch.object(h5py.h5f, "open", lambda *_: seen.append("HDF5 library")):
        about = glimpse(path)
        made = load(path)
    return {
        "glimpsed": about is not None,
        "beta": made.beta,
        "sum": float(sum(np.sum(one) for one in made.get_weights())),
    }


def pictures(path: str) -> Any:
    """All pictures of a file."""
    return sum(len(block.pixels) for block in decoded(from_file(Path(path)), size=16, crop="square"))


def resume(path: str, *, train_on: bool = False) -> Any:
    """As `kvae-train --resume` does: what it reads, and with `train_on` all that follows, but for the figure."""
    earlier = open_run(path, lambda sentence: None)
    try:
        settings = resumed(earlier, {"epochs": 3})
        if train_on:
            settings.pop("data", None)
            with tempfile.TemporaryDirectory() as folder, mock.patch("kvae.training.artifacts.draw_run"):
                output = Path(folder, "art.keras")
                return load(train(PICTURES, output=output, resume=earlier, **settings).path).card["step"]
        return len(checked(settings))
    finally:
        if isinstance(earlier, Interrupted):
            earlier.folder.release()


def point(path: str) -> Any:
    """As the explorer's engine does with a picture that is dropped on it."""
    found = point_in(path)
    return None if found is None else len(found.latents)


READERS: dict[str, Callable[[str], Any]] = {
    "point": point,
    "bookmarks": lambda path: len(read_bookmarks(path, optional=False).entries or ()),
    "model": model,
    "resume": resume,
    "train on": lambda path: resume(path, train_on=True),
    "pictures": pictures,
    "weights": lambda path: len(read_sequence(path, most_bytes=1 << 20)),
}


def serve(kind: str, path: str) -> dict[str, Any]:
    """What came of opening `path`."""
    global path_now
    gc.collect()
    forget_peak()
    before, seen[:], path_now = peak(), [], path
    policy = keras.config.dtype_policy().name
    answer: dict[str, Any] = {}
    start = spent()
    try:
        answer.update(outcome="LOADS", value=READERS[kind](path))
    except (ValueError, OSError) as error:
        answer.update(outcome="REF", says=str(error), kind=type(error).__name__)
    except BaseException as error:
        answer.update(outcome="ERROR", says=f"{type(error).__name__}: {error}")
    answer["seconds"] = spent() - start
    path_now = ""
    answer["growth"] = peak() - before
    answer["seen"] = list(seen)
    answer["policy"] = policy == keras.config.dtype_policy().name
    answer["kvae"] = kvae.__file__
    return answer


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.addaudithook(watch)
    for number, line in enumerate(sys.stdin):
        if number == 2:
            gc.freeze()  # what the imports left need not be looked through each time
        print(json.dumps(serve(*json.loads(line))), file=answers, flush=True)
