"""Arrays of numbers in HDF5 from strangers: only what lies in the bytes at hand, whole and plainly stored.

HDF5 can link to other files, keep data outside, compute it, and declare terabytes in a kilobyte. What is read here can do
none of it: the library is asked where the numbers lie, and they are then taken from there.
"""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from kvae.files.refusal import Refused

MOST_RANK, MOST_LEVELS, MOST_NAME = 8, 16, 200
_CURE = "Open a file that kvae saved."
_KINDS: dict[np.dtype, Any] = {
    np.dtype(np.float16): h5py.h5t.IEEE_F16LE,
    np.dtype(np.float32): h5py.h5t.IEEE_F32LE,
    np.dtype(np.int32): h5py.h5t.STD_I32LE,
    np.dtype(np.int64): h5py.h5t.STD_I64LE,
    np.dtype(np.uint32): h5py.h5t.STD_U32LE,
}


@dataclass(frozen=True)
class _Place:
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int


class Tensors:
    """The arrays in `content`, an HDF5 file in memory: their shapes at once, their numbers when asked for.

    Raises:
        Refused: anything but hard-linked groups of plainly stored float16, float32 and whole numbers, at most `most`.
    """

    def __init__(self, content: bytes, *, most: int) -> None:
        self._content = content
        self._most = 8 * most + 64  # groups among them: each array is in one, and those may be nested
        try:
            with h5py.File(io.BytesIO(content), "r") as file:
                self._places = dict(self._walk(file, "", 0, set()))
        except Refused:
            raise
        except (MemoryError, RecursionError):
            raise Refused(f"holds damaged weights. {_CURE}") from None
        except Exception:  # the library raises nearly every kind there is
            raise Refused(f"holds damaged weights. {_CURE}") from None
        if len(self._places) > most:
            raise Refused(f"holds more arrays than its model has. {_CURE}")
        if sum(_size(place) for place in self._places.values()) > len(content):
            raise Refused(f"holds weights that lie on one another. {_CURE}")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each array by its path, such as "encoder/vars/0"."""
        return {path: place.shape for path, place in self._places.items()}

    def read(self, path: str, dtype: np.dtype) -> np.ndarray:
        """The array at `path`, cast to `dtype`; it may not be written to.

        Raises:
            Refused: another kind of number, one that is not finite, or a count below zero.
        """
        place = self._places[path]
        count = math.prod(place.shape)
        stored = np.frombuffer(self._content, place.dtype, count, place.offset).reshape(place.shape)
        if (dtype.kind == "f") != (place.dtype.kind == "f"):
            raise Refused(f"holds weights of another kind of number than its model. {_CURE}")
        with np.errstate(over="ignore"):
            values = stored.astype(dtype, copy=False)
        if not count:
            return values
        # the extremes of values that hold a NaN are NaN
        low, high = values.min(), values.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            raise Refused("holds weights that are NaN or infinite. Open the file of an earlier state, or train anew.")
        if dtype.kind != "f" and (stored.min() < 0 or stored.max() > np.iinfo(dtype).max // 2):
            raise Refused(f"holds counts that cannot be. {_CURE}")
        return values

    def _walk(self, group: h5py.Group, path: str, level: int, seen: set[int]) -> Iterator[tuple[str, _Place]]:
        if level > MOST_LEVELS or len(group) > self._most:
            raise Refused(f"holds groups of weights without end. {_CURE}")
        for name in group:
            if len(seen) > self._most or len(name) > MOST_NAME:
                raise Refused(f"holds groups of weights without end. {_CURE}")
            if type(group.get(name, getlink=True)) is not h5py.HardLink:
                raise Refused(f"holds weights that are links to others. {_CURE}")
            one = group[name]
            address = h5py.h5o.get_info(one.id).addr
            if address in seen:
                raise Refused(f"holds weights that are linked twice. {_CURE}")
            seen.add(address)
            if isinstance(one, h5py.Group):
                yield from self._walk(one, f"{path}{name}/", level + 1, seen)
            elif isinstance(one, h5py.Dataset):
                yield f"{path}{name}", self._place(one)
            else:
                raise Refused(f"holds something else than weights. {_CURE}")

    def _place(self, data: h5py.Dataset) -> _Place:
        plan = data.id.get_create_plist()
        if data.is_virtual or plan.get_external_count():
            raise Refused(f"keeps weights in other files. {_CURE}")
        if plan.get_nfilters() or plan.get_layout() != h5py.h5d.CONTIGUOUS:
            raise Refused(f"stores weights in another way than Keras does. {_CURE}")
        kind = data.id.get_type()
        dtype = next((dtype for dtype, its in _KINDS.items() if kind.equal(its)), None)
        if dtype is None:
            raise Refused(f"holds weights that are not float32. {_CURE}")
        shape = data.shape
        if shape is None or len(shape) > MOST_RANK:
            raise Refused(f"holds weights without a shape. {_CURE}")
        place = _Place(tuple(shape), dtype, data.id.get_offset() or 0)
        size = _size(place)
        inside = place.offset > 0 and place.offset + size <= len(self._content)
        if size and (size != data.id.get_storage_size() or not inside):
            raise Refused("declares more weights than it stores. Copy it again, or open another file.")
        return place


def _size(place: _Place) -> int:
    return math.prod(place.shape) * place.dtype.itemsize
