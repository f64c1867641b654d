"""How quick the explorer is under the hand: the real window, its engine and a training run, on a screen or under Xvfb.

    xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/under_the_hand.py models/art.keras --pictures FOLDER

The part "weight" is of use with a model of a range of weights (`kvae-train --kl-weight 0.01..1`).

Prints one JSON line per measurement: medians and 99th percentiles in milliseconds, and the limits they are held
against.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MOVES = 400
WEIGHTS = 200  # turns of the KL weight
PACE = 0.016  # seconds between two moves of a dragging hand


def main() -> None:
    """Measure everything, each part in a process of its own."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("model", help="a .keras file of 64x64 pictures")
    made.add_argument("--pictures", help="a folder of some 300 pictures of one's own to train on, too")
    made.add_argument("--repeats", type=int, default=3, help="starts")
    made.add_argument("--only", choices=PARTS, help="one part")
    made.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.part:
        PARTS[options.part](options.model)
        return
    folder = os.path.abspath(options.pictures) if options.pictures else ""
    for name in [options.only] if options.only else PARTS:
        starts: list[dict] = []
        for _ in range(options.repeats if name == "start" else 1):
            command = [sys.executable, __file__, options.model, "--part", name]
            with tempfile.TemporaryDirectory() as home:  # nobody's own settings
                told = {
                    **os.environ,
                    "XDG_CONFIG_HOME": home,
                    "TF_CPP_MIN_LOG_LEVEL": "3",
                    "KVAE_CACHE": os.path.join(home, "cache"),  # nothing is decoded yet
                    "PICTURES": folder,
                    "STARTED": repr(time.time()),
                }
                done = subprocess.run(command, env=told, stdout=subprocess.PIPE, text=True, check=False, cwd=home)
            lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            if done.returncode or not lines:
                sys.exit(f"{name}: ended with code {done.returncode}")
            starts += lines
        if name == "start":
            for key in ("window visible, s", "first decoded picture, s"):
                values = [one[key] for one in starts]
                report(key, median=statistics.median(values), least=min(values), most=max(values))
        else:
            for line in starts:
                print(json.dumps(line), flush=True)


def report(what: str, **values: float) -> None:
    """One line of the result."""
    print(json.dumps({"what": what, **{key: round(value, 3) for key, value in values.items()}}), flush=True)


class Program:
    """The real program in this process, with an ear for paint events and for gaps in the event loop."""

    def __init__(self) -> None:
        import psutil
        from PyQt6.QtCore import QEvent, QObject, QTimer

        from explorer.app import assemble

        self.process = psutil.Process()
        self.app, self.bridge, self.window = assemble()
        self.paints: dict[object, list[float]] = {}
        program = self

        class Ear(QObject):
            def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
                if event is not None and event.type() == QEvent.Type.Paint:
                    QTimer.singleShot(0, lambda: program.paints.setdefault(watched, []).append(time.perf_counter()))
                return False

        self.ear = Ear()
        self.window.installEventFilter(self.ear)
        self.gaps: list[tuple[float, ...]] = []  # seconds: all, at work, waiting for a core, then when it ended
        self.doings: list[str] = []
        self.doing = ""
        self._before: tuple[float, ...] = ()
        self._beat = QTimer()
        self._beat.setInterval(1)
        self._beat.timeout.connect(self._tick)

    def _clocks(self) -> tuple[float, ...]:
        """Seconds: the clock, this thread at work, this thread waiting for a core."""
        waited = Path("/proc/thread-self/schedstat").read_text().split()[1]
        return time.perf_counter(), time.thread_time(), 1e-9 * int(waited)

    def _tick(self) -> None:
        now = self._clocks()
        self.gaps.append((*(new - old for new, old in zip(now, self._before, strict=True)), now[0]))
        self.doings.append(self.doing)
        self._before = now

    def listen(self) -> None:
        """Begin to look for gaps."""
        self.gaps, self.doings, self._before = [], [], self._clocks()
        self._beat.start()

    def until(self, met, seconds: float = 60.0) -> None:
        """Let the program run until `met()`."""
        end = time.perf_counter() + seconds
        while not met():
            if time.perf_counter() > end:
                raise TimeoutError(f"waited {seconds:g} s in vain")
            self.app.processEvents()
            time.sleep(0.0005)

    def pause(self, seconds: float) -> None:
        """Let the program run for a while."""
        end = time.perf_counter() + seconds
        self.until(lambda: time.perf_counter() > end, seconds + 10)

    def age(self) -> float:
        """Seconds since the process was started."""
        return time.time() - float(os.environ["STARTED"])  # the system's own record is only good to a second

    def begin(self, model: str = "") -> None:
        """What `kvae-explorer` does, until the window is painted."""
        self.window.show()
        self.bridge.start()
        if model:
            self.window.open(model)
        self.until(lambda: self.paints.get(self.window))

    @property
    def shows_a_picture(self) -> bool:
        """Whether the Explore page is there and shows what the model decoded."""
        page = self.window.pages.made.get("explore")
        return page is not None and page._decoded and page.stage.picture.image is not None

    def close(self) -> None:
        self.bridge.shutdown(2.0)


def start(model: str) -> None:
    """From the start of the process to a window, and to the first picture that the model decoded."""
    program = Program()
    program.begin(model)
    visible = program.age()
    program.until(lambda: program.shows_a_picture)
    print(json.dumps({"window visible, s": visible, "first decoded picture, s": program.age()}))
    program.close()


def welcome(model: str) -> None:
    """From a click on the welcome page, a second after it appeared, to moving sliders; nothing was decoded before."""
    for data, what in (("paintings", "the sample paintings"), (os.environ["PICTURES"], "a folder")):
        if data:
            seconds = _from_welcome(data)
            report(f"from the welcome page to moving sliders: {what}", seconds=seconds, limit=25.0)


def _from_welcome(data: str) -> float:
    program = Program()
    program.begin()
    program.pause(1.0)
    clicked = time.perf_counter()
    program.window.train_on(data)
    panel = program.window.page("explore").panel
    program.until(lambda: program.shows_a_picture and panel.sliders.visible_rows())
    seconds = time.perf_counter() - clicked
    program.close()
    return seconds


@dataclass
class Drag:
    """`seconds` from each move to the paint of that picture or a newer one; when it began and ended."""

    seconds: list[float]
    since: float
    till: float


def _drag(program: Program) -> Drag:
    """Drag the first slider like a hand does."""
    row = program.window.page("explore").panel.sliders.visible_rows()[0]
    return _moving(program, MOVES, row, lambda move: row.wanted.emit(2.5 * float(np.sin(move / 12.0))))


def _turn(program: Program, moves: int) -> Drag:
    """Turn the KL weight through its range like a hand does, with a picture that is encoded anew at each weight."""
    from PyQt6.QtWidgets import QSlider

    slider = program.window.page("explore").panel.weight.findChild(QSlider)
    middle = slider.maximum() / 2
    return _moving(program, moves, None, lambda move: slider.setValue(round(middle * (1 + np.sin(move / 12.0)))))


def _moving(program: Program, count: int, row: Any, move_to: Callable[[int], object]) -> Drag:
    """`count` times `move_to(number)`, at the pace of a hand, and how long until each is painted."""
    page = program.window.page("explore")
    view = page.stage.picture
    painted: list[tuple[float, int]] = []
    program.paints.pop(view, None)
    from PyQt6.QtCore import QEvent, QObject

    class Eye(QObject):
        def eventFilter(self, watched, event):
            if event is not None and event.type() == QEvent.Type.Paint:
                painted.append((time.perf_counter(), page._shown_ask))
            return False

    eye = Eye()
    view.installEventFilter(eye)
    moves: list[tuple[float, int]] = []
    if row is not None:
        row.pressed.emit()
    for move in range(count):
        began, before = time.perf_counter(), page._asked
        move_to(move)
        # where the throttle held the question back, the next one asked is this move's
        moves.append((began, page._asked if page._asked > before else page._asked + 1))
        program.until(lambda began=began: time.perf_counter() - began >= PACE)
    if row is not None:
        row.released.emit()
    program.until(lambda: painted and painted[-1][1] >= moves[-1][1])
    view.removeEventFilter(eye)
    seconds = [next(when for when, shown in painted if shown >= ask) - began for began, ask in moves]
    return Drag(seconds, moves[0][0], painted[-1][0])


def _report_drag(
    what: str, drag: Drag, median_limit: float | None, limit: float, stood_still: list[tuple[float, float]]
) -> None:
    ordered = sorted(1e3 * value for value in drag.seconds)
    values = {"median_ms": statistics.median(ordered), "p99_ms": ordered[int(0.99 * len(ordered))], "p99_limit": limit}
    if median_limit:
        values["median_limit"] = median_limit
    still = [1e3 * (till - since) for since, till in stood_still if drag.since < since < drag.till]
    report(what, **values, most_ms=ordered[-1], machine_most_ms=max(still, default=0.0))


def hand(model: str) -> None:
    """A scripted use: load, drag, train, drag while training, export. Delays, gaps of the event loop, memory."""
    from explorer.messages import Steps, Stop

    witnesses = [Witness(core) for core in os.sched_getaffinity(0)]
    program = Program()
    program.begin(model)
    program.listen()
    program.doing = "open a model"
    program.until(lambda: program.shows_a_picture)
    program.pause(1.0)
    program.doing = "drag"
    _drag(program)  # the first use warms caches
    idle = _drag(program)
    seen: list[object] = []
    program.bridge.run_message.connect(seen.append)
    settings = {one.name: one.default for one in program.bridge.settings}
    settings.update(network="conv", minutes=5.0)
    with tempfile.TemporaryDirectory() as folder:
        program.doing = "train"
        run = program.bridge.start_run(settings, str(Path(folder, "bench.keras")))
        program.until(lambda: sum(isinstance(one, Steps) for one in seen) > 20, 180)
        training = _drag(program)
        program.doing = "the page Train"
        program.window.show_page("train")
        program.pause(3.0)
        program.doing = "the page Make, export"
        program.window.show_page("make")
        _export(program, folder)
        program.bridge.tell_run(run, Stop())
        program.until(lambda: run not in program.bridge.running(), 120)
    stood_still = [still for witness in witnesses for still in witness.end()]
    _report_drag("slider to painted pixels, idle", idle, 16.0, 33.0, stood_still)
    _report_drag("slider to painted pixels, while training", training, None, 50.0, stood_still)
    for doing in dict.fromkeys(program.doings):
        longest = max(gap for gap, what in zip(program.gaps, program.doings, strict=True) if what == doing)
        _report_gap(f"event loop's longest gap: {doing}", longest, stood_still)
    gaps = sorted(1e3 * gap[0] for gap in program.gaps)
    report("event loop's gaps", longest_ms=gaps[-1], p999_ms=gaps[int(0.999 * len(gaps))], longest_limit=50.0)
    report("window process, MB", resident=program.process.memory_info().rss / 2**20, limit=250.0)
    program.close()


def _report_gap(what: str, gap: tuple[float, ...], stood_still: list[tuple[float, float]]) -> None:
    """One gap: how long, of that at work and waiting for a core, and how long a core of the machine gave nothing."""
    long, work, waiting, end = gap
    still = max((min(end, till) - max(end - long, since) for since, till in stood_still), default=0.0)
    report(
        what, ms=1e3 * long, at_work_ms=1e3 * work, waiting_for_core_ms=1e3 * waiting, machine_ms=1e3 * max(0.0, still)
    )


class Witness:
    """A process that does nothing but wake up every millisecond on one core: where it oversleeps,
    the machine stood still."""

    _LOOP = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
before = time.perf_counter()
while os.getppid() == int(sys.argv[2]):
    time.sleep(0.001)
    now = time.perf_counter()
    if now - before > 0.005:
        print(before, now, flush=True)
    before = now
"""

    def __init__(self, core: int) -> None:
        command = [sys.executable, "-c", self._LOOP, str(core), str(os.getpid())]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def end(self) -> list[tuple[float, float]]:
        """From when to when it overslept by 4 ms and more; the clock is `time.perf_counter`'s."""
        self._process.terminate()
        lines = self._process.communicate()[0].splitlines()
        return [(float(since), float(till)) for since, till in map(str.split, lines)]


def _export(program: Program, folder: str) -> None:
    from explorer.messages import Exported, ExportMorph

    model = program.bridge.model
    assert model is not None
    way = np.linspace(model.latents[0], model.latents[1], 60).astype("float32")
    ended: list[object] = []
    program.bridge.ask(
        ExportMorph(str(Path(folder, "morph.mp4")), way, 30.0, 256),
        lambda answer: ended.append(answer) if isinstance(answer, Exported) else None,
        failed=ended.append,
    )
    program.until(lambda: ended, 120)


def weight(model: str) -> None:
    """A model of a range of weights: from a turn of the KL weight to the painted picture, beside a slider's drag.

    The picture is the stored one that the model opens with. Then the same for a point that was moved by hand.
    """
    witnesses = [Witness(core) for core in os.sched_getaffinity(0)]
    program = Program()
    program.begin(model)
    program.until(lambda: program.shows_a_picture)
    program.pause(2.0)
    page = program.window.page("explore")
    parts: dict[str, Drag] = {}
    _turn(program, WEIGHTS)  # the first use warms caches
    for turn in range(2):  # in turns: the machine may be busier at one time than at another
        parts[f"weight to painted pixels, encoded anew ({turn + 1})"] = _turn(program, WEIGHTS)
        program.pause(1.0)
        start = page.history.state
        parts[f"slider to painted pixels ({turn + 1})"] = _drag(program)
        parts[f"weight to painted pixels, decoded ({turn + 1})"] = _turn(program, WEIGHTS)
        page._change(start, "back")
        program.pause(1.0)
    stood_still = [still for witness in witnesses for still in witness.end()]
    for what, drag in parts.items():
        _report_drag(what, drag, 16.0, 50.0, stood_still)
    report("load of the machine", minute=os.getloadavg()[0], cores=os.cpu_count() or 0)
    program.close()


def map_panning(model: str) -> None:
    """Frames per second of the map with 10,000 thumbnails while it is panned and zoomed."""
    from PyQt6.QtWidgets import QApplication

    from explorer.map.scatter import ScatterView
    from explorer.widgets import theme

    app = QApplication.instance() or QApplication([])
    theme.apply(app)
    random = np.random.default_rng(0)
    places = random.standard_normal((10_000, 2))
    small = random.integers(0, 256, (10_000, 8, 8, 3), np.uint8)
    view = ScatterView()
    view.resize(1000, 700)
    view.add_thumbnails(np.repeat(np.repeat(small, 8, 1), 8, 2))
    view.set_places(places, [theme.palette().accent], np.zeros(10_000, int), refit=True)
    view.show()
    app.processEvents()
    for zoomed, name in ((0, "all of it"), (6, "close")):
        for _ in range(zoomed):
            view.zoom(1.5)
        times = []
        for frame in range(120):
            began = time.perf_counter()
            view._go(view.view.moved(4.0 * np.cos(frame / 9), 4.0 * np.sin(frame / 9)))
            view.repaint()
            app.processEvents()
            times.append(time.perf_counter() - began)
        middle = statistics.median(times[20:])
        slow = sorted(times[20:])[-2]
        report(f"map of 10,000, {name}", frames_per_second=1 / middle, p99_ms=1e3 * slow, frames_limit=30.0)


PARTS = {"start": start, "welcome": welcome, "hand": hand, "weight": weight, "map": map_panning}

if __name__ == "__main__":
    main()
