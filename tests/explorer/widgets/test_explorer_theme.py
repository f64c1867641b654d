"""The look, the words and what is remembered."""

import pytest
from PyQt6.QtCore import QByteArray, QSettings
from PyQt6.QtWidgets import QLabel

from explorer.widgets import terms, theme
from explorer.widgets.preferences import Preferences


@pytest.fixture(autouse=True)
def follow_the_system(qapp):
    yield
    theme.choose("system")
    qapp.setStyleSheet("")


@pytest.fixture
def preferences(tmp_path) -> Preferences:
    return Preferences(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["ink", "quiet", "error", "accent"])
@pytest.mark.parametrize("ground", ["background", "surface"])
def test_text_can_be_read_on_its_ground(colours, name, ground):
    assert _contrast(getattr(colours, name), getattr(colours, ground)) >= 4.5


def test_choosing_dark_changes_a_window_that_is_open_and_says_so(qtbot, qapp):
    theme.apply(qapp)
    label = QLabel()
    qtbot.addWidget(label)
    with qtbot.waitSignal(theme.notifier.changed):
        theme.choose("dark")
    assert theme.is_dark() and theme.palette() is theme.DARK
    assert label.palette().window().color().name() == theme.DARK.background
    with qtbot.waitSignal(theme.notifier.changed):
        theme.choose("light")
    assert label.palette().window().color().name() == theme.LIGHT.background


def test_an_unknown_scheme_is_the_system_s(qapp):
    theme.choose("sepia")
    assert theme.scheme() == "system"


def test_an_icon_is_drawn_in_ink(qapp):
    image = theme.icon("ph.x").pixmap(32, 32).toImage()
    shades = {
        image.pixelColor(x, y).name() for x in range(32) for y in range(32) if image.pixelColor(x, y).alpha() == 255
    }
    assert shades == {theme.palette().ink}


def test_colours_are_mixed_by_share():
    assert theme.mixed("#000000", "#ffffff", 0.5) == "#808080"
    assert theme.mixed("#102030", "#ffffff", 0.0) == "#102030"


@pytest.mark.parametrize("name", terms.TERMS)
def test_every_term_is_explained_in_full_sentences(name):
    assert terms.TERMS[name].endswith(".") and terms.TERMS[name][0].isupper()
    assert "  " not in terms.TERMS[name]


def test_a_word_without_a_label_is_shown_in_plain_words():
    assert terms.label("kl_weight") == "How strongly to smooth (KL weight)"
    assert terms.label("frames_per_second") == "Frames per second"
    assert terms.explain("nothing like this") == ""


@pytest.mark.parametrize("value", [True, False, 3, 0.25, "dark", ["a", "b"], {"kl_weight": 0.1}])
def test_a_preference_comes_back_as_what_it_was(preferences, tmp_path, value):
    preferences.set("key", value)
    preferences.sync()
    again = Preferences(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))
    assert again.get("key") == value
    assert type(again.get("key")) is type(value)


def test_a_preference_of_another_kind_reads_as_the_default(preferences):
    preferences.set("side", "broad")
    assert preferences.get("side", 12) == 12
    assert preferences.get("side", [1]) == [1]
    assert preferences.get("side", QByteArray(b"x")) == QByteArray(b"x")
    preferences.set("side", None)
    assert preferences.get("side") is None


def test_damaged_settings_read_as_the_default(tmp_path):
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    settings.setValue("recent", "[not json")
    settings.setValue("page", ["a", "list"])
    assert Preferences(settings).recent == []
    assert Preferences(settings).get("page", "explore") == "explore"


def test_recent_files_are_newest_first_without_those_that_are_gone(preferences, tmp_path):
    paths = [tmp_path / f"{name}.keras" for name in "abc"]
    for path in paths:
        path.touch()
        preferences.add_recent(str(path))
    preferences.add_recent(str(paths[0]))
    assert preferences.recent == [str(paths[0]), str(paths[2]), str(paths[1])]
    paths[2].unlink()
    assert preferences.recent == [str(paths[0]), str(paths[1])]


def test_preferences_are_written_off_the_event_loop_and_keep_what_others_wrote(preferences, tmp_path):
    kept = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    kept.setValue("theirs", '"kept"')
    kept.sync()
    preferences.set("ours", 1)
    preferences.set("gone", 2)
    preferences.set("gone", None)
    preferences.sync()
    again = Preferences(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))
    assert (again.get("ours"), again.get("theirs"), again.get("gone")) == (1, "kept", None)
