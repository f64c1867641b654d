"""The benchmark for a GPU, which this machine may never see, runs in miniature."""

import importlib.util
from pathlib import Path

import pytest

GPU = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


def test_the_benchmark_of_a_gpu_runs_in_miniature(monkeypatch, capsys):
    pytest.importorskip("jax")
    spec = importlib.util.spec_from_file_location("gpu", GPU)
    gpu = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gpu)
    monkeypatch.setattr(gpu, "alone", gpu.measured)  # in this process
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda name: None)  # PyTorch is not compared here
    gpu.main(["--toy"])
    product, _, spectral, conv, told, *losses = capsys.readouterr().out.splitlines()
    assert "TFLOP/s" in product and "L of 200 others" in told
    for line, name in ((spectral, "spectral"), (conv, "conv")):
        words = line.split()
        assert words[:2] == [name, "16"] and float(words[2]) > 0 and words[3] == "nan"
    weights, found = zip(*(map(float, line.split()) for line in losses), strict=True)
    assert weights == (1.0, 0.316, 0.1, 0.0316, 0.01) and list(found) == sorted(found, reverse=True)
