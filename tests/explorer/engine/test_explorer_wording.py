"""What kvae advises on a command line, in the words of the form."""

import ast
import re
from pathlib import Path

import pytest

import kvae
from explorer.engine.wording import FORM, QUESTION, RUN, in_form_words, sentence_of
from explorer.widgets.terms import LABELS


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "There is too little memory. Close other programs or use --batch-size 3.",
            "There is too little memory. Close other programs or set “Pictures per step (batch size)” to 3.",
        ),
        ("Ask for more, such as --epochs 8.", "Ask for more, such as 8 passes."),
        (
            "Try a smaller --learning-rate; nothing was saved over an earlier model.",
            "Try a smaller “Size of each step (learning rate)”; nothing was saved over an earlier model.",
        ),
        ("Use --device cpu, or install kvae.", "Set “Compute on” to cpu, or install kvae."),
        ("Name the file, such as --output /a b/art.keras.", "Name the file, such as /a b/art.keras."),
        (
            "/a cannot be written to. Choose another --output.",
            "/a cannot be written to. Choose another place for the model.",
        ),
        (
            "There is no model file a. Train one with kvae-train.",
            "There is no model file a. Train one on the Train page.",
        ),
        ("output: /a cannot be written to. Choose another folder.", "/a cannot be written to. Choose another folder."),
        (
            "output: the model /m/a.keras is there, but its figure is not.",
            "The model /m/a.keras is there, but its figure is not.",
        ),
        ("resume: art.keras is damaged. Train anew.", "art.keras is damaged. Train anew."),
        (
            "output: a model's name ends in .keras. Received: --output a.h5.",
            "A model's name ends in .keras. Received: a.h5.",
        ),
        (
            "resume: `kl_weight` is part of the model and cannot change. Received: kl_weight=2.",
            "“How strongly to smooth (KL weight)” is part of the model and cannot change. Received: 2.",
        ),
        (
            "They are unlike: switch them off with --no-augment",
            "They are unlike: switch them off with “Also show flipped and recoloured variants”",
        ),
        *[("A sentence -- with a dash, and a file my--file.keras.",) * 2],
    ],
)  # fmt: skip
def test_a_flag_becomes_the_name_of_its_field(said, shown):
    assert in_form_words(said) == shown


def test_the_fields_have_the_names_that_the_form_shows():
    shown = {name: words for name, words in FORM.items() if name.replace("-", "_") in LABELS and words != "Length"}
    assert shown == {name: LABELS[name.replace("-", "_")] for name in shown} and len(shown) >= 13


# only command lines and kvae.sweep reach these rooms, and tools.py is a table of other programs' weights for them
ELSEWHERE = {"cli", "sweeps", "tools.py"}


def test_no_sentence_of_kvae_begins_with_the_name_of_a_parameter_in_the_window():
    root, begun = Path(kvae.__file__).parent, set()
    for file in (*root.joinpath("training").glob("*.py"), *root.joinpath("images").glob("*.py")):
        begun |= {text for text in _sentences(file) if re.match(r"[a-z_]+: \S", text)}
    assert len(begun) > 8
    assert [text for text in begun if re.match(r"[a-z_]+: ", in_form_words(text))] == []


def _sentences(file: Path) -> list[str]:
    """Every string in a file but the docstrings."""
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    said = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    strings = (node for node in nodes if isinstance(node, ast.Constant) and id(node) not in said)
    return [node.value for node in strings if isinstance(node.value, str)]


def test_no_flag_of_any_sentence_in_kvae_reaches_the_window():
    root, found = Path(kvae.__file__).parent, set()
    for file in root.rglob("*.py"):
        if not ELSEWHERE & set(file.relative_to(root).parts):
            found |= {flag for text in _sentences(file) for flag in re.findall(r"--[a-z][a-z-]*", text)}
    assert {"--validation", "--learning-rate", "--epochs", "--output", "--device"} <= found
    assert {flag[2:] for flag in found} <= set(FORM)
    for flag in found:
        assert "--" not in sentence_of(ValueError(f"A rule. Try a smaller {flag}, or {flag} 3; or use {flag} 4."))


@pytest.mark.parametrize("work", [QUESTION, RUN])
def test_errors_become_one_sentence(work):
    assert sentence_of(ValueError("first: a rule. Received: 3.\nmore"), work) == "first: a rule. Received: 3."
    for error in (MemoryError(), type("ResourceExhaustedError", (Exception,), {})("OOM\nwhen allocating")):
        assert sentence_of(error, work) == work.save_memory
    assert sentence_of(RuntimeError("odd"), work) == f"{work.failed}: odd (RuntimeError)."
    assert sentence_of(RuntimeError(""), work).startswith(f"{work.failed} (RuntimeError).")
    assert len(sentence_of(ValueError("x" * 999), work)) == 400
