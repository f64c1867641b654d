"""Small pictures made on the spot, and a cache folder of its own for every test."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("KVAE_CACHE", str(folder))
    return folder


@pytest.fixture
def pictures(tmp_path):
    """A folder of twelve different PNG pictures, three of them in a folder below."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    for number in range(12):
        place = folder / "below" if number >= 9 else folder
        noise(number).save(place / f"{number:02d}.png")
    return folder


def noise(seed: int, size: int = 20) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8))
