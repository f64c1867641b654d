"""Arrays in memory and in .npy, .npz and HDF5 files, and what is refused in them."""

import zipfile

import h5py
import numpy as np
import pytest

from kvae.images import arrays
from kvae.images.collection import open_collection
from kvae.images.worker import command_of

RGB = np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3), np.uint8)
GREY = RGB[..., 0]


def hdf5(path, name="images", **options):
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=options.pop("data", RGB), **options)


WRITERS = {
    "npy": lambda path, data: np.save(path, data),
    "npz": lambda path, data: np.savez(path, images=data, labels=np.arange(len(data))),
    "compressed.npz": lambda path, data: np.savez_compressed(path, imgs=data),
    "h5": lambda path, data: hdf5(path, data=data),
    "gzip.hdf5": lambda path, data: hdf5(
        path, data=data, compression="gzip", shuffle=True, chunks=(3, *data.shape[1:])
    ),
}


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("data", [RGB, GREY, GREY[..., None]], ids=["rgb", "grey", "grey with channel"])
def test_every_kind_of_file_gives_the_array(kind, data, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK_BYTES", 1600)  # several blocks
    WRITERS[kind](tmp_path / f"a.{kind}", data)
    collection = open_collection(tmp_path / f"a.{kind}", size=16)
    assert np.array_equal(collection.read(range(7)), data.reshape(7, 16, 16, -1))
    assert collection.names == tuple("0123456")


@pytest.mark.parametrize("data", [RGB, GREY])
def test_an_array_in_memory_is_taken(data):
    assert np.array_equal(open_collection(data, size=16).read(range(7)), data.reshape(7, 16, 16, -1))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ">f8"])
def test_floats_from_0_to_1_are_scaled(dtype):
    collection = open_collection((RGB / 255).astype(dtype), size=16)
    assert np.array_equal(collection.read(range(7)), RGB)


def test_booleans_and_bytes_of_0_and_1_become_black_and_white():
    black_and_white = GREY > 127
    for data in (black_and_white, black_and_white.astype(np.uint8)):
        assert np.array_equal(open_collection(data, size=16).read(range(7))[..., 0], black_and_white * 255)


def test_bytes_are_not_taken_for_black_and_white_because_the_first_block_is_dark(monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK_BYTES", 256)
    data = np.concatenate([np.zeros((3, 16, 16), np.uint8), GREY])
    assert np.array_equal(open_collection(data, size=16).read(range(10))[..., 0], data)


def test_16_bit_values_are_scaled():
    assert np.array_equal(open_collection(RGB.astype(np.uint16) * 257, size=16).read(range(7)), RGB)


def test_alpha_is_composited():
    data = np.concatenate([RGB, np.zeros_like(RGB[..., :1])], axis=-1)
    collection = open_collection(data, size=16)
    assert collection.shape == (16, 16, 3)
    assert (collection.read([0]) == 255).all()


@pytest.mark.parametrize("crop", ["square", "pad", "stretch"])
def test_other_sizes_are_resized_by_the_same_rule(crop):
    data = np.full((3, 28, 40), 90, np.uint8)
    collection = open_collection(data, size=32, crop=crop)
    assert collection.shape == (32, 32, 1)
    assert (collection.read([0, 1, 2]) == 90).all()


def test_mnist_is_found_by_its_name(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_test=GREY[:2], x_train=GREY, y_train=np.arange(7))
    assert open_collection(tmp_path / "mnist.npz", size=16).count == 7


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_refused_with_a_sentence(value):
    data = np.zeros((3, 16, 16), np.float32)
    data[2, 3, 3] = value
    with pytest.raises(ValueError, match="NaN or infinite"):
        open_collection(data, size=16)


BAD_ARRAYS = {
    "floats to 255": (RGB.astype(np.float32), "rescale"),
    "negative floats": (RGB / 255 - 0.5, "rescale"),
    "integers": (RGB.astype(np.int64), "uint8"),
    "strings": (np.full((2, 16, 16), "x"), "uint8"),
    "objects": (np.full((2, 16, 16), None), "uint8"),
    "channels first": (np.moveaxis(RGB, -1, 1), "moveaxis"),
    "one picture": (RGB[0], "shape"),
    "flat": (RGB.reshape(7, -1), "shape"),
    "no pictures": (RGB[:0], "shape"),
    "two channels": (RGB[..., :2], "shape"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_an_unusable_array_is_refused_with_the_cure(case):
    data, match = BAD_ARRAYS[case]
    with pytest.raises(ValueError, match=match):
        open_collection(data, size=16)


def _cut(path, part=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])


def _external_link(path):
    hdf5(path.with_suffix(".other.h5"))
    with h5py.File(path, "w") as file:
        file["images"] = h5py.ExternalLink(path.with_suffix(".other.h5").name, "/images")


def _soft_link(path):
    with h5py.File(path, "w") as file:
        file["group/real"] = RGB
        file["images"] = h5py.SoftLink("/group/real")


def _virtual(path):
    hdf5(path.with_suffix(".other.h5"))
    layout = h5py.VirtualLayout(RGB.shape, np.uint8)
    layout[:] = h5py.VirtualSource(path.with_suffix(".other.h5"), "images", RGB.shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("images", layout)


def _external_storage(path):
    path.with_suffix(".raw").write_bytes(RGB.tobytes())
    with h5py.File(path, "w") as file:
        file.create_dataset("images", RGB.shape, np.uint8, external=[(path.with_suffix(".raw"), 0, RGB.nbytes)])


def _shape_bomb(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (2**24, 64, 64, 3), np.uint8, chunks=(1, 64, 64, 3), compression="gzip")


def _huge_chunk(path):
    with h5py.File(path, "w") as file:
        data = file.create_dataset("images", (8000, 256, 256, 3), np.uint8, chunks=(8000, 256, 256, 1), compression=9)
        data.id.get_storage_size()


def _group(path):
    with h5py.File(path, "w") as file:
        file.create_group("images")


def _lying_npy(path):
    data = bytearray(RGB.tobytes())
    np.save(path, np.zeros((1, 16, 16, 3), np.uint8))
    header = path.read_bytes()[:128].replace(b"(1, 16", b"(9, 16")
    path.write_bytes(header + data)


def _flipped_npz(path):
    np.savez(path, images=RGB)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _text_in_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", "hello")


BAD_FILES = {
    "external link.h5": (_external_link, "must hold an array"),
    "soft link.h5": (_soft_link, "must hold"),
    "virtual dataset.h5": (_virtual, "other files"),
    "external storage.h5": (_external_storage, "other files"),
    "shape bomb.h5": (_shape_bomb, "declares"),
    "huge chunk.h5": (_huge_chunk, "chunks|declares"),
    "group.h5": (_group, "dataset"),
    "cut off.h5": (lambda path: (hdf5(path), _cut(path)), "damaged"),
    "text.h5": (lambda path: path.write_text("x" * 900), "damaged"),
    "empty.h5": (lambda path: path.write_bytes(b""), "damaged"),
    "pickle.npy": (lambda path: np.save(path, np.full((2, 8, 8), None), allow_pickle=True), "objects"),
    "pickle.npz": (lambda path: np.savez(path, images=np.full((2, 8, 8), None)), "objects"),
    "cut off.npy": (lambda path: (np.save(path, RGB), _cut(path)), "damaged"),
    "longer than said.npy": (_lying_npy, "damaged"),
    "text.npy": (lambda path: path.write_text("hello"), "does not start"),
    "columns first.npy": (lambda path: np.save(path, np.asfortranarray(RGB)), "column by column"),
    "cut off.npz": (lambda path: (np.savez(path, images=RGB), _cut(path)), "damaged"),
    "one bit flipped.npz": (_flipped_npz, "damaged"),
    "text inside.npz": (_text_in_zip, "does not start"),
    "other names.npz": (lambda path: np.savez(path, a=RGB, b=RGB), "must hold an array called"),
    "one picture.npz": (lambda path: np.savez(path, images=RGB[0]), "shape"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused_with_one_short_line(case, tmp_path):
    make, match = BAD_FILES[case]
    make(tmp_path / case)
    with pytest.raises(ValueError, match=match) as caught:
        open_collection(tmp_path / case, size=16)
    assert len(str(caught.value)) <= 200 and "\n" not in str(caught.value)


def test_a_soft_link_beside_the_pictures_is_not_followed(tmp_path):
    hdf5(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["more"] = h5py.ExternalLink("/etc/hostname", "/x")
    assert open_collection(tmp_path / "a.h5", size=16).count == 7


def test_a_failed_read_leaves_no_cache_behind(tmp_path, own_cache):
    _flipped_npz(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="damaged"):
        open_collection(tmp_path / "a.npz", size=16)
    assert list(own_cache.iterdir()) == []


def test_a_crash_of_the_hdf5_library_is_one_sentence(tmp_path, monkeypatch):
    hdf5(tmp_path / "a.h5")
    for dies in ("os.abort()", "os.kill(os.getpid(), 9)", "sys.stdout.write('[]')"):
        crashing = command_of(f"import os; {dies}")
        monkeypatch.setattr(arrays, "command_of", lambda _, crashing=crashing: crashing)
        with pytest.raises(ValueError, match=r"^a\.h5 makes the HDF5 library crash or hang\. Copy it again"):
            open_collection(tmp_path / "a.h5", size=16)


def test_a_crash_in_the_middle_of_an_hdf5_file_is_one_sentence(tmp_path, monkeypatch):
    hdf5(tmp_path / "a.h5", chunks=(1, 16, 16, 3))
    said = '["pictures", [[7, 16, 16, 3], "|u1"]]\n["rows", 3]\n12345'
    program = f"import os, sys; sys.stdout.write({said!r}); sys.stdout.flush(); os.abort()"
    crashing = command_of(program)
    monkeypatch.setattr(arrays, "command_of", lambda _: crashing)
    with pytest.raises(ValueError, match=r"^a\.h5 makes the HDF5 library crash or hang\."):
        open_collection(tmp_path / "a.h5", size=16)


def test_this_process_never_opens_a_users_hdf5_file(tmp_path, monkeypatch):
    hdf5(tmp_path / "a.h5")
    opened = []
    real = h5py.h5f.open
    monkeypatch.setattr(
        h5py.h5f, "open", lambda name, *more, **kept: (opened.append(name), real(name, *more, **kept))[1]
    )
    assert np.array_equal(open_collection(tmp_path / "a.h5", size=16).read(range(7)), RGB)
    assert not [name for name in opened if name.endswith(b"/a.h5")]


@pytest.mark.parametrize("kind", ["uint8", "uint16", "bool", "float32"])
@pytest.mark.parametrize("black_and_white", [False, True])
def test_an_array_in_memory_means_the_same_to_a_model_as_to_a_collection(kind, black_and_white):
    from kvae.images.pixels import as_float

    grey = np.random.default_rng(6).integers(0, 256, (6, 16, 16, 3)).astype("uint8")
    array = (grey > 127).astype(kind)
    if not black_and_white:
        array = {"uint8": grey, "uint16": grey.astype("uint16") * 257, "bool": grey > 9}.get(
            kind, (grey / 255.0).astype("float32")
        )
    if kind == "uint16" and black_and_white:
        array = array * np.uint16(65535)
    (block,) = arrays.decoded(arrays.from_array(array), size=16, crop="square")
    np.testing.assert_allclose(as_float(array, (16, 16, 3)), block.pixels / 255.0, atol=1e-6)
