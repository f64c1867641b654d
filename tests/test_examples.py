"""The examples in the docstrings of the public names and in docs/api.md are run, and show what comes out."""

import doctest
from pathlib import Path

import pytest

import kvae
from kvae.model.numpy_api import NumpyMixin

NAMES = [name for name in kvae.__all__ if not name.startswith("_")]
PAGE = Path(kvae.__file__).parents[1] / "docs" / "api.md"
OPTIONS = doctest.NORMALIZE_WHITESPACE


def run(example: doctest.DocTest) -> str:
    """What of `example` does not come out as it is shown."""
    said: list[str] = []
    doctest.DocTestRunner(verbose=False, optionflags=OPTIONS).run(example, out=said.append)
    return "".join(said)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_a_public_name_shows_what_comes_out(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = getattr(kvae, name).__doc__
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert example.examples
    assert run(example) == ""


def test_the_examples_of_the_page_of_public_names_show_what_comes_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8").replace("\n```", "\n\n```")  # else a fence counts as output
    example = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    assert len(example.examples) > len(NAMES)
    assert run(example) == ""


def test_the_page_has_every_public_name_and_what_a_vae_does_with_arrays():
    text = PAGE.read_text(encoding="utf-8")
    methods = [name for name in vars(NumpyMixin) if not name.startswith("_") and callable(getattr(NumpyMixin, name))]
    assert [name for name in NAMES if f"### `kvae.{name}" not in text] == []
    assert [name for name in [*methods, "fit", "adapt", "save", "export"] if f"`{name}(" not in text] == []
