"""Names that are made to do something: as one line, in Qt, in tables."""

import csv
import io

import pytest

from explorer.safe_text import caption, cell, line, plain

NASTY = {
    "an image": "<img src=/dev/zero>",
    "bold": "<b>bold</b>",
    "an entity": "&lt;b&gt; & more",
    "spaced": "  <  b >x",
    "a comment": "<!-- <b>x</b> -->",
    "xml": "<?xml version='1.0'?><p>x</p>",
    "escape codes": "\x1b[2J\x1b]0;title\x07",
    "turned": "art\u202egnp.exe",
    "isolated": "\u2066art\u2069",
    "lines": "one\ntwo\rthree\u2028four\u2029five\x0bsix\x85seven",
    "long": "x" * 10_000,
    "long and marked": "<b>" * 5_000,
    "not text": "\udcff\udc80.png",
    "nothing": "",
    "a formula": '=HYPERLINK("http://x")',
    "console markup": "[red]x[/red]",
}


@pytest.mark.parametrize("case", NASTY)
def test_a_line_is_one_bounded_line_of_visible_characters(case):
    shown = line(NASTY[case])
    assert shown.isprintable() and len(shown) <= 400 and line(shown) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize("case", NASTY)
def test_qt_takes_no_plain_text_for_markup(is_markup, case):
    shown = plain(NASTY[case])
    assert not is_markup(shown) and len(shown) <= 5_000
    assert all(part.replace("\u2060", "").isprintable() for part in shown.split("\n"))


def test_qt_would_have_taken_some_of_them_for_markup(is_markup):
    assert {case for case, text in NASTY.items() if is_markup(text)} >= {"an image", "bold", "an entity"}


def test_plain_text_reads_as_the_text_itself():
    for text in ("<b>a</b>", "a & b", "a &lt; b", "first\nsecond <i>"):
        assert plain(text).replace("\u2060", "") == text
    assert line("Ste-Marie’s “日本” 👩\u200d🎨.png") == "Ste-Marie’s “日本” 👩\u200d🎨.png"
    assert line("a\x1b[2J\n\u202eb") == "a␛[2J␊\ufffdb"


def test_a_caption_underlines_nothing():
    assert caption("A&B <b>") == "A&&B <\u2060b>"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_is_never_a_formula(start):
    text = io.StringIO()
    csv.writer(text).writerow([cell(f"{start}1+1"), cell("a=1"), cell("\udcff")])
    ((formula, usual, broken),) = csv.reader(io.StringIO(text.getvalue(), newline=""))
    assert formula == f"'{start}1+1" and usual == "a=1" and broken == "?"
