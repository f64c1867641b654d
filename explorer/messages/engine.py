"""What the window asks the engine, and what that answers.

The window asks with a `Request`, whose `ticket` every `Reply` to it carries. A lane holds one request: a newer one
replaces an older one that has not been begun, and answers to an older one are dropped.
"""

import os
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from explorer.messages.files import BookmarksRead, Exported, InterruptedRuns, Portraits, Seen
from explorer.messages.question import Question

# ---------------------------------------------------------------------- envelopes


@dataclass(frozen=True, slots=True)
class Request:
    """`content` is one of the questions below. `lane` "" is a lane of its own: never replaced by a newer request."""

    ticket: int
    lane: str
    content: "Question"


@dataclass(frozen=True, slots=True)
class Reply:
    """`content` answers the request with this ticket; `last` closes it. A question that fails is answered `Failed`."""

    ticket: int
    content: "Answer"
    last: bool = True


@dataclass(frozen=True, slots=True)
class Cancel:
    """Window to engine: the request with this ticket is not wanted any more."""

    ticket: int


# ---------------------------------------------------------------------- questions and their answers


@dataclass(frozen=True, slots=True)
class Failed:
    """The question could not be answered; one sentence that says what is wrong and what to do."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` parts of `what`; not the last reply."""

    done: int
    total: int
    what: str


@dataclass(frozen=True, slots=True)
class Open(Question):
    """Load the model file at `path`. Answers: `Glimpsed` (at once, from the card alone), then `Opened` or `Failed`.

    Questions about a model wait for it, unless `aside`: then the present model answers until this one is there.
    """

    path: str
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Refresh(Question):
    """Take newer weights of the open model from the file at `path`, which a trainer wrote. Answer: `Opened`."""

    path: str


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the window knows of a model. Latent dimensions are numbered from 0; arrays are float32 unless said.

    `rates` (latent,), in nats, `means` and `spreads` (latent,), the mean and standard deviation over the pictures of
    each posterior mean. `directions` (count, latent) are unit principal directions of the posterior means with
    `direction_spreads` (count,), largest first. `latents` (n, latent) and `thumbnails`, uint8 (n, height, width,
    channels), are a few of the training pictures. A dimension is active where its posterior mean varies over the
    pictures by at least `active_variance`. `carries_weight` says whether the picture itself follows the KL weight,
    `weight_range` the weights that one model was trained for, where there are several. `eigenvalues` (latent,), where
    the engine knows them, tell at which other weights a dimension is active; NaN: not told.
    """

    path: str
    name: str
    image_shape: tuple[int, int, int]
    latent_dim: int
    network: str
    autoencoder: bool
    kl_weight: float
    carries_weight: bool
    weight_range: tuple[float, float] | None
    active_variance: float
    rates: np.ndarray
    means: np.ndarray
    spreads: np.ndarray
    directions: np.ndarray
    direction_spreads: np.ndarray
    latents: np.ndarray
    thumbnails: np.ndarray
    settings: dict[str, Any] = field(default_factory=dict)  # those it was trained with; `data` says on what
    collection: dict[str, Any] = field(default_factory=dict)  # name, pictures, training, validation, manifest_hash
    evaluated: dict[str, Any] = field(default_factory=dict)  # distortion, rate, loss, psnr on held-out pictures
    limit: dict[str, Any] = field(default_factory=dict)  # the Gaussian limit: distortion, rate, loss, active
    history: dict[str, list] = field(default_factory=dict)
    steps: dict[str, list] = field(default_factory=dict)
    eigenvalues: np.ndarray | None = None
    digest: str = ""  # SHA-256 of the weights, in hexadecimal: which model this is, whatever its file is called

    @property
    def active(self) -> np.ndarray:
        """Which dimensions the model uses at the KL weight where it stands, bool (latent,); all others have collapsed.

        Measured on the training pictures, as kvae does everywhere: `kvae.measures.posterior.ACTIVE_VARIANCE`.
        """
        return np.square(self.spreads, dtype=np.float64) >= self.active_variance


MOST_LEADING = 512


def leading(model: ModelInfo) -> np.ndarray:
    """The latents by which maps are laid out, at most 512, in rising order: those that tell most about a picture."""
    worth = model.rates if np.isfinite(model.rates).any() else model.spreads
    return np.sort(np.argsort(-np.nan_to_num(worth), kind="stable")[:MOST_LEADING])


def breadth(pictures: np.ndarray) -> np.ndarray:
    """How much each of uint8 (n, h, w, c) varies as a whole, by how much from pixel to pixel. Shape (n,); 0: one
    colour.

    Of the green alone, which tells most of light and dark: a hand waits for this.
    """
    x = pictures[..., pictures.shape[-1] // 2].astype(np.float32)
    steps = sum(np.abs(np.diff(x, axis=axis)).mean((1, 2)) for axis in (1, 2))
    return x.std(axis=(1, 2)) / (steps + 1.0)


@dataclass(frozen=True, slots=True)
class Glimpsed:
    """What the file's card tells before the network is built: enough to lay out the sliders. Not the last reply."""

    model: ModelInfo


@dataclass(frozen=True, slots=True)
class Opened:
    """The model is loaded and has decoded its first picture."""

    model: ModelInfo


@dataclass(frozen=True, slots=True)
class Decode(Question):
    """The pictures of `latents`, float32 (count, latent), at `kl_weight` where the model carries one: one for all, or
    one for each (count,). Answer: `Decoded`."""

    needs_model: ClassVar[bool] = True
    ends_with_model: ClassVar[bool] = True

    latents: np.ndarray
    kl_weight: float | np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """`images`, uint8 (count, height, width, channels): exactly what goes on the screen."""

    images: np.ndarray


@dataclass(frozen=True, slots=True)
class Encode(Question):
    """The latents of one picture: a file, or uint8 (height, width, 3) or of the model's shape. Answer: `Encoded`.

    A PNG may say where it was painted: the file itself, or the bytes `png` that `picture` was decoded from. Where the
    open model did that, the answer is `Recalled`.
    """

    needs_model: ClassVar[bool] = True
    ends_with_model: ClassVar[bool] = True

    picture: str | np.ndarray
    kl_weight: float | None = None
    png: bytes = b""


@dataclass(frozen=True, slots=True)
class Encoded:
    """`latents` (latent,), the posterior mean; `image` as the model saw it and `reconstruction`, both uint8 (h,
    w, c)."""

    latents: np.ndarray
    image: np.ndarray
    reconstruction: np.ndarray
    note: str = ""  # what was done to the picture that its owner may want to know


@dataclass(frozen=True, slots=True)
class Recalled:
    """The open model painted this picture, at `latents` (latent,) and `kl_weight`."""

    latents: np.ndarray
    kl_weight: float


def place_of(data: Any) -> str:
    """The folder or file that a model's card names as its `data`, in full; "" for the built-in paintings and for none.

    Looks at no disk: a card may name what must not even be touched.
    """
    if not isinstance(data, str) or data in ("", "paintings"):
        return ""
    return os.path.abspath(os.path.expanduser(data))


@dataclass(frozen=True, slots=True)
class ReadMap(Question):
    """Encode the pictures the open model was trained on, at most `most`. Answers: `MapPart`s, `MapLaid`s, then
    `MapDone`.

    Nothing is read but in one of the places `agreed`; elsewhere `Unread` is the first answer, and the map that of the
    few pictures in the model itself.
    """

    needs_model: ClassVar[bool] = True
    ends_with_model: ClassVar[bool] = True
    takes_long: ClassVar[bool] = True

    most: int = 10_000
    agreed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unread:
    """The pictures at `place`, on which the model called `name` was trained, were not read,
    as nobody has agreed to it."""

    name: str
    place: str


@dataclass(frozen=True, slots=True)
class MapPart:
    """Some more pictures, in order. Not the last reply.

    `latents` (n, latent), `thumbnails` uint8 (n, side, side, channels), at most 64 pixels; `names` and `folders` (n,).
    Where there are `columns`, the latents are only those, (n, columns), and all others are 0.
    """

    done: int
    total: int
    latents: np.ndarray
    thumbnails: np.ndarray
    names: tuple[str, ...]
    folders: tuple[str, ...]
    columns: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class MapLaid:
    """The pictures sent so far at their `places`, float32 (n, 2), similar ones side by side, after `done` of `total`
    steps. Not the last reply."""

    done: int
    total: int
    places: np.ndarray


@dataclass(frozen=True, slots=True)
class MapDone:
    """The principal components of all latents sent, of their `leading` ones: `mean` (latent,), `components` (count,
    latent), their variance `shares`."""

    mean: np.ndarray
    components: np.ndarray
    shares: np.ndarray
    note: str = ""  # such as: the training pictures are not on this machine, these are the model's own few


@dataclass(frozen=True, slots=True)
class ReadPosteriors(Question):
    """The posteriors of at most `most` training pictures at each of `weights`, of a model with two latents. Answers: a
    `PosteriorsAt` for each weight, in order.

    Nothing is read but in one of the places `agreed`; elsewhere they are those of the few pictures in the model itself.
    """

    needs_model: ClassVar[bool] = True
    ends_with_model: ClassVar[bool] = True
    takes_long: ClassVar[bool] = True

    weights: tuple[float, ...]
    most: int = 500
    agreed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PosteriorsAt:
    """q(z given x) of some pictures at one weight: `means` (n, 2) and `covariances` (n, 2, 2).

    `labels` (n,) are what the pictures are coloured by: their manner, or their folder. The last weight's is the last
    reply.
    """

    kl_weight: float
    means: np.ndarray
    covariances: np.ndarray
    labels: tuple[str, ...]
    note: str = ""  # such as: these are the model's own few


@dataclass(frozen=True, slots=True)
class ReadIndependence(Question):
    """What independent latents cost the open model at this weight, or at its own, on the few pictures that it keeps.
    Answer: `Independence`."""

    needs_model: ClassVar[bool] = True
    ends_with_model: ClassVar[bool] = True
    takes_long: ClassVar[bool] = True

    kl_weight: float | None = None


@dataclass(frozen=True, slots=True)
class Independence:
    """Nats a picture: `cost` at least, by how the decoder bends, of a rate of `rate`; `saved` by the model's own
    covariances, 0 without any."""

    name: str
    kl_weight: float
    cost: float
    rate: float
    saved: float


@dataclass(frozen=True, slots=True)
class Compare(Question):
    """Reconstruct the same pictures with several models. Answers: `Originals`, then a `Compared` for each model.

    `pictures` are files; none means `count` held-out pictures of the first model's collection. Each model sees the
    pictures at its own size. Where that collection is in none of the places `agreed`, the one answer is `Unread`.
    """

    takes_long: ClassVar[bool] = True

    models: tuple[str, ...]
    pictures: tuple[str, ...] = ()
    count: int = 8
    agreed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Originals:
    """uint8 (count, height, width, channels): held-out pictures of the model called `source`, or "" for files that a
    person chose. Not the last reply."""

    images: np.ndarray
    source: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """One model's row. `distortion`, `rate` (None for an autoencoder) and `psnr` are means over these pictures, `bits`
    those per dimension at the noise that the errors call for (None without a rate), `decoded_path` how long the decoded
    way from each picture to the next is, over the straight line (None where nothing has a length).

    `images` are the reconstructions, `samples` as many pictures decoded from the same points of N(0, 1) for every
    model, `between` as many on the straight line between the codes of the first and the last picture, both included;
    each uint8 (count, height, width, channels). `weights` has a model of a range at several of its weights, the largest
    first: rows of their own that have none in turn. `codes` are the latents of each kind of picture by its name,
    float32 (count, latent), of the model with this `digest`.

    `learned` says whether the model may have learned from these very pictures: "" it has not, "may", "other" it learned
    from another collection, "unknown" its file does not tell.

    `failure` is a sentence where this model could not be used; then `images` is empty. The last model's row is the last
    reply.
    """

    path: str
    name: str
    images: np.ndarray
    kl_weight: float = 0.0
    autoencoder: bool = False
    distortion: float = 0.0
    rate: float | None = None
    psnr: float = 0.0
    bits: float | None = None
    decoded_path: float | None = None
    active: int | None = None  # dimensions, at the weight where the model stands
    latent_dim: int = 0
    failure: str = ""
    samples: np.ndarray | None = None
    between: np.ndarray | None = None
    weights: tuple["Compared", ...] = ()
    learned: str = ""
    codes: dict[str, np.ndarray] = field(default_factory=dict)
    digest: str = ""


Answer = (
    Failed
    | Progress
    | Glimpsed
    | Opened
    | Decoded
    | Encoded
    | Recalled
    | Unread
    | MapPart
    | MapLaid
    | MapDone
    | PosteriorsAt
    | Independence
    | Originals
    | Compared
    | Exported
    | BookmarksRead
    | Portraits
    | Seen
    | InterruptedRuns
)
