"""The pages as they are, in the window."""

import pytest
from PyQt6.QtCore import QSettings, Qt
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import QAbstractButton, QLineEdit, QWidget

from explorer.messages import Balanced
from explorer.train.legend import Legend
from explorer.widgets import theme
from explorer.widgets.preferences import Preferences
from explorer.window.pages import PAGES, Page
from explorer.window.window import MainWindow


class Toy(QWidget):
    """A page that no other knows."""

    def __init__(self, bridge, preferences):
        super().__init__()


TOY = Page("Toy", "ph.cube", "Nothing to see", lambda: Toy)


@pytest.fixture
def window(qtbot, fake_bridge, model_info, tmp_path, monkeypatch):
    """All pages made and one more, with a model and one that was opened before."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "before.keras").touch()
    preferences = Preferences(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat))
    preferences.add_recent(str(tmp_path / "before.keras"))
    made = MainWindow(fake_bridge, preferences, {**PAGES, "toy": TOY})
    qtbot.addWidget(made)
    made.show()
    fake_bridge.give_model(model_info)
    for name in PAGES:
        made.show_page(name)
    made.pages["compare"].add_models([model_info.path])
    yield made
    theme.choose("system")


def drawn(one: QAbstractButton | QAction) -> bytes:
    image = one.icon().pixmap(16, 16).toImage()
    return bytes(image.constBits().asarray(image.sizeInBytes()))


def test_a_page_needs_nothing_but_its_row_in_the_table(window, qtbot):
    qtbot.mouseClick(window.rail.buttons["toy"], Qt.MouseButton.LeftButton)
    assert isinstance(window.stack.currentWidget(), Toy)
    window.show_page("map")
    window.activateWindow()
    qtbot.keyClick(window, getattr(Qt.Key, f"Key_{len(PAGES) + 1}"), Qt.KeyboardModifier.ControlModifier)
    assert isinstance(window.stack.currentWidget(), Toy) and window.rail.current() == "toy"


def test_every_icon_follows_the_appearance(window):
    others = QLineEdit | Legend  # Qt's own, and a quantity whose colour is the same on both grounds
    shown = [one for kind in (QAbstractButton, QAction) for one in window.findChildren(kind)]
    shown = [one for one in shown if not (one.icon().isNull() or isinstance(one.parent(), others))]
    assert len(shown) > 30
    theme.choose("light")
    light = [drawn(one) for one in shown]
    theme.choose("dark")
    kept = [one for one, before in zip(shown, light, strict=True) if drawn(one) == before]
    assert [one.text() or one.toolTip() for one in kept] == []


def test_the_window_goes_down_to_a_thousand_by_six_hundred(window, fake_bridge, qtbot):
    train = window.page("train")
    qtbot.waitUntil(lambda: bool(train.form.fields))
    train.start({"kl_weight": 0.1})
    fake_bridge.say(Balanced(1, 3, 2.0, 1.0, -0.5, 0.3))
    for name in (*PAGES, "explore"):
        window.show_page(name)
        qtbot.wait(20)
        least = window.centralWidget().widget().minimumSizeHint()
        assert least.width() <= 1000 and least.height() <= 600 - window.menus.bar.height(), (name, least)
    window.show_page("explore")
    assert window.centralWidget().widget().minimumSizeHint().width() < 700, "the width of another page is none of its"
    window.show_page("train")
    qtbot.wait(20)
    least = window.centralWidget().widget().minimumSizeHint()
    for size in ((1000, 600), (911, 512)):  # the second is a screen of 1366×768 at one and a half
        window.resize(*size)
        qtbot.wait(20)
        area = window.centralWidget()
        assert (window.width(), window.height()) == size
        assert (area.horizontalScrollBar().maximum() > 0) == (size[0] < least.width())
        window.notice.show_error("A sentence.")
        assert area.rect().contains(window.notice.geometry()), "in view, wherever the page is scrolled to"
