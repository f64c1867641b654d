"""The table of keys: whatever listens to a key asks it, and the sheet of keys shows all of it."""

import re
from collections import Counter
from pathlib import Path

import pytest
from PyQt6.QtCore import QEvent, QSettings, Qt
from PyQt6.QtGui import QAction, QKeyEvent, QKeySequence, QShortcut
from PyQt6.QtWidgets import QAbstractButton, QDialog, QLabel

import explorer
from explorer.widgets import keys
from explorer.widgets.preferences import Preferences
from explorer.window.pages import PAGES
from explorer.window.window import MainWindow

_SOURCES = {path: path.read_text() for path in Path(explorer.__file__).parent.rglob("*.py") if path.name != "keys.py"}
_OF_ITS_OWN = re.compile(r"Qt\.Key\.Key_|setShortcuts?\(\[?[\"']|QKeySequence\([\"']|StandardKey|QShortcut\([\"']")


def test_nothing_listens_to_a_key_that_is_not_in_the_table():
    assert [path.name for path, text in _SOURCES.items() if _OF_ITS_OWN.search(text)] == []


@pytest.mark.parametrize("name", keys.KEYS)
def test_every_key_of_the_table_does_something(name):
    assert any(f'"{name}"' in text for text in _SOURCES.values())


@pytest.fixture
def window(qtbot, fake_bridge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = MainWindow(fake_bridge, Preferences(QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat)))
    qtbot.addWidget(made)
    made.show()
    for name in PAGES:
        made.page(name)
    return made


def test_the_sheet_shows_the_whole_table_and_what_the_mouse_does(window):
    window.menus.show_shortcuts()
    texts = [label.text() for label in window.findChild(QDialog).findChildren(QLabel)]
    for key in keys.KEYS.values():
        assert key.does in texts and key.where in texts
    assert all(keys.words(name) in texts for name in keys.KEYS)
    assert all(hand in texts and does in texts for hand, does in keys.HANDS)


def test_no_key_means_two_things_in_one_place(window):
    outside = [one for menu in window.menus.bar.actions() for one in menu.menu().actions()]
    of_explore = window.page("explore").actions()  # they stand in a menu, too
    for page in (window.page(name) for name in PAGES):
        inside = [one for kind in (QAction, QShortcut, QAbstractButton) for one in page.findChildren(kind)]
        others = [one for one in outside if one not in of_explore and one not in inside]
        heard = Counter(key for one in [*inside, *others] for key in _keys_of(one))
        assert [key for key, count in heard.items() if count > 1] == [], page


def _keys_of(one) -> list[str]:
    """The keys of an action, a shortcut or a button, but for underlined letters."""
    found = (
        one.shortcuts() if isinstance(one, QAction) else [one.key() if isinstance(one, QShortcut) else one.shortcut()]
    )
    return [key.toString() for key in found if not key.isEmpty() and not key.toString().startswith("Alt+")]


def _press(key, modifiers=Qt.KeyboardModifier.NoModifier) -> QKeyEvent:
    return QKeyEvent(QEvent.Type.KeyPress, key, modifiers)


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, one in keys.KEYS.items() for key in one.keys])
def test_a_key_is_told_from_the_same_with_another_modifier(name, key):
    combination = QKeySequence(key)[0]
    for keypad in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier):
        assert keys.pressed(name, _press(combination.key(), combination.keyboardModifiers() | keypad))
    other = combination.keyboardModifiers() ^ Qt.KeyboardModifier.MetaModifier
    assert not keys.pressed(name, _press(combination.key(), other))


def test_plus_is_plus_wherever_the_keyboard_has_it():
    assert keys.pressed("closer", _press(Qt.Key.Key_Plus, Qt.KeyboardModifier.ShiftModifier))
    assert not keys.pressed("lock", _press(Qt.Key.Key_L, Qt.KeyboardModifier.ShiftModifier))
