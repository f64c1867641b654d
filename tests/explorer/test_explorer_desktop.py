"""The entry in the desktop's menu: what it starts, its icon, and the type of model files."""

import configparser
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from explorer import app, desktop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="desktop entries are for Linux")


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


def test_the_entry_starts_the_program_with_the_file_it_is_given(data):
    desktop.install("/opt/my programs/kvae-explorer")
    entry = configparser.ConfigParser(interpolation=None)
    entry.optionxform = str
    entry.read(data / "applications" / "kvae-explorer.desktop")
    found = entry["Desktop Entry"]
    assert found["Exec"] == '"/opt/my programs/kvae-explorer" %f'
    assert found["MimeType"] == "application/x-kvae-model;" and found["Icon"] == "kvae-explorer"


def test_special_characters_of_a_path_are_escaped_twice_in_the_entry(data):
    desktop.install('/opt/$a"%b/kvae-explorer')
    text = (data / "applications" / "kvae-explorer.desktop").read_text()
    assert r'Exec="/opt/\\$a\\"%%b/kvae-explorer" %f' in text


def test_keras_files_get_the_type_that_the_entry_takes(data):
    desktop.install("/bin/kvae-explorer")
    root = ElementTree.parse(data / "mime" / "packages" / "kvae-explorer.xml").getroot()
    space = {"m": "http://www.freedesktop.org/standards/shared-mime-info"}
    found = root.find("m:mime-type", space)
    assert found.get("type") == "application/x-kvae-model" and found.find("m:glob", space).get("pattern") == "*.keras"


def test_the_command_line_says_what_was_written_and_ends(data, capsys):
    assert app.main(["--install-desktop-entry"]) == 0
    written = capsys.readouterr().out.split("\n")
    assert any(line.endswith("kvae-explorer.desktop") for line in written)
    assert (data / "icons" / "hicolor" / "scalable" / "apps" / "kvae-explorer.svg").is_file()


def test_a_folder_that_cannot_be_written_to_is_one_sentence(data, capsys, monkeypatch):
    (data / "file").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(data / "file"))
    assert app.main(["--install-desktop-entry"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("kvae-explorer: the desktop entry was not installed") and error.count("\n") == 1
