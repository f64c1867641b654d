"""Drives the real program as a person does, in the process it starts in, and prints what it saw as one JSON line.

python driver.py sliders MODEL          drag a slider with the mouse, take it back, throw the dice
python driver.py weights PICTURES       train with weight 1 and then with 0.1 from the window
python driver.py busy MODEL PICTURES    train, write a film and lay out the map until the program is ended; says "busy"
"""

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Waits = Iterator[Callable[[], Any]]
PATIENCE = 120.0  # seconds for one thing to happen


def sliders(window: Any, seen: dict[str, Any]) -> Waits:
    """With the mouse: a slider is dragged, and Ctrl+Z takes it back."""
    from PyQt6.QtCore import QPoint, Qt
    from PyQt6.QtTest import QTest

    page = window.page("explore")
    view = page.stage.picture
    yield lambda: page.isVisible() and page._decoded
    yield lambda: page.panel.sliders.visible_rows()
    before, row = view.image.copy(), page.panel.sliders.visible_rows()[0]
    handle = QPoint(round(row.handle_x()), row._line())
    QTest.mousePress(row, Qt.MouseButton.LeftButton, pos=handle)
    for step in range(1, 41):
        QTest.mouseMove(row, handle + QPoint(2 * step, 0))
        yield lambda: True
    QTest.mouseRelease(row, Qt.MouseButton.LeftButton, pos=handle + QPoint(80, 0))
    yield lambda: page._shown_ask == page._asked and not np.array_equal(view.image, before)
    seen["steps_to_undo"] = page.undo_stack.count()
    seen["latents"] = [float(value) for value in page.point()]
    seen["image"] = view.image.tolist()
    view.set_smooth(False)
    yield lambda: True
    shown, room, ratio = view.grab().toImage(), view.picture_rect(), view.devicePixelRatioF()
    height, width = view.image.shape[:2]
    middle = [
        shown.pixelColor(
            int((room.x() + (x + 0.5) * room.width() / width) * ratio),
            int((room.y() + (y + 0.5) * room.height() / height) * ratio),
        ).getRgb()[:3]
        for y in range(height)
        for x in range(width)
    ]
    seen["on_screen"] = np.array(middle).reshape(height, width, 3).tolist()
    QTest.keyClick(page, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    yield lambda: page._shown_ask == page._asked and np.array_equal(view.image, before)
    seen["undone"] = True


def weights(window: Any, seen: dict[str, Any]) -> Waits:
    """From the form: a run with weight 1, then "retrain with weight" 0.1, turned to 0.2 while it trains."""
    from PyQt6.QtCore import Qt
    from PyQt6.QtTest import QTest

    bridge = window.bridge
    yield lambda: bridge.settings
    window.show_page("train")
    page = window.page("train")
    yield lambda: page.form.fields
    settings = {one.name: one.default for one in bridge.settings}
    settings.update(data=sys.argv[2], size=16, latent_dim=8, batch_size=16, epochs=3, kl_weight=1.0, network="conv")
    assert page.form.fill(settings), page.form.complaint.text()
    QTest.mouseClick(page.form.button, Qt.MouseButton.LeftButton)
    yield lambda: page.runs and next(iter(page.runs.values())).path
    page.table.weight.setText("0.1")
    QTest.mouseClick(page.table.retrain, Qt.MouseButton.LeftButton)
    yield lambda: len(page.runs) == 2 and len(page.runs[2].terms) > 0
    page.bar.turned.emit(0.2)
    yield lambda: page.runs[2].path
    yield lambda: bridge.model is not None
    for number, run in page.runs.items():
        seen[f"run {number}"] = {
            "path": run.path,
            "weight": [float(value) for value in run.values("kl_weight")],
            "loss": [float(value) for value in run.values("loss")],
        }
    seen["rows"] = page.table.table.rowCount()
    window.show_page("train")
    yield lambda: page.curves.isVisible()
    seen["legend"] = [button.text() for button in page.curves.legend.runs.values()]


def busy(window: Any, seen: dict[str, Any]) -> Waits:
    """Everything at once, without an end."""
    from explorer.messages import ExportMorph, Progress, Steps

    bridge, heard = window.bridge, list[Any]()
    yield lambda: bridge.settings and window.page("explore")._decoded
    settings = {one.name: one.default for one in bridge.settings}
    settings.update(data=sys.argv[3], size=16, latent_dim=6, batch_size=8, minutes=30.0, network="conv")
    bridge.run_message.connect(heard.append)
    window.page("train").start(settings)
    film = ExportMorph("films/a.mp4", np.zeros((100_000, bridge.model.latent_dim), np.float32), 30.0, 256)
    bridge.ask(film, heard.append)
    bridge.warm_trainer()
    yield lambda: {Steps, Progress} <= {type(one) for one in heard}
    window.page("map").read()
    print("busy", flush=True)
    yield lambda: False


def screenshots(window: Any, seen: dict[str, Any]) -> Waits:
    """Every page in use. Trains twice on the sample paintings, for two minutes and a half in all."""
    home = Path(__file__).parents[2] / "docs"
    window.resize(1360, 740)
    explore = window.page("explore")
    yield lambda: explore.isVisible() and explore._decoded
    for number in (5, 33, 20):
        explore.go_to(window.bridge.model.latents[number], f"painting {number}")
        yield lambda: explore._shown_ask == explore._asked
        explore.add_bookmark()
    yield from _rest(3.0)
    window.grab().save(str(home / "explore.png"))
    map_page = window.page("map")
    window.show_page("map")
    yield lambda: map_page._done is not None
    map_page.select(int(np.argmin(np.square(map_page.scatter.places - [0.5, 0.5]).sum(axis=1))))
    yield from _rest(2.0)
    window.grab().save(str(home / "map.png"))
    yield from _train_twice(window)
    window.grab().save(str(home / "train.png"))
    compare = window.page("compare")
    window.show_page("compare")
    compare.add_model(sys.argv[2])
    yield lambda: len(compare.comparison.rows) == len(compare.comparison.models)
    yield from _rest(1.0)
    window.grab().save(str(home / "compare.png"))
    window.show_page("make")
    yield from _rest(8.0)
    window.grab().save(str(home / "make.png"))


def _train_twice(window: Any) -> Waits:
    """Weight 1, then weight 0.1 turned to 0.02 on the way."""
    window.show_page("train")
    page, bridge = window.page("train"), window.bridge
    yield lambda: page.form.fields
    page.form.fill({**{one.name: one.default for one in bridge.settings}, "minutes": 1.2, "kl_weight": 1.0})
    page.form.submit()
    yield lambda: page.runs[max(page.runs)].path
    page.table.weight.setText("0.1")
    page.table.retrain.click()
    yield lambda: page.runs[max(page.runs)].progress > 0.5
    page.bar.turned.emit(0.02)
    yield lambda: page.runs[max(page.runs)].progress > 0.9


def _rest(seconds: float) -> Waits:
    """What a person does between two moves."""
    end = time.monotonic() + seconds
    yield lambda: time.monotonic() > end


def main() -> None:
    """Start the program as its command does, with one of the plays above for a person."""
    from explorer import app

    def begin() -> None:
        from PyQt6.QtCore import QTimer
        from PyQt6.QtWidgets import QApplication

        from explorer.window.window import MainWindow

        window = next(one for one in QApplication.topLevelWidgets() if isinstance(one, MainWindow))
        play, state = PLAYS[sys.argv[1]](window, seen), {"until": None, "end": time.monotonic() + PATIENCE}
        beat = QTimer(window)

        def step() -> None:
            met = state["until"]
            if met is not None and not met():
                if time.monotonic() > state["end"]:
                    seen["gave_up"] = True
                    beat.stop()
                    window.leave()
                return
            try:
                state.update(until=next(play), end=time.monotonic() + PATIENCE)
            except StopIteration:
                beat.stop()
                window.leave()

        beat.timeout.connect(step)
        beat.start(10)

    from PyQt6.QtWidgets import QMainWindow

    shown = QMainWindow.showEvent

    def on_show(window: Any, event: Any) -> None:
        from PyQt6.QtCore import QTimer

        shown(window, event)
        if not seen:
            seen["platform"] = _platform()
            QTimer.singleShot(0, begin)

    seen: dict[str, Any] = {}
    QMainWindow.showEvent = on_show  # type: ignore[method-assign]
    seen_code = app.main([] if sys.argv[1] == "weights" else [sys.argv[2]])
    spared = gc.isenabled() and gc.get_freeze_count() > 0  # walks over what is newer than the window, and only that
    print(json.dumps({**seen, "code": seen_code, "tensorflow": "tensorflow" in sys.modules, "spared": spared}))


def _platform() -> str:
    from PyQt6.QtGui import QGuiApplication

    return QGuiApplication.platformName()


PLAYS = {"sliders": sliders, "weights": weights, "busy": busy, "screenshots": screenshots}

if __name__ == "__main__":
    assert Path(sys.argv[2]).exists()
    main()
