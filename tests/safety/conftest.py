"""One good model, and one process that opens all the bad ones."""

import json
import os
import selectors
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kvae

ROOT = Path(kvae.__file__).parents[1]
PATIENCE = 60.0  # seconds until an answer that does not come is a hang


class Server:
    """The process behind `server.py`, started anew after a crash."""

    def __init__(self, folder: Path) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self._log = folder / "log"
        self._process: Any = None

    def ask(self, kind: str, path: object) -> dict[str, Any]:
        """What came of opening `path`; a crash is an outcome too."""
        if self._process is None:
            self._start()
        self._process.stdin.write(json.dumps([kind, str(path)]) + "\n")
        self._process.stdin.flush()
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            line = self._process.stdout.readline() if waiting.select(PATIENCE) else ""
        if line:
            return json.loads(line)
        code = self._process.poll()
        self.stop()
        return {"outcome": "HANG" if code is None else f"CRASH {code}", "says": self._log.read_text()[-500:]}

    def _start(self) -> None:
        surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary)}
        command = [sys.executable, str(Path(__file__).with_name("server.py"))]
        with open(self._log, "w") as log:
            self._process = subprocess.Popen(
                command, env=surroundings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """A model of 16x16 pictures after two steps, with an optimizer and a card."""
    import keras
    import numpy as np
    from corpus import forge

    from kvae.model.vae import VAE
    from kvae.saving.reader import save

    model = VAE(image_shape=(16, 16, 3), latent_dim=3, network="conv", widths=(8,), seed=3)
    model.compile(keras.optimizers.Adam(0.003))
    model.fit(np.random.default_rng(0).random((8, 16, 16, 3), "float32"), batch_size=4, verbose=0)
    model.card = {"settings": {"kl_weight": 0.1}, "posterior": {"rate": [1.0, 2.0, 3.0]}}
    return forge.read(save(model, tmp_path_factory.mktemp("good") / "art.keras"))


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """A whole run: its model, and the checkpoint that it wrote after its fourth step."""
    import shutil
    from unittest import mock

    from corpus import checkpoints, forge
    from server import PICTURES

    from kvae.training.listener import Listener
    from kvae.training.run import train

    folder = tmp_path_factory.mktemp("run")
    kept = folder / checkpoints.NAME

    class Copies(Listener):
        def on_step(self, step):
            written = folder / ".art.run" / checkpoints.NAME
            if written.exists():
                shutil.copy(written, kept)

    settings = {"network": "conv", "widths": (8,), "latent_dim": 3, "batch_size": 3, "size": 16, "balance_every": 2}
    with (
        mock.patch("kvae.training.artifacts.draw_run"),
        mock.patch("kvae.training.checkpoint.SPACING", 0.0),
        mock.patch("kvae.training.checkpoint.BUDGET", 1e9),
    ):
        done = train(PICTURES, output=folder / "art.keras", listener=Copies(), epochs=2, **settings)
    return forge.read(done.path), checkpoints.read(kept)


@pytest.fixture(scope="session")
def server(tmp_path_factory, good):
    """Asked twice for the good model, so that what is imported and traced once is there."""
    made = Server(tmp_path_factory.mktemp("server"))
    for _ in range(2):
        answer = made.ask("model", good.path)
    assert answer["outcome"] == "LOADS" and Path(answer["kvae"]) == Path(kvae.__file__), answer
    yield made
    made.stop()
