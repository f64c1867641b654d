"""The program of one decoding process: paths come in on stdin, pictures go out on stdout.

A process of its own survives what no `except` does: a decoder that crashes, is killed for memory, or never returns.
It is started as a plain interpreter rather than through `multiprocessing`, which would import the user's main
script, and with it TensorFlow, into every worker; this way a worker is ready in 50 ms. Its path has no working
directory: that may be a stranger's folder, whose modules are not to be run.

Asked: one line for some files, a JSON list of paths. Answered for each, in the same order: its digest as soon as it was
read, so that a decoder that ends the process leaves behind on which bytes; then HEADER, that many bytes of JSON,
[reason, notes, whether the digest stands], and that many of pixels.
"""

import hashlib
import json
import os
import stat
import struct
import sys
from typing import BinaryIO, NamedTuple

from kvae.images.decoding import BadPicture, NoMemory, decode

HEADER = struct.Struct("<II")  # bytes of JSON, bytes of pixels
READY = b"kvae"  # sent once, when the imports have worked
MAX_BYTES = 1 << 30  # of one picture file
MAX_SECONDS = 60  # for one picture; a 64-megapixel PNG takes 2
MAX_MEMORY = 6 << 30  # bytes of address space; 64 megapixels in four channels, copied three times, take 1 GB
UNREAD = bytes(32)


class Outcome(NamedTuple):
    """What became of one file. `reason` is None for a usable picture, `pixels` empty for any other.

    `digest` is the SHA-256 of the bytes, or UNREAD if they could not be read or the reason may be gone tomorrow.
    """

    digest: bytes
    reason: str | None
    notes: tuple[str, ...]
    pixels: bytes


def command_of(program: str) -> list[str]:
    """The command line of a plain interpreter that runs `program`, with this one's `sys.path` but for the working
    directory.

    `PYTHONPATH` still counts, also where it names that directory.
    """
    # the package's own folder first: an editable install is found by a hook, which -S leaves out
    home = os.path.abspath(os.path.join(os.path.dirname(__file__), os.pardir, os.pardir))
    wanted = any(_is_here(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep))
    path = [home, *(os.path.abspath(entry) for entry in sys.path if entry and (wanted or not _is_here(entry)))]
    # -I: no working directory, no variables; and -S: the path is handed over, so nothing has to be searched for again
    return [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:] = {path!r}; {program}"]


def _is_here(folder: str) -> bool:
    try:
        return os.path.samefile(folder, os.curdir)
    except OSError:  # no such folder, or the working directory was removed
        return False


class Read(NamedTuple):
    """The bytes of a file and their SHA-256, or why there are none."""

    digest: bytes
    data: bytes
    reason: str | None = None


def decode_file(path: str, size: int, crop: str) -> Outcome:
    """Read `path` once: hash it and decode it to size*size*3 bytes. Never raises for a bad file."""
    return decode_read(path, read_file(path), size, crop)


def read_file(path: str) -> Read:
    """Read and hash `path`. Never raises for a bad file."""
    try:
        data = _read(path)
        return Read(hashlib.sha256(data).digest(), data)
    except BadPicture as error:
        return Read(UNREAD, b"", str(error))
    except MemoryError:
        return Read(UNREAD, b"", "needs more memory than is free")
    except OSError as error:
        return Read(UNREAD, b"", _why_unread(error))


def decode_read(path: str, read: Read, size: int, crop: str) -> Outcome:
    """Decode what was read from `path` to size*size*3 bytes. Never raises for a bad file."""
    if read.reason is not None:
        return Outcome(UNREAD, read.reason, (), b"")
    try:
        pixels, notes = decode(read.data, size=size, crop=crop, name=path)
        return Outcome(read.digest, None, notes, pixels)
    except NoMemory as error:
        return Outcome(UNREAD, str(error), (), b"")
    except BadPicture as error:
        return Outcome(read.digest, str(error), (), b"")


def _read(path: str) -> bytes:
    # Without O_NONBLOCK, opening a named pipe waits for a writer, for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
    handle = os.open(path, flags)
    with open(handle, "rb", buffering=0) as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise BadPicture("is not a regular file (a pipe, a device or a folder)")
        if about.st_size > MAX_BYTES:
            raise BadPicture(f"is {about.st_size / 2**30:.1f} GB; the limit is {MAX_BYTES // 2**30} GB")
        return file.read()


def _why_unread(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "is gone, or a link that leads nowhere"
    if isinstance(error, PermissionError):
        return "may not be read (no permission)"
    return f"could not be read ({error.strerror or type(error).__name__})"


def main(size: int, crop: str) -> None:
    """Answer until stdin closes, which it also does when the parent is killed."""
    answers = private_stdout()
    limit()
    answers.write(READY)
    answers.flush()
    for line in sys.stdin.buffer:
        for path in json.loads(line):
            watch(MAX_SECONDS)
            read = read_file(path)
            answers.write(read.digest)
            answers.flush()
            outcome = decode_read(path, read, size, crop)
            watch(0)
            text = json.dumps([outcome.reason, outcome.notes, outcome.digest != UNREAD]).encode("ascii")
            answers.write(HEADER.pack(len(text), len(outcome.pixels)) + text)
            answers.write(outcome.pixels)
            answers.flush()


def private_stdout() -> BinaryIO:
    """Keep the pipe for answers and send whatever a C library prints to nowhere."""
    pipe = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return os.fdopen(pipe, "wb", buffering=1 << 16)


def limit() -> None:
    """Leave Ctrl-C to the parent, and meet a decoder's hunger with MemoryError rather than with the kernel's killer."""
    import signal
    import warnings

    warnings.simplefilter("ignore")  # Pillow's, of large pictures and odd EXIF: both are dealt with
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (ImportError, ValueError, OSError):  # Windows has none; a tighter limit may be set already
        pass


def watch(seconds: int) -> None:
    """End this process by SIGALRM after `seconds`; a Python handler would wait for the C decoder to return."""
    import signal

    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
