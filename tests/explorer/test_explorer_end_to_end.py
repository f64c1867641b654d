"""The real program, started as its command starts it, with its own engine and trainers,
under a real X server where there is one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

import kvae

DRIVER = Path(__file__).with_name("driver.py")
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def screen():
    """Environment variables of an X server of its own; without Xvfb, Qt's screen that nobody sees."""
    if not shutil.which("Xvfb"):
        yield {"QT_QPA_PLATFORM": "offscreen"}
        return
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1366x768x24", "-nolisten", "tcp"],
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as said:
        number = said.readline().strip()
    yield {"QT_QPA_PLATFORM": "xcb", "DISPLAY": f":{number}"}
    server.terminate()
    server.wait()


def play(name, argument, screen, folder):
    """What the driver saw; nothing that it started is left."""
    environment = {**os.environ, **screen, "XDG_CONFIG_HOME": str(folder / "config"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["KVAE_CACHE"] = str(folder / "cache")
    program = subprocess.Popen(
        [sys.executable, str(DRIVER), name, str(argument)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    out, errors = program.communicate(timeout=280)
    lines = [line for line in out.splitlines() if line.startswith("{")]
    assert lines, errors[-3000:]
    left = [one for one in psutil.process_iter() if _session(one) == program.pid]
    assert not psutil.wait_procs(left, timeout=10)[1]
    seen = json.loads(lines[-1])
    assert not seen.get("gave_up"), (seen.keys(), errors[-3000:])
    assert seen["platform"] == screen["QT_QPA_PLATFORM"]
    assert seen["code"] == 0
    assert not seen["tensorflow"], "the window's process imported TensorFlow"
    assert seen["spared"], "the garbage collector rests for ever, or walks over the whole program"
    return seen


def _session(process):
    try:
        # what ended is a zombie until the machine's first process looks at it
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getsid(process.pid)
    except (OSError, psutil.Error):
        return None


def test_a_dragged_slider_changes_the_picture_and_one_undo_brings_it_back(screen, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (48, 16, 16, 3), np.uint8)
    np.save(tmp_path / "pictures.npy", pictures)
    run = kvae.train(
        tmp_path / "pictures.npy",
        output=tmp_path / "tiny.keras",
        size=16,
        latent_dim=6,
        epochs=2,
        batch_size=16,
        kl_weight=0.01,
        precision="float32",
    )
    seen = play("sliders", run.path, screen, tmp_path)
    shown = np.array(seen["image"], np.uint8)
    assert seen["steps_to_undo"] == 1
    assert seen["undone"]
    assert np.array_equal(np.array(seen["on_screen"], np.uint8), shown)
    decoded = kvae.load(run.path).decode(np.array([seen["latents"]], np.float32))[0]
    assert np.abs(np.rint(decoded * 255.0) - shown).max() <= 1


def test_training_with_weight_1_and_then_01_leaves_two_models_and_two_curves(screen, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 3), np.uint8)
    np.save(tmp_path / "pictures.npy", pictures)
    seen = play("weights", tmp_path / "pictures.npy", screen, tmp_path)
    first, second = seen["run 1"], seen["run 2"]
    assert seen["rows"] == 2
    assert first["path"] != second["path"]
    assert kvae.load(first["path"]).beta == 1.0
    assert set(np.round(first["weight"], 6)) == {1.0}
    assert round(second["weight"][0], 6) == 0.1
    assert len(first["loss"]) == len(second["loss"]) == 3 * 4
    assert kvae.load(second["path"]).beta in (0.1, 0.2)  # the knob may have come after the last of a dozen batches
    assert seen["legend"][0] == "Run 1: β 1"
    assert seen["legend"][1].startswith("Run 2: β 0.")
