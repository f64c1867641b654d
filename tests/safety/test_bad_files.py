"""Every bad file is refused in one line, quickly, in little memory, and leaves nothing; every good one opens."""

import shutil
import sys

import pytest
from corpus import archives, configs, data, weights

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
