"""Starting Keras and TensorFlow without what they import in passing, and without what they say."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import TextIO

# TensorFlow Lite imports JAX where it is installed, and Keras pyplot for its summaries, pandas for frames as pictures
# and scikit-learn for wrappers: 3 s and 250 MB for nothing
SKIPPED_IMPORTS = ("jax", "matplotlib.pyplot", "pandas", "sklearn")


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Import Keras and TensorFlow inside this block: modules they try but do not need count as not installed.

    Only inside: afterwards they can be imported as ever. What is imported already, and JAX as Keras's backend, stays.
    """
    wanted = os.environ.get("KERAS_BACKEND", "tensorflow")
    absent = [name for name in SKIPPED_IMPORTS if name not in sys.modules and name != wanted]
    # None in sys.modules makes an import raise ModuleNotFoundError, which both packages are ready for
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            if sys.modules.get(name, absent) is None:
                del sys.modules[name]


@contextlib.contextmanager
def silence_stderr() -> Iterator[None]:
    """Hold back what native libraries write to standard error while they start; show it if that fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silence(2, sys.stderr):
        yield


@contextlib.contextmanager
def silence(number: int, stream: TextIO) -> Iterator[None]:
    """Hold back what is written to the file `number`, which is that of `stream`; show it if that fails."""
    with tempfile.TemporaryFile() as kept:
        stream.flush()
        shown = os.dup(number)
        os.dup2(kept.fileno(), number)
        try:
            yield
        except Exception:  # a signal is no failure
            kept.seek(0)
            os.write(shown, kept.read())
            raise
        finally:
            stream.flush()
            os.dup2(shown, number)
            os.close(shown)
