"""Trials of a sweep on a Ray cluster that exists, through Ray Tune.

Each trial is a function trainable in a process of some node. Its checkpoint is the folder of its run, so that a trial
whose worker is killed goes on from there on any node; its last one holds what the trial leaves. Every one comes home at
once, so that the same command goes on, here or there, whatever ends in between. Nodes need kvae and the pictures under
the same path, and decode them once each.
"""

import contextlib
import json
import logging
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kvae.files.atomic import atomic_path
from kvae.files.failure import in_words, unwritable
from kvae.files.refusal import line
from kvae.sweeps.board import SweepBoard
from kvae.sweeps.cluster import joined, shortened
from kvae.sweeps.index import ENDED, TrialRecord, trial_from_json, trial_to_json
from kvae.sweeps.pictures import Pictures, scene_of
from kvae.sweeps.store import RAY, SweepFolder
from kvae.sweeps.study import Trial
from kvae.sweeps.trial import quiet_below, run_trial
from kvae.training.folder import RunFolder
from kvae.training.listener import Listener, Step
from kvae.training.run import named_source

MOST_DEATHS = 2  # of workers, over one trial
RECORD, MODEL = "record.json", "trial.keras"  # in the checkpoint of a trial
UNSHARED = "the folder of the sweep is not here"  # of a node


def train_on_ray(
    board: SweepBoard,
    trials: Sequence[tuple[Trial, TrialRecord]],
    listener: Listener,
    data: Any,
    lowest: float,
    *,
    address: str,
    workers: int | None = None,
) -> None:
    """Run all `trials` on the cluster at `address`, at most `workers` at a time, and keep the board.

    Raises:
        ValueError, OSError: no Ray, no cluster, or no room for what comes home; one sentence.
    """
    with joined(address) as (ray, tune):
        _fit(tune, board, trials, listener, data, lowest, workers, gpu=bool(ray.cluster_resources().get("GPU")))


def _fit(
    tune: Any,
    board: SweepBoard,
    trials: Sequence[tuple[Trial, TrialRecord]],
    listener: Listener,
    data: Any,
    lowest: float,
    workers: int | None,
    *,
    gpu: bool,
) -> None:
    jobs, left = [], {}
    for trial, record in trials:
        begun = board.begin(record.hash, trial.slug)
        jobs.append(_job(begun))
        if begun.state in ("running", "stopped") and begun.model is not None:
            left[begun.hash] = RunFolder.beside(begun.model).packed()
            if begun.model.is_file():
                left[begun.hash][MODEL] = begun.model.read_bytes()
    watch = _watch(tune, board, listener)
    with (
        # a worker that is ended in the middle of a file may write it once more
        tempfile.TemporaryDirectory(prefix=RAY, dir=board.folder.path, ignore_cleanup_errors=True) as storage,
        quiet_below(logging.CRITICAL, "ray.tune"),
    ):
        trainable = tune.with_parameters(_trainable, data=_everywhere(data), lowest=lowest, left=left, room=storage)
        tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1, "gpu": 1} if gpu else {"cpu": 1}),
            param_space={"job": tune.grid_search(jobs)},
            tune_config=tune.TuneConfig(max_concurrent_trials=workers),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=storage,
                stop=watch.stopper,
                callbacks=[watch],
                checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
                failure_config=tune.FailureConfig(max_failures=MOST_DEATHS - 1),
                verbose=0,
            ),
        ).fit()
    if watch.broken is not None:
        raise watch.broken


def _job(record: TrialRecord) -> dict[str, Any]:
    """What a node is told of a trial."""
    job = trial_to_json(record)
    if "data" in job["settings"]:
        job["settings"]["data"] = _everywhere(job["settings"]["data"])
    return job


def _everywhere(data: Any) -> Any:
    """The pictures under a name that holds in the working directory of a node, too."""
    return data if isinstance(data, np.ndarray) else named_source(data)


def _watch(tune: Any, board: SweepBoard, listener: Listener) -> Any:
    """What hears of every trial on the cluster. Its `stopper` ends them all when somebody wishes it, or when what comes
    home cannot be written: its `broken` says why, as Ray lets no error of ours through."""

    class Watch(tune.Callback):
        def __init__(self) -> None:
            self.shares: dict[str, float] = {}
            self.broken: Exception | None = None
            self.stopper = Stopper()

        def __reduce__(self) -> Any:  # Ray keeps its settings in a file: this board and display are none of them
            return tune.Callback, ()

        @contextlib.contextmanager
        def noting(self) -> Iterator[None]:
            try:
                yield
            except Exception as error:
                self.broken = self.broken or error

        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            self.shares[_name(trial)] = 0.0
            listener.on_message(f"{_name(trial)} begins")
            self.tell()

        def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            listener.on_message(f"{_name(trial)}: its worker ended; it goes on from its checkpoint")

        def on_trial_result(
            self, iteration: int, trials: list[Any], trial: Any, result: Mapping[str, Any], **info: Any
        ) -> None:
            self.shares[_name(trial)] = result.get("share", 0.0)
            if result.get("epoch"):
                listener.on_epoch_end({**json.loads(result["epoch"]), "trial": _name(trial)})
            self.tell()

        def on_checkpoint(self, iteration: int, trials: list[Any], trial: Any, checkpoint: Any, **info: Any) -> None:
            with self.noting():
                _bring_home(board, trial.config["job"]["hash"], checkpoint, listener)

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            self.shares.pop(_name(trial), None)
            self.tell()
            with self.noting():
                board.draw()

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            self.shares.pop(_name(trial), None)
            record = board.trial(trial.config["job"]["hash"])
            reason = _why(str(trial.get_error() or ""), board.page)
            with self.noting():
                board.end(replace(record, state="failed", reason=reason), listener.on_message)
            self.tell()

        def tell(self) -> None:
            listener.on_trials(board.ended, len(board.table.trials), self.shares)

    class Stopper(tune.Stopper):
        def __reduce__(self) -> Any:
            return tune.Stopper, ()

        def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
            return False

        def stop_all(self) -> bool:
            return watch.broken is not None or listener.should_stop()

    watch = Watch()
    return watch


def _name(trial: Any) -> str:
    return trial.config["job"]["name"]


def _why(error: str, page: Path) -> str:
    """Why a trial came to no end on the cluster."""
    if UNSHARED in error:
        return f"its node does not see the folder {page.parent}. Put the page on a disk that all nodes share."
    lines = error.strip().splitlines() or [""]
    return f"its worker ended {MOST_DEATHS} times ({shortened(lines[-1])})"


def _bring_home(board: SweepBoard, key: str, checkpoint: Any, listener: Listener) -> None:
    """Put a checkpoint of the trial `key` in its place here: a run that goes on, or what the trial leaves.

    Raises:
        OSError: it could not be written; one sentence.
    """
    record = board.trial(key)
    assert record.model is not None
    run = RunFolder.beside(record.model)
    with checkpoint.as_directory() as there:
        folder = Path(there)
        try:
            if not (folder / RECORD).is_file():
                run.unpack({one.name: one.read_bytes() for one in folder.iterdir()})
                return
            targets = [
                (folder / f"run-{key}", board.folder.path / f"run-{key}"),
                *(((folder / MODEL).with_suffix(end), record.model.with_suffix(end)) for end in (".png", ".keras")),
            ]
            for source, target in targets:
                if source.is_file():
                    with atomic_path(target) as temporary:
                        shutil.copyfile(source, temporary)
        except OSError as error:
            said = f"output: {unwritable(record.model, error)} {board.kept} The same command goes on then."
            raise OSError(said) from error
        ended = trial_from_json(board.page, json.loads((folder / RECORD).read_text("utf-8")))
    if ended.state in ENDED and run.take():
        run.remove()
    board.end(replace(ended, model=record.model, settings=record.settings), listener.on_message)


# ---------------------------------------------------------------------- on a node


def _trainable(
    config: Mapping[str, Any], *, data: Any, lowest: float, left: Mapping[str, Mapping[str, bytes]], room: str
) -> None:
    """Run one trial in this process, and report its run as it goes and what it leaves. Its files lie in `room`, which
    goes when the sweep ends: whoever is killed removes nothing."""
    from ray import tune

    if not Path(room).is_dir():
        raise FileNotFoundError(UNSHARED)
    with tempfile.TemporaryDirectory(prefix="trial-", dir=room) as place:
        page = Path(place) / "trial.html"
        record = replace(trial_from_json(page, config["job"]), model=page.with_name(MODEL))
        checkpoint = tune.get_checkpoint()
        files = left.get(record.hash, {})
        if checkpoint is not None:
            with checkpoint.as_directory() as there:
                files = {one.name: one.read_bytes() for one in Path(there).iterdir()}
        if files:
            RunFolder.beside(page.with_name(MODEL)).unpack(files)
            record = replace(record, state="running")
            if MODEL in files:  # of a run that was stopped
                page.with_name(MODEL).write_bytes(files[MODEL])
        folder = SweepFolder(page)
        folder.path.mkdir(mode=0o700)
        pictures = Pictures(data, lowest, Listener())
        ended = _checked(record, pictures)
        if ended is None:
            reporter = _Reporter(RunFolder.beside(page.with_name(MODEL)), tune.report, tune.Checkpoint.from_directory)
            ended, _ = run_trial(record, pictures, folder, reporter)
        _report_end(tune, Path(place), folder, ended)


def _checked(record: TrialRecord, pictures: Pictures) -> TrialRecord | None:
    """The record of a trial that this node cannot run as it has no pictures, or others; None where it can."""
    node = socket.gethostname()
    try:
        manifest = pictures.of(record).collection.manifest_hash
    except OSError as error:
        why = line(in_words(error))
        return replace(record, state="failed", reason=f"node {node}: {why} Every node needs the pictures there.")
    except Exception:
        return None  # the trial itself says why
    if scene_of(record, manifest) == record.scene:
        return None
    reason = f"the pictures on node {node} are others. Bring the same ones to every node."
    return replace(record, state="failed", reason=reason)


def _report_end(tune: Any, place: Path, folder: SweepFolder, ended: TrialRecord) -> None:
    """The last checkpoint of a trial: all that it leaves."""
    with tempfile.TemporaryDirectory(dir=place) as last:
        (Path(last) / RECORD).write_text(json.dumps(trial_to_json(ended)), "utf-8")
        for source in (place / MODEL, (place / MODEL).with_suffix(".png"), folder.path / f"run-{ended.hash}"):
            if source.is_file():
                shutil.copyfile(source, Path(last) / source.name)
        terms = {name: getattr(ended, name) for name in ("distortion", "rate", "loss")}
        found = {name: value for name, value in terms.items() if value is not None}
        tune.report({"share": 1.0, "epoch": "", **found}, checkpoint=tune.Checkpoint.from_directory(last))


class _Reporter(Listener):
    """Reports every epoch of a run, with its newest checkpoint where there is a new one."""

    def __init__(self, folder: RunFolder, report: Callable[..., None], checkpoint: Callable[[str], Any]) -> None:
        self._folder, self._report, self._checkpoint = folder, report, checkpoint
        self._share, self._kept = 0.0, 0

    def on_step(self, step: Step) -> None:
        self._share = step.progress

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        told = {"share": self._share, "epoch": json.dumps(record)}
        newest = max(self._folder.steps(), default=0)
        if newest <= self._kept:
            self._report(told)
            return
        self._kept = newest
        with tempfile.TemporaryDirectory(dir=self._folder.path.parent) as copy:
            for name, content in self._folder.packed().items():
                (Path(copy) / name).write_bytes(content)
            self._report(told, checkpoint=self._checkpoint(copy))
