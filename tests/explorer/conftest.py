"""What the explorer's tests share: a small model as the window sees it,
and a bridge that leads nowhere and records all."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
import pytest
from PIL import Image
from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QLabel

from explorer import messages
from explorer.messages import ModelInfo, SettingInfo


def setting(name: str, default: object, kind: str, group: str, **more: object) -> SettingInfo:
    """One setting of a form."""
    info = SettingInfo(name, default, f"what {name} is", kind, group, None, None, "", (), False)
    return replace(info, **more)  # type: ignore[arg-type]


SETTINGS = (
    setting("data", "paintings", "str", "pictures"),
    setting("size", 64, "int", "pictures", low=16, high=512, unit="pixels"),
    setting("crop", "square", "str", "pictures", choices=("square", "pad", "stretch")),
    setting("augment", True, "bool", "pictures"),
    setting("validation", 0.1, "float", "pictures", low=0.01, high=0.5),
    setting("kl_weight", 0.1, "float", "model", low=0.0, high=1e6, unit="squared error per nat"),
    setting("latent_dim", 128, "int", "model", low=1, high=4096),
    setting("network", "spectral", "str", "model", choices=("spectral", "conv", "residual", "linear")),
    setting("widths", None, "int", "model", low=1, high=2048, many=True),
    setting("depth", None, "int", "model", low=0, high=8),
    setting("autoencoder", False, "bool", "model"),
    setting("epochs", None, "int", "training", low=1, high=10**6),
    setting("minutes", None, "float", "training", low=0.01, high=1e5, unit="minutes"),
    setting("batch_size", None, "int", "training", low=1, high=4096),
    setting("learning_rate", 1e-3, "float", "training", low=1e-8, high=1.0),
    setting("seed", 0, "int", "training", low=0, high=2**31 - 1),
    setting("device", "auto", "str", "training", choices=("auto", "cpu", "gpu")),
    setting("precision", "auto", "str", "training", choices=("auto", "float32", "mixed_float16", "mixed_bfloat16")),
)


@pytest.fixture
def model_info() -> ModelInfo:
    """16×16×3, 8 latents of which the last two are collapsed, 12 thumbnails, a weight that the picture follows."""
    random = np.random.default_rng(1)
    rates = np.array([1.2, 2.5, 0.9, 3.1, 0.4, 0.7, 0.001, 0.0], "float32")
    spreads = np.array([0.8, 0.95, 0.7, 0.97, 0.4, 0.6, 0.01, 0.0], "float32")
    means = np.array([0.1, -0.1, 0, 0, 0.2, 0, 0, 0], "float32")
    latents = (means + spreads * random.standard_normal((12, 8))).astype("float32")
    directions = np.linalg.qr(random.standard_normal((8, 8)))[0].astype("float32")
    thumbnails = random.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    thumbnails[0, :, :8], thumbnails[0, :, 8:] = 40, 200  # of broad strokes among noise: where one starts
    epochs = [1, 2, 3]
    return ModelInfo(
        path="/nowhere/art.keras",
        name="art",
        image_shape=(16, 16, 3),
        latent_dim=8,
        network="spectral",
        autoencoder=False,
        kl_weight=0.1,
        carries_weight=True,
        weight_range=None,
        active_variance=0.01,
        rates=rates,
        means=means,
        spreads=spreads,
        directions=directions,
        direction_spreads=np.array([1.1, 1.0, 0.9, 0.7, 0.5, 0.3, 0.01, 0.0], "float32"),
        latents=latents,
        thumbnails=thumbnails,
        settings={"data": "paintings", "size": 16, "latent_dim": 8, "network": "spectral", "kl_weight": 0.1},
        collection={"name": "paintings", "pictures": 60, "training": 54, "validation": 6, "manifest_hash": "0" * 64},
        evaluated={"distortion": 9.5, "rate": 8.8, "loss": 10.38, "psnr": 19.1},
        limit={"distortion": 9.9, "rate": 9.1, "loss": 10.81, "active": 6, "latent_dim": 8},
        history={
            "epoch": epochs,
            "step": [10, 20, 30],
            "val_distortion": [12.0, 10.1, 9.5],
            "val_rate": [9.3, 8.9, 8.8],
            "val_loss": [12.93, 10.99, 10.38],
            "val_psnr": [18.1, 18.8, 19.1],
            "kl_weight": [0.1, 0.1, 0.1],
        },
        steps={"step": epochs, "distortion": [12.0, 11.0, 10.0], "rate": [9.0, 9.0, 9.0], "kl_weight": [0.1] * 3},
    )


class FakeBridge(QObject):
    """The signals and methods of `explorer.bridge.Bridge` without any process behind them.

    `asked` holds (ticket, content, lane); `cancelled` tickets; `told` (run, content); `runs` (run, settings, output,
    resume); `opened`, `opened_as_same` and `refreshed` paths; `killed` run numbers. `answer` and `fail` play the
    engine.
    """

    engine_changed = pyqtSignal(str, str)
    hello = pyqtSignal(object)
    model_changed = pyqtSignal(object, bool)
    open_failed = pyqtSignal(str)
    run_message = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.model: ModelInfo | None = None
        self.settings: tuple[SettingInfo, ...] = SETTINGS
        self.asked: list[tuple[int, object, str | None]] = []
        self.cancelled: list[int] = []
        self.told: list[tuple[int, object]] = []
        self.runs: list[tuple[int, dict, str, str]] = []
        self.killed: list[int] = []
        self.opened: list[str] = []
        self.opened_as_same: list[str] = []
        self.refreshed: list[str] = []
        self.agreed: tuple[str, ...] = ()  # of the newest run
        self.started = self.warmed = self.shut = 0
        self._pending: dict[int, tuple] = {}
        self._running: list[int] = []

    # what a window calls

    def start(self) -> None:
        self.started += 1

    def ask(self, content, then, *, lane=None, failed=None) -> int:
        ticket = len(self.asked) + 1
        if lane is not None:
            self._pending = {old: one for old, one in self._pending.items() if one[2] != lane}
        self.asked.append((ticket, content, lane))
        self._pending[ticket] = (then, failed, lane)
        return ticket

    def cancel(self, ticket: int) -> None:
        self.cancelled.append(ticket)
        self._pending.pop(ticket, None)

    def open(self, path: str, *, same: bool = False) -> None:
        self.opened.append(str(path))
        if same:
            self.opened_as_same.append(str(path))

    def refresh(self, path: str) -> None:
        self.refreshed.append(str(path))

    def start_run(self, settings: dict, output: str, resume: str = "", agreed: tuple[str, ...] = ()) -> int:
        self.agreed = agreed
        run = len(self.runs) + 1
        self.runs.append((run, dict(settings), output, resume))
        self._running.append(run)
        return run

    def tell_run(self, run: int, content) -> None:
        self.told.append((run, content))

    def kill_run(self, run: int) -> None:
        self.killed.append(run)

    def warm_trainer(self) -> None:
        self.warmed += 1

    def running(self) -> tuple[int, ...]:
        return tuple(self._running)

    def shutdown(self, patience: float = 0.0) -> None:
        self.shut += 1

    # what a test calls

    def answer(self, ticket: int, content) -> None:
        """The engine answers; an answer to a question that was replaced or cancelled goes nowhere,
        as in the real bridge."""
        if ticket in self._pending:
            self._pending[ticket][0](content)

    def fail(self, ticket: int, sentence: str) -> None:
        """The engine cannot answer."""
        then, failed, lane = self._pending.pop(ticket, (None, None, None))
        if failed is not None:
            failed(sentence)

    def give_model(self, info: ModelInfo | None, same: bool = False) -> None:
        """A model is open from now on."""
        self.model = info
        self.model_changed.emit(info, same)

    def say(self, message) -> None:
        """A run says something."""
        if isinstance(message, (messages.Delivered, messages.RunFailed)) and message.run in self._running:
            self._running.remove(message.run)
        self.run_message.emit(message)

    def last(self, kind: type, lane: str | None = None):
        """(ticket, content) of the newest question of this kind (in this lane)."""
        for ticket, content, where in reversed(self.asked):
            if isinstance(content, kind) and lane in (None, where):
                return ticket, content
        raise AssertionError(f"no {kind.__name__} was asked")


@pytest.fixture
def fake_bridge(qapp) -> FakeBridge:
    """A bridge that leads nowhere and records what is asked of it."""
    return FakeBridge()


@pytest.fixture
def is_markup(qapp):
    """Whether Qt takes a text for markup where it guesses, as in tooltips: then a label makes a document of it."""

    def guessed(text: str) -> bool:
        label = QLabel(text)
        return any("TextControl" in child.metaObject().className() for child in label.findChildren(QObject))

    return guessed


# ---------------------------------------------------------------------- for the tests with a real engine


@dataclass(frozen=True)
class RealModels:
    """`trained`: spectral, trained on the pictures in `pictures`, with a card. `plain`: conv, untrained,
    without a card."""

    trained: Path
    plain: Path
    pictures: Path


@pytest.fixture(scope="session")
def real_models(tmp_path_factory) -> RealModels:
    """Two models of 16×16 pictures, and the folder of 24 that one was trained on."""
    from kvae.images.paintings import paint_many
    from kvae.model.vae import VAE
    from kvae.saving.reader import save
    from kvae.training.run import train

    root = tmp_path_factory.mktemp("models")
    for number, pixels in enumerate(paint_many(range(24), size=32, seed=5)[0]):
        folder = root / "pictures" / ("warm" if number % 2 else "cold")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    run = train(
        str(root / "pictures"), output=root / "trained.keras", size=16, widths=(8, 16), latent_dim=6, batch_size=8,
        epochs=1, augment=False, validation=0.2, precision="float32", kl_weight=0.05,
    )  # fmt: skip
    plain = save(VAE(image_shape=(16, 16, 3), network="conv", widths=(8,), latent_dim=4, seed=2), root / "plain.keras")
    return RealModels(run.path, plain, root / "pictures")
