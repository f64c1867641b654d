"""What the window tells a trainer, the process of one run, and what that says on its own account."""

from dataclasses import dataclass
from typing import Any

import numpy as np

# ---------------------------------------------------------------------- what a trainer is told


@dataclass(frozen=True, slots=True)
class Start:
    """Train with `settings` (names of `kvae.settings`) and deliver a model at `output` or the next free name.

    `folder` is for the run's snapshots; the trainer removes what it wrote there when it ends.
    """

    run: int
    settings: dict[str, Any]
    output: str
    folder: str
    resume: str = ""  # a model to go on from, or one whose run was cut off; `settings` are those that change
    agreed: tuple[str, ...] = ()  # the places from which a run that goes on may read the pictures that its card names


@dataclass(frozen=True, slots=True)
class SetWeight:
    """The KL weight of the next batch."""

    kl_weight: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait after this batch."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Go on after a pause."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End after this batch and deliver the model."""


RunOrder = SetWeight | Pause | Continue | Stop  # after `Start`

# ---------------------------------------------------------------------- what a trainer says


@dataclass(frozen=True, slots=True)
class Said:
    """Something worth reading once: the pictures found, the device, the Gaussian limit."""

    run: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Working:
    """Preparation: `done` of `total` parts of `what`."""

    run: int
    done: int
    total: int
    what: str


@dataclass(frozen=True, slots=True)
class PicturesReady:
    """The pictures are ready. The Gaussian limit on held-out pictures: `weights`, `distortions`, `rates`,
    each (points,)."""

    run: int
    name: str
    training: int
    validation: int
    device: str
    weights: np.ndarray
    distortions: np.ndarray
    rates: np.ndarray


@dataclass(frozen=True, slots=True)
class Resumed:
    """The run goes on with `settings`, those that it was begun with."""

    run: int
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Began:
    """Training sets out; `total_steps` is None where minutes count."""

    run: int
    kl_weight: float
    total_steps: int | None
    steps_per_epoch: int
    first_step: int


@dataclass(frozen=True, slots=True)
class Steps:
    """Batches since the last such message, at most 10 messages a second, each batch's own terms, not running means.

    Each array float64 (n,): `step`, `distortion`, `rate` (NaN for an autoencoder), `kl_weight`, `loss`, `seconds`.
    """

    run: int
    step: np.ndarray
    distortion: np.ndarray
    rate: np.ndarray
    kl_weight: np.ndarray
    loss: np.ndarray
    seconds: np.ndarray
    progress: float  # share of the run that is done
    images_per_second: float


@dataclass(frozen=True, slots=True)
class Balanced:
    """The gradient balance on the encoder's weights after the batch `step`.

    `distortion` and `rate` are the lengths of ∇D and ∇(βR), `cosine` that of the angle between them, `share` the second
    length's part of both.
    """

    run: int
    step: int
    distortion: float
    rate: float
    cosine: float
    share: float


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """`record` has the keys of the history: epoch, step, val_distortion, val_rate, val_loss, val_psnr ..."""

    run: int
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Preview:
    """The fixed preview: held-out `originals` over their `reconstructions`, both uint8 (n, height, width, channels)."""

    run: int
    step: int
    originals: np.ndarray
    reconstructions: np.ndarray


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The model as it is now can be opened: the first is a model file, later ones are weights for `Refresh`."""

    run: int
    path: str
    first: bool


@dataclass(frozen=True, slots=True)
class Paused:
    """The run waits."""

    run: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """The run ended and its model is on disk; `stopped` where it was ended early."""

    run: int
    path: str
    figure: str
    stopped: bool
    evaluated: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunFailed:
    """The run ended without a model; one sentence. `unread` where it was because nobody agreed to reading the pictures
    there, `stopped` where it was asked to."""

    run: int
    sentence: str
    unread: str = ""
    stopped: bool = False


RunMessage = (
    Said
    | Working
    | PicturesReady
    | Resumed
    | Began
    | Steps
    | Balanced
    | EpochEnded
    | Preview
    | Snapshot
    | Paused
    | Delivered
    | RunFailed
)
