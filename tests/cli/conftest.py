"""A folder of small pictures, and what every command line of these tests has in common."""

import pytest
from PIL import Image

from kvae.images.paintings import paint_many


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """60 paintings of 20 pixels as PNG files, and one file that is broken."""
    folder = tmp_path_factory.mktemp("pictures") / "mine"
    folder.mkdir()
    for number, picture in enumerate(paint_many(range(60), size=20, seed=3)[0]):
        Image.fromarray(picture).save(folder / f"{number:02d}.png")
    whole = (folder / "00.png").read_bytes()
    (folder / "broken.png").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture
def small(folder):
    """Flags of a run that takes a second or two: 4 steps an epoch."""
    return [
        *("--data", str(folder), "--size", "16", "--network", "conv", "--widths", "8", "16", "--latent-dim", "4"),
        *("--batch-size", "16", "--epochs", "1", "--no-augment"),
    ]


@pytest.fixture
def linear(small):
    """The same with the linear network, which has no levels."""
    at = small.index("--network")
    return [*small[:at], "--network", "linear", *small[at + 5 :]]


@pytest.fixture
def few_paintings(monkeypatch):
    """The built-in collection with 96 paintings instead of 4096."""
    from kvae.images.collection import open_collection

    def few(*arguments, **options):
        return open_collection(*arguments, count=96, **options)

    monkeypatch.setattr("kvae.training.preparation.open_collection", few)
