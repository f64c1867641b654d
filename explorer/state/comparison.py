"""The comparison of several models on the same pictures, without a window: who is in it, what came back,
words and files."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

import numpy as np

from explorer.messages import Compare, Compared, Originals, Unread
from explorer.safe_text import cell

KINDS = {"images": "Reconstructions", "samples": "Samples", "between": "In-betweens"}  # of pictures, as they are told
ORIGINALS = {"images": "Originals", "samples": "Samples", "between": "In-betweens"}  # what stands beside the first row
NOTES = {
    "samples": "Decoded from points drawn from the prior, N(0, 1): the same points for every model. A plain "
    "autoencoder has no prior; nothing ties its codes to these points.",
    "between": "From the first picture to the last, on the straight line between their codes.",
}
LEARNED = {  # what is said of a row by `Compared.learned`
    "may": "may have learned from these very pictures, which flatters it",
    "other": "learned from other pictures",
    "unknown": "its file does not tell what it learned from",
}


@dataclass(frozen=True)
class Comparison:
    """`models` and `pictures` are paths; no pictures means `count` held-out ones of the first model's collection.

    `kind` is one of KINDS. Models of a range of weights have a line for each of several weights, or where they are in
    `folded` one for the weight at which they stand.

    `originals` uint8 (count, height, width, channels), held out by the model called `source`, and `rows` by model path
    are the engine's answers so far; `unread` is one that waits for a person to agree.
    """

    models: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    count: int = 8
    originals: np.ndarray | None = None
    rows: dict[str, Compared] = field(default_factory=dict)
    unread: Unread | None = None
    kind: str = "images"
    folded: frozenset[str] = frozenset()
    source: str = ""

    def lines(self) -> list[tuple[str, Compared | None]]:
        """What is shown below the originals, from the top: a model's path, and a row of it or None before it came."""
        found: list[tuple[str, Compared | None]] = []
        for path in self.models:
            row = self.rows.get(path)
            several = row is not None and bool(row.weights) and path not in self.folded
            found += [(path, one) for one in (row.weights if row is not None and several else (row,))]
        return found

    def first_row(self) -> list[np.ndarray | None]:
        """What stands above the pictures of the models, one for each column: the originals that they are made of."""
        originals = [] if self.originals is None else list(self.originals)
        if self.kind == "samples":
            return [None for _ in originals]
        ends = (0, len(originals) - 1)
        return [one if self.kind == "images" or place in ends else None for place, one in enumerate(originals)]

    def turned(self, path: str) -> "Comparison":
        """`path` folded, or unfolded again."""
        return replace(self, folded=self.folded ^ {path})

    def with_models(self, paths: Iterable[str]) -> "Comparison":
        """`paths` added at the end; one that is there already stays where it is."""
        return replace(self, models=tuple(dict.fromkeys((*self.models, *paths))))

    def without_model(self, path: str) -> "Comparison":
        """`path` taken out."""
        rows = {key: row for key, row in self.rows.items() if key != path}
        models = tuple(model for model in self.models if model != path)
        return replace(self, models=models, rows=rows, originals=self.originals if models else None)

    def moved(self, path: str, by: int) -> "Comparison":
        """`path` `by` places further down, or as far as it goes."""
        rest = [model for model in self.models if model != path]
        rest.insert(min(max(self.models.index(path) + by, 0), len(rest)), path)
        return replace(self, models=tuple(rest))

    def names(self) -> dict[str, str]:
        """What each model is called, by path."""
        return told_apart(self.models)

    def question(self) -> Compare:
        """What to ask of the engine."""
        return Compare(self.models, self.pictures, self.count)

    def answered(self, content: Originals | Compared | Unread) -> "Comparison":
        """With one more answer. Originals other than before make every row one of the past;
        failures are tried again."""
        if isinstance(content, Unread):
            return replace(self, originals=None, rows={}, unread=content)
        if isinstance(content, Compared):
            return replace(self, rows={**self.rows, content.path: content})
        same = self.originals is not None and np.array_equal(self.originals, content.images)
        rows = {path: row for path, row in self.rows.items() if same and not row.failure}
        return replace(self, originals=content.images, rows=rows, source=content.source)

    def failed(self, sentence: str, answered: Iterable[str]) -> "Comparison":
        """Every model but those `answered` fails with `sentence`."""
        missing = {path: failure(path, sentence) for path in self.models if path not in set(answered)}
        return replace(self, rows={**self.rows, **missing})


def pictures_of(row: Compared, kind: str) -> np.ndarray:
    """A row's pictures of this kind, uint8 (count, height, width, channels)."""
    images = getattr(row, kind)
    return row.images[:0] if images is None else images


def failure(path: str, sentence: str) -> Compared:
    """The row of a model that could not be used."""
    return Compared(path, PurePath(path).stem, np.empty((0, 1, 1, 3), np.uint8), failure=sentence)


# ---------------------------------------------------------------------- words


def told_apart(paths: Iterable[str]) -> dict[str, str]:
    """A name for each path: its stem, after the folder that tells it from the others of that stem: "mine/…/art"."""
    paths = list(dict.fromkeys(paths))
    parts = {path: (*PurePath(path).parts[:-1], PurePath(path).stem) for path in paths}
    names = {}
    for path in paths:
        others = [parts[other] for other in paths if other != path]
        count = next(
            (n for n in range(1, len(parts[path])) if all(other[-n:] != parts[path][-n:] for other in others)),
            len(parts[path]),
        )
        between = ("…",) if count > 2 else ()
        names[path] = str(PurePath(*parts[path][-count:][: count > 1], *between, parts[path][-1]))
    return names


def digits(value: float, count: int) -> str:
    """`value` with `count` significant digits and no exponent: 196.2, 221, 0.0412."""
    if not np.isfinite(value):
        return "not finite"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    if whole:
        return f"{value:.{max(count - whole, 0)}f}"
    return f"{value:.{count}g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.{count - 1}e}"


def weight_words(row: Compared) -> str:
    """The model's weight and decoder noise: "KL weight 0.1 · σ 0.224"."""
    if row.autoencoder:
        return "plain autoencoder"
    return f"KL weight {row.kl_weight:g} · σ {(row.kl_weight / 2) ** 0.5:.3g}"


def measures(row: Compared, originals: np.ndarray | None = None) -> tuple[tuple[str, str], ...]:
    """The numbers under a row, each with the term that explains it (`explorer.widgets.terms.TERMS`).

    A model that sees the pictures at another size than the `originals` says so: D is a sum over pixel values.
    """
    if row.failure:
        return ()
    height, width = row.images.shape[1:3]
    same = originals is None or originals.shape[1:3] == (height, width)
    size = () if same else ((f"at {width}×{height} pixels, so D is another sum", "distortion"),)
    rate = () if row.rate is None else ((f"R {digits(row.rate, 3)} nats", "rate"),)
    active = () if row.active is None else ((f"{row.active} of {row.latent_dim} active", "active"),)
    bits = () if row.bits is None else ((f"{digits(row.bits, 3)} bits per value", "bits"),)
    way = () if row.decoded_path is None else ((f"path {digits(row.decoded_path, 3)}", "path"),)
    return (
        (f"D {digits(row.distortion, 4)}", "distortion"),
        *rate,
        (f"PSNR {digits(row.psnr, 3)} dB", "psnr"),
        *active,
        *bits,
        *way,
        *size,
    )


def caveat(row: Compared) -> str:
    """What to know before the numbers of this row are held against those of others; "" where they can be."""
    return "" if row.failure else LEARNED.get(row.learned, "")


def numbers(row: Compared) -> str:
    """One line: "D 196.2 · R 221 nats · PSNR 17.3 dB · 128 of 128 active"."""
    return " · ".join(words for words, _ in measures(row))


# ---------------------------------------------------------------------- files


def table(comparison: Comparison) -> str:
    """The numbers as CSV text: one line per row, in the order shown, numbers in full."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("model", "path", "autoencoder", "kl_weight", "sigma", "distortion", "rate_nats")
        + (
            "psnr_db",
            "bits_per_dimension",
            "decoded_path",
            "active",
            "latent_dim",
            "pictures",
            "held_out_by",
            "learned",
            "failure",
        )
    )
    for path, row in comparison.lines():
        if row is None or row.failure:
            why = cell(row.failure) if row else "no answer yet"
            writer.writerow((cell(PurePath(path).stem), cell(path), *[""] * 13, why))
            continue
        weight = ("", "") if row.autoencoder else (row.kl_weight, (row.kl_weight / 2) ** 0.5)
        rate = "" if row.rate is None else row.rate
        writer.writerow(
            (cell(row.name), cell(path), row.autoencoder, *weight, row.distortion, rate)
            + (
                row.psnr,
                row.bits,
                row.decoded_path,
                row.active,
                row.latent_dim,
                len(row.images),
                cell(comparison.source),
                caveat(row),
                "",
            )
        )
    return text.getvalue()


def write_new(path: Path, data: bytes) -> Path:
    """Write `data` to `path`, or to the next free numbered name: "a.png", "a-2.png", ...

    Nothing is overwritten, no link followed, and a file that cannot be written to its end is removed again.
    """
    number = 1
    while True:
        name = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        try:
            file = name.open("xb")
        except FileExistsError:
            number += 1
            continue
        try:
            with file:
                file.write(data)
        except OSError:
            name.unlink(missing_ok=True)
            raise
        return name


# ---------------------------------------------------------------------- the layout of the table

_AT_ONCE = 3  # the originals over two models
_NEARLY = 0.9  # of a column: what an enlargement by a whole number has to fill


@dataclass(frozen=True)
class Layout:
    """Where everything stands, in whole pixels: a label at the left, then one column per picture, rows from the top.

    `zooms` are the enlargements, one per row; the first row is the originals. `tops` and `heights` are those of the
    pictures.
    """

    label: int
    gap: int
    cell: int
    columns: int
    zooms: tuple[float, ...]
    tops: tuple[int, ...]
    heights: tuple[int, ...]
    width: int
    height: int

    def left(self, column: int) -> int:
        """The left edge of a column."""
        return self.label + column * (self.cell + self.gap)

    def column_at(self, x: float, y: float) -> int | None:
        """The column of the picture at (x, y), or none."""
        for top, height in zip(self.tops, self.heights, strict=True):
            if top <= y < top + height:
                column = int((x - self.label) // (self.cell + self.gap))
                inside = x >= self.label and (x - self.label) % (self.cell + self.gap) < self.cell
                return column if inside and column < self.columns else None
        return None


def _exact(cell: int, width: int) -> int:
    """The width of a column of `cell` pixels in which a picture that is `width` wide is enlarged by a whole number,
    where that costs next to nothing."""
    whole = cell // width * width
    return whole if whole >= _NEARLY * cell else cell


def lay_out(
    sizes: list[tuple[int, int]],
    columns: int,
    room: tuple[int, int],
    *,
    label: int,
    gap: int,
    caption: int,
    least: int,
    comfortable: int = 128,
) -> Layout:
    """The layout of rows of pictures of `sizes` (height, width) each, in a room of (width, height).

    Pictures use the width there is; where the first `_AT_ONCE` rows then do not fit the height, they are smaller, but
    not below `comfortable` pixels: rather scroll. All rows share the columns. An enlargement by a whole number is taken
    where it costs next to nothing. `caption` pixels stand under each row but the first, the originals; no row is less
    than `least` high, which is the height of one without pictures, size (0, 0).
    """
    widest = max((size[1] for size in sizes), default=1)
    most = max((room[0] - label - gap) // max(columns, 1) - gap, min(widest, comfortable // 2))
    seen = min(len(sizes), _AT_ONCE)
    between = gap * (seen + 1) + caption * (seen - 1)

    def rows(cell: int) -> tuple[tuple[float, ...], tuple[int, ...]]:
        zooms = tuple(cell / max(size[1], 1) for size in sizes)
        return zooms, tuple(max(round(size[0] * zoom), least) for size, zoom in zip(sizes, zooms, strict=True))

    fitting = (cell for cell in range(most, comfortable, -1) if sum(rows(cell)[1][:seen]) + between <= room[1])
    cell = _exact(next(fitting, min(most, comfortable)), widest)
    zooms, heights = rows(cell)
    tops = tuple(gap * (row + 1) + sum(heights[:row]) + caption * max(row - 1, 0) for row in range(len(sizes)))
    total = label + columns * (cell + gap) + gap
    return Layout(label, gap, cell, columns, zooms, tops, heights, total, tops[-1] + heights[-1] + caption + gap)
