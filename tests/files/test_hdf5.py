"""kvae's own reader of HDF5 finds what the HDF5 library wrote, in every layout, and nothing else."""

import io
import random
import struct

import h5py
import numpy as np
import pytest

from kvae.files.hdf5 import Tensors
from kvae.files.refusal import Refused

DTYPES = ("<f2", "<f4", "<i4", "<i8", "<u4")
LAYOUTS = ("earliest", ("v108", "v108"), "latest")


def written(arrays, libver="earliest", attributes=0) -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w", libver=libver) as file:
        for path, values in arrays.items():
            file.create_dataset(path, data=values)
        for number in range(attributes):
            file.attrs[f"said {number}"] = f"{number}" * 50
    return memory.getvalue()


def forest(seed: int) -> dict[str, np.ndarray]:
    """Arrays of every kind and rank in nested groups with few and many members."""
    chance, draws = random.Random(seed), np.random.default_rng(seed)
    folders = [""]
    for _ in range(chance.randrange(8)):
        folders.append(f"{chance.choice(folders)}{chance.choice('äbcdefgh') * chance.randrange(1, 40)}{len(folders)}/")
    arrays = {}
    for folder in folders:
        for number in range(chance.choice([1, 3, 9, 40, 130])):
            shape = tuple(chance.randrange(4) for _ in range(chance.randrange(5)))
            arrays[f"{folder}{number}"] = draws.integers(0, 1000, shape).astype(chance.choice(DTYPES))
    return arrays


@pytest.mark.parametrize("libver", LAYOUTS, ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_what_the_library_wrote_is_found(seed, libver):
    arrays = forest(seed)
    stored = Tensors(written(arrays, libver, attributes=seed * 4), most=len(arrays))
    assert stored.shapes == {path: values.shape for path, values in arrays.items()}
    for path, values in arrays.items():
        read = stored.read(path, values.dtype)
        assert read.dtype == values.dtype and np.array_equal(read, values)


@pytest.mark.parametrize("libver", LAYOUTS, ids=str)
def test_a_group_of_a_thousand(libver):
    """Its links lie in trees of several levels."""
    arrays = {f"optimizer/vars/{number}": np.float32(number) for number in range(1000)}
    stored = Tensors(written(arrays, libver), most=1000)
    assert {path: stored.read(path, np.dtype("f4")) for path in stored.shapes} == arrays


@pytest.mark.parametrize("libver", LAYOUTS, ids=str)
def test_every_cut_is_refused_or_harmless(libver):
    """A file without its end opens only where that end was unused room."""
    arrays = {f"a/{number}": np.full(3, number, "<f4") for number in range(10)}
    content = written(arrays, libver)
    last = content.rindex(arrays["a/9"].tobytes()) + 12
    for length in range(0, len(content), 7):
        try:
            stored = Tensors(content[:length], most=10)
        except Refused:
            continue
        assert length >= last and stored.shapes.keys() == arrays.keys()


@pytest.mark.parametrize("libver", LAYOUTS, ids=str)
def test_a_structure_that_leads_back_into_itself_ends(libver):
    """Every address in the file is led to every other block in turn: refused or opened, always soon."""
    arrays = {f"group/{number}": np.float32(number) for number in range(12)}
    content = written(arrays, libver)
    signs = (b"TREE", b"SNOD", b"HEAP", b"OHDR", b"OCHK", b"FRHP", b"FHDB", b"BTHD", b"BTLF")
    blocks = [place for place in range(len(content) - 4) if content[place : place + 4] in signs]
    pointers = [
        place for place in range(8, len(content) - 8) if struct.unpack_from("<Q", content, place)[0] in (*blocks, 96)
    ]
    assert len(blocks) >= 4 and len(pointers) >= 4
    refused = 0
    for place in pointers:
        for target in blocks:
            changed = bytearray(content)
            struct.pack_into("<Q", changed, place, target)
            try:
                assert len(Tensors(bytes(changed), most=12).shapes) <= 12
            except Refused:
                refused += 1
    assert refused > len(blocks)


def test_the_size_of_a_structure_is_bounded_by_its_arrays():
    content = written({f"group {number}/a": np.float32(1) for number in range(2000)})
    with pytest.raises(Refused, match="without end"):
        Tensors(content, most=10)


def test_a_name_is_no_path():
    content = written({"ab": np.float32(1)})
    assert content.count(b"ab\0") == 1
    with pytest.raises(Refused, match="damaged"):
        Tensors(content.replace(b"ab\0", b"a/\0"), most=1)
