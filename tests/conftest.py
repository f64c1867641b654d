"""What every test shares: a cache of its own, a quiet TensorFlow,
and pictures whose best VAE is known in closed form."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import kvae

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # JAX's tests compile far longer than they run
sys.path.insert(0, str(Path(__file__).parent / "safety"))  # the corpus of bad files

ROOT = Path(kvae.__file__).parents[1]


def pytest_collection_modifyitems(items):
    """Runs come first, as files of few long tests: at the end one process would wait for the other's last of them."""
    items.sort(key=lambda item: not {"training", "sweeps"} & set(item.path.parts))


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_session(tmp_path_factory):
    """No test writes to the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KVAE_CACHE", str(tmp_path_factory.mktemp("kvae-cache")))
        yield


@pytest.fixture(autouse=True)
def float32_is_the_policy_afterwards():
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].config.set_dtype_policy("float32")


@pytest.fixture(scope="module", autouse=True)
def keras_forgets_the_models_of_a_module():
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session(free_memory=False)


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    """Run code in a fresh Python that finds this kvae: `python(code, *arguments, NAME=value) -> what it printed`."""

    def run(code: str, *arguments: object, **environment: str) -> str:
        surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
        command = [sys.executable, "-c", code, *map(str, arguments)]
        folder = tmp_path_factory.mktemp("python")
        done = subprocess.run(command, env=surroundings, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    return run


@dataclass(frozen=True)
class Gaussian:
    """Pictures (count, 2, 4, 1) whose covariance has exactly these `eigenvalues`, and others that it does not fit."""

    eigenvalues: np.ndarray
    pictures: np.ndarray
    others: np.ndarray

    @property
    def total(self) -> float:
        return float(self.eigenvalues.sum())


@pytest.fixture
def gaussian(whole_gaussian):
    """`whole_gaussian`, for a test in which a model takes pixel values outside of [0, 1]."""
    from kvae.images.pixels import unchecked

    with unchecked():
        yield whole_gaussian


@pytest.fixture(scope="session")
def whole_gaussian() -> Gaussian:
    """A Gaussian of known eigenvalues, turned by a random rotation. Its pixel values do not stay within [0, 1]."""
    random = np.random.default_rng(20140214)
    eigenvalues = np.array([4, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02])
    rotation = np.linalg.qr(random.standard_normal((8, 8)))[0]
    noise = random.standard_normal((4096, 8))
    noise -= noise.mean(0)
    white = noise @ np.linalg.inv(np.linalg.cholesky(noise.T @ noise / len(noise))).T
    pictures = 0.5 + white * np.sqrt(eigenvalues) @ rotation.T
    others = 0.7 + 1.5 * random.standard_normal((2000, 8)) * np.sqrt(eigenvalues[::-1]) @ rotation.T
    return Gaussian(eigenvalues, *(rows.astype("float32").reshape(-1, 2, 4, 1) for rows in (pictures, others)))
