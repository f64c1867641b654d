"""Outputs that are gone, full, closed, or of an encoding without Greek: the run goes on."""

import ast
import io
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

import kvae
from kvae.cli.output import SPELLINGS, lasting_output, without_warnings
from kvae.cli.train import main

ROOT = str(Path(kvae.__file__).parents[1])
SAID = "epoch 1  βR 0.8  β 0.1  σ 0.224  ∇βR 40%  3×4 → …"


@pytest.fixture
def undrawn(monkeypatch):
    monkeypatch.setattr("kvae.training.artifacts.draw_run", lambda *arguments, **options: None)


def sent(monkeypatch, encoding: str, text: str) -> bytes:
    """The bytes of `text`, printed to a standard output of this encoding."""
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding=encoding, errors="strict"))
    with lasting_output():
        print(text)
    assert sys.stdout.errors == "strict", "afterwards it is what it was"
    return raw.getvalue()


def test_what_an_encoding_does_not_hold_is_spelled_out(monkeypatch):
    assert sent(monkeypatch, "utf-8", SAID).decode().rstrip() == SAID
    plain = b"epoch 1  betaR 0.8  beta 0.1  sigma 0.224  grad betaR 40%  3x4 -> ...\n"
    assert sent(monkeypatch, "ascii", SAID) == plain
    # Windows' holds some of them
    assert sent(monkeypatch, "cp1252", SAID) == plain.replace(b"x", b"\xd7").replace(b"...", b"\x85")
    # names of files keep what tells them apart, also those that are no text
    assert sent(monkeypatch, "ascii", "Gemälde/猫.png") == b"Gem\\xe4lde/\\u732b.png\n"
    assert sent(monkeypatch, "utf-8", "\udcff.png") == b"\\udcff.png\n"


def test_columns_are_measured_as_they_are_printed(monkeypatch):
    from kvae.cli.sweep import _report

    row = SimpleNamespace(
        distortion=1.0, rate=2.0, loss=3.0, psnr=4.0, active=5, latent_dim=6, sigma=0.1, calibrated=0.2, spread={},
    )  # fmt: skip
    rows = [SimpleNamespace(**vars(row), name=name) for name in ("KL weight 1", "Gaussian limit, β=1")]
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with lasting_output():
        _report(
            SimpleNamespace(rows=rows, page="s.html", figure="s.png", latents=None, table=None),
            as_json=False,
            quiet=False,
        )
    head, *lines, _, _ = raw.getvalue().decode().splitlines()
    assert head.rstrip().endswith("beta*") and "beta=1" in lines[1]
    assert len({line.index("5 of 6") for line in lines}) == 1


def test_whatever_kvae_prints_can_be_spelled():
    """Figures are pictures: what is written there needs no encoding."""
    for file in Path(kvae.__file__).parent.rglob("*.py"):
        if {"figures"} & set(file.parts):
            continue
        nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
        said = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        strings = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in said]
        missing = {one for text in strings if isinstance(text, str) for one in text if ord(one) > 127} - set(SPELLINGS)
        assert not missing, file
    assert all(text.isascii() for text in SPELLINGS.values())


class Broken(io.StringIO):
    """Takes some characters and then no more, as a full disk or a pipe that nobody reads."""

    def __init__(self, room: int, error: Exception) -> None:
        super().__init__()
        self.room, self.error = room, error

    def write(self, text):
        self.room -= len(text)
        if self.room < 0:
            raise self.error
        return super().write(text)


@pytest.mark.parametrize(
    "error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left"), ValueError("closed")]
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_run_goes_on_when_its_outputs_are_gone(linear, undrawn, tmp_path, monkeypatch, error, flags):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(f"sys.{name}", Broken(10, error))
    assert main([*linear, *flags, "--output", str(tmp_path / "art.keras")]) == 0
    assert (tmp_path / "art.keras").is_file()


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_run_goes_on_without_any_output(linear, undrawn, tmp_path, monkeypatch, flags):
    """As Python starts where a shell says `>&-`, and a windowed program on Windows."""
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(f"sys.{name}", None)
    assert main([*linear, *flags, "--output", str(tmp_path / "art.keras")]) == 0
    assert (tmp_path / "art.keras").is_file()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a shell, and a device that is always full")
@pytest.mark.parametrize("where", ["| head -n 1", ">/dev/full", ">&-", "2>/dev/full", ">&- 2>&-", "| true"])
def test_the_process_ends_well_whatever_becomes_of_its_output(where):
    """At its end Python writes what is left, and fails with code 120 and words of its own where it cannot."""
    code = (
        "import sys; from kvae.cli.output import lasting_output\n"
        "with lasting_output():\n"
        "    print('β' * 100000); print('σ', file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": ROOT, "PYTHONIOENCODING": "ascii", "CODE": code}
    shell = f"exec 3>&1; ( '{sys.executable}' -c \"$CODE\"; echo code $? >&3 ) {where}"
    found = subprocess.run(["bash", "-c", shell], env=environment, capture_output=True, text=True, timeout=60)
    assert "code 0\n" in found.stdout and "Exception ignored" not in found.stderr, found


def test_the_number_of_a_closed_output_is_given_to_no_file(tmp_path):
    """Else whatever is printed, also by a library, ends up in the file that was opened next."""
    path = tmp_path / "file"
    code = (
        "import os, sys; from kvae.cli.output import lasting_output\n"
        "with lasting_output():\n"
        "    file = open(sys.argv[1], 'wb'); os.write(1, b'noise'); os.write(2, b'noise'); file.write(b'mine')"
    )
    shell = f"'{sys.executable}' -c \"$CODE\" '{path}' >&- 2>&- <&-"
    subprocess.run(["sh", "-c", shell], env={**os.environ, "PYTHONPATH": ROOT, "CODE": code}, check=True, timeout=60)
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("quiet", [True, False])
def test_a_quiet_command_hears_no_warnings(quiet, capfd):
    with without_warnings(quiet), warnings.catch_warnings(record=not quiet) as caught:
        if not quiet:
            warnings.simplefilter("always")
        warnings.warn("a warning of Python", DeprecationWarning, stacklevel=1)
        logging.getLogger("tensorflow").warning("a warning of TensorFlow")
        logging.getLogger("tensorflow").error("an error")
    if quiet:
        assert "warning" not in capfd.readouterr().err
    else:
        assert len(caught) == 1
    assert logging.root.manager.disable == logging.NOTSET


def test_json_and_quiet_leave_standard_error_empty(linear, undrawn, tmp_path, capfd):
    assert main([*linear, "--json", "--quiet", "--output", str(tmp_path / "art.keras")]) == 0
    captured = capfd.readouterr()
    assert captured.err == "" and len(captured.out.splitlines()) == 2
