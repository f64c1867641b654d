"""The program of a process that reads pictures from one HDF5 file, so that a crash of the HDF5 library is its end
alone.

Answered on stdout, line by line in JSON: ["pictures", [shape, dtype]], then ["rows", n] and the bytes of n
pictures, again and again, and at last ["rows", null]; or at any place ["refused", sentence].
"""

import itertools
import json
import math
from typing import Any

import h5py
import numpy as np

from kvae.files.refusal import shown
from kvae.images import arrays
from kvae.images.worker import MAX_SECONDS, limit, private_stdout, watch

MAX_NAMES = 100  # of a file that are looked through
MAX_RATIO = 1100  # declared bytes to stored bytes; deflate cannot do better than 1032


def main(path: str, block_bytes: int) -> None:
    """Read the file at `path`, about `block_bytes` at once."""
    answers = private_stdout()
    limit()

    def tell(kind: str, told: Any) -> None:
        answers.write(json.dumps([kind, told]).encode("ascii") + b"\n")
        answers.flush()

    owner = shown(path)
    watch(MAX_SECONDS)
    try:
        with arrays.as_damage(owner), h5py.File(path, "r") as file:
            data = file.get(arrays.choose(owner, _plain_names(file)))
            _check_dataset(owner, data)
            tell("pictures", [data.shape, data.dtype.str])
            row = max(1, math.prod(data.shape[1:]) * data.dtype.itemsize)
            # Whole chunks where memory allows: reading part of one decompresses all of it.
            most = min(data.chunks[0] if data.chunks else 1, arrays.MAX_CHUNK_BYTES // row)
            for block in arrays.slices(data, max(1, block_bytes // row, most)):
                watch(0)  # whoever reads may take time
                tell("rows", len(block))
                answers.write(np.ascontiguousarray(block).tobytes())
                watch(MAX_SECONDS)
            tell("rows", None)
    except (ValueError, OSError, MemoryError) as error:
        tell("refused", str(error) or f"{owner} needs more memory than is free. Store it with smaller chunks.")


def _plain_names(file: h5py.File) -> list[str]:
    """What lies in the file itself under NAMES, or else a few of all names; links are not followed."""
    known = [name for name in arrays.NAMES if name in file]
    return [
        name
        for name in known or itertools.islice(file, MAX_NAMES)
        if type(file.get(name, getlink=True)) is h5py.HardLink
    ]


def _check_dataset(owner: str, data) -> None:
    """Refuse what reaches outside the file, needs code of others, or declares more than the file can hold."""
    if not isinstance(data, h5py.Dataset):
        raise ValueError(f"{owner} must hold its pictures as a dataset. Call it {' or '.join(arrays.NAMES)}.")
    if data.shape is None or len(data.shape) not in (3, 4) or data.dtype.kind not in "buif":
        raise ValueError(f"{owner} must hold numbers of shape (n, height, width[, channels]). Store pictures so.")
    if data.is_virtual or data.external:
        raise ValueError(f"{owner} keeps its pictures in other files. Copy them into it (h5repack) and try again.")
    plist = data.id.get_create_plist()
    filters = {plist.get_filter(number)[0] for number in range(plist.get_nfilters())}
    usual = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
    if filters - usual:
        raise ValueError(f"{owner} is compressed by a filter kvae does not load. Use gzip or lzf.")
    if data.chunks and math.prod(data.chunks) * data.dtype.itemsize > arrays.MAX_CHUNK_BYTES:
        raise ValueError(f"{owner} has chunks of over {arrays.MAX_CHUNK_BYTES >> 20} MB. Store it with smaller chunks.")
    if data.nbytes > MAX_RATIO * data.id.get_storage_size():
        raise ValueError(f"{owner} declares {data.nbytes / 1e9:.0f} GB but stores far less. Fill it, or copy it again.")
