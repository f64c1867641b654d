"""Small pictures, and runs that draw no more than a test looks at."""

import numpy as np
import pytest

from kvae.images.paintings import paint_many


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """uint8 (48, 16, 16, 3)."""
    return paint_many(range(48), size=16, seed=4)[0]


@pytest.fixture
def only_the_page(monkeypatch):
    """The figure of each run does not matter, nor the PNG of the sweep."""
    monkeypatch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)
    monkeypatch.setattr("kvae.figures.sweep._draw_sheet", lambda path, *arguments: path.write_bytes(b""))
