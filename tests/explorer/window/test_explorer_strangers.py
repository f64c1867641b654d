"""A window full of names that are made to do something: each is shown as what it is, wherever it appears."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtCore import QSettings, Qt
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QLabel,
    QListWidget,
    QTableWidget,
    QWidget,
)

from explorer.messages import (
    Compare,
    Compared,
    Delivered,
    LookInto,
    MapDone,
    MapPart,
    Originals,
    ReadMap,
    RunFailed,
    Said,
    Unread,
    Working,
)
from explorer.widgets.offers import Offered
from explorer.widgets.preferences import Preferences
from explorer.widgets.save_sheet import SaveSheet
from explorer.window.pages import PAGES
from explorer.window.window import MainWindow

NASTY = {
    "image": "<img src=zero>",
    "bold": "<b>bold<br>",
    "entity": "&lt;b&gt; &more",
    "codes": "\x1b[2J\x07",
    "turned": "a\u202egnp",
    "lines": "one\ntwo\u2028three",
    "long": "<i>" * 3_000,
    "bytes": "\udcff.png",
}


@pytest.fixture
def window(qtbot, fake_bridge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = MainWindow(fake_bridge, Preferences(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat)), PAGES)
    qtbot.addWidget(made, before_close_func=lambda one: fake_bridge._running.clear())
    made.resize(1366, 700)
    made.show()
    return made


def fill(window, bridge, info, name: str, folder: Path) -> None:
    """Have `name` appear in everything that shows text of others."""
    path = f"/elsewhere/{name}/{name}.keras"
    few = folder / f"{name[:60]}.keras"
    few.touch()
    window.preferences.add_recent(str(few))
    window.preferences.agree(f"/pictures/{name}")
    window.welcome.show_progress(f"reading {name}")
    window._expected.by_hand = path
    bridge.give_model(replace(info, path=path, name=name, settings={"data": f"/pictures/{name}"}))
    for page in PAGES:
        window.show_page(page)
    fill_map(window, bridge, name)
    fill_compare(window, bridge, name, path)
    fill_train(window, bridge, name)
    explore = window.page("explore")
    explore.go_to(np.ones(8, np.float32), name)
    explore.stage.say(f"{name} was turned upright.")
    explore.notice.show_error(f"{name} is no picture.")
    explore.bookmarks.add(np.ones(8, "float32"))
    explore.bookmarks.rename(0, name)
    window.page("make")._fill_menu()
    fill_sheets(window, bridge, name)
    bridge.open_failed.emit(f"{name} is damaged.")
    window.status.set_opening(path)


def fill_sheets(window, bridge, name: str) -> None:
    window.train_on(f"/pictures/{name}")
    bridge.fail(bridge.last(LookInto)[0], f"There is no picture in {name} that kvae reads.")
    SaveSheet(window.preferences, Offered(np.zeros((8, 8, 3), np.uint8), name), window).open()
    window.takeaway.show_alone(Offered(np.zeros((8, 8, 3), np.uint8), name))


def fill_map(window, bridge, name: str) -> None:
    window.show_page("map")
    ticket = bridge.last(ReadMap)[0]
    latents = np.random.default_rng(1).standard_normal((6, 8)).astype(np.float32)
    bridge.answer(ticket, Unread(name, f"/pictures/{name}"))
    folders = tuple(f"{name}{number % 2}" for number in range(6))
    bridge.answer(ticket, MapPart(6, 6, latents, np.zeros((6, 8, 8, 3), np.uint8), (name,) * 6, folders))
    bridge.answer(
        ticket, MapDone(latents.mean(0), np.eye(8, dtype=np.float32), np.full(8, 0.1), f"{name} has changed.")
    )
    window.page("map").select(2)


def fill_compare(window, bridge, name: str, path: str) -> None:
    page = window.page("compare")
    page.set_known([path, f"/else/{name}"])
    page.add_models([path, "/nowhere/b.keras"])
    page._fill_menu()
    page._ask()
    ticket = bridge.last(Compare)[0]
    images = np.zeros((2, 8, 8, 3), np.uint8)
    bridge.answer(ticket, Originals(images))
    bridge.answer(ticket, Compared(page.comparison.models[0], name, images))
    bridge.answer(ticket, Compared("/nowhere/b.keras", "b", images[:0], failure=f"{name} is damaged."))
    page.notice.show_error(f"{name} could not be written.")


def fill_train(window, bridge, name: str) -> None:
    page = window.page("train")
    for last in (Delivered, RunFailed, Said, Working):
        page._begin({"data": f"/pictures/{name}", "kl_weight": 0.1}, "x")
        run = max(page.runs)
        bridge.say(Said(run, f"{name} was skipped."))
        if last is Delivered:
            bridge.say(Delivered(run, f"/models/{name}.keras", "", False, {}))
        elif last is RunFailed:
            bridge.say(RunFailed(run, f"{name} is not there."))
        elif last is Working:
            bridge.say(Working(run, 1, 2, name))
        page._redraw()
    page.form.fields["data"].set_value(f"/pictures/{name}")
    page.form.complain(f"{name} is not there any more.")
    page._tell(f"Saved {name}")


def texts(window) -> list[tuple[str, str, bool]]:
    """(where, text, whether Qt guesses if it is markup) of everything that can be read in the window."""
    found = []
    for widget in [window, *window.findChildren(QWidget)]:
        where = f"{type(widget).__name__} {widget.objectName()}"
        found += [(f"{where} tip", widget.toolTip(), True), (f"{where} title", widget.windowTitle(), False)]
        found.append((f"{where} name", widget.accessibleName(), False))
        if isinstance(widget, QLabel):
            found.append((where, widget.text(), widget.textFormat() != Qt.TextFormat.PlainText))
        elif isinstance(widget, QAbstractButton):
            found.append((where, widget.text(), False))
        elif isinstance(widget, QComboBox):
            found += [(where, widget.itemText(place), False) for place in range(widget.count())]
        elif isinstance(widget, QListWidget):
            items = [widget.item(row) for row in range(widget.count())]
            found += [pair for one in items for pair in ((where, one.text(), False), (where, one.toolTip(), True))]
        elif isinstance(widget, QTableWidget):
            places = [(row, column) for row in range(widget.rowCount()) for column in range(widget.columnCount())]
            items = [widget.item(*place) for place in places if widget.item(*place) is not None]
            found += [pair for one in items for pair in ((where, one.text(), False), (where, one.toolTip(), True))]
    for action in window.findChildren(QAction):
        found += [("action", action.text(), False), ("action tip", action.toolTip(), action.toolTip() != action.text())]
    table = window.page("compare").table
    found += [("compared", one.words, False) for one in table.drawing.texts()]
    return [one for one in found if one[1]]


@pytest.mark.parametrize("case", NASTY)
def test_no_text_of_a_stranger_does_anything_in_the_window(window, fake_bridge, model_info, tmp_path, is_markup, case):
    own = {(where, text) for where, text, _ in texts(window)}
    fill(window, fake_bridge, model_info, NASTY[case], tmp_path)
    strange = [one for one in texts(window) if one[:2] not in own]
    for where, text, guessed in strange:
        assert not (guessed and is_markup(text)), (where, text[:200])
        parts = text.split("\n") if guessed else [text]
        assert all(part.replace("\u2060", "").isprintable() for part in parts), (where, text[:200])
        assert len(text) <= 2_000, (where, len(text))
    marks = {"image": "img", "bold": "bold", "entity": "more", "codes": "␛[2J␇", "turned": "\ufffdgnp"}
    marks |= {"lines": "one␊two", "long": "<i><i>", "bytes": "\ufffd.png"}
    told = [where for where, text, _ in strange if marks[case] in text.replace("\u2060", "").replace("&&", "&")]
    assert len(told) > 20, "it is shown, as what it is"
