"""Files a person takes away: a picture as PNG, a morph as MP4 or GIF, latents as CSV or HDF5.

Nothing is overwritten: where a name is taken, the next free one is used. A file appears complete or not at all: it is
written under a temporary name beside its place and moved there, also when it is cancelled or the disk is full.
"""

import contextlib
import csv
import errno
import glob
import io
import itertools
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from explorer.engine.films import write_mp4
from explorer.messages import Exported, ExportLatents, ExportMorph, ExportPicture, PicturePoint, SavePicture
from explorer.png import enlarged, to_png
from explorer.safe_text import cell

DecodeFunction = Callable[[np.ndarray, Any], np.ndarray]  # (n, latent), β or (n,) → uint8 (n, h, w, c)
PointFunction = Callable[[np.ndarray, float | None], PicturePoint | None]  # (latent,), β → what a PNG carries
ProgressFunction = Callable[[int, int, str], bool]  # done, total, what → whether to go on

CHUNK = 16  # frames decoded in one go, so that the engine's other work is never held up
SECONDS_BETWEEN_REPORTS = 0.1
FILMS = (".mp4", ".gif")
SEQUENCE = ".png"  # of a morph: a folder with a picture for each frame
TABLES = (".csv", ".h5", ".hdf5")
TEMPORARY_SUFFIX = ".part"  # as `kvae.files.atomic` names them, which the window must not import


# what is wrong with the folder rather than with the file
_OF_THE_FOLDER = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT)

_unfinished: set[Path] = set()
_claimed: set[Path] = set()  # names taken for files that are about to be moved there
_beginning = threading.Lock()


def remove_unfinished() -> None:
    """Remove the temporary files of exports under way, as the process is about to end without unwinding."""
    _beginning.acquire(timeout=1.0)  # and kept: nothing is begun after that
    for temporary in tuple(_unfinished):
        _remove(temporary)
    for target in tuple(_claimed):
        with contextlib.suppress(OSError):
            if target.stat().st_size == 0:
                target.unlink()


def remove_left_by(process: int | None, request: Any) -> None:
    """Remove what the engine with this process id, which was killed, left of an export;
    of other requests nothing is left."""
    if process is None or not isinstance(request, SavePicture | ExportPicture | ExportMorph | ExportLatents):
        return
    wanted = Path(request.path).absolute()
    if wanted.suffix == SEQUENCE and isinstance(request, ExportMorph):
        wanted = wanted.with_suffix("")
    with contextlib.suppress(OSError):
        for temporary in wanted.parent.glob(f".{glob.escape(_hint(wanted, process))}.*{TEMPORARY_SUFFIX}"):
            _remove(temporary)


def _remove(temporary: Path) -> None:
    """A file, or a folder with what is in it."""
    with contextlib.suppress(OSError):
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _hint(wanted: Path, process: int) -> str:
    """The middle of a temporary file's name: for which file, and whose."""
    return f"{wanted.name[:32]}.{process}"


def _nowhere(latents: np.ndarray, kl_weight: float | None) -> PicturePoint | None:
    return None


class Cancelled(Exception):
    """The export was cancelled; nothing of it is left on disk."""


def save_picture(request: SavePicture) -> Exported:
    """Write a picture that is there already as PNG.

    Raises:
        OSError, ValueError: one sentence.
    """
    _check_ending(request.path, (".png",))
    with _new_file(request.path) as (temporary, place):
        temporary.write_bytes(to_png(request.image, request.side, request.smooth, request.dpi, request.point))
        return Exported(str(place()))


def export_picture(
    request: ExportPicture, decode: DecodeFunction, progress: ProgressFunction, point: PointFunction = _nowhere
) -> Exported:
    """Write one picture as PNG, which carries its point. At the model's own size the pixels are exactly the decoded
    ones.

    Raises:
        Cancelled: `progress` returned False.
        OSError, ValueError: one sentence.
    """
    _check_ending(request.path, (".png",))
    with _new_file(request.path) as (temporary, place):
        _go_on(progress, 0, 1, "picture")
        latents = np.asarray(request.latents, np.float32)
        pixels = decode(latents[None], request.kl_weight)[0]
        its_point = point(latents, request.kl_weight)
        temporary.write_bytes(to_png(pixels, request.side, request.smooth, point=its_point))
        _go_on(progress, 1, 1, "picture")
        return Exported(str(place()))


def export_morph(
    request: ExportMorph, decode: DecodeFunction, progress: ProgressFunction, point: PointFunction = _nowhere
) -> Exported:
    """Write the frames of a morph as .mp4 or .gif, or as a folder of .png; see `films` for what each film can hold.

    Raises:
        Cancelled: `progress` returned False.
        OSError, ValueError: one sentence.
    """
    ending = _check_ending(request.path, (*FILMS, SEQUENCE))
    latents = np.asarray(request.latents, np.float32)
    if len(latents) == 0 or not request.frames_per_second > 0:
        raise ValueError(
            "export_morph: there must be frames and a rate above 0. "
            f"Received: {len(latents)} frames, frames_per_second={request.frames_per_second!r}."
        )
    frames = _frames(request, latents, decode, progress)
    if ending == SEQUENCE:
        return _write_sequence(request, frames, len(latents), progress, point)
    with _new_file(request.path) as (temporary, place):
        images = (enlarged(pixels, request.side, request.smooth) for _, pixels in frames)
        _writer(ending)(temporary, images, len(latents), request.frames_per_second, request.loop)
        _go_on(progress, len(latents), len(latents), "frames")
        return Exported(str(place()))


def _writer(ending: str) -> Callable[[Path, Iterator[Any], int, float, bool], None]:
    if ending == ".mp4":
        return write_mp4
    from explorer.engine.gifs import write_gif  # imports Pillow, which the window has no need of

    return write_gif


def _write_sequence(
    request: ExportMorph,
    frames: Iterator[tuple[int, np.ndarray]],
    count: int,
    progress: ProgressFunction,
    point: PointFunction,
) -> Exported:
    """A folder with a PNG for each frame, numbered from 1 with as many digits as the last one has."""
    wanted = Path(request.path).with_suffix("")
    digits = max(4, len(str(count)))
    with _new_folder(wanted) as (temporary, place):
        for index, pixels in frames:
            weight = request.kl_weight
            weight = float(weight[index]) if isinstance(weight, np.ndarray) else weight
            content = to_png(pixels, request.side, request.smooth, point=point(request.latents[index], weight))
            (temporary / f"{wanted.name} {index + 1:0{digits}d}.png").write_bytes(content)
        _go_on(progress, count, count, "frames")
        return Exported(str(place()))


def export_latents(request: ExportLatents) -> Exported:
    """Write latents with their names, exact in float32: columns name, z1, z2 ... of a .csv, or `latents` and `names` of
    an .h5.

    Raises:
        OSError, ValueError: one sentence.
    """
    ending = _check_ending(request.path, TABLES)
    latents = np.asarray(request.latents, np.float32)
    if latents.ndim != 2 or len(latents) != len(request.names):
        raise ValueError(
            "export_latents: `latents` must have shape (count, latent) and `names` as many entries. "
            f"Received: shape {latents.shape} and {len(request.names)} names."
        )
    with _new_file(request.path) as (temporary, place):
        (_write_csv if ending == ".csv" else _write_hdf5)(temporary, latents, request.names)
        return Exported(str(place()))


def _frames(
    request: ExportMorph, latents: np.ndarray, decode: DecodeFunction, progress: ProgressFunction
) -> Iterator[tuple[int, np.ndarray]]:
    """All frames with their numbers from 0, decoded `CHUNK` at a time; reports progress as they are taken."""
    reported = -SECONDS_BETWEEN_REPORTS
    weights = request.kl_weight
    for start in range(0, len(latents), CHUNK):
        part = slice(start, start + CHUNK)
        images = decode(latents[part], weights[part] if isinstance(weights, np.ndarray) else weights)
        for index, pixels in enumerate(images, start):
            if time.monotonic() - reported >= SECONDS_BETWEEN_REPORTS:
                _go_on(progress, index, len(latents), "frames")
                reported = time.monotonic()
            yield index, pixels


def _go_on(progress: ProgressFunction, done: int, total: int, what: str) -> None:
    if not progress(done, total, what):
        raise Cancelled(f"The export was cancelled after {done} of {total} {what}; nothing was kept.")


def _write_csv(path: Path, latents: np.ndarray, names: tuple[str, ...]) -> None:
    """`str` of a float32 is the shortest text that reads back as the same float32."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", *(f"z{number}" for number in range(1, latents.shape[1] + 1))])
        writer.writerows([cell(name), *map(str, row)] for name, row in zip(names, latents, strict=True))


def _write_hdf5(path: Path, latents: np.ndarray, names: tuple[str, ...]) -> None:
    """Built in memory, as HDF5 itself does not survive a full disk."""
    import h5py

    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        file["latents"] = latents
        file.create_dataset("names", data=list(names), dtype=h5py.string_dtype("utf-8"), shape=(len(names),))
    path.write_bytes(memory.getbuffer())


# ---------------------------------------------------------------------- a new file, whole or not at all


def _check_ending(path: str, endings: tuple[str, ...]) -> str:
    ending = Path(path).suffix.lower()
    if ending not in endings:
        raise ValueError(f"The name must end in {' or '.join(endings)}. Received: {Path(path).name}.")
    return ending


@contextlib.contextmanager
def _new_file(path: str) -> Iterator[tuple[Path, Callable[[], Path]]]:
    """Yield a temporary file and a function that moves it to `path` or the next free name, which it returns.

    The folder is made where it is missing. Without that call, or when the block raises, nothing is left.
    """
    from kvae.files.atomic import move_into_place, temporary_file

    wanted = Path(path).absolute()

    def place() -> Path:
        target = _claim(wanted)
        _claimed.add(target)
        try:
            move_into_place(temporary, target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        finally:
            _claimed.discard(target)
        return target

    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            with _beginning:
                temporary = stack.enter_context(temporary_file(wanted.parent, _hint(wanted, os.getpid())))
                _unfinished.add(temporary)
                stack.callback(_unfinished.discard, temporary)
            yield temporary, place
    except OSError as error:
        raise OSError(_why(error, wanted)) from error


@contextlib.contextmanager
def _new_folder(wanted: Path) -> Iterator[tuple[Path, Callable[[], Path]]]:
    """As `_new_file`, for a folder: it appears with all that is in it, or not at all."""
    wanted = wanted.absolute()

    def place() -> Path:
        for number in itertools.count(1):
            target = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
            if not os.path.lexists(target):  # a name taken since is an error: no rename replaces a folder with files
                temporary.rename(target)
                return target
        raise AssertionError

    temporary = wanted.parent / f".{_hint(wanted, os.getpid())}.{uuid.uuid4().hex[:8]}{TEMPORARY_SUFFIX}"
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            with _beginning:
                temporary.mkdir()
                _unfinished.add(temporary)
                stack.callback(_unfinished.discard, temporary)
                stack.callback(shutil.rmtree, temporary, ignore_errors=True)
            yield temporary, place
    except OSError as error:
        raise OSError(_why(error, wanted)) from error


def _claim(wanted: Path) -> Path:
    """Make an empty file at `wanted` or the next free name, so that no other program can take it meanwhile."""
    from kvae.files.atomic import numbered

    for candidate in numbered(wanted):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(candidate, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            return candidate
    raise AssertionError


def _why(error: OSError, path: Path) -> str:
    """One sentence: what could not be written, the reason, and what to do."""
    from kvae.files.failure import unwritable

    return unwritable(path if error.errno in _OF_THE_FOLDER else path.name, error)
