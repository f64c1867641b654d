"""Arrays of numbers in HDF5 from strangers, read without the HDF5 library.

HDF5 can link to other files, keep data outside, compute it, and declare terabytes in a kilobyte, and the library that
does all this has had holes which a crafted file reaches while its structure is read. So the structure is read here, in
bounds that are checked and with an end that is certain: groups in the old and the new layout, and arrays that lie in
the file in one piece. After the HDF5 File Format Specification, version 3.0, whose words are used.
"""

import bisect
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kvae.files.refusal import Refused

MOST_RANK, MOST_LEVELS, MOST_NAME = 8, 16, 200
STEPS, STEPS_EACH = 4096, 64  # blocks, messages and links that are read, and for each array
_CURE = "Open a file that kvae saved."
_DAMAGED = f"holds damaged weights. {_CURE}"
_ENDLESS = f"holds groups of weights without end. {_CURE}"
_LINKED = f"holds weights that are links to others. {_CURE}"
_FOREIGN = f"stores weights in another way than Keras does. {_CURE}"

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_NOWHERE = (1 << 64) - 1
# types of header messages
_SPACE, _LINK_INFO, _TYPE, _EXTERNAL, _LINK, _LAYOUT, _FILTERS, _CONTINUED, _SYMBOLS = 1, 2, 3, 7, 6, 8, 11, 16, 17
_SHARED = 2  # flag of a message that lies elsewhere
_CONTIGUOUS, _VIRTUAL = 1, 3
# the datatype message after its first byte, which is the version and the class of number (0 whole, 1 real)
_KINDS: dict[tuple[int, bytes], np.dtype] = {
    (1, b"\x20\x0f\0\x02\0\0\0\0\0\x10\0\x0a\x05\0\x0a\x0f\0\0\0"): np.dtype("<f2"),
    (1, b"\x20\x1f\0\x04\0\0\0\0\0\x20\0\x17\x08\0\x17\x7f\0\0\0"): np.dtype("<f4"),
    (0, b"\x08\0\0\x04\0\0\0\0\0\x20\0"): np.dtype("<i4"),
    (0, b"\x08\0\0\x08\0\0\0\0\0\x40\0"): np.dtype("<i8"),
    (0, b"\0\0\0\x04\0\0\0\0\0\x20\0"): np.dtype("<u4"),
}


@dataclass(frozen=True)
class _Place:
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int


@dataclass(frozen=True)
class _Message:
    kind: int
    flags: int
    start: int
    size: int


class Tensors:
    """The arrays in `content`, an HDF5 file in memory: their shapes at once, their numbers when asked for.

    Raises:
        Refused: anything but hard-linked groups of plainly stored float16, float32 and whole numbers, at most `most`.
    """

    def __init__(self, content: bytes, *, most: int) -> None:
        self._content = content
        structure = _Structure(content, STEPS + STEPS_EACH * most)
        self._places = dict(structure.arrays())
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


class _Structure:
    """The blocks of an HDF5 file: which arrays its groups lead to, and where they lie,
    found in at most `steps` steps."""

    def __init__(self, content: bytes, steps: int) -> None:
        self._content = content
        self._steps = steps
        self._objects: set[int] = set()

    def arrays(self) -> Iterator[tuple[str, _Place]]:
        """Every array by its path."""
        if self._content[:8] != _SIGNATURE:
            raise Refused(_DAMAGED)
        (version,) = self._numbers("B", 8)
        if version < 2:
            place = 24 + 4 * version
            widths, (base, root) = self._numbers("BB", 13), self._numbers("Q32xQ", place)
        else:
            widths, (base, root) = self._numbers("BB", 9), self._numbers("Q16xQ", 12)
        if version > 3 or widths != (8, 8) or base:
            raise Refused(_FOREIGN)
        yield from self._walk(root, "", 0)

    def _walk(self, address: int, path: str, level: int) -> Iterator[tuple[str, _Place]]:
        if level > MOST_LEVELS:
            raise Refused(_ENDLESS)
        if address in self._objects:
            raise Refused(f"holds weights that are linked twice. {_CURE}")
        self._objects.add(address)
        messages = list(self._messages(address))
        kinds = {message.kind for message in messages}
        if _LAYOUT in kinds and path:
            yield path, self._place(messages)
        elif kinds & {_SYMBOLS, _LINK_INFO, _LINK} and _LAYOUT not in kinds:
            names: set[str] = set()
            for name, child in self._links(messages):
                if name in names:  # programs differ in which of the two they take
                    raise Refused(f"holds two weights of one name. {_CURE}")
                names.add(name)
                yield from self._walk(child, f"{path}/{name}" if path else name, level + 1)
        else:
            raise Refused(f"holds something else than weights. {_CURE}")

    def _messages(self, address: int) -> Iterator[_Message]:
        """The messages of the object header at `address`, in its continuations too."""
        newer = self._content[address : address + 4] == b"OHDR"
        if newer:
            version, flags = self._numbers("BB", address + 4)
            start = address + 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
            width = 1 << (flags & 3)
            blocks = [(start + width, self._whole(start, width))]
            form, head = "BHB", 4 + 2 * bool(flags & 4)
        else:
            version, size = self._numbers("B7xI", address)
            blocks = [(address + 16, size)]
            form, head = "HHB", 8
        if version != 1 + newer:
            raise Refused(_DAMAGED)
        for start, size in blocks:  # which grows while it is walked
            end = start + size
            while start + head <= end:
                self._step()
                kind, length, flags = self._numbers(form, start)
                start += head
                if length > end - start:
                    raise Refused(_DAMAGED)
                if kind == _CONTINUED:
                    where, room = self._numbers("QQ", start)
                    if newer:  # between a signature and a checksum
                        self._signed(b"OCHK", where)
                    blocks.append((where + 4, room - 8) if newer else (where, room))
                else:
                    yield _Message(kind, flags, start, length)
                start += length

    def _links(self, messages: list[_Message]) -> Iterator[tuple[str, int]]:
        """Name and address of each object in the group that has these messages."""
        for message in messages:
            if message.kind == _SYMBOLS:
                tree, heap = self._numbers("QQ", message.start)
                self._signed(b"HEAP", heap)
                (names,) = self._numbers("Q", heap + 24)
                yield from self._symbols(tree, names, 0)
            elif message.kind == _LINK:
                yield self._link(message.start)
            elif message.kind == _LINK_INFO:
                (flags,) = self._numbers("B", message.start + 1)
                heap, tree = self._numbers("QQ", message.start + 2 + 8 * (flags & 1))
                if heap != _NOWHERE:
                    yield from self._dense(heap, tree)

    def _symbols(self, address: int, names: int, level: int) -> Iterator[tuple[str, int]]:
        """The links below a node of a group's B-tree, version 1."""
        self._step()
        if level > MOST_LEVELS:
            raise Refused(_ENDLESS)
        if self._content[address : address + 4] == b"TREE":
            kind, used = self._numbers("BxH", address + 4)
            if kind:
                raise Refused(_DAMAGED)
            for number in range(used):
                (child,) = self._numbers("Q", address + 32 + 16 * number)
                yield from self._symbols(child, names, level + 1)
            return
        self._signed(b"SNOD", address)
        (used,) = self._numbers("H", address + 6)
        for number in range(used):
            self._step()
            offset, header, cached = self._numbers("QQI", address + 8 + 40 * number)
            if cached == 2:
                raise Refused(_LINKED)
            end = self._content.find(b"\0", names + offset, names + offset + MOST_NAME + 1)
            yield self._name(names + offset, end - names - offset), header

    def _dense(self, heap: int, tree: int) -> Iterator[tuple[str, int]]:
        """The links of a group that keeps them in a fractal heap, and where they are there in a B-tree, version 2."""
        self._signed(b"FRHP", heap)
        packed, flags = self._numbers("HB", heap + 7)
        width, first, largest, bits = self._numbers("HQQH", heap + 110)
        root, rows = self._numbers("QH", heap + 132)
        if packed or not (0 < width <= 64 and 0 < first <= largest <= 1 << 24 and bits <= 64 and rows <= 64):
            raise Refused(_FOREIGN)
        across = -(-bits // 8)
        blocks = {0: (root, first)}  # where in the heap a block begins: its address in the file, and its size
        if rows:
            self._signed(b"FHIB", root)
            place, begin = root + 13 + across, 0
            for row in range(rows):
                size = first << max(row - 1, 0)
                if size > largest:  # blocks of blocks: over half a megabyte of links
                    raise Refused(_ENDLESS)
                for _ in range(width):
                    self._step()
                    (address,) = self._numbers("Q", place)
                    blocks[begin] = (address, size)
                    place, begin = place + 8, begin + size
        starts = sorted(blocks)
        for record in self._records(tree):
            offset = self._whole(record + 5, across)
            begin = starts[bisect.bisect(starts, offset) - 1]
            address, size = blocks[begin]
            if self._whole(record + 4, 1) & 0x30 or offset - begin >= size:
                raise Refused(_DAMAGED)
            self._signed(b"FHDB", address)
            yield self._link(address + offset - begin)

    def _records(self, tree: int) -> Iterator[int]:
        """Where the records of a B-tree, version 2, lie, which index links by name."""
        self._signed(b"BTHD", tree)
        kind, node, record, depth = self._numbers("BIHH", tree + 5)
        root, used = self._numbers("QH", tree + 16)
        if kind != 5 or record < 11 or node < 64 or depth > MOST_LEVELS:
            raise Refused(_DAMAGED)
        fits = (node - 10) // record
        counted, below = _width(fits), fits
        pointers = [0]  # bytes of a pointer in a node of each depth
        for level in range(1, depth + 1):
            pointers.append(8 + counted + (_width(below) if level > 1 else 0))
            most = (node - 10 - pointers[-1]) // (record + pointers[-1])
            below = (most + 1) * below + most

        def walk(address: int, used: int, depth: int) -> Iterator[int]:
            self._step()
            self._signed(b"BTIN" if depth else b"BTLF", address)
            for number in range(used):
                self._step()
                yield address + 6 + record * number
            for number in range(used + 1 if depth else 0):
                place = address + 6 + record * used + pointers[depth] * number
                (child,) = self._numbers("Q", place)
                yield from walk(child, self._whole(place + 8, counted), depth - 1)

        if root != _NOWHERE:
            yield from walk(root, used, depth)

    def _link(self, start: int) -> tuple[str, int]:
        """Name and address in the link message at `start`."""
        self._step()
        version, flags = self._numbers("BB", start)
        start += 2
        if flags & 8:
            if self._whole(start, 1):
                raise Refused(_LINKED)
            start += 1
        start += 8 * bool(flags & 4) + bool(flags & 16)
        width = 1 << (flags & 3)
        length = self._whole(start, width)
        name = self._name(start + width, length)
        if version != 1:
            raise Refused(_DAMAGED)
        return name, self._whole(start + width + length, 8)

    def _place(self, messages: list[_Message]) -> _Place:
        kinds = [message.kind for message in messages]
        if _EXTERNAL in kinds:
            raise Refused(f"keeps weights in other files. {_CURE}")
        if _FILTERS in kinds:
            raise Refused(_FOREIGN)
        if any(kinds.count(kind) != 1 for kind in (_SPACE, _TYPE, _LAYOUT)):
            raise Refused(_DAMAGED)
        parts = {message.kind: message for message in messages}
        if any(parts[kind].flags & _SHARED for kind in (_SPACE, _TYPE, _LAYOUT)):
            raise Refused(_FOREIGN)
        shape, dtype = self._shape(parts[_SPACE].start), self._dtype(parts[_TYPE])
        version, layout = self._numbers("BB", parts[_LAYOUT].start)
        if version == 4 and layout == _VIRTUAL:
            raise Refused(f"keeps weights in other files. {_CURE}")
        if version not in (3, 4) or layout != _CONTIGUOUS:
            raise Refused(_FOREIGN)
        offset, stored = self._numbers("QQ", parts[_LAYOUT].start + 2)
        size = math.prod(shape) * dtype.itemsize
        sides = math.prod(side or 1 for side in shape)  # of an empty array too, as NumPy counts
        if sides > len(self._content) or (size and (size != stored or not 0 < offset <= len(self._content) - size)):
            raise Refused("declares more weights than it stores. Copy it again, or open another file.")
        return _Place(shape, dtype, offset if size else 0)

    def _shape(self, start: int) -> tuple[int, ...]:
        version, rank, _, kind = self._numbers("BBBB", start)
        if version not in (1, 2) or rank > MOST_RANK or (version == 2 and kind > 1):
            raise Refused(f"holds weights without a shape. {_CURE}")
        return self._numbers(f"{rank}Q", start + (8 if version == 1 else 4))

    def _dtype(self, message: _Message) -> np.dtype:
        told = self._content[message.start : message.start + message.size]
        for (number, rest), dtype in _KINDS.items():
            # what follows rounds the message up to eight bytes
            if told and told[0] & 0x0F == number and told[1 : 1 + len(rest)] == rest:
                return dtype
        raise Refused(f"holds weights that are not float32. {_CURE}")

    def _name(self, start: int, length: int) -> str:
        if not 0 < length <= MOST_NAME:
            raise Refused(_DAMAGED)
        try:
            name = self._content[start : start + length].decode()
        except UnicodeDecodeError:
            raise Refused(_DAMAGED) from None
        if len(name.encode()) != length or "/" in name:
            raise Refused(_DAMAGED)
        return name

    def _step(self) -> None:
        """Count one thing that is read: a structure that leads back into itself ends here."""
        self._steps -= 1
        if self._steps < 0:
            raise Refused(_ENDLESS)

    def _signed(self, signature: bytes, address: int) -> None:
        if self._content[address : address + 4] != signature:
            raise Refused(_DAMAGED)

    def _numbers(self, form: str, start: int) -> tuple[int, ...]:
        """The little-endian numbers of `form` at `start`."""
        form = f"<{form}"
        if start + struct.calcsize(form) > len(self._content):
            raise Refused(_DAMAGED)
        return struct.unpack_from(form, self._content, start)

    def _whole(self, start: int, width: int) -> int:
        """The number of `width` bytes at `start`."""
        if start + width > len(self._content):
            raise Refused(_DAMAGED)
        return int.from_bytes(self._content[start : start + width], "little")


def _width(most: int) -> int:
    """The bytes that a number up to `most` takes."""
    return (most.bit_length() + 7) // 8


def _size(place: _Place) -> int:
    return math.prod(place.shape) * place.dtype.itemsize
