"""Small runs: paintings of 16 pixels, two levels, four latents,
and a batch size that leaves an epoch a smaller last batch."""

import numpy as np
import pytest

from kvae.images.paintings import paint_many

SMALL = {
    "size": 16,
    "network": "conv",
    "widths": (8, 16),
    "latent_dim": 4,
    "batch_size": 16,
    "epochs": 1,
    "augment": False,
}


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """uint8 (60, 16, 16, 3), of which 55 are for training: three batches of 16 and one of 7."""
    return paint_many(range(60), size=16, seed=3)[0]


@pytest.fixture(scope="session")
def small(pictures):
    """`small(output, **settings)`: a `kvae.train` of a second or two."""
    from kvae.training.run import train

    def run(output, **settings):
        settings.pop("data", None)  # of a card, which says "array"
        chosen = {**SMALL, **settings}
        if "encoder" in settings or chosen["network"] == "linear":  # which have no levels to choose
            chosen = {
                name: value for name, value in chosen.items() if name not in {"network", "widths"} - set(settings)
            }
        return train(pictures, output=output, **chosen)

    return run


@pytest.fixture
def undrawn(monkeypatch):
    """Runs whose figure does not matter draw none."""
    for name in ("draw_run", "draw_range"):
        monkeypatch.setattr(f"kvae.training.artifacts.{name}", lambda *arguments, **options: None)
