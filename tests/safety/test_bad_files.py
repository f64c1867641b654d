"""Every bad file is refused in one line, quickly, in little memory, and leaves nothing; every good one opens."""

import io
import shutil
import sys

import h5py
import numpy as np
import pytest
from corpus import archives, configs, data, forge, points, weights

from kvae.model.vae import VAE
from kvae.saving.reader import save

MODELS = {
    f"{group}: {name}": (make, name in cases.LOADS, getattr(cases, "SAYS", {}).get(name, ""))
    for group, cases in (("archive", archives), ("config", configs), ("weights", weights))
    for name, make in cases.CASES.items()
}
MOST_SECONDS, MOST_GROWTH, MOST_CHARACTERS = 1.0, 64 << 20, 160
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="pipes and devices as Linux has them")


@pytest.fixture
def folder(tmp_path):
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)  # some are large


def state(*folders):
    """All that lies in these folders, with its length and time of change."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for folder in folders
        for path in [folder, *folder.rglob("*")]
    }


def check(server, folder, kind, path, loads, says=""):
    """Open `path` and hold what came of it to the promises; slow or large once may be the machine, twice is not."""
    before = state(folder, server.temporary)
    answer = server.ask(kind, path)
    if answer["outcome"] == "REF" and (answer["seconds"] > MOST_SECONDS or answer["growth"] > MOST_GROWTH):
        answer = server.ask(kind, path)
    assert answer["outcome"] == ("LOADS" if loads else "REF"), answer
    assert state(folder, server.temporary) == before
    assert answer["seen"] == [] and answer["policy"], answer
    if loads:
        return answer
    line = answer["says"]
    assert line.isprintable() and len(line) <= MOST_CHARACTERS and line.count(". ") >= 1 and says in line, line
    assert answer["seconds"] < MOST_SECONDS, answer
    assert answer["growth"] < MOST_GROWTH, answer
    return answer


@needs_linux
@pytest.mark.parametrize("case", MODELS)
def test_a_model_file_is_refused_or_opened_as_promised(case, good, server, folder):
    make, loads, says = MODELS[case]
    check(server, folder, "model", make(good, folder), loads, says)


@pytest.mark.parametrize("case", [case for case in MODELS if ": cut at" in case])
def test_a_cut_file_is_called_so(case, good, server, folder):
    assert "is damaged or cut off" in server.ask("model", MODELS[case][0](good, folder))["says"]


@pytest.mark.parametrize("case", data.IMAGES)
def test_a_file_of_pictures_is_refused_or_read_as_promised(case, server, folder):
    content = data.IMAGES[case]
    path = folder / case
    path.write_bytes(content(folder) if callable(content) else content)
    check(server, folder, "pictures", path, case in data.IMAGES_LOAD)


@pytest.mark.parametrize("case", points.POINTS)
def test_a_picture_that_says_where_it_was_painted_is_refused_or_read_as_promised(case, server, folder):
    path = folder / "art.png"
    path.write_bytes(points.POINTS[case])
    check(server, folder, "point", path, case in points.LOADS)


@pytest.mark.parametrize("case", points.BOOKMARKS)
def test_a_file_of_bookmarks_is_refused_or_read_as_promised(case, server, folder):
    path = folder / "art.bookmarks"
    path.write_bytes(points.BOOKMARKS[case])
    check(server, folder, "bookmarks", path, case in points.BOOKMARKS_LOAD)


@needs_linux
@pytest.mark.parametrize("ending", [".npy", ".npz", ".h5"])
@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_not_waited_for(kind, ending, server, folder):
    check(server, folder, "pictures", data.special(folder, ending, kind), False)


@pytest.mark.parametrize("case", data.RUNS)
def test_a_file_of_a_run_is_refused_or_read_as_promised(case, server, folder):
    kind, content = data.RUNS[case]
    path = folder / "art-1.weights"
    path.write_bytes(content)
    check(server, folder, kind, path, case in data.RUNS_LOAD)


def halves(old, new):
    """Copy all arrays of an HDF5 file, real numbers as float16."""

    def copy(path, one):
        if isinstance(one, h5py.Dataset):
            new[path] = one[()].astype("float16") if one.dtype.kind == "f" else one[()]

    old.visititems(copy)


@needs_linux
@pytest.mark.parametrize("kind", ["stored", "float16", "deflated", "zeros"])
def test_a_large_model_takes_at_most_ten_times_its_file(kind, server, folder):
    """However its weights are stored; what unpacks to more than four times the file is refused."""
    model = VAE(image_shape=(64, 64, 3), latent_dim=128, network="conv", widths=(16, 32, 64, 256), seed=1)
    if kind == "zeros":
        model.set_weights([np.zeros_like(one) for one in model.get_weights()])
    good = forge.read(save(model, folder / "large.keras"))
    content = good.members[forge.WEIGHTS]
    if kind == "float16":
        with h5py.File(io.BytesIO(content)) as old:
            content = forge.hdf5(b"", lambda new: halves(old, new))
    method = 8 if kind in ("deflated", "zeros") else 0
    members = {**good.members, forge.WEIGHTS: content}
    path = good.file(folder, forge.archive([forge.Member(*one, method=method) for one in members.items()]))
    answer = check(server, folder, "model", path, kind != "zeros")
    assert answer["growth"] < 10 * path.stat().st_size + MOST_GROWTH
