"""The folder beside a sweep's page: a lock, and of every trial what the page shows beside the numbers of the index.

With it a page can be drawn again, alone or with another sweep's, without a model or its pictures.
"""

import hashlib
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kvae.figures import SweepRun
from kvae.files.arrays import ArrayKind, Torn, read_arrays, write_arrays
from kvae.files.atomic import remove_leftovers
from kvae.files.refusal import Refused
from kvae.files.schema import Number, Row, Table, Text
from kvae.files.strict_json import finite
from kvae.measures.gaussian_limit import HeldOut
from kvae.saving.card_fields import COUNT, HISTORY, MEASURED
from kvae.sweeps.index import TrialRecord
from kvae.training.folder import RunFolder

SUFFIX = ".study"
RAY = "ray-"  # begins the name of a folder that Ray keeps its checkpoints in while it runs
ARRAY = "array-"  # begins the name of a file with pictures that are handed to other processes
KINDS = ("reconstructions", "samples", "between")  # of a run's pictures
MOST_PIXELS = 64 << 20  # bytes of the pictures of one run
NUMBERS = ("distortion", "rate", "loss", "psnr", "active", "latent_dim", "sigma", "calibrated", "decoded_path")


@dataclass(frozen=True)
class SceneStore:
    """The pictures that runs are shown on, uint8 (n, height, width, channels), and how the linear VAE does on all
    held-out ones."""

    originals: np.ndarray
    held: HeldOut

    @property
    def values(self) -> int:
        """Values of a picture."""
        return math.prod(self.originals.shape[1:])


class SweepFolder:
    """`.sweep.study` beside `sweep.html`. Its lock is that of one sweep at a time; who only reads takes none."""

    def __init__(self, page: Path) -> None:
        self.path = page.with_name(f".{page.stem}{SUFFIX}")
        self._lock = RunFolder(self.path)

    def take(self) -> bool:
        """Make the folder where it is missing, and lock it; False where another process has it."""
        taken = self._lock.take()
        if taken:
            remove_leftovers(self.path.parent, f"{self.path.name[1:].removesuffix(SUFFIX)}.")
        for left in [*self.path.glob(f"{ARRAY}*"), *self.path.glob(f"{RAY}*")] if taken else ():
            # of a process that was killed
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
        return taken

    def owner(self) -> str:
        """The process that has the lock, in words."""
        return self._lock.owner()

    def release(self) -> None:
        """Unlock the folder; one that is empty goes."""
        self._lock.release()

    def put_run(self, key: str, run: SweepRun) -> None:
        """Keep what the page shows of `run`, under the hash of its trial or the key of a limit."""
        images = {kind: getattr(run, kind) for kind in KINDS}
        about: dict[str, Any] = {
            "name": run.name,
            "kl_weight": run.kl_weight,
            "kinds": [kind for kind, pictures in images.items() if pictures is not None],
            "history": {column: _counted(column, values) for column, values in run.history.items()},
            **{name: _plain(getattr(run, name)) for name in NUMBERS},
        }
        arrays = [images[kind] for kind in about["kinds"]]
        write_arrays(
            self.path / f"run-{key}", json.dumps(finite(about), allow_nan=False).encode(), arrays, private=True
        )

    def run(self, key: str) -> SweepRun | None:
        """What was kept under `key`; None where nothing is, or nothing whole."""
        found = self._read(f"run-{key}", _look_at_run)
        if found is None:
            return None
        about, arrays = found
        images = dict(zip(about["kinds"], arrays, strict=True))
        numbers: dict[str, Any] = {name: about.get(name) for name in NUMBERS}
        for name in ("distortion", "loss", "psnr", "calibrated"):
            numbers[name] = math.nan if numbers[name] is None else numbers[name]
        history = {
            column: [0.0 if one is None else one for one in values] for column, values in about["history"].items()
        }
        return SweepRun(about["name"], about["kl_weight"], **numbers, history=history, **images)

    def put_scene(self, key: str, scene: SceneStore) -> None:
        """Keep the pictures of `key` and their Gaussian limit."""
        moments = (np.asarray(one, "float64") for one in (scene.held.eigenvalues, scene.held.second_moments))
        arrays = [scene.originals, *moments]
        about = json.dumps({"total": scene.held.total}).encode()
        write_arrays(self.path / f"scene-{key}", about, arrays, private=True)

    def scene(self, key: str) -> SceneStore | None:
        """The pictures of `key`; None where nothing is kept, or nothing whole."""
        found = self._read(f"scene-{key}", _look_at_scene)
        if found is None:
            return None
        about, (originals, eigenvalues, moments) = found
        return SceneStore(originals, HeldOut(eigenvalues, moments, about["total"]))

    def copy_from(self, other: "SweepFolder", keys: list[str], scenes: list[str]) -> None:
        """Take over what `other` keeps of these runs and scenes."""
        for key in keys:
            if (run := other.run(key)) is not None:
                self.put_run(key, run)
        for key in scenes:
            if (scene := other.scene(key)) is not None:
                self.put_scene(key, scene)

    def _read(self, name: str, look: Any) -> tuple[dict[str, Any], list[np.ndarray]] | None:
        try:
            return read_arrays(self.path / name, look)
        except (OSError, Torn, Refused):
            return None


def limit_key(scene: str, weight: float) -> str:
    """Under which the Gaussian limit at `weight` is kept."""
    return f"{scene}-{hashlib.sha256(f'{weight:.17g}'.encode()).hexdigest()[:12]}"


_RUN = Table(
    {
        "name": Text(300),
        "kl_weight": Number(0, 1e6, optional=True),
        "kinds": Row(Text(20, "|".join(KINDS)), len(KINDS)),
        "history": HISTORY,
        **dict.fromkeys(NUMBERS, MEASURED),
        "active": Number(0, 1 << 20, whole=True, optional=True),
        "latent_dim": COUNT,
    },
    needed=("name", "kl_weight", "kinds", "history", "latent_dim"),
)
_SCENE = Table({"total": Number(0, 1e12)}, needed=("total",))


def _look_at_run(about: dict[str, Any], kinds: list[ArrayKind]) -> None:
    _RUN.hold(about, "its run")
    if len(kinds) != len(about["kinds"]) or not all(map(_is_pictures, kinds)):
        raise Refused("holds other pictures than it says.")


def _look_at_scene(about: dict[str, Any], kinds: list[ArrayKind]) -> None:
    _SCENE.hold(about, "its pictures")
    if len(kinds) != 3 or not _is_pictures(kinds[0]):
        raise Refused("holds no pictures.")
    if any(dtype != np.float64 or len(shape) != 1 or shape[0] > 1 << 22 for dtype, shape in kinds[1:]):
        raise Refused("holds no variances.")


def _is_pictures(kind: ArrayKind) -> bool:
    dtype, shape = kind
    return dtype == np.uint8 and len(shape) == 4 and shape[-1] in (1, 3) and 0 < math.prod(shape) <= MOST_PIXELS


def _counted(column: str, values: Sequence[float]) -> list[float]:
    return [int(value) for value in values] if column in ("epoch", "step") else list(values)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def shown_run(record: TrialRecord, kept: SweepRun | None) -> SweepRun:
    """The row of the page for a trial: the numbers of its record, and what the folder keeps of it."""
    numbers: Mapping[str, Any] = {
        "distortion": _or_nan(record.distortion),
        "rate": record.rate,
        "loss": _or_nan(record.loss),
        "psnr": _or_nan(record.psnr),
        "active": record.active,
        "latent_dim": record.latent_dim or 0,
        "sigma": record.sigma,
        "calibrated": _or_nan(record.calibrated),
        "decoded_path": record.decoded_path,
        "seconds": record.seconds,
        "model": record.model,
        "settings": record.where,
        "failure": record.reason,
    }
    base = kept or SweepRun(record.name, None, **{name: numbers[name] for name in NUMBERS})
    weight = record.kl_weight
    if weight is None and not record.autoencoder:
        weight = record.settings.get("kl_weight", None)
    return replace(base, name=record.name, kl_weight=None if record.autoencoder else weight, **numbers)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
