"""Rows of pictures for several weights: what comes back, what is drawn from the prior, and what lies between two."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kvae.figures.panels import under
from kvae.figures.records import SweepRun
from kvae.figures.sheet import Sheet, Theme
from kvae.figures.tiles import as_rgb, evenly, magnify, prepared, tile
from kvae.figures.wording import BETWEEN, PRIOR, PRIOR_OF_AUTOENCODER, clipped, fixed

NAMES = 212  # units: the column of names beside the pictures
WIDTH = 1240  # units that the pictures of a row may take
_APART = 24  # units between two groups
_COLUMNS = {1: (8, 12), 2: (5, 8), 3: (4, 6)}  # pictures in each of so many groups, at least and at most
_LARGEST = {1: 512, 2: 256, 3: 256}  # pixels; larger pictures are averaged by a whole factor first

Group = tuple[str, str]  # what a run calls its pictures, and what a reader does
RECONSTRUCTIONS: Group = ("reconstructions", "Reconstructions")
GROUPS: tuple[Group, ...] = (RECONSTRUCTIONS, ("samples", "Samples"), ("between", "In-betweens"))


def groups_of(runs: Sequence[SweepRun]) -> list[Group]:
    """The kinds of pictures that any of the runs has, in the order of reading; reconstructions in any case."""
    return [group for group in GROUPS if group == RECONSTRUCTIONS or any(has(run, group) for run in runs)]


def has(run: SweepRun, group: Group) -> bool:
    """Whether a run brings pictures of this kind."""
    images = getattr(run, group[0])
    return images is not None and len(images) > 0


def pictured(runs: Sequence[SweepRun]) -> list[SweepRun]:
    """The runs that have pictures of any kind."""
    return [run for run in runs if any(has(run, group) for group in GROUPS)]


def check_pictures(originals: np.ndarray, runs: Sequence[SweepRun], owner: str) -> None:
    """Refuse pictures of a run that are of another size than `originals`, as `tiles.prepared` gives these."""
    for run in runs:
        for group in (group for group in GROUPS if has(run, group)):
            images = np.asarray(getattr(run, group[0]))
            if prepared(images).shape[1:] != originals.shape[1:]:
                raise ValueError(
                    f"{owner}: the {group[1].lower()} of {run.name!r} must be of the size of `originals`. "
                    f"Received: shapes {images.shape} and {originals.shape}."
                )


def chosen(run: SweepRun, group: Group, columns: int) -> np.ndarray | None:
    """At most `columns` of a run's pictures: the first ones, or of a way both its ends and what is evenly between."""
    if not has(run, group):
        return None
    images = np.asarray(getattr(run, group[0]))
    return evenly(images, columns) if group[0] == "between" else images[:columns]


def notes_of(runs: Sequence[SweepRun]) -> dict[str, str]:
    """What a reader should know of each kind of picture but the first, by its name."""
    plain = any(run.is_autoencoder and has(run, GROUPS[1]) for run in runs)
    return {"samples": f"{PRIOR}. {PRIOR_OF_AUTOENCODER}." if plain else f"{PRIOR}.", "between": f"{BETWEEN}."}


@dataclass(frozen=True)
class Rows:
    """How the pictures of every row stand: `columns` in each group, magnified by `factor`, on a sheet at `scale`."""

    groups: tuple[Group, ...]
    largest: int
    scale: int
    columns: int
    factor: int
    side: tuple[int, int]  # pixels of a picture, height and width

    @property
    def gap(self) -> int:
        """Device pixels between two pictures."""
        return 3 * self.scale

    @property
    def group_width(self) -> float:
        """The width of a group in units."""
        return (self.columns * (self.side[1] * self.factor + self.gap) - self.gap) / self.scale

    @property
    def width(self) -> float:
        """The width of all groups in units."""
        return len(self.groups) * (self.group_width + _APART) - _APART

    @property
    def pitch(self) -> float:
        """From the top of a row to that of the next, in units."""
        return max(self.side[0] * self.factor / self.scale + 3, 72.0)


def arrange(originals: np.ndarray, groups: Sequence[Group], scale: int) -> Rows:
    """The rows whose pictures fill WIDTH best, at `scale` or a finer one where the pictures' own size asks for it."""
    largest = _LARGEST[len(groups)]
    count, height, width = prepared(originals, largest).shape[:3]
    least, most = _COLUMNS[len(groups)]
    room = WIDTH - _APART * (len(groups) - 1)
    finest = max(scale, -(-least * len(groups) * width // (room - 3 * least * len(groups))))

    def at(finer: int, columns: int) -> Rows:
        pictures = columns * len(groups)
        factor = max(1, (room * finer - (pictures - len(groups)) * 3 * finer) // (pictures * width))
        return Rows(tuple(groups), largest, finer, columns, factor, (height, width))

    numbers = range(least, max(least, min(most, count)) + 1)
    every = [at(finer, columns) for finer in (finest, finest + 1) for columns in numbers]
    fitting = [rows for rows in every if rows.width <= WIDTH] or every[:1]
    best = max(fitting, key=lambda rows: (rows.width > 0.85 * WIDTH, -rows.scale, rows.width))
    return Rows(best.groups, largest, best.scale, min(best.columns, count), best.factor, best.side)


def height_of(rows: Rows, runs: Sequence[SweepRun]) -> float:
    """The height in units of `draw_rows`."""
    return rows.pitch * (1 + len(pictured(runs))) + _apart(runs)


def _apart(runs: Sequence[SweepRun]) -> int:
    """Extra room before the first Gaussian limit, in units."""
    return 18 if any(run.gaussian_limit for run in pictured(runs)) else 0


def strip(images: np.ndarray, columns: int, factor: int, gap: int, theme: Theme, rows: int = 1) -> np.ndarray:
    """Rows of pictures in device pixels, (H, W, 3), each pixel a block of `factor`."""
    ground = [int(theme.background[place : place + 2], 16) for place in (1, 3, 5)]
    return tile(magnify(as_rgb(images[: rows * columns]), factor), columns, gap, ground)


def draw_rows(sheet: Sheet, x: float, top: float, rows: Rows, originals: np.ndarray, runs: Sequence[SweepRun]) -> None:
    """Originals, then one row for each run: its name and numbers, and its pictures of each kind."""
    lefts = [x + NAMES + place * (rows.group_width + _APART) for place in range(len(rows.groups))]
    for left, (_, title) in zip(lefts, rows.groups, strict=True):
        sheet.heading(left, top - 14, title)
    _draw_notes(sheet, lefts[1:], top, rows, runs)
    sheet.text(x, top + rows.pitch / 2 + 4, "Originals", 15, weight="bold")
    _draw_strip(sheet, lefts[0], top, rows, originals[: rows.columns])
    y, apart = top + rows.pitch, _apart(runs)
    for run in pictured(runs):
        if run.gaussian_limit and apart:
            sheet.line(x, y + apart / 2 - 2, x + NAMES + rows.width, y + apart / 2 - 2)
            y, apart = y + apart, 0
        _draw_name(sheet, x, y + rows.pitch / 2, run)
        for left, group in zip(lefts, rows.groups, strict=True):
            images = chosen(run, group, rows.columns)
            if images is not None:
                _draw_strip(sheet, left, y, rows, images)
        y += rows.pitch


def _draw_strip(sheet: Sheet, x: float, y: float, rows: Rows, images: np.ndarray) -> None:
    pixels = strip(prepared(images, rows.largest), rows.columns, rows.factor, rows.gap, sheet.theme)
    sheet.picture(x, y, pixels)


def _draw_name(sheet: Sheet, x: float, middle: float, run: SweepRun) -> None:
    rate = "" if run.is_autoencoder else f"   R {fixed(run.rate, 1)}"
    color = sheet.theme.quiet if run.gaussian_limit else sheet.theme.ink
    weight = "normal" if run.gaussian_limit else "bold"
    long = len(run.name) > 22
    sheet.text(x, middle - 17, clipped(run.name, 30 if long else 22), 12 if long else 15, weight=weight, color=color)
    sheet.text(x, middle + 5, f"D {fixed(run.distortion, 1)}{rate}", 14, color=color)
    sheet.text(x, middle + 26, under(run), 13, color=sheet.theme.quiet)


def _draw_notes(sheet: Sheet, lefts: Sequence[float], top: float, rows: Rows, runs: Sequence[SweepRun]) -> None:
    """What the samples and the in-betweens are, in the room that they leave beside the originals."""
    notes = notes_of(runs)
    for left, (name, _) in zip(lefts, rows.groups[1:], strict=True):
        y = top + 14
        for line in _wrapped(sheet, notes[name], rows.group_width):
            sheet.text(left, y, line, 14, color=sheet.theme.quiet)
            y += 21


def _wrapped(sheet: Sheet, text: str, width: float) -> list[str]:
    """A text in lines of at most `width` units."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        measured = sheet.text(0, 0, longer, 14)
        fits = lines and sheet.length(measured) <= width
        measured.remove()
        lines = [*lines[:-1], longer] if fits else [*lines, word]
    return lines
