"""What the window asks of files: those that a person takes away, and those that are looked into before they are opened.

The engine answers, most of it before TensorFlow is there.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from explorer.messages.question import Question


@dataclass(frozen=True, slots=True, eq=False)
class PicturePoint:
    """Where a picture was painted: at `latents`, float32 (latent,), and `kl_weight`, by the model called `name` whose
    weights have this `digest`."""

    digest: str
    name: str
    latents: np.ndarray
    kl_weight: float


@dataclass(frozen=True, slots=True)
class SavePicture(Question):
    """Write `image`, uint8 (height, width, 1 or 3), as a PNG of `side` pixels that carries its `point`, where it has
    one, and its `dpi`, where that is not 0. `smooth` enlarges softly, otherwise in whole pixels. Answer: `Exported`."""

    path: str
    image: np.ndarray
    side: int
    smooth: bool = True
    dpi: float = 0.0
    point: PicturePoint | None = None


@dataclass(frozen=True, slots=True)
class ExportPicture(Question):
    """Decode `latents` (latent,) and write a PNG of `side` pixels, which carries its point. `smooth` enlarges softly,
    otherwise in whole pixels. `model` is the path of the model that is meant, "" the one on screen."""

    needs_model: ClassVar[bool] = True

    path: str
    latents: np.ndarray
    side: int
    smooth: bool = True
    kl_weight: float | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class ExportMorph(Question):
    """Decode `latents` (frames, latent), at one `kl_weight` or one for each (frames,), and write them as .mp4 or .gif;
    as .png they become a folder of that name with a picture for each frame. `model` as in `ExportPicture`.
    Answers: `Progress`, then `Exported`.
    """

    needs_model: ClassVar[bool] = True
    takes_long: ClassVar[bool] = True

    path: str
    latents: np.ndarray
    frames_per_second: float
    side: int
    smooth: bool = True
    loop: bool = True
    kl_weight: float | np.ndarray | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class ExportLatents(Question):
    """Write `latents` (count, latent) with `names` as .csv or .h5. Answer: `Exported`."""

    path: str
    latents: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadBookmarks(Question):
    """The bookmarks in the file at `path`, which need not be there where they are `optional`. Answer:
    `BookmarksRead`."""

    path: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class BookmarksRead:
    """Plain `entries` (name, packed, kl_weight), each within its bounds, of the model `name` with this `digest` and
    `latent_dim`; None where there is no such file."""

    path: str
    digest: str
    name: str
    latent_dim: int
    entries: tuple[dict[str, Any], ...] | None


@dataclass(frozen=True, slots=True)
class WriteBookmarks(Question):
    """Write bookmarks to `path`: `beside` their model in the place of earlier ones, else under the next free name.
    Answer: `Exported`."""

    path: str
    digest: str
    name: str
    latent_dim: int
    entries: tuple[dict[str, Any], ...]
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """The file that was written: the path asked for, or the next free name, as nothing is overwritten."""

    path: str


@dataclass(frozen=True, slots=True)
class LookInto(Question):
    """What a folder or file that somebody chose to train on holds. Answer: `Seen`."""

    data: str


@dataclass(frozen=True, slots=True)
class Seen:
    """`count` files or rows that may be pictures, `others` that are none, and a few `images`, uint8 (n, side, side,
    channels)."""

    data: str
    count: int
    others: int
    images: np.ndarray


@dataclass(frozen=True, slots=True)
class ReadPortraits(Question):
    """One of the pictures that the card of each model file keeps. Answer: `Portraits`."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Portraits:
    """uint8 (height, width, channels) for each path asked for, None for one without."""

    images: tuple[np.ndarray | None, ...]


@dataclass(frozen=True, slots=True)
class FindInterrupted(Question):
    """Ask which runs were cut off before all that they leave was in `folder`; answered by `InterruptedRuns`."""

    folder: str


@dataclass(frozen=True, slots=True)
class InterruptedRuns:
    """The models of runs that were cut off and that nobody works on, the newest first, and the step each stands at.

    That is 0 before the first checkpoint, and None where the model is there and only its figure is missing.
    """

    paths: tuple[str, ...]
    steps: tuple[int | None, ...]
