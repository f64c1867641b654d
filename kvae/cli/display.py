"""How a run looks while it goes on: a live table on a terminal, plain lines elsewhere, JSON for programs."""

import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kvae.files.refusal import line
from kvae.training.listener import Listener, Step
from kvae.weighting.conversions import decoder_noise

if TYPE_CHECKING:
    from kvae.model.vae import VAE
    from kvae.training.balance import Balance
    from kvae.training.run_state import RunState


SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C, a polite end (SLURM, docker), and a closed terminal
ECHO = 1.0  # seconds within which the last two, which come in twos by themselves, are one


AT = "_at_"  # in the names of what is measured at several weights, before the weight


class Silent(Listener):
    """Prints nothing; ends the run softly when asked to."""

    stop = False
    running = False
    exit_code = 130  # of a run that was ended by a signal, as shells count: 128 and its number
    _stop_was_said = False

    def on_step(self, step: Step) -> None:
        self.running = True

    def on_trials(self, ended: int, total: int, running: Mapping[str, float]) -> None:
        self.running = self.running or any(running.values())

    def should_stop(self) -> bool:
        if self.stop and not self._stop_was_said:
            self._stop_was_said = True
            self.on_message("stopping after this batch; the model is saved. Press Ctrl-C again to stop at once.")
        return self.stop

    def close(self) -> None:
        """The run is over."""


class Json(Silent):
    """A line of JSON per epoch on standard output; sentences go to standard error."""

    KEYS = (
        "epoch", "step", "distortion", "rate", "kl_weight", "loss", "val_distortion", "val_rate", "val_loss",
        "val_psnr", "images_per_second", "seconds",
    )  # fmt: skip

    def __init__(self, *, quiet: bool = False, **constants: Any) -> None:
        self._quiet, self._constants = quiet, constants

    def on_message(self, sentence: str) -> None:
        if not self._quiet:
            print(line(sentence), file=sys.stderr, flush=True)

    def on_trial(self, name: str) -> None:
        self._constants["trial"] = name

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        told = {key: record[key] for key in self.KEYS}
        told |= {"trial": record["trial"]} if "trial" in record else {}
        more = {key: value for key, value in record.items() if key.startswith("gradient_") or AT in key}
        print(json.dumps({**self._constants, **told, **more}), flush=True)


class Plain(Silent):
    """A line per epoch, for files and pipes."""

    def on_message(self, sentence: str) -> None:
        print(line(sentence), flush=True)

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        print(epoch_line(record), flush=True)


class Live(Silent):
    """A progress bar, the terms of the loss on a line below it, and a line per epoch above."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.text import Text

        class Bars(Progress):
            below = ""  # a line of its own: beside the bar, it would leave the bar no room on a narrow terminal

            def get_renderables(self) -> Iterator[Any]:
                yield from super().get_renderables()
                yield Text(self.below, overflow="ellipsis", no_wrap=True)

        self._progress = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[left]}"),
            console=Console(highlight=False),
            refresh_per_second=8,
            transient=True,
        )
        self._progress.start()
        self._tasks: dict[str, Any] = {}
        self._trials: dict[str, Any] = {}  # bars of a sweep: one for all, and one for each that goes on elsewhere
        self._arrows = ""
        self._of_range = False

    def on_begin(self, model: "VAE", state: "RunState") -> None:
        self._of_range = model.weight_range is not None

    def on_balance(self, balance: "Balance") -> None:
        self._arrows = "  " + arrows(balance.share, balance.cosine)

    def on_message(self, sentence: str) -> None:
        self._progress.console.print(line(sentence), markup=False)

    def on_progress(self, done: int, total: int, what: str) -> None:
        self._show(what, done, total, "")
        if done >= total:
            self._progress.remove_task(self._tasks.pop(what))

    def on_step(self, step: Step) -> None:
        super().on_step(step)
        for what in set(self._tasks) - {"training"}:
            self._progress.remove_task(self._tasks.pop(what))
        left = step.seconds * (1.0 - step.progress) / max(step.progress, 1e-9)
        self._progress.below = terms(step, of_range=self._of_range) + self._arrows
        self._show("training", step.progress, 1.0, f"{int(left) // 60}:{int(left) % 60:02d} left")

    def on_trials(self, ended: int, total: int, running: Mapping[str, float]) -> None:
        super().on_trials(ended, total, running)
        bars = {f"{ended} of {total} trials": ended / max(total, 1), **running}
        for name in set(self._trials) - set(bars):
            self._progress.remove_task(self._trials.pop(name))
        for name, share in bars.items():
            if name not in self._trials:
                self._trials[name] = self._progress.add_task(line(name), total=1.0, left="")
            self._progress.update(self._trials[name], completed=share)

    def _show(self, what: str, done: float, total: float, left: str) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total, left="")
        self._progress.update(self._tasks[what], completed=done, total=total, left=left)

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        self.on_message(epoch_line(record))

    def close(self) -> None:
        self._progress.stop()


def terms(step: Step, *, of_range: bool = False) -> str:
    """D, R, βR, L, β, σ and speed of one batch, in a line; in a range each picture has a weight of its own."""
    if of_range:
        loss = f"L {step.loss:.2f} times what is expected at each weight"
        return "  ".join([f"step {step.step}", loss, f"{step.images_per_second:.0f} images/s"])
    parts = [f"step {step.step}", f"D {step.distortion:.1f}"]
    if step.rate is not None:
        parts += [f"R {step.rate:.1f}", f"βR {step.kl_weight * step.rate:.1f}", f"L {step.loss:.1f}"]
        parts.append(f"β {step.kl_weight:.3g}")
        if step.kl_weight >= 0:  # while a weighting drives the rate up, no noise corresponds
            parts.append(f"σ {decoder_noise(step.kl_weight):.3g}")
    return "  ".join([*parts, f"{step.images_per_second:.0f} images/s"])


def arrows(share: float, cosine: float) -> str:
    """The gradient balance on the encoder: the rate's share of the two arrows, and the cosine between them."""
    return f"∇βR {100 * share:.0f}%  cos {cosine:.2f}"


def epoch_line(record: dict[str, Any]) -> str:
    """An epoch in a line, after the name of its trial where several go on: the terms on the training pictures, and on
    those held out; of a range, L at its weights."""
    curve = held_out_losses(record)
    name = f"{record['trial']}: " if "trial" in record else ""
    parts = [f"{name}epoch {record['epoch']:>3}"] + ([] if curve else [f"D {record['distortion']:.1f}"])
    if curve:
        parts.append(f"held out: L {losses_at(curve)}")
    elif record["rate"] is not None:
        weight = record["kl_weight"]
        parts += [f"R {record['rate']:.1f}", f"βR {weight * record['rate']:.1f}", f"L {record['loss']:.1f}"]
        parts += [f"β {weight:.3g}", f"σ {decoder_noise(weight):.3g}", f"held out: D {record['val_distortion']:.1f}"]
        parts += [f"R {record['val_rate']:.1f}", f"L {record['val_loss']:.1f}"]
    else:
        parts += [f"held out: D {record['val_distortion']:.1f}"]
    where = f" at {record['kl_weight']:g}" if curve else ""
    parts += [f"PSNR {record['val_psnr']:.2f} dB{where}", f"{record['images_per_second']:.0f} images/s"]
    if record.get("gradient_share") is not None:
        parts.append(arrows(record["gradient_share"], record["gradient_cosine"]))
    return "  ".join([*parts, f"{record['seconds']:.0f} s"])


def held_out_losses(record: dict[str, Any]) -> dict[str, float]:
    """The held-out loss of a range of weights by the weight, as it is written, the smallest first."""
    start = f"val_loss{AT}"
    found = {key.removeprefix(start): value for key, value in record.items() if key.startswith(start)}
    return dict(sorted(found.items(), key=lambda pair: float(pair[0])))


def losses_at(losses: Mapping[Any, float]) -> str:
    """Losses with the weight that each is at: "13.4 at 0.01, 79.0 at 1"."""
    return ", ".join(f"{loss:.1f} at {weight}" for weight, loss in losses.items())


def display(*, as_json: bool, quiet: bool, **constants: Any) -> Silent:
    """The display that fits the flags and where standard output leads; `constants` enter every JSON line."""
    if as_json:
        return Json(quiet=quiet, **constants)
    if quiet:
        return Silent()
    return Live() if sys.stdout.isatty() else Plain()


def interrupted(listener: Silent) -> str:
    """What a run that was ended at once leaves behind, in a sentence."""
    if not listener.running:
        return "interrupted before training began; nothing was written."
    return "interrupted while a model was being measured and saved; what was complete before is kept."


@contextlib.contextmanager
def soft_stop(listener: Silent) -> Iterator[None]:
    """While training, the first signal ends the run after its batch and the second at once; before it, the first."""
    first = 0.0

    def told(number: int, frame: Any) -> None:
        nonlocal first
        now = time.monotonic()
        if number != signal.SIGINT and first and now - first < ECHO:
            return
        first = first or now
        listener.exit_code = 128 + number
        if listener.stop or not listener.running:
            raise KeyboardInterrupt
        listener.stop = (
            True  # said by `should_stop`: a signal may come in the middle of printing, which is not to be entered twice
        )

    earlier = {number: signal.getsignal(number) for name in SIGNALS if (number := getattr(signal, name, None))}
    for number, handler in earlier.items():
        if number == signal.SIGINT or handler != signal.SIG_IGN:  # what nohup ignores stays ignored
            signal.signal(number, told)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        listener.close()
