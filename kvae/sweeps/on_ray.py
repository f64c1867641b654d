"""Trials of a sweep on a Ray cluster that exists, through Ray Tune.

Each trial is a function trainable in a process of some node. Its checkpoint is the folder of its run, so that a trial
whose worker is killed goes on from there on any node; its last one holds what the trial leaves, which comes home
to the sweep's own place. Nodes need kvae and the pictures under the same path, and decode them once each.
"""

import json
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kvae.files.refusal import line
from kvae.sweeps.board import SweepBoard
from kvae.sweeps.index import TrialRecord, trial_from_json, trial_to_json
from kvae.sweeps.pictures import Pictures, scene_of
from kvae.sweeps.store import RAY, SweepFolder
from kvae.sweeps.study import Trial
from kvae.sweeps.trial import quiet_below, run_trial
from kvae.training.folder import PREFIX, SETTINGS_NOTE, RunFolder
from kvae.training.listener import Listener, Step

LOCAL = "local"  # the address of a cluster that is started for this sweep alone
REACH = 5.0  # seconds to reach a cluster
MOST_DEATHS = 2  # of workers, over one trial
RECORD, MODEL = "record.json", "trial.keras"  # in the checkpoint of a trial
EXTRA = 'Install it with pip install "kvae[ray]".'


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
        ValueError, OSError: no Ray, or no cluster; one sentence.
    """
    ray, tune = _ray()
    _reach(address)
    here = ray.is_initialized()
    try:
        if not here:
            ray.init(
                address=None if address == LOCAL else address,
                include_dashboard=False if address == LOCAL else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": {"PYTHONSAFEPATH": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}},
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise OSError(_unreachable(address, error)) from None
    try:
        _fit(tune, board, trials, listener, data, lowest, workers, gpu=bool(ray.cluster_resources().get("GPU")))
    except (ray.exceptions.RayError, tune.TuneError) as error:
        raise OSError(f"ray: the cluster broke off ({line(error)[:200]}). The same command goes on.") from error
    finally:
        if not here:
            ray.shutdown()


def _ray() -> tuple[Any, Any]:
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # a signal is for our own display
    try:
        import ray
        from ray import tune
    except ImportError as error:
        raise ValueError(f"ray: Ray Tune is not there ({str(error).splitlines()[0][:80]}). {EXTRA}") from None
    return ray, tune


def _reach(address: str) -> None:
    """Whether somebody listens at `address`: Ray itself takes a minute to find out, and may end the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        if address not in (LOCAL, "auto"):
            raise ValueError(f"ray: an address is auto, local or HOST:PORT. Received: {address!r}.")
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH).close()
    except (OSError, OverflowError) as error:
        raise OSError(_unreachable(address, error)) from None


def _unreachable(address: str, error: Exception) -> str:
    why = getattr(error, "strerror", None) or str(error).splitlines()[0][:100]
    return f"ray: there is no cluster at {address} ({why}). Start one with `ray start --head`, or name its address."


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
        jobs.append(trial_to_json(begun))
        if begun.state in ("running", "stopped") and begun.model is not None:
            left[begun.hash] = _packed(RunFolder.beside(begun.model).path)
            if begun.model.is_file():
                left[begun.hash][MODEL] = begun.model.read_bytes()
    watch = _watch(tune, board, listener)
    trainable = tune.with_parameters(_trainable, data=data, lowest=lowest, left=left)
    with (
        tempfile.TemporaryDirectory(prefix=RAY, dir=board.folder.path) as storage,
        quiet_below(logging.CRITICAL, "ray.tune"),
    ):
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


def _watch(tune: Any, board: SweepBoard, listener: Listener) -> Any:
    """What hears of every trial on the cluster; its `stopper` ends them all when somebody wishes it."""

    class Stopper(tune.Stopper):
        def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
            return False

        def stop_all(self) -> bool:
            return listener.should_stop()

    class Watch(tune.Callback):
        stopper = Stopper()

        def __init__(self) -> None:
            self.shares: dict[str, float] = {}

        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            self.shares[_name(trial)] = 0.0
            self.tell()

        def on_trial_result(
            self, iteration: int, trials: list[Any], trial: Any, result: Mapping[str, Any], **info: Any
        ) -> None:
            self.shares[_name(trial)] = result.get("share", 0.0)
            if result.get("epoch"):
                listener.on_epoch_end({**json.loads(result["epoch"]), "trial": _name(trial)})
            self.tell()

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            self.shares.pop(_name(trial), None)
            _bring_home(board, trial_from_json(board.page, trial.config["job"]), trial.checkpoint, listener)
            self.tell()
            board.draw()

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            self.shares.pop(_name(trial), None)
            said = str(trial.get_error() or "").strip().splitlines() or [""]
            reason = f"its worker ended {MOST_DEATHS} times ({line(said[-1])[:200]})"
            record = trial_from_json(board.page, trial.config["job"])
            board.end(replace(record, state="failed", reason=reason), listener.on_message)
            self.tell()

        def tell(self) -> None:
            listener.on_trials(board.ended, len(board.table.trials), self.shares)

    return Watch()


def _name(trial: Any) -> str:
    return trial.config["job"]["name"]


def _bring_home(board: SweepBoard, record: TrialRecord, checkpoint: Any, listener: Listener) -> None:
    """Put what a trial left on the cluster in its place here: its model, or a run that goes on."""
    model = record.model
    if checkpoint is None or model is None:
        return
    with checkpoint.as_directory() as there:
        folder = Path(there)
        if not (folder / RECORD).is_file():  # it was stopped
            _unpack(RunFolder.beside(model), {one.name: one.read_bytes() for one in folder.iterdir()})
            return
        ended = trial_from_json(board.page, json.loads((folder / RECORD).read_text("utf-8")))
        for suffix in (".keras", ".png"):
            if (folder / MODEL).with_suffix(suffix).is_file():
                shutil.copyfile((folder / MODEL).with_suffix(suffix), model.with_suffix(suffix))
        if (kept := folder / f"run-{record.hash}").is_file():
            shutil.copyfile(kept, board.folder.path / kept.name)
    board.end(replace(ended, model=model), listener.on_message)


# ---------------------------------------------------------------------- on a node


def _trainable(config: Mapping[str, Any], *, data: Any, lowest: float, left: Mapping[str, Mapping[str, bytes]]) -> None:
    """Run one trial in this process, and report its run as it goes and what it leaves."""
    from ray import tune

    with tempfile.TemporaryDirectory(prefix="kvae-") as place:
        page = Path(place) / "trial.html"
        record = replace(trial_from_json(page, config["job"]), model=page.with_name(MODEL))
        checkpoint = tune.get_checkpoint()
        files = left.get(record.hash, {})
        if checkpoint is not None:
            with checkpoint.as_directory() as there:
                files = {one.name: one.read_bytes() for one in Path(there).iterdir()}
        if files:
            _unpack(RunFolder.beside(page.with_name(MODEL)), files)
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
    """The record of a trial that this node cannot run as it has other pictures; None where it can."""
    try:
        manifest = pictures.of(record).collection.manifest_hash
    except Exception:
        return None  # the trial itself says why
    if scene_of(record, manifest) == record.scene:
        return None
    reason = f"the pictures on node {socket.gethostname()} are others. Bring the same ones to every node."
    return replace(record, state="failed", reason=reason)


def _report_end(tune: Any, place: Path, folder: SweepFolder, ended: TrialRecord) -> None:
    """The last checkpoint of a trial: all that it leaves."""
    with tempfile.TemporaryDirectory(prefix="kvae-") as last:
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
        with tempfile.TemporaryDirectory(prefix="kvae-") as copy:
            for name, content in _packed(self._folder.path).items():
                (Path(copy) / name).write_bytes(content)
            self._report(told, checkpoint=self._checkpoint(copy))


def _packed(folder: Path) -> dict[str, bytes]:
    """The files of a run that it goes on from: its settings, and its newest checkpoint."""
    if not folder.is_dir():
        return {}
    names = sorted(name for name in os.listdir(folder) if name.startswith(PREFIX) and not name.endswith(".part"))[-1:]
    names += [SETTINGS_NOTE] if names else []
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _unpack(folder: RunFolder, files: Mapping[str, bytes]) -> None:
    """Put the files of a run into its folder."""
    if not folder.take():
        return
    for name, content in files.items():
        if name == SETTINGS_NOTE or name.startswith(PREFIX):
            (folder.path / Path(name).name).write_bytes(content)
    folder.release()
