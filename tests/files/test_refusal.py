"""Text of strangers on its way to a terminal or a report."""

import pytest

from kvae.cli.display import Json, Live, Plain
from kvae.files.refusal import line
from kvae.images.folder import Listing, write_report
from kvae.images.scanning import Skipped

NASTY = ("\x1b[2J\x07", "a\u202egnp", "one\ntwo\r\u2028", "x" * 10_000, "\udcff.png", "\x9b2J", "[red]x[/red]")


@pytest.mark.parametrize("text", NASTY)
def test_a_line_is_one_bounded_line_that_does_nothing(text):
    assert line(text).isprintable() and len(line(text)) <= 1_000
    line(text).encode("utf-8")


def test_what_does_nothing_stays_as_it_is():
    assert line("[red] “日本” 👩\u200d🎨 <b>.png") == "[red] “日本” 👩\u200d🎨 <b>.png"
    assert line("\x1b[2J") == "␛[2J"


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("kind", [Json, Plain, Live])
def test_a_display_prints_no_code_of_a_name(kind, text, capsys):
    display = kind()
    try:
        display.on_message(f"{text} was skipped")
    finally:
        display.close()
    told = "".join(capsys.readouterr()).replace("\n", "")
    assert told.isprintable() and told.replace(" ", "") == line(f"{text} was skipped").replace(" ", "")


def test_a_report_has_one_line_for_each_picture_whatever_its_name(tmp_path):
    skipped = tuple(Skipped(text, "is damaged") for text in NASTY)
    path = write_report(tmp_path / "r.txt", tmp_path, Listing({}, skipped, (), ()))
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) == 1 + len(NASTY) and all(part.isprintable() for one in lines for part in one.split("\t"))
