"""NumPy's own files from strangers: no Python objects, no more bytes than are there."""

import math
import os
import tokenize
from typing import BinaryIO

import numpy as np

from kvae.files.archive import DAMAGED, open_regular
from kvae.files.refusal import Refused

# NumPy reads the header as Python, so all that Python says of bad Python may come
_NO_HEADER = (
    ValueError,
    KeyError,
    TypeError,
    SyntaxError,
    RecursionError,
    MemoryError,
    tokenize.TokenError,
    UserWarning,
)


def read_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the .npy stream that `file` begins, by NumPy's own bounded parser.

    Raises:
        Refused: none, or one of objects, which are pickles and can run code, or one stored column by column.
    """
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    try:
        shape, fortran, dtype = readers[np.lib.format.read_magic(file)](file)
    except _NO_HEADER:
        raise Refused("does not start as NumPy arrays do. Save it again with numpy.save.") from None
    if dtype.hasobject:
        raise Refused("holds Python objects, which can run code. Save plain numbers with numpy.save.")
    if fortran and len(shape) > 1:
        raise Refused("is stored column by column. Save numpy.ascontiguousarray(x) instead.")
    if len(shape) > 8 or any(type(side) is not int or not 0 <= side < 1 << 40 for side in shape):
        raise Refused("declares sides that cannot be. Copy it again.")
    return shape, dtype


def read_sequence(path: str | os.PathLike[str], *, most_bytes: int) -> list[np.ndarray]:
    """The arrays of a file of at most `most_bytes` that holds .npy after .npy; they may not be written to.

    Raises:
        Refused: anything but arrays of plain numbers and text.
        OSError: no such file, or it may not be read.
    """
    arrays = []
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            raise Refused("is larger than its kind can be. Copy it again.")
        while file.tell() < size:
            arrays.append(_array(file, size))
    return arrays


def _array(file: BinaryIO, size: int) -> np.ndarray:
    """The array that begins here, in a stream of `size` bytes."""
    shape, dtype = read_header(file)
    wanted = math.prod(shape) * dtype.itemsize
    if not dtype.itemsize or wanted > size - file.tell():
        raise Refused(DAMAGED)
    content = file.read(wanted)
    if len(content) != wanted:
        raise Refused(DAMAGED)
    return np.frombuffer(content, dtype).reshape(shape)
