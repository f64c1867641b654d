"""A sweep's place on disk while it goes on: its page, its index and its folder, and which trials are still to do."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kvae.figures import SweepRun
from kvae.files.atomic import is_free, numbered
from kvae.files.failure import unwritable
from kvae.files.private import NotOurs
from kvae.model.vae import VAE
from kvae.networks.spectral import fitting_directions
from kvae.objectives.likelihoods import psnr
from kvae.saving.writer import SUFFIX
from kvae.sweeps.index import ENDED, Scene, SweepTable, TrialRecord, open_sweep, write_index
from kvae.sweeps.page import Drawn, draw_table
from kvae.sweeps.store import SceneStore, SweepFolder, limit_key
from kvae.sweeps.study import Trial
from kvae.training.artifacts import gallery, limit_at
from kvae.training.evaluation import MOST_PICTURES
from kvae.training.folder import RunFolder
from kvae.training.prepared import Prepared

BESIDE = (".png", ".json", ".csv")  # what a page has beside it
BUDGET = 0.1  # of the time, for drawing the page as results come
MOST_PICTURED = 16  # weights at which the best linear model is shown in pictures, too


class SweepBoard:
    """The one place where a sweep's state changes: every change is on disk before the next."""

    def __init__(self, page: Path, folder: SweepFolder, table: SweepTable, *, fresh: bool) -> None:
        self.page, self.folder, self.table = page, folder, table
        self._fresh = fresh
        self._drawn_at, self._cost = 0.0, 0.0

    # ------------------------------------------------------------------ trials

    @property
    def ended(self) -> int:
        """How many trials need not be run any more."""
        return sum(trial.state in (*ENDED, "failed") for trial in self.table.trials)

    def trial(self, key: str) -> TrialRecord:
        """The record with this hash."""
        return next(trial for trial in self.table.trials if trial.hash == key)

    def begin(self, key: str, slug: str) -> TrialRecord:
        """The trial with this hash is to be run now; its record as it was, with a path for its model."""
        record = self.trial(key)
        if record.model is None:
            record = replace(record, model=self._free_model(slug))
        self.put(replace(record, state="running", reason=""))
        return record

    def put(self, record: TrialRecord) -> None:
        """Take over a changed record.

        Raises:
            OSError: it could not be written; one sentence.
        """
        trials = tuple(record if trial.hash == record.hash else trial for trial in self.table.trials)
        self._write(replace(self.table, trials=trials))

    def end(self, record: TrialRecord, tell: Callable[[str], None]) -> None:
        """Take over the record of a trial that has ended, and say what came of it.

        Raises:
            OSError: it could not be written; one sentence.
        """
        self.put(record)
        terms = {"D": record.distortion, "R": record.rate, "L": None if record.autoencoder else record.loss}
        numbers = ", ".join(f"{name} {value:.1f}" for name, value in terms.items() if value is not None)
        tell(f"{record.name} is {record.state}: {record.reason or numbers}")

    def put_all(self) -> None:
        """Write the index as it is.

        Raises:
            OSError: it could not be written; one sentence.
        """
        self._write(self.table)

    def put_latents(self, page: Path | None) -> None:
        """The page of the planes is there."""
        if page is not None and page != self.table.latents:
            self._write(replace(self.table, latents=page))

    def _write(self, table: SweepTable) -> None:
        self.table = table
        try:
            write_index(table)
        except OSError as error:
            raise OSError(
                f"output: {unwritable(table.path, error)} {self.kept} The same command goes on then."
            ) from error

    @property
    def kept(self) -> str:
        """The models that are there, in a sentence."""
        models = [str(trial.model) for trial in self.table.trials if trial.model is not None and trial.model.is_file()]
        return f"The models of this sweep are there: {', '.join(models)}." if models else "There is no model yet."

    def _free_model(self, slug: str) -> Path:
        taken = {trial.model for trial in self.table.trials}
        wanted = self.page.with_name(f"{self.page.stem}-{slug}{SUFFIX}")
        return next(path for path in numbered(wanted) if path not in taken and is_free(path, ".png"))

    # ------------------------------------------------------------------ pictures and page

    def put_scene(self, key: str, prepared: Prepared) -> None:
        """Keep the pictures of a scene and its Gaussian limit, once."""
        if self.folder.scene(key) is None:
            self.folder.put_scene(key, SceneStore(prepared.shown, prepared.held))
        scene = replace(self.table.scenes[key], summary=_summary(prepared))
        self.table = replace(self.table, scenes={**self.table.scenes, key: scene})
        for weight in self.table.scenes[key].weights[:MOST_PICTURED]:
            if self.folder.run(limit_key(key, weight)) is None:
                self.folder.put_run(limit_key(key, weight), _limit_run(prepared, weight))

    def draw(self, *, last: bool = False) -> Drawn | None:
        """Draw the page, where it is not the `last` time only if it takes little of the time, and without the PNG.

        Raises:
            OSError: it could not be written; one sentence.
        """
        now = time.monotonic()
        if not last and self._drawn_at and self._cost > BUDGET * (now - self._drawn_at):
            return None
        try:
            drawn = draw_table(self.table, self.folder, self.page, figure=last)
        except OSError as error:
            raise OSError(f"output: {unwritable(self.page, error)} {self.kept}") from error
        self._drawn_at = time.monotonic()
        self._cost = self._drawn_at - now
        return drawn

    def forget_if_empty(self) -> None:
        """Leave nothing of a new sweep whose trials left nothing."""
        models = [trial.model for trial in self.table.trials if trial.model is not None]
        if self._fresh and not any(model.exists() or RunFolder.beside(model).steps() for model in models):
            for path in (self.page, *map(self.page.with_suffix, BESIDE)):
                path.unlink(missing_ok=True)
            for path in self.folder.path.glob("*-*"):
                with contextlib.suppress(OSError):
                    path.unlink()


def open_board(
    wanted: Path,
    trials: Sequence[tuple[Trial, TrialRecord]],
    scenes: Mapping[str, Scene],
    title: str,
    tell: Callable[[str], None],
) -> SweepBoard:
    """The board at `wanted`, or where another sweep has that name at the next free one; its folder is locked.

    A sweep is the same where one has all trials of the other: then what is done stays, and the rest is still to do.

    Raises:
        ValueError: another process runs this sweep; one sentence.
    """
    records = [record for _, record in trials]
    for page in numbered(wanted):
        folder = SweepFolder(page)
        earlier = _earlier(page)
        if earlier is None and not is_free(page, *BESIDE):
            continue
        if earlier is not None and not _same(earlier, records):
            continue
        try:
            taken = folder.take()
        except NotOurs:
            continue
        if not taken:
            raise ValueError(
                f"sweep: {folder.owner()} is running the sweep {page}. Wait until it ends, or end it first."
            )
        try:
            earlier = _earlier(page)  # as its last owner left it
            index = page.with_suffix(".json")
            if earlier is None:
                return SweepBoard(page, folder, SweepTable(index, title, tuple(records), dict(scenes)), fresh=True)
            table = _continued(earlier, records, scenes, title)
            _tell(page, table, tell)
            return SweepBoard(page, folder, table, fresh=False)
        except BaseException:
            folder.release()
            raise
    raise AssertionError


def _earlier(page: Path) -> SweepTable | None:
    """The sweep that was there; None where none was, or nothing that can be read."""
    with contextlib.suppress(OSError, ValueError):
        return open_sweep(page)
    return None


def _same(earlier: SweepTable, records: Sequence[TrialRecord]) -> bool:
    there, wanted = {trial.hash for trial in earlier.trials}, {record.hash for record in records}
    return bool(there) and (there <= wanted or wanted <= there)


def _continued(
    earlier: SweepTable, records: Sequence[TrialRecord], scenes: Mapping[str, Scene], title: str
) -> SweepTable:
    """The trials of both, each as it was left; what failed for a reason that may have gone is to do again."""
    there = {trial.hash: trial for trial in earlier.trials}
    merged = []
    for record in records:
        left = there.pop(record.hash, None)
        if left is None:
            merged.append(record)
            continue
        model = left.model if left.model is not None and left.model.parent == earlier.path.parent else None
        state = "running" if left.state == "failed" else left.state
        merged.append(replace(left, name=record.name, where=record.where, model=model, state=state))
    both = dict(earlier.scenes)
    for key, scene in scenes.items():
        weights = (*both[key].weights, *scene.weights) if key in both else scene.weights
        both[key] = replace(both.get(key, scene), weights=tuple(dict.fromkeys(weights)))
    return replace(earlier, trials=(*merged, *there.values()), scenes=both, title=title or earlier.title)


def _tell(page: Path, table: SweepTable, tell: Callable[[str], None]) -> None:
    states = [trial.state for trial in table.trials]
    done = sum(state in ENDED for state in states)
    left = sum(state in ("running", "stopped") for state in states)
    more = f", {left} go on where they were cut off" if left > 1 else ", 1 goes on where it was cut off" if left else ""
    tell(f"{page} is this sweep: {done} of {len(states)} trials are done{more}")


def _summary(prepared: Prepared) -> str:
    size = "x".join(map(str, prepared.collection.shape[:2]))
    return (
        f"{prepared.collection.name}: {prepared.collection.count:,} pictures at {size}; "
        f"{len(prepared.training):,} for training, {len(prepared.validation):,} held out."
    )


def _limit_run(prepared: Prepared, weight: float) -> SweepRun:
    """The closed-form linear VAE at `weight`, measured on the held-out pictures like any run."""
    spectrum = prepared.statistics.spectrum
    latent_dim = fitting_directions(spectrum.eigenvalues, weight)
    model = VAE(image_shape=prepared.collection.shape, network="linear", latent_dim=latent_dim, kl_weight=weight)
    model.fit_spectrum(spectrum)
    blocks = prepared.collection.blocks(prepared.validation[:MOST_PICTURES])
    decibels = float(np.mean(np.concatenate([psnr(block / 255.0, model.reconstruct(block)) for block in blocks])))
    row = limit_at(prepared.held, weight, int(np.prod(prepared.collection.shape)))
    return replace(row, psnr=decibels, **gallery(model, prepared.shown))
